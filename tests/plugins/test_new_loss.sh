#!/usr/bin/env bash
# A loss added as one file, with the very text of plugins/README.md, is built, listed, checked and
# usable in a study, with no other file touched; and the same file outside the tree.
set -euo pipefail

source=${ESPALIER_SOURCE:?set by ctest}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset ESPALIER_PLUGIN_PATH

fail() {
    echo "FAILED: $*" >&2
    exit 1
}
block() { # LANGUAGE: the first block of that language in the README
    awk -v fence="\`\`\`$1" '$0 == fence {inside = 1; next} /^```/ && inside {exit} inside' \
        "$source/plugins/README.md"
}

mkdir "$folder/tree"
cp -r "$source"/{framework,plugins,scripts,CMakeLists.txt} "$folder/tree/"
block c >"$folder/tree/plugins/loss/crowding.c"
block yaml >"$folder/crowding.yaml"
grep -q espalier_plugin "$folder/tree/plugins/loss/crowding.c" || fail "no C in plugins/README.md"
grep -q crowding "$folder/crowding.yaml" || fail "no study in plugins/README.md"

cmake -S "$folder/tree" -B "$folder/build" -DESPALIER_TESTS=OFF -DESPALIER_MARCH= \
    -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS=-O1 >"$folder/log" 2>&1 || { cat "$folder/log"; fail "configure"; }
cmake --build "$folder/build" --target espalier -j 2 >"$folder/log" 2>&1 || { tail -40 "$folder/log"; fail "build"; }
if grep -n "crowding.c.*warning" "$folder/log"; then fail "the example has warnings"; fi

espalier=$folder/build/espalier
"$espalier" plugins ls >"$folder/list"
grep -q "^loss  crowding .*routing" "$folder/list" || { cat "$folder/list"; fail "not listed"; }
"$espalier" plugins show crowding >"$folder/list"
grep -q "margin (real; 0..inf; default 0)" "$folder/list" || fail "no card"
"$espalier" plugins check crowding || fail "not passed"
if "$espalier" data info fashion-mnist >/dev/null 2>&1; then
    "$espalier" check "$folder/crowding.yaml" || fail "not usable in a study"

    # A misspelled parameter of the new term is found by its own table.
    sed 's/margin: 0.05/margn: 0.05/' "$folder/crowding.yaml" >"$folder/wrong.yaml"
    if "$espalier" check "$folder/wrong.yaml" 2>"$folder/said"; then fail "margn was taken"; fi
    grep -q "margn.*margin" "$folder/said" || { cat "$folder/said"; fail "margin is not suggested"; }
else
    echo "skipped: no fashion-mnist here to check the study with"
fi

# `plugins new` in the tree: the next build takes it up; its own commands, with a study that can be
# planned anywhere.
cd "$folder/tree/plugins/head"
"$espalier" plugins new loss begun_in_test >"$folder/commands" || fail "plugins new"
[ -s "$folder/tree/plugins/loss/begun_in_test.c" ] || fail "not where losses are"
head -n 2 "$folder/commands" | bash -eu >"$folder/log" 2>&1 || { cat "$folder/log"; fail "its commands"; }
grep -q '^passed$' "$folder/log" || { cat "$folder/log"; fail "the new loss does not pass"; }
if grep -n "begun_in_test.c.*warning" "$folder/log"; then fail "the new loss has warnings"; fi
# and away again: its file must not be found any longer
rm "$folder/tree/plugins/loss/begun_in_test.c"
cmake --build "$folder/build" >"$folder/log" 2>&1 || { cat "$folder/log"; fail "build without it"; }
"$espalier" plugins ls >"$folder/list"
if grep begun_in_test "$folder/list"; then fail "a plugin without source is found"; fi
# by a program that was not built from this tree
"${ESPALIER:?}" plugins new head elsewhere_in_test >"$folder/commands" || fail "plugins new by another program"
grep -q "^cmake -S $folder/tree -B $folder/tree/build/release$" "$folder/commands" || fail "not its build"

# Outside the tree, by the README's own command, for the program of this build.
(cd "$folder" && mkdir -p own/framework && cp -r "$source/framework/sdk" own/framework/ &&
    cp tree/plugins/loss/crowding.c own/ && cd own && bash -e <(block sh))
ESPALIER_PLUGIN_PATH=$folder/own "$ESPALIER" plugins ls >"$folder/list"
grep -q "^loss  crowding" "$folder/list" || fail "not found in ESPALIER_PLUGIN_PATH"
"$ESPALIER" plugins check "$folder/own/crowding.so" || fail "not passed outside the tree"
echo "a new loss is one file"
