#!/bin/bash
# STUDY@REVISION wherever a study is named, and revisions beside each other. The oracle of numbers is
# SQL over the views that hold all revisions; of the paired t test with 4 pairs, its textbook formula.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
export ESPALIER_DB=$scratch/r.db
cat >s.yaml <<'YAML'
study: s
title: Two variants
seeds: 0..3
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 0}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 20
  phases: {p: {epochs: 2}}
variants:
  none: {reference: true, grid: {}}
  balanced: {grid: {losses.balance.weight: [0.1, 1]}}
report: {metrics: [test.hard_accuracy, test.soft_accuracy], at: last}
YAML
sed 's/study: s/study: other/; s/batch_size: 20/batch_size: 40/' s.yaml >other.yaml
expect 0 "$ESPALIER" run s.yaml
expect 0 "$ESPALIER" run s.yaml --only none --set optimizer.learning_rate=0.001
says "this is revision 2 of s" "\`espalier report s@1\` another" "\`espalier diff s@1 s@2\` compares them"
expect 0 "$ESPALIER" run other.yaml --only none --seeds 0

# same COMMAND -- COMMAND: both print the same.
same() {
    local first=()
    while [ "$1" != -- ]; do first+=("$1"); shift; done
    shift
    expect 0 "$ESPALIER" "${first[@]}"
    cp stdout first
    expect 0 "$ESPALIER" "$@"
    cmp -s first stdout || fail "${first[*]} is not $*: $(diff first stdout | head -4)"
}
# mean REVISION CELL: as the views have it.
mean() {
    value r.db "SELECT printf('%.9f', avg(value)) FROM trial_final_all WHERE study = 's' AND revision = $1
        AND cell = '$2' AND at = 'last' AND split = 'test' AND metric = 'hard_accuracy'"
}

# ---- one revision ------------------------------------------------------------------------------
for format in text md csv json latex; do
    same report s@1 --format $format -- report s --revision 1 --format $format
    same report s@2 --format $format -- report s --format $format
done
same report s@1 -- report s@1 --revision 1
expect 2 "$ESPALIER" report s@1 --revision 2
says "s@1 and --revision 2 are two revisions: name one"
same export s@1 -- export s --revision 1
same ls s@2 -- ls s
same show s@2 -- show s
expect 0 "$ESPALIER" ls s@1 --format csv
[ "$(tail -n +2 stdout | grep -c ',done,')" = 12 ] || fail "12 trials of revision 1 are done"
expect 0 "$ESPALIER" ls s --format csv
[ "$(tail -n +2 stdout | grep -c ',done,')" = 4 ] || fail "4 trials of revision 2 are done"
same query spread --set study=s@2 --format csv -- query spread --set study=s --format csv
expect 0 "$ESPALIER" query spread --set study=s@1 --format json
jq -e --argjson mean "$(mean 1 'balanced losses.balance.weight=1')" \
    'length == 3 and (.[] | select(.cell == "balanced losses.balance.weight=1") | (.mean - $mean) * (.mean - $mean)) < 1e-16' \
    stdout >/dev/null || fail "spread of revision 1: $(cat stdout)"
expect 0 "$ESPALIER" query "SELECT count(*) FROM trial_final WHERE study = :study AND at = 'last' AND split = 'test'
    AND metric = 'hard_accuracy'" --set study=s@1 --format csv
[ "$(tail -n 1 stdout)" = 12 ] || fail "views show the revision named: $(cat stdout)"

# ---- what a run was not asked for is not late ---------------------------------------------------
unasked="no run of this revision has asked for 2 of 3 cells (--only): balanced losses.balance.weight=0.1,"
expect 0 "$ESPALIER" report s
tr '\n' ' ' <stdout | sed 's/  */ /g' >words
grep -qF "$unasked balanced losses.balance.weight=1. \`espalier diff s@1 s@2\` compares this revision with the one before." words ||
    fail "what was not asked for is not named"
says "revision 2, 4 of 4 trials done" "not asked"
! grep -q "not done yet" stdout || fail "what was not asked for is late"
expect 0 "$ESPALIER" report s --format html -o page.html
! grep -q "not done</span>" page.html || fail "what was not asked for is late on the page"
expect 0 "$ESPALIER" run s.yaml --only none # of a revision that was run whole: nothing changes
expect 0 "$ESPALIER" report s
says "revision 1, 12 of 12 trials done"
! grep -q "not asked\|has asked" stdout || fail "revision 1 was asked for whole"
expect 0 "$ESPALIER" db merge r.db --db merged.db
expect 0 "$ESPALIER" report s@2 --db merged.db
tr '\n' ' ' <stdout | sed 's/  */ /g' | grep -qF "$unasked" || fail "a merge forgets what was not asked for"
# a seed left out is of a cell that was asked for; once a run asks for a cell, it is late
part=(s.yaml --db part.db --set optimizer.learning_rate=0.002)
expect 0 "$ESPALIER" run "${part[@]}" --only none --seeds 0
expect 0 "$ESPALIER" report s --db part.db
says "1 of 4 trials done" "3 of 4 trials are not done yet" "has asked for 2 of 3 cells"
expect 0 "$ESPALIER" run "${part[@]}" --seeds 0 --only 'losses.balance.weight=1'
expect 0 "$ESPALIER" report s --db part.db
says "2 of 8 trials done" "6 of 8 trials are not done yet" "has asked for 1 of 3 cells (--only): balanced"
expect 0 "$ESPALIER" run "${part[@]}" --seeds 0
expect 0 "$ESPALIER" report s --db part.db
says "3 of 12 trials done" "9 of 12 trials are not done yet"
! grep -q "has asked" stdout || fail "all was asked for"
expect 0 "$ESPALIER" db check --db part.db
expect 0 "$ESPALIER" run s.yaml --only none --set optimizer.learning_rate=0.001

# ---- all of them -------------------------------------------------------------------------------
expect 0 "$ESPALIER" show s
grep -qE '^ +1 +\[\] +.* 12 +12$' stdout || fail "revision 1 in show"
grep -qE '^ +2 +yes +\["optimizer.learning_rate=0.001"\] +.* 4 +12$' stdout || fail "revision 2 in show"
expect 0 "$ESPALIER" show s@1 --format json
jq -e '(.revisions | length == 2) and .study.revision == 1 and .revisions[0].shown == "yes" and .revisions[1].shown == ""
    and .revisions[1].overrides == ["optimizer.learning_rate=0.001"] and .revisions[0].done == 12
    and (.trials | map(.trials) | add) == 12 and (.revisions[1].last_run_at | length) == 24' stdout >/dev/null || fail "show as JSON"

# ---- what there is not -------------------------------------------------------------------------
for verb in report show ls export; do
    expect 4 "$ESPALIER" $verb s@3
    says "study 's' has no revision '3'; it has 1, 2 (--set optimizer.learning_rate=0.001)"
    expect 4 "$ESPALIER" $verb s@
    says "study 's' has no revision ''"
    expect 4 "$ESPALIER" $verb s@one
    says "study 's' has no revision 'one'"
    expect 4 "$ESPALIER" $verb t@1
    says "no study 't'"
done
expect 4 "$ESPALIER" diff s@1 s@3
says "has no revision '3'"
expect 4 "$ESPALIER" diff s@1:nne s@2:none
says "no variant 'nne' in study s; did you mean 'none'?"
expect 4 "$ESPALIER" query spread --set study=s@3
says "has no revision '3'"
expect 4 "$ESPALIER" replay s@1
says "'s@1' is a study; a trial is wanted: \`espalier ls s@1\` lists its trials"
expect 4 "$ESPALIER" replay s@3
says "has no revision '3'"
expect 2 "$ESPALIER" report s@1 s@1
says "revision 1 of s stands beside itself"
expect 2 "$ESPALIER" report s s@2:none
expect 2 "$ESPALIER" report s@1 s.yaml
sed 's/study: s/study: s@1/' s.yaml >at.yaml
expect 2 "$ESPALIER" check at.yaml # so a name never holds what separates it from its revision

# ---- beside each other -------------------------------------------------------------------------
# The paired t test of revision 2 against 1: mean, sd of the differences, and t = 3.182446 at 3 degrees of freedom.
expected=$(value r.db "WITH d AS (SELECT b.value - a.value AS d FROM trial_final_all a JOIN trial_final_all b USING (study, cell, seed,
    at, split, metric) WHERE study = 's' AND cell = 'none' AND at = 'last' AND split = 'test' AND metric = 'hard_accuracy'
    AND a.revision = 1 AND b.revision = 2), m AS (SELECT avg(d) AS m, count(*) AS n FROM d)
    SELECT printf('%.9f %.9f %d', m, 3.182446305 * sqrt((SELECT sum((d - m) * (d - m)) FROM d, m) / (n - 1) / n), n) FROM m")
read -r difference half pairs <<<"$expected"
[ "$pairs" = 4 ] || fail "4 pairs: $expected"
for sides in "s@1 s@2" "s@1:none s@2:none" "s@1:none s:none"; do
    # shellcheck disable=SC2086
    expect 0 "$ESPALIER" diff $sides --format json
    jq -e --argjson d "$difference" --argjson half "$half" --argjson a "$(mean 1 none)" --argjson b "$(mean 2 none)" '
        def near(x): (. - x) * (. - x) < 1e-14;
        .results.metric == "test.hard_accuracy" and .results.at == "last" and (.results.comparisons | length == 1)
        and (.results.comparisons[0] | .pairs == 4 and .n_a == 4 and .n_b == 4 and (.difference | near($d)) and (.low | near($d - $half))
        and (.high | near($d + $half)) and (.mean_a | near($a)) and (.mean_b | near($b)) and .test == "paired t")
        and (.differences | map(.key) == ["optimizer.learning_rate"])' stdout >/dev/null || fail "diff $sides: $(cat stdout) $expected"
done
expect 0 "$ESPALIER" diff s@1 s@2
says "A  study s@1" "B  study s@2" "optimizer.learning_rate  0.01" "results: Test accuracy, hard routing, percent" \
    "none@1  none@2" "B - A (pairs)" "p by the paired t test, each seed with itself"
expect 0 "$ESPALIER" diff s@1 s@1
says "nothing differs"
! grep -q results stdout || fail "one revision has no results against itself"
expect 0 "$ESPALIER" diff s@1:none s@1:balanced --format json
jq -e '.results.comparisons | map([.a, .b]) == [["none", "balanced losses.balance.weight=0.1"], ["none", "balanced losses.balance.weight=1"]]' \
    stdout >/dev/null || fail "variants of one revision: $(cat stdout)"
expect 0 "$ESPALIER" diff s@1 other
says "s:none" "other:none"

expect 0 "$ESPALIER" report s@1 s@2
says "s@1 s@2: s@1 beside s@2 (--set optimizer.learning_rate=0.001)" "- none@2 against none@1: a mean of" "by the paired t test" \
    "16 of 16 trials done" "balanced@1" "not asked" 'FROM seed_stats WHERE study = :study" --set "study=s@1 s@2"'
expect 0 "$ESPALIER" report s@1:none s@2:none --format csv
[ "$(cut -d, -f 1-4 stdout | grep -c 'none@[12]')" -ge 2 ] || fail "csv of both: $(head -n 3 stdout)"
! grep -q balanced stdout || fail "only the variant named"
query=$("$ESPALIER" report s@1 s@2 | sed -n "s|^query: espalier|'$ESPALIER'|p")
expect 0 bash -c "$query"
says "none@1" "none@2"
expect 0 "$ESPALIER" report s@1 s@2 --format html -o both.html
grep -q "espalier report s@1 s@2 --format html" both.html || fail "how to make the page again"
expect 2 "$ESPALIER" report s@1 s@2 --revision 1
says "--revision takes one study"
expect 0 "$ESPALIER" ls "s@1 s@2" --format csv
[ "$(tail -n +2 stdout | wc -l)" = 24 ] || fail "24 trials beside each other"

# a study of an old file whose name holds what separates names is that study
cp r.db odd.db
sqlite3 odd.db "UPDATE study SET name = 's@1 other:none' WHERE name = 's'" 2>/dev/null && {
    expect 0 "$ESPALIER" report "s@1 other:none" --db odd.db
    says "s@1 other:none: Two variants" "revision "
    expect 0 "$ESPALIER" ls "s@1 other:none" --db odd.db
    expect 0 "$ESPALIER" show "s@1 other:none" --db odd.db
}

# ---- nothing of it is written -----------------------------------------------------------------
expect 0 "$ESPALIER" db check
[ "$(value r.db "SELECT count(*) FROM study_cell WHERE study = 's'")" = 6 ] || fail "the database has other cells"
[ "$(value r.db "SELECT group_concat(name) FROM (SELECT name FROM study ORDER BY name)")" = '"other,s"' ] || fail "other studies"

# ---- pages -------------------------------------------------------------------------------------
if ! "$ESPALIER" serve --db none.db 2>&1 | grep -q "built without"; then
    : >url
    "$ESPALIER" serve --port 0 >url 2>serve.err &
    server=$!
    trap 'kill "$server" 2>/dev/null; rm -rf "$scratch"' EXIT
    for _ in $(seq 100); do [ -s url ] && break; sleep 0.1; done
    # get CODE PATH: the answer to stdout's file.
    get() {
        local code
        exec 3<>"/dev/tcp/127.0.0.1/$(sed 's|.*:\([0-9]*\)/|\1|' url)"
        printf 'GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
        cat <&3 >answer
        exec 3>&-
        code=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' answer)
        sed '1,/^\r*$/d' answer >stdout
        [ "$code" = "$1" ] || fail "/$2: $code, expected $1"
    }
    get 200 study/s
    says 'href="../study/s%401"' 'href="../study/s%401%20s%402"' "--set optimizer.learning_rate=0.001" 'aria-current="page">revision 2'
    get 200 study/s@1
    says 'aria-current="page">revision 1' 'data-path="s%401"' 'href="../study/s%401/report"'
    get 200 study/s@1/report
    says "not the one run last"
    get 200 api/study/s%401
    jq -e '.study == "s@1" and .revision == 1 and (.trials.rows | length == 12) and ([.trials.rows[] | select(.[3] == "done")] | length == 12)' \
        stdout >/dev/null || fail "data of revision 1"
    get 200 api/live/s@2
    jq -e '.states.rows[0][0:2] == [12, 4]' stdout >/dev/null || fail "revision 2 live: $(cat stdout)"
    get 200 api/study/s@1%20s@2
    jq -e '.variants == ["none@1", "balanced@1", "none@2", "balanced@2"] and (.trials.rows | length == 24)' stdout >/dev/null ||
        fail "data of both"
    get 200 study/s@1%20s@2
    get 200 study/s@1%20s@2/report
    says "none@2" "against none@1"
    get 200 "api/query?name=spread&set.study=s@1"
    jq -e '.rows | length == 3' stdout >/dev/null || fail "query of a revision"
    get 404 study/s@3
    says "has no revision"
    get 404 api/study/s@3
    kill "$server"
    wait "$server" 2>/dev/null
fi

[ $failures = 0 ] && echo "all is well"
exit $((failures > 0))
