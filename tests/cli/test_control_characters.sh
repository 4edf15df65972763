#!/bin/bash
# What a name, a message or a file holds never steers a terminal: neither control characters (C0, DEL,
# C1) nor characters that reorder text reach one from any verb, in any format for people, on either
# stream. Data for programs keeps its values: CSV its bytes, JSON by escapes.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
command -v python3 >/dev/null || exit 77
export PYTHONIOENCODING=utf-8

esc=$(printf '\033')
cat >esc.yaml <<'YAML'
study: esc
title: "\e]0;not your title\x07\e[2J \u009b2J \u202Egnihton \x7f end"
source: "\e[31m\r\b"
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {p: {epochs: 1}}
YAML
cat >steers.py <<'PY'
import sys, unicodedata
text = sys.stdin.buffer.read()
stray = [b for b in text if b < 32 and b not in (9, 10) or b == 127]
text = text.decode('utf-8', 'surrogateescape')
more = [c for c in text if '\x80' <= c < '\xa0' or unicodedata.bidirectional(c) in
        ('LRE', 'RLE', 'PDF', 'LRO', 'RLO', 'LRI', 'RLI', 'FSI', 'PDI') or '\udc80' <= c < '\udca0']
print(len(stray) + len(more))
PY
# plain NAME STRING COMMAND...: neither stream steers a terminal, and STRING is there.
plain() {
    local name=$1 wanted=$2
    shift 2
    "$@" >stdout 2>stderr </dev/null
    local found
    found=$(cat stdout stderr | python3 steers.py)
    [ "$found" = 0 ] || { cat -v stdout stderr; fail "$name: $found characters steer the terminal"; }
    grep -qaF -- "$wanted" stdout stderr || fail "$name: no '$wanted'"
}

expect 0 "$ESPALIER" run esc.yaml --db x.db
for format in text md; do
    plain "plan as $format" 'not your title' "$ESPALIER" plan esc.yaml --format $format --db x.db
    plain "report as $format" 'not your title' "$ESPALIER" report esc --format $format --db x.db
done
plain plan '\u001b]0;not your title\u0007\u001b[2J \u009b2J \u202egnihton \u007f end' \
    "$ESPALIER" plan esc.yaml --db x.db
plain "plan --power" 'esc' "$ESPALIER" plan esc.yaml --power --db x.db
plain show '\u001b' "$ESPALIER" show esc --db x.db
plain "a trial" esc "$ESPALIER" show "$(value x.db 'SELECT trial_id FROM study_trial')" --db x.db
plain ls esc "$ESPALIER" ls --db x.db
plain status esc "$ESPALIER" status --db x.db
plain "query, text" '2J' "$ESPALIER" query "SELECT title FROM revision" --db x.db
plain "query, a heading" 'h\u001b[31m' "$ESPALIER" query "SELECT 1 AS \"h${esc}[31m\"" --db x.db
plain "query, md" '2J' "$ESPALIER" query "SELECT title FROM revision" --format md --db x.db

sed "s/kind: fff/kind: \"f\\\\e[31m\"/" esc.yaml >bad.yaml
plain "check, a value" 'f\u001b[31m' "$ESPALIER" check bad.yaml
sed "s/kind: fff/\"k\\\\e[31m\": fff/" esc.yaml >bad.yaml
plain "check, a key" 'k\u001b[31m' "$ESPALIER" check bad.yaml
plain "run, a key" 'k\u001b[31m' "$ESPALIER" run bad.yaml --db bad.db
plain "a verb" 'v\u001b[31m' "$ESPALIER" "v${esc}[31m"
plain "an option's value" 'j\u001b[31m' "$ESPALIER" run esc.yaml --jobs "j${esc}[31m"
plain "an option" 'o\u001b[31m' "$ESPALIER" run "--o${esc}[31m"
plain "a file" 'f\u001b[31m' "$ESPALIER" check "f${esc}[31m.yaml"
plain "a stray byte" '\x9b2J' "$ESPALIER" check "$(printf '\2332J').yaml"

cp -r data/toy "data/t${esc}[31mx"
plain "data ls" 't\u001b[31mx' "$ESPALIER" data ls
plain "data verify" 't\u001b[31mx' "$ESPALIER" data verify
plain "data info" 't\u001b[31mx' "$ESPALIER" data info "t${esc}[31mx"

export ESPALIER_PLUGIN_PATH=$ESPALIER_BUILD/tests/fixture-plugins
plain "run, a plugin that fails" 'no \u001b[31mluck\u001b]0;x\u0007\u009b2J' \
    "$ESPALIER" run esc.yaml --unchecked --set losses.steering.weight=1 --db y.db
plain "plugins check" 'no \u001b[31mluck' \
    "$ESPALIER" plugins check "$ESPALIER_PLUGIN_PATH/steering.so"
plain "show, a failed trial" 'luck' "$ESPALIER" query failed --db y.db
unset ESPALIER_PLUGIN_PATH

# data: the value as it is
"$ESPALIER" query "SELECT title FROM revision" --format csv --db x.db >title.csv
"$ESPALIER" query "SELECT title FROM revision" --format json --db x.db >title.json
"$ESPALIER" plan esc.yaml --format json --db x.db >plan.json
python3 - <<'PY' || fail "data came out differently"
import csv, json
title = "\x1b]0;not your title\x07\x1b[2J \x9b2J \u202egnihton \x7f end"
assert list(csv.reader(open('title.csv', encoding='utf-8', newline='')))[1] == [title]
assert json.load(open('title.json', encoding='utf-8'))[0]['title'] == title
assert json.load(open('plan.json', encoding='utf-8'))['title'] == title
PY
python3 steers.py <title.json | grep -qx 0 || fail "JSON steers the terminal"

# on a terminal CSV is shown, and what is the program's own still draws
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    script -qec "'$ESPALIER' query 'SELECT title FROM revision' --format csv --db x.db" /dev/null \
        </dev/null | tr -d '\r' >stdout
    python3 steers.py <stdout | grep -qx 0 || fail "CSV steers the terminal"
    script -qec "env -u NO_COLOR TERM=xterm '$ESPALIER' 'v${esc}[31m'" /dev/null </dev/null >stdout
    grep -qF "${esc}[1;31merror: ${esc}[0munknown verb 'v\\u001b[31m'" stdout || fail "no color"
fi
exit $((failures > 0))
