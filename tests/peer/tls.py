"""Links that speak TLS (-proto_dist inet_tls), dialled from either side: what holds, and what is refused and how."""

import re
import signal
import socket
import time

import certs
import peers
from peers import JSON, Failed, Gateway, Peer, check, equal, eventually, problem, segment

CA = certs.Ca()


def node_of(gate, release, leaf, name=None, ca=None, **kw):
    peer = Peer(release, name or f"a{release}@localhost", gate.epmd_port, gate.cookie,
                extra=certs.erl_args(ca or CA, leaf, **kw)).ready()
    peer.eval("testpeer:serve(srv)")
    return peer


def echo(value):
    return {"$tuple": [{"$atom": "echo"}, value]}


def call(gate, peer, term, query=""):
    return gate.call(peer.node, "srv", term, query, type=JSON)


def reaches(gate, peer, value="here"):
    response = call(gate, peer, echo(value))
    equal((response.status, response.json if response.status == 200 else response), (200, value), f"call to {peer.node}")


def versions(gate):
    """Of TLS, of the links so far."""
    return re.findall(r"event=link-up .*tls=(\S+)|link-up.*?tls=(\S+)", gate.log.read_text())


def log_has(gate, *words):
    """A line of the gateway's log with all of the words."""
    return any(all(w in line for w in words) for line in gate.log.read_text(errors="replace").splitlines())


def logs(gate, *words):
    eventually(lambda: log_has(gate, *words), f"the log has a line with {words}: {gate.stderr()}")


def dist_port(gate):
    return int(re.search(r"dist_port=(\d+)", gate.log.read_text()).group(1))


# ---- What holds


def test_links_in_both_roles_to_every_release():
    leaf = CA.issue()
    gate = Gateway(args=certs.gateway_args(CA, leaf))
    for release in peers.RELEASES:
        node = node_of(gate, release, leaf)
        reaches(gate, node)
        logs(gate, "link-up", node.node, "by=us", "tls=TLSv1.")
        equal(gate.http.delete(f"/v1/nodes/{segment(node.node)}").status, 204, "DELETE")
        eventually(lambda: node.eval("nodes(connected)") == "[]", "the node sees it go")
        equal(node.eval(f"net_adm:ping('{gate.node}')"), "pong", f"OTP {release} dials")
        logs(gate, "link-up", node.node, "by=them", "tls=TLSv1.")
        reaches(gate, node)
        node.stop()
    gate.stop()


def test_a_node_that_wants_TLS_1_3():
    leaf = CA.issue(kind="ec")
    gate = Gateway(args=certs.gateway_args(CA, leaf))
    for release in ("25", "27", "29"):
        node = node_of(gate, release, leaf, more=", {versions, ['tlsv1.3']}")
        reaches(gate, node)
        equal(gate.http.delete(f"/v1/nodes/{segment(node.node)}").status, 204, "DELETE")
        eventually(lambda: node.eval("nodes(connected)") == "[]", "the node sees it go")
        equal(node.eval(f"net_adm:ping('{gate.node}')"), "pong", f"OTP {release} dials")
        for by in ("us", "them"):
            logs(gate, "link-up", node.node, f"by={by}", "tls=TLSv1.3")
        node.stop()
    gate.stop()


def test_large_terms_and_many_calls():
    leaf = CA.issue()
    gate = Gateway(args=certs.gateway_args(CA, leaf))
    for release in ("23", "29"):
        node = node_of(gate, release, leaf)
        text = "0123456789abcdef" * (4 << 16)  # 4 MiB each way
        reaches(gate, node, text)
        response = call(gate, node, {"$tuple": [{"$atom": "bytes"}, 30_000_000]}, "?timeout=60000")
        equal((response.status, len(response.json)), (200, 30_000_000), "30 MB back")
        for i in range(300):
            reaches(gate, node, i)
        node.stop()
    gate.stop()


def test_a_peer_that_takes_nothing():
    """What is for a stopped node queues up and goes out when it runs again."""
    leaf = CA.issue()
    gate = Gateway(args=certs.gateway_args(CA, leaf))
    node = node_of(gate, "27", leaf)
    reaches(gate, node)
    path = gate.process_path(node.node, "srv", "cast")
    text = "x" * (1 << 20)
    peers.freeze(node.proc.pid)
    for _ in range(20):
        equal(gate.http.post(path, [text], JSON).status, 202, "cast")
    check(gate.node_info(node.node)["queued_bytes"] > 10 << 20, "nothing is queued", gate.node_info(node.node))
    node.proc.send_signal(signal.SIGCONT)
    reaches(gate, node)
    equal(len(call(gate, node, {"$atom": "seen"}).json), 20, "casts that arrived")
    node.stop()
    gate.stop()


def test_renegotiation():
    """OTP renegotiates TLS 1.2 after so many records, by default 2^28: links live that long."""
    leaf = CA.issue()
    gate = Gateway(args=certs.gateway_args(CA, leaf))
    for release in ("23", "25", "27"):
        node = node_of(gate, release, leaf, more=", {renegotiate_at, 40}, {versions, ['tlsv1.2']}")
        for by in ("us", "them"):
            if by == "them":
                equal(gate.http.delete(f"/v1/nodes/{segment(node.node)}").status, 204, "DELETE")
                eventually(lambda: node.eval("nodes(connected)") == "[]", "the node sees it go")
                equal(node.eval(f"net_adm:ping('{gate.node}')"), "pong", f"OTP {release} dials")
            node.eval(f"catch unregister('watch_{gate.node}')")
            node.eval(f"testpeer:watch('{gate.node}')")
            for i in range(300):
                reaches(gate, node, i)
            equal(node.eval(f"testpeer:downs('{gate.node}')"), "0", f"links lost by OTP {release}, dialled by {by}")
        node.stop()
    gate.stop()


def test_no_verification():
    """Other CAs, other names: verify none takes them, as OTP's verify_none does."""
    other = certs.Ca("another CA")
    leaf, stranger = CA.issue(), other.issue("DNS:elsewhere.example")
    gate = Gateway(args=["--dist-tls-cert", leaf[0], "--dist-tls-key", leaf[1], "--dist-tls-verify", "none"])
    node = node_of(gate, "27", stranger, ca=other, verify="verify_none")
    reaches(gate, node)
    equal(gate.http.delete(f"/v1/nodes/{segment(node.node)}").status, 204, "DELETE")
    eventually(lambda: node.eval("nodes(connected)") == "[]", "the node sees it go")
    equal(node.eval(f"net_adm:ping('{gate.node}')"), "pong", "ping")
    node.stop()
    gate.stop()


def test_two_gateways():
    leaf = CA.issue(kind="ec")
    one = Gateway(args=certs.gateway_args(CA, leaf))
    two = Gateway("second@localhost", one.cookie, epmd="auto", epmd_port=one.epmd_port, args=certs.gateway_args(CA, leaf))
    equal(one.http.get(f"/v1/nodes/{segment(two.node)}/ping").json["pong"], True, "ping")
    for gate in (one, two):
        logs(gate, "link-up", "tls=TLSv1.3")
    two.stop()
    one.stop()


# ---- What is refused


def refused(gate, node, *why):
    problem(call(gate, node, echo(1)), 503, "no-connection", sent=False)
    logs(gate, "link-failed", node.node, *why)


def test_another_CA():
    other = certs.Ca("another CA")
    gate = Gateway(args=certs.gateway_args(CA, CA.issue()))
    for release in peers.RELEASES:
        # It has a certificate that we do not trust, and trusts none of ours.
        node = node_of(gate, release, other.issue(), ca=other)
        refused(gate, node, "CA that we do not trust")
        equal(node.eval(f"net_adm:ping('{gate.node}')"), "pang", "ping")
        node.stop()
        # Only the node minds.
        node = node_of(gate, release, CA.issue(), f"b{release}@localhost", ca=other)
        refused(gate, node, "certificate")
        equal(node.eval(f"net_adm:ping('{gate.node}')"), "pang", "ping")
        node.stop()
    check(not log_has(gate, "link-up"), "a link came up")
    gate.stop()


def test_the_host_name_of_a_node_that_is_dialled():
    gate = Gateway(args=certs.gateway_args(CA, CA.issue()))
    node = node_of(gate, "27", CA.issue("DNS:elsewhere.example"))
    refused(gate, node, "another host")
    # As OTP does, only who dials looks at the name.
    equal(node.eval(f"net_adm:ping('{gate.node}')"), "pong", "ping")
    reaches(gate, node)
    node.stop()
    gate.stop()
    # The other way round: OTP dials a gateway whose certificate is for another host.
    gate = Gateway(args=certs.gateway_args(CA, CA.issue("DNS:elsewhere.example")))
    for release in ("23", "29"):
        node = node_of(gate, release, CA.issue())
        equal(node.eval(f"net_adm:ping('{gate.node}')"), "pang", f"OTP {release} dials")
        logs(gate, "link-failed", "certificate")
        reaches(gate, node)
        node.stop()
    gate.stop()


def test_a_certificate_for_an_address():
    leaf = CA.issue("IP:127.0.0.1")
    gate = Gateway("erlgate@127.0.0.1", args=certs.gateway_args(CA, leaf))
    node = node_of(gate, "27", leaf, "long@127.0.0.1")
    reaches(gate, node)
    node.stop()
    wrong = node_of(gate, "27", CA.issue("IP:127.0.0.9"), "wrong@127.0.0.1")
    refused(gate, wrong, "another address")
    wrong.stop()
    gate.stop()


def test_one_end_without_TLS():
    gate = Gateway(args=[*certs.gateway_args(CA, CA.issue()), "--connect-timeout", "1500"])
    node = Peer("27", "plain@localhost", gate.epmd_port, gate.cookie).ready()
    refused(gate, node, "does it speak TLS")
    equal(node.eval(f"net_adm:ping('{gate.node}')"), "pang", "ping")
    logs(gate, "link-failed", "does not speak TLS")
    node.stop()
    gate.stop()
    gate = Gateway()
    node = node_of(gate, "27", CA.issue())
    problem(call(gate, node, echo(1)), 503, "no-connection", sent=False)
    equal(node.eval(f"net_adm:ping('{gate.node}')"), "pang", "ping")
    node.stop()
    gate.stop()


def test_no_certificate_is_shown():
    """A node that dials without a certificate of its own."""
    gate = Gateway(args=certs.gateway_args(CA, CA.issue()))
    conf = peers.temporary_dir() / "ssl_dist.conf"
    cert, key = CA.issue()
    conf.write_text(f'[{{server, [{{certfile, "{cert}"}}, {{keyfile, "{key}"}}]}}, {{client, [{{verify, verify_none}}]}}].\n')
    node = Peer("27", "a27@localhost", gate.epmd_port, gate.cookie,
                extra=["-proto_dist", "inet_tls", "-ssl_dist_optfile", str(conf)]).ready()
    equal(node.eval(f"net_adm:ping('{gate.node}')"), "pang", "ping")
    logs(gate, "link-failed", "shows no certificate")
    node.stop()
    gate.stop()


# ---- Hostile and slow


def test_hostile_bytes():
    leaf = CA.issue()
    gate = Gateway(args=[*certs.gateway_args(CA, leaf), "--connect-timeout", "1500"])
    node = node_of(gate, "29", leaf)
    reaches(gate, node)
    port, before = dist_port(gate), gate.fds()
    hello = bytes.fromhex("160301006601000062030300") + b"\0" * 31
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0\x15N" + b"\0" * 40, b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x80\x2e\x01",
                 b"\x15\x03\x03\x00\x02\x02\x28", b"\x17\x03\x03\x00\x10" + b"y" * 16, hello, hello[:3], b"\0" * 100000):
        peers.raw(port, data, seconds=5)
        peers.raw(port, data, seconds=5, half_close=True)
    eventually(lambda: gate.fds() <= before, "descriptors back")
    reaches(gate, node)
    node.stop()
    gate.stop()


def test_slow_handshakes():
    """Silence, or a byte now and then: given up after the connect timeout, which covers TLS and all that follows."""
    leaf = CA.issue()
    gate = Gateway(args=[*certs.gateway_args(CA, leaf), "--connect-timeout", "1500"])
    node = node_of(gate, "29", leaf)
    port, before = dist_port(gate), gate.fds()
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    dripping = socket.create_connection(("127.0.0.1", port))
    began = time.monotonic()
    hello = bytes.fromhex("160301006601000062030300") + b"\0" * 31
    try:
        for byte in hello:
            dripping.sendall(bytes([byte]))
            time.sleep(0.1)
        raise Failed("a slow handshake went on")
    except OSError:
        pass
    check(1 < time.monotonic() - began < 4 * peers.SLOWER, "given up after", time.monotonic() - began)
    for s in silent:
        s.settimeout(5)
        try:
            equal(s.recv(100), b"", "a silent connection was told something")
        except ConnectionResetError:
            pass
        s.close()
    dripping.close()
    eventually(lambda: gate.fds() <= before, "descriptors back")
    # The other way: what we dial accepts and says nothing.
    mute = socket.create_server(("127.0.0.1", 0))
    equal(node.eval("erl_epmd:names(\"localhost\")") != "", True, "epmd")
    with socket.create_connection(("127.0.0.1", gate.epmd_port)) as epmd:
        name = b"mute"
        body = (b"x" + mute.getsockname()[1].to_bytes(2, "big") + b"M\0\0\6\0\5" + len(name).to_bytes(2, "big") + name + b"\0\0")
        epmd.sendall(len(body).to_bytes(2, "big") + body)
        check(epmd.recv(100)[:1] == b"v", "EPMD refused")
        began = time.monotonic()
        problem(gate.http.put(f"/v1/nodes/{segment('mute@localhost')}"), 503, "no-connection")
        check(1 < time.monotonic() - began < 4 * peers.SLOWER, "given up after", time.monotonic() - began)
    mute.close()
    node.stop()
    gate.stop()


# ---- Files


def test_certificates_are_read_again():
    """New ones are for new links; the old links go on. What cannot be read changes nothing."""
    import shutil
    new_ca = certs.Ca("new CA")
    both = peers.temporary_dir()
    cert, key, ca = both / "cert.pem", both / "key.pem", both / "ca.pem"

    def put(leaf, cas):
        shutil.copy(leaf[0], cert)
        shutil.copy(leaf[1], key)
        ca.write_text("".join(c.file.read_text() for c in cas))

    put(CA.issue(), [CA])
    gate = Gateway(args=["--dist-tls-cert", cert, "--dist-tls-key", key, "--dist-tls-ca", ca])
    old = node_of(gate, "27", CA.issue(), "old@localhost")
    reaches(gate, old)
    old.eval(f"testpeer:watch('{gate.node}')")
    fresh = node_of(gate, "29", new_ca.issue(), "new@localhost", ca=new_ca)
    refused(gate, fresh, "do not trust")
    key.write_text("no key")
    gate.proc.send_signal(signal.SIGHUP)
    logs(gate, "reload-failed", "key.pem")
    reaches(gate, old)
    put(new_ca.issue(), [new_ca])
    gate.proc.send_signal(signal.SIGHUP)
    logs(gate, "tls-reloaded", "certificate=new")
    reaches(gate, fresh)
    reaches(gate, old)
    equal(old.eval(f"testpeer:downs('{gate.node}')"), "0", "links lost")
    equal(gate.http.delete(f"/v1/nodes/{segment(old.node)}").status, 204, "DELETE")
    refused(gate, old, "do not trust")
    gate.proc.send_signal(signal.SIGHUP)
    logs(gate, "tls-reloaded", "certificate=same")
    gate.stop()
    old.stop()
    fresh.stop()


def test_verification_is_read_again():
    """As certificates are: for new links."""
    options = peers.temporary_dir() / "erlgate.yaml"
    options.write_text("dist-tls-verify: peer\n")
    gate = Gateway(args=[*certs.gateway_args(CA, CA.issue()), "--config", options])
    other = certs.Ca("another CA")
    peer = node_of(gate, "29", other.issue(), ca=other, verify="verify_none")
    refused(gate, peer, "do not trust")
    options.write_text("dist-tls-verify: none\n")
    gate.proc.send_signal(signal.SIGHUP)
    logs(gate, "reload-changed", "option=dist-tls-verify from=peer to=none")
    reaches(gate, peer)
    equal(gate.http.delete(f"/v1/nodes/{segment(peer.node)}").status, 204, "DELETE")
    options.write_text("dist-tls-verify: peer\n")
    gate.proc.send_signal(signal.SIGHUP)
    logs(gate, "reload-changed", "option=dist-tls-verify from=none to=peer")
    refused(gate, peer, "do not trust")
    check("wants-restart" not in gate.log.read_text(), gate.stderr())
    gate.stop()
    peer.stop()


peers.main(globals())
