"""The command line: what it teaches, what it refuses, and that it says why. No Erlang is needed."""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

ERLGATE = os.path.join(os.environ["ERLGATE_BIN"], "erlgate")
CLIENTS = ("call", "cast", "send", "exit", "rpc", "nodes", "names", "ping", "watch")


def run(*args, env=None, stdin=""):
    """Exit status, standard output and standard error; an environment without this machine's own settings."""
    clean = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(env or {})}
    p = subprocess.run([ERLGATE, *args], input=stdin, capture_output=True, text=True, timeout=20, env=clean)
    return p.returncode, p.stdout, p.stderr


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Help(unittest.TestCase):
    def test_each_command_explains_itself(self):
        for args in (["--help"], ["help"], ["help", "--help"], ["help", "version"], ["serve", "--help"], ["help", "serve"], ["term", "--help"],
                     *([c, "--help"] for c in CLIENTS), *(["help", c] for c in CLIENTS)):
            status, out, err = run(*args)
            self.assertEqual((status, err), (0, ""), args)
            self.assertIn("Usage", out, args)

    def test_each_client_shows_examples_and_its_exit_statuses(self):
        for command in CLIENTS:
            out = run(command, "--help")[1]
            self.assertIn(f"Usage: erlgate {command}", out)
            self.assertIn(f"$ erlgate {command}", out)
            self.assertRegex(out, r"(?m)^  4  the node cannot be reached")

    def test_the_version_is_one_line(self):
        status, out, _ = run("version")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^erlgate \d+\.\d+\.\d+\n$")

    def test_without_a_command_it_shows_the_commands_and_fails(self):
        status, out, _ = run()
        self.assertEqual(status, 2)
        self.assertIn("serve", out)

    def test_a_misspelt_command_or_option_gets_a_suggestion(self):
        self.assertIn("did you mean 'serve'", run("sevre")[2])
        self.assertIn("did you mean 'watch'", run("wtach")[2])
        status, _, err = run("serve", "--lisen", "127.0.0.1:0")
        self.assertEqual(status, 2)
        self.assertIn("did you mean 'listen'", err)
        self.assertIn("did you mean 'listen'", run("serve", "--port", "4370")[2])


class Refusals(unittest.TestCase):
    COOKIE = {"ERLGATE_COOKIE": "c"}

    def refused(self, *args, says, env=None):
        status, _, err = run("serve", *args, env=self.COOKIE if env is None else env)
        self.assertEqual(status, 2, err)
        self.assertIn(says, err)

    def test_wrong_values_say_what_is_right(self):
        self.refused("--listen", "nonsense", says="ADDRESS:PORT")
        self.refused("--listen", "127.0.0.1:70000", says="ADDRESS:PORT")
        self.refused("--dist-port", "9-1", says="range")
        self.refused("--epmd", "maybe", says="auto, embedded, none or HOST:PORT")
        self.refused("--name", "two words@localhost", says="NAME@HOST")
        self.refused("--log-level", "loud", says="debug, info, warn")
        self.refused("--timeout", "0", says="number of milliseconds (or as in 500ms, 30s, 2m) from 1")
        self.refused("--max-body", "8MB", says="number of bytes (or as in 64KiB, 8MiB, 1GiB) from 1")
        self.refused("--net-ticktime", "5000ms", says="number of seconds (or as in 30s, 2m, 1h) from 4")
        self.refused("--timeout", "18446744073709551615h", says="not '18446744073709551615h'")
        self.refused("--max-in-flight", "5s", says="a number from 1")
        self.refused("--atom-budget", "-1", says="number or infinity")
        self.refused("--visible=perhaps", says="true or false")
        self.refused("--name", says="wants a value")
        self.refused("stray", says="stray: options begin with --")
        self.refused("", says="an empty word: options begin with --")
        self.refused("gate.yaml", says="gate.yaml: a file of options is given as --config FILE")

    def test_listening_beyond_loopback_needs_a_word(self):
        self.refused("--listen", "0.0.0.0:0", says="--insecure")
        self.refused("--listen", ":0", says="--insecure")
        self.refused("--listen", "[::]:0", says="--insecure")

    def test_https_is_whole_or_not_at_all(self):
        self.refused("--tls-key", "k.pem", says="give its file")
        self.refused("--tls-cert", "/nonexistent/c.pem", says="--tls-cert: /nonexistent/c.pem: No such file or directory")
        self.refused("--dist-tls-cert", "/nonexistent/c.pem", says="--dist-tls-cert: /nonexistent/c.pem: there is no such file (docs/tls.md)")
        self.refused("--tls-cert", "c.pem", "--tls-client-cert", "required", says="--tls-ca")
        self.refused("--tls-cert", "c.pem", "--tls-ca", "ca.pem", says="optional or required")
        self.refused("--tls-cert", "c.pem", "--tls-client-cert", "maybe", says="none, optional or required")
        self.refused("--tls-cert", "c.pem", "--tls-min-version", "1.1", says="1.2 or 1.3")
        self.refused("--listen", "none", says="--socket")
        self.refused("--listen", "none", "--socket", "s", "--tls-cert", "c.pem", says="wants a --listen")
        self.refused("--socket", "s", "--socket-mode", "rw", says="octal")
        self.refused("--socket", "s", "--socket-mode", "1777", says="octal")
        self.refused("--admin-listen", "9090", says="ADDRESS:PORT")

    def test_an_origin_is_one_origin(self):
        for origin in ("*", "null", "app.example", "https://app.example/", "https://*.example"):
            self.refused("--cors-origin", origin, says="scheme, host")

    def test_a_host_is_one_host(self):
        for host in ("*", "https://gate.example", "a.example, b.example", "*.example", "gate.example/v1"):
            self.refused(f"--host={host}", says="one name or address")
        self.refused("--host=gate.example", "--host=::1", "--host=[::1]:80", "--host=10.0.0.1", "--timeout=0", says="--timeout")

    def test_a_path_is_whole(self):
        self.refused("--token-file=~/tokens.yaml", says="only a shell knows what ~ is")
        self.refused("--socket=", says="socket has no value")
        self.refused("--config", "/nonexistent/gate.yaml", says="gate.yaml: No such file or directory (--config)")

    def test_a_cookie_on_the_command_line_is_not_offered(self):
        self.refused("--cookie", "secret", says="--cookie-file")
        self.refused("--cookie=secret", says="--cookie-file")

    def test_without_a_cookie_it_says_where_to_put_one(self):
        self.refused(says="--cookie-file", env={"ERLGATE_LISTEN": "127.0.0.1:0"})
        self.refused("--cookie-file", "/nonexistent/cookie", says="No such file", env={})

    def test_the_environment_is_read_and_named(self):
        self.refused(says="ERLGATE_LOG_LEVEL: is to be debug", env={**self.COOKIE, "ERLGATE_LOG_LEVEL": "x"})


class File(unittest.TestCase):
    def refused(self, text, says):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write(text)
            f.flush()
            status, _, err = run("serve", "--config", f.name, env={"ERLGATE_COOKIE": "c"})
        self.assertEqual(status, 2, err)
        self.assertIn(says, err)
        return err

    def test_mappings_join_their_keys(self):
        self.refused("log:\n  level: dbug\n", ".yaml:2:10: log-level: is to be debug, info")
        self.refused("tls: {cert: a, kee: b}\n", "there is no option 'tls-kee'; did you mean 'tls-key'?")
        self.refused("a: &a {b: *a}\n", "no option has so long a name")

    def test_all_mistakes_are_told_at_once(self):
        for says in (".yaml:1:10: timeout: is to be a number", ".yaml:2:9: listen: is to be ADDRESS:PORT",
                     ".yaml:3:1: this option stands twice", ".yaml:4:1: there is no option"):
            self.refused("timeout: x\nlisten: x\ntimeout: 1\nnope: 1\n", says)

    def test_mistakes_have_a_place(self):
        self.refused("listen: 127.0.0.1:0\nnam: x\n", ".yaml:2:1: there is no option 'nam'; did you mean 'name'?")
        self.refused("listen: [a]\n", ":1:9: listen is to be one value, ADDRESS:PORT, and not a list")
        self.refused("epmd:\n  mode: auto\n", ":2:3: there is no option 'epmd-mode'")
        self.refused("listen: 'x\n", ".yaml:")
        self.refused("just text\n", "mapping")
        self.refused("config: other.yaml\n", "cannot name another one")
        self.refused("cookie-file: ~/.erlang.cookie\n", ".yaml:1:14: cookie-file: only a shell knows what ~ is")
        self.refused("token-file:\n", ".yaml:1:12: token-file has no value")

    def test_what_is_no_address_is_told(self):
        for text, says in (("listen: 999.0.0.1:4370\n", ".yaml:1:9: listen: is to be ADDRESS:PORT"),
                           ("listen: example.invalid:4370\ninsecure: true\n", ".yaml:1:9: listen: is to be ADDRESS:PORT"),
                           ("admin-listen: 127.0.0.1:4370\n", ".yaml:1:15: admin-listen: --listen has that address"),
                           ("dist-listen: nosuch.invalid\n", ".yaml:1:14: dist-listen: is to be an address"),
                           ("dist-listen: 1.2.3\n", "is to be an address"), ("epmd-listen: 127.0.0.1,x\n", "epmd-listen: is to be addresses"),
                           ("socket-mode: rw\n", ".yaml:1:14: socket-mode: is to be octal"),
                           ("tls-client-cert: required\n", ".yaml:1:18: tls-client-cert: HTTPS wants a certificate")):
            self.refused(text, says)
        status, _, err = run("serve", env={"ERLGATE_COOKIE": "two\nlines"})
        self.assertEqual(status, 2, err)
        self.assertIn("cookie: there is a line's end", err)

    def test_a_file_that_is_not_there_is_told_where_it_was_named(self):
        said = self.refused("tls-cert: /no/c.pem\ntls-key: /no/k.pem\ntoken-file: /no/t.yaml\npolicy-file: /no/p.yaml\ndist-tls-cert: /no/d.pem\n",
                            ".yaml:1:11: tls-cert: /no/c.pem: No such file or directory")
        for says in (".yaml:3:13: token-file: /no/t.yaml: the token file cannot be opened", ".yaml:4:14: policy-file: /no/p.yaml: the policy",
                     ".yaml:5:16: dist-tls-cert: /no/d.pem: there is no such file"):
            self.assertIn(says, said)
        self.refused("visible: maybe\n", "true or false")


class Running(unittest.TestCase):
    def start(self, *args, env=None):
        clean = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ERLGATE_COOKIE": "secret-cookie",
                 "ERL_EPMD_PORT": str(free_port()), **(env or {})}
        p = subprocess.Popen([ERLGATE, "serve", "--name", "cli@localhost", "--listen", "127.0.0.1:0", *args],
                             stderr=subprocess.PIPE, text=True, env=clean)
        lines = []
        for line in p.stderr:
            lines.append(line)
            if " ready " in line or '"ready"' in line:
                break
        return p, lines

    def stop(self, p, *signals):
        for s in signals:
            p.send_signal(s)
        rest = p.stderr.read()
        p.stderr.close()
        return p.wait(timeout=20), rest

    def test_it_starts_ends_on_a_signal_and_keeps_the_cookie_to_itself(self):
        p, lines = self.start("--log-level", "debug")
        with open(f"/proc/{p.pid}/environ", "rb") as f:
            self.assertNotIn(b"secret-cookie", f.read())
        status, rest = self.stop(p, signal.SIGTERM)
        self.assertEqual(status, 0)
        self.assertIn("stopped", rest)
        self.assertNotIn("secret-cookie", "".join(lines) + rest)

    def test_a_second_signal_is_obeyed_too(self):
        p, _ = self.start()
        self.assertEqual(self.stop(p, signal.SIGINT, signal.SIGINT)[0], 0)

    def test_logs_as_json_are_json(self):
        import json
        p, lines = self.start("--log-format", "json")
        _, rest = self.stop(p, signal.SIGTERM)
        events = [json.loads(line)["event"] for line in "".join(lines + [rest]).splitlines()]
        self.assertIn("ready", events)
        self.assertIn("stopped", events)

    def test_a_taken_http_port_is_an_error_with_a_hint(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            p, lines = self.start("--listen", f"127.0.0.1:{s.getsockname()[1]}")
        rest = p.stderr.read()
        p.stderr.close()
        self.assertEqual(p.wait(timeout=20), 1)
        self.assertIn("--listen", "".join(lines) + rest)

    def test_a_taken_name_is_an_error_with_a_hint(self):
        p, _ = self.start("--epmd", "embedded", env={"ERL_EPMD_PORT": (port := str(free_port()))})
        q, lines = self.start(env={"ERL_EPMD_PORT": port})
        rest = q.stderr.read()
        q.stderr.close()
        self.assertEqual(q.wait(timeout=20), 1)
        self.assertIn("--name", "".join(lines) + rest)
        self.assertEqual(self.stop(p, signal.SIGTERM)[0], 0)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
