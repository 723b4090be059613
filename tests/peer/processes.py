"""Processes of HTTP clients (POST /v1/processes), against nodes of four releases: their mailboxes, calls, ties, and end."""

import re
import signal
import socket
import subprocess
import threading
import time

import peers
from peers import ERL, JSON, TYPED, check, equal, eventually, problem, segment
from watching import at_end, end_all, gate, loner, name_path, nodes, peer, rpc_pid, shown, stream, told, watched


def make(body=None, query=""):
    response = gate.http.post("/v1/processes" + query, body or {}, JSON)
    equal(response.status, 201, f"{response}")
    equal(response.header("location"), f"/v1/processes/{response.json['id']}", "Location")
    return response.json


def end(process):
    equal(gate.http.delete(f"/v1/processes/{process['id']}").status, 204, "DELETE")


def mailbox(process, **kw):
    return stream(f"/processes/{process['id']}/events", **kw)


def reply(process, event, term, type=ERL, http=None):
    return (http or gate.http).post(f"/v1/processes/{process['id']}/replies/{event.data['call']}", term, type)


def test_processes_of_the_gateway_itself():
    p = make({"name": "ours"})
    streams = [stream(f"/nodes/{segment(gate.node)}/processes/ours/monitor"), stream(f"/pids/{segment(p['pid'])}/monitor"),
               stream(f"/nodes/{segment(gate.node)}/monitor")]
    for s in streams:
        s.next("monitor")
    other = make()
    equal(gate.http.post(f"/v1/processes/{other['id']}/monitors", {"target": f"/pids/{p['pid']}"}, JSON).status, 201, "monitor")
    box = mailbox(other)
    box.next("monitor")
    end(p)
    for s in streams[:2]:
        equal(s.next("down").data["reason"], "normal", "reason")
        s.ends()
    equal(box.next("down").data, {"target": f"/pids/{p['pid']}", "pid": p["pid"], "reason": "normal"}, "down")
    streams[2].is_silent(0.2)
    streams[2].close()
    end(other)


def test_a_mailbox():
    p = make({"name": "box"})
    box = mailbox(p)
    for node in nodes.values():
        node.eval(f"{{box, '{gate.node}'}} ! {{hello, [1, x]}}, gen_server:cast({{box, '{gate.node}'}}, <<1, 255>>), ok")
        equal(box.next("message").data, {"message": ["hello", [1, "x"]]}, "message")
        equal(box.next("cast").data, {"request": {"$binary": "Af8="}}, "cast")
        waiting = node.start_eval(f"gen_server:call({{box, '{gate.node}'}}, {{add, 1, 2}})")
        call = box.next("call")
        equal(call.data["request"], ["add", 1, 2], "request")
        check(call.data["from"].startswith(node.node + ":"), "from", call.data)
        equal(reply(p, call, "{ok, 3}").status, 202, "reply")
        equal(waiting(), "{ok,3}", "what the caller got")
        problem(reply(p, call, "again"), 410, "gone")
        # By its pid, too.
        equal(gate.http.post(f"/v1/pids/{segment(p['pid'])}/send", {"from": "http"}, JSON).status, 202, "send")
        equal(box.next("message").data, {"message": {"from": "http"}}, "of another client")
    end(p)
    equal(box.next("exit").data, {"from": p["pid"], "reason": "normal"}, "exit")
    box.ends()
    problem(gate.http.get(f"/v1/processes/{p['id']}"), 410, "gone")


def test_calls_of_every_form():
    p = make({"name": "server"})
    box = mailbox(p)
    where = f"{{server, '{gate.node}'}}"
    for release, node in nodes.items():
        forms = {"call": (f"gen_server:call({where}, q)", "r"),
                 "multi_call": (f"gen_server:multi_call(['{gate.node}'], server, q)", f"{{[{{{gate.node},r}}],[]}}"),
                 "send_request": (f"gen_server:wait_response(gen_server:send_request({where}, q), 5000)", "{reply,r}"),
                 "gen_statem": (f"gen_statem:call({where}, q)", "r"),
                 "by hand": (f"R = make_ref(), {where} ! {{'$gen_call', {{self(), R}}, q}}, receive {{R, X}} -> X after 5000 -> no end", "r")}
        for form, (text, wanted) in forms.items():
            waiting = node.start_eval(text)
            equal(reply(p, box.next("call"), "r").status, 202, form)
            equal(waiting(), wanted, f"OTP {release} {form}")
        equal(node.eval(f"receive M -> M after 100 -> none end"), "none", "left in the mailbox")
    eventually(lambda: gate.http.get(f"/v1/processes/{p['id']}").json["calls"] == 0, "no call waits")
    end(p)


def test_callers_that_wait_no_more():
    p = make({"name": "slow"})
    box = mailbox(p)
    where = f"{{slow, '{gate.node}'}}"

    def calls():
        return gate.http.get(f"/v1/processes/{p['id']}").json["calls"]

    for release, node in nodes.items():
        waiting = node.start_eval(f"catch gen_server:call({where}, timeout, 300)")
        late = box.next("call")
        check("timeout" in waiting(), "it has not run out of time")
        eventually(lambda: calls() == 0, "it is forgotten", 5)
        problem(reply(p, late, "late"), 410, "gone")
        pid = node.eval(f"pid_to_list(spawn(fun() -> gen_server:call({where}, dies) end))")
        dead = box.next("call")
        equal(calls(), 1, "it waits")
        node.eval(f"exit(list_to_pid({pid}), kill)")
        eventually(lambda: calls() == 0, "that of a caller that died is forgotten", 5)
        problem(reply(p, dead, "late"), 410, "gone")
        node.start_eval(f"gen_server:call({where}, its_node_dies)")
        lost = box.next("call")
        node.kill()
        eventually(lambda: calls() == 0, "that of a node that died is forgotten", 5)
        problem(reply(p, lost, "late"), 410, "gone")
        nodes[release] = peer(release).ready()
        nodes[release].eval("testpeer:serve(srv)")
    end(p)


def test_more_calls_than_a_process_may_have():
    p = make({"name": "busy"})
    node = nodes["27"]
    node.eval(f"[spawn(fun() -> gen_server:call({{busy, '{gate.node}'}}, I, infinity) end) || I <- lists:seq(1, 1000)], ok")
    eventually(lambda: gate.http.get(f"/v1/processes/{p['id']}").json["calls"] == 1000, "a thousand wait", 10)
    equal(node.eval(f"gen_server:call({{busy, '{gate.node}'}}, one_more)"), "{error,overloaded}", "the next")
    end(p)


def test_messages_of_any_shape():
    """What only looks like a call or a cast is a message."""
    p = make({"name": "patient"})
    box = mailbox(p)
    odd = ["{'$gen_call', x}", "{'$gen_call', x, y}", "{'$gen_call', {self()}, y}", "{'$gen_call', {1, 2}, y}", "{'$gen_cast'}", "{'$gen_cast', 1, 2}",
           "{system, x, y}", "[a | b]", "<<1:3>>", "#{}", "fun lists:map/2", "fun() -> ok end", "make_ref()", "{a, self(), [[[]]]}", "-1.0e300",
           "1 bsl 10000", "''", "{make_ref(), join, g, [self()]}", "{nodedown, 'x@y'}", "{'EXIT', self(), why}", "{'DOWN', make_ref(), process, self(), why}"]
    for node in nodes.values():
        for term in odd:
            node.eval(f"{{patient, '{gate.node}'}} ! {term}, ok")
            check("message" in box.next("message").data, f"{node.node} {term}")
        # A tag of any kind is answered with what it was.
        waiting = node.start_eval(f"{{patient, '{gate.node}'}} ! {{'$gen_call', {{self(), {{my, [tag]}}}}, q}}, "
                                  "receive {{my, [tag]}, X} -> X after 5000 -> none end")
        equal(reply(p, box.next("call"), "fine").status, 202, "reply")
        equal(waiting(), "fine", "reply")
    end(p)


def test_as_many_ties_as_there_may_be():
    p = make()
    answers = [gate.http.post(f"/v1/processes/{p['id']}/monitors", {"target": "/nodes"}, JSON) for _ in range(1001)]
    equal([r.status for r in answers[:1000]], [201] * 1000, "a thousand")
    problem(answers[1000], 503, "overloaded")
    equal(gate.http.delete(answers[0].header("location")).status, 204, "one is taken back")
    equal(gate.http.post(f"/v1/processes/{p['id']}/groups", {"target": "/groups/pg/g"}, JSON).status, 201, "there is room again")
    end(p)
    equal(stream("/events?" + "&".join("monitor=/nodes" for _ in range(60))).next("monitor").data["target"], "/nodes", "sixty on one stream")


def test_reply_terms():
    p = make({"name": "replier"})
    box = mailbox(p)
    node = nodes["29"]
    for body, type, wanted in [('{"$tuple": [{"$atom": "ok"}, "x"]}', JSON, '{ok,<<"x">>}'), ("#{a => 1.0}", ERL, "#{a => 1.0}"),
                               (b"\x83\x61\x07", peers.ETF, "7")]:
        waiting = node.start_eval(f"gen_server:call({{replier, '{gate.node}'}}, q)")
        call = box.next("call")
        problem(reply(p, call, "{", JSON), 400, "bad-term")
        equal(reply(p, call, body, type).status, 202, "reply")
        equal(waiting(), wanted, type)
    waiting = nodes["23"].start_eval(f"gen_server:call({{replier, '{gate.node}'}}, q)")
    call = box.next("call")
    problem(reply(p, call, "#Ref<x@localhost:7:1.2.3.4.5>"), 422, "unsupported-by-peer", sent=False)
    equal(reply(p, call, "fine").status, 202, "the call can still be answered")
    equal(waiting(), "fine", "reply")
    end(p)


def linked(node, name):
    """The signal has come."""
    eventually(lambda: node.eval(f"[node(P) || P <- element(2, process_info(whereis({name}), links)), is_pid(P)]")
               == f"[{gate.node}]", f"{name} is linked")


def test_watching_linking_joining():
    for node in nodes.values():
        p = make({"name": "holder", "trap_exit": True})
        box = mailbox(p)

        def post(what, target):
            r = gate.http.post(f"/v1/processes/{p['id']}/{what}", {"target": target}, JSON)
            equal((r.status, r.header("location")), (201, f"/v1/processes/{p['id']}/{what}/{r.json['id']}"), f"{r}")
            return r.header("location")

        loner(node, "held")
        node.eval("testpeer:serve(tmp)")
        pid = rpc_pid(node, "tmp")
        monitor = post("monitors", shown(node, "held"))
        equal(box.next("monitor").data, {"target": shown(node, "held")}, "monitor")
        again = post("monitors", shown(node, "held"))
        box.next("monitor")
        watched(node, "held", 2)
        equal(gate.http.delete(again).status, 204, "DELETE")
        watched(node, "held", 1, 5)
        problem(gate.http.delete(again), 410, "gone")
        told(node, "held", 'done')
        equal(box.next("down").data, {"target": shown(node, "held"), "reason": "done"}, "down, once")
        problem(gate.http.delete(monitor), 410, "gone")
        # Links, both ways
        link = post("links", f"/pids/{pid}")
        linked(node, "tmp")
        equal(gate.http.delete(link).status, 204, "unlink")
        equal(node.eval("testpeer:reached(fun() -> [] =:= element(2, process_info(whereis(tmp), links)) end, 5000)"), "true", "unlinked")
        post("links", f"/pids/{pid}")
        linked(node, "tmp")
        node.eval("exit(whereis(tmp), boom), ok")
        equal(box.next("exit").data, {"from": pid, "reason": "boom"}, "exit")
        # Groups
        group = post("groups", "/groups/pg/workers")
        equal(node.eval(f"testpeer:reached(fun() -> length(pg:get_members(workers)) =:= 1 end, 8000)"), "true", f"{node.node} sees the member")
        # The scope is the gateway's own, and nobody's to end: whoever watches a group would hear no more of it
        equal(gate.http.post(f"/v1/nodes/{segment(gate.node)}/processes/pg/exit", "kill", ERL).status, 202, "an exit signal")
        check("pg" in gate.http.get(f"/v1/nodes/{segment(gate.node)}/processes").json["names"], "the scope is gone")
        equal(gate.http.delete(group).status, 204, "leave")
        equal(node.eval(f"testpeer:reached(fun() -> pg:get_members(workers) =:= [] end, 8000)"), "true", "it has left")
        # Nodes
        post("monitors", "/nodes")
        check(node.node in box.next("monitor").data["nodes"], "nodes")
        post("monitors", f"/nodes/{node.node}")
        box.next("monitor")
        gate.http.delete(f"/v1/nodes/{node.node}")
        equal({box.next("nodedown").data["target"], box.next("nodedown").data["target"]}, {"/nodes", f"/nodes/{node.node}"}, "nodedown")
        end(p)


def test_its_end_is_heard_of():
    for node in nodes.values():
        p = make({"name": "mortal"})
        box = mailbox(p)
        hears = node.start_eval(
            f"process_flag(trap_exit, true), {{mortal, '{gate.node}'}} ! {{pid, self()}}, "
            "receive {go, P} -> link(P), R = monitor(process, P), P ! linked, "
            "receive {'DOWN', R, _, _, Why} -> {Why, receive {'EXIT', P, W} -> W after 5000 -> none end} after 9000 -> none end end")
        to = box.next("message").data["message"][1]["$pid"]
        gate.http.post(f"/v1/pids/{segment(to)}/send", f"{{go, #Pid<{p['pid']}>}}", ERL)
        equal(box.next("message").data["message"], "linked", "message")
        end(p)
        equal(hears(), "{normal,normal}", "DOWN and EXIT")
        # It dies with what it is linked to, when it does not trap exits; its reader sees why.
        p = make()
        box = mailbox(p)
        loner(node, "partner")
        equal(gate.http.post(f"/v1/processes/{p['id']}/links", {"target": f"/pids/{rpc_pid(node, 'partner')}"}, JSON).status, 201, "link")
        linked(node, "partner")
        told(node, "partner", 'crashed')
        equal(box.next("exit").data, {"from": p["pid"], "reason": "crashed"}, "exit")
        box.ends()
        problem(gate.http.get(f"/v1/processes/{p['id']}/events"), 410, "gone")


def test_acting_as_a_process():
    p = make({"name": "actor"})
    box = mailbox(p)
    for node in nodes.values():
        equal(gate.http.post(f"/v1{name_path(node, 'srv')}/call?from={p['id']}", "caller", ERL, TYPED).json, {"$pid": p["pid"]},
              f"{node.node}: who called")
        equal(gate.http.post(f"/v1{name_path(node, 'srv')}/call?from={p['id']}", "{later, 50, x}", ERL, TYPED).json, {"$atom": "x"}, "later")
        node.eval("register(ponger, spawn(fun F() -> receive {ping, From} -> From ! pong, F() end end)), ok")
        gate.http.post(f"/v1{name_path(node, 'ponger')}/send?from={p['id']}", f"{{ping, #Pid<{p['pid']}>}}", ERL)
        equal(box.next("message").data, {"message": "pong"}, "pong")
    problem(gate.http.post(f"/v1{name_path(nodes['27'], 'srv')}/call?from=nope", "caller", ERL), 404, "not-found")
    end(p)
    problem(gate.http.post(f"/v1{name_path(nodes['27'], 'srv')}/call?from={p['id']}", "caller", ERL), 410, "gone")


def test_a_call_outlives_the_process_that_it_is_from():
    """A callee of OTP 23 replies to the process, which has gone."""
    for node in nodes.values():
        p, answers = make(), []
        path = f"/v1{name_path(node, 'srv')}/call?from={p['id']}&timeout=8000"
        asks = threading.Thread(target=lambda path=path, answers=answers: answers.append(peers.Http(gate.port).post(path, "{later, 500, x}", ERL, TYPED)))
        asks.start()
        eventually(lambda: gate.http.get(f"/v1/nodes/{segment(node.node)}").json.get("in_flight") == 1, "the call is under way")
        end(p)
        asks.join()
        equal((answers[0].status, answers[0].json), (200, {"$atom": "x"}), node.node)


def test_sys():
    p = make({"name": "debugged"})
    box = mailbox(p)
    for release, node in nodes.items():
        where = f"{{debugged, '{gate.node}'}}"
        equal(node.eval(f"sys:get_state({where})"), "#{calls => 0,ties => 0}", "get_state")
        check("erlgate_process" in node.eval(f"sys:get_status({where})"), "get_status")
        check("notsup" in node.eval(f"catch sys:replace_state({where}, fun(S) -> S end)"), "replace_state is refused")
        equal(node.eval(f"sys:suspend({where}), {where} ! held, sys:resume({where})"), "ok", "suspend and resume")
        equal(box.next("message").data["message"], "held", "what came meanwhile")
    end(p)


def test_what_cannot_be_made():
    for body, code in [("[]", "bad-term"), ("{", "bad-term"), ('{"name": ""}', "bad-parameter"), ('{"name": "undefined"}', "bad-parameter"),
                       ('{"name": 1}', "bad-parameter"), (f'{{"name": "{"x" * 256}"}}', "bad-parameter"), ('{"ttl": 1}', "bad-parameter"),
                       ('{"ttl": "1000"}', "bad-parameter"), ('{"ttl": 1e9}', "bad-parameter"), ('{"trap_exit": 1}', "bad-parameter"),
                       ('{"nonsense": 1}', "bad-parameter"), ('{"name": "a", "name": "b"}', "bad-term")]:
        problem(gate.http.post("/v1/processes", body, JSON), 400, code)
    problem(gate.http.post("/v1/processes", "{}", ERL), 415, "unsupported-media-type")
    p = make({"name": "taken"})
    problem(gate.http.post("/v1/processes", {"name": "taken"}, JSON), 409, "name-taken")
    problem(gate.http.post("/v1/processes", {"name": "net_kernel"}, JSON), 409, "name-taken")
    for what, target, code in [("links", "/nodes/a@b", "bad-parameter"), ("links", shown(nodes["27"], "srv"), "bad-parameter"),
                               ("groups", "/nodes", "bad-parameter"), ("monitors", "nonsense", "bad-parameter"), ("monitors", 1, "bad-parameter")]:
        problem(gate.http.post(f"/v1/processes/{p['id']}/{what}", {"target": target}, JSON), 400, code)
    problem(gate.http.post(f"/v1/processes/{p['id']}/monitors", {"target": "/nodes", "x": 1}, JSON), 400, "bad-parameter")
    for bad in ("nope", "0" * 32, p["id"][:-1] + ("0" if p["id"][-1] != "0" else "1"), p["id"].upper() + "x"):
        problem(gate.http.get(f"/v1/processes/{bad}"), 404, "not-found")
        problem(gate.http.get(f"/v1/processes/{bad}/events"), 404, "not-found")
    problem(gate.http.delete(f"/v1/processes/{p['id']}/monitors/12"), 410, "gone")
    problem(gate.http.post(f"/v1/processes/{p['id']}/replies/zz", "1"), 410, "gone")
    end(p)
    equal(make({"name": "taken"})["name"], "taken", "the name is free again")


def test_pages():
    made = [make({"ttl": 600000}) for _ in range(7)]
    seen, path = [], "/v1/processes?limit=3"
    while path:
        page = gate.http.get(path)
        check(len(page.json["processes"]) <= 3, "a page")
        seen += [p["id"] for p in page.json["processes"]]
        link = page.header("link")
        path = link.partition("<")[2].partition(">")[0] if link else None
    equal(len(seen), len(set(seen)), "each once")
    check({p["id"] for p in made} <= set(seen), "all of them")
    for bad in ("limit=0", "limit=1001", "limit=x", "cursor=-1", "cursor=99999999999"):
        problem(gate.http.get(f"/v1/processes?{bad}"), 400, "bad-parameter")
    for p in made:
        end(p)


def test_time_to_live():
    node = nodes["27"]
    p = make({"name": "brief", "ttl": 1000})
    equal(node.eval(f"R = monitor(process, {{brief, '{gate.node}'}}), receive {{'DOWN', R, _, _, Why}} -> Why after 9000 -> none end"),
          "{shutdown,ttl}", "it ends when nobody uses it")
    problem(gate.http.get(f"/v1/processes/{p['id']}"), 410, "gone")
    p = make({"name": "read", "ttl": 1000})
    box = mailbox(p)
    box.is_silent(3.5 / peers.SLOWER)  # whoever reads keeps it
    equal(gate.http.get(f"/v1/processes/{p['id']}").status, 200, "it lives")
    box.close()
    gone = node.eval(f"R = monitor(process, {{read, '{gate.node}'}}), receive {{'DOWN', R, _, _, Why}} -> Why after 20000 -> none end", 30)
    equal(gone, "{shutdown,ttl}", "it ends when its reader has left")


def test_nobody_reads():
    """A mailbox keeps its last events; who comes is told how many it missed."""
    p = make({"name": "unread"})
    node = nodes["29"]
    node.eval(f"[{{unread, '{gate.node}'}} ! I || I <- lists:seq(1, 5000)], ok")
    eventually(lambda: gate.http.get(f"/v1/processes/{p['id']}").json["events"] == 5000, "all have come")
    box = mailbox(p)
    lost = box.next("gap").data["lost"]
    kept = [box.next("message").data["message"] for _ in range(5000 - lost)]
    equal(kept, list(range(lost + 1, 5001)), "the rest, in order")
    end(p)


def test_order_over_suspend_and_resume():
    """What was held comes before what was sent after it."""
    for node in nodes.values():
        p = make({"name": "held_back"})
        node.eval(f"""P = {{held_back, '{gate.node}'}}, S = fun(X) -> P ! {{system, {{self(), make_ref()}}, X}} end,
            [begin P ! {{K, 0}}, S(suspend), P ! {{K, 1}}, P ! {{K, 2}}, S(resume), S(suspend), P ! {{K, 3}}, S(resume), P ! {{K, 4}} end
             || K <- lists:seq(1, 20)], ok""")
        box = mailbox(p)
        got = [box.next("message").data["message"] for _ in range(100)]
        equal(got, [[k, n] for k in range(1, 21) for n in range(5)], node.node)
        end(p)


def test_what_is_too_large_for_an_event():
    """It comes all the same, without what is too large."""
    p = make({"name": "small"})
    box = mailbox(p)
    node = nodes["25"]
    node.eval(f"{{small, '{gate.node}'}} ! binary:copy(<<\"x\">>, 3000000), ok")
    equal(box.next("message").data, {"omitted": "too-large"}, "message")
    waiting = node.start_eval(f"gen_server:call({{small, '{gate.node}'}}, binary:copy(<<\"x\">>, 3000000))")
    call = box.next("call")
    equal((call.data["omitted"], "request" in call.data), ("too-large", False), "call")
    equal(reply(p, call, "too_large").status, 202, "it can be answered")
    equal(waiting(), "too_large", "reply")
    end(p)


def test_a_stream_is_a_process():
    """Whoever monitors it hears of its end, and an exit signal ends it."""
    for node in nodes.values():
        loner(node, "seen")
        s = stream(name_path(node, "seen") + "/monitor")
        s.next("monitor")
        watched(node, "seen", 1)
        node.eval("{monitored_by, [P]} = process_info(whereis(seen), monitored_by), exit(P, boom), ok")
        event = s.next("exit").data
        check(event["from"].startswith(gate.node), "from")
        equal(event["reason"], "boom", "reason")
        s.ends()
        watched(node, "seen", 0)
        s = stream(name_path(node, "seen") + "/monitor?linger=0")
        s.next("monitor")
        watched(node, "seen", 1)
        hears = node.start_eval("{monitored_by, [P]} = process_info(whereis(seen), monitored_by), R = monitor(process, P), "
                                "seen ! {leave, x}, receive {'DOWN', R, _, _, Why} -> Why after 9000 -> none end")
        s.next("down")
        equal(hears(), "normal", "its end")


def test_a_slow_reader_slows_nobody():
    p = make({"name": "floods"})
    node = nodes["27"]
    box = mailbox(p, buffer=4096)
    count, size = 5000, 20000
    sent = node.start_eval(f"B = binary:copy(<<\"x\">>, {size}), [{{floods, '{gate.node}'}} ! {{I, B}} || I <- lists:seq(1, {count})], ok", 60)
    times = []
    while True:
        began = time.monotonic()
        equal(gate.call(node.node, "srv", "{echo, 1}").json, 1, "a call meanwhile")
        times.append(time.monotonic() - began)
        if gate.http.get(f"/v1/processes/{p['id']}").json["events"] == count:
            break
    equal(sent(), "ok", "sent")
    rss = gate.rss()
    got, lost = [], 0
    while not got or got[-1] < count:
        event = box.next(seconds=20)
        if event.name == "gap":
            lost += event.data["lost"]
        else:
            got.append(event.data["message"][0])
    equal(len(got) + lost, count, "each has come or is counted")
    check(got == sorted(set(got)), "in order")
    check(lost > 0, "the ring was not too small for this test")
    print(f"        {count} messages of {size} bytes to one who does not read: {lost} lost, {len(got)} read; "
          f"a call meanwhile {max(times) * 1000:.1f} ms at most; {rss} KiB resident", flush=True)
    end(p)


def test_how_fast_a_call_is_answered():
    """gen_server:call from Erlang, answered by an HTTP client that reads events; beside a call from BEAM to BEAM."""
    rounds = 300
    far = nodes["29"]
    for release in ("27",):
        near = nodes[release]
        p = make({"name": "fast"})
        box = mailbox(p)
        box.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        measure = ("T = fun() -> A = erlang:monotonic_time(microsecond), {reply} = gen_server:call(%s, {q}), "
                   "erlang:monotonic_time(microsecond) - A end, L = lists:sort([T() || _ <- lists:seq(1, %d)]), "
                   "{lists:nth(%d, L), lists:nth(%d, L)}")
        numbers = (rounds, rounds // 2, rounds * 99 // 100)
        waiting = near.start_eval(measure % (f"{{fast, '{gate.node}'}}", *numbers), 60)
        for _ in range(rounds):
            equal(reply(p, box.next("call"), "{reply}").status, 202, "reply")
        http_ = waiting()
        far.eval("spawn(fun() -> register(fast, self()), F = fun F() -> receive {'$gen_call', From, {q}} -> gen_server:reply(From, {reply}), F() end end, F() end), ok")
        beam = near.eval(measure % (f"{{fast, '{far.node}'}}", *numbers), 60)
        median = int(http_.strip("{}").split(",")[0])
        print(f"        gen_server:call from OTP {release}, median and 99 % in us: answered over HTTP {http_}, by a BEAM {beam}", flush=True)
        check(median < 5000 * peers.SLOWER, f"median {median} us")
        end(p)


def asked(text, name):
    """What the command of the page that calls this name prints."""
    command = re.search(rf"^\$ (erlgate rpc .*{{{name}, .*)$", text, re.M)[1]
    command = command.replace("kv@localhost", nodes["25"].node).replace("erlgate@localhost", gate.node)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20 * peers.SLOWER, check=False,
                          env={"PATH": f"{peers.BIN}:/usr/bin:/bin", "ERLGATE_URL": f"http://127.0.0.1:{gate.port}"})
    equal((done.returncode, done.stderr), (0, ""), command)
    return done.stdout


def test_the_gen_server_of_the_documentation():
    """docs/events.md: a gen_server in a shell."""
    text = (peers.SOURCE / "docs" / "events.md").read_text()
    blocks = [block.partition("```")[0] for block in text.split("```sh\n")[1:]]
    script = next(block for block in blocks if "replies" in block)
    shell = peers.spawn(["sh", "-c", script.replace("localhost:4370", f"127.0.0.1:{gate.port}")], stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL)
    eventually(lambda: any(p.get("name") == "clock" for p in gate.http.get("/v1/processes").json["processes"]), "it has its process")
    for _ in range(3):
        answer = asked(text, "clock")
        check(answer.startswith('<<"') and time.strftime("%Y") in answer, answer)
    for p in gate.http.get("/v1/processes").json["processes"]:
        end(p)
    equal(shell.wait(10), 0, "the shell ends with its stream")


def test_a_server_in_Python():
    """docs/events.md: the same in Python."""
    text = (peers.SOURCE / "docs" / "events.md").read_text()
    script = re.search(r"```python\n(.*?)```", text, re.S)[1]
    python = peers.spawn(["python3", "-c", script.replace("localhost:4370", f"127.0.0.1:{gate.port}")])
    eventually(lambda: any(p.get("name") == "adder" for p in gate.http.get("/v1/processes").json["processes"]), "it has its process")
    equal(asked(text, "adder"), "3\n", "its answer")
    equal(asked(text.replace("[1, 2]", "[1, oops]"), "adder"), '{error,badarg}\n', "an answer to what it does not understand")
    equal(asked(text, "adder"), "3\n", "it goes on")
    python.send_signal(signal.SIGINT)
    equal(python.wait(10), 0, "Ctrl-C")
    check(all(p.get("name") != "adder" for p in gate.http.get("/v1/processes").json["processes"]), "it has gone")


def test_zz_nothing_is_left():
    end_all()


peers.main(globals())
