"""A gateway with three threads (--workers): what is counted is counted over all of them, and each knows who its clients are.

Needs openssl.
"""

import http.client
import json
import os
import re
import select
import signal
import socket
import ssl
import threading
import time

import certs
from lanes import THREADS, Lanes, bearer, post_and_leave, threaded, until, with_boss
from peers import (ERL, JSON, SLOWER, TYPED, Failed, Gateway, Http, Logged, Peer, check, equal, eventually, free_port, freeze, main,
                   problem, serving, temporary_dir, token_for)

# ---- What is exact ---------------------------------------------------------------------------------------------------------


def test_a_session_is_good_at_once_everywhere():
    token, file = token_for("alice")
    gate = threaded("--token-file", file, epmd="none")
    http_of = Lanes(gate, bearer(token)).http()
    for thread, lane in http_of.items():
        made = lane.request("POST", "/v1/session", b"", bearer(token))
        equal(made.status, 201, made)
        cookie = {"Cookie": made.header("set-cookie").partition(";")[0]}
        for other, there in http_of.items():
            equal(there.request("GET", "/v1/session", headers=cookie).status, 200, f"of thread {thread}, at {other}")
        equal(http_of[(thread + 1) % 3].request("DELETE", "/v1/session", headers=cookie).status, 204, "it ends")
        for other, there in http_of.items():
            equal(there.request("GET", "/v1/session", headers=cookie).status, 401, f"of thread {thread}, ended, at {other}")
    gate.stop()


def test_a_rate_is_one_for_all():
    token, file = token_for("alice")
    ops, _ = token_for("ops", file=file)
    gate = threaded("--token-file", file, "--rate-limit", "1/600", epmd="none")
    http_of = Lanes(gate, bearer(ops)).http()
    began = time.monotonic()
    answers = []
    lock = threading.Lock()

    def ask(lane):
        conn = lane.conn
        for _ in range(400):
            conn.request("GET", "/v1/session", headers=bearer(token))
            r = conn.getresponse()
            r.read()
            with lock:
                answers.append(r.status)

    threads = [threading.Thread(target=ask, args=(lane,)) for lane in http_of.values()]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    passed = answers.count(200)
    equal(len(answers), 1200, "answers")
    check(600 <= passed <= 600 + time.monotonic() - began + 1, passed, "of 600 passed in", time.monotonic() - began, "s")
    equal(set(answers), {200, 429}, "statuses")
    gate.stop()


def test_the_budget_of_atoms_is_one_for_all():
    gate = threaded("--atom-budget", "100")
    peer = Peer("27", "kv@localhost", gate.epmd_port, gate.cookie).ready()
    peer.eval("testpeer:serve(srv), ok")
    http_of = Lanes(gate).http()
    path = gate.process_path(peer.node, "srv", "call")
    good = 0
    for n in range(150):
        # Each atom at two threads: it counts once.
        first, second = (http_of[(n + i) % 3].post(path, f"{{echo, fresh_{n}}}", ERL, ERL) for i in (0, 1))
        equal(first.status, second.status, f"atom {n}")
        good += first.status == 200
        if first.status != 200:
            problem(first, 422, "atom-budget-exceeded", sent=False)
    introduced = int(re.search(r"^erlgate_atoms_introduced(?:_total)? (\d+)$", Lanes(gate).scrape(), re.M)[1])
    equal(introduced, 100, "atoms that were introduced")
    check(90 <= good <= 100, good, "atoms passed")
    for lane in http_of.values():
        equal(lane.post(path, "{echo, fresh_0}", ERL, ERL).status, 200, "an atom that is known")
    gate.stop()
    peer.stop()


def test_connections_have_one_limit():
    gate = threaded("--max-connections", "30", epmd="none")
    lanes = Lanes(gate)
    lanes.scrape()
    for _ in range(3):
        eventually(lambda: sum(lanes.connections().values()) == 1, "none are left")
        socks = [lanes.dial() for _ in range(29)]
        for n, s in enumerate(socks):
            s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            check(s.recv(4096).startswith(b"HTTP/1.1 200 "), f"connection {n}")
        counts = lanes.connections()
        check(all(counts[t] >= 5 for t in THREADS), counts)
        for _ in range(6):
            with lanes.dial() as s:
                s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                got = s.recv(4096)
                check(got.startswith(b"HTTP/1.1 503 ") or not got, "one too many:", got)
            eventually(lambda: sum(lanes.connections().values()) == len(socks) + 1, "it has left")
        for s in socks:
            s.close()
    gate.stop()


def test_what_is_lent_takes_no_room_from_the_owners_own():
    """Each thread has its share of --max-in-flight, and a request counts where its connection is."""
    gate = threaded("--max-in-flight", "30")
    peer = with_boss(gate)
    lanes = Lanes(gate)
    socks = lanes.open(*[1] * 8, *[2] * 8, *[0] * 8)
    for s in socks:
        post_and_leave(s, "/v1/global/boss/call?timeout=60000", b"never")
    eventually(lambda: lanes.in_flight() == len(socks), "all wait")
    for thread in THREADS:
        first = lanes.open(thread)[0]
        post_and_leave(first, "/v1/global/boss/call", b"{echo, 1}")
        check(first.recv(4096).startswith(b"HTTP/1.1 200 "), "there is room at thread", thread)
    for s in socks:
        s.close()
    eventually(lambda: lanes.in_flight() == 0, "all are called off")
    gate.stop()
    peer.stop()


def test_requests_for_one_node_have_a_limit_over_all_threads():
    """A node that stands still takes --max-in-flight-per-node places, no more and no less, and leaves the others alone."""
    gate = threaded("--max-in-flight-per-node", "10")
    stalled, well = serving("27", gate), serving("29", gate)
    for node in (stalled.node, well.node):
        equal(gate.http.put(f"/v1/nodes/{node}").status, 200, "connected")
    eventually(lambda: gate.node_info(stalled.node).get("otp_release"), "it needs not be asked for its release any more")
    lanes = Lanes(gate)
    socks = lanes.open(*THREADS * 8)
    path = gate.process_path(stalled.node, "srv", "call") + "?timeout=60000"

    def readable():
        return select.select(socks, [], [], 0)[0]

    def counted():
        return gate.node_info(stalled.node)["in_flight"]

    freeze(stalled.proc.pid)
    try:
        for s in socks:
            post_and_leave(s, path, b"{echo, 1}")
        eventually(lambda: len(readable()) + counted() == len(socks), "each is answered, or waits")
        refused = readable()
        equal(len(refused), len(socks) - 10, "are refused")
        for s in refused:
            said = until(s, b"}")
            check(said.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 1\r\n" in said and b"--max-in-flight-per-node" in said, said)
        for thread, lane in lanes.http().items():
            equal(lane.post(gate.process_path(well.node, "srv", "call"), "{echo, 1}", ERL).status, 200, f"another node, at thread {thread}")
            equal(lane.post(gate.process_path(stalled.node, "srv", "cast"), "x", ERL).status, 202, f"what waits for nothing, at thread {thread}")
            for ask in (lambda: lane.get(f"/v1/nodes/{stalled.node}/ping"), lambda: lane.get(f"/v1/nodes/{stalled.node}/processes"),
                        lambda: lane.get(f"/v1/nodes/{stalled.node}/processes/srv"),
                        lambda: lane.post(f"/v1/nodes/{stalled.node}/rpc/lists/sum", "[[1]]", JSON)):
                problem(ask(), 503, "overloaded", sent=False)
        waiting = [s for s in socks if s not in refused]
        waiting.pop().close()
        eventually(lambda: counted() == 9, "who has left makes room")
        socks = lanes.open(*THREADS)
        for s in socks:
            post_and_leave(s, path, b"{echo, 1}")
        eventually(lambda: len(readable()) == 2, "one may wait in his place")
        waiting += [s for s in socks if s not in readable()]
    finally:
        stalled.proc.send_signal(signal.SIGCONT)
    equal([until(s, b"\r\n")[:12] for s in waiting], [b"HTTP/1.1 200"] * 10, "who has waited")
    gate.stop()
    stalled.stop()
    well.stop()


def test_the_largest_body_is_taken_by_however_many_threads():
    gate = Gateway(args=["--workers", "40"], epmd="none")
    body = b"1" + b" " * (7 << 20)
    for _ in range(5):
        r = gate.http.request("POST", gate.process_path("no@localhost", "srv", "call"), body, {"Content-Type": JSON}, fresh=True)
        problem(r, 503, "no-connection", sent=False)
    gate.stop()


# ---- Who it is -------------------------------------------------------------------------------------------------------------


def by_count(lanes, dial, wanted):
    """Connections of all threads, by how many each has: for those that requests cannot be counted by."""
    found = {}
    for _ in range(20):
        if set(found) >= set(wanted):
            return found
        before = lanes.connections()
        one = dial()
        after = eventually(lambda b=before: (c := lanes.connections()) and sum(c.values()) == sum(b.values()) + 1 and c, "it is counted")
        found.setdefault(next(t for t in THREADS if after[t] != before[t]), one)
    raise Failed(f"threads {set(wanted) - set(found)} have none")


def test_a_unix_domain_socket_is_served_by_all():
    there = temporary_dir() / "sock"
    token, file = token_for("ops")
    gate = threaded("--socket", there, "--token-file", file, "--principal", f"me=uid:{os.getuid()}", epmd="none")
    lanes = Lanes(gate, bearer(token))

    def dial():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20 * SLOWER)
        s.connect(str(there))
        return s

    for thread, s in by_count(lanes, dial, THREADS).items():
        s.sendall(b"GET /v1/session HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = http.client.HTTPResponse(s)
        answer.begin()
        equal((answer.status, json.loads(answer.read())["principal"]), (200, "me"), f"by uid at thread {thread}")
    gate.stop()


def test_https_with_certificates_of_clients():
    ca = certs.Ca()
    leaf = ca.issue("DNS:localhost,IP:127.0.0.1", kind="ec")
    alice = ca.issue(subject="/O=Example/CN=alice", more="extendedKeyUsage=clientAuth\n")
    token, file = token_for("ops")
    admin = free_port()
    gate = Logged(args=["--workers", "3", "--tls-cert", leaf[0], "--tls-key", leaf[1], "--tls-ca", ca.file, "--tls-client-cert", "optional",
                                "--token-file", file, "--principal", "alice=cert:CN=alice,O=Example", "--admin-listen", f"127.0.0.1:{admin}"], epmd="none")
    lanes = Lanes(gate)
    lanes.scraper = Http(admin)
    context = ssl.create_default_context(cafile=ca.file)
    context.load_cert_chain(*alice)

    def dial():
        return context.wrap_socket(socket.create_connection(("127.0.0.1", gate.port), timeout=20 * SLOWER), server_hostname="localhost")

    for thread, s in by_count(lanes, dial, THREADS).items():
        for path, key in (("/v1/session", "principal"), ("/v1/self", "node")):
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = http.client.HTTPResponse(s)
            answer.begin()
            body = json.loads(answer.read())
            equal(answer.status, 200, f"{path} at thread {thread}: {body}")
            if key == "principal":
                equal(body["principal"], "alice", f"by certificate at thread {thread}")
        s.sendall(b"GET /v1/nodes/monitor HTTP/1.1\r\nHost: localhost\r\n\r\n")
        check(b"event: monitor" in until(s, b"event: monitor"), "a stream")
        s.close()
    gate.stop()


def test_a_node_that_is_not_to_be_dialled_has_dialled():
    dir_ = temporary_dir()
    policy = dir_ / "policy.yaml"
    policy.write_text("nodes:\n  connect: [other@*]\nrules:\n  - allow: '*'\n    principals: '*'\n    nodes: '*'\n    targets: '*'\n")
    gate = threaded("--policy-file", policy)
    peer = Peer("27", "kv@localhost", gate.epmd_port, gate.cookie).ready()
    peer.eval("testpeer:serve(srv), ok")
    to = {"to": {"node": peer.node, "name": "srv"}}
    http_of = Lanes(gate).http()

    def ways(lane):
        return [lane.post(gate.process_path(peer.node, "srv", "call"), "{echo, 1}", ERL, TYPED),
                lane.post("/v1/call", {**to, "request": {"$erl": "{echo, 1}"}}, JSON, TYPED),
                lane.post(f"/v1/nodes/{peer.node}/rpc/erlang/abs", "[1]", ERL, TYPED),
                lane.post(gate.process_path(peer.node, "srv", "cast"), "c", ERL),
                lane.post("/v1/cast", {**to, "request": 1}, JSON),
                lane.get(f"/v1/nodes/{peer.node}/processes/srv")]

    for thread, lane in http_of.items():
        equal([r.status for r in ways(lane)], [403] * 6, f"before it dials, at thread {thread}")
    equal(peer.eval(f"net_kernel:connect_node('{gate.node}')"), "true", "it dials")
    for thread, lane in http_of.items():
        equal([r.status for r in ways(lane)], [200, 200, 200, 202, 202, 200], f"once it has, at thread {thread}")
    gate.stop()
    peer.stop()


def test_whoever_leaves_or_is_cut_off_has_been_audited():
    """A line for each call that was asked, though its client has gone, or the gateway stops, before its worker knows of it."""
    folder = temporary_dir()
    policy, audit = folder / "policy.yaml", folder / "audit"
    policy.touch(0o600)
    policy.write_text("rules:\n  - {allow: '*', principals: '*', nodes: '*', targets: '*'}\n  - {allow: metrics, principals: '*'}\n")
    gate = threaded("--policy-file", policy, "--audit-file", audit, "--stop-timeout", "200")
    peer = with_boss(gate)
    lanes = Lanes(gate)

    def lines():
        return [line for line in audit.read_text().splitlines() if "operation=call" in line and "status=200" not in line]

    at_first = len(lines())
    for thread in THREADS:
        before = len(lines())
        socks = lanes.open(*[thread] * 5)
        for s in socks:
            post_and_leave(s, "/v1/global/boss/call?timeout=60000", b"never")
        eventually(lambda: gate.self()["calls"] == 5, "five wait")
        for s in socks:
            s.close()
        eventually(lambda b=before: len(lines()) == b + 5, f"lines of thread {thread}")
    socks = lanes.open(*THREADS)
    for s in socks:
        post_and_leave(s, "/v1/global/boss/call?timeout=60000", b"never")
    eventually(lambda: gate.self()["calls"] == 3, "three wait")
    gate.stop()
    equal(len(lines()), at_first + 18, "lines after the stop")
    peer.stop()


if __name__ == "__main__":
    main(globals())
