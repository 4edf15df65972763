#!/usr/bin/env bash
# espalier bench infer: its JSON has every layer and size asked for with figures that agree with each
# other, outputs are checked against the masked evaluation, and --against tells what became slower.
# shellcheck source=tests/fixtures/command_line.sh
. "$(dirname "$0")/../fixtures/command_line.sh"
needs python3

expect 0 "$ESPALIER" bench infer --features 784 --batch 16 --repetitions 1 --format json
cp stdout now.json
[ "$(tail -n 3 now.json)" = $'  }\n ]\n}' ] || fail "the end of JSON"
python3 - now.json <<'PY' || fail "the JSON of bench infer"
import json, os, sys
found = json.load(open(sys.argv[1]))
cores = os.sysconf("SC_NPROCESSORS_ONLN")
threads = [1, 2] if cores > 1 else [1]
names = ["fff d=1 l=64", "fff d=4 l=8", "fff d=7 l=1", "fff d=11 l=1", "moe 16x8", "ff 8", "ff 128"]
assert [(r["layer"], r["threads"]) for r in found["layers"]] == \
    [(name, t) for name in names for t in threads], found["layers"]
for r in found["layers"]:
    assert r["features"] == 784 and r["outputs"] == 10 and r["batch"] == 16, r
    assert abs(r["examples_a_second"] * r["ns_an_example"] / 1e9 - 1) < 1e-3, r
    # one repetition: the medians are that one's
    assert abs(r["speed_up"] * r["ns_an_example"] / r["dense_ns_an_example"] - 1) < 1e-3, r
    assert 0 <= r["error"] <= 1e-5 and r["peak_share"] > 0 and r["memory_share"] > 0, r
# multiply-adds by hand: the whole layer over 7 nodes and one hidden unit
tree = [r for r in found["layers"] if r["layer"] == "fff d=7 l=1"][0]
assert abs(tree["by_count"] - 128 * 794 / (7 * 784 + 794)) < 1e-3, tree
assert found["machine"]["cpu"] and found["core"]["gflops"] > 0 and found["core"]["gigabytes_s"] > 0
assert found["published"]["speed_up"] == 78 and found["published"]["by_count"] == 341
for factor, name in ((0.001, "slow"), (1000, "fast")):
    scaled = json.loads(json.dumps(found))
    for r in scaled["layers"]:
        r["speed_up"] *= factor
    json.dump(scaled, open(name + ".json", "w"))
PY
narrow=(--features 784 --model fff --depth 4 --batch 16 --repetitions 1 --threads 1)
expect 0 "$ESPALIER" bench infer "${narrow[@]}" --against slow.json
says 'fff d=4 l=8' 'speed-up' 'masked dense evaluation'
expect 1 "$ESPALIER" bench infer "${narrow[@]}" --against fast.json
says '1 of 1 layers are more than 15 % worse by their speed_up'
expect 2 "$ESPALIER" bench infer --features 784 --depth 1 --batch 3 --repetitions 1 --threads 1 --against now.json
says 'none of these layers'
jq 'del(.layers[].speed_up)' slow.json >bare.json
expect 2 "$ESPALIER" bench infer "${narrow[@]}" --against bare.json
says 'none of these layers with their speed_up'

# What is cut off keeps what was measured: killed, each layer that was done; asked to stop, a whole result.
wait_for_layer() { # PID FILE: until the first layer is there to its last brace
    while kill -0 "$1" 2>/dev/null; do
        sed -n '/"checked"/,$p' "$2" | grep -q '^  }' && return
        sleep 0.05
    done
    fail "it ended before a layer was printed"
}
for signal in TERM KILL; do
    : >cut.json # else the layers that the signal before left are taken for these
    "$ESPALIER" bench infer --grid --features 784 --batch 16 --threads 1 --repetitions 25 --format json >cut.json 2>stderr </dev/null &
    bench=$!
    wait_for_layer $bench cut.json
    kill -$signal $bench
    wait $bench 2>/dev/null
    code=$?
    if [ $signal = TERM ]; then
        [ $code = 130 ] || fail "asked to stop it exits $code"
        [ "$(jq '.layers | length > 0 and length < 77' cut.json)" = true ] || fail "no whole result of what was measured"
        grep -q interrupted stderr || fail "not said"
    fi
    echo ']}' >>cut.json
    python3 - cut.json <<'PY' || fail "what $signal left"
import json, re, sys
text = open(sys.argv[1]).read()
entry = re.search(r'"layers": \[\s*(\{.*?\})', text, re.S).group(1)
assert json.loads(entry)["layer"] == "fff d=1 l=1", entry
PY
done

# Outputs of small batches are checked at more than one of them.
expect 0 "$ESPALIER" bench infer --features 784 --batch 1 --repetitions 1 --threads 1 --format json
[ "$(jq -c '[.layers[].checked] | unique' stdout)" = '[64]' ] || fail "not 64 paths are checked"

# Every kind, sizes that do not divide: threads with their own streams and shares.
expect 0 "$ESPALIER" bench infer --model fff_nodes --depth 5 --batch 1 --threads 2 --repetitions 1
says 'fff_nodes 64x5'
expect 0 "$ESPALIER" bench infer --grid --features 784 --depth 2 --leaf-width 4 --batch 37 --repetitions 1
says 'fff d=2 l=4'
expect 0 "$ESPALIER" bench infer --figure --most-leaves 4 --repetitions 1 --format json
python3 - stdout <<'PY' || fail "the figure's layers"
import json, sys
layers = json.load(open(sys.argv[1]))["layers"]
assert [(r["model"], r["leaves"], r["dense_width"]) for r in layers] == \
    [(m, n, 32 * n) for n in (2, 4) for m in ("fff", "moe")], layers
assert all(r["batch"] == 256 and r["threads"] == 1 and r["leaf_width"] == 32 for r in layers), layers
PY

expect 2 "$ESPALIER" bench infer --model fft
says 'no layer is of this'
expect 2 "$ESPALIER" bench infer --format csv --model ff
expect 2 "$ESPALIER" bench infer --batch 0
expect 2 "$ESPALIER" bench infer something
says "no argument is taken"
[ "$failures" = 0 ]
