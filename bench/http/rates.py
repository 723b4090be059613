"""How long a call takes when the gateway is not driven as hard as it goes: at half of the greatest throughput, beside bare
libmicrohttpd at half of its own; and while another peer is stalled, beside the same with that peer alive.

h2load asks at a given rate; its log has the time of each request, from which the percentiles are.
"""
import signal
import subprocess
import time

import rig
from rig import DOCUMENTS, peers, percentile

CONNECTIONS = 64
BACKGROUND = 64  # calls a second to the node that is stalled
TIMEOUT_MS = 300


def at_half(candidate, document, rps, seconds):
    times = rig.h2load(candidate.url, document, CONNECTIONS, "-D", seconds, f"--rps={rps / 2 / CONNECTIONS:.2f}",
                       seconds=seconds)
    p50, p99 = percentile(times, 50), percentile(times, 99)
    return {"rps": len(times) / seconds, "p50_us": p50, "p99_us": p99, "p99_to_p50": p99 / p50}


def measure_half(world, table, is_short):
    document, rounds, seconds = DOCUMENTS["60 B"], 2 if is_short else 5, 1 if is_short else 2
    candidates = [world.erlgate(), world.suspending]
    greatest = [max(c.load(document, CONNECTIONS, 1)["rps"] for _ in range(1 if is_short else 3)) for c in candidates]
    results = [[] for _ in candidates]
    for _ in range(rounds):
        for candidate, most, result in zip(candidates, greatest, results):
            result.append(at_half(candidate, document, most, seconds))
    found = [rig.medians(result) for result in results]
    for candidate, figures in zip(candidates, found):
        table.add("half rate", f"60 B, {CONNECTIONS} conns", candidate.name, **figures)
    table.goal("at half of the greatest rate: p99/p50, to that of bare+suspend", found[0]["p99_to_p50"] / found[1]["p99_to_p50"],
               "at most", 2.0, 5.0)


class Background:
    """Calls to the other node, at a rate, until it is stopped; what becomes of them does not matter."""

    def __init__(self, url, seconds):
        argv = rig.h2load_argv(url, DOCUMENTS["60 B"], BACKGROUND, "-D", seconds, "--rps=1")
        self.proc = peers.spawn(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait(self):
        peers.check(self.proc.wait(60) == 0, "calls to the other node")


def measure_stalled(world, table, is_short):
    """Rounds with the other node stalled and alive, in turn; calls to it go on in both."""
    rounds, seconds = 2 if is_short else 5, 1 if is_short else 2
    erlgate, other = world.erlgate(), world.erlang("other@localhost")
    peers.equal(other.eval("bench_echo:start()"), "ok", "start of the other echo server")
    path = world.gate.process_path("other@localhost", "echo", "call")
    rate = erlgate.load(DOCUMENTS["60 B"], CONNECTIONS, 1)["rps"] / 3
    peers.equal(world.gate.http.post(path, "1").status, 200, "a call to the other node")
    results = {"alive": [], "stalled": []}
    for number in range(2 * rounds):
        state = "stalled" if number % 2 else "alive"
        other.proc.send_signal(signal.SIGSTOP if number % 2 else signal.SIGCONT)
        background = Background(world.gate_url(f"{path}?timeout={TIMEOUT_MS}"), seconds + 1)
        time.sleep(2 * TIMEOUT_MS / 1000)  # until as many have come to their end as begin
        times = rig.h2load(erlgate.url, DOCUMENTS["60 B"], CONNECTIONS, "-D", seconds, f"--rps={rate / CONNECTIONS:.2f}", seconds=seconds)
        results[state].append({"rps": len(times) / seconds, "p50_us": percentile(times, 50), "p99_us": percentile(times, 99)})
        background.wait()
    other.proc.send_signal(signal.SIGCONT)
    info = world.gate.node_info("other@localhost")
    peers.equal(info and info["state"], "connected", "state of the link to the node that was stalled")
    other.stop()
    for state, result in results.items():
        p99s = [r["p99_us"] for r in result]
        table.add("other stalled", f"60 B, {CONNECTIONS} conns", f"other {state}", **rig.medians(result), p99_least=min(p99s), p99_most=max(p99s))
    alive, stalled = (rig.medians(results[state]) for state in ("alive", "stalled"))
    table.goal("other node stalled: p50, to that of control rounds", stalled["p50_us"] / alive["p50_us"], "at most", 1.1, 3.0)
    table.goal("other node stalled: p99, to the worst of control rounds", stalled["p99_us"] / max(r["p99_us"] for r in results["alive"]),
               "at most", 1.0, 10.0)


def measure(world, table, is_short):
    measure_half(world, table, is_short)
    measure_stalled(world, table, is_short)
