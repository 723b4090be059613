"""What a call costs as there is more of everything: peers, calls in flight over HTTP, and calls in flight on the library, which
carries more than there are descriptors for connections. Nothing may grow faster than its number."""
import json
import os
import socket
import subprocess
import time

import rig
from rig import DOCUMENTS, peers, resident_kib

CONNECTIONS = 64
SLACK = 2.0


def measure_peers(table, is_short):
    """A call in turn to each of so many nodes (in C, all in one process), at 64 connections. What grows is that fewer calls
    share a write and a read of a link: with 64 of them each call has both for itself."""
    gate = rig.Wrapped()
    callee = rig.start_callee(gate, "peer", 64)
    erlgate, figures = rig.Candidate("erlgate", gate.proc.pid, f"http://127.0.0.1:{gate.port}/"), {}
    before = resident_kib(gate.proc.pid)
    counts = (1, 64) if is_short else (1, 4, 16, 64)
    paths = [gate.process_path(f"peer{n}@localhost", "echo", "call") for n in range(1, 65)]
    results = {count: [] for count in counts}
    for count in counts:
        for path in paths[:count]:
            peers.equal(gate.http.post(path, "1").status, 200, f"a call to {path}")
        figures[count] = resident_kib(gate.proc.pid) - before
    for _ in range(1 if is_short else 5):
        for count in counts:
            results[count].append(erlgate.load(DOCUMENTS["60 B"], CONNECTIONS, 1, paths[:count]))
    for count in counts:
        table.add("growth", f"{count} peers", "erlgate", cpu_us=rig.median_of(results[count], "cpu_us"),
                  rps=rig.median_of(results[count], "rps"), resident_KiB_more=figures[count])
    table.goal("64 peers: CPU of a call, to that with 1", rig.median_of(results[64], "cpu_us") / rig.median_of(results[1], "cpu_us"),
               "at most", 1.75, SLACK)
    peers.end(callee)
    gate.stop()


def held_calls(gate, count):
    """Connections that wait for the answer of a call to `hold`."""
    path = gate.process_path("callee@localhost", "hold", "call")
    request = f"POST {path}?timeout=120000 HTTP/1.1\r\nHost: localhost:{gate.port}\r\nContent-Length: 1\r\n\r\n1".encode()
    socks = []
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", gate.port))
        s.sendall(request)
        socks.append(s)
        if len(socks) % 500 == 0:  # not more at once than the backlog holds
            time.sleep(0.05)
    peers.eventually(lambda: gate.node_info("callee@localhost")["in_flight"] >= count, f"{count} calls are in flight", 30)
    return socks


def measure_http(table, is_short):
    """Calls that wait, each on a connection of its own, and what others cost beside them."""
    gate = rig.Wrapped()
    callee = rig.start_callee(gate)
    erlgate = rig.Candidate("erlgate", gate.proc.pid, f"http://127.0.0.1:{gate.port}" + gate.process_path("callee@localhost", "echo", "call"))
    erlgate.warm_up(DOCUMENTS["60 B"], CONNECTIONS)
    alone, costs = resident_kib(gate.proc.pid), {}
    for count in (1, 1000) if is_short else (1, 100, 1000, 8000):
        socks = held_calls(gate, count)
        more = resident_kib(gate.proc.pid) - alone
        results = [erlgate.load(DOCUMENTS["60 B"], CONNECTIONS, 1) for _ in range(1 if is_short else 3)]
        costs[count] = rig.median_of(results, "cpu_us")
        table.add("growth", f"{count} in flight, HTTP", "erlgate", cpu_us=costs[count], rps=rig.median_of(results, "rps"), resident_KiB_more=more)
        gate.http.post(gate.process_path("callee@localhost", "hold", "cast"), "1")
        for s in socks:
            peers.check(s.recv(4096).startswith(b"HTTP/1.1 200"), "a call that was held is answered")
            s.close()
    table.goal("1000 calls in flight over HTTP: CPU of one beside them, to that with 1", costs[1000] / costs[1], "at most", 2.0, SLACK)
    peers.end(callee)
    gate.stop()


def fly(gate, count):
    """A process of its own for each count, so that no memory is there from the one before; ten calls first, to begin with."""
    done = subprocess.run([rig.BENCH / "bench_flight", "localhost", str(gate.epmd_port), "callee@localhost", "10", str(count)],
                          env={**os.environ, "ERLGATE_COOKIE": gate.cookie}, capture_output=True, text=True, timeout=120, check=False)
    peers.equal(done.returncode, 0, f"bench_flight: {done.stderr}")
    return json.loads(done.stdout.splitlines()[1])


def measure_library(table, is_short):
    """Calls in flight on liberlnode itself: what it costs to make one, to call beside them, and to end one."""
    gate = rig.Wrapped()
    callee = rig.start_callee(gate)
    counts = [1, 1000, 10000] if is_short else [1, 100, 10000, 100000]
    rows = {count: fly(gate, count) for count in counts}
    for count, row in rows.items():
        table.add("growth", f"{count} in flight, library", "liberlnode", make_us=row["make_us"], beside_us=row["beside_us"],
                  end_us=row["end_us"], bytes_each=row["bytes_each"])
    most = counts[-1]
    table.goal(f"{most} calls in flight: CPU of one beside them, to that with 1", rows[most]["beside_us"] / rows[1]["beside_us"],
               "at most", 2.0, SLACK)
    begin_and_end = [rows[count]["make_us"] + rows[count]["end_us"] for count in counts[-2:]]
    table.goal(f"{most} calls in flight: CPU to make and end one, to that with {counts[-2]}", begin_and_end[1] / begin_and_end[0],
               "at most", 2.0, SLACK)
    peers.end(callee)
    gate.stop()


def measure(_world, table, is_short):
    measure_peers(table, is_short)
    measure_http(table, is_short)
    measure_library(table, is_short)
