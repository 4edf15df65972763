#!/bin/bash
# Readers and a run do not stop each other: one that keeps a query open from before the run's first
# epoch to its end, and readers while a writer holds the database.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
# shellcheck source=tests/fixtures/small_study.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/small_study.sh"
needs sqlite3

expect 0 "$ESPALIER" run study.yaml --db whole.db
expect 0 "$ESPALIER" run study.yaml --db x.db --seeds 0 --only baseline

# A reader in a transaction, as a query in a pager or an sqlite3 shell is, for all of the run.
mkfifo words
sqlite3 x.db >held 2>&1 <words &
reader=$!
exec 9>words
echo "BEGIN; SELECT count(*) FROM epoch;" >&9
for _ in $(seq 100); do [ -s held ] && break; sleep 0.05; done
[ -s held ] || fail "the reader does not read"
expect 0 timeout 120 "$ESPALIER" run study.yaml --db x.db
expect 0 timeout 20 "$ESPALIER" status --db x.db
expect 0 timeout 20 "$ESPALIER" report small --db x.db
expect 0 timeout 20 "$ESPALIER" query "SELECT count(*) FROM epoch" --format csv --db x.db
[ "$(tail -n 1 stdout)" = 204 ] || fail "other readers do not see what was committed"
echo "SELECT count(*) FROM epoch; COMMIT; SELECT count(*) FROM epoch;" >&9
exec 9>&-
wait $reader
[ "$(tr '\n' ' ' <held)" = "51 51 204 " ] || fail "the reader saw $(tr '\n' ' ' <held)"
resumes x.db

# A writer in a transaction: readers answer at once from what is committed; a run waits and goes on.
expect 0 "$ESPALIER" run study.yaml --db y.db --seeds 0
mkfifo orders
sqlite3 y.db >held 2>&1 <orders &
writer=$!
exec 9>orders
echo "BEGIN IMMEDIATE; UPDATE trial SET status = 'failed'; SELECT 'holds';" >&9
for _ in $(seq 100); do [ -s held ] && break; sleep 0.05; done
start=$SECONDS
expect 0 timeout 20 "$ESPALIER" status --db y.db
says "small"
expect 0 timeout 20 "$ESPALIER" report small --db y.db
expect 0 timeout 20 "$ESPALIER" query "SELECT count(*) FROM trial WHERE status = 'done'" --format csv --db y.db
[ "$(tail -n 1 stdout)" = 2 ] || fail "a reader sees what is not committed"
[ -n "$ESPALIER_SANITIZE" ] || [ $((SECONDS - start)) -le 3 ] || fail "readers waited for the writer"
"$ESPALIER" run study.yaml --db y.db >stdout 2>stderr </dev/null &
runner=$!
sleep 1
kill -0 $runner || fail "the run did not wait for the other writer"
echo "ROLLBACK;" >&9
exec 9>&-
wait $writer
wait $runner || fail "the run that waited"
resumes y.db

[ $failures = 0 ] || exit 1
echo "all as it should be"
