#!/usr/bin/env bash
# espalier bench train: its JSON has every shape asked for with times that are none but its own, and
# --against tells what has become slower.
# shellcheck source=tests/fixtures/command_line.sh
. "$(dirname "$0")/../fixtures/command_line.sh"
needs python3

expect 0 "$ESPALIER" bench train --width 16 --repetitions 2 --data toy --format json
cp stdout now.json
python3 - now.json <<'PY' || fail "the JSON of bench train"
import json, sys
found = json.load(open(sys.argv[1]))
shapes = [(s["training_width"], s["leaf_width"], s["master_leaf"], s["columns"]) for s in found["shapes"]]
# nodes + leaves' units + the master leaf's: 2^d - 1 + 16 + m
assert shapes == [(16, l, m, 16 // l - 1 + 16 + m) for l in (8, 4, 2, 1) for m in (0, l)], shapes
for s in found["shapes"]:
    assert 0 < s["floor_s"] and 0 < s["training_s"] <= s["epoch_s"], s
    assert abs(s["ratio"] - s["epoch_s"] / s["floor_s"]) < 1e-3 * s["ratio"], s
assert found["machine"]["cpu"] and found["data"] == "toy" and found["repetitions"] == 2
for factor, name in ((1e4, "slow"), (1e-4, "fast")):
    for s in found["shapes"]:
        s["ratio"] *= factor
    json.dump(found, open(name + ".json", "w"))
    for s in found["shapes"]:
        s["ratio"] /= factor
PY
expect 0 "$ESPALIER" bench train --width 16 --repetitions 1 --data toy --against slow.json
says "ratio" "floor:"
expect 1 "$ESPALIER" bench train --width 16 --repetitions 1 --data toy --against fast.json
says "8 of 8 shapes are more than 15 % worse by their ratio" "master_leaf 8: ratio"
echo '{"shapes": []}' >none.json
expect 2 "$ESPALIER" bench train --width 16 --repetitions 1 --data toy --against none.json
says "none of these shapes"
expect 2 "$ESPALIER" bench train --width 16 --repetitions 1 --data toy --against study.yaml
[ ! -s stdout ] || fail "measured, and then found nothing to compare with"
jq 'del(.shapes[].ratio)' slow.json >bare.json
expect 2 "$ESPALIER" bench train --width 16 --repetitions 1 --data toy --against bare.json
says "none of these shapes with their ratio"
jq '.data = "mnist"' slow.json >other.json
expect 2 "$ESPALIER" bench train --width 16 --repetitions 1 --data toy --against other.json
says "measured on mnist, not on toy"
expect 0 "$ESPALIER" bench train --leaf-width 8 --repetitions 1 --data toy --format json
[ "$(jq -c '[.shapes[] | [.training_width, .leaf_width, .master_leaf]]' stdout)" = \
    '[[16,8,0],[16,8,8],[128,8,0],[128,8,8]]' ] || fail "shapes of leaf width 8"
expect 2 "$ESPALIER" bench train --width 16 --leaf-width 16
says "half of the training width, not 16"
expect 2 "$ESPALIER" bench train --width 17
says "16 and 128"
expect 2 "$ESPALIER" bench tarin
says "did you mean 'train'"
[ "$failures" = 0 ]
