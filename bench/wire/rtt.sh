#!/usr/bin/env bash
# Round-trip times, all in one run on one machine, as a table:
#
#   D0, over the same veth and driver (af_xdp):   testpmd 5tswap | our port's echo | the appliance, order in -> ack out
#   D0, over the same veth, TCP:                  the kernel's TCP echoing, polled | the appliance, order in -> ack out
#   D1:                                           a bare durable write of 4 KiB | the appliance, order in -> ack out
#
# The client polls a kernel socket without sleeping in every row but the last two: at D1 it sleeps, so that the journal worker has its CPU.
#   COUNT=20000 ROUNDS=3   round trips per measurement and how often each is repeated (the round with the least p50 is shown)
#   usage: rtt.sh [--json]  (root; takes about a minute; stops what it starts)
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
count=${COUNT:-20000}
rounds=${ROUNDS:-3}
json=${1:-}
work=$(mktemp -d)
tag=$$
export WCX_RUN_DIR=$root/build/bench-rtt WCX_NETNS=wcxr-dp-$tag WCX_CLIENT_NETNS=wcxr-mm-$tag WCX_HTTP_PORT=$((20000 + tag % 20000))
export WCX_IF=wcx-dp0 WCX_CLIENT_IF=wcx-mm0
echo_pid=

end_echo() {
  [ -n "$echo_pid" ] || return 0
  kill "$echo_pid" 2>/dev/null || true
  wait "$echo_pid" 2>/dev/null || true
  echo_pid=
}
clean() {
  trap - EXIT INT TERM
  end_echo
  "$root/control/dev/down.sh" >/dev/null 2>&1 || true
  rm -rf "$work" "$WCX_RUN_DIR"
}
trap clean EXIT
trap 'exit 130' INT TERM
die() {
  echo "rtt.sh: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || die "needs root: network namespaces and raw sockets"
for program in "$root/build/bin/wcx-rtt" "$root/build/tests/e2e/port_echo"; do
  [ -x "$program" ] || die "$program is missing: make build tests"
done
command -v dpdk-testpmd >/dev/null || die "dpdk-testpmd is missing: apt-get install dpdk-dev"

# nsenter, not ip netns exec: the latter remounts /sys and cannot in a chroot
client() { nsenter --net="/run/netns/$WCX_CLIENT_NETNS" "$root/build/bin/wcx-rtt" "$@"; }

# $1 name of the row, the rest is a command that prints one JSON line; keeps the round with the least p50
measure() {
  local name=$1 i
  shift
  for ((i = 0; i < rounds; i++)); do "$@" >>"$work/$name" || die "$name: $(tail -n 1 "$work/$name")"; done
}

# Whoever echoes must answer before it is measured.
await_echo() {
  local i
  for ((i = 0; i < 50; i++)); do
    if client "${2:-echo}" --count 1 2>/dev/null | grep -q '"lost":0'; then return 0; fi
    sleep 0.2
  done
  die "$1 does not echo: $(tail -n 5 "$work/echo.log")"
}

up() {
  WCX_UNSAFE=1 WCX_SET="durability.level=$1" "$root/control/dev/up.sh" >"$work/up.log" 2>&1 || die "the appliance does not start: $(tail -n 8 "$work/up.log")"
}

# End runner and data plane, leave the network: the echoes use the very same veth.
end_dataplane() {
  local name pid i
  for name in runner dataplane; do
    pid=$(cat "$WCX_RUN_DIR/$name.pid")
    kill "$pid" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
      [ -e "/proc/$pid" ] || break
      sleep 0.05
    done
  done
}

up D0
poll_cpu=$(grep -o 'shards\.lcore=[0-9]*' "$WCX_RUN_DIR/environment" | tail -n 1 | cut -d= -f2)
main_cpu=$((poll_cpu == 0 ? 1 : 0))
measure order_d0 client order --count "$count" --cpu "$main_cpu"
measure order_tcp client order --transport tcp --count "$count" --cpu "$main_cpu"
end_dataplane
nsenter --net="/run/netns/$WCX_NETNS" "$root/build/tests/e2e/port_echo" af_xdp "$WCX_IF" "$poll_cpu" >"$work/echo.log" 2>&1 &
echo_pid=$!
await_echo port_echo
measure port_echo client echo --count "$count" --cpu "$main_cpu"
end_echo
mac=$(nsenter --net="/run/netns/$WCX_NETNS" ip -br link show dev "$WCX_IF" | awk '{print $3}')
nsenter --net="/run/netns/$WCX_CLIENT_NETNS" ip neigh replace 10.77.0.2 lladdr "$mac" dev "$WCX_CLIENT_IF" nud permanent
LIBXDP_SKIP_DISPATCHER=1 nsenter --net="/run/netns/$WCX_NETNS" dpdk-testpmd --lcores "0@$main_cpu,1@$poll_cpu" --no-pci --no-huge --no-shconf -m 128 --iova-mode=va \
  --vdev "net_af_xdp0,iface=$WCX_IF,start_queue=0,queue_count=1,busy_budget=0" -- --forward-mode=5tswap --nb-cores=1 --total-num-mbufs=16383 --stats-period=3600 \
  >"$work/echo.log" 2>&1 </dev/null &
echo_pid=$!
await_echo testpmd
measure testpmd client echo --count "$count" --cpu "$main_cpu"
end_echo
# The kernel answers in the appliance's place: same interface, same address, its process where the poll loop was.
nsenter --net="/run/netns/$WCX_NETNS" ip link set dev "$WCX_IF" xdp off
nsenter --net="/run/netns/$WCX_NETNS" ip addr add 10.77.0.2/24 dev "$WCX_IF"
nsenter --net="/run/netns/$WCX_NETNS" "$root/build/bin/wcx-rtt" tcp-echo-server --server 10.77.0.2 --cpu "$poll_cpu" >"$work/echo.log" 2>&1 &
echo_pid=$!
await_echo "the kernel's TCP" tcp-echo
measure tcp_echo client tcp-echo --count "$count" --cpu "$main_cpu"
end_echo
nsenter --net="/run/netns/$WCX_NETNS" ip addr del 10.77.0.2/24 dev "$WCX_IF"
"$root/control/dev/down.sh" >/dev/null

up D1
measure order_d1 client order --count $((count / 10)) --sleep
"$root/control/dev/down.sh" >/dev/null
measure write_4k "$root/build/bin/wcx-rtt" write --count $((count / 10)) --file "$WCX_RUN_DIR/bare-write"

python3 - "$work" "$json" <<'PY'
import json, sys
folder, as_json = sys.argv[1], sys.argv[2] == "--json"
def best(name):
    with open(f"{folder}/{name}", encoding="ascii") as file:
        return min((json.loads(line) for line in file), key=lambda row: row["p50_us"])
rows = (("testpmd", "testpmd 5tswap, af_xdp", "testpmd"), ("port_echo", "our port's echo, af_xdp", "testpmd"), ("order_d0", "appliance D0, order to ack", "testpmd"),
        ("tcp_echo", "kernel TCP echo, busy poll", "tcp_echo"), ("order_tcp", "appliance D0 over TCP", "tcp_echo"),
        ("write_4k", "bare durable 4 KiB write", "write_4k"), ("order_d1", "appliance D1, order to ack", "write_4k"))
found = {name: best(name) for name, _, _ in rows}
if as_json:
    print(json.dumps(found))
else:
    print(f"{'round trip, us':<30} {'min':>9} {'p50':>9} {'p99':>9}   p50 ratio")
    for name, title, base in rows:
        row = found[name]
        print(f"{title:<30} {row['min_us']:9.2f} {row['p50_us']:9.2f} {row['p99_us']:9.2f}   {row['p50_us'] / found[base]['p50_us']:.2f} x {base}")
PY
