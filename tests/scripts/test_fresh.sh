#!/usr/bin/env bash
# scripts/fresh.sh without its Debian: a stand-in for debootstrap fails, or mounts something and hangs.
# Where it cannot go on it skips and says why; however it ends, no mount, process or folder stays.
set -u
script=${ESPALIER_SOURCE:?set by ctest}/scripts/fresh.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0
fail() {
    echo "FAILED: $*"
    cat "$folder/said"
    failures=$((failures + 1))
}
# ends CODE WORDS: how the last one ended, and what it said.
ends() {
    [ "$code" = "$1" ] || fail "exit code $code, not $1"
    grep -qF -- "$2" "$folder/said" || fail "no '$2'"
}

cp -r "$ESPALIER_SOURCE/scripts" "$folder/scripts"
script=$folder/scripts/fresh.sh
chmod 755 "$folder"
for arguments in "" sid "bookworm trixie"; do
    # shellcheck disable=SC2086  # a list of words
    "$script" $arguments >"$folder/said" 2>&1
    code=$?
    ends 1 "scripts/fresh.sh --help"
done
"$script" --help >"$folder/said" 2>&1
code=$?
ends 0 "scripts/fresh.sh trixie"

if [ "$(id -u)" = 0 ]; then
    if ! command -v setpriv >/dev/null || ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$script"; then
        echo "skipped: nobody else can start it here"
        exit 77
    fi
    setpriv --reuid=65534 --regid=65534 --clear-groups "$script" trixie >"$folder/said" 2>&1
    code=$?
else
    "$script" trixie >"$folder/said" 2>&1
    code=$?
fi
ends 77 "skipped: a minimal system is made by root only"
[ "$(id -u)" = 0 ] || { [ $failures = 0 ] && echo "not root: the rest is left out"; exit "$failures"; }
unshare --mount --propagation private --pid --fork --kill-child true 2>/dev/null || {
    [ $failures = 0 ] && echo "no namespaces here: the rest is left out"
    exit "$failures"
}

mkdir "$folder/bin" "$folder/tmp"
echo "$folder/tmp" >"$folder/name" # not on the command line of who looks for it
export TMPDIR=$folder/tmp PATH=$folder/bin:$PATH
# shellcheck disable=SC2016  # for the stand-in itself
stands_in() { printf '#!/bin/sh\nfor system; do [ -e "$system" ] || case $system in /*) break ;; esac; done\n%s\n' "$1" >"$folder/bin/debootstrap"; }
stands_in 'echo "no route to any mirror"; exit 1'
chmod +x "$folder/bin/debootstrap"

nothing_stays() {
    local left
    for _ in $(seq 100); do
        left=$(ls -A "$TMPDIR"; grep -F "$TMPDIR" /proc/mounts; at_work)
        [ -z "$left" ] && return
        sleep 0.1
    done
    fail "what stays: $left"
}
# Processes that have the scratch folder's name on their command lines.
at_work() { grep -lsFf "$folder/name" /proc/[0-9]*/cmdline; }

"$script" trixie >"$folder/said" 2>&1
code=$?
ends 77 "no route to any mirror"
ends 77 "skipped: no minimal trixie could be made here"
nothing_stays
[ -s "$folder/build/fresh-trixie/1-debootstrap.log" ] || fail "no log stays"

stands_in "mkdir -p \"\$system/proc\" && mount -t proc proc \"\$system/proc\" && touch $folder/mounted && sleep 1000"
for signal in TERM INT KILL; do
    rm -f "$folder/mounted"
    set -m # a group of its own, as in a terminal: else INT would be ignored
    "$script" bookworm >"$folder/said" 2>&1 &
    started=$!
    set +m
    for _ in $(seq 100); do [ -e "$folder/mounted" ] && break; sleep 0.1; done
    [ -e "$folder/mounted" ] || fail "the stand-in did not start"
    [ -n "$(ls -A "$TMPDIR")" ] || fail "there is no scratch folder to remove"
    case $signal in
    INT) kill -INT -- "-$started" ;; # Ctrl-C reaches the whole group
    *) kill -$signal "$started" ;;
    esac
    nothing_stays
    kill -KILL "$started" 2>/dev/null && fail "$signal does not end it"
    wait "$started" 2>/dev/null
done

[ $failures = 0 ] && echo "nothing stays"
exit "$failures"
