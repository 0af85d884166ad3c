# A PostgreSQL and a Redis of the development appliance's own: a directory below /tmp, sockets in it and no port, as nobody. Sourced by up.sh and down.sh.
# What they hold is derived from the journal: down.sh removes it, and the next start fills it again.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root, run: common.sh

db_user=nobody
as_db_user() { setpriv --reuid="$db_user" --regid="$(id -g "$db_user")" --clear-groups "$@"; }

# $1 log, then the command: a process of a session of its own, which holds none of our locks.
spawn_as_db_user() {
  local log=$1
  shift
  (
    cd /
    exec 8>&- 9>&- </dev/null >>"$log" 2>&1
    exec setsid setpriv --reuid="$db_user" --regid="$(id -g "$db_user")" --clear-groups "$@"
  ) &
}

pg_bin() {
  local dir
  for dir in /usr/lib/postgresql/*/bin; do
    if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then echo "$dir"; fi
  done | sort -V | tail -n 1
}

# A process of this directory: the pid file's number alone proves nothing. $1 pid file, $2 name of its executable.
db_pid_of() {
  local pid
  pid=$(head -n 1 "$1" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  case $(readlink "/proc/$pid/exe" 2>/dev/null) in */"$2" | */"$2 (deleted)" | */redis-check-rdb*) ;; *) return 1 ;; esac
  { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "$WCX_DB_DIR/" || [ "$(readlink "/proc/$pid/cwd")" = "$WCX_DB_DIR/data" ] || return 1
  echo "$pid"
}

# $1 pid file, $2 name, $3 signal. After 8 s it is killed.
end_db() {
  local pid i
  if pid=$(db_pid_of "$1" "$2"); then
    kill "-$3" "$pid" 2>/dev/null || true
    kill -CONT "$pid" 2>/dev/null || true
    for ((i = 0; i < 160; i++)); do
      db_pid_of "$1" "$2" >/dev/null || return 0
      sleep 0.05
    done
    say "$2 (pid $pid) did not follow: killed"
    kill -KILL "$pid" 2>/dev/null || true
  fi
}

stop_databases() {
  [ -n "${WCX_DB_DIR:-}" ] && [ -d "$WCX_DB_DIR" ] || return 0
  end_db "$WCX_DB_DIR/redis.pid" redis-server TERM
  end_db "$WCX_DB_DIR/data/postmaster.pid" postgres INT
  rm -rf "$WCX_DB_DIR"
}

wait_for_db() {
  local i
  for ((i = 0; i < 200; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  echo "wcx: error: a database did not start: see $run/log/postgres.log and $run/log/redis.log; or do without: WCX_DATABASES=0" >&2
  return 1
}

secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# The superuser and the readers are who starts it; the sink has a password, which stands in one file.
start_postgres() {
  local pg=$1 password
  password=$(secret)
  as_db_user "$pg/initdb" -D "$WCX_DB_DIR/data" -U owner --auth=peer -E UTF8 --locale=C --no-sync >"$run/log/postgres.log" 2>&1 || return 1
  printf 'local all wcx_sink scram-sha-256\nlocal all owner peer map=dev\nlocal all wcx_reader peer map=dev\n' >"$WCX_DB_DIR/data/pg_hba.conf"
  printf 'dev root wcx_reader\ndev root owner\n' >"$WCX_DB_DIR/data/pg_ident.conf"
  spawn_as_db_user "$run/log/postgres.log" "$pg/postgres" -D "$WCX_DB_DIR/data" -k "$WCX_DB_DIR" -c listen_addresses= -c shared_buffers=32MB -c synchronous_commit=off
  local psql=("$pg/psql" -X -q -h "$WCX_DB_DIR" -U owner -v ON_ERROR_STOP=1)
  wait_for_db "${psql[@]}" -d postgres -c 'SELECT 1' || return 1
  {
    "${psql[@]}" -d postgres -c 'CREATE DATABASE wcx' &&
      "${psql[@]}" -d wcx -f "$root/configs/sql/roles.sql" -f "$root/persist/sql/001_schema.sql" -f "$root/persist/sql/002_orders.sql" -c 'ALTER ROLE wcx_reader LOGIN' &&
      echo "ALTER ROLE wcx_sink PASSWORD '$password'" | "${psql[@]}" -d wcx -f -
  } >>"$run/log/postgres.log" 2>&1 || return 1
  (umask 077 && echo "host=$WCX_DB_DIR dbname=wcx user=wcx_sink password=$password" >"$run/postgresql.connection")
}

start_redis() {
  local password
  password=$(secret)
  (umask 077 && printf 'port 0\nunixsocket %s/redis.sock\nunixsocketperm 777\nsave ""\nappendonly no\npidfile %s/redis.pid\nrequirepass %s\nmaxmemory 256mb\n' \
    "$WCX_DB_DIR" "$WCX_DB_DIR" "$password" >"$WCX_DB_DIR/redis.conf")
  chown "$db_user" "$WCX_DB_DIR/redis.conf"
  spawn_as_db_user "$run/log/redis.log" redis-server "$WCX_DB_DIR/redis.conf"
  (umask 077 && echo "socket=$WCX_DB_DIR/redis.sock password=$password" >"$run/redis.connection")
  wait_for_db test -s "$WCX_DB_DIR/redis.pid"
}

# Adds to WCX_SETS what is there. Without an installed server there is no such sink.
start_databases() {
  local pg
  pg=$(pg_bin)
  if [ -n "$pg" ]; then
    start_postgres "$pg" || return 1
    WCX_SETS+=(--set "sinks.postgresql_connection_file=$run/postgresql.connection")
  fi
  if command -v redis-server >/dev/null; then
    start_redis || return 1
    WCX_SETS+=(--set "sinks.redis_connection_file=$run/redis.connection")
  fi
}
