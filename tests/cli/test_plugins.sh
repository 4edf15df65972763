#!/usr/bin/env bash
# Whole command lines of `espalier plugins`: what is printed where, and the exit codes.
set -euo pipefail

espalier=${ESPALIER:?set by ctest}
fixtures=${ESPALIER_BUILD:?set by ctest}/tests/fixture-plugins
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset ESPALIER_PLUGIN_PATH

fail() {
    echo "FAILED: $*" >&2
    echo "--- stdout" >&2
    cat "$folder/out" >&2
    echo "--- stderr" >&2
    cat "$folder/err" >&2
    exit 1
}
run() { # EXIT_CODE ARGUMENT...
    local wanted=$1 code=0
    shift
    "$espalier" plugins "$@" >"$folder/out" 2>"$folder/err" || code=$?
    [ "$code" -eq "$wanted" ] || fail "plugins $*: exit code $code instead of $wanted"
}
out() { grep -qE -- "$1" "$folder/out" || fail "stdout lacks: $1"; }
err() { grep -qE -- "$1" "$folder/err" || fail "stderr lacks: $1"; }
quiet() { [ ! -s "$folder/err" ] || fail "words on stderr"; }

run 0 --help
out 'Usage: espalier plugins .*ls'
out 'examples:'
run 2
err 'expected ls, show, check or new'
run 2 lst
err "did you mean 'ls'"
run 2 --no-such-option
run 2 ls --format xml
err "unknown format 'xml'"
run 2 ls balance
run 2 ls --all
run 2 check --all balance
err 'takes files or names, or --all'
run 2 check balance --dir .
run 2 new
run 2 new los mine
err "did you mean 'loss'"

run 0 ls
quiet
out '^KIND +NAME +VERSION +ROLE +SUMMARY$'
out '^loss +cross_entropy +1 +task '
out '^loss +hardening +2 +routing '
out '^loss +balance +1 +routing '
out '^head +master_leaf +1 +- '
run 0 ls --format json
python='import json,sys; rows = json.load(sys.stdin)
names = sorted((r["kind"], r["name"]) for r in rows if r["state"] == "ready")
assert ("loss", "balance") in names and ("head", "master_leaf") in names, names
assert all(len(r["sha256"]) == 64 for r in rows if r["state"] == "ready")'
if command -v python3 >/dev/null; then python3 -c "$python" <"$folder/out" || fail "json"; fi
out '"name": "balance"'

# Refused files are listed with their reason and do not fail the listing.
ESPALIER_PLUGIN_PATH=$fixtures run 0 ls
out '^refused .*/wrong_abi\.so$'
out 'built for ABI version 2 with 4-byte elements; this program has version 1'
out '^loss +good_state '
ESPALIER_PLUGIN_PATH=$fixtures run 0 ls --format json
out '"state": "refused"'

run 0 show hardening
quiet
out '^loss hardening, version 2, routing term$'
out 'reduction \(choice; mean, node_sum, sum, reach; default mean\)'
out '^source +arXiv:2308.14711'
out 'hardening: \{weight: 1, reduction: mean, target_entropy: 0, adaptation_rate: 0.01, clamp: 1e-06\}'
run 0 show head/master_leaf
out 'width \(integer; 1\.\.4096; default 8\)'
out 'k \(real; 1e-06\.\.0\.999999; default 0\.6224593312018546\)'
out 'k_trainable \(boolean; true, false; default true\)'
run 0 show balance --format json
out '"name": "configured_batch"'
run 2 show
run 4 show balanc
err "no plugin 'balanc'; did you mean 'balance'\?"

run 0 check balance "$fixtures/good_state.so"
quiet
out '^ok gradients: worst error '
[ "$(grep -c '^passed$' "$folder/out")" -eq 2 ] || fail "two passes expected"
run 2 check "$fixtures/wrong_gradient.so" balance
out '^refused: gradient of logits differs from finite differences'
out '^passed$'
err '1 of 2 plugins refused'
run 2 check "$fixtures/crashes.so"
out '^refused: crashes'
# (undefined-behavior sanitizer ends it itself)
[ -n "${ESPALIER_SANITIZE:-}" ] || out 'in evaluate .*; a view is NULL where `needs` does not name it'
run 4 check "$fixtures/nowhere.so" balance
err 'nowhere\.so: No such file'
[ ! -s "$folder/out" ] || fail "checked before all names were looked at"
run 4 check no_such_name
ESPALIER_PLUGIN_PATH=$fixtures run 2 check bad_params # by name, and why there is none
err 'bad_params\.so: refused: .*outside 0\.\.1'
ESPALIER_PLUGIN_PATH=$fixtures run 2 show loss/bad_params
err 'bad_params\.so: refused: .*outside 0\.\.1'
run 0 check "$fixtures/does_nothing.so"
out '^note: its value is 0 in every case'

# All of the registry, each with its gradients compared, and a line each at the end.
run 0 check
quiet
passed=$(grep -c '^passed$' "$folder/out")
[ "$passed" -eq "$("$espalier" plugins ls | grep -cE '^(loss|head) ')" ] || fail "not all plugins"
[ "$(grep -cE '^(loss|head) .* float +[0-9.e+-]+ +[1-9][0-9]* +[0-9.]+ +passed$' "$folder/out")" -eq "$passed" ] ||
    fail "no summary"
run 0 check --all --format json
python='import json,sys; rows = json.load(sys.stdin)
assert len(rows) == int(sys.argv[1]), len(rows)
assert all(r["passed"] and r["gradients"]["cases"] > 0 and 0 <= r["gradients"]["worst"] <= r["gradients"]["tolerance"]
           for r in rows)'
if command -v python3 >/dev/null; then python3 -c "$python" "$passed" <"$folder/out" || fail "json of all"; fi
ESPALIER_PLUGIN_PATH=$fixtures run 2 check wrong_gradient --format json
run 2 check "$fixtures/wrong_gradient.so" "$fixtures/wrong_abi.so" balance --format json
python='import json,sys; rows = json.load(sys.stdin)
assert [r["passed"] for r in rows] == [False, False, True], rows
assert "differs from finite differences" in rows[0]["reason"] and "gradients" not in rows[0], rows[0]
assert "ABI version 2" in rows[1]["reason"] and rows[1]["name"] is None, rows[1]'
if command -v python3 >/dev/null; then python3 -c "$python" <"$folder/out" || fail "json of refusals"; fi
ESPALIER_PLUGIN_PATH=$folder/nowhere run 0 ls
err 'ESPALIER_PLUGIN_PATH: .*/nowhere is no folder'

# new: what it refuses; what it writes is built in tests/plugins.
cd "$folder"
for name in 9lives Mine my-loss 'a b' ../mine '' abcdefghijklmnopqrstuvwxyz0123456789; do
    run 2 new loss "$name"
    err 'is no name for a plugin'
done
run 2 new loss balance
err "there is a loss 'balance' already: .*/balance.so"
run 2 new loss master_leaf
err "there is a head 'master_leaf' already"
run 4 new loss begun_in_test --dir nowhere
run 2 new loss begun_in_test --dir out
err 'out is no folder'
run 2 new loss begun_in_test --role penaltyy
err "unknown role 'penaltyy', did you mean 'penalty'; a loss is penalty, routing or task"
run 2 new head begun_in_test --role task
err 'a head has none'
run 2 ls --role task
err 'is for .plugins new loss'
for role in routing task; do
    run 0 new loss "zz_of_$role" --role $role
    [ "$(grep -c "^    .role = ESP_${role^^},$" "zz_of_$role.c")" = 1 ] || fail "new --role $role: another role"
    rm "zz_of_$role.c"
done
run 0 new loss begun_in_test
err 'wrote begun_in_test.c'
out '^cc .* begun_in_test\.c -o begun_in_test\.so -lm$'
[ "$(grep -c '^    .role = ESP_PENALTY,$' begun_in_test.c)" = 1 ] || fail "the role of a new loss is not ESP_PENALTY"
for word in 'ESP_TASK: it is' 'ESP_ROUTING: it' 'ESP_PENALTY: it keeps'; do
    grep -qF "$word" begun_in_test.c || fail "the template does not say what a role means: $word"
done
# at a terminal it asks; an empty answer is the default
terminal='
import os, pty, sys
child, end = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
os.write(end, sys.argv[1].encode() + b"\n")
said = b""
try:
    while True:
        more = os.read(end, 4096)
        if not more:
            break
        said += more
except OSError:
    pass
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))'
if python3 -c 'import pty; pty.openpty()' 2>/dev/null; then
    for answer in routing:ESP_ROUTING :ESP_PENALTY; do
        timeout 20 python3 -c "$terminal" "${answer%%:*}" "$ESPALIER" plugins new loss zz_asked >said ||
            fail "new at a terminal: $(cat said)"
        grep -q 'role (penalty): ' said || fail "new asks nothing at a terminal"
        grep -q "^    .role = ${answer#*:},$" zz_asked.c || fail "the answer '$answer' is another role"
        rm zz_asked.c said
    done
fi
run 2 new loss begun_in_test
err 'begun_in_test.c: exists already, and stays as it is'
[ "$(find . -name '*.c')" = ./begun_in_test.c ] || fail "other files were written"
echo "plugins: command lines hold"
