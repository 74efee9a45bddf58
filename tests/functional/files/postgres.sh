# SPDX-License-Identifier: MIT
# A PostgreSQL cluster: made, loaded, killed, recovered. The server wants not to be root.
if [ "$(id -u)" = 0 ]; then
    exec unshare -U --map-user=1 --map-group=1 sh -e "$0"
fi
bin=usr/lib/postgresql/15/bin
options="-c listen_addresses= -c unix_socket_directories=$PWD"
run $bin/initdb -D d -A trust --no-sync --locale=C
run $bin/pg_ctl -D d -w -o "$options" -l pg.log start
run $bin/createdb -h "$PWD" bench
run $bin/pgbench -h "$PWD" -i -q bench
run $bin/pgbench -h "$PWD" -c 4 -j 2 -t 100 bench
server=$(head -1 d/postmaster.pid)
kill -9 "$server"
while kill -0 "$server" 2> /dev/null; do sleep 0.2; done
sleep 1 # its children see that it is gone
run $bin/pg_ctl -D d -w -o "$options" -l pg.log start
grep -q 'redo' pg.log
sums=$(run $bin/psql -h "$PWD" -At bench -c 'select (select sum(delta) from pgbench_history) =
    (select sum(abalance) from pgbench_accounts), (select count(*) from pgbench_history)')
run $bin/pg_ctl -D d stop -m fast
test "$sums" = 't|400'
