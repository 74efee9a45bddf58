# SPDX-License-Identifier: MIT
"""A network to test in: namespaces of our own with a bridge, and a peer behind it in another one. Nothing of the host's
own network is touched, or needed."""
import hashlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
from machine import Guest  # noqa: E402

HOST, PEER, GUEST = "10.9.0.1", "10.9.0.2", "10.9.0.10"
HOST6, PEER6, GUEST6 = "fd09::1", "fd09::2", "fd09::10"


class Skip(Exception):
    pass


def enter_namespaces():
    """Starts the program again in new namespaces; as root of those only, if it has to be."""
    if os.environ.get("NETLAB") == "inside":
        subprocess.run(["mount", "--make-rprivate", "/"], check=False, stderr=subprocess.DEVNULL)
        sh("ip link set lo up")
        return
    why = ""
    for unshare in [["unshare", "-n", "-m"], ["unshare", "-U", "-r", "-n", "-m"]]:
        probe = subprocess.run([*unshare, "ip", "link", "set", "lo", "up"], stderr=subprocess.PIPE, check=False)
        if probe.returncode == 0:
            os.environ["NETLAB"] = "inside"
            os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])
        why = probe.stderr.decode().strip()
    print(f"1..0 # SKIP no network namespaces here: {why}")
    sys.exit(0)


def sh(command, check=True):
    done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode(errors="replace")
    if check and done.returncode:
        raise AssertionError(f"'{command}' ended with {done.returncode}: {text[-500:]}")
    return text


def need_tap():
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as e:
        raise Skip(f"/dev/net/tun: {e.strerror}") from e


def until_listening(run, port):
    """Waits until somebody listens at the TCP port, where run() runs a command."""
    run("for i in $(seq 600); do cat /proc/net/tcp /proc/net/tcp6 2> /dev/null |"
        f" grep -q ':{port:04X} [0-9A-F]*:0000 0A' && break; sleep 0.1; done; test $i -lt 600")


class Peer:
    """Another host: a namespace with eth0, which is one end of a cable to our bridge."""

    def __init__(self):
        self.proc = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE)
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.proc.pid}/ns/net") == own:
            time.sleep(0.01)
        self.jobs = []

    def command(self, command):
        return ["nsenter", "-t", str(self.proc.pid), "-n", "sh", "-c", command]

    def run(self, command, check=True):
        done = subprocess.run(self.command(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        text = done.stdout.decode(errors="replace")
        if check and done.returncode:
            raise AssertionError(f"peer: '{command}' ended with {done.returncode}: {text[-500:]}")
        return text

    def start(self, command):
        job = subprocess.Popen(self.command("exec " + command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        self.jobs.append(job)
        return job

    def close(self):
        for job in self.jobs:
            job.kill()
            job.wait()
        self.proc.stdin.close()
        self.proc.wait()


class Lab:
    """br0 with a peer behind a veth, and taps."""

    def __init__(self, taps=("tap0",), queues=1):
        need_tap()
        self.peer = Peer()
        self.taps = taps
        multi = "multi_queue" if queues > 1 else ""
        try:
            sh("ip link add br0 type bridge; ip link set br0 type bridge mcast_snooping 0 forward_delay 0;"
               f"ip addr add {HOST}/24 dev br0; ip -6 addr add {HOST6}/64 dev br0 nodad;"
               "ip link add veth0 type veth peer name veth1; ip link set veth0 master br0 up; ip link set br0 up;"
               f"ip link set veth1 netns {self.peer.proc.pid}")
            self.peer.run(f"ip link set lo up; ip link set veth1 name eth0 up; ip addr add {PEER}/24 dev eth0;"
                          f"ip -6 addr add {PEER6}/64 dev eth0 nodad")
            for tap in taps:
                sh(f"ip tuntap add {tap} mode tap {multi} && ip link set {tap} master br0 up")
        except AssertionError as e:
            self.close()
            raise Skip(f"this kernel cannot make the network: {e}") from e

    def close(self):
        self.peer.close()
        sh("; ".join(f"ip link del {name} 2>/dev/null" for name in [*self.taps, "veth0", "br0"]), check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class WebServer:
    """Files of this process' namespace: name -> content."""

    def __init__(self, files, address="127.0.0.1"):
        content = files

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                data = content.get(self.path.lstrip("/"))
                self.send_response(200 if data is not None else 404)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def digest(data):
    return hashlib.md5(data).hexdigest()


class NetGuest(Guest):
    """A guest whose NICs go by the last byte of their address."""

    def interface(self, mac):
        return self.run(f"grep -il {mac} /sys/class/net/*/address").split("/")[4]

    def counters_list(self):
        """What `info network` shows: pairs of a name and its text, one for each queue."""
        text = self.qmp({"execute": "human-monitor-command", "arguments": {"command-line": "info network"}})["return"]
        text = text.replace("\n \\   ", "\n  ").replace("\n \\ ", "\n")
        return [(block.split(":")[0].strip(), block) for block in re.split(r"\n(?! )", text) if block]

    def counters(self):
        return dict(self.counters_list())

    @staticmethod
    def total(blocks, name, what):
        """The number behind the word, of all queues of that name."""
        found = [re.search(rf"{what} (\d+)", text) for key, text in blocks if key == name]
        return sum(int(m.group(1)) for m in found if m)

    def counter(self, name, what):
        return self.total(self.counters_list(), name, what)

    def command(self, line):
        return self.qmp({"execute": "human-monitor-command", "arguments": {"command-line": line}})["return"]


def iperf(text):
    """Bits per second that arrived."""
    result = json.loads(text[text.index("{"):])
    if "error" in result:
        raise AssertionError("iperf3: " + result["error"])
    return result["end"]["sum_received"]["bits_per_second"]


def scratch():
    return tempfile.TemporaryDirectory()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
