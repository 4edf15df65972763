#!/bin/bash
# No room: on a small file system that fills up at ten different points, and where files may not grow,
# every verb that writes ends with exit code 3 and words about path, reason and remedy, finished epochs
# stay, check finds nothing broken, results can be read, and the same run goes on once there is room.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
# shellcheck source=tests/fixtures/small_study.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/small_study.sh"
needs sqlite3

if [ -z "${ESPALIER_TEST_MAY_MOUNT:-}" ]; then
    # mounts of a user namespace end with it
    if unshare -rm mount -t tmpfs none /mnt 2>/dev/null; then
        ESPALIER_TEST_MAY_MOUNT=yes unshare -rm bash "${BASH_SOURCE[0]}"
        exit
    fi
    ESPALIER_TEST_MAY_MOUNT=no
fi

expect 0 "$ESPALIER" run study.yaml --db whole.db

echo "== files that may not grow"
limited() { (ulimit -f "$1" && shift && exec "$@"); }
expect 1 limited 2 "$ESPALIER" export small --what metrics --format npy -o arrays/ --db whole.db
says "error: arrays/cell-0001.npy: File too large"
[ ! -e arrays ] && ! compgen -G '.espalier-*' >/dev/null || fail "a piece of an export is left"
for kilobytes in 10 60 150; do
    expect 3 limited $kilobytes "$ESPALIER" db backup copy.db --db whole.db
    says "copy.db: cannot be written" "File too large"
    compgen -G '.espalier-*' >/dev/null && fail "a piece of a backup is left"
    expect 3 limited $kilobytes "$ESPALIER" db merge whole.db --db merged.db
    says "merged.db" "ulimit -f"
    grep -F .tmp stderr && fail "a name that espalier made up"
    compgen -G '.espalier-*' >/dev/null && fail "a piece of a merge is left"
done
expect 0 "$ESPALIER" db merge whole.db --db merged.db
contents whole.db >expected
contents merged.db | cmp - expected || fail "a merge after limits is not the whole"
(ulimit -f 1 && "$ESPALIER" query "SELECT * FROM learning_curve" --db whole.db >long.csv 2>stderr)
code=$?
[ $code = 1 ] || fail "a query cut short exits with $code"
says "standard output"

if [ "$ESPALIER_TEST_MAY_MOUNT" = no ]; then
    [ $failures = 0 ] || exit 1
    echo "nothing can be mounted here: the small file systems are left out"
    exit 0
fi

# room FOLDER KILOBYTES: a file system of that size there, or the one there at another size.
room() {
    mkdir -p "$1"
    mountpoint -q "$1" && mount -o "remount,size=${2}k" "$1" && return
    mount -t tmpfs -o "size=${2}k" none "$1" || exit 1
}

echo "== a run, ten times out of room"
refused=0
for kilobytes in 60 100 140 180 220 240 260 280 300 320 340 360 380 400 440 480; do
    room disk $kilobytes
    before=$(sqlite3 disk/x.db "SELECT count(*) FROM epoch" 2>/dev/null || echo 0)
    "$ESPALIER" run study.yaml --db disk/x.db >stdout 2>stderr </dev/null
    code=$?
    [ $code != 0 ] || break
    [ $code = 3 ] || fail "with $kilobytes kB it exits with $code"
    says "disk/x.db" "start again"
    grep -q "free some space\|No space left" stderr || fail "the reason is not named"
    refused=$((refused + 1))
    [ -s disk/x.db ] || continue
    # not one byte is free: results are read and found sound, and nothing can be written
    dd if=/dev/zero of=disk/rest bs=1k status=none 2>/dev/null
    expect 0 "$ESPALIER" status --db disk/x.db
    expect 0 "$ESPALIER" query "SELECT count(*) FROM epoch" --format csv --db disk/x.db
    [ "$(tail -n 1 stdout)" -ge "${before:-0}" ] || fail "finished epochs are lost"
    expect 0 "$ESPALIER" db check --db disk/x.db
    expect 3 "$ESPALIER" run study.yaml --db disk/x.db
    rm disk/rest
    expect 0 "$ESPALIER" db check --db disk/x.db
done
[ $refused -ge 10 ] || fail "only $refused sizes were too small"
room disk 4000
resumes disk/x.db

echo "== checkpoints out of room, the database not"
mkdir other
for kilobytes in 4 16 40; do
    room other/x.db.checkpoints $kilobytes
    expect 3 "$ESPALIER" run study.yaml --db other/x.db
    says "other/x.db.checkpoints" "No space left" "free some space" "start again"
    expect 0 "$ESPALIER" db check --db other/x.db
done
room other/x.db.checkpoints 4000
resumes other/x.db

echo "== backup and merge out of room"
room copies 100
expect 3 "$ESPALIER" db backup copies/x.db --db whole.db
says "copies/x.db: cannot be written" "full" "make room"
[ -z "$(ls copies)" ] || fail "a piece of a backup is left"
refused=0
for kilobytes in 100 200 300 400 500 560 600 620 640; do
    room merges $kilobytes
    "$ESPALIER" db merge whole.db --db merges/x.db >stdout 2>stderr
    code=$?
    [ $code != 0 ] || break
    [ $code = 3 ] || fail "a merge with $kilobytes kB exits with $code"
    says "merges/x.db" "again"
    refused=$((refused + 1))
    compgen -G 'merges/.espalier-*' >/dev/null && fail "a piece of a merge is left"
    [ -s merges/x.db ] || continue
    expect 0 "$ESPALIER" db check --db merges/x.db
done
[ $refused -ge 4 ] || fail "only $refused sizes were too small for a merge"
room merges 4000
expect 0 "$ESPALIER" db merge whole.db --db merges/x.db
resumes merges/x.db

umount disk other/x.db.checkpoints copies merges
expect 1 bash -c "'$ESPALIER' report small --db whole.db >/dev/full"
says "standard output"

[ $failures = 0 ] || exit 1
echo "all as it should be"
