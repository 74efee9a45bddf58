# SPDX-License-Identifier: MIT
"""What the suites that run a program emulated and natively share: options, sysroots, commands."""
import os
import shlex
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
ARCHES = ("arm64", "amd64")


def parse_options(defaults, usage):
    """{name: value} of --name=value arguments; emulator and sysroots are always there."""
    options = {"emulator": "",
               "sysroots": os.environ.get("LATIMER_SYSROOTS", CACHE + "/latimer/sysroots")}
    options.update(defaults)
    for arg in sys.argv[1:]:
        name, equals, value = arg.lstrip("-").partition("=")
        if not equals or name not in options:
            sys.exit(usage)
        options[name] = value
    return options


def have_packages(options, packages):
    """Unpacks Debian packages for both machines. False: TAP says what is missing."""
    if not options["emulator"]:
        print("1..0 # SKIP no latimer-user was built: nothing was run")
        return False
    for arch in ARCHES:
        made = subprocess.run([HERE + "/sysroot", arch, f"{options['sysroots']}/{arch}"] + packages,
                              capture_output=True, text=True, check=False)
        if made.returncode:
            print("\n".join("# " + line for line in made.stderr.splitlines()[-5:]))
            print(f"1..0 # SKIP the Debian packages cannot be had for {arch} (see above): nothing was run")
            return False
    return True


def command(options, arch, scratch):
    """(how a program of arch begins on the command line, its environment)"""
    root = f"{options['sysroots']}/{arch}"
    environment = {
        "HOME": scratch,
        "TMPDIR": scratch,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PATH": f"{root}/usr/bin:{root}/usr/sbin:/usr/bin:/bin",
    }
    if arch == "arm64":
        environment["LATIMER_CACHE_DIR"] = os.environ.get("LATIMER_CACHE_DIR", scratch + "/../code")
        return shlex.split(options["emulator"]) + ["-L", root], environment
    environment["LD_LIBRARY_PATH"] = root + "/usr/lib/x86_64-linux-gnu"
    return [], environment


def run(args, environment, folder, timeout):
    """(exit status or None when time was up, output); what the program left running is killed."""
    with open(folder + "/.log", "w+b") as log:
        process = subprocess.Popen(args, env=environment, cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, start_new_session=True)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        log.seek(0)
        text = log.read().decode(errors="replace")
    os.unlink(folder + "/.log")
    return status, text
