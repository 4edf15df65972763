#!/usr/bin/env bash
# espalier bench store: what it writes is a sound results database of the size asked for, its JSON
# has its figures, and reading verbs work no harder for what they are not asked about.
# shellcheck source=tests/fixtures/command_line.sh
. "$(dirname "$0")/../fixtures/command_line.sh"
needs python3

# ---- a small database, all figures -------------------------------------------------------------
expect 0 "$ESPALIER" bench store --trials 3 --epochs 6 --data toy --db small.db --format json
cp stdout small.json
python3 - small.json <<'PY' || fail "the JSON of bench store"
import json, sys
found = json.load(open(sys.argv[1]))
(fill,), logging = found["fills"], found["logging"]
assert fill["trials"] == 3 and fill["studies"] == 1, fill
# two of the three are cut off half-way: 6 + 3 + 3
assert fill["epochs"] == 12, fill
assert fill["bytes"] > 0 and fill["epochs_a_second"] > 0
# begin, epochs and epoch 0 of each, one end, the last flush
assert fill["writer"]["records"] == 3 + 12 + 3 + 1 + 1, fill
assert abs(fill["ratio"] - fill["seconds"] / fill["floor_s"]) < 1e-6 * fill["ratio"], fill
assert abs(fill["records_a_second"] * fill["seconds"] - 20) < 1e-6, fill
for factor, name in ((1e4, "slow"), (1e-4, "fast")):
    changed = json.loads(json.dumps(found))
    changed["fills"][0]["ratio"] *= factor
    json.dump(changed, open(name + ".json", "w"))
for writer in (fill["writer"], logging["writer"]):
    assert 0 < writer["mean_depth"] <= writer["greatest_depth"] <= 256, writer
    assert writer["commits"] > 0 and writer["milliseconds_a_commit"] > 0, writer
    assert writer["cpu_s"] > 0 and writer["post_s"] > 0, writer
assert logging["data"] == "toy" and logging["epochs"] == 40
spent = logging["writer"]["post_s"] + logging["writer"]["cpu_s"] + logging["digest_s"]
assert abs(logging["share"] - spent / logging["trial_s"]) < 1e-9
assert found["machine"]["cpu"] and found["machine"]["executable_sha256"]
verbs = [verb["verb"] for verb in found["verbs"]]
assert verbs[:3] == ["report bench_000", "status", "ls"], verbs
assert all(verb["median_s"] > 0 and verb["from_disk_s"] > 0 for verb in found["verbs"])
PY
# Not `db check`: there are no checkpoints beside it.
[ "$(value small.db 'SELECT * FROM pragma_integrity_check')" = ok ] || fail "integrity"
[ "$(value small.db 'SELECT count(*) FROM pragma_foreign_key_check')" = 0 ] || fail "foreign keys"
[ "$(value small.db 'SELECT count(*) FROM epoch WHERE epoch > 0')" = 12 ] || fail "epochs stored"
[ "$(value small.db "SELECT count(*) FROM trial WHERE status = 'done'")" = 1 ] || fail "trials done"
[ "$(value small.db "SELECT count(*) FROM leaf_load WHERE epoch = 0 AND trial_id =
    (SELECT trial_id FROM trial WHERE status = 'done')")" = 48 ] || fail "16 leaves on three splits"
# Examples are neither lost nor made: 10000 of them on test.
[ "$(value small.db "SELECT group_concat(DISTINCT n) FROM (SELECT sum(count) AS n FROM leaf_load
    WHERE split = 'test' GROUP BY trial_id, epoch)")" = 10000 ] || fail "sum of leaf counts"

# What was made before is only read; what bench did not make is refused and left alone.
expect 0 "$ESPALIER" bench store --data toy --db small.db
says 'share of the trial' 'report bench_000' 'from disk'
grep -q 'epochs a second' stdout && fail "wrote into a database that was there"
printf 'study: other\nseeds: 0\ndefaults:\n  data: {name: toy, validation: 0.2}\n  model: {kind: fff, training_width: 4, leaf_width: 2}\n  losses: {cross_entropy: {weight: 1}}\n  optimizer: {kind: adam, learning_rate: 0.001}\n  phases: {a: {epochs: 1}}\n' >other.yaml
expect 0 "$ESPALIER" run other.yaml --db other.db
expect 2 "$ESPALIER" bench store --data toy --db other.db
says 'not one that `bench store` made' '--db'
expect 2 "$ESPALIER" bench stor
says "did you mean 'store'"
expect 2 "$ESPALIER" bench
expect 2 "$ESPALIER" bench store --trials 0
expect 2 "$ESPALIER" bench store --format csv --trials 1 --epochs 1
expect 0 "$ESPALIER" bench --help
says 'espalier bench store'
# Nothing stays behind without --db.
expect 0 "$ESPALIER" bench store --trials 3 --epochs 6 --data toy --against slow.json
says "times SQLite's own inserts" 'records a second'
expect 1 "$ESPALIER" bench store --trials 3 --epochs 6 --data toy --against fast.json
says '1 of 1 fills are more than 15 % worse'
expect 2 "$ESPALIER" bench store --trials 2 --epochs 6 --data toy --against fast.json
says 'none of these fills'
mkdir tmp
TMPDIR=$scratch/tmp expect 0 "$ESPALIER" bench store --trials 1 --epochs 1 --data toy
[ -z "$(ls tmp)" ] || fail "left $(ls tmp)"

# ---- the work of reading -----------------------------------------------------------------------
# Steps of SQLite's virtual machine, counted by a preloaded library. No time is measured.
if [ -n "${ESPALIER_SANITIZE:-}" ] ||
    ! cc -shared -fPIC -o count_steps.so "$ESPALIER_SOURCE/tests/tools/count_steps.c" 2>cc.err; then
    echo "work is not counted: a sanitizer must be loaded first, or no cc"
    [ "$failures" = 0 ]
    exit
fi
steps() {
    local db=$1
    shift
    rm -f steps
    COUNT_STEPS_FILE=$scratch/steps LD_PRELOAD=$scratch/count_steps.so "$ESPALIER" "$@" --db "$db" \
        >/dev/null 2>&1
    awk '{ n += $1 } END { print n + 0 }' steps
}
# no_more FACTOR BASE LARGER VERB...: on LARGER it takes at most FACTOR x the steps it takes on BASE.
no_more() {
    local factor=$1 base=$2 larger=$3 few many
    shift 3
    few=$(steps "$base" "$@")
    many=$(steps "$larger" "$@")
    echo "$*: $few steps, $larger $many"
    [ "$few" -gt 100 ] || fail "$*: steps are not counted"
    awk -v few="$few" -v many="$many" -v factor="$factor" 'BEGIN { exit !(many <= factor * few) }' ||
        fail "$*: $many steps on $larger, $few on $base"
}
expect 0 "$ESPALIER" bench store --trials 100 --epochs 10 --data toy --db base.db
expect 0 "$ESPALIER" bench store --trials 300 --epochs 10 --data toy --db more_studies.db
expect 0 "$ESPALIER" bench store --trials 100 --epochs 80 --data toy --db more_epochs.db
trial=$(value base.db "SELECT min(trial_id) FROM study_trial WHERE study = 'bench_000'")
for db in more_studies.db more_epochs.db; do
    no_more 1.1 base.db $db report bench_000
    no_more 1.1 base.db $db ls bench_000
    no_more 1.1 base.db $db query spread --set study=bench_000
done
# What a plan costs does not grow with the trials of its size that are stored.
"$ESPALIER" query "SELECT r.text FROM revision r JOIN study s ON s.current_revision = r.id
    WHERE s.name = 'bench_000'" --format json --db base.db |
    python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["text"], end="")' >bench_000.yaml
no_more 1.1 base.db more_studies.db plan bench_000.yaml
# Nor with the square of the study's cells, where only the first has trained.
for n in 20 80; do
    cat >cells_$n.yaml <<YAML
study: cells
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {p: {epochs: 1}}
grid: {optimizer.learning_rate: [$(LC_ALL=C seq -s, 0.101 0.001 0.$((100 + n)))]}
YAML
    expect 0 "$ESPALIER" run cells_$n.yaml --only optimizer.learning_rate=0.101 --db cells_$n.db
done
few=$(steps cells_20.db plan cells_20.yaml) many=$(steps cells_80.db plan cells_80.yaml)
echo "plan of 20 cells: $few steps, of 80 $many"
[ "$few" -gt 100 ] && [ "$many" -le $((5 * few)) ] || fail "plan: $many steps for 80 cells, $few for 20"
for verb in status ls 'query failed' 'query spread'; do
    # shellcheck disable=SC2086
    no_more 1.1 base.db more_epochs.db $verb
    # shellcheck disable=SC2086
    no_more 3.3 base.db more_studies.db $verb
done
no_more 3.3 base.db more_studies.db show "$trial"
[ "$failures" = 0 ]
