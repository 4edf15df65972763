#!/bin/bash
# report --variance: seeds made bad by hand are named, and are the same ones; init is told from order;
# failures are counted by the study's limit.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

study() {
    cat <<YAML
study: $1
seeds: $2
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {first: {epochs: 2}, second: {epochs: 2}}
variants:
  baseline: {reference: true}
  wide: {set: {batch_size: 64}}
report:
  metrics: [test.hard_accuracy]
  at: last
  failure: {metric: test.hard_accuracy, below: 0.3}
YAML
}
study same 0..4 >same.yaml
study crossed '{init: 0..2, order: 0..1}' >crossed.yaml
expect 0 "$ESPALIER" run same.yaml --db some.db
expect 0 "$ESPALIER" run crossed.yaml --db some.db

# Values by hand. Seed 3 is the worst of both variants, below the limit; the order of the others is
# the same but for 0 and 1, which change places: rank correlation 1 - 6 * 2 / (5 * 24) = 0.9, and 10
# of the 120 orders are as far out.
set_value() { # STUDY VARIANT SEED VALUE
    sqlite3 some.db "UPDATE epoch SET test_hard_accuracy = $4 WHERE (trial, epoch) IN (SELECT
        t.trial_key, s.epoch FROM study_trial t JOIN selection s ON s.trial = t.trial_key AND
        s.at = 'last' WHERE t.study = '$1' AND t.variant = '$2' AND t.seed = '$3')"
}
for seed in 0:0.70:0.80 1:0.72:0.75 2:0.80:0.85 3:0.20:0.10 4:0.90:0.95; do
    IFS=: read -r s baseline wide <<<"$seed"
    set_value same baseline "$s" "$baseline"
    set_value same wide "$s" "$wide"
done
expect 0 "$ESPALIER" report same --db some.db --variance
says "same: variance over seeds" "worst seeds of each cell" "3 (20.00, -1.7 sd)" "3 (10.00, -1.7 sd)" \
    "1/5 [1, 72] %" "+0.90 (0.083)" "does not cross its sources" "sd over seeds as training goes" \
    "second " "what it goes with"
# The standing of seed 3 is 0 in all, of seed 4 is 1.
grep -qE '^  3 +0.00 +0.00 +0.00$' stdout || fail "the worst seed's standing"
grep -qE '^  4 +1.00 +1.00 +1.00$' stdout || fail "the best seed's standing"

# init 0, 1, 2 with orders 0, 1: by R, aov(c(.5, .6, .7, .8, .9, .95) ~ init + order):
# mean squares .0704167 .0104167 .0004167, so sds sqrt(.035) and sqrt(.0033333), p .0059 and .038.
values=(0.5 0.6 0.7 0.8 0.9 0.95)
i=0
for init in 0 1 2; do
    for order in 0 1; do
        set_value crossed baseline "init=$init,order=$order,noise=0" "${values[$i]}"
        i=$((i + 1))
    done
done
expect 0 "$ESPALIER" report crossed --db some.db --variance
says "which randomness the variance comes from" "seeds are crossed here"
grep -E '^  baseline +6 ' stdout | grep -qE ' 18\.71 +0\.006 +5\.77 +0\.0[0-9]+ ' ||
    fail "sds by init and order"

# ---- every format, and what lies behind it -----------------------------------------------------
for format in md latex csv json; do
    expect 0 "$ESPALIER" report same --db some.db --variance --format $format
    says "worst"
done
"$ESPALIER" report same --db some.db --variance --format csv |
    grep -qxF '"standings",1,"3","all","0.00"' || fail "the worst seed in CSV"
expect 0 "$ESPALIER" report same --db some.db --variance --queries
says "query: SELECT cell, seed, value FROM trial_final WHERE study = 'same'"
exit "$failures"
