"""EventSource, in Chromium and of npm: a monitor's `down`, a lost connection without a lost event, and a gap that is told.

Both read through a proxy of this test, which serves the page (so that it is of the gateway's own origin, as the browser sees it)
and can cut what goes through it.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import urllib.parse

import peers
from chromium import Chromium
from peers import SOURCE, Gateway, Peer, check, equal, eventually

NPM = pathlib.Path(os.environ.get("ERLGATE_NPM") or SOURCE / "build" / "npm")
GATE = Gateway()
SMALL = Gateway("small@localhost", epmd=f"127.0.0.1:{GATE.epmd_port}", epmd_port=GATE.epmd_port, cookie=GATE.cookie,
                args=["--stream-events", "4"])
TOKEN, TOKEN_FILE = peers.token_for("alice")
GUARDED = Gateway("guarded@localhost", epmd=f"127.0.0.1:{GATE.epmd_port}", epmd_port=GATE.epmd_port, cookie=GATE.cookie,
                  args=["--token-file", TOKEN_FILE])
PEER = Peer("27", "a27@localhost", GATE.epmd_port, GATE.cookie).ready()

PAGE = b"""<!doctype html><meta charset=utf-8><title>events</title><script>
const seen = window.seen = [];
const query = new URLSearchParams(location.search), hash = new URLSearchParams(location.hash.slice(1));
const ask = (method, path, headers) => fetch(path, {method, headers}).then((r) => r.status);
const listen = () => {
const source = new EventSource(query.get("url"));
for (const name of ["monitor", "down", "gap", "bye"])
    source.addEventListener(name, (e) => seen.push({event: name, id: e.lastEventId, data: JSON.parse(e.data)}));
source.onopen = () => seen.push({event: "open"});
source.onerror = () => seen.push({event: "error", state: source.readyState});
};
// What stands behind # never leaves the browser.
if (hash.get("token"))
    ask("POST", "/v1/session", {Authorization: `Bearer ${hash.get("token")}`}).then((status) => {
        seen.push({event: "session", status, cookie: document.cookie});
        listen();
    });
else
    listen();
</script>"""


class Proxy:
    """Carries bytes to a gateway and back; serves the page; cut() resets all that is open."""

    def __init__(self, gate):
        self.gate = gate
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.open, self.carried, self.is_down = set(), 0, False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                got = client.recv(65536)
                if not got:
                    return
                head += got
            path = head.split(b" ")[1]
            if not path.startswith(b"/v1/"):
                body = PAGE if path.startswith(b"/page") else b""
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                               % len(body) + body)
                return
            with self.lock:
                if self.is_down:
                    return
                upstream = socket.create_connection(("127.0.0.1", self.gate.http.port))
                self.open |= {client, upstream}
                self.carried += 1
            upstream.sendall(head)
            threading.Thread(target=self._pump, args=(client, upstream), daemon=True).start()
            self._pump(upstream, client)
        except OSError:
            pass
        finally:
            client.close()

    @staticmethod
    def _pump(source, sink):
        try:
            while got := source.recv(65536):
                sink.sendall(got)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        """Nothing gets through, until heal()."""
        with self.lock:
            self.is_down = True
            for s in self.open:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.open.clear()

    def heal(self):
        with self.lock:
            self.is_down = False


class Node:
    """npm's eventsource, in Node.js: a line of JSON for each event."""

    def __init__(self, url):
        self.lines = []
        self.proc = peers.spawn(["node", SOURCE / "tests" / "npm" / "eventsource.mjs", url], cwd=NPM, stdout=subprocess.PIPE,
                                env={**os.environ, "NPM": str(NPM)})
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.proc.stdout:
            self.lines.append(json.loads(line))

    def seen(self):
        return list(self.lines)

    def close(self):
        peers.end(self.proc)


def reader(kind, proxy, path):
    if kind is Chromium:
        return Chromium(f"http://127.0.0.1:{proxy.port}/page?url={urllib.parse.quote(path, safe='')}")
    return Node(f"http://127.0.0.1:{proxy.port}{path}")


def named(seen, event):
    return [e for e in seen if e["event"] == event]


def spawned(name):
    PEER.eval(f"register({name}, spawn(fun() -> receive stop -> ok end end))")
    return name


def end_process(name):
    PEER.eval(f"M = monitor(process, {name}), {name} ! stop, receive {{'DOWN', M, _, _, _}} -> ok end")


def monitors(names, **query):
    return "/v1/events?" + urllib.parse.urlencode([("monitor", f"/nodes/{PEER.node}/processes/{n}") for n in names] + list(query.items()))


def reads_a_down_and_resumes(kind):
    proxy = Proxy(GATE)
    first, second, third = (spawned(f"{n}_{kind.__name__.lower()}") for n in ("first", "second", "third"))
    r = reader(kind, proxy, monitors([first, second, third]))
    eventually(lambda: len(named(r.seen(), "monitor")) == 3, "three monitors", 30)
    end_process(first)
    eventually(lambda: len(named(r.seen(), "down")) == 1, "down of the first")
    proxy.cut()
    eventually(lambda: named(r.seen(), "error"), "the connection is lost")
    end_process(second)
    proxy.heal()
    eventually(lambda: len(named(r.seen(), "down")) == 2, "down of the second, after the connection was lost", 30)
    end_process(third)
    eventually(lambda: len(named(r.seen(), "down")) == 3, "down of the third")
    seen = r.seen()
    equal(named(seen, "gap"), [], "nothing is lost")
    equal(len(named(seen, "monitor")), 3, "nothing comes twice")
    targets = [d["data"]["target"] for d in named(seen, "down")]
    check(all(n in t for n, t in zip((first, second, third), targets)), "targets", targets)
    equal([d["data"]["reason"] for d in named(seen, "down")], ["normal"] * 3, "reasons")
    ids = [e["id"] for e in seen if e["event"] in ("monitor", "down")]
    numbers = [int(i.rpartition("-")[2]) for i in ids]
    equal(numbers, sorted(set(numbers)), "ids go up")
    check(proxy.carried >= 2, "it has connected again", proxy.carried)
    r.close()


def test_Chromium_reads_a_down_and_resumes():
    reads_a_down_and_resumes(Chromium)


def test_npm_eventsource_reads_a_down_and_resumes():
    reads_a_down_and_resumes(Node)


def is_told_of_a_gap(kind):
    """Six processes end while nobody reads a stream that keeps four events."""
    proxy = Proxy(SMALL)
    names = [spawned(f"g{i}_{kind.__name__.lower()}") for i in range(6)]
    r = reader(kind, proxy, monitors(names))
    eventually(lambda: len(named(r.seen(), "monitor")) + sum(g["data"]["lost"] or 0 for g in named(r.seen(), "gap")) == 6,
               "six monitors, or word of them", 30)
    before = len(r.seen())
    proxy.cut()
    eventually(lambda: named(r.seen(), "error"), "the connection is lost")
    for n in names:
        end_process(n)
    proxy.heal()
    eventually(lambda: len(named(r.seen(), "down")) == 4, "the four that are left", 30)
    after = [e for e in r.seen()[before:] if e["event"] in ("gap", "down")]
    equal([e["event"] for e in after], ["gap"] + ["down"] * 4, "the gap stands in the place of what is lost")
    equal(after[0]["data"], {"lost": 2}, "how many are lost")
    r.close()


def test_Chromium_is_told_of_a_gap():
    is_told_of_a_gap(Chromium)


def test_npm_eventsource_is_told_of_a_gap():
    is_told_of_a_gap(Node)


def test_a_session_in_Chromium():
    """A token becomes a cookie that no script sees, which EventSource sends, and which is good for GET alone."""
    proxy = Proxy(GUARDED)
    name, lasting = spawned("session_test"), spawned("session_lasting")
    page = Chromium(f"http://127.0.0.1:{proxy.port}/page?url={urllib.parse.quote(monitors([name, lasting]), safe='')}#token={TOKEN}")
    eventually(lambda: named(page.seen(), "monitor"), "the stream is read", 30)
    equal(named(page.seen(), "session"), [{"event": "session", "status": 201, "cookie": ""}], "the session; no script sees its cookie")
    cookie = page.cookies()[0]
    equal((cookie["name"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]), ("erlgate", True, "Strict", "/"), "the cookie")
    equal(page.script('return ask("GET", "/v1/self")'), 200, "GET with the cookie")
    equal(page.script('return ask("POST", "/v1/call")'), 401, "POST with the cookie")
    end_process(name)
    eventually(lambda: named(page.seen(), "down"), "down")
    # A reload that takes the token away ends the stream, and what EventSource asks then is refused for good.
    equal((named(page.seen(), "bye"), named(page.seen(), "error")), ([], []), "it goes on")
    TOKEN_FILE.write_text("")
    GUARDED.proc.send_signal(signal.SIGHUP)
    eventually(lambda: named(page.seen(), "bye"), "bye")
    eventually(lambda: named(page.seen(), "error")[-1:] == [{"event": "error", "state": 2}], "EventSource has given up", 30)
    eventually(lambda: page.script('return ask("GET", "/v1/self")') == 401, "the cookie is good no more")
    equal(page.script('return ask("DELETE", "/v1/session")'), 204, "DELETE")
    equal(page.cookies(), [], "the cookie is gone")
    page.close()


peers.main(globals())
