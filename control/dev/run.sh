#!/usr/bin/env bash
# `make run`: start the appliance, let two sample market makers trade with a live board, stop it again. The last line of
# output is the JSON of what was traded; the exit status is that of the market makers (1 when anything was lost or a gap stayed).
#   usage: run.sh [seconds]      0 or nothing: until interrupted
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
seconds=${1:-0}
case $seconds in
  '' | *[!0-9]*)
    echo "wcx: error: SECONDS=$seconds is not a number of seconds; use for example: make run SECONDS=15" >&2
    exit 2
    ;;
esac

summary=$(mktemp)
stop() {
  trap - EXIT INT TERM
  "$here/down.sh" >&2 || true
  if [ -s "$summary" ]; then tail -n 1 "$summary"; fi
  rm -f "$summary"
}
trap stop EXIT
trap 'exit 130' INT TERM

"$here/up.sh"
# shellcheck source=/dev/null
. "${WCX_RUN_DIR:-$root/build/run}/environment"
status=0
nsenter --net="/run/netns/$WCX_CLIENT_NETNS" "$root/build/bin/wcx-mm" --seconds "$seconds" --server 10.77.0.2 --interface "$WCX_CLIENT_IF" \
  --wcxctl "$root/build/bin/wcxctl" --state-dir "$WCX_STATE_DIR" --control-socket "$WCX_CONTROL_SOCKET" --summary "$summary" || status=$?
exit "$status"
