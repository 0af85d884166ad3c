# Shared by up.sh, down.sh and runner.sh: where things are, and how a process is awaited, found and ended. Sourced, not run.
# Several instances may run at once: give each its own WCX_RUN_DIR, WCX_NETNS, WCX_CLIENT_NETNS and WCX_HTTP_PORT.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=$root/build/bin
run=${WCX_RUN_DIR:-$root/build/run}
case $run in /*) ;; *) run=$PWD/$run ;; esac

say() { echo "  $*"; }
die() {
  echo "wcx: error: $*" >&2
  exit 1
}

# One up.sh or down.sh at a time works on a run directory. Those they call find the lock taken already.
lock_run() {
  [ "${WCX_RUN_LOCKED:-}" != "$run" ] || return 0
  exec 8>>"$run/lock" || die "$run cannot be written: choose another WCX_RUN_DIR"
  flock -w 60 8 || die "another make up or make down has been working on $run for 60 s: wait for it, or end it"
  export WCX_RUN_LOCKED=$run
}

# A pid file proves nothing: the process must run the executable. $1 pid file, $2 its name; prints the pid.
pid_of() {
  local pid exe
  pid=$(cat "$1" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 1
  exe=${exe% (deleted)}
  case $exe in
    "$bin/$2") ;;
    */bash) { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "control/dev/$2 $run " || return 1 ;;
    *) return 1 ;;
  esac
  echo "$pid"
}

# A process that has just been forked does not run its executable yet, and nobody could tell it from a stranger: whoever starts one waits here before it lets go, with
# signals deferred. $1 pid file, $2 name. False: it has ended, or does not get there in 10 s.
await_process() {
  local i
  for ((i = 0; i < 1000; i++)); do
    pid_of "$1" "$2" >/dev/null && return 0
    readlink "/proc/$(cat "$1")/exe" >/dev/null 2>&1 || return 1
    sleep 0.01 || true
  done
  return 1
}

# SIGTERM (and SIGCONT: a stopped process does not hear), after 8 s SIGKILL. $1 pid file, $2 name.
end_process() {
  local pid i
  if pid=$(pid_of "$1" "$2"); then
    kill -TERM "$pid" 2>/dev/null || true
    kill -CONT "$pid" 2>/dev/null || true
    for ((i = 0; i < 160; i++)); do
      pid_of "$1" "$2" >/dev/null || break
      sleep 0.05
    done
    if pid_of "$1" "$2" >/dev/null; then
      say "$2 (pid $pid) did not follow SIGTERM: killed"
      kill -KILL "$pid" 2>/dev/null || true
    fi
  fi
  rm -f "$1"
}
