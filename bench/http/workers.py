"""What a second thread costs and takes: 60-byte calls through `--workers 2`, beside the same gateway with one, in interleaved
rounds of two new processes each, by HTTP and by HTTPS.

How much faster it is depends on processors that are free, so that is held to nothing where there are fewer than six. What a
request costs, and whether each thread has its share of them, can be seen anywhere.
"""
import os
import re

import certs
from rig import DOCUMENTS, medians, peers

CONNECTIONS = 64
COST, LEAST, MOST = 1.15, 0.4, 0.6


def gateway(world, name, *args):
    admin = peers.free_port()
    gate, candidate = world.beside(name, "--admin-listen", f"127.0.0.1:{admin}", *args, wait=False)
    gate.admin = peers.Http(admin)

    def is_ready():
        peers.check(gate.proc.poll() is None, "the gateway ended:", gate.stderr())
        return peers.accepts(admin) and gate.admin.get("/readyz").status == 200

    peers.eventually(is_ready, f"{name} is ready", 15)
    return gate, candidate


def requests_by_thread(gate):
    text = gate.admin.get("/metrics").text
    return [float(value) for value in re.findall(r'^erlgate_http_thread_requests_total\{thread="\d+"\} (\S+)$', text, re.MULTILINE)]


def one_round(world, scheme, args, seconds):
    """Two gateways of their own: the figures of each, and how many requests each thread of the second had."""
    document = DOCUMENTS["60 B"]
    pair = [gateway(world, f"{scheme}-{count}", "--workers", str(count), *args) for count in (1, 2)]
    for _, candidate in pair:
        candidate.warm_up(document, CONNECTIONS)
    before = requests_by_thread(pair[1][0])
    results = [candidate.load(document, CONNECTIONS, seconds) for _, candidate in pair]
    made = [b - a for a, b in zip(before, requests_by_thread(pair[1][0]))]
    for gate, _ in pair:
        gate.stop()
    return *results, made


def compare(world, table, scheme, args, is_short):
    rounds, seconds = (2, 1) if is_short else (7, 2)
    ones, twos, made = zip(*(one_round(world, scheme, args, seconds) for _ in range(rounds)))
    share = sum(m[0] for m in made) / sum(map(sum, made))
    one, two = medians(ones), medians(twos)
    table.add("workers", f"60 B, {CONNECTIONS} conns, {scheme}", "1 thread", **one)
    table.add("workers", f"60 B, {CONNECTIONS} conns, {scheme}", "2 threads", **two)
    table.goal(f"workers, {scheme}: cpu_us of two threads / of one", two["cpu_us"] / one["cpu_us"], "at most", COST, 2.0)
    table.goal(f"workers, {scheme}: the owner's share of the requests", share, "at least", LEAST, 1.3)
    table.goal(f"workers, {scheme}: the owner's share of the requests", share, "at most", MOST, 1.3)
    if os.cpu_count() >= 6:
        table.goal(f"workers, {scheme}: rps of two threads / of one", two["rps"] / one["rps"], "at least", 1.3, 1.3)


def measure(world, table, is_short):
    world.echo  # pylint: disable=pointless-statement
    compare(world, table, "http", [], is_short)
    cert, key = certs.Ca().issue("DNS:localhost", kind="ec")
    compare(world, table, "https", ["--tls-cert", cert, "--tls-key", key], is_short)
