#!/usr/bin/env bash
# espalier bench trials: its JSON has its figures, nothing stays behind, and
# --against tells what has grown.
# shellcheck source=tests/fixtures/command_line.sh
. "$(dirname "$0")/../fixtures/command_line.sh"
needs python3

mkdir tmp
export TMPDIR=$scratch/tmp
short=(bench trials --leaf-width 4 --rounds 3 --data toy)
expect 0 "$ESPALIER" "${short[@]}" --format json
cp stdout now.json
[ -z "$(ls tmp)" ] || fail "left $(ls tmp)"
python3 - now.json <<'PY' || fail "the JSON of bench trials"
import json, sys
found = json.load(open(sys.argv[1]))
(s,) = found["shapes"]
assert (s["training_width"], s["leaf_width"], s["jobs"]) == (16, 4, 2), s
# the process of a run holds a megabyte at least
assert s["alone_s"] > 0 and s["at_once_s"] > 0 and s["ratio"] > 0 and s["machine_ratio"] > 0, s
assert s["base_megabytes"] > 1, s
assert found["machine"]["cores"] >= 1 and found["rounds"] == 3
for factor, name in ((1e4, "large"), (1e-4, "small")):
    changed = json.loads(json.dumps(found))
    for figure in ("ratio", "base_megabytes"):
        changed["shapes"][0][figure] *= factor
    changed["shapes"][0]["trial_megabytes"] = 1000  # of so small a trial, the allocator's chance
    json.dump(changed, open(name + ".json", "w"))
PY
expect 0 "$ESPALIER" "${short[@]}" --against large.json
says "at once" "machine" "trial, MB"
expect 1 "$ESPALIER" "${short[@]}" --against small.json
says "1 of 1 shapes are more than 15 % worse by their ratio"
expect 2 "$ESPALIER" bench trials --jobs 1
says "2 or more"
expect 2 "$ESPALIER" bench trials --width 17
says "--leaf-width"
expect 2 "$ESPALIER" bench trials --leaf-width 4 --data nonesuch --rounds 1
[ -z "$(ls tmp)" ] || fail "left $(ls tmp)"
[ "$failures" = 0 ]
