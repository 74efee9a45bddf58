# SPDX-License-Identifier: MIT
"""A guest on the machine under test: start it, talk to its console, see how it ends."""
import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import tempfile
import time
import traceback

PROMPT = b"guest# "


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Ended(Exception):
    pass


class Skip(Exception):
    """What a test needs is not here."""


def until_served(path, wait=60):
    """Waits until somebody listens at a name, which is there a moment earlier than that."""
    end = time.monotonic() + wait
    while time.monotonic() < end:
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            fields = [line.split(None, 7) for line in file]
        if any(len(f) == 8 and f[7].strip() == path and int(f[3], 16) & 0x10000 for f in fields[1:]):  # __SO_ACCEPTCON
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens at {path}")


class Guest:
    """The emulator with its console on pipes."""

    def __init__(self, emulator, *args, kernel=None, append="", wait=180, memory="512"):
        self.wait = wait
        self.folder = tempfile.TemporaryDirectory()
        self.qmp_path = os.path.join(self.folder.name, "qmp")
        command = ["timeout", "-s", "KILL", str(wait * 3), *shlex.split(emulator), "-M", "virt", "-m", memory,
                   "-nographic", "-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        if kernel:
            command += ["-kernel", os.path.join(kernel, "vmlinuz"), "-initrd", os.path.join(kernel, "initrd.gz"),
                        "-append", f"console=ttyAMA0 quiet {append}".strip()]
        self.proc = subprocess.Popen(command + list(args), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, start_new_session=True)
        self.output = b""
        self.seen = 0
        self.count = 0

    def read(self, end):
        left = end - time.monotonic()
        if left <= 0 or not select.select([self.proc.stdout], [], [], left)[0]:
            raise AssertionError("no answer; last output: " + self.output[-400:].decode(errors="replace"))
        data = os.read(self.proc.stdout.fileno(), 1 << 16)
        if not data:
            raise Ended("the emulator ended; last output: " + self.output[-400:].decode(errors="replace"))
        self.output += data

    def expect(self, what):
        """Reads until the bytes `what`; returns what came before them."""
        end = time.monotonic() + self.wait
        while self.output.find(what, self.seen) < 0:
            self.read(end)
        at = self.output.find(what, self.seen)
        before, self.seen = self.output[self.seen:at], at + len(what)
        return before.decode(errors="replace")

    def send(self, text):
        self.proc.stdin.write(text.encode())
        self.proc.stdin.flush()

    def emulator_pid(self):
        """Of the emulator itself, which is timeout's child."""
        with open(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children") as file:
            return int(file.read().split()[0])

    def cpu_seconds(self):
        with open(f"/proc/{self.emulator_pid()}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def boot(self):
        self.expect(PROMPT)
        return self

    def run(self, command):
        """Runs a shell command in the guest; its output. The status must be 0."""
        self.count += 1
        mark = f"done{self.count}:"
        self.send(f'{command}; echo "do""ne{self.count}:$?"\n')  # so that the echo of the line does not look like it
        out = self.expect(mark.encode())
        status = self.expect(PROMPT).strip()
        out = out.replace("\r", "")
        out = out[out.find(":$?\"\n") + len(":$?\"\n"):].strip()  # behind the echo of the line
        if not re.match("0\\b", status):
            raise AssertionError(f"'{command}' ended with {status}: {out[-500:]}")
        return out

    def qmp(self, *requests):
        """Sends each request; the last one's answer."""
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(self.wait)
        s.connect(self.qmp_path)
        file = s.makefile("rwb")
        file.readline()
        for request in ({"execute": "qmp_capabilities"}, *requests):
            file.write(json.dumps(request).encode() + b"\n")
            file.flush()
            answer = json.loads(file.readline())
            while "event" in answer:
                answer = json.loads(file.readline())
        s.close()
        return answer

    def end(self):
        """Waits for the emulator's end; its exit status, and all that it printed."""
        end = time.monotonic() + self.wait
        try:
            while True:
                self.read(end)
        except Ended:
            pass
        status = self.proc.wait(self.wait)
        self.close()
        return status, self.output.decode(errors="replace")

    def poweroff(self):
        self.send("poweroff -f\n")
        status, text = self.end()
        assert status == 0 and "Power down" in text, (status, text[-300:])

    def close(self):
        if self.proc.stdin.closed:
            return
        if self.proc.poll() is None:
            os.killpg(self.proc.pid, signal.SIGKILL)  # timeout leads a group of its own with the emulator in it
            self.proc.wait()
        self.proc.stdin.close()
        self.proc.stdout.close()
        self.folder.cleanup()


def run_tests(tests, only):
    """Prints TAP; true: none failed."""
    tests = [t for t in tests if re.search(only, t.__name__)]
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for n, test in enumerate(tests, 1):
        try:
            note = test()
            print(f"ok {n} - {test.__name__}" + (f" # {note}" if note else ""), flush=True)
        except Skip as e:
            print(f"ok {n} - {test.__name__} # SKIP {e}", flush=True)
        except Exception as e:  # a test's failure, whatever it is
            failed += 1
            text = str(e).replace("\r", "").replace("\n", "\n#   ")
            lines = [f.lineno for f in traceback.extract_tb(e.__traceback__)]
            print(f"not ok {n} - {test.__name__}: {type(e).__name__} at lines {lines} {text}", flush=True)
    return failed == 0
