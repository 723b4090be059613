"""A gateway with three threads (--workers), each aimed at on purpose: whichever has a client's connection, the client sees the same.
What is exact with one thread, and who clients are, is in workers_exact.py; load, and those who mean harm, in workers_load.py.
"""

import http.client
import json
import os
import signal
import socket
import struct
import time

from lanes import THREADS, Lanes, is_quiet, post_and_leave, threaded
from peers import ERL, ETF, JSON, RELEASES, SLOWER, TYPED, Peer, check, end, equal, eventually, main, problem, segment

MIB = 1 << 20

# ---- One gateway among all releases ----------------------------------------------------------------------------------------

GATE = threaded()
LANES = Lanes(GATE)
PEERS = {r: Peer(r, f"a{r}@localhost", GATE.epmd_port, GATE.cookie, kernel={"start_pg": "true"}) for r in RELEASES}
for _release, _peer in PEERS.items():
    _peer.ready()
    _peer.eval("P = testpeer:serve(srv)" + (", pg:join(crowd, P)" if _release >= "25" else ""))
    _peer.eval(f"net_kernel:connect_node('{GATE.node}'), ok")
PEERS["27"].eval("yes = global:register_name(boss, whereis(srv)), ok")
AT = {r: p.node for r, p in PEERS.items()}
HTTP = LANES.http()


def path_to(release, verb, name="srv"):
    return GATE.process_path(AT[release], name, verb)


def seen(release):
    return PEERS[release].eval("gen_server:call(srv, seen)")


def forget(release):
    PEERS[release].eval("gen_server:call(srv, forget)")


def each_lane():
    for release in RELEASES:
        for thread, lane in HTTP.items():
            yield release, thread, lane


def test_connections_are_spread():
    socks = [LANES.dial() for _ in range(60)]
    counts = eventually(lambda: (c := LANES.connections()) and sum(c.values()) >= 64 and c, "all are counted")
    check(all(counts[t] >= 12 for t in THREADS), "connections of each thread", counts)
    check(counts[1] >= counts[0] and counts[2] >= counts[0], "the owner has the fewest", counts)
    check(abs(counts[1] - counts[2]) <= 1, "workers have as many", counts)
    for s in socks:
        s.close()
    eventually(lambda: sum(LANES.connections().values()) == 4, "they are gone")
    # Whoever has the fewest gets the next: what has been closed is made good.
    mine = {t: LANES.open(t, t, t)[0:3] for t in (1,)}
    for s in mine[1]:
        s.close()


def test_every_verb_to_a_name():
    for release, thread, lane in each_lane():
        forget(release)
        r = lane.post(path_to(release, "call"), f"{{echo, {{{thread}, <<\"é\"/utf8>>}}}}", ERL, TYPED)
        equal((r.status, r.json), (200, {"$tuple": [thread, "é"]}), "call")
        for verb, status in (("cast", 202), ("send", 202)):
            r = lane.post(path_to(release, verb), f"{{{verb}, {thread}}}", ERL)
            equal(r.status, status, f"{verb}: {r}")
        equal(eventually(lambda r=release: (s := seen(r)) and s.count("{") == 4 and s, "both arrive"),
              f"[{{cast,{{cast,{thread}}}}},{{info,{{send,{thread}}}}}]", f"{release} at thread {thread}")
        r = lane.get(f"/v1/nodes/{segment(AT[release])}/processes/srv")
        equal(r.status, 200, f"look: {r}")
        r = lane.get(f"/v1/nodes/{segment(AT[release])}/ping")
        equal((r.status, r.json["pong"]), (200, True), "ping")
        PEERS[release].eval("spawn(fun() -> register(victim, self()), process_flag(trap_exit, true), M = receive X -> X end, srv ! M end), "
                            "testpeer:reached(fun() -> whereis(victim) =/= undefined end, 5000)")
        r = lane.post(path_to(release, "exit", "victim"), "enough", ERL)
        equal(r.status, 202, f"exit by name: {r}")
        eventually(lambda r=release: ",enough}" in seen(r), "the signal arrives")


def test_every_verb_to_a_pid():
    for release, _, lane in each_lane():
        forget(release)
        pid = lane.post(path_to(release, "call"), "whoami", ERL, TYPED).json["$pid"]
        path = f"/v1/pids/{segment(pid)}"
        equal(lane.post(path + "/call", "{echo, 7}", ERL, TYPED).json, 7, "call")
        equal(lane.post(path + "/cast", "c", ERL).status, 202, "cast")
        equal(lane.post(path + "/send", "s", ERL).status, 202, "send")
        equal(eventually(lambda r=release: (s := seen(r)) and s.count("{") == 2 and s, "both arrive"), "[{cast,c},{info,s}]", release)
        equal(lane.get(path).status, 200, "look")
        victim = PEERS[release].eval("P = spawn(fun() -> receive never -> ok end end), register(victim2, P), P")
        number = victim.strip("<>").split(".")[1]
        r = lane.post(f"/v1/pids/{segment(pid.split(':')[0] + ':' + number + ':0:' + pid.split(':')[3])}/exit", "kill", ERL)
        equal(r.status, 202, f"exit: {r}")
        equal(PEERS[release].eval("testpeer:reached(fun() -> whereis(victim2) =:= undefined end, 5000)"), "true", "it is gone")


def test_functions():
    for release, thread, lane in each_lane():
        path = f"/v1/nodes/{segment(AT[release])}/rpc/"
        r = lane.post(path + "lists/sum", f"[[{thread}, 40]]", ERL, TYPED)
        equal((r.status, r.json), (200, thread + 40), f"rpc: {r}")
        r = lane.post(path + "testpeer/fail", "[oops]", ERL, TYPED)
        check(r.status >= 400 and "oops" in r.text, f"an exception: {r}")
        forget(release)
        r = lane.post(path + "testpeer/note/cast", f"[srv, {thread}]", ERL)
        equal(r.status, 202, f"rpc cast: {r}")
        eventually(lambda r=release, t=thread: f"{{cast,{t}}}" in seen(r), "the cast arrives")


def test_names_of_global_and_groups():
    for thread, lane in HTTP.items():
        forget("27")
        equal(lane.post("/v1/global/boss/call", f"{{echo, {thread}}}", ERL, TYPED).json, thread, "call by global")
        equal(lane.post("/v1/global/boss/cast", "c", ERL).status, 202, "cast by global")
        eventually(lambda: "{cast,c}" in seen("27"), "it arrives")
        equal(lane.post("/v1/groups/pg/crowd/call", f"{{echo, {thread}}}", ERL, TYPED).json, thread, "call to one of a group")
        r = lane.post("/v1/groups/pg/crowd/call?to=all", f"{{echo, {thread}}}", ERL, JSON)
        equal((r.status, len(r.json)), (200, 3), f"call to all of a group: {r}")
        big = json.dumps({"$tuple": [{"$atom": "echo"}, "x" * MIB]})
        r = lane.post("/v1/global/boss/call", big, JSON, JSON)
        equal((r.status, len(r.json)), (200, MIB), "a MiB by global")


def test_who_is_asked_stands_in_the_body():
    for release, thread, lane in each_lane():
        pid = lane.post(path_to(release, "call"), "whoami", ERL, TYPED).json["$pid"]
        for to in ({"node": AT[release], "name": "srv"}, {"pid": pid}, {"global": "boss"}, {"scope": "pg", "group": "crowd", "mode": "any"}):
            r = lane.post("/v1/call", {"to": to, "request": {"$tuple": [{"$atom": "echo"}, thread]}}, JSON, JSON)
            equal((r.status, r.json), (200, thread), f"call to {to}: {r}")
            equal(lane.post("/v1/cast", {"to": to, "request": {"$atom": "c"}}, JSON).status, 202, f"cast to {to}")
            equal(lane.post("/v1/send", {"to": to, "request": {"$atom": "s"}}, JSON).status, 202, f"send to {to}")


def test_a_call_from_a_process_of_a_client():
    made = HTTP[1].post("/v1/processes", {"ttl": 600000}, JSON)
    equal(made.status, 201, made)
    for release, thread, lane in each_lane():
        r = lane.post(path_to(release, "call") + f"?from={made.json['id']}", "caller", ERL, TYPED)
        equal((r.status, r.json.get("$pid")), (200, made.json["pid"]), f"{release} at thread {thread}: {r}")
    equal(HTTP[2].delete(f"/v1/processes/{made.json['id']}").status, 204, "it ends")


def test_bodies_that_are_lent():
    """POST /v1/processes takes little; what goes along is more, and is there whole."""
    for lane in HTTP.values():
        r = lane.post("/v1/processes", b" " * MIB + json.dumps({"ttl": 600000}).encode(), JSON)
        equal(r.status, 201, r)
        one = r.json
        r = lane.post(f"/v1/processes/{one['id']}/links", {"target": "/nowhere"}, JSON)
        check(r.status >= 400, r)
        equal(lane.delete(f"/v1/processes/{one['id']}").status, 204, "it ends")


def test_problems_are_the_same():
    for lane in HTTP.values():
        problem(lane.post(path_to("27", "call", "nobody"), "x", ERL), 404, "noproc")
        problem(lane.post(path_to("27", "call") + "?timeout=50", "never", ERL), 504, "timeout", sent=True)
        problem(lane.post(GATE.process_path("gone@localhost", "x", "call"), "x", ERL), 503, "no-connection", sent=False)
        problem(lane.post(path_to("27", "call"), "{", ERL), 400, "bad-term")
        problem(lane.get("/v1/nowhere"), 404, "not-found")


def texts_of(n):
    return ",".join(f'"w_{i}"' for i in range(n))


def test_replies_with_many_atoms():
    """More than a message's header can refer to, known to the cache and not: typed JSON is what the owner gives."""
    for release in RELEASES:
        for n in (3, 200, 254, 255, 256, 400):
            for _ in range(2):  # the second time the cache has them
                texts = {}
                for thread, lane in HTTP.items():
                    r = lane.post(f"/v1/nodes/{segment(AT[release])}/rpc/erlang/apply",
                                  f"[lists, map, [fun erlang:list_to_atom/1, [{texts_of(n)}]]]",
                                  ERL, TYPED)
                    equal(r.status, 200, f"{n} atoms from {release}: {r}")
                    texts[thread] = r.body
                equal(texts[1], texts[0], f"{n} atoms by a worker")
                equal(texts[2], texts[0], f"{n} atoms by another")
                equal(len(json.loads(texts[0])), n, "atoms")


def test_large_bodies_and_replies():
    gate = threaded("--max-body", str(16 * MIB))
    peer = Peer("27", "big@localhost", gate.epmd_port, gate.cookie).ready()
    peer.eval("testpeer:serve(srv)")
    path = gate.process_path(peer.node, "srv", "call")
    lanes = Lanes(gate)
    body = b"\x83h\x02w\x04echom" + struct.pack(">I", 10 * MIB) + os.urandom(10 * MIB)
    for lane in lanes.http().values():
        r = lane.request("POST", path + "?timeout=30000", body, {"Content-Type": ETF, "Accept": ETF}, seconds=60)
        equal(r.status, 200, r)
        check(r.body[6:] == body[14:], "what comes back is not what was sent")
        r = lane.request("POST", path + "?timeout=30000", f"{{bytes, {10 * MIB}}}", {"Content-Type": ERL, "Accept": JSON}, seconds=60)
        equal((r.status, len(r.body)), (200, 10 * MIB + 3), "ten MiB of JSON")
    gate.stop()
    peer.stop()


# ---- Calls that are called off, and peers that go --------------------------------------------------------------------------


def monitors(release, name="srv"):
    return int(PEERS[release].eval(f"length(element(2, process_info(whereis({name}), monitored_by)))"))


def test_a_call_whose_client_leaves_is_called_off():
    for path in (path_to("27", "call"), "/v1/global/boss/call"):
        before, socks = monitors("27"), LANES.open(*THREADS)
        for n, sock in enumerate(socks):
            post_and_leave(sock, path + "?timeout=60000", b"never")
            eventually(lambda b=before, n=n: monitors("27") == b + n + 1, f"thread {n} has asked, {path}")
        for sock in socks:
            sock.close()
        eventually(lambda b=before: monitors("27") == b, f"the calls are called off, {path}")
    eventually(lambda: LANES.in_flight() == 0, "nothing is in flight")


def test_a_peer_is_killed_while_all_threads_wait():
    for release in ("23", "29"):
        peer = Peer(release, "mortal@localhost", GATE.epmd_port, GATE.cookie).ready()
        peer.eval("testpeer:serve(srv), ok")
        path = GATE.process_path(peer.node, "srv", "call") + "?timeout=60000"
        socks = LANES.open(*THREADS * 4)
        for s in socks:
            post_and_leave(s, path, b"never")
        # (A peer does not say how many monitors it has while this is its last link: by metrics.)
        eventually(lambda: LANES.in_flight() == len(socks), "all wait")
        eventually(lambda p=peer: p.eval("gen_server:call(srv, asked)") == str(len(socks)), "all are asked")
        end(peer.proc, signal.SIGKILL)
        for s in socks:
            answer = http.client.HTTPResponse(s)
            answer.begin()
            text = answer.read()
            check(answer.status == 502 or answer.status == 503, answer.status, text)
            equal(json.loads(text)["code"], "nodedown", "code")
            s.close()


# ---- Event streams ---------------------------------------------------------------------------------------------------------


def emitter(path="/v1/processes"):
    """A process of a client's, to which nodes send: its stream is fed as fast as one likes."""
    made = HTTP[0].post(path, {"name": f"in{time.monotonic_ns()}", "ttl": 600000}, JSON)
    equal(made.status, 201, made)
    return made.json


def feed(process, *numbers, release="27", size=0):
    node, *ids = process["pid"].rsplit(":", 3)
    PEERS[release].eval(f"[{{'{process['name']}', '{node}'}} ! {{n, N, binary:copy(<<\"x\">>, {size})}} || N <- {list(numbers)}], ok")


def taken(process, release="27"):
    """What has been fed to it has been taken: this is answered after it."""
    node = process["pid"].rsplit(":", 3)[0]
    PEERS[release].eval(f"#{{}} = sys:get_state({{'{process['name']}', '{node}'}}, 30000), ok", 40)


def numbers_of(events):
    return [e.data["message"][1] if isinstance(e.data["message"], list) else e.data["message"]["$tuple"][1] for e in events]


def test_streams_at_each_thread():
    for release in RELEASES:
        for thread in THREADS:
            PEERS[release].eval("spawn(fun() -> register(loner, self()), receive {leave, R} -> exit(R) end end), "
                                "testpeer:reached(fun() -> whereis(loner) =/= undefined end, 5000)")
            path = f"/v1/nodes/{AT[release]}/processes/loner/monitor"
            s = LANES.stream(thread, path)
            equal((s.status, s.headers["content-type"]), (200, "text/event-stream; charset=utf-8"), "status and type")
            s.next("monitor")
            nd = LANES.open(thread)[0]
            nd.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n".encode())
            head = LANES.open(thread)[0]
            head.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
            got = b""
            while piece := head.recv(4096):
                got += piece
            check(got.startswith(b"HTTP/1.1 200 ") and b"text/event-stream" in got and got.endswith(b"\r\n\r\n"), "HEAD:", got)
            eventually(lambda r=release: monitors(r, "loner") == 2, "both monitor it")
            PEERS[release].eval("loner ! {leave, over}, ok")
            equal(s.next("down").data["reason"], "over", "reason")
            s.ends()
            got = b""
            while b"0\r\n\r\n" not in got:
                piece = nd.recv(4096)
                check(piece, "NDJSON is cut off:", got)
                got += piece
            check(b'"down"' in got and b"over" in got, "NDJSON:", got)
            nd.close()


def test_a_reader_leaves_and_its_monitor_goes():
    PEERS["29"].eval("spawn(fun() -> register(loner, self()), receive {leave, R} -> exit(R) end end), "
                     "testpeer:reached(fun() -> whereis(loner) =/= undefined end, 5000)")
    streams = [LANES.stream(thread, f"/v1/nodes/{AT['29']}/processes/loner/monitor?linger=0") for thread in THREADS]
    for s in streams:
        s.next("monitor")
    eventually(lambda: monitors("29", "loner") == len(streams), "it is monitored")
    for n, s in enumerate(streams):
        s.close()
        eventually(lambda n=n: monitors("29", "loner") == len(streams) - n - 1, f"the monitor of thread {n} goes")
    PEERS["29"].eval("loner ! {leave, over}, ok")


def test_going_on_at_another_thread():
    process = emitter()
    path = f"/v1/processes/{process['id']}/events"
    last, sent = None, 0
    for thread in (0, 1, 2, 1, 0, 2):
        s = LANES.stream(thread, path, last_id=last)
        equal(s.status, 200, "status")
        for _ in range(3):
            feed(process, sent)
            event = s.next("message")
            equal(numbers_of([event]), [sent], f"at thread {thread}")
            last, sent = event.id, sent + 1
        s.close()
        feed(process, sent)  # while nobody reads
        sent += 1
        s = LANES.stream((thread + 1) % 3, path, last_id=last)
        event = s.next("message")
        equal(numbers_of([event]), [sent - 1], f"what thread {thread} has not seen")
        last = event.id
        s.close()
    HTTP[0].delete(f"/v1/processes/{process['id']}")


def test_a_reader_takes_another_ones_place():
    process = emitter()
    path = f"/v1/processes/{process['id']}/events"
    readers = [LANES.stream(0, path)]
    for thread in (1, 2, 2, 0, 1):
        readers.append(LANES.stream(thread, path))
        equal(readers[-1].status, 200, "status")
        readers[-2].next("bye")
        readers[-2].ends()
    feed(process, 5)
    event = readers[-1].next("message")
    equal(numbers_of([event]), [5], "the last one reads")
    readers[-1].close()
    HTTP[0].delete(f"/v1/processes/{process['id']}")


def test_heartbeats():
    streams = [LANES.stream(thread, "/v1/nodes/monitor?heartbeat=1000") for thread in THREADS]
    for s in streams:
        s.next("monitor")
    for s in streams:
        s.comments.clear()
        end_ = time.monotonic() + 10 * SLOWER
        while not s.comments and time.monotonic() < end_:
            s.is_silent(0.1)
        check(s.comments, "no heartbeat")
        s.close()


def slow_reader(thread, count, batch):
    """A process, and a stream of it that is not read while so many messages come."""
    process = emitter()
    s = LANES.stream(thread, f"/v1/processes/{process['id']}/events")
    s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    for n in range(0, count, batch):
        feed(process, *range(n, n + batch), size=1000)
    taken(process)
    return process, s


def test_a_slow_reader_misses_nothing_that_is_kept():
    """It does not read while more comes than the window, and what the system keeps, take."""
    for thread in THREADS:
        count = 700
        process, s = slow_reader(thread, count, 100)
        equal(HTTP[thread].get("/livez").status, 200, "others are served")
        got = []
        while len(got) < count:
            event = s.next(seconds=20)
            check(event.name != "gap", "a gap")
            if event.name == "message":
                got += numbers_of([event])
        equal(got, list(range(count)), f"thread {thread}")
        s.close()
        HTTP[0].delete(f"/v1/processes/{process['id']}")


def test_a_reader_that_is_too_slow_is_told_of_the_gap():
    for thread in THREADS:
        count = 8000
        process, s = slow_reader(thread, count, 1000)
        got, lost, last = 0, 0, -1
        while last < count - 1:
            event = s.next(seconds=20)
            if event.name == "gap":
                lost += event.data["lost"]
            elif event.name == "message":
                n = numbers_of([event])[0]
                check(n > last, "out of order:", n, "after", last)
                last, got = n, got + 1
        check(lost > 0, "no gap")
        equal(got + lost, count, f"what came and what was lost at thread {thread}")
        s.close()
        HTTP[0].delete(f"/v1/processes/{process['id']}")


# ---- The end ---------------------------------------------------------------------------------------------------------------


def at_end():
    for lane in HTTP.values():
        lane.close()
    eventually(lambda: is_quiet(LANES), "no connection is left")
    GATE.stop()
    for peer in PEERS.values():
        peer.stop()


if __name__ == "__main__":
    main(globals())
