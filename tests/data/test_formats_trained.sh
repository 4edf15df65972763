#!/bin/bash
# Every format from its files to a trained model and back: two epochs, then the stored model evaluated
# anew gives the figures the run stored, by what the model's file says of validation, keep and
# normalization alone; a replay gives the same bits. And what is said where a study or a file is wrong.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
make_data=$ESPALIER_BUILD/tests/make_data

# study DATA...: the data section's keys.
study() {
    cat >study.yaml <<YAML
study: formats
seeds: 0..1
defaults:
  data: {$1}
  model: {kind: fff, depth: 1, leaf_width: 4}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.003}
  batch_size: 16
  phases: {train: {epochs: 2}}
  evaluation: {train_every: 1}
  selection: {monitor: []}
YAML
}

# same_figures DB DATA: each trial's last model, evaluated on every split.
same_figures() {
    local db=$1 id split stored n compared=0
    for id in $("$ESPALIER" query "SELECT DISTINCT trial_id FROM trial_final" --format csv --db "$db" |
        tail -n +2); do
        for split in train validation test; do
            expect 0 "$ESPALIER" eval "$db.checkpoints/$id/last.safetensors" --split $split --format json
            n=$(value "$db" "SELECT count(*) FROM trial_final WHERE trial_id='$id' AND at='last'
                AND split='$split' AND metric='hard_accuracy'
                AND abs(value - $(sed -n 's/.*"accuracy": \([0-9.e-]*\).*/\1/p' stdout)) < 1e-8")
            [ "$n" = 1 ] || fail "$2 $split: another accuracy than was stored"
            stored=$(value "$db" "SELECT value FROM trial_final WHERE trial_id='$id' AND at='last'
                AND split='$split' AND metric='hard_loss'")
            awk -v a="$stored" -v b="$(sed -n 's/.*"loss": \([0-9.e-]*\).*/\1/p' stdout)" \
                'BEGIN {d = a - b; exit !(d < 1e-5 && d > -1e-5)}' ||
                fail "$2 $split: another loss than the stored $stored"
            compared=$((compared + 1))
        done
        expect 0 "$ESPALIER" replay "$id" --db "$db"
    done
    [ $compared = 6 ] || fail "$2: $compared comparisons of 2 trials x 3 splits"
}

for format in idx cifar svhn usps npy npy-float csv; do
    side=8
    [ $format != cifar ] || side=32
    [ $format != usps ] || side=16
    "$make_data" "$ESPALIER_DATA_PATH" own-$format 150 40 $side 5 1 $format || exit 1
    case $format in
    idx | npy) data="validation: 0.2, normalize: {kind: per_channel}" ;;
    cifar) data="validation: 0.2, keep: {1: 0.5, 3: 0.25}, normalize: {kind: per_channel}" ;;
    csv) data="validation: 0.2, keep: {0: 0.5}, normalize: {kind: per_feature}" ;;
    npy-float) data="validation: 0.2, normalize: {mean: 0.4, std: 0.25}" ;;
    *) data="validation: 0.2" ;;
    esac
    expect 0 "$ESPALIER" data verify own-$format
    says "OK  $ESPALIER_DATA_PATH/own-$format/" "well-formed"
    expect 0 "$ESPALIER" data info own-$format
    says "  all     150      40"
    study "name: own-$format, $data"
    expect 0 "$ESPALIER" run study.yaml --db $format.db --jobs 2
    same_figures $format.db $format
done

# ---- without test files: 150 examples, 30 a class; 6 of them test, of the 24 left 5 validation
for format in idx npy csv; do
    cp -r "$ESPALIER_DATA_PATH/own-$format" "$ESPALIER_DATA_PATH/lone-$format"
    rm "$ESPALIER_DATA_PATH/lone-$format"/t*est[.-]* "$ESPALIER_DATA_PATH/lone-$format"/t10k* 2>/dev/null
    expect 0 "$ESPALIER" data info lone-$format
    says "  all     150       0" "no test split; data.test: 0.2 in a study splits off"
    study "name: lone-$format, validation: 0.2"
    expect 2 "$ESPALIER" check study.yaml
    says "study.yaml:4:16: error: data set lone-$format has no test split" "data.test: 0.2 splits off"
    expect 2 "$ESPALIER" run study.yaml --db lone-$format.db
    study "name: lone-$format, validation: 0.2, test: 0.2, normalize: {kind: per_feature}"
    expect 0 "$ESPALIER" run study.yaml --db lone-$format.db --jobs 2
    same_figures lone-$format.db lone-$format
    model=$(ls -d lone-$format.db.checkpoints/*/last.safetensors | head -1)
    for split in "test 30" "validation 25" "train 95"; do
        expect 0 "$ESPALIER" eval "$model" --split "${split% *}" --format json
        says "\"n\": ${split#* },"
    done
    [ "$(value lone-$format.db "SELECT sum(count) FROM leaf_load WHERE split = 'test' AND epoch = 2")" = 60 ] ||
        fail "another test set than 30 examples of 2 trials"
done
# A report's standard error of a trial's accuracy: sqrt(mean over seeds of p (1 - p) / n), n of the
# cell's own test split. A dense model counts no leaves, and learns n of cells with that split alone.
study "name: lone-csv, test: 0.2"
cat >>study.yaml <<'YAML'
variants:
  tree: {}
  more: {set: {data.test: 0.4}}
  dense: {set: {model: {kind: ff, width: 4}}}
  dense_most: {set: {model: {kind: ff, width: 4}, data.test: 0.6}}
YAML
expect 0 "$ESPALIER" run study.yaml --db sampling.db
expect 0 "$ESPALIER" report formats --db sampling.db
for cell in "tree 30" "more 60" "dense 30" "dense_most 0"; do
    p=$(value sampling.db "SELECT avg(value * (1 - value)) FROM trial_final WHERE variant = '${cell% *}' AND at = 'last'
        AND split = 'test' AND metric = 'hard_accuracy'")
    error=$(awk -v p="$p" -v n="${cell#* }" 'BEGIN {
        if (n == 0) print "-  0/2"
        else printf "± %.2f  0/2", 100 * sqrt(p / n)}')
    grep -E "^  ${cell% *}  " stdout | grep -qF -- "$error" || fail "no '$error' of ${cell% *}"
done
# Another data set's own test split is taken; without one and without data.test it is told.
expect 0 "$ESPALIER" eval "$model" --data own-csv --format json
says '"n": 40,'
[ -s stderr ] && fail "a test split of its own is another's"
expect 0 "$ESPALIER" eval "$model" --data own-csv --split train
says "own-csv is not the data that the model was trained on" "may hold examples that were not trained on"
expect 2 "$ESPALIER" eval "$(ls -d csv.db.checkpoints/*/last.safetensors | head -1)" --data lone-csv
says "lone-csv has no test split" "--split train"
# More rows since: other examples are split off.
tail -n 1 "$ESPALIER_DATA_PATH/lone-csv/train.csv" >>"$ESPALIER_DATA_PATH/lone-csv/train.csv"
expect 0 "$ESPALIER" eval "$model"
says "lone-csv is not the data that the model was trained on" "may hold training examples"

expect 0 "$ESPALIER" data ls
says own-csv own-svhn own-usps own-cifar own-npy
expect 0 "$ESPALIER" data info own-cifar --format json
says '"format": "cifar"' '"channels": 3' '"values": "byte"' '"n_features": 3072'
expect 0 "$ESPALIER" data info own-csv
says "format    csv, float" "values    mean"

# ---- keep counts: 30 a class, 24 after validation, of which 12 and 6
expect 0 "$ESPALIER" eval "$(ls -d cifar.db.checkpoints/*/last.safetensors | head -1)" --split train --format json
says '"n": 90'

# ---- identity: a written built-in changes nothing, anything else does
identity() {
    study "name: toy$1"
    "$ESPALIER" plan study.yaml --format json --db none.db >plan.json || fail "no plan of $1"
    md5sum <(grep -oE '"[0-9a-f]{16}"' plan.json | sort -u)
}
plain=$(identity "")
[ -s plan.json ] && grep -qE '"[0-9a-f]{16}"' plan.json || fail "a plan without ids"
for same in ", keep: {}" ", keep: {2: 1}" ", normalize: {kind: fixed}" ", normalize: {mean: 0.5}"; do
    [ "$(identity "$same")" = "$plain" ] || fail "another identity by$same"
done
[ "$(identity ", test: 0")" = "$plain" ] || fail "another identity by test: 0"
mv "$ESPALIER_DATA_PATH"/toy/t10k* .
lone=$(identity ", test: 0.2")
[ "$lone" != "$(identity ", test: 0.25")" ] || fail "the same identity by another data.test"
[ "$lone" != "$(identity ", test: 0.2, split_seed: 1")" ] || fail "the same identity by split_seed"
mv t10k* "$ESPALIER_DATA_PATH/toy"
for other in ", keep: {2: 0.5}" ", keep: {2: 0.5, 1: 0.5}" ", normalize: {kind: per_feature}" \
    ", normalize: {kind: per_channel}"; do
    [ "$(identity "$other")" != "$plain" ] || fail "the same identity by$other"
done
[ "$(identity ", keep: {2: 0.5}")" = "$(identity ", keep: {2: 0.5, 1: 1}")" ] || fail "keep of 1 counts"

# ---- studies that are wrong
wrong() {
    study "name: toy, $1"
    expect 2 "$ESPALIER" check study.yaml
    says "study.yaml:4:" "$2"
}
wrong "test: 0.2" "data set toy has a test split of 60 examples, so data.test splits off none; leave data.test out"
wrong "test: 1" "data.test must be at least 0 and at most 0.9, not 1"
wrong "keep: {7: 0.5}" "data.keep has no class '7'; there are 0 to 3"
wrong "keep: {cat: 0.5}" "data.keep has no class 'cat'; there are 0 to 3"
wrong "keep: {01: 0.5}" "data.keep has no class '01'"
wrong "keep: {1: 0}" "data.keep.1 must be more than 0 and at most 1, not 0"
wrong "keep: {1: 1.5}" "data.keep.1 must be more than 0"
wrong "keep: {1: 0.002}" "data.keep.1 0.002 leaves nothing of toy, which has 200 examples to train on"
wrong "keep: [0.5]" "data.keep must be a map"
wrong "keeps: {1: 0.5}" "did you mean 'keep'?"
wrong "normalize: {kind: per_feture}" "did you mean 'per_feature'?"
wrong "normalize: per_feature" "data.normalize must be a map, not 'per_feature'"
wrong "normalize: {kind: per_feature, mean: 0.5}" "data.normalize.mean is not a key of data.normalize kind 'per_feature'"
study "name: toy, keep: {1: 0.005}" # half an example of 50: said before anything trains
expect 2 "$ESPALIER" run study.yaml --db none.db
says "keep 0.005 of the 50 training examples of class 1 leaves none"
[ ! -e none.db.checkpoints ] || [ -z "$(ls none.db.checkpoints)" ] || fail "something was trained"
wrong "format: csv" "unknown key 'format' in data"
printf 'a,class\n1,0\n1,x\n' >"$ESPALIER_DATA_PATH/own-csv/train.csv"
study "name: own-csv"
expect 2 "$ESPALIER" check study.yaml
says "study.yaml:4:16: error: $ESPALIER_DATA_PATH/own-csv/train.csv:3:3: expected a label"
expect 4 "$ESPALIER" data fetch cifar-10
says "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz" c32a1d4ab5d03f1284b67883e8d87530 \
    "cifar-10/ of ESPALIER_DATA_PATH"
expect 4 "$ESPALIER" data verify usps-digits
expect 4 "$ESPALIER" data info svhnn
says "did you mean"

[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
echo "all passed"
