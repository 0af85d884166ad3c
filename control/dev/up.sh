#!/usr/bin/env bash
# Start the appliance in the background and return once a sign-on is answered.
#
#   namespace wcx-mm (clients)               namespace wcx-dp (appliance)         root namespace
#   wcx-mm0 10.77.0.1/24  <---- veth ---->   wcx-dp0, no address of the kernel    wcx-controld, wcx-journal, wcx-keeper, wcx-replica, wcx-auth, wcx-api
#   market makers                            wcx-dataplane: 10.77.0.2             http://127.0.0.1:8080
#
#   KEEP=1           recover the last state instead of starting on an empty one
#   WCX_RUN_DIR      everything that is made (build/run)          WCX_CONFIG     configuration (configs/wcx.yaml)
#   WCX_NETNS, WCX_CLIENT_NETNS, WCX_IF, WCX_CLIENT_IF            names, for a second instance
#   WCX_HTTP_PORT    8080                                         WCX_SET        further "key=value ..." of wcx-controld --set
#   WCX_UNSAFE=1     allow durability D0                          WCX_HUGEPAGES  pages of 2 MiB to set aside (512; 0: none)
#   WCX_LCORE        CPU of the poll loop (the one with the fewest disk interrupts)
#   WCX_REGION_MIB   size limit of the mount of region and data plane's memory (all pages set aside)
#   WCX_PROBE=0      return without the sign-on                   WCX_DATABASES=0  no PostgreSQL and no Redis beside it
set -euo pipefail
# shellcheck source=control/dev/common.sh
. "$(dirname "$0")/common.sh"
here=$root/control/dev
# shellcheck source=control/dev/databases.sh
. "$root/control/dev/databases.sh"

WCX_CONFIG=${WCX_CONFIG:-$root/configs/wcx.yaml}
WCX_NETNS=${WCX_NETNS:-wcx-dp}
WCX_CLIENT_NETNS=${WCX_CLIENT_NETNS:-wcx-mm}
WCX_IF=${WCX_IF:-wcx-dp0}
WCX_CLIENT_IF=${WCX_CLIENT_IF:-wcx-mm0}
WCX_HTTP_PORT=${WCX_HTTP_PORT:-8080}
WCX_HUGEPAGES=${WCX_HUGEPAGES:-512}
WCX_STATE_DIR=$run/state
WCX_CONTROL_DIR=$run/control
WCX_REGION=$run/huge/region
WCX_DB_DIR=
WCX_SETS=()

# Whoever meant to keep the journal and wrote it otherwise would lose it.
case ${KEEP:-0} in
  0 | 1) ;;
  *) die "KEEP=$KEEP: 1 recovers the last state, 0 starts on an empty one and removes it" ;;
esac
for name in WCX_HUGEPAGES WCX_REGION_MIB; do
  [[ ${!name:-0} =~ ^[0-9]+$ ]] || die "$name=${!name} is not a number"
done
[ "$(id -u)" = 0 ] || die "network namespaces and huge pages need root: run make up as root"
for exe in wcx-controld wcx-dataplane wcx-journal wcx-keeper wcx-replica wcx-sink-pg wcx-sink-redis wcx-auth wcx-api wcxctl wcx-mm; do
  [ -x "$bin/$exe" ] || die "$bin/$exe is missing: make build"
done
mkdir -p "$run" || die "$run cannot be made: choose another WCX_RUN_DIR"
lock_run
pid_of "$run/runner.pid" runner.sh >/dev/null && die "the appliance runs already (runner pid $(cat "$run/runner.pid")): make down first"
if [ -e "$run/environment" ]; then "$here/down.sh" >/dev/null; fi
for ns in "$WCX_NETNS" "$WCX_CLIENT_NETNS"; do
  [ ! -e "/run/netns/$ns" ] || die "the network namespace $ns exists already: make down where it was made, or choose other names (WCX_NETNS, WCX_CLIENT_NETNS)"
done
if (exec 3<>"/dev/tcp/127.0.0.1/$WCX_HTTP_PORT") 2>/dev/null; then
  die "port $WCX_HTTP_PORT of 127.0.0.1 is in use (ss -ltnp 'sport = $WCX_HTTP_PORT' says by whom): end that, or choose another one with WCX_HTTP_PORT"
fi
check=(--config "$WCX_CONFIG" --check --set "shards.lcore=${WCX_LCORE:-0}" --set "paths.run_dir=$run" --set "network.device=$WCX_IF" --set "http.listen_tcp_port=$WCX_HTTP_PORT")
for set in ${WCX_SET:-}; do check+=(--set "$set"); done
[ "${WCX_UNSAFE:-0}" = 0 ] || check+=(--unsafe)
"$bin/wcx-controld" "${check[@]}" >/dev/null || exit 1

mkdir -p "$run/log" "$run/huge"
if [ "${KEEP:-0}" != 1 ]; then
  rm -rf "$WCX_STATE_DIR"
  rm -f "$run"/log/*.log
fi

# What the logs say since now: with KEEP=1 they go on where they ended.
declare -A log_sz
for log in "$run"/log/*.log; do [ ! -e "$log" ] || log_sz[$log]=$(stat -c %s "$log"); done
new_lines() {
  for log in "$run"/log/*.log; do [ ! -e "$log" ] || tail -c "+$((${log_sz[$log]:-0} + 1))" "$log"; done
}

interrupted() {
  trap - ERR
  trap '' INT TERM HUP PIPE
  "$here/down.sh" >/dev/null || true
  echo "wcx: interrupted while starting; nothing is left running" >&2
  exit 130
}

failed() {
  trap - ERR
  trap '' INT TERM HUP PIPE # the clean-up must not end because of another Ctrl-C, or because nobody reads what it says
  local why
  why=$(new_lines | grep 'error: ' | sort -u | tail -n 3)
  echo "wcx: error: the appliance did not start (its logs: $run/log)" >&2
  if [ -n "$why" ]; then
    echo "$why" >&2
  else
    for log in "$run"/log/*.log; do
      [ -s "$log" ] || continue
      echo "--- $log" >&2
      grep -v '"control connection"' "$log" | tail -n 5 >&2 || true
    done
  fi
  "$here/down.sh" >&2 || true
  exit 1
}

# --- what down.sh must know, written before anything is made --------------------------------------------------
pages_added=0
memory=huge
save_environment() {
  {
    echo "# what up.sh made; read by down.sh, run.sh and the runner"
    for name in WCX_CONFIG WCX_NETNS WCX_CLIENT_NETNS WCX_IF WCX_CLIENT_IF WCX_HTTP_PORT WCX_STATE_DIR WCX_CONTROL_DIR WCX_REGION WCX_DB_DIR; do
      printf '%s=%q\n' "$name" "${!name}"
    done
    printf 'WCX_CONTROL_SOCKET=%q\n' "$WCX_CONTROL_DIR/control.sock"
    printf 'WCX_UNSAFE=%q\nWCX_PAGES_ADDED=%q\nWCX_SETS=(' "${WCX_UNSAFE:-0}" "$pages_added"
    [ "${#WCX_SETS[@]}" = 0 ] || printf '%q ' "${WCX_SETS[@]}"
    echo ')'
  } >"$run/environment.new"
  (
    trap '' INT TERM HUP
    exec mv "$run/environment.new" "$run/environment"
  )
}
trap interrupted INT TERM HUP
trap failed ERR
save_environment

# --- memory ----------------------------------------------------------------------------------------------------
pages=/proc/sys/vm/nr_hugepages
if [ "$WCX_HUGEPAGES" -gt 0 ] && [ -w $pages ]; then
  exec 9>/run/lock/wcx-hugepages || exec 9>"$run/hugepages.lock"
  flock 9
  # What was added must stand in the file before Ctrl-C may end this: only builtins, which it does not kill.
  late=0
  trap 'late=1' INT TERM HUP
  read -r before <$pages
  echo $((before + WCX_HUGEPAGES)) >$pages 2>/dev/null || true
  read -r pages_added <$pages
  pages_added=$((pages_added - before))
  save_environment
  trap interrupted INT TERM HUP
  [ $late = 0 ] || interrupted
  flock -u 9
  exec 9>&-
fi
free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null || echo 0)
if [ "$WCX_HUGEPAGES" = 0 ] || [ "$free" -lt "$WCX_HUGEPAGES" ]; then
  memory="ordinary pages (only $free huge pages are free; to have them: echo $WCX_HUGEPAGES > $pages)"
  [ "$WCX_HUGEPAGES" != 0 ] || memory="ordinary pages (WCX_HUGEPAGES=0)"
  WCX_SETS+=(--set memory.hugepages=false)
fi
if [ "$memory" != huge ] || ! mount -t hugetlbfs -o "pagesize=2M,size=${WCX_REGION_MIB:-$((2 * WCX_HUGEPAGES))}M,mode=0750" wcx "$run/huge" 2>/dev/null; then
  WCX_REGION=/dev/shm/wcx-$(echo "$run" | cksum | cut -d' ' -f1).region
  [ "$memory" != huge ] || memory="huge pages for the data plane; the region in /dev/shm (hugetlbfs cannot be mounted here)"
fi
[ "${KEEP:-0}" = 1 ] || rm -f "$WCX_REGION"

# --- network ---------------------------------------------------------------------------------------------------
ip netns add "$WCX_NETNS"
ip netns add "$WCX_CLIENT_NETNS"
# nsenter, not `ip -n` or `ip netns exec`: those remount / and /sys for themselves and cannot in a chroot
nsenter --net="/run/netns/$WCX_CLIENT_NETNS" ip link add "$WCX_CLIENT_IF" numtxqueues 4 numrxqueues 4 type veth \
  peer name "$WCX_IF" numtxqueues 4 numrxqueues 4 netns "$WCX_NETNS" # each receive queue keeps 2,048 frames while the poll loop is kept from its CPU
nsenter --net="/run/netns/$WCX_CLIENT_NETNS" ip addr add 10.77.0.1/24 dev "$WCX_CLIENT_IF"
nsenter --net="/run/netns/$WCX_CLIENT_NETNS" ip link set lo up
nsenter --net="/run/netns/$WCX_CLIENT_NETNS" ip link set "$WCX_CLIENT_IF" up
nsenter --net="/run/netns/$WCX_CLIENT_NETNS" ip route add 239.77.0.0/16 dev "$WCX_CLIENT_IF"
nsenter --net="/run/netns/$WCX_NETNS" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null || true
nsenter --net="/run/netns/$WCX_NETNS" ip link set "$WCX_IF" up
# the kernel's end must send whole checksums: nobody completes them on a veth
nsenter --net="/run/netns/$WCX_CLIENT_NETNS" ethtool -K "$WCX_CLIENT_IF" tx off >/dev/null
nsenter --net="/run/netns/$WCX_NETNS" ethtool -K "$WCX_IF" tx off >/dev/null 2>&1 || true

# --- databases -------------------------------------------------------------------------------------------------
if [ "${WCX_DATABASES:-1}" != 0 ] && [ "${WCX_UNSAFE:-0}" = 0 ]; then
  WCX_DB_DIR=/tmp/wcx-db-$$-$RANDOM
  save_environment
  mkdir "$WCX_DB_DIR"
  chown "$db_user" "$WCX_DB_DIR"
  start_databases || failed
fi
databases='none (WCX_DATABASES=0, or no server is installed)'
[ ! -e "$WCX_DB_DIR/data" ] || databases="PostgreSQL: psql -h $WCX_DB_DIR -U wcx_reader wcx"
[ ! -S "$WCX_DB_DIR/redis.sock" ] || databases+="; Redis: $WCX_DB_DIR/redis.sock"

# --- poll core -------------------------------------------------------------------------------------------------
# The CPU that has taken the fewest interrupts of disks: a completion that waits behind a poll loop waits for milliseconds.
poll_cpu() {
  awk -v cpus="$(nproc)" '
    /(virtio[0-9]+-req|nvme|ahci|xvd|mpt|megasas)/ { for (cpu = 0; cpu < cpus; cpu++) taken[cpu] += $(cpu + 2) }
    END { best = cpus - 1; for (cpu = cpus - 2; cpu >= 0; cpu--) if (taken[cpu] < taken[best]) best = cpu; print best }' /proc/interrupts
}
WCX_LCORE=${WCX_LCORE:-$(poll_cpu)}

# --- processes -------------------------------------------------------------------------------------------------
WCX_SETS+=(--set "shards.lcore=$WCX_LCORE" --set "paths.run_dir=$run" --set "paths.region=$WCX_REGION" --set "network.device=$WCX_IF" --set "http.listen_tcp_port=$WCX_HTTP_PORT")
for set in ${WCX_SET:-}; do WCX_SETS+=(--set "$set"); done
save_environment
late=0
trap 'late=1' INT TERM HUP
env -u WCX_RUN_LOCKED setsid "$here/runner.sh" "$run" </dev/null >>"$run/log/runner.log" 2>&1 8>&- &
echo $! >"$run/runner.pid"
await_process "$run/runner.pid" runner.sh || true
trap interrupted INT TERM HUP
[ $late = 0 ] || interrupted

ready=0
for ((i = 0; i < 300; i++)); do
  if "$bin/wcxctl" --control-dir "$WCX_CONTROL_DIR" status -o json 2>/dev/null | grep -q '"Ready":true'; then
    ready=1
    break
  fi
  # what has exited so often exits always: no use in waiting for it
  [ "$(new_lines | grep -cE 'started again|"worker exited"')" -lt 6 ] || break
  sleep 0.1
done
[ $ready = 1 ] || failed
if [ "${WCX_PROBE:-1}" = 1 ]; then
  nsenter --net="/run/netns/$WCX_CLIENT_NETNS" "$bin/wcx-mm" --probe --timeout 10 --server 10.77.0.2 --interface "$WCX_CLIENT_IF" >>"$run/log/probe.log" 2>&1 || failed
fi
trap - ERR

# --- what runs -------------------------------------------------------------------------------------------------
cat <<BANNER
wcx is up: sign-on answered
  orders      UDP 10.77.0.2:7002, re-requests :7003, from namespace $WCX_CLIENT_NETNS ($WCX_CLIENT_IF 10.77.0.1)
  orders      TCP 10.77.0.2:7001 (SoupBinTCP), purge :7004, drop copy :7005, feed replay :7006
  feed        239.77.0.1:7101 (A), 239.77.0.2:7102 (B)
  snapshots   239.77.0.3:7103 (A), 239.77.0.4:7104 (B)
  appliance   namespace $WCX_NETNS ($WCX_IF); polls on CPU $WCX_LCORE; memory: $memory
  journal     $WCX_STATE_DIR/journal, the replica's snapshots in $WCX_STATE_DIR/snapshot
  operators   $bin/wcxctl status | book show | journal verify | snapshot list
  metrics     http://127.0.0.1:$WCX_HTTP_PORT/metrics (/healthz /readyz)
  logs        $run/log
  databases   $databases
  not built   HSM signer, several machines
BANNER
