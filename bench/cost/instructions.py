"""Instructions a request, counted by valgrind: the same on every machine, with the same compiler and libraries.

The gateway runs under callgrind, and calls nodes in C: no scheduler of an Erlang node decides how requests fall together.
They are made one after another on one connection, so that each is a request with all its turns of the loop. What is kept in
instructions.json is what they may cost; `bench/run.py --renew instructions` writes it anew.
"""
import collections
import functools
import json
import pathlib
import re
import subprocess

import rig
from rig import DOCUMENTS, peers

KEPT = pathlib.Path(__file__).resolve().parent / "instructions.json"
CASES = (("call", "60 B", 2000), ("call", "10 KiB", 400), ("cast", "60 B", 2000), ("send", "60 B", 2000))
SLACK = 1.1
NOISE = 1.03
SHOWN = 30


class Counted:
    """A gateway under callgrind."""

    def __init__(self):
        self.folder = peers.temporary_dir()
        self.gate = rig.Wrapped("valgrind", "--tool=callgrind", "-q", "--vgdb-prefix=" + str(self.folder / "vgdb"),
                                f"--callgrind-out-file={self.folder}/out", env=rig.WITHOUT_REP)

    def _control(self, *words):
        done = subprocess.run(["vgdb", f"--vgdb-prefix={self.folder / 'vgdb'}", f"--pid={self.gate.proc.pid}", "-c", *words],
                              capture_output=True, text=True, timeout=60, check=False)
        peers.equal(done.returncode, 0, f"vgdb {words}: {done.stderr}")

    def count(self, work):
        """What is executed while work() is done, as parse() gives it."""
        self._control("zero")
        work()
        for old in self.folder.glob("out.*"):
            old.unlink()
        self._control("dump")
        return parse(next(self.folder.glob("out.*")).read_text(errors="replace"))


# What belongs to whoever calls it.
LIBC = re.compile(r"_*(mem(set|cpy|move|cmp|r?chr)|str(n?len|n?cpy|n?cmp|n?casecmp|n?dup|r?chr|chrnul)|([mc]|re)alloc|free|int_\w+|IO_\w+|"
                  r"v?s?n?printf(_chk)?|v\w*printf_internal|unlink_chunk|clock_gettime|vdso_clock_gettime)(_|@|\.|$)")


def parse(text):
    """A profile of callgrind's, as instructions of each function, what it calls of the C library included. Names are
    abbreviated: (12) name, and from then on (12); the line after calls= is the callee's cost, and so no own one."""
    names, own, called = {}, collections.Counter(), collections.Counter()
    function = callee = None
    is_call = False
    for line in text.splitlines():
        if line.startswith(("fn=", "cfn=")):
            ident, _, name = line.partition("=")[2].partition(" ")
            if name:
                names[ident] = name
            if line[0] == "f":
                function = ident
            else:
                callee = ident
        elif line.startswith("calls="):
            is_call = True
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            cost = int(line.split()[1])
            if is_call:
                called[function, callee] += cost
            else:
                own[function] += cost
            is_call = False
    costs = collections.Counter({names[f]: cost for f, cost in own.items() if not LIBC.match(names[f])})
    for (caller, callee), cost in called.items():
        if LIBC.match(names[callee]) and not LIBC.match(names[caller]):
            costs[f"{names[callee]} of {names[caller]}"] += cost
    return sum(own.values()), costs


def measure(_world, table, is_short, renew=False):
    counted = Counted()
    gate, found = counted.gate, {}
    callee = rig.start_callee(gate)
    for verb, name, count in CASES:
        case = f"{verb}, {name}"
        caller = rig.Caller(gate.port, gate.process_path("callee@localhost", "echo", verb), DOCUMENTS[name].read_bytes())
        caller.call(100)
        count = count // 4 if is_short else count
        total, costs = counted.count(functools.partial(caller.call, count))
        caller.close()
        found[case] = round(total / count)
        table.add("instructions", case, "all", a_request=found[case], percent=100.0)
        for function, cost in costs.most_common(0 if is_short else SHOWN):
            table.add("instructions", "", function[:60], a_request=round(cost / count), percent=100 * cost / total)
    peers.end(callee)
    gate.stop(60)
    if renew:
        KEPT.write_text(json.dumps(found, indent=1) + "\n")
    kept = json.loads(KEPT.read_text())
    for case, instructions in found.items():
        table.goal(f"instructions a request, {case}", instructions, "at most", round(kept[case] * NOISE), SLACK)
