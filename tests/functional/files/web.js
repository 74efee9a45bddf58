// SPDX-License-Identifier: MIT
// A web server, clients that load it, and worker threads that hash; prints sums that do not depend on order.
const http = require('http');
const crypto = require('crypto');
const zlib = require('zlib');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

function work(seed) {
    let sum = 0;
    const words = new Map();
    for (let i = 0; i < 20000; i++) {
        seed = (seed * 16807) % 2147483647;
        const key = 'k' + (seed % 97);
        words.set(key, (words.get(key) || 0) + 1);
        sum = (sum + Math.floor(Math.sqrt(seed))) % 1000003;
    }
    return `${sum} ${words.size} ` + crypto.createHash('sha256').update(String(sum)).digest('hex').slice(0, 12);
}

if (!isMainThread) {
    parentPort.postMessage(work(workerData));
} else {
    const requests = +process.argv[2], threads = +process.argv[3] || 4, parallel = 16;
    const server = http.createServer((req, res) => {
        const n = +req.url.slice(1);
        const body = JSON.stringify({ n, sum: work(n + 1), list: Array.from({ length: 50 }, (_, k) => k * n) });
        zlib.gzip(body, (err, packed) => {
            res.writeHead(200, { 'content-encoding': 'gzip' });
            res.end(packed);
        });
    });
    const get = (port, n) => new Promise((resolve, reject) => {
        http.get({ port, path: '/' + n, agent }, (res) => {
            const parts = [];
            res.on('data', (part) => parts.push(part));
            res.on('end', () => resolve(JSON.parse(zlib.gunzipSync(Buffer.concat(parts)))));
        }).on('error', reject);
    });
    const agent = new http.Agent({ keepAlive: true, maxSockets: parallel });
    const run = async () => {
        const port = server.address().port;
        const hash = crypto.createHash('sha256');
        const results = [];
        let next = 0;
        await Promise.all(Array.from({ length: parallel }, async () => {
            while (next < requests) {
                const n = next++;
                results[n] = await get(port, n);
            }
        }));
        results.forEach((r) => hash.update(JSON.stringify(r)));
        console.log('requests', results.length, hash.digest('hex').slice(0, 16));
        const workers = Array.from({ length: threads }, (_, n) => new Promise((resolve, reject) => {
            const w = new Worker(__filename, { workerData: n + 11 });
            w.on('message', resolve);
            w.on('error', reject);
        }));
        console.log((await Promise.all(workers)).join('\n'));
        agent.destroy();
        server.close();
    };
    server.listen(0, '127.0.0.1', () => run().catch((e) => { console.error(e); process.exit(1); }));
}
