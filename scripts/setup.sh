# shellcheck shell=bash
# Sourced by quickstart.sh, check.sh and .ci/run: what espalier needs, whether it is here, and how it
# gets here. Presence is asked of the tools that will use a thing (compiler, pkg-config), so any
# distribution will do; only installing knows apt-get.

# key | Debian packages | upstream name
readonly ESPALIER_NEEDS="\
compiler|gcc libc6-dev|a C11 compiler
cmake|cmake|CMake 3.21 or newer
ninja|ninja-build|Ninja
pkg-config|pkg-config|pkg-config
openblas|libopenblas-pthread-dev|OpenBLAS
sqlite|libsqlite3-dev|SQLite
yaml|libyaml-dev|libyaml
crypto|libssl-dev|OpenSSL libcrypto
zlib|zlib1g-dev|zlib
jansson|libjansson-dev|Jansson
microhttpd|libmicrohttpd-dev|GNU libmicrohttpd
random123|librandom123-dev|Random123
fashion-mnist|dataset-fashion-mnist|the FashionMNIST data set
cmocka|libcmocka-dev|cmocka
gnuplot|gnuplot-nox|gnuplot, which draws figures
sqlite-shell|sqlite3|the sqlite3 command line program
jq|jq|jq
c++|g++|a C++ compiler
python3|python3|Python 3
german|locales|the sources of the locale de_DE
npm|npm ca-certificates|npm
debootstrap|debootstrap|debootstrap
fuzzer|clang libclang-rt-dev|clang with libFuzzer and its sanitizers"

# What building and the quickstart need; check.sh adds what tests need, check.sh --fuzz the fuzzer.
# shellcheck disable=SC2034  # used by the scripts that source this file
readonly ESPALIER_BUILD_NEEDS="compiler cmake ninja pkg-config openblas sqlite yaml crypto zlib \
jansson microhttpd random123 fashion-mnist"
# shellcheck disable=SC2034
readonly ESPALIER_TEST_NEEDS="cmocka sqlite-shell jq gnuplot c++ python3 german"

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

need_field() { # KEY FIELD: 2 packages, 3 upstream name
    awk -F'|' -v key="$1" -v field="$2" '$1 == key { print $field }' <<<"$ESPALIER_NEEDS"
}

compiler() {
    if [ -n "${CC:-}" ]; then printf '%s' "$CC"; elif have cc; then printf cc; else printf gcc; fi
}

compiles() { # reads C from stdin; CC may hold flags, so it is split
    local -a cc
    read -ra cc <<<"$(compiler)"
    "${cc[@]}" -std=c11 -fsyntax-only -x c - >/dev/null 2>&1
}

library() { have pkg-config && pkg-config --exists "$1" 2>/dev/null; }

cmake_is_new_enough() {
    local version
    version=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    read -r major minor <<<"${version:-0 0}"
    [ "$major" -gt 3 ] || { [ "$major" -eq 3 ] && [ "$minor" -ge 21 ]; }
}

fuzzer_links() { # clang alone is not enough: its run-time library comes apart
    printf 'int LLVMFuzzerTestOneInput(const char *b, long n) { return n < 0 && *b; }\n' |
        clang -fsanitize=fuzzer,address,undefined -x c - -o /dev/null 2>/dev/null
}

fashion_mnist_is_here() {
    local -a places=()
    local place
    IFS=: read -ra places <<<"${ESPALIER_DATA_PATH:-}"
    places+=("${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/espalier/data" /usr/share/datasets)
    for place in "${places[@]}"; do
        if [ -e "$place/fashion-mnist/train-images-idx3-ubyte.gz" ] ||
            [ -e "$place/fashion-mnist/train-images-idx3-ubyte" ]; then
            return 0
        fi
    done
    return 1
}

probe() { # KEY: is it usable?
    case $1 in
    compiler) printf '#include <stdio.h>\n_Static_assert(1, "");\n' | compiles ;;
    cmake) have cmake && cmake_is_new_enough ;;
    ninja) have ninja || have ninja-build || have samu ;;
    pkg-config) have pkg-config ;;
    openblas) library openblas ;;
    sqlite) library sqlite3 ;;
    yaml) library yaml-0.1 ;;
    crypto) library libcrypto ;;
    zlib) library zlib ;;
    jansson) library jansson ;;
    microhttpd) library libmicrohttpd ;;
    random123) printf '#include <Random123/philox.h>\n' | compiles ;;
    fashion-mnist) fashion_mnist_is_here ;;
    cmocka) library cmocka ;;
    sqlite-shell) have sqlite3 ;;
    german) [ -e /usr/share/i18n/locales/de_DE ] || locale -a 2>/dev/null | grep -qi "^de_DE" ;;
    fuzzer) have clang && fuzzer_links ;;
    *) have "$1" ;;
    esac
}

is_installed() { # PACKAGE...: does dpkg hold them all?
    local package
    have dpkg-query || return 1
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || return 1
    done
}

missing() { # KEY...: prints the keys of what is not here
    local key
    local -a packages
    for key in "$@"; do
        if ! probe "$key"; then
            # A library cannot be asked for while pkg-config or the compiler is still to come.
            read -ra packages <<<"$(need_field "$key" 2)"
            case $key in
            openblas | sqlite | yaml | crypto | zlib | jansson | microhttpd | cmocka)
                ! have pkg-config && is_installed "${packages[@]}" && continue ;;
            random123)
                ! probe compiler && is_installed "${packages[@]}" && continue ;;
            esac
            printf '%s\n' "$key"
        fi
    done
}

# Sees that all KEY... are here; installs what is missing, and only that, by apt-get. Where it cannot
# it names what is missing by its upstream name, says what to do, and ends with 1.
install_missing() {
    local key
    local -a keys=() names=() packages=() wanted as_root=()
    mapfile -t keys < <(missing "$@")
    [ "${#keys[@]}" -gt 0 ] || return 0
    for key in "${keys[@]}"; do
        names+=("$(need_field "$key" 3)")
        read -ra wanted <<<"$(need_field "$key" 2)"
        packages+=("${wanted[@]}")
    done
    say "missing: $(join_by ', ' "${names[@]}")"

    if ! have apt-get; then
        die "this system has no apt-get; install what is missing by its own package manager" \
            "(development files included), then run this script again"
    fi
    local command="apt-get install --no-install-recommends ${packages[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || die "installing needs root, and there is no sudo; as root, run: $command"
        as_root=(sudo)
    fi
    say "installing: ${packages[*]}"
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    if ! "${as_root[@]}" apt-get update -qq >&2 ||
        ! "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2; then
        die "apt-get could not install what is missing; see its words above, or run: $command"
    fi
    hash -r
    mapfile -t keys < <(missing "$@")
    for key in ${keys[@]+"${keys[@]}"}; do
        die "$(need_field "$key" 3) is installed but not found by $(
            finder_of "$key"); is another one first in PATH, CC or PKG_CONFIG_PATH?"
    done
}

finder_of() {
    case $1 in
    random123) printf 'the compiler (%s)' "$(compiler)" ;;
    compiler | cmake | ninja | pkg-config | sqlite-shell | jq | c++ | python3 | npm | debootstrap) printf 'the shell' ;;
    fuzzer) printf 'clang -fsanitize=fuzzer,address,undefined' ;;
    fashion-mnist) printf 'this script in /usr/share/datasets' ;;
    *) printf 'pkg-config' ;;
    esac
}

join_by() { # SEPARATOR WORD...
    local separator=$1 text=$2
    shift 2
    local word
    for word in "$@"; do text+=$separator$word; done
    printf '%s' "$text"
}

# Runs a command with its output in LOG; one line says what is done and how long it took. A failure
# shows the log's end and returns the command's status.
logged() { # WHAT LOG COMMAND...
    local what=$1 log=$2 started=$SECONDS status=0
    shift 2
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 60 "$log" >&2
        printf 'error: %s failed; all of its output is in %s\n' "$what" "$log" >&2
        return "$status"
    fi
    say "$what: $((SECONDS - started)) s"
}
