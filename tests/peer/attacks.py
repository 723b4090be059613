"""attacks: each an attempt to get in, or past a rule, and the answer to it. The table at the end has a row for each.

A group of rows is a test_… function, which notes them by `refused` (an answer of HTTP) or `note` (anything else).
"""

import base64
import json
import os
import re
import socket
import subprocess
import time

import https
import jose
import peers
from peers import BIN, Failed, Gateway, check, equal

TABLE = []  # (attack, how, answer)


def note(attack, how, answer):
    TABLE.append((attack, how, answer))


def refused(attack, how, response, status, code, **headers):
    """The request was not let in: with this status, this code, these headers, and nothing else said."""
    body = peers.problem(response, status, code)
    for name, value in headers.items():
        equal(response.header(name.replace("_", "-")), value, f"{attack}: {name}")
    why = why_of(response) if status == 401 else None
    note(attack, how, f"{status} {code}" + (f" ({why})" if why else ""))
    return body


def why_of(response):
    """What the log says of it, which the client is not told."""
    line = next((line for line in GATE.log.read_text().splitlines()
                 if " unauthenticated why=" in line and f"request_id={response.header('x-request-id')}" in line), None)
    return re.search(r'why="(.*?)" ', line).group(1) if line else None


def print_table():
    widths = [max(len(row[i]) for row in TABLE) for i in range(2)]
    print(f"\n{'attack':{widths[0]}} | {'how':{widths[1]}} | answer")
    print(f"{'-' * widths[0]}-|-{'-' * widths[1]}-|-------")
    for attack, how, answer in TABLE:
        print(f"{attack:{widths[0]}} | {how:{widths[1]}} | {answer}")
    print()


# ---- Who asks ----------------------------------------------------------------------------------------------------------------

RSA, EDDSA, SECRET, STRANGER = (jose.Key(*k) for k in (("RS256", "r"), ("EdDSA", "d"), ("HS256", "h"), ("EdDSA", "d")))
TOKEN, TOKEN_FILE = peers.token_for("alice")
GATE = Gateway(epmd="none", args=["--token-file", TOKEN_FILE, "--log-level", "debug",
                                  *jose.gateway_args(jose.key_set(RSA, EDDSA, SECRET))])
BARE = 'Bearer realm="erlgate"'
INVALID = 'Bearer realm="erlgate", error="invalid_token"'
SHOWN = []  # whatever was shown anywhere: none of it may be found in what the gateway says


def ask(credentials, method="GET", path="/v1/session", headers=()):
    """credentials: the value of Authorization; None: there is none."""
    if credentials:
        SHOWN.append(credentials.split(" ")[-1])
    given = dict(headers, **({"Authorization": credentials} if credentials is not None else {}))
    body = None if method in ("GET", "HEAD", "DELETE") else b""
    return GATE.http.request(method, path, body, given, fresh=True)


def is_let_in(credentials, principal="alice"):
    response = ask(credentials)
    equal((response.status, response.json.get("principal")), (200, principal), f"{response}")


def test_no_token_and_wrong_ones():
    is_let_in(f"Bearer {TOKEN}")
    unread, _ = peers.token_for("alice", file=TOKEN_FILE)
    refused("no token", "no Authorization", ask(None), 401, "unauthenticated", www_authenticate=BARE)
    refused("no token", "Basic", ask("Basic " + base64.b64encode(b"alice:secret").decode()), 401, "unauthenticated", www_authenticate=BARE)
    refused("a wrong token", "one that was never made", ask("Bearer erlg_" + "A" * 43), 401, "unauthenticated", www_authenticate=INVALID)
    refused("a wrong token", "of a file that has not been read", ask(f"Bearer {unread}"), 401, "unauthenticated", www_authenticate=INVALID)
    refused("a wrong token", "its last character is missing", ask(f"Bearer {TOKEN[:-1]}"), 401, "unauthenticated", www_authenticate=INVALID)
    refused("a wrong token", "with a space in it", ask(f"Bearer {TOKEN[:20]} {TOKEN[20:]}"), 401, "unauthenticated", www_authenticate=INVALID)
    refused("a wrong token", "empty", ask("Bearer "), 401, "unauthenticated")
    refused("a wrong token", "8,000 characters", ask("Bearer " + "a" * 8000), 401, "unauthenticated", www_authenticate=INVALID)
    refused("the hash as a token", "what the file has", ask("Bearer " + sha256_of_file()), 401, "unauthenticated", www_authenticate=INVALID)
    for method, path in (("POST", "/v1/call"), ("GET", "/openapi.json"), ("PUT", "/v1/nodes/a@b"), ("DELETE", "/v1/nodes/a@b"),
                         ("GET", "/v1/events?monitor=/nodes"), ("HEAD", "/v1/self")):
        equal(ask(None, method, path).status, 401, f"{method} {path}")
    note("no token", "each route that is not public", "401 unauthenticated")


def sha256_of_file():
    return TOKEN_FILE.read_text().partition("sha256: ")[2][:64]


def test_an_expired_token():
    token, file = peers.token_for("alice", "--expires", "1h")
    file.write_text(file.read_text().replace(file.read_text().partition("expires: ")[2][:20], "2026-01-01T00:00:00Z"))
    gate = Gateway("expired@localhost", epmd="none", args=["--token-file", file])
    refused("an expired token", "of the file", gate.http.get("/v1/self", Authorization=f"Bearer {token}"), 401, "unauthenticated",
            www_authenticate=INVALID)
    gate.stop()


def test_tokens_in_other_places():
    for name in ("access_token", "token", "authorization"):
        refused("a token in the URL", f"?{name}=, alone", ask(None, path=f"/v1/self?{name}={TOKEN}"), 401, "unauthenticated")
        body = refused("a token in the URL", f"?{name}=, beside a good one", ask(f"Bearer {TOKEN}", path=f"/v1/self?{name}={TOKEN}"), 400,
                       "bad-parameter")
        check(TOKEN not in json.dumps(body), "the token is in the error")
    refused("a token in the body", "access_token=… in a form", GATE.http.request(
        "POST", "/v1/call", f"access_token={TOKEN}", {"Content-Type": "application/x-www-form-urlencoded"}), 401, "unauthenticated")
    two = peers.raw(GATE.port, f"GET /v1/self HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n"
                               f"Authorization: Bearer {TOKEN}\r\n\r\n".encode())
    check(two.startswith(b"HTTP/1.1 401 ") and INVALID.encode() in two, two)
    note("two Authorization headers", "both good", "401 unauthenticated")
    joined = ask(f"Bearer {TOKEN}, Bearer {TOKEN}")
    refused("two Authorization headers", "joined by a comma", joined, 401, "unauthenticated", www_authenticate=INVALID)


def test_JWTs():
    for key in (RSA, EDDSA, SECRET):
        is_let_in("Bearer " + key.sign(jose.claims()))
    now = int(time.time())

    def bad(attack, how, token, why):
        response = ask(f"Bearer {token}")
        refused(attack, how, response, 401, "unauthenticated", www_authenticate=INVALID)
        check(why in why_of(response), attack, how, "was refused since", why_of(response))

    bad("an expired token", "a JWT whose exp is past", EDDSA.sign(jose.claims(exp=now - 3600)), "expired")
    bad("an expired token", "a JWT without exp", EDDSA.sign(jose.claims(exp=None)), "lacks exp")
    bad("a token that is not valid yet", "nbf", EDDSA.sign(jose.claims(nbf=now + 3600)), "not valid yet")
    bad("a token for another audience", "aud is a text", EDDSA.sign(jose.claims(aud="billing")), "another audience")
    bad("a token for another audience", "aud is a list", EDDSA.sign(jose.claims(aud=["billing", "erlgate2"])), "another audience")
    bad("a token for another audience", "no aud", EDDSA.sign(jose.claims(aud=None)), "another audience")
    bad("a token of another issuer", "iss", EDDSA.sign(jose.claims(iss="https://evil.example")), "another issuer")
    for name in ("none", "None", "nOnE", "NONE"):
        for signature in ("", "AAAA"):
            bad(f"alg: {name}", "without a signature" if not signature else "with some signature",
                f"{jose.part({'alg': name, 'typ': 'JWT'})}.{jose.part(jose.claims())}.{signature}", "alg")
    for pem, how in ((RSA.public_pem(), "RS256's public key (PEM) as the secret of HS256"),
                     (RSA.public_pem().strip(), "the same without its last line's end"),
                     (RSA.jwk["n"].encode(), "RS256's modulus as the secret of HS256")):
        for kid in ("r", None):
            header = {"alg": "HS256", "typ": "JWT", **({"kid": kid} if kid else {})}
            bad("algorithm confusion", how + (", its kid" if kid else ""), jose.hs256_with(pem, header, jose.claims()), "no key" if kid else "signature")
    bad("algorithm confusion", "EdDSA's kid, HS256's alg", SECRET.sign(jose.claims(), {"alg": "HS256", "kid": "d"}), "no key")
    bad("algorithm confusion", "HS384", SECRET.sign(jose.claims(), {"alg": "HS384", "kid": "h"}), "alg")
    bad("an empty secret", "HS256 with no bytes", jose.hs256_with(b"", {"alg": "HS256", "kid": "h"}, jose.claims()), "signature")
    good = EDDSA.sign(jose.claims())
    bad("a stripped signature", "header.claims.", good.rpartition(".")[0] + ".", "malformed")
    bad("a stripped signature", "header.claims", good.rpartition(".")[0], "no line of the token file")
    bad("changed claims", "sub is another's", f"{good.split('.')[0]}.{jose.part(jose.claims(sub='root'))}.{good.split('.')[2]}", "signature")
    bad("another key", "the right kid and alg", STRANGER.sign(jose.claims()), "signature")
    for kid, how in (("../../../../dev/null", "a path"), ("x' UNION SELECT 'secret", "SQL"), ("|cat /etc/passwd", "a shell's"), ("", "empty"),
                     ("d\0", "a NUL"), (["d"], "a list")):
        bad("kid tricks", how, EDDSA.sign(jose.claims(), {"alg": "EdDSA", "kid": kid}), "malformed" if kid == "d\0" else "no key")
    bad("a critical extension", "crit", EDDSA.sign(jose.claims(), {"alg": "EdDSA", "kid": "d", "crit": ["exp"], "exp": 1}), "crit")
    bad("a compressed token", "zip", EDDSA.sign(jose.claims(), {"alg": "EdDSA", "kid": "d", "zip": "DEF"}), "zip")


def test_a_token_that_brings_its_key():
    """Whatever it brings is not looked at, and nothing is fetched."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
        for header, how in (({"jwk": STRANGER.jwk}, "jwk"), ({"jku": url}, "jku"), ({"x5u": url.replace("http:", "https:")}, "x5u"),
                            ({"x5c": ["AAAA"]}, "x5c")):
            token = STRANGER.sign(jose.claims(), {"alg": "EdDSA", "kid": "d", **header})
            refused("a token that brings its key", how, ask(f"Bearer {token}"), 401, "unauthenticated", www_authenticate=INVALID)
        listener.settimeout(0.2)
        try:
            listener.accept()
            raise Failed("something was fetched")
        except TimeoutError:
            pass
    note("a token that names a URL", "jku, x5u", "nothing is fetched")


def cookie_of(response):
    return response.header("set-cookie").partition(";")[0]


def test_cookies():
    made = ask(f"Bearer {TOKEN}", "POST")
    equal(made.status, 201, made)
    cookie = cookie_of(made)
    SHOWN.append(cookie.partition("=")[2])
    for wanted in ("HttpOnly", "SameSite=Strict", "Path=/"):
        check(wanted in made.header("set-cookie"), wanted)
    with_cookie = {"Cookie": cookie}
    equal(ask(None, headers=with_cookie).json["by"], "session", "GET with the cookie")
    for method, path in (("POST", "/v1/call"), ("PUT", "/v1/nodes/a@b"), ("DELETE", "/v1/nodes/a@b"), ("POST", "/v1/session")):
        refused("the cookie for more than GET", f"{method} {path}", ask(None, method, path, with_cookie), 401, "unauthenticated")
    refused("another site's page", "POST with the cookie", ask(None, "POST", "/v1/call", {**with_cookie, "Origin": "https://evil.example"}), 403,
            "cross-site")
    refused("another site's page", "GET with the cookie", ask(None, "GET", "/v1/self", {**with_cookie, "Sec-Fetch-Site": "cross-site"}), 403,
            "cross-site")
    refused("another site's page", "ends the session", ask(None, "DELETE", headers={**with_cookie, "Origin": "https://evil.example"}), 403,
            "cross-site")
    refused("a bad token beside a good cookie", "GET", ask("Bearer erlg_nothing", headers=with_cookie), 401, "unauthenticated",
            www_authenticate=INVALID)
    refused("a guessed cookie", "GET", ask(None, headers={"Cookie": "erlgate=" + "A" * 43}), 401, "unauthenticated", www_authenticate=INVALID)
    refused("the token as a cookie", "GET", ask(None, headers={"Cookie": f"erlgate={TOKEN}"}), 401, "unauthenticated")
    refused("two cookies of the name", "a planted one before it", ask(None, headers={"Cookie": f"erlgate=x; {cookie}"}), 401, "unauthenticated")
    refused("HTTPS' cookie over HTTP", "__Host-erlgate", ask(None, headers={"Cookie": f"__Host-{cookie}"}), 401, "unauthenticated")
    equal(ask(None, "DELETE", headers=with_cookie).status, 204, "DELETE /v1/session")
    refused("a session that was ended", "its cookie again", ask(None, headers=with_cookie), 401, "unauthenticated", www_authenticate=INVALID)


def test_listening_to_everybody_without_asking_who():
    done = subprocess.run([BIN / "erlgate", "serve", "--name", "open@localhost", "--listen", "0.0.0.0:0", "--epmd", "none"], capture_output=True,
                          text=True, env={"ERLGATE_COOKIE": "x", "PATH": "/usr/bin:/bin"}, timeout=20, check=False)
    equal(done.returncode, 2, done.stderr)
    check("nobody is asked who they are" in done.stderr and "--token-file" in done.stderr and "--insecure" in done.stderr, done.stderr)
    note("an open gateway", "--listen 0.0.0.0:0 without authentication", "refused at start")
    gate = Gateway("open@localhost", epmd="none", wait=False, args=["--listen", "0.0.0.0:0", "--token-file", TOKEN_FILE])
    peers.eventually(lambda: " ready url=http://0.0.0.0:" in gate.log.read_text(), "with authentication it listens everywhere")
    gate.stop()


# ---- The transport -----------------------------------------------------------------------------------------------------------


def test_certificates():
    """Each refused in the handshake: a request is not even read."""
    gate = https.Secure("--tls-client-cert", "required", "--tls-ca", https.CA.file)
    ca, url = https.CA, f"https://localhost:{gate.port}/v1/self"
    shown = {
        "of another CA, of the same name": https.OTHER_CA.issue(subject="/O=Example/CN=alice"),
        "of nobody but itself": self_signed(),
        "issued with a good client certificate's key": issued_by_leaf(),
        "expired": ca.issue(subject="/O=Example/CN=alice", days=-1),
        "a server's": ca.issue(subject="/O=Example/CN=alice", more="extendedKeyUsage=serverAuth\n"),
        "none": None,
    }
    for version in ("1.2", "1.3"):
        only = ["--cacert", ca.file, f"--tlsv{version}", "--tls-max", version]
        good = https.curl(*only, *https.shows(https.ALICE), url)
        equal(good.status, 200, f"a good one, TLS {version}: {good}")
        for what, leaf in shown.items():
            before = len(gate.lines("tls-handshake-failed"))
            answer = https.curl(*only, *(https.shows(leaf) if leaf else []), url)
            equal(answer.status, 0, f"{what}, TLS {version}: {answer}")
            line = peers.eventually(lambda: gate.lines("tls-handshake-failed")[before:], what)[0]  # pylint: disable=W0640
            note("a certificate that is not good", f"{what}, TLS {version}", "no handshake: " + re.search(r'why="(.*?)"', line).group(1))
    old = https.curl("--cacert", ca.file, "--tls-max", "1.1", "--ciphers", "DEFAULT:@SECLEVEL=0", *https.shows(https.ALICE), url)
    equal((old.status, old.exit), (0, 35), f"TLS 1.1: {old}")
    note("an old TLS", "at most 1.1", "no handshake")
    plain = https.curl(url.replace("https:", "http:"))
    equal(plain.status, 400, f"{plain}")
    note("plain HTTP to the port for HTTPS", "GET /v1/self", "400, without TLS")
    gate.stop()


def self_signed():
    ca = https.certs.Ca("alice")
    return ca.file, ca.dir / "ca.key"


def issued_by_leaf():
    """By one who has a certificate, but is no CA: with its chain."""
    forger = https.certs.Ca("forger")
    forger.file, key = https.ALICE
    (forger.dir / "ca.key").write_bytes(key.read_bytes())
    cert, key = forger.issue(subject="/O=Example/CN=root")
    cert.write_bytes(cert.read_bytes() + forger.file.read_bytes())
    return cert, key


NEXT = "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\n\r\n"
SMUGGLED = {
    "Content-Length and Transfer-Encoding": ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "the same, the other way round": ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"),
    "two Content-Lengths": ("Content-Length: 0\r\nContent-Length: 4\r\n", "1234"),
    "two that are the same": ("Content-Length: 4\r\nContent-Length: 4\r\n", "1234"),
    "a list of them": ("Content-Length: 4, 4\r\n", "1234"),
    "one with a sign": ("Content-Length: +4\r\n", "1234"),
    "one in hexadecimal": ("Content-Length: 0x4\r\n", "1234"),
    "one that is negative": ("Content-Length: -4\r\n", "1234"),
    "one beyond 64 bits": ("Content-Length: 18446744073709551620\r\n", "1234"),
    "an empty one": ("Content-Length:\r\n", "1234"),
    "a space before the colon": ("Content-Length : 4\r\n", "1234"),
    "Transfer-Encoding with a space before the colon": ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
    "an unknown coding": ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    "identity": ("Transfer-Encoding: identity\r\n", "0\r\n\r\n"),
    "two codings": ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    "chunked twice": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "chunked with a vertical tab": ("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
    "chunked with a blank behind it": ("Transfer-Encoding: chunked \r\n", "0\r\n\r\n"),
    "chunked with a tab behind it": ("Transfer-Encoding: chunked\t\r\n", "0\r\n\r\n"),
    "chunked in quotes": ('Transfer-Encoding: "chunked"\r\n', "0\r\n\r\n"),
    "a folded line": ("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
    "a folded header before it": ("X-A: b\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "a line that ends in LF": ("X-A: b\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "a NUL in a value": ("X-A: b\0c\r\nContent-Length: 4\r\n", "1234"),
    "a name with a NUL": ("Content-Length\0: 4\r\n", "1234"),
    "a line without a colon": ("Content-Length 4\r\n", "1234"),
    "a name that is empty": (": 4\r\n", "1234"),
}


def test_request_smuggling():
    """Of what two implementations might divide differently no byte is believed: 400, and the connection ends."""
    for how, (fields, body) in SMUGGLED.items():
        request = f"POST /v1/call HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{fields}\r\n{body}{NEXT}"
        got = peers.raw(GATE.port, request.encode("latin-1"))
        # libmicrohttpd writes the head of some errors of its own twice.
        statuses = set(re.findall(rb"HTTP/1\.1 (\d+)", got))
        check(statuses in ({b"400"}, {b"413"}), how, got[:300])
        check(b"smuggled" not in got, how, got)
        note("request smuggling", how, f"{got[9:12].decode()}, closed")
    old = f"POST /v1/call HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{NEXT}"
    got = peers.raw(GATE.port, old.encode())
    check(got.startswith(b"HTTP/1.1 400 ") or got.startswith(b"HTTP/1.0 400 "), got[:300])
    check(b"smuggled" not in got, got)
    note("request smuggling", "HTTP/1.0 with chunks", "400, closed")
    for how, line in {"a NUL behind the path": "GET /v1/self\0/x HTTP/1.1", "one in a query": "GET /v1/self?\0x=1 HTTP/1.1",
                      "a NUL for a blank": "GET /v1/self\0HTTP/1.1 HTTP/1.1"}.items():
        got = peers.raw(GATE.port, f"{line}\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n{NEXT}".encode())
        check(got.startswith(b"HTTP/1.1 400 ") and b"smuggled" not in got, how, got[:300])
        note("request smuggling", f"{how}, in the first line", "400, closed")
    for how, chunks in {"a chunk size with a sign": "-1\r\n", "one beyond 64 bits": "1ffffffffffffffff\r\n", "one that is no number": "zz\r\n",
                        "a chunk longer than it says": "1\r\nabcdef\r\n0\r\n\r\n"}.items():
        request = (f"POST /v1/call HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
                   f"{chunks}{NEXT}")
        got = peers.raw(GATE.port, request.encode())
        check(b"smuggled" not in got and not got.startswith(b"HTTP/1.1 2"), how, got[:300])
        note("request smuggling", how, got[9:12].decode() + ", closed" if got else "closed")


def test_header_floods():
    floods = {
        "10,000 headers": "".join(f"X-{n}: a\r\n" for n in range(10000)),
        "one name 10,000 times": "X-A: a\r\n" * 10000,
        "one of 1 MiB": "X-A: " + "a" * (1 << 20) + "\r\n",
        "a name of 1 MiB": "a" * (1 << 20) + ": a\r\n",
        "a cookie of 20 KiB": "Cookie: erlgate=" + "a" * 20000 + "\r\n",
    }
    for how, fields in floods.items():
        got = peers.raw(GATE.port, f"GET /v1/self HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n".encode())
        check(got == b"" or got.startswith(b"HTTP/1.1 431 "), how, got[:200])
        note("a flood of headers", how, "431" if got else "closed")
    for how, target in {"a path of 1 MiB": "/" + "a" * (1 << 20), "10,000 segments": "/a" * 10000}.items():
        got = peers.raw(GATE.port, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        check(got == b"" or got[9:12] in (b"414", b"431", b"400", b"404"), how, got[:200])
        note("a flood of the first line", how, got[9:12].decode() or "closed")
    query = "&".join(["a=1"] * 200)
    got = peers.raw(GATE.port, f"GET /livez?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    equal(got[9:12], b"400", "200 parameters")
    note("a flood of the first line", "200 query parameters", "400")
    for how, one in {"1,000 query parameters": "a=1&", "10,000 that are empty": "&" * 10}.items():
        got = peers.raw(GATE.port, f"GET /livez?{one * 1000} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        check(got[9:12] in (b"400", b"200"), how, got[:200])
        note("a flood of the first line", how, got[9:12].decode())
    equal(GATE.http.get("/livez").status, 200, "after all that")


def test_slow_clients():
    """http_limits.py has slowhttptest do the same at length."""
    gate = https.Secure("--idle-timeout", "500")
    plain = Gateway("slow@localhost", epmd="none", args=["--idle-timeout", "500"])
    drips = {
        "heads": (plain, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n", b"X-A: b\r\n"),
        "bodies": (plain, b"POST /v1/call HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n", b"a"),
        "handshakes of TLS": (gate, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"a"),
    }
    for how, (target, begin, drip) in drips.items():
        slow = [socket.create_connection(("127.0.0.1", target.port)) for _ in range(50)]
        for s in slow:
            s.sendall(begin)
            s.setblocking(False)
        began, left = time.monotonic(), len(slow)
        while left and time.monotonic() - began < 30 * peers.SLOWER:
            left = sum(still_open(s, drip) for s in slow)
            equal(plain.http.get("/livez").status, 200, "others meanwhile")
            time.sleep(0.05)
        equal(left, 0, f"slow {how} that are open still")
        for s in slow:
            s.close()
        note("slow clients", f"{how}, a byte now and then", "ended; others are answered")
    gate.stop()
    plain.stop()


def still_open(s, drip):
    try:
        s.sendall(drip)
        return s.recv(1) not in (b"", None)
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_pages_of_other_sites():
    """With a good token too: a browser would add the cookie by itself."""
    form = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {TOKEN}"}
    pages = {
        "Origin": {"Origin": "https://evil.example"},
        "Origin, of the same host by another port": {"Origin": "http://localhost:1"},
        "Origin: null, a sandboxed frame": {"Origin": "null"},
        "Sec-Fetch-Site alone": {"Sec-Fetch-Site": "cross-site"},
        "Sec-Fetch-Site: same-site": {"Sec-Fetch-Site": "same-site"},
        "Origin with credentials in it": {"Origin": f"http://localhost:{GATE.port}@evil.example"},
    }
    for how, headers in pages.items():
        for method, path in (("POST", "/v1/call"), ("GET", "/v1/self")):
            body = b'{"to": {"node": "a@b", "name": "c"}, "request": 1}' if method == "POST" else None
            refused("a page of another site", f"{method}, {how}", GATE.http.request(method, path, body, {**form, **headers}, fresh=True), 403,
                    "cross-site")
    asked = GATE.http.request("OPTIONS", "/v1/call", None, {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, fresh=True)
    refused("a page of another site", "asks first (CORS)", asked, 403, "cross-site")
    equal([n for n in asked.headers if n.startswith("access-control")], [], "headers of CORS")


def test_names_that_point_here():
    """DNS rebinding: a page's own name is made to point at a loopback port, so that the browser takes both for one origin."""
    for host in ("evil.example", f"evil.example:{GATE.port}", "localhost.evil.example", "127.0.0.1.evil.example", "evil-localhost", "10.0.0.1",
                 "[2001:db8::1]", "0.0.0.0"):
        headers = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin", "Authorization": f"Bearer {TOKEN}"}
        refused("DNS rebinding", f"Host: {host}", GATE.http.request("GET", "/v1/self", None, headers, fresh=True, host_header=host), 421,
                "misdirected-host")
    for how, head, status in (("two Hosts", "GET /v1/self HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", b"400"),
                              ("no Host", "GET /v1/self HTTP/1.1\r\n", b"400"),
                              ("a list of hosts", "GET /v1/self HTTP/1.1\r\nHost: localhost, evil.example\r\n", b"400"),
                              ("a URL as the target", "GET http://evil.example/v1/self HTTP/1.1\r\nHost: localhost\r\n", b"421"),
                              ("the other way round", "GET http://localhost/v1/self HTTP/1.1\r\nHost: evil.example\r\n", b"421"),
                              ("with a user", "GET /v1/self HTTP/1.1\r\nHost: localhost@evil.example\r\n", b"400")):
        got = peers.raw(GATE.port, f"{head}Authorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n".encode())
        equal(got[9:12], status, f"{how}: {got[:300]}")
        note("DNS rebinding", how, status.decode())


def test_the_socket_of_another_user():
    path = peers.temporary_dir() / "erlgate.sock"
    path.parent.chmod(0o755)
    # As root another user is tried; else the owner himself is shut out by the mode.
    mode, argv = ("0600", ["setpriv", "--reuid=65534", "--clear-groups"]) if os.geteuid() == 0 else ("0066", [])
    gate = Gateway("owned@localhost", epmd="none", args=["--socket", path, "--socket-mode", mode])
    done = subprocess.run([*argv, "curl", "-sS", "--max-time", "10", "--unix-socket", path, "http://localhost/livez"], capture_output=True,
                          check=False)
    equal(done.returncode, 7, done.stderr)
    note("another user at the unix-domain socket", f"mode {mode}", "connect: permission denied")
    gate.stop()


# ---- Past a rule, and from the cluster ---------------------------------------------------------------------------------------

VAULT = """
rules:
  - {name: shut, deny: "*", principals: "*", nodes: "*", targets: [name:vault, global:vault, "group:*/vault", "function:vault:*/*"]}
  - {name: open, allow: "*", principals: alice, nodes: "*", targets: ["name:*", "global:*", "group:*/*", "function:*:*/*"]}
nodes: {admit: "friend@localhost"}
"""
# Each names the vault. The node does not run: what got past the rule would be 503.
SPELLINGS = [
    ("percent-encoding", "POST", "/v1/nodes/kv@localhost/processes/%76%61ul%74/call", "x"),
    ("an encoded node", "POST", "/v1/nodes/kv%40localhost/processes/vault/call", "x"),
    ("a quoted atom", "POST", "/v1/nodes/kv@localhost/processes/%27vault%27/call?syntax=erlang", "x"),
    ("an atom's escapes", "POST", "/v1/nodes/kv@localhost/processes/%27va%5Cx7B75%7Dlt%27/call?syntax=erlang".replace("%5Cx7B", "%5Cx%7B"), "x"),
    ("octal escapes", "POST", "/v1/nodes/kv@localhost/processes/%27%5C166ault%27/call?syntax=erlang", "x"),
    ("spaces and a comment", "POST", "/v1/nodes/kv@localhost/processes/%20vault%20%25x%0A/call?syntax=erlang", "x"),
    ("a name in the body", "POST", "/v1/call", {"to": {"node": "kv@localhost", "name": "vault"}, "request": 1}),
    ("and behind the request", "POST", "/v1/cast", {"request": 1, "to": {"name": "vault", "node": "kv@localhost"}}),
    ("JSON's escapes", "POST", "/v1/call", b'{"to": {"node": "kv@localhost", "name": "\\u0076ault"}, "request": 1}'),
    ("its pid", "POST", "/v1/pids/kv@localhost:99:0:1/call", "x"),
    ("its global name", "POST", "/v1/global/vault/send", "x"),
    ("the same as a term", "POST", "/v1/call", {"to": {"global": {"$erl": "'va\\x75lt'"}}, "request": 1}),
    ("its group", "POST", "/v1/groups/pg/vault/cast", "x"),
    ("a list of monitors", "GET", "/v1/events?monitor=/nodes/kv@localhost/processes/other&monitor=/nodes/kv@localhost/processes/vault", None),
    ("one that is encoded twice", "GET", "/v1/events?monitor=/nodes/kv@localhost/processes/%2576ault", None),
    ("rpc", "POST", "/v1/nodes/kv@localhost/rpc/vault/open", "[]"),
    ("rpc, quoted", "POST", "/v1/nodes/kv@localhost/rpc/%27vault%27/open/cast?syntax=erlang", "[]"),
]
NO_PATHS = [("dots", "/v1/nodes/kv@localhost/processes/x/../vault/call"), ("encoded dots", "/v1/nodes/kv@localhost/processes/x/%2e%2e/vault/call"),
            ("a slash at the end", "/v1/nodes/kv@localhost/processes/vault/call/"), ("two slashes", "/v1/nodes/kv@localhost/processes//vault/call"),
            ("case", "/V1/Nodes/kv@localhost/processes/vault/call")]


def test_ways_around_a_rule():
    file = peers.temporary_dir() / "policy.yaml"
    file.write_text(VAULT)
    gate = Gateway("rules@localhost", epmd="none", args=["--token-file", TOKEN_FILE, "--policy-file", file])
    for how, method, path, body in SPELLINGS:
        kind = "application/json" if isinstance(body, (dict, bytes)) else peers.ERL
        headers = {"Authorization": f"Bearer {TOKEN}", **({"Content-Type": kind} if body is not None else {})}
        answer = gate.http.request(method, path, body, headers)
        detail = refused("past a rule", how, answer, 403, "forbidden")["detail"]
        check("shut" in detail or how == "its pid", detail)
    for how, path in NO_PATHS:
        answer = gate.http.request("POST", path, b"x", {"Authorization": f"Bearer {TOKEN}", "Content-Type": peers.ERL})
        check(answer.status in (400, 404), answer)
        note("past a rule", how, f"{answer.status} {answer.json['code']}")
    gate.stop()


def test_nodes_that_have_no_business_here():
    file = peers.temporary_dir() / "policy.yaml"
    file.write_text(VAULT)
    gate = Gateway("cluster@localhost", args=["--token-file", TOKEN_FILE, "--policy-file", file])

    def node(name, cookie=gate.cookie):
        return peers.Peer("27", f"{name}@localhost", gate.epmd_port, cookie).ready()

    def connects(peer):
        return peer.eval("net_kernel:connect_node('cluster@localhost').")

    equal(connects(node("friend", "another")), "false", "a wrong cookie")
    check("link-failed node=friend@localhost error=auth" in gate.log.read_text(), "the log says so")
    note("a node", "with a wrong cookie", "the link is refused; the log says link-failed, auth")
    equal(connects(node("stranger")), "false", "not admitted")
    check("link-refused node=stranger@localhost by=them" in gate.log.read_text(), "the log says so")
    note("a node", "that the policy does not admit", "not_allowed in the handshake; the log says link-refused")
    gate.stop()
    gate = Gateway("cluster2@localhost", args=["--token-file", TOKEN_FILE])
    friend = peers.Peer("27", "friend2@localhost", gate.epmd_port, gate.cookie).ready()
    for how, what in (("rpc:call", "rpc:call('cluster2@localhost', os, cmd, [\"id\"])"), ("erpc:call", "erpc:call('cluster2@localhost', erlang, halt, [])"),
                      ("spawn", "begin R = monitor(process, spawn('cluster2@localhost', erlang, halt, [])), receive {'DOWN', R, _, _, W} -> W after 5000 -> ran end end"),
                      ("a call to code_server", "gen_server:call({code_server, 'cluster2@localhost'}, get_path, 5000)")):
        got = friend.eval(f"try {what} of V -> V catch _:E -> E end.")
        check(any(word in got for word in ("undef", "notsup", "noproc")), how, got)
        note("into us", how, next(word for word in ("undef", "notsup", "noproc") if word in got))
    check(gate.is_alive(), "it lives")
    gate.stop()


def test_nothing_that_was_shown_is_found_again():
    """In the log at debug, in what the process shows of itself, and in its dump of the configuration."""
    said = GATE.log.read_text() + (GATE.dir / "stdout").read_text()
    said += open(f"/proc/{GATE.proc.pid}/cmdline").read() + open(f"/proc/{GATE.proc.pid}/environ").read()
    done = subprocess.run([BIN / "erlgate", "dump-config", *GATE.argv[2:]], capture_output=True, text=True, timeout=20, check=False)
    check(done.returncode == 0 and "jwks-file" in done.stdout, done.stderr)
    said += done.stdout + done.stderr
    check(len(SHOWN) > 40 and "unauthenticated" in said, "nothing was shown")
    for secret in SHOWN + [TOKEN, SECRET.jwk["k"]]:
        if len(secret) > 8:
            check(secret not in said, "found again:", secret[:8])
    note("a secret in the log", f"{len(SHOWN)} credentials searched for in log, command line, environment, dump", "not found")


def at_end():
    print_table()


if __name__ == "__main__":
    peers.main(globals())
