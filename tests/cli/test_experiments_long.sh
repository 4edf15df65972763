#!/bin/bash
# Every study that comes with espalier on the data it names, shortened: one epoch, or 20 steps, a phase and one
# seed of the cells. Each must run, report, and meet the published values it names. A study whose data
# set is not here is left out, and said; without FashionMNIST nothing is run.
# shellcheck source=tests/fixtures/shipped.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/shipped.sh"
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export NO_COLOR=1 ESPALIER_DB=$scratch/experiments.db
failures=0

fail() {
    echo "FAILED: $*"
    cat stdout stderr 2>/dev/null
    failures=$((failures + 1))
}

"$ESPALIER" data ls | grep -q '^fashion-mnist *present' || {
    echo "skipped: FashionMNIST is not here"
    exit 77
}

# train STUDY WORD...: runs it, every trial to its end.
train() {
    "$ESPALIER" run "$@" >stdout 2>stderr </dev/null || fail "run $*"
    tail -n 1 stderr
}

for study in $(shipped 'experiments/*.yaml'); do
    name=$(basename "$study" .yaml)
    if ! "$ESPALIER" plan "$study" --format json >plan.json 2>stderr; then
        absent='unknown data set|data set .* is not here'
        if grep -qE "$absent" stderr && ! grep 'error:' stderr | grep -qvE "$absent"; then
            echo "$name: left out, its data are not here"
        else
            : >stdout
            fail "plan $name"
        fi
        continue
    fi
    short=()
    # the phases of the plan: "steps" follows in those that have a budget of steps
    while read -r phase budget; do
        short+=(--set "phases.$phase.$budget")
    done < <(awk -F '"' '$2 == "name" {name = $4; of[name] = "epochs=1"}
        $2 == "steps" {of[name] = "steps=20"} END {for (name in of) print name, of[name]}' plan.json)
    echo "== $name"
    case $name in
    batch_size_budget) # one phase, of epochs in one variant and steps in another
        train "$study" --seeds 0 --set 'phases={train: {epochs: 1}}' --only '[el]*'
        train "$study" --seeds 0 --set 'phases={train: {steps: 20}}' --only 'steps' ;;
    init_or_order) # all 16 seeds of one cell
        train "$study" "${short[@]}" --only 'baseline model.leaf_width=8'
        "$ESPALIER" query seed-sources --set study=$name --format csv >stdout 2>stderr
        [ "$(sed -n 2p stdout | cut -d , -f 3,4)" = "4,4" ] || fail "no variance by source" ;;
    fff_paper_table1) # 40 cells: those of one data set
        train "$study" --seeds 0 "${short[@]}" --only '*data.name=fashion-mnist*' ;;
    node_trees) # thousands of neurons: most trees and fewest, on one data set
        train "$study" --seeds 0 "${short[@]}" --only '*data.name=fashion-mnist model.trees=1*' ;;
    *) train "$study" --seeds 0 "${short[@]}" ;;
    esac
    "$ESPALIER" report "$name" >stdout 2>stderr || fail "report $name"
    grep -q 'accuracy' stdout || fail "the report of $name shows no accuracy"
    if grep -q '^ *published:' "$study"; then
        "$ESPALIER" query "SELECT count(*) FROM versus_published WHERE study = '$name'" --format csv \
            >stdout 2>stderr
        [ "$(tail -n 1 stdout)" -gt 0 ] || fail "$name meets no published value"
    fi
done
"$ESPALIER" query "SELECT count(*) FROM missing_trials WHERE status IN ('failed', 'interrupted')" \
    --format csv >stdout 2>stderr
[ "$(tail -n 1 stdout)" = 0 ] || fail "trials failed"

[ $failures = 0 ] || exit 1
echo "all experiments run"
