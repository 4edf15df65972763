#!/usr/bin/env bash
# The rules of the layout, by the include lines:
#   sdk <- core <- {nn, data, store, plugin, statistics} <- study <- run <- report <- serve <- cli
# and one place each for sqlite3.h, yaml.h, microhttpd.h, dlopen, cblas.h, pthread_create. Run with a folder as
# argument it checks that tree instead; without, it also checks that it finds each kind of breach in a
# small tree.
set -euo pipefail

tree=${1:-${ESPALIER_SOURCE:?set by ctest}}

# What each layer may include besides itself. Among the five of one level: nn calls plugins, store
# names splits as data does.
allowed() {
    case $1 in
    sdk) echo "" ;;
    core) echo "sdk" ;;
    nn) echo "sdk core plugin" ;;
    data | plugin | statistics) echo "sdk core" ;;
    store) echo "sdk core data" ;;
    study) echo "sdk core nn data store plugin statistics" ;;
    run) echo "sdk core nn data store plugin statistics study" ;;
    report) echo "sdk core nn data store plugin statistics study run" ;;
    serve) echo "sdk core store plugin statistics study run report" ;;
    cli) echo "sdk core nn data store plugin statistics study run report serve" ;;
    *) return 1 ;;
    esac
}

includes() { # FILE: what it includes, <...> and "..." alike, one a line
    sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^>"]+)[>"].*/\2/p' "$1"
}

check_tree() { # prints a line a breach
    local root=$1 file layer included target name
    while IFS= read -r file; do
        layer=${file#"$root/framework/"}
        layer=${layer%%/*}
        if ! allowed "$layer" >/dev/null; then
            echo "$file: '$layer' is no layer"
            continue
        fi
        while IFS= read -r included; do
            target=${included%%/*}
            case $included in
            sqlite3.h) [ "$layer" = store ] || echo "$file: only store/ includes sqlite3.h" ;;
            yaml.h) [ "$layer" = study ] || echo "$file: only study/ includes yaml.h" ;;
            microhttpd.h) [ "$layer" = serve ] || echo "$file: only serve/ includes microhttpd.h" ;;
            cblas.h) [ "$layer" = nn ] || echo "$file: only nn/ includes cblas.h" ;;
            dlfcn.h)
                [ "$layer" = plugin ] || [ "${file#"$root"}" = /framework/nn/blas.c ] ||
                    echo "$file: only plugin/ includes dlfcn.h" ;;
            espalier_plugin.h) ;;
            */*)
                if [ -d "$root/framework/$target" ] && [ "$target" != "$layer" ] &&
                    [[ " $(allowed "$layer") " != *" $target "* ]]; then
                    echo "$file: $layer/ may not include $included"
                fi ;;
            *.h)
                if [ -e "$(dirname "$file")/$included" ]; then
                    echo "$file: write the layer: \"$layer/$included\""
                fi ;;
            esac
        done < <(includes "$file")
        # nn/blas.c looks for functions in what is loaded, and loads nothing.
        loading='dlopen|dlsym'
        [ "${file#"$root"}" != /framework/nn/blas.c ] || loading='dlopen'
        if [ "$layer" != plugin ] && grep -nE "\\b($loading)[[:space:]]*\\(" "$file" /dev/null; then
            echo "$file: only plugin/ calls dlopen"
        fi
        if [ "${file#"$root"}" != /framework/core/thread.c ] &&
            grep -nE '\bpthread_create[[:space:]]*\(' "$file" /dev/null; then
            echo "$file: only core/thread.c calls pthread_create"
        fi
        if [ "$layer" != cli ] && grep -nE '(^|[^_[:alnum:]])exit[[:space:]]*\([^)]*\);' "$file" /dev/null |
            grep -vE '^[^:]*:[0-9]+:[[:space:]]*(/?\*|//)'; then
            echo "$file: only cli/ calls exit()"
        fi
    done < <(find "$root/framework" -name '*.[ch]' | sort)

    # Plugins see the SDK and C's own headers.
    while IFS= read -r file; do
        while IFS= read -r included; do
            case $included in
            espalier_plugin.h | assert.h | complex.h | ctype.h | errno.h | fenv.h | float.h | \
                inttypes.h | iso646.h | limits.h | locale.h | math.h | setjmp.h | signal.h | \
                stdalign.h | stdarg.h | stdatomic.h | stdbool.h | stddef.h | stdint.h | stdio.h | \
                stdlib.h | stdnoreturn.h | string.h | tgmath.h | time.h | uchar.h | wchar.h | \
                wctype.h) ;;
            *) echo "$file: a plugin may not include $included" ;;
            esac
        done < <(includes "$file")
    done < <(find "$root/plugins" -name '*.[ch]' 2>/dev/null | sort)

    for layer in "$root"/framework/*/; do
        [ -s "${layer}README.md" ] || echo "${layer}: has no README.md"
    done
    while IFS= read -r name; do
        echo "$name: more than one file of this name"
    done < <({
        find "$root/framework" -name '*.[ch]' -printf '%f\n'
        find "$root/plugins" -name '*.h' -printf '%f\n'
    } 2>/dev/null | sort | uniq -d)
}

# The check checks: a tree with one breach of each kind, and the words that must be said of it.
check_the_check() {
    local root said
    root=$(mktemp -d)
    # shellcheck disable=SC2064  # now, not then
    trap "rm -rf '$root'" EXIT
    mkdir -p "$root"/framework/{sdk,core,nn,store,cli,attic} "$root/plugins/loss"
    printf '#include "store/store.h"\n' >"$root/framework/core/upward.c"
    printf '#  include <sqlite3.h>\n#include <dlfcn.h>\n' >"$root/framework/core/reach.c"
    printf '#include <%s.h>\n' yaml cblas microhttpd >"$root/framework/cli/cmd_worse.c"
    printf 'void *f(void) { return dlopen (0, 0); }\n' >"$root/framework/cli/cmd_bad.c"
    printf 'int h(void) { return pthread_create (0, 0, 0, 0); }\n' >"$root/framework/nn/starts.c"
    printf 'void g(void) { exit(1); }\n#include "upward.h"\n' >"$root/framework/nn/leaves.c"
    touch "$root/framework/nn/upward.h" "$root/framework/store/store.h"
    printf '#include "core/rng.h"\n' >"$root/plugins/loss/store.h"
    touch "$root/framework/attic/old.c"
    said=$(check_tree "$root")
    local wanted
    for wanted in 'core/ may not include store/store.h' 'only store/ includes sqlite3.h' \
        'only plugin/ includes dlfcn.h' 'only study/ includes yaml.h' 'only nn/ includes cblas.h' \
        'only serve/ includes microhttpd.h' 'only plugin/ calls dlopen' 'only cli/ calls exit()' 'only core/thread.c calls pthread_create' \
        'write the layer: "nn/upward.h"' \
        'a plugin may not include core/rng.h' "'attic' is no layer" 'has no README.md' \
        'store.h: more than one file of this name'; do
        if [[ $said != *"$wanted"* ]]; then
            echo "the check itself misses: $wanted"
            return 1
        fi
    done
}

breaches=$(check_tree "$tree")
if [ -n "$breaches" ]; then
    printf '%s\n' "$breaches"
    exit 1
fi
if [ $# -eq 0 ]; then check_the_check; fi
echo "layers hold"
