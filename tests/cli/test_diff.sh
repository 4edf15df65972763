#!/bin/bash
# espalier diff: what it prints is what the studies below change and nothing else; metrics are
# checked against the view trial_final.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
export ESPALIER_DB=$scratch/results.db

# keys "SECTION KEY..." ...: the whole of what the last diff printed, a line a key.
keys() {
    local found expected
    found=$(awk 'NR > 2 && /^[a-z]/ {section = $1} NR > 2 && section != "results:" && /^  [^ ]/ {print section, $1}' stdout | sort)
    expected=$(printf '%s\n' "$@" | sort)
    [ "$found" = "$expected" ] || fail "printed '$found', not '$expected'"
}

# trial CELL SEED: its id.
trial() {
    "$ESPALIER" query "SELECT trial_id FROM study_trial WHERE study = 'small' AND cell = '$1'
        AND seed = '$2'" --format csv | tail -n 1
}

cat >small.yaml <<'YAML'
study: small
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 0}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {only: {epochs: 2}}
variants:
  baseline: {reference: true}
  balanced: {set: {losses.balance.weight: 1}}
YAML
sed 's/study: small/study: other/; s/0.01/0.02/; s/weight: 1}}$/weight: 3}}/' small.yaml >other.yaml
sed 's/study: small/study: twin/' small.yaml >twin.yaml
sed 's/study: small/study: third/; s/  balanced:/  heavier:/' small.yaml >third.yaml
for study in small other twin third; do
    expect 0 "$ESPALIER" run $study.yaml
done

# ---- trials --------------------------------------------------------------------------------------
baseline=$(trial baseline 0) balanced=$(trial balanced 0)
expect 0 "$ESPALIER" diff "$baseline" "$baseline"
says "nothing differs" "baseline seed 0"
expect 0 "$ESPALIER" diff "$baseline" "$balanced"
says "$baseline" "$balanced" "seed 0"
awk '/^[a-z]/ {section = $1} section == "config" && /^  [^ ]/' stdout >config
[ "$(sed 's/  */ /g' config)" = " losses.balance.weight 0 1" ] || fail "config: $(cat config)"
grep -q '^seeds\|^environment' stdout && fail "seeds or environment are the same"
expect 0 "$ESPALIER" diff "$baseline" "$balanced" --format json
for side in a b; do
    id=$baseline
    [ $side = b ] && id=$balanced
    found=$(tr -d '\n' <stdout | grep -oE '"key": "test.soft_loss at last"[^}]*' |
        sed -E "s/.*\"$side\": ([0-9.e-]+).*/\1/")
    "$ESPALIER" query "SELECT abs(value - ${found:-99}) < 1e-12 FROM trial_final WHERE trial_id = '$id'
        AND at = 'last' AND split = 'test' AND metric = 'soft_loss'" --format csv >value
    [ "$(tail -n 1 value)" = 1 ] || fail "test.soft_loss of $side: $found"
done
expect 0 "$ESPALIER" diff "${baseline:0:14}" "$(trial baseline 1)"
grep -q '^config\|^environment' stdout && fail "only the seed differs"
says seeds init order noise "digest of parameters at last"

# another program: what was recorded is what is compared
expect 0 env -u OPENBLAS_CORETYPE "$ESPALIER" run small.yaml --seeds 2 --only baseline
expect 0 env OPENBLAS_CORETYPE=Prescott "$ESPALIER" run small.yaml --seeds 3 --only baseline
expect 0 "$ESPALIER" diff "$(trial baseline 2)" "$(trial baseline 3)"
[ "$(uname -m)" != x86_64 ] || says environment openblas_coretype Prescott

# ---- variants and studies ------------------------------------------------------------------------
expect 0 "$ESPALIER" diff other:baseline other:balanced
keys "config losses.balance.weight"
expect 0 "$ESPALIER" diff other twin
keys "config losses.balance.weight" "config optimizer.learning_rate"
says "losses.balance.weight [balanced]"
expect 0 "$ESPALIER" diff twin third
keys "variants balanced" "variants heavier"
expect 0 "$ESPALIER" diff twin:balanced third:heavier
says "nothing differs"
expect 0 "$ESPALIER" diff twin twin --format json
says '"differences": []'

# ---- cells are compared with their like ---------------------------------------------------------
# grid FILE NAME SET...: small.yaml as NAME, with lines behind it.
grid() {
    sed "s/study: small/study: $2/" small.yaml >"$1"
    printf '%s\n' "${@:3}" >>"$1"
}
grid wide.yaml wide "grid: {model.leaf_width: [1, 2], optimizer.learning_rate: [0.01, 0.02]}"
expect 0 "$ESPALIER" run wide.yaml --seeds 0
# the same grid with something else in one cell's value, and a seed more
grid wider.yaml wider "grid: {model.leaf_width: [1, 2, 4], optimizer.learning_rate: [0.01, 0.02]}"
expect 0 "$ESPALIER" run wider.yaml --seeds 0
expect 0 "$ESPALIER" diff wide wide
says "nothing differs"
expect 0 "$ESPALIER" diff wide:baseline wide:balanced
keys "config losses.balance.weight" # not the grid's values, though both variants have several
expect 0 "$ESPALIER" diff wide wider
awk '/^cells/ {on = 1; next} /^$/ {on = 0} on' stdout | sort >cells
[ "$(grep -c 'model.leaf_width=4' cells)" = 4 ] && [ "$(wc -l <cells)" = 4 ] || fail "cells: $(cat cells)"
grep -q '^config' stdout && fail "cells that both have are the same"
# a zip of which one value differs: those cells have no counterpart
cat >mixed.yaml <<'YAML'
study: mixed
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 0}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {only: {epochs: 1}}
variants:
  one: {}
zip: {model.leaf_width: [1, 2], batch_size: [16, 32]}
YAML
sed 's/study: mixed/study: mixes/; s/\[16, 32\]/[16, 64]/' mixed.yaml >mixes.yaml
expect 0 "$ESPALIER" run mixed.yaml
expect 0 "$ESPALIER" run mixes.yaml
expect 0 "$ESPALIER" diff mixed mixes --format json
tr -d ' \n' <stdout >flat
grep -qF '[{"section":"cells","key":"model.leaf_width=2batch_size=32","a":"there","b":null,"variant":"one"},{"section":"cells","key":"model.leaf_width=2batch_size=64","a":null,"b":"there","variant":"one"}]' flat ||
    fail "not the two cells without a counterpart: $(cat flat)"
# a key that one of them sweeps and the other holds fixed
sed 's/study: small/study: fixed/; s/leaf_width: 2/leaf_width: 1/' small.yaml >fixed.yaml
expect 0 "$ESPALIER" run fixed.yaml --seeds 0
grid swept.yaml swept "grid: {model.leaf_width: [1, 2]}"
expect 0 "$ESPALIER" run swept.yaml --seeds 0
expect 0 "$ESPALIER" diff fixed swept
keys "cells model.leaf_width=2" "cells model.leaf_width=2"
# what differs from cell to cell is said by cell
sed 's/study: swept/study: deeper/; s/training_width: 4/training_width: 8/' swept.yaml >deeper.yaml
expect 0 "$ESPALIER" run deeper.yaml --seeds 0
expect 0 "$ESPALIER" diff swept deeper
says "depth [baseline model.leaf_width=1]" "depth [balanced model.leaf_width=2]" 'model.training_width'
grep -q 'model.training_width \[' stdout && fail "training_width differs alike in all cells"
# what differs in a variant only is said by variant
grid rates.yaml rates "grid: {optimizer.learning_rate: [0.01, 0.02]}"
sed 's/study: rates/study: rated/; s/^  balanced: .*/  balanced: {set: {losses.balance.weight: 2}}/; s/training_width: 4/training_width: 8/' \
    rates.yaml >rated.yaml
expect 0 "$ESPALIER" run rates.yaml --seeds 0
expect 0 "$ESPALIER" run rated.yaml --seeds 0
expect 0 "$ESPALIER" diff rates rated
says "losses.balance.weight [balanced]" "model.training_width"
grep -q 'training_width \[' stdout && fail "all cells differ alike in training_width: one line"
# studies that share no variant are compared as a whole
sed 's/study: small/study: apart/; s/baseline:/plain:/; s/balanced:/even:/; s/0\.01/0.03/' small.yaml >apart.yaml
expect 0 "$ESPALIER" run apart.yaml --seeds 0
expect 0 "$ESPALIER" diff twin apart
says "variants" "optimizer.learning_rate  0.01            0.03"
grep -q 'losses.balance.weight' stdout && fail "both have weights 0 and 1"
# seeds
expect 0 "$ESPALIER" run apart.yaml --seeds 0..2
sed 's/study: apart/study: aparts/; s/^seeds: .*/seeds: 5..6/' apart.yaml >aparts.yaml
expect 0 "$ESPALIER" run aparts.yaml
expect 0 "$ESPALIER" diff apart aparts
keys "seeds seeds"
says "0, 1, 2" "5, 6"

# ---- mistakes --------------------------------------------------------------------------------------
expect 4 "$ESPALIER" diff smal other
says "did you mean 'small'"
expect 4 "$ESPALIER" diff other:balancd other:baseline
says "did you mean 'balanced'"
expect 4 "$ESPALIER" diff othr:balanced other:baseline
says "did you mean 'other'"
expect 4 "$ESPALIER" diff "$baseline" 0000000000000000
says "no study or trial '0000000000000000'"
expect 2 "$ESPALIER" diff small "$baseline"
says "only like is compared with like"
expect 2 "$ESPALIER" diff small
expect 2 "$ESPALIER" diff small other twin
expect 2 "$ESPALIER" diff small other --format csv
says "text or json"
expect 4 "$ESPALIER" diff small other --db none.db

[ $failures = 0 ] || exit 1
echo "diff: all as expected"
