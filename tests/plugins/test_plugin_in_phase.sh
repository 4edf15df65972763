#!/bin/bash
# A plugin that declines values of its parameters, which a phase sets: the mistake is reported before
# anything runs, at the line and column of that phase's value.
TOY_TRAIN=60
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

mkdir own
cat >zz_picky.c <<'C'
#include "espalier_plugin.h"
typedef struct picky {
    double low, high;
} picky;
static int create(void *state, const esp_host *host, const esp_dims *dims)
{
    const picky *self = state;
    (void)dims;
    return self->low < self->high
               ? 0
               : host->fail(host, "low %g is not below high %g", self->low, self->high);
}
static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    (void)state, (void)host, (void)batch, (void)d;
    *value = 0.5;
    return 0;
}
static const esp_param params[] = {{.name = "low",
                                    .help = "low",
                                    .type = ESP_PARAM_REAL,
                                    .offset = offsetof(picky, low),
                                    .default_value = 0,
                                    .minimum = 0,
                                    .maximum = 100},
                                   {.name = "high",
                                    .help = "high",
                                    .type = ESP_PARAM_REAL,
                                    .offset = offsetof(picky, high),
                                    .default_value = 1,
                                    .minimum = 0,
                                    .maximum = 100}};
static const esp_loss_ops ops = {
    .struct_size = sizeof ops, .needs = ESP_LOGITS, .evaluate = evaluate};
ESP_EXPORT const esp_plugin espalier_plugin = {ESP_PLUGIN_HEADER,
                                               .kind = ESP_LOSS,
                                               .role = ESP_PENALTY,
                                               .name = "zz_picky",
                                               .version = "1",
                                               .summary = "picky",
                                               .source = "none",
                                               .cost = "none",
                                               .state_size = sizeof(picky),
                                               .params = params,
                                               .n_params = 2,
                                               .loss = &ops,
                                               .create = create};
C
"${CC:-cc}" -std=c11 -O1 -shared -fPIC -fvisibility=hidden -I "$ESPALIER_SOURCE/framework/sdk" zz_picky.c -o own/zz_picky.so ||
    exit 1
export ESPALIER_PLUGIN_PATH=$PWD/own

# study PHASES: s.yaml, whose phases begin at line 9.
study() {
    cat >s.yaml <<YAML
study: phases
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, zz_picky: {weight: 0.1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases:
$1
  selection: {monitor: test.hard_accuracy}
YAML
}
# refused PLACE...: every verb stops at these places, and at no other.
refused() {
    local verb
    for verb in check plan run; do
        expect 2 "$ESPALIER" $verb s.yaml
        grep -o '^[^ ]*: error: ' stderr | sed 's/: error: $//' >places
        [ "$(tr '\n' ' ' <places)" = "$* " ] || fail "$verb says $(tr '\n' ' ' <places), not $*"
    done
    [ ! -e results ] || fail "a database was made"
}
two() { study "    one: {epochs: 1}
    two: {epochs: 1, set: {$1}}"; }

two 'losses.zz_picky.low: 9'
refused s.yaml:10:49
says "low 9 is not below high 1"
two 'losses.zz_picky: {weight: 0.1, low: 9}'
refused s.yaml:10:64
two 'losses: {cross_entropy: {weight: 1}, zz_picky: {weight: 0.1, low: 9}}'
refused s.yaml:10:94
# of several, the one without which it would do; else the first
two 'losses.zz_picky.weight: 2, losses.zz_picky.high: 50, losses.zz_picky.low: 60'
refused s.yaml:10:102
two 'losses.zz_picky.high: 0'
refused s.yaml:10:50
# each phase, where its value is written
study '    one: {epochs: 1, set: {losses.zz_picky.low: 5}}
    two:
      epochs: 1
      set:
        losses.zz_picky.low:
          8
    three: {epochs: 1, set: {losses.zz_picky.low: 0.5}}'
refused s.yaml:9:49 s.yaml:14:11
# a mistake of all phases stays where it is written for all
study '    one: {epochs: 1}
    two: {epochs: 1, set: {losses.zz_picky.weight: 2}}'
sed -i 's/zz_picky: {weight: 0.1}/zz_picky: {weight: 0.1, low: 2}/' s.yaml
refused s.yaml:6:50
# a phase that does not name the term has no mistake of its own, whether before or after
two 'losses.zz_picky: {weight: 0.1, low: 9}'
sed -i 's/, zz_picky: {weight: 0.1}}/}/' s.yaml
refused s.yaml:10:64
study '    one: {epochs: 1, set: {losses.zz_picky: {weight: 0.1, low: 9}}}
    two: {epochs: 1}'
sed -i 's/, zz_picky: {weight: 0.1}}/}/' s.yaml
refused s.yaml:9:64
# by --set, a variant's set and a grid
two 'batch_size: 32'
expect 2 "$ESPALIER" check s.yaml --set phases.two.set.losses.zz_picky.low=9
says "--set:1: error: plugin 'zz_picky': low 9 is not below high 1"
cp s.yaml plain.yaml
printf 'variants:\n  a: {}\n  b: {set: {phases.two.set: {losses.zz_picky.low: 9}}}\n' >>s.yaml
refused s.yaml:14:51
{ cat plain.yaml && printf 'grid:\n  phases.two.set.losses.zz_picky.low: [0, 9]\n'; } >s.yaml
refused s.yaml:13:43
# the like: a phase that turns its task off
two 'losses.cross_entropy.weight: 0'
refused s.yaml:10:57
says "phase 'two' of variant 'default' learns no task"
# what it takes runs
two 'losses.zz_picky.low: 0.5'
expect 0 "$ESPALIER" run s.yaml --db taken.db
[ "$failures" = 0 ]
