#!/bin/bash
# Heads by whole command lines on a small generated data set: what a run stores of the parts of a
# model is what eval finds when the other part is left out; early_exit's curve agrees with itself and
# with evaluations at its thresholds; trials with heads, also with both, replay to the same bits.
TOY_TRAIN=400 TOY_TEST=120
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

cat >study.yaml <<'YAML'
study: heads
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {train: {epochs: 12}}
variants:
  trained: {set: {heads: {master_leaf: {width: 3}}}}
  fixed: {set: {heads: {master_leaf: {width: 3, k: 0.25, k_trainable: false}}}}
  per_class: {set: {heads: {master_leaf: {width: 3, k_per_class: true}}}}
  exit: {set: {heads: {early_exit: {width: 3, threshold: 0.6}}}}
  both: {set: {heads: {early_exit: {width: 3}, master_leaf: {width: 2}}}}
  both_swapped: {set: {heads: {master_leaf: {width: 2}, early_exit: {width: 3}}}}
  never: {set: {heads: {master_leaf: {width: 2}, early_exit: {width: 3, threshold: 1}}}}
YAML

# stored VARIANT METRIC: of the test split at the last epoch.
stored() {
    value whole.db "SELECT value FROM trial_final WHERE variant = '$1' AND at = 'last'
        AND split = 'test' AND metric = '$2'"
}

# trial VARIANT
trial() {
    value whole.db "SELECT trial_id FROM trial_final WHERE variant = '$1' LIMIT 1"
}

# evaluates VARIANT OPTION...: its last model on the test split, as JSON on stdout.
evaluates() {
    local variant=$1
    shift
    expect 0 "$ESPALIER" eval "whole.db.checkpoints/$(trial "$variant")/last.safetensors" \
        --format json "$@"
}

# found KEY: of that JSON.
found() {
    sed -n "s/.*\"$1\": \([0-9.e+-]*\),*$/\1/p" stdout
}

# same WORDS A B: two numbers are one; eval prints nine digits.
same() {
    awk -v a="$2" -v b="$3" 'BEGIN {d = a - b; exit !(a != "" && b != "" && d * d <= 1e-15 * (1 + a * a))}' ||
        fail "$1: $2 and $3"
}

expect 0 "$ESPALIER" run study.yaml --db whole.db

# ---- a part alone ------------------------------------------------------------------------------
for variant in trained fixed per_class; do
    evaluates $variant --ablate master_leaf
    same "$variant, tree alone" "$(found accuracy)" "$(stored $variant master_leaf.tree_accuracy)"
    evaluates $variant --ablate tree
    same "$variant, head alone" "$(found accuracy)" "$(stored $variant master_leaf.head_accuracy)"
    evaluates $variant
    same "$variant" "$(found accuracy)" "$(stored $variant hard_accuracy)"
    for key in k tree_norm head_norm tree_accuracy head_accuracy; do
        same "$variant, $key" "$(found master_leaf.$key)" "$(stored $variant master_leaf.$key)"
    done
done
same "a fixed k" "$(stored fixed master_leaf.k)" 0.25
[ "$(stored trained master_leaf.k)" != 0.6224593312018546 ] || fail "k was not trained"
model=whole.db.checkpoints/$(trial trained)/last.safetensors
expect 2 "$ESPALIER" eval "$model" --ablate master_leav
says "no part 'master_leav'" "did you mean 'master_leaf'?" "tree, master_leaf"
expect 2 "$ESPALIER" eval "$model" --ablate early_exit
says "there are tree, master_leaf"

# ---- early exit --------------------------------------------------------------------------------
evaluates exit
same "exit" "$(found accuracy)" "$(stored exit hard_accuracy)"
for key in exited accuracy cost; do
    at=$(stored exit early_exit.${key}_at_60)
    case $key in
    accuracy) same "the curve at the threshold" "$at" "$(stored exit hard_accuracy)" ;;
    *) same "the curve at the threshold" "$at" "$(stored exit early_exit.$key)" ;;
    esac
done
# 64 features, 4 classes, tree of depth 2 and leaves of 2, head of 3: by hand
exited=$(stored exit early_exit.exited)
cost=$(awk -v e="$exited" 'BEGIN {printf "%.12g", 3 * 68 + (1 - e) * (2 * 64 + 2 * 68 + 2 * 4)}')
same "cost" "$(stored exit early_exit.cost)" "$cost"
# where none exits it is the cost plan shows, whatever stands below
same "cost without exit" "$(stored never early_exit.cost)" "$(value whole.db \
    "SELECT value FROM cell_param WHERE variant = 'never' AND key = 'inference_macs'")"
# another threshold, the same training: the curve says what it would have been
expect 0 "$ESPALIER" run study.yaml --db other.db --only exit --set heads.early_exit.threshold=0.9
same "accuracy at another threshold" "$(stored exit early_exit.accuracy_at_90)" \
    "$(value other.db "SELECT value FROM trial_final WHERE at = 'last' AND split = 'test'
        AND metric = 'hard_accuracy'")"
# exits grow fewer and dearer
value whole.db "SELECT group_concat(value) FROM (SELECT value FROM trial_final WHERE variant = 'exit'
    AND at = 'last' AND split = 'test' AND metric LIKE 'early_exit.exited_at_%' ORDER BY metric)" |
    tr -d '"' | tr , '\n' | sort -c -g -r || fail "more exit above a greater threshold"
[ "$(value whole.db "SELECT count(*) FROM trial_final WHERE variant = 'exit' AND at = 'last' AND
    split = 'test' AND metric LIKE 'early_exit.%_at_%'")" = 21 ] || fail "not all of the curve"

# ---- two heads ---------------------------------------------------------------------------------
[ "$(trial both)" != "$(trial both_swapped)" ] || fail "the order of heads makes no other trial"
for variant in both both_swapped per_class exit; do
    expect 0 "$ESPALIER" replay "$(trial $variant)" --db whole.db
    says "all 12 epochs are the same, bit for bit"
done
[ $failures = 0 ]
