#!/bin/bash
# Whole command lines of check and plan: what they print, where, and their exit codes.
# shellcheck source=tests/fixtures/shipped.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/shipped.sh"
set -u
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
unset ESPALIER_DB
failures=0

# expect NAME EXIT-CODE COMMAND...: runs it; leaves stdout and stderr in files out and words.
expect() {
    local name=$1 code=$2
    shift 2
    "$@" >out 2>words
    local got=$?
    if [ "$got" -ne "$code" ]; then
        echo "FAILED $name: exit $got, expected $code"
        cat out words
        failures=$((failures + 1))
    fi
}
# contains FILE TEXT: the last command said so.
contains() {
    if ! grep -qF -- "$2" "$1"; then
        echo "FAILED: '$2' is not in $1:"
        cat "$1"
        failures=$((failures + 1))
    fi
}
equals() {
    if [ "$1" != "$2" ]; then
        echo "FAILED: got '$1', expected '$2'"
        failures=$((failures + 1))
    fi
}

cat >small.yaml <<'YAML'
study: small
title: A small study
seeds: 0..2
defaults:
  data: {name: tiny, validation: 0.25}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {}, hardening: {}, balance: {}}
  optimizer: {learning_rate: 0.01}
  batch_size: 16
  phases:
    balance: {epochs: 3}
    harden: {epochs: 2, set: {losses.hardening.weight: 3, losses.balance.weight: 0}}
variants:
  baseline: {reference: true, set: {losses.balance.weight: 0}}
  balanced: {}
  master: {set: {heads: {master_leaf: {width: 4}}}}
YAML
export ESPALIER_DATA_PATH=$folder
"$ESPALIER_BUILD/tests/make_data" "$folder" tiny 96 32 6 4 1 >/dev/null || exit 1

# ---- check
expect "check, sound" 0 "$ESPALIER" check small.yaml
equals "$(cat out)" "small.yaml: ok: 3 cells, 9 trials"
contains words "small.yaml:4:1: note: selection.monitor is not set: reports show the epoch best by validation.hard_accuracy"
expect "check, part" 0 "$ESPALIER" check small.yaml --only balanced --seeds 2..3
equals "$(cat out)" "small.yaml: ok: 3 cells, 2 trials"
sed 's/hardening: {}/hardning: {}/; s/epochs: 3/epochs: three/' small.yaml >broken.yaml
expect "check, broken" 2 "$ESPALIER" check broken.yaml small.yaml
equals "$(cat out)" "small.yaml: ok: 3 cells, 9 trials"
contains words "broken.yaml:7:31: error: unknown key 'hardning' in losses; did you mean 'hardening'?"
contains words "broken.yaml:11:23: error: phases.balance.epochs must be a whole number, not 'three'"
equals "$(grep -c broken.yaml words)" 2
sed 's/hardening: {}/qhardening: {}/' small.yaml >longer.yaml
expect "check, a plugin of one's own, not found" 2 "$ESPALIER" check longer.yaml
contains words "'qhardening' in losses; did you mean 'hardening'? A plugin of your own is looked for in ESPALIER_PLUGIN_PATH"
expect "check, no such file" 4 "$ESPALIER" check nowhere.yaml
expect "check, no file named" 2 "$ESPALIER" check
expect "check, unknown option" 2 "$ESPALIER" check --sead 3 small.yaml
"$ESPALIER_BUILD/tests/make_data" "$folder" pairs 8 8 6 4 1 >/dev/null || exit 1
expect "check, all held out" 2 "$ESPALIER" check small.yaml --set data.name=pairs \
    --set data.validation=0.9
contains words "--set:2: error: data.validation 0.9 leaves nothing of pairs to train on"
expect "check, help" 0 "$ESPALIER" check --help
contains out "Examples:"

# ---- plan
expect "plan" 0 "$ESPALIER" plan small.yaml --jobs 1
contains out "9 trials, 9 to run: about"
contains out "an estimate, from a few steps of training"
contains out "weights balance 0, cross_entropy 1, hardening 3"
contains out "selection: best validation.hard_accuracy"
equals "$(grep -c warning out)" 0
expect "plan, by test" 0 "$ESPALIER" plan small.yaml --set selection.monitor=test.hard_accuracy
contains out "warning: selection, early stopping or a schedule looks at the test set"
contains out "override: --set selection.monitor=test.hard_accuracy"
expect "plan, md" 0 "$ESPALIER" plan small.yaml --format md --only master
contains out "| master | 8 | 2 | 2 | 4 | "
equals "$(grep -c baseline out)" 0
expect "plan, no such format" 2 "$ESPALIER" plan small.yaml --format jsn
contains words "did you mean 'json'?"
expect "plan, jobs" 2 "$ESPALIER" plan small.yaml --jobs 0
expect "plan, broken" 2 "$ESPALIER" plan broken.yaml
equals "$(wc -c <out)" 0
[ ! -e results ] || { echo "FAILED: plan wrote a database"; failures=$((failures + 1)); }
echo "this is no database" >junk.db
expect "plan, not a database" 3 "$ESPALIER" plan small.yaml --db junk.db

# JSON: read by a program, if there is one to read it.
expect "plan, json" 0 "$ESPALIER" plan small.yaml --format json --seeds 0,7 --set batch_size=8
if command -v python3 >/dev/null; then
    # Sizes by hand, F = 36, O = 4, l = 2, d = 2, N = 3, L = 4: 3 * 37 + 4 * (2 * 37 + 4 * 3) = 455
    # parameters, 2 * 36 + 2 * 40 = 152 multiply-adds, in training 2 * 36 * 11 + 3 * 8 * 4 + 3 * 4 * 4 =
    # 936; the head has 36 * 4 + 4 + 4 * 4 + 4 + 1 more.
    python3 - out <<'PY' || failures=$((failures + 1))
import json, sys
plan = json.load(open(sys.argv[1]))
assert plan["study"] == "small" and plan["overrides"] == ["batch_size=8"], plan
assert plan["trials"] == 6 and plan["to_run"] == 6 and plan["estimated_seconds"] > 0, plan
cells = {cell["label"]: cell for cell in plan["cells"]}
assert list(cells) == ["baseline", "balanced", "master"], list(cells)
base = cells["baseline"]
assert (base["training_width"], base["leaf_width"], base["depth"]) == (8, 2, 2), base
assert base["parameters"] == 455 and base["inference_macs"] == 152, base
assert base["training_macs"] == 936 and base["kind"] == "fff", base
assert cells["master"]["parameters"] == 455 + 169, cells["master"]
assert base["phases"][1] == {"name": "harden", "epochs": 2, "batch_size": 8, "learning_rate": 0.01,
    "weights": {"balance": 0, "cross_entropy": 1, "hardening": 3}}, base["phases"]
assert base["reference"] is None and cells["balanced"]["reference"] == "baseline"
assert [t["seed"] for t in base["trials"]] == ["0", "7"]
assert all(t["status"] == "missing" and len(t["id"]) == 16 for t in base["trials"])
PY
fi

# What is done already, and how long it took.
expect "run one trial" 0 "$ESPALIER" run small.yaml --db r.db --only baseline --seeds 0
expect "plan, after it" 0 "$ESPALIER" plan small.yaml --db r.db
contains out "0..2  1 done, 2 missing"
contains out "9 trials, 8 to run"
contains out "times of 2 cells: from epochs of that size in r.db"
contains out "times of 1 cells: an estimate"

equals "$(grep -c 'another build' out)" 0
# The same program with a byte more is another build.
cp "$ESPALIER" other && echo >>other
expect "plan, by another build" 0 ./other plan small.yaml --db r.db
equals "$(grep -c '^1 of those done were done by another build' out)" 1
expect "plan, by another build, not asked for" 0 ./other plan small.yaml --db r.db --seeds 1
equals "$(grep -c 'another build' out)" 0

# A swept key of a phase: each cell's phases under its label; a variant without it by its name.
sed 's/master: .*/master: {grid: {}}/' small.yaml >swept.yaml
echo "grid: {phases.harden.epochs: [2, 3]}" >>swept.yaml
expect "plan, swept phase" 0 "$ESPALIER" plan swept.yaml
contains out "baseline phases.harden.epochs=2:"
contains out "balanced phases.harden.epochs=2, master:"
contains out "balanced phases.harden.epochs=3:"
equals "$(grep -c '^baseline:' out)" 0

# What cannot be written is said.
for format in text md json; do
    expect "plan to a full disk, $format" 1 \
        bash -c '"$0" plan small.yaml --db r.db --format "$1" >/dev/full' "$ESPALIER" "$format"
    contains words "the plan cannot be written"
    expect "report to a full disk, $format" 1 \
        bash -c '"$0" report small --db r.db --format "$1" >/dev/full' "$ESPALIER" "$format"
    contains words "the report cannot be written"
done

# ---- report
expect "report, unknown" 4 "$ESPALIER" report nosuch --db r.db
contains words "no study 'nosuch' in r.db; it holds small"
expect "report, misspelled" 4 "$ESPALIER" report smal --db r.db
contains words "no study 'smal' in r.db; did you mean 'small'?"
expect "report, a file never run" 4 "$ESPALIER" report --db r.db \
    "$ESPALIER_SOURCE/experiments/quickstart.yaml"
contains words "no study 'quickstart' in r.db; it holds small"

# A further selection monitor and contrasts, from the study file to the report.
sed 's/  master: .*/  last: {set: {selection.monitor: [test.soft_loss, test.hard_accuracy]}}/' \
    small.yaml >asked.yaml
cat >>asked.yaml <<'YAML'
contrasts: [[balanced, baseline], [{variant: last}, balanced]]
report: {at: [last, "selected:test.hard_accuracy"], metrics: test.hard_accuracy, figures: seed_dots}
YAML
expect "run a part" 0 "$ESPALIER" run asked.yaml --db s.db --only baseline --seeds 0
expect "report, an epoch that no trial has yet" 0 "$ESPALIER" report small --db s.db
contains out "test.hard_accuracy, at the epoch selected by test.hard_accuracy (the test set!)"
expect "run" 0 "$ESPALIER" run asked.yaml --db s.db
expect "report, contrasts" 0 "$ESPALIER" report small --db s.db
contains out "Test accuracy, hard routing, percent: contrasts"
# Two pairs at the last epoch; at the further monitor's, only one side has values.
equals "$(grep -cE '^ +(last|balanced) +(balanced|baseline) +3 .*\(3\) ' out)" 2
expect "report, contrasts at every epoch" 0 "$ESPALIER" report small --db s.db --statistics
equals "$(grep -cE '^ +last +balanced +3 .* 0/3 ' out)" 3 # means, tests, spreads
contains out "figures, drawn by --figures DIR: seed_dots."
expect "report, csv" 0 "$ESPALIER" report small --db s.db --format csv
equals "$(grep -cE ',balanced,baseline,(true|false),' out)" 2

# A plugin file that was refused is not just an unknown key.
mkdir refused && echo "not a plugin" >refused/term_of_test_plan.so
sed 's/hardening: {}, balance: {}/term_of_test_plan: {}/' small.yaml >lacking.yaml
refused=$folder/refused
expect "check, refused plugin" 2 env ESPALIER_PLUGIN_PATH="$refused" "$ESPALIER" check lacking.yaml
contains words "lacking.yaml:7:31: error: unknown key 'term_of_test_plan' in losses; plugin"
contains words "plugin $refused/term_of_test_plan.so was refused: "
sed -i 's/term_of_test_plan/another_term_of_test_plan/' lacking.yaml
expect "check, some refused" 2 env ESPALIER_PLUGIN_PATH="$refused" "$ESPALIER" check lacking.yaml
contains words "(1 plugin files were refused; \`espalier plugins ls\` says which and why)"

# ---- the studies that come with espalier
# Run beside the source, never in it: the working folder is only written to here.
other=$ESPALIER_SOURCE/experiments/other_data.yaml # of data that no package manager brings
expect "data not here" 2 env XDG_CACHE_HOME="$PWD/none" "$ESPALIER" check "$other"
contains words "$other:29:21: error: data set 'svhn' is not here; \`espalier data fetch svhn\` tells"
while read -r study; do
    data=()
    [ "$study" != "$other" ] || data=(--set data.name=mnist)
    expect "check $study" 0 "$ESPALIER" check "$study" "${data[@]}"
    equals "$(grep -vc 'note: .* has seen the test set' words)" 0
    head -1 "$study" | grep -q '^# Question: ' || {
        echo "FAILED: $study does not open with its question"
        failures=$((failures + 1))
    }
done < <(shipped 'experiments/*.yaml')
table=$ESPALIER_SOURCE/experiments/table1.yaml
expect "table1, shortened" 0 "$ESPALIER" check "$table" --set phases.balance.epochs=30 \
    --set phases.harden.epochs=30 --seeds 0..1
equals "$(cat out)" "$table: ok: 18 cells, 36 trials"
equals "$(grep -c warning words)" 0

[ "$failures" -eq 0 ] && echo "passed"
exit "$failures"
