#!/bin/bash
# The view versus_published holds what the published file says: `run` stores it, `report` only reads.
# What is right is typed here, beside the file.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
cat >s.yaml <<'YAML'
study: s
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {p: {epochs: 1}}
variants:
  none: {reference: true, set: {losses.balance.weight: 0}}
  even: {}
report:
  published: {file: published.csv, join: {dataset: data.name}, variant: {none: fff, even: fff+balance}}
YAML
# says_published BEST_OF_NONE BEST_OF_EVEN: the file, in percent.
says_published() {
    printf '%s\n' dataset,model,split,routing,best,spread,spread_is,runs,source \
        "toy,fff,test,hard,$1,1,sd,10,nobody" "toy,fff+balance,test,hard,$2,1,sd,10,nobody" >published.csv
}
view() {
    "$ESPALIER" query "SELECT variant, published_best FROM versus_published WHERE at = 'last' ORDER BY variant DESC" \
        --format csv --db "${1:-x.db}" | tail -n +2 | tr '\n' ' '
}
says_published 50 60
expect 0 "$ESPALIER" run s.yaml --db x.db
[ "$(view)" = "none,0.5 even,0.6 " ] || fail "after a run: $(view)"

# ---- swapped values have the same sum ----------------------------------------------------------------
says_published 60 50
before=$(sha256sum x.db)
expect 0 "$ESPALIER" report s.yaml --db x.db
says "versus_published" "espalier run" "60.0 ± 1.0" "50.0 ± 1.0"
[ "$(sha256sum x.db)" = "$before" ] && [ ! -e x.db.lock.new ] || fail "report changed the database"
[ "$(view)" = "none,0.5 even,0.6 " ] || fail "report wrote: $(view)"
expect 0 "$ESPALIER" run s.yaml --db x.db
[ "$(view)" = "none,0.6 even,0.5 " ] || fail "after a second run: $(view)"
expect 0 "$ESPALIER" report s.yaml --db x.db
grep -q versus_published stderr && fail "the view is up to date"

# ---- every column counts, and what the file says no longer goes --------------------------------------
sed -i 's/,10,nobody/,11,nobody/' published.csv
expect 0 "$ESPALIER" report s.yaml --db x.db
says "versus_published"
sed -i 's/^toy,fff+balance/other,fff+balance/' published.csv
expect 0 "$ESPALIER" run s.yaml --db x.db
[ "$(view)" = "none,0.6 " ] || fail "after a line became another data set's: $(view)"

# ---- a report works where nothing may be written, and shows what the file says --------------------
says_published 70 80
mkdir ro && cp x.db s.yaml published.csv ro/ && chmod 444 ro/* && chmod 555 ro
before=$(find ro -type f -exec sha256sum {} +)
as=()
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$scratch"
    chmod -R a+rX data
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    "${as[@]}" test -x "$ESPALIER" || as=()
fi
expect 0 "${as[@]}" "$ESPALIER" report ro/s.yaml --db ro/x.db
says "70.0 ± 1.0" "80.0 ± 1.0"
[ "$(find ro -type f -exec sha256sum {} +)" = "$before" ] || fail "a report wrote beside the database: $(ls ro)"
chmod 755 ro
exit $((failures > 0))
