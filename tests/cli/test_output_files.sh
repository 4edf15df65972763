#!/bin/bash
# What a command writes: never over what it reads; whole or not at all, in place of a file of the
# same mode; and no other file of the folder is touched. What is right is told by the bytes that
# cmp, stat and the shell's own > give.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs sqlite3
cat >s.yaml <<'YAML'
study: s
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {p: {epochs: 2}}
variants:
  none: {reference: true, set: {losses.balance.weight: 0}}
  even: {}
report: {figures: [learning_curve]}
YAML
expect 0 "$ESPALIER" run s.yaml --db x.db
model=$(echo x.db.checkpoints/*/last.safetensors)
model=${model%% *}
cp "$model" m.safetensors
"$ESPALIER" export s --db x.db >right.csv 2>/dev/null
"$ESPALIER" report s --db x.db >right.txt 2>/dev/null
picture() { find . -type f -not -name 'std*' -exec sha256sum {} + | sort -k 2; }

# refuses WORDS... COMMAND...: exit 2, and no byte of any file is another one.
refuses() {
    local before
    before=$(picture)
    expect 2 "$@"
    [ "$(picture)" = "$before" ] || fail "changed a file: $*"
}

# ---- an output that is an input -----------------------------------------------------------------
ln -s x.db link.db
ln -s link.db chain.db
ln x.db hard.db
ln "$model" hard.safetensors
mkdir below
ln -s "$PWD/x.db-wal" wal_to_be
for file in x.db ./x.db "$PWD//below/../x.db" link.db chain.db hard.db x.db-wal x.db-shm x.db-journal \
    x.db.lock wal_to_be "$model" x.db.checkpoints/new.csv x.db.checkpoints/no/such.csv hard.safetensors; do
    refuses "$ESPALIER" export s --db x.db -o "$file"
    refuses "$ESPALIER" report s --db x.db -o "$file"
    says "results database"
done
refuses "$ESPALIER" export s --db link.db -o x.db-wal
refuses "$ESPALIER" export s --db chain.db -o x.db
refuses env ESPALIER_DB=hard.db "$ESPALIER" export s -o x.db
refuses "$ESPALIER" export s --what metrics --format npy --db x.db -o x.db.checkpoints/arrays
refuses "$ESPALIER" report s.yaml --db x.db -o s.yaml
says "the study's file"
refuses "$ESPALIER" eval m.safetensors --data toy --dump-logits m.safetensors
says "the model"
[ ! -s stdout ] || fail "evaluated before it refused"
refuses "$ESPALIER" eval m.safetensors --data toy --dump-logits "$(find data -name '*-images*' | head -1)"
says "a file of the data set"
refuses "$ESPALIER" eval "$model" --data toy --dump-logits x.db
refuses "$ESPALIER" eval "$model" --data toy --dump-logits "$(dirname "$model")/logits.npy"
# a model's database in a folder of such a name, and one whose checkpoints lie elsewhere
mkdir -p old.checkpoints elsewhere
cp x.db old.checkpoints/y.db
cp x.db far.db
cp -r x.db.checkpoints old.checkpoints/y.db.checkpoints
ln -s ../x.db.checkpoints elsewhere/models
ln -s elsewhere/models far.db.checkpoints
for base in old.checkpoints/y.db far.db; do
    expect 2 "$ESPALIER" eval "$base${model#x.db}" --data toy --dump-logits $base
    says "$base: is the results database"
    cmp x.db $base || fail "$base was written"
done
rm -r old.checkpoints elsewhere far.db far.db.checkpoints
for file in x.db link.db hard.db x.db-wal x.db.lock x.db.checkpoints/b.db wal_to_be; do
    refuses "$ESPALIER" db backup "$file" --db x.db
done
refuses "$ESPALIER" db merge x.db --db hard.db
refuses "$ESPALIER" db merge x.db --db x.db-wal
refuses "$ESPALIER" db merge x.db --db x.db.checkpoints/y.db
cp s.yaml z.db-wal
refuses "$ESPALIER" run z.db-wal --db z.db
mkdir figures
ln -s ../x.db figures/learning_curve.R
refuses "$ESPALIER" report s --db x.db --figures figures
refuses "$ESPALIER" report s --db x.db --figures x.db.checkpoints/figures
rm -r figures hard.db hard.safetensors z.db-wal
# What only looks alike is none.
expect 0 "$ESPALIER" export s --db x.db -o x.db-wal.csv
cmp -s x.db-wal.csv right.csv || fail "beside the database"

# ---- files of one's own beside it ---------------------------------------------------------------
echo precious >r.csv.tmp
expect 0 "$ESPALIER" export s --db x.db -o r.csv
[ "$(cat r.csv.tmp)" = precious ] || fail "FILE.tmp is lost"
echo precious >mine
ln -s mine q.csv.tmp
expect 0 "$ESPALIER" export s --db x.db -o q.csv
[ "$(cat mine)" = precious ] && [ ! -L q.csv ] || fail "a link at FILE.tmp was followed"
cmp -s r.csv right.csv && cmp -s q.csv right.csv || fail "what is written"

# ---- links lead to what is written ----------------------------------------------------------------
mkdir far
echo old >far/target
ln -s far/target to_old
ln -s far/made to_new
ln -s "$PWD/far/../far/made2" to_new2
for link in to_old to_new to_new2; do
    expect 0 "$ESPALIER" export s --db x.db -o $link
    [ -L $link ] && cmp -s $link right.csv || fail "$link"
done
[ "$(find far -type f | wc -l)" = 3 ] || fail "more than three files in far"
ln -s round round
expect 1 "$ESPALIER" export s --db x.db -o round

# ---- modes ------------------------------------------------------------------------------------------
for mode in 600 640 664 666 604; do
    : >p.csv
    chmod $mode p.csv
    (umask 027 && "$ESPALIER" export s --db x.db -o p.csv 2>/dev/null) || fail "mode $mode"
    [ "$(stat -c %a p.csv)" = $mode ] && cmp -s p.csv right.csv || fail "mode $mode became $(stat -c %a p.csv)"
done
# a merge that is killed while it waits for its turn to write leaves nothing
cp x.db waits.db
printf 'BEGIN IMMEDIATE;\n.shell timeout -s KILL 5 "$ESPALIER" db merge x.db --db waits.db\n' |
    sqlite3 waits.db >/dev/null 2>&1
compgen -G '.espalier-*' && fail "a piece of a merge is left"
expect 0 "$ESPALIER" db merge x.db --db waits.db
rm -r waits.db*

for mask in 022 002 077; do
    rm -f p.csv l.npy t.txt
    (umask $mask && "$ESPALIER" export s --db x.db -o p.csv && "$ESPALIER" report s --db x.db -o t.txt &&
        "$ESPALIER" eval m.safetensors --data toy --dump-logits l.npy) >/dev/null 2>&1 || fail "umask $mask"
    : >other
    want=$(printf '%o' $((0666 & ~mask)))
    [ "$(stat -c %a p.csv t.txt l.npy | sort -u)" = "$want" ] || fail "umask $mask: not $want"
done
echo final >f.csv
chmod 444 f.csv
refuses "$ESPALIER" export s --db x.db -o f.csv
says "f.csv" "read-only"
refuses "$ESPALIER" report s --db x.db -o f.csv
refuses "$ESPALIER" eval m.safetensors --data toy --dump-logits f.csv
ln -s f.csv to_final
refuses "$ESPALIER" export s --db x.db -o to_final
refuses "$ESPALIER" export s --db x.db -o below
says "is a folder"
refuses "$ESPALIER" export s --db x.db -o ''

# ---- names as long as the system has them -------------------------------------------------------
for length in 252 255; do
    name=$(printf 'x%.0s' $(seq $((length - 4)))).csv
    expect 0 "$ESPALIER" export s --db x.db -o "$name"
    cmp -s "$name" right.csv || fail "a name of $length letters"
    expect 0 "$ESPALIER" export s --db x.db -o "$name"
    rm "$name"
done
deep=$PWD
while [ ${#deep} -lt 3900 ]; do deep=$deep/$(printf 'd%.0s' $(seq 150)); done
mkdir -p "$deep" && expect 0 "$ESPALIER" export s --db x.db -o "$deep/$(printf 'd%.0s' $(seq $((4090 - ${#deep} - 1))))"

# ---- what is no file is written in place ------------------------------------------------------------
(echo head && "$ESPALIER" export s --db x.db -o /dev/stdout && echo tail) >o.csv 2>/dev/null
(echo head && cat right.csv && echo tail) | cmp -s - o.csv || fail "/dev/stdout, a file"
"$ESPALIER" export s --db x.db -o /dev/stdout 2>/dev/null | cmp -s - right.csv || fail "/dev/stdout, a pipe"
"$ESPALIER" export s --db x.db -o /dev/fd/7 7>o.csv 2>/dev/null && cmp -s o.csv right.csv || fail "/dev/fd/7"
cmp -s right.csv <("$ESPALIER" report s --db x.db -o /proc/self/fd/1 2>/dev/null) && fail "a report is no export"
"$ESPALIER" report s --db x.db -o /proc/self/fd/1 2>/dev/null | cmp -s - right.txt || fail "/proc/self/fd/1"
expect 0 "$ESPALIER" export s --db x.db -o /dev/null
[ -c /dev/null ] || fail "/dev/null is no device"
mkfifo pipe
timeout 60 cat pipe >o.csv &
reader=$!
expect 0 "$ESPALIER" export s --db x.db -o pipe
wait $reader
[ -p pipe ] && cmp -s o.csv right.csv || fail "a FIFO"
expect 0 "$ESPALIER" export s --db x.db -o >(cat >o.csv)
expect 1 "$ESPALIER" export s --db x.db -o /dev/fd/77
if [ -c /dev/full ]; then
    expect 1 "$ESPALIER" export s --db x.db -o /dev/full
    says "No space left"
fi

# ---- two at once leave one whole result -----------------------------------------------------------
"$ESPALIER" export s --db x.db --what metrics >other.csv 2>/dev/null
for _ in $(seq 10); do
    rm -f o.csv
    "$ESPALIER" export s --db x.db -o o.csv 2>/dev/null &
    first=$!
    "$ESPALIER" export s --db x.db --what metrics -o o.csv 2>/dev/null &
    second=$!
    wait $first && wait $second || fail "two at once"
    cmp -s o.csv right.csv || cmp -s o.csv other.csv || fail "a mixture"
done

# ---- a command that is killed leaves what was there -----------------------------------------------
echo "what was there" >kept
sqlite3 x.db "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n LIMIT 20000) INSERT INTO epoch
    (trial, epoch, phase, phase_epoch, attempt, test_hard_accuracy) SELECT 1, i, 'p', i, 1, 0.5 FROM n"
"$ESPALIER" export s --what metrics --db x.db -o kept 2>/dev/null &
killed=$!
sleep 0.05
kill -KILL $killed 2>/dev/null
wait $killed 2>/dev/null
[ "$(cat kept)" = "what was there" ] || [ "$(wc -l <kept)" -gt 20000 ] || fail "half a file"
# ---- a folder that may not be written to, as an ordinary user ---------------------------------------
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
    chmod 755 "$scratch"
    chown 65534 below
elif [ "$(id -u)" != 0 ]; then
    as() { "$@"; }
else
    as() { false; }
fi
rm x.db-wal x.db-shm 2>/dev/null
echo "old, and much longer than nothing" >below/w.csv
cp x.db below/own.db && chmod 644 below/own.db
chmod 666 below/w.csv && chmod 555 below
if as test -r below/own.db && as test -x "$ESPALIER"; then
    as "$ESPALIER" export s --db below/own.db -o below/w.csv 2>/dev/null || fail "a writable file in a read-only folder"
    "$ESPALIER" export s --db x.db 2>/dev/null | cmp -s - below/w.csv || fail "it is not whole"
    as "$ESPALIER" export s --db below/own.db -o below/new.csv 2>/dev/null && fail "a new file in a read-only folder"
    [ ! -e below/new.csv ] || fail "a new file is there"
fi
chmod 755 below
exit $((failures > 0))
