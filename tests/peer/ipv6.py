"""IPv6: nodes, EPMD and HTTP on ::1 alone."""

import socket

import certs
import peers
from peers import JSON, Epmd, Gateway, Http, Peer, check, end, equal, eventually, segment

LOOPBACK = {"inet_dist_use_interface": "{0,0,0,0,0,0,0,1}"}


class Http6(Http):
    def __init__(self, port):
        super().__init__(port, "::1")

    def request(self, method, path, body=None, headers=(), seconds=20, fresh=False, host_header=None):
        return super().request(method, path, body, headers, seconds, fresh, host_header or f"[::1]:{self.port}")


def gateway(*args, node="erlgate@::1", **kw):
    """HTTP is served on ::1."""
    port = peers.free_port()
    gate = Gateway(node, args=[*args, "--listen", f"[::1]:{port}"], wait=False, **kw)
    gate.port, gate.http = port, Http6(port)

    def is_ready():
        check(gate.is_alive(), "the gateway ended", gate.stderr())
        try:
            return gate.http.request("GET", "/readyz", fresh=True).status == 200
        except OSError:
            return False

    eventually(is_ready, "the gateway is ready", 15)
    return gate


def serving(release, gate, name, proto="inet6_tcp", extra=(), epmd_port=None):
    peer = Peer(release, name, epmd_port or gate.epmd_port, gate.cookie, kernel=LOOPBACK,
                extra=["-proto_dist", proto, *extra]).ready()
    peer.eval("testpeer:serve(srv)")
    return peer


def reaches(gate, peer):
    response = gate.call(peer.node, "srv", {"$tuple": [{"$atom": "echo"}, "here"]}, type=JSON)
    equal((response.status, response.text), (200, '"here"\n'), f"call to {peer.node}: {gate.stderr()[-500:]}")


def both_ways(gate, peer):
    reaches(gate, peer)
    equal(gate.http.delete(f"/v1/nodes/{segment(peer.node)}").status, 204, "DELETE")
    eventually(lambda: peer.eval("nodes(connected)") == "[]", "the node sees it go")
    equal(peer.eval(f"net_adm:ping('{gate.node}')"), "pong", f"{peer.node} dials")
    reaches(gate, peer)


def listens(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.settimeout(1)
        return s.connect_ex((host, port)) == 0


def test_nodes_on_the_IPv6_loopback():
    """The host of the name is ::1: nothing else needs to be open."""
    dist = peers.free_port()
    gate = gateway("--dist-port", str(dist))
    for port, what in ((dist, "nodes"), (gate.port, "HTTP")):
        check(listens("::1", port) and not listens("127.0.0.1", port), "where it listens for", what)
    check(listens("::1", gate.epmd_port), "where EPMD listens")
    for release in peers.RELEASES:
        node = serving(release, gate, f"a{release}@::1")
        both_ways(gate, node)
        pid = gate.call(node.node, "srv", {"$atom": "whoami"}, type=JSON).json["$pid"]
        response = gate.http.post(f"/v1/pids/{segment(pid)}/call", {"$tuple": [{"$atom": "echo"}, 1]}, JSON)
        equal((response.status, response.text), (200, "1\n"), f"call to {pid}")
        node.stop()
    gate.stop()


def test_addresses_that_are_said():
    """A name of IPv4 that listens on ::1 as well as one says; and all addresses."""
    for said, hosts in (("::1", ("::1",)), ("*", ("::1", "127.0.0.1")), ("127.0.0.1", ("127.0.0.1",))):
        dist = peers.free_port()
        gate = gateway("--dist-port", str(dist), "--dist-listen", said, "--epmd-listen", said, node="erlgate@localhost")
        for host in ("::1", "127.0.0.1"):
            equal(listens(host, dist), host in hosts, f"--dist-listen {said}: listens on {host}")
        check(listens("127.0.0.1", gate.epmd_port), "EPMD listens on loopback in any case")
        gate.stop()


def test_another_EPMD():
    """One that runs, asked over IPv6, and its end."""
    epmd = Epmd()
    check(listens("::1", epmd.port), "erlgate-epmd on ::1")
    gate = gateway("--epmd", f"[::1]:{epmd.port}", epmd_port=epmd.port)
    node = serving("29", gate, "a29@::1")
    both_ways(gate, node)
    gate.stop()
    gate = gateway("--epmd", "auto", epmd_port=epmd.port, cookie=gate.cookie)
    both_ways(gate, node)
    end(epmd.proc)
    eventually(lambda: gate.self()["embedded_epmd"], "the gateway is EPMD", 4)
    eventually(lambda: b"a29" in peers.raw(epmd.port, b"\x00\x01n", seconds=2), "the node is registered again", 6)
    both_ways(gate, node)
    node.stop()
    gate.stop()


def test_a_peer_that_is_named():
    port = peers.free_port()
    gate = gateway("--epmd", "none", f"--peer=a27@::1=[::1]:{port}")
    epmd = Epmd()
    node = serving("27", gate, "a27@::1", epmd_port=epmd.port,
                   extra=["-kernel", "inet_dist_listen_min", str(port), "-kernel", "inet_dist_listen_max", str(port)])
    reaches(gate, node)
    node.stop()
    epmd.stop()
    gate.stop()


def test_TLS():
    ca = certs.Ca()
    leaf = ca.issue("IP:::1")
    gate = gateway(*certs.gateway_args(ca, leaf))
    for release in ("25", "29"):
        node = serving(release, gate, f"a{release}@::1", "inet6_tls", certs.erl_args(ca, leaf)[2:])
        if release == "25":
            reaches(gate, node)  # it does not find an address in our certificate when it dials
        else:
            both_ways(gate, node)
        node.stop()
    gate.stop()


peers.main(globals())
