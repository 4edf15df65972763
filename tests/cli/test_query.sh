#!/usr/bin/env bash
# query, ls and show on a small database, as a person would use them. Figures are those worked out
# by hand in tests/store/test_views.c, which also makes the database.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
export ESPALIER_DB=$folder/results/espalier.db
cd "$folder" || exit 1
failures=0

# run STATUS COMMAND...: its stdout in $out, its stderr in $err
run() {
    local expected=$1
    shift
    "$ESPALIER" "$@" >"$folder/out" 2>"$folder/err"
    local status=$?
    out=$(cat "$folder/out") err=$(cat "$folder/err")
    if [ "$status" != "$expected" ]; then
        echo "FAILED: espalier $* gave $status, expected $expected"
        echo "  stdout: $out"
        echo "  stderr: $err"
        failures=$((failures + 1))
    fi
}

is() { # actual expected what
    if [ "$1" != "$2" ]; then
        printf 'FAILED: %s\n  is       %s\n  expected %s\n' "$3" "$1" "$2"
        failures=$((failures + 1))
    fi
}

has() { # text part what
    case $1 in
    *"$2"*) ;;
    *)
        printf 'FAILED: %s\n  %s\n  does not contain %s\n' "$3" "$1" "$2"
        failures=$((failures + 1))
        ;;
    esac
}

# ---- without a database
run 4 ls
has "$err" "espalier run" "ls without a database names the fix"
run 4 query spread
run 0 query
for name in best cost curve dead-leaves delta durations failed failures gap seed-sources seeds slowest spread; do
    has "$out" "$name" "the list of queries"
done
run 0 query --list
is "$(grep -c . <<<"$out")" "$(ls "$ESPALIER_SOURCE"/analysis/*.sql | wc -l)" "--list: a line a query"
run 2 query spread --list
run 0 query spread --help
has "$out" "spread: How far the seeds" "--help of a query: what it answers"
has "$out" "selected_by: what chose the epoch" "--help of a query: its columns"
has "$out" "  split    train, validation or test (default test)" "--help of a query: its parameters"
has "$out" "analysis/spread.sql" "--help of a query: its file"
run 4 query spraed --help
[ -e "$ESPALIER_DB" ] && is made "not made" "a reader made the database"

"$ESPALIER_BUILD/tests/test_views" --make "$ESPALIER_DB" || exit 1

# ---- named queries
run 0 query spread --set study=s --format csv
is "$(head -1 <<<"$out")" "study,cell,n,planned,mean,sd,best,spread,variance,variance_ratio,selected_by,note,training_saw" "columns"
is "$(sed -n 2p <<<"$out" | cut -d, -f1-4,7,8)" "s,baseline leaf=8,3,3,1,0.4" "spread of baseline"
# balanced .75 .8 .7: variance .0025; baseline .0408333...; ratio .0612244...
is "$(sed -n 3p <<<"$out" | cut -d, -f10 | cut -c1-9)" "0.0612244" "variance ratio of balanced"
run 0 query spread --set study=s --set metric=hard_loss --set at=last --format json
has "$out" '"best": 0.0' "json"
run 0 query spread --set study=s
has "$out" "study  cell             n  planned" "text is aligned"
has "$out" "s      baseline leaf=8  3        3" "text is aligned, numbers right"
run 0 query dead-leaves
has "$out" "000000000000abc0" "dead leaves"
run 0 query dead-leaves --set least=2
has "$err" "(no rows)" "nothing found is said on stderr"
run 0 query curve --set study=s --set cell='baseline%' --format csv
is "$(sed -n 3p <<<"$out")" "s,baseline leaf=8,train,2,1,0.5,,0.5,0.5," "curve: epoch 2 has one seed"
run 0 query failed --format md
has "$out" "| loss is not finite |" "failed"
run 0 query slowest --set limit=1 --format csv
is "$(wc -l <<<"$out")" 2 "slowest, limited"
# all of a trial's seconds are some epoch's: 2 s and 2 epochs, 2 s and 1
run 0 query slowest --set study=s --format csv
is "$(sed 1d <<<"$out" | awk -F, '{print $7 / $8 == $9}' | sort -u)" 1 "slowest: epochs x seconds_per_epoch are the seconds"

# By hand, test accuracies: baseline .75 .6 1, balanced .75 .8 .7 at the selected epoch.
row() { # SQL-NAME CELL FIELDS: of the query's CSV
    local query=$1 cell=$2 fields=$3
    shift 3
    run 0 query "$query" --set study=s "$@" --format csv
    grep "^s,$cell leaf=8," <<<"$out" | cut -d, -f"$fields"
}
is "$(row best baseline 3,4,7,10)" "3,2,1,test" "best: of 3, seed 2, by test where there is no validation"
is "$(row best baseline 3,4,7 --set metric=hard_loss)" "3,2,0" "best: the least loss"
is "$(row seeds balanced 3,6,8,9)" $'1,0.8,1,3\n0,0.75,2,3\n2,0.7,3,3' "seeds, from the best"
is "$(row seeds baseline 3,7 | head -n 1 | cut -c1-10)" "2,0.216666" "seeds: deviation 1 - .78333"
# balanced less baseline: 0, .2, -.3: mean -.0333..., squares about it .12666..., sd sqrt(.0633...)
is "$(row delta balanced 3,4,7,8,9 | tr ' ' _)" "baseline_leaf=8,3,-0.30000000000000004,0.20000000000000007,1" "delta"
is "$(row delta balanced 5 | cut -c1-9)" "-0.033333" "delta: mean"
is "$(row delta balanced 6 | cut -c1-8)" "0.251661" "delta: sd"
is "$(row failures baseline 3,4,5,6,7,8)" "3,3,0,0,0,0" "failures: none"
is "$(row failures baseline 3,4,5,6,7,8 --set below=0.7 | cut -c1-12)" "3,3,0,0,1,0." "failures: one below .7"
run 0 query failures --set study=table1 --format csv
is "$(cut -d, -f3-8 <<<"$out" | tail -n 2 | sort)" $'1,0,1,0,0,1\n1,1,0,0,0,0' "failures: one failed"
is "$(row durations baseline 3-10)" "3,3,3,6,2,1,1.3333333333333333,2" "durations: 2 s and at most 2 epochs each"
is "$(row durations baseline 11)" "1.5" "durations: 6 s for 4 epochs"
run 0 query durations --set study=cut --format csv
is "$(sed -n 2p <<<"$out" | cut -d, -f3-5)" "1,0,1" "durations of a trial that was cut off"
run 0 query gap --set study=s
has "$err" "(no rows)" "gap: nothing measured by soft routing"
run 0 query cost --set study=s
has "$err" "(no rows)" "cost: cells without costs"
# Two seeds say little of spread.
sqlite3 "$ESPALIER_DB" ".backup two.db"
sqlite3 two.db "UPDATE trial SET status = 'failed' WHERE trial_id = '0000000000000105'"
run 0 query spread --db two.db --format csv
is "$(grep '^s,balanced' <<<"$out" | cut -d, -f3,10,12)" "2,,n < 3: says little of spread" "spread of two seeds"
sqlite3 two.db "UPDATE trial SET status = iif(trial_id = '0000000000000102', 'failed', status);
    UPDATE trial SET status = 'done' WHERE trial_id = '0000000000000105'"
run 0 query spread --db two.db --format csv
is "$(grep '^s,balanced' <<<"$out" | cut -d, -f3,10,12)" "3,,reference has n < 3: no ratio" "spread against two seeds"
run 0 query spread --set study=s --set metric=test.hard_loss --format csv
is "$(sed -n 2p <<<"$out" | cut -d, -f7)" 0 "metric=test.hard_loss gives the split too"
run 0 query spread --set study=s --set metric=train.hard_loss
has "$err" "(no rows)" "metric=train.hard_loss: of train there is none"
run 4 query spread --set study=z
has "$err" "no 'z' in" "no such study"
run 4 query spread --set study=tabel1
has "$err" "did you mean 'table1'" "a study misspelt"
run 4 query failed --set 'study=x%'
run 0 query spread --set 'study=tab%'
run 4 query spread --set metric=test.hard_acuracy
has "$err" "did you mean 'hard_accuracy'" "a metric misspelt"
run 4 query spread --set at=slected
has "$err" "did you mean 'selected'" "an epoch misspelt"
run 4 query spread --set split=tset
has "$err" "did you mean 'test'" "a split misspelt"
run 0 query "SELECT :study AS a" --set study=anything

# ---- SQL
run 0 query "SELECT count(*) AS n FROM trial_final WHERE status = 'done' AND at = 'last'" --format csv
has "$out" "n" "a column name"
run 0 query "SELECT :a AS a, 'x,\"y\"' AS b, NULL AS c, 0.1 AS d" --set a=007 --format csv
is "$(tail -1 <<<"$out")" '007,"x,""y""",,0.1' "csv quotes, keeps 007, leaves NULL empty"
run 0 query "SELECT :a AS a, 'x|y' AS b, NULL AS c" --set a=1e3 --format md
is "$(tail -1 <<<"$out")" '| 1e3 | x\|y | - |' "markdown escapes"
run 0 query "SELECT :a AS a, NULL AS c, 'é\"' AS e, 0.1 AS d" --set a=7 --format json
has "$out" '{"a": 7, "c": null, "e": "é\"", "d": 0.1}' "json types"

blob="SELECT x'00FF' AS b, x'' AS e, 9e999 AS i, -9e999 AS j, 1 AS a, 2 AS a, 3 AS 'a:1', 4 AS a"
run 0 query "$blob" --format json
has "$out" '{"b": "X'"'00ff'"'", "e": "X'"''"'", "i": "Infinity", "j": "-Infinity", "a": 1, "a:1": 2, "a:1:1": 3, "a:2": 4}' \
    "json: blobs, infinities, repeated names"
run 0 query "$blob" --format csv
is "$(tail -1 <<<"$out")" "X'00ff',X'',inf,-inf,1,2,3,4" "csv: blobs"
run 0 query "$blob" --format md
has "$out" "| X'00ff' | X'' |" "markdown: blobs"
run 0 query "$blob"
has "$out" "X'00ff'  X''" "text: blobs"
run 0 query "SELECT CAST(x'61ff' AS TEXT) AS a, 'b' || char(0) || 'c' AS b" --format json
has "$out" '{"a": "X'"'61ff'"'", "b": "b\u0000c"}' "json: text that is not UTF-8, text with a NUL"

# ---- mistakes
run 2 query "SELECT * FROM seed_stat"
has "$err" "did you mean 'seed_stats'" "a view misspelt"
run 2 query "SELECT nothing FROM"
run 2 query "DELETE FROM trial"
has "$err" "only queries" "writing is refused"
run 2 query "SELECT 1; SELECT 2"
run 2 query "SELECT load_extension('x')"
has "$err" "SQL: not authorized" "a function that is not allowed"
run 2 query "SELECT abs(-9223372036854775807 - 1)"
run 2 query "SELECT zeroblob(2000000000)"
run 2 query "SELECT json_extract('{', '$')"
has "$err" "malformed JSON" "a mistake that shows while stepping"
run 2 query "SELECT :a"
has "$err" "--set a=" "a parameter without a value"
run 2 query spread --set stdy=s
has "$err" "did you mean 'study'" "a parameter misspelt"
run 2 query spread --set study
run 2 query spread --format xml
run 2 query spread extra
run 2 query --nonsense
run 4 query spraed
has "$err" "did you mean 'spread'" "a query misspelt"
run 0 query --help
has "$out" "examples:" "help"
printf 'not a database, only some text that is long enough to be one\n' >other.db
run 3 query spread --db other.db
has "$err" "not an espalier database" "a foreign file"

# ---- ls
run 0 ls --format csv
is "$(grep '^s,' <<<"$out" | cut -d, -f1-4)" "s,6,6,0" "ls: study, trials, done, failed"
is "$(grep '^table1,' <<<"$out" | cut -d, -f1-4)" "table1,2,1,1" "ls: a failed trial"
run 0 ls s
has "$out" "baseline leaf=8" "ls STUDY: cells"
has "$out" "0000000000000105" "ls STUDY: trial ids"
run 0 ls table1 --format json
has "$out" '"trial_id": "000000000000abc1"' "ls STUDY as JSON"
run 0 ls s --format csv
is "$(head -1 <<<"$out")" "trial_id,status,cell,seed,epochs,seconds" "ls STUDY as CSV: its trials"
is "$(wc -l <<<"$out")" 7 "ls STUDY as CSV: one table"
run 4 ls tabel1
has "$err" "did you mean 'table1'" "a study misspelt"

# ---- show
run 0 show 000000000000abc1
has "$out" "loss is not finite" "show TRIAL: why it failed"
has "$out" "$ESPALIER_DB.checkpoints/000000000000abc1" "show TRIAL: where checkpoints are"
has "$out" "losses.balance.weight" "show TRIAL: configuration"
run 0 show 0000000000000100 --format json
has "$out" '"executable": "a"' "show TRIAL: environment"
has "$out" '"at": "selected"' "show TRIAL: selections"
run 0 show table1
has "$out" "seeds: 0..0" "show STUDY: its text"
run 0 show 000000000000abc1
has "$out" "test   hard_accuracy         -  0.125" "show TRIAL: last metrics of a failed trial"

# ---- a runner that was killed, and one that lives
run 0 ls cut
has "$out" "0000000000000c00  cut off  " "ls STUDY: no runner lives"
run 0 ls --format csv
is "$(grep '^cut,' <<<"$out" | cut -d, -f1-7)" "cut,2,0,0,0,1,1" "ls: cut off counts as interrupted"
run 0 show 0000000000000c00
is "$(grep -c 'interrupted (its runner is gone)' <<<"$out")" 2 "show TRIAL: it and its attempt"
has "$out" "0.375" "show TRIAL: last metrics of a trial that was cut off"
run 0 show cut
has "$out" "interrupted (its runner is gone)       1" "show STUDY: no runner lives"
[ -e "$ESPALIER_DB.lock" ] && is made "not made" "a reader made the lock's file"
exec 9>"$ESPALIER_DB.lock"
run 0 ls cut
has "$out" "cut off" "a lock's file that nobody holds"
exec 9>&-
key=$(sqlite3 "$ESPALIER_DB" "SELECT id FROM trial WHERE trial_id = '0000000000000c00'")
coproc holder { "$ESPALIER_BUILD/tests/hold_trial" "$ESPALIER_DB" "$key"; }
holder_process=$holder_PID # bash forgets it when the process ends
read -r said <&"${holder[0]}"
is "$said" "held" "a trial is held"
run 0 ls cut
has "$out" "0000000000000c00  running  " "ls STUDY: a runner lives"
run 0 ls --format csv
is "$(grep '^cut,' <<<"$out" | cut -d, -f1-7)" "cut,2,0,0,1,0,1" "ls: a runner lives"
run 0 show 0000000000000c00 --format json
is "$(grep -c '"status": "running"' <<<"$out")" 2 "show TRIAL: a runner lives"
exec {holder[1]}>&-
wait "$holder_process"
run 0 ls cut
has "$out" "cut off" "its lock is gone"

run 2 show 00000000000
has "$err" "more than one trial" "an ambiguous prefix"
run 4 show ffff
run 4 show tabel1
has "$err" "did you mean 'table1'" "show: a study misspelt"
run 2 show
run 2 show s --format csv

if [ $failures -gt 0 ]; then
    echo "$failures failures"
    exit 1
fi
echo "query, ls, show: all as expected"
