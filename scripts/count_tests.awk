# Counts the cases in ctest's LastTest.log: each cmocka test function is one, a program without
# cmocka's summary is one. A program that ended badly after its last summary (crash, time limit,
# sanitizer) counts as one failure more. A script that skipped and a program that is not there
# "passed" by that log: ctest's JUnit file, named before the log (NAME.xml), tells them. Scripts that
# skipped are listed with their reasons; the counts are the last line.
FILENAME ~ /\.xml$/ {
    if (match($0, /^\t<testcase name="[^"]*"/)) {
        name = substr($0, RSTART + 17, RLENGTH - 18)
    } else if ($0 ~ /^\t\t<skipped message=/) {
        if ($0 ~ /SKIP_RETURN_CODE=/) left_out[name] = 1
        else not_run[name] = 1
    }
    next
}
function close_test(good) {
    good = good && !(name in not_run)
    if (good && name in left_out) {
        passed = 0
        if (skipped == 0) skipped = 1
        printf "skipped %s%s\n", name, why == "" ? "" : ": " why
    } else {
        if (good && passed + failed + skipped == 0) passed = 1
        if (!good && failed == 0) failed = 1
    }
    all_passed += passed; all_failed += failed; all_skipped += skipped
}
/^[0-9]+\/[0-9]+ Testing: / { passed = failed = skipped = 0; name = $3; why = "" }
/^skipped: / { why = substr($0, 10) }
/\[  PASSED  \] [0-9]+ test\(s\)/ { passed += number_after("PASSED  ]") }
/\[  FAILED  \] [0-9]+ test\(s\)/ { failed += number_after("FAILED  ]") }
/\[  SKIPPED \] [0-9]+ test\(s\)/ { skipped += number_after("SKIPPED ]") }
/^Test Passed\.$/ { close_test(1) }
/^Test Failed\.$/ { close_test(0) }
/^Test Not Run\.$|^Test Timeout\.$/ { close_test(0) }
function number_after(mark) { return substr($0, index($0, mark) + length(mark)) + 0 }
END {
    line = sprintf("%d passed, %d failed", all_passed, all_failed)
    if (all_skipped) line = line sprintf(", %d skipped", all_skipped)
    print line
}
