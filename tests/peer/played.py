"""played: the other end of a link, played by the test, byte by byte: a node of any version and any flags, that keeps the
rules or breaks them. Also an EPMD that says what it is told to say, and a cable between two ends that shows what passes.

A played node offers no atom cache unless its flags say so: all that it is sent then is plain terms.
"""

import hashlib
import socket
import struct
import threading
import time

from peers import SLOWER, check, equal, eventually

# ---- Flags, under OTP's names

PUBLISHED = 1 << 0
EXTENDED_REFERENCES = 1 << 2
DIST_MONITOR = 1 << 3
FUN_TAGS = 1 << 4
DIST_MONITOR_NAME = 1 << 5
NEW_FUN_TAGS = 1 << 7
EXTENDED_PIDS_PORTS = 1 << 8
EXPORT_PTR_TAG = 1 << 9
BIT_BINARIES = 1 << 10
NEW_FLOATS = 1 << 11
UNICODE_IO = 1 << 12
DIST_HDR_ATOM_CACHE = 1 << 13
SMALL_ATOM_TAGS = 1 << 14
UTF8_ATOMS = 1 << 16
MAP_TAG = 1 << 17
BIG_CREATION = 1 << 18
SEND_SENDER = 1 << 19
BIG_SEQTRACE_LABELS = 1 << 20
EXIT_PAYLOAD = 1 << 22
FRAGMENTS = 1 << 23
HANDSHAKE_23 = 1 << 24
UNLINK_ID = 1 << 25
MANDATORY_25_DIGEST = 1 << 26
SPAWN = 1 << 32
NAME_ME = 1 << 33
V4_NC = 1 << 34
ALIAS = 1 << 35
ALTACT_SIG = 1 << 37
NATIVE_RECORDS = 1 << 38

NAMES = {value: name for name, value in list(globals().items()) if name.isupper() and name != "SLOWER"}

# What OTP 29 offers, without the atom cache and fragments.
PLAIN = sum(NAMES) & ~(PUBLISHED | NAME_ME | DIST_HDR_ATOM_CACHE | FRAGMENTS | MANDATORY_25_DIGEST)
# What OTP 22 had: no flag above bit 23.
OLD = PLAIN & 0xFFFFFF & ~(UNLINK_ID | HANDSHAKE_23)

CREATION = 0x5EED

# ---- Terms


class Atom(str):
    def __repr__(self):
        return f"'{self}'"


class Raw(bytes):
    """Bytes that stand for themselves in a term."""


class Pid(tuple):
    """(node, id, serial, creation)"""


class Ref(tuple):
    """(node, creation, words)"""


class Improper(tuple):
    """(elements, tail)"""


def _atom(text):
    data = text.encode()
    return bytes([119, len(data)]) + data if len(data) < 256 else b"\x76" + struct.pack(">H", len(data)) + data


def encode(t):
    """One term, without the version byte."""
    if isinstance(t, Raw):
        return bytes(t)
    if isinstance(t, Atom):
        return _atom(t)
    if isinstance(t, bool):
        return _atom("true" if t else "false")
    if isinstance(t, int):
        if 0 <= t < 256:
            return bytes([97, t])
        if -(1 << 31) <= t < 1 << 31:
            return b"b" + struct.pack(">i", t)
        size = (abs(t).bit_length() + 7) // 8
        return bytes([110, size, t < 0]) + abs(t).to_bytes(size, "little")
    if isinstance(t, float):
        return b"F" + struct.pack(">d", t)
    if isinstance(t, bytes):
        return b"m" + struct.pack(">I", len(t)) + t
    if isinstance(t, Pid):
        return b"X" + _atom(t[0]) + struct.pack(">III", *t[1:])
    if isinstance(t, Ref):
        return b"Z" + struct.pack(">H", len(t[2])) + _atom(t[0]) + struct.pack(">I", t[1]) + struct.pack(f">{len(t[2])}I", *t[2])
    if isinstance(t, Improper):
        return b"l" + struct.pack(">I", len(t[0])) + b"".join(map(encode, t[0])) + encode(t[1])
    if isinstance(t, tuple):
        return bytes([104, len(t)]) + b"".join(map(encode, t))
    if isinstance(t, list):
        return b"l" + struct.pack(">I", len(t)) + b"".join(map(encode, t)) + b"j" if t else b"j"
    if isinstance(t, dict):
        return b"t" + struct.pack(">I", len(t)) + b"".join(encode(k) + encode(v) for k, v in t.items())
    raise TypeError(type(t))


def decode(data, at=0):
    """(term, where it ends); strings come as lists."""
    tag = data[at]
    at += 1
    if tag == 97:
        return data[at], at + 1
    if tag == 98:
        return struct.unpack_from(">i", data, at)[0], at + 4
    if tag == 70:
        return struct.unpack_from(">d", data, at)[0], at + 8
    if tag == 110:
        size, sign = data[at], data[at + 1]
        value = int.from_bytes(data[at + 2:at + 2 + size], "little")
        return -value if sign else value, at + 2 + size
    if tag in (119, 118, 100, 115):
        wide = tag in (118, 100)
        size = int.from_bytes(data[at:at + 1 + wide], "big")
        at += 1 + wide
        return Atom(data[at:at + size].decode("utf-8" if tag > 115 else "latin-1")), at + size
    if tag == 109:
        size = int.from_bytes(data[at:at + 4], "big")
        return bytes(data[at + 4:at + 4 + size]), at + 4 + size
    if tag == 107:
        size = int.from_bytes(data[at:at + 2], "big")
        return list(data[at + 2:at + 2 + size]), at + 2 + size
    if tag == 106:
        return [], at
    if tag in (104, 105):
        size = data[at] if tag == 104 else int.from_bytes(data[at:at + 4], "big")
        at += 1 if tag == 104 else 4
        items, at = _several(data, at, size)
        return tuple(items), at
    if tag == 108:
        items, at = _several(data, at + 4, int.from_bytes(data[at:at + 4], "big"))
        tail, at = decode(data, at)
        return (items if tail == [] else Improper((items, tail))), at
    if tag == 116:
        items, at = _several(data, at + 4, 2 * int.from_bytes(data[at:at + 4], "big"))
        return dict(zip(items[::2], items[1::2])), at
    if tag == 88:
        node, at = decode(data, at)
        return Pid((node, *struct.unpack_from(">III", data, at))), at + 12
    if tag == 90:
        count = int.from_bytes(data[at:at + 2], "big")
        node, at = decode(data, at + 2)
        words = struct.unpack_from(f">{count + 1}I", data, at)
        return Ref((node, words[0], words[1:])), at + 4 * (count + 1)
    raise ValueError(f"tag {tag}")


def _several(data, at, count):
    items = []
    for _ in range(count):
        item, at = decode(data, at)
        items.append(item)
    return items, at


# ---- Frames


def passed(control, *payload):
    """A control message as it is without headers."""
    return b"\x70\x83" + encode(control) + b"".join(b"\x83" + encode(p) for p in payload)


def headed(*terms):
    """The same behind a header without atoms."""
    return b"\x83\x44\0" + b"".join(map(encode, terms))


def cached(atoms, *terms):
    """The same behind one that brings these atoms, to the first 256 places of the cache: Raw(b"R\\0") is the first of them."""
    flags = bytearray(len(atoms) // 2 + 1)
    for i in range(len(atoms)):
        flags[i // 2] |= 8 << 4 * (i % 2)
    new = b"".join(bytes([i, len(a.encode())]) + a.encode() for i, a in enumerate(atoms))
    return b"\x83\x44" + bytes([len(atoms)]) + bytes(flags) + new + b"".join(map(encode, terms))


def first(sequence, number, *terms):
    """The first of so many fragments."""
    return b"\x83\x45" + struct.pack(">QQ", sequence, number) + b"\0" + b"".join(map(encode, terms))


def further(sequence, number, data):
    return b"\x83\x46" + struct.pack(">QQ", sequence, number) + data


# ---- The handshake


class Refused(Exception):
    """The other end did not want to; what it said last."""


def digest(cookie, challenge):
    return hashlib.md5(cookie.encode() + str(challenge).encode()).digest()


def opening(name, flags, version=6, creation=CREATION):
    name = name.encode()
    if version == 6:
        return b"N" + struct.pack(">QIH", flags, creation, len(name)) + name
    return b"n" + struct.pack(">HI", 5, flags & 0xFFFFFFFF) + name


def challenge_message(name, flags, version, challenge, creation=CREATION):
    name = name.encode()
    if version == 6:
        return b"N" + struct.pack(">QIIH", flags, challenge, creation, len(name)) + name
    return b"n" + struct.pack(">HII", 5, flags & 0xFFFFFFFF, challenge) + name


class Link:
    """One connection. What is said and heard: messages of the handshake (`say`, `hear`), then frames."""

    def __init__(self, sock, name, cookie):
        self.sock, self.name, self.cookie = sock, name, cookie
        sock.settimeout(20 * SLOWER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.statuses = []      # that came
        self.other = None       # name of the other end
        self.other_flags = 0
        self.version_heard = None
        self.has_headers = False
        self.ticks = 0
        self.replier = None
        self.others = []
        self._last_ref = 0

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self, n):
        data = bytearray()
        while len(data) < n:
            try:
                piece = self.sock.recv(min(n - len(data), 1 << 20))
            except ConnectionError:
                piece = b""
            if not piece:
                raise EOFError(f"closed after {len(data)} of {n} bytes")
            data += piece
        return bytes(data)

    # The handshake.

    def say(self, body):
        self.sock.sendall(struct.pack(">H", len(body)) + body)

    def hear(self):
        return self._read(struct.unpack(">H", self._read(2))[0])

    def status(self):
        status = self.hear()
        check(status[:1] == b"s", "a status:", status)
        self.statuses.append(status[1:].decode("latin-1"))
        return status[1:]

    def read_challenge(self):
        body = self.hear()
        self.version_heard = {b"N": 6, b"n": 5}[body[:1]]
        if self.version_heard == 6:
            self.other_flags, challenge, _, size = struct.unpack_from(">QIIH", body, 1)
            self.other = body[19:19 + size].decode()
        else:
            _, self.other_flags, challenge = struct.unpack_from(">HII", body, 1)
            self.other = body[11:].decode()
        return challenge

    def read_opening(self):
        body = self.hear()
        self.version_heard = {b"N": 6, b"n": 5}[body[:1]]
        if self.version_heard == 6:
            self.other_flags, _, size = struct.unpack_from(">QIH", body, 1)
            self.other = body[15:15 + size].decode()
        else:
            self.other_flags = struct.unpack_from(">I", body, 3)[0]
            self.other = body[7:].decode()
        return body

    # Frames.

    def frame(self, body):
        self.sock.sendall(struct.pack(">I", len(body)) + body)

    def control(self, control, *payload):
        """A control message, as was agreed on."""
        self.frame((headed if self.has_headers else passed)(control, *payload))

    def receive(self):
        """(control, payload or None) of the next message; ticks are answered and counted."""
        while True:
            body = self._read(struct.unpack(">I", self._read(4))[0])
            if body:
                break
            self.ticks += 1
            self.frame(b"")
        check(body[:2] in (b"\x70\x83", b"\x83\x44"), "a frame:", body[:20])
        has_header = body[:1] == b"\x83"
        if has_header:
            equal(body[2], 0, "atoms in a header without a cache")
        control, at = decode(body, 3 if has_header else 2)
        payload = None
        if at < len(body):
            payload, at = decode(body, at if has_header else at + 1)
        equal(at, len(body), "bytes after a message")
        return control, payload

    def is_closed(self, seconds=5):
        """Does the other end close within that time? What it still says is passed over."""
        end = time.monotonic() + seconds * SLOWER
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.sock.settimeout(left)
            try:
                if not self.sock.recv(65536):
                    return True
            except socket.timeout:
                return False
            except OSError:
                return True

    # What a process at this end does.

    def pid(self, number=1):
        return Pid((self.name, number, 0, CREATION))

    def ref(self):
        self._last_ref += 1
        return Ref((self.name, CREATION, (self._last_ref, 7, 9)))

    def send(self, name, message):
        self.control((6, self.pid(), Atom(""), Atom(name)), message)

    def ask(self, name, request):
        """gen_server:call without the monitor: sends, and gives the tag."""
        tag = self.ref()
        self.send(name, (Atom("$gen_call"), (self.pid(), tag), request))
        return tag

    def call(self, name, request):
        """gen_server:call."""
        return self.reply(self.ask(name, request))

    def reply(self, tag):
        """What comes before it is kept in `others`; who sent it (SEND_SENDER), in `replier`."""
        while True:
            control, payload = self.receive()
            if control[0] in (2, 22) and isinstance(payload, tuple) and payload[0] == tag:
                self.replier = control[1]
                return payload[1]
            self.others.append((control, payload))

    def is_alive(self):
        """The other end answers on this link."""
        return self.call("net_kernel", (Atom("is_auth"), Atom(self.name))) == "yes"


def connect(port, host="127.0.0.1"):
    return socket.create_connection((host, port), timeout=20 * SLOWER)


def dial(port, name, cookie, flags=PLAIN, version=6, answer=b"true", pace=None):
    """Plays the dialler to the end. A status that is no yes, or an end, is Refused. pace: what sends instead of sendall."""
    link = Link(connect(port), name, cookie)
    if pace:
        link.sock = pace(link.sock)
    try:
        link.say(opening(name, flags, version))
        status = link.status()
        if status == b"alive":
            link.say(b"s" + answer)
        elif status.startswith(b"named:"):
            size = struct.unpack_from(">H", status, 6)[0]
            link.name = status[8:8 + size].decode()
        elif status not in (b"ok", b"ok_simultaneous"):
            raise Refused(status.decode())
        theirs = link.read_challenge()
        if version == 5 and link.version_heard == 6:
            link.say(b"c" + struct.pack(">II", flags >> 32, CREATION))
        ours = 0x01020304
        link.say(b"r" + struct.pack(">I", ours) + digest(cookie, theirs))
        ack = link.hear()
        check(ack == b"a" + digest(cookie, ours), "the acknowledgement:", ack)
    except EOFError as end:
        link.close()
        raise Refused(f"{link.statuses}, {end}") from None
    except Refused:
        link.close()
        raise
    link.has_headers = bool(flags & link.other_flags & (DIST_HDR_ATOM_CACHE | FRAGMENTS))
    return link


def meet(sock, name, cookie, flags=PLAIN, versions=(5, 6), status=b"ok", answers=None, cookie_shown=None):
    """Plays the acceptor to the end. versions: (6,) hangs up on a name of version 5, and the other way round."""
    link = Link(sock, name, cookie)
    try:
        link.read_opening()
        if link.version_heard not in versions:
            raise Refused(f"version {link.version_heard}")
        link.say(b"s" + status)
        if status == b"alive":
            link.statuses.append(link.hear()[1:].decode())
        both = link.version_heard == 5 and link.other_flags & flags & HANDSHAKE_23
        challenge = 0x0A0B0C0D
        link.say(challenge_message(name, flags, 6 if both else link.version_heard, challenge))
        if both:
            high = link.hear()
            check(high[:1] == b"c", "a complement:", high)
            link.other_flags = struct.unpack_from(">I", high, 1)[0] << 32 | link.other_flags & 0xFFFFFFFF
        reply = link.hear()
        check(reply[:1] == b"r", "a reply:", reply)
        if reply[5:] != digest(cookie, challenge):
            raise Refused("wrong cookie")
        link.say(b"a" + digest(cookie_shown or cookie, struct.unpack_from(">I", reply, 1)[0]))
    except EOFError as end:
        link.close()
        raise Refused(str(end)) from None
    except Refused:
        link.close()
        raise
    link.has_headers = bool(flags & link.other_flags & (DIST_HDR_ATOM_CACHE | FRAGMENTS))
    return link


def slowly(seconds):
    """Bytes leave one at a time, with that pause between."""

    class Slow:
        def __init__(self, sock):
            self._sock = sock

        def __getattr__(self, name):
            return getattr(self._sock, name)

        def sendall(self, data):
            for byte in data:
                self._sock.sendall(bytes([byte]))
                time.sleep(seconds)

    return Slow


# ---- Around it


class Server:
    """A port where a played node listens."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.settimeout(20 * SLOWER)
        self.port = self.sock.getsockname()[1]

    def accept(self):
        return self.sock.accept()[0]

    def close(self):
        self.sock.close()


class Log:
    """Lines of a gateway's log from now on."""

    def __init__(self, gate):
        self.path = gate.log
        self.at = gate.log.stat().st_size

    def complaints(self):
        with open(self.path, "rb") as f:
            f.seek(self.at)
            return [line for line in f.read().decode(errors="replace").splitlines() if "link-failed" in line or "link-down" in line]

    def has_one(self, *words):
        """Exactly one link is complained of, in these words."""
        eventually(self.complaints, f"a line about a link: {words}")
        lines = self.complaints()
        equal(len(lines), 1, f"lines in the log, {lines},")
        for word in words:
            check(word in lines[0], f"no {word!r} in", lines[0])


class Background:
    """Accepts connections until it is closed, and gives each to `serve` in a thread of its own."""

    def __init__(self):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            self.serve(sock)
        except (OSError, EOFError):
            pass

    def serve(self, sock):
        raise NotImplementedError

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


class PlayedEpmd(Background):
    """An EPMD that knows what it is told: `nodes`, name -> (port, highest version). Who registers is believed, and then known
    under what `nodes` says already, if it does. Of names that begin with `silent` it says nothing."""

    def __init__(self, silent=None, creation=CREATION):
        self.nodes = {}
        self.silent = silent
        self.creation = creation
        super().__init__()

    def serve(self, sock):
        with sock:
            link = Link(sock, "", "")
            body = link.hear()
            if body[:1] == b"x":
                size = struct.unpack_from(">H", body, 9)[0]
                port, highest = struct.unpack_from(">H", body, 1)[0], struct.unpack_from(">H", body, 5)[0]
                self.nodes.setdefault(body[11:11 + size].decode(), (port, highest))
                sock.sendall(b"v\0" + struct.pack(">I", self.creation) if highest >= 6 else b"y\0\0\1")
                sock.settimeout(None)
                sock.recv(1)
            elif body[:1] == b"z":
                name = body[1:].decode()
                if self.silent and name.startswith(self.silent):
                    sock.settimeout(None)
                    sock.recv(1)
                    return
                if name not in self.nodes:
                    sock.sendall(b"w\1")
                    return
                port, highest = self.nodes[name]
                sock.sendall(b"w\0" + struct.pack(">HBBHHH", port, 77, 0, highest, 5, len(name)) + name.encode() + b"\0\0")
            elif body[:1] == b"n":
                sock.sendall(struct.pack(">I", self.port) +
                             b"".join(b"name %s at port %d\n" % (n.encode(), p) for n, (p, _) in self.nodes.items()))


class Cable(Background):
    """Stands before a port. The handshake's messages that pass are kept; where `holds` is true, what the dialler says first
    waits for `release`."""

    def __init__(self, port, holds=False):
        self.to = port
        self.meetings = []  # of each connection: [dialler's messages, acceptor's messages]
        self.held = 0
        self._may_go = threading.Event()
        if not holds:
            self._may_go.set()
        super().__init__()

    def release(self):
        self._may_go.set()

    def serve(self, sock):
        with sock, connect(self.to) as onward:
            for s in (sock, onward):
                s.settimeout(None)
            kept = [[], []]
            self.meetings.append(kept)
            back = threading.Thread(target=self._pass, args=(onward, sock, kept[1]), daemon=True)
            back.start()
            first = sock.recv(65536)
            self.held += 1
            self._may_go.wait()
            self._pass(sock, onward, kept[0], first)
            back.join()

    @staticmethod
    def _pass(here, there, kept, data=b""):
        seen = b""
        try:
            while data or (data := here.recv(65536)):
                if len(seen) < 4096:
                    seen += data
                    kept[:] = Cable._messages(seen)
                there.sendall(data)
                data = b""
        except OSError:
            pass
        for s in (here, there):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def _messages(data):
        out, at = [], 0
        while at + 2 <= len(data):
            size = int.from_bytes(data[at:at + 2], "big")
            if size == 0 or at + 2 + size > len(data):
                break
            out.append(data[at + 2:at + 2 + size])
            at += 2 + size
        return out
