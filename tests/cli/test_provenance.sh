#!/bin/bash
# What an attempt records of what trained it, against git, sha256sum and the loaded libraries
# themselves; what show prints of it; and what replay says of another plugin build, BLAS kernel,
# program and data.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
export ESPALIER_DB=$scratch/results.db GIT_CONFIG_GLOBAL=$scratch/gitconfig GIT_CONFIG_NOSYSTEM=1
needs git
# A user's settings must not change what is recorded.
cat >gitconfig <<'INI'
[user]
name = nobody
email = nobody@example.org
[color]
ui = always
[diff]
noprefix = true
external = /bin/false
INI

# recorded SQL: the value of an expression over the content of the newest attempt's environment.
recorded() {
    "$ESPALIER" query "SELECT $1 AS value FROM environment e JOIN attempt a ON a.environment = e.id
        ORDER BY a.id DESC LIMIT 1" --format json >recorded.json
    python3 -c 'import json; print(json.load(open("recorded.json"))[0]["value"], end="")'
}
# is EXPECTED SQL
is() {
    local found
    found=$(recorded "$2")
    [ "$found" = "$1" ] || fail "$2 is '$found', not '$1'"
}
needs python3

cat >study.yaml <<'YAML'
study: small
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 32, leaf_width: 8}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  batch_size: 32
  phases: {only: {epochs: 2}}
YAML

# ---- no repository ---------------------------------------------------------------------------------
expect 0 "$ESPALIER" run study.yaml
is "not in a git repository" "content ->> '\$.repository.reason'"
is None "content ->> '\$.repository.commit'"

# ---- a clean repository ----------------------------------------------------------------------------
mkdir repository
cd repository || exit 1
git init -q .
sed '/^study:/s/small/kept/' ../study.yaml >study.yaml
git add study.yaml
git commit -qm "a study"
expect 0 "$ESPALIER" run study.yaml --seeds 1
is "$(git rev-parse HEAD)" "content ->> '\$.repository.commit'"
is 0 "content ->> '\$.repository.dirty'"
is 0 "content ->> '\$.repository.diff_bytes'"
is None "content ->> '\$.repository.diff'"
first=$(recorded e.id)
expect 0 "$ESPALIER" run study.yaml --seeds 2
is "$first" e.id # the same content is one row
# the study's folder counts, not the working directory; GIT_DIR of a hook does not lead astray
(cd / && GIT_DIR=/nowhere "$ESPALIER" run "$scratch/repository/study.yaml" --seeds 3) >stdout 2>stderr
is "$first" e.id
# a study outside, run from within a repository
expect 0 "$ESPALIER" run ../study.yaml --seeds 1
is "$(git rev-parse HEAD)" "content ->> '\$.repository.commit'"

# ---- changes ---------------------------------------------------------------------------------------
printf '# first\n# caf\xe9 in Latin-1\n' >>study.yaml
# YAML is UTF-8, so that change is another file's
mv study.yaml notes.txt
git checkout -q study.yaml
git add notes.txt
echo "# a change" >>study.yaml
expect 0 "$ESPALIER" run study.yaml --seeds 4
is 1 "content ->> '\$.repository.dirty'"
plain_diff() { git -c diff.noprefix=false -c diff.external= diff --no-ext-diff --no-color --full-index HEAD; }
plain_diff >expected.diff
is "$(sha256sum <expected.diff | cut -d ' ' -f 1)" "content ->> '\$.repository.diff_sha256'"
is "$(wc -c <expected.diff)" "content ->> '\$.repository.diff_bytes'"
tr '\351' '?' <expected.diff >readable.diff
recorded "content ->> '\$.repository.diff'" >found.diff
cmp -s found.diff readable.diff || fail "the diff is not git's: $(diff found.diff readable.diff)"
rm expected.diff readable.diff found.diff recorded.json

seq 20000 >>notes.txt
expect 0 "$ESPALIER" run study.yaml --seeds 5
is "$(plain_diff | sha256sum | cut -d ' ' -f 1)" "content ->> '\$.repository.diff_sha256'"
is None "content ->> '\$.repository.diff'"
is "longer than 65536 bytes, so only its SHA-256 is kept" "content ->> '\$.repository.diff_note'"
git checkout -qf HEAD -- . && git rm -q --cached -f notes.txt 2>/dev/null
rm -f notes.txt

# ---- git that is missing, slow, or speechless --------------------------------------------------------
mkdir bin
expect 0 env PATH="$PWD/bin" "$ESPALIER" run study.yaml --seeds 6
is "git is not installed" "content ->> '\$.repository.reason'"
printf '#!/bin/sh\n/bin/sleep 60 &\necho $! >%s/asleep\nwait\n' "$scratch" >bin/git
chmod +x bin/git
SECONDS=0
expect 0 env PATH="$PWD/bin" "$ESPALIER" run study.yaml --seeds 7
[ $SECONDS -lt 20 ] || fail "a slow git held the run up for $SECONDS s"
is "git took too long" "content ->> '\$.repository.reason'"
[ ! -e "/proc/$(cat "$scratch/asleep")" ] || grep -q '^State:.*Z' "/proc/$(cat "$scratch/asleep")/status" ||
    fail "what git started goes on"
printf '#!/bin/sh\necho "fatal: detected dubious ownership in %s"\nexit 128\n' "'/x'" >bin/git
expect 0 env PATH="$PWD/bin" "$ESPALIER" run study.yaml --seeds 8
is "detected dubious ownership in '/x'" "content ->> '\$.repository.reason'"
rm -r bin

# ---- program, plugins, libraries, study --------------------------------------------------------------
is "$(sha256sum <"$ESPALIER" | cut -d ' ' -f 1)" "content ->> '\$.executable_sha256'"
is "$(sha256sum <"$ESPALIER_BUILD/plugins/loss/balance.so" | cut -d ' ' -f 1)" \
    "content ->> '\$.plugins.balance.sha256'"
is "$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)" "content ->> '\$.libraries.libc'"
is "$("$ESPALIER" query "SELECT sqlite_version()" --format csv | tail -n 1)" \
    "content ->> '\$.libraries.sqlite'"
blas=$(ldd "$ESPALIER" | sed -n 's/.*blas.* => \([^ ]*\) .*/\1/p')
[ -z "$blas" ] || is "$(sha256sum <"$blas" | cut -d ' ' -f 1)" "content ->> '\$.blas_sha256'"
[ -z "$blas" ] || is "$(realpath "$blas")" "content ->> '\$.blas_file'"
is 7 "(SELECT count(*) FROM json_each(content, '\$.libraries') WHERE value <> '')"
is 1 "content ->> '\$.blas_threads'"
expect 0 "$ESPALIER" run study.yaml --set optimizer.learning_rate=0.5
# the compiler's flags, against the build's own list of commands
python3 - "$ESPALIER_BUILD/compile_commands.json" >expected 2>stderr <<'PYTHON' || fail "no list of commands"
import json, shlex, sys
command = next(c["command"] for c in json.load(open(sys.argv[1]))
               if c["file"].endswith("framework/nn/tree.c") and "-DESP_REAL" not in c["command"])
words = [w for w in shlex.split(command) if w[0] == "-" and w[:2] not in ("-D", "-I") and
         w not in ("-isystem", "-o", "-c", "-fPIC", "-std=c11")]
print(" ".join(words))
PYTHON
is "$(cat expected)" "content ->> '\$.flags'"
# every attempt leads to the text and overrides it was run with, by the hash in its environment
is '["optimizer.learning_rate=0.5"]' "(SELECT r.overrides FROM revision r JOIN study s
    ON s.id = r.study WHERE s.name = content ->> '\$.study.name'
    AND r.hash = content ->> '\$.study.revision_hash')"
[ "$(value "$ESPALIER_DB" "SELECT count(*) FROM attempt a JOIN environment e ON e.id = a.environment
    WHERE NOT EXISTS (SELECT 1 FROM revision r WHERE r.hash = content ->> '\$.study.revision_hash')")" = 0 ] ||
    fail "an attempt leads to no revision"
[ "$(value "$ESPALIER_DB" "SELECT count(*) FROM attempt WHERE host = '' OR started_at IS NULL OR
    ended_at IS NULL OR NOT peak_memory > 1000000")" = 0 ] || fail "host, times or memory are missing"

# ---- what it was built from ----------------------------------------------------------------------------
if [ -e "$ESPALIER.source" ]; then
    noted=$(sed -n 's/^commit //p' "$ESPALIER.source")
    [ -z "$noted" ] || is "$noted" "content ->> '\$.source.commit'"
    [ "$(sed -n 's/^executable //p' "$ESPALIER.source")" = "$(sha256sum <"$ESPALIER" | cut -d ' ' -f 1)" ] ||
        fail "the build's note is not of this program"
fi
mkdir -p from/framework out && git -C from init -q . && echo one >from/framework/a.c
git -C from add . && git -C from commit -qm one
echo program >out/p && echo plugin >out/q.so
"$ESPALIER_SOURCE/scripts/record_source.sh" from out/p out/q.so
[ "$(cat out/p.source)" = "executable $(sha256sum <out/p | cut -d ' ' -f 1)
plugin $(sha256sum <out/q.so | cut -d ' ' -f 1)
commit $(git -C from rev-parse HEAD)
folder $PWD/from
diff_bytes 0" ] || fail "note of a clean source: $(cat out/p.source)"
echo two >>from/framework/a.c && echo new >from/framework/b.c
"$ESPALIER_SOURCE/scripts/record_source.sh" from out/p out/q.so
grep -qx "untracked framework/b.c" out/p.source || fail "an untracked source is not noted"
[ "$(sed -n '/^$/,$p' out/p.source | tail -n +2)" = "$(git -C from -c diff.noprefix=false diff \
    --no-ext-diff --no-color --full-index HEAD)" ] || fail "note of a changed source: $(cat out/p.source)"
# another program with the note of this one: the note does not count
cp "$ESPALIER" other && printf 'x' >>other && cp "$ESPALIER.source" other.source 2>/dev/null
expect 0 ./other run study.yaml --seeds 9
[ ! -e other.source ] || is "the note beside the program is about another build" \
    "content ->> '\$.source.reason'"
sed "s/^executable .*/executable $(sha256sum <other | cut -d ' ' -f 1)/" out/p.source >other.source
expect 0 ./other run study.yaml --seeds 10
is "$(git -C from rev-parse HEAD)" "content ->> '\$.source.commit'"
is '["framework/b.c"]' "content ->> '\$.source.untracked'"
is "$(sed -n '/^$/,$p' out/p.source | tail -n +2)" "content ->> '\$.source.diff'"

# ---- show ------------------------------------------------------------------------------------------------
id() { value "$ESPALIER_DB" "SELECT trial_id FROM study_trial WHERE study = '$1' AND seed = '$2' LIMIT 1"; }
expect 0 "$ESPALIER" show "$(id kept 10)"
says process_peak_megabytes source.commit source.diff "| +two" source.untracked repository.commit \
    libraries.sqlite blas_kernel plugins.balance data.toy cpu compiler "study: kept" overrides
expect 0 "$ESPALIER" show "$(id kept 4)"
says "more lines; all: espalier query" "| diff --git"
expect 0 "$ESPALIER" show "$(id kept 4)" --format json
[ "$(python3 -c 'import json; d = json.load(open("stdout")); e = d["environments"][0]["content"]
print(e == d["environment"]["content"], len(e["repository"]["diff"]) == e["repository"]["diff_bytes"],
      "a change" in e["repository"]["diff"], "study: kept" in d["text"]["text"])')" = \
    "True True True True" ] || fail "show --format json lacks something"
# two attempts by two programs: the earlier one where it differs
expect 0 ./other run study.yaml --seeds 1 --strict-code
expect 0 "$ESPALIER" show "$(id kept 1)"
says "of attempt 2" "of attempt 1, where it differs"
[ "$(sed -n '/of attempt 1, where/,/^$/p' stdout | awk '/^  executable_sha256/ {print $2}')" = \
    "$(sha256sum <"$ESPALIER" | cut -d ' ' -f 1)" ] || fail "attempt 1 was another program's"
sed -n '/of attempt 1, where/,/^$/p' stdout | grep -qE '^ +compiler ' && fail "the compiler was the same"

# ---- diff ------------------------------------------------------------------------------------------------
expect 0 "$ESPALIER" diff "$(id kept 2)" "$(id kept 10)"
says environment executable_sha256 source.commit
expect 0 "$ESPALIER" diff "$(id kept 2)" "$(id kept 4)"
says repository.diff_sha256
grep -qE '^ +repository.dirty +false +true$' stdout || fail "diff says whether the tree was dirty by other words than show"
grep -q "a change" stdout && fail "the diffs themselves are no difference to read"

# ---- replay ----------------------------------------------------------------------------------------------
trial=$(id kept 2)
expect 0 "$ESPALIER" replay "$trial"
says "all 2 epochs are the same"
grep -q 'note:' stdout stderr && fail "notes on a study that was read when it ran"
expect 0 ./other replay "$trial" # another file, the same numbers
# another build of a plugin, whose value is a little more
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$ESPALIER_BUILD/CMakeCache.txt" 2>/dev/null)
mkdir -p plugins/loss
sed 's/: batch->n_examples;/: 1.001 * batch->n_examples;/' "$ESPALIER_SOURCE/plugins/loss/balance.c" >balance.c
cmp -s balance.c "$ESPALIER_SOURCE/plugins/loss/balance.c" && fail "the plugin was not changed"
if "${compiler:-cc}" -std=c11 -O2 -shared -fPIC -I "$ESPALIER_SOURCE/framework/sdk" -o plugins/loss/balance.so \
    balance.c -lm 2>build.log; then
    expect 1 env ESPALIER_PLUGIN_PATH="$PWD/plugins" "$ESPALIER" replay "$trial"
    says "epoch 1 differs; those before are the same" \
        "plugins.balance.sha256: \"$(sha256sum <"$ESPALIER_BUILD/plugins/loss/balance.so" | cut -d ' ' -f 1)\" then, \"$(
        sha256sum <plugins/loss/balance.so | cut -d ' ' -f 1)\" now"
    grep -qE "^ *(blas_kernel|executable|data)" stdout && fail "only the plugin differs"
    expect 0 env ESPALIER_PLUGIN_PATH="$PWD/plugins" "$ESPALIER" doctor
    says "$ESPALIER_BUILD/plugins/loss/balance.so is hidden by"
    # a program and a plugin at once
    expect 1 env ESPALIER_PLUGIN_PATH="$PWD/plugins" ./other replay "$trial"
    says "executable_sha256: " "plugins.balance.sha256: "
else
    fail "no other build of a plugin: $(cat build.log)"
fi
# another kernel
kernel=$(recorded "content ->> '\$.blas_kernel'")
if [ "$(uname -m)" = x86_64 ] && [ "$kernel" != Prescott ]; then
    expect 1 env OPENBLAS_CORETYPE=Prescott "$ESPALIER" replay "$trial"
    says "differs" "blas_kernel: \"$kernel\" then, \"Prescott\" now"
    grep -q "plugins\|executable\|data" stdout && fail "only the kernel differs"
fi
# other data: the trial has another name now, and is replayed all the same
digest=$(recorded "content ->> '\$.data.toy'")
"$ESPALIER_BUILD/tests/make_data" "$scratch/moved" toy 200 60 8 4 2
expect 1 env ESPALIER_DATA_PATH="$scratch/moved" "$ESPALIER" replay "$trial"
says "epoch 1 differs" "data.toy: \"$digest\" then, " "the same cell and seed is now trial"
grep -q "plugins\|executable\|blas_kernel" stdout && fail "only the data differs"

[ $failures = 0 ] || exit 1
echo "provenance: all as expected"
