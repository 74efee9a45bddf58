#!/bin/bash
# SPDX-License-Identifier: MIT
# Our NBD server with others' clients, and our client with others' servers, over Unix and TCP
# sockets. Run by `make check-block`.
set -u
build=${1:-build}
img=$PWD/$build/latimer-img io=$PWD/$build/latimer-io nbd=$PWD/$build/latimer-nbd
dir=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'kill $(cat "$dir"/*.pid 2>/dev/null) 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0 ran=0

run() { # name, command
    local name=$1
    shift
    ran=$((ran + 1))
    if timeout 60 "$@" >log 2>&1; then
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
skip() { ran=$((ran + 1)); echo "ok $ran # SKIP $*"; }
not() { ! "$@" >log 2>&1; }
alive() { case $(ps -o stat= -p "$(cat "$1.pid")") in '' | Z*) return 1 ;; esac; } # a zombie is not
stop() { kill "$(cat "$1.pid")" 2>/dev/null; while alive "$1"; do sleep 0.05; done; rm -f "$1.pid"; }

head -c 3000000 /dev/urandom >a.raw
truncate -s 16M a.raw
dd if=a.raw of=a.raw bs=1k seek=9000 count=100 conv=notrunc status=none
"$img" convert -f raw -O qcow2 a.raw a.qcow2

# our server, our client
run start "$nbd" --fork --pid-file=s.pid -t -e 0 -x exp -D "a disk" -f qcow2 --discard=unmap -k "$dir/s" a.qcow2
uri="nbd+unix:///exp?socket=$dir/s"
run "own client" "$img" compare -f raw -F raw a.raw "$uri"
run "own info" "$img" info "$uri"
run "own list" "$nbd" -L -k "$dir/s"
grep -q "export: 'exp'" log; is "the list names it" $?
run "own map" "$img" map --output=json "$uri"
grep -q '"zero": true' log; is "block status over NBD" $?
# others' clients
if command -v qemu-img >/dev/null; then
    run "qemu-img client" qemu-img compare -f raw -F raw a.raw "$uri"
    run "qemu-img map" qemu-img map --output=json "$uri"
    cp log q.map
    run "own map" "$img" map --output=json "$uri"
    cmp -s q.map log; is "the same map" $?
else
    skip "qemu-img as client: not installed (Debian package: qemu-utils)"
fi
if command -v nbdinfo >/dev/null; then
    run nbdinfo nbdinfo "$uri"
    run "nbdinfo --map" nbdinfo --map "$uri"
    run nbdcopy nbdcopy "$uri" copy.raw
    run "nbdcopy's copy" cmp a.raw copy.raw
else
    skip "nbdinfo, nbdcopy: not installed (Debian package: libnbd-bin)"
fi
# writing through the server, many requests in flight
for i in 1 2 3 4 5 6 7 8 9; do
    echo "aio_write -q -P $i $((i * 1000000)) 300000"
done >cmds
cp cmds cmds.flush
echo aio_flush >>cmds.flush
run "own writes" "$io" -f raw "$uri" <cmds.flush
run "same writes" "$io" -f raw a.raw <cmds
run "written" "$img" compare -f raw -F raw a.raw "$uri"
stop s
run "image after" "$img" check a.qcow2
run "image after" "$img" compare -f raw -F qcow2 a.raw a.qcow2

# TCP, one client, then the server goes
port=$((20000 + $$ % 20000))
run "start tcp" "$nbd" --fork --pid-file=t.pid -r -f raw -b 127.0.0.1 -p $port a.raw
run "own client tcp" "$img" compare -f raw -F raw a.raw "nbd://127.0.0.1:$port"
sleep 0.3
not alive t; is "the server ends with its last client" $?
rm -f t.pid

# others' servers, our client
if command -v qemu-nbd >/dev/null; then
    run "qemu-nbd" qemu-nbd --fork --pid-file=q.pid -t -e 8 -f qcow2 -k "$dir/q" a.qcow2
    run "client of qemu-nbd" "$img" compare -f raw -F raw a.raw "nbd:unix:$dir/q"
    run "write to qemu-nbd" "$io" -f raw -c "write -q -P 9 5000 100000" "nbd:unix:$dir/q"
    run "same write" "$io" -f raw -c "write -q -P 9 5000 100000" a.raw
    run "client of qemu-nbd" "$img" compare -f raw -F raw a.raw "nbd:unix:$dir/q"
    stop q
else
    skip "qemu-nbd: not installed (Debian package: qemu-utils)"
fi
if command -v nbdkit >/dev/null; then
    run nbdkit nbdkit -U "$dir/k" -P k.pid -e x file "$dir/a.raw"
    run "client of nbdkit" "$img" compare -f raw -F raw a.raw "nbd+unix:///x?socket=$dir/k"
    run "convert from nbdkit" "$img" convert -f raw -O qcow2 "nbd+unix:///x?socket=$dir/k" k.qcow2
    run "its result" "$img" compare -f raw -F qcow2 a.raw k.qcow2
    kill "$(cat k.pid)"; rm -f k.pid
else
    skip "nbdkit: not installed (Debian package: nbdkit)"
fi

# refusals
run "start" "$nbd" --fork --pid-file=r.pid -t -r -f raw -k "$dir/r" a.raw
not "$io" -f raw -c "write 0 512" "nbd:unix:$dir/r"; is "no write to a read-only export" $?
not "$img" info "nbd:unix:$dir/r:exportname=nope"; is "no unknown export" $?
grep -q "not available" log; is "its message" $?
not "$img" info "nbd:unix:$dir/nosuch"; is "no server, nothing opened" $?
stop r

# a lost connection comes back
run "start" "$nbd" --fork --pid-file=v.pid -t -f raw -k "$dir/v" a.raw
(sleep 0.5; stop v; "$nbd" --fork --pid-file=v.pid -t -f raw -k "$dir/v" a.raw) &
run "reconnect" "$io" --image-opts -c "read -q 0 64k" -c "sleep 1500" -c "read 0 1" -c "read -q 0 64k" \
    "driver=raw,file.driver=nbd,file.path=$dir/v,file.reconnect-delay=5"
wait
stop v

echo "1..$ran"
[ $failed = 0 ]
