#!/bin/bash
# espalier db, by whole command lines: check finds what was broken on purpose, backup works while a
# run writes, merge is by identity, idempotent, and names conflicts.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs sqlite3

# results DB: all that was measured, without keys, times and places.
results() {
    local view
    for view in "trial_final" "cell_param" "leaf_load" "learning_curve"; do
        "$ESPALIER" query "SELECT * FROM $view" --format csv --db "$1" | sort
    done
    sqlite3 "$1" "SELECT t.trial_id, e.epoch, e.digest FROM epoch e JOIN trial t ON t.id = e.trial" |
        sort
}

cat >study.yaml <<'YAML'
study: small
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {first: {epochs: 2}, second: {epochs: 3}}
  selection: {monitor: test.hard_accuracy}
variants:
  baseline: {reference: true, set: {losses.balance.weight: 0}}
  balanced: {}
YAML
expect 0 "$ESPALIER" run study.yaml --db whole.db

# ---- check -------------------------------------------------------------------------------------
expect 0 "$ESPALIER" db check --db whole.db
says "whole.db: ok"
expect 0 "$ESPALIER" db check --db whole.db --format json
says '"ok": true' '"findings": []'
expect 4 "$ESPALIER" db check --db none.db
expect 3 "$ESPALIER" db check --db study.yaml
expect 2 "$ESPALIER" db chekc --db whole.db
says "did you mean 'check'"
expect 2 "$ESPALIER" db
expect 2 "$ESPALIER" db merge --db whole.db
expect 2 "$ESPALIER" db check whole.db
expect 0 "$ESPALIER" db --help

# broken EXIT_CODE WORDS SQL: a copy changed by hand is found out.
broken() {
    rm -rf hurt.db*
    cp whole.db hurt.db
    cp -r whole.db.checkpoints hurt.db.checkpoints
    sqlite3 hurt.db "$3" >/dev/null || fail "no sqlite3"
    expect "$1" "$ESPALIER" db check --db hurt.db
    says "$2"
}
broken 3 "some are missing" "DELETE FROM epoch_metric WHERE epoch = 3; DELETE FROM epoch WHERE epoch = 3"
broken 3 "which is not stored" "UPDATE selection SET epoch = 77 WHERE at = 'last'"
broken 3 "names no last epoch" "DELETE FROM selection WHERE at = 'last'"
broken 3 "no parent" "PRAGMA foreign_keys = OFF; DELETE FROM environment"
# a value that each CHECK of the schema refuses, as a flipped bit may leave it
sqlite3 whole.db .schema | awk '/^CREATE TABLE/ { table = $3 } / (TEXT|INTEGER|REAL) / { column = $1 }
    /CHECK \(/ { print table, column }' >checked
[ "$(wc -l <checked)" -ge 9 ] || fail "the schema's checks are not found"
while read -r table column; do
    broken 3 "of $table" "PRAGMA ignore_check_constraints = ON; UPDATE OR IGNORE $table SET $column = 'broken'"
    says "broken: values" "$column"
done <checked
broken 0 "came out differently" "INSERT INTO digest_mismatch (trial, epoch, stored, found, attempt, at)
    VALUES (1, 1, 'a', 'b', 1, '2026')"
id=$(value whole.db "SELECT trial_id FROM trial WHERE seed_init = 0 ORDER BY id LIMIT 1")
broken 0 "ok" "SELECT 1"
rm hurt.db.checkpoints/"$id"/last.safetensors
expect 3 "$ESPALIER" db check --db hurt.db
says "trial $id is done and its last.safetensors is not there"
cp study.yaml "hurt.db.checkpoints/$id/last.safetensors"
mkdir hurt.db.checkpoints/unknown
expect 3 "$ESPALIER" db check --db hurt.db
says "is not the file that was written" "unknown belongs to no trial"
dd if=/dev/urandom of=hurt.db bs=4096 seek=9 count=4 conv=notrunc 2>/dev/null
expect 3 "$ESPALIER" db check --db hurt.db

# ---- migrate -----------------------------------------------------------------------------------
expect 0 "$ESPALIER" db migrate --db whole.db
says "nothing to do"
expect 4 "$ESPALIER" db migrate --db none.db
[ ! -e none.db ] || fail "migrate made a database"

# ---- merge: parts of a study, from nothing -----------------------------------------------------
expect 0 "$ESPALIER" run study.yaml --db part0.db --seeds 0
expect 0 "$ESPALIER" run study.yaml --db part1.db --seeds 1
expect 0 "$ESPALIER" db merge part0.db part1.db --db merged.db
# part0 plans all four and trained two
says "part0.db: 4 trials added, 0 replaced" "part1.db: 0 trials added, 2 replaced, 2 here already"
results whole.db >expected
results merged.db >found
cmp expected found || fail "merged parts are not the whole"
[ "$(wc -l <found)" -gt 100 ] || fail "nothing compared"
diff -r whole.db.checkpoints merged.db.checkpoints >stdout || fail "checkpoints differ"
expect 0 "$ESPALIER" db check --db merged.db
says "ok"
expect 0 "$ESPALIER" run study.yaml --db merged.db
says "0 of 4 trials to train, 4 done before"

# again: nothing changes
expect 0 "$ESPALIER" db merge part0.db part1.db whole.db --db merged.db
says "part0.db: 0 trials added, 0 replaced, 4 here already, 0 conflicts"
sqlite3 merged.db "SELECT count(*) FROM attempt" | grep -qx 4 || fail "attempts were added"
results merged.db | cmp - expected || fail "a second merge changed results"
sqlite3 merged.db .dump >after1
expect 0 "$ESPALIER" db merge part0.db part1.db whole.db --db merged.db --format json
says '"added": 0' '"same": 4' '"conflicts": []'
sqlite3 merged.db .dump | cmp - after1 || fail "a third merge changed the database"
compgen -G '.espalier-*' >/dev/null && fail "a temporary file is left"

# a checkpoint that went missing comes back
rm -r "merged.db.checkpoints/$id"
expect 0 "$ESPALIER" db merge whole.db --db merged.db
expect 0 "$ESPALIER" db check --db merged.db

# a study of another name that shares trials
sed 's/study: small/study: other/' study.yaml >other.yaml
expect 0 "$ESPALIER" run other.yaml --db other.db --seeds 0..2
expect 0 "$ESPALIER" db merge other.db --db merged.db
says "other.db: 2 trials added, 0 replaced, 4 here already"
[ "$(value merged.db "SELECT count(*) FROM seed_stats WHERE study = 'other' AND n = 3")" -gt 0 ] ||
    fail "the other study lacks trials"

# ---- merge: done replaces unfinished; epochs that differ conflict -------------------------------
cp part0.db less.db
cp -r part0.db.checkpoints less.db.checkpoints
sqlite3 less.db "UPDATE trial SET status = 'interrupted'; DELETE FROM epoch_metric WHERE epoch > 2;
    DELETE FROM selection; DELETE FROM epoch WHERE epoch > 2" || fail "no sqlite3"
expect 0 "$ESPALIER" db merge part0.db --db less.db
says "0 trials added, 2 replaced"
results part0.db >expected0
results less.db | cmp - expected0 || fail "what was replaced is not what replaced it"
expect 0 "$ESPALIER" db check --db less.db
says "ok"
expect 0 "$ESPALIER" db merge part0.db --db less.db
says "0 trials added, 0 replaced, 4 here already"
# and never the other way round
sqlite3 part1.db "UPDATE trial SET status = 'interrupted'"
expect 0 "$ESPALIER" db merge part1.db --db whole.db
says "0 replaced, 4 here already"

sqlite3 part0.db "UPDATE epoch SET digest = 'different' WHERE epoch >= 3 AND trial =
    (SELECT id FROM trial WHERE trial_id = '$id')"
results less.db >before
expect 1 "$ESPALIER" db merge part0.db --db less.db
says "conflict: trial $id: epoch 3 differs" "3 here already, 1 conflict" "error: 1 conflict:"
results less.db | cmp - before || fail "a conflict changed what was here"
expect 1 "$ESPALIER" db merge part0.db --db less.db --format json
says '"conflicts": [' "epoch 3 differs"

# ---- refused -----------------------------------------------------------------------------------
sqlite3 foreign.db "CREATE TABLE t (x)"
expect 3 "$ESPALIER" db merge foreign.db --db merged.db
says "not an espalier database"
expect 3 "$ESPALIER" db merge foreign.db --db new.db
[ ! -e new.db ] || fail "a refused merge made a database"
expect 3 "$ESPALIER" db merge study.yaml --db merged.db
expect 4 "$ESPALIER" db merge none.db --db merged.db
expect 3 "$ESPALIER" db merge part0.db --db foreign.db
ln -s merged.db same.db
for itself in merged.db ./merged.db same.db; do
    expect 2 "$ESPALIER" db merge part0.db $itself --db merged.db
    says "$itself: is the database that others are merged into"
done

# ---- while a run writes: backup does, merge does not -------------------------------------------
"$ESPALIER" run study.yaml --db live.db --seeds 0 --jobs 1 --only balanced \
    --set phases.second.epochs=999998 >run.out 2>&1 </dev/null &
runner=$!
for _ in $(seq 100); do
    sleep 0.1
    [ "$(value live.db "SELECT max(epoch) FROM epoch" 2>/dev/null)" -gt 5 ] 2>/dev/null && break
done
expect 0 "$ESPALIER" db backup copy.db --db live.db
says "copy.db"
[ "$(value copy.db "SELECT max(epoch) > 5 FROM epoch")" = 1 ] || fail "the backup lacks epochs"
[ "$(ls copy.db*)" = copy.db ] || fail "the backup needs other files"
[ "$(sqlite3 copy.db 'PRAGMA integrity_check')" = ok ] || fail "the backup is damaged"
expect 3 "$ESPALIER" db backup copy.db --db live.db
says "exists"
expect 3 "$ESPALIER" db backup nowhere/copy.db --db live.db
expect 0 "$ESPALIER" db backup --db live.db
ls live.db.*Z.backup >/dev/null || fail "no backup beside it"
expect 3 "$ESPALIER" db merge whole.db --db live.db
says "a run is writing"
expect 3 "$ESPALIER" db merge live.db --db merged.db
says "live.db: a run is writing"
expect 3 "$ESPALIER" db merge part1.db live.db --db new.db
says "live.db: a run is writing"
[ ! -e new.db ] || fail "a refused merge made a database"
expect 0 "$ESPALIER" db check --db live.db
kill -INT $runner
wait $runner
expect 0 "$ESPALIER" db check --db live.db
expect 0 "$ESPALIER" db merge live.db --db merged.db
expect 0 "$ESPALIER" db check --db merged.db

[ $failures = 0 ] || exit 1
echo "all as it should be"
