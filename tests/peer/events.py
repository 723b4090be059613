"""Event streams of monitors, against nodes of four releases."""

import json
import re
import signal
import socket
import subprocess
import time

import peers
from eventstream import EventStream
from peers import JSON, RELEASES, Gateway, Peer, check, equal, eventually, problem, segment
from watching import at_end, end_all, gate, loner, name_path, nodes, peer, rpc_pid, shown, stream, told, watched


def test_a_process_ends():
    for node in nodes.values():
        for reason, wanted in [("normal", "normal"), ("{shutdown, [1, 2]}", ["shutdown", [1, 2]]),
                               ('{bad, <<"thing">>, 1.5}', ["bad", "thing", 1.5]), ("kill", "kill")]:
            loner(node, "loner")
            s = stream(name_path(node, "loner") + "/monitor")
            equal(s.status, 200, "status")
            equal(s.headers["content-type"], "text/event-stream; charset=utf-8", "type")
            equal(s.next("monitor").data, {"target": shown(node, "loner")}, "monitor")
            watched(node, "loner", 1)
            told(node, "loner", reason)
            equal(s.next("down").data, {"target": shown(node, "loner"), "reason": wanted}, f"{node.node} {reason}")
            s.ends()


def test_a_process_is_killed_and_seen_by_many():
    for node in nodes.values():
        pid = loner(node, "victim")
        streams = [stream(name_path(node, "victim") + "/monitor") for _ in range(5)]
        for s in streams:
            s.next("monitor")
        watched(node, "victim", 5)
        node.eval(f"exit(list_to_pid({pid}), kill)")
        for s in streams:
            equal(s.next("down").data["reason"], "killed", node.node)
            s.ends()


def test_what_is_not_there():
    for node in nodes.values():
        s = stream(name_path(node, "nobody") + "/monitor")
        equal(s.status, 200, "status")
        s.next("monitor")
        equal(s.next("down").data["reason"], "noproc", "reason")
        s.ends()
        pid = gate.call(node.node, "srv", "whoami").json["$pid"]
        dead = f"{pid.split(':')[0]}:30000:0:{pid.split(':')[3]}"
        s = stream(f"/pids/{segment(dead)}/monitor")
        equal(s.next("monitor").data, {"target": f"/pids/{dead}", "pid": dead}, "monitor")
        equal(s.next("down").data, {"target": f"/pids/{dead}", "pid": dead, "reason": "noproc"}, "down")
        s.ends()


def test_a_pid_that_old_nodes_cannot_take():
    """Nothing is sent that would cost the connection."""
    node = nodes["23"]
    creation = gate.call(node.node, "srv", "whoami").json["$pid"].split(":")[3]
    s = stream(f"/pids/{segment(f'{node.node}:70000:0:{creation}')}/monitor")
    problem(s.response, 422, "unsupported-by-peer", sent=False)
    equal(gate.call(node.node, "srv", "{echo, 1}").json, 1, "the link")


def test_trouble_before_the_first_byte():
    s = stream("/nodes/nope%40localhost/processes/x/monitor")
    problem(s.response, 503, "no-connection", sent=False)
    problem(stream("/nodes/nohost/processes/x/monitor").response, 400, "bad-parameter")
    problem(stream("/nodes/nope%40localhost/monitor").response, 503, "no-connection")
    problem(stream("/pids/nonsense/monitor").response, 400, "bad-parameter")
    problem(stream("/events").response, 400, "bad-parameter")
    for bad in ("kv", "/", "/nope", "/nodes/a%40b/processes", "/nodes//processes/x", "/nodes/x", "/pids/1",
                "/nodes/a%40b?to=all", "/nodes/a%40b?syntax=elixir", "/nodes/a%40b?syntax=erlang%26x"):
        problem(stream(f"/events?monitor={segment(bad)}").response, 400, "bad-parameter")
    for bad in ("terms=yes", "null=0", "heartbeat=1", "linger=x", "timeout=0", "ping=1", "nonsense=1", "terms=plain&terms=plain"):
        problem(stream(f"/nodes/monitor?{bad}").response, 400, "bad-parameter")
    problem(stream("/nodes/monitor", accept="text/html").response, 406, "not-acceptable")
    equal(gate.http.post("/v1/nodes/monitor").status, 405, "POST")


def test_head_monitors_nothing():
    node = nodes["27"]
    loner(node, "unseen")
    s = stream(name_path(node, "unseen") + "/monitor", method="HEAD")
    equal((s.status, s.headers["content-type"]), (200, "text/event-stream; charset=utf-8"), "HEAD")
    watched(node, "unseen", 0)
    node.eval("unseen ! {leave, normal}")


def test_terms_as_they_are_wanted():
    node = nodes["29"]
    for query, wanted in [("", ["why", [104, 105], 9007199254740993]),
                          ("?charlists=string&bigints=string", ["why", "hi", "9007199254740993"]),
                          ("?terms=typed", {"$tuple": [{"$atom": "why"}, [104, 105], 9007199254740993]})]:
        loner(node, "styled")
        s = stream(name_path(node, "styled") + "/monitor" + query)
        s.next("monitor")
        told(node, "styled", '{why, "hi", 9007199254740993}')
        equal(s.next("down").data["reason"], wanted, query)
        s.ends()
    loner(node, "styled")
    s = stream(name_path(node, "styled") + "/monitor?null=undefined")
    s.next("monitor")
    told(node, "styled", 'undefined')
    equal(s.next("down").data["reason"], None, "null")


def test_names_of_any_kind():
    node = nodes["27"]
    for name in ("my/server", "Elixir.My.Server", "ünïcode ☃", "100%", "a b", "quo\"te", "?monitor=&#", "+plus+"):
        quoted = name.replace("'", "\\'")
        loner(node, quoted)
        s = stream(name_path(node, name) + "/monitor")
        target = s.next("monitor").data["target"]
        many = stream(f"/events?monitor={segment(target)}")
        equal(many.next("monitor").data["target"], target, "the same in a list")
        watched(node, quoted, 2)
        told(node, quoted, "bye")
        equal(s.next("down").data, {"target": target, "reason": "bye"}, name)
        equal(many.next("down").data, {"target": target, "reason": "bye"}, name)
        many.ends()
    s = stream(f"/nodes/{segment(node.node)}/processes/{segment(chr(39) + 'srv' + chr(39))}/monitor?syntax=erlang")
    equal(s.next("monitor").data["target"], f"/nodes/{node.node}/processes/'srv'?syntax=erlang", "target")
    s.close()


def test_a_node_is_killed_and_comes_again():
    """Each monitor tells of it once; who watches all nodes sees it come and go: the gateway looks for it."""
    for release in RELEASES:
        node = nodes[release]
        equal(gate.http.put(f"/v1/nodes/{segment(node.node)}").status, 200, "connect")
        everything = stream("/nodes/monitor")
        check(node.node in everything.next("monitor").data["nodes"], "connected")
        for _ in range(3):
            watching = [stream(name_path(node, "srv") + "/monitor"), stream(f"/nodes/{segment(node.node)}/monitor"),
                        stream(f"/events?monitor=/nodes/{node.node}/processes/srv&monitor=/nodes/{node.node}")]
            watching[0].next("monitor")
            equal(watching[1].next("monitor").data, {"target": f"/nodes/{node.node}"}, "monitor")
            watching[2].next("monitor")
            watching[2].next("monitor")
            node.kill()
            equal(watching[0].next("down").data["reason"], "noconnection", "reason")
            down = watching[1].next("nodedown").data
            equal(down, {"target": f"/nodes/{node.node}", "node": node.node, "hidden": True,
                         "reason": "connection_closed"}, "nodedown")
            equal({watching[2].next().name, watching[2].next().name}, {"down", "nodedown"}, "both")
            for s in watching:
                s.ends()
            seen = everything.next("nodedown").data
            equal((seen["target"], seen["node"], seen["reason"]), ("/nodes", node.node, "connection_closed"), "all nodes")
            node = nodes[release] = peer(release).ready()
            node.eval("testpeer:serve(srv)")
            equal(everything.next("nodeup", seconds=25).data, {"target": "/nodes", "node": node.node, "hidden": True}, "nodeup: as the gateway is hidden")
        everything.close()


def test_a_node_is_disconnected():
    node = nodes["25"]
    equal(gate.http.put(f"/v1/nodes/{segment(node.node)}").status, 200, "connect")
    s = stream(f"/nodes/{segment(node.node)}/monitor")
    s.next("monitor")
    equal(gate.http.delete(f"/v1/nodes/{segment(node.node)}").status, 204, "disconnect")
    equal(s.next("nodedown").data["reason"], "disconnect", "reason")
    s.ends()


def test_many_on_one_stream():
    paths = [shown(n, "many") for n in nodes.values()] + ["/nodes/nope@localhost/processes/x"]
    for node in nodes.values():
        loner(node, "many")
    s = stream("/events?" + "&".join(f"monitor={segment(p)}" for p in paths))
    events = [s.next() for _ in range(len(paths) + 1)]
    equal({e.data["target"] for e in events if e.name == "monitor"}, set(paths), "monitors")
    # One node that cannot be reached is an event among the others.
    equal([e.data for e in events if e.name == "down"],
          [{"target": "/nodes/nope@localhost/processes/x", "reason": "noconnection"}], "down")
    for node in nodes.values():
        told(node, "many", 'enough')
        equal(s.next("down").data, {"target": shown(node, "many"), "reason": "enough"}, "down")
    s.ends()


def test_a_client_that_vanishes_leaves_nothing_behind():
    """At a gateway of its own: what others have watched lingers there, and ends meanwhile."""
    other = Gateway("vanished@localhost", cookie=gate.cookie, epmd="auto", epmd_port=gate.epmd_port)
    before = other.self()["processes"]
    for node in nodes.values():
        loner(node, "watched")
        path = f"/v1{name_path(node, 'watched')}/monitor?linger=0&heartbeat=1000"
        streams = [EventStream(other.port, path) for _ in range(10)]
        for s in streams:
            s.next("monitor")
        watched(node, "watched", 10, by=other)
        for s in streams:
            s.close()
        watched(node, "watched", 0, 15, by=other)
        eventually(lambda: other.self()["processes"] == before, "processes of the gateway are gone", 5)
        node.eval("watched ! {leave, normal}")
    other.stop()


def test_a_client_that_leaves_while_it_waits():
    """Its link is still being made: nothing is left of it either."""
    with socket.socket() as deaf:  # a node that never answers a handshake
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        other = Gateway("other@localhost", args=["--peer", f"deaf@localhost=127.0.0.1:{deaf.getsockname()[1]}"])
        before = other.self()
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", other.port)) as c:
                c.sendall(b"GET /v1/nodes/deaf%40localhost/processes/x/monitor HTTP/1.1\r\nHost: localhost\r\n\r\n")
                eventually(lambda: other.self()["calls"] > before["calls"], "it waits", 5)
            eventually(lambda: other.self()["processes"] == before["processes"], "nothing is left", 10)
        other.stop()


def test_what_was_disconnected_is_left_alone():
    node = nodes["25"]
    equal(gate.http.put(f"/v1/nodes/{segment(node.node)}").status, 200, "connect")
    everything = stream("/nodes/monitor")
    everything.next("monitor")
    equal(gate.http.delete(f"/v1/nodes/{segment(node.node)}").status, 204, "disconnect")
    equal(everything.next("nodedown").data["reason"], "disconnect", "reason")
    time.sleep(1.5)  # it would have been dialled after half a second
    check(not gate.is_connected(node.node), "it is connected again")
    everything.close()


def test_what_was_disconnected_is_not_dialled_again():
    """Not even when it was lost before, and is watched: neither while it is down nor once it is back."""
    node = nodes["25"]
    equal(gate.http.put(f"/v1/nodes/{segment(node.node)}").status, 200, "connect")
    before = gate.self()["processes"]
    everything = stream("/nodes/monitor?linger=0")
    everything.next("monitor")

    def tells(name):
        while (event := everything.next(seconds=25)).name != name or event.data["node"] != node.node:
            pass
        return event.data

    def disconnect():
        equal(gate.http.delete(f"/v1/nodes/{segment(node.node)}").status, 204, "disconnect")

    node.kill()
    tells("nodedown")
    node = nodes["25"] = peer("25").ready()
    tells("nodeup")
    disconnect()
    equal(tells("nodedown")["reason"], "disconnect", "reason")
    everything.is_silent(4)
    equal(gate.http.put(f"/v1/nodes/{segment(node.node)}").status, 200, "connect")
    tells("nodeup")
    node.kill()
    tells("nodedown")
    disconnect()
    node = nodes["25"] = peer("25").ready()
    everything.is_silent(4)
    everything.close()
    eventually(lambda: gate.self()["processes"] <= before, "the stream has ended", 10)
    node.eval("testpeer:serve(srv)")


def test_who_connects_by_itself_is_not_looked_for():
    """It knows the way, or was a tool's node."""
    guest = Peer("27", "guest@localhost", gate.epmd_port, gate.cookie).ready()
    everything = stream("/nodes/monitor")
    everything.next("monitor")
    equal(guest.eval(f"net_adm:ping('{gate.node}')"), "pong", "ping")
    equal(everything.next("nodeup").data["node"], guest.node, "nodeup")
    guest.kill()
    equal(everything.next("nodedown").data["node"], guest.node, "nodedown")
    time.sleep(1.5)  # it would have been dialled after half a second
    equal([line for line in gate.lines("link-failed") if guest.node in line], [], "attempts")
    everything.close()


def test_resuming():
    for node in (nodes["23"], nodes["29"]):
        loner(node, "resumed")
        path = name_path(node, "resumed") + "/monitor"
        s = stream(path)
        first = s.next("monitor")
        s.close()
        told(node, "resumed", 'while_away')
        s = stream(path, last_id=first.id)
        down = s.next("down")
        equal(down.data["reason"], "while_away", "reason")
        s.ends()
        again = stream(path, last_id=first.id)  # the connection was lost before the client had read it
        equal(again.next("down").id, down.id, "the very same event")
        equal(stream(path, last_id=down.id).status, 204, "all has been read")
        other = stream(path, last_id="0123456789abcdef0123456789abcdef-7")
        equal(other.next("gap").data, {"lost": None}, "an id of another life")
        other.next("monitor")
        equal(other.next("down").data["reason"], "noproc", "anew")
        mixed = stream(path + "?terms=typed", last_id=down.id)
        equal(mixed.next("gap").data, {"lost": None}, "an id of another stream")


def test_groups():
    for release, node in nodes.items():
        equal(gate.http.put(f"/v1/nodes/{segment(node.node)}").status, 200, "connect")
        for group, path in ((f"g{release}", f"/groups/pg/g{release}"),
                            (f"{{shard, {release}}}", f"/groups/pg/{segment(f'{{shard, {release}}}')}")):
            query = "?syntax=erlang" if "shard" in group else ""
            s = stream(path + "/monitor" + query)
            target = s.next("monitor").data
            equal(target["members"], [], "members")
            node.eval(f"[register(P, spawn(fun() -> receive stop -> ok end end)) || P <- [m1, m2]], "
                      f"pg:join({group}, [whereis(m1), whereis(m2)])")
            first, second = rpc_pid(node, "m1"), rpc_pid(node, "m2")
            joined = []
            while len(joined) < 2:
                joined += s.next("join").data["pids"]
            equal(sorted(joined), sorted([first, second]), "who joined")
            late = stream(path + "/monitor" + query)
            equal(sorted(late.next("monitor").data["members"]), sorted([first, second]), "members")
            node.eval("m1 ! stop")
            for one in (s, late):
                equal(one.next("leave").data, {"target": target["target"], "pids": [first]}, "leave")
            node.eval(f"pg:leave({group}, whereis(m2)), m2 ! stop, ok")
            equal(s.next("leave").data["pids"], [second], "leave")
            many = stream("/events?monitor=" + segment(target["target"]))
            equal(many.next("monitor").data, {"target": target["target"], "members": []}, "as a path")
            for one in (s, late, many):
                one.close()
    problem(stream("/groups/net_kernel/x/monitor").response, 409, "name-taken")
    problem(stream("/groups/pg/x/monitor?to=all").response, 400, "bad-parameter")


def test_global_names():
    for release, node in nodes.items():
        equal(gate.http.put(f"/v1/nodes/{segment(node.node)}").status, 200, "connect")
        loner(node, "worldly")
        pid = rpc_pid(node, "worldly")
        node.eval(f"yes = global:register_name({{world, {release}}}, whereis(worldly))")
        s = stream(f"/global/{segment(f'{{world, {release}}}')}/monitor?syntax=erlang")
        monitor = s.next("monitor").data
        equal(monitor["pid"], pid, "pid")
        watched(node, "worldly", 1)
        told(node, "worldly", 'flat')
        equal(s.next("down").data, {**monitor, "reason": "flat"}, "down")
        s.ends()
    s = stream("/global/nobody_there/monitor")
    equal(s.next("monitor").data, {"target": "/global/nobody_there"}, "monitor")
    equal(s.next("down").data, {"target": "/global/nobody_there", "reason": "noproc"}, "down")
    s.ends()


def test_atoms_are_counted():
    other = Gateway("frugal@localhost", cookie=gate.cookie, epmd="auto", epmd_port=gate.epmd_port, args=["--atom-budget", "0"])
    s = EventStream(other.port, "/v1/nodes/a27%40localhost/processes/invented_by_http/monitor")
    problem(s.response, 422, "atom-budget-exceeded", sent=False)
    s = EventStream(other.port, "/v1/events?monitor=/nodes&monitor=/groups/pg/invented_by_http")
    problem(s.response, 422, "atom-budget-exceeded", sent=False)
    other.stop()


def test_ndjson():
    node = nodes["27"]
    loner(node, "lines")
    s = stream(name_path(node, "lines") + "/monitor", accept="application/x-ndjson")
    equal(s.headers["content-type"].split(";")[0], "application/x-ndjson", "type")
    told(node, "lines", 'x')
    while not s.is_over:
        s._receive(10)
        s._dechunk()
    lines = [json.loads(line) for line in s.text.decode().splitlines()]
    equal([(e["event"], e["data"].get("reason")) for e in lines if e["event"] != "ping"], [("monitor", None), ("down", "x")], "lines")


def test_the_events_of_the_README():
    """Its command, and what it prints, but for ids and the time to reconnect."""
    shown_there = re.search(r"^\$ (curl -N .*/v1/events\?.*)\n((?:\{.*\n)+)", (peers.SOURCE / "README.md").read_text(), re.M)

    def masked(line):
        return re.sub(r'"retry":\d+', '"retry":0', re.sub(r'"id":"[0-9a-f]{32}-', '"id":"-', line))

    own = Gateway()
    node = Peer("27", "kv@localhost", own.epmd_port, own.cookie).ready()
    loner(node, "kv")
    equal(own.http.put(f"/v1/nodes/{node.node}").status, 200, "it is connected")
    curl = peers.spawn(["sh", "-c", "exec " + shown_there[1].replace("localhost:4370", f"127.0.0.1:{own.port}")],
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for wanted in shown_there[2].splitlines():
        if '"event":"down"' in wanted:
            node.eval("exit(whereis(kv), kill)")
        equal(masked(curl.stdout.readline().rstrip("\n")), masked(wanted), "a line")
    peers.end(curl)
    node.stop()
    own.stop()


def test_bye():
    """The gateway stops: streams say so, and Erlang hears that its processes are no more."""
    other = Gateway("leaving@localhost", cookie=gate.cookie, epmd="auto", epmd_port=gate.epmd_port)
    node = nodes["27"]
    made = other.http.post("/v1/processes", {"name": "late"}, JSON).json
    streams = [EventStream(other.port, "/v1/nodes/monitor"), EventStream(other.port, f"/v1/nodes/{segment(node.node)}/processes/srv/monitor"),
               EventStream(other.port, f"/v1/processes/{made['id']}/events")]
    down = node.start_eval("R = monitor(process, {late, 'leaving@localhost'}), receive {'DOWN', R, _, _, Why} -> Why after 9000 -> none end")
    streams[0].next("monitor")
    streams[1].next("monitor")
    eventually(lambda: other.node_info(node.node), "connected")
    other.proc.send_signal(signal.SIGTERM)
    for s in streams:
        event = s.next()
        while event.name != "bye":
            event = s.next()
        equal(event.data, {}, "bye")
        s.ends()
    check(down() in ("normal", "noconnection", "shutdown"), "DOWN")
    equal(other.proc.wait(20 * peers.SLOWER), 0, "exit status")
    other.check_log()


def test_zz_nothing_is_left():
    end_all()


peers.main(globals())
