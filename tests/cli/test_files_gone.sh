#!/bin/bash
# What a run writes to is taken away from under it. A database that is moved, replaced or removed: the
# run ends with exit code 3 and says so, instead of writing on into a file that nobody finds; what was
# moved holds every epoch, what took its place is untouched. A lock file that is removed: it is made
# again, and no trial is trained by two runs; where another run came first, the trial is that one's.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
# shellcheck source=tests/fixtures/small_study.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/small_study.sh"
needs sqlite3

expect 0 "$ESPALIER" run study.yaml --db whole.db
long=(study.yaml --only baseline --seeds 0 --jobs 1 --set phases.second.epochs=900000)
epochs_of() { sqlite3 "$1" "SELECT coalesce(max(epoch), 0) FROM epoch" 2>/dev/null || echo 0; }
attempts_of() { sqlite3 "$1" "SELECT count(*) FROM attempt" 2>/dev/null || echo 0; }
# wait_for COMMAND...: until it succeeds, twenty seconds at most.
wait_for() {
    for _ in $(seq 400); do
        "$@" && return
        sleep 0.05
    done
    fail "never: $*"
}
has_epochs() { [ "$(epochs_of "$1")" -gt 5 ]; }
has_attempts() { [ "$(attempts_of "$1")" = "$2" ]; }

# start: a run of x.db that would train for long, in its second phase.
start() {
    rm -rf x.db* moved.db*
    "$ESPALIER" run "${long[@]}" --db x.db >/dev/null 2>first.err </dev/null &
    first=$!
    wait_for has_epochs x.db
}

# ends_with EXIT_CODE PROCESS WORDS_FILE: within twenty seconds and by itself.
ends_with() {
    for _ in $(seq 400); do
        kill -0 "$2" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$2" 2>/dev/null && fail "it does not end by itself"
    wait "$2" 2>/dev/null
    local code=$?
    [ $code = "$1" ] || fail "exit code $code, expected $1: $(cat "$3")"
    cp "$3" stderr
    : >stdout
}

echo "== a database that is moved"
start
before=$(epochs_of x.db)
mv x.db moved.db
ends_with 3 "$first" first.err
says "x.db: was moved, replaced or removed while this run wrote to it"
stored=$(epochs_of moved.db)
[ "$stored" -ge "$before" ] || fail "$before epochs were stored, and $stored are"
[ ! -s x.db-wal ] || fail "the log that is left holds epochs"
mv x.db.checkpoints moved.db.checkpoints
expect 0 "$ESPALIER" db check --db moved.db
says "moved.db: ok"

echo "== a database that is replaced"
cp whole.db other.db
start
mv other.db x.db
ends_with 3 "$first" first.err
says "x.db: was moved, replaced or removed while this run wrote to it"
contents_of() { sqlite3 "$1" "PRAGMA integrity_check; SELECT * FROM epoch; SELECT * FROM trial"; }
[ "$(contents_of x.db)" = "$(contents_of whole.db)" ] || fail "what took its place was changed"

echo "== a database that is removed"
start
rm x.db
ends_with 3 "$first" first.err
says "x.db: was moved, replaced or removed while this run wrote to it"
[ ! -e x.db ] || fail "there is a database again"

echo "== a lock file that is removed"
start
rm x.db.lock
wait_for test -e x.db.lock
"$ESPALIER" run "${long[@]}" --db x.db >/dev/null 2>second.err </dev/null &
second=$!
wait_for grep -q "waiting for 1 trial that another run trains" second.err
has_attempts x.db 1 || fail "two runs train one trial"
expect 0 "$ESPALIER" status --db x.db
says "1 trial running"
expect 3 "$ESPALIER" db merge whole.db --db x.db
says "a run is writing to this database"
grep -q "warning: x.db.lock: was removed" first.err || fail "it is silent about it: $(cat first.err)"
kill -KILL $first # and is seen to die
wait $first 2>/dev/null
wait_for has_attempts x.db 2
kill -INT $second
ends_with 130 $second second.err

echo "== a lock file that is removed, and another run is quicker"
start
read -r worker _ <"/proc/$first/task/$first/children"
# not within a transaction, for which the other would wait
stop_worker() {
    kill -STOP "$worker"
    sqlite3 x.db "BEGIN IMMEDIATE; ROLLBACK" 2>/dev/null && return
    kill -CONT "$worker"
    false
}
wait_for stop_worker
rm x.db.lock
"$ESPALIER" run "${long[@]}" --db x.db >/dev/null 2>second.err </dev/null &
second=$!
wait_for has_attempts x.db 2
kill -CONT "$worker"
ends_with 3 $first first.err
says "x.db.lock: was removed while this run worked" "another run has taken"
expect 0 "$ESPALIER" status --db x.db
says "1 trial running"
kill -INT $second
ends_with 130 $second second.err
[ "$(sqlite3 x.db "SELECT count(*) FROM digest_mismatch")" = 0 ] || fail "the two differ"
expect 0 "$ESPALIER" db check --db x.db

[ $failures = 0 ] || exit 1
echo "all as it should be"
