#!/bin/bash
# Requests to stop a run, however they arrive: to its first process or to all of them, as a terminal,
# `timeout` and service managers send them, before a trial begins or while epochs are trained; and
# time that is no epoch's: the process stopped, or the database held by somebody else.
TOY_TRAIN=200
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

cat >long.yaml <<'YAML'
study: long
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 100000}}
YAML

# start DB OPTIONS...: a run in a process group of its own, which trains by now.
start() {
    local db=$1
    shift
    rm -rf "$db"*
    setsid "$ESPALIER" run long.yaml --db "$db" --jobs 2 "$@" >stdout 2>stderr </dev/null &
    runner=$!
    for _ in $(seq 200); do
        sleep 0.05
        [ "$(value "$db" "SELECT count(DISTINCT trial) FROM epoch WHERE epoch > 3" 2>/dev/null)" = 2 ] && break
    done
}

# ends WORDS DB: the run exits 130, its database is sound.
ends() {
    wait $runner
    local code=$?
    [ $code = 130 ] || fail "$1: exit code $code"
    expect 0 "$ESPALIER" db check --db "$2"
}

# ---- one request, to one process or to all -----------------------------------------------------
for signal in INT TERM HUP; do
    for to in "" -; do
        start once.db
        kill -$signal -- "$to$runner"
        wait $runner
        [ $? = 130 ] || fail "$signal to $to: not 130"
        says "stopping: epochs that end" "interrupted; finished epochs are kept"
        expect 0 "$ESPALIER" db check --db once.db
        [ "$(value once.db "SELECT count(*) FROM trial WHERE status = 'interrupted'")" = 2 ] ||
            fail "$signal to $to: its epochs were not finished"
    done
done

# ---- twice: at once, here where a plugin does not return; and consistent -----------------------
mkdir -p fixtures/loss && cp "$ESPALIER_BUILD/tests/fixture-plugins/hangs.so" fixtures/loss/
sed 's/{cross_entropy: {weight: 1}}/{cross_entropy: {weight: 1}, hangs: {weight: 1}}/' long.yaml >hang.yaml
ESPALIER_PLUGIN_PATH=fixtures "$ESPALIER" run hang.yaml --unchecked --db twice.db >stdout 2>stderr </dev/null &
runner=$!
for _ in $(seq 200); do
    sleep 0.05
    grep -q '^start' stderr && break
done
kill -TERM $runner
sleep 0.2
kill -TERM $runner
since=$SECONDS
ends "twice" twice.db
[ $((SECONDS - since)) -le 3 ] || fail "the second request waits as the first does"
expect 0 "$ESPALIER" status --db twice.db
says "nothing runs" "cut off"

# ---- before anything began: here while the study is read ---------------------------------------
mkfifo slow.yaml
for signal in INT TERM; do
    "$ESPALIER" run slow.yaml --db none.db >stdout 2>stderr </dev/null &
    runner=$!
    sleep 1
    kill -$signal $runner
    wait $runner
    [ $? = 130 ] || fail "$signal before a trial began: not 130"
    says "interrupted before a trial began"
done

# ---- a pause is no hang; nor is a database that somebody holds ---------------------------------
before=$(date +%s.%N)
start paused.db --set limits.epoch_seconds=1
kill -STOP -- -$runner
sleep 3
kill -CONT -- -$runner
sleep 1.5
kill -INT $runner
ends "paused" paused.db
after=$(date +%s.%N)
# nor is it anybody's time: epochs here take milliseconds
is_less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 < b + 0) }'; }
is_less "$(value paused.db "SELECT max(seconds) FROM epoch")" 1.5 || fail "the pause counts for an epoch"
is_less "$(value paused.db "SELECT max(seconds) FROM attempt")" "$(awk -v a="$after" -v b="$before" 'BEGIN { print a - b - 2.5 }')" ||
    fail "the pause counts for an attempt"
is_less "$("$ESPALIER" query slowest --db paused.db --format csv | sed 1d | cut -d, -f7 | sort -g | tail -n 1)" \
    "$(awk -v a="$after" -v b="$before" 'BEGIN { print a - b - 2.5 }')" || fail "the pause counts in slowest"
[ "$(value paused.db "SELECT count(*) FROM attempt")" = 2 ] || fail "a pause counts as a hang"

start held.db --set limits.epoch_seconds=1
sqlite3 held.db ".timeout 5000" "BEGIN IMMEDIATE" ".shell sleep 4" "ROLLBACK" || fail "it was not held"
sleep 0.5
kill -INT $runner
ends "held" held.db
[ "$(value held.db "SELECT count(*) FROM attempt")" = 2 ] || fail "waiting for the database counts as a hang"

[ $failures = 0 ] || exit 1
echo "all as it should be"
