#!/bin/bash
# The sentences a report begins with, on values set by hand: what is tested and why not, what is
# pooled, what is named best and worst, what failed.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

# study NAME SEEDS: the head of a study whose trials train in a moment.
study() {
    cat <<YAML
study: $1
seeds: $2
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {p: {epochs: 1}}
report: {metrics: [test.hard_accuracy]}
YAML
}

# set_values STUDY SQL: the test accuracy of every trial, from its cell c and itself, t.
set_values() {
    sqlite3 "$1.db" "UPDATE epoch SET test_hard_accuracy = (SELECT $2 FROM cell_trial ct JOIN cell c ON c.id = ct.cell
        JOIN trial t ON t.id = ct.trial WHERE ct.trial = epoch.trial)"
}

# findings STUDY [OPTION...]: the sentences that the report begins with, as one line.
findings() {
    expect 0 "$ESPALIER" report "$@" --db "$1.db"
    awk '/^- /{found = 1} found && /^$/{exit} found' stdout | tr '\n' ' ' | sed 's/\xc2\xa0/ /g; s/  */ /g' >flat
    mv flat stdout
}

# ---- why there is no test ------------------------------------------------------------------------
{ study few 0..4 && echo 'variants: {none: {reference: true}, even: {set: {losses.balance.weight: 2}}}'; } >few.yaml
expect 0 "$ESPALIER" run few.yaml --db few.db

# Both sides vary, by 2 of 40 examples apart in each of five seeds.
set_values few "(7 + 6 * t.seed_init + t.seed_init % 2 + 2 * (c.variant = 'even')) / 40.0"
findings few
says "even against none: a mean of 53.50 % (sd 23.76 points, n 5) against 48.50 % (sd 23.76 points, n 5);" \
    "difference +5.00 points in each of 5 pairs, not tested, because the differences do not vary."
[ "$(value few.db "SELECT max(delta) > min(delta) FROM paired_delta WHERE split = 'test' AND metric = 'hard_accuracy' AND at = 'last'")" = 1 ] ||
    fail "rounding tells the differences apart, or nothing is tested here"
expect 0 "$ESPALIER" query delta --set study=few --format csv --db few.db
[ "$(tail -n 1 stdout | cut -d, -f6)" = 0 ] || fail "sd_delta of constant differences"
expect 0 "$ESPALIER" report few --db few.db --format csv
head -n 1 stdout | tr , '\n' | grep -n '^sd_delta$' | cut -d: -f1 >column
[ "$(grep ,even, stdout | head -n 1 | cut -d, -f"$(cat column)")" = 0 ] || fail "sd_delta in CSV"
expect 0 "$ESPALIER" report few --db few.db --format json
says '"untested": "the differences do not vary"'

# No value differs from the others of its side; one of them by rounding alone.
set_values few "iif(c.variant = 'even', 0.5, iif(t.seed_init = 1, 0.1 + 0.2, 0.3))"
findings few
says "against 30.00 % (sd 0.00 points, n 5), not tested, because the values do not vary."
expect 0 "$ESPALIER" query delta --set study=few --format csv --db few.db
[ "$(tail -n 1 stdout | cut -d, -f6)" = 0 ] || fail "sd_delta of values that differ by rounding"
# One side varies, the other does not: differences vary, and t.test(c(.1, .2, .3, .4, .5) - .3,
# mu = 0) in R is t = 0, p = 1.
set_values few "iif(c.variant = 'even', (t.seed_init + 1) / 10.0, 0.3)"
findings few
says "p 1.000 by the paired t test"
# A reference that varies by rounding alone has no variance to divide by.
set_values few "iif(c.variant = 'even', (t.seed_init + 1) / 10.0, iif(t.seed_init = 1, 0.1 + 0.2, 0.3))"
expect 0 "$ESPALIER" query spread --set study=few --format csv --db few.db
says "reference has no variance: no ratio"

# What rounding leaves is no spread in queries either: .1 init + .07 order + .1 has nothing beside the two.
study crossed '{init: 0..2, order: 0..2}' >crossed.yaml
expect 0 "$ESPALIER" run crossed.yaml --db crossed.db
set_values crossed "t.seed_init / 10.0 + t.seed_order * 0.07 + 0.1"
expect 0 "$ESPALIER" query seed-sources --db crossed.db --format csv
[ "$(tail -n 1 stdout | cut -d, -f6-8 | tr , '\n' | xargs printf '%.9f ')" = "0.100000000 0.070000000 0.000000000 " ] ||
    fail "sources of spread"
[ "$(tail -n 1 stdout | cut -d, -f8)" = 0 ] || fail "sd_rest of sums"
expect 0 "$ESPALIER" query seeds --set study=crossed --db crossed.db --format csv
grep -q 'e-1[5-9]' stdout && fail "a deviation of rounding"

# Two seeds, one seed.
sqlite3 few.db "UPDATE trial SET status = 'failed' WHERE seed_init > 1"
findings few
says "n 2), not tested, because fewer than 3 seeds say too little; failed: 3 of 5 trials against 3 of 5."
sqlite3 few.db "UPDATE trial SET status = 'failed' WHERE seed_init > 0"
findings few
says "a mean of 10.00 % (n 1) against 30.00 % (n 1), not tested, because fewer than 3 seeds say too little;"
# Three seeds a side, of which two are shared: 1 to 3 and 0 to 2.
sqlite3 few.db "UPDATE trial SET status = iif((SELECT c.variant = 'even' FROM cell c JOIN cell_trial ct ON ct.cell = c.id
    WHERE ct.trial = trial.id), iif(seed_init > 2, 'failed', 'done'), iif(seed_init IN (0, 4), 'failed', 'done'))"
findings few
says "n 3), not tested, because fewer than 3 seeds have a value on both sides"
sqlite3 few.db "UPDATE trial SET status = 'done'"

# ---- doses -------------------------------------------------------------------------------------
# Differences in points, by seed. p of three pairs is 1 - t / sqrt(2 + t^2), t(.975, 2) is 4.302653.
#   weight   toy             mean   t        p         tow            mean over both   t   p
#   0.1      10  2  3        5      1.98680  0.18531   0  2  1        5 2 2            3   0.095466
#   1        -1 -2 -3       -2     -3.46410  0.074180 -3 -2 -1        -2 -2 -2
#   10       1   1  4        2      2        0.183503  1  1  4        1 1 4            2   0.183503
# Holm's of toy alone: 3 x 0.07418 = 0.223, 2 x 0.183503 = 0.367 and that again; of both together: 2 x 0.095466
# = 0.191 twice.
difference='CASE c.variant WHEN "none" THEN 0 ELSE CASE substr(c.label, instr(c.label, "balance.weight=") + 15)
    WHEN "0.1" THEN iif(c.label LIKE "%tow%", json_extract("[0, 2, 1]", k), json_extract("[10, 2, 3]", k))
    WHEN "1" THEN iif(c.label LIKE "%tow%", t.seed_init - 3, -1 - t.seed_init)
    WHEN "10" THEN json_extract("[1, 1, 4]", k) ELSE 0 END END'
difference=$(sed "s/\"/'/g; s/, k)/, '\$[' || t.seed_init || ']')/g" <<<"$difference")
{ study doses 0..2 && cat <<'YAML'; } >doses.yaml
variants:
  none: {reference: true, set: {losses.balance.weight: 0}}
  even: {grid: {losses.balance.weight: [0.0, 0.1, 1, 10]}}
YAML
expect 0 "$ESPALIER" run doses.yaml --db doses.db
set_values doses "(50 + 10 * t.seed_init + $difference) / 100.0"
best='Best of 4 is losses.balance.weight=0.1: a mean of 65.00 % (sd 7.00 points, n 3) against 60.00 % (sd 10.00 points, n 3); difference +5.00 points, 95 % interval [-5.83, 15.83], p 0.367 after Holm'\''s correction for 3 comparisons (0.185 uncorrected) by the paired t test'
worst='Worst of 4 is losses.balance.weight=1: a mean of 58.00 % (sd 9.00 points, n 3) against 60.00 % (sd 10.00 points, n 3); difference -2.00 points, 95 % interval [-4.48, 0.48], p 0.223 after Holm'\''s correction for 3 comparisons (0.074 uncorrected)'
findings doses
says "even against none: a higher mean in 2 of 4 comparisons, in 0 of them with p below 0.05 after Holm's correction" \
    "The 4 values of losses.balance.weight are not pooled." "$best" "$worst"
grep -q 'together' stdout && fail "doses are pooled"
for format in md latex html; do
    expect 0 "$ESPALIER" report doses --db doses.db --format $format
    tr '\n' ' ' <stdout | sed 's/\xc2\xa0/ /g; s/\\\([][%]\)/\1/g; s/~%/ %/g; s/\\,%/ %/g; s/&#39;/'\''/g; s/  */ /g' >flat
    mv flat stdout
    says "0.367 after Holm" "Best of 4 is losses.balance.weight=0.1" "Worst of 4 is losses.balance.weight=1"
done
expect 0 "$ESPALIER" report doses --db doses.db --format json
python3 - <<'PY' || fail "doses in JSON"
import json
one = json.load(open('stdout'))['comparisons'][0]
pooled = {family['a']: family for family in one['pooled']}
assert set(pooled) == {'even losses.balance.weight=' + w for w in ('0', '0.1', '1', '10')}, set(pooled)
assert all(family['comparisons'] == 1 and family['p_holm'] is None for family in pooled.values())
holm = {c['a'].split('=')[-1]: c['p_holm'] for c in one['comparisons']}
assert holm['0'] is None and abs(holm['1'] - 0.2225399) < 1e-6 and abs(holm['0.1'] - 0.3670069) < 1e-6, holm
PY

# The reference has data sets too: each dose is pooled over these, and its p corrected for the doses.
"$ESPALIER_BUILD/tests/make_data" "$ESPALIER_DATA_PATH" tow 200 60 8 4 2
{ study both 0..2 && cat <<'YAML'; } >both.yaml
variants:
  none: {reference: true, set: {losses.balance.weight: 0}, grid: {data.name: [toy, tow]}}
  even: {grid: {data.name: [toy, tow], losses.balance.weight: [0.1, 1, 10]}}
YAML
expect 0 "$ESPALIER" run both.yaml --db both.db
set_values both "(50 + 10 * t.seed_init + $difference) / 100.0"
findings both
says "The 3 values of losses.balance.weight are not pooled." \
    "Best of 3 is losses.balance.weight=0.1: over its 2 cells together (6 pairs of 3 seeds) the difference is +3.00 points, 95 % interval [-1.30, 7.30], p 0.191 after Holm's correction for 2 pooled tests (0.095 uncorrected)" \
    "Worst of 3 is losses.balance.weight=1: over its 2 cells together (6 pairs of 3 seeds) the difference is -2.00 points, not tested, because the differences do not vary"
expect 0 "$ESPALIER" report both --db both.db --format md
says '| even losses.balance.weight=10 | none | 2/2 | 3 | 6 | +2.00 | \[-2.30, 6.30\] | 0.184 | 0.191 |'

# One value on both sides: nothing is left but data sets, which are pooled, by one test. 5 2 2 as above.
{ study once 0..2 && cat <<'YAML'; } >once.yaml
variants:
  none: {reference: true, set: {losses.balance.weight: 0}}
  even: {grid: {data.name: [toy, tow], losses.balance.weight: [0.1]}}
grid: {data.name: [toy, tow]}
YAML
expect 0 "$ESPALIER" run once.yaml --db once.db
set_values once "(50 + 10 * t.seed_init + $difference) / 100.0"
findings once
says "Over all of them together (6 pairs of 3 seeds) the difference is +3.00 points, 95 % interval [-1.30, 7.30], p 0.095 (the only pooled test)"

# Two keys, of which only one is the reference's own; keys that advance together.
{ study keys 0..2 && cat <<'YAML'; } >keys.yaml
variants:
  none: {reference: true, set: {losses.balance.weight: 0}, grid: {model.leaf_width: [1, 2]}}
  even: {}
grid: {model.leaf_width: [1, 2], optimizer.learning_rate: [0.01, 0.02], losses.balance.weight: [0.1, 1, 10]}
YAML
{ study zipped 0..2 && cat <<'YAML'; } >zipped.yaml
variants:
  none: {reference: true, set: {losses.balance.weight: 0}, zip: {}, grid: {}}
  even: {}
zip: {optimizer.learning_rate: [0.01, 0.02, 0.03], losses.balance.weight: [0.1, 1, 10]}
YAML
for name in keys zipped; do
    expect 0 "$ESPALIER" run $name.yaml --db $name.db
    set_values $name "(50 + 10 * t.seed_init + $difference) / 100.0"
    findings $name
done
says "The 3 combinations of losses.balance.weight and optimizer.learning_rate are not pooled." \
    "Best of 3 is losses.balance.weight=0.1 optimizer.learning_rate=0.01: a mean of 65.00 %"
findings keys
says "The 6 combinations of losses.balance.weight and optimizer.learning_rate are not pooled." \
    "Best of 6 is losses.balance.weight=0.1 optimizer.learning_rate=0.01: over its 2 cells together"
# The other way round: the side that is compared with has the doses.
{ study turned 0..2 | sed 's/^report:.*/report: {metrics: [test.hard_accuracy]}/' && cat <<'YAML'; } >turned.yaml
variants:
  ff: {set: {model: {kind: ff, width: 4}, losses.balance.weight: 0}}
  fff: {grid: {model.leaf_width: [1, 2]}}
contrasts: [[ff, fff]]
YAML
expect 0 "$ESPALIER" run turned.yaml --db turned.db
set_values turned "(50 + 10 * t.seed_init + (c.label LIKE '%=2') * (1 - t.seed_init)) / 100.0"
findings turned
says "ff against fff: a higher mean in 0 of 2 comparisons" "The 2 values of model.leaf_width are not pooled." \
    "Best of 2 is against model.leaf_width=1: a mean of 60.00 %"

# A dose of which every seed broke off has no mean to be the worst: it is said.
sqlite3 doses.db "UPDATE trial SET status = 'failed' WHERE id IN (SELECT ct.trial FROM cell_trial ct JOIN cell c
    ON c.id = ct.cell WHERE c.label LIKE '%weight=10')"
findings doses
says "Worst with values of 4 is losses.balance.weight=1:" \
    "Most trials failed with losses.balance.weight=10, 3 of 3; failed: 3 of 12 trials against 0 of 3."
# Two doses failed alike: neither has the most.
sqlite3 doses.db "UPDATE trial SET status = 'failed' WHERE id IN (SELECT ct.trial FROM cell_trial ct JOIN cell c
    ON c.id = ct.cell WHERE c.label LIKE '%weight=1')"
findings doses
says "failed: 6 of 12 trials against 0 of 3."
grep -q 'Most trials failed' stdout && fail "the most of two that are equal"
sqlite3 doses.db "UPDATE trial SET status = 'done' WHERE id IN (SELECT ct.trial FROM cell_trial ct JOIN cell c
    ON c.id = ct.cell WHERE c.label LIKE '%weight=1')"

# ---- failures ------------------------------------------------------------------------------------
# fails STUDY WHICH: the trials of these cells broke off, and no others.
fails() {
    sqlite3 "$1.db" "UPDATE trial SET status = iif(id IN (SELECT ct.trial FROM cell_trial ct JOIN cell c
        ON c.id = ct.cell WHERE $2), 'failed', 'done')"
}
fails few "c.variant = 'none'"
findings few
says "even against none: not compared, because all 5 trials of 'none' failed; failed: 0 of 5 trials against 5 of 5."
grep -q 'a mean of' stdout && fail "means of what is left"
for format in md latex html; do
    expect 0 "$ESPALIER" report few --db few.db --format $format
    tr '\n' ' ' <stdout | sed 's/&#39;/'\''/g' >flat && mv flat stdout
    says "not compared, because all 5 trials of" "failed; failed: 0 of 5"
done
fails few 1
findings few
says "not compared, because all 5 trials of 'even' failed, all 5 trials of 'none' failed; failed: 5 of 5 trials against 5 of 5."
# Some of the reference: what is left is compared, and the rest is said.
fails both "c.label LIKE 'none%toy'"
findings both
says "3 of 6 comparisons have no values on both sides, because all 3 trials of 'none data.name=toy' failed; failed: 0 of 18 trials against 3 of 6." \
    "a higher mean in 2 of 3 comparisons"
fails both "c.label LIKE '%tow%=0.1'"
findings both
says "Best of 3 is losses.balance.weight=0.1: over 1 of its 2 cells (3 pairs of 3 seeds) the difference is +5.00 points" \
    "Most trials failed with losses.balance.weight=0.1, 3 of 6; failed: 3 of 18 trials against 0 of 6."
# A trial of the reference that still runs.
sqlite3 few.db "UPDATE trial SET status = 'failed'; UPDATE trial SET status = 'running' WHERE id = (SELECT max(ct.trial)
    FROM cell_trial ct JOIN cell c ON c.id = ct.cell WHERE c.variant = 'none')"
findings few
says "4 of 5 trials of 'none' failed and none has a value"

# ---- many cells ----------------------------------------------------------------------------------
{ study many 0..1 && echo 'grid: {optimizer.learning_rate: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1]}'; } >many.yaml
expect 0 "$ESPALIER" run many.yaml --db many.db
# 0.02 is best, then 0.09, 0.08, ..; 0.07 failed.
set_values many "iif(c.label LIKE '%0.02', 0.9, substr(c.label, instr(c.label, 'rate=') + 5) * 5)"
fails many "c.label LIKE '%0.07'"
findings many
ranks() { grep -o 'rate=[0-9.]*' stdout | cut -d= -f2 | tr '\n' ' '; }
[ "$(ranks)" = "0.02 0.1 0.09 0.08 0.06 0.05 0.04 0.03 0.07 " ] || fail "ranked by the primary metric"
says "These are the best 8 of 9 cells, in order" "No mean: all 2 trials of 'default optimizer.learning_rate=0.07' failed."
# Of losses the least is best.
sqlite3 many.db "UPDATE epoch SET test_hard_loss = test_hard_accuracy"
findings many --metric test.hard_loss
[ "$(ranks)" = "0.01 0.03 0.04 0.05 0.06 0.08 0.09 0.1 0.07 " ] || fail "ranked by the least loss"
# Eight stand as the study has them.
"$ESPALIER" report many --db many.db --format json >/dev/null || fail "many cells as JSON"
fails many "c.label LIKE '%0.07' OR c.label LIKE '%0.02'"
findings many
[ "$(ranks)" = "0.01 0.03 0.04 0.05 0.06 0.08 0.09 0.1 0.02 0.07 " ] || fail "eight cells in the study's order"

# query best: from the best cell, of the validation split where nothing else is said.
fails many 0
sed 's/toy}/toy, validation: 0.2}/; s/^study: many/study: split/' many.yaml >split.yaml
expect 0 "$ESPALIER" run split.yaml --db many.db
sqlite3 many.db "UPDATE epoch SET validation_hard_accuracy = 1 - test_hard_accuracy,
    validation_hard_loss = 1 - test_hard_accuracy WHERE validation_hard_accuracy IS NOT NULL"
best() { "$ESPALIER" query best --db many.db --format csv --set study=split "$@" | tail -n +2 | cut -d, -f7; }
[ "$(best | wc -l)" = 10 ] || fail "best: of the one study with a validation split"
[ "$(best)" = "$(best | sort -gr)" ] || fail "best: from the best cell"
[ "$(best | xargs printf '%.6f\n')" = "$(sqlite3 many.db "SELECT printf('%.6f', max(value)) FROM trial_final
    WHERE split = 'validation' AND metric = 'hard_accuracy' AND at = 'selected' GROUP BY cell ORDER BY 1 DESC")" ] ||
    fail "best: values"
[ "$(best --set metric=hard_loss)" = "$(best --set metric=hard_loss | sort -g)" ] || fail "best: from the least loss"
[ "$(best --set study=many --set split=test)" = "$(best --set study=many --set split=test | sort -gr)" ] || fail "best: of test"
[ "$(best --set study=many --set metric=test.hard_accuracy | wc -l)" = 10 ] || fail "best: by the metric's own split"
[ "$(best --set study=many | wc -l)" = 10 ] || fail "best: of a study without a validation split"
"$ESPALIER" query best --db many.db --format csv | tail -n +2 | cut -d, -f1,10 | uniq -c | tr -s ' ' >splits
[ "$(tr '\n' ';' <splits)" = " 10 many,test; 10 split,validation;" ] || fail "best: which split: $(cat splits)"

# A dose that the reference has not is compared with nothing, and a note says which. Two seeds test nothing, which
# is not the same as no p below 0.05.
{ study doseless 0..1 && cat <<'YAML'; } >doseless.yaml
variants:
  none: {reference: true, grid: {model.leaf_width: [1, 2]}}
  even: {set: {losses.balance.weight: 2}, grid: {model.leaf_width: [1, 2, 4]}}
YAML
expect 0 "$ESPALIER" run doseless.yaml --db doseless.db
set_values doseless "(10 + t.seed_init * iif(c.variant = 'none', 1, 4) + (c.variant = 'even')) / 60.0"
findings doseless
says "even against none: a higher mean in 2 of 2 comparisons, none of them tested; a smaller sd over seeds in 0 of 2."
expect 0 "$ESPALIER" report doseless --db doseless.db
tr '\n' ' ' <stdout | sed 's/  */ /g' >flat && mv flat stdout
says "1 of 5 cells is compared with nothing, because no cell of the reference matches it: even model.leaf_width=4." \
    "p Holm: none, because no comparison of the table has a p."
expect 0 "$ESPALIER" report few --db few.db
grep -q 'compared with nothing' stdout && fail "every cell of few has its reference"
# An sd 16 times the other: 16 / sqrt(F) and 16 x sqrt(F) of F(.975; 2, 2) = 39 are 2.56 and 99.9.
{ study wide 0..2 && echo 'variants: {none: {reference: true}, even: {set: {losses.balance.weight: 2}}}'; } >wide.yaml
expect 0 "$ESPALIER" run wide.yaml --db wide.db
set_values wide "(10 + t.seed_init * iif(c.variant = 'none', 1, 16)) / 60.0"
findings wide
says "its sd over seeds is 16.00 of the other's [2.6, 100]."
# The ratio pooled over cells is the jackknife's, as its note says: of five seeds the mean of 5 x all - 4 x all but one.
sed 's/^study: doseless/study: pooled/; s/^seeds.*/seeds: 0..4/' doseless.yaml >pooled.yaml
expect 0 "$ESPALIER" run pooled.yaml --db pooled.db
set_values pooled "json_extract(iif(c.variant = 'none', '[10, 13, 11, 17, 12]', iif(c.label LIKE '%=1', '[9, 20, 14, 30, 11]', '[12, 8, 21, 16, 5]')), '\$[' || t.seed_init || ']') / 60.0"
expect 0 "$ESPALIER" report pooled --db pooled.db
tr '\n' ' ' <stdout | sed 's/  */ /g' >flat
grep -qF "the mean log ratio less its bias;" flat || fail "the note says the mean"
expect 0 "$ESPALIER" report pooled --db pooled.db --format json
python3 - <<'PY' || fail "pooled ratio in JSON"
import json, math, statistics as st
none, even = [10, 13, 11, 17, 12], [[9, 20, 14, 30, 11], [12, 8, 21, 16, 5]]
def mean(but):
    sd = lambda values: st.stdev([v for i, v in enumerate(values) if i != but])
    return st.fmean(math.log(sd(values) / sd(none)) for values in even)
parts = [5 * mean(None) - 4 * mean(i) for i in range(5)]
spread = json.load(open('stdout'))['comparisons'][0]['pooled'][0]['spread']
assert abs(spread['log_sd_ratio'] - st.fmean(parts)) < 1e-9, spread
assert abs(spread['standard_error'] - st.stdev(parts) / math.sqrt(5)) < 1e-9, spread
assert abs(st.fmean(parts) - mean(None)) > 0.01
PY
# No spread on either side has a ratio without an interval: nothing is printed in its place.
{ study same 0..2 && cat <<'YAML'; } >same.yaml
variants:
  none: {reference: true, grid: {model.leaf_width: [1, 2], losses.balance.weight: [0]}}
  even: {grid: {model.leaf_width: [1, 2], losses.balance.weight: [0]}}
YAML
expect 0 "$ESPALIER" run same.yaml --db same.db
set_values same "(10 + t.seed_init) / 60.0"
findings same
says "not tested, because the differences do not vary; the ratio of sds is 1.00."

# More than eight variants against one reference: from the best difference.
{ study variants 0..1 && echo 'variants:' && echo '  none: {reference: true}' &&
    for i in 1 2 3 4 5 6 7 8 9; do echo "  v$i: {set: {losses.balance.weight: 0.$i}}"; done; } >variants.yaml
expect 0 "$ESPALIER" run variants.yaml --db variants.db
set_values variants "iif(c.variant = 'none', 0.5, iif(c.variant = 'v4', 0.95, substr(c.variant, 2) / 10.0))"
findings variants
[ "$(grep -o 'v[0-9] against' stdout | cut -c2 | tr -d '\n')" = 498765321 ] || fail "variants ranked"

exit "$failures"
