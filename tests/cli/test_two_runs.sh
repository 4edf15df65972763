#!/bin/bash
# Two runs of one study on one database: they share its trials, none is trained twice, what one gives
# up or loses by its death the other takes over, and both end with what became of all of them.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs sqlite3

epochs=150
if [ -n "$ESPALIER_SANITIZE" ]; then epochs=6; fi
cat >study.yaml <<YAML
study: shared
seeds: 0..9
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: $epochs}}
variants:
  a: {set: {losses.balance.weight: 0}}
  b: {}
  c: {set: {losses.balance.weight: 2}}
  d: {set: {losses.balance.weight: 3}}
YAML
digests() { sqlite3 "$1" "SELECT t.trial_id, e.epoch, e.digest FROM epoch e JOIN trial t ON t.id = e.trial" | sort; }

# ---- 40 trials, two runs -----------------------------------------------------------------------
expect 0 "$ESPALIER" run study.yaml --db alone.db --jobs 2
"$ESPALIER" run study.yaml --db both.db --jobs 1 >first.out 2>first.err </dev/null &
first=$!
"$ESPALIER" run study.yaml --db both.db --jobs 1 >second.out 2>second.err </dev/null &
second=$!
wait $first || fail "the first of two runs exits $?: $(cat first.err)"
wait $second || fail "the second of two runs exits $?: $(cat second.err)"
[ "$(sqlite3 both.db "SELECT count(*), count(DISTINCT trial), sum(status = 'done') FROM attempt")" = "40|40|40" ] ||
    fail "attempts, trials and done: $(sqlite3 both.db "SELECT count(*), count(DISTINCT trial), sum(status = 'done') FROM attempt")"
[ "$(sqlite3 both.db "SELECT count(DISTINCT process) FROM attempt")" = 2 ] || fail "one run did all"
diff <(digests alone.db) <(digests both.db) >/dev/null || fail "two runs came to other digests"
expect 0 "$ESPALIER" db check --db both.db
# each says how all stands that it found to do: one may list when the other has done some already
for words in first.err second.err; do
    tail -n 1 $words | grep -Eq '^([0-9]+) of \1 trials done' || fail "$words ends: $(tail -n 1 $words)"
done

# ---- one is killed, the other takes over ---------------------------------------------------------
long=(study.yaml --set phases.only.epochs=100000 --only a --seeds 0..1)
begun() { sqlite3 "$1" "SELECT count(*) FROM attempt WHERE trial = $2" 2>/dev/null || echo 0; }
epochs_of() { sqlite3 "$1" "SELECT coalesce(max(epoch), 0) FROM epoch" 2>/dev/null || echo 0; }
"$ESPALIER" run "${long[@]}" --db killed.db --jobs 2 >/dev/null 2>first.err </dev/null &
first=$!
for _ in $(seq 200); do
    sleep 0.1
    [ "$(epochs_of killed.db)" -gt 2 ] && [ "$(begun killed.db 2)" = 1 ] && break
done
"$ESPALIER" run "${long[@]}" --db killed.db --jobs 2 >/dev/null 2>second.err </dev/null &
second=$!
for _ in $(seq 100); do
    sleep 0.1
    grep -q "waiting for" second.err && break
done
# one worker may say it while the other still asks for the second trial
grep -Eq "waiting for (2 trials|1 trial) that another run trains" second.err || fail "it does not say that it waits: $(cat second.err)"
expect 0 "$ESPALIER" status --db killed.db
says "2 trials running"
kill -KILL $first
wait $first 2>/dev/null
# at once: what the dead run held is the living one's
for _ in $(seq 50); do
    sleep 0.1
    [ "$(begun killed.db 1)$(begun killed.db 2)" = 22 ] && break
done
[ "$(begun killed.db 1)$(begun killed.db 2)" = 22 ] || fail "a dead run's trials are not taken over: $(cat second.err)"
kill -INT $second
wait $second
code=$?
[ $code = 130 ] || fail "the interrupted run exits $code"
expect 0 "$ESPALIER" status --db killed.db
says "nothing runs"

# ---- a dead run is told from a living one --------------------------------------------------------
"$ESPALIER" run "${long[@]}" --db dead.db --jobs 1 >/dev/null 2>first.err </dev/null &
first=$!
for _ in $(seq 200); do
    sleep 0.1
    [ "$(epochs_of dead.db)" -gt 2 ] && break
done
expect 0 "$ESPALIER" status --db dead.db
says "1 trial running"
kill -KILL $first
wait $first 2>/dev/null
"$ESPALIER" run "${long[@]}" --db dead.db --jobs 1 --seeds 1 >/dev/null 2>second.err </dev/null &
second=$!
for _ in $(seq 200); do
    sleep 0.1
    [ "$(begun dead.db 2)" = 1 ] && break
done
expect 0 "$ESPALIER" status --db dead.db # the living run holds seed 1 only
says "1 trial running" "1 cut off"
expect 0 "$ESPALIER" ls shared --db dead.db
says "cut off" "running"
# no merge, and no migration, while a run lives
expect 3 "$ESPALIER" db merge both.db --db dead.db
says "a run is writing to this database"
kill -INT $second
wait $second

# ---- a trial that another run tried and that failed counts for both -------------------------------
sed 's/kind: adam, learning_rate: 0.01/kind: sgd, learning_rate: 1000000/' study.yaml >diverges.yaml
"$ESPALIER" run diverges.yaml --db failed.db --jobs 1 >/dev/null 2>first.err </dev/null &
first=$!
"$ESPALIER" run diverges.yaml --db failed.db --jobs 1 >/dev/null 2>second.err </dev/null &
second=$!
wait $first
[ $? = 1 ] || fail "the first run of failing trials does not exit 1: $(cat first.err)"
wait $second
[ $? = 1 ] || fail "the second run of failing trials does not exit 1: $(cat second.err)"
[ "$(sqlite3 failed.db "SELECT count(*), count(DISTINCT trial) FROM attempt")" = "40|40" ] ||
    fail "attempts and trials: $(sqlite3 failed.db "SELECT count(*), count(DISTINCT trial) FROM attempt")"
n_failed=$(sqlite3 failed.db "SELECT count(*) FROM attempt WHERE status = 'failed'")
for words in first.err second.err; do
    grep -q "error: $n_failed trials failed" $words || fail "$words does not count $n_failed: $(cat $words)"
done
grep -q "... and $((n_failed - 10)) more" first.err || fail "the end does not list what failed: $(cat first.err)"
grep -q "retry-failed" first.err || fail "the end does not say how to go on"

# ---- one ends while another tries again what had failed before --------------------------------------
quick=50000
if [ -n "$ESPALIER_SANITIZE" ]; then quick=1000; fi
sed '/^variants/,$d' study.yaml >again.yaml
cat >>again.yaml <<YAML
variants:
  slow: {set: {phases.only.epochs: 1000000}}
  quick: {set: {phases.only.epochs: $quick}}
YAML
again=(again.yaml --db again.db --seeds 0 --jobs 1)
"$ESPALIER" run "${again[@]}" --only slow >/dev/null 2>first.err </dev/null &
first=$!
for _ in $(seq 200); do
    sleep 0.1
    [ "$(epochs_of again.db)" -gt 2 ] && break
done
kill -INT $first
wait $first
sqlite3 again.db "UPDATE trial SET status = 'failed' WHERE status = 'interrupted'"
slow=$(sqlite3 again.db "SELECT max(trial) FROM attempt")
"$ESPALIER" run "${again[@]}" >/dev/null 2>second.err </dev/null & # it trains quick
second=$!
for _ in $(seq 200); do
    sleep 0.1
    [ "$(sqlite3 again.db "SELECT count(*) FROM trial WHERE status = 'running'")" = 1 ] && break
done
# It does not end before the other has begun: its worker is stopped meanwhile, and not within a
# transaction, for which the other would wait.
read -r worker _ <"/proc/$second/task/$second/children"
for _ in $(seq 200); do
    kill -STOP "$worker"
    sqlite3 again.db "BEGIN IMMEDIATE; ROLLBACK" 2>/dev/null && break
    kill -CONT "$worker"
    sleep 0.02
done
"$ESPALIER" run "${again[@]}" --only slow --retry-failed >/dev/null 2>first.err </dev/null &
first=$!
for _ in $(seq 200); do
    sleep 0.1
    [ "$(sqlite3 again.db "SELECT count(*) FROM trial WHERE status = 'running'")" = 2 ] && break
done
kill -CONT "$worker"
wait $second
code=$?
[ "$code" = 1 ] || fail "a run exits $code while another tries a trial of its again"
grep -q "1 trial is not done" second.err || fail "it does not say what is left: $(cat second.err)"
[ "$(begun again.db "$slow")" = 2 ] || fail "the failed trial is not tried again: $(cat first.err)"
kill -INT $first
wait $first

# ---- trained again by --strict-code, and killed: what goes on is not the old training -------------
strict=(study.yaml --db strict.db --only a --seeds 0 --jobs 1 --set phases.only.epochs=$quick)
expect 0 "$ESPALIER" run "${strict[@]}"
sqlite3 strict.db "UPDATE environment SET content = json_set(content, '$.executable_sha256', 'another')"
"$ESPALIER" run "${strict[@]}" --strict-code >/dev/null 2>first.err </dev/null &
first=$!
for _ in $(seq 200); do
    sleep 0.05
    [ "$(sqlite3 strict.db "SELECT count(*) > 1 FROM epoch WHERE attempt = 2")" = 1 ] && break
done
kill -KILL $first
wait $first 2>/dev/null
[ "$(sqlite3 strict.db "SELECT count(*) FROM trial WHERE status = 'running'")" = 1 ] || fail "killed too late"
expect 0 "$ESPALIER" run "${strict[@]}"
[ "$(sqlite3 strict.db "SELECT count(*) FROM epoch WHERE attempt = 1")" = 0 ] ||
    fail "done by this program, with $(sqlite3 strict.db "SELECT count(*) FROM epoch WHERE attempt = 1") epochs of another's"

# ---- retries ---------------------------------------------------------------------------------------
expect 1 "$ESPALIER" run diverges.yaml --db retried.db --set limits.retries=2 --only a --seeds 0
says "retry 1 of 2" "retry 2 of 2" "1 trial failed"
[ "$(sqlite3 retried.db "SELECT count(*) FROM attempt")" = 3 ] || fail "not three attempts"
[ $failures = 0 ] || exit 1
echo "all as it should be"
