#!/bin/bash
# espalier completion: the script is sourced and its function called as bash calls it; the oracles
# are the program's own --help and what a run put into the database.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ESPALIER_DATA_PATH=$scratch/data XDG_CACHE_HOME=$scratch/cache NO_COLOR=1
export ESPALIER_DB=$scratch/results.db
cd "$scratch" || exit 1
"$ESPALIER_BUILD/tests/make_data" "$ESPALIER_DATA_PATH" toy 200 60 8 4 1 || exit 1
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# tab WORD...: what completion offers at the last word, one a line.
tab() {
    COMP_WORDS=("$ESPALIER" "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _espalier
    [ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
}

# offers "EXPECTED..." WORD...: exactly these, in any order.
offers() {
    local expected found
    expected=$(printf '%s\n' $1 | sort)
    shift
    found=$(tab "$@" | sort)
    [ "$found" = "$expected" ] || fail "$*: offered '${found//$'\n'/ }', not '${expected//$'\n'/ }'"
}

cat >small.yaml <<'YAML'
study: small
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 1}}
YAML
touch other.txt
mkdir folder
"$ESPALIER" run small.yaml >run.log 2>&1 || fail "run: $(cat run.log)"

"$ESPALIER" completion bash >script || fail "completion bash exits $?"
bash -n script || fail "not bash"
source ./script

# ---- verbs and options: what --help lists, no more and no less ------------------------------------
verbs=$("$ESPALIER" --help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ "$(echo "$verbs" | wc -l)" -gt 5 ] || fail "no verbs in --help"
offers "$verbs --help --version" ''
offers "report" repo
offers "completion" comp
for verb in $verbs; do
    options=$("$ESPALIER" "$verb" --help | grep -oE '^  (-., |    )--[a-z-]+' | grep -oE -- '--.*')
    offers "$options" "$verb" --
done
offers "--format" ls --fo
offers "" nosuchverb ''
offers "" nosuchverb --

# ---- arguments -----------------------------------------------------------------------------------
trials=$("$ESPALIER" query "SELECT trial_id FROM trial" --format csv | tail -n +2)
[ "$(echo "$trials" | wc -l)" = 2 ] || fail "no two trials"
first=$(echo "$trials" | head -n 1)
offers "small.yaml" run sm
offers "small.yaml" check other.yaml sm
offers "small" ls ''
offers "small $trials" show ''
offers "$first" show "${first:0:12}"
offers "check ls new show" plugins ''
offers "penalty routing task" plugins new loss mine --role ''
# whatever plugins a user has built beside the shipped ones
offers "$("$ESPALIER" plugins ls | awk '$2 ~ /^hard/ {print $2}')" plugins show hard
tab plugins show hard | grep -qx hardening || fail "plugins show hard: hardening is not offered"
offers "mnist" data info mn
offers "toy" data verify to
queries=$(basename -s .sql "$ESPALIER_SOURCE"/analysis/*.sql)
[ "$(echo "$queries" | wc -l)" -gt 3 ] || fail "no queries in analysis/"
offers "$queries" query ''
offers "failed failures" query fai
offers "small small.yaml" report sm
offers "small" diff sm
offers "small" diff small sm
offers "$first" replay "${first:0:12}"
offers "$first" diff "${first:0:12}"
offers "small.yaml" plan sm
offers "check backup migrate merge" db ''
offers "bash zsh fish" completion ''
offers "" ls small ''
# revisions, and their variants: bash takes @ and : for words of their own
"$ESPALIER" run small.yaml --set optimizer.learning_rate=0.02 >run.log 2>&1 || fail "run: $(cat run.log)"
for verb in ls show report export diff; do
    offers "1 2" $verb small @
    offers "2" $verb small @ 2
done
offers "default" diff small : d
offers "default" diff small @ 1 : ''
offers "default" report small @ 2 small @ 1 : def
offers "" diff small @ 7 : ''
[ "$("$ESPALIER" completion --words -- ls small@)" = $'small@2\t--set optimizer.learning_rate=0.02\nsmall@1\t' ] ||
    fail "small@ in one word: $("$ESPALIER" completion --words -- ls small@)"

# ---- options' values -----------------------------------------------------------------------------
offers "text md csv json" ls --format ''
offers "json" ls --format = j
offers "text md csv json" ls --format =
offers "train" eval --split tr
offers "mnist" eval --data mn
offers "small" ls --format json ''
offers "other.txt" ls --db oth
offers "" ls --db empty.db sm
offers "small" ls --db "$ESPALIER_DB" sm
[ ! -e empty.db ] || fail "completion made a database"
[ "$("$ESPALIER" completion --words -- ls --format=j)" = $'--format=json\t' ] ||
    fail "--format=j in one word"

# what is offered is taken
formats=0
for words in ls status "show small" "diff small small" "report small" "query failed" "plan small.yaml" doctor \
    "db check" "plugins ls" "data ls" "export small -o export --what metrics"; do
    # shellcheck disable=SC2086
    for format in $(tab $words --format ''); do
        rm -rf export
        "$ESPALIER" $words --format "$format" >out 2>&1
        [ $? != 2 ] || fail "$words --format $format: $(cat out)"
        formats=$((formats + 1))
    done
done
[ $formats -gt 24 ] || fail "only $formats formats are offered"
# plan and run take the same part of a study by the same words
for option in db only seeds set; do
    [ "$(ARGP_HELP_FMT=rmargin=1000 "$ESPALIER" plan --help | grep -e "--$option=")" = \
        "$(ARGP_HELP_FMT=rmargin=1000 "$ESPALIER" run --help | grep -e "--$option=")" ] || fail "plan's --$option is not run's"
done

# ---- silent and quick whatever the database is --------------------------------------------------
echo "no database" >broken.db
touch empty
for database in broken.db empty missing.db folder; do
    [ -z "$("$ESPALIER" completion --words -- show --db "$database" 0 2>&1)" ] || fail "$database is not passed over"
done
SECONDS=0
for _ in 1 2 3 4 5 6 7 8 9 10; do tab show '' >/dev/null; done
[ $SECONDS -le 10 ] || fail "ten completions take $SECONDS s"

# ---- the other shells ------------------------------------------------------------------------------
for shell in zsh fish; do
    "$ESPALIER" completion $shell >script.$shell || fail "completion $shell"
    grep -q -- '--words' script.$shell || fail "$shell script does not ask"
    if command -v $shell >/dev/null; then
        $shell -n script.$shell || fail "not $shell"
    else
        echo "no $shell here: its script is not checked"
    fi
done
if command -v fish >/dev/null; then
    found=$(PATH=$(dirname "$ESPALIER"):$PATH fish --no-config -c \
        'source script.fish; complete -C "espalier plugins show hard"' | cut -f 1)
    grep -qx hardening <<<"$found" || fail "fish offers '$found'"
fi

# ---- mistakes --------------------------------------------------------------------------------------
"$ESPALIER" completion bsh >out 2>&1
[ $? = 2 ] && grep -q "did you mean 'bash'" out || fail "bsh: $(cat out)"
"$ESPALIER" completion >out 2>&1
[ $? = 2 ] && grep -q "which shell" out || fail "no shell: $(cat out)"

[ $failures = 0 ] || exit 1
echo "completion: all as expected"
