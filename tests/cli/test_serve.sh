#!/usr/bin/env bash
# espalier serve, spoken to in plain HTTP: what it answers and what it refuses, names of any kind, and
# that it lives while a run writes and through everything thrown at it.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

# ---- mistakes ----------------------------------------------------------------------------------
if "$ESPALIER" serve --db none.db 2>&1 | grep -q "built without"; then
    skip "built without libmicrohttpd"
fi
expect 4 "$ESPALIER" serve --db none.db --port 0
says "espalier run"
"$ESPALIER_BUILD/tests/test_views" --make r.db || exit 1
expect 2 "$ESPALIER" serve --db r.db --port 70000
says "--port"
expect 2 "$ESPALIER" serve --db r.db --port x
expect 2 "$ESPALIER" serve --db r.db --port 0 --address localhost.example
says "--address"
expect 2 "$ESPALIER" serve quickstart
printf 'not a database, only some text that is long enough to be one\n' >other.db
expect 3 "$ESPALIER" serve --db other.db --port 0
expect 0 "$ESPALIER" serve --help
says "examples:" "ssh -L"

# ---- a client of a few lines -------------------------------------------------------------------
servers=()
# start ARGUMENT...: a server; its port in $port.
start() {
    : >url
    "$ESPALIER" serve --port 0 "$@" >url 2>serve.err &
    server=$!
    servers+=("$server")
    for _ in $(seq 100); do
        [ -s url ] && break
        sleep 0.1
    done
    port=$(sed -n 's|.*:\([0-9]*\)/$|\1|p' url)
    [ -n "$port" ] || fail "no address: $(cat url serve.err)"
}
trap 'kill "${servers[@]}" 2>/dev/null; rm -rf "$scratch"' EXIT

# send LINES [SECONDS]: raw bytes, the answer to the file answer.
send() {
    exec 3<>"/dev/tcp/127.0.0.1/$port" || { fail "no connection"; return; }
    (trap '' PIPE; printf '%b' "$1" >&3) 2>/dev/null # the server may have closed before all is sent
    timeout "${2:-20}" cat <&3 >answer 2>/dev/null
    exec 3>&-
    code=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' answer)
    sed '1,/^\r*$/d' answer >body
}

# ask CODE PATH [HEADER...]: a GET, with a Host of ours.
ask() {
    local expected=$1 path=$2 lines="Host: localhost\r\n" header
    shift 2
    for header in "$@"; do lines+="$header\r\n"; done
    send "GET $path HTTP/1.1\r\n${lines}Connection: close\r\n\r\n"
    [ "$code" = "$expected" ] || fail "$path $*: answered '$code', expected $expected: $(head -c 300 body)"
}
# has WORD...: the body has them; lacks WORD...: and not these.
has() {
    local word
    for word in "$@"; do
        grep -qF -- "$word" body || fail "no '$word' in $(head -c 400 body)"
    done
}
lacks() {
    local word
    for word in "$@"; do
        ! grep -qF -- "$word" body || fail "'$word' in the answer"
    done
}
encode() { jq -rn --arg text "$1" '$text | @uri'; }
sql() { # CODE SQL
    ask "$1" "/api/query?sql=$(encode "$2")"
}

# ---- pages and data ----------------------------------------------------------------------------
start --db r.db
grep -q '^http://127.0.0.1:[0-9]*/$' url || fail "the address is $(cat url)"
grep -q "read-only" serve.err || fail "no words: $(cat serve.err)"
before=$(sha256sum <r.db)
expect 2 "$ESPALIER" serve --db r.db --port "$port"
says "--port" "$port"

ask 200 /
has "table1" 'href="./study/s"' "<!DOCTYPE html>"
for line in "X-Content-Type-Options: nosniff" "X-Frame-Options: DENY" "Cache-Control: no-store" \
    "default-src 'none'" "frame-ancestors 'none'" "Referrer-Policy: no-referrer"; do
    grep -qF -- "$line" answer || fail "no header $line"
done
grep -qi "access-control" answer && fail "other origins may read"
ask 200 /study/s
has '<h1>s</h1>' "Learning curves"
ask 200 /study/s/report
has "<table"
ask 404 /study/nope
ask 404 /nope
ask 200 /api/studies
jq -e '.studies.rows | length >= 3' body >/dev/null || fail "studies: $(cat body)"
ask 200 /api/study/s
jq -e '(.trials.rows | length == 6) and .variants[0] == "baseline"
    and (.metrics.rows | flatten | index("test.hard_accuracy")) != null' body >/dev/null || fail "study: $(cat body)"
# its values are the view's
jq -r '[.trials.rows[] | select(.[3] == "done")] | map(.[7]) | add' body >sum
value r.db "SELECT sum(value) FROM trial_final WHERE study = 's' AND at = 'selected' AND
    split = 'test' AND metric = 'hard_accuracy' AND status = 'done'" >expected
awk '{ if (getline other < "expected" <= 0 || ($1 - other) ^ 2 > 1e-18) exit 1 }' sum || fail "sum $(cat sum), expected $(cat expected)"
ask 404 /api/study/nope
ask 200 /api/live/s
jq -e '.states.rows[0][0] == 6' body >/dev/null || fail "live: $(cat body)"
trial=$(value r.db "SELECT trial_id FROM trial_final WHERE study = 's' LIMIT 1")
ask 200 "/api/curves?trials=$trial&metric=test.hard_accuracy"
jq -c '.curves[0].points | map(.[1])' body >curve
value r.db "SELECT json_group_array(value) FROM (SELECT value FROM learning_curve WHERE study = 's' AND trial_id = '$trial'
    AND split = 'test' AND metric = 'hard_accuracy' ORDER BY epoch)" | sed 's/^"//; s/"$//' >expected
jq -e --slurpfile a curve --slurpfile b expected -n '$a[0] == $b[0] and ($a[0] | length) > 0' >/dev/null ||
    fail "curve $(cat curve), expected $(cat expected)"
ask 200 "/api/leaves?trial=$trial&split=test"
jq -e '.leaves >= 0' body >/dev/null || fail "leaves: $(cat body)"
ask 404 "/api/leaves?trial=nope"
# A typo is an error, never a default.
refused() {
    ask 400 "$1"
    has "$2"
}
refused "/api/leaves?trial=$trial&spilt=test" "unknown parameter 'spilt'; known: trial split points"
refused "/api/curves?trials=$trial&points=many" "points is a whole number from 2 to "
refused "/api/curves?trials=$trial&metric=hard_accuracy" "'hard_accuracy' is not a metric of a split, such as test.hard_accuracy"
refused "/api/studies?x=1" "unknown parameter 'x'; known: none"
refused "/sql?query=x" "unknown parameter"
ask 200 "/api/trial?study=s&trial=$trial"
jq -e '.keys.rows | length > 0' body >/dev/null || fail "trial: $(cat body)"

# ---- SQL ---------------------------------------------------------------------------------------
sql 200 "SELECT count(*) AS n FROM trial_final"
jq -e '.columns == ["n"] and .rows[0][0] > 0' body >/dev/null || fail "SQL: $(cat body)"
sql 200 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) SELECT i FROM n"
jq -e '.truncated and (.rows | length == 1000)' body >/dev/null || fail "rows are bounded: $(tail -c 60 body)"
for text in "DELETE FROM study" "UPDATE study SET name = 'x'" "DROP VIEW seed_stats" \
    "CREATE TABLE t (a)" "ATTACH 'new.db' AS n" "VACUUM INTO 'new.db'" "PRAGMA query_only = OFF" \
    "PRAGMA journal_mode = DELETE" "SELECT load_extension('x')" "SELECT readfile('/etc/passwd')" \
    "SELECT writefile('new.db', 'x')" "SELECT 1; DROP TABLE study" "BEGIN IMMEDIATE" "" \
    "SELECT * FROM pragma_database_list" "SELECT zeroblob(1 << 28)" "SELECT nothing FROM"; do
    sql 400 "$text"
    has '"error"'
done
[ ! -e new.db ] || fail "a file was written"
sql 400 "SELECT * FROM seed_stat"
has "did you mean 'seed_stats'"
ask 200 "/api/query?name=spread&set.study=s"
jq -e '.rows | length == 2' body >/dev/null || fail "query by name: $(cat body)"
ask 400 "/api/query?name=spread&set.stdy=s"
ask 404 "/api/query?name=spraed"
has "did you mean 'spread'"
ask 404 "/api/query?name=..%2f..%2fframework%2fstore%2fschema"
ask 200 "/sql?sql=SELECT%20'%3Cb%3E%26'%20AS%20%22%3Ci%3E%22"
has "&lt;b&gt;&amp;" "&lt;i&gt;"
lacks "<b>" "<i>"
ask 200 "/sql?sql=DROP%20TABLE%20study"
has 'role="alert"'

# Queries that would never end do, and hold nobody else up.
endless=$(encode "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
asking=()
for i in 1 2 3 4; do
    (exec 3<>"/dev/tcp/127.0.0.1/$port"
        printf 'GET /api/query?sql=%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$endless" >&3
        timeout 30 cat <&3 >"endless.$i") &
    asking+=($!)
done
sleep 0.5
started=$(date +%s%N)
ask 200 /api/studies
[ $((($(date +%s%N) - started) / 1000000)) -lt 2000 ] || fail "held up by other queries"
wait "${asking[@]}"
[ "$(head -qn 1 endless.* | grep -c ' 503 ')" = 2 ] || fail "two are told to come again: $(head -qn 1 endless.*)"
[ "$(head -qn 1 endless.* | grep -c ' 400 ')" = 2 ] || fail "two are ended: $(head -qn 1 endless.*)"
grep -q "took longer" endless.* || fail "no word that it took longer"

# ---- who is let in -----------------------------------------------------------------------------
for host in evil.example 127.0.0.1.evil.example localhost.evil.example 10.0.0.1 "[::2]" ""; do
    send "GET / HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n\r\n"
    [ "$code" = 403 ] || [ "$code" = 400 ] || fail "Host '$host': $code"
    lacks table1
done
send "GET / HTTP/1.0\r\n\r\n"
[ "$code" = 403 ] || [ "$code" = 400 ] || fail "without a Host: $code"
for host in localhost:9 127.0.0.1 "[::1]:8017"; do
    send "GET / HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n\r\n"
    [ "$code" = 200 ] || fail "Host '$host': $code"
done
ask 403 /api/studies "Sec-Fetch-Site: cross-site"
ask 403 /api/studies "Sec-Fetch-Site: same-site"
ask 200 /api/studies "Sec-Fetch-Site: same-origin"
ask 200 / "Sec-Fetch-Site: cross-site"
for method in POST PUT DELETE PATCH OPTIONS TRACE NONSENSE; do
    send "$method /api/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    [ "$code" = 405 ] || fail "$method: $code"
done
grep -qF "Allow: GET, HEAD" answer || fail "405 names what is allowed"
send "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
[ "$code" = 413 ] || fail "a body: $code"
send "HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
[ "$code" = 200 ] && [ ! -s body ] || fail "HEAD: $code, $(wc -c <body) bytes"

# ---- paths and sizes ---------------------------------------------------------------------------
for path in /../../etc/passwd /%2e%2e/%2e%2e/etc/passwd //etc/passwd /study/..%2f..%2fetc%2fpasswd \
    /etc/passwd /live.js /study/ /study//report /api/ "/api/study/" "/study/s/report/x"; do
    ask 404 "$path"
    lacks "root:"
done
for path in "/%00" "/study/s%00/report" "/%zz" "/sql?sql=%4" "/sql?sql=%00"; do
    ask 400 "$path"
done
long=$(head -c 200000 /dev/zero | tr '\0' a)
send "GET /$long HTTP/1.1\r\nHost: localhost\r\n\r\n" 2
[ -z "$code" ] || [ "$code" -ge 400 ] || fail "an address of 200 kB: $code"
send "GET / HTTP/1.1\r\nHost: localhost\r\nX: $long\r\n\r\n" 2
[ -z "$code" ] || [ "$code" -ge 400 ] || fail "a header of 200 kB: $code"
many=$(for i in $(seq 300); do printf 'a%d=1&' "$i"; done)
ask 400 "/sql?$many"
send "\x00\xff\x16\x03garbage\r\n\r\n" 1
send "GET\r\n\r\n" 1
ask 200 /

# More connections than it takes; when they go, it goes on.
descriptors=()
for _ in $(seq 90); do
    exec {one}<>"/dev/tcp/127.0.0.1/$port" || break
    descriptors+=("$one")
    (trap '' PIPE; printf 'GET / HTTP/1.1\r\n' >&"$one") 2>/dev/null
done
for one in "${descriptors[@]}"; do exec {one}>&-; done
sleep 0.5
ask 200 /
[ "$(sha256sum <r.db)" = "$before" ] || fail "the database has changed"
kill -TERM "$server"
code=0
wait "$server" || code=$?
[ $code = 130 ] || fail "SIGTERM: exit code $code: $(cat serve.err)"
! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || fail "the port is still taken"

# ---- names of any kind -------------------------------------------------------------------------
hostile=$'\a'"a\"b'c<script>alert(1)</script>&amp;%41+/..\\ é€🌳"
ten=$(head -c 10000 /dev/zero | tr '\0' x)
cp r.db hostile.db
sqlite3 hostile.db "UPDATE study SET name = '${hostile//\'/\'\'}' WHERE name = 's';
    UPDATE revision SET title = '<img src=x onerror=alert(1)>', variants = replace(variants, 'balanced', '<b>v</b>');
    UPDATE cell SET variant = '<b>v</b>', label = '<b>v</b> </table>' WHERE variant = 'balanced';
    UPDATE attempt SET message = '</td><script>alert(2)</script>' || char(7) WHERE message IS NOT NULL;
    UPDATE study SET name = '$ten' WHERE name = 'table1'" || fail "no hostile database"
start --db hostile.db
ask 200 /
lacks "<script>alert" "<img src=x" "<b>v"
has "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;%41+/..\\ é€🌳" "$ten"
name=$(encode "$hostile")
for path in "/study/$name" "/study/$name/report"; do
    ask 200 "$path"
    lacks "<script>alert" "<img src=x" "<b>v"
done
ask 200 "/api/study/$name"
jq -e --arg name "$hostile" '.study == $name and .title == "<img src=x onerror=alert(1)>"' body >/dev/null || fail "JSON: $(head -c 300 body)"
ask 200 "/study/$ten"
ask 200 "/api/live/$ten"
kill -INT "$server" 2>/dev/null
kill -TERM "$server"
wait "$server"

# ---- other interfaces are asked for, and warned about ------------------------------------------
start --db r.db --address 0.0.0.0
grep -q "whoever reaches this machine" serve.err || fail "no warning: $(cat serve.err)"
send "GET / HTTP/1.1\r\nHost: 10.0.0.1:80\r\nConnection: close\r\n\r\n"
[ "$code" = 200 ] || fail "by number: $code"
send "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
[ "$code" = 403 ] || fail "by another's name: $code"
kill -TERM "$server"
wait "$server"

# ---- while a run writes ------------------------------------------------------------------------
cat >study.yaml <<'YAML'
study: small
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 4, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.001}
  phases: {first: {epochs: 1000}, second: {epochs: 900000}}
YAML
"$ESPALIER" run study.yaml --db live.db >run.out 2>&1 </dev/null &
runner=$!
for _ in $(seq 100); do
    sleep 0.1
    [ -s live.db ] && "$ESPALIER" status --db live.db --format json 2>/dev/null | grep -q '"phase": "second"' && break
done
start --db live.db
ask 200 /api/live/small
first=$(jq '[.running.rows[][9]] | add' body)
jq -e '.running.rows | any(.[0] == "running" and .[8] == "second" and .[12] > 0)' body >/dev/null ||
    fail "live: $(cat body)"
for _ in $(seq 20); do ask 200 /api/study/small; done
sleep 1
ask 200 /api/live/small
second=$(jq '[.running.rows[][9]] | add' body)
[ "$second" -gt "$first" ] || fail "epochs do not land: $first, $second"
id=$(jq -r '.running.rows[0][4]' body)
ask 200 "/api/curves?trials=$id&points=50"
jq -e '.curves[0] | (.points | length <= 52) and .every > 1 and (.points[-1][0] == .last)' body >/dev/null || fail "curve: $(cat body)"
kill -INT $runner
wait $runner
[ $? = 130 ] || fail "the run was held up"
ask 200 /api/live/small
jq -e '.running.rows == []' body >/dev/null || fail "nothing runs: $(cat body)"
expect 0 "$ESPALIER" db check --db live.db
kill -TERM "$server"
wait "$server"

[ "$failures" = 0 ] || exit 1
echo "serve: all as expected"
