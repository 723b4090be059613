#!/usr/bin/env python3
"""A peer that has the cookie, and means harm or has lost its way: it asks without reading, keeps others busy with terms that
no node of OTP would send. What it costs us is bounded, and the others go on. The other end is played (played.py)."""

import contextlib
import json
import pathlib
import re
import socket
import struct
import threading
import time

import peers
import played
from eventstream import EventStream
from peers import ERL, ETF, JSON, SLOWER, Gateway, check, equal, eventually, fresh_cookie, problem
from played import Atom, Pid, PlayedEpmd, Raw, Ref, dial, passed

COOKIE = fresh_cookie()
EPMD = PlayedEpmd()
GATE = Gateway("erlgate@localhost", COOKIE, epmd=f"127.0.0.1:{EPMD.port}", epmd_port=EPMD.port)

MAX_QUEUE = 64 << 20  # node.h: for one link
MIB = 1 << 20


def link_to(name):
    return dial(EPMD.nodes["erlgate"][0], name, COOKIE, played.PLAIN)


def framed(body):
    return struct.pack(">I", len(body)) + body


def make(**wish):
    response = GATE.http.post("/v1/processes", json.dumps(wish))
    equal(response.status, 201, f"POST /v1/processes: {response}")
    return response.json


def pid_of(process):
    node, *numbers = process["pid"].rsplit(":", 3)
    return Pid((node, *map(int, numbers)))


def look(process):
    return GATE.http.get("/v1/processes/" + process["id"]).json


def test_who_asks_without_reading_is_not_read():
    """Each monitor of a name that is not there has an answer of the same length."""
    with link_to("greedy@localhost") as link:
        many = framed(passed((19, link.pid(), Atom("x" * 255), link.ref()))) * 4096
        at_first, sent = GATE.rss(), 0
        link.sock.settimeout(3 * SLOWER)
        while sent < 6 * MAX_QUEUE:
            try:
                sent += link.sock.send(many[sent % len(many):])
            except socket.timeout:
                break
        check(sent < 6 * MAX_QUEUE, f"{sent / MIB:.0f} MiB of questions were taken, of which no answer was read")
        check(GATE.rss() - at_first < 4 * MAX_QUEUE // 1024, f"from {at_first} to {GATE.rss()} kB for {sent / MIB:.0f} MiB")
        with link_to("modest@localhost") as other:
            check(other.is_alive(), "others are read")
        # It reads after all, and goes on where it was.
        size = len(many) // 4096
        rest = many[sent % size:size] if sent % size else b""
        link.sock.settimeout(10 * SLOWER)
        threading.Thread(target=link.sock.sendall, args=(rest,), daemon=True).start()
        wanted, answers = (sent + len(rest)) // size, 0
        while answers < wanted:
            try:
                answers += link.receive()[0][0] == 28  # PAYLOAD_MONITOR_P_EXIT
            except socket.timeout:
                raise peers.Failed(f"no more than {answers} of {wanted} answers") from None
        check(link.is_alive(), "the link goes on")


def test_tags_of_any_size():
    """A call is kept until it is answered over HTTP, and with it the caller's tag, which may be any term."""
    process = make(name="patient", ttl=600000)
    with link_to("tagger@localhost") as link:
        long = (Atom("long"), b"t" * MIB)
        call = passed((2, Atom(""), pid_of(process)), (Atom("$gen_call"), (link.pid(), long), Atom("hello")))
        link.frame(call)
        equal(link.reply(long), (Atom("error"), Atom("overloaded")), "the answer to a call with a long tag")
        equal(look(process)["calls"], 0, "calls that are kept")
        short = (Atom("short"), b"t" * 1000)
        link.control((2, Atom(""), pid_of(process)), (Atom("$gen_call"), (link.pid(), short), Atom("hello")))
        events = EventStream(GATE.port, f"/v1/processes/{process['id']}/events")
        call = events.next("call").data["call"]
        equal(GATE.http.post(f"/v1/processes/{process['id']}/replies/{call}", "7").status, 202, "status")
        equal(link.reply(short), 7, "the answer")
        events.close()


def in_group(link, scope, group, members):
    """Plays the scope at that node, which has these members, until the link is closed."""

    def serve():
        try:
            while True:
                control, message = link.receive()
                if control[0] == 29:  # what is the process of that name? It runs no functions, and cannot say
                    link.control((31, control[1], control[2], 0, Atom("notsup")))
                elif isinstance(message, tuple) and message[0] == "discover":
                    link.send(scope, (Atom("discover"), link.pid(3)))
                    link.send(scope, (Atom("$gen_cast"), (Atom("sync"), link.pid(3), [(Atom(group), members)])))
        except (OSError, EOFError):
            pass

    link.sock.settimeout(None)
    threading.Thread(target=serve, daemon=True).start()


def peak():
    """Bytes that it has had at most."""
    status = pathlib.Path(f"/proc/{GATE.proc.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024


def test_atoms_of_a_header_are_no_lever():
    """Two bytes in a message are an atom of 255 characters in what is made of it: a tag, a reason, an answer. None of 4 MiB becomes 500."""
    process = make(ttl=600000)
    many = Raw(b"l" + struct.pack(">I", 2 * MIB) + b"R\0" * (2 * MIB) + b"j")
    with dial(EPMD.nodes["erlgate"][0], "lever@localhost", COOKIE, played.PLAIN | played.DIST_HDR_ATOM_CACHE) as link:
        called = (link.pid(), many)

        def to(name, term):
            return ((6, link.pid(), Atom(""), Atom(name)), term)

        erpc = (29, link.ref(), link.pid(), link.pid(), (Atom("erpc"), Atom("execute_call"), 4), [])
        for control, payload in (to("net_kernel", (Atom("$gen_call"), called, (Atom("is_auth"), Atom("x")))),
                                 to("rex", (Atom("$gen_call"), called, (Atom("call"), Atom("m"), Atom("f"), [], link.pid()))),
                                 to("user", (Atom("io_request"), link.pid(), many, Atom("x"))),
                                 (erpc, [many, Atom("m"), Atom("f"), []]), (erpc, [1, Atom("m"), Atom("f"), [many]]),
                                 ((2, Atom(""), pid_of(process)), (Atom("$gen_call"), called, 1)),
                                 ((2, Atom(""), pid_of(process)), (Atom("system"), called, (Atom("x"), many))),
                                 ((26, link.pid(), pid_of(process)), many)):
            link.frame(played.cached(["x" * 255], control, payload))
        eventually(lambda: GATE.http.get("/v1/processes/" + process["id"]).status == 410, "the last of them was read")
    check(peak() < 400 * MIB, f"{peak() / MIB:.0f} MiB at most")


def test_members_at_a_node_in_latin_1():
    """No node of OTP spells itself so; C nodes may. It is told from others by the same characters, and is UTF-8 to clients."""
    with link_to("old@localhost") as link:
        in_group(link, "latin", "g", [Raw(b"X" + b"d\0\3\xe9@x" + struct.pack(">III", 9, 0, 1))])
        path = "/v1/groups/latin/g/call?timeout=2000"
        problem(GATE.http.post(path, "1"), 503, "no-connection", sent=False)
        for accept in (JSON, ERL, ETF):
            answer = GATE.http.post(path + "&to=all", "1", accept=accept)
            equal(answer.status, 200, f"status of {answer}")
            check("é@x".encode() in answer.body, "the node in UTF-8 in", answer)
            check(b"no-connection" in answer.body, "its error in", answer)
            check(b"internal" not in answer.body, "its error in", answer)


def test_what_ends_of_a_discover_is_sent_one():
    """A node that cannot say what has the name of a scope is asked as pg asks; what ends of that is left alone from then on."""
    discovers = []

    def serve(link):
        with contextlib.suppress(OSError, EOFError):
            while True:
                control, message = link.receive()
                if control[0] == 29:
                    link.control((31, control[1], control[2], 0, Atom("notsup")))
                elif control[0] == 19:
                    link.control((21, control[2], control[1], control[3], Atom("function_clause")))
                elif control[0] == 6 and control[3] == "brittle":
                    discovers.append(message)

    with link_to("brittle@localhost") as link:
        link.sock.settimeout(None)
        threading.Thread(target=serve, args=(link,), daemon=True).start()
        for _ in range(3):
            answer = GATE.http.post("/v1/groups/brittle/g/call?timeout=5000", "1")
            problem(answer, 404, "noproc", sent=True)
            equal(answer.json["retryable"], False, "what may have ended a server is not asked again")
        equal([d[0] for d in discovers], ["discover"], "messages that it was sent")


def test_a_node_that_says_nothing_of_its_processes():
    """Nothing is sent to what may be a server."""
    with link_to("mute@localhost") as link:
        link.sock.settimeout(None)
        got = []

        def serve():
            with contextlib.suppress(OSError, EOFError):
                while True:
                    got.append(link.receive())

        threading.Thread(target=serve, daemon=True).start()
        answer = GATE.http.post("/v1/groups/mute/g/call?timeout=500", "1")
        equal(problem(answer, 504, "timeout", sent=False)["retryable"], True, "it may be asked again")
        check("has not said in time who is in that scope" in answer.json["detail"], answer.json["detail"])
        eventually(lambda: got, "it is asked")
        check(all(control[0] != 6 or control[3] != "mute" for control, _ in got), "messages", got)


def test_a_node_that_says_nothing_is_waited_for_once():
    """Who has members elsewhere is served meanwhile, and who leaves while it is waited for leaves no scope behind."""
    with link_to("mute@localhost") as mute, link_to("apt@localhost") as apt:
        mute.sock.settimeout(None)

        def swallow():
            with contextlib.suppress(OSError, EOFError):
                while True:
                    mute.receive()

        def serve():
            with contextlib.suppress(OSError, EOFError):
                while True:
                    control, message = apt.receive()
                    if control[0] == 29:
                        apt.control((31, control[1], control[2], 0, Atom("notsup")))
                    elif control[0] == 6 and control[3] == "apart" and message[0] == "discover":
                        apt.send("apart", (Atom("sync"), apt.pid(3), [(Atom("g"), [apt.pid(7)])]))

        for target in (swallow, serve):
            threading.Thread(target=target, daemon=True).start()
        equal(GATE.http.post("/v1/groups/apart/g/cast", "1").status, 202, "the member is known")
        began = time.monotonic()
        for _ in range(5):
            equal(GATE.http.post("/v1/groups/apart/g/cast", "1").status, 202, "and is served")
        check(time.monotonic() - began < 1.5, f"five casts took {time.monotonic() - began} s")

        before = GATE.self()["processes"]
        leavers = [socket.create_connection(("127.0.0.1", GATE.port)) for _ in range(20)]
        for n, leaver in enumerate(leavers):
            leaver.sendall(b"POST /v1/groups/left%d/g/call HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1" % n)
        eventually(lambda: GATE.self()["processes"] >= before + 40, "each has a scope, and waits")
        for leaver in leavers:
            leaver.close()
        eventually(lambda: GATE.self()["processes"] <= before, "nothing is left of them", 15)


def test_names_of_groups_of_any_size():
    """Each pid of a message is looked up in its group: a long name and many pids, and nobody else would be served for minutes."""
    events = EventStream(GATE.port, "/v1/groups/lengthy/g/monitor")
    with link_to("verbose@localhost") as link:
        member = played.encode(link.pid(7))
        link.send("lengthy", (Atom("discover"), link.pid(3)))
        link.send("lengthy", (Atom("join"), link.pid(3), Atom("g"), Raw(member)))
        events.next("monitor")
        events.next("join")
        long = b"g" * (8 * MIB)
        many = Raw(b"l" + struct.pack(">I", 10000) + member * 10000 + b"j")
        link.send("lengthy", (Atom("leave"), link.pid(3), many, [long]))
        began = time.monotonic()
        check(link.is_alive(), "the link goes on")
        check(time.monotonic() - began < 2 * SLOWER, f"after {time.monotonic() - began} s")
        at_first = GATE.rss()
        for n in range(64):
            link.send("lengthy", (Atom("join"), link.pid(3), b"%d" % n + long[:MIB], Raw(member)))
        check(link.is_alive(), "the link goes on")
        check(GATE.rss() - at_first < 32 * 1024, f"from {at_first} to {GATE.rss()} kB for names of groups")
    events.close()


def visible_gateway(epmd):
    return Gateway("seen@localhost", COOKIE, epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port, hidden=False, args=["--visible"])


def visible_link(epmd, name):
    return dial(epmd.nodes["seen"][0], name, COOKIE, played.PLAIN | played.PUBLISHED)


def test_lists_of_global_of_any_length():
    """Which of many names are of which of many C nodes: a visible node looks each up among the others."""
    epmd = PlayedEpmd()
    gate = visible_gateway(epmd)
    with visible_link(epmd, "evil@localhost") as link:
        ops = [(Atom("insert"), (Atom("n"), link.pid(9), Atom("m")))] * 20000
        ext = [(Atom("z"), link.pid(8), Atom("c@h"))] * 20000
        began = time.monotonic()
        link.send("global_name_server", (Atom("$gen_cast"), (Atom("new_nodes"), Atom("evil@localhost"), ops, ext, [], [])))
        check(link.is_alive(), "the link goes on")
        check(time.monotonic() - began < 5 * SLOWER, f"after {time.monotonic() - began} s")
    gate.stop()
    epmd.close()


def test_nodes_that_global_hears_of():
    """However many it is told of that cannot be found: who is linked is met, or its global:sync/0 would hang."""
    epmd = PlayedEpmd(silent="x")
    gate = visible_gateway(epmd)
    with visible_link(epmd, "evil@localhost") as link:
        crowd = [Atom(f"x{n}@localhost") for n in range(6000)]
        link.send("global_name_server", (Atom("$gen_cast"), (Atom("new_nodes"), Atom("evil@localhost"), [], [], crowd, [])))
        equal(len(link.call("global_name_server", Atom("get_known"))), 4095, "nodes that are known by hearsay")
        with visible_link(epmd, "late@localhost") as late:
            said = late.receive()
            while not (said[0][-1] == "global_name_server" and said[1][1][0] == "init_connect"):
                said = late.receive()
            equal(said[1][1][2], "seen@localhost", "who wants to meet it")
            check(late.is_alive(), "the link goes on")
    gate.stop()
    epmd.close()


def test_a_link_is_one_however_often_it_is_set():
    process = make(trap_exit=True, ttl=600000)
    with link_to("linked@localhost") as link:
        target = json.dumps({"target": f"/pids/linked@localhost:5:0:{played.CREATION}"})
        ways = {GATE.http.post(f"/v1/processes/{process['id']}/links", target).header("location") for _ in range(3)}
        equal(len(ways), 1, f"links, {ways},")
        while (control := link.receive()[0])[0] != 1:
            pass  # pg looks for itself
        equal(control[2], link.pid(5), "who is linked")
        link.control((3, link.pid(5), pid_of(process), Atom("over")))
        eventually(lambda: look(process)["links"] == [], "no link is left once it is broken")


def test_watchers_of_one_peer():
    """It monitors a process without end. What is remembered of it is bounded, and beyond that it hears so; others do not notice."""
    process, other = make(ttl=600000), make(ttl=600000)
    pid = pid_of(process)
    with link_to("w" * 245 + "@localhost") as link, link_to("modest@localhost") as modest:
        at_first, most = GATE.rss(), 200000
        before, after = passed((19, link.pid(), pid, Ref((link.name, played.CREATION, (most, 7, 9))))).split(struct.pack(">I", most))
        size = len(before) + 4 + len(after)
        for n in range(0, most, 10000):
            link.sock.sendall(b"".join(struct.pack(">I", size) + before + struct.pack(">I", i) + after for i in range(n, n + 10000)))
        check(link.is_alive(), "the link goes on")
        refused = [(control[3][2][0], reason) for control, reason in link.others if control[0] == 28]
        check(most // 4 < len(refused) < most // 2, f"{len(refused)} of {most} monitors were refused")
        equal({reason for _, reason in refused}, {"system_limit"}, "why")
        equal([i for i, _ in refused], list(range(most - len(refused), most)), "which")
        check(GATE.rss() - at_first < 256 * 1024 * SLOWER, f"from {at_first} to {GATE.rss()} kB")

        def answer(control):
            """What comes of it at once, or None."""
            link.others.clear()
            link.control(control)
            check(link.is_alive(), "the link goes on")
            return next((said for said in link.others if said[0][0] in (24, 28)), None)

        # A link of its is refused likewise, to whichever process, and so is a monitor.
        control, reason = answer((1, link.pid(5), pid_of(other)))
        equal((control[0], control[1], control[2], reason), (24, pid_of(other), link.pid(5), "system_limit"), "the answer to LINK")
        equal(answer((19, link.pid(), pid_of(other), link.ref()))[1], "system_limit", "the answer to MONITOR_P")
        equal(len(GATE.lines("watchers-refused", "limit_bytes=134217728")), 1, "lines of the log")
        # Others are not refused.
        modest.control((19, modest.pid(), pid, modest.ref()))
        check(modest.is_alive(), "the other link goes on")
        equal([said for said in modest.others if said[0][0] == 28], [], "what the other hears")
        # Nor is it where it has taken one back.
        link.control((20, link.pid(), pid, Ref((link.name, played.CREATION, (0, 7, 9)))))
        equal(answer((1, link.pid(5), pid_of(other))), None, "the answer to LINK")
        # With the process all of it is gone.
        equal(GATE.http.delete("/v1/processes/" + process["id"]).status, 204, "status")
        modest.sock.settimeout(20 * SLOWER)
        while (said := modest.receive())[0][0] != 28:
            pass
        link.others.clear()
        check(link.is_alive(), "the link goes on")
        equal(sum(said[0][0] == 28 for said in link.others), most - len(refused) - 1, "monitors that fired")
        equal(answer((19, link.pid(), pid_of(other), link.ref())), None, "the answer to MONITOR_P")


def at_end():
    GATE.stop()
    EPMD.close()


if __name__ == "__main__":
    peers.main(globals())
