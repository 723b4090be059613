"""Cast, send and rpc through erlgate, beside the Cowboy gateway, in interleaved rounds of exactly so many requests: what is
cast and sent must all arrive, which the echo server counts."""
import rig
from rig import DOCUMENTS, peers

CONNECTIONS = 64
SLACK = 2.0


def candidates(world, verb):
    erlgate, cowboy = world.erlgate(verb), world.cowboy(verb)
    if verb == "rpc":
        erlgate.url = world.gate_url(f"/v1/nodes/{peers.segment(rig.NODE)}/rpc/lists/reverse")
    return erlgate, cowboy


def arrived(world):
    return int(world.echo.eval("gen_server:call(echo, counted)"))


def settle(world, wanted):
    """Waits until so many have arrived, and gives how many have."""
    def is_there():
        return arrived(world) >= wanted
    peers.eventually(is_there, f"{wanted} messages arrive at the echo server", 20)
    return arrived(world)


def measure(world, table, is_short):
    rounds, count = (2, 6000) if is_short else (5, 40000)
    arguments = peers.temporary_dir() / "arguments.json"
    arguments.write_text('[["one", 2, 3.5, {"four": 4}]]')
    for verb in ("cast", "send", "rpc"):
        document = arguments if verb == "rpc" else DOCUMENTS["60 B"]
        both = candidates(world, verb)
        results = [[] for _ in both]
        for candidate in both:
            candidate.warm_up(document, CONNECTIONS)
        world.echo.eval("gen_server:call(echo, reset)")
        for number in range(rounds):
            for candidate, result in zip(both, results):
                result.append(candidate.counted(document, CONNECTIONS, count))
        lost = 0
        if verb != "rpc":
            lost = 2 * rounds * count - settle(world, 2 * rounds * count)
            peers.equal(lost, 0, f"messages of {verb} that were lost (or came twice)")
        found = [rig.medians(result) for result in results]
        for candidate, figures in zip(both, found):
            table.add("verb", f"{verb}, 60 B, {CONNECTIONS} conns" if verb != "rpc" else f"rpc, {CONNECTIONS} conns", candidate.name, **figures)
        table.goal(f"{verb}, {CONNECTIONS} connections: CPU / cowboy's", found[0]["cpu_us"] / found[1]["cpu_us"], "at most", 0.5, SLACK)
