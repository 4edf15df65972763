#!/usr/bin/env bash
# The closing line of check.sh, against a folder of tests that ctest itself has run: a script that
# skips is no script that passed, and why it did is told.
set -u
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failures=0

# test_is NAME SHELL: one more test of the folder.
test_is() {
    echo "$2" >"$1.sh"
    echo "add_test($1 bash $1.sh)" >>CTestTestfile.cmake
    echo "set_tests_properties($1 PROPERTIES SKIP_RETURN_CODE 77)" >>CTestTestfile.cmake
}
# counts_are LINE...: what the counter prints of a run of them.
counts_are() {
    ctest --output-junit "$folder/run.xml" >ctest.out 2>&1
    awk -f "${ESPALIER_SOURCE:?set by ctest}/scripts/count_tests.awk" run.xml Testing/Temporary/LastTest.log >found
    printf '%s\n' "$@" >expected
    cmp -s expected found || { echo "FAILED:"; diff expected found; cat ctest.out; failures=$((failures + 1)); }
}

test_is test_good 'echo fine'
test_is test_partly 'echo "skipped: one part, without a shell to try"; exit 0'
counts_are "2 passed, 0 failed"

test_is test_lacking 'echo "skipped: needs a machine that is not here"; exit 77'
test_is test_speechless 'exit 77'
test_is test_cases 'echo "[  PASSED  ] 4 test(s)."; echo "[  SKIPPED ] 2 test(s), listed below:"'
counts_are "skipped test_lacking: needs a machine that is not here" "skipped test_speechless" \
    "6 passed, 0 failed, 4 skipped"

test_is test_bad 'exit 1'
test_is test_bad_cases 'echo "[  PASSED  ] 1 test(s)."; echo "[  FAILED  ] 2 test(s), listed below:"; exit 2'
test_is test_crash 'echo "[  PASSED  ] 3 test(s)."; kill -SEGV $$'
echo 'add_test(test_absent "/nowhere/program")' >>CTestTestfile.cmake
counts_are "skipped test_lacking: needs a machine that is not here" "skipped test_speechless" \
    "10 passed, 5 failed, 4 skipped"

[ $failures = 0 ] && echo "counted as they ended"
exit "$failures"
