#!/bin/bash
# Names of databases are names of files, whatever SQLite makes of them, for every verb; and the modes
# of all that lies beside a database follow the umask. What is there is told by ls and stat.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
needs sqlite3
cat >s.yaml <<'YAML'
study: s
seeds: 0
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.01}
  phases: {p: {epochs: 1}}
YAML
expect 0 "$ESPALIER" run s.yaml --db x.db
right=$("$ESPALIER" query "SELECT count(*) FROM learning_curve" --format csv --db x.db | tail -n 1)

# ---- names ------------------------------------------------------------------------------------------
mkdir names ro
cd names || exit 1
for name in file:n.db file:n.db?mode=memory :memory: 'a?b#c%20d.db' "é it's.db" 'x.db?immutable=1' \
    '%' '?' file: ./:memory: "$PWD//slashed.db" "/$PWD/slashed2.db" ./-dash.db '&cache=shared'; do
    rm -rf -- * .[a-z]*
    expect 0 "$ESPALIER" run ../s.yaml --db "$name"
    base=${name##*/}
    [ "$(find . -maxdepth 1 -type f -size +0 -not -name '*.lock' -not -name 'std*' -not -name '*-wal' -not -name '*-shm' |
        sed 's,^\./,,')" = "$base" ] || fail "--db $name made $(ls -A)"
    [ "$(find . -maxdepth 1 -type d -name '*.checkpoints' | sed 's,^\./,,')" = "$base.checkpoints" ] ||
        fail "--db $name: checkpoints"
    [ "$("$ESPALIER" query "SELECT count(*) FROM learning_curve" --format csv --db "$name" | tail -n 1)" = "$right" ] ||
        fail "query --db $name"
    expect 0 "$ESPALIER" status --db "$name"
    expect 0 "$ESPALIER" db check --db "$name"
    expect 0 env ESPALIER_DB="$name" "$ESPALIER" ls
    says "s  "
    expect 0 "$ESPALIER" db backup "$name.copy" --db "$name"
    [ "$(sqlite3 "file:$(printf %s "$PWD/$base.copy" | od -An -tx1 | tr -d '\n' | sed 's/ /%/g')?mode=ro" \
        "SELECT count(*) FROM epoch")" = 2 ] || fail "db backup $name.copy"
    expect 0 "$ESPALIER" db backup "$name-2" --db ../x.db
    expect 0 "$ESPALIER" db merge "$name.copy" --db "$name.merged"
    expect 0 "$ESPALIER" db merge "$name-2" --db "$name"
    expect 0 "$ESPALIER" db migrate --db "$name"
    [ "$("$ESPALIER" query "SELECT count(*) FROM learning_curve" --format csv --db "$name.merged" | tail -n 1)" = "$right" ] ||
        fail "db merge into $name.merged"
    expect 0 "$ESPALIER" export s --db "$name" -o "$name.csv"
    refused=$(expect 2 "$ESPALIER" export s --db "$name" -o "$PWD/$base") && [ -z "$refused" ] || fail "$refused"
    # read as it is, in a folder that holds nothing else and may not be written to
    if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
        chmod 755 "$scratch" ../ro && cp -- "$PWD/$base.copy" "../ro/$base" && chmod 644 "../ro/$base" && chmod 555 ../ro
        as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
        if "${as[@]}" test -x "$ESPALIER"; then
            (cd ../ro && expect=$("${as[@]}" "$ESPALIER" ls --db "${name/names/ro}" 2>&1) &&
                grep -q '^s ' <<<"$expect") || fail "ls --db ${name/names/ro} in a read-only folder"
        fi
        chmod 755 ../ro && rm -f "../ro/$base"
    fi
done
cd ..

# ---- an empty name is none ----------------------------------------------------------------------------
before=$(ls -A)
for verb in "run s.yaml" "plan s.yaml" status ls "report s" "show s" "export s" "db check" "db merge x.db" doctor "query seeds" \
    "bench store"; do
    # shellcheck disable=SC2086
    expect 2 "$ESPALIER" $verb --db ''
    says "names no database"
done
[ "$(ls -A)" = "$before" ] || fail "--db '' made $(ls -A)"
expect 2 "$ESPALIER" db backup '' --db x.db
expect 2 "$ESPALIER" db merge '' --db x.db
mkdir results && cp x.db results/espalier.db
expect 0 env ESPALIER_DB= "$ESPALIER" ls # a variable that is empty is as one that is not set
says "s  "

# ---- modes ------------------------------------------------------------------------------------------
for mask in 002 022 077 007; do
    rm -rf shared && mkdir shared && chmod 2775 shared
    group=$(id -g)
    [ "$(id -u)" = 0 ] && chgrp 12345 shared && group=12345
    chmod g+s shared
    (umask $mask && "$ESPALIER" run s.yaml --db shared/d.db && "$ESPALIER" db backup shared/b.db --db shared/d.db &&
        "$ESPALIER" db merge x.db --db shared/m.db && "$ESPALIER" report s --db shared/d.db) >/dev/null 2>&1 ||
        fail "umask $mask"
    sqlite3 shared/d.db "PRAGMA journal_mode = DELETE" >/dev/null
    file=$(printf '%o' $((0666 & ~mask)))
    folder=$(printf '2%o' $((0777 & ~mask)))
    [ "$(find shared -type f -exec stat -c '%a %g' {} + | sort -u)" = "$file $group" ] ||
        fail "umask $mask: $(find shared -type f -exec stat -c '%a %g %n' {} +)"
    [ "$(find shared -mindepth 1 -type d -exec stat -c '%a %g' {} + | sort -u)" = "$folder $group" ] ||
        fail "umask $mask: $(find shared -type d -exec stat -c '%a %g %n' {} +)"
done
# The log of a database that is open, made by a program that ends without tidying up.
rm -rf shared && mkdir shared
(umask 002 && exec "$ESPALIER" run s.yaml --set phases.p.epochs=100000 --db shared/d.db >/dev/null 2>&1) &
runner=$!
for _ in $(seq 200); do
    [ -s shared/d.db-wal ] && [ -e shared/d.db-shm ] && break
    sleep 0.05
done
[ "$(stat -c %a shared/d.db shared/d.db-wal shared/d.db-shm shared/d.db.lock | sort -u)" = 664 ] ||
    fail "while a run writes: $(stat -c '%a %n' shared/*)"
kill -TERM $runner
wait $runner
# What is there keeps its mode.
cp x.db shared/own.db && chmod 640 shared/own.db
(umask 000 && "$ESPALIER" run s.yaml --set phases.p.epochs=2 --db shared/own.db >/dev/null 2>&1) || fail "a mode of one's own"
[ "$(stat -c %a shared/own.db)" = 640 ] || fail "mode 640 became $(stat -c %a shared/own.db)"
exit $((failures > 0))
