"""What a request asks of the heap in the steady state, and who asks: counted by bench_allocations.so (allocations.c).

A caller is the innermost function of the gateway that is no mere wrapper, with the library that it asked, if there is one.
"""
import collections
import functools
import mmap
import os
import struct
import subprocess

import rig
from rig import DOCUMENTS, peers

HEAD, ROW, FRAMES, CALLERS = struct.Struct("=3Q"), struct.Struct("=6Q2Q"), 6, 16384
WRAPPERS = ("mem_", "wr_")
CASES = (("call", "60 B", 2000), ("call", "10 KiB", 500), ("cast", "60 B", 2000))
# Allocations of one call: those that libmicrohttpd makes and ours.
MOST = 12


class Counters:
    """The table that the gateway counts in."""

    def __init__(self, path):
        self.path = path
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)

    def read(self):
        allocations, frees, lost = HEAD.unpack_from(self.map)
        peers.equal(lost, 0, "callers that found no room in the table")
        rows = {}
        for i in range(CALLERS):
            *frames, count, size = ROW.unpack_from(self.map, HEAD.size + i * ROW.size)
            if frames[0]:
                rows[tuple(frames)] = (count, size)
        return allocations, frees, rows


class Names:
    """Turns addresses of a process into functions, by addr2line; each file is asked once for each address."""

    def __init__(self, pid):
        self.files = []
        for line in open(f"/proc/{pid}/maps", encoding="ascii"):
            fields = line.split()
            if len(fields) > 5 and "x" in fields[1]:
                low, high = (int(x, 16) for x in fields[0].split("-"))
                self.files.append((low, high, low - int(fields[2], 16), fields[5]))

    @functools.lru_cache(maxsize=None)
    def of(self, address):
        """(function, file) of a return address, the innermost of what was inlined there first."""
        for low, high, base, path in self.files:
            if low <= address < high:
                lines = subprocess.run(["addr2line", "-f", "-i", "-e", path, hex(address - base - 1)], capture_output=True, text=True,
                                       check=False).stdout.splitlines()
                names = [n for n in lines[::2] if n != "??"] or [hex(address - base)]
                return tuple(names), os.path.basename(path)
        return ("?",), "?"

    def caller(self, frames):
        """The innermost function of the program itself, and the library that it called, if it was one that asked."""
        library = ""
        for address in filter(None, frames):
            functions, file = self.of(address)
            if file == "erlgate":
                function = next((f.partition(".")[0] for f in functions if not f.startswith(WRAPPERS)), None)
                if function:
                    return function + library
            elif not file.startswith("libc.so"):
                library = f" ({file.partition('.so')[0]})"
        return "?" + library


def measure(_world, table, is_short):
    counters = peers.temporary_dir() / "counters"
    gate = rig.Wrapped(env={"LD_PRELOAD": str(rig.BENCH / "bench_allocations.so"), "BENCH_ALLOCATIONS": str(counters)})
    callee = rig.start_callee(gate)
    counters, names = Counters(counters), Names(gate.proc.pid)
    peers.check(counters.read()[0] > 100, "bench_allocations.so counts nothing")
    for verb, name, count in CASES:
        caller = rig.Caller(gate.port, gate.process_path("callee@localhost", "echo", verb), DOCUMENTS[name].read_bytes())
        caller.call(1000)
        before = counters.read()
        caller.call(count)
        after = counters.read()
        caller.close()
        by, size = collections.Counter(), collections.Counter()
        for frames, (n, total) in after[2].items():
            was = before[2].get(frames, (0, 0))
            if n > was[0]:
                who = names.caller(frames)
                by[who] += n - was[0]
                size[who] += total - was[1]
        each = (after[0] - before[0]) / count
        table.add("allocations", f"{verb}, {name}", "all", a_request=each, bytes=sum(size.values()) / count)
        peers.check(abs(after[1] - before[1] - (after[0] - before[0])) < count / 10, "what is asked for is given back:", before[:2], after[:2])
        for who, n in by.most_common(8 if is_short else 40):
            if n / count >= 0.01:
                table.add("allocations", "", who, a_request=n / count, bytes=size[who] / count)
        if verb == "call":
            table.goal(f"allocations a request, {verb}, {name}", each, "at most", MOST, 1.1)
    peers.end(callee)
    gate.stop()
