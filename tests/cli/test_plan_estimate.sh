#!/bin/bash
# How long plan says that a run takes, where the database knows nothing of that size: near what it
# takes of a processor, also where a plugin crashes or does not return; by the database, once it knows.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs python3
"$ESPALIER_BUILD/tests/make_data" "$ESPALIER_DATA_PATH" wide 12000 2000 28 10 1 || exit 1

cat >study.yaml <<'YAML'
study: s
seeds: 0
defaults:
  data: {name: wide}
  model: {kind: fff, training_width: 128, leaf_width: 32}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.001}
  batch_size: 256
  evaluation: {train_every: 0}
  phases: {p: {epochs: 2}}
YAML

# The least of three, of either: what runs beside it makes both longer, and a run, which takes longer than
# the steps that plan times, finds fewer quiet moments. An epoch this short has its part in storing too.
cat >compare.py <<'PY'
import json, os, resource, subprocess, sys
program = os.environ["ESPALIER"]
def processor(*words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out
def run(epochs, number):
    return processor("run", "study.yaml", "--db", f"{epochs}.{number}.db", "--jobs", "1",
                     "--set", f"phases.p.epochs={epochs}")[0]
estimated = min(json.loads(processor("plan", "study.yaml", "--db", "none.db", "--format", "json")[1])
                ["cells"][0]["epoch_seconds"] for _ in range(3))
measured = (min(run(22, i) for i in range(3)) - min(run(2, i) for i in range(3))) / 20
print(f"estimated {estimated:.4f} s an epoch, measured {measured:.4f} s")
sys.exit(not 0.25 <= estimated / measured <= 2.5)
PY
if [ -z "${ESPALIER_SANITIZE:-}" ]; then
    python3 compare.py || fail "plan is far from what a run takes"
fi

echo "== a plugin that ends or holds the process"
mkdir -p fixtures/loss && cp "$ESPALIER_BUILD"/tests/fixture-plugins/{crashes,hangs}.so fixtures/loss/
for plugin in crashes hangs; do
    since=$SECONDS
    expect 0 env ESPALIER_PLUGIN_PATH=fixtures "$ESPALIER" plan study.yaml --db none.db --set losses.$plugin.weight=1
    says "1 trials, 1 to run: about" "times of 1 cells: an estimate"
    [ $((SECONDS - since)) -le 20 ] || fail "$plugin holds plan"
done

echo "== the database knows better"
expect 0 "$ESPALIER" run study.yaml --db known.db
expect 0 "$ESPALIER" plan study.yaml --db known.db --seeds 1..4
says "times of 1 cells: from epochs of that size in known.db"

exit $((failures > 0))
