#!/bin/bash
# Every kind of model, with its options, by whole command lines: what its file scores is what was
# stored; the logits eval writes, read without espalier, give that accuracy; and --jobs, a kill and a
# resume change no bit of those that draw random numbers in training.
TOY_TRAIN=300 TOY_TEST=90
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

cat >study.yaml <<'YAML'
study: kinds
seeds: 0..1
defaults:
  data: {name: toy, validation: 0.1}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 0}, hardening: {weight: 0}}
  optimizer: {learning_rate: 0.01}
  batch_size: 32
  phases: {train: {epochs: 4}}
  checkpoint: {seconds: 0}
variants:
  leaky: {set: {model.region_leak: 0.2, model.dropout: 0.2, model.activation: gelu, heads: {master_leaf: {width: 3}}}}
  hardened: {set: {model.train_hardened: true, model.freeze: [nodes], model.node_scale: 2}}
  depth0: {set: {model: {kind: fff, depth: 0, leaf_width: 5}}}
  ff: {set: {model: {kind: ff, width: {match: parameters, of: {depth: 2, leaf_width: 2}}, dropout: 0.1}}}
  moe: {set: {model: {kind: moe, experts: 4, expert_width: 3, top_k: 2, noise: true, activation: gelu}, losses.balance.weight: 1}}
  switch: {set: {model: {kind: moe, experts: 4, expert_width: {match: training_width, of: {depth: 2, leaf_width: 2}}, top_k: 1}}}
  nodes: {set: {model: {kind: fff_nodes, trees: 3, depth: 2, dropout: 0.1}}}
  nodes_relu: {set: {model: {kind: fff_nodes, trees: 1, depth: 3, activation: relu}}}
YAML

expect 0 "$ESPALIER" check study.yaml
expect 0 "$ESPALIER" run study.yaml --db two.db --jobs 2
says "16 of 16 trials done"

# ---- files: what a model scores is what was stored ---------------------------------------------
# stored TRIAL METRIC: of the test split, at the last epoch.
stored() {
    value two.db "SELECT value FROM trial_final WHERE trial_id = '$1' AND at = 'last' AND split = 'test' \
        AND metric = '$2' LIMIT 1"
}
# field NAME: a number of the JSON in stdout.
field() {
    sed -n "s/.*\"$1\": \([0-9.e-]*\).*/\1/p" stdout
}
near() {
    awk -v a="$1" -v b="$2" -v tolerance="$3" 'BEGIN {
        d = a - b; exit !(a != "" && b != "" && d <= tolerance && -d <= tolerance)}'
}
variants="leaky hardened depth0 ff moe switch nodes nodes_relu"
for variant in $variants; do
    trial=$(value two.db "SELECT trial_id FROM trial_final WHERE variant = '$variant' AND seed = '1' LIMIT 1")
    model=two.db.checkpoints/$trial/last.safetensors
    for routing in hard soft; do
        expect 0 "$ESPALIER" eval "$model" --routing $routing --format json --dump-logits logits.npy
        near "$(field accuracy)" "$(stored "$trial" ${routing}_accuracy)" 1e-9 ||
            fail "$variant: eval's $routing accuracy is not what was stored"
        near "$(field loss)" "$(stored "$trial" ${routing}_loss)" 1e-5 ||
            fail "$variant: eval's $routing loss is not what was stored"
        if command -v python3 >/dev/null; then
            python3 - "$(field accuracy)" "$ESPALIER_DATA_PATH/toy" <<'PY' || fail "$variant: logits"
import ast, glob, struct, sys
raw = open("logits.npy", "rb").read()
assert raw[:8] == b"\x93NUMPY\x01\x00", raw[:8]
length, = struct.unpack("<H", raw[8:10])
assert (10 + length) % 64 == 0 and raw[9 + length:10 + length] == b"\n"
header = ast.literal_eval(raw[10:10 + length].decode())
assert header == {"descr": "<f4", "fortran_order": False, "shape": (90, 4)}, header
values = struct.unpack("<360f", raw[10 + length:])
labels = open(glob.glob(sys.argv[2] + "/t10k-labels*")[0], "rb").read()[8:]
right = 0
for i, label in enumerate(labels):
    row = values[4 * i:4 * i + 4]
    right += row.index(max(row)) == label
assert abs(right / 90 - float(sys.argv[1])) < 1e-8, (right / 90, sys.argv[1])
PY
        fi
    done
done

# ---- leaf load: every example once for each of its choices -------------------------------------
# load VARIANT N: the counts of its model add up to N.
load() {
    local trial sum
    trial=$(value two.db "SELECT trial_id FROM trial_final WHERE variant = '$1' AND seed = '0' LIMIT 1")
    expect 0 "$ESPALIER" eval "two.db.checkpoints/$trial/last.safetensors" --format json
    sum=$(tr -d '\n' <stdout | sed 's/.*"leaf_load": \[\([^]]*\)\].*/\1/' | tr ',' '\n' | awk '{s += $1} END {print s}')
    [ "$sum" = "$2" ] || fail "$1: leaf load adds up to $sum, not $2"
    sum=$(value two.db "SELECT sum(count) FROM leaf_load WHERE trial_id = '$trial' AND epoch = 4 AND split = 'test'")
    [ "$sum" = "$2" ] || fail "$1: stored leaf load adds up to $sum, not $2"
}
load leaky 90
load moe 180
load switch 90
load nodes 270

trial=$(value two.db "SELECT trial_id FROM trial_final WHERE variant = 'moe' AND seed = '0' LIMIT 1")
expect 0 "$ESPALIER" eval "two.db.checkpoints/$trial/last.safetensors"
says "hard and soft are the same for model kind 'moe'"
expect 1 "$ESPALIER" eval "two.db.checkpoints/$trial/last.safetensors" --dump-logits /nonexistent/logits.npy
says "/nonexistent/logits.npy"

# ---- a model that is broken: JSON that can be read ----------------------------------------------
trial=$(value two.db "SELECT trial_id FROM trial_final WHERE variant = 'ff' AND seed = '0' LIMIT 1")
cp "two.db.checkpoints/$trial/last.safetensors" broken.safetensors
printf '\377\377\377\377' | dd of=broken.safetensors bs=1 seek=$(($(stat -c %s broken.safetensors) - 4)) \
    conv=notrunc 2>/dev/null # its last output bias: not a number
expect 0 "$ESPALIER" eval broken.safetensors --format json
says '"loss": null' '"n": 90' "warning: broken.safetensors: tensor 'b2s' holds"

# ---- a tensor that nothing reads is said -------------------------------------------------------
LC_ALL=C sed 's/"node_weights"/"mode_weights"/' "two.db.checkpoints/$trial/last.safetensors" >more.safetensors
expect 0 "$ESPALIER" eval more.safetensors --format json
says "warning: more.safetensors: 1 tensor is left out that this ff has not: 'mode_weights'"

# ---- the same bits however scheduled, cut off and resumed --------------------------------------
contents() {
    sqlite3 "$1" "SELECT t.trial_id, e.epoch, e.digest, e.train_running_loss, e.test_leaf_counts
        FROM epoch AS e JOIN trial AS t ON t.id = e.trial ORDER BY 1, 2"
    (cd "$1.checkpoints" && sha256sum ./*/last.safetensors)
}
expect 0 "$ESPALIER" run study.yaml --db one.db --jobs 1
contents two.db >expected
contents one.db >found
[ "$(wc -l <expected)" = 96 ] || fail "nothing compared" # 16 trials of 5 epochs, and a file each
cmp expected found || fail "--jobs 1 and --jobs 2 differ"

many=400
[ -n "$ESPALIER_SANITIZE" ] && many=60
long=(study.yaml --set phases.train.epochs=$many --seeds 0)
expect 0 "$ESPALIER" run "${long[@]}" --db whole.db
for variant in leaky moe nodes; do
    "$ESPALIER" run "${long[@]}" --only $variant --db parts.db >stdout 2>stderr </dev/null &
    runner=$!
    for _ in $(seq 200); do
        [ "$(value parts.db "SELECT max(epoch) FROM learning_curve WHERE variant = '$variant'" 2>/dev/null)" -gt 5 ] \
            2>/dev/null && break
        sleep 0.02
    done
    kill -KILL $runner
    wait $runner 2>/dev/null
done
expect 0 "$ESPALIER" run "${long[@]}" --db parts.db
contents whole.db >expected
contents parts.db >found
cmp expected found || fail "a continued run differs"
[ "$(value parts.db "SELECT count(*) FROM digest_mismatch")" = 0 ] || fail "an epoch trained again differs"

exit $((failures > 0))
