#!/bin/bash
# A report as LaTeX compiles with pdflatex, whatever names the database holds; -o writes whole or not
# at all.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

cat >study.yaml <<'YAML'
study: small
seeds: 0..1
defaults:
  data: {name: toy, validation: 0.2}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 2}}
variants:
  baseline: {reference: true}
  wide: {set: {batch_size: 64}}
YAML
expect 0 "$ESPALIER" run study.yaml --db some.db

# ---- a file, whole or not at all ---------------------------------------------------------------
expect 0 "$ESPALIER" report small --db some.db -o whole.txt
[ -s stdout ] && fail "words on standard output beside -o"
"$ESPALIER" report small --db some.db | cmp - whole.txt || fail "-o and standard output differ"
expect 2 "$ESPALIER" report small --db some.db -o .
says "'.' is a folder, not a file: name a file"
expect 1 "$ESPALIER" report small --db some.db -o nowhere/report.txt
[ -e nowhere ] && fail "a folder was made"
expect 4 "$ESPALIER" report smal --db some.db -o none.txt
[ -e none.txt ] && fail "a file of a report that failed"

# ---- names that mean something to LaTeX, to other scripts, and to nobody -----------------------
long=$(printf 'longname%.0s' $(seq 1250))
hostile="%\$#&_{}~^\\\\<b>\"q\" '' \\\\input{/etc/passwd} [x] 漢字 ěß – “é” $(printf '\033[31m')"
sqlite3 some.db "UPDATE cell SET variant = '$hostile', label = '$hostile' WHERE ordinal = 0;
    UPDATE cell SET variant = '$long', label = '$long' WHERE ordinal = 1;
    UPDATE revision SET title = '$hostile', source = '$hostile', variants = json_array('$hostile')"
expect 0 "$ESPALIER" report small --db some.db --format latex -o small.tex
grep -qF '\toprule' small.tex || fail "no booktabs"
grep -qF 'Test accuracy, hard routing, percent' small.tex || fail "words are lost"
grep -qF '\espchar{6F22}{漢}' small.tex || fail "letters that pdflatex has not"
grep -qF '\input{' small.tex && fail "a command of a name"
grep -q $'\033' small.tex && fail "a control character"
grep -qF '\%\$\#\&\_\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}' small.tex ||
    fail "letters that LaTeX takes for its own"
grep -qF 'l\allowbreak{}o\allowbreak{}n\allowbreak{}g' small.tex || fail "a word of 10,000 letters on one line"
# Long text breaks between its words, not within them.
words=$(printf 'word %.0s' $(seq 300))
sqlite3 some.db "UPDATE revision SET title = '$words'; UPDATE cell SET variant = 'v' || ordinal, label = 'v' || ordinal"
expect 0 "$ESPALIER" report small --db some.db --format latex -o words.tex
grep -qF "word word word" words.tex || fail "a title that breaks within words"
needs pdflatex kpsewhich
kpsewhich booktabs.sty >/dev/null || skip "needs booktabs.sty of LaTeX, which is not here"
pdflatex -interaction=nonstopmode -halt-on-error small.tex >stdout 2>stderr </dev/null ||
    fail "pdflatex: $(grep -A3 '^!' stdout)"
[ -s small.pdf ] || fail "no pages"

# ---- tables of many rows break over pages, within the page, each label once ---------------------
sed -e 's/^study: .*/study: long/' -e 's/epochs: 2/epochs: 1/' -e '/^  wide:/d' study.yaml >long.yaml
echo '  wide: {grid: {batch_size: [8, 9, 10, 11, 12, 13, 14, 15], optimizer.learning_rate: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]}}' >>long.yaml
expect 0 "$ESPALIER" run long.yaml --db some.db
expect 0 "$ESPALIER" report long --db some.db --statistics --format latex -o long.tex
grep -qF '\begin{longtable}' long.tex || fail "no table breaks"
for _ in 1 2 3 4; do # column widths and labels settle
    pdflatex -interaction=nonstopmode -halt-on-error long.tex >stdout 2>stderr </dev/null || fail "pdflatex: $(grep -A3 '^!' stdout)"
done
grep -E 'Overfull .hbox \([0-9]{2,}|multiply defined|Rerun' stdout && fail "pages of long.tex"
exit "$failures"
