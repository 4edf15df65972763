#!/bin/bash
# espalier report --format html: one file that stands alone, by tests/fixtures/check_page.py, also
# where names mean something in HTML; its numbers are those of the database; what it leaves out of a
# large study it says, and it is there in under two seconds.
TOY_TRAIN=200 TOY_TEST=60
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs python3 sqlite3
fixtures=$ESPALIER_SOURCE/tests/fixtures
export ESPALIER_DB=$scratch/page.db

# check PAGE [NAMES]: stands alone.
check() {
    python3 "$fixtures/check_page.py" "$@" >stdout 2>stderr || fail "$1 does not stand alone"
}

cat >study.yaml <<'YAML'
# Does balance help?
# It might.
#
# A second paragraph.
study: small
title: A small study
seeds: 0..2
defaults:
  data: {name: toy, validation: 0.2}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {balance: {epochs: 3}}
  selection: {monitor: validation.hard_accuracy}
variants:
  baseline: {reference: true, set: {losses.balance.weight: 0}}
  balanced: {}
report: {rows: [variant], metrics: [test.hard_accuracy, test.soft_loss]}
YAML
expect 0 "$ESPALIER" run study.yaml --set batch_size=16
expect 0 "$ESPALIER" report small --format html -o page.html
check page.html

# has WORDS...: the page's markup has them.
has() {
    local words
    for words in "$@"; do
        grep -qF -- "$words" page.html || fail "no '$words' in page.html"
    done
}
has '<html lang="en">' 'name="viewport"' '<title>small: A small study</title>' \
    '<p>A second paragraph.</p>' 'revision 1, 6 of 6 trials done, overrides in force: --set batch_size=16' \
    'espalier run study.yaml --set batch_size=16 --seeds 0..2' 'study: small'
grep -qF 'id="failures"' page.html && fail "a section of failures without any"
# Each trial has its entry; the mean in the table is the database's.
for id in $("$ESPALIER" query "SELECT trial_id FROM trial_final GROUP BY 1" --format csv | tail -n +2); do
    has "<details id=\"trial-$id\">"
done
mean=$(value page.db "SELECT printf('%.2f', 100 * mean) FROM seed_stats WHERE variant = 'balanced'
    AND at = 'selected' AND split = 'test' AND metric = 'hard_accuracy'")
has "<th scope=\"row\">balanced</th><td>3</td><td>$mean</td>"
has "$("$ESPALIER" query "SELECT trial_id FROM trial ORDER BY id LIMIT 1" --format csv | tail -n 1)"

# A page does not depend on what time it is.
expect 0 "$ESPALIER" report small --format html -o again.html
cmp page.html again.html || fail "the same report is another page"

# Without gnuplot it is a page nevertheless, and says what is missing. (A folder without programs.)
mkdir empty
expect 0 env PATH="$scratch/empty" "$ESPALIER" report small --format html -o page.html
check page.html
has 'gnuplot'

# ---- names that mean something -----------------------------------------------------------------
cp page.db hostile.db
python3 "$fixtures/hostile_names.py" hostile.db >names.json || fail "names"
name=$(python3 -c 'import json; print(json.load(open("names.json"))["study"])')
expect 0 "$ESPALIER" report "$name" --db hostile.db --format html -o page.html
check page.html names.json
has 'id="failures"' '1 of 6 trials failed'
# Nor do they steer the terminal where a message names them.
expect 4 "$ESPALIER" report other --db hostile.db
says 'no study' 'touch pwned'
grep -q $'\x1b' stderr && fail "a name steers the terminal"

# ---- large studies -----------------------------------------------------------------------------
# 10,000 trials as copies of one, in cells of 10.
cp page.db large.db
sqlite3 large.db <<'SQL'
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO cell SELECT 1000 + i, revision, 1000 + i, variant, variant || ' x=' || i, NULL, config, identity
    FROM n, (SELECT * FROM cell LIMIT 1);
INSERT INTO cell_key SELECT id, key, value FROM cell, (SELECT key, value FROM cell_key WHERE cell =
    (SELECT min(id) FROM cell)) WHERE id > 1000;
INSERT INTO cell_swept SELECT id, 'x', ordinal FROM cell WHERE id > 1000;
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
INSERT INTO trial SELECT 1000 + i, printf('%016x', 1000 + i), 'done', i % 10, i % 10, i % 10, created_at
    FROM n, (SELECT created_at FROM trial LIMIT 1);
INSERT INTO cell_trial SELECT 1001 + (id - 1000) / 10, 10 + id % 10, id, seed_init FROM trial WHERE id >= 1000;
INSERT INTO attempt SELECT 100000 + t.id, t.id, 1, 'done', environment, host, process, 0, started_at,
    ended_at, seconds, epochs, message, peak_memory, checkpoint_digest
    FROM trial t, (SELECT * FROM attempt LIMIT 1) WHERE t.id >= 1000;
INSERT INTO epoch (trial, epoch, phase, phase_epoch, attempt, test_hard_accuracy, test_soft_loss, test_leaf_counts)
    SELECT id, 3, 'balance', 3, 100000 + id, 0.5 + (id % 97) / 200.0, 1, '[30,30]' FROM trial WHERE id >= 1000;
INSERT INTO selection SELECT id, 'last', 3, '' FROM trial WHERE id >= 1000;
INSERT INTO selection SELECT id, 'selected', 3, 'validation.hard_accuracy' FROM trial WHERE id >= 1000;
SQL
TIMEFORMAT='%U %S' # of the processor: other programs may run here
{ time expect 0 "$ESPALIER" report small --db large.db --format html -o page.html; } 2>time
took=$(awk '{print $1 + $2}' time)
check page.html
has '300 of 10006 trials are shown'
[ "$(wc -c <page.html)" -lt 6000000 ] || fail "the page has $(wc -c <page.html) bytes"
if [ -z "$ESPALIER_SANITIZE" ]; then
    awk -v t="$took" 'BEGIN {exit !(t < 2)}' || fail "a page of 10,000 trials took $took s"
fi
echo "page: 10,000 trials in $took s, $(wc -c <page.html) bytes"

[ "$failures" = 0 ] || exit 1
echo "page: all as expected"
