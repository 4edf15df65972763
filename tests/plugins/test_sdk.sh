#!/usr/bin/env bash
# The SDK header compiles alone: as C11 and as C++, float and double, without a warning.
set -euo pipefail

header=${ESPALIER_SOURCE:?set by ctest}/framework/sdk/espalier_plugin.h
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

strict="-Wall -Wextra -Wshadow -Wundef -pedantic -Werror -fsyntax-only"
for real in float double; do
    for standard in c11 c17 gnu11; do
        # shellcheck disable=SC2086  # a list of words
        ${CC:-cc} -std=$standard $strict -DESP_REAL=$real -Wstrict-prototypes -x c "$header"
    done
    if command -v c++ >/dev/null; then
        for standard in c++11 c++17 c++20; do
            # shellcheck disable=SC2086
            c++ -std=$standard $strict -DESP_REAL=$real -x c++ "$header"
        done
    fi
done

# A plugin in C++: members in order, since designated initializers are younger than C++11.
cat >"$folder/minimal.cpp" <<'CODE'
#include "espalier_plugin.h"
static int evaluate(void *, const esp_host *, const esp_batch *, const esp_gradients *, double *value)
{
    *value = 0;
    return 0;
}
static const esp_loss_ops ops = {sizeof ops, ESP_LOGITS, 0, evaluate, nullptr};
const esp_plugin espalier_plugin = {
    ESP_ABI_TAG, sizeof(esp_plugin), ESP_LOSS, ESP_TASK, "minimal", "1", "nothing, from C++", "none",
    "none", 0, nullptr, 0, &ops, nullptr, nullptr, nullptr, nullptr, nullptr};
CODE
if command -v c++ >/dev/null; then
    c++ -std=c++11 -Wall -Wextra -pedantic -Werror -shared -fPIC -fvisibility=hidden \
        -I "$(dirname "$header")" "$folder/minimal.cpp" -o "$folder/minimal.so"
    "${ESPALIER:?}" plugins check "$folder/minimal.so"
fi

# Plugins see nothing else: each compiles with the SDK's folder alone.
for source in "$ESPALIER_SOURCE"/plugins/*/*.c; do
    ${CC:-cc} -std=c11 -Wall -Wextra -pedantic -Werror -fsyntax-only -I "$(dirname "$header")" "$source"
done
echo "the SDK compiles alone"
