#!/usr/bin/env python3
"""HTTP calls through erlgate, beside what else one could put there, in interleaved rounds of one run.

    bench/http/gates.py [--rounds N] [--seconds S] [--connections N,N] [--documents small,medium] [--json FILE] [--check]

Peers: `bare`, libmicrohttpd alone, which gives back the body from memory; `bare+suspend`, the same with each request
suspended and resumed; `cowboy`, a gateway of forty lines in a second Erlang node. Those that call, call an echo
gen_server of OTP 29. wrk makes the load, on the same machine. What counts is the median over the rounds, and of that
the ratio: absolute times say more about the machine.

CPU is that of the gateway's own process (of the whole Erlang node, for cowboy), per request.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "peer"))
import peers  # noqa: E402

NODE = "echo@localhost"
BENCH = pathlib.Path(os.environ.get("ERLGATE_BENCH") or peers.SOURCE / "build" / "release" / "bench")


def cpu_us(pid):
    """What all threads of the process have run so far."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            pass
    return total / 1000


class Candidate:
    """Something that answers a POST."""

    def __init__(self, name, pid, url):
        self.name, self.pid, self.url = name, pid, url
        self.results = {}  # (document, connections) -> list of measurements

    def load(self, document, connections, seconds):
        before = cpu_us(self.pid)
        threads = "1"
        done = subprocess.run(
            ["wrk", "-t", threads, "-c", str(connections), "-d", f"{seconds}s", "-s", HERE / "post.lua", self.url],
            env={**os.environ, "BENCH_BODY": str(document)}, capture_output=True, text=True, timeout=seconds + 30, check=True)
        spent = cpu_us(self.pid) - before
        line = next(line for line in done.stdout.splitlines() if line.startswith("@@"))
        result = json.loads(line[2:])
        peers.check(result["requests"] > 0, self.name, "answered nothing:", done.stdout)
        peers.equal(result["errors"], 0, f"errors of {self.name}: {done.stdout}")
        return {"rps": result["requests"] * 1e6 / result["us"], "cpu_us": spent / result["requests"],
                "p50_us": result["p50"], "p99_us": result["p99"], "p999_us": result["p999"]}


def compile_into(folder, *sources, release="29", extra=()):
    for source in sources:
        done = subprocess.run(
            [peers.erl_path(release), "-noshell", *extra, "-eval",
             f'R = compile:file("{source}", [report, {{outdir, "{folder}"}}]), halt(case R of {{ok, _}} -> 0; _ -> 1 end).'],
            env={**os.environ, "HOME": str(folder)}, capture_output=True, timeout=60, check=False)
        peers.check(done.returncode == 0, source, "does not compile:", done.stdout, done.stderr)


def cowboy_paths():
    lib = peers.OTP / "29" / "usr" / "lib" / "erlang" / "lib"
    found = [str(path) for name in ("cowboy", "cowlib", "ranch") for path in lib.glob(f"{name}-*/ebin")]
    peers.check(len(found) == 3, f"cowboy is not in {lib}: tests/peer/otp.sh 29 FOLDER fetches it")
    return found


def start_bare(name, *args):
    port = peers.free_port()
    proc = peers.spawn([BENCH / "bench_bare", *args, str(port)], stdin=subprocess.PIPE)
    peers.eventually(lambda: peers.accepts(port), f"{name} listens")
    return Candidate(name, proc.pid, f"http://127.0.0.1:{port}/")


def start_all(names):
    """The callee, and each candidate that is wanted."""
    gate = peers.Gateway(args=["--log-level", "warn"])
    folder = peers.temporary_dir()
    compile_into(folder, HERE / "bench_echo.erl", HERE / "bench_gate.erl")
    echo = peers.Peer("29", NODE, gate.epmd_port, gate.cookie, extra=["-pa", str(folder)]).ready()
    peers.equal(echo.eval("bench_echo:start()"), "ok", "start of the echo server")
    candidates = []
    if "erlgate" in names:
        path = gate.process_path(NODE, "echo", "call")
        candidates.append(Candidate("erlgate", gate.proc.pid, f"http://127.0.0.1:{gate.port}{path}"))
    if "bare" in names:
        candidates.append(start_bare("bare"))
    if "bare+suspend" in names:
        candidates.append(start_bare("bare+suspend", "--suspend"))
    if "cowboy" in names:
        port = peers.free_port()
        second = peers.Peer("29", "cowboy@localhost", gate.epmd_port, gate.cookie, extra=["-pa", str(folder), *cowboy_paths()])
        second.ready()
        peers.equal(second.eval(f"bench_gate:start({port}, '{NODE}')", seconds=30), "ok", "start of cowboy")
        candidates.append(Candidate("cowboy", second.proc.pid, f"http://127.0.0.1:{port}/call"))
    return candidates


def median_of(results, key):
    return statistics.median(r[key] for r in results)


def measure(candidates, documents, connections, rounds, seconds):
    for document in documents:
        for count in connections:
            for candidate in candidates:  # caches, connections, the atom cache of the link
                candidate.load(document, count, 1)
            for _ in range(rounds):
                for candidate in candidates:
                    candidate.results.setdefault((document.stem, count), []).append(
                        candidate.load(document, count, seconds))


def table(candidates):
    rows = []
    for case in candidates[0].results:
        for candidate in candidates:
            found = candidate.results[case]
            rows.append({"document": case[0], "connections": case[1], "peer": candidate.name,
                         **{key: round(median_of(found, key), 2) for key in found[0]}})
    return rows


def print_table(rows):
    print(f"{'document':9} {'conns':>5}  {'peer':13} {'req/s':>8} {'CPU us':>8} {'p50 us':>8} {'p99 us':>8} {'p99.9':>8}")
    for r in rows:
        print(f"{r['document']:9} {r['connections']:5}  {r['peer']:13} {r['rps']:8.0f} {r['cpu_us']:8.1f} {r['p50_us']:8.0f} "
              f"{r['p99_us']:8.0f} {r['p999_us']:8.0f}")


# document, connections, figure, ours over theirs, whose, bound: what PERFORMANCE promises.
GOALS = (
    ("small", 64, "cpu_us", "bare+suspend", "at most", 1.6),
    ("small", 64, "rps", "cowboy", "at least", 3.0),
    ("medium", 64, "cpu_us", "bare+suspend", "at most", 2.8),
    ("medium", 64, "rps", "cowboy", "at least", 4.0),
)


def judge(rows, slack):
    """Prints each goal; False when one is missed by more than slack."""
    found = {(r["document"], r["connections"], r["peer"]): r for r in rows}
    is_good = True
    for document, connections, figure, peer, sense, bound in GOALS:
        ours, theirs = found.get((document, connections, "erlgate")), found.get((document, connections, peer))
        if not ours or not theirs:
            continue
        ratio = ours[figure] / theirs[figure]
        is_met = ratio <= bound * slack if sense == "at most" else ratio >= bound / slack
        is_good &= is_met
        print(f"{document} at {connections}: {figure} {ratio:.2f} times that of {peer}; wanted {sense} {bound}"
              f"{'' if is_met else '   <-- missed'}")
    return is_good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", default="1,64,512")
    parser.add_argument("--documents", default="small,medium")
    parser.add_argument("--peers", default="erlgate,bare,bare+suspend,cowboy")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--check", action="store_true", help="fail when a ratio is far from its goal")
    parser.add_argument("--slack", type=float, default=1.0, help="by what factor --check lets a goal be missed")
    args = parser.parse_args()
    documents = [BENCH / "documents" / f"{name}.json" for name in args.documents.split(",")]
    try:
        candidates = start_all(args.peers.split(","))
        measure(candidates, documents, [int(n) for n in args.connections.split(",")], args.rounds, args.seconds)
        rows = table(candidates)
        print_table(rows)
        is_good = judge(rows, args.slack)
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(rows, indent=1) + "\n")
    finally:
        peers.clean_up()
    return 1 if args.check and not is_good else 0


if __name__ == "__main__":
    sys.exit(main())
