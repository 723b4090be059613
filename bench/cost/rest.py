"""What the gateway costs while nobody asks it anything: the time until it is ready, its memory with one link, and what each
connection and each stream adds to that."""
import math
import socket
import statistics
import time

import rig
from rig import peers, resident_kib

READY_MS, IDLE_MIB, STREAM_KIB = 50, 15, 24
ONE_AFTER_ANOTHER = 500  # connections, within the backlog


def ready_ms():
    """From the start of the program to the first 200 of /readyz; and what it has worked for that, whoever else works."""
    gate = rig.Wrapped(wait=False)
    while not says_ready(gate.port):
        peers.check(time.monotonic() - gate.began < 10, "the gateway is not ready within 10 s", gate.stderr())
    took = (time.monotonic() - gate.began) * 1000
    worked = rig.cpu_us(gate.proc.pid) / 1000
    gate.stop()
    return took, worked


def says_ready(port):
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", port)) != 0:
            return False
        s.settimeout(5)
        s.sendall(f"GET /readyz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode())
        return s.recv(4096).startswith(b"HTTP/1.1 200")


class Crowd:
    """Connections on each of which one request was made, and is answered or goes on."""

    def __init__(self, port, request, mark, count):
        self.socks = []
        for begin in range(0, count, ONE_AFTER_ANOTHER):
            some = [socket.create_connection(("127.0.0.1", port)) for _ in range(min(ONE_AFTER_ANOTHER, count - begin))]
            for s in some:
                s.sendall(request)
            for s in some:
                got = b""
                while mark not in got:
                    got += s.recv(65536)
                    peers.check(got, "a connection was closed")
            self.socks += some

    def close(self):
        for s in self.socks:
            s.close()


def each_kib(gate, request, mark, count):
    """What each of so many adds to the resident memory."""
    Crowd(gate.port, request, mark, 50).close()  # what is made once is made
    time.sleep(0.2)
    before = resident_kib(gate.proc.pid)
    crowd = Crowd(gate.port, request, mark, count)
    each = (resident_kib(gate.proc.pid) - before) / count
    return each, crowd


def measure(_world, table, is_short):
    times, worked = zip(*[ready_ms() for _ in range(5 if is_short else 15)])
    table.add("rest", "exec to ready", "erlgate", median_ms=statistics.median(times), least_ms=min(times), most_ms=max(times),
              cpu_ms=statistics.median(worked))
    table.goal("ready after its start, ms (median)", statistics.median(times), "at most", READY_MS, math.inf)

    gate = rig.Wrapped()
    callee = rig.start_callee(gate)
    path = gate.process_path("callee@localhost", "echo", "call")
    peers.equal(gate.http.post(path, "1").status, 200, "a call")
    idle = resident_kib(gate.proc.pid) / 1024
    table.add("rest", "idle, one link", "erlgate", resident_MiB=idle)
    table.goal("resident when idle with one link, MiB", idle, "at most", IDLE_MIB)

    count = 1000 if is_short else 5000
    head = f"HTTP/1.1\r\nHost: localhost:{gate.port}\r\n"
    call = f"POST {path} {head}Content-Length: 1\r\n\r\n1".encode()
    each, crowd = each_kib(gate, call, b"\r\n\r\n1", count)
    table.add("rest", f"{count} connections", "erlgate", KiB_each=each)
    crowd.close()
    peers.end(callee)
    gate.stop()
    gate = rig.Wrapped()
    callee = rig.start_callee(gate)
    peers.equal(gate.http.post(path, "1").status, 200, "a call")
    monitor = gate.process_path("callee@localhost", "hold", "monitor")
    head = f"HTTP/1.1\r\nHost: localhost:{gate.port}\r\n"
    each, crowd = each_kib(gate, f"GET {monitor} {head}\r\n".encode(), b"event: monitor", count)
    table.add("rest", f"{count} streams", "erlgate", KiB_each=each)
    table.goal("resident for each stream, KiB", each, "at most", STREAM_KIB, 1.1)
    crowd.close()
    peers.end(callee)
    gate.stop()
