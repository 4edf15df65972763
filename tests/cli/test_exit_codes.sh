#!/bin/bash
# The exit codes of whole command lines, by CONTRACT: 2 usage or study error, 3 results database,
# 4 not found. And no output is lost with exit code 0.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ESPALIER_DATA_PATH=$scratch/data XDG_CACHE_HOME=$scratch/cache NO_COLOR=1
export ESPALIER_DB=$scratch/espalier.db
cd "$scratch" || exit 1
"$ESPALIER_BUILD/tests/make_data" "$ESPALIER_DATA_PATH" toy 120 40 6 4 1 || exit 1
"$ESPALIER_BUILD/tests/make_data" "$ESPALIER_DATA_PATH" wide 120 40 7 4 1 || exit 1
failures=0

# expect EXIT_CODE WORDS COMMAND...: the exit code, and stderr has the words.
expect() {
    local expected=$1 words=$2 code
    shift 2
    "$ESPALIER" "$@" >stdout 2>stderr </dev/null
    code=$?
    if [ "$code" != "$expected" ] || [[ $(cat stderr) != *"$words"* ]]; then
        echo "FAILED: espalier $* gave $code, expected $expected and '$words'"
        cat stdout stderr
        failures=$((failures + 1))
    fi
}

cat >study.yaml <<'YAML'
study: small
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {train: {epochs: 1}}
YAML
mkdir folder.yaml
head -c 20 study.yaml >broken.yaml

# ---- studies
for verb in check plan run report; do
    expect 2 "folder.yaml: Is a directory" $verb folder.yaml
    expect 4 "missing.yaml: No such file" $verb missing.yaml
done
expect 2 "folder.yaml: Is a directory" check folder.yaml broken.yaml study.yaml
expect 2 "" check broken.yaml folder.yaml

# ---- models
expect 0 "" run study.yaml
models=$(echo "$ESPALIER_DB".checkpoints/*)
model=$models/last.safetensors
expect 0 "" eval "$model"
expect 2 "/tmp: Is a directory" eval /tmp
expect 2 "study.yaml" eval study.yaml --data toy
head -c 100 "$model" >truncated.safetensors
expect 2 "truncated.safetensors" eval truncated.safetensors --data toy
for state in "$models"/*; do
    case $state in
    */last.safetensors | */selected.safetensors) ;;
    *) expect 2 "$state" eval "$state" --data toy ;;
    esac
done
expect 2 "49 features" eval "$model" --data wide
expect 4 "missing.safetensors" eval missing.safetensors --data toy
expect 4 "nowhere" eval "$model" --data nowhere

# ---- output that nobody can keep
full() {
    "$ESPALIER" "$@" >/dev/full 2>stderr </dev/null
    code=$?
    if [ $code != 1 ] || ! grep -qF "standard output: " stderr; then
        echo "FAILED: espalier $* >/dev/full gave $code"
        cat stderr
        failures=$((failures + 1))
    fi
}
full query
full query "SELECT 1"
full query "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT i FROM n" \
    --format csv
full ls
full ls small --format json
full show small
full data ls
full data info toy
full plugins ls
full plugins show balance --format json
full eval "$model"
full check study.yaml
full --version
full run --help
full query --usage
full --help
"$ESPALIER" query "SELECT nothing" >/dev/full 2>stderr
[ $? = 2 ] || { echo "FAILED: a failure keeps its own exit code"; failures=$((failures + 1)); }

if [ "$failures" != 0 ]; then
    echo "$failures failed"
    exit 1
fi
echo "all passed"
