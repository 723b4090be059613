"""The way down under load: no call is lost, streams say bye, casts arrive, exit status 0; and what the service manager is
told meanwhile."""

import http.client
import os
import signal
import socket
import threading
import time

from eventstream import EventStream
from peers import ERL, SLOWER, Failed, Gateway, Http, Peer, check, equal, eventually, main, segment, temporary_dir


class Worker:
    """Asks again and again on a kept connection, and dials another when it is told that this one closes. What was sent and
    got no answer is lost; who cannot connect knows that nothing was sent, and is done."""

    def __init__(self, gate, path, body, wanted):
        self.gate, self.path, self.body, self.wanted = gate, path, body, wanted
        self.good, self.lost, self.odd, self.turned_away = 0, [], [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        conn = None
        while True:
            if conn is None:
                conn = http.client.HTTPConnection("127.0.0.1", self.gate.port, timeout=30 * SLOWER)
                try:
                    conn.connect()
                except OSError:
                    self.turned_away = True
                    return
            try:
                conn.request("POST", self.path, self.body(self.good), {"Content-Type": ERL, "Accept": ERL})
                answer = conn.getresponse()
                text = answer.read().decode().strip()
            except (OSError, http.client.HTTPException) as e:
                self.lost.append(repr(e))
                return
            if self.wanted(answer.status, text):
                self.good += 1
            else:
                self.odd.append((answer.status, text))
            if answer.will_close:
                conn.close()
                conn = None


def under_load(args, delay_ms):
    gate = Gateway(args=["--stop-timeout", "20000", *args])
    peer = Peer("27", "kv@localhost", gate.epmd_port, gate.cookie).ready()
    peer.eval("testpeer:serve(srv), yes = global:register_name(boss, whereis(srv)), ok")
    call, cast = (gate.process_path(peer.node, "srv", verb) for verb in ("call", "cast"))
    equal(gate.call(peer.node, "srv", "{echo, 1}").status, 200, "the link is there")
    done = "done"
    workers = [Worker(gate, call, lambda n, ms=ms: f"{{later, {ms}, done}}", lambda status, text: (status, text) == (200, done))
               for ms in (1, 5, 20, 100, 300, 700)]
    workers += [Worker(gate, "/v1/global/boss/call", lambda n: "{later, 30, done}", lambda status, text: (status, text) == (200, done))
                for _ in range(2)]
    casters = [Worker(gate, cast, lambda n, i=i: f"{{{i}, {n}}}", lambda status, text: status in (200, 202, 204)) for i in range(3)]
    streams = [EventStream(gate.port, f"/v1/nodes/{segment(peer.node)}/processes/srv/monitor") for _ in range(20)]
    for s in streams:
        s.next("monitor")
    eventually(lambda: all(w.good > 5 for w in workers + casters) or any(w.lost or w.odd for w in workers + casters), "all are at work", 30)
    gate.proc.send_signal(signal.SIGTERM)
    if delay_ms:
        check(eventually(lambda: Http(gate.port).request("GET", "/readyz", fresh=True).status == 503, "not ready", 5), "not ready")
        equal(Http(gate.port).request("GET", "/v1/self", fresh=True).status, 200, "served while it is not ready")
    for w in workers + casters:
        w.thread.join(30 * SLOWER)
    equal(gate.proc.wait(20 * SLOWER), 0, "exit status")
    for w in workers + casters:
        equal((w.lost, w.odd), ([], []), f"lost, and odd answers, at {w.path}")
        check(w.turned_away, "a client was not turned away at", w.path)
    for s in streams:
        s.next("bye")
        s.ends()
    sent = {i: w.good for i, w in enumerate(casters)}
    # The link was flushed: they are there, or on their way, when the gateway has gone.
    eventually(lambda: peer.eval("nodes(connected)") == "[]", "the node sees it go")
    for i, n in sent.items():
        equal(peer.eval(f"length([x || {{cast, {{{i}, _}}}} <- gen_server:call(srv, seen, 15000)])"), str(n), f"casts of client {i}")
    gate.check_log()
    log = gate.log.read_text()
    check(" drained " in log and "drain-cut" not in log, log[-2000:])
    peer.stop()
    print(f"    {sum(w.good for w in workers)} calls, {sum(sent.values())} casts, {len(streams)} streams")


def test_nothing_is_lost_under_load():
    under_load(["--drain-delay", "1000"], 1000)


def test_nor_without_a_delay():
    under_load([], 0)


def test_a_second_signal_ends_the_delay():
    gate = Gateway(args=["--drain-delay", "60000"])
    gate.proc.send_signal(signal.SIGTERM)
    eventually(lambda: not gate_is_ready(gate), "not ready", 5)
    gate.proc.send_signal(signal.SIGTERM)
    equal(gate.proc.wait(5 * SLOWER), 0, "exit status")
    gate.check_log()


def gate_is_ready(gate):
    return Http(gate.port).request("GET", "/readyz", fresh=True).status == 200


def test_a_large_answer_is_sent_to_its_end():
    """To a client that takes its time."""
    gate = Gateway()
    peer = Peer("27", "kv@localhost", gate.epmd_port, gate.cookie).ready()
    peer.eval("testpeer:serve(srv), ok")
    size = 20 << 20
    body = f"{{bytes, {size}}}".encode()
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.settimeout(30 * SLOWER)
        s.connect(("127.0.0.1", gate.port))
        s.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nAccept: application/vnd.erlang.etf\r\n"
                  b"Content-Length: %d\r\n\r\n%s" % (gate.process_path(peer.node, "srv", "call").encode(), ERL.encode(), len(body), body))
        got = s.recv(1000)
        gate.proc.send_signal(signal.SIGTERM)
        eventually(lambda: " draining " in gate.log.read_text(), "it drains")
        began = time.monotonic()
        while time.monotonic() - began < 1:  # longer than http_server_stop would wait
            got += s.recv(4096)
            time.sleep(0.02)
        while piece := s.recv(1 << 20):
            got += piece
    head, _, rest = got.partition(b"\r\n\r\n")
    check(head.startswith(b"HTTP/1.1 200 "), head)
    check(len(rest) > size, "cut off after", len(rest))
    equal(gate.proc.wait(10 * SLOWER), 0, "exit status")
    peer.stop()


# ---- The service manager


class Manager:
    """systemd's side of sd_notify."""

    def __init__(self, is_abstract=False):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(15 * SLOWER)
        path = str(temporary_dir() / "notify")
        self.sock.bind(f"\0{path}" if is_abstract else path)
        self.address = f"@{path}" if is_abstract else path

    def hears(self, key):
        """The next message that has it; others, of the watchdog, are passed over."""
        while True:
            try:
                text = self.sock.recv(4096).decode()
            except TimeoutError:
                raise Failed(f"{key} is not said") from None
            said = dict(line.partition("=")[::2] for line in text.split("\n"))
            if key in said:
                return said


def test_the_service_manager_is_told():
    for is_abstract in (False, True):
        manager = Manager(is_abstract)
        env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"}
        gate = Gateway(args=["--drain-delay", "300"], env=env)
        said = manager.hears("READY")
        equal(said["READY"], "1", "READY")
        check("erlgate@localhost" in said["STATUS"] and str(gate.port) in said["STATUS"], said)
        began = time.monotonic()
        for _ in range(5):
            equal(manager.hears("WATCHDOG"), {"WATCHDOG": "1"}, "the watchdog's")
        check(time.monotonic() - began < 2 * SLOWER, "five beats took", time.monotonic() - began)
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        gate.proc.send_signal(signal.SIGHUP)
        said = manager.hears("RELOADING")
        check(said["RELOADING"] == "1" and before <= int(said["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, said)
        equal(manager.hears("READY")["READY"], "1", "READY after a reload")
        gate.proc.send_signal(signal.SIGTERM)
        said = manager.hears("STOPPING")
        check(said["STOPPING"] == "1" and int(said["EXTEND_TIMEOUT_USEC"]) > 30_300_000, said)
        equal(gate.proc.wait(10 * SLOWER), 0, "exit status")
        gate.check_log()


def test_a_watchdog_of_another_process_and_a_manager_that_has_gone_do_no_harm():
    manager = Manager()
    gate = Gateway(env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": str(os.getpid())})
    manager.hears("READY")
    manager.sock.setblocking(False)
    try:
        raise Failed(f"said: {manager.sock.recv(4096)}")
    except BlockingIOError:
        pass
    manager.sock.close()
    gate.stop()
    for path in ("/nowhere", "relative", "@", "/" + "x" * 200):
        Gateway(env={"NOTIFY_SOCKET": path}).stop()


def test_the_log_level_changes_by_a_signal():
    gate = Gateway()
    gate.http.get("/livez")
    check("level" not in gate.log.read_text() and " debug " not in gate.log.read_text(), "debug at the start")
    gate.proc.send_signal(signal.SIGUSR1)
    eventually(lambda: (gate.http.get("/livez"), " debug request " in gate.log.read_text())[1], "requests are logged")
    gate.proc.send_signal(signal.SIGUSR2)

    def is_silent():
        gate.http.get("/livez")
        before = gate.log.stat().st_size
        gate.http.get("/livez")
        return gate.log.stat().st_size == before

    eventually(is_silent, "requests are not logged any more")
    gate.stop()


if __name__ == "__main__":
    main(globals())
