#!/bin/bash
# What multiplies bytes: chosen by name, recorded, the same training to rounding, the same bits for
# any number of jobs.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs sqlite3

cat >study.yaml <<YAML
study: products
seeds: 0..2
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  heads: {master_leaf: {width: 3}}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 3}}
YAML
digests() { sqlite3 "$1" "SELECT t.trial_id, e.epoch, e.digest FROM epoch e JOIN trial t ON t.id = e.trial" | sort; }
loss() {
    sqlite3 "$1" "SELECT value FROM learning_curve WHERE epoch = 1 AND metric = 'running_loss' ORDER BY seed"
}

n=0
for unit in blas vectors tiles; do
    if ! ESPALIER_PRODUCTS=$unit "$ESPALIER" run study.yaml --db $unit.db --jobs 1 >stdout 2>stderr; then
        grep -q "does not have" stderr || fail "$unit: $(cat stderr)"
        continue
    fi
    n=$((n + 1))
    [ "$(sqlite3 $unit.db "SELECT DISTINCT content ->> '$.byte_products' FROM environment")" = $unit ] ||
        fail "the environment does not name $unit"
    ESPALIER_PRODUCTS=$unit expect 0 "$ESPALIER" run study.yaml --db two.$unit.db --jobs 2
    diff <(digests $unit.db) <(digests two.$unit.db) >/dev/null || fail "$unit: jobs change the digests"
    loss $unit.db >$unit.losses
    paste blas.losses $unit.losses | awk '{d = $1 - $2; if (d < 0) d = -d; if (d > 1e-4 * $1) exit 1}' ||
        fail "$unit trains otherwise: $(paste blas.losses $unit.losses)"
done
[ $n -ge 1 ] || fail "no unit is there"
echo "$n of 3 units are there"

ESPALIER_PRODUCTS=abacus expect 2 "$ESPALIER" run study.yaml --db none.db
says "ESPALIER_PRODUCTS is 'abacus'" "blas, vectors or tiles"
[ $failures = 0 ] || exit 1
echo "all as it should be"
