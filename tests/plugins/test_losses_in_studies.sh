#!/usr/bin/env bash
# Loss terms named in studies: mixtures with every term that has a gate, the same bits whatever
# --jobs; what terms log is in the database; a term on a model that lacks what it looks at is a
# located error.
source "$ESPALIER_SOURCE/tests/fixtures/command_line.sh"

cat >gate.yaml <<'YAML'
study: gate
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: moe, experts: 4, expert_width: 3, top_k: 2, noise: true}
  losses:
    cross_entropy: {weight: 1, label_smoothing: 0.1}
    importance: {weight: 0.1}
    load: {weight: 0.1}
    load_bias: {weight: 0}
    router_z: {weight: 0.001}
    mixture_entropy: {weight: 0}
    balance: {weight: 0}
    l2: {weight: 0.0001, groups: leaves}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {train: {epochs: 4}}
variants:
  gradients: {reference: true}
  loss_free: {set: {losses.importance.weight: 0, losses.load.weight: 0, losses.load_bias.weight: 1}}
YAML
digests() { # DB
    sqlite3 "$1" "SELECT t.trial_id, e.epoch, e.digest FROM epoch AS e JOIN trial AS t ON t.id = e.trial
        ORDER BY 1, 2"
}
expect 0 "$ESPALIER" run gate.yaml --db one.db --jobs 1
expect 0 "$ESPALIER" run gate.yaml --db two.db --jobs 2
digests one.db >one
digests two.db >two
[ "$(wc -l <one)" -eq 20 ] || fail "4 trials of 4 epochs, and epoch 0: $(wc -l <one)"
cmp one two || fail "--jobs changes what is trained"
for term in cross_entropy importance load load_bias router_z mixture_entropy balance l2; do
    [ "$(value one.db "SELECT count(*) FROM learning_curve WHERE metric = 'loss.$term'
        AND split = 'test' AND epoch = 4")" = 4 ] || fail "loss.$term is not logged"
done
[ "$(value one.db "SELECT count(*) FROM learning_curve WHERE metric = 'load_bias.max_violation'
    AND split = 'train' AND epoch = 2")" = 2 ] || fail "max_violation is not logged"
# The bias is in the checkpoint: moved where the term has a weight, 0 elsewhere.
moved=0
for model in one.db.checkpoints/*/last.safetensors; do
    header=$(od -An -tu8 -N8 "$model" | tr -d ' ')
    place=$(head -c $((8 + header)) "$model" | grep -aoE '"routing_bias":\{[^}]*"data_offsets":\[[0-9]+' | grep -oE '[0-9]+$')
    [ -n "$place" ] || fail "no routing_bias in $model"
    tail -c +$((9 + header + place)) "$model" | head -c 16 | tr -d '\0' | grep -qa . && moved=$((moved + 1))
done
[ "$moved" -eq 2 ] || fail "$moved of 4 trials moved their bias, not 2"

cat >tree.yaml <<'YAML'
study: tree
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, depth: 2, leaf_width: 2}
  losses:
    focal: {weight: 1}
    hardening: {weight: 1, target_entropy: 0.1, adaptation_rate: 0.05}
    importance: {weight: 0.1}
    l1: {weight: 0.001, groups: nodes}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {train: {epochs: 4}}
YAML
expect 0 "$ESPALIER" run tree.yaml --db tree.db
[ "$(value tree.db "SELECT count(*) FROM learning_curve WHERE metric = 'hardening.h'
    AND split = 'train' AND value > 1")" = 4 ] || fail "h does not grow while nodes are undecided"

# The terms that only a gate has, on a tree, each with its place.
for term in load load_bias router_z; do
    sed "s/    importance: .*/    $term: {weight: 0.1}/" tree.yaml >wrong.yaml
    expect 2 "$ESPALIER" check wrong.yaml
    says "wrong.yaml:9:" "$term"
done
sed 's/kind: fff, depth: 2, leaf_width: 2/kind: ff, width: 8/; s/, groups: nodes//' tree.yaml >wrong.yaml
expect 2 "$ESPALIER" check wrong.yaml
says "wrong.yaml:8:" hardening "wrong.yaml:9:" importance
sed 's/groups: nodes/groups: node/' tree.yaml >wrong.yaml
expect 2 "$ESPALIER" check wrong.yaml
says "did you mean 'nodes'"
exit $((failures > 0))
