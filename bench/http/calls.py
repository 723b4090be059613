"""HTTP calls through erlgate, beside what else one could put there, in interleaved rounds.

`bare` is libmicrohttpd alone, which gives back the body from memory; `bare+suspend` the same with each request suspended
and resumed; `cowboy` a gateway of forty lines in a second Erlang node. Those that call, call an echo gen_server of OTP 29.
wrk makes the load, on the same machine. Each round has processes of its own. What counts is the median over the rounds, and of that the ratio: absolute times
say more about the machine. CPU is that of the gateway's own process (of the whole Erlang node, for cowboy), per request.
"""
from rig import DOCUMENTS, medians

# Document, connections, figure, whose, sense, bound: what the gateway is to keep; and by what factor --check lets it be missed.
# A rate depends on who else wants the processors, and an Erlang node takes several of them.
GOALS = (
    ("60 B", 64, "cpu_us", "bare+suspend", "at most", 1.6, 2.5),
    ("60 B", 64, "rps", "cowboy", "at least", 3.0, 6.0),
    ("10 KiB", 64, "cpu_us", "bare+suspend", "at most", 2.8, 2.5),
    ("10 KiB", 64, "rps", "cowboy", "at least", 4.0, 6.0),
)


def measure(world, table, is_short):
    rounds, seconds = (2, 1) if is_short else (5, 2)
    sets = world.sets_of_processes(rounds, ["erlgate", "bare+suspend", "cowboy"] + ([] if is_short else ["bare"]))
    found = {}
    for name, document in DOCUMENTS.items():
        for connections in (64,) if is_short else (1, 64, 512):
            results = [[] for _ in sets[0]]
            for candidates in sets:
                for candidate in candidates:
                    candidate.warm_up(document, connections)
                for candidate, result in zip(candidates, results):
                    result.append(candidate.load(document, connections, seconds))
            for candidate, result in zip(sets[0], results):
                found[name, connections, candidate.name] = medians(result)
                table.add("call", f"{name}, {connections} conns", candidate.name, **medians(result))
    world.end_sets(sets)
    for name, connections, figure, peer, sense, bound, slack in GOALS:
        ratio = found[name, connections, "erlgate"][figure] / found[name, connections, peer][figure]
        table.goal(f"call, {name}, {connections} connections: {figure} / {peer}'s", ratio, sense, bound, slack)
