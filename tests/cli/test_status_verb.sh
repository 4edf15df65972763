#!/bin/bash
# espalier status, by whole command lines: while a run is alive, after it was killed, on a terminal
# and on none; it reads only.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

cat >study.yaml <<'YAML'
study: small
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases:
    first: {epochs: 2}
    second: {epochs: 3}
YAML

# ---- at rest -----------------------------------------------------------------------------------
expect 4 "$ESPALIER" status --db none.db
says "espalier run"
expect 0 "$ESPALIER" run study.yaml --db rest.db
expect 0 "$ESPALIER" status --db rest.db
says "small" "nothing runs" "time_left"
! grep -qE " [0-9]+:[0-5][0-9]:[0-5][0-9] " stdout || fail "what is done has time left"
! grep -qF "query failed" stdout || fail "no trial failed"
expect 0 "$ESPALIER" status --db rest.db --format json
says '"runner": false' '"done": 2' '"trials": []'
expect 2 "$ESPALIER" status --db rest.db --format csv
expect 2 "$ESPALIER" status small --db rest.db
says "espalier ls small"
expect 2 "$ESPALIER" status --db rest.db --watch
says "terminal"
expect 3 "$ESPALIER" status --db study.yaml
expect 0 "$ESPALIER" status --help

# ---- failed trials -----------------------------------------------------------------------------
expect 1 "$ESPALIER" run study.yaml --db failed.db --set optimizer.kind=sgd \
    --set optimizer.learning_rate=1e6 --set losses.cross_entropy.weight=1000000
expect 0 "$ESPALIER" status --db failed.db
says "2 failed" "espalier query failed"

# ---- while a run lives -------------------------------------------------------------------------
"$ESPALIER" run study.yaml --db live.db --seeds 0 --set phases.second.epochs=999998 \
    >run.out 2>&1 </dev/null &
runner=$!
# agree DB LEAST MOST: looks until the study's time left is LEAST to MOST times its trial's. The rate changes
# between the readings of the two, on a busy machine by more than that: one reading of many must agree.
agree() {
    for _ in $(seq 100); do
        sleep 0.1
        "$ESPALIER" status --db "$1" --format json >stdout 2>stderr
        # the study is asked before its trial: both must have had an epoch to tell the time by
        [ "$(grep -c '"seconds_left": [0-9]' stdout)" = 2 ] && grep -q '"phase": "second"' stdout || continue
        mapfile -t lefts < <(sed -n 's/.*"seconds_left": \([0-9.]*\).*/\1/p' stdout)
        awk -v l="${lefts[0]}" -v t="${lefts[1]}" -v a="$2" -v z="$3" 'BEGIN { exit !(l > a * t && l < z * t)}' &&
            return
    done
    fail "$1: the study has ${lefts[0]:-} left, its trial ${lefts[1]:-}, not $2 to $3 times that"
}
# the same, for nobody asked for the study's other trial
agree live.db 0.7 1.4
says '"runner": true' '"state": "running"' '"epochs": 1000000' '"seed": "0"' '"running": 1' \
    '"epochs_per_second": ' '"phase": "second"' "\"host\": \"$(uname -n)\""
left=${lefts[1]}
rate=$(sed -n 's/.*"epochs_per_second": \([0-9.]*\).*/\1/p' stdout)
epoch=$(sed -n 's/.*"epoch": \([0-9]*\).*/\1/p' stdout)
# the time left is what is left by the rate
awk -v l="$left" -v r="$rate" -v e="$epoch" 'BEGIN {
    exit !(e > 2 && r > 0 && (l * r + e - 1e6) ^ 2 <= 1)}' || fail "left $left rate $rate at $epoch"
process=$(sed -n 's/.*"process": \([0-9]*\).*/\1/p' stdout)
[ -d "/proc/$process" ] || fail "process $process does not live"
expect 0 "$ESPALIER" status --db live.db
says "1 trial running" "/1000000" "time_left"
[ "$(grep -cE ' +[0-9]+:[0-5][0-9]:[0-5][0-9] *$| +[0-9]+:[0-5][0-9]:[0-5][0-9] +20' stdout)" = 2 ] ||
    fail "a time left of the study and one of the trial"

# --watch draws until nothing runs; script(1) gives it a terminal where there are any to give
terminal=no
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then terminal=yes; fi
if [ $terminal = yes ]; then
    script -qec "'$ESPALIER' status --watch --db live.db" /dev/null >watched 2>&1 </dev/null &
    watcher=$!
    sleep 2.5
    kill -0 $watcher 2>/dev/null || fail "--watch ended while the run lives"
fi
kill -INT $runner
wait $runner
if [ $terminal = yes ]; then
    wait "$watcher" || fail "--watch ends with $?"
    # drawn twice where the run still tidies up when its trial has ended
    tail -n 2 watched | grep -q "nothing runs" || fail "--watch does not end with nothing running"
    [ "$(grep -c "trial running" watched)" -ge 2 ] || fail "--watch drew no second time"
fi
expect 0 "$ESPALIER" status --db live.db
says "nothing runs"

# ---- what waits in a run has time left too -------------------------------------------------------
"$ESPALIER" run study.yaml --db both.db --jobs 1 --set phases.second.epochs=999998 >run.out 2>&1 </dev/null &
runner=$!
agree both.db 1.5 2.6 # twice what the first has left
# a pause is no time of an epoch: with it, the rate would be a fifth and less
epochs() { "$ESPALIER" status --db both.db --format json | sed -n 's/.*"'"$1"'": \([0-9.]*\).*/\1/p' | head -n 1; }
from=$(epochs epoch) since=$(date +%s.%N)
sleep 1
to=$(epochs epoch) now=$(date +%s.%N)
kill -STOP $(pgrep -P $runner) $runner
sleep 6
kill -CONT $(pgrep -P $runner) $runner
sleep 0.3
awk -v r="$(epochs epochs_per_second)" -v n="$to" -v f="$from" -v t="$now" -v s="$since" \
    'BEGIN { exit !(r > 0.4 * (n - f) / (t - s)) }' || fail "the rate counts the pause"
kill -INT $runner
wait $runner

# ---- killed: cut off, which is told from running -----------------------------------------------
"$ESPALIER" run study.yaml --db live.db --seeds 0 --set phases.second.epochs=999998 \
    >run.out 2>&1 </dev/null &
runner=$!
for _ in $(seq 100); do
    sleep 0.1
    "$ESPALIER" status --db live.db --format json 2>stderr | grep -q '"state": "running"' && break
done
kill -KILL $runner
wait $runner 2>/dev/null
for _ in $(seq 100); do # its worker dies with it
    "$ESPALIER" status --db live.db --format json 2>stderr | grep -q '"runner": false' && break
    sleep 0.1
done
before=$(sha256sum live.db*  2>/dev/null | grep -v shm)
expect 0 "$ESPALIER" status --db live.db
says "cut off" "1 cut off: the same" "nothing runs"
grep -q "0:00:00" stdout && fail "what is cut off has time left"
[ "$before" = "$(sha256sum live.db* 2>/dev/null | grep -v shm)" ] || fail "status changed the database"
expect 0 "$ESPALIER" status --db live.db --format json
says '"state": "cut off"' '"interrupted": 1' '"running": 0' '"seconds_left": null' '"epochs_per_second": null'

# ---- what an attempt has done, not what an earlier one had that was cut off --------------------
if command -v sqlite3 >/dev/null; then
    sqlite3 live.db "INSERT INTO epoch (trial, epoch, phase, phase_epoch, attempt)
        SELECT trial, 900000, 'second', 1, min(id) FROM attempt GROUP BY trial"
    expect 0 "$ESPALIER" status --db live.db --format json
    grep -q '"epoch": 900000' stdout && fail "an earlier attempt's epoch counts"
fi

[ $failures = 0 ] || exit 1
echo "all as it should be"
