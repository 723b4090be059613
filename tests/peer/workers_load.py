"""A gateway with three threads (--workers): reloaded, drained and stopped while all of them are at work; and whatever its clients
do, one costs the others nothing, and leaves nothing behind.
"""

import http.client
import re
import resource
import signal
import socket
import threading
import time

from lanes import THREADS, Lanes, bearer, is_quiet, post_and_leave, reset, threaded, until, with_boss
from peers import (ERL, JSON, SLOWER, Gateway, Peer, check, equal, eventually, free_port, main, put_whole, segment,
                   temporary_dir, token_for)

# ---- Under load ------------------------------------------------------------------------------------------------------------


class Load:
    """Calls again and again on one connection, until it is told to stop; what is told to close is dialled again."""

    def __init__(self, port, path, body=b"{echo, 1}", wanted=b"1", headers=None, is_drained=False, sock=None, kept=True):
        self.port, self.path, self.body, self.wanted, self.is_drained, self.kept = port, path, body, wanted, is_drained, kept
        self.headers = {"Content-Type": ERL, "Accept": ERL, **(headers or {})}
        self.good, self.bad, self.is_over, self.sock = 0, [], False, sock
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def dial(self):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * SLOWER)
        conn.sock, self.sock = self.sock, None
        if conn.sock is None:
            conn.connect()
        return conn

    def run(self):
        conn = None
        while not self.is_over:
            try:
                conn = conn or self.dial()
            except OSError as e:
                if not self.is_drained:
                    self.bad.append(repr(e))
                return
            try:
                conn.request("POST", self.path, self.body, self.headers)
                answer = conn.getresponse()
                text = answer.read().strip()
            except (OSError, http.client.HTTPException) as e:
                self.bad.append(repr(e))
                return
            if answer.status == 200 and text == self.wanted:
                self.good += 1
            else:
                self.bad.append((answer.status, text[:300]))
            if answer.will_close or not self.kept:
                conn.close()
                conn = None

    def ended(self):
        self.is_over = True
        self.thread.join(30 * SLOWER)
        equal(self.bad, [], f"requests that failed at {self.path}")
        return self.good


def test_reload_under_load():
    dir_ = temporary_dir()
    token, tokens = token_for("steady")
    policy, config, audit = dir_ / "policy.yaml", dir_ / "erlgate.yaml", dir_ / "audit"

    def put_all(n):
        put_whole(policy, f"rules:\n  - allow: '*'\n    principals: '*'\n    nodes: '*'\n    targets: [name:srv, name:other{n}, 'global:*']\n"
                    "  - allow: metrics\n    principals: '*'\n")
        put_whole(config, f"token-file: {tokens}\npolicy-file: {policy}\nmax-headers: {16384 + 1024 * (n % 3)}\nidle-timeout: {30000 + 1000 * (n % 2)}\n"
                    f"max-in-flight: {1000 + n}\nrate-limit: {100000 + n}\naudit-file: {audit}\nlog-level: {('info', 'debug')[n % 2]}\n")

    put_all(0)
    gate = threaded("--config", config)
    peer = with_boss(gate, bearer(token))
    path = gate.process_path(peer.node, "srv", "call")
    lanes = Lanes(gate, bearer(token))
    # (Under load nobody can tell any more which thread a connection belongs to.)
    http_of, socks = lanes.http(), lanes.open(*THREADS, 1, 2)
    load = [Load(gate.port, path if n < 3 else "/v1/global/boss/call", headers=bearer(token), sock=s) for n, s in enumerate(socks)]
    load.append(Load(gate.port, path, headers=bearer(token), kept=False))
    for n in range(1, 13):
        fresh, _ = token_for(f"user{n}", file=tokens)
        put_all(n)
        before = gate.log.read_text().count(" reloaded ")
        audit.rename(dir_ / f"audit.{n}")
        gate.proc.send_signal(signal.SIGHUP)
        eventually(lambda b=before: gate.log.read_text().count(" reloaded ") > b, f"reload {n}")
        # (Not together with the other: libuv's handler takes a lock, and ThreadSanitizer may deliver one signal within another's.)
        gate.proc.send_signal(signal.SIGUSR1)
        if n % 4 == 0:
            for lane in http_of.values():
                for name, status in ((f"other{n}", 404), (f"other{n - 1}", 403)):
                    r = lane.request("POST", gate.process_path(peer.node, name, "call"), "x", {"Content-Type": ERL, **bearer(fresh)})
                    equal(r.status, status, f"{name} after reload {n} at thread {lane.thread}: {r}")
    goods = [one.ended() for one in load]
    check(all(g > 12 for g in goods), goods)
    check("reload-failed" not in gate.log.read_text(), "a reload failed")
    gate.stop()
    lines = [line for path_ in dir_.glob("audit*") for line in path_.read_text().splitlines()]
    calls = sum("steady" in line and "name:srv" in line or "boss" in line for line in lines)
    check(calls >= sum(goods), "lines of the audit", calls, "for calls", sum(goods), lines[:3])
    print(f"        {sum(goods)} requests over 12 reloads")
    peer.stop()


def test_drain_under_load_with_streams():
    gate = threaded("--stop-timeout", "20000")
    peer = with_boss(gate)
    path = gate.process_path(peer.node, "srv", "call")
    lanes = Lanes(gate)
    streams = [lanes.stream(t, f"/v1/nodes/{segment(peer.node)}/processes/srv/monitor") for t in THREADS * 4]
    for s in streams:
        s.next("monitor")
    asks = [(path, 5), (path, 300), ("/v1/global/boss/call", 30)]
    socks = lanes.open(*THREADS * len(asks))
    load = [Load(gate.port, asks[n // 3][0], f"{{later, {asks[n // 3][1]}, done}}".encode(), b"done", is_drained=True, sock=s)
            for n, s in enumerate(socks)]
    eventually(lambda: all(one.good > 2 or one.bad for one in load), "all are at work", 30)
    gate.proc.send_signal(signal.SIGTERM)
    for one in load:
        one.thread.join(30 * SLOWER)
        equal(one.bad, [], f"lost at {one.path}")
    equal(gate.proc.wait(20 * SLOWER), 0, "exit status")
    for s in streams:
        s.next("bye")
        s.ends()
    gate.check_log()
    log = gate.log.read_text()
    check(" drained " in log and "drain-cut" not in log, log[-2000:])
    peer.stop()


def test_the_second_sigterm_ends_at_once():
    gate = threaded("--stop-timeout", "60000")
    peer = with_boss(gate)
    lanes = Lanes(gate)
    socks = lanes.open(*THREADS * 2)
    for n, s in enumerate(socks):
        post_and_leave(s, gate.process_path(peer.node, "srv", "call") if n < 3 else "/v1/global/boss/call", b"never")
    eventually(lambda: lanes.in_flight() == len(socks), "all wait")
    gate.proc.send_signal(signal.SIGTERM)
    eventually(lambda: " draining " in gate.log.read_text(), "it drains")
    check(gate.is_alive(), "it waits for them")
    began = time.monotonic()
    gate.proc.send_signal(signal.SIGTERM)
    for s in socks:
        got = s.recv(4096)
        check(got.startswith(b"HTTP/1.1 503 ") and b'"sent":true' in got.replace(b'": ', b'":'), "told that it stops:", got)
    equal(gate.proc.wait(10 * SLOWER), 0, "exit status")
    check(time.monotonic() - began < 5 * SLOWER, "it took", time.monotonic() - began)
    gate.check_log()
    peer.stop()


# ---- Those who mean harm ---------------------------------------------------------------------------------------------------


def is_as_before(gate, lanes, fds):
    eventually(lambda: is_quiet(lanes), "no connection is left", 20)
    eventually(lambda: gate.fds() <= fds + 1, f"descriptors: {gate.fds()}, before {fds}", 10)


class Hostile:
    def __init__(self, *args):
        self.gate = threaded(*args)
        self.peer = with_boss(self.gate)
        self.lanes = Lanes(self.gate)
        self.path = self.gate.process_path(self.peer.node, "srv", "call")
        for s in self.lanes.open(*THREADS):
            s.close()
        eventually(lambda: is_quiet(self.lanes), "all is quiet")
        self.fds = self.gate.fds()

    def ended(self):
        is_as_before(self.gate, self.lanes, self.fds)
        eventually(lambda: self.peer.eval("length(element(2, process_info(whereis(srv), monitored_by)))") in ("0", "1"), "no monitor is left")
        self.gate.stop()
        self.peer.stop()


def test_floods_of_connections_that_come_and_go():
    h = Hostile()
    load = [Load(h.gate.port, h.path, sock=s) for s in h.lanes.open(*THREADS)]

    def flood(end_of):
        for _ in range(1000):
            s = h.lanes.dial()
            end_of(s)

    def half(s):
        s.sendall(b"POST /v1/processes HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        reset(s)

    def lent(s):
        post_and_leave(s, "/v1/global/boss/call", b"never")
        reset(s)

    def call(s):
        post_and_leave(s, h.path, b"never")
        reset(s)

    floods = [threading.Thread(target=flood, args=(f,)) for f in (reset, lambda s: s.close(), half, lent, call)]
    for f in floods:
        f.start()
    for f in floods:
        f.join()
    print(f"        {sum(one.ended() for one in load)} calls meanwhile")
    h.ended()


def test_aborts_in_the_middle():
    """Of a body that would be lent, of a reply, of a stream; and half-closed ones are answered."""
    h = Hostile()
    for round_ in range(20):
        for s in h.lanes.open(*THREADS):
            head = b"POST /v1/%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/x-erlang\r\nContent-Length: 1000000\r\n\r\n"
            s.sendall(head % (b"global/boss/call", b"processes")[round_ % 2] + b" " * (1000 * round_))
            reset(s) if round_ % 3 else s.close()
    for s in h.lanes.open(*THREADS):
        post_and_leave(s, h.path, b"{bytes, 5000000}")
        s.recv(1000)
        reset(s)
    for s in h.lanes.open(*THREADS * 2):
        post_and_leave(s, "/v1/global/boss/call", b"{later, 20, here}")
        s.shutdown(socket.SHUT_WR)  # who waits for more than a second then is taken for one that has left (http/sweep.c)
        check(until(s, b'"here"').startswith(b"HTTP/1.1 200 "), "a half-closed connection")
    for s in h.lanes.open(*THREADS):
        s.sendall(b"GET /v1/nodes/monitor?linger=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reset(s)
    h.ended()


def test_readers_that_read_no_more():
    h = Hostile("--idle-timeout", "2000")
    made = h.gate.http.post("/v1/processes", {"name": "sink", "ttl": 600000}, JSON).json
    rss = h.gate.rss()
    for thread in THREADS:
        s = h.lanes.open(thread)[0]
        s.sendall(f"GET /v1/processes/{made['id']}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(s, b"\r\n\r\n")
        h.peer.eval(f"[{{sink, '{h.gate.node}'}} ! binary:copy(<<\"x\">>, 10000) || _ <- lists:seq(1, 5000)], ok")
        eventually(lambda: h.gate.http.get("/livez").status == 200, "others are served")
        h.peer.eval(f"#{{}} = sys:get_state({{sink, '{h.gate.node}'}}, 30000), ok", 40)  # all of it has been taken
        # (A sanitizer keeps for a while what has been freed.)
        check(h.gate.rss() < rss + 40000 or SLOWER > 1, f"from {rss} to {h.gate.rss()} kB for a reader that does not read")
        reset(s)
    h.gate.http.delete(f"/v1/processes/{made['id']}")
    h.gate.http._local.conn.close()  # pylint: disable=protected-access
    h.ended()


def test_thousands_of_streams_at_workers():
    h = Hostile()
    before = h.gate.rss()
    socks = []
    for _ in range(3000):
        s = h.lanes.dial()
        s.sendall(b"GET /v1/nodes/%s/processes/srv/monitor?linger=0 HTTP/1.1\r\nHost: localhost\r\n\r\n" % h.peer.node.encode())
        socks.append(s)
    for s in socks:
        until(s, b"event: monitor")
    counts = h.lanes.connections()
    check(all(counts[t] > 600 for t in THREADS), counts)
    most = h.gate.rss()
    for s in socks:
        reset(s)
    eventually(lambda: h.peer.eval("length(element(2, process_info(whereis(srv), monitored_by)))") in ("0", "1"), "the monitors are gone", 20)
    is_as_before(h.gate, h.lanes, h.fds)
    if SLOWER == 1:
        eventually(lambda: h.gate.rss() < before + (most - before) / 2, f"memory: before {before}, then {most}, now {h.gate.rss()}", 30)
    print(f"        resident before {before}, then {most}, and when all is over {h.gate.rss()} KiB")
    # Once more, and the gateway ends while they read; and once more, and it is killed.
    socks = [h.lanes.dial() for _ in range(500)]
    for s in socks:
        s.sendall(b"GET /v1/nodes/%s/processes/srv/monitor HTTP/1.1\r\nHost: localhost\r\n\r\n" % h.peer.node.encode())
    for s in socks:
        until(s, b"event: monitor")
    h.gate.proc.send_signal(signal.SIGTERM)
    for s in socks:
        until(s, b"event: bye")
        s.close()
    equal(h.gate.proc.wait(20 * SLOWER), 0, "exit status")
    h.gate.check_log()
    h.peer.stop()


def test_descriptors_are_used_up():
    """New connections wait until there are some again; those that are there are served."""
    gate = threaded(epmd="none")
    lanes = Lanes(gate)
    load_socks = lanes.open(*THREADS)
    lanes.scrape()
    room = gate.fds() + 40
    resource.prlimit(gate.proc.pid, resource.RLIMIT_NOFILE, (room, room))
    socks = [lanes.dial() for _ in range(100)]

    def told():
        return [int(n) for n in re.findall(r" accept-failed .*times=(\d+)", gate.log.read_text())]

    eventually(told, "no more can be had")
    for s in load_socks:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        check(s.recv(4096).startswith(b"HTTP/1.1 200 "), "who is there is served")
    used = gate.cpu_s()
    time.sleep(1)
    check(gate.cpu_s() - used < 0.3 * SLOWER, "it spins:", gate.cpu_s() - used, "s in one")
    equal(told(), [1], "a line of the log, and none for each time that it is tried again")
    check(eventually(lambda: told()[1:], "it is told again")[0] > 20, "how often it was tried:", told())
    waiting = socks[-1]
    for s in socks[:-1]:
        s.close()
    waiting.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    check(waiting.recv(4096).startswith(b"HTTP/1.1 200 "), "who has waited is served")
    waiting.close()
    for s in load_socks:
        s.close()
    eventually(lambda: is_quiet(lanes), "no connection is left")
    gate.stop()


def test_workers_leave_descriptors_for_connections():
    """With few descriptors the limit of connections is lowered so far that there is one for each, and for those who are told 503."""
    gate = Gateway(args=["--workers", "64"], epmd="none")
    gate.stop()
    gate.argv = ["sh", "-c", 'ulimit -n 1400; exec "$0" "$@"', *gate.argv]
    gate.start()
    lanes = Lanes(gate)
    limit = int(re.search(r"^erlgate_http_connections_limit (\d+)$", lanes.scrape(), re.M)[1])
    socks = []
    for _ in range(limit + limit // 8):
        socks.append(lanes.dial())
    for s in socks[:limit - 1]:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for s in socks[:limit - 1]:
        check(s.recv(4096).startswith(b"HTTP/1.1 200 "), "one of", limit, "connections")
    check(" accept-failed " not in gate.log.read_text(), "there was none left for", len(socks), "connections")
    for s in socks:
        s.close()
    gate.stop()


def test_too_few_descriptors_are_told_at_the_start():
    """A gateway that could take nobody says so instead of `ready`; with as many as it asks for it serves, links and all listeners besides."""
    gate = Gateway(args=["--workers", "64", "--socket", temporary_dir() / "http", "--admin-listen", f"127.0.0.1:{free_port()}"])
    gate.stop()
    argv = gate.argv

    def limited(count):
        gate.argv = ["sh", "-c", f'ulimit -n {count}; exec "$0" "$@"', *argv]
        gate.log.write_text("")
        gate.start(wait=False)

    def refused(count):
        limited(count)
        equal(gate.proc.wait(20 * SLOWER), 1, "exit status")
        check(" ready " not in gate.log.read_text(), gate.stderr())
        line = re.search(r" start-failed why=.*descriptors.* limit=(\d+) needed=(\d+) workers=64 .*LimitNOFILE.*ulimit -n.*--workers", gate.log.read_text())
        check(line, gate.stderr())
        equal(int(line[1]), count, "the limit")
        return int(line[2])

    wanted = refused(400)
    equal(refused(wanted - 1), wanted, "what it needs")
    limited(wanted)
    eventually(gate.is_ready, "it is ready")
    peer = Peer("27", "kv@localhost", gate.epmd_port, gate.cookie).ready()
    peer.eval("testpeer:serve(srv)")
    conns = [http.client.HTTPConnection("127.0.0.1", gate.port, timeout=20 * SLOWER) for _ in range(16)]
    for conn in conns:
        conn.request("POST", gate.process_path(peer.node, "srv", "call"), "{echo, 1}", {"Content-Type": ERL, "Accept": ERL})
        equal(conn.getresponse().read().strip(), b"1", "a call")
    check(" accept-failed " not in gate.log.read_text(), gate.stderr())
    for conn in conns:
        conn.close()
    gate.stop()
    peer.stop()


if __name__ == "__main__":
    main(globals())
