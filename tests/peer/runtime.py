#!/usr/bin/env python3
"""The node runtime against real nodes of OTP 23, 25, 27 and 29. Each test is a function of testruntime.erl, which runs at
the Erlang node and deals with one C node (runtime_peer.c), hidden, that all of them are connected to."""

import os
import re
import subprocess

import peers
import played
from cnode import CNode
from matrix import each, print_table, use
from peers import BIN, Epmd, Peer, check, equal, fresh_cookie, spawn

EPMD = Epmd()
COOKIE = fresh_cookie()
C = "c@localhost"


NODE = CNode(EPMD.port, COOKIE, C)
PEERS = {r: Peer(r, f"e{r}@localhost", EPMD.port, COOKIE, kernel={"connect_all": "false"}, extra=["-connect_all", "false"])
         for r in peers.RELEASES}
for peer_ in PEERS.values():
    peer_.ready()
use(list(PEERS))


def run(release, function, *args, seconds=30):
    finds(PEERS[release], C, function, *args, seconds=seconds)


def finds(peer, node, function, *args, seconds=30):
    equal(peer.eval(f"testruntime:{function}({', '.join([repr(node), *args])})", seconds), "ok", function)
    check(NODE.proc.poll() is None, "the C node has ended:", NODE.log()[-3000:])


def _add(function, what, *args, seconds=30):
    globals()["test_" + function] = each(what)(lambda release: run(release, function, *args, seconds=seconds))


for function_, what_, *args_ in (
    ("ping", "net_adm:ping, connect_node, nodes(hidden)"),
    ("messages", "Pid ! M, {Name, Node} ! M, names"),
    ("call", "gen_server:call: reply, later, noproc, timeout"),
    ("cast", "gen_server:cast, plain messages"),
    ("multi_call", "gen_server:multi_call"),
    ("monitored", "monitors of a C process, by pid and by name"),
    ("linked", "links, from both ends"),
    ("exits", "exit/2, both ways; trap_exit, kill"),
    ("aliases", "aliases"),
    ("sys_messages", "sys:get_state, get_status, suspend, resume"),
    ("stop", "gen_server:stop"),
    ("rpc_in", "rpc:call, cast, block_call, multicall into C"),
    ("erpc_in", "erpc:call, cast, multicall, send_request into C"),
    ("rex", "rex as ei asks it"),
    ("io", "the group leader"),
    ("size", "64 MiB both ways", "64 bsl 20"),
    ("in_order", "100,000 messages in order, both ways", "100000"),
    ("echo", "terms of every type come back =:="),
    ("interleaved", "large messages that interleave", "16 bsl 20"),
    ("traced", "signals with a trace token"),
    ("many_monitors", "100,000 monitors of one process", "100000"),
    ("nobody", "signals to nobody"),
    ("from_c", "messages and casts from C"),
    ("calls_from_c", "gen_server:call from C: all its ends"),
    ("multi_call_from_c", "gen_server:multi_call from C"),
    ("monitors_from_c", "monitors of processes and nodes from C"),
    ("rpc_from_c", "erpc:call, cast from C: all its ends"),
    ("local", "signals within the C node"),
    ("global", "global names, both ways"),
    ("pg", "pg: join, leave, members, a scope that starts anew"),
    ("pg_versions", "pg: the messages of OTP 29, and those before"),
):
    _add(function_, what_, *args_, seconds=20)


@each("a node that dies: DOWN, EXIT, nodedown, calls")
def test_cut(release):
    other = Peer(release, f"other{release}@localhost", EPMD.port, COOKIE, extra=["-connect_all", "false"]).ready()
    run(release, "cut", other.node)


@each("a visible C node: nodes(), global goes on")
def test_visible(release):
    visible = CNode(EPMD.port, COOKIE, "v@localhost", "visible")
    equal(PEERS[release].eval("testruntime:visible(v@localhost)", 30), "ok")
    visible.stop()


EVERY_WAY = ("messages", "call", "linked", "monitored", "rpc_in", "from_c", "calls_from_c", "rpc_from_c")


@each("a node without a name is given one (-sname undefined)")
def test_naming_others(release):
    other = Peer(release, "undefined", EPMD.port, COOKIE).ready()
    equal(other.eval("{node(), net_kernel:connect_node(c@localhost)}"), "{nonode@nohost,true}")
    name = other.eval("node()").strip("'")
    check(re.fullmatch(r"[0-9A-Z]{13}@\S+", name), "the name:", name)
    for function in EVERY_WAY:
        finds(other, C, function)
    other.stop()


@each("a C node without a name is given one")
def test_being_named(release):
    named = CNode(EPMD.port, COOKIE, "localhost", f"named-by=e{release}@localhost")
    check(re.fullmatch(r"[0-9A-Z]+@localhost", named.node), "the name:", named.node)
    for function in EVERY_WAY:
        finds(PEERS[release], named.node, function)
    named.stop()


def test_nobody_gives_a_name():
    """The node that is to give one is not there, or says yes without one."""
    epmd, server = played.PlayedEpmd(), played.Server()
    epmd.nodes["played"] = (server.port, 6)
    for there, status, words in (("nobody@localhost", None, b"no-node"), ("e27@elsewhere.invalid", None, b"no-connection"),
                                 ("played@localhost", b"ok", b"not-allowed"), ("played@localhost", b"alive", b"not-allowed")):
        proc = spawn([BIN / "tests" / "peer" / "runtime_peer", "localhost", epmd.port, f"named-by={there}"],
                     env={**os.environ, "ERLGATE_COOKIE": COOKIE}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE)
        if status:
            link = played.Link(server.accept(), "played@localhost", COOKIE)
            body = link.read_opening()
            check(link.other == "localhost" and link.other_flags & played.NAME_ME, "the wish:", body)
            link.say(b"s" + status)
        equal(proc.wait(20 * peers.SLOWER), 1, "its end")
        said = proc.stderr.read()
        check(b"not started: " + words in said, "what it says:", said)
    epmd.close()
    server.close()


def test_what_is_printed_is_logged():
    check("printed by" in NODE.log() or '"printed by ~p' in NODE.log(), "no line of io:format")
    check("plain text" in NODE.log(), "no line of io:put_chars")


def test_the_c_node_ends():
    for peer in PEERS.values():
        equal(peer.eval("testruntime:watches_the_end(c@localhost)", 30), "ok")
    NODE.stop()
    for peer in PEERS.values():
        equal(peer.eval("testruntime:heard_of_the_end()", 30), "ok")


at_end = print_table
if __name__ == "__main__":
    peers.main(globals())
