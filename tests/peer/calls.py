"""Every endpoint of the core API against every release, one gateway among all four of them.

The releases are hidden from each other: 23 and 27 or 29 would not have each other.
"""

import concurrent.futures
import json
import socket
import time

import matrix
import peers
from matrix import each
from peers import ERL, ETF, JSON, RELEASES, TYPED, Gateway, Peer, check, equal, eventually, problem, segment

GATE = Gateway()
HTTP = GATE.http
AT_FIRST = GATE.self()
PEERS = {r: Peer(r, f"a{r}@localhost", GATE.epmd_port, GATE.cookie) for r in RELEASES}
for _peer in PEERS.values():
    _peer.ready()
    _peer.eval("testpeer:serve(srv)")


def name(release):
    return PEERS[release].node


def atom(text):
    return {"$atom": text}


def tuple_(*elements):
    return {"$tuple": list(elements)}


def call(release, term, query="", accept=TYPED, type=ERL, server="srv"):
    return GATE.call(name(release), server, term, query, accept, type)


def replies(release, term, wanted, query="", server="srv"):
    response = call(release, term, query, server=server)
    equal((response.status, response.type), (200, TYPED), f"call {term} to {release}: {response}")
    equal(response.json, wanted, f"reply to {term}")


def seen(release):
    response = call(release, "seen", accept=ERL)
    equal(response.status, 200, "seen")
    return response.text.strip()


def forget(release):
    replies(release, "forget", atom("ok"))


def pid_of(release, server="srv"):
    response = call(release, "whoami", server=server)
    equal(response.status, 200, "whoami")
    return response.json["$pid"]


def restart(release, server="srv"):
    """A server that had to die lives again."""
    PEERS[release].eval(f"case whereis({server}) of undefined -> testpeer:serve({server}); P -> P end")


# ---- Links


@each("PUT /v1/nodes/{node}")
def test_connecting_to_a_node(release):
    response = HTTP.put(f"/v1/nodes/{segment(name(release))}")
    equal((response.status, response.type), (200, JSON), "PUT")
    node = response.json
    equal((node["node"], node["state"]), (name(release), "connected"), "node")
    check(isinstance(node["creation"], int) and node["creation"] > 3, "creation", node)
    equal(node["type"], "hidden", "type: hidden as we are hidden")
    again = HTTP.put(f"/v1/nodes/{segment(name(release))}")
    equal((again.status, again.json["creation"]), (200, node["creation"]), "PUT again")


@each("GET /v1/nodes/{node}")
def test_looking_at_a_node(release):
    response = HTTP.get(f"/v1/nodes/{segment(name(release))}")
    equal((response.status, response.json["state"]), (200, "connected"), "GET")
    equal(PEERS[release].eval("erlang:system_info(creation)") if release >= "25" else str(response.json["creation"]),
          str(response.json["creation"]), "creation as the node knows it")


@each("GET /v1/nodes")
def test_the_list_of_nodes(release):
    info = GATE.node_info(name(release))
    check(info and info["state"] == "connected", info)


@each("GET /v1/nodes/{node}/ping")
def test_ping(release):
    response = HTTP.get(f"/v1/nodes/{segment(name(release))}/ping")
    equal(response.status, 200, f"ping: {response}")
    equal(response.json["pong"], True, "pong")
    check(0 < response.json["rtt_us"] < 5_000_000, "rtt_us", response.json)


@each("net_adm:ping/1 from the node")
def test_the_node_pings_the_gateway(release):
    equal(PEERS[release].eval("net_adm:ping(erlgate@localhost)"), "pong")
    check("erlgate@localhost" in PEERS[release].eval("nodes(hidden)"), "hidden nodes of", release)


@each("DELETE /v1/nodes/{node}; the next call connects")
def test_disconnecting(release):
    path = f"/v1/nodes/{segment(name(release))}"
    response = HTTP.delete(path)
    equal((response.status, response.body), (204, b""), "DELETE")
    eventually(lambda: "erlgate@localhost" not in PEERS[release].eval("nodes(hidden)"), "the node sees the link end")
    check(not GATE.is_connected(name(release)), "still connected")
    problem(HTTP.delete(path), 404, "not-found")
    equal(HTTP.get(path).json["state"], "down", "state: EPMD still has it")
    replies(release, "{echo, back}", atom("back"))
    equal(HTTP.get(path).json["connected_by"], "gateway", "who connected")


@each("net_kernel:connect_node/1 from the node")
def test_the_node_connects(release):
    HTTP.delete(f"/v1/nodes/{segment(name(release))}")
    eventually(lambda: "erlgate@localhost" not in PEERS[release].eval("nodes(hidden)"), "the node sees the link end")
    equal(PEERS[release].eval("net_kernel:connect_node(erlgate@localhost)"), "true")
    info = eventually(lambda: GATE.is_connected(name(release)) and GATE.node_info(name(release)), "the link is there")
    equal(info["connected_by"], "node", "who connected")
    replies(release, "{echo, 1}", 1)


@each("both dial at once, 10 times")
def test_simultaneous_connections(release):
    path = f"/v1/nodes/{segment(name(release))}"
    for _ in range(10):
        HTTP.delete(path)
        eventually(lambda: "erlgate@localhost" not in PEERS[release].eval("nodes(hidden)"), "the node sees the link end")
        theirs = PEERS[release].start_eval("net_kernel:connect_node(erlgate@localhost)")
        response = HTTP.put(path)
        equal((response.status, theirs()), (200, "true"), f"both connect: {response}")
        replies(release, "{echo, 2}", 2)


# ---- Calls


@each("POST …/processes/{name}/call")
def test_calling_by_name(release):
    replies(release, "{echo, {ok, [1, 2.5, <<\"t\">>, #{a => 1}]}}",
            tuple_(atom("ok"), [1, 2.5, "t", {"$map": [[atom("a"), 1]]}]))


@each("POST /v1/pids/{pid}/call")
def test_calling_by_pid(release):
    pid = pid_of(release)
    check(pid.startswith(name(release) + ":"), "pid", pid)
    response = HTTP.post(f"/v1/pids/{segment(pid)}/call", "{echo, by_pid}", ERL, ERL)
    equal((response.status, response.text.strip()), (200, "by_pid"), "call by pid")
    # The text of the pid is the pid: what was given out comes back as the same term.
    equal(call(release, f"{{echo, #Pid<{pid}>}}").json, {"$pid": pid}, "pid there and back")
    equal(PEERS[release].eval(f"{{echo, whereis(srv)}} =:= {{echo, whereis(srv)}}"), "true")


@each("POST …/processes/{name}/cast")
def test_casting_by_name(release):
    forget(release)
    response = HTTP.post(GATE.process_path(name(release), "srv", "cast"), "{note, 1}", ERL)
    equal((response.status, response.body), (202, b""), "cast")
    equal(seen(release), "[{cast,{note,1}}]")


@each("POST …/processes/{name}/send")
def test_sending_by_name(release):
    forget(release)
    response = HTTP.post(GATE.process_path(name(release), "srv", "send"), '{"a": [1, null]}', JSON)
    equal((response.status, response.body), (202, b""), "send")
    equal(seen(release), '[{info,#{<<"a">> => [1,null]}}]')


@each("POST /v1/pids/{pid}/cast, /send")
def test_casting_and_sending_by_pid(release):
    forget(release)
    pid = segment(pid_of(release))
    equal(HTTP.post(f"/v1/pids/{pid}/cast", "one", ERL).status, 202, "cast")
    equal(HTTP.post(f"/v1/pids/{pid}/send", "two", ERL).status, 202, "send")
    equal(seen(release), "[{cast,one},{info,two}]")


@each("order of casts, sends and calls is kept")
def test_order(release):
    forget(release)
    for i in range(50):
        equal(HTTP.post(GATE.process_path(name(release), "srv", "cast" if i % 2 else "send"), str(i), ERL).status, 202)
    equal(seen(release), "[" + ",".join(f"{{{'cast' if i % 2 else 'info'},{i}}}" for i in range(50)) + "]")


BODIES = {  # the same request, {echo, {ok, <<"é">>, 12345678901234567890, -0.0, [a | b]}}, in each representation
    JSON: '{"$tuple": [{"$atom": "echo"}, {"$tuple": [{"$atom": "ok"}, "é", 12345678901234567890, -0.0, '
          '{"$list": [{"$atom": "a"}], "$tail": {"$atom": "b"}}]}]}'.encode(),
    ERL: '{echo, {ok, <<"é"/utf8>>, 12345678901234567890, -0.0, [a | b]}}'.encode(),
    ETF: bytes([131, 104, 2, 119, 4]) + b"echo" + bytes([104, 5, 119, 2]) + b"ok" + bytes([109, 0, 0, 0, 2]) + "é".encode()
         + bytes([110, 8, 0]) + (12345678901234567890).to_bytes(8, "little") + bytes([70, 128, 0, 0, 0, 0, 0, 0, 0])
         + bytes([108, 0, 0, 0, 1, 119, 1]) + b"a" + bytes([119, 1]) + b"b",
}
BODIES[TYPED] = BODIES[JSON]


@each("four media types in, four out")
def test_media_types(release):
    for type, body in BODIES.items():
        path = GATE.process_path(name(release), "srv", "call")
        texts = {accept: HTTP.post(path, body, type, accept) for accept in BODIES}
        for accept, response in texts.items():
            equal((response.status, response.type), (200, accept), f"{type} in, {accept} out: {response}")
        equal(texts[ERL].text.strip(), '{ok,<<"é"/utf8>>,12345678901234567890,-0.0,[a|b]}', f"{type} in")
        check('"é",12345678901234567890,-0.0,' in texts[JSON].text.replace(" ", ""), texts[JSON])
        plain, typed = texts[JSON].json, texts[TYPED].json
        equal(plain, ["ok", "é", 12345678901234567890, -0.0, {"$list": ["a"], "$tail": "b"}], f"{type} in, plain out")
        equal(typed["$tuple"][0], atom("ok"), f"{type} in, typed out")
        # (OTP 23 prints -0.0 as 0.0.)
        same = PEERS[release].eval(f"{{ok, S, N, F, L}} = binary_to_term(list_to_binary({list(texts[ETF].body)})), "
                                   "{S, N, <<F/float>> =:= <<128, 0:56>>, L}")
        equal(same, '{<<"é"/utf8>>,12345678901234567890,true,[a|b]}', f"{type} in, ETF out")
    # No type, curl's type, no Accept, any Accept.
    for headers in ({}, {"Content-Type": "application/x-www-form-urlencoded"}, {"Accept": "*/*"},
                    {"Content-Type": "application/json; charset=utf-8"}, {"Accept": "text/html, application/*;q=0.5"}):
        response = HTTP.request("POST", GATE.process_path(name(release), "srv", "call"), BODIES[JSON], headers)
        equal((response.status, response.type), (200, JSON), f"{headers}: {response}")


@each("?null, ?keys, ?charlists, ?bigints, ?tags, ?unwrap")
def test_query_options(release):
    path = GATE.process_path(name(release), "srv", "call")

    def plain(query, body, type=ERL):
        response = HTTP.post(path + query, body, type)
        equal(response.status, 200, f"{query}: {response}")
        return response.json

    echo = '{"$tuple": [{"$atom": "echo"}, %s]}'
    equal(plain("?null=nil", "{echo, [nil, null]}"), [None, "null"])
    equal(plain("?null=undefined", "{echo, undefined}"), None)
    equal(call(release, echo % "null", "?null=nil", ERL, JSON).text.strip(), "nil")
    equal(call(release, echo % '{"a": 1}', "?keys=atom", ERL, JSON).text.strip(), "#{a => 1}")
    equal(plain("?charlists=string", '{echo, "text"}'), "text")
    equal(plain("", '{echo, "text"}'), list(b"text"))
    equal(plain("?bigints=string", "{echo, [9007199254740991, 9007199254740993]}"), [9007199254740991, "9007199254740993"])
    equal(plain("?unwrap=ok", "{echo, {ok, 5}}"), 5)
    equal(HTTP.post(path + "?unwrap=ok", "{echo, ok}", ERL).status, 204, "unwrapped ok")
    response = HTTP.post(path + "?unwrap=ok", "{echo, {error, not_found}}", ERL)
    equal((response.status, response.json), (422, "not_found"), "unwrapped error")
    response = HTTP.post(path + "?tags=off", '{"$atom": "x"}', JSON, ERL)
    equal(response.text.strip(), '{unknown,#{<<"$atom">> => <<"x">>}}')


@each("names with '/', blanks, Unicode, Elixir's")
def test_any_name(release):
    for wanted in ("my/server", "Elixir.MyApp.Kv", "with space", "sörver-λ-日本", "100%", "a?b#c", "'quoted'", "..", "x" * 255):
        PEERS[release].eval("N = binary_to_atom(<<" + ",".join(map(str, wanted.encode())) + ">>, utf8), "
                            "case whereis(N) of undefined -> testpeer:serve(N); P -> P end")
        replies(release, "{echo, here}", atom("here"), server=wanted)


@each("a large body each way (4 MiB)")
def test_large_bodies(release):
    text = "x" * (4 << 20)
    body = '{"$tuple": [{"$atom": "echo"}, "' + text + '"]}'
    response = HTTP.post(GATE.process_path(name(release), "srv", "call") + "?timeout=20000", body, JSON)
    equal(response.status, 200, f"{response}")
    check(response.json == text, "another text came back")
    response = HTTP.post(GATE.process_path(name(release), "srv", "call") + "?timeout=20000", "{bytes, 6000000}", ERL, ETF)
    equal((response.status, len(response.body)), (200, 6000006), "6,000,000 bytes")


@each("a request is a process of its own")
def test_the_caller(release):
    one, two = call(release, "caller").json["$pid"], call(release, "caller").json["$pid"]
    check(one.startswith("erlgate@localhost:") and two.startswith("erlgate@localhost:"), one, two)
    check(one != two, "two requests had one pid", one)


@each("a gen_server of the node's replies later; to many")
def test_replies_out_of_order(release):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        slow = pool.submit(replies, release, "{later, 400, slow}", atom("slow"))
        began = time.monotonic()
        replies(release, "{echo, fast}", atom("fast"))
        check(time.monotonic() - began < 0.4 * peers.SLOWER, "the fast one waited for the slow one")
        slow.result()


# ---- What goes wrong


@each("no reply in time: 504 timeout; a late one is dropped")
def test_timeout(release):
    before = GATE.self()["late_replies"]
    began = time.monotonic()
    body = problem(call(release, "{later, 500, late}", "?timeout=150"), 504, "timeout", sent=True)
    check(0.14 <= time.monotonic() - began < 0.45 * peers.SLOWER, "time taken", time.monotonic() - began)
    equal(body["retryable"], False, "retryable")
    eventually(lambda: GATE.self()["late_replies"] > before, "the late reply is counted", 3)
    replies(release, "{echo, next}", atom("next"))
    for headers in ({"Prefer": "wait=1"}, {"Grpc-Timeout": "150m"}):
        response = HTTP.request("POST", GATE.process_path(name(release), "srv", "call"), "never",
                                {"Content-Type": ERL, **headers})
        problem(response, 504, "timeout", sent=True)


@each("nobody there: 404 noproc")
def test_noproc(release):
    for response, said in ((call(release, "x", server="nobody"), f"; GET /v1/nodes/{name(release)}/processes lists the names that are"),
                           (HTTP.post(f"/v1/pids/{segment(dead_pid(release))}/call", "x", ERL), " has ended, or there was none; the request had no effect")):
        body = problem(response, 404, "noproc", sent=True)
        equal(body["retryable"], True, "retryable")
        check(body["detail"].endswith(said), "what was asked for is said", body)


def dead_pid(release):
    """The text of a pid whose process has ended."""
    PEERS[release].eval("testpeer:serve(mortal)")
    pid = pid_of(release, "mortal")
    PEERS[release].eval("M = monitor(process, mortal), exit(whereis(mortal), kill), receive {'DOWN', M, _, _, _} -> ok end")
    return pid


@each("the callee crashes: 502 callee-exit")
def test_callee_exit(release):
    PEERS[release].eval("logger:set_primary_config(level, none)")
    body = problem(call(release, "crash", accept=JSON), 502, "callee-exit", sent=True)
    check("crashed_as_asked" in json.dumps(body["reason"]), "reason", body)
    equal(body["class"], "exit", "class")
    check("knows no such request" not in body["detail"], body)
    restart(release)
    for frames, is_unknown in (("{m, handle_call, [x, from, state], []}", True), ("{lists, sum, [x], []}, {m, handle_call, 3, []}", False)):
        body = problem(call(release, f"{{leave, {{function_clause, [{frames}]}}}}", accept=JSON), 502, "callee-exit", sent=True)
        equal("knows no such request" in body["detail"], is_unknown, body)
        restart(release)
    body = problem(call(release, "{leave, {shutdown, [1, <<\"why\">>]}}", accept=JSON), 502, "callee-exit", sent=True)
    equal(body["reason"], ["shutdown", [1, "why"]], "reason")
    restart(release)
    # A message is not answered, whatever becomes of it.
    equal(HTTP.post(GATE.process_path(name(release), "nobody", "cast"), "x", ERL).status, 202, "cast to nobody")


@each("the node dies during the call: 502 nodedown")
def test_nodedown(release):
    mortal = Peer(release, f"mortal{release}@localhost", GATE.epmd_port, GATE.cookie).ready()
    mortal.eval("testpeer:serve(srv)")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(GATE.call, mortal.node, "srv", "never", "?timeout=20000") for _ in range(3)]
        eventually(lambda: mortal.eval("gen_server:call(srv, asked)") == "3", "three calls wait")
        mortal.kill()
        for response in waiting:
            body = problem(response.result(), 502, "nodedown", sent=True)
            equal(body["retryable"], False, "retryable")
    eventually(lambda: not GATE.is_connected(mortal.node), "the link is gone from the list")
    problem(GATE.call(mortal.node, "srv", "x"), 503, "no-connection", sent=False)


@each("another cookie: 502 auth-failed")
def test_wrong_cookie(release):
    stranger = Peer(release, f"stranger{release}@localhost", GATE.epmd_port, "anothercookie",
                    kernel={"logger_level": "emergency"}).ready()
    problem(GATE.call(stranger.node, "srv", "x"), 502, "auth-failed", sent=False)
    problem(HTTP.put(f"/v1/nodes/{segment(stranger.node)}"), 502, "auth-failed", sent=False)
    equal(stranger.eval("net_adm:ping(erlgate@localhost)"), "pang")
    check(not GATE.is_connected(stranger.node), "connected all the same")
    stranger.stop()


def test_an_unknown_node():
    for node in ("nobody@localhost", "nobody@host.invalid"):
        problem(GATE.call(node, "srv", "x"), 503, "no-connection", sent=False)
        problem(HTTP.put(f"/v1/nodes/{segment(node)}"), 503, "no-connection", sent=False)
        problem(HTTP.get(f"/v1/nodes/{segment(node)}/ping"), 503, "no-connection", sent=False)


@each("the client leaves: the callee's monitor goes")
def test_the_client_leaves(release):
    target = GATE.process_path(name(release), "srv", "call") + "?timeout=60000"
    request = (f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{GATE.port}\r\nContent-Type: {ERL}\r\nContent-Length: 5\r\n\r\nnever")
    monitors = "{monitored_by, L} = process_info(whereis(srv), monitored_by), length(L)"
    peer = PEERS[release]
    eventually(lambda: peer.eval(monitors) == "0", "no monitor before")
    before = int(peer.eval("gen_server:call(srv, asked)"))
    clients = []
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", GATE.port))
        client.sendall(request.encode())
        clients.append(client)
    eventually(lambda: peer.eval("gen_server:call(srv, asked)") == str(before + 5), "five calls wait")
    check(1 <= int(peer.eval(monitors)) <= 5, "monitors of five calls")  # those of one turn share one
    for client in clients:
        client.close()
    eventually(lambda: peer.eval(monitors) == "0", "no monitor after", 15)
    eventually(lambda: GATE.self()["calls"] == 0, "no call is counted any more")


# ---- Many at once


@each("1,000 calls at once")
def test_a_thousand_calls(release):
    """All of them wait at the same time; then all are replied to, each with its own."""
    count = 1000
    path = GATE.process_path(name(release), "srv", "call") + "?timeout=60000"
    clients = []
    for i in range(count):
        body = f"{{hold, {{answer, {i}}}}}"
        client = socket.create_connection(("127.0.0.1", GATE.port), timeout=30 * peers.SLOWER)
        client.sendall((f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{GATE.port}\r\nContent-Type: {ERL}\r\nAccept: {ERL}\r\n"
                        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
        clients.append(client)
    eventually(lambda: GATE.self()["calls"] == count, f"{count} calls wait", 20)
    equal(HTTP.post(GATE.process_path(name(release), "srv", "cast"), "release", ERL).status, 202, "release")
    for i, client in enumerate(clients):
        got = b""
        while piece := client.recv(65536):
            got += piece
        client.close()
        head, _, body = got.partition(b"\r\n\r\n")
        check(head.startswith(b"HTTP/1.1 200 "), f"call {i}:", peers.short(got.decode(errors="replace")))
        equal(body.strip().decode(), f"{{answer,{i}}}", f"call {i}")
    equal(GATE.self()["calls"], 0, "calls left")


def test_all_nodes_at_once():
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        jobs = [(r, i, pool.submit(call, r, f"{{echo, {{{r}, {i}}}}}", "", ERL)) for i in range(250) for r in RELEASES]
        for release, i, job in jobs:
            equal(job.result().text.strip(), f"{{{release},{i}}}", f"call {i} to {release}")
    for release in RELEASES:
        check(GATE.is_connected(name(release)), name(release), "is not connected")


# ---- The gateway itself


def test_what_the_gateway_says_of_itself():
    me = GATE.self()
    equal(me["node"], "erlgate@localhost", "node")
    equal(me["hidden"], True, "hidden")
    check(me["creation"] > 3 and me["version"] and me["uptime_ms"] > 0, me)
    equal((me["calls"], me["links"] >= 4), (0, True), f"counts: {me}")
    for path in ("/livez", "/readyz", "/healthz", "/livez?verbose", "/readyz?verbose"):
        equal(HTTP.get(path).status, 200, path)


def test_request_ids_are_echoed():
    response = HTTP.get("/v1/self", X_Request_Id="abc-123")
    equal(response.header("x-request-id"), "abc-123")
    one, two = HTTP.get("/v1/self").header("x-request-id"), HTTP.get("/v1/self").header("x-request-id")
    check(one and two and one != two, one, two)
    body = problem(HTTP.request("GET", "/v1/nowhere", headers={"X-Request-Id": "abc-124"}), 404, "not-found")
    equal(body["request_id"], "abc-124", "request_id")


def test_nothing_is_left():
    """After all of that: no call, no process of ours, and the links are those of the beginning."""
    me = GATE.self()
    equal((me["calls"], me["processes"]), (0, AT_FIRST["processes"]), f"counts: {me}")
    for release, peer in PEERS.items():
        check(GATE.is_connected(peer.node), peer.node, "is not connected")
        equal(peer.eval("{monitored_by, L} = process_info(whereis(srv), monitored_by), L"), "[]", f"monitors at {release}")
    GATE.stop()
    for release, peer in PEERS.items():
        eventually(lambda: peer.eval("nodes(connected)") == "[]", f"{release} sees the end of the gateway")


at_end = matrix.print_table
peers.main(globals())
