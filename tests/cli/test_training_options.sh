#!/bin/bash
# Optimizers, schedules and budgets by whole command lines: the same bits with one job or two and after
# being cut off, steps counted exactly, rates stored, what plan and progress say of it.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

cat >study.yaml <<'YAML'
study: options
seeds: 0..1
defaults:
  data: {name: toy, validation: 0.2}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses:
    cross_entropy: {weight: 1}
    hardening: {weight: {schedule: linear, from: 0, to: 2, over: 30, by: step}}
    balance: {weight: 1}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 16
  phases:
    first: {steps: 203}
    second: {epochs: 20, routing_scale: 0.5, start_from: best}
  checkpoint: {seconds: 0}
  selection: {monitor: validation.hard_accuracy}
variants:
  localized: {set: {optimizer: {kind: local_adam, learning_rate: 0.01, local_batch_size: 20}}}
  plateau:
    set:
      optimizer.schedule:
        {kind: plateau, monitor: train.running_loss, factor: 0.5, patience: 2, restart: true, minimum: 1e-4}
  cosine:
    set:
      accumulate: 3
      optimizer: {kind: sgd, learning_rate: 0.2, momentum: 0.9, nesterov: true, clip_norm: 1,
                  schedule: {kind: cosine, by: step, warmup: 10, over: 190, final: 0.001}}
  drawn: {set: {model.dropout: 0.2, model.region_leak: 0.1, accumulate: 2}}
YAML

# everything DB: all that a run leaves of it.
everything() {
    sqlite3 "$1" "SELECT t.trial_id, e.epoch, e.phase, e.phase_epoch, e.learning_rate, e.digest,
            e.train_running_loss, e.train_leaf_counts FROM epoch e JOIN trial t ON t.id = e.trial
        ORDER BY 1, 2;
        SELECT t.trial_id, s.at, s.epoch FROM selection s JOIN trial t ON t.id = s.trial ORDER BY 1, 2"
    (cd "$1.checkpoints" && sha256sum ./*/*.safetensors)
}

# ---- one job or two, cut off or not: the same bytes ---------------------------------------------
expect 0 "$ESPALIER" run study.yaml --db one.db --jobs 1
says "8 of 8 trials done"
everything one.db >expected
[ "$(wc -l <expected)" -gt 200 ] || fail "nothing to compare"
expect 0 "$ESPALIER" run study.yaml --db two.db --jobs 2
everything two.db | cmp -s - expected || fail "two jobs come out differently"
for signal in INT KILL TERM; do
    "$ESPALIER" run study.yaml --db cut.db --jobs 2 >stdout 2>stderr </dev/null &
    runner=$!
    for _ in $(seq 100); do
        sleep 0.02
        grep -q '^start' stderr && break
    done
    sleep 0.1
    kill -$signal $runner
    wait $runner 2>/dev/null
done
expect 0 "$ESPALIER" run study.yaml --db cut.db
everything cut.db | cmp -s - expected || fail "cut off and continued it comes out differently"
expect 0 "$ESPALIER" query "SELECT count(*) FROM digest_mismatch" --format csv --db cut.db
[ "$(tail -n 1 stdout)" = 0 ] || fail "an epoch trained again differs"
for variant in localized plateau cosine drawn; do
    trial=$(value one.db "SELECT trial_id FROM trial_final WHERE variant = '$variant' LIMIT 1")
    expect 0 "$ESPALIER" replay "${trial:0:10}" --db one.db
    says "are the same, bit for bit"
done

# ---- budgets: 160 examples are 10 batches of 16 an epoch, 4 steps of three ------------------------
epochs() {
    value one.db "SELECT max(phase_epoch) FROM learning_curve WHERE variant = '$1' AND phase = '$2'"
}
[ "$(epochs localized first)" = 21 ] || fail "203 steps of 10 an epoch are not 21 epochs"
[ "$(epochs cosine first)" = 51 ] || fail "203 steps of 4 an epoch are not 51 epochs"
[ "$(epochs drawn second)" = 20 ] || fail "20 epochs are not 20"
counted=$(value one.db "SELECT sum(l.count) FROM leaf_load l JOIN trial_final f ON f.trial_id = l.trial_id
    WHERE f.variant = 'localized' AND f.seed = '0' AND f.at = 'last' AND f.split = 'test'
    AND f.metric = 'hard_accuracy' AND l.epoch = 21 AND l.split = 'train'")
[ "$counted" = 48 ] || fail "the short epoch's three steps counted $counted examples, not 48"

# ---- the rate of an epoch's last step ------------------------------------------------------------
# rate VARIANT EPOCH EXPECTED
rate() {
    local found
    found=$(sqlite3 one.db "SELECT e.learning_rate FROM epoch e JOIN trial t ON t.id = e.trial
        JOIN cell_trial ct ON ct.trial = t.id JOIN cell c ON c.id = ct.cell
        WHERE c.variant = '$1' AND e.epoch = $2 LIMIT 1")
    awk -v found="$found" -v expected="$3" 'BEGIN {exit !((found - expected)^2 <= (1e-9 * expected)^2)}' ||
        fail "$1, epoch $2: rate $found, expected $3"
}
rate localized 5 0.01
rate cosine 1 0.07272727272727272727 # step 4 of a warm-up of 10: 4/11
rate cosine 51 0.001                 # step 203, past 10 + 190
awk 'BEGIN {t = (4 * 30 - 1 - 10) / 190; pi = atan2(0, -1)
    printf "%.17g\n", 0.001 + (0.2 - 0.001) * (1 + cos(pi * t)) / 2}' >cosine
rate cosine 30 "$(cat cosine)"
[ "$(sqlite3 one.db "SELECT count(DISTINCT e.learning_rate) > 2 FROM epoch e JOIN cell_trial ct
    ON ct.trial = e.trial JOIN cell c ON c.id = ct.cell WHERE c.variant = 'plateau'")" = 1 ] ||
    fail "the plateau never changed the rate"

# ---- what plan and progress say ------------------------------------------------------------------
expect 0 "$ESPALIER" plan study.yaml --db one.db
says "203 steps (about 20.3 epochs), batch size 16," "203 steps (about 50.8 epochs), batch size 16 x 3" \
    "sgd at 0.2 after 10 steps of warm-up (cosine)" "local_adam at 0.01" "a leaf waits for 20 examples" \
    "hardening 0 to 2 (linear, 30 steps)" "hardening 0 to 1 (linear, 30 steps)" "balance 0.5"
expect 0 "$ESPALIER" plan study.yaml --db one.db --format json
says '"steps": 203'
"$ESPALIER" run study.yaml --db long.db --only plateau --seeds 0 --set phases.first.steps=1000000 \
    >stdout 2>stderr </dev/null &
runner=$!
for _ in $(seq 100); do
    sleep 0.05
    [ "$(value long.db "SELECT max(epoch) FROM epoch" 2>/dev/null)" -gt 5 ] 2>/dev/null && break
done
"$ESPALIER" status --db long.db --format json >status.json
kill -INT $runner
wait $runner
grep -q '"epochs": 100020' status.json || fail "status: 1000000 steps of 10 an epoch and 20 epochs are 100020"
expect 0 "$ESPALIER" ls options --db long.db

# ---- seeds: one source alone, noise too ----------------------------------------------------------
expect 0 "$ESPALIER" run study.yaml --db seeds.db --only drawn --set phases.first.steps=20
sed 's/^seeds: .*/seeds: {init: 0, order: 0, noise: 0..2}/' study.yaml >noise.yaml
expect 0 "$ESPALIER" run noise.yaml --db seeds.db --only drawn --set phases.first.steps=20
says "2 of 3 trials to train, 1 done before" # noise=0 is seed 0
[ "$(sqlite3 seeds.db "SELECT count(DISTINCT digest), count(*) FROM epoch e JOIN trial t ON t.id = e.trial
    WHERE epoch = 0 AND seed_init = 0")" = "1|3" ] || fail "the noise seed changed initial weights"
[ "$(sqlite3 seeds.db "SELECT count(DISTINCT digest) FROM epoch e JOIN trial t ON t.id = e.trial
    WHERE epoch = 3 AND seed_init = 0")" = 3 ] || fail "the noise seed changed nothing"

# ---- refused before anything starts --------------------------------------------------------------
expect 2 "$ESPALIER" run study.yaml --db new.db --set optimizer.schedule.kind=cosin
says "did you mean 'cosine'"
expect 2 "$ESPALIER" run study.yaml --db new.db --set phases.first.epochs=3
says "are both given"
[ ! -e new.db ] || fail "a study with an error left a database"

[ $failures = 0 ] || exit 1
echo "all as it should be"
