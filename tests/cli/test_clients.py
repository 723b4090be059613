"""call, cast, send, exit, rpc, nodes, names, ping and watch, against servers that say what no gateway should say, and
what a gateway says. No Erlang is needed."""
import json
import os
import queue
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from mock import LAST_CHUNK, STREAM, Mock, chunk, event, problem, response

ERLGATE = os.path.join(os.environ["ERLGATE_BIN"], "erlgate")
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ERL = "text/x-erlang"
JSON = "application/json"
TYPED = "application/vnd.erlang.typed+json"

OK, NO, USAGE, NO_GATEWAY, NO_NODE, TIMEOUT, DENIED, BUSY, FAILED = range(9)


def environment(**more):
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **more}


def run(*args, url=None, stdin=b"", env=None, **kw):
    env = environment(**(env or {}), **({"ERLGATE_URL": url} if url else {}))
    stdin = stdin.encode() if isinstance(stdin, str) else stdin
    p = subprocess.run([ERLGATE, *args], input=stdin, capture_output=True, timeout=60, env=env, check=False, **kw)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def says(data):
    """An answer that is always the same."""
    return lambda request, connection: data


class Asked(unittest.TestCase):
    """What goes out."""

    def asked(self, *args, stdin=b"", answer=response(202), wanted=OK, env=None):
        with Mock(says(answer)) as m:
            status, out, err = run(*args, url=m.url, stdin=stdin, env=env)
        self.assertEqual((status, err), (wanted, ""), args)
        self.assertEqual(len(m.requests), 1)
        return m.requests[0], out

    def path(self, *args):
        return self.asked("cast", *args)[0].target.replace("/cast?timeout=5000", "")

    def test_each_verb_has_its_path_and_the_term_is_the_body(self):
        for verb in ("cast", "send", "exit"):
            request, out = self.asked(verb, "kv@localhost", "kv", "{a, 1}")
            self.assertEqual((request.method, request.path, request.body, out),
                             ("POST", f"/v1/nodes/kv@localhost/processes/kv/{verb}", b"{a, 1}", ""))
            self.assertEqual(request.headers["content-type"], ERL)
        request, out = self.asked("call", "kv@localhost", "kv", "get", answer=response(200, ERL, "{ok,1}\n"))
        self.assertEqual((request.path, out), ("/v1/nodes/kv@localhost/processes/kv/call", "{ok,1}\n"))
        self.assertEqual(request.headers["accept"], ERL)

    def test_a_reply_ends_with_one_newline(self):
        for body in ("ok", "ok\n"):
            self.assertEqual(self.asked("call", "a@b", "c", "d", answer=response(200, ERL, body))[1], "ok\n")

    def test_json_goes_in_as_json_and_comes_out_plain_or_typed(self):
        request, out = self.asked("call", "a@b", "c", '{"x": 1}', "--json", answer=response(200, JSON, '["ok"]\n'))
        self.assertEqual((request.headers["content-type"], request.headers["accept"], out), (JSON, JSON, '["ok"]\n'))
        request, _ = self.asked("call", "a@b", "c", '{"x": 1}', "--typed", answer=response(200, TYPED, "1\n"))
        self.assertEqual((request.headers["content-type"], request.headers["accept"]), (JSON, TYPED))

    def test_what_goes_in_and_what_comes_out_can_differ(self):
        for args, wanted in ((("--in", "erl", "--json"), (ERL, JSON)), (("--in=erl", "--typed"), (ERL, TYPED)),
                             (("--in", "json"), (JSON, ERL))):
            request, _ = self.asked("call", "a@b", "c", "1", *args, answer=response(200, wanted[1], "1\n"))
            self.assertEqual((request.headers["content-type"], request.headers["accept"]), wanted)

    def test_any_name_can_be_named(self):
        of = "/v1/nodes/a@b/processes/"
        for name, wanted in (("kv", "kv"), ("Elixir.My.Server", "Elixir.My.Server"), ("my/server", "my%2Fserver"),
                             ("100%", "100%25"), ("two words", "two%20words"), ("é", "%C3%A9"), ("..", ".."),
                             (".", "."), ("a?b#c", "a%3Fb%23c"), ("-", "-"), ('"', "%22"), ("'a\\'b'", "a%27b"),
                             ("'global:x'", "global:x"), ("a@b", "a@b"), ("'\\n'", "%0A")):
            self.assertEqual(self.path("a@b", name, "x"), of + wanted, name)
        self.assertEqual(self.path("'a b'@c", "x", "y"), "/v1/nodes/%27a%20b%27@c/processes/x")

    def test_pids_globals_and_groups_need_no_node(self):
        pid = "/v1/pids/kv@localhost:93:0:17"
        self.assertEqual(self.path("kv@localhost:93:0:17", "x"), pid)
        self.assertEqual(self.path("#Pid<kv@localhost:93:0:17>", "x"), pid)
        self.assertEqual(self.path("kv@localhost", "kv@localhost:93:0:17", "x"), pid)
        self.assertEqual(self.path("global:leader", "x"), "/v1/global/leader")
        self.assertEqual(self.path("global:'a b'", "x"), "/v1/global/a%20b")
        self.assertEqual(self.path("global:{a, 1}", "x"), "/v1/global/%7Ba%2C%201%7D&syntax=erlang")
        self.assertEqual(self.path("group:workers/resize", "x"), "/v1/groups/workers/resize")
        self.assertEqual(self.path("group:resize", "x"), "/v1/groups/pg/resize")
        self.assertEqual(self.path("group:'a/b'/c", "x"), "/v1/groups/a%2Fb/c")
        self.assertEqual(self.path("group:Sc/{a, 1}", "x"),
                         "/v1/groups/%27Sc%27/%7Ba%2C%201%7D&syntax=erlang")
        self.assertEqual(self.path("group:{a, 1}", "x"), "/v1/groups/pg/%7Ba%2C%201%7D&syntax=erlang")
        self.assertEqual(self.path("group:a/b", "x", "--to", "any"), "/v1/groups/a/b&to=any")

    def test_rpc_takes_its_arguments_as_a_list_or_in_parentheses(self):
        def rpc(*args, type=ERL):
            request, _ = self.asked("rpc", "a@b", *args, answer=response(200, type, "x\n"))
            return request.path, request.body

        self.assertEqual(rpc("lists:seq", "[1, 3]"), ("/v1/nodes/a@b/rpc/lists/seq", b"[1, 3]"))
        self.assertEqual(rpc("erlang:node"), ("/v1/nodes/a@b/rpc/erlang/node", b"[]"))
        self.assertEqual(rpc("erlang:node()"), ("/v1/nodes/a@b/rpc/erlang/node", b"[]"))
        self.assertEqual(rpc("lists:seq(1, (3))"), ("/v1/nodes/a@b/rpc/lists/seq", b"[1, (3)]"))
        self.assertEqual(rpc("Elixir.My:'do it'", "[]"), ("/v1/nodes/a@b/rpc/Elixir.My/do%20it", b"[]"))
        self.assertEqual(rpc("'a:b':c", "[]"), ("/v1/nodes/a@b/rpc/a%3Ab/c".replace("%3A", ":"), b"[]"))
        self.assertEqual(rpc("a:b", '["x"]', "--json", type=JSON), ("/v1/nodes/a@b/rpc/a/b", b'["x"]'))
        # As it is pasted from a shell.
        for text in ("lists:seq(1, 3).", " lists:seq(1, 3)", "lists:seq(1, 3) ", "\tlists:seq(1, 3) .\n",
                     "lists : seq (1, 3)"):
            self.assertEqual(rpc(text), ("/v1/nodes/a@b/rpc/lists/seq", b"[1, 3]"), text)
        self.assertEqual(rpc(" erlang:node. "), ("/v1/nodes/a@b/rpc/erlang/node", b"[]"))
        self.assertEqual(rpc("m:'f. '"), ("/v1/nodes/a@b/rpc/m/f.%20", b"[]"))
        self.assertEqual(rpc("Elixir.Kernel:..", "[1, 2]"), ("/v1/nodes/a@b/rpc/Elixir.Kernel/..", b"[1, 2]"))
        self.assertEqual(rpc("m:'a(b'", "[1]"), ("/v1/nodes/a@b/rpc/m/a%28b", b"[1]"))
        self.assertEqual(rpc("m:'a(b)'"), ("/v1/nodes/a@b/rpc/m/a%28b%29", b"[]"))
        self.assertEqual(rpc("m:'a(b\\'('(1, \")\")"), ("/v1/nodes/a@b/rpc/m/a%28b%27%28", b'[1, ")"]'))
        for word in ('"abc"', "% none\n[]", " [1]", "[]."):
            self.assertEqual(rpc("a:b", word), ("/v1/nodes/a@b/rpc/a/b", word.encode()))
        self.assertEqual(rpc("'a(b:':'(c'(d)"), ("/v1/nodes/a@b/rpc/a%28b:/%28c", b"[d]"))
        request, out = self.asked("rpc", "a@b", "a:b()", "--cast")
        self.assertEqual((request.path, out), ("/v1/nodes/a@b/rpc/a/b/cast", ""))

    def test_what_stands_in_parentheses_is_erlang_unless_told_otherwise(self):
        for args, wanted in ((("--json",), (ERL, JSON)), (("--typed",), (ERL, TYPED)), (("--in", "erl"), (ERL, ERL)),
                             (("--in", "json"), (JSON, ERL)), (("--in", "json", "--json"), (JSON, JSON))):
            request, _ = self.asked("rpc", "a@b", 'os:getenv("HOME")', *args, answer=response(200, wanted[1], "1\n"))
            self.assertEqual((request.headers["content-type"], request.headers["accept"]), wanted, args)
            self.assertEqual(request.body, b'["HOME"]')

    def test_timeouts_are_said_in_milliseconds(self):
        for given, wanted in (("1", "1"), ("500ms", "500"), ("30s", "30000"), ("2m", "120000")):
            self.assertEqual(self.asked("cast", "a@b", "c", "d", "--timeout", given)[0].query["timeout"], wanted)
        self.assertEqual(self.asked("cast", "a@b", "c", "d", "--timeout=7s")[0].query["timeout"], "7000")

    def test_a_dash_reads_the_term_from_standard_input(self):
        term = "{put, <<\"é\"/utf8>>}\n"
        self.assertEqual(self.asked("cast", "a@b", "c", "-", stdin=term)[0].body, term.encode())
        big = b"<<\"" + b"x" * 3_000_000 + b"\">>"
        self.assertEqual(self.asked("cast", "a@b", "c", "-", stdin=big)[0].body, big)
        self.assertEqual(self.asked("cast", "a@b", "c", "-", stdin=b"\0\xff")[0].body, b"\0\xff")

    def test_one_dash_begins_no_option_and_two_end_them(self):
        self.assertEqual(self.asked("cast", "a@b", "c", "-1")[0].body, b"-1")
        self.assertEqual(self.asked("cast", "a@b", "c", "--", "--json")[0].body, b"--json")

    def test_the_address_is_an_option_or_in_the_environment_and_may_have_a_path(self):
        with Mock(says(response(202))) as m:
            for url in (m.url, m.url + "/", f"127.0.0.1:{m.port}", f"localhost:{m.port}"):
                self.assertEqual(run("cast", "a@b", "c", "d", "--url", url, url="http://127.0.0.1:1")[0], OK, url)
            self.assertEqual(run("cast", "a@b", "c", "d", "--url", m.url + "/beam/")[0], OK)
        self.assertTrue(m.requests[-1].path.startswith("/beam/v1/nodes/"))
        self.assertTrue(m.requests[0].path.startswith("/v1/nodes/"))

    def test_proxies_of_the_environment_are_not_used(self):
        proxies = {name: "http://127.0.0.1:1" for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")}
        self.asked("cast", "a@b", "c", "d", env=proxies)

    def test_a_token_comes_from_a_file_and_goes_into_a_header(self):
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("  s3cret-Token_1\n\n")
            f.flush()
            request, _ = self.asked("cast", "a@b", "c", "d", "--token-file", f.name)
            self.assertEqual(request.headers["authorization"], "Bearer s3cret-Token_1")
            # (which names the hashes that the gateway knows tokens by)
            request, _ = self.asked("cast", "a@b", "c", "d", env={"ERLGATE_TOKEN_FILE": f.name})
            self.assertNotIn("authorization", request.headers)
            request, _ = self.asked("cast", "a@b", "c", "d", env={"ERLGATE_TOKEN": "another"})
            self.assertEqual(request.headers["authorization"], "Bearer another")
            request, _ = self.asked("cast", "a@b", "c", "d", env={"ERLGATE_TOKEN": "another", "ERLGATE_TOKEN_FILE": f.name})
            self.assertEqual(request.headers["authorization"], "Bearer another")
            request, _ = self.asked("cast", "a@b", "c", "d", "--token-file", f.name, env={"ERLGATE_TOKEN": "another"})
            self.assertEqual(request.headers["authorization"], "Bearer s3cret-Token_1")
        self.assertNotIn("authorization", self.asked("cast", "a@b", "c", "d")[0].headers)
        self.assertNotIn("authorization", self.asked("cast", "a@b", "c", "d", env={"ERLGATE_TOKEN": ""})[0].headers)


class Refused(unittest.TestCase):
    """What does not go out: status 2, and a line that says what is right."""

    def refused(self, *args, says, env=None):
        with Mock(lambda r, c: response(202)) as m:
            status, out, err = run(*args, url=m.url, env=env)
        self.assertEqual((status, out, m.requests), (USAGE, "", []), (args, err))
        self.assertIn(says, err)
        self.assertEqual(err.count("\n"), 1, err)
        return err

    def test_what_is_missing_or_too_much_is_named(self):
        self.refused("call", says="whom?")
        self.refused("call", "kv", says="names no process by itself")
        self.refused("call", "kv", "get", says="no node")
        self.refused("call", "a@b", "kv", says="no TERM")
        self.refused("exit", "a@b", "kv", says="no REASON")
        self.refused("call", "a@b", "kv", "{get,", "k}", says="quotes")
        self.refused("call", "a@b", "kv", "{get,", "<<a>>,", "k}", says="quotes")
        self.refused("call", "global:", "x", says="at least one character")
        self.refused("call", "a@b", "global:x", "y", says="needs no node")
        self.refused("call", "a@b", "group:x/y", "z", says="needs no node")
        self.refused("call", "a@b", "c@d:1:2:3", "z", says="is not of node a@b")
        self.refused("call", "a@b", "'open", "z", says="no atom")
        self.refused("call", "a@b", "'a'b", "z", says="no atom")
        self.refused("rpc", "a@b", says="NODE M:F ARGS")
        self.refused("rpc", "a@b", "lists", "[]", says="module:function")
        self.refused("rpc", "a@b", "lists:seq/2", "[1, 3]", says="as many as there are arguments: lists:seq.")
        self.refused("rpc", "a@b", "lists", "seq", "[1, 3]", says="one word: lists:seq")
        self.refused("rpc", "a@b", "lists:seq(1)", "[2]", says="twice")
        self.refused("rpc", "a@b", "lists:seq(1, 3", says="'lists:seq(1, 3' is no function: '(' is not closed")
        self.refused("rpc", "a@b", "lists:seq(", says="'(' is not closed")
        self.refused("rpc", "a@b", " . ", says="module:function")
        self.refused("rpc", "a@b", "", says="module:function")
        self.refused("rpc", "a@b", "lists:seq", "1", "3", says="one list")
        for word in ("1, 3", "1", "{a}", "<<>>", "x", "-1"):
            self.refused("rpc", "a@b", "lists:seq", word, says=f"'{word}' is no list: ARGS is one list, in quotes: '[{word}]'")
        self.refused("rpc", "a@b", "lists:seq", '"x"', "--json", says="""ARGS is one list, in quotes: '["x"]'""")
        for word in ("lists:seq(1, 3).)x", "'a(b':c(1"):
            self.refused("rpc", "a@b", word, says=f"'{word}' is no function: '(' is not closed")
        for word in (".", "()", "(lists:seq)", "'lists:seq(1, 3)"):
            self.refused("rpc", "a@b", word, says="module:function")
        self.refused("rpc", "a@b", "lists:seq", "[]", "--cast", "--unwrap", says="--cast")
        self.refused("names", says="NODE")
        self.refused("names", "kv", says="name@host")
        self.refused("ping", "a@b", "c@d", says="too much")
        self.refused("nodes", "a@b", says="too much")
        self.refused("watch", says="whom?")
        self.refused("watch", "--nodes", "a@b", says="too much")
        self.refused("watch", "a@b", "kv", "x", says="too much")

    def test_an_option_before_the_command_is_told_where_it_stands(self):
        self.refused("--url", "http://127.0.0.1:1", "nodes", says="'--url' is no command: options stand behind it, as in `erlgate nodes --url URL`")

    def test_options_are_checked_and_the_nearest_is_suggested(self):
        self.refused("call", "a@b", "c", "d", "--tymeout", "3", says="--timeout")
        self.refused("call", "a@b", "c", "d", "--timeout", "soon", says="500ms, 30s or 2m")
        self.refused("call", "a@b", "c", "d", "--timeout", "0", says="500ms, 30s or 2m")
        self.refused("call", "a@b", "c", "d", "--timeout", "5 s", says="500ms, 30s or 2m")
        self.refused("call", "a@b", "c", "d", "--timeout", says="wants a value")
        self.refused("call", "a@b", "c", "d", "--json=1", says="takes no value")
        self.refused("call", "a@b", "c", "d", "--json", "--typed", says="exclude")
        self.refused("call", "group:a/b", "d", "--to", "some", says="any or all")
        self.refused("call", "a@b", "c", "d", "--to", "all", says="for groups")
        self.refused("call", "a@b", "c", "d", "--in", "etf", says="erl or json, not 'etf'")
        self.refused("call", "a@b", "c", "d", "--in", "er", says="erl or json, not 'er'")
        self.refused("call", "a@b", "c", "d", "--null", "none", says="null, nil or undefined, not 'none'")
        self.refused("call", "a@b", "c", "d", "--charlists", "yes", says="--charlists is string, not 'yes'")
        self.refused("cast", "a@b", "c", "d", "--unwrap", says="no option --unwrap")
        self.refused("cast", "a@b", "c", "d", "--charlists", "string", says="no option --charlists")

    def test_a_token_on_the_command_line_is_not_offered(self):
        err = self.refused("cast", "a@b", "c", "d", "--token", "s3cret", says="--token-file")
        self.assertNotIn("s3cret", err)
        err = self.refused("cast", "a@b", "c", "d", "--url", "http://me:s3cret@127.0.0.1:1", says="--token-file")
        self.assertNotIn("s3cret", err)

    def test_a_file_that_is_no_token_is_refused_and_not_shown(self):
        self.refused("cast", "a@b", "c", "d", "--token-file", "/nonexistent/x", says="No such file")
        self.assertNotIn("s3cret", self.refused("cast", "a@b", "c", "d", env={"ERLGATE_TOKEN": "two s3crets"}, says="$ERLGATE_TOKEN"))
        for text, why in (("", "empty"), ("two s3crets", "one word"), ("a\x01b", "one word"), ("x" * 9000, "too large")):
            with tempfile.NamedTemporaryFile("w") as f:
                f.write(text)
                f.flush()
                self.assertNotIn("s3cret", self.refused("cast", "a@b", "c", "d", "--token-file", f.name, says=why))

    def test_an_address_that_is_none_is_refused(self):
        for url in ("ftp://localhost:1", "file:///etc/passwd", "http://", "http://a b/", "http://h:99999",
                    "http://h/?x=1", "http://h/#f"):
            self.refused("nodes", "--url", url, says="no address of a gateway")


class Told(unittest.TestCase):
    """What comes back: the exit status, and one line on standard error."""

    def told(self, answer, *args, status, says=(), out=""):
        args = args or ("call", "a@b", "kv", "{get, 1}")
        with Mock(answer if callable(answer) else lambda r, c: answer) as m:
            got, stdout, err = run(*args, url=m.url)
        self.assertEqual((got, stdout), (status, out), err)
        self.assertEqual(err.count("\n"), 1, err)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, err)
        return err

    def test_each_code_has_its_status(self):
        for code, http, status in (
                ("noproc", 404, NO), ("undef", 404, NO), ("callee-exit", 502, NO), ("gone", 410, NO),
                ("bad-term", 400, USAGE), ("bad-parameter", 400, USAGE),
                ("no-connection", 503, NO_NODE), ("auth-failed", 502, NO_NODE), ("nodedown", 502, NO_NODE),
                ("timeout", 504, TIMEOUT),
                ("unauthenticated", 401, DENIED), ("forbidden", 403, DENIED), ("atom-budget-exceeded", 422, DENIED),
                ("unsupported-by-peer", 422, DENIED), ("body-too-large", 413, DENIED), ("too-deep", 413, DENIED),
                ("reply-too-large", 502, DENIED), ("name-taken", 409, DENIED),
                ("overloaded", 503, BUSY), ("rate-limited", 429, BUSY),
                ("internal", 500, FAILED), ("not-found", 404, FAILED), ("new-one", 418, DENIED), ("new-one", 599, FAILED)):
            self.told(problem(http, code), status=status, says=f"erlgate: {code}: it is so")

    def test_a_bad_term_has_its_place(self):
        bad = problem(400, "bad-term", "the tuple is not closed", errors=[{"line": 2, "column": 7, "offset": 9}])
        self.told(bad, status=USAGE, says="erlgate: bad-term: TERM:2:7: the tuple is not closed\n")
        self.told(bad, "rpc", "a@b", "m:f", "[", status=USAGE, says="ARGS:2:7: ")
        self.told(bad, "cast", "a@b", "c", "-", status=USAGE, says="standard input:2:7: ")

    def test_a_reason_is_shown_as_the_terms_are(self):
        reason = problem(502, "callee-exit", "it ended", reason={"$tuple": [{"$atom": "boom"}, "x", 12345678901234567890123]})
        self.told(reason, status=NO, says='it ended; reason: {boom,<<"x">>,12345678901234567890123}')
        self.told(reason, "call", "a@b", "c", "1", "--json", status=NO, says='reason: {"$tuple": [{"$atom": "boom"}')
        long = problem(502, "callee-exit", "it ended", reason=["x" * 100_000])
        self.assertLess(len(self.told(long, status=NO, says="...")), 2000)

    def test_what_a_terminal_would_obey_is_not_passed_on(self):
        err = self.told(problem(404, "noproc", "a\x1b[2Jb\nc\x7f\x9b"), status=NO, says="a?[2Jb c")
        self.assertNotIn("\x1b", err)
        self.assertNotIn("\x9b", err)

    def test_an_error_that_is_unwrapped_is_status_1_and_not_output(self):
        args = ("call", "a@b", "kv", "get", "--unwrap")
        self.told(response(422, ERL, "{no,such}\n"), *args, status=NO, says="erlgate: error: {no,such}\n")
        self.told(problem(422, "atom-budget-exceeded"), *args, status=DENIED, says="atom-budget-exceeded")
        with Mock(says(response(204))) as m:
            self.assertEqual(run(*args, url=m.url), (OK, "", ""))
        self.assertEqual(m.requests[0].query["unwrap"], "ok")

    def test_a_stranger_is_named_as_one(self):
        html = "<html>It works!</html>"
        self.told(response(200, "text/html", html), status=NO_GATEWAY, says=("no erlgate", "200", "text/html", "--url"))
        self.told(response(404, "text/html", html), status=NO_GATEWAY, says=("no erlgate", "404"))
        self.told(response(500, "application/json", "{}"), status=NO_GATEWAY, says=("no erlgate", "500"))
        self.told(response(404, "application/problem+json", "{}"), status=NO_GATEWAY, says="no erlgate")
        self.told(response(404, "application/problem+json", '{"code": 1, "detail"'), status=NO_GATEWAY)
        self.told(response(200), status=NO_GATEWAY, says="no erlgate")
        self.told(response(400, "text/plain", "This port speaks HTTPS: ask it with https://.\n"), status=NO_GATEWAY,
                  says="with https://")
        self.told(b"220 mail.example ESMTP\r\n", status=NO_GATEWAY, says="is none")
        self.told(b"", status=NO_GATEWAY, says="is none")
        self.told(b"\x00\x07\x00\xff" * 50, status=NO_GATEWAY, says="is none")

    def test_a_stranger_that_never_ends_is_left(self):
        def endless(head):
            def answer(_, connection):
                connection.sendall(head)
                while True:
                    connection.sendall(b"x" * 65536)
            return answer

        for head in (b"HTTP/1.1 404 X\r\nContent-Type: application/problem+json\r\n\r\n", b"HTTP/1.1 200 X\r\n\r\n",
                     b"HTTP/1.1 200 X\r\nX: ", b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n", b"SSH-2.0-"):
            self.told(endless(head), status=NO_GATEWAY)
            self.told(endless(head), "nodes", status=NO_GATEWAY)
            self.told(endless(head), "watch", "a@b", "c", status=NO_GATEWAY)

    def test_the_advice_is_for_the_command_line(self):
        err = self.told(problem(504, "timeout", "no reply in time; ?timeout= gives it longer, in milliseconds"),
                        status=TIMEOUT, says="no reply in time; --timeout gives it longer\n")
        self.assertNotIn("?timeout", err)
        self.told(problem(404, "undef", "no function.", reason={"$atom": "undef"}), status=NO, says="undef: no function\n")
        self.told(problem(502, "callee-exit", "failed", reason={"$atom": "badarg"}, **{"class": "error"}), status=NO,
                  says="failed; error: badarg\n")
        self.told(problem(400, "bad-parameter", "a name is an atom", parameter="name"), status=USAGE,
                  says="a name is an atom; parameter: name\n")

    def test_redirects_are_not_followed(self):
        with Mock(says(response(202))) as other:
            self.told(response(307, headers=[("Location", other.url + "/")]), status=NO_GATEWAY,
                      says=("307", "redirects are not followed"))
        self.assertEqual(other.requests, [])

    def test_a_gateway_that_is_not_there_says_how_to_start_one(self):
        status, out, err = run("nodes", url=f"http://127.0.0.1:{free_port()}")
        self.assertEqual((status, out), (NO_GATEWAY, ""))
        self.assertIn("Connection refused", err)
        self.assertIn("erlgate serve", err)
        status, _, err = run("nodes", url="http://no-such-host.invalid:1")
        self.assertEqual(status, NO_GATEWAY, err)
        self.assertIn("resolve", err)

    def test_an_answer_that_breaks_off_is_no_answer(self):
        cut = b"HTTP/1.1 200 OK\r\nContent-Type: text/x-erlang\r\nContent-Length: 100\r\n\r\n[1,2"
        self.told(cut, status=NO_GATEWAY, says="is not whole", out="[1,2\n")
        self.told(cut[:40], status=NO_GATEWAY)
        self.told(lambda r, c: response(200, JSON, '{"nodes": [{"node": "a@b"')[:-5], "nodes", status=NO_GATEWAY)

    def test_one_that_never_answers_ends_in_time(self):
        silent = threading.Event()
        began = time.monotonic()
        self.told(lambda r, c: silent.wait(30) and None, "call", "a@b", "c", "d", "--timeout", "1", status=TIMEOUT,
                  says="does not answer in time")
        self.assertLess(time.monotonic() - began, 25)
        silent.set()

    def test_a_list_that_makes_no_sense_is_said_to_be_so(self):
        for body in ("[]", "{}", '{"nodes": {}}', '{"nodes": [1]}', '{"nodes": [{"node": 1}]}', '{"nodes": [', "",
                     '{"nodes": []'):
            self.told(response(200, JSON, body), "nodes", status=FAILED, says="makes no sense")
        self.told(response(200, JSON, '{"pong": true, "rtt_us": "x"}'), "ping", "a@b", status=FAILED, says="no sense")
        self.told(response(200, JSON, '{"nodes": []}', [("Link", '<http://evil/>; rel="next"')]), "nodes",
                  status=FAILED, says="no sense")
        self.told(response(200, JSON, '{"pong": false, "rtt_us": 1}'), "ping", "a@b", status=NO_NODE, says="pang")


class Tls(unittest.TestCase):
    """Behind a proxy that speaks TLS."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory()
        cls.cert, cls.key = os.path.join(cls.dir.name, "cert.pem"), os.path.join(cls.dir.name, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", cls.key,
                        "-out", cls.cert], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    def test_its_certificate_is_checked(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        with Mock(says(response(200, ERL, "ok\n")), tls=context) as m:
            url = f"https://localhost:{m.port}"
            self.assertEqual(run("call", "a@b", "c", "d", "--ca-file", self.cert, url=url), (OK, "ok\n", ""))
            self.assertEqual(run("call", "a@b", "c", "d", url=url, env={"ERLGATE_CA_FILE": self.cert})[0], OK)
            self.assertEqual(len(m.requests), 2)
            for args, why in ((("--url", url), "certificate"),
                              (("--url", url, "--ca-file", "/nonexistent"), "/nonexistent"),
                              (("--url", f"https://127.0.0.1:{m.port}", "--ca-file", self.cert), "certificate")):
                status, out, err = run("call", "a@b", "c", "d", *args)
                self.assertEqual((status, out), (NO_GATEWAY, ""), err)
                self.assertIn(why, err)
            self.assertEqual(len(m.requests), 2)


class Output(unittest.TestCase):
    def test_a_huge_reply_is_passed_on_as_it_comes(self):
        piece, count = b"x" * (1 << 20), 300

        def answer(_, connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/x-erlang\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(count):
                connection.sendall(chunk(piece))
            return LAST_CHUNK

        # More than it may have as memory: nothing is gathered.
        with Mock(answer) as m:
            p = subprocess.Popen(["sh", "-c", 'ulimit -v 400000; exec "$@"', "sh", ERLGATE, "call", "a@b", "c", "d"]
                                 if not os.environ.get("ERLGATE_SANITIZED") else [ERLGATE, "call", "a@b", "c", "d"],
                                 env=environment(ERLGATE_URL=m.url), stdout=subprocess.PIPE)
            size = 0
            while part := p.stdout.read(1 << 20):
                size += len(part)
            p.stdout.close()
            self.assertEqual((p.wait(20), size), (0, count * len(piece) + 1))

    def test_a_reader_that_has_gone_ends_it_as_every_filter(self):
        with Mock(says(response(200, ERL, "x" * 10_000_000))) as m:
            p = subprocess.Popen([ERLGATE, "call", "a@b", "c", "d"], env=environment(ERLGATE_URL=m.url),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            p.stdout.read(10)
            p.stdout.close()
            self.assertEqual((p.wait(20), p.stderr.read()), (-signal.SIGPIPE, b""))
            p.stderr.close()

    def test_a_full_disk_is_said(self):
        with Mock(says(response(200, ERL, "ok\n"))) as m, open("/dev/full", "wb") as full:
            p = subprocess.run([ERLGATE, "call", "a@b", "c", "d"], env=environment(ERLGATE_URL=m.url), stdout=full,
                               stderr=subprocess.PIPE, timeout=20, check=False)
        self.assertEqual(p.returncode, FAILED)
        self.assertIn(b"No space left", p.stderr)

    def test_a_standard_output_that_is_closed_is_said(self):
        with Mock(says(response(200, ERL, "ok\n"))) as m:
            p = subprocess.run(["sh", "-c", '"$0" call a@b c d >&-', ERLGATE], env=environment(ERLGATE_URL=m.url),
                               stderr=subprocess.PIPE, timeout=20, check=False)
        self.assertEqual((p.returncode, len(m.requests)), (FAILED, 1))
        self.assertIn(b"cannot write", p.stderr)

    def test_nodes_are_a_line_each_or_json(self):
        body = json.dumps({"nodes": [{"node": "kv@localhost", "state": "connected", "type": "hidden",
                                      "otp_release": "27"},
                                     {"node": "a-node-with-a-long-name@a-host-with-one", "state": "connecting"},
                                     {"node": "far@host", "state": "down", "last_failure": {"code": "c", "detail": "no \u202e"}}]}) + "\n"
        with Mock(says(response(200, JSON, body))) as m:
            self.assertEqual(run("nodes", url=m.url), (OK, "kv@localhost             connected  hidden  OTP 27\n"
                                                       "a-node-with-a-long-name@a-host-with-one  connecting\n"
                                                       "far@host                 down  no \\u202e\n", ""))
            self.assertEqual(run("nodes", "--json", url=m.url), (OK, body, ""))

    def test_names_follow_the_pages_and_can_be_given_to_call(self):
        pages = {None: (["kv", "Elixir.My.Server", "two words", "my/server"], "/v1/nodes/a@b/processes?cursor=c2&limit=4"),
                 "c2": (["global:x", "'", "é", "a\n", "--url=http://evil", "a\u202eb"], None)}

        def answer(request, _):
            names, more = pages[request.query.get("cursor")]
            link = [("Link", f'</unrelated>; rel="first", <{more}>; rel="next"')] if more else []
            return response(200, JSON, json.dumps({"names": names}), link[0:1] if not more else
                            [("Link", f'<{more}>; rel="next"')])

        with Mock(answer) as m:
            status, out, err = run("names", "a@b", url=m.url)
        self.assertEqual((status, err), (OK, ""))
        self.assertEqual(out.splitlines(), ["kv", "Elixir.My.Server", "'two words'", "my/server", "'global:x'", "'\\''",
                                            "é", "'a\\n'", "'--url=http://evil'", "'a\\x{202E}b'"])

    def test_ping_says_how_long_it_took(self):
        with Mock(says(response(200, JSON, '{"pong":true,"rtt_us":12034}\n'))) as m:
            self.assertEqual(run("ping", "a@b", url=m.url), (OK, "pong 12.034 ms\n", ""))
            self.assertEqual(run("ping", "a@b", "--json", url=m.url), (OK, '{"pong":true,"rtt_us":12034}\n', ""))


class Watch(unittest.TestCase):
    def start(self, *args, url):
        p = subprocess.Popen([ERLGATE, "watch", *args], env=environment(ERLGATE_URL=url), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.kill)
        return p

    def lines(self, answer, *args, status=OK):
        with Mock(answer) as m:
            p = self.start(*args, url=m.url)
            out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, status, err)
        return out.decode().splitlines(), err.decode(), m.requests

    def test_a_line_an_event_until_down(self):
        target = "/nodes/a@b/processes/kv"
        body = (event("monitor", "e-1", target=target) + event("ping", None) +
                event("down", "e-2", target=target, pid={"$pid": "a@b:1:0:2"}, reason={"$tuple": [{"$atom": "shutdown"}, 1]}) +
                event("never", "e-3"))
        lines, err, requests = self.lines(lambda r, c: STREAM + chunk(body), "a@b", "kv")
        self.assertEqual((lines, err), ([f"monitor target={target}",
                                         f"down target={target} pid=#Pid<a@b:1:0:2> reason={{shutdown,1}}"], ""))
        self.assertEqual(requests[0].path, f"/v1{target}/monitor")
        self.assertEqual(requests[0].headers["accept"], "application/x-ndjson")
        self.assertEqual(len(requests), 1)

    def test_names_stand_bare_in_lists_unless_one_of_them_cannot(self):
        body = (event("monitor", "e-1", target="/nodes", nodes=["a@b", "c@d"]) + event("join", "e-2", pids=["a@b:1:0:2"]) +
                event("monitor", "e-3", target="/nodes", nodes=[]) + event("monitor", "e-4", nodes=["a@b", "two words@b"]))
        lines, err, _ = self.lines(lambda r, c: STREAM + chunk(body) + chunk(event("down", "e-5", reason=["a"])), "a@b", "kv")
        self.assertEqual((lines, err), (["monitor target=/nodes nodes=[a@b,c@d]", "join pids=[a@b:1:0:2]", "monitor target=/nodes nodes=[]",
                                         'monitor nodes=[<<"a@b">>,<<"two words@b">>]', 'down reason=[<<"a">>]'], ""))

    def test_events_may_come_a_byte_at_a_time(self):
        body = event("monitor", "e-1", target="é") + event("down", "e-2", target="é", reason={"$atom": "noproc"})

        def answer(_, connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(STREAM)
            for i in range(len(body.encode())):
                connection.sendall(chunk(body.encode()[i:i + 1]))

        self.assertEqual(self.lines(answer, "a@b", "kv")[0], ['monitor target="\\u00e9"', 'down target="\\u00e9" reason=noproc'])

    def test_as_json_the_lines_are_the_gateways(self):
        body = event("monitor", "e-1", target="t") + event("ping", None) + event("down", "e-2", reason="noproc")
        lines, _, _ = self.lines(lambda r, c: STREAM + chunk(body), "a@b", "kv", "--json")
        self.assertEqual([json.loads(line)["event"] for line in lines], ["monitor", "down"])
        self.assertEqual("".join(line + "\n" for line in lines), body.replace(event("ping", None), ""))

    def test_what_is_watched_is_a_path(self):
        done = lambda r, c: response(204)
        for args, path in ((("a@b", "kv"), "/v1/nodes/a@b/processes/kv/monitor"),
                           (("a@b:1:0:2",), "/v1/pids/a@b:1:0:2/monitor"),
                           (("global:x",), "/v1/global/x/monitor"),
                           (("group:s/g",), "/v1/groups/s/g/monitor"),
                           (("a@b",), "/v1/nodes/a@b/monitor"),
                           (("--nodes",), "/v1/nodes/monitor")):
            lines, _, requests = self.lines(done, *args)
            self.assertEqual((lines, requests[0].path, requests[0].method), ([], path, "GET"))
            self.assertEqual(requests[0].query["terms"], "typed")
        for option, terms in (("--json", "plain"), ("--typed", "typed")):
            self.assertEqual(self.lines(done, "a@b", option)[2][0].query["terms"], terms)
        self.assertEqual(self.lines(done, "global:{a, 1}")[2][0].query["syntax"], "erlang")

    def test_nodes_go_on_until_ctrl_c_and_that_is_status_0(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            left = threading.Event()

            def answer(_, connection):
                connection.sendall(STREAM + chunk(event("nodeup", "e-1", node="a@b", hidden=False)) +
                                   chunk(event("nodedown", "e-2", node="a@b", hidden=False, reason={"$atom": "net_tick_timeout"})))
                connection.recv(1)  # ends when the client has left
                left.set()

            with Mock(answer) as m:
                p = self.start("--nodes", url=m.url)
                self.assertEqual(p.stdout.readline(), b"nodeup node=a@b hidden=false\n")
                self.assertEqual(p.stdout.readline(), b"nodedown node=a@b hidden=false reason=net_tick_timeout\n")
                p.send_signal(sig)
                self.assertEqual((p.wait(20), p.stderr.read(), p.stdout.read()), (0, b"", b""))
                self.assertTrue(left.wait(20))

    def test_ctrl_c_ends_it_when_nobody_takes_its_output(self):
        def answer(_, connection):
            connection.sendall(STREAM)
            while True:
                connection.sendall(chunk(event("nodeup", "e-1", node="a@b", hidden="x" * 5000)))

        with Mock(answer) as m:
            p = self.start("--nodes", url=m.url)
            p.stdout.read(1)
            with open(f"/proc/{p.pid}/wchan", encoding="ascii") as f:  # asleep in the write
                for _ in range(500):
                    f.seek(0)
                    if "pipe" in f.read():
                        break
                    time.sleep(0.01)
            p.send_signal(signal.SIGINT)
            self.assertEqual(p.wait(20), 0)

    def test_cut_and_resumed_where_it_was(self):
        parts = [STREAM + chunk(event("monitor", "e-1", target="t") + event("nodeup", "e-2", node="x@y") + '{"event": "ha'),
                 problem(503, "no-connection"),
                 problem(503, "overloaded"),
                 b"",
                 STREAM + chunk(event("gap", "f-3", lost=None) + event("down", "f-4", reason={"$atom": "normal"}))]
        at = iter(parts)
        lines, err, requests = self.lines(lambda r, c: next(at), "a@b", "kv")
        self.assertEqual(lines, ["monitor target=t", "nodeup node=x@y", "gap lost=null", "down reason=normal"])
        self.assertEqual([r.headers.get("last-event-id") for r in requests], [None, "e-2", "e-2", "e-2", "e-2"])
        self.assertEqual(err.count("connecting again"), 1, err)

    def test_the_end_of_a_stream_that_has_been_read_is_the_end(self):
        parts = iter([STREAM + chunk(event("monitor", "e-1", target="t")) + LAST_CHUNK, response(204)])
        lines, err, requests = self.lines(lambda r, c: next(parts), "group:g")
        self.assertEqual((lines, len(requests), err), (["monitor target=t"], 2, ""))
        lines, _, requests = self.lines(lambda r, c: STREAM + chunk(event("nodedown", "e-1", node="a@b")), "a@b")
        self.assertEqual((lines, len(requests)), (["nodedown node=a@b"], 1))

    def test_the_gateway_says_bye_and_comes_back(self):
        bye = json.dumps({"event": "bye", "id": "e-1", "data": {}, "retry": 10}) + "\n"
        parts = iter([STREAM + chunk(event("monitor", "e-1", target="t") + bye) + LAST_CHUNK,
                      STREAM + chunk(event("down", "e-2", reason={"$atom": "kill"}))])
        lines, err, requests = self.lines(lambda r, c: next(parts), "a@b", "kv")
        self.assertEqual(lines, ["monitor target=t", "down reason=kill"])
        self.assertEqual(requests[1].headers["last-event-id"], "e-1")

    def test_a_gateway_that_does_not_come_back_is_given_up(self):
        answers = iter([STREAM + chunk(event("monitor", "e-1", target="t"))])
        with Mock(lambda r, c: next(answers)) as m:
            p = self.start("a@b", "kv", "--reconnect", "500ms", url=m.url)
            p.stdout.readline()
            m.close()
            self.assertEqual(p.wait(30), NO_GATEWAY)
            self.assertIn(b"cannot be reached", p.stderr.read())
        lines, err, requests = self.lines(lambda r, c: STREAM + chunk(event("monitor", "e-1", target="t")), "a@b", "kv",
                                          "--reconnect", "0", status=NO_GATEWAY)
        self.assertEqual((lines, len(requests)), (["monitor target=t"], 1))
        self.assertNotIn("again", err)

    def test_what_never_began_is_not_tried_again(self):
        for answer, status in ((problem(503, "no-connection"), NO_NODE), (problem(404, "not-found"), FAILED),
                               (response(200, "text/html", "<p>"), NO_GATEWAY), (problem(503, "overloaded"), BUSY)):
            lines, err, requests = self.lines(lambda r, c, a=answer: a, "a@b", "kv", status=status)
            self.assertEqual((lines, len(requests)), ([], 1), err)
            self.assertEqual(err.count("\n"), 1, err)

    def test_what_a_resumed_stream_is_denied_is_final(self):
        parts = iter([STREAM + chunk(event("monitor", "e-1", target="t")), problem(403, "forbidden")])
        lines, err, requests = self.lines(lambda r, c: next(parts), "a@b", "kv", status=DENIED)
        self.assertEqual(len(requests), 2)
        self.assertIn("forbidden", err)

    def test_a_line_that_is_no_event_ends_it(self):
        for line in ("no json\n", "[]\n", '{"event": 1, "data": {}}\n', '{"event": "a"}\n', '{"event": "a", "data": []}\n',
                     '{"event": "\\u001b[2J", "data": {}}\n', '{"event": "a", "data": {"\\u001b[2J": 1}}\n',
                     '{"event": "down", "data": {"reason": ' + 1100 * "[" + 1100 * "]" + "}}\n"):
            lines, err, _ = self.lines(lambda r, c, t=line: STREAM + chunk(t), "a@b", "kv", status=FAILED)
            self.assertIn("makes no sense", err)
            self.assertEqual(lines, [])

    def test_what_a_terminal_would_obey_is_shown(self):
        body = '{"event": "monitor", "data": {"target": "a\u0085b", "node": "c\u202ed"}}\n' + event("down", "e-1", reason=1)
        for args, first in (((), 'monitor target="a\\u0085b" node="c\\u202ed"'),
                            (("--json",), body.split("\n")[0].replace("\u0085", "\\u0085").replace("\u202e", "\\u202e"))):
            lines, err, _ = self.lines(lambda r, c: STREAM + chunk(body.encode()), "a@b", "kv", *args)
            self.assertEqual((lines[0], err), (first, ""))

    def test_an_event_that_cannot_be_written_is_no_success(self):
        body = STREAM + chunk(event("down", "e-1", reason={"$atom": "normal"}))
        with Mock(says(body)) as m, open("/dev/full", "wb") as full:
            p = subprocess.run([ERLGATE, "watch", "a@b", "kv"], env=environment(ERLGATE_URL=m.url), stdout=full,
                               stderr=subprocess.PIPE, timeout=20, check=False)
        self.assertEqual((p.returncode, len(m.requests)), (FAILED, 1))
        self.assertIn(b"No space left", p.stderr)

    def test_a_reader_that_has_gone_is_noticed_while_nothing_happens(self):
        quiet = threading.Event()

        def answer(_, connection):
            connection.sendall(STREAM + chunk(event("monitor", "e-1", target="t")))
            quiet.wait(60)

        with Mock(answer) as m:
            p = self.start("a@b", "kv", url=m.url)
            p.stdout.readline()
            p.stdout.close()
            self.assertEqual((p.wait(30), p.stderr.read()), (-signal.SIGPIPE, b""))
            quiet.set()


class Page(unittest.TestCase):
    """The script in docs/cli.md, which acts on exit statuses."""

    def ended(self, answer):
        """Its status, and what it has put into $colour."""
        def gateway(request, _):
            return response(200, JSON, '{"pong":true,"rtt_us":12034}\n') if request.path.endswith("/ping") else answer

        with open(os.path.join(ROOT, "docs", "cli.md"), encoding="utf-8") as page:
            script = re.search(r"^```sh\n(colour=.*?)^```", page.read(), re.M | re.S).group(1)
        with Mock(gateway) as m:
            path = os.pathsep.join((os.path.dirname(ERLGATE), os.environ["PATH"]))
            p = subprocess.run(["sh", "-c", script + 'echo "is $colour"'], capture_output=True, text=True, timeout=60,
                               env=environment(PATH=path, ERLGATE_URL=m.url), check=False)
        return p.returncode, "".join(line for line in p.stdout.splitlines() if line.startswith("is "))

    def test_the_script_tells_one_status_from_another(self):
        self.assertEqual(self.ended(response(200, ERL, "blue\n")), (0, "is blue"))
        self.assertEqual(self.ended(response(422, ERL, "not_found\n")), (0, "is none"))
        self.assertEqual(self.ended(problem(503, "no-connection")), (1, ""))


class Completion(unittest.TestCase):
    """package/completions/erlgate.bash, asked as bash asks it: words, of which the last is begun."""

    SCRIPT = os.path.join(ROOT, "package", "completions", "erlgate.bash")

    def completed(self, *words, url="http://127.0.0.1:1"):
        command = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _erlgate; printf "%s\\n" "${COMPREPLY[@]}"'
        p = subprocess.run(["bash", "--norc", "-c", command, self.SCRIPT, ERLGATE, *words], capture_output=True, text=True,
                           timeout=30, env=environment(ERLGATE_URL=url), check=False)
        self.assertEqual(p.stderr, "")
        return p.stdout.split("\n")[:-1]

    def test_commands_and_options_are_those_of_the_help(self):
        self.assertEqual(self.completed("wat"), ["watch"])
        self.assertEqual(self.completed("n"), ["nodes", "names"])
        self.assertEqual(self.completed("help", "pi"), ["ping"])
        self.assertEqual(self.completed("call", "--t"), ["--timeout", "--typed", "--to", "--token-file"])
        self.assertEqual(self.completed("serve", "--atom"), ["--atom-budget"])
        self.assertEqual(self.completed("call", "--to", "a"), ["any", "all"])

    def test_nodes_and_names_are_asked_of_the_gateway(self):
        def answer(request, _):
            if request.path == "/v1/nodes":
                return response(200, JSON, json.dumps({"nodes": [{"node": "kv@host", "state": "connected"}]}))
            return response(200, JSON, json.dumps({"names": ["kv", "two words", "logger"]}))

        with Mock(answer) as m:
            self.assertEqual(self.completed("call", "k", url=m.url), ["kv@host"])
            self.assertEqual(self.completed("call", "--url", m.url, "k"), ["kv@host"])
            self.assertEqual(self.completed("watch", "kv@host", "", url=m.url), ["kv", "\\'two\\ words\\'", "logger"])
        self.assertEqual(self.completed("call", "k"), [""])


if __name__ == "__main__":
    unittest.main()
