#!/bin/bash
# SPDX-License-Identifier: MIT
# The life of jobs, transactions, bitmaps with every kind of backup, reopening and throttling, over
# QMP through latimer-io; what is left is checked by qemu-img, too.
. "$(dirname "$0")/common.sh"

qmp() { echo "qmp '{\"execute\":\"$1\",\"arguments\":{$2}}'"; }
query() { echo "qmp '{\"execute\":\"$1\"}'"; }
txn() { # properties or "", actions: type{data}
    local all='' a props=''
    [ -z "$1" ] || props="\"properties\":{$1},"
    shift
    for a in "$@"; do all+="${all:+,}{\"type\":\"${a%%\{*}\",\"data\":{${a#*\{}}"; done
    qmp transaction "$props\"actions\":[$all]"
}
dev='"device":"io0"'
fresh() {
    rm -f ./*.qcow2 ./*.raw ./*.img
    "$img" create -q -f qcow2 base.qcow2 8M
    "$io" -f qcow2 -c "write -q -P 1 0 2M" -c "write -q -P 2 5M 1M" base.qcow2
    "$img" create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2
    "$io" -f qcow2 -c "write -q -P 3 1M 64k" top.qcow2
    "$img" convert -O raw top.qcow2 all.raw
}
same() { # name, image, format
    run "$1: compare" "$img" compare -f raw -F "$3" all.raw "$2"
    [ "$3" != qcow2 ] || run "$1: check" "$img" check -q "$2"
    beside qemu-img "$1: qemu-img" qemu-img compare -f raw -F "$3" all.raw "$2"
}
says() { grep -qF -- "$2" log; is "$1" $?; }
count() { [ "$(grep -c -- "$2" log)" = "$3" ]; is "$1" $?; }

# ---- how jobs end
fresh
run "a job that waits to be finalized" "$io" -f qcow2 \
    -c "$(qmp block-stream "$dev,\"auto-finalize\":false,\"auto-dismiss\":false")" -c job_wait \
    -c "$(query query-jobs)" -c "$(query query-block-jobs)" \
    -c "$(qmp job-finalize '"id":"io0"')" -c "$(query query-jobs)" \
    -c "$(qmp job-dismiss '"id":"io0"')" -c "$(query query-jobs)" top.qcow2
says "pending, says the event" '"event": "BLOCK_JOB_PENDING"'
says "pending, says query-jobs" '"status": "pending", "current-progress": 8388608'
says "auto-finalize is told" '"auto-finalize": false'
says "concluded when finalized" '"status": "concluded"'
[ "$(tail -1 log)" = '{"return": []}' ]; is "nothing left when dismissed" $?
[ "$(sed -n 's/.*JOB_STATUS_CHANGE.*"status": "\([a-z]*\)".*/\1/p' log | tr '\n' ' ')" = \
    "created running waiting pending concluded null " ]; is "every state is told, in order" $?
same "a finalized job" top.qcow2 qcow2

fresh
! "$io" -f qcow2 -c "$(qmp block-stream "$dev,\"speed\":65536")" -c "$(qmp job-finalize '"id":"io0"')" \
    -c "$(qmp job-dismiss '"id":"io0"')" -c "$(qmp job-complete '"id":"io0"')" \
    -c "$(qmp job-pause '"id":"io0"')" -c "$(query query-jobs)" -c "$(qmp job-resume '"id":"io0"')" \
    -c "$(qmp block-job-set-speed '"device":"io0","speed":0')" -c job_wait top.qcow2 >log
is "verbs at the wrong time fail" $?
count "each says why" "cannot accept command verb" 3
says "paused" '"status": "paused"'
says "and completed" BLOCK_JOB_COMPLETED
fresh
run "cancelled when pending" "$io" -f qcow2 -c "$(qmp block-stream "$dev,\"auto-finalize\":false")" \
    -c job_wait -c "$(qmp job-cancel '"id":"io0"')" top.qcow2
says "the event" BLOCK_JOB_CANCELLED
"$img" info top.qcow2 | grep -q "backing file"; is "the chain is as it was" $?

# ---- transactions
fresh
run "snapshot and backup at one moment" "$io" -f qcow2 \
    -c "$(txn '' "drive-backup{$dev,\"target\":\"copy.img\",\"format\":\"qcow2\",\"sync\":\"full\"}" \
        'block-dirty-bitmap-add{"node":"io0","name":"b","persistent":true}')" \
    -c "write -q -P 9 0 8M" -c job_wait top.qcow2
same "a backup in a transaction" copy.img qcow2
"$img" info top.qcow2 | grep -q "name: b"; is "the bitmap was made" $?

fresh
"$io" -f qcow2 -c "$(qmp block-dirty-bitmap-add '"node":"io0","name":"b","persistent":true')" \
    -c "$(qmp block-dirty-bitmap-add '"node":"io0","name":"off","persistent":true,"disabled":true')" \
    top.qcow2 >log
"$io" -f qcow2 -c "write -q -P 3 1M 64k" top.qcow2
"$img" info --output=json top.qcow2 >before
cp top.qcow2 before.qcow2
! "$io" -f qcow2 -c "$(txn '' "blockdev-snapshot-sync{$dev,\"snapshot-file\":\"snap.qcow2\"}" \
    'block-dirty-bitmap-add{"node":"io0","name":"c"}' 'abort{}')" -c "write -q -P 9 4M 64k" \
    -c "$(query query-named-block-nodes)" top.qcow2 >log
is "a transaction with abort fails" $?
says "and says so" "Transaction aborted using Abort action"
run "the overlay is off again" "$io" -r -f qcow2 -c "read -P 9 4M 64k" top.qcow2
cp before.qcow2 top.qcow2
! "$io" -f qcow2 -c "$(txn '' 'block-dirty-bitmap-clear{"node":"io0","name":"b"}' \
    'block-dirty-bitmap-disable{"node":"io0","name":"b"}' \
    'block-dirty-bitmap-enable{"node":"io0","name":"off"}' \
    'block-dirty-bitmap-merge{"node":"io0","target":"off","bitmaps":["b"]}' \
    'block-dirty-bitmap-remove{"node":"io0","name":"b"}' \
    'block-dirty-bitmap-add{"node":"io0","name":"new","persistent":true}' \
    'blockdev-snapshot-internal-sync{"device":"io0","name":"inside"}' \
    "drive-backup{$dev,\"job-id\":\"never\",\"target\":\"copy2.img\",\"format\":\"raw\",\"sync\":\"full\"}" \
    'block-dirty-bitmap-clear{"node":"io0","name":"nosuch"}')" -c "$(query query-jobs)" top.qcow2 >log
is "a long one whose last step fails" $?
[ "$(tail -1 log)" = '{"return": []}' ]; is "no job has begun" $?
"$img" info --output=json top.qcow2 >after
cat >same.py <<'EOF'
import json
a, b = (json.load(open(name)) for name in ("before", "after"))
for info in a, b:
    del info["actual-size"]
    info["format-specific"]["data"]["bitmaps"].sort(key=lambda bitmap: bitmap["name"])
assert len(a["format-specific"]["data"]["bitmaps"]) == 2
assert a == b, (a, b)
EOF
run "bitmaps and snapshots are as they were" python3 same.py
run "the image is sound" "$img" check -q top.qcow2
"$img" bitmap --add -g 64k before.qcow2 x; "$img" bitmap --merge b before.qcow2 x
"$io" -f qcow2 -c "$(qmp drive-backup "$dev,\"target\":\"inc.img\",\"format\":\"qcow2\",\"sync\":\"bitmap\",\"bitmap\":\"b\",\"bitmap-mode\":\"never\"")" \
    -c job_wait top.qcow2 >log
"$img" map --output=json inc.img | grep -q '"start": 1048576, "length": 65536, .*"data": true'
is "the bitmap has what it had" $?
same "the content" top.qcow2 qcow2
refused "no such action" "Invalid parameter 'fly'" "$io" -f qcow2 -c "$(txn '' 'fly{}')" top.qcow2

fresh
run "a group ends together" "$io" -f qcow2 \
    -c "$(qmp blockdev-add '"driver":"qcow2","node-name":"n","file":{"driver":"file","filename":"base.qcow2"},"read-only":true')" \
    -c "$(txn '"completion-mode":"grouped"' \
        "drive-backup{$dev,\"target\":\"one.img\",\"format\":\"raw\",\"sync\":\"full\"}" \
        'drive-backup{"device":"n","job-id":"two","target":"two.img","format":"raw","sync":"full"}')" \
    -c job_wait top.qcow2
count "both complete" BLOCK_JOB_COMPLETED 2
same "the first of a group" one.img raw
fresh
run "a group fails together" "$io" -f qcow2 \
    -c "$(qmp blockdev-add '"driver":"qcow2","node-name":"n","file":{"driver":"file","filename":"base.qcow2"},"read-only":true')" \
    -c "$(txn '"completion-mode":"grouped"' \
        "drive-backup{$dev,\"target\":\"one.img\",\"format\":\"raw\",\"sync\":\"full\",\"speed\":4096}" \
        'drive-backup{"device":"n","job-id":"two","target":"two.img","format":"raw","sync":"full"}')" \
    -c "sleep 3000" -c "$(query query-jobs)" -c "$(qmp job-cancel '"id":"io0"')" -c job_wait top.qcow2
says "one waits for the other" '"status": "waiting"'
count "both are cancelled" BLOCK_JOB_CANCELLED 2

# ---- bitmaps and backups: what is copied, what the bitmap has afterwards
backup() { echo "$(qmp drive-backup "$dev,\"target\":\"$1\",\"format\":\"qcow2\",\"sync\":\"$2\",\"bitmap\":\"b\"${3:+,\"bitmap-mode\":\"$3\"}${4:+,$4}")"; }
prepared() { # one cluster noted in the bitmap b
    fresh
    "$io" -f qcow2 -c "$(qmp block-dirty-bitmap-add '"node":"io0","name":"b","persistent":true')" \
        -c "write -q -P 7 2M 64k" -c "write -q -P 8 6M 64k" top.qcow2 >log
    "$img" convert -O raw top.qcow2 all.raw
}
bits() { # how many bytes the bitmap has: as its NBD export tells
    "$io" -f qcow2 -c "$(qmp drive-backup "$dev,\"target\":\"bits.img\",\"format\":\"qcow2\",\"sync\":\"bitmap\",\"bitmap\":\"b\",\"bitmap-mode\":\"never\"")" \
        -c job_wait top.qcow2 >/dev/null
    "$img" map --output=json bits.img | sed -n 's/.*"length": \([0-9]*\), "depth": 0.*"present": true.*/\1/p' | awk '{ n += $1 } END { print n + 0 }'
    rm -f bits.img
}
for sync in full top bitmap incremental; do
    for mode in "" never on-success always; do
        prepared
        want=ok
        case $sync.$mode in full.never | top.never | full. | top. | bitmap. | incremental.never | incremental.always) want=refused ;; esac
        if [ $want = refused ]; then
            refused "sync=$sync bitmap-mode=$mode" "itmap sync mode" "$io" -f qcow2 -c "$(backup c.img $sync $mode)" top.qcow2
            continue
        fi
        run "sync=$sync bitmap-mode=$mode" "$io" -f qcow2 -c "$(backup c.img $sync $mode)" -c job_wait top.qcow2
        [ $sync != full ] || same "sync=$sync bitmap-mode=$mode" c.img qcow2
        left=$(bits)
        [ "${left:-0}" = "$([ "$mode" = never ] && echo 131072 || echo 0)" ]
        is "the bitmap afterwards has ${left:-0} bytes" $?
        # Cancelled in the middle: only "always" forgets what was copied.
        [ $sync != bitmap ] || {
            prepared
            "$io" -f qcow2 -c "$(backup c.img $sync $mode '"speed":4096,"job-id":"j"')" -c "sleep 200" \
                -c "$(qmp job-cancel '"id":"j"')" -c job_wait top.qcow2 >log
            left=$(bits)
            [ "${left:-0}" = "$([ "$mode" = always ] && echo 65536 || echo 131072)" ]
            is "cancelled: $left bytes" $?
        }
    done
done
prepared
refused "sync=none with a bitmap" "no meaningful effect" "$io" -f qcow2 -c "$(backup c.img none always)" top.qcow2
refused "no such bitmap" "not found" "$io" -f qcow2 -c "$(backup c.img bitmap always | sed 's/"b"/"x"/')" top.qcow2
run "merge, disable, enable, clear" "$io" -f qcow2 \
    -c "$(qmp block-dirty-bitmap-add '"node":"io0","name":"m"')" \
    -c "$(qmp block-dirty-bitmap-merge '"node":"io0","target":"m","bitmaps":["b",{"node":"io0","name":"b"}]')" \
    -c "$(qmp block-dirty-bitmap-clear '"node":"io0","name":"b"')" \
    -c "$(qmp block-dirty-bitmap-disable '"node":"io0","name":"m"')" -c "write -q -P 1 0 64k" \
    -c "$(qmp drive-backup "$dev,\"target\":\"m.img\",\"format\":\"qcow2\",\"sync\":\"incremental\",\"bitmap\":\"m\"")" \
    -c job_wait -c "$(qmp block-dirty-bitmap-enable '"node":"io0","name":"m"')" \
    -c "$(qmp block-dirty-bitmap-remove '"node":"io0","name":"m"')" top.qcow2
"$img" map --output=json m.img | grep -q '"start": 2097152, "length": 65536.*"data": true'
is "the merged bitmap had it" $?
"$img" map --output=json m.img | grep -q '"start": 0, .*"present": true'; is "and not what came later" $((! $?))

# ---- nodes: blockdev jobs, reopening, throttling
fresh
run "blockdev-backup, -mirror, -snapshot" "$io" -f qcow2 \
    -c "qmp '{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"raw\",\"node-name\":\"t\",\"file\":{\"driver\":\"file\",\"filename\":\"all.raw\"}}}'" \
    -c "$(qmp blockdev-backup "$dev,\"target\":\"t\",\"sync\":\"full\",\"job-id\":\"j\"")" -c job_wait top.qcow2
same "blockdev-backup" top.qcow2 qcow2
"$img" create -q -f qcow2 m.qcow2 8M
run "blockdev-mirror" "$io" -f qcow2 \
    -c "$(qmp blockdev-add '"driver":"qcow2","node-name":"t","file":{"driver":"file","filename":"m.qcow2"}')" \
    -c "$(qmp blockdev-mirror "$dev,\"target\":\"t\",\"sync\":\"full\",\"job-id\":\"j\"")" -c job_wait \
    -c "$(qmp job-complete '"id":"j"')" -c job_wait top.qcow2
same "blockdev-mirror" m.qcow2 qcow2
"$img" create -q -f qcow2 -b top.qcow2 -F qcow2 over.qcow2
run "blockdev-snapshot" "$io" -f qcow2 \
    -c "$(qmp blockdev-add '"driver":"qcow2","node-name":"o","backing":null,"file":{"driver":"file","filename":"over.qcow2"}')" \
    -c "$(qmp blockdev-snapshot '"node":"io0","overlay":"o"')" -c "write -q -P 5 0 64k" top.qcow2
same "blockdev-snapshot, below" top.qcow2 qcow2
run "blockdev-snapshot, above" "$io" -r -f qcow2 -c "read -P 5 0 64k" -c "read -P 3 1M 64k" over.qcow2
run "change-backing-file" "$io" -f qcow2 \
    -c "$(qmp change-backing-file "$dev,\"image-node-name\":\"io0\",\"backing-file\":\"./base.qcow2\"")" top.qcow2
"$img" info top.qcow2 | grep -q "backing file: ./base.qcow2"; is "the name is changed" $?

fresh
node='"driver":"qcow2","node-name":"n","file":{"driver":"file","filename":"base.qcow2"}'
run "blockdev-reopen" "$io" -f raw -c "$(qmp blockdev-add "$node,\"read-only\":true")" \
    -c "$(qmp blockdev-reopen "\"options\":[{$node,\"read-only\":false,\"lazy-refcounts\":true}]")" \
    -c "$(qmp block_resize '"node-name":"n","size":16777216')" all.raw
"$img" info base.qcow2 | grep -q "16 MiB"; is "it could be written to" $?
refused "another driver" "Cannot change the option 'driver'" "$io" -c "$(qmp blockdev-add "$node,\"read-only\":true")" \
    -c "$(qmp blockdev-reopen '"options":[{"driver":"raw","node-name":"n","file":{"driver":"file","filename":"base.qcow2"}}]')" all.raw
refused "an unknown option" "does not support the option" "$io" -c "$(qmp blockdev-add "$node,\"read-only\":true")" \
    -c "$(qmp blockdev-reopen "\"options\":[{$node,\"colour\":\"red\"}]")" all.raw
refused "x-blockdev-change" "does not support adding a child" "$io" -f qcow2 \
    -c "$(qmp x-blockdev-change '"parent":"io0","node":"io0"')" top.qcow2

start=$(date +%s%N)
run "block_set_io_throttle" "$io" -f qcow2 \
    -c "$(qmp block_set_io_throttle "$dev,\"bps\":0,\"bps_rd\":0,\"bps_wr\":1000000,\"iops\":0,\"iops_rd\":0,\"iops_wr\":0")" \
    -c "write -q -P 1 0 512k" -c "write -q -P 1 512k 512k" -c "write -q -P 1 1M 64k" \
    -c "$(qmp block_set_io_throttle "$dev,\"bps\":0,\"bps_rd\":0,\"bps_wr\":0,\"iops\":0,\"iops_rd\":0,\"iops_wr\":0")" \
    -c "write -q -P 1 0 8M" top.qcow2
ms=$((($(date +%s%N) - start) / 1000000))
[ $ms -gt 400 ] && [ $ms -lt 8000 ]; is "it is slow only while limited ($ms ms)" $?
finish
