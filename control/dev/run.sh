#!/usr/bin/env bash
# `make run`: start the appliance, let two sample market makers trade with a live board, stop it again. The last line of
# output is the JSON of what was traded; the exit status is that of the market makers (1 when anything was lost or a gap stayed).
#   usage: run.sh [seconds]      0 or nothing: until interrupted
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-0}
case $seconds in
  '' | *[!0-9]*)
    echo "wcx: error: SECONDS=$seconds is not a number of seconds; use for example: make run SECONDS=15" >&2
    exit 2
    ;;
esac

# shellcheck source=control/dev/common.sh
. "$here/common.sh"
! pid_of "$run/runner.pid" runner.sh >/dev/null || die "the appliance runs already (make up): make down first, or trade against it as README.md shows"

# What is running from here on is ours: it is stopped however this ends.
summary=$(mktemp)
stop() {
  trap - EXIT
  trap '' INT TERM HUP PIPE # a second Ctrl-C must not end the clean-up
  "$here/down.sh" >&2 || true
  if [ -s "$summary" ]; then tail -n 1 "$summary" || true; fi # the terminal may be gone
  rm -f "$summary"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP

"$here/up.sh"
# shellcheck source=/dev/null
. "$run/environment"

# In the background, so that a signal to this script alone reaches them too. Ctrl-C is the ordinary end: the market makers cancel, sign off and count.
makers=''
ended=0
trap 'ended=1; [ -z "$makers" ] || kill -TERM "$makers" 2>/dev/null || true' INT TERM HUP
(
  trap '' INT TERM HUP # until they listen themselves: before that it would end them without a word
  exec nsenter --net="/run/netns/$WCX_CLIENT_NETNS" "$bin/wcx-mm" --seconds "$seconds" --server 10.77.0.2 --interface "$WCX_CLIENT_IF" \
    --wcxctl "$bin/wcxctl" --state-dir "$WCX_STATE_DIR" --control-socket "$WCX_CONTROL_SOCKET" --summary "$summary"
) <&0 &
makers=$!
# A signal ends the wait, not the market makers; one that came while they were being started is lost, so it is said again.
while kill -0 "$makers" 2>/dev/null; do
  if [ $ended = 0 ]; then
    wait "$makers" || true
  else
    kill -TERM "$makers" 2>/dev/null || true
    sleep 0.2 || true
  fi
done
wait "$makers"
