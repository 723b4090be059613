"""peers: real Erlang nodes and a real gateway, started, asked and ended by a test.

A test is a script with functions test_…; main(globals()) runs them in the order they stand in, each under a time
limit, and ends everything that was started. Nothing outlives a script: what it starts dies with it (the kernel is told
to see to that), and at the end it is checked that no process of it is left.

Environment: ERLGATE_BIN, the folder with erlgate and erlgate-epmd (default build/release); ERLGATE_OTP, the folder with
23/bin/erl and so on (default build/otp). A release that is not there is a failure.
"""

import atexit
import base64
import ctypes
import faulthandler
import http.client
import itertools
import json
import os
import pathlib
import queue
import random
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BIN = pathlib.Path(os.environ.get("ERLGATE_BIN") or SOURCE / "build" / "release").resolve()
OTP = pathlib.Path(os.environ.get("ERLGATE_OTP") or SOURCE / "build" / "otp").resolve()
RELEASES = ("23", "25", "27", "29")

# A sanitized build is slower; what is measured in seconds is multiplied by this.
SLOWER = int(os.environ.get("ERLGATE_SLOWER") or 1)

JSON = "application/json"
TYPED = "application/vnd.erlang.typed+json"
ERL = "text/x-erlang"
ETF = "application/vnd.erlang.etf"
PROBLEM = "application/problem+json"


class Failed(AssertionError):
    """What was found is not what should be."""


def check(condition, *why):
    if not condition:
        raise Failed(" ".join(str(w) for w in why) or "check failed")


def equal(got, wanted, what=""):
    if got != wanted:
        raise Failed(f"{what or 'value'}: got {short(got)}, wanted {short(wanted)}")


def short(value, limit=600):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[:limit] + f"… ({len(text)} characters)"


def eventually(probe, what, seconds=10.0):
    """Waits until probe() gives something true, and gives that."""
    end = time.monotonic() + seconds * SLOWER
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not within {seconds * SLOWER:g} s: {what}")
        time.sleep(0.02)


# ---- Processes -------------------------------------------------------------------------------------------------------

_started = []  # every Popen of this script
_temporary = []


@atexit.register
def _remove_temporary():
    for path in _temporary:
        shutil.rmtree(path, ignore_errors=True)


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(argv, **kw):
    """Popen of something that must not outlive this script. Only from the main thread: the kernel ends the process when
    the thread that started it ends."""
    check(threading.current_thread() is threading.main_thread(), "spawn outside the main thread")
    proc = subprocess.Popen([str(a) for a in argv], preexec_fn=_die_with_parent, **kw)
    _started.append(proc)
    return proc


def end(proc, sig=signal.SIGKILL, seconds=5.0):
    """Ends a process of ours and gives its exit status; kills it when it does not end in time (and fails)."""
    if proc.poll() is None:
        proc.send_signal(sig)
    try:
        return proc.wait(seconds * SLOWER)
    except subprocess.TimeoutExpired:
        proc.kill()
        proc.wait()
        raise Failed(f"pid {proc.pid} did not end within {seconds * SLOWER:g} s of {signal.Signals(sig).name}") from None


def descendants(pid):
    """Every live process below pid."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found, todo = [], [pid]
    while todo:
        of = todo.pop()
        children = [p for p, parent in parents.items() if parent == of]
        found += children
        todo += children
    return found


def has_ended(pid):
    """It is gone, or has nothing left but a status that nobody has asked for."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def freeze(pid):
    """SIGSTOP, until each of its threads has stopped: what comes before that may still be answered."""
    def states():
        return {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}

    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: states() == {"T"}, f"process {pid} has stopped")


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(gone)"


def cpu_s(pid):
    """Seconds of processor time that it has used, all threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def temporary_dir():
    path = pathlib.Path(tempfile.mkdtemp(prefix="erlgate-test-"))
    _temporary.append(path)
    return path


def put_whole(path, text):
    """A file of secrets as a deployment replaces it: whoever reads it meanwhile has the old one or the new one."""
    new = path.with_suffix(".new")
    new.touch(0o600)
    new.write_text(text)
    new.rename(path)


_taken_ports = set()


def free_port():
    """A loopback port that nothing uses, below those that the kernel gives to outgoing connections."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(10240, 32000)
        if port in _taken_ports:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _taken_ports.add(port)
        return port
    raise Failed("no free port")


def fresh_cookie():
    return "c" + secrets.token_hex(12)


# ---- Erlang nodes ----------------------------------------------------------------------------------------------------


class EvalError(Failed):
    pass


def erl_path(release):
    erl = OTP / release / "bin" / "erl"
    check(erl.exists(), f"there is no OTP {release} at {erl}: tests/peer/otp.sh {release} {erl.parent.parent} fetches it")
    return erl


def erlang_env(home):
    """For a program of Erlang's: nothing of ours, or of whoever runs the tests."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("ERL_", "ERLGATE_"))}
    return {**env, "HOME": str(home), "ERL_CRASH_DUMP": "/dev/null", "ERL_CRASH_DUMP_SECONDS": "0", "LC_ALL": "C.UTF-8"}


class Peer:
    """An Erlang node of one release. name None: not distributed. Give it expressions by eval."""

    _beams = {}  # release -> folder with the compiled test*.beam

    def __init__(self, release, name=None, epmd_port=None, cookie=None, hidden=False, kernel=None, extra=()):
        self.release = release
        self.node = name
        self.dir = temporary_dir()
        self.log = self.dir / "stderr"
        env = erlang_env(self.dir)
        argv = [erl_path(release), "-noshell", "-pa", self._compiled(release), "+S", "2:2", "+A", "1"]
        if name:
            env["ERL_EPMD_PORT"] = str(epmd_port)
            cookie_file = self.dir / ".erlang.cookie"
            cookie_file.write_text(cookie)
            cookie_file.chmod(0o400)
            settings = {"inet_dist_use_interface": "{127,0,0,1}", "logger_level": "error"}
            settings.update(kernel or {})
            argv += ["-sname" if "." not in name.partition("@")[2] else "-name", name, "-start_epmd", "false"]
            argv += ["-hidden"] if hidden else []
            for key, value in settings.items():
                argv += ["-kernel", key, value]
        argv += [*extra, "-s", "testpeer", "start"]
        self._waiting = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.output = []
        self._waiting["0"] = queue.Queue()
        self.proc = spawn(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(self.log, "wb"),
                          cwd=self.dir)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    def _compiled(cls, release):
        if release not in cls._beams:
            out = temporary_dir()
            for source in sorted(HERE.glob("test*.erl")):
                if source.stem.endswith("_29") and release != "29":
                    continue
                done = subprocess.run(
                    [erl_path(release), "-noshell", "-eval",
                     f'R = compile:file("{source}", [report, {{outdir, "{out}"}}]), '
                     "halt(case R of {ok, _} -> 0; _ -> 1 end)."],
                    env={**os.environ, "HOME": str(out)}, capture_output=True, timeout=60, check=False)
                check(done.returncode == 0, f"OTP {release} does not compile {source.name}:", done.stdout, done.stderr)
            cls._beams[release] = out
        return cls._beams[release]

    def _read(self):
        for line in self.proc.stdout:
            if line.startswith(b"@@ "):
                _, ident, outcome, text = line.rstrip(b"\n").split(b" ", 3)
                with self._lock:
                    waiting = self._waiting.pop(ident.decode(), None)
                if waiting is not None:
                    waiting.put((outcome == b"ok", base64.b64decode(text)))
            else:
                self.output.append(line)
        with self._lock:
            left, self._waiting = self._waiting, {}
        if left:
            text = self._how_it_ended().encode()
            for waiting in left.values():
                waiting.put((False, text))

    def _how_it_ended(self):
        try:
            status = self.proc.wait(5)
        except subprocess.TimeoutExpired:
            return "the node's output has ended, the node has not"
        return f"the node has ended: {signal.Signals(-status).name if status < 0 else f'exit status {status}'}"

    def ready(self, seconds=20):
        """Waits until the node is up."""
        waiting = self._waiting.get("0")
        if waiting is not None:
            self._answer(waiting, "start of the node", seconds, bytes)
        return self

    def _answer(self, waiting, what, seconds, kind):
        try:
            ok, text = waiting.get(timeout=seconds * SLOWER)
        except queue.Empty:
            raise EvalError(f"OTP {self.release}: no answer within {seconds} s to {short(what)}") from None
        if not ok:
            raise EvalError(f"OTP {self.release}: {short(what)}: {text.decode(errors='replace')} {self.stderr()}")
        return text if kind is bytes else text.decode()

    def stderr(self):
        return self.log.read_text(errors="replace")[-3000:]

    def start_eval(self, expressions, seconds=15, kind=str):
        """Begins, and gives a function that waits for the value."""
        waiting = queue.Queue()
        with self._lock:
            ident = str(next(self._ids))
            self._waiting[ident] = waiting
        text = expressions.strip()
        line = ident.encode() + b" " + base64.b64encode((text if text.endswith(".") else text + ".").encode()) + b"\n"
        try:
            self.proc.stdin.write(line)
            self.proc.stdin.flush()
        except OSError:
            raise EvalError(f"OTP {self.release}: {self._how_it_ended()} {self.stderr()}") from None
        return lambda: self._answer(waiting, expressions, seconds, kind)

    def eval(self, expressions, seconds=15, kind=str):
        """The value of Erlang expressions, as ~p prints it. kind=bytes: of {raw, Binary}, the bytes."""
        return self.start_eval(expressions, seconds, kind)()

    def is_alive(self):
        return self.proc.poll() is None

    def kill(self):
        return end(self.proc, signal.SIGKILL)

    def stop(self):
        """The ordinary end: its standard input ends."""
        if self.proc.poll() is None:
            try:
                self.proc.stdin.close()
            except OSError:
                pass
            try:
                self.proc.wait(5 * SLOWER)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()


# ---- EPMD and the gateway --------------------------------------------------------------------------------------------


def accepts(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Epmd:
    """The name server of the tree, alone."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self.dir = temporary_dir()
        self.start()

    def start(self):
        env = {**os.environ, "ERL_EPMD_PORT": str(self.port), "ERL_EPMD_ADDRESS": "127.0.0.1"}
        self.proc = spawn([BIN / "erlgate-epmd", "-port", self.port], env=env, stdin=subprocess.DEVNULL,
                          stdout=open(self.dir / "stdout", "ab"), stderr=open(self.dir / "stderr", "ab"))
        eventually(lambda: accepts(self.port) or self.proc.poll() is not None, "erlgate-epmd listens")
        check(self.proc.poll() is None, "erlgate-epmd ended:", (self.dir / "stderr").read_text()[-500:])

    def stop(self):
        end(self.proc, signal.SIGTERM)


def registered(port):
    """Names that an EPMD knows; None when there is none."""
    try:
        answer = raw(port, b"\0\1n", seconds=2)
    except OSError:
        return None
    return {line.split()[1] for line in answer[4:].decode().splitlines()}


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name, default=None):
        return self.headers.get(name, default)

    @property
    def type(self):
        return (self.headers.get("content-type") or "").partition(";")[0].strip()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failed(f"no JSON in {self}") from None

    def __repr__(self):
        return f"{self.status} {self.type} {short(self.body)}"


def segment(text):
    """As one segment of a path."""
    return urllib.parse.quote(text, safe="")


class Http:
    """A client that sends what it is told and adds nothing. Each thread has one kept connection."""

    def __init__(self, port, host="127.0.0.1"):
        self.host, self.port = host, port
        self._local = threading.local()

    def request(self, method, path, body=None, headers=(), seconds=20, fresh=False, host_header=None):
        headers = dict(headers)
        if body is not None and not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        conn = None if fresh else getattr(self._local, "conn", None)
        is_reused = conn is not None
        if conn is None:
            conn = http.client.HTTPConnection(self.host, self.port, timeout=seconds * SLOWER)
        else:
            conn.sock and conn.sock.settimeout(seconds * SLOWER)
        try:
            conn.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            conn.putheader("Host", host_header if host_header is not None else f"{self.host}:{self.port}")
            for name, value in headers.items():
                conn.putheader(name, value)
            if body is not None and not any(h.lower() in ("content-length", "transfer-encoding") for h in headers):
                conn.putheader("Content-Length", str(len(body)))
            conn.endheaders()
            try:
                if body:
                    conn.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # answered and closed before all of it was sent: the answer counts
            answer = conn.getresponse()
            response = Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            conn.close()
            self._local.conn = None
            if is_reused:  # a kept connection that had been closed meanwhile
                return self.request(method, path, body, headers, seconds, True, host_header)
            raise
        except BaseException:
            conn.close()
            self._local.conn = None
            raise
        if fresh or answer.will_close:
            conn.close()
            self._local.conn = None if not fresh else getattr(self._local, "conn", None)
        else:
            self._local.conn = conn
        return response

    def get(self, path, **headers):
        return self.request("GET", path, headers=_dashed(headers))

    def post(self, path, body=b"", type=None, accept=None, **headers):
        headers = _dashed(headers)
        if type:
            headers["Content-Type"] = type
        if accept:
            headers["Accept"] = accept
        return self.request("POST", path, body, headers)

    def put(self, path, body=b""):
        return self.request("PUT", path, body)

    def delete(self, path):
        return self.request("DELETE", path)


class Curl(Http):
    """The same by curl, a process for each request: what a person at a shell sends, and how that reads the answers."""

    def request(self, method, path, body=None, headers=(), seconds=20, fresh=False, host_header=None):
        if body is not None and not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        headers = dict(headers)
        argv = ["curl", "--silent", "--show-error", "--include", "--path-as-is", "--globoff", "--max-time", str(seconds * SLOWER)]
        argv += ["--head"] if method == "HEAD" else ["--request", method]
        argv += [] if body is None else ["--data-binary", "@-"]
        # curl would send a type and an encoding of its own.
        for name in ("Content-Type", "Accept"):
            if name not in headers:
                argv += ["--header", f"{name}:"]
        for name, value in headers.items():
            argv += ["--header", f"{name}: {value}"]
        argv += ["--header", f"Host: {host_header}"] if host_header else []
        done = subprocess.run(argv + [f"http://{self.host}:{self.port}{path}"], input=body or b"", capture_output=True, check=False)
        equal(done.returncode, 0, f"curl {method} {path}: {done.stderr.decode(errors='replace')}")
        rest = done.stdout
        while True:
            head, _, rest = rest.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split()[1])
            if status >= 200:  # 100 Continue comes before the answer
                break
        return Response(status, {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}, rest)


def _dashed(headers):
    return {k.replace("_", "-"): v for k, v in headers.items()}


def raw(port, data, seconds=10, half_close=False):
    """Sends bytes as they are and gives all that comes back until the other end closes or is silent."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds * SLOWER) as s:
        try:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except OSError:
            pass
    return got


def _without_ours(env):
    """Without the variables of these tests, of which the gateway would warn. (How many threads it has is for who runs them to say.)"""
    return {k: v for k, v in env.items() if not k.startswith("ERLGATE_") or k == "ERLGATE_WORKERS"}


class Gateway:
    """erlgate serve, on free loopback ports."""

    def __init__(self, node="erlgate@localhost", cookie=None, epmd="embedded", epmd_port=None, args=(), hidden=True,
                 env=None, wait=True):
        self.node = node
        self.cookie = cookie or fresh_cookie()
        self.epmd_port = epmd_port or free_port()
        self.port = free_port()
        self.dir = temporary_dir()
        self.log = self.dir / "stderr"
        cookie_file = self.dir / "cookie"
        cookie_file.touch(0o600)
        cookie_file.write_text(self.cookie)
        self.argv = [BIN / "erlgate", "serve", "--name", node, "--cookie-file", cookie_file,
                     "--listen", f"127.0.0.1:{self.port}", "--epmd", epmd]
        self.argv += ["--hidden"] if hidden else []
        self.argv += list(args)
        self.env = {**_without_ours(os.environ), "ERL_EPMD_PORT": str(self.epmd_port), **(env or {})}
        self.http = Http(self.port)
        self.start(wait)

    def start(self, wait=True):
        check((BIN / "erlgate").exists(), f"there is no {BIN}/erlgate: build it first")
        self.proc = spawn(self.argv, env=self.env, stdin=subprocess.DEVNULL, stdout=open(self.dir / "stdout", "ab"),
                          stderr=open(self.log, "ab"))
        if wait:
            eventually(self.is_ready, "the gateway is ready", 15)

    def is_ready(self):
        check(self.proc.poll() is None, "the gateway ended with", self.proc.poll(), self.stderr())
        try:
            return Http(self.port).request("GET", "/readyz", fresh=True, seconds=5).status == 200
        except OSError:
            return False

    def stderr(self):
        return self.log.read_text(errors="replace")[-6000:]

    def lines(self, event, *words):
        """Lines of its log that tell of that event, and have the words."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if f" {event} " in f"{line} " and all(w in line for w in words)]

    def hup(self, event):
        """Sends SIGHUP, and gives what is logged of that event then."""
        before = len(self.lines(event))
        self.proc.send_signal(signal.SIGHUP)
        return eventually(lambda: self.lines(event)[before:], event)

    def self(self):
        response = self.http.get("/v1/self")
        equal(response.status, 200, "GET /v1/self")
        return response.json

    def node_info(self, node):
        """Its entry in GET /v1/nodes, or None."""
        response = self.http.get("/v1/nodes")
        equal(response.status, 200, "GET /v1/nodes")
        return next((n for n in response.json["nodes"] if n["node"] == node), None)

    def is_connected(self, node):
        info = self.node_info(node)
        return info is not None and info["state"] == "connected"

    def fds(self):
        return len(os.listdir(f"/proc/{self.proc.pid}/fd"))

    def cpu_s(self):
        """Seconds that it has run, all threads."""
        return cpu_s(self.proc.pid)

    def rss(self):
        """Kilobytes."""
        for line in pathlib.Path(f"/proc/{self.proc.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def is_alive(self):
        return self.proc.poll() is None

    def stop(self, seconds=10):
        """SIGTERM must end it in order: status 0, and nothing said by a sanitizer."""
        if self.proc.poll() is None:
            status = end(self.proc, signal.SIGTERM, seconds)
            equal(status, 0, f"exit status of the gateway ({self.stderr()})")
        self.check_log()

    def check_log(self):
        log = self.log.read_text(errors="replace")
        for mark in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer"):
            if mark in log:
                raise Failed(f"{mark} in the gateway's log: {log[log.index(mark):][:4000]}")

    # What most tests do.

    def process_path(self, node, name, verb):
        return f"/v1/nodes/{segment(node)}/processes/{segment(name)}/{verb}"

    def call(self, node, name, term, query="", accept=TYPED, type=ERL):
        return self.http.post(self.process_path(node, name, "call") + query, term, type, accept)


class Logged(Gateway):
    """One whose log alone says that it is ready: it speaks no plain HTTP, or /readyz is what is tested."""

    def is_ready(self):
        check(self.proc.poll() is None, "the gateway ended with", self.proc.poll(), self.stderr())
        return " ready " in self.log.read_text()


def serving(release, gate, name=None, epmd_port=None, **kw):
    """A node of the gateway's cluster with testpeer's server on it, as `srv`."""
    peer = Peer(release, name or f"a{release}@localhost", epmd_port or gate.epmd_port, gate.cookie, **kw).ready()
    peer.eval("testpeer:serve(srv)")
    return peer


def token_for(principal, *args, file=None):
    """A token that erlgate makes, and the file that knows it."""
    file = file or temporary_dir() / "tokens.yaml"
    done = subprocess.run([BIN / "erlgate", "token", principal, "--append", file, *args], capture_output=True, text=True, check=False)
    equal((done.returncode, done.stderr), (0, ""), "erlgate token")
    return done.stdout.strip(), file


def problem(response, status, code, sent=None):
    """The response is that problem, and says so in every place where it says something."""
    equal((response.status, response.type), (status, PROBLEM), f"status and type of {response}")
    body = response.json
    equal(body.get("code"), code, f"code of {response}")
    equal(body.get("status"), status, f"status member of {response}")
    for member in ("type", "title", "detail", "request_id"):
        check(isinstance(body.get(member), str) and body[member], f"member {member} of {response}")
    for member in ("retryable", "sent"):
        check(isinstance(body.get(member), bool), f"member {member} of {response}")
    if sent is not None:
        equal(body["sent"], sent, f"sent in {response}")
    return body


# ---- Running ---------------------------------------------------------------------------------------------------------


class _TimeIsUp(BaseException):
    pass


def _alarm(_signal, _frame):
    raise _TimeIsUp()


def clean_up():
    """Ends all that is left; gives the complaints."""
    complaints = []
    for proc in _started:
        if proc.poll() is None:
            if proc.stdin:
                try:
                    proc.stdin.close()
                except OSError:
                    pass
            proc.send_signal(signal.SIGCONT)
            proc.terminate()
    until = time.monotonic() + 10 * SLOWER
    for proc in _started:
        try:
            proc.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            complaints.append(f"pid {proc.pid} had to be killed: {command_line(proc.pid)}")
            proc.kill()
            proc.wait()
    # erl's own helpers end a moment after it.
    until = time.monotonic() + 5 * SLOWER
    while descendants(os.getpid()) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in descendants(os.getpid()):
        complaints.append(f"pid {pid} is left: {command_line(pid)}")
    return complaints


def _tails():
    """The ends of all logs, for a failure."""
    for path in _temporary:
        log = path / "stderr"
        if log.exists() and log.stat().st_size:
            print(f"--- {log}\n{log.read_text(errors='replace')[-3000:]}")


def main(names, limit=120, descriptors=8192):
    """Runs the test_… functions of a script (names: its globals()); limit: seconds for each; descriptors: of files, at most. Words on the command line
    pick tests by part of their name."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    signal.signal(signal.SIGALRM, _alarm)
    # Processes that lose their parent become ours, so that nothing can slip away from clean_up.
    _libc.prctl(36, 1, 0, 0, 0)
    tests = [(n[5:].replace("_", " "), f) for n, f in names.items() if n.startswith("test_") and callable(f)]
    picked = [t for t in tests if not sys.argv[1:] or any(w in t[0] for w in sys.argv[1:])]
    failed = 0
    for name, test in picked:
        before = len(_started)
        began = time.monotonic()
        signal.alarm(limit * SLOWER)
        try:
            test()
            print(f"ok      {name} ({time.monotonic() - began:.2f} s)", flush=True)
        except _TimeIsUp:
            failed += 1
            print(f"FAILED  {name}: not done in {limit * SLOWER} s", flush=True)
            traceback.print_exc()
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED  {name}: {error}", flush=True)
            traceback.print_exc()
        finally:
            signal.alarm(0)
        if failed:  # what a failed test left behind must not make others fail
            for proc in _started[before:]:
                if proc.poll() is None:
                    proc.send_signal(signal.SIGCONT)
                    end(proc)
    at_end = names.get("at_end")
    if at_end and not sys.argv[1:]:
        at_end()
    complaints = clean_up()
    for complaint in complaints:
        print(f"FAILED  clean up: {complaint}")
    if failed or complaints:
        _tails()
    _remove_temporary()
    print(f"{len(picked) - failed} passed, {failed} failed")
    sys.stdout.flush()
    os._exit(1 if failed or complaints or not picked else 0)
