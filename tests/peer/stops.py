"""How things end: the gateway in order, with all that it holds; and what it does when others end or fall silent."""

import concurrent.futures
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import peers
from peers import (BIN, ERL, SLOWER, Epmd, Failed, Gateway, Http, check, end, equal, eventually, problem, registered, segment,
                   serving)


def in_background(pool, gate, peer, term, query="?timeout=60000"):
    http = Http(gate.port)
    return pool.submit(http.post, gate.process_path(peer.node, "srv", "call") + query, term, ERL, ERL)


def wait_for_calls(gate, count):
    eventually(lambda: gate.self()["calls"] == count, f"{count} calls wait")


# ---- The gateway


def test_it_ends_in_order_without_standard_descriptors():
    """What a supervisor has closed is given to no file or socket of the gateway's."""
    gate = Gateway()
    end(gate.proc, signal.SIGTERM)
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        bare = peers.spawn(["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *map(str, gate.argv)], env=gate.env, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: peers.accepts(gate.port), f"it serves with {closed}")
        for number in range(3):
            check(os.readlink(f"/proc/{bare.pid}/fd/{number}") == "/dev/null", f"{closed}: descriptor {number} is something else")
        bare.send_signal(signal.SIGTERM)
        equal(bare.wait(10), 0, f"exit status with {closed}")


def test_SIGTERM_lets_calls_finish():
    gate = Gateway()
    peer = serving("27", gate)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waiting = [in_background(pool, gate, peer, f"{{later, {ms}, {{done, {ms}}}}}") for ms in (900, 1000, 1100)]
        wait_for_calls(gate, 3)
        kept = Http(gate.port)
        equal(kept.get("/livez").status, 200, "livez before")
        began = time.monotonic()
        gate.proc.send_signal(signal.SIGTERM)
        # No more work is taken; who asks is told, or cannot connect.
        eventually(lambda: refuses(gate), "new requests are refused", 3)
        equal([w.result().text.strip() for w in waiting], [f"{{done,{ms}}}" for ms in (900, 1000, 1100)], "replies")
    equal(gate.proc.wait(10 * SLOWER), 0, "exit status")
    check(time.monotonic() - began < 5 * SLOWER, "took", time.monotonic() - began)
    gate.check_log()
    eventually(lambda: peer.eval("nodes(connected)") == "[]", "the node sees it go")
    peer.stop()


def test_what_comes_while_the_last_answers_leave_is_refused():
    """Answers that leave slowly keep HTTP running at the end: nothing may begin any more that would have to be ended."""
    for signals in ((signal.SIGTERM,), (signal.SIGTERM, signal.SIGTERM)):
        gate = Gateway(args=["--stop-timeout", "100" if len(signals) == 1 else "60000"])
        peer = serving("27", gate)
        slow = [socket.create_connection(("127.0.0.1", gate.port)) for _ in range(6)]
        body = b"{bytes, 20000000}"
        for s in slow:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                      % (gate.process_path(peer.node, "srv", "call").encode(), ERL.encode(), len(body), body))
        eventually(lambda: gate.self()["calls"] == 0 and gate.rss() > 100_000, "the answers are on their way")
        is_over = threading.Event()

        def late(port=gate.port, path=gate.process_path(peer.node, "srv", "monitor").encode(), over=is_over):
            while not over.is_set():
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=1) as s:
                        time.sleep(0.1)  # what comes later than the connection
                        s.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
                        s.settimeout(0.05)
                        s.recv(1000)
                except OSError:
                    over.wait(0.002)

        threads = [threading.Thread(target=late) for _ in range(20)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        for number in signals:
            gate.proc.send_signal(number)
            time.sleep(0.02)
        try:
            equal(gate.proc.wait(20 * SLOWER), 0, f"exit status after {len(signals)} signals: {gate.stderr()}")
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
            for s in slow:
                s.close()
        gate.check_log()
        peer.stop()


def refuses(gate):
    try:
        return Http(gate.port).request("GET", "/v1/self", fresh=True, seconds=2).status == 503
    except OSError:
        return True


def test_SIGTERM_does_not_wait_for_ever():
    gate = Gateway(args=["--stop-timeout", "700"])
    peer = serving("27", gate)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = in_background(pool, gate, peer, "never")
        wait_for_calls(gate, 1)
        began = time.monotonic()
        gate.proc.send_signal(signal.SIGTERM)
        try:
            response = waiting.result()
            check(response.status in (502, 503, 504), response)
        except OSError:
            raise Failed("the waiting client got no answer") from None
    equal(gate.proc.wait(10 * SLOWER), 0, "exit status")
    check(0.6 < time.monotonic() - began < 3 * SLOWER, "took", time.monotonic() - began)
    gate.check_log()
    peer.stop()


def test_a_second_SIGTERM_ends_it_at_once():
    gate = Gateway()
    peer = serving("27", gate)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = in_background(pool, gate, peer, "never")
        wait_for_calls(gate, 1)
        gate.proc.send_signal(signal.SIGTERM)
        eventually(lambda: gate.lines("draining"), "it has had the first")
        check(gate.is_alive(), "ended at the first")
        gate.proc.send_signal(signal.SIGTERM)
        equal(gate.proc.wait(3 * SLOWER), 0, "exit status")
        try:
            waiting.result()
        except OSError:
            pass
    gate.check_log()
    peer.stop()


def test_signals_that_come_too_late():
    """Whoever reloads it, or lets its log be turned, does not know that it is about to end."""
    for workers in ("1", "2"):
        gate = Gateway(args=["--workers", workers])
        gate.http.get("/v1/nodes/nobody@localhost/ping?timeout=300")  # libuv has threads of its own now
        gate.proc.send_signal(signal.SIGTERM)
        while gate.proc.poll() is None:
            for late in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                gate.proc.send_signal(late)
        equal(gate.proc.poll(), 0, "exit status")
        gate.check_log()


def test_SIGINT_is_as_good():
    gate = Gateway()
    equal(end(gate.proc, signal.SIGINT, 5), 0, "exit status")
    gate.check_log()


def test_nothing_is_left_of_it():
    """Descriptors come back while it runs; no process, port or file is left when it has ended."""
    gate = Gateway()
    peer = serving("27", gate)
    path = gate.process_path(peer.node, "srv", "call")
    equal(gate.http.post(path, "{echo, 1}", ERL).status, 200, "call")
    before = gate.fds()
    for i in range(300):
        equal(Http(gate.port).request("POST", path, f"{{echo, {i}}}", {"Content-Type": ERL, "Connection": "close"}, fresh=True).status, 200)
    for i in range(5):
        equal(gate.http.delete(f"/v1/nodes/{segment(peer.node)}").status, 204, "DELETE")
        equal(gate.http.post(path, "{echo, 1}", ERL).status, 200, "call")
        problem(gate.http.put(f"/v1/nodes/{segment('nobody@localhost')}"), 503, "no-connection")
    eventually(lambda: gate.fds() <= before, f"descriptors back at {before}, now {gate.fds()}")
    children = peers.descendants(gate.proc.pid)
    equal(children, [], "children")
    gate.stop()
    for port in (gate.port, gate.epmd_port):
        check(not peers.accepts(port), "port", port, "still accepts")
    equal(sorted(p.name for p in gate.dir.iterdir()), ["cookie", "stderr", "stdout"], "files")
    peer.stop()


def test_killed_and_back_again():
    """A gateway that was killed comes back under its name, with another creation, and its nodes find it."""
    gate = Gateway()
    peer_releases = ("25", "27", "29")
    nodes = [serving(r, gate) for r in peer_releases]
    creations = set()
    for _ in range(3):
        for node in nodes:
            eventually(lambda: gate.call(node.node, "srv", "{echo, 1}").status == 200, f"{node.node} is called", 15)
        creations.add(gate.self()["creation"])
        gate.proc.kill()
        gate.proc.wait()
        for node in nodes:
            eventually(lambda: node.eval("nodes(connected)") == "[]", "the node sees it go")
        gate.start()
    # The embedded EPMD was lost as well: the nodes register again by themselves.
    for node in nodes:
        equal(eventually(lambda: node.eval("net_adm:ping(erlgate@localhost)") == "pong", "ping", 15), True)
    equal(len(creations), 3, f"creations {creations}")
    gate.stop()
    for node in nodes:
        node.stop()


def test_what_is_in_the_way_is_said():
    gate = Gateway()
    for args, said in ((["--listen", f"127.0.0.1:{gate.port}", "--name", "other@localhost", "--epmd", f"127.0.0.1:{gate.epmd_port}"],
                        f"listen-failed at=127.0.0.1:{gate.port} "),
                       (["--listen", "127.0.0.1:0", "--name", gate.node, "--epmd", f"127.0.0.1:{gate.epmd_port}"], "name"),
                       (["--listen", "127.0.0.1:0", "--name", "other@localhost", "--epmd", "embedded"], "EPMD"),
                       (["--listen", "192.0.2.1:4370", "--name", "other@localhost"], "insecure"),
                       (["--listen", "127.0.0.1:0", "--name", "no host"], "name"),
                       (["--nmae", "x"], "did you mean"), (["--cookie", "secret"], "--cookie-file"), (["--timeout", "soon"], "timeout"),
                       (["--cookie-file", "/nowhere/cookie"], "/nowhere/cookie")):
        if "--cookie-file" not in args and args[0] != "--cookie":
            args = args + ["--cookie-file", str(gate.dir / "cookie")]
        done = subprocess.run([BIN / "erlgate", "serve", *args], env=gate.env, capture_output=True, timeout=20 * SLOWER, check=False)
        check(done.returncode in (1, 2), args, "gave", done.returncode, done.stderr)
        check(said in done.stderr.decode(), args, "said", done.stderr.decode())
        check(gate.cookie not in done.stderr.decode() + done.stdout.decode(), "the cookie was said")
    check(gate.is_ready(), "the first gateway suffered")
    gate.stop()


def test_the_cookie_is_nowhere_to_be_seen():
    gate = Gateway(args=["--log-level", "debug"])
    peer = serving("27", gate)
    equal(gate.call(peer.node, "srv", "{echo, 1}").status, 200, "call")
    problem(gate.call("nobody@localhost", "srv", "1"), 503, "no-connection")
    check(gate.cookie not in peers.command_line(gate.proc.pid), "the cookie is in the process list")
    for path in ("/v1/self", "/v1/nodes", "/readyz?verbose"):
        check(gate.cookie not in gate.http.get(path).text, "the cookie is in", path)
    gate.stop()
    check(gate.cookie not in gate.log.read_text(errors="replace"), "the cookie is in the log")
    check(gate.cookie not in (gate.dir / "stdout").read_text(errors="replace"), "the cookie is in the output")
    peer.stop()


# ---- The others


def test_a_node_that_falls_silent():
    """A stopped node is given up within the gateway's own limit, its calls end, and others go on; one that merely has
    nothing to say stays."""
    gate = Gateway(args=["--net-ticktime", "8"])
    silent = serving("27", gate, "silent@localhost", kernel={"net_ticktime": "8"})
    idle = serving("25", gate, "idle@localhost", kernel={"net_ticktime": "8"})
    for peer in (silent, idle):
        equal(gate.call(peer.node, "srv", "{echo, 1}").status, 200, "call")
        peer.eval("testpeer:watch(erlgate@localhost)")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = in_background(pool, gate, silent, "never")
        wait_for_calls(gate, 1)
        began = time.monotonic()
        peers.freeze(silent.proc.pid)
        problem(waiting.result(), 502, "nodedown", sent=True)
        took = time.monotonic() - began
    check(4 < took < 12 * SLOWER, "given up after", took)
    check(not gate.is_connected(silent.node), "still connected")
    while time.monotonic() - began < 14:  # longer than the limit, with not a word but ticks
        time.sleep(0.2)
    equal(idle.eval("testpeer:downs(erlgate@localhost)"), "0", "links lost to the idle node")
    check(gate.is_connected(idle.node), "the idle node was given up")
    silent.proc.send_signal(signal.SIGCONT)
    eventually(lambda: gate.call(silent.node, "srv", "{echo, back}").status == 200, "the silent node is called again", 20)
    gate.stop()
    silent.stop()
    idle.stop()


def test_a_gateway_that_is_stopped():
    """The same the other way: a node gives a gateway up that does not tick, and takes it back."""
    gate = Gateway(args=["--net-ticktime", "8"])
    peer = serving("29", gate, kernel={"net_ticktime": "8"})
    equal(gate.call(peer.node, "srv", "{echo, 1}").status, 200, "call")
    peers.freeze(gate.proc.pid)
    eventually(lambda: peer.eval("nodes(connected)") == "[]", "the node gives it up", 15)
    gate.proc.send_signal(signal.SIGCONT)
    eventually(lambda: gate.call(peer.node, "srv", "{echo, 1}").status == 200, "called again", 10)
    gate.stop()
    peer.stop()


def test_the_name_server_is_restarted():
    """Links live on without EPMD, everybody registers with its successor, and new links can be made."""
    epmd = Epmd()
    gate = Gateway(epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port)
    nodes = [serving(r, gate) for r in ("25", "27", "29")]
    for node in nodes:
        equal(gate.call(node.node, "srv", "{echo, 1}").status, 200, "call")
        node.eval("testpeer:watch(erlgate@localhost)")
    epmd.stop()
    for node in nodes:
        equal(gate.call(node.node, "srv", "{echo, 2}").status, 200, "call without EPMD")
    eventually(lambda: gate.http.get("/readyz").status == 503, "not ready without EPMD", 5)
    epmd.start()
    eventually(gate.is_ready, "registered again", 15)
    wanted = {"erlgate", "a25", "a27", "a29"}
    eventually(lambda: registered(epmd.port) == wanted, f"{wanted} are registered again", 15)
    for node in nodes:
        equal(node.eval("testpeer:downs(erlgate@localhost)"), "0", "links lost")
        equal(gate.http.delete(f"/v1/nodes/{segment(node.node)}").status, 204, "DELETE")
        equal(gate.call(node.node, "srv", "{echo, 3}").status, 200, "call over a new link")
    gate.stop()
    for node in nodes:
        node.stop()
    eventually(lambda: registered(epmd.port) == set(), "nobody is registered")
    epmd.stop()


def test_no_process_of_ours_is_left():
    # Helpers of the BEAM notice a moment later that it has gone.
    eventually(lambda: not peers.descendants(os.getpid()), "no process is left")
    check(not [p for p in pathlib.Path("/proc").glob("[0-9]*/comm") if (read(p) or "").startswith("erlgate") and is_ours(p.parent)], "gateways")


def read(path):
    try:
        return path.read_text()
    except OSError:
        return None


def is_ours(proc):
    """Runs with a temporary directory of this script."""
    line = peers.command_line(int(proc.name))
    return any(str(t) in line for t in peers._temporary)


peers.main(globals())
