#!/bin/bash
# Files that are no results database, or a damaged or a newer one, are refused by every verb with exit
# code 3 and words that name the file, the reason and what to do, and stay as they were, byte by byte.
# What a run can go on with, it goes on with.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
# shellcheck source=tests/fixtures/small_study.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/small_study.sh"
needs sqlite3

expect 0 "$ESPALIER" run study.yaml --db whole.db
cp whole.db good.db # nothing beside it

# fresh: x.db and its checkpoints as the run left them.
fresh() {
    rm -rf x.db* y.db* made.db*
    cp good.db x.db
    cp -r whole.db.checkpoints x.db.checkpoints
}

# What x.db is, byte by byte where it is a file.
fingerprint() { if [ -f x.db ]; then sha256sum x.db; else stat -c %F x.db; fi; }

# refused WORDS...: every verb refuses x.db, says so and changes nothing.
refused() {
    local before after
    before=$(fingerprint)
    local verbs=("run study.yaml" "status" "ls" "report small" "query spread" "db check"
        "db migrate" "db backup made.db" "db merge good.db")
    if [ -n "$ESPALIER_SANITIZE" ]; then verbs=("run study.yaml" "status" "db merge good.db"); fi
    for verb in "${verbs[@]}"; do
        # shellcheck disable=SC2086
        expect 3 timeout 60 "$ESPALIER" $verb --db x.db
        says "x.db" "$@"
    done
    expect 3 timeout 60 "$ESPALIER" db merge x.db --db made.db
    says "x.db" "$@"
    [ ! -e made.db ] || fail "$verb made something of it"
    after=$(fingerprint)
    [ "$before" = "$after" ] || fail "a refused file was changed: $*"
}

echo "== not ours"
fresh && rm x.db && sqlite3 x.db "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)"
refused "not an espalier database" "left as it is" "--db"
fresh && cp study.yaml x.db
refused "not an espalier database" "no SQLite file" "--db"
fresh && rm x.db && mkdir x.db
refused "not a file" "--db"
fresh && rm x.db && mkfifo x.db
refused "not a file" "--db"
fresh && rm x.db && ln -s nowhere/y.db x.db
refused "a symbolic link to a file that is not there" "--db"
fresh && rm x.db && ln -s x.db x.db
refused "Too many levels of symbolic links" "--db"

echo "== newer"
fresh && sqlite3 x.db "PRAGMA user_version = 9" && rm -f x.db-*
refused "a newer espalier" "schema version 9" "update espalier"

echo "== damaged"
fresh && dd if=/dev/zero of=x.db bs=100 count=1 conv=notrunc status=none
refused "its head is damaged" "restore a copy"
fresh && truncate -s 5000 x.db
refused "damaged" "restore a copy" ".recover"
fresh && truncate -s 50 x.db
refused "damaged" "restore a copy" ".recover"

# Pages in the middle: what does not come across them still reads, but nothing is written, no backup is
# made of it, and check tells.
fresh && dd if=/dev/zero of=x.db bs=4096 seek=9 count=2 conv=notrunc status=none
before=$(sha256sum x.db)
for verb in "run study.yaml" "db migrate" "db backup made.db" "db merge good.db"; do
    # shellcheck disable=SC2086
    expect 3 "$ESPALIER" $verb --db x.db
    says "x.db: damaged" "restore a copy" ".recover"
    grep -q "x.db: damaged (.*): it is left as it is" stderr || fail "what was found is not told in one line"
done
[ ! -e made.db ] || fail "a backup was made of a damaged database"
expect 3 "$ESPALIER" db merge x.db --db made.db
says "x.db: damaged"
expect 3 "$ESPALIER" db check --db x.db
says "broken: integrity" "restore a backup"
expect 3 "$ESPALIER" db check --db x.db --format json
grep -q '"ok": false' stdout || fail "no JSON about a damaged database"
[ "$before" = "$(sha256sum x.db)" ] || fail "a damaged file was changed"
# and the backup it asks for brings it back
expect 0 "$ESPALIER" db backup made2.db --db whole.db
rm -f x.db* 2>/dev/null
cp made2.db x.db
resumes x.db

echo "== what SQLite leaves beside it"
fresh && head -c 20000 /dev/urandom >x.db-wal # never a commit: passed over
expect 0 "$ESPALIER" status --db x.db
resumes x.db
fresh && head -c 20000 /dev/urandom >x.db-wal && head -c 32768 /dev/urandom >x.db-shm
resumes x.db
# A log with commits whose index is missing or wrong, as after a power cut: read, and gone on with.
fresh
"$ESPALIER" run study.yaml --db y.db --seeds 0 >/dev/null 2>&1
sqlite3 y.db "UPDATE trial SET status = 'interrupted'; DELETE FROM selection; DELETE FROM epoch_metric
    WHERE epoch > 9; DELETE FROM epoch WHERE epoch > 9; PRAGMA wal_checkpoint(TRUNCATE)" >/dev/null
rm -rf y.db.checkpoints
sqlite3 y.db >/dev/null 2>&1 <<'SQL'
PRAGMA wal_autocheckpoint = 0;
UPDATE study SET name = name;
.shell cp y.db x.db; cp y.db-wal x.db-wal; rm -rf x.db.checkpoints; rm -f x.db-shm
SQL
[ -s x.db-wal ] || fail "there is no log to read"
expect 0 "$ESPALIER" status --db x.db
says "interrupted"
rm -f x.db-shm
head -c 32768 /dev/urandom >x.db-shm
expect 0 "$ESPALIER" status --db x.db
resumes x.db
# A log cut short in the middle of a commit: what was committed before counts.
fresh
sqlite3 y.db >/dev/null 2>&1 <<'SQL'
PRAGMA wal_autocheckpoint = 0;
UPDATE study SET name = name;
UPDATE epoch SET seconds = 0;
.shell cp y.db x.db; cp y.db-wal x.db-wal; rm -rf x.db.checkpoints; rm -f x.db-shm
SQL
truncate -s -1000 x.db-wal
resumes x.db

echo "== an empty file and a link are good names"
fresh && : >x.db && rm -r x.db.checkpoints
resumes x.db
fresh && rm -r x.db* && : >y.db && ln -s y.db x.db
expect 0 "$ESPALIER" run study.yaml --db x.db --seeds 0
expect 0 "$ESPALIER" run study.yaml --db y.db
says "2 done before"
expect 0 "$ESPALIER" db check --db x.db
expect 0 "$ESPALIER" db check --db y.db
for beside in wal lock checkpoints; do
    if [ -e x.db-$beside ] || [ -e x.db.$beside ]; then fail "the link has a $beside of its own"; fi
done

[ $failures = 0 ] || exit 1
echo "all as it should be"
