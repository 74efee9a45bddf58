# SPDX-License-Identifier: MIT
# What the scripts beside this one share: a scratch folder, TAP lines, the programs. To be sourced
# with the build folder as the first argument.
set -u
build=${1:-build}
img=$PWD/$build/latimer-img io=$PWD/$build/latimer-io nbd=$PWD/$build/latimer-nbd
dir=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'kill $(cat "$dir"/*.pid 2>/dev/null) 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0 ran=0
patience=${BLOCK_TEST_PATIENCE:-300} # seconds for a command: a loaded machine is slow, a hang is longer

run() { # name, command
    local name=$1
    shift
    ran=$((ran + 1))
    if timeout "$patience" "$@" >log 2>&1; then
        echo "ok $ran - $name"
    else
        echo "not ok $ran - $name: $*"
        tail -5 log | sed 's/^/#     /'
        failed=$((failed + 1))
        return 1
    fi
}
is() { # name, then the exit status of what was to be true
    ran=$((ran + 1))
    [ "$2" = 0 ] && { echo "ok $ran - $1"; return; }
    echo "not ok $ran - $1"
    failed=$((failed + 1))
}
refused() { # name, what the message has in it, command
    local name=$1 words=$2
    shift 2
    ! timeout "$patience" "$@" >log 2>&1 && grep -qF -- "$words" log
    is "$name" $?
}
skip() { ran=$((ran + 1)); echo "ok $ran # SKIP $*"; }
not() { ! "$@" >log 2>&1; }
have() { command -v "$1" >/dev/null; }
beside() { # the program that it is compared with, then as run
    if have "$1"; then shift; run "$@"; else skip "$2: $1 is not installed"; fi
}
alive() { case $(ps -o stat= -p "$(cat "$1.pid")") in '' | Z*) return 1 ;; esac; } # a zombie is not
stop() { kill "$(cat "$1.pid")" 2>/dev/null; while alive "$1"; do sleep 0.05; done; rm -f "$1.pid"; }
finish() { echo "1..$ran"; [ $failed = 0 ]; }
