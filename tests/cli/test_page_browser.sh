#!/bin/bash
# A report page in headless Chromium, by tests/fixtures/browse_page.js. Needs chromium, and node with
# puppeteer-core, axe-core and html-validate where NODE_PATH says; without them it is skipped.
TOY_TRAIN=200 TOY_TEST=60
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
chromium=$(command -v chromium || command -v google-chrome) || skip "needs chromium, which is not here"
needs node
node -e 'for (const m of ["puppeteer-core", "axe-core", "html-validate"]) require.resolve(m)' 2>/dev/null ||
    skip "needs puppeteer-core, axe-core and html-validate of node (NODE_PATH), which are not here"
fixtures=$ESPALIER_SOURCE/tests/fixtures
export ESPALIER_DB=$scratch/page.db

cat >study.yaml <<'YAML'
# Does balance help?
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
  selection: {monitor: [validation.hard_accuracy, test.hard_accuracy]}
variants:
  baseline: {reference: true, set: {losses.balance.weight: 0}}
  balanced: {}
grid: {data.validation: [0.1, 0.2], model.leaf_width: [4, 2]}
report:
  layout: paper
  rows: [data.validation, model.leaf_width]
  columns: [variant]
  figures: [learning_curve, leaf_heatmap, seed_dots]
  at: [selected, last]
YAML
expect 0 "$ESPALIER" run study.yaml
expect 0 "$ESPALIER" report small --format html -o page.html
expect 0 node "$fixtures/browse_page.js" "$chromium" page.html

# Names that mean something in HTML do nothing here either.
if command -v python3 >/dev/null; then
    cp page.db hostile.db
    python3 "$fixtures/hostile_names.py" hostile.db >names.json || fail "names"
    name=$(python3 -c 'import json; print(json.load(open("names.json"))["study"])')
    expect 0 "$ESPALIER" report "$name" --db hostile.db --format html -o hostile.html
    expect 0 node "$fixtures/browse_page.js" "$chromium" hostile.html
fi

[ "$failures" = 0 ] || exit 1
echo "page in a browser: all as expected"
