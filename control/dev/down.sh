#!/usr/bin/env bash
# Stop what up.sh started and remove what it made, except the state directory and the logs. Safe to call twice, and after anything was killed.
set -uo pipefail
# shellcheck source=control/dev/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=control/dev/databases.sh
. "$(dirname "$0")/databases.sh"
trap '' INT TERM HUP PIPE # an interrupted clean-up would leave the rest for nobody

[ ! -d "$run" ] || lock_run
if [ ! -e "$run/environment" ]; then
  say "nothing to stop in $run"
  exit 0
fi
# shellcheck source=/dev/null
. "$run/environment"

end_process "$run/runner.pid" runner.sh
end_process "$run/dataplane.pid" wcx-dataplane
end_process "$run/controld.pid" wcx-controld
for file in "$WCX_CONTROL_DIR"/*.pid; do
  [ -e "$file" ] || continue
  name=$(basename "$file" .pid)
  name=${name%-[0-9]*} # wcx-journal-0
  end_process "$file" "$name"
done
rm -f "$WCX_CONTROL_DIR/control.sock"
stop_databases
rm -f "$run/postgresql.connection" "$run/redis.connection"

# shellcheck disable=SC2153 # the environment file has it
for ns in "$WCX_CLIENT_NETNS" "$WCX_NETNS"; do
  [ ! -e "/run/netns/$ns" ] || ip netns del "$ns"
done
rm -f "$WCX_REGION" "$WCX_REGION.new"
while mountpoint -q "$run/huge" 2>/dev/null; do
  umount "$run/huge" 2>/dev/null && continue
  say "something still uses $run/huge: it is taken away now, its pages come back when that ends"
  umount -l "$run/huge" || break
done
if [ "${WCX_PAGES_ADDED:-0}" != 0 ]; then
  {
    flock 9
    left=$(($(cat /proc/sys/vm/nr_hugepages) - WCX_PAGES_ADDED))
    [ $left -ge 0 ] || left=0
    echo $left >/proc/sys/vm/nr_hugepages
  } 9>>/run/lock/wcx-hugepages
fi
rm -f "$run/environment"
say "stopped; the journal stays in $WCX_STATE_DIR (make up KEEP=1 recovers it)"
