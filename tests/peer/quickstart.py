"""What a new user does: ./run, and then each of the printed lines."""

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time

import peers
from peers import BIN, SOURCE, SLOWER, check, equal, eventually

# What each printed line has to give: the status (with -i in the output), and the body.
WANTED = [
    ("/kv/call", '"$atom": "put"', "ok"),
    ("/kv/call", '"$atom": "get"', ["ok", {"red": 255}]),
    ("/kv/call", "{get, <<", "{ok,#{<<\"red\">> => 255}}"),
    ("unwrap=ok", "no such key", "not_found"),
    ("/kv/cast", '"$atom": "delete"', "HTTP/1.1 202"),
    ("/kv/exit", "shutdown", ""),
    ("/v1/nodes", "", "kv@localhost"),
    ("/ping", "", "pong"),
]


class Run:
    """./run, and what it has said so far."""

    def __init__(self, directory):
        env = {k: v for k, v in os.environ.items() if not k.startswith("ERL_")}
        env.update(ERLGATE_BIN=str(BIN), TMPDIR=str(directory))
        self.lines = []
        self.proc = peers.spawn([SOURCE / "run"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, cwd="/", start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()
        eventually(lambda: any("Ctrl-C" in line for line in self.lines) or self.proc.poll() is not None, "./run is ready", 60)
        check(self.proc.poll() is None, "./run ended:", "".join(self.lines))

    def _read(self):
        for line in self.proc.stdout:
            self.lines.append(line.decode())

    def curls(self):
        return [line.strip() for line in self.lines if line.strip().startswith("curl ")]

    def children(self):
        return {pid: peers.command_line(pid) for pid in peers.descendants(self.proc.pid)}


def pasted(line):
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=20 * SLOWER, check=False)
    equal(done.returncode, 0, f"{line}: {done.stderr.decode()}")
    return done.stdout.decode()


def everything_gone(run, children, directory):
    left = [peers.command_line(pid) for pid in children if not peers.has_ended(pid)]
    equal(left, [], "processes left")
    equal(os.listdir(directory), [], "files left")


def test_the_printed_lines_work():
    with tempfile.TemporaryDirectory() as directory:
        run = Run(directory)
        curls = run.curls()
        equal(len(curls), len(WANTED), f"lines printed: {curls}")
        port = re.search(r"127\.0\.0\.1:(\d+)", curls[0]).group(1)
        pid = kv_pid(port)
        for line, (path, body, answer) in zip(curls, WANTED):
            check(path in line and body in line, "expected", path, body, "in", line)
            got = pasted(line)
            if isinstance(answer, list):
                equal(json.loads(got), answer, line)
            else:
                check(answer in got, line, "gave", got)
            if path == "/kv/exit":
                eventually(lambda: kv_pid(port) not in (None, pid), "the server has been started anew")
        check("ok" in pasted(curls[0]), "put once more")
        page = (SOURCE / "README.md").read_text().replace("localhost:4370", f"127.0.0.1:{port}")
        for language, option, program in (("python", "-c", "python3"), ("js", "-e", "node")):
            shown = re.search(rf"^```{language}\n(.*?)^```", page, re.M | re.S).group(1)
            done = subprocess.run([program, option, shown], capture_output=True, text=True, timeout=20 * SLOWER, check=False)
            equal(done.stdout.replace(" ", ""), "['ok',{'red':255}]\n" if language == "python" else "['ok',{red:255}]\n", done)
        kv_is_supervised(f"http://127.0.0.1:{port}")
        status = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", '{"$atom": "keys"}',
                                 f"http://127.0.0.1:{port}/v1/nodes/kv@localhost/processes/nobody/call"],
                                capture_output=True, timeout=20 * SLOWER, check=False).stdout
        equal(status, b"404", "a name that is not there")
        children = run.children()
        check(any("erlgate" in line for line in children.values()) and any("beam" in line for line in children.values()), children)
        secret = cookie_of(directory)
        for line in children.values():
            check(secret not in line, "the cookie is in the process list:", line)
        began = time.monotonic()
        os.killpg(run.proc.pid, signal.SIGINT)  # as Ctrl-C does
        run.proc.wait(15 * SLOWER)
        check(time.monotonic() - began < 8 * SLOWER, "took", time.monotonic() - began)
        eventually(lambda: not [p for p in children if not peers.has_ended(p)], "all have ended", 5)
        everything_gone(run, children, directory)


def kv_pid(port):
    """None where it has none."""
    return json.loads(pasted(f"curl -s http://127.0.0.1:{port}/v1/nodes/kv@localhost/processes/kv")).get("pid")


def kv_is_supervised(gate):
    """Ended as docs/cli.md ends it, it is there again, under each of its names."""
    def erlgate(*words):
        done = subprocess.run([BIN / "erlgate", *words, "--url", gate], capture_output=True, text=True, timeout=20 * SLOWER, check=False)
        return done.returncode, done.stdout

    equal(erlgate("exit", "kv@localhost", "kv", "shutdown")[0], 0, "its end")
    for whom in (("kv@localhost", "kv"), ("global:{kv, 1}",), ("group:pg/stores",)):
        eventually(lambda w=whom: erlgate("call", *w, "keys") == (0, "[]\n"), f"{whom} answers again")


def cookie_of(directory):
    found = [os.path.join(d, f) for d, _, files in os.walk(directory) for f in files if "cookie" in f]
    equal(len(found), 1, f"cookie files: {found}")
    equal(os.stat(found[0]).st_mode & 0o777, 0o600, "mode of the cookie's file")
    equal(os.stat(os.path.dirname(found[0])).st_mode & 0o777, 0o700, "mode of its folder")
    with open(found[0]) as f:
        return f.read().strip()


def test_two_at_once_and_SIGTERM():
    """A second one finds the ports taken, takes others, and prints lines with those."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        one, two = Run(first), Run(second)
        check(one.curls()[0] != two.curls()[0], "the same port twice:", one.curls()[0])
        for run in (one, two):
            check("ok" in pasted(run.curls()[0]), "put")
            check("red" in pasted(run.curls()[1]), "get")
        for run, directory in ((one, first), (two, second)):
            children = run.children()
            run.proc.send_signal(signal.SIGTERM)
            run.proc.wait(15 * SLOWER)
            eventually(lambda: not [p for p in children if not peers.has_ended(p)], "all have ended", 5)
            everything_gone(run, children, directory)


def test_it_ends_when_one_of_its_two_dies():
    with tempfile.TemporaryDirectory() as directory:
        run = Run(directory)
        children = run.children()
        gateway = next(pid for pid, line in children.items() if "serve" in line)
        os.kill(gateway, signal.SIGKILL)
        check(run.proc.wait(15 * SLOWER) != 0, "status 0")
        eventually(lambda: not [p for p in children if not peers.has_ended(p)], "all have ended", 5)
        everything_gone(run, children, directory)


def test_words():
    def run(*words):
        return subprocess.run([SOURCE / "run", *words], capture_output=True, timeout=20 * SLOWER, check=False)

    equal(run("help").returncode, 0, "help")
    check(b"./run test" in run("help").stdout, "help")
    equal(run("nonsense").returncode, 2, "an unknown word")
    check(b"./run test" in run("nonsense").stderr, "usage")
    for words in (("--help",), ("call", "-h")):  # without building or fetching anything first
        done = run("bench", *words)
        equal((done.returncode, done.stderr), (0, b""), f"bench {words}")
        check(b"codec-instructions, " in done.stdout and b"[]" not in done.stdout and b"==>" not in done.stdout, done.stdout)


def engine(directory, name, script):
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def image(directory, *args, **env):
    """./run image with the engines of this directory: what they were asked."""
    log = directory / "log"
    log.write_text("")
    done = subprocess.run([SOURCE / "run", "image", *args], capture_output=True, text=True, timeout=20 * SLOWER, check=False,
                          env={"PATH": f"{directory}:/usr/bin:/bin", "HOME": str(directory), "LOG": str(log), **env})
    equal(done.returncode, 0, done)
    return log.read_text().splitlines(), done.stderr


def test_an_image_has_its_version_and_is_built_by_what_works():
    directory = peers.temporary_dir()
    version = re.search(r"^project\(erlgate VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text(), re.M)[1]
    for name in ("docker", "podman", "buildah"):
        engine(directory, name, f'echo "{name} $*" >>"$LOG"')
    asked, said = image(directory)
    equal((asked[0], asked[-1], said), ("docker info", "docker images erlgate", ""), "docker's own")
    check(f" -t erlgate -t erlgate:{version} " in asked[1], "tags:", asked[1])
    check(" -t gate.example:5000/erlgate:x --build-arg" in image(directory, ERLGATE_IMAGE="gate.example:5000/erlgate:x")[0][1], "a tag")

    engine(directory, "docker", 'echo "docker $*" >>"$LOG"; [ "$1" != info ]')  # its daemon does not run
    asked, said = image(directory, "--pull-never")
    check(asked[1].startswith("podman build --format docker ") and asked[1].endswith(" --pull-never ."), asked)
    check("docker info" in said, said)
    equal(image(directory, ERLGATE_ENGINE="docker")[0][-1], "docker images erlgate", "what is said is done")


def test_a_measurement_that_there_is_none_of():
    done = subprocess.run([SOURCE / "bench" / "run.py", "nonsense"], capture_output=True, text=True, timeout=20 * SLOWER, check=False)
    equal((done.returncode, done.stdout), (2, ""), "status")
    check("there is no 'nonsense'; there are call, verb, " in done.stderr and "[]" not in done.stderr, done.stderr)


peers.main(globals())
