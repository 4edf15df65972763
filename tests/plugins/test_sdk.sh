#!/usr/bin/env bash
# The SDK: its header compiles alone; an installed espalier, moved elsewhere and with source and build
# out of sight, builds plugins with one line, by CMake and from `plugins new`, in C and in C++, and
# trains with them. Oracle of "out of sight": empty folders are mounted over both, where that is allowed.
# shellcheck source=tests/fixtures/shipped.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/shipped.sh"
set -euo pipefail

source=${ESPALIER_SOURCE:?set by ctest} build=${ESPALIER_BUILD:?set by ctest}
sdk=$source/framework/sdk
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset ESPALIER_PLUGIN_PATH ESPALIER_DB
for program in c++ pkg-config; do
    command -v $program >/dev/null || { echo "skipped: needs $program, which is not here"; exit 77; }
done

# ---- the header and the examples alone ---------------------------------------------------------
strict="-Wall -Wextra -Wshadow -Wundef -pedantic -Werror"
for real in float double; do
    for standard in c11 c17 gnu11; do
        # shellcheck disable=SC2086  # a list of words
        ${CC:-cc} -std=$standard $strict -fsyntax-only -DESP_REAL=$real -Wstrict-prototypes -x c \
            "$sdk/espalier_plugin.h"
    done
    for standard in c++11 c++17 c++20; do
        # shellcheck disable=SC2086
        c++ -std=$standard $strict -fsyntax-only -DESP_REAL=$real -x c++ "$sdk/espalier_plugin.h"
    done
    for kind in loss head; do # to 1e-6 with double elements
        # shellcheck disable=SC2086
        ${CC:-cc} -std=c11 -O2 $strict -Wconversion -DESP_REAL=$real -shared -fPIC -fvisibility=hidden \
            -I "$sdk" "$sdk/examples/example_$kind.c" -o "$folder/example_$kind.so" -lm
        "${ESPALIER:?}" plugins check "$folder/example_$kind.so"
    done
done
# Plugins see nothing else: each compiles with the SDK's folder alone.
shipped 'plugins/*/*.c' | while read -r one; do
    ${CC:-cc} -std=c11 -Wall -Wextra -pedantic -Werror -fsyntax-only -I "$sdk" "$one"
done

# ---- installed, and moved ------------------------------------------------------------------------
cmake --install "$build" --prefix "$folder/first" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
mv "$folder/first" "$folder/moved"
"$build/tests/make_data" "$folder/data" toy 200 60 8 4 1
rm "$folder"/*.so
mkdir "$folder/clean"

# A plugin in C++: members in order, since designated initializers are younger than C++11.
cat >"$folder/clean/minimal_of_test.cpp" <<'CODE'
#include "espalier_plugin.h"
static int evaluate(void *, const esp_host *, const esp_batch *, const esp_gradients *, double *value)
{
    *value = 0;
    return 0;
}
static const esp_loss_ops ops = {sizeof ops, ESP_LOGITS, 0, evaluate, nullptr};
const esp_plugin espalier_plugin = {
    ESP_ABI_TAG, sizeof(esp_plugin), ESP_LOSS, ESP_TASK, "minimal_of_test", "1", "nothing, from C++", "none",
    "none", 0, nullptr, 0, &ops, nullptr, nullptr, nullptr, nullptr, nullptr};
CODE
sed 's/example_loss/term_of_test/g' "$folder/moved/share/doc/espalier/examples/example_loss.c" >"$folder/clean/term_of_test.c"
cat >"$folder/clean/study.yaml" <<'YAML'
study: own
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, term_of_test: {weight: 0.5, margin: 0}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {train: {epochs: 2}}
variants: {without: {reference: true, set: {losses.term_of_test.weight: 0}}, with: {}}
YAML

cat >"$folder/inside.sh" <<'INSIDE'
set -euo pipefail
prefix=$PWD/moved
export PATH=$prefix/bin:$PATH PKG_CONFIG_PATH=$prefix/share/pkgconfig ESPALIER_DATA_PATH=$PWD/data NO_COLOR=1
fail() {
    echo "FAILED: $*" >&2
    exit 1
}
refuses() { # WORD COMMAND...
    local word=$1 code=0
    shift
    "$@" >refusal 2>&1 || code=$?
    [ $code -eq 2 ] && grep -qF -- "$word" refusal || { cat refusal; fail "exit code $code, no '$word': $*"; }
}
cd clean
if [ "$HIDDEN" = yes ]; then
    [ ! -e "$ESPALIER_SOURCE/CMakeLists.txt" ] && [ ! -e "$ESPALIER" ] || fail "the source is in sight"
fi
espalier plugins ls >list
grep -q "$prefix/lib/espalier/plugins/loss/balance.so" list || { cat list; fail "not its own plugins"; }
if grep -qF "$ESPALIER_BUILD" list; then fail "plugins of the build folder"; fi

echo "== one line"
cc -shared -fPIC $(pkg-config --cflags espalier-plugin) term_of_test.c -o term_of_test.so
espalier plugins check ./term_of_test.so
c++ -shared -fPIC $(pkg-config --cflags espalier-plugin) minimal_of_test.cpp -o minimal_of_test.so
espalier plugins check ./minimal_of_test.so
# the same example is C++20 too
c++ -std=c++20 -x c++ -shared -fPIC -Wno-attributes -fvisibility=hidden $(pkg-config --cflags espalier-plugin) \
    term_of_test.c -o cxx.so
espalier plugins check ./cxx.so
rm cxx.so

echo "== a study uses it"
refuses "a plugin of your own is looked for in ESPALIER_PLUGIN_PATH" espalier check study.yaml
export ESPALIER_PLUGIN_PATH=$PWD ESPALIER_DB=$PWD/own.db
espalier run study.yaml
value() { espalier query "$1" --format csv | tail -n 1; }
norm() { # VARIANT: the last epoch's value of the term
    value "SELECT value FROM trial_final WHERE variant = '$1' AND at = 'last' AND split = 'test' AND metric = 'loss.term_of_test'"
}
[ "$(value "SELECT count(*) FROM trial WHERE status = 'done'")" = 2 ] || fail "two trials expected"
awk "BEGIN {exit !($(norm with) > 0 && $(norm with) < 0.9 * $(norm without))}" ||
    fail "the term does not shrink logits: $(norm with) with it, $(norm without) without"
espalier report own >report
grep -q with report || fail "no report"

echo "== plugins new"
unset ESPALIER_PLUGIN_PATH
for kind in loss head; do
    espalier plugins new $kind begun_in_test_$kind >commands
    [ "$(wc -l <commands)" = 3 ] || { cat commands; fail "three commands expected"; }
    if grep -n example_ begun_in_test_$kind.c; then fail "the example's name is left"; fi
    sed 's/STUDY.yaml/study.yaml/' commands >script
    bash -eu script
    refuses "exists already" espalier plugins new $kind begun_in_test_$kind
done
mkdir "other folder"
espalier plugins new loss elsewhere_in_test --dir "other folder" | head -n 2 >script
bash -eu script
[ -s "other folder/elsewhere_in_test.so" ] || fail "not built where it lies"
[ "$(value "SELECT count(*) FROM trial WHERE status = 'done'")" = 6 ] || fail "six trials expected"
refuses "there is a loss 'begun_in_test_loss' already" env ESPALIER_PLUGIN_PATH=. espalier plugins new loss begun_in_test_loss

echo "== the CMake package"
cp -r "$prefix/share/doc/espalier/examples" cmake
cmake -S cmake -B cmake/build -DCMAKE_PREFIX_PATH="$prefix" >log 2>&1 &&
    cmake --build cmake/build >>log 2>&1 && ctest --test-dir cmake/build >>log 2>&1 || { cat log; fail "CMake"; }
grep -q "100% tests passed, 0 tests failed out of 2" log || { cat log; fail "ctest"; }
ESPALIER_PLUGIN_PATH=cmake/build espalier plugins ls >list
grep -q '^head  example_head' list || fail "not listed"

echo "== what else is installed"
espalier query >list 2>/dev/null
grep -q '^spread ' list || fail "no queries"
espalier query spread --set study=own >/dev/null || fail "a named query"
grep -q '^\.TH ESPALIER 1' "$prefix/share/man/man1/espalier.1" || fail "no man page"
grep -q 'plugins check' "$prefix/share/man/man1/espalier.1" || fail "the man page lacks plugins"
bash -c 'source "$1/share/bash-completion/completions/espalier" && complete -p espalier' _ "$prefix" >/dev/null ||
    fail "bash completion"
grep -q '^#compdef espalier' "$prefix/share/zsh/site-functions/_espalier" || fail "zsh completion"
grep -q 'complete ' "$prefix/share/fish/vendor_completions.d/espalier.fish" || fail "fish completion"
espalier doctor >doctor || true
if grep -q 'note beside the program' doctor; then cat doctor; fail "the build's note was not taken along"; fi
cat >published.yaml <<'YAML'
study: published
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.001}
  phases: {train: {epochs: 1}}
report:
  published:
    {file: published.csv, where: {table: 1}, join: {leaf_width: model.leaf_width}, variant: {default: fff}}
YAML
espalier check published.yaml || fail "published numbers are not found"
INSIDE

cd "$folder"
export HIDDEN=yes
# shellcheck disable=SC2016  # for the inner shell
hide='for one in "$ESPALIER_BUILD" "$ESPALIER_SOURCE"; do mount -t tmpfs none "$one" || exit 1; done; exec bash inside.sh'
if unshare -rm mount -t tmpfs none "$folder" 2>/dev/null; then
    unshare -rm bash -c "$hide"
else
    echo "not hidden: this machine allows no mounts"
    HIDDEN=no bash inside.sh
fi
echo "the SDK is all a plugin needs"
