#!/bin/bash
# A word with a slip in it: every place that takes a name says which name was meant. And help texts:
# no line of an example is wrapped, so that it can be copied.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
mkdir experiments
cat >experiments/mine.yaml <<'YAML'
study: mine
seeds: 3
defaults:
  data: {name: toy}
  model: {kind: fff, depth: 1, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 1}}
variants:
  baseline: {reference: true}
  balanced: {set: {losses.balance.weight: 1}}
YAML
export ESPALIER_DB=mine.db

# ---- what is worth a word before a run starts ---------------------------------------------------
expect 0 "$ESPALIER" run experiments/mine.yaml
says "experiments/mine.yaml:2:8: note: seeds: 3 is one seed, number 3; 0..2 are 3 of them" \
    "note: selection.monitor is not set: reports show each trial's last epoch"
for seeds in 0 1 2..2 '[3]' '{init: 3}'; do
    sed "s/^seeds: .*/seeds: $seeds/" experiments/mine.yaml >other.yaml
    expect 0 "$ESPALIER" check other.yaml
    ! grep -q "is one seed" stderr || fail "seeds: $seeds is remarked on"
done
expect 0 "$ESPALIER" plan experiments/mine.yaml
says "w training width, l leaf width, d depth"

# ---- did you mean -------------------------------------------------------------------------------
# means CODE MEANT WORD...: the command line exits so and names what was meant.
means() {
    local code=$1 meant=$2
    shift 2
    expect "$code" "$ESPALIER" "$@"
    grep -qE "did you mean '?$meant'?(\?|[:;)])" stderr || fail "$*: not '$meant'"
}
study=experiments/mine.yaml
trial=$(value mine.db "SELECT trial_id FROM trial LIMIT 1")
model=mine.db.checkpoints/$trial/last.safetensors
means 2 run rnu
for verb in run plan check; do
    means 4 experiments/mine.yaml $verb mine
    means 4 experiments/mine.yaml $verb mine.yaml
    means 4 experiments/mine.yaml $verb experiments/mien.yaml
    means 4 experiments/mine.yaml $verb mien
    means 2 balanced $verb $study --only balancd
    means 2 learning_rate $verb $study --set optimizer.lr=0.1
    means 2 learning_rate $verb $study --set optimizer.learning_rte=0.1
    means 2 optimizer $verb $study --set optimzer.learning_rate=0.1
    means 2 adam $verb $study --set optimizer.kind=adma
    means 2 balance $verb $study --set losses.balence.weight=1
    means 2 master_leaf $verb $study --set 'heads={master_laef: {}}'
    means 2 toy $verb $study --set data.name=tyo
    means 2 mnist $verb $study --set data.name=mnits
    means 2 hard_accuracy $verb $study --set selection.monitor=test.hard_acuracy
done
means 2 --seeds run $study --sedes 1
means 2 --only plan $study --set batch_size=8 --onyl=baseline
means 2 --format export mine -o x --fromat csv
means 2 --output report mine --outptu x
means 2 --help query --hepl
expect 2 "$ESPALIER" ls --nothing-like-it
says "unknown option '--nothing-like-it'; \`espalier ls --help\` lists them"
expect 0 "$ESPALIER" run $study --see 0..0 # the beginning of an option is enough
expect 0 "$ESPALIER" query "SELECT '--x', :a" --set a=--nonsense
expect 0 "$ESPALIER" query --set --nonsense --help
expect 2 "$ESPALIER" check $study --only nope
! grep -q "did you mean" stderr || fail "nothing is like nope"
says "no cell matches 'nope'"
expect 0 "$ESPALIER" plan $study
says "only: 1 epoch,"
expect 2 "$ESPALIER" check $study --set data.name=mnits
says "Looked for in:" "$ESPALIER_DATA_PATH/mnits" "$XDG_CACHE_HOME/espalier/data/mnits" "/usr/share/datasets/mnits"
expect 4 "$ESPALIER" run nothing-like-it
! grep -q "did you mean" stderr || fail "nothing is like it"
for verb in ls report show; do means 4 mine $verb mien; done
means 4 mine diff mien mine
means 4 mine diff mine mien
means 4 failed query faild
means 4 balance plugins show balence
means 4 balance plugins check balence
means 4 balance plugins show loss/balence
means 2 status stat
means 2 test.hard_accuracy report mine --metric test.hard_acc
means 4 mnist data info mnits
means 2 show plugins shw
means 2 verify data verfy
means 2 check db chek
means 2 bash completion bahs
means 2 json plan $study --format jsn
for verb in ls status doctor "show mine" "report mine" "query failed" "diff mine mine" "db check" "bench train"; do
    # shellcheck disable=SC2086
    means 2 json $verb --format jsn
done
means 2 selected report mine --at selectd
means 2 test eval "$model" --split tset
means 2 hard eval "$model" --routing hrad
means 4 mnist eval "$model" --data mnits

# ---- help ---------------------------------------------------------------------------------------
# Where the margin is far, an example is a whole line; as it is printed, it is that line as well.
verbs=$("$ESPALIER" --help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p')
for verb in $verbs; do
    "$ESPALIER" "$verb" --help >help
    awk 'length($0) > 79 {print; wide = 1} END {exit wide}' help || fail "$verb --help: wider than 79 columns"
    ARGP_HELP_FMT=rmargin=1000 "$ESPALIER" "$verb" --help | grep -E '^  +(espalier|source|[A-Z_]+=[^ ]* espalier) ' |
        while IFS= read -r line; do
            grep -qxF -- "$line" help || echo "$line"
        done >wrapped
    [ ! -s wrapped ] || fail "$verb --help wraps: $(cat wrapped)"
done

[ $failures = 0 ] || exit 1
echo "all as it should be"
