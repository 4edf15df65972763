#!/bin/bash
# The README's journeys, run as written: every block marked ```sh after "Two commands" is taken out of
# README.md and executed in a copy of the tree, built as the quickstart builds it; git sees nothing of
# them afterwards. Needs FashionMNIST and git.
set -u
if [ -n "${ESPALIER_SANITIZE:-}" ]; then
    echo "skipped: builds the program anew, without sanitizers"
    exit 77
fi
"$ESPALIER" data verify fashion-mnist >/dev/null 2>&1 || {
    echo "skipped: FashionMNIST is not on this machine"
    exit 77
}
command -v git >/dev/null || { echo "skipped: needs git, which is not here"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/tree" "$scratch/tmp" || exit 1
cp -r "$ESPALIER_SOURCE"/{.gitignore,CMakeLists.txt,CMakePresets.json,framework,plugins,experiments,analysis,scripts,README.md} \
    "$scratch/tree" || exit 1
cd "$scratch/tree" || exit 1
export TMPDIR=$scratch/tmp
unset ESPALIER ESPALIER_DB ESPALIER_PLUGIN_PATH GIT_DIR GIT_WORK_TREE
git init -q . && git add . && git -c user.name=nobody -c user.email=nobody@example.org commit -qm all || exit 1
cmake --preset release -DESPALIER_TESTS=OFF >../log 2>&1 || { cat ../log; exit 1; }
cmake --build build/release >../log 2>&1 || { cat ../log; exit 1; }

awk '/^```sh$/ {block++; taking = block > 1; next} /^```$/ {taking = 0} taking' README.md >../journeys.sh
grep -q 'plugins check logit_norm' ../journeys.sh || { echo "FAILED: the journeys were not found"; exit 1; }
bash -euo pipefail ../journeys.sh >../journeys.out 2>&1
code=$?
failures=0
[ $code = 0 ] || { echo "FAILED: the journeys exit $code"; failures=1; }
# what they promise
while read -r words; do
    grep -qF -- "$words" ../journeys.out || { echo "FAILED: no '$words'"; failures=1; }
done <<'WORDS'
balance_strength.yaml: ok: 3 cells, 6 trials
6 of 6 trials done
3 of 9 trials to train, 6 done before
0 of 4 trials to train, 4 done before
Test accuracy, hard routing, percent
    1     100       0  rose
no test split; data.test: 0.2 in a study splits off a stratified fifth of train
flowers: 6 of 6 trials to train
logit_norm
3 of 3 trials done
this is revision 2 of balance_strength
B  variant balance_strength@2:none
p by the paired t test, each seed with itself
wrote mine.c, which says what to change
ok descriptor: loss mine, version 1, 1 parameter,
B  variant balance_strength:none
losses.mine.weight
none@1  none@3
revision 1, 9 of 9 trials done
WORDS
[ -s mine/balance_strength.csv ] || { echo "FAILED: no CSV"; failures=1; }
left=$(git status --porcelain)
[ -z "$left" ] || { echo "FAILED: git sees what the journeys left: $left"; failures=1; }
[ $failures = 0 ] || { cat ../journeys.out; exit 1; }
echo "the journeys go as written"
