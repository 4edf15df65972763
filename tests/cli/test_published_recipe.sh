#!/bin/bash
# experiments/published_code.yaml on a small data set: the learning rate of every epoch against the rule
# of the published main.py, written out here and fed the test accuracies that the run stored.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

# a small rate on 200 images: test accuracy stands still now and then, and below 0.9 for a while
expect 0 "$ESPALIER" run "$ESPALIER_SOURCE/experiments/published_code.yaml" --db code.db --seeds 0..3 \
    --only 'balanced model.leaf_width=[18]' --set data.name=toy --set batch_size=32 \
    --set phases.balance.epochs=60 --set phases.harden.epochs=2
says "8 of 8 trials done"
sqlite3 -separator ' ' code.db "SELECT trial, epoch, learning_rate, test_hard_accuracy FROM epoch
    WHERE phase = 'balance' OR epoch = 0 ORDER BY 1, 2" >epochs
awk '
    $2 == 0 {best = $4; counter = 0; rate = 0.001; next}    # the untrained network is the first best
    {
        epochs++
        differing += ($3 - rate)^2 > 1e-18
        if ($4 > best) {
            best = $4; counter = 0; reverted += rate > 0.001; rate = 0.001
        } else if (counter < 5 && rate < 0.003) {
            counter++
        } else if (best < 0.9 && rate < 0.003) {
            counter = 0; raised++; rate = 0.003
        }
    }
    END {print epochs, raised, reverted, differing}' epochs >found
read -r epochs raised reverted differing <found
[ "$epochs" = 480 ] && [ "$raised" -ge 4 ] && [ "$reverted" -ge 2 ] || fail "too little happened: $(cat found)"
[ "$differing" = 0 ] || fail "the rates of $differing of $epochs epochs are not the published code's"

[ $failures = 0 ] || exit 1
echo "all as it should be"
