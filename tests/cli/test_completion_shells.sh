#!/bin/bash
# Completion as it is used: bash, zsh and fish in a pseudo terminal, of which those that are here are
# tried; keys are typed, Tab is pressed, and the shell itself says what its command line is then.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs python3
python3 -c 'import pty; pty.openpty()' 2>/dev/null || skip "needs a pseudo terminal, and this system gives none"
export ESPALIER_DB=$scratch/results.db HOME=$scratch/home
mkdir -p home 'a folder' figures
cat >small.yaml <<'YAML'
study: small
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {only: {epochs: 1}}
variants:
  baseline: {reference: true}
  even: {set: {losses.balance.weight: 1}}
YAML
sed 's/study: small/study: elsewhere/; s/0.01/0.02/' small.yaml >'my study.yaml'
expect 0 "$ESPALIER" run small.yaml
expect 0 "$ESPALIER" run 'my study.yaml' --db 'a folder/other.db'
cp 'a folder/other.db' home/other.db
cp 'a folder/other.db' "its'.db"
trial=$(value "$ESPALIER_DB" "SELECT trial_id FROM trial LIMIT 1")

# What is typed, and the command line after Tab, in every shell. $TRIAL is a trial's id, $T its beginning.
cat >cases <<'CASES'
espalier repo|espalier report
espalier ls --fo|espalier ls --format
espalier ls --format=js|espalier ls --format=json
espalier doctor --format t|espalier doctor --format text
espalier eval --routing h|espalier eval --routing hard
espalier show sma|espalier show small
espalier show "sma|espalier show "small"
espalier show 'sma|espalier show 'small'
espalier replay $T|espalier replay $TRIAL
espalier diff small:ev|espalier diff small:even
espalier diff small:even small:base|espalier diff small:even small:baseline
espalier plugins show hardenin|espalier plugins show hardening
espalier plugins --format json check hardenin|espalier plugins --format json check hardening
espalier data verify to|espalier data verify toy
espalier query spr|espalier query spread
espalier query spread --set study=small --form|espalier query spread --set study=small --format
espalier report small --metric test.hard_a|espalier report small --metric test.hard_accuracy
espalier run smal|espalier run small.yaml
espalier run my|espalier run my\ study.yaml
espalier run "my|espalier run "my study.yaml"
espalier run --set batch_size=8 smal|espalier run --set batch_size=8 small.yaml
espalier run small.yaml --only ev|espalier run small.yaml --only even
espalier plan my\ study.yaml --only=ev|espalier plan my\ study.yaml --only=even
espalier report small --figures figu|espalier report small --figures figures/
espalier report small --figures=figu|espalier report small --figures=figures/
espalier ls --db a\ folder/oth|espalier ls --db a\ folder/other.db
espalier ls --db=a\ folder/oth|espalier ls --db=a\ folder/other.db
espalier ls --db "a folder/other.db" el|espalier ls --db "a folder/other.db" elsewhere
espalier ls --db=a\ folder/other.db el|espalier ls --db=a\ folder/other.db elsewhere
espalier ls --db ~/other.db el|espalier ls --db ~/other.db elsewhere
espalier ls --db $HOME/other.db el|espalier ls --db $HOME/other.db elsewhere
espalier ls --db its\'.db el|espalier ls --db its\'.db elsewhere
espalier ls --db nowhere.db el|espalier ls --db nowhere.db el
CASES
sed -i "s/\$TRIAL/$trial/; s/\$T/${trial:0:12}/" cases

cat >type.py <<'PYTHON'
import os, pty, select, sys, time
shell, cases = sys.argv[1], [line.rstrip("\n").split("|") for line in open("cases")]
said = os.path.abspath("said." + shell)
# Ctrl-G writes the command line down; Ctrl-T empties it.
start = {
    "bash": (["bash", "--norc", "--noprofile", "-i"],
             "bind -x '\"\\C-g\": printf \"%s\\n\" \"$READLINE_LINE\" >>" + said + "'\n"
             "bind '\"\\C-t\": kill-whole-line'\nsource <(espalier completion bash)\nPS1='rea''dy>'\n"),
    "zsh": (["zsh", "-f", "-i"],
            "say() { print -r -- \"$BUFFER\" >>" + said + " }; zle -N say; bindkey '^G' say\n"
            "bindkey '^T' kill-buffer\nautoload -Uz compinit; compinit -u -D\n"
            "source <(espalier completion zsh)\nPS1='rea''dy>'\n"),
    "fish": (["fish", "--no-config", "-i"],
             "bind \\cg 'commandline >>" + said + "'; bind \\ct 'commandline -r \"\"'\n"
             "set -g fish_autosuggestion_enabled 0\nespalier completion fish | source\n"
             "function fish_prompt; echo -n rea'dy>'; end\n")}[shell]
child, terminal = pty.fork()
if child == 0:
    os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
    os.execvp(start[0][0], start[0])
def wait(seen_enough):
    seen, end = b"", time.time() + 20
    while not seen_enough(seen):
        if time.time() > end:
            sys.exit("%s: nothing happens; it shows %r" % (shell, seen[-2000:]))
        if select.select([terminal], [], [], 0.02)[0]:
            block = os.read(terminal, 65536)
            seen += block
            if b"\x1b[c" in block:
                os.write(terminal, b"\x1b[?6c")
os.write(terminal, start[1].encode())
wait(lambda seen: b"ready>" in seen)
wrong = 0
for number, (typed, expected) in enumerate(cases, 1):
    os.write(terminal, b"\x14" + typed.encode() + b"\t\x07")
    wait(lambda seen: os.path.exists(said) and len(open(said).read().splitlines()) >= number)
    found = open(said).read().splitlines()[number - 1]
    if found.rstrip() != expected:
        wrong += 1
        print("%s: %s: became '%s', not '%s'" % (shell, typed, found, expected))
os.write(terminal, b"\x14exit\n")
os.close(terminal)
os.waitpid(child, 0)
sys.exit(wrong != 0)
PYTHON

PATH=$(dirname "$ESPALIER"):$PATH
tried=0
for shell in bash zsh fish; do
    if command -v $shell >/dev/null; then
        python3 type.py $shell >stdout 2>stderr || fail "completion in $shell"
        tried=$((tried + 1))
    else
        echo "no $shell here: its completion is not tried"
    fi
done

[ $failures = 0 ] || exit 1
echo "completion: all as expected in $tried shells"
