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

# set_values DB STUDY SQL: the test accuracy of every trial, from its variant, label and seed.
set_values() {
    sqlite3 "$1" "UPDATE epoch SET test_hard_accuracy = (
        SELECT $3 FROM cell_trial ct JOIN cell c ON c.id = ct.cell JOIN revision r ON r.id = c.revision
        JOIN study s ON s.id = r.study JOIN trial t ON t.id = ct.trial
        WHERE ct.trial = epoch.trial AND s.name = '$2')
        WHERE trial IN (SELECT ct.trial FROM cell_trial ct JOIN cell c ON c.id = ct.cell
            JOIN revision r ON r.id = c.revision JOIN study s ON s.id = r.study WHERE s.name = '$2')"
}

# findings STUDY [OPTION...]: the sentences that the report begins with, as one line.
findings() {
    expect 0 "$ESPALIER" report "$@" --db x.db
    awk '/^- /{found = 1} found && /^$/{exit} found' stdout | tr '\n' ' ' | sed 's/\xc2\xa0/ /g; s/  */ /g' >flat
    mv flat stdout
}

# ---- why there is no test ------------------------------------------------------------------------
{ study few 0..4 && echo 'variants: {none: {reference: true}, even: {set: {losses.balance.weight: 2}}}'; } >few.yaml
expect 0 "$ESPALIER" run few.yaml --db x.db

# Both sides vary, by 2 of 40 examples apart in each of five seeds.
set_values x.db few "(7 + 6 * t.seed_init + t.seed_init % 2 + 2 * (c.variant = 'even')) / 40.0"
findings few
says "even against none: a mean of 53.50 % (sd 23.76 points, n 5) against 48.50 % (sd 23.76 points, n 5);" \
    "difference +5.00 points in each of 5 pairs, not tested, because the differences do not vary."
[ "$(value x.db "SELECT max(delta) > min(delta) FROM paired_delta WHERE split = 'test' AND metric = 'hard_accuracy' AND at = 'last'")" = 1 ] ||
    fail "rounding tells the differences apart, or nothing is tested here"
expect 0 "$ESPALIER" query delta --set study=few --format csv --db x.db
[ "$(tail -n 1 stdout | cut -d, -f6)" = 0 ] || fail "sd_delta of constant differences"
expect 0 "$ESPALIER" report few --db x.db --format csv
head -n 1 stdout | tr , '\n' | grep -n '^sd_delta$' | cut -d: -f1 >column
[ "$(grep ,even, stdout | head -n 1 | cut -d, -f"$(cat column)")" = 0 ] || fail "sd_delta in CSV"
expect 0 "$ESPALIER" report few --db x.db --format json
says '"untested": "the differences do not vary"'

# No value differs from the others of its side; one of them by rounding alone.
set_values x.db few "iif(c.variant = 'even', 0.5, iif(t.seed_init = 1, 0.1 + 0.2, 0.3))"
findings few
says "against 30.00 % (sd 0.00 points, n 5), not tested, because the values do not vary."
expect 0 "$ESPALIER" query delta --set study=few --format csv --db x.db
[ "$(tail -n 1 stdout | cut -d, -f6)" = 0 ] || fail "sd_delta of values that differ by rounding"
# One side varies, the other does not: differences vary, and t.test(c(.1, .2, .3, .4, .5) - .3,
# mu = 0) in R is t = 0, p = 1.
set_values x.db few "iif(c.variant = 'even', (t.seed_init + 1) / 10.0, 0.3)"
findings few
says "p 1.000 by the paired t test"
# A reference that varies by rounding alone has no variance to divide by.
set_values x.db few "iif(c.variant = 'even', (t.seed_init + 1) / 10.0, iif(t.seed_init = 1, 0.1 + 0.2, 0.3))"
expect 0 "$ESPALIER" query spread --set study=few --format csv --db x.db
says "reference has no variance: no ratio"

# Two seeds, one seed.
sqlite3 x.db "UPDATE trial SET status = 'failed' WHERE seed_init > 1"
findings few
says "n 2), not tested, because fewer than 3 seeds say too little; failed: 3 of 5 trials against 3 of 5."
sqlite3 x.db "UPDATE trial SET status = 'failed' WHERE seed_init > 0"
findings few
says "a mean of 10.00 % (n 1) against 30.00 % (n 1), not tested, because fewer than 3 seeds say too little;"
# Three seeds a side, of which two are shared: 1 to 3 and 0 to 2.
sqlite3 x.db "UPDATE trial SET status = iif((SELECT c.variant = 'even' FROM cell c JOIN cell_trial ct ON ct.cell = c.id
    WHERE ct.trial = trial.id), iif(seed_init > 2, 'failed', 'done'), iif(seed_init IN (0, 4), 'failed', 'done'))"
findings few
says "n 3), not tested, because fewer than 3 seeds have a value on both sides"
sqlite3 x.db "UPDATE trial SET status = 'done'"

exit "$failures"
