"""lanes: connections of a gateway with several threads (--workers), of which it is known which thread has each."""

import http.client
import re
import select
import socket
import struct
import time

from eventstream import EventStream
from peers import ERL, SLOWER, Gateway, Http, Peer, check, equal, eventually

THREADS = (0, 1, 2)  # 0: the owner


def per_thread(text, name):
    return {int(m[1]): int(m[2]) for m in re.finditer(rf'^{name}{{thread="(\d+)"}} (\d+)$', text, re.M)}


class Lanes:
    """Connections of one gateway, of which it is known which thread has them: a request on one is counted at its thread."""

    def __init__(self, gate, headers=None, dial=None):
        self.gate, self.headers = gate, headers or {}
        self.dial = dial or self.dial_plain
        self.scraper = Http(gate.port)

    def dial_plain(self):
        sock = socket.create_connection(("127.0.0.1", self.gate.port), timeout=20 * SLOWER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def scrape(self):
        response = self.scraper.request("GET", "/metrics", headers=self.headers)
        equal(response.status, 200, f"GET /metrics: {response}")
        return response.text

    def requests(self):
        return per_thread(self.scrape(), "erlgate_http_thread_requests_total")

    def connections(self):
        return per_thread(self.scrape(), "erlgate_http_thread_connections")

    def in_flight(self):
        """Of the others: what asks waits for its answer too."""
        return int(re.search(r"^erlgate_http_requests_in_flight (\d+)$", self.scrape(), re.M)[1]) - 1

    def thread_of(self, sock):
        """By twice as many requests as what is counted meanwhile besides."""
        many = 3
        first = self.requests()
        for _ in range(many):
            sock.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            answer.read()
            equal(answer.status, 200, "GET /livez")

        def found():
            after = self.requests()
            return next((t for t in THREADS if after[t] - first[t] >= many), None), after

        # (A request is counted once its answer has been sent. What is scraped is counted too: at most twice here.)
        thread, _ = found()
        while thread is None:
            time.sleep(0.01)
            first_again, (thread, _) = first, found()
            first = first_again
        return thread

    def open(self, *threads):
        """A connection of each of these threads."""
        wanted, kept, spare = list(threads), {}, []
        for _ in range(10 * (len(wanted) + 1)):
            if not wanted:
                break
            sock = self.dial()
            thread = self.thread_of(sock)
            if thread in wanted:
                wanted.remove(thread)
                kept.setdefault(thread, []).append(sock)
            else:
                spare.append(sock)
        for sock in spare:
            sock.close()
        check(not wanted, "no connection came to the threads", wanted)
        return [kept[t].pop() for t in threads]

    def http(self):
        """A client for each thread."""
        return {t: Lane(self, t, sock) for t, sock in zip(THREADS, self.open(*THREADS))}

    def stream(self, thread, path, **kw):
        return EventStream(self.gate.port, path, sock=self.open(thread)[0], **kw)


class Lane(Http):
    """What one thread says."""

    def __init__(self, lanes, thread, sock):
        super().__init__(lanes.gate.port)
        self.lanes, self.thread = lanes, thread
        self.conn = self.connection(sock)

    def connection(self, sock):
        conn = http.client.HTTPConnection(self.host, self.port)
        conn.sock = sock
        return conn

    def request(self, method, path, body=None, headers=(), seconds=20, fresh=False, host_header=None):
        if self.conn and self.conn.sock and select.select([self.conn.sock], [], [], 0)[0]:
            self.conn.close()  # it has been idle for long
        if self.conn is None or self.conn.sock is None:
            self.conn = self.connection(self.lanes.open(self.thread)[0])
        self._local.conn = self.conn
        self.conn.sock.settimeout(seconds * SLOWER)
        response = super().request(method, path, body, headers, seconds, fresh, host_header)
        self.conn = self._local.conn
        return response

    def close(self):
        if self.conn:
            self.conn.close()


def threaded(*args, **kw):
    return Gateway(args=["--workers", "3", *args], **kw)


def with_boss(gate, headers=None):
    """A node with a server that is `srv` there and `boss` everywhere, and the gateway knows."""
    peer = Peer("27", "kv@localhost", gate.epmd_port, gate.cookie).ready()
    peer.eval("testpeer:serve(srv), yes = global:register_name(boss, whereis(srv)), ok")

    def answers(path):
        return gate.http.request("POST", path, "{echo, 1}", {"Content-Type": ERL, **(headers or {})}, fresh=True).status == 200

    check(answers(gate.process_path(peer.node, "srv", "call")), "the link is there")
    eventually(lambda: answers("/v1/global/boss/call"), "global knows it")
    return peer


def is_quiet(lanes):
    """Nothing of any client's is left but the scraper's connection."""
    return sum(lanes.connections().values()) == 1 and lanes.in_flight() == 0


# ---- By hand ---------------------------------------------------------------------------------------------------------------


def post_and_leave(sock, path, body):
    sock.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                 % (path.encode(), ERL.encode(), len(body), body))


def until(s, mark):
    got = b""
    while mark not in got:
        piece = s.recv(4096)
        check(piece, "the end after", got)
        got += piece
    return got


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}
