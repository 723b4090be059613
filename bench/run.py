#!/usr/bin/env python3
"""Runs the benchmarks on loopback, prints one table of all results and the goals they are held to.

    bench/run.py [--short] [--check] [--json FILE] [MEASUREMENT…]

Every comparison is made within the run, in interleaved rounds, and what is judged is a ratio, or a count that does not
depend on the machine's speed.
"""
import argparse
import importlib.util
import pathlib
import resource
import signal
import sys
import textwrap
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import rig  # noqa: E402
from rig import peers  # noqa: E402

LIMIT, SHORT_LIMIT = 900, 220  # seconds for all of it

MEASUREMENTS = {  # name: its module
    "call": "http/calls.py",
    "verb": "http/verbs.py",
    "workers": "http/workers.py",
    "rate": "http/rates.py",
    "codec": "cost/codec.py",
    "events": "events/streams.py",
    "incoming": "node/incoming.py",
    "growth": "node/growth.py",
    "rest": "cost/rest.py",
    "instructions": "cost/instructions.py",
    "codec-instructions": "cost/codec_instructions.py",
    "allocations": "cost/allocations.py",
    "syscalls": "cost/syscalls.py",
}


class TimeIsUp(BaseException):
    pass


def time_is_up(_signal, _frame):
    raise TimeIsUp


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measurement(word):
    if word not in MEASUREMENTS:
        raise argparse.ArgumentTypeError(f"there is no '{word}'; there are {', '.join(MEASUREMENTS)}")
    return word


def main():
    names = textwrap.fill(f"Measurements: {', '.join(MEASUREMENTS)}.", 100, break_on_hyphens=False)
    parser = argparse.ArgumentParser(prog="bench/run.py", description=textwrap.fill(__doc__.splitlines()[0], 100), epilog=names,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", nargs="*", metavar="MEASUREMENT", type=measurement, help="which; all if none is named")
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes; fewer cases")
    parser.add_argument("--check", action="store_true", help="fail when a goal is missed by far")
    parser.add_argument("--renew", action="store_true", help="keep the instructions that are counted now as what they may cost")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path,
                        help="where the results go; what it has of measurements that are not made now stays")
    parser.add_argument("--dry-run", action="store_true", help="measure nothing: say only whether these words are right")
    args = parser.parse_args()
    if args.dry_run:
        return 0
    table, world = rig.Table(), rig.World()
    complaints = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    signal.signal(signal.SIGALRM, time_is_up)
    signal.alarm(SHORT_LIMIT if args.short else LIMIT)
    try:
        for name in args.measurements or MEASUREMENTS:
            began, row, table.measurement = time.monotonic(), len(table.rows), name
            options = {"renew": True} if name.endswith("instructions") and args.renew else {}
            try:
                load(HERE / MEASUREMENTS[name]).measure(world, table, args.short, **options)
            except peers.Failed as failure:  # the others are worth having
                complaints.append(f"{name}: {failure}")
            table.print_rows(row)
            print(f"({name}: {time.monotonic() - began:.0f} s)", flush=True)
    except TimeIsUp:
        complaints.append(f"the benchmark takes longer than {LIMIT} s")
    finally:
        complaints += peers.clean_up()
    table.print_goals()
    if args.json:
        table.write(args.json, list(MEASUREMENTS), args.short)
    for complaint in complaints:
        print(f"FAILED  {complaint}", file=sys.stderr)
    return 1 if complaints or (args.check and not table.is_good()) else 0


if __name__ == "__main__":
    sys.exit(main())
