#!/usr/bin/env bash
# The two commands on a Debian that has nothing but git: makes a minimal system in a scratch folder,
# clones this checkout (what is committed) into it, and there runs ./quickstart.sh twice, the README's
# examples, and ./check.sh --short. MNIST goes along where it is here; all else is installed.
#   scripts/fresh.sh bookworm        Debian 12
#   scripts/fresh.sh trixie          Debian 13
# All of it happens in a namespace of its own: however it ends, no mount, process or scratch folder
# stays; the logs do, in build/fresh-SUITE/. It needs root, debootstrap, about 4 GB (TMPDIR names
# where) and a Debian mirror (ESPALIER_DEBIAN_MIRROR names another). Where it cannot, it says why and
# ends with 77.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

skip() { say "skipped: $*"; exit 77; }

# ---- within the namespace ------------------------------------------------------------------------
# The environment of somebody who has just logged in; how to reach a network comes from here.
enter() { # COMMAND...
    local name
    local -a proxies=()
    for name in http_proxy https_proxy ftp_proxy no_proxy HTTP_PROXY HTTPS_PROXY FTP_PROXY NO_PROXY; do
        [ -z "${!name:-}" ] || proxies+=("$name=${!name}")
    done
    chroot "$system" /usr/bin/env -i HOME=/root LANG=C.UTF-8 ${proxies[@]+"${proxies[@]}"} \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        bash -c "set -eo pipefail; cd /espalier; $*"
}

minimal_system() {
    timeout 1200 debootstrap --variant=minbase --include=git "$suite" "$system" \
        "${ESPALIER_DEBIAN_MIRROR:-http://deb.debian.org/debian}"
}

furnish() {
    local data=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/espalier/data
    local mnist=$system/root/.cache/espalier/data/mnist
    # Debootstrap leaves none, or one of its own namespace.
    mountpoint -q "$system/proc" || mount -t proc proc "$system/proc" || return
    cp -L /etc/resolv.conf "$system/etc/resolv.conf" || return
    echo 'Acquire::Retries "5";' >"$system/etc/apt/apt.conf.d/80-patient" || return
    # Proxies and the like of this machine's apt; its mirrors stay behind.
    if have apt-config; then
        apt-config dump | grep -E '^Acquire::(https?|ftp)::|^Acquire::(Check|Retries)' \
            >"$system/etc/apt/apt.conf.d/90-outside" || true
    fi
    echo force-unsafe-io >"$system/etc/dpkg/dpkg.cfg.d/90-scratch" || return
    if [ -d "$data/mnist" ]; then
        mkdir -p "$mnist" && cp -L "$data"/mnist/* "$mnist/" || return
    fi
    git clone --quiet --no-hardlinks "$PWD" "$system/espalier"
}

second_quickstart() { # trains nothing, and prints the same report, from its first line on
    enter ./quickstart.sh >"$logs/second"
    diff <(sed -n '/^quickstart/,$p' "$logs/first") <(sed -n '/^quickstart/,$p' "$logs/second")
}

# Every block of commands after "Two commands"; git sees nothing of them afterwards.
follow_readme() {
    awk '/^```sh$/ {block++; taking = block > 1; next} /^```$/ {taking = 0} taking' "$system/espalier/README.md" \
        >"$system/root/journeys.sh"
    # shellcheck disable=SC2016  # for the shell within
    enter 'bash -euo pipefail /root/journeys.sh && left=$(git status --porcelain) &&
        printf "%s" "$left" && [ -z "$left" ]'
}

no_warnings() { ! grep -n 'warning:' "$system"/espalier/build/*-build.log; }

inside() {
    local status=0
    logged "$suite: minimal system" "$logs/1-debootstrap.log" minimal_system ||
        skip "no minimal $suite could be made here; debootstrap's words are above"
    logged "$suite: network, data, clone" "$logs/2-furnish.log" furnish ||
        skip "this system does not let a minimal $suite be set up; see above"
    logged "$suite: quickstart" "$logs/3-quickstart.log" enter "./quickstart.sh | tee /root/first" || return
    cp "$system/root/first" "$logs/first"
    logged "$suite: quickstart again" "$logs/4-quickstart.log" second_quickstart || return
    logged "$suite: the README's examples" "$logs/5-readme.log" follow_readme || return
    logged "$suite: check.sh --short" "$logs/6-check.log" enter "./check.sh --short" || status=$?
    logged "$suite: no warnings of the compiler" "$logs/7-warnings.log" no_warnings || status=1
    tail -n 1 "$logs/6-check.log"
    return "$status"
}

if [ "${1:-}" = --inside ]; then # SUITE SYSTEM
    suite=$2 system=$3 logs=$PWD/build/fresh-$2
    inside
    exit
fi

# ---- outside -------------------------------------------------------------------------------------
case ${1:-} in
bookworm | trixie) [ $# -eq 1 ] || die "one Debian at a time; scripts/fresh.sh --help tells more" ;;
-h | --help) sed -n '2,11s/^# \{0,1\}//p' scripts/fresh.sh; exit 0 ;;
*) die "name a Debian: bookworm or trixie; scripts/fresh.sh --help tells more" ;;
esac
suite=$1 logs=$PWD/build/fresh-$1

[ "$(id -u)" -eq 0 ] || skip "a minimal system is made by root only; you are $(id -un)"
have debootstrap || (install_missing debootstrap) || skip "debootstrap is not here"
isolate=(unshare --mount --propagation private --pid --fork --kill-child)
"${isolate[@]}" true 2>/dev/null || skip "this system allows no namespaces of mounts and processes (unshare)"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/espalier-fresh.XXXXXX")
mkdir -p "$logs"
rm -f "$logs"/*
say "$suite: logs in $logs"

# Removes the scratch folder once this script, whose end closes the pipe, and the namespace are gone.
# It heeds no signal that ends the script.
# shellcheck disable=SC2016  # for the inner shell
exec {alive}> >(exec setsid bash -c 'trap "" INT TERM HUP
    read -r process
    cat
    if grep -qsF "$1" "/proc/$process/cmdline"; then kill -KILL "$process"; fi
    for _ in {1..100}; do # what is in the namespace ends a moment later
        rm -rf --one-file-system "$1" && break
        sleep 0.1
    done' - "$scratch" >/dev/null 2>&1)
cleaner=$!
at_end() {
    local status=$?
    trap '' INT TERM HUP
    exec {alive}>&-
    wait "$cleaner" 2>/dev/null || true
    exit "$status"
}
trap at_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# unshare dies with this script, and all that is in the namespace with unshare.
setpriv --pdeathsig KILL "${isolate[@]}" bash scripts/fresh.sh --inside "$suite" "$scratch/system" \
    </dev/null {alive}>&- &
namespace=$!
echo "$namespace" >&"$alive"
wait "$namespace"
