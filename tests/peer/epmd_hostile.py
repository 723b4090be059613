"""erlgate-epmd among peers that want to harm it: it goes on answering, and takes neither the processor nor the memory.

Other machines are a second network namespace; see netsplit.py. Needs `ip` (iproute2), and root or user namespaces.
"""

import os
import pathlib
import select
import socket
import struct
import subprocess
import time

import peers
from epmd_rig import OURS, Server, alive2, environment, frame, otp_epmds
from peers import check, equal, eventually


def limited(descriptors):
    """Ours with so many descriptors and no more."""
    script = peers.temporary_dir() / "limited"
    script.write_text(f'#!/bin/sh\nulimit -n {descriptors} && exec "{OURS}" "$@"\n')
    script.chmod(0o755)
    return script


def rss_mib(proc):
    for line in pathlib.Path(f"/proc/{proc.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise peers.Failed("no VmRSS")


def fds(proc):
    return len(os.listdir(f"/proc/{proc.pid}/fd"))


def check_rests(server, seconds=1.0):
    """It has nothing to do and does nothing."""
    before = peers.cpu_s(server.proc.pid)
    time.sleep(seconds)
    used = peers.cpu_s(server.proc.pid) - before
    check(used < seconds / 4, f"it used {used} s of processor time in {seconds} s of rest")


def looked_up(server):
    """A lookup by one that tries again when it is hung up on, as whoever uses a busy server does."""
    got = None
    for _ in range(50):
        got = server.ask(b"zkv")
        if got:
            break
    return got


def test_thousands_of_idle_connections():
    """Far more than it has descriptors: those that came first make room, and a node is not one of them."""
    server = Server(limited(400))
    node, _ = server.register(b"kv")
    idle = [server.connect() for _ in range(3000)]
    check(looked_up(server)[:2] == b"w\0", "a lookup meanwhile")
    late, reply = server.register(b"late")
    equal(reply[:2], b"v\0", "a registration meanwhile")
    check(fds(server.proc) <= 400, fds(server.proc))
    check_rests(server)
    equal(server.names(), [b"kv", b"late"], "names")
    for s in idle:
        s.close()
    eventually(lambda: fds(server.proc) < 30, "their descriptors are free again")
    node.close()
    late.close()
    server.stop()


def test_registrations_to_the_last_descriptor():
    """Names are kept to the last place, a further one is hung up on, and a place that becomes free can be had."""
    server = Server(limited(200))
    held = []
    while True:
        s = server.connect()
        s.sendall(frame(alive2(b"n%d" % len(held))))
        try:
            if s.recv(6)[:2] != b"v\0":
                break
        except ConnectionError:
            break
        held.append(s)
        check(len(held) <= 200, "more names than descriptors")
    check(len(held) >= 50, f"only {len(held)} names")
    check_rests(server)
    held.pop().close()
    eventually(lambda: (server.ask(b"zn0") or b"")[:2] == b"w\0", "a lookup when there is a place again")
    for s in held:
        s.close()
    eventually(lambda: server.names() == [], "all are gone")
    server.stop()


def test_requests_that_trickle_in():
    """A byte now and then keeps nobody: the whole request has the time of -packet_timeout."""
    server = Server(OURS, "-packet_timeout", 1)
    began = time.monotonic()
    slow = [server.connect() for _ in range(50)]
    for s in slow:
        s.sendall(frame(b"z" + b"n" * 250)[:2])
    ended = set()
    while len(ended) < len(slow):
        check(time.monotonic() - began < 8 * peers.SLOWER, f"{len(slow) - len(ended)} of {len(slow)} are still there")
        for s in slow:
            try:
                s.send(b"n")
            except ConnectionError:
                ended.add(s)
        select.select([], [], [], 0.1)
    equal(server.ask(b"zkv"), b"w\x01", "a lookup afterwards")
    server.stop()


def test_large_answers_that_nobody_reads():
    """NAMES and DUMP of names of 1,000 bytes, hundreds of times: what is not read is not kept for ever, nor all of it."""
    server = Server(OURS, "-packet_timeout", 2)
    held = []
    for i in range(2000):
        s, reply = server.register("\U0001f608".encode() * 240 + b"%d" % i)
        equal(reply[:2], b"v\0", f"registration {i}")
        held.append(s)
    before = rss_mib(server.proc)
    deaf = []
    for i in range(400):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", server.port))
        s.sendall(frame(b"nd"[i % 2:i % 2 + 1]))
        deaf.append(s)
    for s in deaf:  # each has begun to be answered, or was given up
        readable = select.poll()  # its numbers are above what select() takes
        readable.register(s, select.POLLIN)
        check(readable.poll(20000 * peers.SLOWER), "no answer")
    whole = server.ask(b"n")
    equal(whole.count(b" at port "), 2000, "names for one who reads")
    grown = rss_mib(server.proc) - before
    most = 80 if peers.SLOWER == 1 else 500  # a sanitizer keeps what is freed for a while
    check(grown < most, f"it has grown by {grown:.0f} MiB")
    eventually(lambda: fds(server.proc) < 2000 + 30, "those that do not read are given up", 15)
    check_rests(server)
    for s in deaf + held:
        s.close()
    server.stop()


def test_noise():
    """Requests, cut and mangled in every way, from many at once."""
    server = Server(OURS, "-packet_timeout", 1)
    node, _ = server.register(b"kv")
    good = [frame(b"zkv"), frame(b"n"), frame(b"d"), frame(b"k"), frame(b"skv"), frame(alive2(b"kv")), frame(alive2(b"x" * 255))]
    noise = [g[:cut] for g in good for cut in range(1, len(g))]
    noise += [g[:at] + bytes([g[at] ^ 0x80]) + g[at + 1:] for g in good for at in range(min(len(g), 40))]
    noise += [struct.pack(">H", n) + b"x" * 40 for n in (0, 1, 2, 40, 3057, 3058, 65535)]
    open_ones = []
    for data in noise:
        s = server.connect()
        s.sendall(data)
        open_ones.append(s)
    eventually(lambda: fds(server.proc) < len(noise), "they are hung up on, or time is up")
    for s in open_ones:
        s.close()
    eventually(lambda: server.names() == [b"kv"], "one name is left")
    check_rests(server, 0.5)
    node.close()
    server.stop()


# ---- Other machines --------------------------------------------------------------------------------------------------

HERE, THERE = "10.78.0.1", "10.78.0.2"

FOREIGN = """
import socket, sys
for line in sys.stdin:
    host, port, data = line.split()
    s = socket.create_connection((host, int(port)), timeout=10)
    s.sendall(bytes.fromhex(data))
    got = b""
    try:
        while True:
            part = s.recv(4096)
            if not part:
                break
            got += part
    except ConnectionError:
        pass
    print("answer", got.hex(), flush=True)
"""


class OtherMachine:
    """Two network namespaces with a cable between them, whose names end with their processes. Servers run `here`."""

    def __init__(self):
        unshare = ["unshare", "-n" if os.geteuid() == 0 else "-rn"]
        self.holder = peers.spawn([*unshare, "sleep", "3600"])
        self.enter = ["nsenter", "-t", str(self.holder.pid), *(["-U", "--preserve-credentials"] if os.geteuid() else []), "-n"]
        own = os.readlink("/proc/self/ns/net")
        eventually(lambda: self._namespace(self.holder) not in (None, own), "the namespace")
        self.other = peers.spawn([*self.enter, "unshare", "-n", "python3", "-uc", FOREIGN], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        eventually(lambda: self._namespace(self.other) not in (None, own, self._namespace(self.holder)), "the other namespace")
        self._ip("link", "set", "lo", "up")
        self._ip("link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(self.other.pid))
        self._ip("addr", "add", f"{HERE}/24", "dev", "here")
        self._ip("link", "set", "here", "up")
        there = ["nsenter", "-t", str(self.other.pid), "-n", "ip"]
        self._in_here(*there, "addr", "add", f"{THERE}/24", "dev", "there")
        self._in_here(*there, "link", "set", "there", "up")

    @staticmethod
    def _namespace(proc):
        try:
            return os.readlink(f"/proc/{proc.pid}/ns/net")
        except OSError:
            return None

    def _in_here(self, *argv):
        done = subprocess.run([*self.enter, *map(str, argv)], capture_output=True, check=False)
        check(done.returncode == 0, *argv, done.stderr.decode())
        return done.stdout

    def _ip(self, *args):
        self._in_here("ip", *args)

    def serve(self, program, *args):
        proc = peers.spawn([*self.enter, program, "-port", 4369, *args], env=environment(), stdin=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        eventually(lambda: self.local(b"n", HERE) is not None, f"{program} listens")
        return proc

    def local(self, body, host):
        """What a process on the same machine is answered; None: no connection."""
        script = ("import socket,sys\ntry: s = socket.create_connection((sys.argv[1], 4369), timeout=10)\n"
                  "except OSError: sys.exit(0)\ns.sendall(bytes.fromhex(sys.argv[2]))\n"
                  "print('answer', s.recv(4096).hex())\n")
        out = self._in_here("python3", "-c", script, host, frame(body).hex()).split()
        return bytes.fromhex("".join(o.decode() for o in out[1:])) if out else None

    def ask(self, body):
        """What the other machine is answered."""
        self.other.stdin.write(f"{HERE} 4369 {frame(body).hex()}\n")
        self.other.stdin.flush()
        return bytes.fromhex("".join(self.other.stdout.readline().split()[1:]))


def test_other_machines_may_only_look_up():
    machine = OtherMachine()
    for program in [OURS, *[p for _, p in otp_epmds()]]:
        proc = machine.serve(program, "-relaxed_command_check")
        # Registered from its own machine, though by its outer address.
        equal(machine.local(alive2(b"kv"), HERE)[:2], b"v\0", f"a registration from its own machine ({program})")
        equal(machine.ask(b"n")[:4], struct.pack(">I", 4369), f"NAMES ({program})")
        equal(machine.ask(b"znobody"), b"w\x01", f"a lookup ({program})")
        for body, what in ((alive2(b"kv"), "ALIVE2"), (b"d", "DUMP"), (b"k", "KILL"), (b"skv", "STOP")):
            equal(machine.ask(body), b"", f"{what} from another machine ({program})")
        check(proc.poll() is None, f"{program} ended")
        equal(machine.local(b"k", "127.0.0.1"), b"OK", "KILL from its own machine")
        equal(proc.wait(10 * peers.SLOWER), 0, "exit code")
    peers.end(machine.other)
    peers.end(machine.holder)


if __name__ == "__main__":
    peers.main(globals())
