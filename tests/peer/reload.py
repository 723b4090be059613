"""Certificates, tokens, policy, limits and the log change by SIGHUP, again and again under load: no request fails; and a bad file,
whichever it is, changes nothing and says where."""

import http.client
import re
import shutil
import signal
import ssl
import threading

from certs import Ca
from peers import ERL, SLOWER, Logged, Peer, check, equal, eventually, main, put_whole, temporary_dir, token_for

CA = Ca()
ROUNDS = 12


def https_leaf():
    return CA.issue("DNS:localhost,IP:127.0.0.1", kind="ec")


class Files:
    """What a gateway reads, in a folder; replaced as a deployment does."""

    def __init__(self):
        self.dir = temporary_dir()
        self.config, self.tokens, self.policy, self.cert, self.key = (
            self.dir / n for n in ("erlgate.yaml", "tokens.yaml", "policy.yaml", "cert.pem", "key.pem"))
        self.steady, _ = token_for("steady", file=self.tokens)
        self.put_leaf(https_leaf())
        self.put_policy("srv")
        self.put_config()

    def put_policy(self, *names):
        targets = ", ".join(f"name:{name}" for name in names)
        put_whole(self.policy, f"rules:\n  - allow: call\n    principals: '*'\n    nodes: 'kv@*'\n    targets: [{targets}]\n")

    def put_leaf(self, leaf):
        # Two files cannot be replaced at once: a reload between the two finds a key of another certificate, and changes nothing.
        for path, of in ((self.cert, leaf[0]), (self.key, leaf[1])):
            new = path.with_suffix(".new")
            shutil.copyfile(of, new)
            new.chmod(0o600)
            new.rename(path)

    def put_config(self, **more):
        values = {"token-file": self.tokens, "policy-file": self.policy, "tls-cert": self.cert, "tls-key": self.key, **{k.replace("_", "-"): v for k, v in more.items()}}
        put_whole(self.config, "".join(f"{k}: {v}\n" for k, v in values.items()))


def once(gate, path, token):
    """The status of one call."""
    conn = http.client.HTTPSConnection("127.0.0.1", gate.port, timeout=20 * SLOWER, context=ssl.create_default_context(cafile=CA.file))
    conn.request("POST", path, "x", {"Content-Type": ERL, "Authorization": f"Bearer {token}"})
    status = conn.getresponse().status
    conn.close()
    return status


class Load:
    """Calls with a token, by HTTPS: on a kept connection, or each on one of its own."""

    def __init__(self, gate, path, token, is_kept):
        self.port, self.path, self.token, self.is_kept = gate.port, path, token, is_kept
        self.good, self.bad, self.is_over = 0, [], False
        self.tls = ssl.create_default_context(cafile=CA.file)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        conn = None
        while not self.is_over:
            try:
                conn = conn or http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20 * SLOWER, context=self.tls)
                conn.request("POST", self.path, "{echo, 1}", {"Content-Type": ERL, "Accept": ERL, "Authorization": f"Bearer {self.token}"})
                answer = conn.getresponse()
                text = answer.read()
                if answer.status == 200 and text.strip() == b"1":
                    self.good += 1
                else:
                    self.bad.append((answer.status, text[:300]))
            except (OSError, http.client.HTTPException) as e:
                self.bad.append(repr(e))
                conn = None
            if conn and not self.is_kept:
                conn.close()
                conn = None


def under_load():
    files = Files()
    gate = Logged(args=["--config", files.config])
    peer = Peer("27", "kv@localhost", gate.epmd_port, gate.cookie).ready()
    peer.eval("testpeer:serve(srv), ok")
    path = gate.process_path(peer.node, "srv", "call")
    return files, gate, peer, [Load(gate, path, files.steady, is_kept) for is_kept in (True, True, False)]


def ended(load):
    for one in load:
        one.is_over = True
    for one in load:
        one.thread.join(30 * SLOWER)
        equal(one.bad, [], "requests that failed")
        check(one.good > ROUNDS, "only", one.good, "requests")
    return sum(one.good for one in load)


def test_everything_changes_at_once_again_and_again():
    files, gate, peer, load = under_load()
    fresh = []
    for n in range(ROUNDS):
        token, _ = token_for(f"user{n}", file=files.tokens)
        fresh.append(token)
        files.put_leaf(https_leaf())
        files.put_policy("srv", f"nobody{n}")
        files.put_config(max_body=100_000 + n, max_in_flight=1000 + n, log_format=("text", "json")[n % 2] if n < ROUNDS - 2 else "text")
        before = gate.log.read_text().count("reloaded")
        gate.proc.send_signal(signal.SIGHUP)
        eventually(lambda: gate.log.read_text().count("reloaded") > before, f"reload {n}")
        for name, status in ((f"nobody{n}", 404), (f"nobody{n + 1}", 403)):
            equal(once(gate, gate.process_path(peer.node, name, "call"), token), status, f"{name} after reload {n}")
    for token in fresh:
        one = Load(gate, load[0].path, token, False)
        eventually(lambda: one.good or one.bad, "a new token is used")
        one.is_over = True
        one.thread.join(20 * SLOWER)
        equal(one.bad, [], "a token that SIGHUP brought")
    total = ended(load)
    text = gate.log.read_text()
    for n in range(1, ROUNDS):
        check(re.search(rf"option\W+max-body\W.*{100_000 + n - 1}.*{100_000 + n}", text), "max-body of reload", n, "is not told")
    check("reload-failed" not in text, "a reload failed:", gate.lines("reload-failed"))
    for secret in (files.steady, *fresh):
        check(secret not in text, "a token is in the log")
    gate.stop()
    peer.stop()
    print(f"    {total} requests over {ROUNDS} reloads")


def test_a_bad_file_changes_nothing_and_says_where():
    files, gate, peer, load = under_load()
    tokens, policy, config = files.tokens.read_text(), files.policy.read_text(), files.config.read_text()
    cert = files.cert.read_bytes()
    for path, text, said in ((files.config, config + "max-body: many\n", f"{files.config}:5:11: max-body"),
                             (files.config, config + "max-boddy: 1\n", "did you mean 'max-body'"),
                             (files.config, "token-file: [\n", f"{files.config}:"),
                             (files.tokens, tokens + "\n  - nonsense: [\n", f"{files.tokens}:"),
                             (files.policy, policy.replace("allow: call", "allow: cal"), f"{files.policy}:2:"),
                             (files.policy, "rules: [\n", f"{files.policy}:"),
                             (files.cert, "no certificate\n", f"{files.cert}")):
        for other, good in ((files.config, config + "max-in-flight: 7\nlog-format: json\n"), (files.tokens, tokens), (files.policy, "rules: []\n")):
            if other != path:
                put_whole(other, good)
        put_whole(path, text)
        lines = gate.hup("reload-failed")
        check(any(said in line for line in lines), f"after {text!r}:", said, "is not in", lines)
        put_whole(files.config, config)
        put_whole(files.tokens, tokens)
        put_whole(files.policy, policy)
        put_whole(files.cert, cert.decode())
    equal(gate.lines("reload-changed"), [], "changes")
    # The same files are good: nothing was left half done.
    check("changed=0" in gate.hup("reloaded")[0], gate.lines("reloaded"))
    ended(load)
    gate.stop()
    peer.stop()


if __name__ == "__main__":
    main(globals())
