#!/usr/bin/env bash
# What systemd or Kubernetes is in production: keeps wcx-controld and wcx-dataplane alive. What exits is started again within a second;
# what is merely stopped is left alone. Started by up.sh, ended by down.sh; ending it ends nothing else.
#   usage: runner.sh RUN_DIR
set -uo pipefail
# shellcheck source=control/dev/common.sh
. "$(dirname "$0")/common.sh"
run=$1
# shellcheck source=/dev/null
. "$run/environment"

start_controld() {
  local unsafe=()
  [ "${WCX_UNSAFE:-0}" = 0 ] || unsafe=(--unsafe)
  "$bin/wcx-controld" --config "$WCX_CONFIG" "${unsafe[@]}" "${WCX_SETS[@]}" </dev/null >>"$run/log/controld.log" 2>&1 &
  controld=$!
  controld_since=$SECONDS
  echo "$controld" >"$run/controld.pid"
  await_process "$run/controld.pid" wcx-controld || true
}

# In a session of its own with the best autogroup: the poll loop competes with everything else of this machine.
start_dataplane() {
  # shellcheck disable=SC2016 # the inner shell expands them
  setsid sh -c 'echo -20 >/proc/self/autogroup; exec "$@"' dataplane \
    nsenter --net="/run/netns/$WCX_NETNS" "$bin/wcx-dataplane" --region "$WCX_REGION" </dev/null >>"$run/log/dataplane.log" 2>&1 &
  dataplane=$!
  dataplane_since=$SECONDS
  echo "$dataplane" >"$run/dataplane.pid"
  await_process "$run/dataplane.pid" wcx-dataplane || true
}

# Without a process: what exited waits for it.
note() {
  local now=$EPOCHREALTIME
  TZ=UTC printf '%(%FT%T)T.%.3sZ runner: %s\n' "${now%[.,]*}" "${now#*[.,]}" "$*" >>"$run/log/runner.log"
}

# Not in the middle of a start: down.sh must find whom it has to end.
starting=1
ending=0
finish() {
  note "ended"
  exit 0
}
started() {
  starting=0
  [ $ending = 0 ] || finish
}
trap 'ending=1; [ $starting = 1 ] || finish' TERM INT
SECONDS=0
start_controld
start_dataplane
started
# $1 controld or dataplane, $2 its pid, $3 when it was started: what died at once waits a moment.
start_again() {
  note "wcx-$1 (pid $2) exited$how: started again"
  [ $((SECONDS - $3)) -gt 1 ] || sleep 0.3
  starting=1
  "start_$1"
  started
}
# A child that ends while something else is being waited for is lost to `wait -n`: so it is asked for first.
ended() { ! kill -0 "$1" 2>/dev/null; }
while :; do
  how=''
  if ! ended "$controld" && ! ended "$dataplane"; then
    wait -n "$controld" "$dataplane"
    how=" with $?"
  fi
  if ended "$controld"; then
    start_again controld "$controld" "$controld_since"
  elif ended "$dataplane"; then
    start_again dataplane "$dataplane" "$dataplane_since"
  else
    sleep 0.1
  fi
done
