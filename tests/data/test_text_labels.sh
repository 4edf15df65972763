#!/bin/bash
# Labels that are text, from a csv to a trained model and back: the classes in data info and in the
# model's file, the counts of a test split that is split off, and data whose labels mean other classes.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

# table NAME LABEL...: 30 rows of each label, told apart by the first feature.
table() {
    local folder=$ESPALIER_DATA_PATH/$1 k=0 label row
    shift
    mkdir -p "$folder"
    printf '"length, cm",width,label\n' >"$folder/train.csv"
    for row in $(seq 30); do
        for label in "$@"; do
            k=$((k + 1))
            printf '%s.%s,%s,%s\n' "${#label}" $((row % 7)) $((k % 5)) "$label" >>"$folder/train.csv"
        done
    done
}

study() {
    cat >study.yaml <<YAML
study: text
seeds: 0..1
defaults:
  data: {$1}
  model: {kind: fff, depth: 1, leaf_width: 4}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 16
  phases: {train: {epochs: 2}}
YAML
}

table beasts zebra '"New York rat"' 'Ünder dog' ant
expect 0 "$ESPALIER" data info beasts
says "class   train    test  name" "    0      30       0  New York rat" "    1      30       0  ant" \
    "    2      30       0  zebra" "    3      30       0  Ünder dog" "  all     120       0"
expect 0 "$ESPALIER" data info beasts --format json
says '"class_names": [' '"New York rat",' '"Ünder dog"'
expect 0 "$ESPALIER" data info toy --format json
grep -q class_names stdout && fail "names of classes that have none"

study "name: beasts, test: 0.2, validation: 0.25, normalize: {kind: per_feature}"
expect 0 "$ESPALIER" plan study.yaml --db none.db
expect 0 "$ESPALIER" run study.yaml --db text.db --jobs 2
model=$(ls -d text.db.checkpoints/*/last.safetensors | head -1)
id=$(basename "$(dirname "$model")")
grep -aqF '"classes":"[\"New York rat\",\"ant\",\"zebra\",\"Ünder dog\"]"' "$model" ||
    fail "no classes in the model's metadata"
for split in "test 24" "validation 24" "train 72"; do
    expect 0 "$ESPALIER" eval "$model" --split "${split% *}" --format json
    says "\"n\": ${split#* },"
done
expect 0 "$ESPALIER" eval "$model" --format json
stored=$(value text.db "SELECT value FROM trial_final WHERE trial_id = '$id' AND at = 'last'
    AND split = 'test' AND metric = 'hard_accuracy'")
awk -v a="$stored" -v b="$(sed -n 's/.*"accuracy": \([0-9.e-]*\).*/\1/p' stdout)" \
    'BEGIN {d = a - b; exit !(d < 1e-8 && d > -1e-8)}' || fail "another accuracy than the stored $stored"
expect 0 "$ESPALIER" replay "$id" --db text.db

# ---- keep by name and by number are one configuration: 24 of 30 a class train, of zebra 12
for written in "zebra: 0.5" "2: 0.5"; do
    study "name: beasts, test: 0.2, keep: {$written}"
    expect 0 "$ESPALIER" run study.yaml --db "keep.db"
done
says "0 of 2 trials to train, 2 done before"
kept=$(ls -d keep.db.checkpoints/*/last.safetensors | head -1)
expect 0 "$ESPALIER" eval "$kept" --split train --format json
says '"n": 84,'
study "name: beasts, test: 0.2, keep: {New York rat: 0.5, Ünder dog: 0.25}"
expect 0 "$ESPALIER" check study.yaml
study "name: beasts, test: 0.2, keep: {zebar: 0.5}"
expect 2 "$ESPALIER" check study.yaml
says "study.yaml:4:42: error: data.keep has no class 'zebar'; did you mean 'zebra'?"
study "name: beasts, test: 0.2, keep: {zebra: 0.5, 2: 0.25}"
expect 2 "$ESPALIER" check study.yaml
says "study.yaml:4:54: error: data.keep has class '2' twice"
study "name: beasts, test: 0.2, keep: {zebra: 1.5}"
expect 2 "$ESPALIER" check study.yaml
says "data.keep.zebra must be more than 0 and at most 1, not 1.5"

# ---- classes by number are not classes by name, nor are other names
study "name: toy"
expect 0 "$ESPALIER" run study.yaml --db toy.db
numbers=$(ls -d toy.db.checkpoints/*/last.safetensors | head -1)
grep -aqF '"classes"' "$numbers" && fail "classes in the metadata of a model of numbers"
expect 2 "$ESPALIER" eval "$numbers" --data beasts
says "$numbers was trained on the classes 0 to 3, by number" \
    "beasts has 'New York rat', 'ant', 'zebra', 'Ünder dog'"
expect 2 "$ESPALIER" eval "$model" --data toy
says "$model was trained on the classes 'New York rat', 'ant'" "toy has 0 to 3, by number"
table others zebra bee '"New York rat"' ant
expect 2 "$ESPALIER" eval "$model" --data others
says "was trained on the classes 'New York rat', 'ant', 'zebra', 'Ünder dog'" \
    "others has 'New York rat', 'ant', 'bee', 'zebra'" \
    "class 2 is 'zebra' of the model and 'bee' of the data"
table fewer zebra '"New York rat"' ant
expect 2 "$ESPALIER" eval "$model" --data fewer
says "class 3 is 'Ünder dog' of the model and 'none' of the data"
# The same labels in another order of rows are the same classes.
table again ant 'Ünder dog' zebra '"New York rat"'
expect 0 "$ESPALIER" eval "$model" --data again
says "again is not the data that the model was trained on"

# ---- the only example of a class trains, and that is said
printf '1,2,unicorn\n' >>"$ESPALIER_DATA_PATH/beasts/train.csv"
study "name: beasts, test: 0.5"
expect 0 "$ESPALIER" run study.yaml --db lone.db
says "1 of 5 classes have no example in the test split of 60" "class 2 ('unicorn'), which has 1"
study "name: beasts, test: 0.5, validation: 0.5"
expect 2 "$ESPALIER" run study.yaml --db none.db
says "validation 0.5 leaves no training example of class 2 ('unicorn'), which has 1"

# ---- classes of other sizes: what the largest can give is enough, and what it cannot is an error
mkdir "$ESPALIER_DATA_PATH/uneven" "$ESPALIER_DATA_PATH/single"
{ echo "a,b,label"; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "$i,1,many"; done
    for i in 1 2 3 4 5 6 7 8 9 10; do echo "$i,2,one$i"; done; } >"$ESPALIER_DATA_PATH/uneven/train.csv"
printf 'a,b,label\n0,1,x\n1,0,y\n' >"$ESPALIER_DATA_PATH/single/train.csv"
study "name: uneven, test: 0.2, validation: 0.3" # 12 * 0.2 = 2.4, 10 * 0.3 = 3; of one none
expect 0 "$ESPALIER" check study.yaml
expect 0 "$ESPALIER" run study.yaml --db uneven.db
says "10 of 11 classes have no example in the test split of 2"
uneven=$(ls -d uneven.db.checkpoints/*/last.safetensors | head -1)
expect 0 "$ESPALIER" eval "$uneven" --split validation
says "uneven validation, hard routing, 3 examples"
study "name: uneven, test: 0.04"
expect 2 "$ESPALIER" check study.yaml
says "data.test 0.04 splits off nothing of uneven, which has 12 examples in its largest class; split off 0.05 or more"
for test in 0.2 0.5 0.9; do
    study "name: single, test: $test"
    expect 2 "$ESPALIER" check study.yaml
    says "data.test splits off nothing of single, which has one example a class: it trains; add examples"
done

[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
echo "all passed"
