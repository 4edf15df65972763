#!/usr/bin/env bash
# plan --power: what the seeds of a study can find. Numbers by R 4.2.2: power.t.test (strict) for
# n = 10 gives 0.996 sd paired, 1.325 sd a side; for 0.5 sd, 34 pairs and 64 a side.
# shellcheck source=tests/fixtures/command_line.sh
. "$(dirname "$0")/../fixtures/command_line.sh"
cat >study.yaml <<'YAML'
study: small
seeds: 0..9
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {first: {epochs: 3}}
  selection: {monitor: test.hard_accuracy}
variants:
  baseline: {reference: true, set: {losses.balance.weight: 0}}
  balanced: {}
grid: {model.leaf_width: [2, 4]}
report: {metrics: [test.hard_accuracy]}
YAML

# Nothing in the database, nor a database: units of sd.
expect 0 "$ESPALIER" plan study.yaml --power
says "at selected (chosen by the test set!)" "sds are unknown" \
    "first of the 2 contrasts must reach under Holm"
grep -qE '^ +10 +0.05 +1.00 sd +1.32 sd +x 2.68 +[0-9]+ % +58 % +0.002 +1.1e-05$' stdout ||
    fail "the row of ten seeds"
[ ! -e results ] || fail "plan wrote a database"
expect 0 "$ESPALIER" plan study.yaml --power=0.5sd
says "A difference of 0.5 sd needs 34 seeds paired, 64 a side where unpaired."

# Ranks of five pairs cannot reach 0.05, those of two samples of five can.
expect 0 "$ESPALIER" plan study.yaml --power --seeds 0..4
grep -qE '^ +5 +0.05 .* never \(0.062\) +0.0079$' stdout || fail "the row of five seeds"
expect 0 "$ESPALIER" plan study.yaml --power --seeds 0..1
says "Below 3 seeds a report prints no p value"

# Known sds, of the cells or of the study.
expect 0 "$ESPALIER" run study.yaml --db r.db --seeds 0..4 --only '*leaf_width=2'
expect 0 "$ESPALIER" plan study.yaml --power=2% --db r.db --format md
says "| seeds | sd of difference | correlation |" "seeds: 2.00 %" " (5) |" " * |" \
    "balanced model.leaf_width=4 against baseline model.leaf_width=4 |"
expect 0 "$ESPALIER" plan study.yaml --power=0.02 --db r.db --format json
if command -v python3 >/dev/null; then
    "$ESPALIER" query "SELECT delta FROM paired_delta WHERE at = 'selected' AND
        split = 'test' AND metric = 'hard_accuracy'" --db r.db --format json >deltas.json
    python3 - stdout deltas.json <<'PY' || fail "json"
import json, statistics, sys
power, deltas = (json.load(open(path)) for path in sys.argv[1:])
known, other = power["contrasts"]
sd = statistics.stdev(row["delta"] for row in deltas)
assert known["known_pairs"] == 5 and known["sd_from"] == "cells", known
assert abs(known["sd_difference"] - sd) < 1e-12, (known, sd)
# 0.996001 sds at n = 10: power.t.test(n = 10, power = 0.8, type = "paired", strict = TRUE).
assert abs(known["paired_t"] / sd - 0.996001) < 1e-5, known
assert other["sd_from"] == "study" and abs(other["sd_difference"] - sd) < 1e-12, other
assert known["paired_seeds"] > 0 and power["by_test"] is True, power
assert power["seeds"][1]["alpha"] == 0.025, power
PY
fi

# Epochs to the reported score are no fractions.
sed 's/metrics: .*/metrics: [test.epochs_to_hard_accuracy]}/' study.yaml >epochs.yaml
expect 0 "$ESPALIER" plan epochs.yaml --power --db r.db
says "by test.epochs_to_hard_accuracy" " (5) "
grep -qE '^ +10 +[0-9.]+ \(5\) ' stdout || fail "an sd of epochs"

# Contrasts that are listed stand in place of those with the reference.
sed 's/^grid: .*/contrasts: [[baseline, balanced]]/' study.yaml >listed.yaml
expect 0 "$ESPALIER" plan listed.yaml --power --db r.db
says "baseline against balanced"
sed 's/reference: true, //' study.yaml >alone.yaml
expect 0 "$ESPALIER" plan alone.yaml --power --db r.db
says "neither a reference variant nor contrasts"

for wrong in 0.5xd -1 0 inf nan "" %; do
    expect 2 "$ESPALIER" plan study.yaml "--power=$wrong"
    says "--power takes a difference such as 0.002, 0.2% or 0.5sd, not '$wrong'"
done

expect 2 "$ESPALIER" plan study.yaml --power=50
says "test.hard_accuracy is a fraction: write 0.5% or 0.005, not 50"
expect 2 "$ESPALIER" plan study.yaml --power 0.5%
says "found '0.5%' too; a difference is written --power=0.5%"

[ "$failures" -eq 0 ] && echo "passed"
exit "$failures"
