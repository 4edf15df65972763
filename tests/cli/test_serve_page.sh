#!/usr/bin/env bash
# The pages of espalier serve in a headless browser while a study runs: load, live update, filter,
# compare, sort, SQL, phone width. Skips without node, puppeteer-core or a browser.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || browser=""
if [ -z "$browser" ] || ! node -e 'require("puppeteer-core")' 2>/dev/null; then
    skip "needs node, puppeteer-core (NODE_PATH) and chromium"
fi
if "$ESPALIER" serve --db none.db 2>&1 | grep -q "built without"; then
    skip "built without libmicrohttpd"
fi

cat >study.yaml <<'YAML'
study: watched
title: A study to look at
seeds: 0..1
defaults:
  data: {name: toy}
  model: {kind: fff, training_width: 8, leaf_width: 2}
  losses: {cross_entropy: {weight: 1}, balance: {weight: 1}}
  optimizer: {kind: adam, learning_rate: 0.003}
  phases: {first: {epochs: 500}, second: {epochs: 900000}}
  early_stopping: {monitor: train.running_loss, patience: 900000}
  selection: {monitor: test.hard_accuracy}
variants:
  baseline: {reference: true, set: {losses.balance.weight: 0}}
  balanced: {}
YAML
# As long as the browser looks; then the same trials, shorter, to their end.
"$ESPALIER" run study.yaml --db r.db --jobs 4 >run.out 2>&1 </dev/null &
runner=$!
for _ in $(seq 100); do
    sleep 0.1
    [ "$(value r.db "SELECT count(*) FROM learning_curve WHERE epoch = 20" 2>/dev/null)" -gt 3 ] 2>/dev/null && break
done
"$ESPALIER" serve --db r.db --port 0 >url 2>serve.err &
server=$!
for _ in $(seq 50); do [ -s url ] && break; sleep 0.1; done
node "$ESPALIER_SOURCE/tests/fixtures/drive_serve.cjs" "$(cat url)" watched "$browser" "${ESPALIER_SHOTS:-}" >drive.out 2>&1 &
driver=$!
for _ in $(seq 900); do
    sleep 0.2
    grep -q '^loaded' drive.out && break
    kill -0 $driver 2>/dev/null || break
done
kill -INT $runner
wait $runner
sed -i 's/900000}}/100}}/; s/patience: 900000/patience: 100/' study.yaml
expect 0 "$ESPALIER" run study.yaml --db r.db
wait $driver || fail "the browser found something wrong"
cat drive.out
kill -TERM $server
wait $server
[ $? = 130 ] || fail "SIGTERM ends it with another code than 130"

# ---- hostile names -----------------------------------------------------------------------------
"$ESPALIER_BUILD/tests/test_views" --make hostile.db || exit 1
sqlite3 hostile.db "UPDATE study SET name = char(7) || '\"><script>alert(1)</script>é/..?#&%41' WHERE name = 's';
    UPDATE study SET name = '$(head -c 10000 /dev/zero | tr '\0' x)' WHERE name = 'table1';
    UPDATE revision SET title = '<img src=x onerror=alert(1)>',
        variants = replace(variants, 'balanced', '</script><script>alert(2)</script>');
    UPDATE cell SET label = '<svg onload=alert(3)>' || label, variant =
        replace(variant, 'balanced', '</script><script>alert(2)</script>');
    UPDATE attempt SET message = '<b onmouseover=alert(4)>' || message" || fail "no hostile database"
: >url
"$ESPALIER" serve --db hostile.db --port 0 >url 2>serve.err &
server=$!
for _ in $(seq 50); do [ -s url ] && break; sleep 0.1; done
node "$ESPALIER_SOURCE/tests/fixtures/drive_serve.cjs" "$(cat url)" "" "$browser" >drive.out 2>&1 ||
    fail "hostile names: $(cat drive.out)"
cat drive.out
kill -TERM $server
wait $server
[ "$failures" = 0 ] || exit 1
