"""OTP nodes with erlgate-epmd as their EPMD: they register, find each other, and come back when it does."""

import socket
import time

import peers
from epmd_rig import OURS, RELEASES, alive2, frame, run
from peers import Epmd, Peer, check, equal, eventually, fresh_cookie

# OTP 23 does not look for an EPMD that was lost within the time of a test.
COME_BACK = tuple(r for r in RELEASES if r != "23")


def start(release, name, epmd, cookie):
    # global would cut a mesh of releases that refuse each other.
    return Peer(release, f"{name}@localhost", epmd.port, cookie, extra=("-connect_all", "false"))


def names(peer):
    """What net_adm:names() finds, as a sorted list of names."""
    return peer.eval('{ok, L} = net_adm:names("localhost"), {raw, lists:join(",", lists:sort([N || {N, _} <- L]))}',
                     kind=bytes).decode().split(",")


def port_of(peer, name):
    return peer.eval(f'case erl_epmd:port_please("{name}", "localhost") of {{port, P, V}} -> {{P, V}}; O -> O end')


def registered(epmd):
    code, out, _ = run(OURS, "-port", epmd.port, "-names")
    equal(code, 0, "-names")
    return out.count(b"\nname ")


def test_nodes_of_all_releases_register_and_find_each_other():
    epmd, cookie = Epmd(), fresh_cookie()
    nodes = {r: start(r, f"n{r}", epmd, cookie) for r in RELEASES}
    for node in nodes.values():
        node.ready()
    everybody = [f"n{r}" for r in RELEASES]
    for release, node in nodes.items():
        equal(names(node), everybody, f"net_adm:names() of OTP {release}")
        for other in everybody:
            value = port_of(node, other)
            check(value.startswith("{") and value.endswith(("5}", "6}")), f"OTP {release} looks {other} up: {value}")
        equal(port_of(node, "nobody"), "noport", f"OTP {release} looks nobody up")
        # The release speaks version 6 of the protocol: its creation has 32 bits, and is not one of the old ones.
        creation = int(node.eval("erlang:system_info(creation)"))
        check(creation > 3, f"creation of OTP {release}: {creation}")
    for release in RELEASES[1:]:
        if "25" in nodes and release in ("27", "29"):
            equal(nodes["25"].eval(f"net_adm:ping('n{release}@localhost')"), "pong", f"OTP 25 pings {release}")
    for release, node in nodes.items():
        node.stop()
        everybody.remove(f"n{release}")
        for other in list(nodes.values())[len(nodes) - len(everybody):][:1]:
            eventually(lambda o=other, e=everybody: names(o) == e, f"OTP {release} is gone")
    epmd.stop()


def test_names_of_full_length_and_of_other_alphabets():
    """A node's whole name has at most 255 characters, and erl takes Latin letters only; others register as this test does."""
    epmd, cookie = Epmd(), fresh_cookie()
    names_held = {"grüß": 2001, "узел": 2002, "\U0001f608" * 255: 2003, "n" * 255: 2004}
    held = []
    for name, port in names_held.items():
        s = socket.create_connection(("127.0.0.1", epmd.port), timeout=10)
        s.sendall(frame(alive2(name.encode(), port)))
        equal(s.recv(6)[:2], b"v\0", f"registration of {name[:8]}…")
        held.append(s)
    for wrong in ("n" * 256, "n\0n", "n\0", "\U0001f608" * 256):
        with socket.create_connection(("127.0.0.1", epmd.port), timeout=10) as s:
            s.sendall(frame(alive2(wrong.encode())))
            check(s.recv(6)[:2] != b"v\0", "a name that is none was registered")
    for release in RELEASES:
        long = start(release, "n" * 245, epmd, cookie).ready()
        other = start(release, "other", epmd, cookie).ready()
        equal(other.eval(f"net_adm:ping('{long.node}')"), "pong", f"OTP {release} pings a node with a name of 255 characters")
        for name, port in names_held.items():
            asked = list(name.encode())  # erl_epmd sends what it is given, a byte each
            value = other.eval(f'case erl_epmd:port_please({asked}, "localhost") of {{port, P, _}} -> P; O -> O end')
            equal(value, str(port), f"OTP {release} looks {name[:8]}… up")
        listed = other.eval('{ok, L} = net_adm:names("localhost"), lists:sort([P || {_, P} <- L, P < 2005, P > 2000])')
        equal(listed, "[2001,2002,2003,2004]", f"what OTP {release} has listed")
        long.stop()
        other.stop()
        eventually(lambda: registered(epmd) == len(held), "the nodes are gone")
    for s in held:
        s.close()
    epmd.stop()


def test_nodes_come_back_when_the_server_does():
    epmd, cookie = Epmd(), fresh_cookie()
    nodes = {r: start(r, f"n{r}", epmd, cookie) for r in COME_BACK}
    for node in nodes.values():
        node.ready()
    everybody = [f"n{r}" for r in COME_BACK]
    for _ in range(2):
        peers.end(epmd.proc)
        epmd.start()
        began = time.monotonic()
        last = list(nodes.values())[-1]
        eventually(lambda: names(last) == everybody, "all are registered again", 15)
        print(f"        all back after {time.monotonic() - began:.1f} s", flush=True)
    for node in nodes.values():
        node.stop()
    epmd.stop()


def test_a_node_that_is_killed_is_let_in_again_at_once():
    epmd, cookie = Epmd(), fresh_cookie()
    for release in RELEASES:
        creations = []
        for _ in range(2):
            node = start(release, "again", epmd, cookie).ready()
            creations.append(int(node.eval("erlang:system_info(creation)")))
            node.kill()
        node = start(release, "again", epmd, cookie).ready()
        creations.append(int(node.eval("erlang:system_info(creation)")))
        equal(len(set(creations)), 3, f"creations of OTP {release}: {creations}")
        node.stop()
    epmd.stop()


def test_a_second_node_of_the_same_name_is_refused():
    epmd, cookie = Epmd(), fresh_cookie()
    for release in RELEASES:
        node = start(release, "only", epmd, cookie).ready()
        second = start(release, "only", epmd, cookie)
        check(second.proc.wait(30 * peers.SLOWER) != 0, f"a second node of OTP {release} ended without an error")
        equal(names(node), ["only"], "the first one stays")
        node.stop()
        eventually(lambda: not registered(epmd), "the name is gone")
    epmd.stop()


if __name__ == "__main__":
    peers.main(globals())
