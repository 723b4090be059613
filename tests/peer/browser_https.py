"""A page of another origin, in Chromium, uses the gateway by HTTPS: fetch with its preflight, EventSource; and one that is not
named does not. Without HTTPS and CORS too: what a page of a stranger can do to a gateway on loopback is nothing."""

import http.server
import threading

import peers
from chromium import Chromium
from https import Secure
from peers import Gateway, Peer, check, equal, eventually, segment


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=C0103
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>app</title>")

    def log_message(self, *_):  # pylint: disable=W0221
        pass


def serve_page():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://app.localhost:{server.server_port}"


APP, STRANGER = serve_page(), serve_page()
EPMD, COOKIE = peers.Epmd(), peers.fresh_cookie()
PEER = Peer("27", "a27@localhost", EPMD.port, COOKIE).ready()
PEER.eval("testpeer:serve(srv)")
CALL = f"/v1/nodes/{segment(PEER.node)}/processes/srv/call"

# POST with JSON is not a simple request: the browser asks first.
FETCH = """
    const r = await fetch(a[0], {method: "POST", body: a[1], headers: {"Content-Type": "application/json",
                                                                      "Authorization": "Bearer t", "X-Request-Id": "mine"}});
    return {status: r.status, id: r.headers.get("X-Request-Id"), text: await r.text()};
"""
READ = """
    const source = new EventSource(a[0], {withCredentials: true}), seen = [];
    return await new Promise((give) => {
        source.addEventListener("monitor", (e) => {
            seen.push("monitor");
            fetch(a[1], {method: "POST", body: '"stop"', headers: {"Content-Type": "application/json"}});
        });
        source.addEventListener("down", (e) => { source.close(); give([...seen, JSON.parse(e.data).reason]); });
        source.onerror = () => { source.close(); give([...seen, "error"]); };
    });
"""
SIMPLE = """
    await fetch(a[0], {method: "POST", body: a[1], mode: "no-cors",
                       headers: {"Content-Type": "application/x-www-form-urlencoded"}});
    return "sent";
"""
ECHO = '{"$tuple": [{"$atom": "echo"}, "hello"]}'


def test_a_page_that_is_named_uses_the_gateway():
    gate = Secure("--cors-origin", APP, epmd=f"127.0.0.1:{EPMD.port}", cookie=COOKIE, epmd_port=EPMD.port)
    page = Chromium(APP)
    got = page.script(FETCH, gate.url + CALL, ECHO)
    equal(got, {"status": 200, "id": "mine", "text": '"hello"\n'}, "fetch")
    got = page.script(FETCH, f"{gate.url}/v1/nowhere", "1")
    equal((got["status"], got["id"]), (404, "mine"), "an error is seen, too")
    PEER.eval("register(short, spawn(fun() -> receive _ -> ok end end))")
    short = f"{gate.url}/v1/nodes/{segment(PEER.node)}/processes/short"
    equal(page.script(READ, f"{short}/monitor", f"{short}/send"), ["monitor", "normal"], "EventSource")
    page.close()
    gate.stop()


def test_a_page_that_is_not_named_does_not():
    gate = Secure("--cors-origin", APP, epmd=f"127.0.0.1:{EPMD.port}", cookie=COOKIE, epmd_port=EPMD.port)
    page = Chromium(STRANGER)
    check("failed" in page.script(FETCH, gate.url + CALL, ECHO), "fetch")
    equal(page.script(READ, f"{gate.url}/v1/nodes/monitor", gate.url), ["error"], "EventSource")
    # The browser sends this without asking, and hides only the answer: the gateway has to refuse it.
    PEER.eval("register(kept, spawn(fun() -> receive _ -> ok end end))")
    equal(page.script(SIMPLE, f"{gate.url}/v1/nodes/{segment(PEER.node)}/processes/kept/send", '"stop"'), "sent", "a form")
    eventually(lambda: "code=cross-site" in gate.stderr(), "it was refused")
    equal(PEER.eval("is_pid(whereis(kept))"), "true", "the process lives")
    page.close()
    gate.stop()


def test_a_plain_gateway_on_loopback_is_not_reached_from_a_page():
    gate = Gateway(epmd=f"127.0.0.1:{EPMD.port}", cookie=COOKIE, epmd_port=EPMD.port)
    page = Chromium(STRANGER)
    for host in ("127.0.0.1", "localhost", "gate.localhost"):
        at = f"http://{host}:{gate.port}"
        check("failed" in page.script(FETCH, at + CALL, ECHO), host)
        before = gate.stderr().count("code=cross-site")
        equal(page.script(SIMPLE, at + CALL, ECHO), "sent", host)
        eventually(lambda: gate.stderr().count("code=cross-site") > before, "it was refused")  # pylint: disable=W0640
    page.close()
    gate.stop()


if __name__ == "__main__":
    peers.main(globals())
