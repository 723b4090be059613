"""rig: what every measurement stands on: the processes that are measured, their cost as the kernel counts it, load, and
the table in which the results end.

A measurement is a module with `measure(world, table, is_short)`. It starts what it needs through the world, which keeps
what several need, and adds rows and goals to the table.
"""
import functools
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "peer"))
import peers  # noqa: E402

BENCH = pathlib.Path(os.environ.get("ERLGATE_BENCH") or peers.BIN / "bench")
NODE = "echo@localhost"
RELEASE = "29"
DOCUMENTS = {"60 B": BENCH / "documents" / "small.json", "10 KiB": BENCH / "documents" / "medium.json"}


def cpu_us(pid):
    """What all threads of the process have run so far."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            pass
    return total / 1000


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise peers.Failed(f"pid {pid} has no VmRSS")


# With `rep stos` and `rep movs` valgrind counts each byte as an instruction.
WITHOUT_REP = {"GLIBC_TUNABLES": "glibc.cpu.x86_rep_stosb_threshold=1000000000:glibc.cpu.x86_rep_movsb_threshold=1000000000"}


def percentile(ordered, percent):
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median_of(results, key):
    return statistics.median(r[key] for r in results)


def medians(results):
    return {key: median_of(results, key) for key in results[0]}


def output_of(argv, seconds):
    """All that a program says, which must succeed."""
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False)
    peers.equal(done.returncode, 0, f"status of {argv}: {done.stdout}")
    return done.stdout


# ---- Load ------------------------------------------------------------------------------------------------------------


def post(url, document, connections, seconds, paths=()):
    """As many POSTs as wrk can make on so many connections: requests, and what they took in µs. paths: in turn."""
    done = subprocess.run(
        ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "20s", "-s", HERE / "http" / "post.lua", url],
        env={**os.environ, "BENCH_BODY": str(document), **({"BENCH_PATHS": "\n".join(paths)} if paths else {})}, capture_output=True, text=True, timeout=seconds + 60, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("@@")), None)
    peers.check(done.returncode == 0 and line, f"wrk {url}: {done.stdout} {done.stderr}")
    result = json.loads(line[2:])
    peers.check(result["requests"] > 0, f"{url} answered nothing: {done.stdout}")
    peers.equal(result["errors"], 0, f"errors of {url}: {done.stdout}")
    return result


def h2load_argv(url, document, connections, *args):
    argv = ["h2load", "--h1", "-t", "1", "-c", str(connections), "-d", document, "-H", "Content-Type: application/json"]
    return [str(a) for a in argv + list(args) + [url]]


def h2load(url, document, connections, *args, seconds=60, statuses=(200, 202)):
    """The times of all answered requests in µs, in order; it is an error when one was not answered as wanted."""
    with tempfile.NamedTemporaryFile(prefix="erlgate-bench-") as log:
        done = subprocess.run(h2load_argv(url, document, connections, *args, f"--log-file={log.name}"), capture_output=True, text=True,
                              timeout=seconds + 60, check=False)
        peers.check(done.returncode == 0, f"h2load {url}: {done.stdout} {done.stderr}")
        rows = [line.split() for line in log.read().decode().splitlines()]
    peers.check(rows, f"h2load {url} measured nothing: {done.stdout}")
    bad = [row for row in rows if int(row[1]) not in statuses]
    peers.check(not bad, f"{url}: {len(bad)} of {len(rows)} were answered {bad[0][1] if bad else ''}")
    return sorted(int(row[2]) for row in rows)


class Caller:
    """One connection on which the same request is made again and again, each after the answer to the one before."""

    def __init__(self, port, path, body):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.request = head.encode() + body
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, count=1):
        for _ in range(count):
            self.sock.sendall(self.request)
            got = b""
            while b"\r\n\r\n" not in got:
                got += self._more()
            head, _, rest = got.partition(b"\r\n\r\n")
            peers.check(head.split(None, 2)[1] in (b"200", b"202"), f"answer to a call: {got}")
            length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            left = (int(length[1]) if length else 0) - len(rest)
            while left > 0:
                left -= len(self._more())

    def _more(self):
        piece = self.sock.recv(1 << 18)
        peers.check(piece, "the connection was closed")
        return piece

    def close(self):
        self.sock.close()


# ---- What is measured ------------------------------------------------------------------------------------------------


class Candidate:
    """Something that answers a POST: its name, its process, and where it is asked."""

    def __init__(self, name, pid, url):
        self.name, self.pid, self.url = name, pid, url

    def load(self, document, connections, seconds, paths=()):
        before = cpu_us(self.pid)
        result = post(self.url, document, connections, seconds, paths)
        return {"rps": result["requests"] * 1e6 / result["us"], "cpu_us": (cpu_us(self.pid) - before) / result["requests"],
                "p50_us": result["p50"], "p99_us": result["p99"], "p999_us": result["p999"]}

    def warm_up(self, document, connections):
        """Caches, connections, the atom cache of the link."""
        h2load(self.url, document, connections, "-n", 6400)

    def counted(self, document, connections, count):
        """Exactly so many requests, each of them answered."""
        before, began = cpu_us(self.pid), time.monotonic()
        times = h2load(self.url, document, connections, "-n", count)
        took = time.monotonic() - began
        peers.equal(len(times), count, f"requests that {self.name} answered")
        return {"rps": count / took, "cpu_us": (cpu_us(self.pid) - before) / count, "p50_us": percentile(times, 50), "p99_us": percentile(times, 99)}


class Wrapped(peers.Gateway):
    """A gateway that is run by another program, or with another environment."""

    def __init__(self, *wrapper, env=None, wait=True, args=()):
        self.wrapper = wrapper
        super().__init__(args=["--log-level", "warn", *args], env=env, wait=wait)

    def start(self, wait=True):
        self.argv = [*self.wrapper, *self.argv]
        self.began = time.monotonic()
        super().start(wait)


def start_callee(gate, name="callee", count=None):
    """Nodes in C with servers `echo` and `hold`."""
    argv = [BENCH / "bench_callee", name, "localhost", gate.epmd_port] + ([count] if count else [])
    proc = peers.spawn(argv, env={**os.environ, "ERLGATE_COOKIE": gate.cookie}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    peers.equal(proc.stdout.readline(), b"up\n", "start of bench_callee")
    return proc


class World:
    """What is started once, when it is first wanted, and serves several measurements."""

    @functools.cached_property
    def gate(self):
        return peers.Gateway(args=["--log-level", "warn"])

    @functools.cached_property
    def beams(self):
        """The folder with the modules of this benchmark, compiled."""
        folder = peers.temporary_dir()
        sources = ", ".join(f'"{path}"' for path in sorted(HERE.glob("*/*.erl")))
        done = subprocess.run(
            [peers.erl_path(RELEASE), "-noshell", "-eval",
             f'Rs = [compile:file(F, [report, {{outdir, "{folder}"}}]) || F <- [{sources}]],'
             "halt(case [R || R <- Rs, element(1, R) =/= ok] of [] -> 0; _ -> 1 end)."],
            env={**os.environ, "HOME": str(folder)}, capture_output=True, timeout=60, check=False)
        peers.check(done.returncode == 0, "the benchmark's modules do not compile:", done.stdout, done.stderr)
        return folder

    def erlang(self, name, extra=()):
        """One more Erlang node, of which the gateway's name server knows."""
        return peers.Peer(RELEASE, name, self.gate.epmd_port, self.gate.cookie, extra=["-pa", str(self.beams), *extra]).ready()

    @functools.cached_property
    def echo(self):
        echo = self.erlang(NODE)
        peers.equal(echo.eval("bench_echo:start()"), "ok", "start of the echo server")
        return echo

    def gate_url(self, path):
        return f"http://127.0.0.1:{self.gate.port}{path}"

    def erlgate(self, verb="call", node=NODE):
        return self._gateway("erlgate", self.gate, verb, node)

    def _gateway(self, name, gate, verb="call", node=NODE):
        self.echo  # pylint: disable=pointless-statement
        scheme = "https" if "--tls-cert" in gate.argv else "http"
        return Candidate(name, gate.proc.pid, f"{scheme}://localhost:{gate.port}{gate.process_path(node, 'echo', verb)}")

    def beside(self, name, *args, wait=True):
        """One more gateway: it has the name server and the cookie of the first. And what it is as a candidate."""
        gate = peers.Gateway(node=f"{name}@localhost", epmd=f"127.0.0.1:{self.gate.epmd_port}", epmd_port=self.gate.epmd_port,
                             cookie=self.gate.cookie, args=["--log-level", "warn", *args], wait=wait)
        return gate, self._gateway(name, gate)

    def _bare(self, name, *args):
        port = peers.free_port()
        proc = peers.spawn([BENCH / "bench_bare", *args, str(port)], stdin=subprocess.PIPE)
        peers.eventually(lambda: peers.accepts(port), f"{name} listens")
        return Candidate(name, proc.pid, f"http://127.0.0.1:{port}/")

    @functools.cached_property
    def suspending(self):
        return self._bare("bare+suspend", "--suspend")

    @functools.cached_property
    def _cowboy(self):
        return self._start_cowboy("cowboy")

    def _start_cowboy(self, name):
        self.echo  # pylint: disable=pointless-statement
        lib = peers.OTP / RELEASE / "usr" / "lib" / "erlang" / "lib"
        paths = [str(path) for name in ("cowboy", "cowlib", "ranch") for path in lib.glob(f"{name}-*/ebin")]
        peers.check(len(paths) == 3, f"cowboy is not in {lib}: tests/peer/otp.sh {RELEASE} FOLDER fetches it")
        second, port = self.erlang(f"{name}@localhost", [arg for path in paths for arg in ("-pa", path)]), peers.free_port()
        peers.equal(second.eval(f"bench_gate:start({port}, '{NODE}')", seconds=30), "ok", "start of cowboy")
        return second.proc.pid, port

    def cowboy(self, verb="call"):
        return self._cowboy_at(self._cowboy, verb)

    @staticmethod
    def _cowboy_at(started, verb="call"):
        pid, port = started
        return Candidate("cowboy", pid, f"http://127.0.0.1:{port}/{verb}")

    def sets_of_processes(self, count, names):
        """So often, a process of each of these names, for as many rounds. What a process costs depends on where its memory has come
        to lie: bare+suspend takes 8.8 to 12 µs for 10 KiB, and keeps to what it has begun with."""
        make = {
            "erlgate": lambda n: self._gateway("erlgate", self.beside(f"erlgate{n}")[0]),
            "cowboy": lambda n: self._cowboy_at(self._start_cowboy(f"cowboy{n}")),
            "bare": lambda n: self._bare("bare"),
            "bare+suspend": lambda n: self._bare("bare+suspend", "--suspend"),
        }
        return [[make[name](n) for name in names] for n in range(count)]

    @staticmethod
    def end_sets(sets):
        """What comes after them is not to have them beside it."""
        for candidate in (c for candidates in sets for c in candidates):
            os.kill(candidate.pid, signal.SIGTERM)
            peers.eventually(lambda pid=candidate.pid: peers.has_ended(pid), f"{candidate.name} has ended", 15)


# ---- Results ---------------------------------------------------------------------------------------------------------


NOT_FIGURES = ("measurement", "section", "case", "who")


class Table:
    """Rows of figures: section, case and who; and goals, each a figure with its bound."""

    def __init__(self):
        self.rows, self.goals = [], []
        self.measurement = None  # which is under way

    def add(self, section, case, who, **figures):
        self.rows.append({"measurement": self.measurement, "section": section, "case": case, "who": who, **{k: _round(v) for k, v in figures.items()}})

    def goal(self, what, value, sense, bound, slack=1.0):
        """slack: by what factor the goal may be missed before --check fails, for the machine has other things to do; infinite
        for what is a time."""
        is_met = value <= bound if sense == "at most" else value >= bound
        is_near = value <= bound * slack if sense == "at most" else value >= bound / slack
        self.goals.append({"measurement": self.measurement, "goal": what, "value": _round(value), "sense": sense, "bound": bound, "is_met": is_met,
                           "is_near": is_near})

    def print_rows(self, begin=0):
        """One heading wherever the figures change."""
        heading = None
        for row in self.rows[begin:]:
            figures = [key for key in row if key not in NOT_FIGURES]
            if heading != (row["section"], figures):
                heading = (row["section"], figures)
                print(f"\n{row['section']:12} {'':38} {'':18}" + "".join(f" {key:>{_width(key)}}" for key in figures))
            print(f"{'':12} {row['case']:38} {row['who']:18}" + "".join(f" {row[key]:>{_width(key)}}" for key in figures))
        sys.stdout.flush()

    def print_goals(self):
        print(f"\n{'goal':72} {'measured':>10}  wanted")
        for goal in self.goals:
            mark = "" if goal["is_met"] else "   <-- missed" + ("" if goal["is_near"] else ", by far")
            print(f"{goal['goal']:72} {goal['value']:>10}  {goal['sense']} {goal['bound']:g}{mark}")

    def is_good(self):
        return all(goal["is_near"] for goal in self.goals)

    def write(self, path, measurements, is_short):
        """measurements: all there are, in order; what the file has of those that were not made now stays in it."""
        old = {"rows": [], "goals": [], "short": []} | (json.loads(path.read_text()) if path.exists() else {})
        made = {row["measurement"] for row in self.rows}

        def merged(key, new):
            rows = [row for row in old[key] if row["measurement"] in measurements and row["measurement"] not in made] + new
            return sorted(rows, key=lambda row: measurements.index(row["measurement"]))

        results = {"machine": machine(), "short": sorted(set(old["short"]) - made | (made if is_short else set())),
                   "rows": merged("rows", self.rows), "goals": merged("goals", self.goals)}
        path.write_text(json.dumps(results, indent=1) + "\n")


def _width(key):
    return max(9, len(key))


def _round(value):
    if not isinstance(value, float):
        return value
    return round(value) if abs(value) >= 1000 else round(value, 1) if abs(value) >= 100 else round(value, 2)


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), "unknown")
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": os.uname().release,
            "load": round(os.getloadavg()[0], 2)}
