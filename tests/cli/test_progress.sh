#!/bin/bash
# What a person sees while a study runs: the longest trials begin first; lines that stay are whole, on
# a terminal too, failures' reasons least of all cut; 100 % stands only when all trials are over.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

cat >study.yaml <<'YAML'
study: many
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {p: {epochs: 3}}
variants:
  short: {}
  same: {}
  long: {set: {phases.p.epochs: 9}}
  wide: {set: {model.training_width: 4096, model.leaf_width: 1024}}
YAML
sed -i 's/  same: {}/  same: {set: {optimizer.learning_rate: 0.02}}/' study.yaml

echo "== the longest first, then in the study's order"
expect 0 "$ESPALIER" run study.yaml --db order.db --jobs 1
sed -n 's/^start  \(.*\) seed \([0-9]*\) .*/\1 \2/p' stderr >order
printf '%s\n' "wide 0" "wide 1" "long 0" "long 1" "short 0" "short 1" "same 0" "same 1" >expected
cmp -s order expected || fail "begun in the order: $(tr '\n' ',' <order)"
tail -n 1 stderr | grep -q '^8 of 8 trials done  100%' || fail "not done"

echo "== what is left counts"
"$ESPALIER" run study.yaml --db left.db --jobs 1 --only 'long' --seeds 0 --set phases.p.epochs=9 \
    >stdout 2>stderr </dev/null || fail "long 0"
expect 0 "$ESPALIER" run study.yaml --db left.db --jobs 1 --only '*o*'
sed -n 's/^start  \(.*\) seed \([0-9]*\) .*/\1 \2/p' stderr >order
printf '%s\n' "long 1" "short 0" "short 1" >expected
cmp -s order expected || fail "begun in the order: $(tr '\n' ',' <order)"

echo "== lines that stay"
cat >failing.yaml <<'YAML'
study: failing
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {p: {epochs: 3}}
grid: {losses.balance.weight: [0.125], optimizer.learning_rate: [0.0123], model.training_width: [4]}
variants:
  a-sound-variant-with-a-name-of-some-length: {}
  a-failing-variant-with-a-name-of-some-length: {set: {losses: {nan_later: {weight: 1}}}}
YAML
mkdir -p fixtures/loss && cp "$ESPALIER_BUILD/tests/fixture-plugins/nan_later.so" fixtures/loss/
export ESPALIER_PLUGIN_PATH=fixtures
reason="loss term 'nan_later' gave a value that is not finite at epoch 2, batch 3"
whole() { # FILE
    [ "$(grep -cE '^done .* seed [01]  last epoch 3  running loss [0-9.]+  test hard [0-9.]+%' "$1")" = 2 ] ||
        fail "$1: done lines are not whole"
    [ "$(grep -cE "^failed .* seed [01]  last epoch 1  .*$reason" "$1")" = 2 ] ||
        fail "$1: the reasons of failures are not whole"
}
expect 1 "$ESPALIER" run failing.yaml --db f.db
cp stderr pipe
whole pipe
grep -q "at most" pipe && fail "an upper bound that is none"
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    TERM=xterm script -qec "stty cols 60 rows 24; '$ESPALIER' run failing.yaml --db t.db" /dev/null \
        </dev/null | tr -d '\r' | sed 's/\x1b\[[0-9]*[A-Za-z]/\n/g' >terminal
    whole terminal
    # what is drawn again keeps to a line each, or the next drawing would not erase it
    awk 'length($0) > 59 && /left|starting|train soft|trials done/ && !/^(done|failed)/' terminal >wrapped
    [ ! -s wrapped ] || fail "drawn lines wrap: $(cat wrapped)"
    TERM=xterm script -qec "stty cols 100 rows 24; '$ESPALIER' run study.yaml --db p.db --jobs 2" \
        /dev/null </dev/null | tr -d '\r' | sed 's/\x1b\[[0-9]*[A-Za-z]/\n/g' >terminal
    grep -E '^[0-7] of 8 trials done +100%' terminal && fail "100 % before the end"
    grep -qE '^8 of 8 trials done +100%' terminal || fail "no 100 % at the end"
fi

exit $((failures > 0))
