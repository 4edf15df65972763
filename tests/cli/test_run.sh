#!/bin/bash
# espalier run and eval, by whole command lines on a small generated data set: the same trial gives
# the same checkpoint however it was scheduled or cut off; failures, interrupts and crashes leave
# finished epochs and the right exit code.
TOY_TRAIN=400 TOY_TEST=120
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

# hashes DB: of all models of a run, by trial.
hashes() {
    (cd "$1.checkpoints" && sha256sum ./*/last.safetensors ./*/selected.safetensors)
}

cat >study.yaml <<'YAML'
study: small
seeds: 0..3
defaults:
  data: {name: toy, validation: 0.2}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  heads: {master_leaf: {width: 3}}
  losses: {cross_entropy: {weight: 1}, hardening: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases:
    balance: {epochs: 4}
    harden: {epochs: 3, set: {losses.hardening.weight: 3, losses.balance.weight: 0}}
  early_stopping: {monitor: validation.soft_loss, patience: 2}
  selection: {monitor: [validation.hard_accuracy, test.hard_accuracy]}
variants:
  baseline: {reference: true, set: {losses.balance.weight: 0}}
  balanced: {}
YAML

# ---- one trial, however scheduled --------------------------------------------------------------
expect 0 "$ESPALIER" run study.yaml --db two.db --jobs 2
says "8 of 8 trials to train" "8 of 8 trials done" "done   balanced seed 3"
expect 0 "$ESPALIER" run study.yaml --db one.db --jobs 1
[ "$(hashes two.db)" = "$(hashes one.db)" ] || fail "--jobs 1 and --jobs 2 differ"
expect 0 "$ESPALIER" run study.yaml --db alone.db --seeds 2 --only balanced
says "1 of 1 trials to train"
[ -n "$(hashes alone.db)" ] || fail "no checkpoint"
hashes two.db | grep -qF "$(hashes alone.db | head -n 1)" || fail "alone and among others differ"

# ---- again: nothing to do ----------------------------------------------------------------------
expect 0 "$ESPALIER" run study.yaml --db two.db
says "0 of 8 trials to train, 8 done before"
expect 0 "$ESPALIER" run study.yaml --db two.db --seeds 3..4
says "2 of 4 trials to train, 2 done before"

id=$(basename "$(echo alone.db.checkpoints/*)")

# ---- trained again: every epoch the same -------------------------------------------------------
last=$(value two.db "SELECT trial_id FROM trial_final WHERE seed = '4' LIMIT 1") # it joined by --seeds
for trial in "$id" "$last"; do
    expect 0 "$ESPALIER" replay "${trial:0:10}" --db two.db
    says "all 7 epochs are the same, bit for bit"
done
# what its report names is not needed for that, and no longer there
{
    sed 's/^study: small/study: beside/' study.yaml
    echo "report: {published: {file: beside.csv, join: {dataset: data.name}, variant: {balanced: fff}}}"
} >beside.yaml
printf '%s\n%s\n' "dataset,model,split,routing,best,spread,spread_is,runs,source" \
    "toy,fff,test,hard,90,1,sd,10,none" >beside.csv
expect 0 "$ESPALIER" run beside.yaml --db beside.db --seeds 2 --only balanced
rm beside.csv
expect 0 "$ESPALIER" replay "$(value beside.db "SELECT trial_id FROM trial_final LIMIT 1")" --db beside.db
says "all 7 epochs are the same, bit for bit"

cp two.db other.db
sqlite3 other.db "UPDATE epoch SET digest = 'x' WHERE epoch = 5;
    UPDATE environment SET content = json_replace(content, '$.blas_kernel', 'Other')"
expect 1 "$ESPALIER" replay "$id" --db other.db
says "epoch 5 differs; those before are the same" 'blas_kernel: "Other" then'
expect 4 "$ESPALIER" replay 0123456789abcdef --db two.db
expect 4 "$ESPALIER" replay small --db two.db
says "'small' is a study; a trial is wanted"

# ---- what a model scores is what was stored ----------------------------------------------------
trial=$(basename "$(dirname "$(find two.db.checkpoints -name selected.safetensors | sort | head -n 1)")")
model=two.db.checkpoints/$trial/selected.safetensors
for routing in hard soft; do
    for split in train validation test; do
        expect 0 "$ESPALIER" eval "$model" --split $split --routing $routing --format json
        accuracy=$(sed -n 's/.*"accuracy": \([0-9.e-]*\).*/\1/p' stdout)
        "$ESPALIER" query "SELECT value FROM trial_final WHERE trial_id = '$trial' AND at = 'selected' \
            AND split = '$split' AND metric = '${routing}_accuracy'" --format csv --db two.db >stdout
        awk -v found="$accuracy" 'NR == 2 {exit !(($1 - found)^2 < 1e-12)}' stdout ||
            fail "eval $split $routing gives $accuracy, not what was stored"
    done
done
expect 4 "$ESPALIER" eval "$model" --data nowhere
expect 4 "$ESPALIER" eval missing.safetensors --data toy
expect 2 "$ESPALIER" eval "$model" --split tset
says "tset"

many=30000 few=500 # epochs of a network this small take no time
if [ -n "$ESPALIER_SANITIZE" ]; then many=1000 few=60; fi

# ---- interrupts --------------------------------------------------------------------------------
long=(study.yaml --set phases.balance.epochs=100000 --set early_stopping=null --jobs 2)
"$ESPALIER" run "${long[@]}" --db cut.db --only balanced >stdout 2>stderr </dev/null &
runner=$!
for _ in $(seq 100); do
    sleep 0.1
    [ "$(value cut.db "SELECT max(epoch) FROM epoch" 2>/dev/null)" -gt 5 ] 2>/dev/null && break
done
expect 0 "$ESPALIER" ls small --db cut.db # reads while it runs
kill -INT $runner
wait $runner
code=$?
[ $code = 130 ] || fail "interrupted run exits $code"
expect 0 "$ESPALIER" query "SELECT max(epoch) FROM learning_curve" --format csv --db cut.db
[ "$(tail -n 1 stdout)" -gt 5 ] || fail "finished epochs are gone"
expect 0 "$ESPALIER" query "SELECT count(*) FROM missing_trials WHERE status = 'interrupted'" \
    --format csv --db cut.db
[ "$(tail -n 1 stdout)" -gt 0 ] || fail "no trial says it was interrupted"
[ "$(value cut.db "SELECT count(*) > 0 FROM trial_final WHERE status = 'interrupted' AND at = 'last'")" = 1 ] ||
    fail "an interrupted trial has no last epoch"

# cut off twice (the second time without any chance to say goodbye), then finished: the same bytes
short=(study.yaml --set "phases.balance.epochs=$few" --set early_stopping=null --set checkpoint.seconds=0)
expect 0 "$ESPALIER" run "${short[@]}" --db whole.db
for signal in INT HUP KILL; do
    "$ESPALIER" run "${short[@]}" --db parts.db >stdout 2>stderr </dev/null &
    runner=$!
    for _ in $(seq 100); do
        sleep 0.05
        grep -q '^start' stderr && break
    done
    sleep 0.2
    kill -$signal $runner
    wait $runner 2>/dev/null
done
expect 0 "$ESPALIER" run "${short[@]}" --db parts.db
[ "$(hashes whole.db)" = "$(hashes parts.db)" ] || fail "a continued run differs"
expect 0 "$ESPALIER" query "SELECT count(*) FROM digest_mismatch" --format csv --db parts.db
[ "$(tail -n 1 stdout)" = 0 ] || fail "an epoch trained again differs"

# ---- trials that fail --------------------------------------------------------------------------
wild=(--set optimizer.kind=sgd --set optimizer.learning_rate=1e6)
expect 1 "$ESPALIER" run study.yaml --db diverge.db --seeds 0 --only baseline "${wild[@]}"
says "1 trial failed" "diverged at epoch"
expect 1 "$ESPALIER" run study.yaml --db diverge.db --seeds 0 --only baseline "${wild[@]}"
says "1 failed before"

cat >crash.yaml <<'YAML'
study: crash
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, crashes: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 2}}
variants:
  crashing: {}
  sound: {set: {losses: {cross_entropy: {weight: 1}}}}
YAML
if [ -z "$ESPALIER_SANITIZE" ]; then # sanitizers catch the crash themselves
    mkdir -p fixtures/loss
    cp "$ESPALIER_BUILD"/tests/fixture-plugins/{crashes,overflows_stack}.so fixtures/loss/
    export ESPALIER_PLUGIN_PATH=fixtures
    expect 1 "$ESPALIER" run crash.yaml --unchecked --db crash.db --jobs 1
    says "crashed in plugin crashes" "2 trials failed" "done   sound seed 1"
    # tried again once, not for ever
    expect 1 "$ESPALIER" run crash.yaml --unchecked --db crash.db --retry-failed --jobs 1
    [ "$(value crash.db "SELECT count(*) FROM attempt")" = 6 ] || fail "not two attempts a crash"
    sed 's/crashes/overflows_stack/' crash.yaml >overflow.yaml
    expect 1 "$ESPALIER" run overflow.yaml --unchecked --db overflow.db
    says "crashed in plugin overflows_stack" "2 trials failed" "done   sound seed 1"

    # a plugin that does not return: one interrupt is enough
    sed 's/crashes/hangs/; s/crashing/hanging/' crash.yaml >hang.yaml
    cp "$ESPALIER_BUILD/tests/fixture-plugins/hangs.so" fixtures/loss/
    "$ESPALIER" run hang.yaml --unchecked --db hang.db --jobs 1 >stdout 2>stderr </dev/null &
    runner=$!
    for _ in $(seq 100); do
        sleep 0.05
        grep -q '^start  hanging' stderr && break
    done
    sleep 0.3
    kill -INT $runner
    wait $runner
    code=$?
    [ $code = 130 ] || fail "interrupted with a hanging plugin it exits $code"
    [ "$(value hang.db "SELECT count(*) FROM trial WHERE status = 'running'")" = 0 ] ||
        fail "a trial still runs, says the database"
    # nobody there to interrupt it: the time limit does, and the other trials finish
    expect 1 "$ESPALIER" run hang.yaml --unchecked --db limit.db --set limits.epoch_seconds=1
    says "hung in plugin hangs" "limits.epoch_seconds" "2 trials failed" "done   sound seed 1"
    [ "$(value limit.db "SELECT count(*) FROM trial WHERE status = 'failed'")" = 2 ] ||
        fail "hanging trials are not failed"
    unset ESPALIER_PLUGIN_PATH
fi

# ---- the worker process killed: it is started again --------------------------------------------
"$ESPALIER" run "${long[@]}" --db killed.db --only balanced --seeds 0 --set "phases.balance.epochs=$many" \
    >stdout 2>stderr </dev/null &
runner=$!
for _ in $(seq 100); do
    sleep 0.05
    [ "$(value killed.db "SELECT max(epoch) FROM epoch" 2>/dev/null)" -gt 5 ] 2>/dev/null && break
done
worker=$(grep -ls "^PPid:[[:space:]]*$runner\$" /proc/[0-9]*/status | cut -d / -f 3)
# shellcheck disable=SC2086  # a list of words, as far as the shell knows
kill -KILL $worker || fail "no worker process"
wait $runner
code=$?
[ $code = 0 ] || fail "after its worker was killed, a run exits $code"
says "starting it again" "done   balanced seed 0"

# ---- other code --------------------------------------------------------------------------------
cp "$ESPALIER" other && echo >>other
export ESPALIER_PLUGIN_PATH=$ESPALIER_BUILD/plugins
expect 0 ./other run study.yaml --db one.db
says "0 of 8 trials to train, 8 done before, 8 of these by another build"
before=$(hashes one.db)
expect 0 ./other run study.yaml --db one.db --strict-code
says "8 of 8 trials to train" "8 of 8 trials done"
[ "$before" = "$(hashes one.db)" ] || fail "trained again, the same code gives other models"
expect 0 ./other run study.yaml --db one.db --strict-code
says "0 of 8 trials to train, 8 done before"
unset ESPALIER_PLUGIN_PATH

# ---- other data: another trial in that place, and a word about it -------------------------------
expect 0 "$ESPALIER" run study.yaml --db moved.db --seeds 2 --only balanced
images=$(find "$ESPALIER_DATA_PATH/toy" -name 'train-images*')
cp "$images" images
printf '\x55' | dd of="$images" bs=1 seek=$(($(stat -c %s "$images") - 1)) conv=notrunc 2>dd
expect 0 "$ESPALIER" run study.yaml --db moved.db --seeds 2 --only balanced
says "1 of 1 trials to train, 1 in the place of others: data, a plugin's version"
expect 0 "$ESPALIER" run study.yaml --db moved.db --seeds 2 --only balanced
says "0 of 1 trials to train, 1 done before"
! grep -q "in the place" stderr || fail "it says so twice"
[ "$(value moved.db "SELECT count(*) FROM trial WHERE status = 'done'")" = 2 ] || fail "the other trial is gone"
cp images "$images"

# ---- --halt ------------------------------------------------------------------------------------
expect 1 "$ESPALIER" run study.yaml --db halt.db --only baseline "${wild[@]}" --jobs 1 --halt soon,fail=1
says "no other is begun" "1 trial failed"
[ "$(value halt.db "SELECT count(*) FROM attempt")" = 1 ] || fail "--halt soon,fail=1 began another trial"
expect 1 "$ESPALIER" run study.yaml --db halt.db --only baseline "${wild[@]}" --jobs 1 --halt now,fail=50%
[ "$(value halt.db "SELECT count(*) FROM attempt")" = 3 ] || fail "--halt now,fail=50% is not two of three"
for wrong in sometimes soon,fail=0 now,fail=101% soon,fail=1x "soon," "soon " "now,fail= 1" now,fail=+1 \
    soon,fail=4294967297 soon,fail=1%% never,fail=1 now,done=1 ""; do
    expect 2 "$ESPALIER" run study.yaml --db halt.db --halt "$wrong"
    says "--halt takes"
done

# a last step that diverges shows in the evaluation alone: it is no loss of 0
cat >diverge.yaml <<'YAML'
study: diverge
seeds: 0
defaults:
  data: {name: toy, validation: 0.2}
  model: {kind: ff, width: 8}
  losses: {cross_entropy: {weight: 1000000}}
  optimizer: {kind: sgd, learning_rate: 1000000}
  batch_size: 4096
  phases: {only: {epochs: 3}}
  selection: {monitor: validation.hard_loss}
YAML
expect 1 "$ESPALIER" run diverge.yaml --db diverge.db
says "diverged at epoch"

# ---- what cannot be kept ends the run, not the trial -------------------------------------------
one=(study.yaml --seeds 2 --only balanced --set checkpoint.seconds=0)
mkdir -p "kept.db.checkpoints/$id"
ln -s "$scratch/no/such/folder/state" "kept.db.checkpoints/$id/state.safetensors" # nowhere to be written
expect 3 "$ESPALIER" run "${one[@]}" --db kept.db
says "state.safetensors"
[ "$(value kept.db "SELECT status FROM missing_trials WHERE trial_id = '$id'")" = interrupted ] ||
    fail "a trial whose checkpoint could not be written is not to be continued"
rm "kept.db.checkpoints/$id/state.safetensors"
expect 0 "$ESPALIER" run "${one[@]}" --db kept.db
[ "$(hashes kept.db)" = "$(hashes alone.db)" ] || fail "it did not go on to the same bytes"

# ---- a checkpoint that cannot be continued from: said, and the trial starts again -----------------
cut=(study.yaml --seeds 2 --only balanced --set "phases.balance.epochs=$few" --set early_stopping=null
    --set checkpoint.seconds=0)
for harm in damaged removed; do
    "$ESPALIER" run "${cut[@]}" --db $harm.db >stdout 2>stderr </dev/null &
    runner=$!
    for _ in $(seq 100); do
        sleep 0.05
        [ -e $harm.db.checkpoints/*/state.safetensors ] && break
    done
    kill -KILL $runner
    wait $runner 2>/dev/null
    state=$(echo $harm.db.checkpoints/*/state.safetensors)
    if [ $harm = removed ]; then
        rm "$state"
    else # one byte of the parameters
        printf '\x55' | dd of="$state" bs=1 seek=$(($(stat -c %s "$state") - 3000)) conv=notrunc 2>dd
    fi
    expect 0 "$ESPALIER" run "${cut[@]}" --db $harm.db
    says "$state" "this trial starts again from epoch 0"
    [ "$(value $harm.db "SELECT max(first_epoch) FROM attempt")" = 0 ] || fail "$harm: it was continued"
    cmp -s "whole.db.${state#*.db.}" "$state" || fail "$harm: it ended in another state"
    [ "$(value $harm.db "SELECT count(*) FROM digest_mismatch")" = 0 ] || fail "$harm: digests differ"
done

# ---- ended by early stopping, then cut off before that was written ------------------------------
epochs=$(value kept.db "SELECT max(epoch) FROM learning_curve WHERE trial_id = '$id'")
sqlite3 kept.db "UPDATE trial SET status = 'running' WHERE trial_id = '$id'" || fail "no sqlite3"
expect 0 "$ESPALIER" run "${one[@]}" --db kept.db
[ "$(value kept.db "SELECT max(epoch) FROM learning_curve WHERE trial_id = '$id'")" = "$epochs" ] ||
    fail "a phase that had stopped early went on"
[ "$(hashes kept.db)" = "$(hashes alone.db)" ] || fail "the second end differs"

# ---- selecting an epoch leaves what was measured at its end ------------------------------------
# terms that keep a state: at the end of the trial it is another than at the selected epoch
mkdir -p stateful/loss
cp "$ESPALIER_BUILD/tests/fixture-plugins/good_state.so" stateful/loss/
sed 's/^study: small/study: stateful/; s/^seeds: .*/seeds: 0..1/; /^variants:/,$d
    s/balance: {weight: 1}}/balance: {weight: 1}, good_state: {weight: 0.1}}/' study.yaml >stateful.yaml
cat >>stateful.yaml <<'YAML'
variants:
  tree: {}
  gate:
    set:
      model: {kind: moe, experts: 4, expert_width: 2, top_k: 1}
      losses: {cross_entropy: {weight: 1}, load_bias: {weight: 1}}
      phases.harden.set: {}
YAML
export ESPALIER_PLUGIN_PATH=stateful
expect 0 "$ESPALIER" run stateful.yaml --db chosen.db
expect 0 "$ESPALIER" run stateful.yaml --db unchosen.db --set 'selection.monitor=[]' --set evaluation.train_every=0
unset ESPALIER_PLUGIN_PATH
curve="SELECT c.cell, c.seed, c.epoch, c.split, c.metric, c.value FROM learning_curve AS c
    WHERE value IS NOT NULL ORDER BY 1, 2, 3, 4, 5"
"$ESPALIER" query "$curve" --format csv --db chosen.db | sort >chosen.csv
"$ESPALIER" query "$curve" --format csv --db unchosen.db | sort >unchosen.csv
[ "$(grep -c 'load_bias.max_violation\|good_state.mean' unchosen.csv)" -gt 40 ] || fail "no metric of a stateful term"
[ -z "$(comm -13 chosen.csv unchosen.csv)" ] || fail "selected epochs lost values: $(comm -13 chosen.csv unchosen.csv | head -n 5)"
[ "$(grep -c "train,hard_accuracy" chosen.csv)" -gt "$(grep -c "train,hard_accuracy" unchosen.csv)" ] ||
    fail "selected epochs have no exact train accuracy"

# ---- refused before anything starts ------------------------------------------------------------
expect 2 "$ESPALIER" run study.yaml --db new.db --set losses.balence.weight=1
says "balence" "did you mean"
[ ! -e new.db ] || fail "a study with an error left a database"
expect 2 "$ESPALIER" run study.yaml --db new.db --jobs 0
expect 2 "$ESPALIER" run
expect 2 env ESPALIER_DATA_PATH=/nowhere "$ESPALIER" run study.yaml --db new.db
says "toy"
expect 4 "$ESPALIER" run missing.yaml --db new.db
: >"file"
expect 3 "$ESPALIER" run study.yaml --db file/new.db
expect 3 "$ESPALIER" run study.yaml --db study.yaml
says "study.yaml"
grep -q '^study: small' study.yaml || fail "a file that is no database was harmed"

[ $failures = 0 ] || exit 1
echo "all as it should be"
