"""Every request/response endpoint against every release: who is asked, in each way of naming it, and what each verb does.

All of it is asked by curl. The table at the end has a row for each endpoint. A new endpoint is one more @each("METHOD /path") function. The releases
are hidden from each other: 23 and 27 or 29 would not have each other.
"""

import json
import os
import re
import signal
import socket

import matrix
from eventstream import EventStream
from matrix import each
from peers import ERL, ETF, JSON, RELEASES, TYPED, Curl, Failed, Gateway, Peer, check, descendants, equal, eventually, problem, segment

GATE = Gateway(args=["--max-reply", str(1 << 20)])
HTTP = GATE.http = Curl(GATE.port)
AT_FIRST = GATE.self()
PEERS = {r: Peer(r, f"a{r}@localhost", GATE.epmd_port, GATE.cookie, kernel={"start_pg": "true"}) for r in RELEASES}
for _peer in PEERS.values():
    _peer.ready()
    _peer.eval("logger:set_primary_config(level, none), testpeer:serve(srv)")


def name(release):
    return PEERS[release].node


def node_path(release):
    return f"/v1/nodes/{segment(name(release))}"


def process_path(release, process="srv"):
    return f"{node_path(release)}/processes/{segment(process)}"


def rpc_path(release, module, function):
    return f"{node_path(release)}/rpc/{segment(module)}/{segment(function)}"


def ask(method, path, body=None, accept=ERL, type=ERL, **headers):
    """Asks; terms go and come in Erlang syntax unless told otherwise."""
    headers = {"Accept": accept, **({"Content-Type": type} if body is not None else {}), **headers}
    return HTTP.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})


def answers(method, path, body, wanted, status=200, **more):
    response = ask(method, path, body, **more)
    equal((response.status, response.text.strip()), (status, wanted), f"{method} {path}")
    return response


def accepted(path, body, **more):
    response = ask("POST", path, body, **more)
    equal((response.status, response.body), (202, b""), f"POST {path}: {response}")
    return response


def seen(release):
    return ask("POST", process_path(release) + "/call", "seen").text.strip()


def forget(release):
    answers("POST", process_path(release) + "/call", "forget", "ok")


def pid_of(release, process="srv"):
    """As text, as it stands in paths."""
    return ask("POST", process_path(release, process) + "/call", "whoami", accept=TYPED).json["$pid"]


def mortal(release, process="mortal"):
    """A server that may be killed; gives the text of its pid."""
    PEERS[release].eval(f"case whereis({process}) of undefined -> testpeer:serve({process}); P -> P end")
    return pid_of(release, process)


def is_gone(release, process="mortal"):
    return PEERS[release].eval(f"whereis({process})") == "undefined"


# ---- rpc


@each("POST /v1/nodes/{node}/rpc/{module}/{function}")
def test_rpc(release):
    answers("POST", rpc_path(release, "lists", "seq"), "[1, 5]", "[1,2,3,4,5]")
    answers("POST", rpc_path(release, "erlang", "node"), "[]", name(release))
    answers("POST", rpc_path(release, "erlang", "+"), "[1, 2]", "3")
    answers("POST", rpc_path(release, "testpeer", "echo"), '[{"a": 1}]', '#{<<"a">> => 1}', type=JSON)
    response = ask("POST", rpc_path(release, "testpeer", "echo"), b"\x83l\x00\x00\x00\x01w\x01xj", type=ETF, accept=JSON)
    equal((response.status, response.json), (200, "x"), "ETF in, JSON out")
    answers("POST", rpc_path(release, "testpeer", "echo") + "?unwrap=ok", "[{ok, v}]", "v")
    answers("POST", rpc_path(release, "testpeer", "echo") + "?unwrap=ok", "[{error, e}]", "e", 422)
    answers("POST", rpc_path(release, "testpeer", "echo") + "?unwrap=ok", "[error]", "error", 422)
    answers("POST", rpc_path(release, "maps", "find") + "?unwrap=ok", "[k, #{}]", "error", 422)
    answers("POST", rpc_path(release, "testpeer", "echo") + "?unwrap=ok", "[errors]", "errors")
    # Every name in the path may be an Erlang term.
    answers("POST", f"{node_path(release)}/rpc/{segment(chr(39) + 'lists' + chr(39))}/seq?syntax=erlang", "[1, 2]", "[1,2]")


@each("rpc: what the function raises: 502 callee-exit")
def test_rpc_that_fails(release):
    path = rpc_path(release, "testpeer", "fail")
    body = problem(ask("POST", path, "[{why, 7}]", accept=JSON), 502, "callee-exit", sent=True)
    equal((body["class"], body["reason"], body["retryable"]), ("error", ["why", 7], False), "class, reason")
    equal(body["stacktrace"][0][:2], ["testpeer", "fail"], "the frame on top")
    body = problem(ask("POST", path, "[{why, 7}]", accept=TYPED), 502, "callee-exit")
    equal(body["reason"], {"$tuple": [{"$atom": "why"}, 7]}, "typed reason")
    body = problem(ask("POST", rpc_path(release, "testpeer", "leave"), "[gone]", accept=JSON), 502, "callee-exit", sent=True)
    equal((body["class"], body["reason"]), ("exit", "gone"), "exit")
    body = problem(ask("POST", rpc_path(release, "testpeer", "crash_deep"), "[]", accept=JSON), 502, "callee-exit")
    equal((body["class"], body["reason"]), ("error", "badarith"), "deep")
    check(len(body["stacktrace"]) > 1, "stacktrace", body)
    body = problem(ask("POST", rpc_path(release, "erlang", "throw"), "[ball]", accept=JSON), 502, "callee-exit")
    equal((body["class"], body["reason"]), ("throw", "ball"), "throw")
    body = problem(ask("POST", rpc_path(release, "testpeer", "killed"), "[]", accept=JSON), 502, "callee-exit", sent=True)
    equal((body["class"], body["reason"]), ("signal", "killed"), "an exit signal")
    body = problem(ask("POST", rpc_path(release, "testpeer", "slow") + "?timeout=100", "[2000]"), 504, "timeout", sent=True)
    equal(body["retryable"], False, "retryable")


@each("rpc: what a function does not take is told apart from what fails within it")
def test_rpc_with_arguments_that_do_not_fit(release):
    for module, function, body, says in (("os", "getenv", '["PATH"]', release != "23"), ("lists", "reverse", "[1]", True), ("erlang", "hd", "[[]]", True),
                                         ("testpeer", "fail", '[{"$atom": "function_clause"}]', False), ("testpeer", "crash_deep", "[]", False)):
        response = HTTP.request("POST", rpc_path(release, module, function), body, headers={"Content-Type": JSON})
        detail = problem(response, 502, "callee-exit", sent=True)["detail"]
        equal("it takes no such arguments" in detail, says, detail)


@each("rpc: an unknown function: 404 undef")
def test_rpc_of_an_unknown_function(release):
    for module, function, args in (("nomodule", "f", "[]"), ("lists", "nofunction", "[1]"), ("lists", "seq", "[1, 2, 3, 4]"),
                                   ("lists", "nofunction", "[a, \"bc\"]")):
        body = problem(ask("POST", rpc_path(release, module, function), args, accept=JSON), 404, "undef", sent=True)
        equal((body["reason"], body["stacktrace"][0][:2]), ("undef", [module, function]), "reason and frame")
    # One that the function calls is the function's own failure.
    for module, function, args in (("erlang", "apply", "[nomodule, f, []]"), ("testpeer", "fail", "[undef]")):
        body = problem(ask("POST", rpc_path(release, module, function), args, accept=JSON), 502, "callee-exit", sent=True)
        equal(body["reason"], "undef", "reason")


@each("POST …/rpc/{module}/{function}/cast")
def test_rpc_cast(release):
    forget(release)
    accepted(rpc_path(release, "testpeer", "note") + "/cast", "[srv, {by, cast}]")
    eventually(lambda: seen(release) == "[{cast,{by,cast}}]", "the function has run")
    accepted(rpc_path(release, "nomodule", "f") + "/cast", "[]")


# ---- exit


@each("POST …/processes/{name}/exit")
def test_exit_by_name(release):
    mortal(release)
    peer = PEERS[release]
    caught = peer.start_eval("M = monitor(process, mortal), put(m, M), receive {'DOWN', M, _, _, R} -> R end")
    eventually(lambda: peer.eval("{monitored_by, L} = process_info(whereis(mortal), monitored_by), length(L)") == "1", "it is watched")
    accepted(process_path(release, "mortal") + "/exit", '{because, [1, <<"é"/utf8>>]}')
    equal(caught(), '{because,[1,<<"é"/utf8>>]}', "reason")
    problem(ask("POST", process_path(release, "mortal") + "/exit", "x"), 404, "noproc", sent=True)


@each("POST /v1/pids/{pid}/exit")
def test_exit_by_pid(release):
    pid = mortal(release)
    accepted(f"/v1/pids/{segment(pid)}/exit", "normal")  # is ignored by one that does not trap exits
    answers("POST", process_path(release, "mortal") + "/call", "{echo, still}", "still")
    accepted(f"/v1/pids/{segment(pid)}/exit", "kill")
    eventually(lambda: is_gone(release), "it is killed")
    accepted(f"/v1/pids/{segment(pid)}/exit", "kill")  # to nobody: exit/2 has no answer


# ---- Looking at a process


INFO = {"pid", "registered_name", "status", "current_function", "initial_call", "message_queue_len", "memory", "reductions", "links",
        "monitors", "trap_exit"}


@each("GET …/processes/{name}")
def test_looking_by_name(release):
    response = ask("GET", process_path(release), accept=JSON)
    equal((response.status, response.type), (200, JSON), f"GET: {response}")
    info = response.json
    equal(set(info), INFO, "members")
    equal(info["pid"], {"$pid": pid_of(release)}, "pid")
    equal((info["registered_name"], info["status"], info["current_function"][:2], info["trap_exit"], info["message_queue_len"]),
          ("srv", "waiting", ["gen_server", "loop"], False, 0), "info")
    check(info["memory"] > 500 and info["reductions"] > 0, info)
    equal(ask("GET", process_path(release), accept=TYPED).json["status"], {"$atom": "waiting"}, "typed")
    problem(ask("GET", process_path(release, "nobody")), 404, "noproc", sent=True)
    equal(ask("GET", process_path(release, "'srv'") + "?syntax=erlang", accept=JSON).json["registered_name"], "srv", "?syntax=erlang")


@each("GET /v1/pids/{pid}")
def test_looking_by_pid(release):
    pid = pid_of(release)
    answer = ask("GET", f"/v1/pids/{segment(pid)}", accept=JSON)
    equal((answer.status, answer.json["registered_name"]), (200, "srv"), f"GET: {answer}")
    nameless = PEERS[release].eval("S = self(), P = spawn(fun() -> register(n1, self()), unregister(n1), S ! was_named, receive stop -> ok end end),"
                                   "receive was_named -> {raw, term_to_binary(P)} end", kind=bytes)
    text = ask("POST", process_path(release) + "/call", b"\x83h\x02w\x04echo" + nameless[1:], type=ETF, accept=TYPED).json["$pid"]
    equal(ask("GET", f"/v1/pids/{segment(text)}", accept=JSON).json["registered_name"], None, "no name is null")
    dead = mortal(release)
    accepted(f"/v1/pids/{segment(dead)}/exit", "kill")
    eventually(lambda: is_gone(release), "it is killed")
    problem(ask("GET", f"/v1/pids/{segment(dead)}"), 404, "noproc", sent=True)


# ---- global


def registered(release, process, term):
    """A server that may be killed, under a name of the release's own global."""
    mortal(release, process)
    PEERS[release].eval(f"case global:whereis_name({term}) of undefined -> yes = global:register_name({term}, whereis({process})); _ -> ok end")


def own(release, term):
    """No two releases have the same name, for all of them are asked."""
    return f"{{{term}, {release}}}"


def only(release):
    """The other nodes have no say: they are not connected."""
    for other in RELEASES:
        if other != release:
            HTTP.delete(node_path(other))


@each("POST /v1/global/{name}/call, /cast, /send, /exit; GET")
def test_global(release):
    HTTP.put(node_path(release))
    for process, term in (("named1", own(release, "global_kv")), ("named2", own(release, "{global, [1, <<\"k\">>]}"))):
        registered(release, process, term)
        path = f"/v1/global/{segment(term)}"
        answers("POST", path + "/call?syntax=erlang", "{echo, {by, global}}", "{by,global}")
        accepted(path + "/cast?syntax=erlang", "one")
        accepted(path + "/send?syntax=erlang", "two")
        equal(ask("GET", path + "?syntax=erlang", accept=JSON).json["registered_name"], process, "GET")
        for verb, term_sent in (("call", "{echo, 1}"), ("cast", "three"), ("send", "four")):
            to = {"global": {"$erl": term}}
            equal(ask("POST", f"/v1/{verb}", envelope(to, {"$erl": term_sent}), type=JSON).status, 200 if verb == "call" else 202, verb)
        answers("POST", process_path(release, process) + "/call", "seen", "[{cast,one},{info,two},{cast,three},{info,four}]")
        accepted(path + "/exit?syntax=erlang", "kill")
        eventually(lambda: is_gone(release, process), "it is killed")
        eventually(lambda: PEERS[release].eval(f"global:whereis_name({term})") == "undefined", "global has noticed")
        problem(ask("POST", path + "/exit?syntax=erlang", "kill"), 404, "noproc", sent=True)
    # An atom needs no syntax; and in a body a bare string is one.
    registered(release, "named3", f"'plain/{release}'")
    answers("POST", f"/v1/global/{segment(f'plain/{release}')}/call", "{echo, 1}", "1")
    says("call", envelope({"global": f"plain/{release}"}, {"$erl": "{echo, 1}"}), "1")
    nobody = ask("POST", "/v1/global/never_registered/call", "x")
    problem(nobody, 404, "noproc", sent=True)
    equal(nobody.json["retryable"], True, "it had no effect")


def test_global_without_a_node():
    gate = Gateway("alone@localhost", GATE.cookie, f"127.0.0.1:{GATE.epmd_port}", GATE.epmd_port)
    for path in ("/v1/global/x/call", "/v1/groups/pg/x/call"):
        problem(gate.http.post(path, "1", ERL), 503, "no-connection", sent=False)
    gate.stop()


# ---- Groups


GROUP_TERMS = ("workers", "{room, <<\"a/b\">>, 1}", "[]", "\"kv\"")


def join(release, group, scope="pg", count=3):
    """Members w1, w2, …; the last has joined twice."""
    for i in range(1, count + 1):
        mortal(release, f"w{i}")
        PEERS[release].eval(f"pg:join({scope}, {group}, whereis(w{i}))")


def leave(release, group, scope="pg"):
    PEERS[release].eval(f"[pg:leave({scope}, {group}, P) || P <- pg:get_local_members({scope}, {group})]")


@each("POST /v1/groups/{scope}/{group}/call?to=any")
def test_calls_to_any_of_a_group(release):
    for group in GROUP_TERMS:
        join(release, own(release, group))
        HTTP.put(node_path(release))
        path = f"/v1/groups/pg/{segment(own(release, group))}/call?syntax=erlang"
        pids = {ask("POST", path + more, "whoami").text for more in ("", "&to=any", "&to=any", "&to=any")}
        equal(len(pids), 3, "each has its turn")
        says("call", envelope({"scope": "pg", "group": {"$erl": own(release, group)}}, {"$erl": "{echo, {me}}"}), "{me}")
        leave(release, own(release, group))
        eventually(lambda: ask("POST", path, "whoami").status == 404, "the group is empty")
        problem(ask("POST", path, "whoami"), 404, "noproc", sent=False)
    # A name of one's own is an atom.
    PEERS[release].eval(f"pg:join('g/{release}', whereis(w1))")
    path = f"/v1/groups/pg/{segment('g/' + release)}"
    eventually(lambda: ask("POST", path + "/call", "{echo, 1}").status == 200, "it has joined")
    says("call", envelope({"scope": "pg", "group": f"g/{release}", "mode": "any"}, {"$erl": "{echo, 2}"}), "2")


@each("POST /v1/groups/{scope}/{group}/call?to=all")
def test_calls_to_all_of_a_group(release):
    group = own(release, "all")
    join(release, group)
    only(release)
    path = f"/v1/groups/pg/{segment(group)}"
    reply = eventually(lambda: ask("POST", path + "/call?syntax=erlang&to=all", "{echo, here}", accept=TYPED).json, "members")
    equal(sorted(p["pid"]["$pid"] for p in reply), sorted(pid_of(release, f"w{i}") for i in (1, 2, 3)), "pids")
    check(all(p["reply"] == {"$atom": "here"} for p in reply), reply)
    to = {"scope": "pg", "group": {"$erl": group}, "mode": "all"}
    equal(len(ask("POST", "/v1/call", envelope(to, {"$erl": "{echo, 1}"}), type=JSON, accept=JSON).json), 3, "by body")
    # Each fails for itself.
    PEERS[release].eval("sys:suspend(w1)")
    reply = ask("POST", path + "/call?syntax=erlang&to=all&timeout=300", "{echo, here}", accept=JSON).json
    equal(sorted("reply" if "reply" in p else p["error"]["code"] for p in reply), ["reply", "reply", "timeout"], reply)
    equal({p["error"]["sent"] for p in reply if "error" in p}, {True}, "sent")
    PEERS[release].eval("sys:resume(w1)")
    reply = ask("POST", path + "/call?syntax=erlang&to=all", "{leave, {odd, 1}}", accept=JSON).json
    equal([(p["error"]["code"], p["error"]["reason"], p["error"]["class"]) for p in reply], [("callee-exit", ["odd", 1], "exit")] * 3, reply)
    problem(ask("POST", path + "/call?syntax=erlang&to=all&unwrap=ok", "x"), 400, "bad-parameter", sent=False)


@each("POST /v1/groups/{scope}/{group}/cast, /send, /exit; GET")
def test_groups(release):
    group = own(release, "some")
    join(release, group)
    path = f"/v1/groups/pg/{segment(group)}"
    only(release)
    infos = eventually(lambda: ask("GET", path + "?syntax=erlang", accept=JSON).json, "members")
    equal(sorted(i["registered_name"] for i in infos), ["w1", "w2", "w3"], "GET")
    check(ask("GET", path + "?syntax=erlang&to=any", accept=JSON).json["registered_name"] in ("w1", "w2", "w3"), "GET of any")
    for i in (1, 2, 3):
        answers("POST", process_path(release, f"w{i}") + "/call", "forget", "ok")
    accepted(path + "/cast?syntax=erlang", "one")
    accepted(path + "/send?syntax=erlang&to=all", "two")
    accepted(path + "/cast?syntax=erlang&to=any", "three")
    got = [ask("POST", process_path(release, f"w{i}") + "/call", "seen").text.strip() for i in (1, 2, 3)]
    equal(sorted(got), ["[{cast,one},{info,two},{cast,three}]", "[{cast,one},{info,two}]", "[{cast,one},{info,two}]"], "seen")
    accepted("/v1/send", envelope({"scope": "pg", "group": {"$erl": group}}, 4), type=JSON)
    eventually(lambda: ask("POST", process_path(release, "w1") + "/call", "seen").text.strip().endswith("{info,4}]"), "by body")
    accepted(path + "/exit?syntax=erlang", "kill")
    eventually(lambda: all(is_gone(release, f"w{i}") for i in (1, 2, 3)), "all are killed")


@each("a pg scope of one's own; one that nobody has")
def test_scopes(release):
    scope = f"scope{release}"
    path = f"/v1/groups/{scope}/kv/call"
    problem(ask("POST", path, "whoami"), 404, "noproc", sent=False)
    PEERS[release].eval(f"pg:start({scope})")
    join(release, "kv", scope, 1)
    HTTP.put(node_path(release))
    # The first request is answered: it waits until the scope is known, however long that takes.
    answers("POST", path, "{echo, found}", "found")
    accepted(f"/v1/groups/{scope}/kv/send", "x")
    # A scope that starts later is found by the next request.
    later = f"later{release}"
    problem(ask("POST", f"/v1/groups/{later}/kv/call", "x"), 404, "noproc", sent=False)
    PEERS[release].eval(f"pg:start({later})")
    join(release, "kv", later, 1)
    answers("POST", f"/v1/groups/{later}/kv/call", "{echo, found}", "found")
    PEERS[release].eval(f"[gen_server:stop(S) || S <- [{scope}, {later}]]")
    for gone in (scope, later):
        eventually(lambda: ask("POST", f"/v1/groups/{gone}/kv/call", "whoami").status == 404, "the scope has gone")


@each("a scope that is no scope gets no message")
def test_what_is_no_scope_gets_no_message(release):
    """A server that has no clause for {discover, Pid} would end of it."""
    peer, name = PEERS[release], f"strict{release}"
    HTTP.put(node_path(release))
    # (Processes that end of any message: one of no behaviour, and a gen_server.)
    peer.eval(f"register({name}, P = spawn(fun() -> receive X -> exit({{function_clause, X}}) end end)), P")
    for _ in range(3):
        answer = ask("POST", f"/v1/groups/{name}/kv/call", "1")
        problem(answer, 404, "noproc", sent=False)
        check("is no scope of pg; nothing was sent to it" in answer.json["detail"], answer.json["detail"])
    check(peer.eval(f"is_pid(whereis({name}))") == "true", "it has got no message")
    # In its place a scope is started, which is found at the next request.
    peer.eval(f"exit(whereis({name}), kill), testpeer:reached(fun() -> whereis({name}) =:= undefined end, 5000), pg:start({name})")
    join(release, "kv", name, 1)
    answers("POST", f"/v1/groups/{name}/kv/call", "{echo, found}", "found")
    peer.eval(f"gen_server:stop({name})")
    eventually(lambda: ask("POST", f"/v1/groups/{name}/kv/call", "1").status == 404, "the scope has gone")
    before = peer.eval("gen_server:call(srv, seen)")
    for verb in ("call", "cast", "send"):
        problem(ask("POST", f"/v1/groups/srv/kv/{verb}", "1"), 404, "noproc", sent=False)
    equal(peer.eval("gen_server:call(srv, seen)"), before, "messages that the server has got")


def test_a_scope_with_a_name_of_ours():
    problem(ask("POST", "/v1/groups/net_kernel/x/call", "1"), 409, "name-taken", sent=False)


def test_scopes_that_nobody_has_leave_nothing():
    HTTP.put(node_path("27"))
    before = GATE.self()["processes"]
    for i in range(50):
        body = problem(ask("POST", f"/v1/groups/nobody{i}/x/send", "1"), 404, "noproc", sent=False)
        check(f"is in group x of the scope 'nobody{i}';" in body["detail"], body)
        problem(ask("POST", f"/v1/groups/nobody{i}/x/call?to=all&unwrap=ok", "1"), 400, "bad-parameter", sent=False)
    long = segment('"' + "x" * 300 + '"')
    body = problem(ask("POST", f"/v1/groups/nobody/{long}/send?syntax=erlang", "1"), 404, "noproc", sent=False)
    check("is in group (a long one) of the scope" in body["detail"], body)
    eventually(lambda: GATE.self()["processes"] <= before, "no process is left of them")


# ---- Nodes


def pages(path, key, limit):
    """All of a list, page by page."""
    found, path = [], f"{path}?limit={limit}"
    while path:
        response = HTTP.get(path)
        equal((response.status, response.type), (200, JSON), f"{path}: {response}")
        page = response.json[key]
        check(len(page) <= limit, "a page of", len(page))
        found += page
        link = response.header("link")
        check(bool(link) == bool(link and len(page) == limit), "a page that is not full has a next one")
        path = re.fullmatch(r'<(.*)>; rel="next"', link).group(1) if link else None
    return found


@each("GET /v1/nodes; /v1/nodes/{node}")
def test_nodes(release):
    HTTP.put(node_path(release))
    info = HTTP.get(node_path(release)).json
    equal((info["node"], info["state"], info["type"], info["otp_release"], info["in_epmd"], info["configured"]),
          (name(release), "connected", "hidden", release, True, False), "node")
    check(info["creation"] > 3 and info["received"]["messages"] > 0 and info["sent"]["bytes"] > 0 and info["queued_bytes"] == 0, info)
    equal(next(n["otp_release"] for n in HTTP.get("/v1/nodes").json["nodes"] if n["node"] == name(release)), release, "in the list")
    equal(HTTP.put(node_path(release)).json["otp_release"], release, "PUT")
    HTTP.delete(node_path(release))
    info = HTTP.get(node_path(release)).json
    equal(info, {"node": name(release), "state": "down", "in_epmd": True, "configured": False}, "a node that EPMD alone knows")
    HTTP.put(node_path(release))


def test_nodes_that_are_only_configured_or_gone():
    gate = Gateway("second@localhost", GATE.cookie, f"127.0.0.1:{GATE.epmd_port}", GATE.epmd_port, ["--peer", "far@host=127.0.0.1:1"])
    info = {n["node"]: n for n in gate.http.get("/v1/nodes").json["nodes"]}
    equal(info["far@host"], {"node": "far@host", "state": "down", "configured": True, "in_epmd": False}, "configured")
    # The EPMD is another program's: its names are there once it has been asked.
    eventually(lambda: name("29") in [n["node"] for n in gate.http.get("/v1/nodes").json["nodes"]], "found in EPMD")
    check("second@localhost" in [n["node"] for n in HTTP.get("/v1/nodes").json["nodes"]], "the second gateway")
    equal(gate.http.get("/v1/epmd").json, {"embedded": False, "port": GATE.epmd_port, "names": []}, "an EPMD that is not ours")
    # A node that is no OTP does not say what it runs.
    equal(gate.http.put(f"/v1/nodes/{segment(GATE.node)}").json["otp_release"], None, "a gateway")
    # What was tried in vain says why.
    problem(gate.http.put("/v1/nodes/far@host"), 503, "no-connection", sent=False)
    failure = gate.http.get("/v1/nodes/far@host").json["last_failure"]
    equal((failure["code"], failure["detail"]), ("no-connection", "its port does not accept a connection: does it run?"), "last_failure")
    check(0 <= failure["ago_ms"] < 5000 * peers.SLOWER, failure)
    gate.stop()
    eventually(lambda: HTTP.get("/v1/nodes/second@localhost").status == 404, "forgotten")
    problem(HTTP.get("/v1/nodes/never@heard"), 404, "not-found", sent=False)


def test_pages_of_nodes():
    every = [n["node"] for n in HTTP.get("/v1/nodes").json["nodes"]]
    equal(every, sorted(every), "order")
    for limit in (1, 2, 3, len(every)):
        equal([n["node"] for n in pages("/v1/nodes", "nodes", limit)], every, f"limit={limit}")
    for query in ("limit=0", "limit=1001", "limit=x", "limit=1&limit=1", "cursor=", "cursor=***", "nope=1"):
        problem(HTTP.get("/v1/nodes?" + query), 400, "bad-parameter", sent=False)


@each("GET /v1/nodes/{node}/processes")
def test_registered_names(release):
    names = HTTP.get(f"{node_path(release)}/processes").json["names"]
    check({"srv", "net_kernel", "rex", "init"} <= set(names) and names == sorted(names), names)
    equal(names, json.loads(PEERS[release].eval("lists:sort([atom_to_list(N) || N <- registered()])")), "all of them")
    equal(pages(f"{node_path(release)}/processes", "names", 7), names, "pages")
    problem(HTTP.get(f"{node_path(release)}/processes?limit=0"), 400, "bad-parameter", sent=False)


def test_registered_names_of_the_gateway():
    names = HTTP.get(f"/v1/nodes/{segment(GATE.node)}/processes").json["names"]
    check({"net_kernel", "rex"} <= set(names), names)
    problem(HTTP.get("/v1/nodes/nobody@localhost/processes"), 503, "no-connection", sent=False)


@each("GET /v1/epmd")
def test_the_name_server(release):
    info = HTTP.get("/v1/epmd").json
    equal((info["embedded"], info["port"]), (True, GATE.epmd_port), "EPMD")
    entry = next(n for n in info["names"] if n["name"] == name(release).split("@")[0])
    equal((entry["type"], entry["highest"], entry["creation"]), ("visible", 6, HTTP.get(node_path(release)).json["creation"]), entry)


# ---- All names in the body


def to_name(release, process="srv"):
    return {"node": name(release), "name": process}


def envelope(to, request, **more):
    return json.dumps({"to": to, "request": request, **more})


def says(verb, body, wanted, status=200, query=""):
    answers("POST", f"/v1/{verb}{query}", body, wanted, status, type=JSON)


@each("POST /v1/call")
def test_call_by_body(release):
    says("call", envelope(to_name(release), {"$erl": "{echo, {a, <<\"b\">>}}"}), '{a,<<"b">>}')
    says("call", envelope({"pid": pid_of(release)}, {"$tuple": [{"$atom": "echo"}, {"k": [1.5, None]}]}), '#{<<"k">> => [1.5,null]}')
    says("call", envelope(to_name(release), {"$erl": "{echo, {ok, 1}}"}, timeout=2000), "1", query="?unwrap=ok")
    says("call", f'{{"request" : {{"$atom":"whoami"}} , "to": {{"name":"s\\u0072v", "node": "{name(release)}"}} }}', f"#Pid<{pid_of(release)}>")
    problem(ask("POST", "/v1/call", envelope(to_name(release, "nobody"), 1), type=JSON), 404, "noproc", sent=True)
    problem(ask("POST", "/v1/call", envelope(to_name(release), {"$atom": "never"}, timeout=150), type=JSON), 504, "timeout", sent=True)
    for process in ("my/server", "100%", "with space", "it's", "Elixir.My.Server", "日本"):
        PEERS[release].eval("N = binary_to_atom(<<" + ",".join(map(str, process.encode())) + ">>, utf8), testpeer:serve(N)")
        says("call", envelope(to_name(release, process), {"$erl": "{echo, here}"}), "here")
        quoted = "'" + process.replace("'", "\\'") + "'"
        answers("POST", process_path(release, quoted) + "/call?syntax=erlang", "{echo, here}", "here")
        answers("POST", process_path(release, process) + "/call", "{echo, here}", "here")


@each("POST /v1/cast, /v1/send")
def test_cast_and_send_by_body(release):
    forget(release)
    accepted("/v1/cast", envelope(to_name(release), {"a": 1}), type=JSON)
    accepted("/v1/send", envelope({"pid": pid_of(release)}, "text"), type=JSON)
    equal(seen(release), '[{cast,#{<<"a">> => 1}},{info,<<"text">>}]')


@each("POST /v1/exit")
def test_exit_by_body(release):
    for to in (to_name(release, "mortal"), {"pid": mortal(release)}):
        mortal(release)
        accepted("/v1/exit", envelope({"pid": mortal(release)} if "pid" in to else to, {"$atom": "kill"}), type=JSON)
        eventually(lambda: is_gone(release), "it is killed")


@each("POST /v1/rpc, /v1/rpc/cast")
def test_rpc_by_body(release):
    function = {"node": name(release), "module": "lists", "function": "reverse"}
    says("rpc", envelope(function, [[1, 2, {"$atom": "a"}]]), "[a,2,1]")
    problem(ask("POST", "/v1/rpc", envelope({**function, "function": "nope"}, []), type=JSON), 404, "undef", sent=True)
    forget(release)
    accepted("/v1/rpc/cast", envelope({**function, "module": "testpeer", "function": "note"}, [{"$atom": "srv"}, 7]), type=JSON)
    eventually(lambda: seen(release) == "[{cast,7}]", "the function has run")


def test_bodies_that_are_wrong():
    to = f'{{"node": "{name("27")}", "name": "srv"}}'
    for verb, body, code, wanted in (
            ("call", "", "bad-term", {}), ("call", "[]", "bad-parameter", {"pointer": "", "line": 1, "column": 1}),
            ("call", "{}", "bad-parameter", {"pointer": ""}), ("call", '{"request": 1}', "bad-parameter", {"pointer": ""}),
            ("call", f'{{"to": {to}}}', "bad-parameter", {"pointer": ""}),
            ("call", f'{{"to": {to}, "request": 1, "more": 2}}', "bad-parameter",
             {"pointer": "/more", "column": len(to) + 24, "detail": "there is no member 'more' here: there are to, request, timeout, from"}),
            ("call", '{"a/b~c": 1}', "bad-parameter", {"pointer": "/a~1b~0c", "column": 2}),
            ("call", '{"%s": 1}' % ("/" * 100), "bad-parameter", {"pointer": "/" + "~1" * 100}),
            ("call", '{"%s": 1}' % ("x" * 101), "bad-parameter", {"pointer": ""}),
            ("call", '{"%s": 1}' % ("x" * 99 + "é"), "bad-parameter", 
             {"pointer": "", "detail": f"there is no member '{'x' * 99}…' here: there are to, request, timeout, from"}),
            ("call", '{"to\\u0000": 1}', "bad-parameter",
             {"pointer": "", "detail": "there is no member 'to…' here: there are to, request, timeout, from"}),
            ("call", f'{{"to": {to}, "request": 1, "request": 2}}', "bad-parameter", {"pointer": "/request", "column": len(to) + 24}),
            ("call", '{"to": {"node": "a@b", "node": "a@b"}, "request": 1}', "bad-parameter", {"pointer": "/to/node", "column": 24}),
            ("call", '{"to": {"node": "a@b", "nome": "x"}, "request": 1}', "bad-parameter", {"pointer": "/to/nome", "column": 24}),
            ("call", '{"to": {"%s": "x"}, "request": 1}' % ("~" * 100), "bad-parameter", {"pointer": "/to/" + "~0" * 100}),
            ("call", '{"to": {"node": "a@b"}, "request": 1}', "bad-parameter", {"pointer": "/to", "column": 8}),
            ("call", '{"to": {"node": "a@b", "name": "x", "pid": "a@b:1:0:1"}, "request": 1}', "bad-parameter", {"pointer": "/to"}),
            ("call", '{"to": {"node": "a@b", "module": "m", "function": "f"}, "request": []}', "bad-parameter", {"pointer": "/to"}),
            ("rpc", f'{{"to": {to}, "request": []}}', "bad-parameter", {"pointer": "/to"}),
            ("call", '{"to": 5, "request": 1}', "bad-parameter", {"pointer": "/to", "column": 8}),
            ("call", '{"to": {"node": 5, "name": "x"}, "request": 1}', "bad-parameter", {"pointer": "/to/node", "column": 17}),
            ("call", '{"to": {"scope": "a", "group": "x", "mode": "some"}, "request": 1}', "bad-parameter", None),
            ("call", '{"to": {"group": "x", "mode": "all"}, "request": 1}', "bad-parameter",
             {"pointer": "/to", "detail": 'to has a group, and wants its scope as well: {"scope": "pg", "group": ...}'}),
            ("call", '{"to": {"node": "nohost", "name": "x"}, "request": 1}', "bad-parameter", None),
            ("call", '{"to": {"pid": "x"}, "request": 1}', "bad-parameter", None),
            ("call", f'{{"to": {to}, "request": 1, "timeout": 0}}', "bad-parameter", None),
            ("call", f'{{"to": {to}, "request": 1, "timeout": 1.5}}', "bad-parameter", None),
            ("call", f'{{"to": {to}, "request": 1, "timeout": "5"}}', "bad-parameter", {"pointer": "/timeout"}),
            ("call?timeout=5", f'{{"to": {to}, "request": 1, "timeout": 5}}', "bad-parameter", {"pointer": "/timeout"}),
            ("call", f'{{"to": {to}, "request": 1, "from": 5}}', "bad-parameter", {"pointer": "/from"}),
            # In the request: the place is that in the whole body.
            ("call", f'{{"to": {to},\n "request": [1, {{"$nope": 2}}]}}', "bad-term", {"pointer": "/request/1/$nope", "line": 2, "column": 18}),
            ("call", f'{{"to": {to},\n "request": [1, tru]}}', "bad-term", {"pointer": "/request/1", "line": 2, "column": 17}),
            ("call", f'{{"to": {to},\n "request": [1, 2}}', "bad-term", {"line": 2, "column": 18}),
            ("call", f'{{"to": {to}, "request": [1', "bad-term", {"pointer": "/request/0"}),
            ("call", f'{{"to": {to}, "request": , "timeout": 1}}', "bad-term", {}), ("call", f'{{"to": {to}, "request": 1 2}}', "bad-term", {}),
            ("call", f'{{"to": {to}, "request": 1}} x', "bad-term", {}), ("call", f'{{"to": {to}, "request": "\\ud800"}}', "bad-term", {"pointer": "/request"}),
            ("call", '{"to": {"global": {"$tuple": [1, {"$nope": 1}]}}, "request": 1}', "bad-term", {"pointer": "/to/global/$tuple/1/$nope"})):
        response = ask("POST", f"/v1/{verb}", body, type=JSON)
        try:
            found = problem(response, 400, code, sent=False)
            for member, value in (wanted or {}).items():
                equal(found["errors"][0].get(member), value, member)
            check(code == "bad-term" or found["parameter"], "no parameter")
        except (Failed, KeyError) as error:
            raise Failed(f"{body}: {error!r}; {response}") from None
    deep = f'{{"to": {to}, "request": {"[" * 100_000}'
    equal(problem(ask("POST", "/v1/call", deep, type=JSON), 413, "too-deep", sent=False)["errors"][0]["pointer"][:11], "/request/0/", "pointer")
    tuples = '{"$tuple": [' * 500 + "]}" * 500
    body = ask("POST", "/v1/call", f'{{"to": {to}, "request": {{"$tuple": [{{"$atom": "echo"}}, {tuples}]}}}}', type=JSON)
    equal((body.status, body.text.strip()), (200, "{" * 500 + "}" * 500), "500 tuples")
    for type in (ERL, ETF):
        problem(ask("POST", "/v1/call", "{}", type=type), 415, "unsupported-media-type", sent=False)
    equal(ask("POST", "/v1/call", envelope(to_name("27"), {"$erl": "{echo, 1}"}), type="application/x-www-form-urlencoded").status, 200, "curl's type")


# ---- In the name of a process that HTTP has made


@each("?from={id}, and from in the body")
def test_from(release):
    made = HTTP.post("/v1/processes", "{}", JSON).json
    for path, body, type in ((process_path(release) + f"/call?from={made['id']}", "caller", ERL),
                             ("/v1/call", envelope(to_name(release), {"$atom": "caller"}, **{"from": made["id"]}), JSON)):
        answers("POST", path, body, f"#Pid<{made['pid']}>", type=type)
    # Its links hear of an exit that it sends: a process that traps exits is told who did it.
    accepted("/v1/send", envelope(to_name(release), 1, **{"from": made["id"]}), type=JSON)
    body = envelope(to_name(release), 1)[:-1] + f', "from": "{made["id"]}"}}'
    equal(problem(ask("POST", f"/v1/send?from={made['id']}", body, type=JSON), 400, "bad-parameter", sent=False)["parameter"], "from", "twice")
    HTTP.delete(f"/v1/processes/{made['id']}")


# ---- What goes wrong


@each("rpc: the node dies meanwhile: 502 nodedown")
def test_rpc_of_a_node_that_dies(release):
    peer = Peer(release, f"mortal{release}@localhost", GATE.epmd_port, GATE.cookie).ready()
    path = f"/v1/nodes/{segment(peer.node)}"
    problem(ask("POST", f"{path}/rpc/erlang/halt?timeout=20000", "[0]"), 502, "nodedown", sent=True)
    peer.stop()
    for method, rest, body in (("POST", "rpc/lists/seq", "[1, 2]"), ("POST", "rpc/lists/seq/cast", "[1, 2]"), ("POST", "processes/x/exit", "x"),
                               ("GET", "processes/x", None), ("GET", "processes", None)):
        found = problem(ask(method, f"{path}/{rest}", body), 503, "no-connection", sent=False)
        equal(found["retryable"], True, rest)


@each("a link's queue is full: 503 overloaded")
def test_a_queue_that_is_full(release):
    """The node stands still: what is sent to it waits, until there is too much."""
    peer = Peer(release, f"slow{release}@localhost", GATE.epmd_port, GATE.cookie).ready()
    peer.eval("testpeer:serve(srv)")
    path = f"/v1/nodes/{segment(peer.node)}/processes/srv"
    answers("POST", path + "/call", "{echo, 1}", "1")
    for pid in [peer.proc.pid] + descendants(peer.proc.pid):
        peers.freeze(pid)
    try:
        body = b"\x83m" + (8_000_000).to_bytes(4, "big") + bytes(8_000_000)
        answer = next(a for a in (ask("POST", path + "/send", body, type=ETF) for _ in range(40)) if a.status != 202)
        found = problem(answer, 503, "overloaded", sent=False)
        equal((found["retryable"], answer.header("retry-after")), (True, "1"), "retryable, Retry-After")
        equal(problem(ask("POST", path + "/call", "x"), 503, "overloaded", sent=False)["retryable"], True, "a call")
        check(HTTP.get(f"/v1/nodes/{segment(peer.node)}").json["queued_bytes"] > 60 << 20, "queued_bytes")
    finally:
        for pid in [peer.proc.pid] + descendants(peer.proc.pid):
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: ask("POST", path + "/call?timeout=20000", "{echo, again}").text.strip() == "again", "all is as before", 30)
    peer.stop()


def test_what_a_node_that_is_no_beam_cannot_say():
    """A C node, of which another gateway is one, has neither erlang:registered/0 nor whereis/1."""
    gate = Gateway("other@localhost", GATE.cookie, f"127.0.0.1:{GATE.epmd_port}", GATE.epmd_port)
    made = gate.http.post("/v1/processes", {"name": "its_own"}, JSON).json
    base = "/v1/nodes/other@localhost/processes"
    for method, path, says in (("GET", base, "erlang:registered/0"), ("GET", f"{base}/its_own", "erlang:whereis/1"),
                               ("GET", f"/v1/pids/{made['pid']}", "erlang:process_info/2"), ("POST", f"{base}/its_own/exit", "erlang:whereis/1")):
        answer = problem(HTTP.request(method, path, '"kill"' if method == "POST" else None, {"Content-Type": JSON} if method == "POST" else {}),
                         422, "unsupported-by-peer", sent=True)
        check(says in answer["detail"], answer)
    gate.stop()


def test_reasons_can_be_hidden():
    """What has crashed, and not why: its last words may hold what it knows."""
    gate = Gateway("discreet@localhost", GATE.cookie, f"127.0.0.1:{GATE.epmd_port}", GATE.epmd_port, ["--hide-reasons"])
    peer, base = PEERS["27"], f"/v1/nodes/{segment(name('27'))}"
    peer.eval("testpeer:serve(doomed_1), testpeer:serve(doomed_2), testpeer:serve(doomed_3), testpeer:serve(doomed_4), "
              "testpeer:serve(doomed_5), pg:join(doomed, whereis(doomed_2))")
    gate.http.put(base)
    eventually(lambda: gate.http.post("/v1/groups/pg/doomed/cast?syntax=erlang", "x", ERL).status == 202, "the group is known")
    for path, body, klass in ((f"{base}/rpc/erlang/error", "[s3cret]", "error"), (f"{base}/rpc/erlang/throw", "[s3cret]", "throw"),
                              (f"{base}/processes/doomed_1/call", "{leave, {s3cret, []}}", "exit")):
        response = gate.http.post(path, body, ERL)
        answer = problem(response, 502, "callee-exit", sent=True)
        equal((answer["class"], "reason" in answer, "stacktrace" in answer, "s3cret" in response.text), (klass, False, False, False), path)
        check("its node's log says how" in answer["detail"], answer)
        check("rpc" not in path or f"(erlang:{path.rpartition('/')[2]}/1)" in answer["detail"], answer)
    response = gate.http.post("/v1/groups/pg/doomed/call?syntax=erlang&to=all", "{leave, {s3cret, []}}", ERL)
    check("callee-exit" in response.text and "s3cret" not in response.text, response)
    monitor = EventStream(gate.port, f"{base}/processes/doomed_3/monitor")
    monitor.next("monitor")
    gate.http.post(f"{base}/processes/doomed_3/call", "{leave, {s3cret, []}}", ERL)
    equal(monitor.next("down").data["reason"], "crashed", "reason of the monitor")
    for server, why, wanted in (("doomed_4", "{s3cret, []}", "crashed"), ("doomed_5", "{shutdown, old}", ["shutdown", "old"])):
        made = gate.http.post("/v1/processes", "{}", JSON).json["id"]  # which ends with what it is linked to
        pid = gate.http.get(f"{base}/processes/{server}").json["pid"]["$pid"]
        equal(gate.http.post(f"/v1/processes/{made}/links", {"target": f"/pids/{pid}"}, JSON).status, 201, "linked")
        stream = EventStream(gate.port, f"/v1/processes/{made}/events")
        gate.http.post(f"{base}/processes/{server}/call", f"{{leave, {why}}}", ERL)
        equal(stream.next("exit").data["reason"], wanted, "reason of its own end")
    gate.stop()


def test_the_budget_of_atoms():
    """Every name counts, wherever it stands."""
    gate = Gateway("small@localhost", GATE.cookie, f"127.0.0.1:{GATE.epmd_port}", GATE.epmd_port, ["--atom-budget", "6"])
    node = name("27")
    equal(gate.http.post(f"/v1/nodes/{segment(node)}/rpc/lists/seq", "[1, 2]", ERL).status, 200, "names that are known")
    before = gate.self()["atoms_introduced"]
    for i in range(10):
        problem(gate.http.get(f"/v1/nodes/looked{i}@at"), 404, "not-found", sent=False)
        problem(gate.http.delete(f"/v1/nodes/looked{i}@at"), 404, "not-found", sent=False)
    equal(gate.self()["atoms_introduced"], before, "who looks introduces none")
    spent = [gate.http.post(f"/v1/nodes/{segment(node)}/rpc/lists/made_up_{i}", "[]", ERL) for i in range(7)]
    problem(spent[-1], 422, "atom-budget-exceeded", sent=False)
    for method, path, body in (
            ("POST", f"/v1/nodes/{segment(node)}/rpc/made_up/seq", "[]"), ("POST", f"/v1/nodes/{segment(node)}/rpc/lists/made_up", "[]"),
            ("POST", "/v1/global/made_up/call", "1"), ("POST", "/v1/global/%7Bmade_up%7D/call?syntax=erlang", "1"),
            ("POST", "/v1/groups/made_up/lists/call", "1"), ("POST", "/v1/groups/lists/made_up/call", "1"), ("GET", "/v1/nodes/made@up/processes", None),
            ("POST", "/v1/call", '{"to": {"global": "made_up"}, "request": 1}'), ("POST", "/v1/call", '{"to": {"global": {"$atom": "made_up"}}, "request": 1}'),
            ("POST", "/v1/call", '{"to": {"scope": "made_up", "group": "lists"}, "request": 1}'),
            ("POST", "/v1/rpc", f'{{"to": {{"node": "{node}", "module": "made_up", "function": "f"}}, "request": []}}'),
            ("POST", "/v1/call", f'{{"to": {{"node": "{node}", "name": "made_up"}}, "request": 1}}')):
        headers = {"Content-Type": JSON if path in ("/v1/call", "/v1/rpc") else ERL}
        problem(gate.http.request(method, path, body, headers if body else {}), 422, "atom-budget-exceeded", sent=False)
    gate.stop()


def test_traces():
    """Taken, made, echoed, and in the log, whatever the answer is."""
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for method, path, body in (("GET", "/v1/self", None), ("GET", "/v1/nowhere", None), ("POST", process_path("27", "nobody") + "/call", "x"),
                               ("POST", process_path("27") + "/call", "{echo, 1}"), ("POST", process_path("27") + "/send", "1")):
        response = ask(method, path, body, X_Request_Id="id-of-mine", traceparent=given)
        equal((response.header("x-request-id"), response.header("traceparent")), ("id-of-mine", given), path)
        response = ask(method, path, body)
        check(re.fullmatch("[0-9a-f]{16}", response.header("x-request-id")), "made", response.header("x-request-id"))
        check(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", response.header("traceparent")), "made", response.header("traceparent"))
        if response.status >= 400:
            line = f"request_id={response.header('x-request-id')} traceparent={response.header('traceparent')}"
            eventually(lambda: line in GATE.log.read_text(), "a line in the log")
            equal(response.json["request_id"], response.header("x-request-id"), "request_id")


# ---- Clients that leave, and a gateway that stops


def waiting(port, release, group):
    """Sockets with a request each that nothing answers, in whatever way it waits."""
    sockets = []
    for path, body in ((process_path(release) + "/call", "never"), (rpc_path(release, "testpeer", "slow"), "[60000]"),
                       (f"/v1/groups/pg/{segment(group)}/call?syntax=erlang&to=all", "never"),
                       (f"/v1/groups/pg/{segment(group)}/call?syntax=erlang", "never"),
                       (f"/v1/global/{segment(group)}/call?syntax=erlang", "never")):
        client = socket.create_connection(("127.0.0.1", port))
        mark = "&" if "?" in path else "?"
        client.sendall(f"POST {path}{mark}timeout=60000 HTTP/1.1\r\nHost: localhost\r\nContent-Type: {ERL}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        sockets.append(client)
    return sockets


@each("a client leaves while it waits")
def test_clients_that_leave(release):
    group = own(release, "patient")
    join(release, group)
    only(release)
    registered(release, "w1", group)
    eventually(lambda: ask("POST", f"/v1/groups/pg/{segment(group)}/cast?syntax=erlang", "x").status == 202, "members")
    watched = "[begin {monitored_by, L} = process_info(whereis(N), monitored_by), length([P || P <- L, node(P) =/= node()]) end || N <- [srv, w1, w2, w3]]"
    eventually(lambda: PEERS[release].eval(watched) == "[0,0,0,0]", "no monitor before")
    clients = waiting(GATE.port, release, group)
    eventually(lambda: GATE.self()["calls"] == 7, f"all wait: {GATE.self()}")
    for client in clients:
        client.close()
    eventually(lambda: GATE.self()["calls"] == 0, "none waits any more", 15)
    eventually(lambda: PEERS[release].eval(watched) == "[0,0,0,0]", "no monitor after")
    leave(release, group)


def test_a_gateway_that_stops_while_many_wait():
    release, group = "27", own("27", "patient")
    gate = Gateway("stopping@localhost", GATE.cookie, f"127.0.0.1:{GATE.epmd_port}", GATE.epmd_port, ["--stop-timeout", "100"])
    join(release, group)
    gate.http.put(node_path(release))
    eventually(lambda: gate.http.post(f"/v1/groups/pg/{segment(group)}/cast?syntax=erlang", "x", ERL).status == 202, "members")
    clients = waiting(gate.port, release, group)
    eventually(lambda: gate.self()["calls"] == 7, f"all wait: {gate.self()}")
    gate.stop()
    for client in clients:
        client.close()
    leave(release, group)


# ---- Options that all have


@each("Preference-Applied; the smallest deadline wins")
def test_preferences(release):
    for path, body in ((process_path(release) + "/call", "{echo, 1}"), (process_path(release) + "/cast", "1"), (process_path(release) + "/send", "1"),
                       (rpc_path(release, "testpeer", "echo"), "[1]"), (rpc_path(release, "testpeer", "echo") + "/cast", "[1]"),
                       (process_path(release), None), (node_path(release) + "/ping", None)):
        response = ask("POST" if body else "GET", path, body, Prefer="wait=3")
        check(response.status in (200, 202), path, response)
        equal(response.header("preference-applied"), "wait=3", path)
    for headers in ({"Prefer": "wait=1"}, {"Grpc-Timeout": "100m"}, {"Prefer": "wait=100", "Grpc-Timeout": "100m"}):
        problem(ask("POST", rpc_path(release, "testpeer", "slow") + "?timeout=3000", "[2500]", **headers), 504, "timeout", sent=True)


@each("nobody there, named in the body: it is said who")
def test_nobody_of_an_envelope(release):
    body = problem(HTTP.post("/v1/call", json.dumps({"to": {"node": name(release), "name": "nobody"}, "request": 1}), JSON), 404, "noproc", sent=True)
    check("'v1'" not in body["detail"] and name(release) in body["detail"], body)


@each("a reply over --max-reply: 502, and the link stays")
def test_a_reply_that_is_too_large(release):
    problem(ask("POST", process_path(release) + "/call", "{bytes, 2000000}"), 502, "reply-too-large", sent=True)
    problem(ask("POST", rpc_path(release, "binary", "copy"), "[<<\"x\">>, 2000000]"), 502, "reply-too-large", sent=True)
    answers("POST", process_path(release) + "/call", "{echo, fine}", "fine")


@each("what is over 128 MiB: 502, and the link stays")
def test_what_no_message_may_be(release):
    """Replies by both ways, a reason, a message, the arguments of a spawn: all who use the link go on."""
    peer, watcher = PEERS[release], f"watcher_{release}"
    downs = len(GATE.lines("link-down"))
    made = HTTP.post("/v1/processes", {"name": watcher}).json
    for path, body in ((process_path(release) + "/call", "{bytes, 140000000}"), (rpc_path(release, "binary", "copy"), "[<<\"x\">>, 140000000]")):
        equal(problem(ask("POST", path, body), 502, "reply-too-large", sent=True)["detail"],
              f"the reply of node '{name(release)}' is larger than a message may be, 128 MiB, or the largest of those that came together and were; "
              "the callee has done what it was asked", path)
    peer.eval("register(dying, spawn(fun() -> receive N -> exit(binary:copy(<<\"x\">>, N)) end end)), ok")
    monitor = EventStream(GATE.port, process_path(release, "dying") + "/monitor")
    monitor.next("monitor")
    accepted(process_path(release, "dying") + "/send", "140000000")
    equal(monitor.next("down", 20).data["reason"], "reason_too_large", "reason")
    peer.eval(f"{{{watcher}, '{GATE.node}'}} ! binary:copy(<<\"x\">>, 140000000), {{{watcher}, '{GATE.node}'}} ! next, ok", 30)
    box = EventStream(GATE.port, f"/v1/processes/{made['id']}/events")
    equal(box.next("message", 20).data["message"], "next", "what came after it")
    equal(peer.eval(f"try gen_server:call({{{watcher}, '{GATE.node}'}}, binary:copy(<<\"x\">>, 140000000), 20000) catch exit:{{R, _}} -> R end", 30),
          "request_too_large", "a call")
    equal(HTTP.delete(f"/v1/processes/{made['id']}").status, 204, "the watcher")
    if release >= "25":  # before, a spawn on another node has no such arguments: the caller's own node spawns a server there
        equal(peer.eval(f"try erpc:call('{GATE.node}', erlang, node, [binary:copy(<<\"x\">>, 140000000)]) catch C:R -> {{C, R}} end", 30),
              "{error,{erpc,system_limit}}", "erpc")
    answers("POST", process_path(release) + "/call", "{echo, fine}", "fine")
    equal(len(GATE.lines("link-down")), downs, "links lost")


@each("a reply nested over --max-depth: it was sent, and is not to be asked for again; other representations have it")
def test_a_reply_that_is_too_deep(release):
    nested = b"\x83" + b"l\0\0\0\1" * 600 + b"j" * 601
    path, body = rpc_path(release, "erlang", "binary_to_term"), f"[<<{','.join(map(str, nested))}>>]"
    for accept in (JSON, TYPED):
        what = problem(ask("POST", path, body, accept=accept), 502, "reply-too-large", sent=True)
        check(not what["retryable"] and "--max-depth" in what["detail"], what)
    answers("POST", path, body, "[" * 601 + "]" * 601)
    equal(ask("POST", path, body, accept=ETF).body, nested, "as ETF")


def test_parameters():
    release = "27"
    good = f"/v1/nodes/{segment(name(release))}"
    for method, path, body, parameter in (
            ("POST", f"{good}/rpc/lists/seq?timeout=0", "[]", "timeout"), ("POST", f"{good}/rpc/lists/seq?nope=1", "[]", "nope"),
            ("POST", f"{good}/rpc/lists/seq?syntax=json", "[]", "syntax"), ("POST", f"{good}/rpc/{segment('1')}/seq?syntax=erlang", "[]", "module"),
            ("POST", f"{good}/rpc/lists/{segment('[x')}?syntax=erlang", "[]", "function"), ("POST", f"/v1/nodes/nohost/rpc/lists/seq", "[]", "node"),
            ("POST", f"{good}/rpc/{'m' * 256}/f", "[]", "module"), ("POST", f"{good}/rpc/m/{'f' * 256}", "[]", "function"),
            ("GET", f"{good}/processes/srv?unwrap=ok", None, "unwrap"), ("GET", "/v1/pids/nonsense", None, "pid"),
            ("GET", f"/v1/pids/{segment(name(release))}:268435456:0:1", None, "pid"),
            ("POST", f"{good}/processes/srv/exit?timeout=1&timeout=2", "x", "timeout")):
        equal(problem(ask(method, path, body), 400, "bad-parameter", sent=False)["parameter"], parameter, path)
    for body in ("a", "{}", "[a|b]", "1"):
        problem(ask("POST", f"{good}/rpc/lists/seq", body), 400, "bad-term", sent=False)
    problem(ask("POST", f"{good}/rpc/lists/seq", '{"a": 1}', type=JSON), 400, "bad-term", sent=False)
    problem(ask("GET", f"{good}/processes/srv", "x"), 400, "bad-parameter", sent=False)


def test_the_gateway_itself():
    me = f"/v1/nodes/{segment(GATE.node)}"
    problem(ask("POST", f"{me}/rpc/lists/seq", "[1, 2]"), 404, "undef")
    problem(ask("POST", f"{me}/processes/nobody/exit", "x"), 404, "noproc", sent=False)
    problem(ask("GET", f"{me}/processes/nobody"), 404, "noproc", sent=False)
    problem(ask("GET", f"{me}/processes/net_kernel"), 422, "unsupported-by-peer", sent=False)
    accepted(f"{me}/processes/net_kernel/exit", "kill")  # its own processes are immune
    equal(HTTP.get(f"/v1/nodes/{segment(name('27'))}/ping").status, 200, "ping after that")


def test_what_an_old_node_cannot_take():
    """A pid in the path, or in an exit's reason, that OTP 23 does not know costs the link: nothing is sent."""
    old = process_path("23")
    creation = GATE.node_info(name("23"))["creation"]
    for method, path, body in (("POST", f"/v1/pids/{name('23')}:32768:0:{creation}/call", "x"),
                               ("POST", f"/v1/pids/{name('23')}:1:8192:{creation}/send", "x"),
                               ("POST", f"/v1/pids/{name('23')}:32768:0:{creation}/exit", "x"),
                               ("GET", f"/v1/pids/{name('23')}:32768:0:{creation}", None),
                               ("POST", f"/v1/pids/{segment(pid_of('23'))}/exit", "#Port<a@b:68719476736:5>"),
                               ("POST", f"{rpc_path('23', 'testpeer', 'echo')}", "[#Ref<a@b:5:1.2.3.4>]")):
        problem(ask(method, path, body), 422, "unsupported-by-peer", sent=False)
    answers("POST", old + "/call", "{echo, fine}", "fine")


def test_nothing_is_left():
    for scope in ("scope", "later"):
        for release in RELEASES:  # a scope goes with the next request that finds nobody in it
            problem(ask("POST", f"/v1/groups/{scope}{release}/kv/call", "x"), 404, "noproc")
    # One process is left: the scope pg, which the nodes have too.
    eventually(lambda: GATE.self()["processes"] == AT_FIRST["processes"] + 1 and GATE.self()["calls"] == 0, f"nothing is left: {GATE.self()}")
    for release in RELEASES:
        HTTP.put(node_path(release))
        check(GATE.is_connected(name(release)), name(release), "is not connected")
    GATE.stop()


at_end = matrix.print_table
if __name__ == "__main__":
    import peers
    peers.main(globals())
