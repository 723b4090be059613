"""What clients may cost: connections by address, slow heads, bodies and readers (slowhttptest), handshakes that are never
finished, each while other clients are served.

Runs in a network namespace of its own, for the addresses. Needs `ip` (iproute2), slowhttptest, and root or user
namespaces.
"""

import concurrent.futures
import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

if "ERLGATE_IN_NAMESPACE" not in os.environ:
    os.environ["ERLGATE_IN_NAMESPACE"] = "1"
    unshare = "-n" if os.geteuid() == 0 else "-rn"
    os.execvp("unshare", ["unshare", unshare, sys.executable, *sys.argv])

import peers
from https import Secure
from peers import Gateway, Http, check, equal, eventually, problem, spawn

ONE, OTHER = "192.0.2.1", "192.0.2.2"
NET_A1, NET_A2, NET_B = "2001:db8:a::1", "2001:db8:a::2", "2001:db8:b::1"


def _ip(*args):
    done = subprocess.run(["ip", *args], capture_output=True, check=False)
    check(done.returncode == 0, "ip", *args, done.stderr.decode())


_ip("link", "set", "lo", "up")
for address in (ONE, OTHER):
    _ip("addr", "add", f"{address}/32", "dev", "lo")
for address in (NET_A1, NET_A2, NET_B):
    _ip("addr", "add", f"{address}/128", "dev", "lo", "nodad")


def connect(gate, source, to):
    """A connection from that address."""
    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET)
    s.settimeout(20 * peers.SLOWER)
    s.bind((source, 0))
    s.connect((to, gate.port))
    return s


def ask(s):
    """The status of a request on it; 0: it ended without one."""
    try:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        response = http.client.HTTPResponse(s)
        response.begin()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 0


def everywhere(*args):
    return Gateway(epmd="none", args=["--listen", "[::]:0", "--insecure", *args], wait=False)


def ready(gate):
    """Its port, from its log."""
    line = eventually(lambda: next((text for text in gate.stderr().splitlines() if " ready " in text), None),
                      "the gateway is ready", 15)
    gate.port = int(line.split("url=")[1].split()[0].rpartition(":")[2])
    gate.http = Http(gate.port)
    return gate


# ---- By address -------------------------------------------------------------------------------------------------------


def test_each_address_has_a_limit_of_its_own():
    gate = ready(everywhere("--max-connections-per-address", "10"))
    held = [connect(gate, ONE, ONE) for _ in range(10)]
    equal([ask(s) for s in held], [200] * 10, "the first ten")
    told = connect(gate, ONE, ONE)
    equal(ask(told), 503, "the eleventh")
    more = [connect(gate, ONE, ONE) for _ in range(40)]
    answers = [ask(s) for s in more]
    check(set(answers) == {0, 503}, "those beyond", answers)  # told, or closed at once
    equal(ask(connect(gate, OTHER, ONE)), 200, "another address")
    equal([ask(s) for s in held], [200] * 10, "the first ten again")
    equal([ask(connect(gate, "127.0.0.1", "127.0.0.1")) for _ in range(30)], [200] * 30, "loopback")
    for s in held + more + [told]:
        s.close()
    eventually(lambda: ask(connect(gate, ONE, ONE)) == 200, "there is room again")
    gate.stop()


def test_an_IPv6_net_counts_as_one_address():
    gate = ready(everywhere("--max-connections-per-address", "4"))
    held = [connect(gate, (NET_A1, NET_A2)[n % 2], NET_A1) for n in range(4)]
    equal([ask(s) for s in held], [200] * 4, "the first four of a net")
    for source in (NET_A1, NET_A2):
        equal(ask(connect(gate, source, NET_A1)), 503, f"another one from {source}")
    equal(ask(connect(gate, NET_B, NET_A1)), 200, "another net")
    gate.stop()


def test_all_connections_have_a_limit():
    gate = ready(everywhere("--max-connections", "20"))
    held = [connect(gate, ONE, ONE) for _ in range(20)]
    equal([ask(s) for s in held], [200] * 20, "the first twenty")
    response = gate.http.request("GET", "/livez", fresh=True)
    problem(response, 503, "overloaded")
    check("--max-connections" in response.json["detail"], response)
    equal(response.header("retry-after"), "1", "Retry-After")
    held[0].close()
    eventually(lambda: ask(connect(gate, ONE, ONE)) == 200, "there is room again")
    gate.stop()


def test_descriptors_run_out_with_nobody_connected():
    """Who wants in waits in the queue, and costs nothing; then there are some again."""
    gate = ready(everywhere())
    hard = resource.prlimit(gate.proc.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(gate.proc.pid, resource.RLIMIT_NOFILE, (gate.fds(), hard))
    waiting = connect(gate, ONE, ONE)
    eventually(lambda: " accept-failed " in gate.stderr(), "none can be had")
    used = gate.cpu_s()
    time.sleep(1)
    check(gate.cpu_s() - used < 0.3 * peers.SLOWER, "it spins:", gate.cpu_s() - used, "s in one")
    resource.prlimit(gate.proc.pid, resource.RLIMIT_NOFILE, (hard, hard))
    equal(ask(waiting), 200, "who has waited")
    gate.stop()


def test_requests_in_flight_have_a_limit():
    deaf = socket.socket()  # a node that takes connections and says nothing
    deaf.bind(("127.0.0.1", 0))
    deaf.listen(16)
    gate = ready(everywhere("--max-in-flight", "3", "--peer", f"deaf@localhost=127.0.0.1:{deaf.getsockname()[1]}"))
    waiting = [socket.create_connection(("127.0.0.1", gate.port)) for _ in range(3)]
    for s in waiting:
        s.sendall(b"GET /v1/nodes/deaf@localhost/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
    response = eventually(lambda: (r := gate.http.get("/v1/self")).status == 503 and r, "all places are taken")
    problem(response, 503, "overloaded")
    check("--max-in-flight" in response.json["detail"], response)
    for s in waiting:
        s.close()
    eventually(lambda: gate.http.get("/v1/self").status == 200, "there is room again")
    gate.stop()


# ---- Slow clients -----------------------------------------------------------------------------------------------------


class Others:
    """Clients that ask one request after another, each on a new connection: how long each took, and what failed."""

    def __init__(self, gate, source=OTHER, to=ONE):
        self.gate, self.source, self.to = gate, source, to
        self.took, self.failures, self.is_over = [], [], threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self.is_over.is_set():
            began = time.monotonic()
            try:
                with connect(self.gate, self.source, self.to) as s:
                    status = ask(s)
            except OSError as error:
                status = repr(error)
            self.took.append(time.monotonic() - began)
            if status != 200:
                self.failures.append(status)
            time.sleep(0.002)

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def median(self):
        return sorted(self.took)[len(self.took) // 2]


def served_meanwhile(gate, attack, what):
    """Runs the attack; others are served as before it: no request fails, and half of them take no more than some times
    what they take in peace."""
    peace = Others(gate)
    time.sleep(1)
    peace.stop()
    others = Others(gate)
    try:
        result = attack()
    finally:
        others.stop()
    equal((peace.failures, others.failures), ([], []), f"{what}: requests of others that failed")
    check(len(others.took) >= 20, what, "others asked", len(others.took), "times only")
    check(others.median() < 20 * peace.median() + 0.05, what, "others took", others.median(), "and before", peace.median())
    print(f"        {what}: others {len(others.took)} requests, median {others.median() * 1000:.1f} ms, before "
          f"{peace.median() * 1000:.1f} ms")
    return result


def slowhttptest(gate, path, *args):
    """Its own words."""
    log = peers.temporary_dir() / "out"
    with open(log, "wb") as out:
        proc = spawn(["slowhttptest", "-u", f"http://{ONE}:{gate.port}{path}", "-c", "400", "-r", "400", "-l", "8",
                      "-p", "3", *args], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            proc.wait(60 * peers.SLOWER)
        finally:
            if proc.poll() is None:
                peers.end(proc)
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    check(re.search(r"service available:\s*YES", text) and not re.search(r"service available:\s*NO", text),
          "slowhttptest:", proc.returncode, text[-1500:])


def slow(kind, path, *args):
    gate = ready(everywhere("--idle-timeout", "2000"))
    served_meanwhile(gate, lambda: slowhttptest(gate, path, *args), kind)
    eventually(lambda: gate.fds() < 100, "its connections have ended", 20)
    equal(gate.http.get("/livez").status, 200, "afterwards")
    log = gate.stderr()
    gate.stop()
    return log


def test_slow_heads_leave_others_served():
    log = slow("slow heads", "/livez", "-H", "-i", "1", "-x", "24", "-t", "GET")
    check("request-too-slow" in log, log[-1000:])


def test_slow_bodies_leave_others_served():
    log = slow("slow bodies", "/v1/call", "-B", "-i", "1", "-s", "8192", "-x", "10", "-t", "POST", "-f", "application/json")
    check("request-too-slow" in log, log[-1000:])


def test_slow_readers_leave_others_served():
    slow("slow readers", "/openapi.json", "-X", "-n", "1", "-w", "10", "-y", "20", "-z", "5", "-k", "3")


def test_handshakes_that_are_never_finished_leave_others_served():
    gate = Secure("--idle-timeout", "1000")
    attackers = []

    def attack():
        for n in range(300):
            s = socket.create_connection(("127.0.0.1", gate.port))
            if n % 2:
                s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            attackers.append(s)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for s in attackers:
                s.settimeout(20 * peers.SLOWER)
            ends = list(pool.map(ended, attackers))
        equal(ends, [True] * 300, "they were ended")

    def ended(s):
        try:
            while s.recv(100):
                pass
        except ConnectionError:
            pass
        return True

    asked = []
    is_over = threading.Event()

    def good():
        import ssl  # pylint: disable=C0415
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while not is_over.is_set():
            with context.wrap_socket(socket.create_connection(("127.0.0.1", gate.port), 20)) as s:
                asked.append(ask(s))

    thread = threading.Thread(target=good)
    thread.start()
    try:
        attack()
    finally:
        is_over.set()
        thread.join()
    check(len(asked) > 10 and set(asked) == {200}, "others were answered", asked[:50])
    check(len(gate.lines("tls-handshake-failed")) >= 150, "lines about them")
    for s in attackers:
        s.close()
    gate.stop()


def test_slow_takers_of_large_answers_make_room():
    """What is being sent has a bound, however many ask for much and take nothing of it; others are served meanwhile."""
    gate = Gateway("crowded@localhost")
    peer = peers.serving(peers.RELEASES[-1], gate, "large@localhost")
    path = "/v1/nodes/large@localhost/processes/srv/call?timeout=20000"
    body = b"{bytes, 8000000}"  # more than the kernel takes
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {peers.ERL}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    before, statuses, takers = gate.rss(), set(), []
    for _ in range(60):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.settimeout(20 * peers.SLOWER)
        s.connect(("127.0.0.1", gate.port))
        s.sendall(head + body)
        statuses.add(s.recv(12)[9:])
        takers.append(s)
    check(statuses <= {b"200", b"503"} and b"200" in statuses, "statuses", statuses)
    # (A sanitizer keeps 256 MiB of what has been freed.)
    check(gate.rss() - before < (400 if peers.SLOWER == 1 else 800) << 10, "it holds", gate.rss() - before, "KiB more")
    time.sleep(3.5)  # from then on they are slow
    got = Http(gate.port).post(path, "{bytes, 30000000}", **{"Content-Type": peers.ERL})
    equal((got.status, len(got.body)), (200, 30000003), "a large answer meanwhile")
    text = gate.http.get("/metrics").text
    check(int(re.search(r'erlgate_http_cut_off_total\{reason="crowded"\} (\d+)', text)[1]) > 0, "some were cut off")
    check(int(re.search(r"erlgate_http_answer_bytes (\d+)", text)[1]) <= 256 << 20, "more than there may be")
    check(gate.lines("answer-cut-off"), "no line about them")
    for s in takers:
        s.close()
    eventually(lambda: "\nerlgate_http_answer_bytes 0\n" in gate.http.get("/metrics").text, "all is given back")
    peer.stop()
    gate.stop()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    peers.main(globals(), limit=150)
