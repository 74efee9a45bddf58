#!/bin/bash
# SPDX-License-Identifier: MIT
# The command language of latimer-io: the same output and exit status as qemu-io has for the same
# commands, but for times; every command of qemu-io is there; blkdebug's files, rules and limits.
. "$(dirname "$0")/common.sh"
have qemu-io || { echo "1..0 # SKIP qemu-io is not installed (Debian package: qemu-utils)"; exit 0; }

printf 'pattern file\n' >pat
cat >once <<'END'
[inject-error]
event = "write_aio"
errno = "28"
once = "on"
END
cat >states <<'END'
# the third write fails, until the next
[set-state]
event = "write_aio"
state = "1"
new_state = "2"
[set-state]
event = "write_aio"
state = "2"
new_state = "3"
[inject-error]
event = "write_aio"
state = "3"
errno = "5"
once = "on"
END
printf '[inject-error]\nevent = "read_aio"\nsector = "8"\n' >sector
printf '[inject-error]\nevent = "none"\niotype = "flush"\n' >flush
printf '[inject-error]\nevent = "fly"\n' >bad1
printf '[fly]\nevent = "read_aio"\n' >bad2
printf 'event = "read_aio"\n' >bad3
printf '[inject-error]\nevent=read_aio\n' >bad4

# What both say, the names and the times made the same.
both() { # name, image and options..., commands as -c
    local name=$1 tool
    shift
    for tool in qemu-io "$io"; do
        "$img" create -q -f qcow2 w.qcow2 1M
        "$img" create -q -f raw w.raw 1M
        timeout 60 stdbuf -oL "$tool" "$@" >out.raw 2>&1
        echo "status $?" >>out.raw
        sed 's/latimer-io/qemu-io/; s/[0-9:.]* sec (.*)//; s/,[0-9:]*\.[0-9]*,.*//
             /^[a-z_]* (or [a-z]*)/d; /^[a-z_]* *\[.* -- /d; /^vm state offset/d; /^qemu-io: Failed to flush the/d' out.raw >"out.${tool##*/}"
    done
    diff out.qemu-io out.latimer-io >log
    is "$name" $?
    sed "s/^/#     /" log
}

run "help" "$io" -c help
cp log help
for c in $(qemu-io -c help | awk '/ -- /{ print $1 }'); do
    grep -q "^$c\b" help; is "there is $c" $?
    run "help $c" "$io" -c "help $c"
    # every letter that it takes there, it takes here
    letters=$(qemu-io -c "help $c" | sed -n '1s/^[a-z_]* *\[-\([a-zA-Z]*\)\].*/\1/p')
    for l in $(echo "$letters" | grep -o .); do
        case $c$l in reada) continue ;; esac # in the text, but not in the program
        "$io" -c "help $c" | sed -n '1p' | grep -q -- "\[-[a-zA-Z]*$l"; is "$c -$l" $?
    done
done
while read -r c; do
    both "$c" -f qcow2 -c "$c" w.qcow2
done <<'END'
read 0 4k
read -v 0 32
read -P 3 0 4k
read -P 0 0 4k
read -P 3 -s 4k 0 4k
read -P 3 -s 1k -l 4k 0 4k
read -l 4 0 4k
read -P 0 1M 0
read -p 0 1k
read -C 0 4k
read -q 0 4k
read -b 0 4k
read 3M 1
read 0 4G
read 0 foo
read foo 0
readv 0 512 1k
readv -v 0 4 4
readv -P 5 0 512
readv 0
write 0 4k
write 0 0
write 1 1
write -C 0 4k
write -z 0 64k
write -z -u 0 64k
write -z -n 0 64k
write -c 0 64k
write -c -z 0 64k
write -c 512 64k
write -f 0 4k
write -b 0 4k
write -b -z 0 4k
write -f -c 0 4k
write -n 0 4k
write -u 0 4k
write -s pat 0 4k
write -s nosuch 0 4k
write -P 1 -s pat 0 4k
write -P 300 0 4k
write -P foo 0 1
write 3M 1
writev -P 5 0 512 1k
aio_write -u 0 4k
aio_write -z 0 4k 4k
aio_read -i 0 4k
aio_write -i 0 4k
alloc 0
alloc 2M
alloc 0 2M
alloc x
alloc 0 1023
map
map x
info
length
length 3
truncate
truncate 2M
truncate -m foo 1M
truncate -m falloc 2M
truncate -m off 1000
discard
discard 0 64k
discard -C 0 64k
discard -q 0 64k
discard 0 8G
flush
flush 1
sleep
sleep 1
sigraise
sigraise 0
break write_aio A
break
resume A
remove_break A
wait_break
reopen -r
reopen -w
reopen -c none
reopen -c bla
reopen -r -w
reopen -o lazy-refcounts=on
reopen -c writeback -o cache.direct=on
open
open w.qcow2
foo
help foo
quit
END
both "a pattern file" -f raw -c "write -q -s pat 0 64k" -c "read -v 0 64" w.raw
both "what -b wrote, and the disk" -f qcow2 -c "write -q -b -P 5 0 100k" -c "write -q -P 6 0 64k" \
    -c "read -q -b -P 5 0 100k" -c "read -q -P 6 0 64k" w.qcow2
run "the image is sound" qemu-img check -q w.qcow2
run "qemu-io reads our machine state" qemu-io -f qcow2 -c "read -b -P 5 0 100k" w.qcow2
grep -q Pattern log; is "and it is the same" $((! $?))
both "reopened read-only, then not" -f qcow2 -c "write -q 0 4k" -c "reopen -r" -c "write 0 4k" -c "reopen -w" \
    -c "write -q 0 4k" -c "read -q -P 0xcd 0 4k" w.qcow2
both "a file opened, closed, opened" -c "open -o driver=qcow2 w.qcow2" -c info -c close -c "read 0 1" \
    -c "open -r w.qcow2" -c length -c "write 0 1" -c close -c "open -n -o driver=raw w.raw" -c length
both "open with modes" -c "open -t writethrough -d unmap -i threads -o driver=qcow2,file.filename=w.qcow2" -c length
both "open with bad modes" -c "open -t foo w.qcow2" -c "open -d foo w.qcow2" -c "open -i foo w.qcow2"
both "a temporary overlay" -s -f qcow2 -c "write -q -P 9 0 4k" -c "read -q -P 9 0 4k" -c close \
    -c "open w.qcow2" -c "read -P 9 0 4k" w.qcow2
both "the same by open" -c "open -s -o driver=qcow2 w.qcow2" -c "write -q -P 9 0 4k" -c close -c "open -r w.qcow2" \
    -c "read -P 9 0 4k"
both "buffers that are not aligned" -m -n -f raw -c "write -q -P 3 0 64k" -c "read -P 3 0 64k" w.raw
"$img" create -q -f qcow2 base.qcow2 1M
"$io" -f qcow2 -c "write -q -P 4 0 1M" base.qcow2
"$img" create -q -f qcow2 -b base.qcow2 -F qcow2 cor.qcow2
run "copy on read" "$io" -C -f qcow2 -c "read -P 4 128k 64k" -c "alloc 128k 64k" cor.qcow2
grep -q "65536/65536 bytes allocated" log; is "what was read is here" $?
! "$io" -c "sigraise 9" >log 2>&1; is "sigraise" $?
! "$io" -f raw -c abort w.raw >log 2>&1; is "abort" $?

# ---- blkdebug
both "an error once" -f qcow2 -c "write 0 4k" -c "write 0 4k" blkdebug:once:w.qcow2
both "states" -f qcow2 -c "write -q 0 4k" -c "write -q 0 4k" -c "write 0 4k" -c "write 0 4k" blkdebug:states:w.qcow2
both "a sector" -f raw -c "read -q 0 4k" -c "read 4k 512" -c "read -q 8k 4k" blkdebug:sector:w.raw
both "a flush, that each write has" -f raw -c "write -q 0 4k" blkdebug:flush:w.raw
for n in 1 2 3 4; do
    ! "$io" -f raw blkdebug:bad$n:w.raw -c length >log 2>&1; is "bad file $n: $(head -1 log)" $?
    ! qemu-io -f raw blkdebug:bad$n:w.raw -c length >log 2>&1; is "there, too" $?
done
refused "no file" "Could not read blkdebug config file: No such file" "$io" -f raw blkdebug:nosuch:w.raw -c length
d=driver=qcow2,file.driver=blkdebug,file.image.driver=file,file.image.filename=w.qcow2
while read -r o; do
    both "$o" --image-opts -c "write 0 4k" -c "write 100k 1234" -c "read -q 5 70000" -c "write -q -z 64k 128k" -c "discard -q 0 64k" \
        "$d,file.${o//,/,file.}"
done <<'END'
inject-error.0.event=write_aio,inject-error.0.errno=28,inject-error.0.once=on
inject-error.0.event=write_aio,inject-error.0.iotype=read
inject-error.0.event=cluster_alloc,inject-error.0.once=on,inject-error.0.iotype=write
set-state.0.event=write_aio,set-state.0.new_state=3,inject-error.0.event=write_aio,inject-error.0.state=3,inject-error.0.once=on
inject-error.0.event=write_aio,inject-error.0.errno=0
align=1024
align=4096,max-transfer=65536
max-transfer=65536
opt-write-zero=4096,max-write-zero=64k
opt-discard=65536,max-discard=1M
END
while read -r o; do
    refused "$o" "" "$io" --image-opts -c length "$d,file.${o//,/,file.}"
    ! qemu-io --image-opts -c length "$d,file.${o//,/,file.}" >log 2>&1; is "there, too" $?
done <<'END'
inject-error.0.event=foo
inject-error.0.event=write_aio,inject-error.0.foo=1
inject-error.0.event=write_aio,inject-error.0.iotype=fly
align=511
opt-write-zero=4096,max-write-zero=100
END
json='json:{"driver":"qcow2","file":{"driver":"blkdebug","image":{"driver":"file","filename":"w.qcow2"},"inject-error":[{"event":"write_aio","errno":28,"once":true}]}}'
both "rules as JSON" -c "write 0 4k" -c "write 0 4k" "$json"
both "a request is held" -f qcow2 -c "break write_aio A" -c "aio_write 0 4k" -c "wait_break A" -c "resume A" \
    -c aio_flush -c "read -q -P 0xcd 0 4k" blkdebug::w.qcow2
both "breakpoints by name" -f qcow2 -c "break write_aio A" -c "break nope B" -c "resume A" -c "remove_break A" \
    -c "remove_break A" -c "write -q 0 4k" blkdebug::w.qcow2
finish
