#!/bin/bash
# run.sh BUILD: every test of the engine that `make ALONE=1` built there, and the engine against the reference. Prints TAP, a point a program. Needs bash alone.
set -u
build=$1
failed=0
cnt=0

run() {
  local said
  cnt=$((cnt + 1))
  if said=$("$@" 2>&1); then
    echo "ok $cnt - $*"
  else
    failed=$((failed + 1))
    echo "not ok $cnt - $*"
    echo "# ${said//$'\n'/$'\n'# }"
  fi
}

cnt=1
if said=$("$build"/tests/unit/canary 2>&1) || [[ $said != *'not ok '* ]]; then
  failed=1
  echo "not ok 1 - a planted failure is seen"
else
  echo "ok 1 - a planted failure is seen"
fi
for program in "$build"/tests/*/test_*; do
  case $program in
  */test_restart) run "$program" --inputs 200000 ;;
  *) run "$program" ;;
  esac
done
run "$build"/bin/wcx-diff --seeds 1..17 --ops 2000
run "$build"/bin/wcx-diff --seeds 1..17 --ops 2000 --burst 32 --snapshot-every 97
run "$build"/bin/wcx-diff --profile entitled --seeds 1..2 --ops 2000
echo "1..$cnt"
[ "$failed" -eq 0 ]
