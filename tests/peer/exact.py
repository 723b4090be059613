#!/usr/bin/env python3
"""The node runtime and what OTP is particular about (testexact.erl): supervisors, options, requests by the collection, links from both
ends at once, connections that come and go, nodes in another life. The C node (runtime_peer.c) is hidden."""

import time

import peers
from cnode import CNode
from matrix import each, print_table, use
from peers import Epmd, Peer, end, equal, eventually, fresh_cookie

EPMD = Epmd()
COOKIE = fresh_cookie()
C = "c@localhost"
NODE = CNode(EPMD.port, COOKIE, C)


def start(release, name):
    return Peer(release, name, EPMD.port, COOKIE, kernel={"connect_all": "false", "logger_level": "none"},
                extra=["-connect_all", "false"]).ready()


PEERS = {r: start(r, f"e{r}@localhost") for r in peers.RELEASES}
use(list(PEERS))


def finds(peer, function, *args, seconds=40):
    equal(peer.eval(f"testexact:{function}({', '.join(args)})", seconds), "ok", function)


def _add(function, what):
    globals()["test_" + function] = each(what)(lambda release: finds(PEERS[release], function, repr(C)))


for function_, what_ in (
    ("supervised", "a C process as a supervisor's child"),
    ("call_exits", "gen_server:call's exits; by global, by request ids"),
    ("monitor_options", "monitor's and demonitor's options"),
    ("priority", "priority signals of OTP 28 and later"),
    ("spawning", "spawn_request's options"),
    ("links_at_random", "links and unlinks from both ends at once"),
    ("dance", "connections that come and go while used"),
    ("disconnected", "erlang:disconnect_node"),
):
    _add(function_, what_)


@each("pids of a node that was started again, from C")
def test_stale_from_c(release):
    name = f"other{release}@localhost"
    other = start(release, name)
    other.eval("register(old, spawn(fun() -> receive never -> ok end end))")
    pid = other.eval("binary_to_list(base64:encode(term_to_binary(whereis(old))))")
    peer = PEERS[release]
    equal(peer.eval(f"testruntime:ask('{C}', {{do, send, {{old, '{name}'}}, hello}})"), "ok", "the C node knows it")
    other.kill()
    other = start(release, name)
    other.eval("persistent_term:put(new, [spawn(fun() -> receive never -> ok end end) || _ <- lists:seq(1, 300)])")
    finds(peer, "stale_from_c", repr(C), f"binary_to_term(base64:decode({pid}))")
    time.sleep(0.1)
    equal(other.eval("lists:all(fun erlang:is_process_alive/1, persistent_term:get(new))"), "true", "nobody was meant")
    other.stop()


def test_a_c_node_that_was_started_again():
    """What its old pids are at each release."""
    node = CNode(EPMD.port, COOKIE, "d@localhost")
    for peer in PEERS.values():
        peer.eval("persistent_term:put(old, testruntime:spawned(d@localhost))")
    end(node.proc)
    for peer in PEERS.values():
        eventually(lambda: "d@localhost" not in peer.eval("nodes(hidden)"), "it is gone")
    node = CNode(EPMD.port, COOKIE, "d@localhost")
    for peer in PEERS.values():
        peer.eval("[testruntime:spawned(d@localhost) || _ <- lists:seq(1, 50)]")
        before = peer.eval("element(2, testruntime:ask(d@localhost, {counts}))")
        finds(peer, "stale", "persistent_term:get(old)")
        equal(peer.eval("element(2, testruntime:ask(d@localhost, {counts}))"), before, "nobody was meant")
    node.stop()


def test_the_c_node_ends():
    NODE.stop()


at_end = print_table
if __name__ == "__main__":
    peers.main(globals())
