#!/bin/bash
# A plugin that espalier does not ship: `run` checks each new file once, and a changed file makes its
# trials stale, which stops a run until an option says what is meant. Shipped plugins go by their
# version.
TOY_TRAIN=60
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

cat >zz_own.c <<'C'
#include "espalier_plugin.h"

#ifndef VERSION
#define VERSION "1"
#endif

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    (void)state, (void)host;
    double sum = 0;
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        for (int b = 0; b < batch->n_examples; b++) {
            const esp_real y = batch->logits[o * batch->stride + b];
            sum += 0.5 * SCALE * y * y / batch->n_examples;
            if (d) {
                d->logits[o * batch->stride + b] += (esp_real)(GRADIENT * y / batch->n_examples);
            }
        }
    }
    *value = sum;
    return 0;
}

static const esp_loss_ops ops = {
    .struct_size = sizeof ops, .needs = ESP_LOGITS, .evaluate = evaluate};
ESP_EXPORT const esp_plugin espalier_plugin = {ESP_PLUGIN_HEADER,
                                               .kind = ESP_LOSS,
                                               .role = ESP_PENALTY,
                                               .name = "zz_own",
                                               .version = VERSION,
                                               .summary = "half the squared logits",
                                               .source = "none",
                                               .cost = "O(B O)",
                                               .loss = &ops};
C
# build SCALE GRADIENT [OPTION...]: own/zz_own.so
build() {
    mkdir -p own
    "${CC:-cc}" -std=c11 -O1 -shared -fPIC -fvisibility=hidden -I "$ESPALIER_SOURCE/framework/sdk" \
        "-DSCALE=$1" "-DGRADIENT=$2" "${@:3}" zz_own.c -o own/zz_own.so || fail "zz_own is not built"
}
cat >study.yaml <<'YAML'
study: own
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 2}}
  selection: {monitor: test.hard_accuracy}
variants:
  without: {reference: true}
  with: {set: {losses.zz_own: {weight: 0.1}}}
report: {rows: [data.name], columns: [variant], metrics: [test.hard_accuracy]}
YAML
export ESPALIER_PLUGIN_PATH=$scratch/own ESPALIER_DB=$scratch/own.db
checked=$XDG_CACHE_HOME/espalier/checked

# says_not WORD...: the last command's words have none of them.
says_not() {
    local word
    for word in "$@"; do
        cat stdout stderr | grep -qF -- "$word" && fail "there is '$word'"
    done
}
# attempts: of the trials of each variant.
attempts() {
    value "$ESPALIER_DB" "SELECT group_concat(n, ' ') FROM (SELECT count(*) AS n FROM attempt AS a
        JOIN cell_trial AS ct USING (trial) JOIN cell AS c ON c.id = ct.cell GROUP BY c.variant ORDER BY c.variant)"
}

# ---- checked before its first use, and refused -------------------------------------------------------
build 1 2 # twice the gradient
expect 2 "$ESPALIER" run study.yaml
says "checking plugin 'zz_own' before its first use" "gradient of logits differs from finite differences" \
    "espalier plugins check zz_own" "--unchecked"
[ ! -e "$ESPALIER_DB" ] || fail "a refused plugin leaves a database"
expect 2 "$ESPALIER" run study.yaml # not kept: a busy machine may have been the reason
says "gradient of logits differs"
expect 0 "$ESPALIER" run study.yaml --only without # which does not use it
says_not "checking"
expect 0 "$ESPALIER" run study.yaml --unchecked --db unchecked.db
says_not "checking"
[ "$(value unchecked.db "SELECT group_concat(DISTINCT content ->> '\$.plugins.zz_own.unchecked') FROM environment")" = 1 ] ||
    fail "--unchecked is not recorded"
build 1 1
expect 0 "$ESPALIER" run study.yaml
says "checking plugin 'zz_own' before its first use: $scratch/own/zz_own.so" "plugin 'zz_own' passes (" "this file is not checked again" "2 of 4 trials to train"
expect 0 "$ESPALIER" run study.yaml
says_not "checking" "stale"
[ "$(value "$ESPALIER_DB" "SELECT count(*) FROM environment WHERE content ->> '\$.plugins.zz_own.unchecked' IS NOT NULL")" = 0 ] ||
    fail "a checked plugin is recorded as unchecked"
# what is kept is believed only as it was written
kept=$(find "$checked" -type f)
[ "$(basename "$kept")" = "$(sha256sum <own/zz_own.so | cut -d ' ' -f 1)" ] || fail "not kept by the file's hash: $kept"
: >"$kept"
expect 0 "$ESPALIER" run study.yaml
says "checking plugin 'zz_own'"
expect 0 "$ESPALIER" run study.yaml
says_not "checking"
# another check is another verdict
mv "$(dirname "$kept")" "$checked/0123456789abcdef"
expect 0 "$ESPALIER" run study.yaml
says "checking plugin 'zz_own'"
# a cache that cannot be written costs time alone
rm -rf "$XDG_CACHE_HOME" && : >"$XDG_CACHE_HOME"
for _ in 1 2; do
    expect 0 "$ESPALIER" run study.yaml
    says "checking plugin 'zz_own'" "passes" "this file is checked again at its next use" "4 done before"
done
rm "$XDG_CACHE_HOME"
expect 0 env -u HOME -u XDG_CACHE_HOME "$ESPALIER" run study.yaml
says "checking plugin 'zz_own'"
# beside one another
for i in 1 2 3 4; do
    "$ESPALIER" run study.yaml --db "beside$i.db" >"beside$i" 2>&1 </dev/null &
done
for i in 1 2 3 4; do
    wait -n || fail "runs that check the same plugin disturb one another: $(cat beside?)"
done
expect 0 "$ESPALIER" run study.yaml
says_not "checking"

# ---- another file of the same version ----------------------------------------------------------------
[ "$(attempts)" = "2 2" ] || fail "attempts: $(attempts)"
first=$(sha256sum <own/zz_own.so)
build 2 2
[ "$(sha256sum <own/zz_own.so)" != "$first" ] || fail "the same file"
expect 0 "$ESPALIER" plan study.yaml
says "2 trials were trained by another build of plugin 'zz_own'" "--strict-code" "--reuse-stale"
expect 0 "$ESPALIER" plan study.yaml --format json
says '"stale_by_plugin": 2' '"changed_plugin": "zz_own"'
revisions=$(value "$ESPALIER_DB" "SELECT count(*) FROM revision")
expect 2 "$ESPALIER" run study.yaml --seeds 0..2
says "stale: with seed 0, trial" "stale: with seed 1, trial" "2 trials are stale" "$scratch/own/zz_own.so is another file now" \
    "--strict-code trains them again" "--reuse-stale counts them as they are"
says_not "stale: without" "stale: with seed 2"
[ "$(attempts)" = "2 2" ] || fail "a refused run trains: $(attempts)"
[ "$(value "$ESPALIER_DB" "SELECT count(*) FROM revision")" = "$revisions" ] || fail "a refused run registers"
expect 0 "$ESPALIER" run study.yaml --only without
expect 2 "$ESPALIER" run study.yaml --strict-code --reuse-stale
says "give one"
# both meant: what is there counts, and new seeds are the new build's
expect 0 "$ESPALIER" run study.yaml --seeds 0..2 --reuse-stale
says "2 of 6 trials to train"
[ "$(value "$ESPALIER_DB" "SELECT count(*) FROM stale_trials WHERE cell = 'with'")" = 2 ] || fail "stale_trials is not true"
expect 0 "$ESPALIER" report study.yaml
says "Trials were trained by several builds of plugin 'zz_own', mixed within cells: with (2)" \
    "run --strict-code"
says_not "without (2)"
expect 0 "$ESPALIER" report study.yaml --format md
says "several builds of plugin 'zz_own'" "| with | 3, 2 builds |"
expect 0 "$ESPALIER" report study.yaml --format json
[ "$(grep -c '"builds": 2' stdout)" = 1 ] || fail "json: not one cell of two builds"
expect 2 "$ESPALIER" run study.yaml --seeds 0..2 # no answer for good
says "2 trials are stale"
expect 0 "$ESPALIER" run study.yaml --seeds 0..2 --strict-code
says "2 of 6 trials to train" "2 done by another build, so trained again"
[ "$(attempts)" = "5 3" ] || fail "trained again: $(attempts)"
expect 0 "$ESPALIER" run study.yaml --seeds 0..2
says "0 of 6 trials to train, 6 done before"
says_not "stale"
expect 0 "$ESPALIER" report study.yaml
says_not "builds"

# ---- another version: other trials -------------------------------------------------------------------
build 3 3 '-DVERSION="2"'
expect 0 "$ESPALIER" run study.yaml --seeds 0..2
says "3 of 6 trials to train"
says_not "stale"

# ---- begun with one build, gone on with another ------------------------------------------------------
build 1 1
sed '/^variants:/,$d; s/^study: .*/study: long/; s/epochs: 2/epochs: 1000000/
    s/{cross_entropy: {weight: 1}}/{cross_entropy: {weight: 1}, zz_own: {weight: 0.1}}/' study.yaml >long.yaml
ESPALIER_DB=$scratch/long.db
"$ESPALIER" run long.yaml --seeds 0 >stdout 2>stderr </dev/null &
runner=$!
for _ in $(seq 200); do
    sleep 0.05
    [ "$(value "$ESPALIER_DB" "SELECT max(epoch) FROM epoch" 2>/dev/null)" -gt 3 ] 2>/dev/null && break
done
kill -INT $runner
wait $runner
build 2 2
expect 2 "$ESPALIER" run long.yaml --seeds 0
says "stale: default seed 0, trial" "1 trial is stale" "--strict-code trains it again, --reuse-stale counts it as it is"
for option in --reuse-stale --strict-code; do
    "$ESPALIER" run long.yaml --seeds 0 $option >stdout 2>stderr </dev/null &
    runner=$!
    for _ in $(seq 100); do
        sleep 0.05
        [ "$(value "$ESPALIER_DB" "SELECT count(*) FROM attempt WHERE status = 'running'" 2>/dev/null)" = 1 ] && break
    done
    kill -INT $runner
    wait $runner
    [ $? = 130 ] || fail "$option does not go on"
    first=$(value "$ESPALIER_DB" "SELECT first_epoch FROM attempt ORDER BY id DESC LIMIT 1")
    if [ $option = --reuse-stale ]; then
        [ "$first" -gt 3 ] || fail "--reuse-stale begins at epoch $first"
        build 1 1
    else
        [ "$first" = 0 ] || fail "--strict-code goes on at epoch $first"
    fi
done

# ---- what espalier ships goes by its version ---------------------------------------------------------
ESPALIER_DB=$scratch/shipped.db
mkdir shipped && cp "$ESPALIER_BUILD/plugins/loss/mixture_entropy.so" shipped/
sed 's/^study: .*/study: shipped/; s/zz_own/mixture_entropy/' study.yaml >shipped.yaml
export ESPALIER_PLUGIN_PATH=$scratch/shipped
expect 0 "$ESPALIER" run shipped.yaml --seeds 0
says_not "checking"
printf x >>shipped/mixture_entropy.so # the same plugin, of another build
expect 0 "$ESPALIER" run shipped.yaml --seeds 0..1
says "1 of these by another build (--strict-code trains them again)" "2 of 4 trials to train"
says_not "checking" "stale:"
# one of the same name and version that somebody wrote is no build of it
sed 's/"zz_own"/"mixture_entropy"/' zz_own.c >theirs.c
version=$("$ESPALIER" plugins show mixture_entropy --format json | sed -n 's/.*"version": "\(.*\)",/\1/p')
rm shipped/mixture_entropy.so
"${CC:-cc}" -std=c11 -O1 -shared -fPIC -fvisibility=hidden -I "$ESPALIER_SOURCE/framework/sdk" -DSCALE=1 -DGRADIENT=1 \
    "-DVERSION=\"$version\"" theirs.c -o shipped/mixture_entropy.so || fail "theirs is not built"
expect 2 "$ESPALIER" run shipped.yaml --seeds 0..1
says "checking plugin 'mixture_entropy'" "stale: with seed 0" "stale: with seed 1"
expect 0 "$ESPALIER" run shipped.yaml --seeds 2
expect 2 env -u ESPALIER_PLUGIN_PATH "$ESPALIER" run shipped.yaml --seeds 0..2
says "stale: with seed 2" "1 trial is stale"

[ "$failures" = 0 ]
