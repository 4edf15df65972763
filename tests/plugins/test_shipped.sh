#!/bin/bash
# plugins/shipped.sha256 lists every plugin of the repository with the source it has, and the build takes
# these for shipped; a plugin that somebody adds to the tree, or changes there, is that person's.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
plugins=$ESPALIER_SOURCE/plugins

(cd "$plugins" && sha256sum --quiet --check shipped.sha256) >changed 2>&1 ||
    fail "plugins changed since they were listed; see plugins/README.md: $(cat changed)"
if git -C "$plugins" rev-parse HEAD >/dev/null 2>&1; then
    (cd "$plugins" && git ls-tree --name-only HEAD loss/ head/ | grep '\.c$' | LC_ALL=C sort) >committed
    sed 's/^[^ ]*  //' "$plugins/shipped.sha256" | LC_ALL=C sort | diff - committed >changed ||
        fail "plugins/shipped.sha256 lists other plugins than the repository has: $(cat changed)"
fi
unset ESPALIER_PLUGIN_PATH
while read -r _ source; do
    expect 0 "$ESPALIER" plugins show "${source%.c}"
    says "origin  espalier ships it"
done <"$plugins/shipped.sha256"

# the rule itself, in a small tree: as listed, changed by a character, added
mkdir -p tree/plugins/loss && cp "$ESPALIER_SOURCE/plugins/shipped.c" tree/plugins/
for name in listed changed added; do
    sed "s/mixture_entropy/zz_$name/g" "$plugins/loss/mixture_entropy.c" >"tree/plugins/loss/zz_$name.c"
done
(cd tree/plugins && sha256sum loss/zz_listed.c loss/zz_changed.c >shipped.sha256) && echo "/* */" >>tree/plugins/loss/zz_changed.c
{
    echo 'cmake_minimum_required(VERSION 3.20)'
    echo 'project(small LANGUAGES C)'
    echo 'set(CMAKE_C_EXTENSIONS OFF)'
    sed -n '/^# ---- plugins: one file each/,/^# Beside the program/p' "$ESPALIER_SOURCE/CMakeLists.txt" |
        sed '/add_dependencies/d'
} >tree/CMakeLists.txt
ln -s "$ESPALIER_SOURCE/framework" tree/framework
expect 0 cmake -S tree -B tree/build
expect 0 cmake --build tree/build
export ESPALIER_PLUGIN_PATH=$PWD/tree/build/plugins
expect 0 "$ESPALIER" plugins show zz_listed
says "origin  espalier ships it"
for name in changed added; do
    expect 0 "$ESPALIER" plugins show zz_$name
    says "origin  your own: its results go by its file and its version"
done
[ "$failures" = 0 ]
