#!/bin/bash
# A plugin that changes what belongs to the process or to its thread: `plugins check` refuses it and
# says what to do, and numbers are read and written in the C locale nevertheless, at load, in every call
# and beside a thread of the plugin's.
TOY_TRAIN=60
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

cat >disturbs.c <<'C'
/* A loss of 0.5, or a head that changes nothing, which does WAY when WHEN says. */
#define _GNU_SOURCE
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "espalier_plugin.h"

enum { never, load, create, evaluate, destroy, forward, backward };

static locale_t other(const char *name) /* one for all calls */
{
    static locale_t made;
    made = made ? made : newlocale(LC_ALL_MASK, name, (locale_t)0);
    return made;
}

static void *way(void *unused)
{
    WAY;
    return unused;
}

static void at(int now)
{
    pthread_t thread;
    if (now != WHEN) {
        return;
    }
    if (!IN_THREAD) {
        way(NULL);
    } else if (pthread_create(&thread, NULL, way, NULL) == 0) {
        pthread_join(thread, NULL);
    }
}

__attribute__((constructor)) static void at_load(void)
{
    at(load);
}

static int make(void *state, const esp_host *host, const esp_dims *dims)
{
    (void)state, (void)host, (void)dims;
    at(create);
    return 0;
}

static void unmake(void *state)
{
    (void)state;
    at(destroy);
}

#ifdef HEAD
static int declare(void *state, const esp_host *host, const esp_dims *dims, esp_head_decl *decl)
{
    (void)state, (void)host, (void)dims, (void)decl;
    return 0;
}
static int pass(void *state, const esp_host *host, const esp_head_batch *batch, esp_real *output)
{
    (void)state, (void)host;
    at(forward);
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        memcpy(output + o * batch->stride, batch->input + o * batch->stride,
               sizeof *output * (size_t)batch->n_examples);
    }
    return 0;
}
static int pass_back(void *state, const esp_host *host, const esp_head_batch *batch,
                     const esp_head_gradients *d)
{
    (void)state, (void)host;
    at(backward);
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        memcpy(d->input + o * batch->stride, d->output + o * batch->stride,
               sizeof *d->input * (size_t)batch->n_examples);
    }
    return 0;
}
static const esp_head_ops ops = {
    .struct_size = sizeof ops, .declare = declare, .forward = pass, .backward = pass_back};
#else
static int value_of(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    (void)state, (void)host, (void)batch, (void)d;
    at(evaluate);
    *value = 0.5;
    return 0;
}
static const esp_loss_ops ops = {
    .struct_size = sizeof ops, .needs = ESP_LOGITS, .evaluate = value_of};
#endif

ESP_EXPORT const esp_plugin espalier_plugin = {ESP_PLUGIN_HEADER,
#ifdef HEAD
                                               .kind = ESP_HEAD,
                                               .role = ESP_TASK,
                                               .head = &ops,
#else
                                               .kind = ESP_LOSS,
                                               .role = ESP_PENALTY,
                                               .loss = &ops,
#endif
                                               .name = "zz_disturbs",
                                               .version = "1",
                                               .summary = "disturbs",
                                               .source = "none",
                                               .cost = "none",
                                               .create = make,
                                               .destroy = unmake};
C

# build WAY WHEN [-DHEAD]: the plugin in folder/; WHEN may be "WHEN in a thread".
build() {
    local way=$1 when=${2%% *} in_thread=0
    [ "$when" = "$2" ] || in_thread=1
    shift 2
    mkdir -p folder
    "${CC:-cc}" -std=c11 -O1 -shared -fPIC -fvisibility=hidden -I "$ESPALIER_SOURCE/framework/sdk" \
        "-DWAY=$way" "-DWHEN=$when" "-DIN_THREAD=$in_thread" "$@" disturbs.c -o folder/zz_disturbs.so -lm ||
        fail "the plugin is not built: $way"
}

# ---- plugins check -----------------------------------------------------------------------------------
# refused WAY WHEN WORDS...: by file and by name; no locale of the user's is needed.
refused() {
    build "$1" "$2"
    shift 2
    expect 2 env LC_ALL=C "$ESPALIER" plugins check folder/zz_disturbs.so
    says "$@"
    expect 2 env LC_ALL=C ESPALIER_PLUGIN_PATH=folder "$ESPALIER" plugins check zz_disturbs
    says "$@"
}
process=("sets the locale of the whole process (setlocale)" "use newlocale and uselocale")
utf8='uselocale(other("C.UTF-8"))'
refused 'setlocale(LC_ALL, "")' load "as it is loaded, it ${process[0]}" "${process[1]}"
refused 'setlocale(LC_ALL, "")' create "${process[@]}"
refused 'setlocale(LC_ALL, "")' evaluate "${process[@]}"
refused 'setlocale(LC_NUMERIC, "")' evaluate "${process[@]}"
refused 'setlocale(LC_ALL, "")' destroy "${process[@]}"
refused 'setlocale(LC_ALL, "")' 'evaluate in a thread' "${process[@]}"
refused "$utf8" create "create leaves its thread in another locale (uselocale)" "put back what uselocale"
refused "$utf8" evaluate "evaluate leaves its thread in another locale (uselocale)"
refused "$utf8" destroy "destroy leaves its thread in another locale (uselocale)"
refused 'fesetround(FE_UPWARD)' evaluate "evaluate changes how its thread rounds" "fesetenv"
refused 'feenableexcept(FE_DIVBYZERO)' evaluate "evaluate makes its thread trap"
refused 'if (chdir("/")) return unused' load "as it is loaded, it changes the process's folder (chdir)"
refused 'if (chdir("/")) return unused' evaluate "changes the process's folder (chdir)" "use whole paths"
refused 'umask(0)' evaluate "changes which permissions new files get (umask)"
refused 'signal(SIGINT, SIG_IGN)' create "changes what signals do"
refused 'setrlimit(RLIMIT_NOFILE, &(struct rlimit){16, 16})' evaluate "changes limits of the process"
# A thread's own change that is put back disturbs nobody, nor does what is never called.
for way in "locale_t its = $utf8; uselocale(its)" 'fenv_t held; feholdexcept(&held); fesetround(FE_UPWARD); fesetenv(&held)'; do
    build "$way" evaluate
    expect 0 "$ESPALIER" plugins check folder/zz_disturbs.so
    says passed "thread and process left as they were"
done

# ---- numbers -----------------------------------------------------------------------------------------
if ! locale -a | grep -qi '^de_DE\.utf'; then
    mkdir locales
    if ! localedef -i de_DE -f UTF-8 locales/de_DE.UTF-8 2>/dev/null; then
        [ "$failures" = 0 ] || exit 1
        echo "numbers: needs the locale de_DE.UTF-8"
        exit 77
    fi
    export LOCPATH=$scratch/locales
fi
# setlocale may not be called by two threads at once, which the thread sanitizer sees of a plugin that does.
jobs=2
[ "${ESPALIER_SANITIZE:-}" != thread ] || jobs=1
# The plugin keeps locales that nobody frees. Where the stack does not lead to it, glibc is named.
printf 'leak:%s\n' zz_disturbs newlocale argz_add_sep >lsan.supp
export LSAN_OPTIONS=suppressions=$scratch/lsan.supp:print_suppressions=0
cat >loss.yaml <<'YAML'
study: disturbed
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, zz_disturbs: {weight: 0.25}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 2}}
  selection: {monitor: test.hard_accuracy}
YAML
sed 's/, zz_disturbs: .*/}\n  heads: {zz_disturbs: {}}/' loss.yaml >head.yaml

# outcome STUDY: what a run stores and writes of it, its times and hashes of files left out.
outcome() {
    rm -rf results.db*
    expect 0 env ESPALIER_PLUGIN_PATH=folder "$ESPALIER" run "$1" --unchecked --db results.db --jobs $jobs
    expect 0 env ESPALIER_PLUGIN_PATH=folder "$ESPALIER" db check --db results.db
    model=$(ls results.db.checkpoints/*/last.safetensors | head -n 1)
    expect 0 env ESPALIER_PLUGIN_PATH=folder "$ESPALIER" eval "$model" --data toy --format json
    cat stdout >outcome
    expect 0 env ESPALIER_PLUGIN_PATH=folder "$ESPALIER" report "$1" --db results.db --format csv
    cat stdout >>outcome
    sqlite3 results.db "SELECT id FROM trial ORDER BY 1; SELECT digest FROM epoch ORDER BY 1;
        SELECT config FROM cell; SELECT key, value FROM cell_param" >>outcome
    sha256sum results.db.checkpoints/*/*.safetensors >>outcome
}
german='uselocale(other("de_DE.UTF-8"))'
export LC_ALL=de_DE.UTF-8
for kind in loss head; do
    flag=()
    [ $kind = loss ] || flag=(-DHEAD)
    build '(void)0' never "${flag[@]}"
    outcome $kind.yaml
    mv outcome undisturbed
    grep -q '0\.25\|normalize' undisturbed || fail "an outcome without numbers"
    calls=(load create evaluate 'evaluate in a thread' destroy)
    [ $kind = loss ] || calls=(forward backward)
    for when in "${calls[@]}"; do
        for way in 'setlocale(LC_ALL, "")' 'setlocale(LC_NUMERIC, "de_DE.UTF-8")' "$german"; do
            build "$way" "$when" "${flag[@]}"
            outcome $kind.yaml
            cmp -s outcome undisturbed || {
                diff outcome undisturbed | head -n 5
                fail "$kind, $way, $when: other numbers"
            }
        done
    done
done
build 'setlocale(LC_ALL, "")' load
expect 0 env ESPALIER_PLUGIN_PATH=folder "$ESPALIER" check loss.yaml
says "loss.yaml: ok"
build 'if (chdir("/")) return unused; umask(0); signal(SIGINT, SIG_IGN)' load
expect 0 env ESPALIER_PLUGIN_PATH=folder "$ESPALIER" run loss.yaml --unchecked --db relative.db
[ -s relative.db ] || fail "a plugin that leaves the folder as it is loaded takes the results along"
[ "$failures" = 0 ]
