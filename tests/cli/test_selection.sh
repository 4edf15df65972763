#!/bin/bash
# Choosing by the test set is marked wherever it touches a figure, and nowhere else: selection by it,
# early stopping by it. The selected and the last epoch are both kept.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
cat >study.yaml <<'YAML'
study: choosing
seeds: 0..1
defaults:
  data: {name: toy, validation: 0.2}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {first: {epochs: 3}, second: {epochs: 3}}
  early_stopping: {monitor: STOPS, patience: 2}
  selection: {monitor: [CHOOSES]}
report: {at: [selected, last], figures: [learning_curve]}
YAML
# study STOPS CHOOSES DB: writes and runs it.
study() {
    sed "s/STOPS/$1/; s/CHOOSES/$2/; s/choosing/choosing-$3/" study.yaml >"$3.yaml"
    expect 0 "$ESPALIER" run "$3.yaml" --db "$3.db"
    cp stderr "$3.words"
}
study validation.soft_loss "test.hard_accuracy, validation.hard_accuracy" chosen
study test.soft_loss validation.hard_accuracy stopped
study validation.soft_loss validation.hard_accuracy sound
study test.soft_loss "" last
# the last epoch of what began with the epoch best by the test set has seen it, too
sed -i 's/second: {epochs: 3}/second: {epochs: 3, start_from: best}/' study.yaml
study validation.soft_loss test.hard_accuracy begun

# lacks WORD...: the last command's words have none of them.
lacks() {
    local word
    for word in "$@"; do
        ! cat stdout stderr | grep -qF -- "$word" || fail "'$word'"
    done
}
# column NAME: the distinct values of a column of stdout's CSV.
column() {
    awk -F, -v name="$1" 'NR == 1 {for (i = 1; i <= NF; i++) if ($i == name) at = i; next} {print $at}' stdout |
        sort -u | tr '\n' ' '
}

# ---- before and while it runs -------------------------------------------------------------------
grep -q "note: epochs are selected by test.hard_accuracy" chosen.words || fail "chosen: no word from run"
grep -q "note: phase 'second' ends early by test.soft_loss" stopped.words || fail "stopped: no word from run"
grep -q "note: phase 'second' begins with the epoch best by test.hard_accuracy" begun.words || fail "begun: no word from run"
! grep -q "the test set" sound.words || fail "sound: $(cat sound.words)"
for format in text md; do
    for name in chosen stopped last begun; do
        expect 0 "$ESPALIER" plan $name.yaml --db $name.db --format $format
        says "looks at the test set"
    done
    expect 0 "$ESPALIER" plan sound.yaml --db sound.db --format $format
    lacks "looks at the test set"
done
for name in chosen stopped last sound; do
    expect 0 "$ESPALIER" plan $name.yaml --db $name.db --format json
    expected=true
    [ $name != sound ] || expected=false
    says "\"selects_by_test\": $expected"
done

# ---- reports -------------------------------------------------------------------------------------
for format in text md; do
    expect 0 "$ESPALIER" report choosing-chosen --db chosen.db --format $format
    says "at the epoch selected by test.hard_accuracy (the test set!)" "chosen by looking at the test set"
    lacks "training looked"
    grep -q "at the last epoch$" stdout || fail "the last epoch is not chosen by test"
    # the findings; the epochs side by side; accuracies, their seeds and leaves where it was chosen so; the claims
    [ "$(grep -c "(the test set!)" stdout)" = 6 ] || fail "not marked at each table"
    expect 0 "$ESPALIER" report choosing-chosen --db chosen.db --format $format --at selected:validation.hard_accuracy
    lacks "test set"
    expect 0 "$ESPALIER" report choosing-stopped --db stopped.db --format $format
    says "at the last epoch (training looked at the test set!)" \
        "at the epoch selected by validation.hard_accuracy (training looked at the test set!)" "phases.second.early_stopping.monitor"
    expect 0 "$ESPALIER" report choosing-last --db last.db --format $format
    says "(training looked at the test set!)"
    expect 0 "$ESPALIER" report choosing-sound --db sound.db --format $format
    lacks "test set"
    # tables of every epoch are marked where training looked
    for pair in chosen:0 stopped:1 last:1 begun:1 sound:0; do
        expect 0 "$ESPALIER" report "choosing-${pair%:*}" --db "${pair%:*}.db" --format $format --variance
        [ "$(grep -c "by phase and epoch within it (training looked at the test set!)" stdout)" = "${pair#*:}" ] ||
            fail "${pair%:*}: the table over epochs"
    done
done
# of each of two trials: the value in its heading, and its epochs
for pair in chosen:2 stopped:0 sound:0; do
    expect 0 "$ESPALIER" report "choosing-${pair%:*}" --db "${pair%:*}.db" --format html
    [ "$(grep -c '<dd>epoch .*(the test set!)</dd>' stdout)" = "${pair#*:}" ] || fail "html: epochs by test"
done
for pair in chosen:0 stopped:4 begun:2 sound:0; do # of begun, the selected ones are by test
    expect 0 "$ESPALIER" report "choosing-${pair%:*}" --db "${pair%:*}.db" --format html
    [ "$(grep -c '<dd>epoch .*(training looked at the test set!)</dd>' stdout)" = "${pair#*:}" ] ||
        fail "html: epochs of training by test"
done
for pair in chosen:2 stopped:2 begun:2 sound:0; do
    expect 0 "$ESPALIER" report "choosing-${pair%:*}" --db "${pair%:*}.db" --format html
    [ "$(grep -c '<summary>seed .*(saw the test set!)</summary>' stdout)" = "${pair#*:}" ] || fail "html: headings"
done
# captions of figures over all epochs
for pair in chosen:0 stopped:1 last:1 begun:1 sound:0; do
    name=${pair%:*}
    expect 0 "$ESPALIER" report "choosing-$name" --db $name.db --figures "figures-$name"
    [ "$(grep -c "training looked at the test set" "figures-$name/learning_curve.txt")" = "${pair#*:}" ] ||
        fail "$name: the learning curve"
done
expect 0 "$ESPALIER" report choosing-chosen --db chosen.db --format csv
[ "$(column chosen_by_test)" = "false true " ] || fail "csv: $(column chosen_by_test)"
[ "$(column selected_by)" = " test.hard_accuracy " ] || fail "csv: '$(column selected_by)'"
expect 0 "$ESPALIER" report choosing-stopped --db stopped.db --format csv
[ "$(column chosen_by_test)" = "true " ] || fail "csv: $(column chosen_by_test)"
expect 0 "$ESPALIER" report choosing-sound --db sound.db --format csv
[ "$(column chosen_by_test)" = "false " ] || fail "csv: $(column chosen_by_test)"
for pair in chosen:1 stopped:2 last:2 sound:0; do
    expect 0 "$ESPALIER" report "choosing-${pair%:*}" --db "${pair%:*}.db" --format json
    [ "$(grep -c '"chosen_by_test": true' stdout)" = "${pair#*:}" ] || fail "json: not ${pair#*:} of 2 epochs by test"
done

# ---- show and queries ----------------------------------------------------------------------------
expect 0 "$ESPALIER" show "$(value chosen.db "SELECT trial_id FROM trial LIMIT 1")" --db chosen.db
[ "$(sed -n '/^selections/,/^$/p' stdout | grep -c "the test set!")" = 1 ] || fail "show: one of three epochs is chosen by test"
expect 0 "$ESPALIER" show "$(value stopped.db "SELECT trial_id FROM trial LIMIT 1")" --db stopped.db
[ "$(sed -n '/^selections/,/^$/p' stdout | grep -c "training looked at the test set!")" = 2 ] || fail "show: two epochs"
for query in best cost dead-leaves failures gap seeds spread; do
    more=()
    [ $query != dead-leaves ] || more=(--set least=0)
    for words in "chosen:test.hard_accuracy: " "stopped:validation.hard_accuracy:test.soft_loss" \
        "begun:test.hard_accuracy:test.hard_accuracy" "sound:validation.hard_accuracy: "; do
        IFS=: read -r name selected saw <<<"$words"
        expect 0 "$ESPALIER" query $query "${more[@]}" --db "$name.db" --format csv
        [ "$(column selected_by)" = "$selected " ] || fail "$query $name: $(column selected_by)"
        [ "$(column training_saw)" = "${saw% } " ] || fail "$query $name: training $(column training_saw)"
    done
done
expect 0 "$ESPALIER" query curve --db stopped.db --format csv
[ "$(column training_saw)" = "test.soft_loss " ] || fail "curve: $(column training_saw)"
for name in chosen stopped begun; do
    expect 0 "$ESPALIER" plan $name.yaml --db $name.db --power=1%
    says "(chosen by the test set!)"
done
expect 0 "$ESPALIER" plan sound.yaml --db sound.db --power=1%
lacks "test set"

# ---- both epochs are kept ------------------------------------------------------------------------
for name in chosen stopped sound; do
    [ "$(value $name.db "SELECT count(*) FROM trial_final WHERE at = 'selected' AND split = 'test' AND metric = 'hard_accuracy'")" = 2 ] ||
        fail "$name: not two selected epochs"
    [ "$(value $name.db "SELECT count(*) FROM trial_final WHERE at = 'last' AND split = 'test' AND metric = 'hard_accuracy'")" = 2 ] ||
        fail "$name: not two last epochs"
    [ "$(find $name.db.checkpoints -name selected.safetensors -o -name last.safetensors | wc -l)" = 4 ] ||
        fail "$name: not both models of both trials"
done
[ "$(value chosen.db "SELECT count(*) FROM selection AS s JOIN epoch AS e ON e.trial = s.trial AND e.epoch = s.epoch
    WHERE e.epoch BETWEEN 1 AND (SELECT max(epoch) FROM epoch WHERE trial = s.trial)")" = 6 ] ||
    fail "not two trials of three epochs each"

[ $failures = 0 ] || exit 1
echo "all as it should be"
