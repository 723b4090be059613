"""A gateway that is none: answers each request as a test tells it to, byte by byte if need be."""
import json
import socket
import threading


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def query(self):
        return dict(p.partition("=")[::2] for p in self.target.partition("?")[2].split("&") if p)


class Mock:
    """answer(request, connection): gives the bytes to answer with, or None when it has written them itself."""

    def __init__(self, answer, tls=None):
        self.answer, self.tls = answer, tls
        self.requests = []
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(16)
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # Wakes the accept, which close alone does not.
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
        except OSError:
            return
        with connection:
            try:
                request = self._read(connection)
                if request:
                    self.requests.append(request)
                    out = self.answer(request, connection)
                    if out is not None:
                        connection.sendall(out)
            except OSError:
                pass

    @staticmethod
    def _read(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        method, target, _ = first.split(" ")
        return Request(method, target, headers, body)


def response(status, type=None, body=b"", headers=()):
    body = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status} X", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {type}"] if type else []
    lines += [f"{k}: {v}" for k, v in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def problem(status, code, detail="it is so", **members):
    return response(status, "application/problem+json",
                    json.dumps({"status": status, "code": code, "detail": detail, "request_id": "r", "sent": False,
                                "retryable": False, **members}))


STREAM = (b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n"
          b"Connection: close\r\n\r\n")


def chunk(data):
    data = data if isinstance(data, bytes) else data.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def event(name, ident, **data):
    line = {"event": name, "data": data} if ident is None else {"event": name, "id": ident, "data": data}
    return json.dumps(line) + "\n"
