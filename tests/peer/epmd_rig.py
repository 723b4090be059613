"""epmd_rig: erlgate-epmd and OTP's own epmd side by side, and connections to either.

ERLGATE_OTP_ONLY, releases separated by commas, leaves the others out (of the tests of EPMD alone).
"""

import os
import socket
import struct
import subprocess

import peers
from peers import check

RELEASES = tuple(r for r in (os.environ.get("ERLGATE_OTP_ONLY") or ",".join(peers.RELEASES)).split(",") if r)
OURS = peers.BIN / "erlgate-epmd"

# Debian's epmd 23 is linked with the libsystemd of its own suite, and with nothing newer.
WITHOUT_EPMD = ("23",)


def otp_epmds():
    """(release, path) of OTP's epmd, of each release that has one that runs here."""
    found = []
    for release in RELEASES:
        if release in WITHOUT_EPMD:
            continue
        paths = sorted(peers.OTP.glob(f"{release}/usr/lib/erlang/erts-*/bin/epmd"))
        check(paths, f"there is no epmd of OTP {release} under {peers.OTP}")
        found.append((release, paths[-1]))
    return found


def environment(**more):
    """Ours, without what an epmd would read from it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("ERL_", "LISTEN_", "NOTIFY_"))}
    env.update(more)
    return env


def run(program, *args, env=None, seconds=20, stdin=subprocess.DEVNULL):
    """(exit code, stdout, stderr) of a program that ends."""
    done = subprocess.run([str(program), *map(str, args)], env=env or environment(), stdin=stdin, capture_output=True,
                          timeout=seconds * peers.SLOWER, check=False)
    return done.returncode, done.stdout, done.stderr


class Server:
    """An epmd of either make, listening on loopback."""

    def __init__(self, program, *args, port=None, env=None):
        self.program, self.port = program, port or peers.free_port()
        self.dir = peers.temporary_dir()
        self.proc = peers.spawn([program, "-port", self.port, "-address", "127.0.0.1", *args], env=env or environment(),
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.dir / "stderr", "wb"))
        peers.eventually(lambda: peers.accepts(self.port) or self.proc.poll() is not None, f"{program} listens")
        check(self.proc.poll() is None, f"{program} ended at once: {self.stderr()}")

    def stderr(self):
        return (self.dir / "stderr").read_text(errors="replace")

    def stop(self):
        peers.end(self.proc)

    def ended(self, seconds=5):
        return self.proc.wait(seconds * peers.SLOWER)

    def connect(self, host="127.0.0.1"):
        s = socket.create_connection((host, self.port), timeout=10 * peers.SLOWER)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def ask(self, body, **kw):
        """The whole answer to one request; None: it was hung up on with an error."""
        return self.say(frame(body), **kw)

    def say(self, data, host="127.0.0.1"):
        with self.connect(host) as s:
            try:
                s.sendall(data)
                return receive_all(s)
            except ConnectionError:
                return None

    def register(self, name, port=1042, highest=6):
        """(the connection that is the registration, the reply)."""
        s = self.connect()
        s.sendall(frame(alive2(name, port, highest)))
        return s, s.recv(6)

    def names(self):
        answer = self.ask(b"n")
        return sorted(line.split(b" at port ")[0].removeprefix(b"name ") for line in answer[4:].splitlines())


def frame(body):
    return struct.pack(">H", len(body)) + body


def alive2(name, port=1042, highest=6, lowest=5, kind=77, extra=b"", name_length=None, extra_length=None):
    return (struct.pack(">BHBBHHH", 120, port, kind, 0, highest, lowest, len(name) if name_length is None else name_length)
            + name + struct.pack(">H", len(extra) if extra_length is None else extra_length) + extra)


def receive_all(s):
    got = b""
    while True:
        part = s.recv(65536)
        if not part:
            return got
        got += part
