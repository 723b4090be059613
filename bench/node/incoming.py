"""Calls from Erlang to a gen_server in C on liberlnode, beside one in a second Erlang node, and one of Erlang's own C library:
calls a second, and what the callee's process spends on each."""
import os
import re
import subprocess

import rig
from rig import cpu_us, peers

SLACK = 2.5


class Callee:
    def __init__(self, who, node, pid):
        self.who, self.server, self.pid = who, f"{{echo, '{node}'}}", pid

    def run(self, world, callers, seconds):
        before = cpu_us(self.pid)
        text = world.echo.eval(f"bench_callers:run({self.server}, {callers}, {round(seconds * 1000)})", seconds=seconds + 30)
        calls, us = (int(n) for n in re.fullmatch(r"{(\d+),(\d+)}", text).groups())
        return {"calls_a_second": calls * 1e6 / us, "cpu_us": (cpu_us(self.pid) - before) / calls, "round_trip_us": us * callers / calls}


def start_ei(world):
    program = rig.BENCH / "bench_ei_callee"
    if not program.exists():
        return []
    proc = peers.spawn([program, "ei"], stdout=subprocess.PIPE,
                       env={**os.environ, "ERLGATE_COOKIE": world.gate.cookie, "ERL_EPMD_PORT": str(world.gate.epmd_port)})
    peers.equal(proc.stdout.readline(), b"up\n", "start of bench_ei_callee")
    return [Callee("ei", "ei@localhost", proc.pid)]


def measure(world, table, is_short):
    second = world.erlang("second@localhost")
    peers.equal(second.eval("bench_echo:start()"), "ok", "start of the second echo server")
    callees = [Callee("liberlnode", "callee@localhost", rig.start_callee(world.gate).pid), Callee("Erlang", "second@localhost", second.proc.pid)]
    callees += start_ei(world)
    rounds, seconds = (2, 1) if is_short else (5, 1)
    for callers in (64,) if is_short else (1, 64):
        results = [[] for _ in callees]
        for callee in callees:
            callee.run(world, callers, 0.2)
        for _ in range(rounds):
            for callee, result in zip(callees, results):
                result.append(callee.run(world, callers, seconds))
        found = {}
        for callee, result in zip(callees, results):
            found[callee.who] = rig.medians(result)
            table.add("incoming", f"gen_server:call, {callers} callers", callee.who, **found[callee.who])
        table.goal(f"incoming calls, {callers} callers: CPU / that of an Erlang node",
                   found["liberlnode"]["cpu_us"] / found["Erlang"]["cpu_us"], "at most", 1.0, SLACK)
    second.stop()
