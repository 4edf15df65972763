#!/bin/bash
# On a network file system nothing is written: exit code 3, why, and how to go about it; reading works,
# and so does the way that is told. statfs(2) is made to name the file system by a preloaded library.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
# shellcheck source=tests/fixtures/small_study.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/small_study.sh"
compiler=$(command -v cc || command -v gcc || command -v clang) || skip "needs a C compiler, which is not here"
needs sqlite3
[ -z "$ESPALIER_SANITIZE" ] || skip "sanitizers want to be loaded first, and so does this test's statfs"

cat >statfs.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
int statfs(const char *path, struct statfs *found)
{
    int (*real)(const char *, struct statfs *) =
        (int (*)(const char *, struct statfs *))dlsym(RTLD_NEXT, "statfs");
    int failed = real(path, found);
    if (!failed && strstr(path, "share")) {
        found->f_type = strtoul(getenv("STATFS_TYPE"), NULL, 16);
    }
    return failed;
}
C
"$compiler" -shared -fPIC -o statfs.so statfs.c -ldl || skip "no statfs can be preloaded here"
# on TYPE COMMAND...: as if folders called share were on a file system of that type.
on() { STATFS_TYPE=$1 LD_PRELOAD=$PWD/statfs.so "${@:2}"; }
nfs=6969 fuse=65735546 ext4=ef53

mkdir share
expect 3 on $nfs "$ESPALIER" run study.yaml --db share/x.db
says "share/x.db: on a network file system (NFS)" "write-ahead log" "needs memory" "db merge" "--db /"
[ ! -e share/x.db ] || fail "a database was made there"
expect 3 on $nfs "$ESPALIER" run study.yaml --db share/deep/er/x.db
says "network file system (NFS)"
for type in ff534d42 fe534d42 bd00bd0 47504653 19830326 c36400; do
    expect 3 on $type "$ESPALIER" run study.yaml --db share/x.db
    says "network file system"
done

# the way that is told: locally, together, and the whole to the share
expect 0 on $nfs "$ESPALIER" run study.yaml --db node0.db --seeds 0
expect 0 on $nfs "$ESPALIER" run study.yaml --db node1.db --seeds 1
expect 0 on $nfs "$ESPALIER" db merge node0.db node1.db --db whole.db
expect 3 on $nfs "$ESPALIER" db merge node0.db --db share/x.db
says "network file system"
expect 0 on $nfs "$ESPALIER" db backup share/x.db --db whole.db
[ "$(sqlite3 share/x.db "PRAGMA journal_mode")" = delete ] || fail "the copy there needs a log"
# it is read there, and merged from there
for verb in "status" "report small" "db merge share/x.db --db again.db"; do
    case $verb in *--db*) database=() ;; *) database=(--db share/x.db) ;; esac
    # shellcheck disable=SC2086
    expect 0 on $nfs "$ESPALIER" $verb "${database[@]}"
done
says "4 trials added"
# `run` and `migrate` leave it alone
expect 3 on $nfs "$ESPALIER" run study.yaml --db share/x.db
expect 3 on $nfs "$ESPALIER" db migrate --db share/x.db
[ "$(sqlite3 share/x.db "PRAGMA journal_mode")" = delete ] || fail "the copy there was changed"

# the way out, for where one machine uses the file
expect 0 env ESPALIER_NETWORK_DB=1 STATFS_TYPE=$nfs LD_PRELOAD="$PWD/statfs.so" \
    "$ESPALIER" run study.yaml --db share/y.db
expect 3 env ESPALIER_NETWORK_DB=0 STATFS_TYPE=$nfs LD_PRELOAD="$PWD/statfs.so" \
    "$ESPALIER" run study.yaml --db share/y.db

# what may be either is warned about, what is local is not
expect 0 on $fuse "$ESPALIER" run study.yaml --db share/z.db
says "warning: share/z.db: on a FUSE file system" "ESPALIER_NETWORK_DB=1"
[ "$(grep -c FUSE stderr)" = 1 ] || fail "warned more than once"
expect 0 on $ext4 "$ESPALIER" run study.yaml --db share/z.db
grep -q "file system" stderr && fail "warned about ext4"

[ $failures = 0 ] || exit 1
echo "all as it should be"
