#!/bin/bash
# How a report's tables are laid out, on values set by hand: the paper's layout, one trajectory scored
# at several epochs, epochs until the reported score, published values with what luck allows, and
# the numbers of a report read back from CSV and JSON, hostile names included.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

cat >small.yaml <<'YAML'
study: small
seeds: 0..3
defaults:
  data: {name: toy, validation: 0.2}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 4}}
  selection: {monitor: [validation.hard_accuracy, test.hard_accuracy]}
variants:
  ff: {set: {model: {kind: ff, width: 4}}, grid: {}}
  baseline: {reference: true}
  wide: {set: {batch_size: 64}}
grid: {model.leaf_width: [2, 1]}
report:
  rows: [data.name, model.leaf_width]
  columns: [variant]
  metrics: [train.soft_accuracy, test.hard_accuracy, test.epochs_to_hard_accuracy]
  primary: test.hard_accuracy
  layout: paper
  at: [last, selected, "selected:test.hard_accuracy"]
  baseline_rows: [ff]
  published:
    file: theirs.csv
    join: {leaf_width: leaf_width}
    variant: {baseline: fff, wide: fff}
YAML
cat >theirs.csv <<'CSV'
# source paper: epochs chosen by test accuracy.
leaf_width,model,split,routing,best,spread,spread_is,runs,source
2,fff,test,hard,80.0,5.0,best-worst,4,paper
1,fff,test,soft,80.0,10.0,sd,4,paper
CSV
expect 0 "$ESPALIER" run small.yaml --db some.db

# Every trial's test accuracy by epoch: 0.2, 0.5, 0.8 - seed / 10, 0.6; validation is best at 2.
sqlite3 some.db "UPDATE epoch SET
    test_hard_accuracy = CASE epoch WHEN 1 THEN 0.2 WHEN 2 THEN 0.5 WHEN 3 THEN 0.8 -
        (SELECT seed_init FROM trial t WHERE t.id = trial) / 10.0 ELSE 0.6 END,
    validation_hard_accuracy = CASE epoch WHEN 2 THEN 0.9 ELSE 0.1 END WHERE epoch > 0;
    UPDATE selection SET epoch = 2 WHERE at = 'selected';
    UPDATE selection SET epoch = 3 WHERE at = 'selected:test.hard_accuracy'"
expect 0 "$ESPALIER" report small.yaml --db some.db

# ---- as the papers print it --------------------------------------------------------------------
says "train accuracy, soft" "test accuracy, hard" "at the epoch selected by test.hard_accuracy (the test set!)"
awk '/selected by test.hard_accuracy \(the test set!\)/ {found = 1} found' stdout >third.txt
grep -qE '^  toy$' third.txt || fail "a line for the data set"
grep -qE '^  2 .* 80\.0 ± 30\.0 +80\.0 ± 30\.0 +' third.txt || fail "best ± spread"
grep -qE '^  ff .* 80\.0 ± 30\.0 +- ' third.txt || fail "the dense layer in the first column"
# A baseline of several rows has each of them named.
sed 's/baseline_rows: \[ff\]/baseline_rows: [wide]/' small.yaml >wide.yaml
expect 0 "$ESPALIER" report wide.yaml --db some.db
says "  wide, leaf_width 2 " "  wide, leaf_width 1 "
expect 0 "$ESPALIER" report small.yaml --db some.db

# ---- one trajectory scored three ways ----------------------------------------------------------
# Test accuracy: 60 at the last epoch, 50 where validation chose, 80 70 60 50 where test did.
says "the same trials scored at several epochs" "selected by test.hard_accuracy (the test set!)"
grep -E '60\.00 ± 0\.00 +60\.00 ± 0\.00 +50\.00 ± 0\.00 +50\.00 ± 0\.00 +-10\.00 \(4\) +65\.00 ± 12\.91 +80\.00 ± 30\.00 +\+5\.00 \(4\)' \
    stdout >/dev/null || fail "last, selected, selected by test side by side"

# ---- epochs until the reported score -----------------------------------------------------------
# 0.6 is reached in epoch 3 by seeds 0, 1 and 2, in epoch 4 by seed 3; 0.5 in epoch 2 by all.
grep -E '3\.2 ± 0\.5 +3\.0 ± 1\.0 +2\.0 ± 0\.0 +2\.0 ± 0\.0 +-1\.2 \(4\)' stdout >/dev/null ||
    fail "epochs to the reported score"
[ "$("$ESPALIER" report small.yaml --db some.db --metric test.epochs_to_hard_accuracy --at last --format csv 2>/dev/null |
    cut -d, -f14 | sed -n 2p)" = 3.25 ] || fail "mean epochs in CSV"

# ---- published values --------------------------------------------------------------------------
says "so many of ours: best"
grep -E 'wide +4 +80\.00 ± 30\.00 +80\.0 ± 5\.0 +best-worst +hard +4 +paper +\[[0-9.]+, 100\.00\] +within +\[[0-9., ]+\] +below' \
    stdout >/dev/null || fail "theirs against what luck allows"
grep -E '± 30\.00 +80\.0 ± 10\.0 +sd +soft +4 +paper +- +routing +- +-' stdout >/dev/null ||
    fail "soft beside hard is not compared"

# ---- for programs, with names that mean something to them --------------------------------------
needs python3
python3 - some.db <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
name = 'a"b\'c,d;|<b>&amp; \\ \n 漢é \x1b[31m' + 'x' * 10000
db.execute("UPDATE cell SET variant = ?, label = ? || ' leaf ' || ordinal WHERE variant = 'wide'", (name, name))
db.execute("UPDATE revision SET title = ?", (name,))
db.commit()
PY
for format in csv json text md; do
    expect 0 "$ESPALIER" report small --db some.db --format $format -o "out.$format"
done
python3 - <<'PY' || fail "names in CSV and JSON"
import csv, json
name = 'a"b\'c,d;|<b>&amp; \\ \n 漢é \x1b[31m' + 'x' * 10000
csv.field_size_limit(1 << 20)
report = json.load(open('out.json'))
rows = list(csv.DictReader(open('out.csv', newline='')))
assert report['title'] == name
assert {cell['variant'] for cell in report['cells']} == {'ff', 'baseline', name}
assert {row['variant'] for row in rows} == {'ff', 'baseline', name}
# The same numbers in both; 0.65 is (0.8 + 0.7 + 0.6 + 0.5) / 4.
row = [r for r in rows if r['variant'] == name and r['at'] == 'selected:test.hard_accuracy'
       and r['metric'] == 'hard_accuracy'][0]
assert abs(float(row['mean']) - 0.65) < 1e-12 and abs(float(row['median']) - 0.65) < 1e-12
one = [c for c in report['comparisons'] if c['at'] == row['at'] and c['metric'] == 'hard_accuracy'][0]
assert one['primary'] and len(one['comparisons']) == 2 and len(one['pooled']) == 1
# Nothing differs: no interval, no p, and an even chance to be better.
assert one['comparisons'][0]['p'] is None and one['comparisons'][0]['a_better']['probability'] == 0.5
assert "at = 'selected:test.hard_accuracy'" in one['query']
for text in (open('out.text').read(), open('out.md').read()):
    assert '\x1b' not in text and '漢é' in text
assert '&lt;b>&amp;amp;' in open('out.md').read()
PY
exit "$failures"
