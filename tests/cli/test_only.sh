#!/bin/bash
# --only: which cells a pattern asks for. KEY=VALUE compares values, as exclude and contrasts do; what
# matches nothing is an error that lists what there is.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
cat >rates.yaml <<'YAML'
study: rates
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 20
  phases: {p: {epochs: 1}}
variants:
  none: {reference: true, set: {losses.balance.weight: 0}}
  even: {}
  early: {set: {early_stopping: {monitor: train.running_loss, patience: 5}, drop_last: true}}
grid:
  optimizer.learning_rate: [0.00001, 0.10, 1e6]
  model.leaf_width: [2, 1]
YAML

# asks N PATTERN: the pattern asks for N of the 18 cells, so 2 N trials.
asks() {
    expect 0 "$ESPALIER" check "${study:-rates.yaml}" --only "$2"
    says ", $((2 * $1)) trials"
}
# one spelling is as good as another
for rate in 0.00001 1e-5 1e-05 1E-5 .00001 0.10 0.1 1e-1 1000000 1e6 1.0e+6 1000000.0; do
    asks 6 "optimizer.learning_rate=$rate"
    asks 1 "even optimizer.learning_rate=$rate model.leaf_width=2.0"
    asks 2 "*learning_rate=$rate even"
    asks 6 "*learning_rate=$rate*"
    study=excluded.yaml
    { cat rates.yaml && echo "exclude: [{optimizer.learning_rate: $rate}]"; } >excluded.yaml
    expect 0 "$ESPALIER" check excluded.yaml
    says "12 cells, 24 trials" # exclude finds the same six
    unset study
done
asks 6 'early drop_last=true'
asks 6 'drop_last=True'
asks 12 'drop_last=false'
asks 12 'early_stopping=null'
asks 12 'early_stopping=~'
asks 6 'early_stopping={patience: 5, monitor: train.running_loss}'
asks 6 'early_stopping.patience=5.0'
asks 6 'variant=even'
asks 6 'variant="even"'
asks 12 'variant=[none, even]'
asks 12 'optimizer.learning_rate=[1e-5, 0.10]'
asks 9 'leaf_width=1'
asks 9 'training_width=4 model.leaf_width=2'
asks 18 'data.name="toy"'
asks 18 "data.name='toy'"
# shell patterns, over variants, keys, values and labels
asks 12 'e*'
asks 6 '[e]ven'
asks 18 'model.leaf_width=[12]'
asks 6 '*.learning_rate=1e[-0-9]*'
asks 12 'optimizer.learning_rate=1e[-0-9]*' # also as the file writes it
asks 6 'optimizer.learning_rate=0.0000*'
asks 3 'even *leaf_width=2'
asks 3 'even*width=2.0'
asks 1 'early optimizer.learning_rate=1e-05 model.leaf_width=1'

# maps as swept values
cat >maps.yaml <<'YAML'
study: maps
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  optimizer: {learning_rate: 0.01}
  phases: {p: {epochs: 1}}
grid:
  losses: [{cross_entropy: {weight: 1}}, {cross_entropy: {weight: 1}, balance: {weight: 0.50, monitor: false}}]
YAML
study=maps.yaml
asks 1 'losses={cross_entropy: {weight: 1.0}}'
asks 1 'losses={balance: {monitor: false, weight: 5e-1}, cross_entropy: {weight: 1}}'
asks 1 'default losses={cross_entropy: {weight: 1}}'
asks 1 'losses.balance.weight=.5'
unset study

# lacks PATTERN WORD...: it asks for nothing, and the words say why and what there is.
lacks() {
    local pattern=$1
    shift
    for verb in check plan run; do
        expect 2 "$ESPALIER" $verb rates.yaml --only "$pattern"
        says "--only: error: " "$@"
    done
}
there_is="variants: none, even, early; optimizer.learning_rate: 1e-05, 0.1, 1000000; model.leaf_width: 2, 1"
lacks optimizer.learning_rate=0.5 "no cell matches 'optimizer.learning_rate=0.5'" \
    "; cells have optimizer.learning_rate: 1e-05, 0.1, 1000000; variants: none, even, early; model.leaf_width: 2, 1"
lacks evne "no cell matches 'evne'; did you mean 'even'?" "$there_is"
lacks variant=evne "did you mean 'even'?" "$there_is"
lacks 'none early' "no cell has all of these at once" "$there_is"
lacks optimizer.learning_rte=0.1 "unknown key 'learning_rte' in optimizer; did you mean 'learning_rate'?"
lacks optimzer.learning_rate=0.1 "unknown key 'optimzer' in the configuration; did you mean 'optimizer'?"
lacks 'even model.leaf_widht=1' "unknown key 'leaf_widht' in model; did you mean 'leaf_width'?"
lacks leaf_widht=1 "unknown key 'leaf_widht'; did you mean 'leaf_width'?"
lacks learning_rate=0.1 "no cell matches 'learning_rate=0.1'; did you mean 'optimizer.learning_rate'?" "$there_is"
lacks balance.weight=1 "did you mean 'losses.balance.weight'?"
lacks data.name=tyo "no cell matches 'data.name=tyo'; did you mean 'toy'? Cells have data.name: toy" "$there_is"
lacks 'optimizer={kind: sgd}' "cells have optimizer: {kind: adam, learning_rate: 1e-05}"
lacks zzz=1 "unknown key 'zzz' in the configuration; known: data, model" "no cell matches 'zzz=1'; $there_is"
lacks seed=1 "--seeds chooses seeds" "$there_is"
lacks heads.master_leaf.width=4 "no cell has the key heads.master_leaf.width" "$there_is"
lacks optimizer.learning_rate "a key needs its value, KEY=VALUE" "$there_is"
lacks 'optimizer.learning_rate="0.10"' "cells have optimizer.learning_rate: 1e-05, 0.1, 1000000"
lacks '' "no cell matches ''" "$there_is"

# run trains what it names
expect 0 "$ESPALIER" run rates.yaml --db r.db --seeds 0 --only 'even optimizer.learning_rate=0.10 leaf_width=2'
says "1 of 1 trial"
[ "$(value r.db "SELECT group_concat(cell) FROM trial_final WHERE at = 'last' AND metric = 'hard_accuracy'
    AND split = 'test'")" = "even optimizer.learning_rate=0.1 model.leaf_width=2" ] || fail "another cell ran"

[ $failures = 0 ] && echo "all is well"
exit $((failures > 0))
