"""Events a second to one stream, to a hundred and to ten thousand; and how long after a process has exited in Erlang the last of
those who watch it has been told.

The readers are one program in C (reader.c), which only counts. The rings are made so large that nothing is lost however slow
the reader is: each event is counted.
"""
import math
import subprocess

import rig
from rig import cpu_us, peers

PROCESSES = 10000


class Reader:
    def __init__(self, gate, paths):
        self.proc = peers.spawn([rig.BENCH / "bench_reader", gate.port, len(paths)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._say("\n".join(paths))
        peers.equal(self.proc.stdout.readline(), "open\n", f"{len(paths)} streams open")

    def _say(self, text):
        self.proc.stdin.write(text + "\n")
        self.proc.stdin.flush()

    def begin(self, count, kind):
        self._say(f"{count} {kind}")

    def end(self):
        """What it took from begin() in µs, and when that was."""
        line = self.proc.stdout.readline()
        peers.check(line, "bench_reader has ended")
        return (int(n) for n in line.split())

    def close(self):
        self.proc.stdin.close()
        peers.check(self.proc.wait(10) == 0, "bench_reader")


def make_processes(gate, node, count):
    """So many processes with a mailbox: the paths of their events; Erlang knows their pids."""
    paths, numbers, creation = [], [], 0
    for _ in range(count):
        made = gate.http.post("/v1/processes", {"ttl": 600000}, peers.JSON)
        peers.equal(made.status, 201, f"POST /v1/processes: {made}")
        _, ident, serial, creation = made.json["pid"].rsplit(":", 3)
        numbers.append(f"{{{ident},{serial}}}")
        paths.append(f"/v1/processes/{made.json['id']}/events")
    peers.equal(node.eval(f"bench_events:pids('{gate.node}', {creation}, [{','.join(numbers)}])", 60), "ok", "pids")
    return paths


def measure_events(gate, node, table, counts, rounds, events):
    paths = make_processes(gate, node, counts[-1])
    for count in counts:
        reader, results, each = Reader(gate, paths[:count]), [], max(1, events // count)
        for _ in range(rounds):
            before = cpu_us(gate.proc.pid)
            reader.begin(count * each, "message")
            sent = node.start_eval(f"bench_events:send({count}, {each})", 60)
            took, _ = reader.end()
            sent()
            results.append({"events_a_second": count * each * 1e6 / took, "cpu_us": (cpu_us(gate.proc.pid) - before) / (count * each)})
        reader.close()
        table.add("events", f"messages, {count} streams", "erlgate", **rig.medians(results))
    return results


def measure_down(gate, node, table, counts, rounds):
    for count in counts:
        results = []
        for _ in range(rounds):
            peers.equal(node.eval("bench_events:watched()"), "ok", "watched")
            reader = Reader(gate, [gate.process_path(node.node, "watched", "monitor") + "?linger=0"] * count)
            peers.equal(node.eval("testpeer:reached(fun() -> length(element(2, process_info(whereis(watched), monitored_by))) "
                                  f"=:= {count} end, 10000)", 20), "true", "monitors")
            before = cpu_us(gate.proc.pid)
            reader.begin(count, "down")
            began = int(node.eval("bench_events:leave()"))
            _, when = reader.end()
            results.append({"last_told_ms": (when - began) / 1000, "cpu_us": (cpu_us(gate.proc.pid) - before) / count})
            reader.close()
            peers.eventually(lambda: gate.self()["processes"] < PROCESSES // 100, "the streams' processes are gone", 30)
        table.add("events", f"exit, {count} streams", "erlgate", **rig.medians(results))
        if count == counts[-1]:
            table.goal(f"exit of a process to the last of {count} streams, ms", rig.median_of(results, "last_told_ms"), "at most", 1000, math.inf)


def measure(world, table, is_short):
    counts, rounds, events = ((1, 100), 2, 50000) if is_short else ((1, 100, PROCESSES), 3, 200000)
    gate = rig.Wrapped(args=["--stream-events", "1000000", "--stream-bytes", "200000000", "--atom-budget", "infinity"])
    node = peers.Peer(rig.RELEASE, rig.NODE, gate.epmd_port, gate.cookie, extra=["-pa", str(world.beams)]).ready()
    peers.equal(gate.http.put(f"/v1/nodes/{peers.segment(rig.NODE)}").status, 200, "a link")
    measure_down(gate, node, table, counts if not is_short else (1, 1000), rounds)
    measure_events(gate, node, table, counts, rounds, events)
    node.stop()
    gate.stop(60)
