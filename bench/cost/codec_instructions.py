"""Instructions of the codec, counted by valgrind: what one run of each of bench_codec's cases executes, for each document.

What is kept in codec_instructions.json is what they may cost; `bench/run.py --renew codec-instructions` writes it anew. They depend on the compiler
and on the C library's choice among its copies of memcpy, and on nothing else.
"""
import json
import os
import pathlib
import re
import subprocess

import rig
from rig import peers

KEPT = pathlib.Path(__file__).resolve().parent / "codec_instructions.json"
DOCUMENTS = {"60 B": "small.json", "10 KiB": "medium.json", "1 MiB": "large.json"}
SLACK = 1.1
NOISE = 1.03
COUNTER = "run_counted"  # the function whose calls are counted


def count(document):
    """Case, by its function in bench/codec/codec.c: instructions of the call, with all that is called."""
    out = peers.temporary_dir() / "callgrind.out"
    done = subprocess.run(["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}", rig.BENCH / "bench_codec", "--once",
                           rig.BENCH / "documents" / document],
                          env={**os.environ, **rig.WITHOUT_REP}, capture_output=True, text=True, timeout=100, check=False)
    peers.equal(done.returncode, 0, f"callgrind: {done.stderr}")
    found = calls_of(COUNTER, out.read_text(errors="replace"))
    peers.check(len(found) >= 8, f"callgrind has seen {found} only")
    return found


def calls_of(counter, text):
    """The inclusive cost of what the function calls. Names are abbreviated: (12) name, and from then on (12); the line
    after calls= is the callee's cost."""
    names, found = {}, {}
    function = callee = None
    is_call = False
    for line in text.splitlines():
        if line.startswith(("fn=", "cfn=")):
            ident, _, name = line.partition("=")[2].partition(" ")
            if name:
                names[ident] = re.sub(r"\..*|'.*", "", name)
            function, callee = (names[ident], None) if line[0] == "f" else (function, names[ident])
        elif line.startswith("calls="):
            is_call = True
        elif line[:1] and line[0] in "0123456789+-*":
            if is_call and function == counter:
                found[callee] = found.get(callee, 0) + int(line.split()[1])
            is_call = False
    return found


def measure(_world, table, _is_short, renew=False):
    found = {}
    for name, document in DOCUMENTS.items():
        for case, instructions in count(document).items():
            found[f"{case}, {name}"] = instructions
            table.add("codec", name, case, instructions=instructions)
    if renew:
        KEPT.write_text(json.dumps(found, indent=1) + "\n")
    kept = json.loads(KEPT.read_text())
    peers.equal(sorted(found), sorted(kept), "cases")
    for case, instructions in found.items():
        table.goal(f"instructions of {case}", instructions, "at most", round(kept[case] * NOISE), SLACK)
