#!/bin/bash
# SPDX-License-Identifier: MIT
# Encrypted images of qemu-img through latimer-img and the other way round: LUKS by itself and
# inside qcow2, every cipher, mode, IV generator and hash; legacy AES; key slots; secrets.
. "$(dirname "$0")/common.sh"

head -c 200000 /dev/urandom >r
truncate -s 1M src.raw && dd if=r of=src.raw conv=notrunc bs=1000 seek=13 status=none
s="--object secret,id=s,data=hello"
fast=iter-time=10
luks=driver=luks,key-secret=s,file.filename=x.luks
qcow=driver=qcow2,encrypt.key-secret=s,file.filename=x.qcow2

# qemu-img measures its key derivation, and gives up when it was interrupted then: it tries again.
if theirs=$(command -v qemu-img); then
    mkdir bin
    cat >bin/qemu-img <<END
#!/bin/sh
for _ in 1 2 3 4 5 6 7 8 9 10; do
    "$theirs" "\$@" 2>"$dir/said"
    status=\$?
    grep -q "accurate CPU usage" "$dir/said" || break
done
cat "$dir/said" >&2
exit \$status
END
    chmod +x bin/qemu-img
    PATH=$dir/bin:$PATH
fi

# Both ways between two programs, as LUKS and in qcow2.
both_ways() { # name, options
    local inside=encrypt.${2//,/,encrypt.} a b
    for pair in "qemu-img $img" "$img qemu-img"; do
        read -r a b <<<"$pair"
        have "$a" && have "$b" || { skip "$1: qemu-img is not installed"; continue; }
        run "luks $1, ${a##*/}" "$a" convert $s -O luks -o "key-secret=s,$2" src.raw x.luks &&
            run "luks $1, read by ${b##*/}" "$b" convert $s -O raw --image-opts "$luks" out.raw &&
            run "luks $1, the same" cmp src.raw out.raw
        run "qcow2 $1, ${a##*/}" "$a" convert $s -O qcow2 \
            -o "encrypt.format=luks,encrypt.key-secret=s,$inside" src.raw x.qcow2 &&
            run "qcow2 $1, read by ${b##*/}" "$b" convert $s -O raw --image-opts "$qcow" out.raw &&
            run "qcow2 $1, the same" cmp src.raw out.raw
    done
}
both_ways default $fast
both_ways aes-128-cbc-essiv \
    "$fast,cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=md5,hash-alg=sha1"
both_ways serpent-256-cbc "$fast,cipher-alg=serpent-256,cipher-mode=cbc,hash-alg=sha512"

# How much of the file is there from the start, and the old name of AES.
for mode in off falloc full metadata; do
    for pair in "qemu-img $img" "$img qemu-img"; do
        read -r a b <<<"$pair"
        have "$a" && have "$b" || { skip "preallocation=$mode: qemu-img is not installed"; continue; }
        rm -f x.luks
        run "luks preallocation=$mode, ${a##*/}" "$a" create $s -q -f luks -o "key-secret=s,$fast,preallocation=$mode" x.luks 1M || continue
        run "luks preallocation=$mode, read by ${b##*/}" "$b" convert $s -O raw --image-opts "$luks" out.raw
    done
done
for pair in "qemu-img $img" "$img qemu-img"; do
    read -r a b <<<"$pair"
    have "$a" && have "$b" || { skip "encryption=on: qemu-img is not installed"; continue; }
    run "encryption=on, ${a##*/}" "$a" convert $s -O qcow2 -o encryption=on,encrypt.key-secret=s src.raw x.qcow2
    run "encryption=on, read by ${b##*/}" "$b" convert $s -O raw --image-opts "$qcow" out.raw
    run "encryption=on, the same" cmp src.raw out.raw
done

# All the rest by ourselves, and by qemu-img in one direction. Every pair only when there is time.
some="aes-192-xts cast5-128-cbc serpent-128-ctr serpent-192-xts twofish-128-ecb twofish-256-cbc"
all=$(for c in aes-192 cast5-128 serpent-128 serpent-192 twofish-128 twofish-192 twofish-256; do
    for m in xts cbc ctr ecb; do [ "$c-$m" = cast5-128-xts ] || echo "$c-$m"; done
done)
[ -n "${BLOCK_ALL_CIPHERS-}" ] || all=$some
for pair in $all; do
    run "$pair" "$img" convert $s -O luks \
        -o "key-secret=s,$fast,cipher-alg=${pair%-*},cipher-mode=${pair##*-},ivgen-alg=plain" src.raw x.luks
    run "$pair, the same" "$img" compare $s --image-opts driver=raw,file.filename=src.raw "$luks"
    # qemu-img 7.2 stops with an assertion at key material of half sectors.
    case $pair in *-192-xts | *-128-* | *-256-*)
        beside qemu-img "$pair, qemu-img" qemu-img compare $s --image-opts driver=raw,file.filename=src.raw "$luks" ;;
    esac
done
for hash in md5 sha384 ripemd160; do
    run "$hash" "$img" convert $s -O luks -o "key-secret=s,$fast,hash-alg=$hash" src.raw x.luks
    beside qemu-img "$hash, qemu-img" qemu-img compare $s --image-opts driver=raw,file.filename=src.raw "$luks"
done
refused "xts wants blocks of 16" "Unsupported cipher mode xts" \
    "$img" create $s -f luks -o "key-secret=s,$fast,cipher-alg=cast5-128" x.luks 1M

# Legacy AES.
for pair in "qemu-img $img" "$img qemu-img"; do
    read -r a b <<<"$pair"
    have "$a" && have "$b" || { skip "aes: qemu-img is not installed"; continue; }
    run "aes, ${a##*/}" "$a" convert $s -O qcow2 -o encrypt.format=aes,encrypt.key-secret=s src.raw x.qcow2
    run "aes, read by ${b##*/}" "$b" convert $s -O raw --image-opts "$qcow" out.raw
    run "aes, the same" cmp src.raw out.raw
done

# Writes of odd sizes, zeroes, resizes, snapshots, backing files, on an encrypted image and on a
# plain one: the same content.
requests() {
    awk -v seed=7 'BEGIN { srand(seed); for (i = 0; i < 60; i++) {
        len = 1 + int(rand() * 90000); off = int(rand() * (4194304 - len)); k = rand()
        if (k < 0.15) printf "write -q -z %d %d\n", off, len
        else printf "write -q -P %d %d %d\n", 1 + int(rand() * 255), off, len } }'
}
requests >cmds
qopts() { echo "driver=qcow2,encrypt.key-secret=s,file.filename=$1"; }
for opts in "" ,extended_l2=on ,cluster_size=512 ,data_file=e.data ,compat=0.10; do
    enc="encrypt.format=luks,encrypt.key-secret=s,encrypt.$fast$opts"
    rm -f plain.raw e.qcow2
    run "create luks$opts" "$img" create $s -f qcow2 -o "$enc" e.qcow2 4M
    truncate -s 4M plain.raw
    run "write luks$opts" "$io" $s --image-opts "$(qopts e.qcow2)" <cmds
    "$io" -f raw plain.raw <cmds >log
    run "the same, luks$opts" "$img" compare $s --image-opts driver=raw,file.filename=plain.raw "$(qopts e.qcow2)"
    beside qemu-img "check by qemu-img, luks$opts" qemu-img check $s --image-opts "$(qopts e.qcow2)"
    run "check without the key, luks$opts" "$img" check e.qcow2
    run "resize luks$opts" "$img" resize $s --image-opts "$(qopts e.qcow2)" 5M
    truncate -s 5M plain.raw
    run "as big, luks$opts" "$img" compare $s --image-opts driver=raw,file.filename=plain.raw "$(qopts e.qcow2)"
done
run "overlay" "$img" create $s -f qcow2 -u -F qcow2 \
    -b "json:{\"driver\":\"qcow2\",\"encrypt.key-secret\":\"s\",\"file.filename\":\"e.qcow2\"}" \
    -o "encrypt.format=luks,encrypt.key-secret=s,encrypt.$fast" over.qcow2 5M
run "write to it" "$io" $s --image-opts -c "write -q -P 3 1000 70000" "$(qopts over.qcow2)"
"$io" -f raw -c "write -q -P 3 1000 70000" plain.raw >log
run "the same, through both" "$img" compare $s --image-opts driver=raw,file.filename=plain.raw "$(qopts over.qcow2)"
run "luks, odd sizes" "$img" create $s -f luks -o "key-secret=s,$fast" x.luks 4M
rm plain.raw; truncate -s 4M plain.raw
run "write" "$io" $s --image-opts "$luks" <cmds
"$io" -f raw plain.raw <cmds >log
dd if=/dev/zero of=zero.raw bs=4M count=1 status=none
"$io" -f raw zero.raw <cmds >log
run "written parts are the same" "$io" $s --image-opts -c "read -q 0 4M" "$luks"
run "resize" "$img" resize $s --image-opts "$luks" 6M

# Secrets and messages.
printf hello >pass; printf aGVsbG8= >pass64
run "secret from a file" "$img" info --object "secret,id=s,file=pass" --image-opts "$luks"
run "open with it" "$io" --object "secret,id=s,file=pass" --image-opts -c "read -q 0 4k" "$luks"
run "base64" "$io" --object "secret,id=s,format=base64,file=pass64" --image-opts -c "read -q 0 4k" "$luks"
run "JSON" "$io" --object '{"qom-type":"secret","id":"s","data":"hello"}' --image-opts -c "read -q 0 4k" "$luks"
if have openssl; then
    key=$(head -c 32 /dev/urandom | base64 -w0) iv=$(head -c 16 /dev/urandom | base64 -w0)
    hexkey=$(echo "$key" | base64 -d | od -An -tx1 | tr -d ' \n')
    hexiv=$(echo "$iv" | base64 -d | od -An -tx1 | tr -d ' \n')
    printf hello | openssl enc -aes-256-cbc -K "$hexkey" -iv "$hexiv" -a >sealed
    run "encrypted secret" "$io" --object "secret,id=m,format=base64,data=$key" \
        --object "secret,id=s,keyid=m,iv=$iv,format=base64,file=sealed" --image-opts -c "read -q 0 4k" "$luks"
else
    skip "encrypted secret: openssl is not installed"
fi
refused "no secret" "Parameter 'key-secret' is required for cipher" "$io" -c "read 0 512" x.luks
refused "unknown secret" "No secret with id 's'" "$io" --image-opts -c "read 0 512" "$luks"
refused "wrong password" "Invalid password, cannot unlock any keyslot" \
    "$io" --object secret,id=s,data=other --image-opts -c "read 0 512" "$luks"
refused "two of one id" "duplicate object" "$img" info $s $s x.luks
refused "not base64" "Unable to base64 decode" "$img" info --object "secret,id=b,format=base64,data=!" x.luks
refused "no compression" "Compression and encryption not supported at the same time" \
    "$img" convert $s -c -O qcow2 -o "encrypt.format=luks,encrypt.key-secret=s" src.raw c.qcow2
refused "the other format" "Header reported 'luks' encryption format" \
    "$io" $s --image-opts -c "read 0 512" "$(qopts e.qcow2),encrypt.format=aes"

# Key slots.
n="--object secret,id=n,data=new"
newkey=${luks/=s,/=n,}
run "add a key" "$img" amend $s $n --image-opts "$luks" -o "state=active,new-secret=n,$fast"
run "open with the new key" "$io" $n --image-opts -c "read -q 0 4k" "$newkey"
beside qemu-io "qemu-io opens with it" qemu-io $n --image-opts -c "read -q 0 4k" "$newkey"
run "erase the old key" "$img" amend $s $n --image-opts "$newkey" -o state=inactive,old-secret=s
refused "the old key is gone" "Invalid password" "$io" $s --image-opts -c "read 0 512" "$luks"
refused "the last key stays" "refusing operation" "$img" amend $n --image-opts "$newkey" -o state=inactive,old-secret=n
refused "the last slot stays" "only active keyslot" "$img" amend $n --image-opts "$newkey" -o state=inactive,keyslot=1
refused "an empty slot" "already erased" "$img" amend $n --image-opts "$newkey" -o state=inactive,keyslot=5
refused "no such slot" "between 0 and 7" "$img" amend $n --image-opts "$newkey" -o state=inactive,keyslot=8
run "a slot by number" "$img" amend $s $n --image-opts "$newkey" -o "state=active,keyslot=7,new-secret=s,$fast"
run "in qcow2, too" "$img" amend $s $n --image-opts "$(qopts e.qcow2)" \
    -o "encrypt.state=active,encrypt.new-secret=n,encrypt.$fast"
run "open with it" "$io" $n --image-opts -c "read -q 0 4k" "driver=qcow2,encrypt.key-secret=n,file.filename=e.qcow2"

# What is printed.
if have qemu-img; then
    for what in "info" "info --output=json" "measure -O luks --size 1G -o key-secret=s $s" \
        "measure -O qcow2 -o encrypt.format=luks,encrypt.key-secret=s $s --size 1G"; do
        file=x.luks; case $what in measure*) file= ;; esac
        qemu-img $what $file >q.txt 2>&1
        "$img" $what $file >l.txt 2>&1
        run "the same text: $what" diff q.txt l.txt
    done
    qemu-img info --output=json e.qcow2 >q.txt
    "$img" info --output=json e.qcow2 >l.txt
    run "the same text: info of qcow2" diff q.txt l.txt
    for f in luks qcow2; do
        qemu-img amend -f $f -o help >q.txt
        "$img" amend -f $f -o help >l.txt
        run "the same text: amend -f $f -o help" diff q.txt l.txt
        qemu-img create -f $f -o help | grep -i encr >q.txt
        "$img" create -f $f -o help | grep -i encr >l.txt
        run "the same text: create -f $f -o help" diff q.txt l.txt
    done
else
    skip "the texts of qemu-img: not installed"
fi
finish
