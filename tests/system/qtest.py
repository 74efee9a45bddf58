# SPDX-License-Identifier: MIT
"""A client of -qtest: a machine whose devices are driven by their registers; no guest runs."""
import os
import shlex
import socket
import subprocess
import tempfile


class QTest:
    """with QTest(EMULATOR, "-M", "virt", …) as q: q.readl(0x9000018)"""

    def __init__(self, emulator, *args, wait=60):
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "qtest")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(wait / 2)
        command = ["timeout", "-s", "KILL", str(wait * 3), *shlex.split(emulator), "-accel", "qtest", "-qtest",
                   f"unix:{path}", "-nodefaults", "-display", "none", *args]
        self.proc = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            self.sock = listener.accept()[0]
        except socket.timeout:
            self.proc.kill()
            raise AssertionError(f"nobody came: {command}") from None
        finally:
            listener.close()
        self.sock.settimeout(wait)
        self.file = self.sock.makefile("r", newline="\n")  # one for both ways would forget, at a write, what it has read
        self.lines = {}  # levels of intercepted interrupt lines

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        self.file.close()
        self.proc.terminate()
        self.proc.wait(60)
        self.folder.cleanup()

    def ask(self, line):
        """The words behind OK; what begins with anything else is an error."""
        self.sock.sendall(line.encode() + b"\n")
        while True:
            answer = self.file.readline().split()
            if not answer:
                raise AssertionError(f"{line}: the connection was closed")
            if answer[0] == "IRQ":
                self.lines[int(answer[2])] = answer[1] == "raise"
            elif answer[0] == "OK":
                return answer[1:]
            else:
                raise AssertionError(f"{line}: {' '.join(answer)}")

    def number(self, line):
        return int(self.ask(line)[0], 0)

    def readb(self, addr):
        return self.number(f"readb {addr:#x}")

    def readw(self, addr):
        return self.number(f"readw {addr:#x}")

    def readl(self, addr):
        return self.number(f"readl {addr:#x}")

    def readq(self, addr):
        return self.number(f"readq {addr:#x}")

    def writeb(self, addr, val):
        self.ask(f"writeb {addr:#x} {val:#x}")

    def writew(self, addr, val):
        self.ask(f"writew {addr:#x} {val:#x}")

    def writel(self, addr, val):
        self.ask(f"writel {addr:#x} {val:#x}")

    def writeq(self, addr, val):
        self.ask(f"writeq {addr:#x} {val:#x}")

    def read(self, addr, size):
        return bytes.fromhex(self.ask(f"read {addr:#x} {size:#x}")[0][2:])

    def write(self, addr, data):
        self.ask(f"write {addr:#x} {len(data):#x} 0x{data.hex()}")

    def clock_step(self, ns=None):
        return self.number("clock_step" if ns is None else f"clock_step {ns}")

    def clock_set(self, ns):
        return self.number(f"clock_set {ns}")

    def intercept_in(self, path):
        self.ask(f"irq_intercept_in {path}")

    def intercept_out(self, path):
        self.ask(f"irq_intercept_out {path}")
