#!/usr/bin/env python3
"""The handshake in both roles and both versions: with real nodes of four releases, and with played ones (played.py) that keep
its rules or break them."""

import concurrent.futures
import os
import socket
import struct
import threading
import time

import peers
import played
from matrix import each, print_table, use
from peers import SLOWER, Gateway, Http, Peer, check, equal, eventually, fresh_cookie, problem, segment
from played import Cable, Log, PlayedEpmd, Refused, Server, dial, meet

COOKIE = fresh_cookie()
NAME = "erlgate@localhost"
DEMANDED = (played.EXTENDED_REFERENCES, played.EXTENDED_PIDS_PORTS, played.UTF8_ATOMS, played.NEW_FUN_TAGS,
            played.BIG_CREATION, played.NEW_FLOATS, played.MAP_TAG)

use(peers.RELEASES)
# The server of a node that the gateway dials without asking EPMD, in whatever version answers.
SERVER = Server()
PORT = peers.free_port()
GATE = Gateway(NAME, COOKIE, args=["--dist-port", str(PORT), f"--peer=played@localhost=127.0.0.1:{SERVER.port}"])


def background(work, *args):
    """Begins, and gives a function that waits for what it came to."""
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(work(*args))
        except BaseException as error:  # pylint: disable=broad-except
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return lambda: future.result(30 * SLOWER)


def put(node="played@localhost", gate=GATE):
    """The gateway is to connect to it: gives a function that waits for the answer."""
    return background(lambda: Http(gate.port).put(f"/v1/nodes/{segment(node)}?timeout=20000"))


def gone(node="played@localhost", gate=GATE):
    eventually(lambda: not gate.is_connected(node), f"{node} is gone")


def talks(link, gate=GATE):
    check(link.is_alive(), "no answer over the link")
    check(gate.is_connected(link.name), link.name, "is not connected")
    link.close()
    gone(link.name, gate)


# ---- Versions


def test_we_are_dialled_in_both_versions():
    for version, flags, heard in (
        (6, played.PLAIN, 6),
        (5, played.PLAIN, 6),  # OTP 23: answered in version 6, it says the rest in a complement
        (5, played.OLD, 5),  # OTP 21 and 22
        (6, played.MANDATORY_25_DIGEST | played.UNLINK_ID | played.V4_NC, 6),  # one flag for eleven
        (6, played.PLAIN | played.PUBLISHED, 6),
    ):
        link = dial(PORT, "p@localhost", COOKIE, flags, version)
        equal((link.statuses, link.version_heard, link.other), (["ok"], heard, NAME), f"version {version}")
        talks(link)


def test_we_dial_in_both_versions():
    """Without EPMD it is not known what a node understands: it is version 6, then 5."""
    for versions, flags, heard in (((6,), played.PLAIN, 6), ((5, 6), played.PLAIN, 6), ((5,), played.PLAIN, 5), ((5,), played.OLD, 5)):
        answer = put()
        for _ in range(2):
            try:
                link = meet(SERVER.accept(), "played@localhost", COOKIE, flags, versions)
                break
            except Refused as refused:
                equal(str(refused), "version 6", "refused")
        equal(answer().status, 200, f"connected to a node of version {versions}")
        equal(link.version_heard, heard, "version")
        talks(link)


def test_EPMD_says_which_version():
    epmd = PlayedEpmd()
    gate = Gateway("asks@localhost", COOKIE, epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port)
    for highest, versions in ((5, (5,)), (6, (6,))):
        epmd.nodes[f"v{highest}"] = (SERVER.port, highest)
        answer = put(f"v{highest}@localhost", gate)
        link = meet(SERVER.accept(), f"v{highest}@localhost", COOKIE, played.PLAIN, versions)
        equal(answer().status, 200, f"highest {highest}")
        talks(link, gate)
    gate.stop()
    epmd.close()


def test_an_EPMD_that_gives_no_creation():
    """0 is nobody's: one that nobody has had is taken instead. And names that are none are not listed."""
    epmd = PlayedEpmd(creation=0)
    epmd.nodes.update({"": (SERVER.port, 6), "a\x1b[31m": (SERVER.port, 6), "@": (SERVER.port, 6), "fine": (SERVER.port, 6)})
    gate = Gateway("nil@localhost", COOKIE, epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port)
    made = gate.http.post("/v1/processes", "{}").json
    check(int(made["pid"].rpartition(":")[2]) > 3, "a creation", made)
    answer = put("fine@localhost", gate)
    link = meet(SERVER.accept(), "fine@localhost", COOKIE, played.PLAIN)
    equal(answer().status, 200, "connected")
    talks(link, gate)
    names = eventually(lambda: [n["node"] for n in gate.http.get("/v1/nodes").json["nodes"]], "nodes are listed")
    equal(names, ["fine@localhost"], "nodes")
    gate.stop()
    epmd.close()


@each("EPMD says highest 5: both dial `n`")
def test_real_nodes_in_version_5(release):
    """OTP 23 dials so when our entry says so; later ones never do. OTP 25.2 closes on an `n`, for it has a bug; 27 and 29 take
    it with HANDSHAKE_23."""
    epmd = PlayedEpmd()
    node = Peer(release, f"a{release}@localhost", epmd.port, COOKIE).ready()
    gate = Gateway("five@localhost", COOKIE, epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port)
    to_gate, to_node = Cable(epmd.nodes["five"][0]), Cable(epmd.nodes[f"a{release}"][0])
    epmd.nodes.update({"five": (to_gate.port, 5), f"a{release}": (to_node.port, 5)})
    equal(node.eval(f"net_adm:ping('{gate.node}')"), "pong", "ping")
    opening = to_gate.meetings[-1][0][0]
    equal(opening[:1], b"n" if release == "23" else b"N", "what the node opens with")
    node.eval(f"testpeer:serve(srv), erlang:disconnect_node('{gate.node}')")
    gone(node.node, gate)
    response = gate.call(node.node, "srv", "{echo, x}")
    equal(to_node.meetings[0][0][0][:1], b"n", "what we open with")
    if release == "25":
        problem(response, 503, "no-connection", sent=False)
    else:
        equal((response.status, response.json), (200, {"$atom": "x"}), "a call")
        equal(to_node.meetings[-1][0][1][:1], b"c", "our complement")
    gate.stop()
    node.stop()
    for what in (epmd, to_gate, to_node):
        what.close()
    return "refuses" if release == "25" else "yes"


# ---- Flags


def test_each_flag_that_is_demanded():
    """Missing in turn: not_allowed, and the log names it. Where we dial, we leave."""
    for bit in DEMANDED:
        for version, flags in ((6, played.PLAIN), (5, played.PLAIN), (5, played.OLD)):
            log = Log(GATE)
            try:
                dial(PORT, "lacks@localhost", COOKIE, flags & ~bit, version)
                check(False, "accepted without", played.NAMES[bit])
            except Refused as refused:
                equal(str(refused), "not_allowed", played.NAMES[bit])
            log.has_one(f"lacks the mandatory flag {played.NAMES[bit]}", "lacks@localhost")
        log = Log(GATE)
        answer = put()
        try:
            meet(SERVER.accept(), "played@localhost", COOKIE, played.PLAIN & ~bit)
            check(False, "went on without", played.NAMES[bit])
        except Refused:
            pass
        response = answer()
        check(response.status >= 500 and played.NAMES[bit] in response.json["detail"], response)
        log.has_one(f"lacks the mandatory flag {played.NAMES[bit]}")


def test_each_flag_that_is_not_demanded():
    """Missing in turn: the link comes up and carries a call."""
    for bit in played.NAMES:
        if bit & played.PLAIN and bit not in DEMANDED:
            talks(dial(PORT, "without@localhost", COOKIE, played.PLAIN & ~bit))
    talks(dial(PORT, "bare@localhost", COOKIE, sum(DEMANDED)))
    talks(dial(PORT, "bare@localhost", COOKIE, sum(DEMANDED), version=5))


# What each release demands of who dials it, as the table in docs/wire-distribution.md has it.
OTP_DEMANDS = {
    "23": played.EXTENDED_REFERENCES | played.NEW_FUN_TAGS | played.EXTENDED_PIDS_PORTS | played.UTF8_ATOMS | played.BIG_CREATION,
}
OTP_DEMANDS["25"] = (OTP_DEMANDS["23"] | played.FUN_TAGS | played.EXPORT_PTR_TAG | played.BIT_BINARIES | played.NEW_FLOATS |
                     played.MAP_TAG | played.HANDSHAKE_23)
OTP_DEMANDS["27"] = OTP_DEMANDS["29"] = OTP_DEMANDS["25"] | played.UNLINK_ID | played.V4_NC


@each("what each release demands; what we offer suits it")
def test_each_flag_that_OTP_demands(release):
    """Each of the flags that we offer missing in turn, with a node of each release as acceptor."""
    epmd = PlayedEpmd()
    node = Peer(release, f"a{release}@localhost", epmd.port, COOKIE, kernel={"logger_level": "emergency"}).ready()
    for bit in played.NAMES:
        if not bit & played.PLAIN or (release == "23" and bit == played.HANDSHAKE_23):
            continue
        try:
            dial(epmd.nodes[f"a{release}"][0], "q@localhost", COOKIE, played.PLAIN & ~bit).close()
            outcome = "ok"
        except Refused as refused:
            outcome = str(refused)
        equal(outcome, "not_allowed" if bit & OTP_DEMANDS[release] else "ok", f"without {played.NAMES[bit]}")
    node.stop()
    epmd.close()


# ---- Statuses


def test_a_node_of_our_own_name():
    try:
        dial(PORT, NAME, COOKIE)
        check(False, "accepted")
    except Refused as refused:
        equal(str(refused), "nok", "status")


def test_the_same_name_comes_again():
    """alive: who insists takes the old one's place; who does not leaves it."""
    first = dial(PORT, "twice@localhost", COOKIE)
    check(first.is_alive(), "the first")
    try:
        dial(PORT, "twice@localhost", COOKIE, answer=b"false")
        check(False, "it went on")
    except Refused as refused:
        check("alive" in str(refused), refused)
    check(first.is_alive(), "the first, after another did not insist")
    # With a wrong cookie nobody takes a name away.
    try:
        dial(PORT, "twice@localhost", "another")
        check(False, "it went on")
    except Refused:
        pass
    check(first.is_alive(), "the first, after a stranger insisted")
    second = dial(PORT, "twice@localhost", COOKIE)
    equal(second.statuses, ["alive"], "status")
    check(first.is_closed(), "the first is still there")
    talks(second)


def test_nok_of_one_that_moves():
    """It ends, and is somewhere else when we ask again."""
    epmd, old, new = PlayedEpmd(), Server(), Server()
    gate = Gateway("mover@localhost", COOKIE, epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port)
    epmd.nodes["played"] = (old.port, 6)
    answer = put(gate=gate)
    link = played.Link(old.accept(), "played@localhost", COOKIE)
    link.read_opening()
    old.close()
    epmd.nodes["played"] = (new.port, 6)
    link.say(b"snok")
    link.close()
    link = meet(new.accept(), "played@localhost", COOKIE)
    equal(answer().status, 200, "found where it is now")
    link.close()
    new.close()
    gate.stop()
    epmd.close()


def test_we_insist_when_the_other_end_says_alive():
    answer = put()
    link = meet(SERVER.accept(), "played@localhost", COOKIE, status=b"alive")
    equal(link.statuses, ["true"], "our answer")
    equal(answer().status, 200, "connected")
    talks(link)


def test_refusals_when_we_dial():
    for status, word in ((b"not_allowed", "not_allowed"), (b"true", "status"), (b"strange", "status"), (b"", "status"),
                         (b"named:\0\3a@b\0\0\0\7", "name")):
        answer = put()
        sock = SERVER.accept()
        link = played.Link(sock, "played@localhost", COOKIE)
        link.read_opening()
        link.say(b"s" + status)
        response = answer()
        check(response.status in (502, 503), status, response)
        check(word in response.json["detail"], status, response)
        link.close()
    gone()


def test_nok_waits_for_the_other_connection():
    """The other end refuses ours because its own goes on: we wait for that."""
    answer = put()
    link = played.Link(SERVER.accept(), "played@localhost", COOKIE)
    link.read_opening()
    link.say(b"snok")
    own = dial(PORT, "played@localhost", COOKIE)
    equal(answer().status, 200, "connected by the other connection")
    link.close()
    talks(own)


def test_nok_and_nothing_comes():
    """OTP says it as well while our last connection, which has ended, is still on its list: we ask again, in time."""
    answer = put()
    for _ in range(2):
        link = played.Link(SERVER.accept(), "played@localhost", COOKIE)
        link.read_opening()
        link.say(b"snok")
        link.close()
    link = meet(SERVER.accept(), "played@localhost", COOKIE)
    equal(answer().status, 200, "connected at last")
    talks(link)


@each("both dial at once, either name the greater")
def test_the_tie_is_broken(release):
    """Both have dialled before either's first words arrive: the connection of the greater name goes on, the other is refused
    with nok, and nobody waits in vain."""
    for name in ("aaa@localhost", "zzz@localhost"):
        epmd = PlayedEpmd()
        node = Peer(release, f"m{release}@localhost", epmd.port, COOKIE).ready()
        gate = Gateway(name, COOKIE, epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port)
        own = name.partition("@")[0]
        to_gate, to_node = Cable(epmd.nodes[own][0], holds=True), Cable(epmd.nodes[f"m{release}"][0], holds=True)
        epmd.nodes.update({own: (to_gate.port, 6), f"m{release}": (to_node.port, 6)})
        node.eval("testpeer:serve(srv)")
        theirs = node.start_eval(f"net_adm:ping('{name}')")
        ours = background(lambda: gate.http.post(gate.process_path(node.node, "srv", "call"), "{echo, tie}", peers.ERL, peers.ERL))
        eventually(lambda: to_gate.held and to_node.held, "both dial")
        # The lesser name's attempt is heard first, so that it meets the greater's, which is under way.
        first, second = (to_node, to_gate) if own == "aaa" else (to_gate, to_node)
        first.release()
        eventually(lambda: first.meetings[0][1], "an answer to the lesser name")
        equal(first.meetings[0][1][0], b"snok", f"{name} and {node.node}: the status of the lesser name's attempt")
        second.release()
        equal(theirs(), "pong", f"{name}: the ping of {node.node}")
        response = ours()
        equal((response.status, response.text.strip()), (200, "tie"), f"{name}: the call")
        check(second.meetings[0][1][0] in (b"sok", b"sok_simultaneous"), "the greater's status", second.meetings[0][1])
        equal(len(to_gate.meetings) + len(to_node.meetings), 2, "connections")
        gate.stop()
        node.stop()
        for what in (epmd, to_gate, to_node):
            what.close()


# ---- Who breaks the rules


def test_a_wrong_cookie():
    """Silence and the end; one line; whoever's fault it is."""
    log = Log(GATE)
    try:
        dial(PORT, "stranger@localhost", "another")
        check(False, "accepted")
    except Refused as refused:
        check("closed after 0" in str(refused), refused)
    log.has_one("stranger@localhost", "cookies differ")
    # A node that we dial: it closes on our digest, or shows a wrong one.
    for shown in (None, "another"):
        log = Log(GATE)
        answer = put()
        try:
            meet(SERVER.accept(), "played@localhost", COOKIE if shown else "another", cookie_shown=shown).close()
        except Refused:
            pass
        problem(answer(), 502, "auth-failed", sent=False)
        log.has_one("played@localhost", "cookies differ")


def test_garbage():
    bad = [b"\0\0", b"\0\1x", b"\0\1N", b"\0\1n", b"\xff\xffN", b"\0\7n\0\6\0\0\0\0", os.urandom(2000), b"GET / HTTP/1.1\r\n\r\n",
           b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500)]
    for name in ("", "no-host", "@", "a@", "@b", "a@b@c", "a b@\n", "x" * 300 + "@h"):
        body = played.opening(name, played.PLAIN)
        bad.append(struct.pack(">H", len(body)) + body)
    body = b"N" + struct.pack(">QIH", played.PLAIN, 4, 99) + b"short@h"
    bad.append(struct.pack(">H", len(body)) + body)
    with dial(PORT, "bystander@localhost", COOKIE) as bystander:
        fds = GATE.fds()
        for data in bad:
            log = Log(GATE)
            with played.connect(PORT) as sock:
                sock.sendall(data)
                link = played.Link(sock, "", "")
                check(link.is_closed(3), "still open after", data[:40])
            log.has_one()
        eventually(lambda: GATE.fds() <= fds, "descriptors are given back")
        check(bystander.is_alive(), "another link noticed")
        log = Log(GATE)
    # What follows counts lines about links.
    log.has_one("bystander@localhost")


def test_messages_out_of_turn():
    """At each step something else than is due, a byte less and a byte more."""
    def start():
        link = played.Link(played.connect(PORT), "turn@localhost", COOKIE)
        link.say(played.opening("turn@localhost", played.PLAIN))
        link.status()
        return link, link.read_challenge()

    right = struct.pack(">I", 1)
    for make in (lambda c: b"a" + played.digest(COOKIE, c), lambda c: b"r" + right + played.digest(COOKIE, c)[:-1],
                 lambda c: b"r" + right + played.digest(COOKIE, c) + b"\0", lambda c: b"r", lambda c: b"sok",
                 lambda c: b"c" + bytes(8), lambda c: played.opening("turn@localhost", played.PLAIN)):
        log = Log(GATE)
        link, theirs = start()
        link.say(make(theirs))
        check(link.is_closed(3), "still open")
        link.close()
        log.has_one("turn@localhost")
    for high in (b"c" + bytes(7), b"c" + bytes(9), b"x" + bytes(8)):
        log = Log(GATE)
        link = played.Link(played.connect(PORT), "turn@localhost", COOKIE)
        link.say(played.opening("turn@localhost", played.PLAIN, 5))
        link.status()
        link.read_challenge()
        link.say(high)
        check(link.is_closed(3), "still open after", high)
        link.close()
        log.has_one("turn@localhost")


def test_lengths_that_are_too_large():
    """Refused when the length is seen: nobody waits for the rest."""
    for data in (b"\xff\xff", b"\x10\x00N", b"\x08\x01"):
        with played.connect(PORT) as sock:
            sock.sendall(data)
            check(played.Link(sock, "", "").is_closed(3), "still waits for", data)
    rss = GATE.rss()
    for length in (0x08000001, 0x7FFFFFFF, 0xFFFFFFFF):
        log = Log(GATE)
        link = dial(PORT, "large@localhost", COOKIE)
        link.sock.sendall(struct.pack(">I", length) + b"\x83")
        check(link.is_closed(3), "still waits for", length)
        link.close()
        log.has_one("large@localhost", "larger than allowed")
    # A length within the limit costs nothing before its bytes come.
    links = [dial(PORT, f"claims{i}@localhost", COOKIE) for i in range(20)]
    for link in links:
        link.sock.sendall(struct.pack(">I", 100 << 20) + b"\x83")
    check(GATE.http.get("/v1/nodes").status == 200, "no answer")
    check(GATE.rss() - rss < 20_000, "memory for what was only claimed:", GATE.rss() - rss, "kB")
    for link in links:
        link.close()
    for i in range(20):
        gone(f"claims{i}@localhost")


def test_bytes_one_by_one():
    """A slow handshake is as good as a fast one."""
    talks(dial(PORT, "slow@localhost", COOKIE, pace=played.slowly(0.005)))
    answer = put()
    sock = played.slowly(0.005)(SERVER.accept())
    link = meet(sock, "played@localhost", COOKIE)
    equal(answer().status, 200, "connected")
    talks(link)


def test_nothing_waits_longer_than_seven_seconds():
    """A byte a second, and silence at each step, in both roles, all at once. Others do not notice."""
    def closes(link, began):
        check(link.is_closed(12), "still open")
        return time.monotonic() - began

    def silent_after(step, version=6):
        began = time.monotonic()
        link = played.Link(played.connect(PORT), f"silent{step}{version}@localhost", COOKIE)
        if step > 0:
            link.say(played.opening(link.name, played.PLAIN, version))
            link.status()
            link.read_challenge()
        if step > 1:
            link.say(b"c" + struct.pack(">II", played.PLAIN >> 32, 4))
        return closes(link, began)

    def undecided():
        began = time.monotonic()
        link = played.Link(played.connect(PORT), "resident@localhost", COOKIE)
        link.say(played.opening(link.name, played.PLAIN))
        equal(link.status(), b"alive", "status")
        return closes(link, began)

    def byte_a_second():
        began = time.monotonic()
        link = played.Link(played.connect(PORT), "drip@localhost", COOKIE)
        body = played.opening("drip@localhost", played.PLAIN)
        try:
            for byte in struct.pack(">H", len(body)) + body:
                link.sock.sendall(bytes([byte]))
                time.sleep(1)
        except OSError:
            return time.monotonic() - began
        raise AssertionError("it took all of them")

    def dialled(node, server, steps):
        began = time.monotonic()
        answer = put(node, gate)
        link = played.Link(server.accept(), node, COOKIE)
        link.read_opening()
        for step in steps:
            link.say(step)
        response = answer()
        check(response.status in (502, 503, 504), response)
        check(link.is_closed(3), "we still wait")
        return time.monotonic() - began

    servers = [Server() for _ in range(4)]
    steps = ([], [b"sok"], [b"sok", played.challenge_message("s2@localhost", played.PLAIN, 6, 9)], [b"snok"])
    gate = Gateway("dials@localhost", COOKIE, epmd_port=GATE.epmd_port, epmd="auto",
                   args=[f"--peer=s{i}@localhost=127.0.0.1:{s.port}" for i, s in enumerate(servers)])
    resident = dial(PORT, "resident@localhost", COOKIE)
    waits = [background(silent_after, 0), background(silent_after, 1), background(silent_after, 1, 5), background(silent_after, 2, 5),
             background(undecided), background(byte_a_second)]
    waits += [background(dialled, f"s{i}@localhost", s, steps[i]) for i, s in enumerate(servers)]
    for _ in range(20):
        began = time.monotonic()
        check(resident.is_alive(), "another link")
        check(time.monotonic() - began < 1 * SLOWER, "another link waited")
        time.sleep(0.2)
    for wait in waits:
        took = wait()
        check(5.5 < took < 9.5 * SLOWER, f"ended after {took:.1f} s")
    resident.close()
    gate.stop()
    for s in servers:
        s.close()


def test_many_that_say_nothing_shut_nobody_out():
    """The oldest of those that have not shown the cookie make room, of the address that most have come from: neither
    descriptors nor places run out, not even for one that was in the midst of its handshake."""
    before, silent = GATE.fds(), []

    class Interrupted:
        """While it waits with its second message, many come."""

        def __init__(self, sock):
            self._sock, self._sent = sock, 0

        def __getattr__(self, name):
            return getattr(self._sock, name)

        def sendall(self, data):
            self._sent += 1
            if self._sent == 2:
                for _ in range(1500):
                    silent.append(socket.create_connection(("127.0.0.1", PORT), source_address=("127.0.0.2", 0)))
            self._sock.sendall(data)

    talks(dial(PORT, "meant@localhost", COOKIE, pace=Interrupted))
    talks(dial(PORT, "late@localhost", COOKIE))
    eventually(lambda: GATE.fds() <= before + 1026, "descriptors are given back")
    equal(len(GATE.lines("handshakes-crowded")), 1, "lines about it")
    for s in silent:
        s.close()
    eventually(lambda: GATE.fds() <= before, "all descriptors are given back")


def strangers(node, ending, stop):
    """One after another says that name, and does not have the cookie."""
    def framed(data):
        return struct.pack(">H", len(data)) + data

    while not stop.is_set():
        try:
            with socket.create_connection(("127.0.0.1", PORT)) as s:
                s.sendall(framed(played.opening(node, played.PLAIN, 6)))
                time.sleep(0.01)
                s.sendall(framed(ending) if ending else b"")
                time.sleep(0.01)
        except OSError:
            pass


def test_a_stranger_with_a_good_name_is_not_in_the_way():
    """Neither of who asks for that node, nor of the node itself, whichever name is the greater."""
    for node in ("a_wanted@localhost", "wanted@localhost"):
        peer = peers.serving("27", GATE, node)
        for ending in (b"r" + os.urandom(20), b""):
            stop = threading.Event()
            done = background(strangers, node, ending, stop)
            for _ in range(50):
                answer = GATE.http.put(f"/v1/nodes/{segment(node)}")
                equal(answer.status, 200, answer)
                GATE.http.delete(f"/v1/nodes/{segment(node)}")
            # (The last of ours, which has ended, may be on the node's list for a moment, and what asks for it ends with it.)
            eventually(lambda: peer.eval(f"net_adm:ping('{NAME}')") == "pong", f"{node} knows that it is gone")  # pylint: disable=cell-var-from-loop
            for _ in range(20):
                peer.eval(f"erlang:disconnect_node('{NAME}')")
                equal(peer.eval(f"net_adm:ping('{NAME}')"), "pong", f"{node} itself")
            peer.eval(f"erlang:disconnect_node('{NAME}')")
            stop.set()
            done()
        peer.stop()


def test_disconnected_and_connected_again_at_once():
    """The node may still have the last connection on its list, and say nok for it: whichever name is the greater."""
    for release in peers.RELEASES:
        for node in (f"a{release}@localhost", f"z{release}@localhost"):
            peer = peers.serving(release, GATE, node)
            for _ in range(200):
                answer = GATE.http.put(f"/v1/nodes/{segment(node)}")
                equal(answer.status, 200, answer)
                equal(GATE.http.delete(f"/v1/nodes/{segment(node)}").status, 204, "disconnected")
            peer.stop()


def test_what_strangers_say_is_not_listed():
    with played.Link(played.connect(PORT), "anything@nowhere", COOKIE) as stranger:
        stranger.say(played.opening(stranger.name, played.PLAIN, 6))
        equal(stranger.status(), b"ok", "it is asked for the cookie")
        check(stranger.name not in GATE.http.get("/v1/nodes").text, "it is listed")


def test_what_is_called_off_is_no_failure():
    """DELETE of a node that is being connected: who waits hears that it cannot be reached, and nobody of it later."""
    answer = put()
    silent = SERVER.accept()
    equal(GATE.http.delete("/v1/nodes/played@localhost").status, 204, "called off")
    body = problem(answer(), 503, "no-connection", sent=False)
    check("disconnected on request" in body["detail"], body)
    check("last_failure" not in GATE.http.get("/v1/nodes/played@localhost").json, "it is remembered as a failure")
    silent.close()


def test_a_range_of_ports():
    """The first that is free; none is said, and is the end."""
    low = peers.free_port()
    while peers.accepts(low + 1):
        low = peers.free_port()
    args = ["--dist-port", f"{low}-{low + 1}"]
    gates = [Gateway(f"g{i}@localhost", COOKIE, epmd="auto", epmd_port=GATE.epmd_port, args=args) for i in range(2)]
    for i, gate in enumerate(gates):
        dial(low + i, f"to{i}@localhost", COOKIE).close()
        equal(f"dist_port={low + i}" in gate.stderr(), True, "the port")
    third = Gateway("g2@localhost", COOKIE, epmd="auto", epmd_port=GATE.epmd_port, args=args, wait=False)
    check(third.proc.wait(10) != 0, "it runs without a port")
    check("no port of --dist-port is free" in third.stderr(), "what it says:", third.stderr())
    for gate in gates:
        gate.stop()


def test_the_end():
    GATE.stop()
    SERVER.close()


at_end = print_table
if __name__ == "__main__":
    peers.main(globals())
