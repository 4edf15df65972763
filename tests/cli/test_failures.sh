#!/bin/bash
# Trials that fail: whatever a plugin does (crash, abort, no end, NaN, a write outside its arrays) or
# a learning rate leads to, the sibling variant finishes, the culprit is failed with plugin or tensor,
# epoch and batch named, the run exits 1 and says how to look. TOY_TRAIN 200 and batch_size 32 are 7
# batches an epoch: the tenth step is epoch 2, batch 3.
TOY_TRAIN=200
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

mkdir -p fixtures/loss
cp "$ESPALIER_BUILD"/tests/fixture-plugins/{aborts,crashes,hangs,huge_gradient,meddles,nan_gradient,nan_later,overflows_stack,writes_before,writes_far,writes_past}.so \
    fixtures/loss/
mkdir fixtures/head && cp "$ESPALIER_BUILD"/tests/fixture-plugins/{head_nan,head_writes_past}.so fixtures/head/

cat >sound.yaml <<'YAML'
study: failing
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {only: {epochs: 3}}
  selection: {monitor: test.hard_accuracy}
variants:
  culprit: {}
  sibling: {}
YAML

# digests DB: of every epoch of the sibling's trials.
digests() {
    sqlite3 "$1" "SELECT ct.seed, e.epoch, e.digest FROM epoch AS e JOIN cell_trial AS ct USING (trial)
        JOIN cell AS c ON c.id = ct.cell WHERE c.variant = 'sibling' ORDER BY 1, 2"
}

# A run of the study with a plugin among the culprit's losses or heads.
expect 0 "$ESPALIER" run sound.yaml --only sibling --db sound.db
sound=$(digests sound.db)
[ "$(wc -l <<<"$sound")" = 8 ] || fail "2 seeds x 4 epochs are 8 digests"

# fails_with PLUGIN WORDS...: a study in which it takes part, and what is said of the culprit.
# PLUGIN:KEY=VALUE sets a key of it.
fails_with() {
    local plugin=${1%%:*} key=
    [ "$plugin" = "$1" ] || key=${1#*:}
    shift
    local set="losses.$plugin: {weight: 1${key:+, ${key/=/: }}}"
    [ ! -e "fixtures/head/$plugin.so" ] || set="heads: {$plugin: {${key/=/: }}}"
    rm -rf "$plugin".db*
    sed "s/culprit: {}/culprit: {set: {$set}}/" sound.yaml >"$plugin.yaml"
    expect 1 "$ESPALIER" run "$plugin.yaml" --db "$plugin.db" --unchecked --set limits.epoch_seconds="$limit"
    says "2 trials failed" "espalier query failed" "done   sibling seed 0" "done   sibling seed 1" "$@"
    expect 0 "$ESPALIER" query failed --db "$plugin.db"
    says "culprit" "$@"
    [ "$(value "$plugin.db" "SELECT count(*) FROM trial WHERE status = 'failed'")" = 2 ] ||
        fail "$plugin: not both of the culprit's trials are failed"
    [ "$(digests "$plugin.db")" = "$sound" ] || fail "$plugin: the sibling's epochs are others"
    expect 0 "$ESPALIER" db check --db "$plugin.db"
}

export ESPALIER_PLUGIN_PATH=fixtures
limit=60
fails_with nan_later "loss term 'nan_later' gave a value that is not finite at epoch 2, batch 3"
fails_with nan_gradient "loss term 'nan_gradient' gave a gradient that is not finite at epoch 2, batch 3"
# within the memory of the program, where no sanitizer sees it: guards do
fails_with writes_past "plugin 'writes_past' wrote outside its derivatives by logits at epoch 1, batch 1"
fails_with writes_before "plugin 'writes_before' wrote outside its derivatives by logits at epoch 2, batch 3"
fails_with head_writes_past \
    "plugin 'head_writes_past' wrote outside its gradient of a tensor" "(epoch 1, batch 1)"
nan="not finite"
fails_with head_nan:of=output "diverged at epoch 1, batch 3: the output of head 'head_nan' is $nan"
fails_with head_nan:of=input_gradient "plugin 'head_nan' gave a gradient of the input that is $nan (epoch 1, batch 3)"
fails_with head_nan:of=tensor_gradient "plugin 'head_nan' gave a gradient of a tensor that is $nan (epoch 1, batch 3)"
expect 0 "$ESPALIER" show "$(value nan_later.db "SELECT trial_id FROM trial WHERE status = 'failed' LIMIT 1")" \
    --db nan_later.db
says "failed" "nan_later" "epoch 2, batch 3"
if [ -z "$ESPALIER_SANITIZE" ]; then # sanitizers catch these themselves
    fails_with crashes "crashed in plugin crashes in the evaluation of epoch 0: signal 11"
    fails_with aborts "crashed in plugin aborts in the evaluation of epoch 0: signal 6"
    fails_with overflows_stack "crashed in plugin overflows_stack in the evaluation of epoch 0: signal 11"
    fails_with writes_far "crashed in plugin writes_far at epoch 2, batch 3: signal 11"
    # ---- what no handler of a trial's thread sees, or only because it is looked for -------------
    for how in exit exit_at_once; do # exit(0) is no success
        fails_with meddles:how=$how "ended the whole process in plugin meddles at epoch 2, batch 3, as exit() does"
    done
    for how in crash_in_thread crash_unseen; do
        fails_with meddles:how=$how "crashed in plugin meddles at epoch 2, batch 3: signal 11"
    done
    fails_with meddles:how=end_thread "crashed in plugin meddles at epoch 2, batch 3: signal 6"
    limit=1
    fails_with meddles:how=hang_unseen "hung in plugin meddles at epoch 2, batch 3" "limits.epoch_seconds"
    fails_with hangs "hung in plugin hangs in the evaluation of epoch 0" "limits.epoch_seconds"

    # ---- crashes count: for --halt, for retries of a trial of two variants, and without end -----
    sed 's/{cross_entropy: {weight: 1}}/{cross_entropy: {weight: 1}, crashes: {weight: 1}}/' \
        sound.yaml >crashing.yaml
    expect 1 "$ESPALIER" run crashing.yaml --unchecked --seeds 0..4 --only sibling --db halted.db --jobs 1 --halt soon,fail=1
    says "--halt: so many trials failed" "4 trials are not done" "1 trial failed"
    [ "$(value halted.db "SELECT count(*) FROM attempt")" = 1 ] || fail "--halt after a crash begins others"
    expect 1 "$ESPALIER" run crashing.yaml --unchecked --seeds 0..4 --only sibling --db share.db --jobs 1 --halt now,fail=50%
    [ "$(value share.db "SELECT count(*) FROM attempt")" = 3 ] || fail "half of five trials are not three"
    for only in 'culprit' 'sibling'; do # by either name
        expect 1 "$ESPALIER" run crashing.yaml --unchecked --seeds 0 --only $only --db $only.db --set limits.retries=2
        says "1 trial failed"
        [ "$(value $only.db "SELECT count(*) FROM attempt")" = 3 ] || fail "$only: not three attempts"
    done
    # what a crash cut off still runs, to --halt: soon finishes it, now does not
    sed '/culprit:/d; s/sibling: {}/long: {}\n  short: {set: {losses.meddles: {weight: 1, how: exit}}}/; s/epochs: 3/epochs: 3000/' \
        sound.yaml >beside.yaml
    expect 1 "$ESPALIER" run beside.yaml --unchecked --db soon.db --jobs 3 --halt soon
    says "--halt: so many trials failed" "done   long seed 0" "done   long seed 1" "1 trial failed" "1 trial is not done"
    expect 1 "$ESPALIER" run beside.yaml --unchecked --db now.db --jobs 3 --halt now
    says "1 trial failed" "3 trials are not done"
    expect 1 "$ESPALIER" run crashing.yaml --unchecked --seeds 0..66 --only sibling --db endless.db
    says "67 trials failed"
    [ "$(value endless.db "SELECT count(*) FROM trial WHERE status = 'failed'")" = 67 ] ||
        fail "crashes past the 64th are not recorded"
fi
# the way a plugin rounds is no later trial's of its thread
sed 's/culprit: {}/culprit: {set: {losses.meddles: {weight: 1, how: round_up}}}/' sound.yaml >rounds.yaml
expect 0 "$ESPALIER" run rounds.yaml --unchecked --db rounds.db --jobs 1
[ "$(digests rounds.db)" = "$sound" ] || fail "a plugin's rounding changes other trials"
unset ESPALIER_PLUGIN_PATH

# ---- divergence: each way, and what is named ---------------------------------------------------
# diverges WORDS OPTIONS...: a run of the sibling fails so.
diverges() {
    local words=$1
    shift
    rm -f diverge.db
    expect 1 "$ESPALIER" run sound.yaml --db diverge.db --unchecked --only sibling --seeds 0 "$@"
    says "1 trial failed" "$words" "smaller learning rate"
    expect 0 "$ESPALIER" query failed --db diverge.db
    says "$words"
}
wild=(--set optimizer.kind=sgd --set optimizer.learning_rate=1e6)
diverges "the logits are not finite (seen at loss term 'cross_entropy')" "${wild[@]}"
diverges "the projections of the input are not finite" --set data.normalize.std=1e-40
# one batch an epoch: the evaluation sees it first
diverges "loss term 'cross_entropy' is not finite on test, first in batch 1 of its evaluation" "${wild[@]}" --set batch_size=4096 \
    --set optimizer.weight_decay=1e6
# derivatives of the fourteenth step overflow: batch 6 of 8, then batch 7 of 7
export ESPALIER_PLUGIN_PATH=fixtures
huge=(--set losses.huge_gradient.weight=1)
diverges "diverged at epoch 2, batch 7: tensor '" "${huge[@]}" --set optimizer.kind=sgd --set batch_size=25
diverges "diverged at epoch 2: tensor '" "${huge[@]}" --set optimizer.kind=sgd
says "not finite"
# a gradient whose square alone overflows
diverges "the optimizer's moments of tensor '" --set losses.huge_gradient.weight=1e-12
unset ESPALIER_PLUGIN_PATH

# ---- a checkpoint every so many epochs ---------------------------------------------------------
many=100000
if [ -n "$ESPALIER_SANITIZE" ]; then many=2000; fi
every=(sound.yaml --db every.db --only sibling --seeds 0 --set checkpoint.seconds=1e9 \
    --set checkpoint.epochs=5 --set phases.only.epochs=$many)
"$ESPALIER" run "${every[@]}" >stdout 2>stderr </dev/null &
runner=$!
for _ in $(seq 100); do
    sleep 0.05
    [ "$(value every.db "SELECT max(epoch) FROM epoch" 2>/dev/null)" -gt 12 ] 2>/dev/null && break
done
kill -KILL $runner
wait $runner 2>/dev/null
"$ESPALIER" run "${every[@]}" --jobs 1 >stdout 2>stderr </dev/null &
runner=$!
for _ in $(seq 100); do
    sleep 0.05
    [ "$(value every.db "SELECT count(*) FROM attempt")" = 2 ] && break
done
kill -INT $runner
wait $runner
first=$(value every.db "SELECT max(first_epoch) FROM attempt")
[ "$first" -gt 10 ] && [ $(((first - 1) % 5)) = 0 ] || fail "it went on at epoch $first, not after a fifth one"

[ $failures = 0 ] || exit 1
echo "all as it should be"
