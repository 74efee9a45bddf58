#!/bin/bash
# SPDX-License-Identifier: MIT
# Our NBD server with others' clients, and our client with others' servers, over Unix and TCP
# sockets. Run by `make check-block`.
. "$(dirname "$0")/common.sh"

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
port=$((20000 + $$ % 12000))
run "start tcp" "$nbd" --fork --pid-file=t.pid -r -f raw -b 127.0.0.1 -p $port a.raw
run "own client tcp" "$img" compare -f raw -F raw a.raw "nbd://127.0.0.1:$port"
for _ in $(seq 300); do alive t || break; sleep 0.1; done
not alive t; is "the server ends with its last client" $?
echo text >plain
refused "a file that is no socket" "plain" "$nbd" -k "$dir/plain" -f raw a.raw
[ "$(cat plain)" = text ]; is "it is still there" $?
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
mkfifo commands
{
    echo "read 0 64k"
    for _ in $(seq 600); do grep -q "^read 65536/65536" log && break; sleep 0.05; done
    stop v
    (sleep 0.5; "$nbd" --fork --pid-file=v.pid -t -f raw -k "$dir/v" a.raw) &
    echo "read 0 1"
    wait
    echo "read 0 32k"
} >commands &
run "reconnect" "$io" --image-opts "driver=raw,file.driver=nbd,file.path=$dir/v,file.reconnect-delay=60" <commands
wait
grep -q "read 1/1 " log && grep -q "^read 32768/32768" log; is "all was read" $?
stop v

# TLS with keys that both sides know
hex() { head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
mkdir psk && printf 'alice:%s\nqemu:%s\n' "$(hex)" "$(hex)" >psk/keys.psk
psk="--object tls-creds-psk,id=t,dir=$dir/psk,endpoint=client,username=alice"
over="driver=nbd,server.type=unix,server.path=$dir/tls,export=exp,tls-creds=t"
run "start tls" "$nbd" --fork --pid-file=tls.pid -r -t -e 0 -x exp -f raw -k "$dir/tls" \
    --object "tls-creds-psk,id=t,dir=$dir/psk,endpoint=server" --tls-creds t a.raw
run "own client, tls" "$img" compare $psk --image-opts driver=raw,file.filename=a.raw "$over"
run "own list, tls" "$nbd" -L -k "$dir/tls" $psk --tls-creds t
refused "no plain client where tls is asked for" "TLS comes first" \
    "$img" info "nbd:unix:$dir/tls:exportname=exp"
mkdir wrong && printf 'alice:%s\n' "$(hex)" >wrong/keys.psk
refused "no client with another key" "handshake failed" "$img" info \
    --object "tls-creds-psk,id=t,dir=$dir/wrong,endpoint=client,username=alice" --image-opts "$over"
refused "a client's credentials are no server's" "server endpoint" "$nbd" -k "$dir/none" \
    --object "tls-creds-psk,id=t,dir=$dir/psk,endpoint=client" --tls-creds t a.raw
if have qemu-img; then
    run "qemu-img, tls" qemu-img compare $psk --image-opts driver=raw,file.filename=a.raw "$over"
else
    skip "qemu-img as client over TLS: not installed (Debian package: qemu-utils)"
fi
if have nbdcopy; then
    uri="nbds+unix://alice@/exp?socket=$dir/tls&tls-psk-file=$dir/psk/keys.psk"
    run "nbdinfo, tls" nbdinfo "$uri"
    run "nbdcopy, tls" nbdcopy "$uri" tls.raw
    run "its copy" cmp a.raw tls.raw
else
    skip "nbdinfo over TLS: not installed (Debian package: libnbd-bin)"
fi
stop tls
if have nbdkit; then
    run "nbdkit, tls" nbdkit -U "$dir/tls" -P k.pid --tls=require --tls-psk="$dir/psk/keys.psk" \
        -e exp file "$dir/a.raw"
    run "own client of nbdkit, tls" \
        "$img" compare $psk --image-opts driver=raw,file.filename=a.raw "$over"
    kill "$(cat k.pid)"; rm -f k.pid
else
    skip "nbdkit over TLS: not installed (Debian package: nbdkit)"
fi
# TLS without any proof of who it is
run "start tls, anonymous" "$nbd" --fork --pid-file=anon.pid -r -t -e 0 -f raw -k "$dir/anon" \
    --object tls-creds-anon,id=t,endpoint=server --tls-creds t a.raw
run "own client, anonymous" "$img" compare --object tls-creds-anon,id=t,endpoint=client \
    --image-opts driver=raw,file.filename=a.raw \
    "driver=nbd,server.type=unix,server.path=$dir/anon,tls-creds=t"
stop anon
# TLS with certificates
if have openssl; then
    mkdir x509
    openssl req -x509 -newkey rsa:2048 -nodes -keyout x509/ca-key.pem -out x509/ca-cert.pem \
        -days 3 -subj /CN=ca >log 2>&1
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:false\n' >x509/ext
    for who in server client; do
        openssl req -newkey rsa:2048 -nodes -keyout x509/$who-key.pem -out x509/$who.csr \
            -subj /CN=localhost >log 2>&1
        openssl x509 -req -in x509/$who.csr -CA x509/ca-cert.pem -CAkey x509/ca-key.pem \
            -CAcreateserial -out x509/$who-cert.pem -days 3 -extfile x509/ext >log 2>&1
    done
    creds="tls-creds-x509,id=t,dir=$dir/x509"
    tcp="driver=nbd,server.type=inet,server.host=127.0.0.1,server.port=$((port + 1)),tls-creds=t"
    run "start tls, certificates" "$nbd" --fork --pid-file=x.pid -r -t -e 0 -f raw -b 127.0.0.1 \
        -p $((port + 1)) --object "$creds,endpoint=server" --tls-creds t a.raw
    for client in "$img" qemu-img; do
        have "$client" || { skip "$client: not installed"; continue; }
        run "${client##*/}, certificates" "$client" compare --object "$creds,endpoint=client" \
            --image-opts driver=raw,file.filename=a.raw "$tcp"
    done
    refused "the wrong server name" "does not match" "$img" info \
        --object "$creds,endpoint=client" --image-opts "$tcp,tls-hostname=other"
    mkdir bare && cp x509/ca-cert.pem bare
    refused "a client without a certificate" "" "$img" info \
        --object "tls-creds-x509,id=t,dir=$dir/bare,endpoint=client" --image-opts "$tcp"
    stop x
    # Who may come in, by the name in the certificate; qemu-nbd takes the same objects.
    printf '{"policy":"deny","rules":[{"match":"CN=nobody","policy":"allow"},{"match":"CN=loc*","policy":"allow","format":"glob"}]}' >list.json
    allow="authz-simple,id=z,identity=CN=localhost authz-list,id=z,policy=allow
        {\"qom-type\":\"authz-list\",\"id\":\"z\",\"policy\":\"deny\",\"rules\":[{\"match\":\"*host\",\"policy\":\"allow\",\"format\":\"glob\"}]}
        authz-list-file,id=z,filename=$dir/list.json"
    deny="authz-simple,id=z,identity=CN=other authz-list,id=z
        {\"qom-type\":\"authz-list\",\"id\":\"z\",\"policy\":\"allow\",\"rules\":[{\"match\":\"CN=localhost\",\"policy\":\"deny\",\"format\":\"exact\"}]}"
    n=10
    for server in "$nbd" qemu-nbd; do
        have "$server" || { skip "$server: not installed"; continue; }
        what=in
        for authz in $allow then $deny; do
            [ "$authz" != then ] || { what=out; continue; }
            # (qemu-nbd 7.2 knows authz-list-file, and then does not accept it.)
            case ${server##*/}.$authz in qemu-nbd.authz-list-file*) continue ;; esac
            n=$((n + 1))
            run "${server##*/} --tls-authz $authz" "$server" --fork --pid-file=x.pid -r -t -e 0 -f raw -b 127.0.0.1 \
                -p $((port + n)) --object "$creds,endpoint=server" --object "$authz" --tls-creds t --tls-authz z a.raw
            to=${tcp/port=$((port + 1))/port=$((port + n))}
            case $what in
            in) run "lets the client in" "$img" info --object "$creds,endpoint=client" --image-opts "$to" ;;
            out) refused "keeps the client out" "" "$img" info --object "$creds,endpoint=client" --image-opts "$to" ;;
            esac
            stop x
        done
    done
    refused "no such list" "No object with id 'nosuch'" "$nbd" -f raw -k "$dir/none" \
        --object "$creds,endpoint=server" --tls-creds t --tls-authz nosuch a.raw
    refused "a list without TLS" "needs --tls-creds" "$nbd" -f raw -k "$dir/none" \
        --object authz-simple,id=z,identity=x --tls-authz z a.raw
    run "start tls, for any client" "$nbd" --fork --pid-file=x.pid -r -t -e 0 -f raw -b 127.0.0.1 \
        -p $((port + 2)) --object "$creds,endpoint=server,verify-peer=off" --tls-creds t a.raw
    run "a client without a certificate" "$img" info \
        --object "tls-creds-x509,id=t,dir=$dir/bare,endpoint=client" \
        --image-opts "${tcp/port=$((port + 1))/port=$((port + 2))}"
    stop x
else
    skip "certificates: openssl is not installed"
fi

# dirty bitmaps, allocation depth, an offset, a temporary overlay, the kernel's devices
"$img" create -q -f qcow2 m.qcow2 4M && "$img" bitmap --add -g 64k m.qcow2 b0 &&
    "$io" -f qcow2 -c "write -q 1M 128k" m.qcow2 &&
    "$img" create -q -f qcow2 -b m.qcow2 -F qcow2 over.qcow2
run "start with a bitmap" "$nbd" --fork --pid-file=m.pid -r -t -e 0 -f qcow2 -B b0 -A -k "$dir/m" m.qcow2
refused "no such bitmap" "is not found" "$nbd" -r -f qcow2 -B b1 -k "$dir/m1" over.qcow2
if have nbdinfo; then
    run "nbdinfo's bitmap" nbdinfo --map=qemu:dirty-bitmap:b0 "nbd+unix://?socket=$dir/m"
    grep -q "1048576 *131072 *1 *dirty" log; is "is dirty where it was written" $?
    run "nbdinfo's depth" nbdinfo --map=qemu:allocation-depth "nbd+unix://?socket=$dir/m"
    grep -q "1048576 *131072 *1 *local" log; is "is one where it was written" $?
else
    skip "nbdinfo: not installed (Debian package: libnbd-bin)"
fi
stop m
run "start at an offset" "$nbd" --fork --pid-file=o.pid -r -t -f raw -o 1M -k "$dir/o" a.raw
dd if=a.raw of=part.raw bs=1M skip=1 status=none
run "the rest of the image" "$img" compare -f raw -F raw part.raw "nbd:unix:$dir/o"
stop o
cp a.raw before.raw
run "start with an overlay" "$nbd" --fork --pid-file=s.pid -s -t -e 0 -f raw -k "$dir/s" a.raw
run "write to it" "$io" -f raw -c "write -q -P 77 0 1M" -c "read -q -P 77 0 1M" "nbd:unix:$dir/s"
stop s
run "the image is as it was" cmp a.raw before.raw
refused "no kernel device, a message" "Failed to open /dev/no-such-nbd" "$nbd" -c /dev/no-such-nbd -f raw a.raw
if [ -b /dev/nbd15 ]; then
    skip "/dev/nbd15 is there: whether it is free is not for us to try"
else
    refused "no nbd in this kernel, a message" "/dev/nbd15: No such" "$nbd" -c /dev/nbd15 -f raw a.raw
    refused "nor to disconnect" "/dev/nbd15: No such" "$nbd" -d /dev/nbd15
fi

finish
