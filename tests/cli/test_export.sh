#!/bin/bash
# espalier export: what it writes, read back by Python's csv, json and, where it is there, NumPy, is
# what Python's sqlite3 finds in the public views. Names are hostile, as a database from elsewhere may
# have them.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs sqlite3
reader=$(for python in python3 /usr/bin/python3; do
    $python -c 'import numpy' 2>/dev/null && echo $python && exit
done; command -v python3)
reader=${reader%%$'\n'*}
[ -n "$reader" ] || needs python3
cat >study.yaml <<'YAML'
study: plain
seeds: 0..1
defaults:
  data: {name: toy, validation: 0.2}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {first: {epochs: 9}, second: {epochs: 3}}
  early_stopping: {monitor: validation.hard_accuracy, patience: 1}
  selection: {monitor: [validation.hard_accuracy, test.soft_accuracy]}
variants:
  plain: {reference: true, set: {losses.balance.weight: 0}}
  long: {}
  ff: {set: {model: {kind: ff, width: 4}, losses: {cross_entropy: {weight: 1}}}, grid: {}}
grid: {model.depth: [1, 2]}
YAML
cat >other.yaml <<'YAML'
study: other
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 2}}
YAML
export ESPALIER_DB=x.db
expect 0 "$ESPALIER" run study.yaml
study="a \"study\", <b>&'é"
sqlite3 x.db <<'SQL' || fail "names"
UPDATE study SET name = 'a "study", <b>&''é';
UPDATE cell SET variant = 'p, ''x''' || char(10) || '"y"' WHERE variant = 'plain';
UPDATE cell SET variant = printf('%.*c', 10000, 'x') WHERE variant = 'long';
UPDATE cell SET label = variant || ' ' || ordinal;
UPDATE epoch SET phase = 'se,cond' WHERE phase = 'second';
UPDATE cell_key SET key = key || '''",' WHERE key = 'losses.balance.weight';
UPDATE metric SET name = 'a''",.é' WHERE name = 'loss.balance';
SQL
expect 0 "$ESPALIER" run other.yaml
expect 0 "$ESPALIER" run other.yaml --set batch_size=50

# ---- what is written is what the views hold --------------------------------------------------------
for what in runs metrics leaf_load; do
    for format in csv jsonl; do
        expect 0 "$ESPALIER" export "$study" --what $what --format $format -o $what.$format
        says "$what.$format: " " rows"
        expect 0 "$ESPALIER" export "$study" --what $what --format $format
        cmp stdout $what.$format || fail "$what $format: the file is not what goes to standard output"
    done
done
expect 0 "$ESPALIER" export "$study" --what metrics --format npy -o curves
says "curves: 5 arrays"
expect 0 "$ESPALIER" export "$study" --what leaf_load --format npy -o loads
says "loads: 12 arrays"
expect 0 "$ESPALIER" export "$study" --metric test.hard_accuracy -o one.csv
cat >check.py <<'PYTHON'
import ast, csv, json, math, sqlite3, struct, sys
try:
    import numpy
except ImportError:
    numpy = None
csv.field_size_limit(1 << 30)
study = sys.argv[1]
db = sqlite3.connect("file:x.db?mode=ro", uri=True)
db.row_factory = sqlite3.Row

def table(name):
    rows = list(csv.DictReader(open(name, newline="", encoding="utf-8")))
    assert rows and None not in rows[0], name
    return rows

def lines(name):
    return [json.loads(line) for line in open(name, encoding="utf-8")]

def same(text, value):  # a cell of CSV and what it stands for
    return text == "" if value is None else float(text) == value if isinstance(value, float) else text == str(value)

def of_study(sql):
    return [dict(row) for row in db.execute(sql, (study,))]

# metrics: the rows of learning_curve, whatever their order; epochs ascend within a trial
curve = of_study("SELECT * FROM learning_curve_all WHERE study = ? AND latest = 1")
names = ["study", "variant", "cell", "seed", "seed_init", "seed_order", "seed_noise", "trial_id", "status",
         "epoch", "phase", "phase_epoch", "split", "metric", "value"]
key = lambda row: tuple(str(row[n]) for n in names[:-1])
expected = {key(row): row["value"] for row in curve}
assert len(expected) == len(curve) > 1000
found = table("metrics.csv")
assert len(found) == len(curve) and all(float(r["value"]) == expected[key(r)] for r in found)
found = lines("metrics.jsonl")
assert len(found) == len(curve) and all(r["value"] == expected[key(r)] for r in found)
places = [(r["cell"], r["seed"], r["epoch"]) for r in found]
for before, after in zip(places, places[1:]):
    assert before[:2] != after[:2] or before[2] <= after[2]
assert len({p[:2] for p in places}) == 1 + sum(a[:2] != b[:2] for a, b in zip(places, places[1:]))

# leaf loads: the rows of the view
loads = {(r["trial_id"], r["epoch"], r["split"], r["leaf"]): r["count"] for r in of_study(
    "SELECT l.* FROM leaf_load l JOIN study_trial t USING (trial_id) WHERE t.study = ?")}
for r in table("leaf_load.csv"):
    assert loads[r["trial_id"], int(r["epoch"]), r["split"], int(r["leaf"])] == int(r["count"])
found = lines("leaf_load.jsonl")
assert len(found) == len(loads) == len(table("leaf_load.csv")) > 100
assert all(loads[r["trial_id"], r["epoch"], r["split"], r["leaf"]] == r["count"] for r in found)

# runs: a row a trial; configuration and chosen metrics as the views have them
trials = of_study("SELECT * FROM study_trial WHERE study = ? ORDER BY cell_key, seed")
runs, run_lines = table("runs.csv"), lines("runs.jsonl")
assert len(runs) == len(run_lines) == len(trials) == 10
assert list(runs[0]) == list(run_lines[0])
final = {}
for r in of_study("SELECT * FROM trial_final WHERE study = ?"):
    final.setdefault((r["cell"], r["seed"]), {})[f'{r["at"]}.{r["split"]}.{r["metric"]}'] = r["value"]
    final[r["cell"], r["seed"]][f'{r["at"]}.epoch'] = r["epoch"]
param = {}
for r in of_study("SELECT * FROM cell_param WHERE study = ?"):
    param.setdefault(r["cell"], {})[r["key"]] = r["value"]
ats = ("selected.", "selected:test.soft_accuracy.", "last.")
for trial, row, line in zip(trials, runs, run_lines):
    for n in ("study", "variant", "cell", "seed", "seed_init", "trial_id", "status"):
        assert row[n] == str(trial[n]) and line[n] == trial[n], n
    values, keys = final[trial["cell"], trial["seed"]], param[trial["cell"]]
    for n in row:
        if n.startswith(ats) and not n.endswith("monitor"):
            assert same(row[n], values.get(n)) and line[n] == values.get(n), n
        elif keys.get(n) == "{}":
            assert line[n] is None and row[n] == "", n
        elif n in keys and n not in ("seed",):
            assert line[n] == keys[n] or float(keys[n]) == line[n], n
    assert set(values) <= set(row) and set(keys) <= set(row)
    assert row["selected.monitor"] == "validation.hard_accuracy" and "last.monitor" not in row
    assert int(row["epochs"]) == values["last.epoch"] and float(row["seconds"]) > 0 and row["attempts"] == "1"
one = table("one.csv")
assert [n for n in one[0] if n.startswith(ats)] == [
    "selected.epoch", "selected.monitor", "selected.test.hard_accuracy", "selected:test.soft_accuracy.epoch",
    "selected:test.soft_accuracy.monitor", "selected:test.soft_accuracy.test.hard_accuracy", "last.epoch",
    "last.test.hard_accuracy"]

# arrays
def load(name):
    if numpy is not None:
        array = numpy.load(name)
        return array.shape, array.ravel().tolist()
    content = open(name, "rb").read()
    assert content[:8] == b"\x93NUMPY\x01\x00"
    size = struct.unpack("<H", content[8:10])[0]
    assert (10 + size) % 64 == 0 and content[9 + size:10 + size] == b"\n"
    header = ast.literal_eval(content[10:10 + size].decode())
    assert header["fortran_order"] is False
    kind = {"f8": "d", "i8": "q"}[header["descr"][1:]]
    values = [v[0] for v in struct.iter_unpack(header["descr"][0] + kind, content[10 + size:])]
    assert math.prod(header["shape"]) == len(values)
    return header["shape"], values

columns = {}
for r in table("curves/metrics.csv"):
    columns.setdefault(r["file"], []).append((r["split"], r["name"]))
    assert int(r["metric"]) == len(columns[r["file"]]) - 1
curves, values = {}, 0
for r in curve:
    curves[r["cell"], r["seed"], r["epoch"], r["split"], r["metric"]] = r["value"]
for r in table("curves/index.csv"):
    shape, array = load("curves/" + r["file"])
    assert shape[0] == 2 and shape[2] == len(columns[r["file"]])
    for epoch in range(shape[1]):
        for place, metric in enumerate(columns[r["file"]]):
            got = array[(int(r["trial"]) * shape[1] + epoch) * shape[2] + place]
            want = curves.get((r["cell"], r["seed"], epoch, *metric))
            assert math.isnan(got) if want is None else got == want
            values += want is not None
assert values == len(curves)
values = empty = padded = 0
for r in table("loads/index.csv"):
    if r["file"] == "":
        assert r["variant"] == "ff"
        empty += 1
        continue
    shape, array = load("loads/" + r["file"])
    for epoch in range(shape[1]):
        for leaf in range(shape[2]):
            got = array[(int(r["trial"]) * shape[1] + epoch) * shape[2] + leaf]
            want = loads.get((r["trial_id"], epoch, r["split"], leaf), -1)
            assert got == want
            values += want >= 0
            padded += want < 0
assert values == len(loads) and empty == 6
print("numpy" if numpy is not None else "no numpy", len(curve), len(loads), padded)
PYTHON
$reader check.py "$study" >checked 2>&1 || fail "read back: $(tail -c 2000 checked)"
cat checked

# ---- which part of the database ---------------------------------------------------------------------
expect 0 "$ESPALIER" export
[ "$(tail -n +2 stdout | grep -c ',other,\|^other,')" = 1 ] || fail "all studies: not one trial of the other"
expect 0 "$ESPALIER" export other --revision 1 --what metrics --metric test.hard_accuracy
[ "$(cut -d, -f2,14,15 stdout | sort -u | tr '\n' ' ')" = "1,test,hard_accuracy revision,split,metric " ] ||
    fail "revision 1, one metric"
expect 0 "$ESPALIER" export other --format jsonl
grep -q '"batch_size": 50,' stdout || fail "the revision run last"
sqlite3 x.db "INSERT INTO epoch_metric SELECT trial, epoch, (SELECT max(id) FROM metric), 9e999 FROM epoch
    WHERE trial = (SELECT max(id) FROM trial) AND epoch = 1 ON CONFLICT DO UPDATE SET value = excluded.value" &&
    expect 0 "$ESPALIER" export other --what metrics && grep -q ',inf$' stdout || fail "an infinity in CSV"
expect 0 "$ESPALIER" export other --what metrics --format jsonl
grep -q '"value": "Infinity"}$' stdout || fail "an infinity in JSON"

# ---- whole or not at all ----------------------------------------------------------------------------
echo "what was there" >kept
(ulimit -f 8; trap '' XFSZ; "$ESPALIER" export "$study" --what metrics -o kept >out 2>&1) && fail "a full disk"
[ "$(cat kept)" = "what was there" ] || fail "a file that was there is lost"
(ulimit -f 8; trap '' XFSZ; "$ESPALIER" export "$study" --what metrics --format npy -o half >out 2>&1) && fail "a full disk"
[ ! -e half ] || fail "half a folder is left"
find . -maxdepth 1 -name '.espalier-*' | grep -q . && fail "half a file or folder is left"
mkdir -p mine.tmp && touch mine.tmp/cell-0001.npy
expect 0 "$ESPALIER" export other --what leaf_load --format npy -o mine/
[ -e mine.tmp/cell-0001.npy ] && [ -e mine/index.csv ] || fail "a folder of somebody else was emptied"

# ---- mistakes ---------------------------------------------------------------------------------------
expect 4 "$ESPALIER" export othr
says "did you mean 'other'"
expect 4 "$ESPALIER" export other --revision 7
says "no revision '7'"
expect 2 "$ESPALIER" export other --what metrics --metric test.hard_acuracy
says "did you mean 'test.hard_accuracy'"
expect 2 "$ESPALIER" export other --what leaf_lod
says "did you mean 'leaf_load'"
expect 2 "$ESPALIER" export other --format josnl
says "did you mean 'jsonl'"
expect 2 "$ESPALIER" export other --format npy -o runs
says "--format csv or jsonl"
expect 2 "$ESPALIER" export other --what metrics --format npy
says "-o"
expect 2 "$ESPALIER" export other --what metrics --format npy -o loads
says "is there already"
expect 2 "$ESPALIER" export other -o loads
says "is a folder, not a file"
expect 2 "$ESPALIER" export --revision 1
expect 2 "$ESPALIER" export other --what leaf_load --metric test.hard_accuracy

# ---- memory does not grow with the database ------------------------------------------------------
if [ -z "${ESPALIER_SANITIZE:-}" ]; then
    sqlite3 x.db "WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
        INSERT INTO epoch (trial, epoch, phase, phase_epoch, attempt, test_soft_loss, test_hard_loss,
        test_hard_accuracy, test_leaf_counts) SELECT t.id, n.i, 'first', n.i, a.id, 0.25, 0.5, 0.75, '[1,2]'
        FROM n, trial t JOIN attempt a ON a.trial = t.id WHERE t.id = (SELECT max(id) FROM trial)"
    for form in "metrics csv" "metrics jsonl" "leaf_load csv" "metrics npy" "leaf_load npy"; do
        rm -rf large
        $reader - "$ESPALIER" export other --what ${form% *} --format "${form#* }" -o large >peak <<'PYTHON' || fail "export"
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PYTHON
        echo "$form: $(cat peak) kB for $(du -s large | cut -f 1) kB"
        [ "$(cat peak)" -lt 60000 ] || fail "$form takes $(cat peak) kB"
    done
fi

# ---- heads: by their names, and nothing where a cell has none --------------------------------------
sed -e 's/^study: other/study: heads/' -e '$a variants: {none: {}, both: {set: {heads: {master_leaf: {width: 2}, early_exit: {width: 3}}}}}' \
    other.yaml >heads.yaml
expect 0 "$ESPALIER" run heads.yaml
expect 0 "$ESPALIER" export heads --what runs --format jsonl
python3 - <<'PY' || fail "heads of runs"
import json
rows = {r["variant"]: r for r in map(json.loads, open("stdout"))}
assert rows["none"]["heads"] is None and rows["both"]["heads"] == "early_exit master_leaf", rows
assert rows["both"]["heads.master_leaf.width"] == 2 and rows["none"]["heads.master_leaf.width"] is None
PY
expect 0 "$ESPALIER" export heads --what runs
grep -q '{}' stdout && fail "an empty map among values"

[ $failures = 0 ] || exit 1
echo "export: all as it should be"
