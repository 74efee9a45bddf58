#!/bin/bash
# SPDX-License-Identifier: MIT
# Images made by Debian's qemu-img read the same through latimer-img and the other way round, for
# every option of qcow2 and for the other formats. Run by `make check-block`.
set -u
build=${1:-build}
top=$PWD img=$PWD/$build/latimer-img io=$PWD/$build/latimer-io
command -v qemu-img >/dev/null && command -v qemu-io >/dev/null || {
    echo "1..0 # SKIP qemu-img is not installed (Debian package: qemu-utils)"
    exit 0
}
dir=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0 ran=0

die() {
    echo "# FAIL $*"
    failed=$((failed + 1))
}

# run CASE COMMAND...: the command must succeed; its output is shown when it does not.
run() {
    local name=$1
    shift
    "$@" >log 2>&1 || { die "$name: $*"; sed 's/^/#     /' log | tail -5; return 1; }
}

# The same pseudo-random requests for both programs: offsets and lengths of odd sizes.
requests() { # seed, flags: z zeroes, c compressed, d discard
    awk -v seed="$1" -v flags="$2" 'BEGIN {
        srand(seed)
        for (i = 0; i < 40; i++) {
            len = (1 + int(rand() * 300)) * 512; off = int(rand() * (16777216 - len) / 512) * 512
            pat = 1 + int(rand() * 255); k = rand()
            if (k < 0.1 && flags ~ /z/) printf "write -q -z %d %d\n", off, len
            else if (k < 0.2 && flags ~ /z/) printf "write -q -z -u %d %d\n", off, len
            else if (k < 0.3 && flags ~ /d/) printf "discard -q %d %d\n", off, len
            else printf "write -q -P %d %d %d\n", pat, off, len
        }
    }'
}

qcow2_case() { # name, options, flags
    local name="qcow2 $1" opts=$2 flags=$3 seed=$((ran + 1)) data=
    ran=$((ran + 1))
    rm -f ./*
    case $opts in *data_file*) data=yes ;; esac
    requests $seed "$flags" >cmds
    run "$name" qemu-img create -q -f qcow2 -o "$opts" a.qcow2 16M || return
    run "$name" qemu-io -d unmap -f qcow2 a.qcow2 <cmds || return
    run "$name" qemu-img convert -O raw a.qcow2 a.raw || return
    run "$name" "$img" check a.qcow2
    run "$name" "$img" convert -O raw a.qcow2 al.raw
    run "$name" cmp a.raw al.raw
    [ -z "$data" ] || mkdir -p b
    [ -z "$data" ] || cd b || return
    run "$name" "$img" create -q -f qcow2 -o "$opts" b.qcow2 16M || { cd "$dir"; return; }
    run "$name" "$io" -d unmap -f qcow2 b.qcow2 <"$dir/cmds" || { cd "$dir"; return; }
    run "$name" "$img" check b.qcow2
    run "$name" qemu-img check b.qcow2
    run "$name" qemu-img convert -O raw b.qcow2 b.raw
    run "$name" cmp "$dir/a.raw" b.raw
    run "$name" qemu-img compare b.qcow2 "$dir/a.qcow2"
    run "$name" "$img" compare b.qcow2 "$dir/a.qcow2"
    cd "$dir" || exit 1
    rm -rf b
}

compressed_case() { # name, options
    local name="compressed $1" opts=$2
    ran=$((ran + 1))
    rm -f ./*
    requests 7 z >cmds
    run "$name" qemu-img create -q -f raw a.raw 16M
    run "$name" qemu-io -f raw a.raw <cmds || return
    dd if=/dev/urandom of=a.raw bs=1k seek=3000 count=300 conv=notrunc status=none
    run "$name" qemu-img convert -c -f raw -O qcow2 -o "$opts" a.raw q.qcow2
    run "$name" "$img" convert -c -f raw -O qcow2 -o "$opts" a.raw l.qcow2
    for f in q l; do
        run "$name" "$img" check $f.qcow2
        run "$name" qemu-img check $f.qcow2
        run "$name" qemu-img compare -f raw a.raw $f.qcow2
        run "$name" "$img" compare -f raw a.raw $f.qcow2
    done
    # overwriting parts of compressed clusters
    requests 8 z >cmds
    run "$name" qemu-io -f raw a.raw <cmds
    run "$name" "$io" -f qcow2 q.qcow2 <cmds
    run "$name" "$io" -f qcow2 l.qcow2 <cmds
    for f in q l; do
        run "$name" qemu-img check $f.qcow2
        run "$name" qemu-img compare -f raw a.raw $f.qcow2
    done
}

backing_case() { # name, options
    local name="backing $1" opts=$2 prog
    ran=$((ran + 1))
    rm -f ./*
    requests 1 "" >base; requests 2 z >over; requests 3 z >over2
    run "$name" qemu-img create -q -f qcow2 base.qcow2 12M
    grep -v "write -q -P [0-9]* 1[2-9]......" base | awk '$NF + $(NF-1) < 12582912' >base.cmds
    run "$name" qemu-io -f qcow2 base.qcow2 <base.cmds
    run "$name" qemu-img create -q -f qcow2 -o "$opts" -b base.qcow2 -F qcow2 q.qcow2 16M
    run "$name" "$img" create -q -f qcow2 -o "$opts" -b base.qcow2 -F qcow2 l.qcow2 16M
    run "$name" qemu-io -f qcow2 q.qcow2 <over
    run "$name" "$io" -f qcow2 l.qcow2 <over
    run "$name" qemu-img compare q.qcow2 l.qcow2
    run "$name" "$img" compare q.qcow2 l.qcow2
    run "$name" qemu-img snapshot -c one q.qcow2
    run "$name" "$img" snapshot -c one l.qcow2
    run "$name" qemu-img convert -O raw q.qcow2 one.raw
    run "$name" "$io" -f qcow2 q.qcow2 <over2
    run "$name" "$io" -f qcow2 l.qcow2 <over2
    run "$name" qemu-img convert -O raw q.qcow2 two.raw
    for f in q l; do
        run "$name" "$img" check $f.qcow2
        run "$name" qemu-img check $f.qcow2
        run "$name" qemu-img compare -f raw two.raw $f.qcow2
        run "$name" "$img" convert -l one -O raw $f.qcow2 s.raw
        run "$name" cmp one.raw s.raw
        run "$name" qemu-img convert -l one -O raw $f.qcow2 s.raw
        run "$name" cmp one.raw s.raw
        run "$name" "$img" snapshot -a one $f.qcow2
        run "$name" qemu-img check $f.qcow2
        run "$name" qemu-img compare -f raw one.raw $f.qcow2
        run "$name" "$img" snapshot -d one $f.qcow2
        run "$name" qemu-img check $f.qcow2
        run "$name" qemu-img compare -f raw one.raw $f.qcow2
    done
    # commit, rebase
    cp base.qcow2 base2.qcow2
    run "$name" "$img" commit -q l.qcow2
    run "$name" qemu-img check base.qcow2
    run "$name" qemu-img compare -f raw one.raw base.qcow2
    cp base2.qcow2 base.qcow2
    run "$name" "$img" rebase -b "" q.qcow2
    run "$name" qemu-img check q.qcow2
    run "$name" qemu-img compare -f raw one.raw q.qcow2
}

resize_case() { # name, options
    local name="resize $1" opts=$2 size
    ran=$((ran + 1))
    rm -f ./*
    requests 5 z >cmds
    run "$name" "$img" create -q -f qcow2 -o "$opts" l.qcow2 16M
    run "$name" qemu-img create -q -f raw r.raw 16M
    run "$name" "$io" -f qcow2 l.qcow2 <cmds
    run "$name" qemu-io -f raw r.raw <cmds
    run "$name" "$img" bitmap --add l.qcow2 bm
    for size in 9999872 40M 3M 1G 512; do
        run "$name" "$img" resize -q --shrink l.qcow2 $size
        run "$name" qemu-img resize -q --shrink -f raw r.raw $size
        run "$name" qemu-img check l.qcow2
        run "$name" "$img" check l.qcow2
        run "$name" qemu-img compare -f raw -F qcow2 r.raw l.qcow2
        grep -q Warning log && die "$name: sizes differ after resize to $size"
        run "$name" "$img" compare -f raw -F qcow2 r.raw l.qcow2
    done
}

prealloc_case() { # mode, options
    local name="prealloc $1" a b
    ran=$((ran + 1))
    rm -f ./*
    run "$name" "$img" create -q -f qcow2 -o "preallocation=$1,$2" l.qcow2 20M
    run "$name" qemu-img create -q -f qcow2 -o "preallocation=$1,$2" q.qcow2 20M
    run "$name" qemu-img check l.qcow2
    run "$name" "$img" check l.qcow2
    run "$name" qemu-img compare l.qcow2 q.qcow2
    a=$(qemu-img check l.qcow2 | grep allocated) b=$(qemu-img check q.qcow2 | grep allocated)
    [ "${a%%,*}" = "${b%%,*}" ] || die "$name: '$a', but '$b'"
    run "$name" "$img" resize -q --preallocation="$1" l.qcow2 30M
    run "$name" qemu-img check l.qcow2
}

bitmap_case() {
    local name=bitmaps a b
    ran=$((ran + 1))
    rm -f ./*
    for p in qemu-img "$img"; do
        rm -f b.qcow2
        run "$name" "$p" create -q -f qcow2 b.qcow2 16M
        run "$name" "$p" bitmap --add -g 4k b.qcow2 one
        run "$name" "$p" bitmap --add b.qcow2 two
        run "$name" "$p" bitmap --disable b.qcow2 two
        run "$name" qemu-io -f qcow2 -c "write -q 1M 64k" b.qcow2
        run "$name" "$io" -f qcow2 -c "write -q 3M 64k" b.qcow2
        run "$name" qemu-img check b.qcow2
        run "$name" "$img" check b.qcow2
        run "$name" "$img" bitmap --merge one b.qcow2 two
        run "$name" qemu-img check b.qcow2
        run "$name" "$img" convert --bitmaps -O qcow2 b.qcow2 c.qcow2
        run "$name" qemu-img check c.qcow2
        a=$(qemu-img info b.qcow2 | sed -n '/bitmaps/,/refcount/p')
        b=$("$img" info c.qcow2 | sed -n '/bitmaps/,/refcount/p')
        [ "$a" = "$b" ] || die "$name: info differs: $a | $b"
        run "$name" "$img" bitmap --remove b.qcow2 one
        run "$name" qemu-img check b.qcow2
    done
}

# Both programs find nothing wrong, and the content is that of ref.qcow2.
sound() { # name, image
    run "$1" qemu-img check -q "$2"
    run "$1" "$img" check -q "$2"
    run "$1" qemu-img compare -q "$2" ref.qcow2
}

amend_case() {
    local name=amend o
    ran=$((ran + 1))
    rm -rf ./*
    requests 21 z >cmds
    run "$name" "$img" create -q -f qcow2 ref.qcow2 16M
    run "$name" qemu-io -f qcow2 ref.qcow2 <cmds
    cp ref.qcow2 a.qcow2
    for o in refcount_bits=64 refcount_bits=1 refcount_bits=8 refcount_bits=16 compat=0.10 \
        compat=1.1 lazy_refcounts=on lazy_refcounts=off size=20M; do
        run "$name $o" "$img" amend -o $o a.qcow2
        sound "$name $o" a.qcow2
    done
    run "$name" "$img" snapshot -c one a.qcow2
    run "$name" "$img" resize -q --shrink a.qcow2 2M
    run "$name" qemu-img check -q a.qcow2
    run "$name" "$img" resize -q a.qcow2 30M
    run "$name" "$img" snapshot -a one a.qcow2
    sound "resize with a snapshot" a.qcow2
    run "$name" qemu-img create -q -f qcow2 -b ref.qcow2 -F qcow2 b.qcow2
    run "$name" qemu-io -f qcow2 -c "write -q -z 1M 1M" b.qcow2
    cp b.qcow2 ref2.qcow2
    run "$name" "$img" amend -o compat=0.10 b.qcow2
    run "$name" qemu-img compare b.qcow2 ref2.qcow2
}

repair_case() { # what to put over a 64k cluster, which one
    local name="repair $1 $2" source=$1 cluster=$2
    ran=$((ran + 1))
    rm -rf ./*
    requests 22 z >cmds
    run "$name" qemu-img create -q -f qcow2 ref.qcow2 16M
    run "$name" qemu-io -f qcow2 ref.qcow2 <cmds
    cp ref.qcow2 a.qcow2
    dd if=/dev/"$source" of=a.qcow2 bs=64k seek="$cluster" count=1 conv=notrunc status=none
    "$img" check -q a.qcow2 >log 2>&1 && die "$name: the damage was not found"
    run "$name" "$img" check -q -r all a.qcow2
    sound "$name" a.qcow2
}

format_case() { # format, options, flags
    local name="$1 $2" fmt=$1 opts=${2:+-o $2} seed=$((ran + 1)) size=17825792
    ran=$((ran + 1))
    rm -rf ./*
    mkdir q l
    requests $seed "$3" >cmds
    # shellcheck disable=SC2086
    run "$name" qemu-img create -q -f "$fmt" $opts q/x.$fmt $size || return
    # shellcheck disable=SC2086
    run "$name" "$img" create -q -f "$fmt" $opts l/x.$fmt $size || return
    run "$name" qemu-io -f "$fmt" q/x.$fmt <cmds
    run "$name" "$io" -f "$fmt" l/x.$fmt <cmds
    run "$name" qemu-img convert -f "$fmt" -O raw q/x.$fmt q.raw
    for d in q l; do
        run "$name" qemu-img compare -f "$fmt" -F raw $d/x.$fmt q.raw
        run "$name" "$img" compare -f "$fmt" -F raw $d/x.$fmt q.raw
        [ "$fmt" = vpc ] || run "$name" qemu-img check -f "$fmt" $d/x.$fmt
        [ "$fmt" = vpc ] || run "$name" "$img" check -f "$fmt" $d/x.$fmt
    done
    # each writes to the other's image
    requests $((seed + 100)) "$3" >cmds
    run "$name" qemu-io -f "$fmt" l/x.$fmt <cmds
    run "$name" "$io" -f "$fmt" q/x.$fmt <cmds
    run "$name" qemu-img compare -f "$fmt" -F "$fmt" q/x.$fmt l/x.$fmt
    run "$name" "$img" compare -f "$fmt" -F "$fmt" q/x.$fmt l/x.$fmt
    case $2 in *fixed* | *Flat) ;; *) # probed by content
        run "$name" "$img" info l/x.$fmt
        grep -q "file format: $fmt" log || die "$name: not recognised" ;;
    esac
}

stream_case() {
    local name="vmdk streamOptimized" p
    ran=$((ran + 1))
    rm -rf ./*
    requests 11 z >cmds
    run "$name" qemu-img create -q -f raw a.raw 16M
    run "$name" qemu-io -f raw a.raw <cmds
    for p in qemu-img "$img"; do
        rm -f s.vmdk
        run "$name" "$p" convert -f raw -O vmdk -o subformat=streamOptimized -c a.raw s.vmdk ||
            run "$name" "$p" convert -f raw -O vmdk -o subformat=streamOptimized a.raw s.vmdk
        run "$name" qemu-img compare -f raw -F vmdk a.raw s.vmdk
        run "$name" "$img" compare -f raw -F vmdk a.raw s.vmdk
    done
}

# Images that no program here can make, read by both; and what neither reads.
esx_case() {
    local name="vmdk vmfsSparse" f
    ran=$((ran + 1))
    rm -rf ./*
    for f in base "child base.vmdk"; do
        # shellcheck disable=SC2086
        run "$name" python3 "$top/tests/block/esx-sparse.py" $f || return
    done
    for f in base child; do
        run "$name" qemu-img convert -O raw $f.vmdk q.raw
        run "$name" "$img" convert -O raw $f.vmdk l.raw
        run "$name" cmp q.raw l.raw
        run "$name" "$img" check $f.vmdk
        qemu-img map --output=json $f.vmdk >q.map
        "$img" map --output=json $f.vmdk >l.map
        run "$name" cmp q.map l.map
    done
    "$io" -f vmdk -c "write 0 512" base.vmdk >log 2>&1
    grep -q "not implemented: writing to ESX" log || die "$name: written to"
    sed 's/VMFSSPARSE/SESPARSE/; s/vmfsSparse/seSparse/' base.vmdk >se.vmdk
    "$img" info se.vmdk >log 2>&1
    grep -q "not implemented: VMDK of type 'seSparse'" log || die "$name: seSparse"
    # "vmfs": a flat extent of another name
    run "$name" qemu-img create -q -f vmdk -o subformat=monolithicFlat v.vmdk 4M
    run "$name" qemu-io -f vmdk -c "write -P 7 1M 64k" v.vmdk
    sed -i 's/monolithicFlat/vmfs/; s/ FLAT "\(.*\)" 0/ VMFS "\1"/' v.vmdk
    run "$name" qemu-img compare v.vmdk v-flat.vmdk
    run "$name" "$img" compare v.vmdk v-flat.vmdk
}

# Differencing disks: qemu-img refuses those of VHDX, and reads those of VHD as if what the parent
# has were zeroes. We refuse both, and say why.
parent_case() {
    local name="VHD and VHDX parents"
    ran=$((ran + 1))
    rm -rf ./*
    run "$name" qemu-img create -q -f vpc d.vpc 4M
    # the disk type of both copies of the footer, and its checksum made to fit (4 is one more than 3)
    local size sum at
    size=$(stat -c %s d.vpc)
    for at in 0 $((size - 512)); do
        sum=$(od -An -tu1 -j $((at + 64)) -N 4 d.vpc | awk '{ printf "%.0f", $1 * 16777216 + $2 * 65536 + $3 * 256 + $4 - 1 }')
        printf '\4' | dd of=d.vpc bs=1 seek=$((at + 63)) conv=notrunc status=none
        # shellcheck disable=SC2059
        printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((sum >> 24 & 255)) $((sum >> 16 & 255)) $((sum >> 8 & 255)) $((sum & 255)))" |
            dd of=d.vpc bs=1 seek=$((at + 64)) conv=notrunc status=none
    done
    "$img" info -f vpc d.vpc >log 2>&1 && die "$name: read"
    grep -q "differencing" log || die "$name: $(cat log)"
    run "$name" qemu-img create -q -f vhdx d.vhdx 4M
    # HasParent in the metadata item "File Parameters"
    run "$name" python3 -c '
import uuid
data = bytearray(open("d.vhdx", "rb").read())
table = data.index(b"metadata")
entry = data.index(uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le, table)
item = table + int.from_bytes(data[entry + 16:entry + 20], "little")
data[item + 4] |= 2
open("d.vhdx", "wb").write(data)'
    qemu-img info -f vhdx d.vhdx >log 2>&1 && die "$name: qemu-img reads it"
    "$img" info -f vhdx d.vhdx >log 2>&1 && die "$name: read"
    grep -q "differencing" log || die "$name: $(cat log)"
}

# Every option that `qemu-img create -f FORMAT -o help` lists, by this table of values (b: a base
# image; elsewhere: tests/block/crypt.sh, or a case of its own, has it): images of both, written by both, read by both.
option_values() { # format, option
    case $1.$2 in
    *.size) echo 17825792 ;;
    *.nocow) echo on off ;;
    *.extent_size_hint) echo 0 1M ;;
    raw.preallocation | vdi.preallocation | vpc.preallocation | vhdx.preallocation | vmdk.preallocation) echo off falloc full ;;
    qcow2.preallocation) echo off metadata falloc full ;;
    *.backing_file | *.backing_fmt) echo b ;;
    *.cipher-* | *.hash-alg | *.iter-time | *.ivgen-* | *.key-secret | *encrypt.* | luks.preallocation) echo elsewhere ;;
    qcow2.encryption) echo off ;;
    qcow2.cluster_size) echo 512 1k 2k 4k 8k 16k 32k 64k 128k 256k 512k 1M 2M ;;
    qcow2.compat) echo 0.10 1.1 v2 v3 ;;
    qcow2.compression_type) echo zlib zstd ;;
    qcow2.data_file | qcow2.data_file_raw) echo elsewhere ;;
    qcow2.extended_l2 | qcow2.lazy_refcounts | vdi.static | vpc.force_size | vhdx.block_state_zero | vmdk.compat6 | vmdk.zeroed_grain) echo on off ;;
    qcow2.refcount_bits) echo 1 2 4 8 16 32 64 ;;
    vmdk.adapter_type) echo ide lsilogic buslogic legacyESX ;;
    vmdk.hwversion) echo 4 14 ;;
    vmdk.toolsversion) echo 2147483647 10304 ;;
    vmdk.subformat) echo monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat ;;
    vpc.subformat | vhdx.subformat) echo dynamic fixed ;;
    vhdx.block_size) echo 0 1M 8M 256M ;;
    vhdx.log_size) echo 1M 4M ;;
    esac
}

option_pair() { # format, option, value
    local fmt=$1 name="$1 $2=$3" opts=$2=$3 d p size=17825792
    rm -rf ./*
    mkdir q l
    requests 31 z >cmds
    [ "$2" != size ] || size=
    if [ "$3" = b ]; then
        for d in q l; do
            qemu-img create -q -f "$fmt" $d/base 16M
            qemu-io -f "$fmt" -c "write -q -P 3 0 1M" $d/base
        done
        opts=backing_file=base,backing_fmt=$fmt size=
    fi
    for d in q l; do
        p=$img
        [ $d = l ] || p=qemu-img
        # shellcheck disable=SC2086
        (cd $d && exec "$p" create -q -f "$fmt" -o "$opts" x $size) >log 2>&1
        echo $? >$d.status
        cp log $d.log
    done
    if [ "$(cat q.status)" != 0 ]; then # what is refused there is refused here
        [ "$(cat l.status)" != 0 ] || die "$name: made, though qemu-img says: $(cat q.log)"
        return
    fi
    [ "$(cat l.status)" = 0 ] || { die "$name: $(cat l.log)"; return; }
    for p in "qemu-io q" "$io l"; do
        # shellcheck disable=SC2086
        set -- $p
        (cd "$2" && exec "$1" -f "$fmt" x <../cmds) >log 2>&1 || die "$name: $1: $(tail -1 log)"
    done
    for p in "$img" qemu-img; do
        run "$name" "$p" compare -f "$fmt" -F "$fmt" q/x l/x
        "$p" info -f "$fmt" q/x 2>&1 | sed "/disk size/d; /cid:/d; /filename:/d; /^image/d; s,: [ql]/,: D/," >q.info
        "$p" info -f "$fmt" l/x 2>&1 | sed "/disk size/d; /cid:/d; /filename:/d; /^image/d; s,: [ql]/,: D/," >l.info
        run "$name: info" diff q.info l.info
        [ "$fmt" = vpc ] || [ "$fmt" = raw ] || for d in q l; do run "$name" "$p" check -f "$fmt" $d/x; done
    done
}

options_case() { # format
    local fmt=$1 name="$1 options" opt values v
    ran=$((ran + 1))
    rm -rf ./*
    for opt in $(qemu-img create -f "$fmt" -o help x | sed -n 's/^  \([^=]*\)=.*/\1/p'); do
        values=$(option_values "$fmt" "$opt")
        [ -n "$values" ] || die "$name: there is no case for $opt"
        if [ "$values" = elsewhere ]; then
            grep -q -- "${opt#encrypt.}" "$top/tests/block/crypt.sh" || grep -q "qcow2_case.*$opt=" "$top/tests/block/matrix.sh" || die "$name: there is no case for $opt"
            continue
        fi
        for v in $values; do option_pair "$fmt" "$opt" "$v"; done
    done
    qemu-img create -f "$fmt" -o help x | sed 's/ - .*//' >q.help
    "$img" create -f "$fmt" -o help x | sed 's/ - .*//' >l.help
    run "$name: the same options" diff q.help l.help
}

text_case() { # same words for the same image
    local name=text c
    ran=$((ran + 1))
    rm -f ./*
    requests 9 z >cmds
    run "$name" qemu-img create -q -f qcow2 a.qcow2 16M
    run "$name" qemu-io -f qcow2 a.qcow2 <cmds
    run "$name" qemu-img snapshot -c snap a.qcow2
    run "$name" qemu-img create -q -f qcow2 -b a.qcow2 -F qcow2 b.qcow2
    run "$name" qemu-io -f qcow2 -c "write 3M 100k" b.qcow2
    run "$name" qemu-img create -q -f raw c.raw 1M
    for c in "info a.qcow2" "info b.qcow2" "info --backing-chain b.qcow2" "info c.raw" \
        "map a.qcow2" "map b.qcow2" "map --output=json a.qcow2" "map --output=json b.qcow2" \
        "snapshot -l a.qcow2" "measure -O qcow2 a.qcow2" "measure -O raw a.qcow2" \
        "measure -O qcow2 --size 1T" "measure -O qcow2 -o cluster_size=4k --size 100G" \
        "check a.qcow2" "check b.qcow2" "compare a.qcow2 b.qcow2" "compare a.qcow2 a.qcow2" \
        "create -f qcow2 d.qcow2 1G" "create -f qcow2 -b a.qcow2 -F qcow2 d.qcow2" \
        "create -f qcow2 -o compat=0.10,cluster_size=4k d.qcow2 1G" "create d.raw 1M" \
        "resize d.qcow2 +1M" "create -f nope d 1M" "create -f qcow2 -o nope=1 d 1M" \
        "snapshot -d nosuch a.qcow2" "check c.raw"; do
        # shellcheck disable=SC2086
        qemu-img $c >q.out 2>&1; qs=$?
        # shellcheck disable=SC2086
        "$img" $c >l.out 2>&1; ls=$?
        sed -i 's/latimer-img/qemu-img/' l.out
        sed -i 's/[0-9.]*% fragmented/% fragmented/' q.out l.out
        if ! cmp -s q.out l.out; then
            die "$name: $c"; diff q.out l.out | head -6 | sed 's/^/#     /'
        fi
        [ $qs = $ls ] || die "$name: $c: exit status $ls, not $qs"
    done
}

# One line of TAP for a case: it is ok when nothing in it failed.
try() {
    local before=$failed
    "$@"
    cd "$dir" || exit 1
    if [ $failed = $before ]; then
        echo "ok $ran - $*"
    else
        echo "not ok $ran - $*"
    fi
}

for cs in 512 4k 64k 2M; do
    try qcow2_case "cluster_size=$cs" "cluster_size=$cs" zd
done
try qcow2_case "compat=0.10" compat=0.10 ""
try qcow2_case "lazy refcounts" lazy_refcounts=on zd
try qcow2_case "extended L2" extended_l2=on zd
try qcow2_case "extended L2, 16k" extended_l2=on,cluster_size=16k zd
try qcow2_case "data file" data_file=data z
try qcow2_case "raw data file" data_file=data,data_file_raw=on z
for bits in 1 2 4 8 32 64; do
    try qcow2_case "refcount_bits=$bits" refcount_bits=$bits,cluster_size=4k zd
done
try compressed_case "zlib" cluster_size=64k
try compressed_case "zstd" compression_type=zstd
try compressed_case "zlib 4k" cluster_size=4k
try compressed_case "zlib 2M" cluster_size=2M
try compressed_case "v2" compat=0.10
try compressed_case "refcount_bits=1" refcount_bits=1
try compressed_case "extended L2 zstd" extended_l2=on,compression_type=zstd
for o in cluster_size=64k cluster_size=4k,refcount_bits=8 extended_l2=on compat=0.10 \
    lazy_refcounts=on; do
    try backing_case "$o" "$o"
done
for o in cluster_size=64k cluster_size=512 extended_l2=on; do
    try resize_case "$o" "$o"
done
for m in off metadata falloc full; do
    try prealloc_case $m cluster_size=64k
    try prealloc_case $m cluster_size=4k
done
try prealloc_case metadata extended_l2=on
try bitmap_case
try amend_case
for what in zero urandom; do # the refcount table, a refcount block
    try repair_case $what 1
    try repair_case $what 2
done
for o in "" static=on; do try format_case vdi "$o" z; done
for o in "" subformat=fixed force_size=on subformat=fixed,force_size=on; do
    try format_case vpc "$o" z
done
for o in "" subformat=fixed block_size=1M; do try format_case vhdx "$o" z; done
for o in "" subformat=monolithicFlat subformat=twoGbMaxExtentSparse subformat=twoGbMaxExtentFlat \
    zeroed_grain=on adapter_type=lsilogic; do
    try format_case vmdk "$o" z
done
try stream_case
for f in raw qcow2 vmdk vdi vpc vhdx luks; do try options_case $f; done
try esx_case
try parent_case
try text_case

echo "1..$ran"
[ $failed = 0 ]
