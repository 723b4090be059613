#!/usr/bin/env python3
"""Calls that one turn of the gateway's loop sends to one process share a monitor (docs/decisions/0026): what of it passes over the link,
by a played node; and that each of them ends as it does alone, by real nodes."""

import contextlib
import os
import signal
import socket

import peers
import played
from eventstream import EventStream
from matrix import each, print_table, use
from peers import ERL, RELEASES, Gateway, Peer, check, equal, eventually, freeze, fresh_cookie
from played import Atom, Improper, PlayedEpmd, dial

COOKIE = fresh_cookie()
NAME = "p@localhost"
EPMD = PlayedEpmd()
GATE = Gateway("erlgate@localhost", COOKIE, epmd=f"127.0.0.1:{EPMD.port}", epmd_port=EPMD.port)
use(RELEASES)
PEERS = {r: Peer(r, f"a{r}@localhost", EPMD.port, COOKIE) for r in RELEASES}
for _peer in PEERS.values():
    _peer.ready()

REG_SEND, SEND, MONITOR, DEMONITOR = 6, (2, 22), 19, 20


class Asked:
    """A call that is on its way."""

    def __init__(self, sock):
        self.sock = sock

    def answer(self):
        """(status, body)"""
        with self.sock, self.sock.makefile("rb") as f:
            status = int(f.readline().split()[1])
            length = 0
            while (line := f.readline().strip()):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            return status, f.read(length).decode()

    def leave(self):
        self.sock.close()


def at_once(*calls, gate=GATE, node=NAME):
    """(process or path, body, query) of each: all are there when the gateway looks, so that one turn takes them."""
    asked = []
    freeze(gate.proc.pid)
    for process, body, query in calls:
        sock = socket.create_connection(("127.0.0.1", gate.port), timeout=20 * peers.SLOWER)
        path = process if process.startswith("/") else f"/v1/nodes/{node}/processes/{process}"
        sock.sendall((f"POST {path}/call{query} HTTP/1.1\r\nHost: 127.0.0.1:{gate.port}\r\n"
                      f"Content-Type: {ERL}\r\nAccept: {ERL}\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
        asked.append(Asked(sock))
    os.kill(gate.proc.pid, signal.SIGCONT)
    return asked


@contextlib.contextmanager
def linked(flags=played.PLAIN):
    link = dial(EPMD.nodes["erlgate"][0], NAME, COOKIE, flags)
    check(link.is_alive(), "no answer over a new link")
    yield link
    check(link.is_alive(), "no answer over the link afterwards")
    link.close()
    eventually(lambda: not GATE.is_connected(NAME), "the link is gone")


def heard(link, count):
    """The next messages, of which so many are calls: ([(from, to, reference) of each monitor], [(control, request, tag) of each call])."""
    monitors, calls = [], []
    while len(calls) < count:
        control, payload = link.receive()
        if control[0] == MONITOR:
            monitors.append(control[1:])
        else:
            check(control[0] in (REG_SEND, *SEND), "a call", control)
            equal(payload[0], "$gen_call", "a call")
            calls.append((control, payload[2], payload[1][1]))
    return monitors, calls


def reply(link, call, term):
    tag = call[2]
    check(isinstance(tag, Improper), "no alias:", tag)
    link.control((33, link.pid(), tag[-1]), (tag, term))


def demonitored(link):
    control, payload = link.receive()
    equal((control[0], payload), (DEMONITOR, None), "what comes next")
    return control[1:]


def test_calls_of_one_turn_share_a_monitor():
    with linked() as link:
        asked = at_once(*(("srv", f"{i}", "") for i in range(4)))
        monitors, calls = heard(link, 4)
        equal([to for _, to, _ in monitors], ["srv"], "monitors")
        equal({control[1] for control, _, _ in calls}, {monitors[0][0]}, "who sends the calls, which is who has set the monitor")
        equal(len({repr(tag) for _, _, tag in calls}), 4, "tags")
        check(all(repr(monitors[0][2]) not in repr(tag) for _, _, tag in calls), "the monitor's reference in a tag")
        for call in calls[::-1]:
            reply(link, call, call[1])
        equal([a.answer() for a in asked], [(200, f"{i}\n") for i in range(4)], "answers")
        equal(demonitored(link), monitors[0], "given back: once, behind the last of them")


def test_a_call_by_itself_has_one_as_ever():
    with linked() as link:
        for _ in range(2):
            asked = at_once(("srv", "1", ""))
            monitors, calls = heard(link, 1)
            equal(len(monitors), 1, "monitors")
            reply(link, calls[0], 7)
            equal(asked[0].answer(), (200, "7\n"), "its answer")
            equal(demonitored(link), monitors[0], "given back")


def test_each_process_has_its_own():
    with linked() as link:
        asked = at_once(("a", "1", ""), ("a", "2", ""), ("b", "3", ""), ("b", "4", ""), ("a", "5", ""))
        monitors, calls = heard(link, 5)
        # In which order the gateway takes them is its own affair; that there is one in front of each call is not.
        for process in "ab":
            check(1 <= sum(to == process for _, to, _ in monitors) <= 3, "monitors of", process, monitors)
        for call in calls:
            reply(link, call, 1)
        equal([a.answer()[0] for a in asked], [200] * 5, "answers")
        equal(sorted(repr(demonitored(link)) for _ in monitors), sorted(map(repr, monitors)), "given back")


def test_a_down_ends_all_of_them():
    for reason, status, code in ((Atom("noproc"), 404, "noproc"), ((Atom("shutdown"), 5), 502, "callee-exit")):
        with linked() as link:
            asked = at_once(*(("srv", f"{i}", "") for i in range(4)))
            monitors, calls = heard(link, 4)
            equal(len(monitors), 1, "monitors")
            reply(link, calls[3], 33)
            answered = int(calls[3][1])
            equal(asked[answered].answer(), (200, "33\n"), "the one that was answered before")
            setter, to, ref = monitors[0]
            for _ in range(2):  # the second, and one of no monitor, are nobody's
                link.control((21, to, setter, ref, reason))
            link.control((21, to, setter, link.ref(), reason))
            for i, a in enumerate(asked):
                if i != answered:
                    got = a.answer()
                    equal(got[0], status, got)
                    check(f'"{code}"' in got[1], got)


def test_who_leaves_leaves_the_others():
    with linked() as link:
        asked = at_once(*(("srv", f"{i}", "?timeout=60000") for i in range(3)), ("srv", "3", "?timeout=300"))
        monitors, calls = heard(link, 4)
        equal(len(monitors), 1, "monitors")
        status, text = asked[3].answer()
        equal(status, 504, text)
        in_flight = lambda: GATE.http.get("/v1/self").json["calls"]
        equal(in_flight(), 3, "calls that wait")
        asked[0].leave()
        eventually(lambda: in_flight() == 2, "the one whose client has left is over")
        by_request = {call[1]: call for call in calls}
        reply(link, by_request[1], 11)
        equal(asked[1].answer(), (200, "11\n"), "who waits on")
        reply(link, by_request[3], 33)  # late
        asked[2].leave()
        equal(demonitored(link), monitors[0], "given back with the last, whose client has left")


def test_a_link_that_goes_ends_all_of_them():
    link = dial(EPMD.nodes["erlgate"][0], NAME, COOKIE, played.PLAIN)
    asked = at_once(*(("srv", f"{i}", "") for i in range(4)))
    equal(len(heard(link, 4)[0]), 1, "monitors")
    link.close()
    for a in asked:
        status, text = a.answer()
        equal(status, 502, text)
        check('"nodedown"' in text, text)


def test_what_is_far_behind_has_its_own():
    """By a name, a monitor may watch another process than the one that a call behind it comes to: the two are close, as OTP's are."""
    with linked() as link:
        large = '<<"' + "x" * 480 + '">>'
        asked = at_once(*(("srv", large, "") for _ in range(6)))
        monitors, calls = heard(link, 6)
        equal(len(monitors), 3, "monitors, of two calls each")
        for call in calls:
            reply(link, call, 1)
        equal([a.answer()[0] for a in asked], [200] * 6, "answers")
        equal(sorted(repr(demonitored(link)) for _ in monitors), sorted(map(repr, monitors)), "given back")


def test_a_pid_is_the_same_process_for_ever():
    with linked() as link:
        large = '<<"' + "x" * 40_000 + '">>'
        asked = at_once(*((f"/v1/pids/{NAME}:7:0:{played.CREATION}", large, "") for _ in range(6)))
        monitors, calls = heard(link, 6)
        equal([to for _, to, _ in monitors], [link.pid(7)], "monitors")
        for call in calls:
            reply(link, call, 1)
        equal([a.answer()[0] for a in asked], [200] * 6, "answers")
        equal(demonitored(link), monitors[0], "given back")


def test_who_is_not_otp_has_one_for_each():
    """An inbox of ours takes the monitor of a caller for how long it waits (docs/decisions/0008)."""
    with linked(played.PLAIN & ~played.BIG_SEQTRACE_LABELS) as link:
        asked = at_once(*(("srv", f"{i}", "") for i in range(4)))
        monitors, calls = heard(link, 4)
        equal([repr(ref) for _, _, ref in monitors], [repr(tag[-1]) for _, _, tag in calls], "references of monitors, and of tags")
        for call in calls:
            reply(link, call, 1)
        equal([a.answer()[0] for a in asked], [200] * 4, "answers")
        for _ in monitors:
            demonitored(link)
    with dial(EPMD.nodes["erlgate"][0], NAME, COOKIE) as link:
        check(not link.other_flags & played.BIG_SEQTRACE_LABELS, "we are not OTP, and say so")


# ---- Real nodes


@each("calls of one turn: one monitor")
def test_real_servers_see_one_monitor(release):
    peer, what = PEERS[release], f"OTP {release}"
    peer.eval("testpeer:serve(srv)")
    asked = at_once(*(("srv", f"{{hold, {i}}}", "") for i in range(5)), node=peer.node)
    held = "length(maps:get(held, sys:get_state(srv)))"
    eventually(lambda: peer.eval(held) == "5", f"{what} has all calls")
    equal(peer.eval("{monitored_by, Ms} = process_info(whereis(srv), monitored_by), length([M || M <- Ms, node(M) =/= node()])"), "1", what)
    peer.eval("gen_server:cast(srv, release)")
    equal([a.answer() for a in asked], [(200, f"{i}\n") for i in range(5)], what)
    eventually(lambda: peer.eval("process_info(whereis(srv), monitored_by)") == "{monitored_by,[]}", f"{what}: the monitor is given back")
    peer.eval("gen_server:stop(srv)")


@each("calls of one turn, beside streams that monitor")
def test_streams_keep_their_monitors(release):
    """A monitor that is given back is found by its reference: no two may have the same."""
    peer, what = PEERS[release], f"OTP {release}"
    names = [f"watched{i}" for i in range(12)]
    peer.eval(f"[testpeer:serve(N) || N <- [srv, {', '.join(names)}]]")
    streams = [EventStream(GATE.port, f"/v1/nodes/{peer.node}/processes/{name}/monitor") for name in names]
    for stream in streams:
        stream.next("monitor")
    for _ in range(4):  # to one and the same, and to each by itself
        for batch in ([("srv", "{echo, 1}", "")] * 8, [(name, "{echo, 1}", "") for name in names]):
            equal([a.answer() for a in at_once(*batch, node=peer.node)], [(200, "1\n")] * len(batch), what)
    watched = f"[length(element(2, process_info(whereis(N), monitored_by))) || N <- [srv, {', '.join(names)}]]"
    eventually(lambda: peer.eval(watched) == str([0] + [1] * len(names)).replace(" ", ""), f"{what}: monitors of the streams alone")
    peer.eval(f"[gen_server:stop(N) || N <- [srv, {', '.join(names)}]]")
    for stream in streams:
        equal(stream.next("down").data["reason"], "normal", what)
        stream.close()


@each("calls of one turn: the server ends")
def test_real_servers_that_end_are_heard_of_by_all(release):
    peer, what = PEERS[release], f"OTP {release}"
    for body, status, words in (("crash", 502, "crashed_as_asked"), ("{leave, bye}", 502, "bye")):
        peer.eval("testpeer:serve(srv)")
        asked = at_once(*(("srv", "{hold, 1}", "") for _ in range(7)), ("srv", body, ""), node=peer.node)
        for a in asked:
            got = a.answer()
            equal(got[0], status, f"{what}: {got}")
            check(words in got[1], what, got)
    for a in at_once(*(("srv", "1", "") for _ in range(8)), node=peer.node):
        got = a.answer()
        check(got[0] == 404 and '"noproc"' in got[1], what, got)


@each("calls of one turn: the server ends, and is started anew")
def test_a_server_that_is_started_anew_is_asked(release):
    """Supervised, it ends again and again while calls come in heaps: each of them ends, and what comes afterwards is answered."""
    peer, what = PEERS[release], f"OTP {release}"
    peer.eval("""spawn(fun() ->
        register(again, self()),
        F = fun F() -> {ok, P} = gen_server:start({local, srv}, testpeer, #{}, []), M = monitor(process, P),
                       receive {'DOWN', M, _, _, _} -> F(); enough -> exit(P, kill) end end, F() end)""")
    eventually(lambda: peer.eval("is_pid(whereis(srv))") == "true", "the server is there")
    for round_ in range(20):
        asked = at_once(*(("srv", "{leave, bye}" if i == round_ % 8 else f"{{echo, {i}}}", "?timeout=20000") for i in range(8)), node=peer.node)
        for i, a in enumerate(asked):
            got = a.answer()
            check(got == (200, f"{i}\n") or got[0] in (502, 404), what, i, got)
        eventually(lambda: GATE.call(peer.node, "srv", "{echo, ok}", accept=ERL).text == "ok\n", f"{what}: it is answered again")
    peer.eval("again ! enough")


def test_the_end():
    for peer in PEERS.values():
        peer.stop()
    GATE.stop()
    EPMD.close()


at_end = print_table
if __name__ == "__main__":
    peers.main(globals())
