#!/usr/bin/env bash
# Memory of a run: data are held once and as bytes, whatever trains on them, and a trial takes what
# its network does. Bounds by size: 20500 images of 784 bytes are 16 MB, as floats or twice they
# break the first; a second trial's copy of them breaks the second.
# shellcheck source=tests/fixtures/command_line.sh
. "$(dirname "$0")/../fixtures/command_line.sh"
if [ -n "${ESPALIER_SANITIZE:-}" ]; then
    echo "skipped: a sanitizer's memory is its own"
    exit 0
fi
"$ESPALIER_BUILD/tests/make_data" "$ESPALIER_DATA_PATH" images 20000 500 28 10 1 || exit 1
cat >memory.yaml <<'YAML'
study: memory
seeds: 0
defaults:
  data: {name: images}
  model: {kind: fff, training_width: 128, leaf_width: 1}
  losses:
    cross_entropy: {weight: 1}
    hardening: {weight: 1, reduction: mean}
    balance: {weight: 1}
  optimizer: {kind: adam, learning_rate: 0.001}
  phases: {train: {epochs: 3}}
  selection: {monitor: train.running_loss}
YAML
expect 0 "$ESPALIER" run memory.yaml --jobs 1 --db one.db
expect 0 "$ESPALIER" run memory.yaml --jobs 2 --seeds 0..1 --db two.db
one=$(value one.db "SELECT max(peak_memory) FROM attempt")
two=$(value two.db "SELECT max(peak_memory) FROM attempt")
echo "one trial: $one bytes, two: $two"
data=$((20500 * 784))
[ "$one" -gt "$data" ] || fail "$one bytes cannot hold the data"
[ "$one" -lt $((data + 30000000)) ] || fail "one trial takes $one bytes, its data $data"
[ $((two - one)) -lt 15000000 ] || fail "a second trial takes $((two - one)) bytes"
[ "$failures" = 0 ]
