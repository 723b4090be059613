"""Who asks: tokens and their rotation, JWTs and their keys, sessions, certificates, users, and how often each may ask.

What must not get in is in attacks.py. Needs curl and openssl.
"""

import fcntl
import json
import os
import pathlib
import pwd
import re
import signal
import stat
import subprocess
import threading
import time

import certs
import jose
import peers
from eventstream import EventStream
from peers import BIN, Gateway, check, equal, eventually, temporary_dir, token_for

WATCH = "/v1/nodes/monitor"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def who(gate, headers):
    """The principal that these headers make; None: they are refused."""
    response = gate.http.request("GET", "/v1/session", headers=headers, fresh=True)
    if response.status == 401:
        return None
    equal(response.status, 200, response)
    return response.json["principal"]


def count(gate, event):
    return gate.log.read_text().count(f" {event} ")


def reload(gate, event="authentication-reloaded"):
    before = count(gate, event)
    gate.proc.send_signal(signal.SIGHUP)
    eventually(lambda: count(gate, event) > before, event)


def watch(gate, headers):
    """A stream of what happens to nodes, of which there are none."""
    stream = EventStream(gate.port, WATCH, headers=headers)
    equal(stream.status, 200, stream.headers)
    stream.next("monitor")
    return stream


def remove(file, principal):
    file.write_text("".join(line for line in file.read_text().splitlines(True) if f'"{principal}"' not in line))


def line_of(file, token):
    """Leaves out one token's line."""
    done = subprocess.run([BIN / "erlgate", "token", "--hash", "x"], input=token, capture_output=True, text=True, check=True)
    digest = done.stdout.partition("sha256: ")[2][:64]
    lines = file.read_text().splitlines(True)
    check(any(digest in line for line in lines), "no such line")
    return [line for line in lines if digest not in line]


# ---- erlgate token -----------------------------------------------------------------------------------------------------------


def erlgate_token(*args, stdin=None, status=0):
    done = subprocess.run([BIN / "erlgate", "token", *map(str, args)], input=stdin, capture_output=True, text=True, check=False, timeout=20)
    equal(done.returncode, status, f"erlgate token {args}: {done.stderr}")
    return done


def test_erlgate_token_makes_one():
    done = erlgate_token("billing", "--expires", "2100-01-31", "--comment", 'of "his"')
    token, line = done.stdout.strip(), done.stderr
    check(token.startswith("erlg_") and len(token) == 48, token)
    check(line.startswith('- {principal: "billing", sha256: ') and "expires: 2100-01-31T00:00:00Z" in line, line)
    check(token not in line, "the line shows the token")
    again = erlgate_token("billing", "--hash", stdin=token + "\n")
    equal(again.stdout.strip("}\n"), line.partition(", expires")[0], "--hash")
    check(erlgate_token("a").stdout != erlgate_token("a").stdout, "twice the same")
    for args in ([], ["a", "b"], ["a", "--nope"], ["a", "--expires", "soon"], ["a", "--expires", "2001-01-01"], ["a\nb"], ["a", "--append"],
                 ["a", "--comment", "two\nlines"], ["--hash", "a"]):
        erlgate_token(*args, stdin="short", status=2)
    for shown in ("v4.local." + "x" * 40, "two words " + "x" * 40, "a:" + "x" * 48, "x" * 48 + "\xe9"):
        erlgate_token("a", "--hash", stdin=shown, status=2)
    erlgate_token("a", "--hash", stdin="erlg_" + "x." * 21 + "x")


def test_erlgate_token_appends():
    file = temporary_dir() / "tokens.yaml"
    done = erlgate_token("a", "--append", file)
    equal((done.stderr, stat.S_IMODE(file.stat().st_mode)), ("", 0o600), "mode")
    with file.open("a") as f:
        f.write("- {principal: hand, sha256: " + "a" * 64 + "}")  # as an editor may leave it
    both = [threading.Thread(target=erlgate_token, args=("b", "--append", file)) for _ in range(8)]
    for t in both:
        t.start()
    for t in both:
        t.join()
    equal(len([line for line in file.read_text().splitlines() if line.startswith("- {")]), 10, file.read_text())
    file.chmod(0o644)
    check("chmod 600" in erlgate_token("c", "--append", file).stderr, "no warning")
    file.write_text("- {principal: a}\n")
    said = erlgate_token("c", "--append", file, status=1).stderr
    check(f"{file}:1:3: the item lacks its sha256" in said, said)
    equal(file.read_text(), "- {principal: a}\n", "a file that is none is left")
    erlgate_token("c", "--append", file.parent, status=1)
    hand = "{principal: hand, sha256: " + "a" * 64 + "}"
    for text in ("[]\n", f"[{hand}]\n", f"  - {hand}\n", f"- {hand}\n...\n", f"- {hand}\n# end"):
        file.write_text(text)
        is_good = text.endswith("# end")
        said = erlgate_token("c", "--append", file, status=0 if is_good else 1).stderr
        check(is_good or "would be no token" in said, text, said)
        equal(file.read_text() == text, not is_good, text)
    file.unlink()
    odd = 'x\u2028y\ufeff"\\'
    token = erlgate_token(odd, "--append", file, "--comment", "\x9f\uffff").stdout.strip()
    gate = Gateway(epmd="none", args=["--token-file", file])
    equal(peers.Http(gate.port).request("GET", "/v1/session", headers=bearer(token)).json["principal"], odd, "who it is")
    gate.stop()
    file.write_text(f"- {hand}\n")
    cramped = ["sh", "-c", f"ulimit -f 1; trap '' XFSZ; {BIN}/erlgate token c --append {file}"]
    full = subprocess.run(cramped, capture_output=True, text=True, check=False)
    equal(full.returncode, 0, "it has room")
    file.write_text(f"- {hand}\n# " + "x" * 340 + "\n")
    before = file.read_text()
    full = subprocess.run(cramped, capture_output=True, text=True, check=False)
    equal((full.returncode, full.stdout, file.read_text()), (1, "", before), f"no room: {full.stderr}")


def test_a_token_goes_to_the_file_that_took_the_place_of_another():
    file = temporary_dir() / "tokens.yaml"
    file.write_text("")
    with file.open() as old:
        fcntl.flock(old, fcntl.LOCK_EX)
        command = subprocess.Popen([BIN / "erlgate", "token", "a", "--append", file], stdout=subprocess.PIPE, text=True)
        # "1: -> FLOCK …": it has opened the old file, and waits for its lock.
        waits = re.compile(rf"-> FLOCK .* {command.pid} ")
        eventually(lambda: waits.search(pathlib.Path("/proc/locks").read_text()), "the lock that it waits for")
        other = file.with_name("other.yaml")
        other.write_text("# rotated\n")
        other.replace(file)
    command.communicate(timeout=10)
    equal(command.returncode, 0, "status")
    check(file.read_text().startswith('# rotated\n- {principal: "a",'), file.read_text())


# ---- Tokens ------------------------------------------------------------------------------------------------------------------


def test_tokens_are_rotated_under_load():
    """A principal has two while the one takes the place of the other; no request fails."""
    old, file = token_for("alice")
    gate = Gateway(epmd="none", args=["--token-file", file])
    failures, done, using, counts = [], threading.Event(), {"token": old}, [0] * 3

    def load(i):
        http = peers.Http(gate.port)
        while not done.is_set():
            response = http.request("GET", "/v1/session", headers=bearer(using["token"]))
            counts[i] += 1
            if response.status != 200:
                failures.append(response)

    threads = [threading.Thread(target=load, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    for _ in range(5):
        new, _ = token_for("alice", file=file)
        equal(who(gate, bearer(new)), None, "before the file was read again")
        reload(gate)
        equal([who(gate, bearer(t)) for t in (using["token"], new)], ["alice"] * 2, "both")
        before, using["token"] = using["token"], new
        seen = list(counts)
        eventually(lambda: all(now >= then + 2 for now, then in zip(counts, seen)), "nobody uses the one before any more")  # pylint: disable=cell-var-from-loop
        file.write_text("".join(line_of(file, before)))
        reload(gate)
        equal([who(gate, bearer(t)) for t in (before, new)], [None, "alice"], "the one that is left")
    done.set()
    for t in threads:
        t.join()
    equal(failures, [], "requests that failed")
    gate.stop()


def test_a_bad_file_changes_nothing():
    token, file = token_for("alice")
    gate = Gateway(epmd="none", args=["--token-file", file])
    good = file.read_text()
    for bad, place in (("- {principal: a, sha256: 5}\n", f"{file}:1:26"), ("- {principal: a", f"{file}:2:1"), ("alice: 5\n", f"{file}:1:1"),
                       (good + good, f"{file}:2:3")):
        file.write_text(bad)
        reload(gate, "reload-failed")
        check(f"place={place} " in gate.log.read_text(), place, gate.stderr())
        equal(who(gate, bearer(token)), "alice", "after a bad file")
    file.unlink()
    reload(gate, "reload-failed")
    equal(who(gate, bearer(token)), "alice", "after no file")
    file.touch(0o600)
    reload(gate)
    equal(who(gate, bearer(token)), None, "after an empty file: nobody has a token, and everybody is asked for one")
    gate.stop()


def test_a_bad_file_at_the_start():
    file = temporary_dir() / "tokens.yaml"
    file.write_text("- {principal: a, shar256: x}\n")
    gate = Gateway(epmd="none", args=["--token-file", file], wait=False)
    equal(gate.proc.wait(20), 2, "exit status")
    check(f"{file}:1:18: an item has no member shar256" in gate.log.read_text(), gate.stderr())


def test_files_that_others_can_read_are_told():
    _, file = token_for("alice")
    keys = jose.key_set(jose.Key("HS256", "h"))
    file.chmod(0o620)
    keys.chmod(0o644)
    gate = Gateway(epmd="none", args=["--token-file", file, *jose.gateway_args(keys)])
    for f in (file, keys):
        check(re.search(f"warn configuration place=\"?{f}\"? why=\"others can read ", gate.log.read_text()), f, gate.stderr())
    gate.stop()


def test_public_routes_stay_public():
    _, file = token_for("alice")
    gate = Gateway(epmd="none", args=["--token-file", file])
    for path in ("/livez", "/readyz", "/healthz"):
        equal(gate.http.get(path).status, 200, path)
        equal(gate.http.get(path, Authorization="Bearer nonsense").status, 200, f"{path} with a bad token")
    equal(gate.http.get("/v1/self").status, 401, "/v1/self, from loopback")
    gate.stop()


def test_without_authentication_nothing_is_asked():
    gate = Gateway(epmd="none")
    equal(gate.http.get("/v1/session").json, {"principal": "anonymous", "by": "nothing"}, "who")
    peers.problem(gate.http.post("/v1/session"), 400, "bad-parameter")
    equal(gate.http.get("/v1/self", Authorization="Bearer nonsense").status, 200, "a token that nobody asked for")
    gate.stop()


# ---- JWTs --------------------------------------------------------------------------------------------------------------------


def test_JWTs_of_each_kind():
    keys = [jose.Key(alg, alg[:2].lower()) for alg in ("RS256", "ES256", "EdDSA", "HS256")]
    gate = Gateway(epmd="none", args=jose.gateway_args(jose.key_set(*keys, more=[{"kty": "RSA", "use": "enc", "n": "x", "e": "AQAB"}])))
    for key in keys:
        token = key.sign(jose.claims(sub=f"{key.alg} user", aud=["other", "erlgate"]))
        for _ in range(2):
            equal(who(gate, bearer(token)), f"{key.alg} user", key.alg)
    gate.stop()


def test_another_claim_says_who():
    key = jose.Key("ES256", "e")
    gate = Gateway(epmd="none", args=[*jose.gateway_args(jose.key_set(key)), "--jwt-principal-claim", "email"])
    equal(who(gate, bearer(key.sign(jose.claims(email="alice@example.com")))), "alice@example.com", "email")
    equal(who(gate, bearer(key.sign(jose.claims()))), None, "without it")
    gate.stop()


def test_keys_are_rotated():
    """What was verified with a key that is gone is no longer good, however lately it was."""
    old, new = jose.Key("EdDSA", "old"), jose.Key("EdDSA", "new")
    file = jose.key_set(old)
    gate = Gateway(epmd="none", args=jose.gateway_args(file))
    by_old, by_new = (bearer(k.sign(jose.claims())) for k in (old, new))
    stream = watch(gate, by_old)
    equal([who(gate, by_old), who(gate, by_new)], ["alice", None], "the old one")
    file.write_text(json.dumps({"keys": [old.jwk, new.jwk]}))
    reload(gate)
    equal([who(gate, by_old), who(gate, by_new)], ["alice", "alice"], "both")
    stream.is_silent(0.2)
    file.write_text(json.dumps({"keys": [new.jwk]}))
    reload(gate)
    equal([who(gate, by_old), who(gate, by_new)], [None, "alice"], "the new one")
    stream.next("bye")
    stream.ends()
    file.write_text('{"keys": [{"kty": "RSA"}]}')
    reload(gate, "reload-failed")
    check("keys[0]" in gate.stderr(), gate.stderr())
    equal(who(gate, by_new), "alice", "after a bad file")
    gate.stop()


# ---- Streams -----------------------------------------------------------------------------------------------------------------


def test_a_stream_ends_when_its_credential_expires():
    key = jose.Key("HS256", "h")
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    token, file = token_for("bob", "--expires", moment)
    lasting, _ = token_for("bob", file=file)
    gate = Gateway(epmd="none", args=["--token-file", file, *jose.gateway_args(jose.key_set(key))])
    jwt = key.sign(jose.claims(exp=int(time.time()) - 27))  # 30 s are allowed for clocks that differ
    streams = [watch(gate, bearer(t)) for t in (token, jwt, lasting)]
    for s in streams[:2]:
        s.next("bye", 10)
        s.ends()
    check(time.time() < time.mktime(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone + 10, "late")
    streams[2].is_silent(0.2)
    equal([EventStream(gate.port, WATCH, headers=bearer(t)).status for t in (token, jwt, lasting)], [401, 401, 200], "opened again")
    gate.stop()


def test_a_stream_ends_when_its_token_is_removed():
    alice, file = token_for("alice")
    bob, _ = token_for("bob", file=file)
    gate = Gateway(epmd="none", args=["--token-file", file])
    cookie = gate.http.request("POST", "/v1/session", b"", bearer(alice)).header("set-cookie").partition(";")[0]
    streams = [watch(gate, h) for h in (bearer(alice), {"Cookie": cookie}, bearer(bob))]
    reload(gate)
    for s in streams:
        s.is_silent(0.1)
    remove(file, "alice")
    reload(gate)
    for s in streams[:2]:
        s.next("bye")
        s.ends()
    streams[2].is_silent(0.2)
    equal(EventStream(gate.port, WATCH, headers={"Cookie": cookie}).status, 401, "the session")
    gate.stop()


def test_nobody_resumes_a_stream_of_another():
    alice, file = token_for("alice")
    bob, _ = token_for("bob", file=file)
    gate = Gateway(epmd="none", args=["--token-file", file])
    path = "/v1/events?monitor=/nodes"
    first = EventStream(gate.port, path, headers=bearer(alice))
    ident = first.next("monitor").id
    first.close()
    again = EventStream(gate.port, path, last_id=ident, headers=bearer(alice))
    again.is_silent(0.2)  # resumed: it knows already
    other = EventStream(gate.port, path, last_id=ident, headers=bearer(bob))
    equal(other.next("gap").data, {"lost": None}, "it is told that it is another one")
    check(other.next("monitor").id != ident, "the same stream")
    gate.stop()


# ---- Sessions ----------------------------------------------------------------------------------------------------------------


def test_a_session():
    token, file = token_for("alice")
    short, _ = token_for("short", "--expires", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 100)), file=file)
    gate = Gateway(epmd="none", args=["--token-file", file, "--session-ttl", "600"])
    made = gate.http.request("POST", "/v1/session", b"", bearer(token))
    equal((made.status, made.json["principal"], made.json["by"]), (201, "alice", "session"), made)
    cookie, *attributes = (a.strip() for a in made.header("set-cookie").split(";"))
    equal(sorted(attributes), ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Strict"], "attributes")
    equal(who(gate, {"Cookie": f"other=1; {cookie}"}), "alice", "GET")
    equal(gate.http.request("HEAD", "/v1/self", headers={"Cookie": cookie}).status, 200, "HEAD")
    capped = gate.http.request("POST", "/v1/session", b"", bearer(short)).header("set-cookie")
    age = int(capped.partition("Max-Age=")[2].partition(";")[0])
    check(80 <= age <= 100, "no longer than its token", capped)
    ended = gate.http.request("DELETE", "/v1/session", headers={"Cookie": cookie})
    equal(ended.status, 204, ended)
    check("erlgate=;" in ended.header("set-cookie") and "Max-Age=0" in ended.header("set-cookie"), ended.header("set-cookie"))
    equal(who(gate, {"Cookie": cookie}), None, "after its end")
    equal(gate.http.request("DELETE", "/v1/session").status, 204, "without one")
    gate.stop()


# ---- Certificates and users --------------------------------------------------------------------------------------------------


def curl(*args):
    done = subprocess.run(["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}", *map(str, args)], capture_output=True, text=True, check=False)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else done.stderr


def header(token):
    return ["-H", f"Authorization: Bearer {token}"]


def test_certificates():
    ca = certs.Ca()
    leaf = ca.issue("DNS:localhost,IP:127.0.0.1")
    alice, other = (ca.issue(subject=f"/O=Example/CN={n}", more="extendedKeyUsage=clientAuth\n") for n in ("alice", "other"))
    token, file = token_for("alice")
    bob, _ = token_for("bob", file=file)
    gate = Gateway(epmd="none", wait=False, args=[
        "--tls-cert", leaf[0], "--tls-key", leaf[1], "--tls-ca", ca.file, "--tls-client-cert", "optional", "--token-file", file,
        "--principal", "alice=cert:CN=alice,O=Example"])
    eventually(lambda: " ready " in gate.log.read_text(), "the gateway is ready")
    to = ["--cacert", ca.file, f"https://localhost:{gate.port}/v1/session"]
    shows = ["--cert", alice[0], "--key", alice[1]]
    equal(curl(*shows, *to), (200, {"principal": "alice", "by": "certificate"}), "the certificate")
    equal(curl(*to)[0], 401, "nothing")
    equal(curl("--cert", other[0], "--key", other[1], *to)[0], 401, "a certificate without a name")
    equal(curl(*shows, *header(token), *to)[1]["by"], "token", "both, of one principal")
    equal(curl(*shows, *header(bob), *to)[0], 401, "both, of two principals")
    equal(curl(*shows, *header("erlg_bad"), *to)[0], 401, "a bad token beside a good certificate")
    equal(curl(*shows, "-X", "POST", *to)[0], 400, "a session is made of a token")
    made = subprocess.run(["curl", "-sSi", "-X", "POST", *header(token), *map(str, to)], capture_output=True, text=True, check=True).stdout
    cookie = made.partition("Set-Cookie: ")[2].partition("\r")[0]
    check(cookie.startswith("__Host-erlgate=") and "; Secure" in cookie and "Path=/;" in cookie, cookie)
    equal(curl("-H", f"Cookie: {cookie.partition(';')[0]}", *to)[1]["by"], "session", "the cookie")
    gate.stop()


def test_users_of_a_socket():
    there = temporary_dir() / "gate.sock"
    me = pwd.getpwuid(os.getuid()).pw_name
    bob, file = token_for("bob")
    gate = Gateway(epmd="none", args=["--socket", there, "--principal", f"ops=uid:{me}", "--token-file", file])
    to = ["--unix-socket", there, "http://localhost/v1/session"]
    equal(curl(*to), (200, {"principal": "ops", "by": "uid"}), "the user")
    equal(curl(*header(bob), *to)[0], 401, "and another's token")
    equal(gate.http.get("/v1/session").status, 401, "over TCP")
    equal(who(gate, bearer(bob)), "bob", "a token over TCP")
    gate.stop()


def test_an_identity_has_one_principal():
    gate = Gateway(epmd="none", args=["--principal", "a=uid:0", "--principal", "b=uid:root"], wait=False)
    equal(gate.proc.wait(20), 2, "exit status")
    check("second principal" in gate.log.read_text(), gate.stderr())


# ---- The command line --------------------------------------------------------------------------------------------------------


def erlgate(*args, env=None):
    """Exit status, standard output, standard error."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ERLGATE_")}
    done = subprocess.run([BIN / "erlgate", *map(str, args)], capture_output=True, text=True, env={**clean, **(env or {})}, timeout=60,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_command_line():
    ca = certs.Ca()
    leaf = ca.issue("DNS:localhost,IP:127.0.0.1")
    alice = ca.issue(subject="/CN=alice", more="extendedKeyUsage=clientAuth\n")
    there = temporary_dir() / "gate.sock"
    token, file = token_for("alice")
    token_file = file.parent / "token"
    token_file.write_text(token)
    gate = Gateway(epmd="none", wait=False, args=[
        "--tls-cert", leaf[0], "--tls-key", leaf[1], "--tls-ca", ca.file, "--tls-client-cert", "optional", "--token-file", file,
        "--principal", "alice=cert:CN=alice", "--principal", f"alice=uid:{os.getuid()}", "--socket", there])
    eventually(lambda: " ready " in gate.log.read_text(), "the gateway is ready")
    url = ["--url", f"https://localhost:{gate.port}", "--ca-file", ca.file]
    for more, env in ((["--token-file", token_file], {}), ([], {"ERLGATE_TOKEN": token}), 
                      (["--cert-file", alice[0], "--key-file", alice[1]], {})):
        equal(erlgate("nodes", *url, *more, env=env)[0], 0, f"{more} {env}")
    equal(erlgate("nodes", "--socket", there)[0], 0, "--socket")
    equal(erlgate("nodes", env={"ERLGATE_SOCKET": str(there)})[0], 0, "$ERLGATE_SOCKET")
    status, out, err = erlgate("nodes", *url)
    equal((status, out), (6, ""), err)
    check("unauthenticated" in err, err)
    status, _, err = erlgate("nodes", *url, "--token-file", file)
    equal(status, 2, err)
    check("no file of hashes" in err, err)
    equal(erlgate("nodes", *url, "--cert-file", "/nonexistent")[0], 3, "a certificate that is not there")
    gate.stop()


# ---- Rates -------------------------------------------------------------------------------------------------------------------


def test_a_principal_that_asks_too_often():
    alice, file = token_for("alice")
    bob, _ = token_for("bob", file=file)
    gate = Gateway(epmd="none", args=["--token-file", file, "--rate-limit", "1/5"])
    answers = [gate.http.request("GET", "/v1/self", headers=bearer(alice)) for _ in range(5)]
    equal([a.status for a in answers], [200] * 5, "a burst")
    equal(answers[0].header("ratelimit-policy"), '"calls";q=5;w=5', "RateLimit-Policy")
    equal(answers[0].header("ratelimit"), '"calls";r=4;t=1', "RateLimit")
    refused = gate.http.request("GET", "/v1/self", headers=bearer(alice))
    peers.problem(refused, 429, "rate-limited", sent=False)
    equal((refused.json["retryable"], refused.header("retry-after")), (True, "1"), "when to come back")
    check(refused.header("ratelimit").startswith('"calls";r=0;t='), refused.header("ratelimit"))
    equal(gate.http.request("GET", "/v1/self", headers=bearer(bob)).status, 200, "another principal")
    equal(gate.http.get("/livez").header("ratelimit"), None, "a public route")
    eventually(lambda: gate.http.request("GET", "/v1/self", headers=bearer(alice)).status == 200, "it may ask again")
    gate.stop()


def test_one_principal_leaves_the_last_eighth():
    """Of processes and of streams: who takes all that they get shuts nobody else out."""
    mallory, file = token_for("mallory")
    alice, _ = token_for("alice", file=file)
    gate = Gateway(epmd="auto", args=["--token-file", file, "--max-processes", "16", "--max-streams", "32"])

    def make(token):
        return gate.http.request("POST", "/v1/processes", "{}", bearer(token))

    made = [make(mallory) for _ in range(16)]
    equal([r.status for r in made], [201] * 14 + [503] * 2, "what mallory gets")
    check("kept for principals" in peers.problem(made[-1], 503, "overloaded", sent=False)["detail"], made[-1])
    own = make(alice)
    equal(own.status, 201, "what alice gets")
    for process in made[:2]:
        equal(gate.http.request("DELETE", f"/v1/processes/{process.json['id']}", headers=bearer(mallory)).status, 204, "one ends")
    equal(make(mallory).status, 201, "there is room again")
    streams = [EventStream(gate.port, "/v1/events?monitor=/nodes", headers=bearer(mallory)) for _ in range(28 - 14)]
    refused = gate.http.request("GET", "/v1/events?monitor=/nodes", headers=bearer(mallory))
    peers.problem(refused, 503, "overloaded", sent=False)
    EventStream(gate.port, "/v1/events?monitor=/nodes", headers=bearer(alice)).next("monitor")
    for stream in streams:
        stream.close()
    check('erlgate_limit_refusals_total{limit="principal_share"} 3' in gate.http.request("GET", "/metrics", headers=bearer(alice)).text, "counted")
    gate.stop()


def test_rates_and_authentication_come_by_a_reload():
    alice, file = token_for("alice")
    config = temporary_dir() / "erlgate.yaml"
    config.write_text("rate-limit: none\n")
    gate = Gateway(epmd="none", args=["--config", config])
    equal((who(gate, {}), gate.http.get("/v1/self").header("ratelimit")), ("anonymous", None), "at the start")
    stream = watch(gate, {})
    config.write_text(f"rate-limit: 10/1000\ntoken-file: {file}\n")
    reload(gate, "reloaded")
    stream.next("bye")
    equal((who(gate, {}), who(gate, bearer(alice))), (None, "alice"), "when tokens are asked for")
    equal(gate.http.get("/v1/self", Authorization=f"Bearer {alice}").header("ratelimit-policy"), '"calls";q=1000;w=100', "the rate")
    config.write_text("rate-limit: often\n")
    reload(gate, "reload-failed")
    equal(who(gate, {}), None, "after a bad file")
    gate.stop()


peers.main(globals())
