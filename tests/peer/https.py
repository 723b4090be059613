"""HTTPS: curl and Python against the listener; clients' certificates, reload under load; a unix-domain socket.

Needs curl and openssl.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import threading

import certs
import peers
from peers import Gateway, Logged, check, end, equal, eventually, temporary_dir

CA = certs.Ca()
OTHER_CA = certs.Ca()  # of the same name
# A place to ask whether it has been revoked belongs to each certificate; nobody asks there.
CRL = "crlDistributionPoints=URI:http://localhost/ca.crl\n"
LEAF = CA.issue("DNS:localhost,IP:127.0.0.1", kind="ec", more=CRL, days=300)
ALICE = CA.issue(subject="/O=Example/CN=alice", more="extendedKeyUsage=clientAuth\n")


class Secure(Logged):
    """erlgate serve with HTTPS."""

    def __init__(self, *args, leaf=LEAF, **kw):
        self.https = ["--tls-cert", leaf[0], "--tls-key", leaf[1]]
        super().__init__(**{"epmd": "none", "args": [*self.https, *args], **kw})
        self.url = f"https://localhost:{self.port}"


class Answer:
    def __init__(self, done):
        self.exit, self.error = done.returncode, done.stderr.decode()
        self.body, _, status = done.stdout.decode().rpartition("\n")
        self.status = int(status or 0)

    def __repr__(self):
        return f"curl exit {self.exit}, status {self.status}, {self.body!r} {self.error!r}"


def curl(*args, seconds=20):
    return Answer(subprocess.run(["curl", "-sS", "--max-time", str(seconds), "-w", "\n%{http_code}",
                                  *map(str, args)], capture_output=True, check=False))


def shows(leaf):
    return ["--cert", leaf[0], "--key", leaf[1]]


# ---- Versions ---------------------------------------------------------------------------------------------------------


def test_curl_speaks_1_2_and_1_3_and_nothing_older():
    gate = Secure()
    for version in ("1.2", "1.3"):
        only = [f"--tlsv{version}", "--tls-max", version]
        answer = curl("--cacert", CA.file, *only, f"{gate.url}/v1/self")
        equal((answer.status, json.loads(answer.body)["node"]), (200, gate.node), f"TLS {version}: {answer}")
        before = len(gate.lines("tls-handshake-failed"))
        check(curl("--cacert", OTHER_CA.file, *only, f"{gate.url}/v1/self").exit == 60, "another CA is believed")
        eventually(lambda: len(gate.lines("tls-handshake-failed")) > before, "a line about it")  # pylint: disable=W0640
        check("CA is unknown" in gate.lines("tls-handshake-failed")[before], version, gate.lines("tls-handshake-failed"))
    old = curl("--cacert", CA.file, "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT:@SECLEVEL=0",
               f"{gate.url}/livez")
    equal(old.exit, 35, f"TLS 1.1: {old}")
    gate.stop()


def test_1_3_alone():
    gate = Secure("--tls-min-version", "1.3")
    equal(curl("--cacert", CA.file, "--tls-max", "1.2", f"{gate.url}/livez").exit, 35, "TLS 1.2")
    equal(curl("--cacert", CA.file, f"{gate.url}/livez").status, 200, "TLS 1.3")
    gate.stop()


def test_plain_http_and_https_are_not_mistaken_for_each_other():
    gate = Secure()
    answer = curl(f"http://localhost:{gate.port}/v1/self")
    equal((answer.status, "https://" in answer.body), (400, True), f"{answer}")
    eventually(lambda: len(gate.lines("tls-handshake-failed")) == 1, "a line about it")
    check("plain HTTP" in gate.lines("tls-handshake-failed")[0], gate.lines("tls-handshake-failed"))
    equal(curl("--cacert", CA.file, f"{gate.url}/livez").status, 200, "HTTPS after that")
    gate.stop()
    plain = Gateway(epmd="none")
    equal(curl("-k", f"https://localhost:{plain.port}/livez").exit, 35, "TLS to plain HTTP")
    equal(plain.http.get("/livez").status, 200, "HTTP after that")
    plain.stop()


# ---- Clients' certificates --------------------------------------------------------------------------------------------


def test_clients_certificates_in_each_mode():
    """Refused in the handshake, with an alert."""
    clients = {
        "none": (None, {"none": 200, "optional": 200, "required": 0}),
        "good": (ALICE, {"none": 200, "optional": 200, "required": 200}),
        "of another CA": (OTHER_CA.issue(subject="/O=Example/CN=alice"), {"none": 200, "optional": 0, "required": 0}),
        "expired": (CA.issue(subject="/O=Example/CN=alice", days=-1), {"none": 200, "optional": 0, "required": 0}),
        "a server's": (CA.issue(more="extendedKeyUsage=serverAuth\n"), {"none": 200, "optional": 0, "required": 0}),
    }
    whys = {"none": "has no certificate", "of another CA": "another CA", "expired": "has expired",
            "a server's": "not for clients"}
    for mode in ("none", "optional", "required"):
        gate = Secure("--tls-client-cert", mode, *(["--tls-ca", CA.file] if mode != "none" else []))
        for what, (cert, wanted) in clients.items():
            for version in ("1.2", "1.3"):
                before = len(gate.lines("tls-handshake-failed"))
                answer = curl("--cacert", CA.file, f"--tlsv{version}", "--tls-max", version,
                              *(shows(cert) if cert else []), f"{gate.url}/v1/self")
                equal(answer.status, wanted[mode], f"{mode}, {what}, TLS {version}: {answer}")
                if answer.status:
                    continue
                # With TLS 1.3 curl sends its request before it hears the alert, and may find the connection ended. The
                # alert that a certificate has expired it tells as if it were of the server's.
                check(answer.exit in (35, 55, 56) and ("alert" in answer.error or version == "1.3") or
                      answer.exit == 60 and what == "expired", mode, what, version, answer)
                lines = eventually(lambda: gate.lines("tls-handshake-failed")[before:],  # pylint: disable=W0640
                                   f"a line about {what}")
                check(whys[what] in lines[0], what, lines)
        gate.stop()


def test_a_session_is_not_resumed():
    """Neither by ticket nor by session: each connection shows its certificate."""
    gate = Secure("--tls-client-cert", "required", "--tls-ca", CA.file)
    for version in ("-tls1_2", "-tls1_3"):
        session = temporary_dir() / "session"
        args = ["openssl", "s_client", "-connect", f"localhost:{gate.port}", "-CAfile", CA.file, version, "-ign_eof"]
        request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        first = subprocess.run([*args, "-cert", ALICE[0], "-key", ALICE[1], "-sess_out", session], input=request,
                               capture_output=True, check=False, timeout=20)
        check(b"HTTP/1.1 200" in first.stdout, first.stdout[-500:])
        again = ["-sess_in", session] if session.exists() else []
        second = subprocess.run([*args, *again], input=request, capture_output=True, check=False, timeout=20)
        check(b"HTTP/1.1" not in second.stdout, version, second.stdout[-500:])
    gate.stop()


# ---- Reload -----------------------------------------------------------------------------------------------------------


class Load:
    """Threads that ask, each by a new connection and by one that it keeps."""

    def __init__(self, gate, threads=4):
        self.gate, self.failures, self.asked, self.seen = gate, [], 0, set()
        self.lock, self.is_over = threading.Lock(), threading.Event()
        self.context = ssl.create_default_context(cafile=CA.file)
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _connect(self):
        plain = socket.create_connection(("127.0.0.1", self.gate.port), 20)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def _ask(self, connection):
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = b""
        while b'{"status":"ok"}' not in got:
            piece = connection.recv(4096)
            check(piece, "the connection ended")
            got += piece
        check(got.startswith(b"HTTP/1.1 200"), got)

    def _run(self):
        kept = None
        try:
            kept = self._connect()
            while not self.is_over.is_set():
                self._ask(kept)
                with self._connect() as fresh:
                    self._ask(fresh)
                    serial = fresh.getpeercert()["serialNumber"]
                with self.lock:
                    self.asked += 2
                    self.seen.add(serial)
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(repr(error))
        finally:
            if kept:
                kept.close()

    def some_more(self, count=20):
        wanted = self.asked + count
        eventually(lambda: self.asked >= wanted or self.failures, "requests go on")
        equal(self.failures, [], "requests that failed")

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        equal(self.failures, [], "requests that failed")


def test_reload_under_load():
    """New certificates again and again, and files that are not good in between: no request fails."""
    folder = temporary_dir()
    cert, key = folder / "cert.pem", folder / "key.pem"

    def put(leaf):
        for source, to in ((leaf[0], cert), (leaf[1], key)):
            fresh = to.with_suffix(".new")
            fresh.write_bytes(source.read_bytes())
            fresh.chmod(0o600)
            fresh.replace(to)

    put(LEAF)
    gate = Secure(leaf=(cert, key))
    load = Load(gate)
    load.some_more()
    for n in range(8):
        leaf = CA.issue("DNS:localhost,IP:127.0.0.1", kind="ec" if n % 2 else "rsa")
        seen = len(load.seen)
        put(leaf)
        os.kill(gate.proc.pid, signal.SIGHUP)
        eventually(lambda: len(gate.lines("https-reloaded")) == n + 1, "reload")  # pylint: disable=W0640
        eventually(lambda: len(load.seen) > seen, "the new certificate")  # pylint: disable=W0640
    good = cert.read_bytes(), key.read_bytes()
    faults = [
        (cert, b"nonsense", "no certificate"),
        (cert, CA.issue(days=-1)[0].read_bytes(), "expired"),
        (key, LEAF[1].read_bytes(), "not that of the certificate"),
        (key, None, "No such file"),
    ]
    for n, (file, text, why) in enumerate(faults):
        if text is None:
            file.unlink()
        else:
            file.write_bytes(text)
        seen = set(load.seen)
        os.kill(gate.proc.pid, signal.SIGHUP)
        lines = eventually(lambda: gate.lines("reload-failed")[n:], why)  # pylint: disable=W0640
        check(str(file) in lines[0] and why in lines[0], lines)
        load.some_more()
        equal(load.seen, seen, "certificates")
        cert.write_bytes(good[0])
        key.write_bytes(good[1])
        key.chmod(0o600)
    load.stop()
    print(f"        {load.asked} requests, {len(load.seen)} certificates")
    gate.stop()


def test_limits_change_under_load():
    """By SIGHUP, those too for which libmicrohttpd has to be started anew: the connections that are kept stay, and no request
    fails."""
    config = temporary_dir() / "erlgate.yaml"

    def put(**limits):
        config.write_text("".join(f"{name.replace('_', '-')}: {value}\n" for name, value in limits.items()))

    def reload(n):
        os.kill(gate.proc.pid, signal.SIGHUP)
        eventually(lambda: len(gate.lines("reloaded")) == n, "reload")
        load.some_more()

    put(max_headers=16384)
    gate = Secure("--config", config)
    load = Load(gate)
    load.some_more()
    fds = gate.fds()
    for n in range(1, 11):
        put(max_headers=16384 + 1024 * n, idle_timeout=60000 + 1000 * n, max_connections=500 + n, max_body=1000000 + n,
            max_in_flight=1000 + n, max_connections_per_address=100 + n)
        reload(n)
    longer = curl("--cacert", CA.file, "-H", "X-A: " + "a" * 24000, f"{gate.url}/livez")
    equal(longer.status, 200, f"a head that was too large at first: {longer}")
    put(max_headers="many")
    os.kill(gate.proc.pid, signal.SIGHUP)
    line = eventually(lambda: gate.lines("reload-failed"), "a bad file")[0]
    check(f"{config}:1:" in line and "max-headers" in line, line)
    put(max_headers=2048)
    reload(11)
    refused = curl("--cacert", CA.file, "-H", "X-A: " + "a" * 4000, f"{gate.url}/livez")
    equal((refused.status, "--max-headers" in refused.body), (431, True), f"{refused}")
    load.stop()
    eventually(lambda: gate.fds() <= fds, "what the old limits were of has gone")
    print(f"        {load.asked} requests")
    gate.stop()


# ---- The socket -------------------------------------------------------------------------------------------------------


def test_a_unix_domain_socket():
    path = temporary_dir() / "erlgate.sock"
    gate = Secure("--socket", path, "--socket-mode", "0660")
    answer = curl("--unix-socket", path, "http://localhost/v1/self")
    equal((answer.status, json.loads(answer.body)["node"]), (200, gate.node), f"{answer}")
    equal(curl("--unix-socket", path, "http://evil.example/v1/self").status, 421, "a foreign Host")
    equal(os.stat(path).st_mode & 0o7777, 0o660, "mode")
    equal(curl("--cacert", CA.file, f"{gate.url}/livez").status, 200, "beside HTTPS")
    end(gate.proc)
    check(path.exists(), "what a gateway leaves that is killed")
    gate.start(wait=False)
    eventually(lambda: curl("--unix-socket", path, "http://localhost/livez").status == 200, "it is replaced")
    second = Gateway("other@localhost", epmd="none", args=["--socket", path], wait=False)
    check(second.proc.wait(20) != 0, "two gateways on one socket")
    check("listen-failed" in second.stderr() and str(path) in second.stderr(), second.stderr())
    equal(second.stderr().count("error=address-in-use "), 2, f"listen-failed and http-failed: {second.stderr()}")
    equal(curl("--unix-socket", path, "http://localhost/livez").status, 200, "the first has it still")
    gate.stop()
    check(not path.exists(), "the socket's file is there still")


def test_the_socket_alone():
    path = temporary_dir() / "erlgate.sock"
    gate = Gateway(epmd="none", args=["--listen", "none", "--socket", path], wait=False)
    eventually(lambda: curl("--unix-socket", path, "http://localhost/livez").status == 200, "it is ready")
    check(not peers.accepts(gate.port), "TCP is open, too")
    check(f"url=unix:{path}" in gate.stderr(), gate.stderr())
    gate.stop()


# ---- Health and metrics -----------------------------------------------------------------------------------------------


def test_health_has_an_address_of_its_own():
    port = peers.free_port()
    gate = Secure("--admin-listen", f"127.0.0.1:{port}", "--tls-client-cert", "required", "--tls-ca", CA.file)
    for path in ("/livez", "/readyz", "/healthz"):
        equal(curl(f"http://127.0.0.1:{port}{path}").status, 200, path)
        equal(curl("--cacert", CA.file, *shows(ALICE), f"{gate.url}{path}").status, 200, path)
    equal(curl(f"http://127.0.0.1:{port}/metrics").status, 200, "/metrics there")
    elsewhere = curl("--cacert", CA.file, *shows(ALICE), f"{gate.url}/metrics")
    equal((elsewhere.status, "--admin-listen" in elsewhere.body), (404, True), f"/metrics elsewhere: {elsewhere}")
    for path in ("/v1/self", "/v1/nodes", "/", "/openapi.json"):
        equal(curl(f"http://127.0.0.1:{port}{path}").status, 404, path)
    equal(curl("-d", "{}", f"http://127.0.0.1:{port}/v1/call").status, 404, "a call")
    gate.stop()


if __name__ == "__main__":
    peers.main(globals(), limit=300)
