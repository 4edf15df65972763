#!/bin/bash
# A run that is killed at random moments, or whose files may not grow, is continued each time: at the
# end its database holds the same epochs, digests and selected epochs, and its models are the same
# bytes, as those of a run that nobody disturbed.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ESPALIER_DATA_PATH=$scratch/data NO_COLOR=1
cd "$scratch" || exit 1
"$ESPALIER_BUILD/tests/make_data" "$ESPALIER_DATA_PATH" toy 400 120 8 4 1 || exit 1
failures=0
fail() {
    echo "FAILED: $*"
    cat words 2>/dev/null
    failures=$((failures + 1))
}

epochs=8000 kills=30
if [ -n "$ESPALIER_SANITIZE" ]; then epochs=150 kills=6; fi
cat >study.yaml <<YAML
study: attacked
seeds: 0..2
defaults:
  data: {name: toy, validation: 0.2}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  heads: {master_leaf: {width: 3}}
  losses: {cross_entropy: {weight: 1}, hardening: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.001}
  batch_size: 32
  phases:
    balance: {epochs: $epochs}
    harden: {epochs: 20, start_from: best, set: {losses.hardening.weight: 3, losses.balance.weight: 0}}
  selection: {monitor: [validation.hard_accuracy, test.soft_loss]}
  checkpoint: {seconds: 0.05}
variants:
  baseline: {reference: true, set: {losses.balance.weight: 0}}
  balanced: {}
YAML

# What a run leaves: epochs with digests and values, selections, models.
contents() {
    sqlite3 "$1" "SELECT t.trial_id, e.epoch, e.phase, e.phase_epoch, e.digest, e.train_running_loss,
            e.train_hard_accuracy, e.test_hard_accuracy, e.test_leaf_counts
        FROM epoch AS e JOIN trial AS t ON t.id = e.trial ORDER BY 1, 2;
        SELECT t.trial_id, s.at, s.epoch FROM selection AS s JOIN trial AS t ON t.id = s.trial ORDER BY 1, 2;
        SELECT count(*), 'mismatches' FROM digest_mismatch;
        SELECT status, count(*) FROM trial GROUP BY 1;
        PRAGMA integrity_check;"
    (cd "$1.checkpoints" && sha256sum ./*/last.safetensors ./*/selected*.safetensors)
}

"$ESPALIER" run study.yaml --db whole.db >words 2>&1 || fail "the undisturbed run"
contents whole.db >whole

# ---- kill -9 at random moments -----------------------------------------------------------------
RANDOM=7
killed=0
for _ in $(seq $kills); do
    "$ESPALIER" run study.yaml --db killed.db >words 2>&1 </dev/null &
    runner=$!
    sleep "0.$(printf '%03d' $((RANDOM % 350 + 30)))"
    kill -KILL $runner 2>/dev/null && killed=$((killed + 1))
    wait $runner 2>/dev/null
    for _ in $(seq 100); do # the worker dies with its parent; wait for its lock
        flock -n killed.db.lock true 2>/dev/null && break
        sleep 0.02
    done
done
[ $killed -gt 0 ] || fail "nothing was killed"
"$ESPALIER" run study.yaml --db killed.db >words 2>&1 || fail "the run after $killed kills"
contents killed.db >after
diff whole after >words || fail "$killed kills changed the results"

# ---- files that may not grow -------------------------------------------------------------------
refused=0
for kilobytes in 20 40 60 80 100 130 160 200 250 300 400; do
    (ulimit -f $kilobytes && exec "$ESPALIER" run study.yaml --db full.db >words 2>&1 </dev/null)
    code=$?
    case $code in
    3) refused=$((refused + 1)) ;;
    0) ;; # by now all is there
    *) fail "with files of at most $kilobytes kB it exits $code" ;;
    esac
    [ ! -s full.db ] || [ "$(sqlite3 full.db 'PRAGMA integrity_check')" = ok ] ||
        fail "the database is damaged at $kilobytes kB"
done
[ $refused -ge 5 ] || fail "only $refused of 11 limits were felt"
"$ESPALIER" run study.yaml --db full.db >words 2>&1 || fail "the run with room again"
contents full.db >after
diff whole after >words || fail "full disks changed the results"

[ $failures = 0 ] || exit 1
echo "$killed kills and $refused full disks left what an undisturbed run leaves"
