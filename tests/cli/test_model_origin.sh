#!/usr/bin/env bash
# A model's file names the trial, study, variant, cell and seed that trained it: eval and show print
# them; a trial that two studies share has the study that trained it; merging keeps them.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs sqlite3

# study NAME VARIANT FILE: the same two trials whatever the names
study() {
    cat >"$3" <<YAML
study: $1
seeds: [3]
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {train: {epochs: 3}}
  selection: {monitor: [test.hard_accuracy, test.soft_accuracy]}
variants: {$2: {}}
grid: {model.leaf_width: [2, 1]}
YAML
}
study first plain first.yaml
study second other second.yaml
id_of() { # DB
    sqlite3 "$1" "SELECT DISTINCT trial_id FROM study_trial WHERE cell LIKE '% model.leaf_width=1'"
}
# named FILE STUDY VARIANT: its metadata as it stands in the header
named() {
    grep -aqF "\"trial\":\"$id\",\"study\":\"$2\",\"variant\":\"$3\",\"cell\":\"$3 model.leaf_width=1\",\"seed\":\"3\"" \
        "$1" || fail "$1 does not name $2, $3"
}
network() { # FILE: what follows the header
    local length
    length=$(od -An -tu8 -N8 "$1" | tr -d ' ')
    tail -c "+$((9 + length))" "$1"
}

expect 0 "$ESPALIER" run first.yaml --db one.db
id=$(id_of one.db)
models=one.db.checkpoints/$id
for file in last selected selected.test.soft_accuracy; do
    named "$models/$file.safetensors" first plain
done
expect 0 "$ESPALIER" run second.yaml --db one.db
says "0 of 2 trials to train"
named "$models/last.safetensors" first plain # the study that trained it

# ---- eval and show -----------------------------------------------------------------------------
expect 0 "$ESPALIER" eval "$models/selected.safetensors"
says "trained as first plain model.leaf_width=1, seed 3: trial $id"
expect 0 "$ESPALIER" eval "$models/selected.safetensors" --format json
says "\"trial\": \"$id\"" '"study": "first"' '"variant": "plain"' '"cell": "plain model.leaf_width=1"' '"seed": "3"'
expect 0 "$ESPALIER" show "$id" --db one.db
says "last.safetensors: trained as first plain model.leaf_width=1, seed 3: trial $id" \
    "selected.test.soft_accuracy.safetensors: trained as first"
grep -q 'state.safetensors: ' stdout && fail "a state is no model"
expect 0 "$ESPALIER" show "$id" --db one.db --format json
says '"file": "selected.safetensors"' '"study": "first"' '"variant": "plain"'
cp "$models/last.safetensors" elsewhere.safetensors
expect 0 "$ESPALIER" show elsewhere.safetensors --db none.db
says "elsewhere.safetensors: trained as first plain model.leaf_width=1, seed 3: trial $id"
expect 0 "$ESPALIER" show elsewhere.safetensors --format json
says '"file": "elsewhere.safetensors"' "\"trial\": \"$id\""
expect 4 "$ESPALIER" show missing.safetensors
says "missing.safetensors"
expect 2 "$ESPALIER" show missing.safetensors elsewhere.safetensors
head -c 100 elsewhere.safetensors >cut.safetensors
expect 2 "$ESPALIER" show cut.safetensors
LC_ALL=C sed 's/"trial":"/"trail":"/' elsewhere.safetensors >nameless.safetensors # as one published
expect 0 "$ESPALIER" show nameless.safetensors
says "nameless.safetensors: does not say where it comes from"
expect 0 "$ESPALIER" eval nameless.safetensors
grep -q 'trained as' stdout && fail "eval makes up where a model comes from"
head -c 100 elsewhere.safetensors >"$models/last.safetensors"
expect 0 "$ESPALIER" show "$id" --db one.db # a damaged model hides nothing else
says "last.safetensors: " "selected.safetensors: trained as first"
cp elsewhere.safetensors "$models/last.safetensors"

# ---- names change nothing else -----------------------------------------------------------------
expect 0 "$ESPALIER" run second.yaml --db two.db
[ "$(id_of two.db)" = "$id" ] || fail "the trial's id depends on names"
named "two.db.checkpoints/$id/last.safetensors" second other
cmp <(network "two.db.checkpoints/$id/last.safetensors") <(network "$models/last.safetensors") ||
    fail "the network depends on names"
digests="SELECT t.trial_id, e.epoch, e.digest FROM epoch e JOIN trial t ON t.id = e.trial ORDER BY 1, 2"
cmp <(sqlite3 one.db "$digests") <(sqlite3 two.db "$digests") || fail "epochs' digests depend on names"

# seeds of their own
sed 's/seeds: .*/seeds: {init: [3], order: 0}/' first.yaml >mapped.yaml
expect 0 "$ESPALIER" run mapped.yaml --db mapped.db
grep -aqF '"seed":"init=3,order=0,noise=0"' mapped.db.checkpoints/*/last.safetensors || fail "mapped seeds"

# ---- merge -------------------------------------------------------------------------------------
expect 0 "$ESPALIER" db merge two.db --db fresh.db
named "fresh.db.checkpoints/$id/last.safetensors" second other
expect 0 "$ESPALIER" db merge two.db --db one.db
says "2 here already" "0 conflicts"
named "$models/last.safetensors" first plain
expect 0 "$ESPALIER" db check --db one.db
# a network that is gone comes back from where another study trained it, and is whole
rm "$models/last.safetensors"
expect 0 "$ESPALIER" db merge two.db --db one.db
named "$models/last.safetensors" second other
named "$models/selected.safetensors" first plain
expect 0 "$ESPALIER" db check --db one.db
says "one.db: ok"
exit $((failures > 0))
