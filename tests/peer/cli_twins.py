"""The commands that ask a gateway (erlgate call and its kin), against a real one and real nodes of each release."""

import json
import os
import queue
import re
import signal
import socket
import subprocess
import threading

import matrix
import peers
from matrix import each
from peers import BIN, RELEASES, Failed, Gateway, Peer, accepts, check, equal, eventually, free_port

GATE = Gateway()
PEERS = {r: Peer(r, f"a{r}@localhost", GATE.epmd_port, GATE.cookie, kernel={"start_pg": "true"}) for r in RELEASES}
for _peer in PEERS.values():
    _peer.ready()
    _peer.eval("testpeer:serve(srv)")

OK, NO, USAGE, NO_GATEWAY, NO_NODE, TIMEOUT, DENIED, BUSY, FAILED = range(9)


def environment(port=None):
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ERLGATE_URL": f"http://127.0.0.1:{port or GATE.port}"}


def run(*args, stdin="", port=None):
    p = subprocess.run([BIN / "erlgate", *args], input=stdin, capture_output=True, text=True, timeout=60 * peers.SLOWER,
                       env=environment(port), check=False)
    return p.returncode, p.stdout, p.stderr


def says(out, *args, stdin=""):
    """Ends well, and that is its output."""
    equal(run(*args, stdin=stdin), (OK, out, ""), f"erlgate {' '.join(args)}")


def fails(status, text, *args, port=None):
    """Ends with that status, no output, and one line that holds text."""
    got, out, err = run(*args, port=port)
    equal((got, out), (status, ""), f"erlgate {' '.join(args)}: {err}")
    equal(err.count("\n"), 1, f"lines of {err!r}")
    check(text in err, f"{text!r} in {err!r}")
    return err


def name(release):
    return PEERS[release].node


def forget(release):
    says("ok\n", "call", name(release), "srv", "forget")


# ---- call, cast, send


@each("erlgate call")
def test_call_in_erlang_syntax_and_json(release):
    node = name(release)
    for term in ("ok", "{a,[1,2.5,<<\"x\">>],#{k => \"v\"}}", "<<\"é\"/utf8>>", "123456789012345678901234567890", "-1"):
        says(f"{term}\n", "call", node, "srv", "{echo, %s}" % term)
    says('["a",{"b":1}]\n', "call", node, "srv", '{"$tuple": [{"$atom": "echo"}, ["a", {"b": 1}]]}', "--json")
    says('{"$tuple":[{"$atom":"ok"},"x"]}\n', "call", node, "srv", '{"$erl": "{echo, {ok, <<\\"x\\">>}}"}', "--typed")
    says("{from,\"stdin\"}\n", "call", node, "srv", "-", stdin='{echo,\n {from, "stdin"}}.\n')


@each("erlgate call PID")
def test_a_pid_that_was_printed_can_be_called(release):
    _, pid, _ = run("call", name(release), "srv", "whoami")
    check(re.fullmatch(r"#Pid<.*>\n", pid), pid)
    says(pid, "call", pid.strip(), "whoami")
    says(pid, "call", pid.strip()[5:-1], "whoami")
    says(pid, "call", name(release), pid.strip(), "whoami")


@each("erlgate cast, send")
def test_cast_and_send_arrive(release):
    node = name(release)
    forget(release)
    says("", "cast", node, "srv", "{c, 1}")
    says("", "send", node, "srv", "{s, 2}")
    says("", "send", node, "srv", '{"$atom": "j"}', "--json")
    eventually(lambda: run("call", node, "srv", "seen")[1] == "[{cast,{c,1}},{info,{s,2}},{info,j}]\n", "all three arrive")


@each("erlgate exit")
def test_exit_ends_a_process_and_says_when_there_is_none(release):
    node = name(release)
    PEERS[release].eval("testpeer:serve(victim)")
    says("", "exit", node, "victim", "kill")
    eventually(lambda: PEERS[release].eval("whereis(victim)") == "undefined", "it has ended")
    _, pid, _ = run("rpc", node, "erlang:spawn(timer, sleep, [infinity])")
    says("", "exit", pid.strip(), "{shutdown, asked}")
    eventually(lambda: run("rpc", node, f"erlang:is_process_alive({pid.strip()})")[1] == "false\n", "it has ended, too")
    fails(NO, "noproc", "exit", node, "victim", "kill")


@each("erlgate rpc")
def test_rpc_returns_and_raises(release):
    node = name(release)
    says("[1,2,3]\n", "rpc", node, "lists:seq", "[1, 3]")
    says("[1,2,3]\n", "rpc", node, "lists:seq(1, 3)")
    says("[1,2,3]\n", "rpc", node, "lists:seq", "[1, 3]", "--json")
    says("[1,2,3]\n", "rpc", node, " lists:seq(1, 3) . ")
    says('[{"a":1}]\n', "rpc", node, "lists:reverse([#{a => 1}])", "--json")
    says('[{"a":1}]\n', "rpc", node, 'lists:reverse([{"a":1}])', "--json", "--in", "json")
    says("a\n", "rpc", node, "erlang:binary_to_atom(<<\"a\">>).")
    says(f"{node}\n", "rpc", node, "erlang:node")
    says("{a,\"x\"}\n", "rpc", node, "erlang:list_to_tuple", "-", stdin='[[a, "x"]]')
    says("a\n", "rpc", node, "'erlang':'hd'", "[[a]]")
    says("{x,1}\n", "rpc", node, "maps:find(k, #{k => {x, 1}})", "--unwrap")
    fails(NO, "; error: badarg", "rpc", node, "erlang:hd", "[[]]")
    fails(NO, "; throw: {up,1}", "rpc", node, "erlang:throw({up, 1})")
    fails(NO, "; reason: {left,1}", "rpc", node, "erlang:exit({left, 1})")
    fails(NO, "undef", "rpc", node, "lists:no_such", "[]")
    fails(NO, "undef", "rpc", node, "lists:'('")
    fails(USAGE, "'lists:seq(1, 3' is no function: '(' is not closed", "rpc", node, "lists:seq(1, 3")
    fails(USAGE, "written module:function", "rpc", node, "'lists:seq'(1, 3)")
    fails(USAGE, "bad-term: ARGS:1:", "rpc", node, "lists:seq", "[1,")
    fails(USAGE, "JSON goes with --json or --typed\n", "call", node, "cut", '{"$atom": "keys"}')
    fails(USAGE, "as the gateway prints them", "call", "<0.93.0>", "keys")
    fails(NO, f"no process is registered as 'no_such' at node '{node}'; the request had no effect; `erlgate names {node}` lists the names\n",
          "call", node, "no_such", "x")
    fails(NO, "a pid is no name: it is written as replies have it", "call", node, "<0.93.0>", "x")
    fails(NO, f"the process {node}:93:1:1 has ended, or there was none", "call", f"{node}:93:1:1", "x")
    fails(USAGE, "array", "rpc", node, "lists:seq", "{}", "--json")
    fails(TIMEOUT, "timeout", "rpc", node, "timer:sleep(infinity)", "--timeout", "100ms")
    forget(release)
    says("", "rpc", node, "gen_server:cast(srv, {by, rpc})", "--cast")
    eventually(lambda: run("call", node, "srv", "seen")[1] == "[{cast,{by,rpc}}]\n", "the cast arrives")


@each("odd names")
def test_names_of_any_kind(release):
    node = name(release)
    for text in ("my/server", "two words", "Elixir.My.Server", "100%", "it's", "..", "-", "--json", "é"):
        atom = "'" + text.replace("'", "\\'") + "'"
        PEERS[release].eval(f"testpeer:serve({atom})")
        says("yes\n", "call", node, "--", text, "{echo, yes}")
        says("yes\n", "call", node, atom, "{echo, yes}")


@each("--charlists, --bigints, --null, --keys")
def test_representations(release):
    node = name(release)
    says('"hi"\n', "call", node, "srv", '{echo, "hi"}', "--in", "erl", "--json", "--charlists", "string")
    says('["9007199254740993",null]\n', "rpc", node, "lists:append([9007199254740993], [nil])", "--json", "--bigints", "string", "--null", "nil")
    says('{"$map":[[{"$atom":"a"},null]]}\n', "rpc", node, "maps:merge", '[{}, {"a": null}]', "--typed", "--null", "undefined",
         "--keys", "atom")


@each("--unwrap")
def test_unwrap(release):
    node = name(release)
    says("[1]\n", "call", node, "srv", "{echo, {ok, [1]}}", "--unwrap")
    says("", "call", node, "srv", "{echo, ok}", "--unwrap")
    says("other\n", "call", node, "srv", "{echo, other}", "--unwrap")
    fails(NO, "erlgate: error: error\n", "rpc", node, "maps:find(k, #{})", "--unwrap")
    fails(NO, "erlgate: error: {not_found,1}\n", "call", node, "srv", "{echo, {error, {not_found, 1}}}", "--unwrap")
    fails(NO, 'erlgate: error: ["not_found",1]\n', "call", node, "srv", '{"$erl": "{echo, {error, {not_found, 1}}}"}',
          "--json", "--unwrap")


@each("erlgate call global:NAME")
def test_global_names(release):
    run("ping", name(release))  # connects it
    for process, text, term in (("g1", f"leader{release}", f"leader{release}"), ("g2", f"a/b {release}", f"'a/b {release}'"),
                                ("g3", f"{{room, {release}}}", f"{{room, {release}}}")):
        PEERS[release].eval(f"yes = global:register_name({term}, testpeer:serve({process}))")
        says(f"{process}\n", "call", f"global:{text}", f"{{echo, {process}}}")
    says("", "send", f"global:leader{release}", "{g, 1}")
    eventually(lambda: run("call", name(release), "g1", "seen")[1] == "[{info,{g,1}}]\n", "the message arrives")
    fails(NO, "noproc", "call", f"global:nobody{release}", "x")


@each("erlgate call group:SCOPE/GROUP")
def test_groups(release):
    group = f"{{workers, {release}}}"
    for worker in ("w1", "w2"):
        PEERS[release].eval(f"testpeer:serve({worker}), pg:join({group}, whereis({worker})), "
                            f"pg:join('g/{release}', whereis({worker}))")
    run("ping", name(release))
    eventually(lambda: run("call", f"group:{group}", "{echo, here}")[:2] == (OK, "here\n"), "the group is known")
    says("here\n", "call", f"group:'pg'/{group}", "{echo, here}")
    says("here\n", "call", f"group:pg/g/{release}", "{echo, here}", "--to", "any")
    _, out, _ = run("call", f"group:pg/{group}", "{echo, here}", "--to", "all", "--in", "erl", "--json")
    equal([member["reply"] for member in json.loads(out)], ["here", "here"], "replies of all")
    says("", "cast", f"group:{group}", "to_all")
    says("", "cast", f"group:{group}", "to_one", "--to", "any")
    for worker in ("w1", "w2"):
        eventually(lambda w=worker: "to_all" in run("call", name(release), w, "seen")[1], "the cast arrives")
    equal(sum("to_one" in run("call", name(release), w, "seen")[1] for w in ("w1", "w2")), 1, "who got what is for one")
    w = Watch(f"group:{group}")
    w.next_is("monitor .*")
    PEERS[release].eval(f"pg:leave({group}, whereis(w1))")
    w.next_is("leave .*")
    w.interrupt()
    fails(NO, "noproc", "call", f"group:nobody{release}", "x")


# ---- what goes wrong


@each("exit statuses")
def test_a_script_can_tell_what_went_wrong(release):
    node = name(release)
    fails(NO, "noproc", "call", node, "nobody", "x")
    fails(NO, "reason: {boom,<<\"why\">>}", "call", node, "srv", '{leave, {boom, <<"why">>}}')
    PEERS[release].eval("testpeer:serve(srv)")
    fails(TIMEOUT, "--timeout", "call", node, "srv", "never", "--timeout", "100ms")
    fails(USAGE, "bad-term: TERM:1:6: ", "call", node, "srv", "{echo")
    fails(USAGE, "bad-term: TERM:2:2: ", "call", node, "srv", "{echo,\n }")
    fails(USAGE, "bad-term", "call", node, "srv", "")
    fails(USAGE, "--in erl", "call", node, "srv", "{echo, 1}", "--json")
    fails(USAGE, "bad-term: TERM:1:", "call", node, "srv", '{"$atom": 1}', "--json")


def test_a_node_that_is_not_there():
    fails(NO_NODE, "no-connection", "call", "nobody@localhost", "srv", "x")
    fails(NO_NODE, "no-connection", "ping", "nobody@localhost")
    other = Peer("27", "other@localhost", GATE.epmd_port, "another-cookie").ready()
    fails(NO_NODE, "auth-failed", "ping", other.node)
    other.stop()


def test_a_gateway_that_is_not_there():
    fails(NO_GATEWAY, "erlgate serve", "ping", name("27"), port=free_port())
    # A server that speaks something else: the name server.
    fails(NO_GATEWAY, "127.0.0.1", "nodes", port=GATE.epmd_port)


def test_global_names_want_a_node_that_is_connected():
    alone = Gateway(node="alone@localhost", cookie=GATE.cookie, epmd=f"localhost:{GATE.epmd_port}")
    fails(NO_NODE, "`erlgate ping NODE` connects one", "call", "global:x", "y", port=alone.port)
    alone.stop()


def test_the_atom_budget_is_a_limit():
    poor = Gateway(node="poor@localhost", cookie=GATE.cookie, epmd=f"localhost:{GATE.epmd_port}", args=["--atom-budget", "3"])
    fails(DENIED, "atom-budget-exceeded", "call", name("27"), "srv", "[a1, a2, a3, a4, a5]", port=poor.port)
    poor.stop()


# ---- nodes, ping


@each("erlgate ping, nodes")
def test_ping_and_nodes(release):
    status, out, err = run("ping", name(release))
    equal((status, err), (OK, ""), "ping")
    check(re.fullmatch(r"pong \d+\.\d{3} ms\n", out), out)
    _, out, _ = run("nodes")
    check(any(line.split() == [name(release), "connected", "hidden", "OTP", release] for line in out.splitlines()), out)
    _, out, _ = run("nodes", "--json")
    check(any(n["node"] == name(release) for n in json.loads(out)["nodes"]), out)


@each("erlgate names")
def test_names_are_those_that_can_be_called(release):
    node = name(release)
    # More than a page has.
    PEERS[release].eval("[register(list_to_atom(\"n\" ++ integer_to_list(N)), spawn(timer, sleep, [infinity])) || "
                        "N <- lists:seq(1, 1500)], testpeer:serve('odd name'), testpeer:serve('global:odd')")
    status, out, err = run("names", node)
    equal((status, err), (OK, ""), "names")
    names = out.splitlines()
    for wanted in ("srv", "kernel_sup", "n1", "n1500", "'odd name'", "'global:odd'"):
        check(wanted in names, f"{wanted} is missing")
    equal(len(names), int(PEERS[release].eval("length(registered())")), "names")
    equal(len(set(names)), len(names), "each once")
    for odd in ("'odd name'", "'global:odd'"):
        says("1\n", "call", node, odd, "{echo, 1}")
    _, out, _ = run("names", node, "--json")
    equal(sum(len(json.loads(page)["names"]) for page in out.splitlines()), len(names), "names --json, a page a line")
    fails(NO_NODE, "no-connection", "names", "nobody@localhost")


# ---- watch


class Watch:
    """erlgate watch, and its lines as they come."""

    def __init__(self, *args, port=None):
        self.proc = peers.spawn([BIN / "erlgate", "watch", *args], env=environment(port), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.proc.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self, seconds=20):
        """The next line; None at the end."""
        try:
            return self.lines.get(timeout=seconds * peers.SLOWER)
        except queue.Empty:
            raise Failed(f"no line within {seconds} s") from None

    def next_is(self, pattern):
        line = self.line()
        check(line is not None and re.fullmatch(pattern, line), f"line {line!r}, wanted {pattern!r}", self.stderr(line))

    def stderr(self, line):
        return self.proc.stderr.read() if line is None else ""

    def ends(self, status=OK):
        """Nothing more is printed; gives what was said on standard error."""
        equal(self.line(), None, "line after the last")
        equal(self.proc.wait(20 * peers.SLOWER), status, "status of watch")
        return self.proc.stderr.read()

    def interrupt(self):
        self.proc.send_signal(signal.SIGINT)
        equal(self.ends(), "", "what Ctrl-C makes it say")


@each("erlgate watch NODE NAME")
def test_watching_a_name_until_it_is_down(release):
    node = name(release)
    PEERS[release].eval("testpeer:serve(watched)")
    w = Watch(node, "watched")
    w.next_is(f"monitor target=/nodes/{node}/processes/watched")
    fails(NO, "callee-exit", "call", node, "watched", "{leave, {boom, <<1>>}}")
    w.next_is(rf"down target=/nodes/{node}/processes/watched reason={{boom,<<1>>}}")
    equal(w.ends(), "", "standard error")
    w = Watch(node, "watched")
    w.next_is(r"monitor .*")
    w.next_is(r"down .* reason=noproc")
    equal(w.ends(), "", "standard error")


@each("erlgate watch PID")
def test_watching_a_pid(release):
    node = name(release)
    _, pid, _ = run("rpc", node, "erlang:spawn(timer, sleep, [infinity])")
    w = Watch(pid.strip(), "--json")
    equal(json.loads(w.line())["event"], "monitor", "first event")
    says("", "exit", pid.strip(), "{shutdown, asked}")
    down = json.loads(w.line())
    equal((down["event"], down["data"]["reason"]), ("down", ["shutdown", "asked"]), "second event")
    equal(w.ends(), "", "standard error")
    w = Watch(pid.strip(), "--typed")
    w.line()
    equal(json.loads(w.line())["data"]["reason"], {"$atom": "noproc"}, "reason as typed JSON")
    w.ends()


def test_ctrl_c_ends_a_watch_and_its_monitor_is_taken_back():
    PEERS["27"].eval("testpeer:serve(calm)")
    w = Watch(name("27"), "calm", "--reconnect", "0")
    w.next_is("monitor .*")

    def is_monitored():
        return PEERS["27"].eval("erlang:process_info(whereis(calm), monitored_by)") != "{monitored_by,[]}"

    eventually(is_monitored, "the process is monitored")
    w.interrupt()
    eventually(lambda: not is_monitored(), "it is not any more")


@each("erlgate watch NODE, --nodes")
def test_watching_nodes(release):
    peer = Peer(release, f"w{release}@localhost", GATE.epmd_port, GATE.cookie).ready()
    every = Watch("--nodes")
    every.next_is("monitor .*")
    one = Watch(peer.node)
    one.next_is("monitor .*")
    while not re.match(rf"nodeup .*node={peer.node} ", line := (every.line() or "the end")):
        check(line != "the end", "the end of watch --nodes")
    peer.kill()
    while not re.match(rf"nodedown .*node={peer.node} ", line := (one.line() or "the end")):
        check(line != "the end", "the end of watch NODE")
    check("reason=" in line, line)
    every.next_is(rf"nodedown .*node={peer.node} .*reason=.*")
    equal(one.ends(), "", "standard error of watch NODE, which is over")
    every.interrupt()


def test_a_node_that_is_not_there_cannot_be_watched():
    w = Watch("nobody@localhost", "srv")
    err = w.ends(NO_NODE)
    check("no-connection" in err and err.count("\n") == 1, err)


class Cutter:
    """A port that leads to the gateway, until it is cut."""

    def __init__(self, to):
        self.to = to
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            if not self.is_open:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.to))
            self.pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(a, b):
        try:
            while piece := a.recv(65536):
                b.sendall(piece)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.is_open = False
        for pair in self.pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def mend(self):
        self.is_open = True


def test_what_happens_while_the_connection_is_cut_is_not_lost():
    PEERS["27"].eval("testpeer:serve(cut)")
    way = Cutter(GATE.port)
    w = Watch(name("27"), "cut", port=way.port)
    w.next_is("monitor .*")
    way.cut()
    fails(NO, "callee-exit", "call", name("27"), "cut", "{leave, meanwhile}")
    way.mend()
    w.next_is("down .* reason=meanwhile")
    err = w.ends()
    check("connecting again" in err and err.count("\n") == 1, err)


def test_a_gateway_that_starts_anew_is_watched_on():
    for sig in (signal.SIGTERM, signal.SIGKILL):
        PEERS["27"].eval("case whereis(anew) of undefined -> testpeer:serve(anew); P -> P end")
        gate = Gateway(node="anew@localhost", cookie=GATE.cookie, epmd=f"localhost:{GATE.epmd_port}")
        w = Watch(name("27"), "anew", port=gate.port)
        w.next_is("monitor .*")
        peers.end(gate.proc, sig)
        eventually(lambda: not accepts(gate.port), "the gateway is gone")
        gate.start()
        w.next_is("gap lost=null")
        w.next_is("monitor .*")
        fails(NO, "callee-exit", "call", name("27"), "anew", "{leave, later}")
        w.next_is("down .* reason=later")
        check("connecting again" in w.ends(), "it says that it was cut")
        gate.stop()


# ---- how it ends


def test_ctrl_c_ends_a_call_and_the_gateway_forgets_it():
    p = peers.spawn([BIN / "erlgate", "call", name("27"), "srv", "never", "--timeout", "60s"], env=environment(),
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: GATE.self()["calls"] == 1, "the call is under way")
    equal(peers.end(p, signal.SIGINT), -signal.SIGINT, "status")
    eventually(lambda: GATE.self()["calls"] == 0, "the gateway has given it up")


def test_a_large_reply_goes_through_a_pipe():
    # The first bytes are enough for who reads, and the whole has its length.
    command = f"{BIN}/erlgate call {name('27')} srv '{{bytes, 20000000}}' --timeout 60s | wc -c"
    p = subprocess.run(["sh", "-c", command], env=environment(), capture_output=True, text=True, timeout=120, check=False)
    equal(p.stdout.strip(), str(20000000 + len('<<"">>\n')), f"bytes {p.stderr}")


def at_end():
    GATE.stop()
    matrix.print_table()


if __name__ == "__main__":
    peers.main(globals())
