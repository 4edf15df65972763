#!/usr/bin/env bash
# Builds the fuzz targets and runs each over its corpus and then on mutations of it, as many at a time
# as there are processors. What breaks one is kept. ./check.sh --fuzz[=SECONDS] calls it.
#   tests/fuzz/run.sh SECONDS [NAME...]        a time for each target, all of them by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

export seconds=${1:-60} build=$PWD/build/fuzz
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "'$seconds' is not a number of seconds"
shift || true
names=("$@")
[ "${#names[@]}" -gt 0 ] || mapfile -t names < <(cd tests/fuzz && printf '%s\n' fuzz_*.c |
    sed 's/^fuzz_//; s/\.c$//')

logged "configured fuzz" build/fuzz-configure.log cmake --preset fuzz
logged "built fuzz" build/fuzz-build.log cmake --build --preset fuzz

export OPENBLAS_NUM_THREADS=1
# A small quarantine, so that memory counted is memory used.
export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:quarantine_size_mb=16:malloc_context_size=8${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"

# New inputs go to build/fuzz/corpus and are used again; the committed corpus is only read. A single
# input that takes 10 s or 1 GB is a failure as a crash is.
fuzz_one() { # NAME
    local name=$1 log=$build/$1.log status=0
    mkdir -p "$build/corpus/$name" "$build/found"
    "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
        -max_len=16384 -dict="tests/fuzz/$name.dict" -artifact_prefix="$build/found/$name-" \
        -print_final_stats=1 "$build/corpus/$name" "tests/fuzz/corpus/$name" \
        >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 60 "$log"
        printf '%s: FAILED; all of its output is in %s\n' "$name" "$log"
        return "$status"
    fi
    awk -v name="$name" -v seconds="$seconds" '
        { for (i = 1; i < NF; i++) if ($i == "cov:") coverage = $(i + 1) }
        /stat::number_of_executed_units/ { executed = $2 }
        /stat::peak_rss_mb/ { peak = $2 }
        END { printf "%s: %d inputs in %d s, %d edges covered, at most %d MB: passed\n",
                     name, executed, seconds, coverage, peak }' "$log"
}
export -f fuzz_one

results=build/fuzz/results.log
mkdir -p build/fuzz
printf '%s\n' "${names[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz_one {}' | tee "$results" || true
passed=$(grep -c ': passed$' "$results" || true)
failed=$((${#names[@]} - passed))
if [ "$failed" -gt 0 ]; then
    say "inputs that failed are in build/fuzz/found; tests/fuzz/README.md says what to do with them"
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
