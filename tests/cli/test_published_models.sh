#!/bin/bash
# The authors' trained models, evaluated: accuracy as their file names say, hard train and soft train
# accuracy, used leaves and the entropy of the test load as measured with their own code.
# Needs ESPALIER_PUBLISHED_MODELS (a folder) and MNIST; says 'skipped' without.
set -u
if [ -z "${ESPALIER_PUBLISHED_MODELS:-}" ]; then
    echo "skipped: ESPALIER_PUBLISHED_MODELS is not set"
    exit 77
fi
failures=0

# value KEY: of the JSON in $json.
value() {
    sed -n "s/.*\"$1\": \([0-9.e-]*\).*/\1/p" <<<"$json"
}

# accuracy MODEL DATA SPLIT ROUTING EXPECTED
accuracy() {
    json=$("$ESPALIER" eval "$ESPALIER_PUBLISHED_MODELS/$1" --data "$2" --split "$3" --routing "$4" \
        --format json) || exit 1
    awk -v found="$(value accuracy)" -v expected="$5" \
        'BEGIN {exit !(found != "" && (100 * found - expected)^2 <= 0.0051^2)}' || {
        echo "FAILED: $1 $3 $4: expected $5 %, found $(value accuracy)"
        failures=$((failures + 1))
    }
}

# load USED ENTROPY: of the last test evaluation.
load() {
    tr -d '\n' <<<"$json" | sed 's/.*"leaf_load": \[\([^]]*\)\].*/\1/; s/,/ /g' |
        awk -v used="$1" -v entropy="$2" '{
            for (i = 1; i <= NF; i++) {n += $i; u += $i > 0}
            for (i = 1; i <= NF; i++) if ($i > 0) h -= $i / n * log($i / n)
            h /= log(NF)
            if (n != 10000 || u != used || !((h - entropy)^2 <= 0.00051^2)) {
                print "FAILED: expected", used, "leaves and entropy", entropy ", found", u, h
                exit 1
            }
        }' || failures=$((failures + 1))
}

f=fashion-mnist.lb.FashionMNIST_l8_d1-0.8609.safetensors
m=mnist.lb.MNIST_l1_d4-0.89.safetensors
ml=mnist.ml.model_l8_d1_a1_h1_master0-94.8.safetensors
accuracy $f fashion-mnist train hard 89.25
accuracy $f fashion-mnist train soft 89.30
accuracy $f fashion-mnist test hard 86.10
load 2 .975
accuracy $m mnist train hard 90.58
accuracy $m mnist train soft 94.44
accuracy $m mnist test hard 89.04
load 16 .926
accuracy $ml mnist train hard 96.69
accuracy $ml mnist train soft 96.74
accuracy $ml mnist test hard 94.83
load 2 1.000
[ $failures = 0 ] || exit 1
echo "12 accuracies and loads as published"
