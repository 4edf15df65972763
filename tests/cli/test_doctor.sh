#!/bin/bash
# espalier doctor: machines are made unfit one way at a time, and the line about it is looked for.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export XDG_CACHE_HOME=$scratch/cache NO_COLOR=1
unset OPENBLAS_CORETYPE OPENBLAS_NUM_THREADS ESPALIER_DB ESPALIER_PLUGIN_PATH ESPALIER_DATA_PATH
cd "$scratch" || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    cat stdout stderr 2>/dev/null
    failures=$((failures + 1))
}

# expect EXIT_CODE COMMAND...: runs it, keeping stdout and stderr.
expect() {
    local expected=$1 code
    shift
    "$@" >stdout 2>stderr </dev/null
    code=$?
    [ "$code" = "$expected" ] || fail "exit code $code, expected $expected: $*"
}

# line PATTERN: one line of the answer is like it.
line() {
    grep -qE "$1" stdout || fail "no line '$1'"
}

# ---- a machine as it is --------------------------------------------------------------------------
expect 0 "$ESPALIER" doctor
grep -qvE '^(ok|warning)  ' stdout && fail "a line is neither ok nor a warning"
for what in 'BLAS kernel' 'BLAS threads' cores 'CPU quota' load 'CPU frequency' memory build \
    'built from' git plugins data disk 'file system' database; do
    line "^(ok|warning) +$what "
done
line "^ok +cores +$(nproc) for this process"
line "^warning +data +mnist is not on this machine; to do: espalier data fetch mnist"
line "^ok +database +results/espalier.db is not there yet"
[ ! -e results ] || fail "doctor made the folder"
case ${ESPALIER_SANITIZE:-} in
'') line '^ok +build ' ;;
*) line '^warning +build +with sanitizers' ;;
esac
lines=$(wc -l <stdout)
expect 0 "$ESPALIER" doctor --format json
[ "$(grep -c '"state": "' stdout)" = "$lines" ] || fail "json has not the same $lines"

# ---- warnings ------------------------------------------------------------------------------------
expect 0 env OPENBLAS_CORETYPE=Haswell "$ESPALIER" doctor
line '^warning +BLAS kernel .*OPENBLAS_CORETYPE=Haswell'
expect 0 env OPENBLAS_NUM_THREADS=2 "$ESPALIER" doctor
line '^ok +BLAS threads +one a trial; OPENBLAS_NUM_THREADS=2 is overruled'
mkdir bad
echo "not a plugin" >bad/broken.so
expect 0 env ESPALIER_PLUGIN_PATH="$scratch/bad" "$ESPALIER" doctor
line '^warning +plugin +.*bad/broken.so is refused'
mkdir -p half/mnist
touch half/mnist/train-images-idx3-ubyte
expect 0 env ESPALIER_DATA_PATH="$scratch/half" "$ESPALIER" doctor
line '^warning +data +mnist is not whole'
if [ -w /sys/fs/fuse/connections ] && command -v bindfs >/dev/null; then
    mkdir from to && bindfs from to && {
        expect 0 "$ESPALIER" doctor --db to/results.db
        line '^warning +file system +to is on FUSE.*write-ahead'
        fusermount -u to
    }
fi

# limits, and what is loaded first
expect 0 bash -c 'ulimit -f 100000 && exec "$ESPALIER" doctor'
line '^warning +limit +file size: 102400000 bytes; .*to do: ulimit -f unlimited'
[ -n "${ESPALIER_SANITIZE:-}" ] || {
    expect 0 env LD_PRELOAD=libm.so.6 "$ESPALIER" doctor
    line '^warning +LD_PRELOAD +libm.so.6 is loaded first'
}
# git that is not there, and a folder that is in no repository
expect 0 env PATH=/nonexistent "$ESPALIER" doctor
line '^warning +git +git is not installed'
if command -v git >/dev/null; then
    GIT_CEILING_DIRECTORIES=$(dirname "$scratch") expect 0 "$ESPALIER" doctor
    line '^ok +git +this folder is in no git repository'
fi
# a unit of the processor that the program cannot use: here the kernel keeps AMX from it; or one that
# ESPALIER_PRODUCTS keeps it from
expect 0 "$ESPALIER" doctor
if grep -q ' products .* by tiles' stdout; then
    line '^ok +products +of data in bytes: by tiles'
    ESPALIER_PRODUCTS=vectors expect 0 "$ESPALIER" doctor
    line '^warning +products .*by vectors, by ESPALIER_PRODUCTS; this processor has a matrix unit \(AMX\)'
    cat >old_kernel.c <<'C'
#include <errno.h>
long syscall(long number, ...);
long syscall(long number, ...) { (void)number; errno = ENOSYS; return -1; }
C
    if [ -z "${ESPALIER_SANITIZE:-}" ] && ${CC:-cc} -shared -fPIC -o old_kernel.so old_kernel.c 2>/dev/null; then
        expect 0 env LD_PRELOAD="$PWD/old_kernel.so" "$ESPALIER" doctor
        line '^warning +products .*by vectors; this processor has a matrix unit \(AMX\), which is faster and which this build cannot use'
    fi
elif [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then
    sed 's/^flags.*/& avx512f avx512bw amx_tile amx_bf16/' /proc/cpuinfo >cpuinfo
    # shellcheck disable=SC2016
    expect 0 unshare --mount sh -c 'mount --bind cpuinfo /proc/cpuinfo && exec "$ESPALIER" doctor'
    line '^warning +products .*this processor has a matrix unit \(AMX\), which is faster and which this build cannot use'
fi

# control groups of both versions, as they would be in a container of 1.5 or of half a core
mkdir -p group/cpu
quota() {
    # shellcheck disable=SC2016
    expect 0 unshare --mount sh -c 'mount --bind group /sys/fs/cgroup && exec "$ESPALIER" doctor'
}
if [ "$(nproc)" -gt 1 ] && unshare --mount mount --bind group /sys/fs/cgroup 2>/dev/null; then
    echo "150000 100000" >group/cpu.max
    quota
    line '^warning +CPU quota +the control group allows the time of 1.5 cores.*--jobs 1'
    echo "max 100000" >group/cpu.max
    quota
    line '^ok +CPU quota +none'
    rm group/cpu.max
    echo 100000 >group/cpu/cpu.cfs_period_us
    echo 50000 >group/cpu/cpu.cfs_quota_us
    if grep -qE '^[0-9]+:cpu[:,]' /proc/self/cgroup; then
        quota
        line '^warning +CPU quota +the control group allows the time of 0.5 cores.*--jobs 1'
    fi
fi

# a plugin in the program's folder that was not built with it
if [ -e "$ESPALIER.source" ] && cp -r "$ESPALIER" "$ESPALIER.source" "$(dirname "$ESPALIER")/plugins" .; then
    program=./$(basename "$ESPALIER")
    expect 0 env ESPALIER_PLUGIN_PATH="$scratch/plugins" "$program" doctor
    grep -q 'another build' stdout && fail "copies of the plugins are no other build"
    printf 'x' >>plugins/loss/balance.so
    expect 0 env ESPALIER_PLUGIN_PATH="$scratch/plugins" "$program" doctor
    line '^warning +plugin +.*/plugins/loss/balance.so is of another build than this program'
    sed -i '/^executable/s/[0-9a-f]$/x/' "$program.source"
    expect 0 "$program" doctor
    line '^warning +built from +not known, the note beside the program is about another build'
fi

# a program older than its source; a copy finds its plugins by their path
if touch -r "$ESPALIER" probe 2>/dev/null && cp "$ESPALIER" old 2>/dev/null; then
    touch -d 2001-01-01 old
    expect 0 ./old doctor
    line '^warning +source +.*is newer than this program.*to do: build again'
fi

# ---- errors: a run would fail --------------------------------------------------------------------
echo "not a database, not even for a moment: a text of some length" >text.db
expect 1 "$ESPALIER" doctor --db text.db
line '^error +database +.*text.db'
grep -q "a run would fail here: 1 error" stderr || fail "no last word"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
    chmod 755 "$scratch"
    mkdir -m 755 closed
    if $as_nobody test -x "$ESPALIER"; then
        expect 1 $as_nobody "$ESPALIER" doctor --db closed/results.db
        line '^error +results +closed cannot be written'
    fi
elif [ "$(id -u)" != 0 ]; then
    mkdir -m 555 closed
    expect 1 "$ESPALIER" doctor --db closed/results.db
    line '^error +results +closed cannot be written'
fi

# ---- mistakes ------------------------------------------------------------------------------------
expect 2 "$ESPALIER" doctor --format csv
expect 2 "$ESPALIER" doctor please

[ $failures = 0 ] || exit 1
echo "doctor: all as expected"
