#!/usr/bin/env bash
# report --figures: every kind on a small study, with a hostile name. The data of a figure is compared
# with a query written here; pictures are parsed by Python's XML reader. Pictures need gnuplot.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs python3
cat >study.yaml <<'END'
study: figures
seeds: 0..2
defaults:
  data: {name: toy, validation: 0.2}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {first: {epochs: 3}, second: {epochs: 2, set: {losses.balance.weight: 0}}}
  selection: {monitor: validation.hard_accuracy}
variants:
  plain: {reference: true, set: {losses.balance.weight: 0}}
  hostile: {}
  exits: {set: {heads: {early_exit: {width: 4}}}}
grid: {model.leaf_width: [4, 2]}
report:
  figures:
    - learning_curve
    - leaf_heatmap
    - leaf_histogram
    - balance
    - soft_hard_gap
    - node_entropy
    - sweep
    - seed_dots
    - spread
    - cost
    - early_exit
    - {kind: cost, x: training_macs, name: training, title: "Cost <&> \"; quit"}
    - {kind: seed_dots, x: variant, at: last, metric: test.soft_accuracy, where: {model.leaf_width: 4}}
    - {kind: learning_curve, metric: train.running_loss, variants: plain, seeds: [0, 2]}
END
db=$scratch/results.db
expect 0 "$ESPALIER" run study.yaml --db "$db"
# A study may not name a variant so, but a database that came from elsewhere may.
python3 - "$db" <<'END' || exit 1
import json, sqlite3, sys
name = "\"; system(\"touch hacked\") `touch hacked` $(touch hacked) '\\ <b>&%g \u00e9\U0001f333\n@x $x^2$"
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE cell SET label = replace(label, 'hostile', ?), variant = ? WHERE variant = 'hostile'", (name, name))
variants = json.loads(db.execute("SELECT variants FROM revision").fetchone()[0])
db.execute("UPDATE revision SET variants = ?", (json.dumps([name if v == "hostile" else v for v in variants]),))
db.commit()
END

# ---- without gnuplot: the data is there, the message names the package
mkdir empty
expect 4 env PATH="$scratch/empty" "$ESPALIER" report figures --db "$db" --figures bare
says "apt-get install gnuplot-nox"
for file in sweep.csv sweep.gp early_exit.R; do
    [ -s "bare/$file" ] || fail "no $file without gnuplot"
done

# ---- what is printed is what was written, not the report
find bare -type f | sort >wanted
sort stdout >found
cmp -s wanted found || fail "the files written are not what is printed: $(diff wanted found)"
[ "$(grep -c '\.csv$' found)" = 14 ] || fail "14 figures expected"
grep -q "variance\|Test accuracy" stdout && fail "the report is printed too"
expect 4 env PATH="$scratch/empty" "$ESPALIER" report figures --db "$db" --figures bare --format csv
head -n 1 stdout | grep -q "^study,\|,mean" || fail "--format asks for the report as well"
grep -q "^bare/sweep.csv$" stderr || fail "the files are words then"
expect 4 env PATH="$scratch/empty" "$ESPALIER" report figures --db "$db" --figures bare -o report.txt
[ -s report.txt ] && sort stdout | cmp -s wanted - || fail "-o keeps the report, and the files are printed"

# ---- a page without gnuplot says what it lacks, beside the page and in it
expect 0 env PATH="$scratch/empty" "$ESPALIER" report figures --db "$db" --format html -o page.html
grep -qF "note: 14 of 14 figures not drawn (" stderr || fail "what is not drawn is not said"
grep -qF "): figures are drawn by gnuplot, which is not installed here; on Debian: apt-get install gnuplot-nox" stderr ||
    fail "why is not said"
[ "$(grep -c gnuplot stderr)" = 1 ] || fail "said once"
grep -q "Not drawn: figures are drawn by gnuplot" page.html || fail "the page does not say it"
expect 0 env PATH="$scratch/empty" "$ESPALIER" report figures --db "$db" --format html
says "14 of 14 figures not drawn"

# ---- a gnuplot that fails: its words are in the message
mkdir fake
printf '#!/bin/sh\necho "cannot open <font>" >&2\nexit 3\n' >fake/gnuplot
chmod +x fake/gnuplot
expect 1 env PATH="$scratch/fake:$PATH" "$ESPALIER" report figures --db "$db" --figures failing
says "gnuplot did not draw figure" "cannot open <font>"
expect 0 env PATH="$scratch/fake:$PATH" "$ESPALIER" report figures --db "$db" --format html -o page.html
grep -qF "note: 14 of 14 figures not drawn (" stderr || fail "what fails is not said"
grep -qF "cannot open <font>" stderr || fail "gnuplot's words are not said"

# ---- the data, against a query of its own
expect 0 "$ESPALIER" query --db "$db" --format csv \
    "SELECT seed, epoch, printf('%.12f', value) FROM learning_curve WHERE variant = 'plain' AND
     cell LIKE '%=4' AND split = 'test' AND metric = 'hard_accuracy' ORDER BY 1, 2"
tail -n +2 stdout | tr -d '\r' >wanted
python3 - <<'END' >found || fail "learning_curve.csv is not read by Python"
import csv
for row in csv.DictReader(open("bare/learning_curve.csv", newline="")):
    if row["variant"] == "plain" and row["cell"].endswith("=4") and row["role"] == "seed":
        print(f'{row["seed"]},{row["epoch"]},{float(row["value"]):.12f}')
END
cmp -s wanted found || fail "learning_curve.csv is not the query: $(diff wanted found | head -3)"
[ "$(wc -l <wanted)" = 18 ] || fail "18 points expected: 3 seeds, epochs 0 to 5"
python3 - <<'END' || fail "means and names of sweep.csv"
import csv, statistics
rows = list(csv.DictReader(open("bare/sweep.csv", newline="")))
hostile = [r for r in rows if r["variant"].startswith('"; system("touch hacked")')]
assert len(hostile) == 8, len(hostile)  # 2 cells, 3 seeds and a mean
assert hostile[0]["variant"].endswith("$x^2$")
for mean in (r for r in rows if r["role"] == "mean"):
    values = [float(r["value"]) for r in rows if r["role"] == "seed" and r["cell"] == mean["cell"]]
    assert len(values) == int(mean["n"]) == 3
    assert abs(float(mean["value"]) - statistics.mean(values)) < 1e-12
    assert abs(float(mean["high"]) - float(mean["value"]) - statistics.stdev(values)) < 1e-12
rows = list(csv.DictReader(open("bare/learning_curve_2.csv", newline="")))
assert {r["seed"] for r in rows if r["role"] == "seed"} == {"0", "2"}
assert {r["variant"] for r in rows} == {"plain"}
shares = {}
for r in csv.DictReader(open("bare/leaf_heatmap.csv", newline="")):
    key = r["cell"], r["epoch"]
    shares[key] = shares.get(key, 0) + float(r["value"])
assert shares and all(abs(s - 1) < 1e-9 for s in shares.values())
END

# ---- mistakes are found before anything runs
sed 's/    - sweep/    - {kind: sweep, xx: variant, at: slected}/' study.yaml >wrong.yaml
expect 2 "$ESPALIER" check wrong.yaml
line=$(grep -n 'kind: sweep, xx' wrong.yaml | cut -d: -f1)
says "wrong.yaml:$line:21: error: unknown key 'xx' in a figure of kind sweep" \
    "wrong.yaml:$line:38: error: unknown epoch 'slected'; did you mean 'selected'?"
sed 's/    - sweep/    - swep/' study.yaml >wrong.yaml
expect 2 "$ESPALIER" check wrong.yaml
says "unknown figure 'swep'; did you mean 'sweep'?"
expect 2 "$ESPALIER" report figures --db "$db" --figures x --figure-format svg,gif
says "unknown figure format 'gif'"
expect 2 "$ESPALIER" report figures --db "$db" --figure-format png
says "--figure-format png is of figures: name their folder by --figures"

# ---- pictures
needs gnuplot
expect 0 "$ESPALIER" report figures --db "$db" --figures "out dir" --figure-format svg,pdf,png
find "out dir" -type f | sort >wanted
sort stdout | cmp -s wanted - || fail "the pictures are not all printed"
expect 0 "$ESPALIER" report figures --db "$db" --format html -o page.html
! grep -q "not drawn" stderr || fail "all is drawn"
python3 - <<'END' || fail "a picture is not what it should be"
import glob, xml.etree.ElementTree as tree
pictures = sorted(glob.glob("out dir/*.svg"))
assert len(pictures) == 14, pictures
for path in pictures:
    root = tree.parse(path).getroot()
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    stem = path.split("/")[-1][:-4]
    assert len(ids) == len(set(ids)) and all(i.startswith(stem + "-") for i in ids), path
    names = [e.text for e in root if e.tag.endswith("title") or e.tag.endswith("desc")]
    assert len(names) == 2 and "seeds a cell" in names[1], (path, names)
    assert root.get("role") == "img"
    words = "".join(e.text or "" for e in root.iter() if e.tag.endswith("text"))
    if stem in ("sweep", "learning_curve"):
        assert '"; system("touch hacked")' in words, words
    assert open(path[:-3] + "pdf", "rb").read(5) == b"%PDF-"
    assert open(path[:-3] + "png", "rb").read(4) == b"\x89PNG"
END
grep -q 'Cost &lt;&amp;&gt; "; quit' "out dir/training.svg" || fail "the title given"

# ---- the script alone, and the snippets, where their programs are
cd "out dir" || exit 1
rm ./*.svg
gnuplot sweep.gp 2>../stderr && [ -s sweep.svg ] || fail "sweep.gp does not redraw"
if python3 -c 'import matplotlib' 2>/dev/null; then
    python3 - >../stdout 2>../stderr <<'END' || fail "a snippet for Python"
import glob, os, runpy
for path in glob.glob("*.py"):
    runpy.run_path(path)
    assert os.path.getsize(path[:-3] + "_matplotlib.pdf") > 1000
END
fi
if command -v Rscript >/dev/null; then
    for figure in *.csv; do # one start of R for all
        echo "source('${figure%.csv}.R')"
    done >../all.R
    Rscript ../all.R >../stdout 2>../stderr && [ -s training_r.pdf ] || fail "a snippet for R"
fi
cd ..
find . -name 'hacked*' | grep -q . && fail "a name was run"
[ "$failures" = 0 ]
