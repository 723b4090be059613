"""What a second thread costs and takes: 60-byte calls through `--workers 2`, beside the same gateway with one, in interleaved
rounds, by HTTP and by HTTPS.

How much faster it is depends on processors that are free, so that is held to nothing where there are fewer than six. What a
request costs, and whether each thread has its share of them, can be seen anywhere.
"""
import os
import re

import certs
import rig
from rig import DOCUMENTS, Candidate, medians, peers

CONNECTIONS = 64
COST, LEAST, MOST = 1.15, 0.4, 0.6


def gateway(world, name, *args):
    """Beside world.gate, whose name server and cookie it has; and what it is as a candidate."""
    gate = peers.Gateway(node=f"{name}@localhost", epmd=f"127.0.0.1:{world.gate.epmd_port}", epmd_port=world.gate.epmd_port,
                         cookie=world.gate.cookie, args=["--log-level", "warn", "--admin-listen", f"127.0.0.1:{peers.free_port()}", *args],
                         wait=False)
    admin = int(gate.argv[gate.argv.index("--admin-listen") + 1].rpartition(":")[2])
    gate.admin = peers.Http(admin)

    def is_ready():
        peers.check(gate.proc.poll() is None, "the gateway ended:", gate.stderr())
        return peers.accepts(admin) and gate.admin.get("/readyz").status == 200

    peers.eventually(is_ready, f"{name} is ready", 15)
    scheme = "https" if "--tls-cert" in args else "http"
    candidate = Candidate(name, gate.proc.pid, f"{scheme}://localhost:{gate.port}{gate.process_path(rig.NODE, 'echo', 'call')}")
    return gate, candidate


def requests_by_thread(gate):
    text = gate.admin.get("/metrics").text
    return [float(value) for value in re.findall(r'^erlgate_http_thread_requests_total\{thread="\d+"\} (\S+)$', text, re.MULTILINE)]


def compare(world, table, scheme, args, is_short):
    rounds, seconds = (2, 1) if is_short else (7, 2)
    document = DOCUMENTS["60 B"]
    pairs = [gateway(world, f"{scheme}-{count}", "--workers", str(count), *args) for count in (1, 2)]
    results = [[] for _ in pairs]
    for _, candidate in pairs:
        candidate.warm_up(document, CONNECTIONS)
    before = requests_by_thread(pairs[1][0])
    for _ in range(rounds):
        for (_, candidate), result in zip(pairs, results):
            result.append(candidate.load(document, CONNECTIONS, seconds))
    after = requests_by_thread(pairs[1][0])
    made = [b - a for a, b in zip(before, after)]
    share = made[0] / sum(made)
    one, two = (medians(result) for result in results)
    table.add("workers", f"60 B, {CONNECTIONS} conns, {scheme}", "1 thread", **one)
    table.add("workers", f"60 B, {CONNECTIONS} conns, {scheme}", "2 threads", **two)
    table.goal(f"workers, {scheme}: cpu_us of two threads / of one", two["cpu_us"] / one["cpu_us"], "at most", COST, 2.0)
    table.goal(f"workers, {scheme}: the owner's share of the requests", share, "at least", LEAST, 1.3)
    table.goal(f"workers, {scheme}: the owner's share of the requests", share, "at most", MOST, 1.3)
    if os.cpu_count() >= 6:
        table.goal(f"workers, {scheme}: rps of two threads / of one", two["rps"] / one["rps"], "at least", 1.3, 1.3)
    for gate, _ in pairs:
        gate.stop()


def measure(world, table, is_short):
    world.echo  # pylint: disable=pointless-statement
    compare(world, table, "http", [], is_short)
    cert, key = certs.Ca().issue("DNS:localhost", kind="ec")
    compare(world, table, "https", ["--tls-cert", cert, "--tls-key", key], is_short)
