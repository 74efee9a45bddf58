#!/bin/bash
# SPDX-License-Identifier: MIT
# Reads images from a web server on this machine: one that serves ranges, and one that does not.
set -u
img=$PWD/${1:-build}/latimer-img
dir=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'kill $pid 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0 ran=0
is() {
    ran=$((ran + 1))
    if [ "$2" = 0 ]; then echo "ok $ran - $1"; else
        echo "not ok $ran - $1"
        sed 's/^/#     /' log | tail -5
        failed=$((failed + 1))
    fi
}
cat >server.py <<'PY'
import http.server, os, re, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def reply(self, body):
        ranged = not self.path.startswith("/plain/")
        if self.path.startswith("/private/") and self.headers.get("Authorization") != "Basic YWxpOm9wZW5zZXNhbWU=":
            return self.send_error(401)
        try: data = open(os.path.basename(self.path), "rb").read()
        except OSError: return self.send_error(404)
        m = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if m and ranged:
            lo, hi = int(m[1]), int(m[2])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {lo}-{hi}/{len(data)}")
            data = data[lo:hi + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body: self.wfile.write(data)
    def do_GET(self): self.reply(True)
    def do_HEAD(self): self.reply(False)
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(s.server_port, flush=True)
s.serve_forever()
PY
head -c 3000000 /dev/urandom >a.raw
truncate -s 8M a.raw
"$img" convert -c -f raw -O qcow2 a.raw a.qcow2 >log 2>&1; is "make an image" $?
python3 server.py >port 2>/dev/null &
pid=$!
for _ in $(seq 600); do [ -s port ] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat port)
"$img" info "$url/a.qcow2" >log 2>&1 && grep -q "file format: qcow2" log; is "info" $?
"$img" compare -f raw -F qcow2 a.raw "$url/a.qcow2" >log 2>&1; is "qcow2 over http" $?
"$img" compare -f raw -F raw a.raw "$url/a.raw" >log 2>&1; is "raw over http" $?
"$img" create -f qcow2 -b "$url/a.qcow2" -F qcow2 over.qcow2 >log 2>&1; is "as a backing file" $?
"$img" compare -f raw -F qcow2 a.raw over.qcow2 >log 2>&1; is "... which reads the same" $?
! "$img" compare -f raw -F raw a.raw "$url/plain/a.raw" >log 2>&1 && grep -q "byte ranges" log
is "a server without ranges is an error" $?
! "$img" info "$url/nosuch" >log 2>&1 && grep -q "Error opening" log; is "404" $?
! "$img" resize -f raw "$url/a.raw" 9M >log 2>&1 && grep -q "read-only" log; is "no writing" $?
secret="--object secret,id=p,data=opensesame"
private="driver=raw,file.driver=http,file.url=$url/private/a.raw,file.username=ali"
"$img" compare $secret --image-opts driver=raw,file.filename=a.raw "$private,file.password-secret=p" >log 2>&1
is "a user name and a password" $?
! "$img" info --image-opts "$private" >log 2>&1 && grep -q "Error opening" log; is "none, and no entry" $?
echo "1..$ran"
[ $failed = 0 ]
