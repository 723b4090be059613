"""Options, the file, SIGHUP: what is read, what is told, and that a bad file changes nothing."""

import os
import re
import signal
import subprocess
import threading

import certs
import peers
from peers import BIN, ERL, Gateway, Http, Peer, check, equal, eventually, fresh_cookie, main, problem, temporary_dir


def ask(command, *args, env=None):
    clean = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ERLGATE_COOKIE": "secret-cookie", **(env or {})}
    done = subprocess.run([BIN / "erlgate", command, *args], env=clean, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def written(text):
    path = temporary_dir() / "erlgate.yaml"
    path.write_text(text)
    return path


def test_the_check_tells_all_faults_with_their_places():
    good = written("log: {level: debug}\ntimeout: 100\n")
    status, out, err = ask("check-config", "--config", good)
    equal((status, out), (0, "The configuration is good.\n"), err)
    bad = written("timeout: soon\nlisten: 127.0.0.1\nhots: a\ntls:\n  cert: /nonexistent/c.pem\n")
    status, out, err = ask("check-config", "--config", bad, "--log-format", "jso")
    equal(status, 2, err)
    for fault in (f"{bad}:1:10: timeout: is to be a number", f"{bad}:2:9: listen: is to be ADDRESS:PORT",
                  f"{bad}:3:1: there is no option 'hots'; did you mean 'host'?", "/nonexistent/c.pem: ",
                  "--log-format: is to be text or json; did you mean 'json'?", "5 faults"):
        check(fault in err, fault, "in", err)


SHAPES = {  # a file: what is said of it, each a fault; none: it is good
    'max-body: "8MiB\\0x"': [":1:11: no value has a zero byte"],
    "workers: {count: 2}": [":1:10: workers is to be a number, and not a mapping"],
    "workers: {count: 2, name: x, more: [1]}": [":1:10: workers is to be a number, and not a mapping"],
    '{"timeout": {"ms": 5}, "max-body": {"bytes": 1}, "drain-delay": []}': [
        ":1:13: timeout is to be a number of milliseconds (or as in 500ms, 30s, 2m), and not a mapping", ":1:36: max-body is to be a number of bytes (or as in 64KiB, 8MiB, 1GiB), and not a mapping",
        ":1:65: drain-delay is to be a number of milliseconds (or as in 500ms, 30s, 2m), and not a list"],
    "max: {body: {x: 1}}": [":1:13: max-body is to be a number of bytes (or as in 64KiB, 8MiB, 1GiB), and not a mapping"],
    "log-level: [info]\nlisten: {}\nvisible: {}\nhost: {a: b}\ndist: {tls: {verify: []}}": [
        ":1:12: log-level is to be one value, LEVEL, and not a list", ":2:9: listen is to be one value, ADDRESS:PORT, and not a mapping",
        ":3:10: visible is to be true or false, and not a mapping", ":4:7: host is to be a list of NAME, and not a mapping",
        ":5:22: dist-tls-verify is to be one value, peer|none, and not a list"],
    "hots: {}": [":1:1: there is no option 'hots'; did you mean 'host'?"],
    "socket: {mode: 0600}\ntls: {}\nmax: {body: 5, depth: 6}": [],
    "socket: {}": [":1:9: socket is to be one value, PATH, and not a mapping"]}


def test_what_has_the_wrong_shape_is_told_once_and_says_what_is_wanted():
    for text, said in SHAPES.items():
        path = written(text)
        status, out, err = ask("check-config", path)
        wanted = [f"erlgate: {path}{s}" for s in said]
        equal(err.splitlines(), wanted + ([f"erlgate: {len(said)} fault{'s' if len(said) > 1 else ''}"] if said else []), text)
        equal((status, out), (2, "") if said else (0, "The configuration is good.\n"), text)


def test_each_mistake_is_one_fault():
    """Not two, told by who reads the options and by who loads the files; and none is left out because of another."""
    leaf = certs.Ca().issue()
    here = f"token-file: /nonexistent/t\njwks-file: /nonexistent/j\njwt: {{issuer: a, audience: b}}\npolicy-file: /nonexistent/p\nprincipal: [x, a=uid:0, 'y=cert']\n"
    for text, places in ((here, [":5:13: principal: 'x' has", ":5:25: principal: 'y=cert' is", "/nonexistent/t: ", "/nonexistent/j: ", "/nonexistent/p: "]),
                         ("socket: s\nprincipal: [a=uid:0, b=uid:0]\n", ["--principal: 'b=uid:0' gives an identity a second principal"]),
                         (f"tls: {{cert: {leaf[0]}, key: {leaf[1]}, client-cert: required}}\n", ["--tls-ca: without a CA"]),
                         (f"dist: {{tls: {{cert: {leaf[0]}, key: {leaf[1]}}}}}\n", ["--dist-tls-ca: without a CA"])):
        status, out, err = ask("check-config", written(text))
        lines = [line for line in err.splitlines() if " warning: " not in line]
        equal((status, out), (2, ""), err)
        equal(lines[-1], f"erlgate: {len(places)} fault{'s' if len(places) > 1 else ''}", err)
        equal(len(lines), len(places) + 1, err)
        for place, line in zip(places, lines):
            check(place in line, place, "in", line)


def test_a_file_that_is_none_or_has_no_end_changes_nothing():
    """A FIFO is not waited for, and aliases of aliases are not counted to their end."""
    path = written("log-level: info\n")
    gate = Gateway(epmd="none", args=["--config", path])
    path.unlink()
    os.mkfifo(path)
    check("no regular file" in gate.hup("reload-failed")[0], "a FIFO")
    path.unlink()
    path.mkdir()
    check("no regular file" in gate.hup("reload-failed")[0], "a folder")
    path.rmdir()
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    check("more than 1048576 bytes" in gate.hup("reload-failed")[0], "a large file")
    path.write_text("[" * 200000)
    check("nested too deep" in gate.hup("reload-failed")[0], "brackets without end")
    letters = "abcdefghij"
    path.write_text("a0: &a0 {" + ", ".join(f"{c}: 1" for c in letters) + "}\n" + "".join(
        f"a{i}: &a{i} {{" + ", ".join(f"{c}: *a{i - 1}" for c in letters) + "}\n" for i in range(1, 9)))
    gate.hup("reload-failed")
    eventually(lambda: gate.lines("reload-failed", "more options than there can be"), "a file that stands for 10^9 options")
    check(gate.log.read_text().count("more options than there can be") == 1, "which is told once")
    equal(gate.http.get("/livez").status, 200, "it goes on")
    path.write_text("log-level: debug\n")
    gate.hup("reloaded")
    gate.stop()


def test_a_reload_opens_no_address_to_everybody():
    """The gateway listens where it did at its start: that the new file says another address does not make it less open."""
    directory, port = temporary_dir(), peers.free_port()
    cookie = directory / "cookie"
    cookie.touch(0o600)
    cookie.write_text("c")
    _, tokens = peers.token_for("ops")
    path = written(f"name: open@localhost\nepmd: none\nlisten: 0.0.0.0:{port}\ntoken-file: {tokens}\n")
    log = directory / "stderr"
    proc = peers.spawn([BIN / "erlgate", "serve", "--config", path, "--cookie-file", cookie], stderr=log.open("wb"))
    eventually(lambda: " ready " in log.read_text(), "ready")
    for text, event in ((f"listen: 127.0.0.1:{port}\n", "reload-failed place=listen"), (f"listen: 127.0.0.1:{port}\ninsecure: true\n", "reloaded")):
        equal(Http(port).get("/v1/self").status, 401, "who asks?")
        path.write_text("name: open@localhost\nepmd: none\n" + text)
        proc.send_signal(signal.SIGHUP)
        eventually(lambda word=event: f" {word} " in log.read_text(), event)
    equal(Http(port).get("/v1/self").status, 200, "it has been said that everybody may")
    check("reload-changed option=insecure" in log.read_text(), log.read_text())
    equal(peers.end(proc, signal.SIGTERM), 0, log.read_text())


def test_what_wants_a_restart_is_told_until_it_is_as_it_runs():
    """A reload is held against what runs, not against the file that was read last: the threads are those of the start."""
    path = written("workers: 1\nnet-ticktime: 30\nmax-body: 1000\n")
    gate = Gateway(epmd="none", args=["--config", path], env={"ERLGATE_WORKERS": ""})

    def told(text):
        path.write_text(text)
        before = len(gate.log.read_text())
        gate.hup("reloaded")
        return re.findall(r"(reload-\S+) option=(\S+) from=(\d+) to=(\d+)", gate.log.read_text()[before:])

    for workers in (3, 3, 2):
        equal(told(f"workers: {workers}\nnet-ticktime: 30\nmax-body: 1000\n"), [("reload-wants-restart", "workers", "1", str(workers))], "a restart is due")
    equal(told("workers: 1\nnet-ticktime: 60\nmax-body: 2000\n"),
          [("reload-wants-restart", "net-ticktime", "30", "60"), ("reload-changed", "max-body", "1000", "2000")], "of three changes")
    equal(told("workers: 1\nnet-ticktime: 30\nmax-body: 2000\n"), [], "all is as it runs")
    equal(told("workers: 1\nnet-ticktime: 30\nmax-body: 1000\n"), [("reload-changed", "max-body", "2000", "1000")], "what is taken is held against what was taken last")
    gate.stop()


def test_a_host_that_nobody_knows_is_warned_of():
    """One that was given: that of the machine itself is no typo."""
    status, _, err = ask("check-config", "--strict", "--name", "gate@no-such-host.invalid")
    check(status == 1 and "no address of the host 'no-such-host.invalid' is known here" in err, err)


def test_warnings_count_when_told():
    cookie = temporary_dir() / "cookie"
    cookie.write_text("c")
    cookie.chmod(0o644)
    status, out, err = ask("check-config", "--cookie-file", cookie)
    check(status == 0 and "with warnings" in out and f"{cookie}: the cookie can be read by others: chmod 600" in err, out, err)
    cookie.chmod(0o640)  # a group may: how else is one handed to a user who is not root?
    equal(ask("check-config", "--strict", "--cookie-file", cookie)[::2], (0, ""), "readable to a group")
    cookie.chmod(0o644)
    status, out, err = ask("check-config", "--strict", "--cookie-file", cookie)
    check((status, out) == (1, "") and err.endswith("erlgate: 1 warning\n"), status, out, err)


def test_what_can_admit_nobody_is_warned_of():
    for text, says in (("principal: [a=cert:CN=x]\n", ":1:13: principal: no certificate is asked for"),
                       ("principal: [a=uid:0]\n", ":1:13: principal: there is no --socket"),
                       ("policy-file: POLICY\n", ":1:14: policy-file: nobody is asked who they are"),
                       ("token-file: EMPTY\n", "there is no token in it")):
        policy, empty = temporary_dir() / "policy", temporary_dir() / "tokens"
        policy.write_text("rules: [{allow: self, principals: '*'}]\n")
        empty.touch(0o600)
        status, out, err = ask("check-config", written(text.replace("POLICY", str(policy)).replace("EMPTY", str(empty))))
        check(status == 0 and says in err and "with warnings" in out, text, status, out, err)


VARIABLES = {  # what is set: what is meant; None: nobody knows. Those that are no options, and what Kubernetes sets, are none of them
    "ERLGATE_LISEN": "ERLGATE_LISTEN", "ERLGATE_PORT": "ERLGATE_LISTEN", "ERLGATE_HIDEN": "ERLGATE_HIDDEN", "ERLGATE_MAX_CONECTIONS": "ERLGATE_MAX_CONNECTIONS",
    "ERLGATE_COOKEI": "ERLGATE_COOKIE", "ERLGATE_log_level": "ERLGATE_LOG_LEVEL", "ERLGATE_SOMETHING": None, "ERLGATE_": None, "ERLGATE_" + "X" * 200: None}
KNOWN = {"ERLGATE_COOKIE": "secret-cookie", "ERLGATE_URL": "http://a", "ERLGATE_TOKEN": "t", "ERLGATE_CA_FILE": "c", "ERLGATE_CERT_FILE": "c", "ERLGATE_KEY_FILE": "k",
         "ERLGATE_HIDDEN": "true", "ERLGATE_LOG_LEVEL": "info", "ERLGATE_NOTHING": "", "erlgate_lisen": "x", "ERLGATE": "x",
         "ERLGATE_SERVICE_HOST": "10.0.0.1", "ERLGATE_SERVICE_PORT": "4370", "ERLGATE_SERVICE_PORT_HTTP": "4370", "ERLGATE_PORT_4370_TCP_ADDR": "10.0.0.1",
         "ERLGATE_ADMIN_SERVICE_HOST": "10.0.0.1", "ERLGATE_ADMIN_PORT": "tcp://10.0.0.1:4371", "ERLGATE_ADMIN_PORT_4371_TCP": "tcp://10.0.0.1:4371"}


def test_a_misspelt_variable_is_warned_of():
    """Its value, which may be a secret, is not told."""
    env = {**KNOWN, **dict.fromkeys(VARIABLES, "secret-value")}
    status, out, err = ask("check-config", env=env)
    check(status == 0 and "with warnings" in out and "secret-value" not in err, out, err)
    found = dict(re.findall(r"^erlgate: warning: (ERLGATE_\w*): there is no such variable: it changes nothing(?:; did you mean '(\w+)'\?)?$", err, re.M))
    equal(found, {k[:79]: v or "" for k, v in VARIABLES.items()}, "what is warned of")
    equal(len(err.splitlines()), len(VARIABLES), err)
    equal(ask("check-config", "--strict", env=KNOWN)[:2], (0, "The configuration is good.\n"), "what is known")
    gate = Gateway(epmd="none", env={"ERLGATE_LISEN": "secret-value"})
    line = [line for line in gate.log.read_text().splitlines() if "ERLGATE_" in line]
    check(len(line) == 1 and " warn configuration place=ERLGATE_LISEN " in line[0] and "'ERLGATE_LISTEN'" in line[0] and "secret-value" not in line[0], line)
    gate.hup("reloaded")
    equal(gate.log.read_text().count("place=ERLGATE_"), 1, "it is said at the start")
    gate.stop()


def test_the_dump_names_origins_hides_secrets_and_can_be_read_again():
    path = written("principal: [a=uid:0, 'b=cert:CN=b, O=c']\ntimeout: 100\nlog-level: warn\n")
    env = {"ERLGATE_TIMEOUT": "200", "ERLGATE_CORS_ORIGIN": "https://a.example,https://b.example"}
    status, out, err = ask("dump-config", "--config", path, "--log-level", "error", env=env)
    equal(status, 0, err)
    for line in (r"^principal: \['?a=uid:0'?, 'b=cert:CN=b, O=c'\] +# .*yaml:1:13$", r"^timeout: 200 +# ERLGATE_TIMEOUT$",
                 r"^log-level: error +# --log-level$", r"^max-depth: 512 +# default$", r"^# name:$",
                 r"^cors-origin: \['?https://a.example'?, '?https://b.example'?\] +# ERLGATE_CORS_ORIGIN$"):
        check(re.search(line, out, re.M), line, "in", out)
    check("secret-cookie" not in out, out)
    again = written(out)
    status, second, err = ask("dump-config", "--config", again)
    equal(status, 0, err)

    def strip(text):
        return [re.sub(r" +#.*", "", line) for line in text.splitlines()]

    equal(strip(second)[1:], strip(out)[1:], "the dump of the dump")


class Load:
    """Calls all the time, one after another on a kept connection; any answer but 200 is kept."""

    def __init__(self, gate, peer):
        self.count, self.bad, self.is_over = 0, [], False
        self.thread = threading.Thread(target=self.run, args=(gate, peer))
        self.thread.start()

    def run(self, gate, peer):
        while not self.is_over:
            answer = gate.http.post(gate.process_path(peer.node, "echo", "call"), "ping", ERL)
            self.count += 1
            if answer.status != 200:
                self.bad.append(answer)

    def stop(self):
        self.is_over = True
        self.thread.join(20)
        equal(self.bad, [], "answers that were no 200")
        check(self.count > 10, "calls:", self.count)


def test_limits_change_under_load_and_a_bad_file_changes_nothing():
    path = written("max-body: 1000\n")
    cookie = fresh_cookie()
    gate = Gateway(cookie=cookie, args=["--config", path])
    peer = Peer("27", "kv@localhost", gate.epmd_port, cookie).ready()
    peer.eval(
        "P = spawn(fun F() -> receive {'$gen_call', {Pid, Tag}, R} -> Pid ! {Tag, R}, F() end end), register(echo, P), ok")
    at = gate.process_path(peer.node, "echo", "call")
    other = Http(gate.port)
    load = Load(gate, peer)
    big = '"' + "x" * 2000 + '"'
    problem(other.post(at, big), 413, "body-too-large")
    for size in (5000, 1000, 6000):
        path.write_text(f"max-body: {size}\n")
        said = gate.hup("reload-changed")
        check("option=max-body" in said[0] and f"to={size}" in said[0], said)
        equal(other.post(at, big).status, 200 if size > 2002 else 413, f"with max-body {size}")
    path.write_text("max-body: 1000\ntimeout: soon\n")
    said = gate.hup("reload-failed")
    check(f"{path}:2:10: timeout" in said[0], said)
    equal(other.post(at, big).status, 200, "after a bad file")
    path.write_text("max-body: [\n")
    check(f"{path}:" in gate.hup("reload-failed")[0], "place of a fault of YAML")
    equal(other.post(at, big).status, 200, "after a file that is no YAML")
    path.write_text("max-body: 6000\nnet-ticktime: 30\nlog-level: debug\n")
    gate.hup("reloaded")
    check("reload-wants-restart" in gate.log.read_text(), "net-ticktime wants a restart")
    load.stop()
    equal(other.get("/livez").status, 200, "and one more request")
    eventually(lambda: " debug request " in gate.log.read_text(), "debug lines")
    gate.stop()
    peer.stop()


def test_the_log_tells_whom_a_request_is_about():
    gate = Gateway(epmd="none")
    for path, target in (("/v1/nodes/%76%61%75%6c%74@localhost?x=1", "/v1/nodes/vault@localhost"),
                         ("/v1/nodes/a%2Fb%3Fc%25@localhost", "/v1/nodes/a%2Fb?c%25@localhost"),
                         ("/v2/no/such%20route?secret=1", '"/v2/no/such route"')):
        gate.http.get(path)
        eventually(lambda: f"target={target} status=" in gate.log.read_text(), f"target={target}")  # pylint: disable=W0640
    gate.stop()


if __name__ == "__main__":
    main(globals())
