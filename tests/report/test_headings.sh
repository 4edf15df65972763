#!/bin/bash
# Columns of two keys with the same last words have two headings, in every format and layout; panels of a
# figure have titles that tell them apart.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

# study NAME GRID REPORT: six trials at most that train in a moment.
study() {
    cat <<YAML
study: $1
seeds: 0..0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 0}, hardening: {weight: 0}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {p: {epochs: 1}, q: {epochs: 1, set: {losses.balance.weight: 5}}}
grid: $2
report: $3
YAML
}
two='{losses.balance.weight: [0, 1], losses.hardening.weight: [0, 3], phases.q.set.losses.balance.weight: [5]}'

study two "$two" '{metrics: [test.hard_accuracy]}' >two.yaml
expect 0 "$ESPALIER" run two.yaml --db x.db
for format in text md latex; do
    expect 0 "$ESPALIER" report two --db x.db --format $format
    grep -m 1 'variance' stdout | sed 's/\\_/_/g; s/[|&]/ /g' >heading
    read -r -a words <heading
    [ "${words[*]:0:4}" = "losses.balance.weight hardening.weight set.losses.balance.weight variant" ] ||
        fail "headings in $format: ${words[*]:0:4}"
done
expect 0 "$ESPALIER" report two --db x.db --format html
says '>losses.balance.weight</th>' '>hardening.weight</th>' '>set.losses.balance.weight</th>'
# Of every table: no heading twice among the labels.
awk '/<thead>/ {n = split("", seen)} match($0, /class="label">[^<]*/) {
    while (match($0, /class="label">[^<]*/)) {
        word = substr($0, RSTART + 14, RLENGTH - 14)
        if (seen[word]++) { print "twice: " word; bad = 1 }
        $0 = substr($0, RSTART + RLENGTH)
    } } /<\/thead>/ {split("", seen)} END {exit bad}' stdout || fail "a heading twice in html"
expect 0 "$ESPALIER" report two --db x.db --format csv
head -n 1 stdout | tr , '\n' | sort | uniq -d | grep -q . && fail "a heading twice in CSV"

# Of every table of a comparison, with every test: no heading twice.
sed 's/^grid:.*/variants: {none: {reference: true}, even: {set: {losses.hardening.weight: 1}}}\ngrid: {model.leaf_width: [2, 1]}/
    s/^study: two/study: against/; s/^seeds.*/seeds: 0..2/' two.yaml >against.yaml
expect 0 "$ESPALIER" run against.yaml --db x.db
for tables in --statistics --variance; do
    expect 0 "$ESPALIER" report against --db x.db --format md $tables
    says "| sd A/B |"
    awk '/^\|/ && !inside {
        n = split($0, words, "|"); split("", seen)
        for (i = 2; i < n; i++) { if (words[i] != "  " && seen[words[i]]++) { print "twice: " words[i]; bad = 1 } }
    } { inside = /^\|/ } END { exit bad }' stdout >twice || fail "a heading twice with $tables: $(cat twice)"
done

# One of the two in columns: as rows against columns, and as papers print it.
for layout in '' 'layout: paper, '; do
    study rows "$two" "{${layout}rows: [losses.balance.weight], columns: [losses.hardening.weight], metrics: [test.hard_accuracy]}" >rows.yaml
    expect 0 "$ESPALIER" run rows.yaml --db x.db
    expect 0 "$ESPALIER" report rows.yaml --db x.db
    grep -qE '^  balance\.weight .*hardening\.weight 0 +hardening\.weight 3$' stdout || fail "rows and columns: '$layout'"
    expect 0 "$ESPALIER" report rows.yaml --db x.db --format latex
    grep -qE '^balance\.weight & .*hardening\.weight 0 & hardening\.weight 3' stdout || fail "the same in LaTeX: '$layout'"
done
# Groups of a paper's rows.
study groups "$two" '{layout: paper, rows: [losses.balance.weight, losses.hardening.weight], metrics: [test.hard_accuracy]}' >groups.yaml
expect 0 "$ESPALIER" run groups.yaml --db x.db
expect 0 "$ESPALIER" report groups.yaml --db x.db
says "  balance.weight 0" "  balance.weight 1"
grep -qE '^  hardening\.weight ' stdout || fail "a group's rows"
# Rows whose keys do not tell cells apart say which cell each is.
study rest "$two" '{layout: paper, rows: [losses.balance.weight], metrics: [test.hard_accuracy]}' >rest.yaml
expect 0 "$ESPALIER" run rest.yaml --db x.db
expect 0 "$ESPALIER" report rest.yaml --db x.db --format md
sed -n '/^## best/,/^## Test/p' stdout | grep '^| default' | cut -d' ' -f3,4 >rows
printf 'losses.balance.weight=%s losses.hardening.weight=%s\n' 0 0 0 3 1 0 1 3 | cmp - rows || fail "rows of a paper: $(cat rows)"

# ---- panels of figures ---------------------------------------------------------------------------
# alike FILE...: the panels of gnuplot's, matplotlib's and R's scripts all have titles of their own.
titles() {
    sed -n "s/^set title '\(.*\)' font.*/\1/p" "$1.gp" >gp
    grep -E '^panels = ' "$1.py" | grep -oE '"[^"]*"' >py
    grep -E '^panels <- ' "$1.R" | grep -oE '"[^"]*"' >R
    for script in gp py R; do
        [ "$(wc -l <$script)" = "$2" ] || fail "$(wc -l <$script) panels in $script of $1, not $2"
        [ -z "$(sort $script | uniq -d)" ] || fail "panels of one title in $script of $1: $(sort $script | uniq -d | head -n 2)"
        grep -qE "\([0-9]+\)" $script && fail "panels told apart by numbers in $script of $1"
    done
    [ "$(tail -n +2 "$1.csv" | cut -d'"' -f 20 | sort -u | wc -l)" = "$2" ] || fail "the whole titles in $1.csv"
}
study two_keys '{losses.balance.weight: [0.1, 0.3, 1], losses.hardening.weight: [0.1, 0.3, 0.5], phases.q.set.losses.balance.weight: [5]}' \
    '{metrics: [test.hard_accuracy], figures: [learning_curve, leaf_heatmap]}' >two_keys.yaml
study three_keys '{losses.balance.weight: [0.1, 0.3], losses.hardening.weight: [0.1, 0.3], optimizer.learning_rate: [0.01, 0.001], phases.q.set.losses.balance.weight: [5]}' \
    '{metrics: [test.hard_accuracy], figures: [learning_curve]}' >three_keys.yaml
for name in two_keys three_keys; do
    expect 0 "$ESPALIER" run $name.yaml --db x.db
    "$ESPALIER" report $name --db x.db --figures $name >stdout 2>stderr || fail "figures of $name"
done
titles two_keys/learning_curve 9
titles two_keys/leaf_heatmap 9
titles three_keys/learning_curve 8

exit "$failures"
