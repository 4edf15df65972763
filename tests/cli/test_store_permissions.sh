#!/bin/bash
# Files and folders nobody may read or write: exit code 3 and words about path, reason and remedy;
# results can be read where reading is allowed, and the same run goes on once it may write.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
# shellcheck source=tests/fixtures/small_study.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/small_study.sh"
needs sqlite3

# Root passes every check of permissions, so as root the whole of it is done by another user.
if [ "$(id -u)" = 0 ]; then
    needs setpriv
    chown -R 65534:65534 "$scratch"
    if ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$ESPALIER" -a -r "${BASH_SOURCE[0]}"; then
        skip "another user cannot reach the program or this test"
    fi
    setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$scratch" TMPDIR="$scratch" bash "${BASH_SOURCE[0]}"
    exit
fi
trap 'chmod -R u+rwX "$scratch"; rm -rf "$scratch"' EXIT

expect 0 "$ESPALIER" run study.yaml --db whole.db

# half DB: as whole.db would be had it been stopped half way.
half() {
    chmod -R u+rwX d 2>/dev/null
    rm -rf d && mkdir d
    expect 0 "$ESPALIER" run study.yaml --db d/x.db --seeds 0
}

echo "== a database that may not be written"
half && chmod 0444 d/x.db
expect 3 "$ESPALIER" run study.yaml --db d/x.db
says "d/x.db: no permission to write it" "Permission denied" "--db"
expect 3 "$ESPALIER" db merge whole.db --db d/x.db
says "d/x.db: no permission to write it"
expect 0 "$ESPALIER" report small --db d/x.db
expect 0 "$ESPALIER" db check --db d/x.db
chmod 0644 d/x.db
expect 3 "$ESPALIER" run study.yaml --db d/x.db # readers left a log like it
says "d/x.db-wal: no permission to read and write it" "give it those of d/x.db"
chmod 0644 d/x.db-*
resumes d/x.db

echo "== a folder that may not be written"
half && chmod 0555 d
expect 3 "$ESPALIER" db merge whole.db --db d/x.db
says "d/x.db" "Permission denied" "--db"
grep -F .tmp stderr && fail "a name that espalier made up"
for verb in "status" "report small" "db check" "query spread" "db backup copy.db"; do
    # shellcheck disable=SC2086
    expect 0 "$ESPALIER" $verb --db d/x.db
done
contents whole.db >expected
[ "$(sqlite3 copy.db "SELECT count(*) FROM epoch")" -gt 90 ] || fail "the copy lacks epochs"
expect 3 "$ESPALIER" db backup d/copy.db --db whole.db
says "d/copy.db: cannot be written" "Permission denied"
expect 3 "$ESPALIER" run study.yaml --db d/new.db
says "d/new.db" "Permission denied" "--db"
expect 3 "$ESPALIER" run study.yaml --db d/e/new.db
says "d/e" "Permission denied" "--db"
chmod 0755 d
resumes d/x.db
# where a reader left an empty log, as it may, and the folder was closed after
half && : >d/x.db-wal && rm -f d/x.db-shm && chmod 0555 d
expect 0 "$ESPALIER" report small --db d/x.db
# and where a run was killed, so that its log still holds results
chmod 0755 d
sqlite3 d/x.db >/dev/null 2>&1 <<'SQL'
PRAGMA wal_autocheckpoint = 0;
UPDATE study SET name = name;
.shell mkdir d/e; cp d/x.db d/x.db-wal d/e; chmod 0555 d/e
SQL
expect 3 "$ESPALIER" report small --db d/e/x.db
says "d/e/x.db-wal holds results too" "copy both files"
chmod 0755 d/e
expect 0 "$ESPALIER" report small --db d/e/x.db

echo "== what may not be read"
half && chmod 0000 d/x.db
for verb in "status" "run study.yaml" "db check"; do
    # shellcheck disable=SC2086
    expect 3 "$ESPALIER" $verb --db d/x.db
    says "d/x.db: no permission to" "--db"
done
chmod 0644 d/x.db && chmod 0000 d
expect 3 "$ESPALIER" status --db d/x.db
says "d/x.db: Permission denied"
expect 3 "$ESPALIER" run study.yaml --db d/x.db
says "Permission denied" "--db"
expect 3 "$ESPALIER" db merge d/x.db --db other.db
says "d/x.db: Permission denied"
[ ! -e other.db ] || fail "a refused merge made a database"
chmod 0755 d
resumes d/x.db

echo "== checkpoints that may not be written"
half && chmod 0555 d/x.db.checkpoints
expect 3 "$ESPALIER" run study.yaml --db d/x.db
says "d/x.db.checkpoints/" "Permission denied" "look at the permissions"
expect 0 "$ESPALIER" db check --db d/x.db
expect 3 "$ESPALIER" db merge whole.db --db d/x.db
says "d/x.db.checkpoints/" "Permission denied" "merge again"
expect 0 "$ESPALIER" db check --db d/x.db
chmod 0755 d/x.db.checkpoints
resumes d/x.db
half && rm -r d/x.db.checkpoints && : >d/x.db.checkpoints
expect 3 "$ESPALIER" run study.yaml --db d/x.db
says "d/x.db.checkpoints" "Not a directory"

echo "== a lock file that may not be written"
half && chmod 0444 d/x.db.lock
expect 3 "$ESPALIER" run study.yaml --db d/x.db
says "d/x.db.lock: Permission denied"
expect 0 "$ESPALIER" status --db d/x.db
chmod 0644 d/x.db.lock
resumes d/x.db

[ $failures = 0 ] || exit 1
echo "all as it should be"
