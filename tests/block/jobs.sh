#!/bin/bash
# SPDX-License-Identifier: MIT
# Block jobs on an image through latimer-io: what is left is checked by qemu-img, too.
. "$(dirname "$0")/common.sh"

fresh() { # base <- mid <- top, and the same content in all.raw
    rm -f ./*.qcow2 ./*.raw
    "$img" create -q -f qcow2 base.qcow2 8M
    "$io" -f qcow2 -c "write -q -P 1 0 2M" -c "write -q -P 2 5M 1M" base.qcow2
    "$img" create -q -f qcow2 -b base.qcow2 -F qcow2 mid.qcow2
    "$io" -f qcow2 -c "write -q -P 3 1M 2M" -c "write -q -z 5M 64k" mid.qcow2
    "$img" create -q -f qcow2 -b mid.qcow2 -F qcow2 top.qcow2
    "$io" -f qcow2 -c "write -q -P 4 3000000 1000" top.qcow2
    "$img" convert -O raw top.qcow2 all.raw
}
same() { # name, image, format
    run "$1: compare" "$img" compare -f raw -F "$3" all.raw "$2"
    [ "$3" != qcow2 ] || run "$1: check" "$img" check -q "$2"
    beside qemu-img "$1: qemu-img" qemu-img compare -f raw -F "$3" all.raw "$2"
}
qmp() { echo "qmp '{\"execute\":\"$1\",\"arguments\":{$2}}'"; }
dev='"device":"io0"'

fresh
run stream "$io" -f qcow2 -c "$(qmp block-stream "$dev")" -c job_wait top.qcow2
grep -q BLOCK_JOB_COMPLETED log; is "stream says so" $?
"$img" info top.qcow2 | grep -q "backing file"; is "no backing file any more" $((! $?))
same stream top.qcow2 qcow2

fresh
run "stream to base" "$io" -f qcow2 \
    -c "$(qmp block-stream "$dev,\"base\":\"base.qcow2\",\"backing-file\":\"base.qcow2\"")" -c job_wait top.qcow2
"$img" info top.qcow2 | grep -q "^backing file: base.qcow2"; is "base is left" $?
same "stream to base" top.qcow2 qcow2

fresh
run commit "$io" -f qcow2 -c "$(qmp block-commit "$dev,\"top\":\"mid.qcow2\"")" -c job_wait top.qcow2
"$img" info top.qcow2 | grep -q "^backing file: base.qcow2"; is "mid is gone" $?
same commit top.qcow2 qcow2

fresh
run "active commit" "$io" -f qcow2 -c "$(qmp block-commit "$dev")" -c job_wait \
    -c "write -q -P 5 7M 1000" -c job_wait -c "$(qmp block-job-complete "$dev")" -c job_wait \
    -c "write -q -P 6 7500000 1000" top.qcow2
"$io" -f raw -c "write -q -P 5 7M 1000" -c "write -q -P 6 7500000 1000" all.raw >log
same "active commit" base.qcow2 qcow2

for format in raw qcow2; do
    fresh
    run "mirror to $format" "$io" -f qcow2 \
        -c "$(qmp drive-mirror "$dev,\"target\":\"copy.img\",\"format\":\"$format\",\"sync\":\"full\"")" \
        -c "write -q -P 7 1000000 1000000" -c job_wait -c "$(qmp block-job-complete "$dev")" -c job_wait \
        -c "write -q -P 8 2000000 1000000" top.qcow2
    "$io" -f raw -c "write -q -P 7 1000000 1000000" -c "write -q -P 8 2000000 1000000" all.raw >log
    same "mirror to $format" copy.img $format
    rm copy.img
done

fresh
run backup "$io" -f qcow2 \
    -c "$(qmp drive-backup "$dev,\"target\":\"copy.img\",\"format\":\"qcow2\",\"sync\":\"full\"")" \
    -c "write -q -P 9 0 8M" -c job_wait top.qcow2
same backup copy.img qcow2
run "incremental backup" "$io" -f qcow2 \
    -c "$(qmp block-dirty-bitmap-add '"node":"io0","name":"b","persistent":true')" \
    -c "write -q -P 10 1M 100k" \
    -c "$(qmp drive-backup "$dev,\"target\":\"inc.img\",\"format\":\"qcow2\",\"sync\":\"incremental\",\"bitmap\":\"b\"")" \
    -c "write -q -P 11 2M 100k" -c job_wait top.qcow2
"$img" map --output=json inc.img | grep -q '"start": 1048576'; is "it has what was written" $?
"$img" convert -O raw inc.img inc.raw
run "and nothing else" "$io" -f raw -c "read -q -P 10 1M 100k" -c "read -q -P 0 0 1M" -c "read -q -P 0 2M 2M" inc.raw
"$img" info top.qcow2 | grep -q "name: b"; is "the bitmap is kept" $?

fresh
run snapshot "$io" -f qcow2 \
    -c "$(qmp blockdev-snapshot-sync "$dev,\"snapshot-file\":\"snap.qcow2\"")" \
    -c "write -q -P 12 0 64k" top.qcow2
same "the image below" top.qcow2 qcow2
"$io" -f raw -c "write -q -P 12 0 64k" all.raw >log
same snapshot snap.qcow2 qcow2

fresh
run resize "$io" -f qcow2 -c "$(qmp block_resize "$dev,\"size\":16777216")" -c length top.qcow2
grep -q "16 MiB" log; is "the new size" $?
refused "no job, a message" "Block job 'io0' not found" "$io" -f qcow2 -c "$(qmp block-job-cancel "$dev")" top.qcow2
refused "no command, a message" "has not been found" "$io" -f qcow2 -c "$(qmp block-explode "$dev")" top.qcow2
refused "no target, a message" "'target' is missing" "$io" -f qcow2 -c "$(qmp drive-mirror "$dev")" top.qcow2

# Images in other folders: what is recorded leads there.
fresh
mkdir sub && mv ./*.qcow2 sub
run "stream in a folder" "$io" -f qcow2 \
    -c "$(qmp block-stream "$dev,\"base\":\"base.qcow2\"")" -c job_wait sub/top.qcow2
same "stream in a folder" sub/top.qcow2 qcow2
run "snapshot beside it" "$io" -f qcow2 \
    -c "$(qmp blockdev-snapshot-sync "$dev,\"snapshot-file\":\"sub/snap.qcow2\"")" sub/top.qcow2
same "snapshot beside it" sub/snap.qcow2 qcow2
run "snapshot elsewhere" "$io" -f qcow2 \
    -c "$(qmp blockdev-snapshot-sync "$dev,\"snapshot-file\":\"far.qcow2\"")" sub/snap.qcow2
same "snapshot elsewhere" far.qcow2 qcow2
run "commit in a folder" "$io" -f qcow2 \
    -c "$(qmp block-commit "$dev,\"top\":\"sub/snap.qcow2\",\"base\":\"sub/top.qcow2\"")" -c job_wait far.qcow2
same "commit in a folder" far.qcow2 qcow2
rm -r sub

# The host's I/O: the same bytes by all three ways.
fresh
for aio in threads io_uring native; do
    cache=writeback; [ $aio != native ] || cache=none
    if "$io" -f qcow2 -t $cache -i $aio -c "length" top.qcow2 >log 2>&1; then
        run "aio=$aio" "$img" bench -q -f qcow2 -t $cache -i $aio -c 2000 -d 32 -w --pattern=13 -s 4096 top.qcow2
        run "aio=$aio, read" "$img" bench -q -f qcow2 -t $cache -i $aio -c 2000 -d 32 -s 4096 top.qcow2
        run "aio=$aio, written" "$io" -f qcow2 -c "read -q -P 13 0 8000k" top.qcow2
        run "aio=$aio, check" "$img" check -q top.qcow2
    else
        skip "aio=$aio: $(head -1 log)"
    fi
done

# The host copies from file to file.
rm -f host.raw
run "convert -C" "$img" convert -C -f raw -O raw all.raw host.raw
run "convert -C, the same" cmp all.raw host.raw
run "convert -C from qcow2" "$img" convert -C -f qcow2 -O raw top.qcow2 host.raw
run "convert -C, the same" "$img" compare -f raw -F qcow2 host.raw top.qcow2
run "convert -C to qcow2" "$img" convert -C -f raw -O qcow2 all.raw host.qcow2
run "convert -C, the same" "$img" compare -f raw -F qcow2 all.raw host.qcow2
refused "convert -C -c" "copy offloading when -c" "$img" convert -C -c -O qcow2 all.raw host.qcow2
refused "convert -C -S" "copy offloading when -S" "$img" convert -C -S 4k -O qcow2 all.raw host.qcow2
finish
