#!/bin/bash
# espalier serve below a path of a proxy, and by the proxy's name: every link of every page leads on,
# as browsers resolve it, and so does what the pages ask for themselves.
# shellcheck source=tests/fixtures/command_line.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fixtures/command_line.sh"
command -v python3 >/dev/null || {
    echo "skipped: python3 is not on this machine"
    exit 77
}
if "$ESPALIER" serve --db none.db 2>&1 | grep -q "built without"; then
    echo "skipped: built without libmicrohttpd"
    exit 77
fi
for bad in '' '*' '*.example' http://lab.example lab.example/x 'a b' lab:x '[::1'; do
    expect 2 "$ESPALIER" serve --db none.db --host "$bad"
    says "--host '$bad': expected a name as browsers send it"
done
"$ESPALIER_BUILD/tests/test_views" --make r.db || exit 1
: >url
"$ESPALIER" serve --db r.db --port 0 --host lab.example --host 10.1.2.3 >url 2>serve.err &
server=$!
trap 'kill "$server" 2>/dev/null; rm -rf "$scratch"' EXIT
for _ in $(seq 100); do [ -s url ] && break; sleep 0.1; done

cat >proxy.py <<'PY'
import http.client, http.server, re, sys, threading, urllib.parse
from html.parser import HTMLParser

server = urllib.parse.urlsplit(sys.argv[1]).netloc
failures = []

def fail(*words):
    failures.append(' '.join(map(str, words)))

def get(address, path, host):
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request('GET', path, headers={'Host': host, 'Sec-Fetch-Site': 'same-origin'})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, body

# Takes its prefix away and hands on what is left, with the name the browser used, as nginx does.
class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.0'
    def do_GET(self):
        if not self.path.startswith('/proxy/8017'):
            self.send_error(404, 'outside of the prefix')
            return
        rest = self.path[len('/proxy/8017'):]
        code, headers, body = get(server, rest if rest[:1] == '/' else '/' + rest, self.headers['Host'])
        self.send_response(code)
        self.send_header('Content-Type', headers['Content-Type'])
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *words):
        pass

proxy = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
at = '127.0.0.1:%d' % proxy.server_port

class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.home, self.name = [], None, None
    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        self.found += [a[k] for k in ('href', 'action', 'src') if a.get(k) and not a[k].startswith('data:')]
        self.home = a['href'] if a.get('id') == 'home' else self.home
        self.name = a.get('data-path', self.name)

seen, todo = {}, ['http://lab.example/proxy/8017/', 'http://lab.example/proxy/8017/study/s/',
                  'http://lab.example/proxy/8017//study/s', 'http://lab.example/proxy/8017/study/s/report/',
                  'http://lab.example/proxy/8017/sql/', 'http://lab.example/proxy/8017/study/s?metric=test.soft_loss']
while todo:
    url = todo.pop()
    parts = urllib.parse.urlsplit(url)
    path = parts.path + ('?' + parts.query if parts.query else '')
    if path in seen:
        continue
    code, headers, body = get(at, path, 'lab.example')
    seen[path] = body
    if code != 200:
        fail(code, 'for', path)
        continue
    links = Links()
    links.feed(body)
    for link in links.found:
        if link.startswith('#'):
            continue
        if link.startswith('/') or ':' in link.split('?')[0]:
            fail(path, 'has the link', link)
        elif 'report' not in path or 'study' in link:
            todo.append(urllib.parse.urljoin(url, link))
    if links.home:  # what the page's script asks for
        home = urllib.parse.urljoin(url, links.home)
        if not home.endswith('/proxy/8017/'):
            fail(path, 'leads home to', home)
        asked = ['api/studies', 'api/query?name=spread&set.study=s']
        asked += ['api/live/' + links.name, 'api/study/' + links.name] if links.name else []
        for ask in asked:
            code, headers, data = get(at, urllib.parse.urlsplit(home + ask)._replace(scheme='', netloc='').geturl(), 'lab.example')
            if code != 200 or not data.startswith('{'):
                fail(path, 'asks for', ask, 'and gets', code, data[:80])
for wanted in ('/proxy/8017/study/s', '/proxy/8017/study/s/report', '/proxy/8017/sql', '/proxy/8017/study/table1'):
    if wanted not in seen:
        fail('no link to', wanted)
script = max(re.findall(r'<script>(.*?)</script>', seen['/proxy/8017/study/s'], re.S), key=lambda s: s.count('ask('))
if re.search(r'''["'`]/(api|study|sql)''', script):
    fail('the script has an address from the root')

for host, code in (('lab.example', 200), ('LAB.example.:8443', 200), ('10.1.2.3', 200), ('localhost', 200), ('127.0.0.1', 200),
                   ('evil.example', 403), ('lab.example.evil.example', 403), ('10.1.2.4', 403)):
    got, _, body = get(server, '/', host)
    if got != code:
        fail('Host', host, 'gets', got, 'and not', code)
    if code == 403 and ('--host' not in body or host in body):
        fail('a refusal says', body)
print('\n'.join(failures) or 'all is well: %d pages' % len(seen))
sys.exit(len(failures) > 0)
PY
expect 0 python3 proxy.py "$(cat url)"
cat stdout
[ $failures = 0 ] || exit 1
