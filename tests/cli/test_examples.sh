#!/bin/bash
# The views as analysis/README.md documents them: their columns, an example each, which need math
# functions; every query by name; and analysis/examples/, run by what is on this machine.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs sqlite3
# shellcheck source=tests/fixtures/shipped.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/shipped.sh"
analysis=$ESPALIER_SOURCE/analysis
cat >study.yaml <<'YAML'
study: quickstart
seeds: {init: 0..1, order: 0..1}
defaults:
  data: {name: toy}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 3}}
  selection: {monitor: test.hard_accuracy}
variants:
  baseline: {reference: true, set: {losses.balance.weight: 0}}
  balanced: {}
report:
  published: {file: published.csv, join: {dataset: data.name}, variant: {balanced: theirs}}
YAML
cat >published.csv <<'CSV'
dataset,model,split,routing,best,spread,spread_is,runs,source
toy,theirs,test,hard,50,1,sd,10,nobody
CSV
export ESPALIER_DB=x.db
expect 0 "$ESPALIER" run study.yaml
expect 0 "$ESPALIER" report study.yaml
trial=$(value x.db "SELECT trial_id FROM trial_final WHERE variant = 'balanced' LIMIT 1")
# one that failed, one interrupted, and others of another program
sqlite3 x.db "UPDATE trial SET status = 'failed' WHERE id = (SELECT min(id) FROM trial);
    UPDATE trial SET status = 'interrupted' WHERE trial_id = '$trial';
    INSERT INTO environment (hash, content) SELECT 'other', json_set(content, '$.executable_sha256', 'other')
        FROM environment LIMIT 1;
    UPDATE attempt SET environment = last_insert_rowid() WHERE id = (SELECT max(id) FROM attempt)"

# ---- the table of views ----------------------------------------------------------------------------
sed -n 's/^| \([a-z_]*\) | \(study[a-z_, ]*\|trial_id[a-z_, ]*\) |.*/\1 \2/p' "$analysis/README.md" >views
[ "$(wc -l <views)" = 11 ] || fail "$(wc -l <views) views in the table"
while read -r view columns; do
    expect 0 "$ESPALIER" query "SELECT * FROM $view LIMIT 1" --format csv
    [ "$(head -n 1 stdout)" = "${columns//, /,}" ] || fail "$view: columns are not those of the table"
    [[ $view = leaf_* ]] || expect 0 "$ESPALIER" query "SELECT latest FROM ${view}_all LIMIT 1"
done <views

# ---- an example each -------------------------------------------------------------------------------
awk '/^```sql$/ {taking = 1; next} /^```$/ {taking = 0} taking' "$analysis/README.md" |
    sed "s/'table1'/'quickstart'/; s/3f2a90c1d2e3f405/$trial/; s/epoch = 600/epoch = 3/" >examples.sql
while read -r view _; do
    grep -q "^-- $view:" examples.sql || fail "no example of $view"
done <views
examples=0
while IFS= read -r line; do
    case $line in
    --*) continue ;;
    esac
    examples=$((examples + 1))
    expect 0 "$ESPALIER" query "$line" --format csv
    [ "$(wc -l <stdout)" -gt 1 ] || fail "no rows: $line"
    mv stdout ours
    expect 0 sqlite3 -readonly x.db "$line"
    [ "$(wc -l <stdout)" = $(($(wc -l <ours) - 1)) ] || fail "sqlite3 gives other rows: $line"
done <examples.sql
[ $examples = 11 ] || fail "$examples examples"

# ---- queries by name: each asks, and tells of itself ------------------------------------------------
for file in $(shipped 'analysis/*.sql'); do
    name=$(basename "$file" .sql)
    expect 0 "$ESPALIER" query "$name" --set study=quickstart --format csv
    [ "$(wc -l <stdout)" -gt 1 ] || [[ $name = dead-leaves || $name = seed-sources ]] || fail "query $name: no rows"
    expect 0 "$ESPALIER" query "$name" --help
    says "$name: " "parameters" "$name.sql"
done

# ---- which views need math functions ----------------------------------------------------------------
if command -v python3 >/dev/null; then
    expect 0 python3 - views <<'PYTHON'
import sqlite3, sys
db = sqlite3.connect("file:x.db?mode=ro", uri=True)
needed = {}
for line in open(sys.argv[1]):
    view = line.split()[0]
    def ask(action, first, function, *rest):
        if action == sqlite3.SQLITE_FUNCTION and function in ("sqrt", "ln", "log", "exp", "pow", "floor"):
            needed.setdefault(view, set()).add(function)
        return sqlite3.SQLITE_OK
    db.set_authorizer(ask)
    db.execute(f"SELECT * FROM {view} LIMIT 0")
assert needed == {"seed_stats": {"sqrt"}, "epoch_seed_stats": {"sqrt"}, "versus_published": {"sqrt"},
                  "leaf_balance": {"sqrt", "ln"}}, needed
PYTHON
fi

# ---- examples --------------------------------------------------------------------------------------
mean=$(value x.db "SELECT printf('%.4f', mean) FROM seed_stats WHERE variant = 'baseline' AND at = 'last'
    AND split = 'test' AND metric = 'hard_accuracy'")
sqlite3 -readonly x.db <"$analysis/examples/read.sql" >stdout 2>stderr || fail "read.sql"
says "quickstart,baseline,3," "epoch,value"
ran=1
for python in python3 /usr/bin/python3; do
    command -v $python >/dev/null || continue
    expect 0 $python "$analysis/examples/read.py" x.db
    says "quickstart: baseline: n 3, mean $mean,"
    grep -qE '^3 +[0-9.]+$' stdout || fail "read.py: no curve"
    ran=$((ran + 1))
    if $python -c 'import numpy' 2>/dev/null; then
        rm -rf loads
        expect 0 "$ESPALIER" export --what leaf_load --format npy -o loads
        expect 0 $python "$analysis/examples/arrays.py" loads
        says "baseline seed init=0,order=0,noise=0 " " of 2 leaves dead"
    fi
done
if Rscript -e 'library(DBI); library(RSQLite)' >/dev/null 2>&1; then
    expect 0 Rscript "$analysis/examples/read.R" x.db
    says "baseline" "best" "epoch"
    ran=$((ran + 1))
fi
[ $failures = 0 ] || exit 1
echo "examples: all as documented ($ran clients)"
