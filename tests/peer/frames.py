#!/usr/bin/env python3
"""What passes over a link once it is up: a played node (played.py) that says what no node says, and what one of few flags says,
to us and to real nodes of four releases. What a node drops a link for, we drop; what it does not, we do not."""


import peers
import played
from cnode import CNode
from matrix import each, print_table, use
from peers import Gateway, Peer, check, equal, fresh_cookie
from played import Atom, Log, Pid, PlayedEpmd, Raw, Ref, dial, encode, first, further, headed, passed

COOKIE = fresh_cookie()
NAME = "p@localhost"
FLAGS = played.PLAIN | played.FRAGMENTS
EPMD = PlayedEpmd()

use(peers.RELEASES)
GATE = Gateway("erlgate@localhost", COOKIE, epmd=f"127.0.0.1:{EPMD.port}", epmd_port=EPMD.port)
C = CNode(EPMD.port, COOKIE, "c@localhost")


def link_to(node, flags=FLAGS):
    link = dial(EPMD.nodes[node.partition("@")[0]][0], NAME, COOKIE, flags)
    check(link.is_alive(), "no answer over a new link")
    link.others.clear()  # what it says to every node that comes
    return link


def link_for(node, frames):
    """Fragments and headers are sent where they were agreed on, the rest where they were not."""
    return link_to(node, FLAGS if b"\x83" in [f[:1] for f in listed(frames)] else played.PLAIN)


def listed(frames):
    return [frames] if isinstance(frames, bytes) else frames


def pid(number=1, node=NAME):
    return Pid((node, number, 0, played.CREATION))


def reg_send(name="net_kernel"):
    return (6, pid(), Atom(""), Atom(name))


REF = Ref((NAME, played.CREATION, (1, 2, 3)))
REG = encode(reg_send())
ASTRAY = pid(1, "q@localhost")

# What each ends the link for.
FATAL = {
    "a message passed through where headers were agreed on": [headed(reg_send(), 1), passed(reg_send(), 1)],
    "an unknown control message behind a header": headed((99, pid())),
    "a cut message behind a header": headed(reg_send(), Raw(b"m\0\0\0\2a")),
    "an empty frame of no kind": b"\0",
    "a version alone": b"\x83",
    "an unknown kind": b"\x83\x43",
    "an unknown control message": passed((99, pid())),
    "no control message": b"\x70\x83",
    "a number for a control message": passed(7),
    "an empty tuple": passed(()),
    "a control message that is cut": b"\x70\x83" + REG[:-3],
    "REG_SEND without a message": passed(reg_send()),
    "a message cut": passed(reg_send()) + b"\x83" + encode([1, 2, 3])[:-2],
    "an unknown tag": passed(reg_send()) + b"\x83\xff",
    "a list longer than all": passed(reg_send()) + b"\x83l\xff\xff\xff\xffj",
    "an atom of 256 characters": passed(reg_send(), Raw(b"\x76\1\0" + b"x" * 256)),
    "an atom that is no UTF-8": passed(reg_send(), Raw(b"\x77\1\xff")),
    "a key twice": passed(reg_send(), Raw(b"t\0\0\0\2ajaj")),
    "a reference of no cache": passed(reg_send(), Raw(b"R\0")),
    "a header with an atom that is not there": b"\x83\x44\1",
    "SEND to an atom": passed((2, Atom(""), Atom("x")), 1),
    "LINK of one": passed((1, pid())),
    "MONITOR_P without a reference": passed((19, pid(), Atom("x"), 7)),
    "EXIT of an atom": passed((3, Atom("x"), ASTRAY, Atom("r"))),
    "LINK from another node": passed((1, ASTRAY, ASTRAY)),
    "LINK to another node": passed((1, pid(), ASTRAY)),
    "EXIT to another node": passed((3, pid(), ASTRAY, Atom("r"))),
    "EXIT to another node, with a payload": passed((24, pid(), ASTRAY), Atom("r")),
    "EXIT2 to another node": passed((8, pid(), ASTRAY, Atom("r"))),
    "MONITOR_P to another node": passed((19, pid(), ASTRAY, REF)),
    "MONITOR_P from an atom": passed((19, Atom("x"), Atom("x"), REF)),
    "DEMONITOR_P to another node": passed((20, pid(), ASTRAY, REF)),
    "DOWN to another node": passed((21, pid(), ASTRAY, REF, Atom("r"))),
    "UNLINK to another node": passed((4, pid(), ASTRAY)),
    "UNLINK_ID 0": passed((35, 0, pid(), ASTRAY)),
    "UNLINK_ID to another node": passed((35, 7, pid(), ASTRAY)),
    "its acknowledgement to another node": passed((36, 7, pid(), ASTRAY)),
    "an answer to another node's spawn request": passed((31, REF, ASTRAY, 0, Atom("notsup"))),
    "REG_SEND to a pid": passed((6, pid(), Atom(""), ASTRAY), 1),
    "a spawn request without a function": passed((29, REF, pid(), pid(), Atom("x"), []), []),
    "a fragment of no sequence": further(9, 1, b"j"),
    "a fragment out of turn": [first(5, 3, reg_send(), Raw(b"")), further(5, 1, b"j")],
}


def harmless(target):
    """What none ends it for: the link goes on. target: a pid of that node which is nobody's."""
    alias = Ref((target[0], target[3], (1, 2, 3)))
    token = (0, 5, 1, pid(), 1)
    return {
        "ticks": [b""] * 5,
        "a message for nobody": passed(reg_send("nobody"), [1]),
        "a message that nobody asked for": passed(reg_send(), [1]),
        "the same behind a header": headed(reg_send(), [1]),
        "a message, and more": headed(reg_send(), 1, 2),
        "a message passed through, and more": passed(reg_send(), 1) + b"j",
        "a monitor, and more": passed((19, pid(), Atom("nobody"), REF), 1),
        "a monitor by a reference of another node": passed((19, pid(), Atom("nobody"), Ref(("q@localhost", 7, (1, 2, 3))))),
        "a DOWN from another node": passed((21, ASTRAY, target, REF, Atom("r"))),
        "a group leader for another node": passed((7, pid(), ASTRAY)),
        "a message from another node": passed((22, ASTRAY, target), 1),
        "a message to a pid that is nobody's": passed((2, Atom(""), target), Atom("m")),
        "a message to a pid of another life": passed((2, Atom(""), Pid((*target[:3], target[3] + 1))), Atom("m")),
        "a message to a pid of another node": passed((2, Atom(""), pid(5, "other@localhost")), Atom("m")),
        "a sequence of one fragment": first(7, 1, reg_send(), {1: 2}),
        "fragments that interleave": [first(1, 2, reg_send(), Raw(b"l\0\0\0\2a\1")),
                                      first(2, 2, reg_send(), Raw(b"m\0\0\0\4ab")),
                                      further(1, 1, b"a\2j"), further(2, 1, b"cd")],
        "an unlink of nothing": passed((35, 7, pid(), target)),
        "an acknowledgement that nobody waits for": passed((36, 7, pid(), target)),
        "an exit over no link": passed((3, pid(), target, Atom("r"))),
        "an exit over no link, with a payload": passed((24, pid(), target), Atom("r")),
        "an exit to nobody": passed((8, pid(), target, Atom("kill"))),
        "an exit to nobody, with a payload": passed((26, pid(), target), Atom("kill")),
        "a link to nobody": passed((1, pid(), target)),
        "a monitor of nobody": passed((19, pid(), target, REF)),
        "a monitor of a name that nobody has": passed((19, pid(), Atom("nobody"), REF)),
        "a demonitor of nothing": passed((20, pid(), Atom("nobody"), REF)),
        "a DOWN of nothing": passed((21, pid(), target, REF, Atom("r"))),
        "a DOWN of nothing, with a payload": passed((28, pid(), target, REF), Atom("r")),
        "a function that is none": passed((29, REF, pid(), pid(), (Atom("no"), Atom("such"), 0), []), []),
        "an answer to no spawn request": passed((31, Ref((target[0], target[3], (1, 2, 3))), target, 0, Atom("notsup"))),
        "an alias that is none": passed((33, pid(), alias), Atom("m")),
        "SEND with a trace token": passed((12, Atom(""), target, token), Atom("m")),
        "REG_SEND with a trace token": passed((16, pid(), Atom(""), Atom("nobody"), token), Atom("m")),
        "SEND_SENDER with a trace token": passed((23, pid(), target, token), Atom("m")),
        "EXIT with a trace token": passed((13, pid(), target, token, Atom("r"))),
        "EXIT2 with a trace token": passed((18, pid(), target, token, Atom("r"))),
        "ALIAS_SEND with a trace token": passed((34, pid(), alias, token), Atom("m")),
        "a group leader for nobody": passed((7, pid(), target)),
        "nesting of 10,000": passed(reg_send(), Raw(b"l\0\0\0\1" * 10000 + b"j" * 10001)),
    }


def send(link, frames):
    for body in listed(frames):
        link.frame(body)


def nobody(node):
    """A pid of that node that no process has."""
    with link_to(node) as link:
        return Pid((node, 32000, 0, link.replier[3]))


def survives(node):
    """Gives those of what is harmless after which the link was lost."""
    fatal = []
    for what, frames in harmless(nobody(node)).items():
        with link_for(node, frames) as link:
            try:
                send(link, frames)
                check(link.is_alive(), "no answer")
            except (OSError, EOFError):
                fatal.append(what)
    return fatal


def test_what_is_harmless():
    equal(survives(GATE.node), [], "the gateway gave the link up for")
    equal(survives(C.node), [], "the C node gave the link up for")


def test_what_ends_a_link():
    """One line in the log; nothing is left; others do not notice."""
    bystander = dial(EPMD.nodes["erlgate"][0], "bystander@localhost", COOKIE)
    for what, frames in FATAL.items():
        log = Log(GATE)
        link = link_for(GATE.node, frames)
        send(link, frames)
        check(link.is_closed(5), "the link is still there after", what)
        link.close()
        log.has_one("link-down", f"node={NAME}", "why=")
        check(bystander.is_alive(), "another link noticed", what)
    bystander.close()


def real(release):
    return Peer(release, f"a{release}@localhost", EPMD.port, COOKIE, kernel={"logger_level": "emergency"}).ready()


# What came after a release: it does not know it, and is not sent it, for its flags say so.
LATER = {"23": ["an unlink of nothing", "an acknowledgement that nobody waits for", "an alias that is none",
                "ALIAS_SEND with a trace token"]}


@each("drops a link for the same as we")
def test_OTP_does_as_we_do(release):
    node = real(release)
    equal(survives(node.node), LATER.get(release, []), "what is harmless to us ends a link for")
    harmless_to_it = []
    for what, frames in FATAL.items():
        with link_for(node.node, frames) as link:
            send(link, frames)
            if not link.is_closed(2):
                harmless_to_it.append(what)
        check(node.is_alive(), "the node has ended by", what)
    equal(harmless_to_it, [], "what ends a link to us is harmless")
    node.stop()




# ---- What is said to a node of few flags


def do(*command):
    return (Atom("do"), *command)


def without(flags, *command):
    """The C node acts towards a played node that lacks these flags: gives what it answers, and what came before."""
    with link_to(C.node, FLAGS & ~flags) as link:
        answer = link.call("c", do(*command))
        return answer, link.others


def test_forms_follow_the_flags():
    p, alias = pid(), REF
    for flags, command, op in (
        (0, (Atom("send"), p, 1), 22), (played.SEND_SENDER, (Atom("send"), p, 1), 2),
        (0, (Atom("send"), (Atom("x"), Atom(NAME)), 1), 6),
        (0, (Atom("exit"), p, Atom("r")), 26), (played.EXIT_PAYLOAD, (Atom("exit"), p, Atom("r")), 8),
        (0, (Atom("send"), alias, 1), 37), (played.ALTACT_SIG, (Atom("send"), alias, 1), 33),
        (0, (Atom("link"), p), 1),
        (0, (Atom("monitor"), p), 19), (0, (Atom("monitor"), (Atom("x"), Atom(NAME))), 19),
        (played.DIST_MONITOR_NAME, (Atom("monitor"), p), 19),
    ):
        answer, others = without(flags, *command)
        check(answer == "ok" or isinstance(answer, int), command, answer)
        equal([c[0] for c, _ in others], [op], f"what stands for {command} without {flags:#x}")
    # What there is no form for is refused, and the link goes on.
    for flags, command in ((played.ALIAS | played.ALTACT_SIG, (Atom("send"), alias, 1)),):
        answer, others = without(flags, *command)
        equal((answer, others), (Atom("unsupported-by-peer"), []), command)


def test_unlinking_is_acknowledged_where_there_is_an_acknowledgement():
    for flags, op in ((0, 35), (played.UNLINK_ID, 4)):
        with link_to(C.node, FLAGS & ~flags) as link:
            equal(link.call("c", do(Atom("link"), pid())), "ok", "link")
            equal(link.call("c", do(Atom("unlink"), pid())), "ok", "unlink")
            equal([c[0] for c, _ in link.others], [1, op], "LINK and its end")
            if op == 35:
                unlink = link.others[1][0]
                # Until it is acknowledged, what comes over the old link is not heard.
                link.control((3, pid(), unlink[2], Atom("unheard")))
                link.control((36, unlink[1], pid(), unlink[2]))
            check(link.is_alive(), "no answer")


def test_a_call_to_who_has_no_aliases():
    for flags, has_alias in ((0, True), (played.ALIAS | played.ALTACT_SIG, False)):
        with link_to(C.node, FLAGS & ~flags) as link:
            tag = link.ask("c", do(Atom("call"), (Atom("srv"), Atom(NAME)), Atom("hello"), 5000))
            (monitor, _), (request, payload) = link.receive(), link.receive()
            equal((monitor[0], request[0], payload[0], payload[2]), (19, 6, "$gen_call", "hello"), "the call")
            own = payload[1][1]
            equal(isinstance(own, played.Improper), has_alias, "an alias")
            link.control((2, Atom(""), payload[1][0]), (own, Atom("world")))
            # A second answer is late.
            link.control((2, Atom(""), payload[1][0]), (own, Atom("again")))
            equal(link.reply(tag), (Atom("ok"), Atom("none"), Atom("world"), Atom("none")), "the result")
            equal([c[0] for c, _ in link.others], [20], "the monitor is taken back")


def test_rpc_to_who_cannot_spawn():
    """By rex, as OTP before 23 has it."""
    outcomes = (
        (Atom("value"), (Atom("ok"), Atom("none"), Atom("value"), Atom("none"))),
        ((Atom("badrpc"), (Atom("EXIT"), Atom("why"))), (Atom("callee-exit"), Atom("exit"), Atom("why"), Atom("none"))),
    )
    for reply, result in outcomes:
        with link_to(C.node, FLAGS & ~played.SPAWN) as link:
            tag = link.ask("c", do(Atom("rpc"), Atom(NAME), Atom("mod"), Atom("fun"), [300, Atom("x")], 5000))
            (monitor, _), (request, payload) = link.receive(), link.receive()
            equal((monitor[0], monitor[2], request[0], request[3]), (19, "rex", 6, "rex"), "to rex")
            equal((payload[0], payload[2][:4]), ("$gen_call", (Atom("call"), Atom("mod"), Atom("fun"), [300, Atom("x")])), "the request")
            equal(payload[2][4][0], C.node, "the group leader's node")
            link.control((2, Atom(""), payload[1][0]), (payload[1][1], reply))
            equal(link.reply(tag), result, f"the result of {reply}")
    # rex is not there, or answers too late.
    with link_to(C.node, FLAGS & ~played.SPAWN) as link:
        tag = link.ask("c", do(Atom("rpc"), Atom(NAME), Atom("mod"), Atom("fun"), [], 5000))
        monitor, _ = link.receive()
        link.receive()
        link.control((21, Atom("rex"), monitor[1], monitor[3], Atom("noproc")))
        equal(link.reply(tag)[0], "noproc", "without rex")
        tag = link.ask("c", do(Atom("rpc"), Atom(NAME), Atom("mod"), Atom("fun"), [], 50))
        link.receive()
        _, payload = link.receive()
        equal(link.reply(tag)[0], "timeout", "in time")
        before = link.call("c", (Atom("counts"),))[3]
        link.control((2, Atom(""), payload[1][0]), (payload[1][1], Atom("late")))
        equal(link.call("c", (Atom("counts"),))[3], before + 1, "late replies")
    # A cast goes to rex too.
    with link_to(C.node, FLAGS & ~played.SPAWN) as link:
        equal(link.call("c", do(Atom("rpc_cast"), Atom(NAME), Atom("mod"), Atom("fun"), [1])), "ok", "the cast")
        (request, payload), = [o for o in link.others if o[0][0] == 6]
        equal((request[3], payload[0], payload[1][:3]), ("rex", "$gen_cast", (Atom("cast"), Atom("mod"), Atom("fun"))), "the cast")


def test_the_link_is_lost_in_the_middle():
    """One outcome for each of what waits: a call, an rpc, a monitor, a link."""
    other = dial(EPMD.nodes["c"][0], "asks@localhost", COOKIE, FLAGS)
    for command in ((Atom("call"), (Atom("srv"), Atom(NAME)), 1, 60000), (Atom("rpc"), Atom(NAME), Atom("m"), Atom("f"), [], 60000)):
        link = link_to(C.node)
        tag = other.ask("c", do(*command))
        link.receive()
        link.close()
        equal(other.reply(tag)[0], "nodedown", command)
    other.close()


def test_the_end():
    C.stop()
    GATE.stop()
    EPMD.close()


at_end = print_table
if __name__ == "__main__":
    peers.main(globals())
