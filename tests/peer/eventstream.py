"""eventstream: a reader of text/event-stream that takes what comes and adds nothing; waits are deadlines, not sleeps."""

import json
import select
import socket
import time

from peers import SLOWER, Failed, Response, check, equal, short


class Event:
    def __init__(self, name, ident, data):
        self.name, self.id, self.data = name, ident, data

    def __repr__(self):
        return f"{self.name} {short(json.dumps(self.data), 300)}"


class EventStream:
    """One GET. status and headers are there at once; a problem is in `response`. sock: connected already."""

    def __init__(self, port, path, last_id=None, accept="text/event-stream", method="GET", host="127.0.0.1", buffer=None,
                 headers=(), sock=None):
        self.sock = sock or socket.socket()
        if buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.settimeout(20 * SLOWER)
        if not sock:
            self.sock.connect((host, port))
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: {accept}\r\n"
        head += f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        head += "".join(f"{name}: {value}\r\n" for name, value in dict(headers).items())
        self.sock.sendall(head.encode() + b"\r\n")
        self.raw, self.text = b"", b""
        self.is_over = self.is_cut = False
        self.comments = []
        while b"\r\n\r\n" not in self.raw:
            self._receive(20)
        top, _, self.raw = self.raw.partition(b"\r\n\r\n")
        lines = top.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        self.is_chunked = self.headers.get("transfer-encoding") == "chunked"
        if not self.is_chunked:
            self.is_over = True
            length = int(self.headers.get("content-length", 0)) if method == "GET" else 0
            while len(self.raw) < length:
                self._receive(20)
            self.response = Response(self.status, self.headers, self.raw)

    def _receive(self, seconds):
        """False: nothing came in time."""
        if not select.select([self.sock], [], [], max(0, seconds))[0]:
            return False
        piece = self.sock.recv(1 << 20)
        if not piece:
            self.is_cut = True
            self.is_over = True
        self.raw += piece
        return True

    def _dechunk(self):
        while self.is_chunked and not self.is_over:
            size, crlf, rest = self.raw.partition(b"\r\n")
            if not crlf or len(rest) < int(size, 16) + 2:
                return
            n = int(size, 16)
            self.text += rest[:n]
            self.raw = rest[n + 2:]
            self.is_over = n == 0

    def _parse(self):
        """The next event that is complete; None."""
        while b"\n\n" in self.text:
            block, _, self.text = self.text.partition(b"\n\n")
            fields = {}
            for line in block.decode().split("\n"):
                name, _, value = line.partition(":")
                if name == "":
                    self.comments.append(value)
                else:
                    fields[name] = value.removeprefix(" ")
            if "data" in fields:
                return Event(fields.get("event", "message"), fields.get("id"), json.loads(fields["data"]))
        return None

    def poll(self, seconds=10.0):
        """The next event; None when the stream is over or none came in time."""
        end = time.monotonic() + seconds * SLOWER
        while True:
            self._dechunk()
            event = self._parse()
            if event or self.is_over or not self._receive(end - time.monotonic()):
                return event

    def next(self, name=None, seconds=10.0):
        event = self.poll(seconds)
        check(event, f"no event within {seconds} s, wanted {name}; over: {self.is_over}")
        if name and event.name != name:
            raise Failed(f"got {event}, wanted {name}")
        return event

    def ends(self, seconds=10.0):
        """Nothing more comes, and the response ends in order."""
        event = self.poll(seconds)
        check(event is None, f"one event more than there should be: {event}")
        check(self.is_over and not self.is_cut, f"the stream does not end within {seconds} s")
        self.close()

    def is_silent(self, seconds):
        event = self.poll(seconds)
        equal(event, None, "event")
        check(not self.is_over, "the stream is over")

    def close(self):
        self.sock.close()
