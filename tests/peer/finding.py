"""How nodes find each other: by EPMD, without it, and when it is lost."""

import hashlib
import os
import signal
import socket
import subprocess
import threading
import time

import peers
from epmd_rig import alive2, frame
from peers import JSON, Epmd, Gateway, Peer, check, end, equal, eventually, problem, registered, segment, serving


def call(gate, node, term=None, query=""):
    return gate.call(node, "srv", term or {"$tuple": [{"$atom": "echo"}, "here"]}, query, type=JSON)


def reaches(gate, peer):
    response = call(gate, peer.node)
    equal((response.status, response.text), (200, '"here"\n'), f"{gate.node} calls {peer.node}; {gate.stderr()[-800:]}")


def disconnect(gate, peer):
    equal(gate.http.delete(f"/v1/nodes/{segment(peer.node)}").status, 204, "DELETE")
    eventually(lambda: peer.eval("nodes(connected)") == "[]", "the node sees it go")


# ---- Without EPMD


def test_peers_that_are_named_are_dialled_without_EPMD():
    """EPMD of the gateway knows none of them."""
    ports = {r: peers.free_port() for r in peers.RELEASES}
    args = [f"--peer=a{r}@localhost={host}:{ports[r]}" for r, host in zip(peers.RELEASES, ("127.0.0.1", "localhost", "127.0.0.1", "127.0.0.1"))]
    gate = Gateway(args=args)
    elsewhere = Epmd()
    for release, port in ports.items():
        node = serving(release, gate, epmd_port=elsewhere.port,
                       kernel={"inet_dist_listen_min": str(port), "inet_dist_listen_max": str(port)})
        reaches(gate, node)
        disconnect(gate, node)
        reaches(gate, node)
        node.stop()
        problem(call(gate, node.node), 503, "no-connection", sent=False)
    equal(registered(gate.epmd_port), {"erlgate"}, "names at the gateway's EPMD")
    gate.stop()
    elsewhere.stop()


def test_peers_in_the_configuration():
    port = peers.free_port()
    config = peers.temporary_dir() / "erlgate.yaml"
    config.write_text(f"peer:\n  - a27@localhost=127.0.0.1:{port}\n  - other@localhost=127.0.0.1:1\n")
    gate = Gateway(epmd="none", args=["--config", config])
    elsewhere = Epmd()
    node = serving("27", gate, epmd_port=elsewhere.port,
                   kernel={"inet_dist_listen_min": str(port), "inet_dist_listen_max": str(port)})
    reaches(gate, node)
    problem(call(gate, "other@localhost"), 503, "no-connection", sent=False)
    gate.stop()
    node.stop()
    elsewhere.stop()


def test_another_node_at_a_peers_port():
    gate = Gateway()
    node = serving("27", gate)
    port = node.eval("{ok, [{_, P}]} = {ok, [E || {\"a27\", _} = E <- element(2, erl_epmd:names(\"localhost\"))]}, P")
    gate.stop()
    gate = Gateway("second@localhost", gate.cookie, epmd_port=gate.epmd_port, args=[f"--peer=missing@localhost=127.0.0.1:{port}"])
    answer = problem(call(gate, "missing@localhost"), 503, "no-connection", sent=False)
    called = f"the node that answers there is called {node.node}"
    check(called in answer["detail"], answer)
    check(any(called in line for line in gate.lines("link-failed")), gate.stderr())
    gate.stop()
    node.stop()


def test_hosts_that_lead_nowhere():
    """Each is told as what it is, and none as a fault of the request."""
    fake = socket.create_server(("127.0.0.1", 0))

    def hang_up():
        while True:
            try:
                conn, _ = fake.accept()
            except OSError:
                return
            with conn:
                conn.recv(100)
                conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=hang_up, daemon=True).start()
    port = fake.getsockname()[1]
    gate = Gateway(epmd="none", epmd_port=port, args=[f"--peer=other@localhost=127.0.0.1:{port}"])
    nowhere = "x" * 64  # no name of DNS's: nobody has to be asked
    for node, why in (("kv@localhost", "no EPMD"), ("other@localhost", "no node"), (f"kv@{nowhere}", "no address")):
        detail = problem(call(gate, node), 503, "no-connection", sent=False)["detail"]
        check(why in detail, detail)
    gate.stop()
    fake.close()


def test_what_is_waited_for_is_told():
    """A request that has less time than connecting may take."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gate = Gateway(args=[f"--peer=silent@localhost=127.0.0.1:{silent.getsockname()[1]}"])
        answer = gate.http.get(f"/v1/nodes/{segment('silent@localhost')}/ping?timeout=300")
        detail = problem(answer, 503, "no-connection", sent=False)["detail"]
        check("has not answered the handshake yet" in detail, detail)
        gate.stop()


class OldPeer:
    """Speaks version 5 of the handshake, as OTP 22 does, and hangs up on version 6. What opened each connection is kept."""

    def __init__(self, name, cookie, knows_version_5=True):
        self.name, self.cookie, self.knows_version_5 = name.encode(), cookie.encode(), knows_version_5
        self.opened = []
        self.is_up = False
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                conn, _ = self.server.accept()
            except OSError:
                return
            with conn:
                try:
                    self._meet(conn)
                except OSError:
                    pass

    @staticmethod
    def _message(conn):
        data = b""
        while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
            piece = conn.recv(1)
            if not piece:
                raise OSError("closed")
            data += piece
        return data[2:]

    def _meet(self, conn):
        def say(body):
            conn.sendall(len(body).to_bytes(2, "big") + body)

        first = self._message(conn)
        self.opened.append(first[:1])
        if first[:1] != b"n" or not self.knows_version_5:
            return
        flags = int.from_bytes(first[3:7], "big")
        say(b"sok")
        say(b"n" + (5).to_bytes(2, "big") + (flags & ~0x1000000).to_bytes(4, "big") + (77).to_bytes(4, "big") + self.name)
        reply = self._message(conn)
        if reply[:1] == b"c":
            reply = self._message(conn)
        check(reply[:1] == b"r", reply)
        if reply[5:21] == hashlib.md5(self.cookie + b"77").digest():
            say(b"a" + hashlib.md5(self.cookie + str(int.from_bytes(reply[1:5], "big")).encode()).digest())
            self.is_up = True
            while conn.recv(4096):
                pass


def test_a_peer_that_hangs_up_on_version_6():
    cookie = peers.fresh_cookie()
    old, mute = OldPeer("old@localhost", cookie), OldPeer("mute@localhost", cookie, knows_version_5=False)
    gate = Gateway(cookie=cookie, args=[f"--peer=old@localhost=127.0.0.1:{old.port}", f"--peer=mute@localhost=127.0.0.1:{mute.port}"])
    response = gate.http.put(f"/v1/nodes/{segment('old@localhost')}")
    if response.status == 503:
        # What a peer without flags that we need is told; but version 5 was tried.
        check("flag" in response.text or old.is_up, response)
    equal(old.opened, [b"N", b"n"], "how it was dialled")
    detail = problem(gate.http.put(f"/v1/nodes/{segment('mute@localhost')}"), 503, "no-connection")["detail"]
    check("without a word" in detail, detail)
    equal(mute.opened, [b"N", b"n"], "how it was dialled")
    gate.stop()
    old.server.close()
    mute.server.close()


# ---- EPMD is lost


def test_EPMD_is_lost_and_the_gateway_takes_its_place():
    epmd = Epmd()
    gate = Gateway(epmd="auto", epmd_port=epmd.port)
    equal(gate.self()["embedded_epmd"], False, "embedded")
    nodes = {r: serving(r, gate, kernel={"connect_all": "false"}) for r in peers.RELEASES}
    for node in nodes.values():
        reaches(gate, node)
        node.eval(f"testpeer:watch('{gate.node}')")
    # A call that is under way notices nothing.
    with peers_pool() as pool:
        http = peers.Http(gate.port)
        waiting = pool.submit(http.post, gate.process_path(nodes["27"].node, "srv", "call") + "?timeout=60000",
                              {"$tuple": [{"$atom": "later"}, 4000, "done"]}, JSON)
        eventually(lambda: gate.self()["calls"] == 1, "the call waits")
        began = time.monotonic()
        end(epmd.proc)
        for node in nodes.values():
            reaches(gate, node)
        eventually(lambda: gate.self()["embedded_epmd"], "embedded EPMD", 3)
        wanted = {"erlgate", "a25", "a27", "a29"}
        eventually(lambda: wanted <= (registered(epmd.port) or set()), f"{wanted} are registered", 5)
        took = time.monotonic() - began
        check(took < 5 * peers.SLOWER, "took", took)
        equal(waiting.result().text, '"done"\n', "the call that was under way")
    eventually(gate.is_ready, "ready again")
    for node in nodes.values():
        equal(node.eval(f"testpeer:downs('{gate.node}')"), "0", "links lost")
        disconnect(gate, node)
        reaches(gate, node)
        equal(node.eval(f"net_adm:ping('{gate.node}')"), "pong", "the node finds the gateway")
    if "a23" not in registered(epmd.port):
        check(gate.lines("epmd-remembered", "a23@localhost", "error=no-node"), gate.stderr())
    disconnect(gate, nodes["23"])
    # What was remembered of a node that has ended is forgotten, and said.
    nodes["23"].stop()
    for _ in range(2):
        problem(call(gate, "a23@localhost"), 503, "no-connection", sent=False)
    check(gate.lines("link-failed", "a23@localhost", "error=no-node"), gate.stderr())
    gate.stop()
    for node in nodes.values():
        node.stop()


def test_an_EPMD_that_hangs():
    """It takes connections and says nothing: nodes are dialled where they were, and links and calls do not depend on it."""
    epmd = Epmd()
    gate = Gateway(epmd="auto", epmd_port=epmd.port)
    nodes = [serving(r, gate, kernel={"connect_all": "false"}) for r in ("23", "27")]
    for node in nodes:
        reaches(gate, node)
    peers.freeze(epmd.proc.pid)
    for node in nodes:
        reaches(gate, node)
        disconnect(gate, node)
        reaches(gate, node)
        check(gate.lines("epmd-remembered", node.node, "error=timeout"), gate.stderr())
    problem(call(gate, "nobody@localhost"), 503, "no-connection", sent=False)
    epmd.proc.send_signal(signal.SIGCONT)
    for node in nodes:
        disconnect(gate, node)
        reaches(gate, node)
    equal(len(gate.lines("epmd-remembered")), len(nodes), "remembered only while it hung")
    gate.stop()
    for node in nodes:
        node.stop()
    epmd.stop()


def peers_pool():
    import concurrent.futures
    return concurrent.futures.ThreadPoolExecutor(2)


def test_nodes_that_were_never_dialled_are_remembered():
    """EPMD's list is read when the gateway starts and when a link comes up."""
    epmd = Epmd()
    early = Peer("23", "early@localhost", epmd.port, "c00kie").ready()
    gate = Gateway(cookie="c00kie", epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port)
    late = serving("23", gate, "late@localhost", kernel={"connect_all": "false"})
    time.sleep(5)  # the list is not read more often (node/survey.c)
    reaches(gate, late)  # a link comes up
    later = Peer("23", "later@localhost", epmd.port, gate.cookie).ready()
    time.sleep(1.5)
    end(epmd.proc)
    for node in ("early@localhost", "late@localhost"):
        response = gate.http.get(f"/v1/nodes/{segment(node)}/ping")
        equal((response.status, response.json["pong"]), (200, True), f"ping {node}: {gate.stderr()}")
    for node in (early, late, later):
        node.stop()
    gate.stop()


def test_a_machine_of_several_names():
    """EPMD knows names without hosts: what is linked under its real name, or is the gateway, is not listed again under another."""
    for is_embedded in (False, True):
        several_names(is_embedded)


def several_names(is_embedded):
    epmd = None if is_embedded else Epmd()
    gate = Gateway() if is_embedded else Gateway(epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port)
    peers_here = [serving("27", gate, "one@localhost"), serving("25", gate, "two@127.0.0.1")]
    other = Peer("27", "other@localhost", gate.epmd_port, gate.cookie).ready()
    for peer in peers_here:
        reaches(gate, peer)

    def listed():
        return {n["node"] for n in gate.http.get("/v1/nodes").json["nodes"]}

    eventually(lambda: {"other@localhost", "other@127.0.0.1"} <= listed(), "the EPMD was asked under both names", 15)
    equal(listed(), {"one@localhost", "two@127.0.0.1", "other@localhost", "other@127.0.0.1"}, "nodes")
    for peer in [*peers_here, other]:
        peer.stop()
    gate.stop()
    if epmd:
        epmd.stop()


def test_two_gateways_of_which_one_takes_the_place_of_EPMD():
    epmd = Epmd()
    one = Gateway(epmd="auto", epmd_port=epmd.port)
    two = Gateway("second@localhost", one.cookie, epmd="auto", epmd_port=epmd.port)
    creations = [g.self()["creation"] for g in (one, two)]
    end(epmd.proc)
    eventually(lambda: registered(epmd.port) == {"erlgate", "second"}, "both are registered", 6)
    equal(sorted(g.self()["embedded_epmd"] for g in (one, two)), [False, True], "who is EPMD")
    eventually(lambda: one.is_ready() and two.is_ready(), "both are ready")
    equal([g.self()["creation"] for g in (one, two)], creations, "creations")
    equal(one.http.get(f"/v1/nodes/{segment(two.node)}/ping").json["pong"], True, "ping")
    # The one that is EPMD ends: the other takes over in turn.
    first, second = (one, two) if one.self()["embedded_epmd"] else (two, one)
    first.stop()
    eventually(lambda: second.self()["embedded_epmd"], "the other takes over", 5)
    eventually(lambda: registered(epmd.port) == {second.node.split("@")[0]}, "registered", 5)
    second.stop()


def test_gateways_that_start_at_once_share_one_EPMD():
    """None is there, each would be it: one is, and the others register with it."""
    for _ in range(3):
        port, cookie = peers.free_port(), peers.fresh_cookie()
        gates = [Gateway(f"g{i}@localhost", cookie, epmd="auto", epmd_port=port, wait=False) for i in range(5)]
        eventually(lambda: all(g.is_ready() for g in gates), "all are ready", 15)
        equal(sorted(g.self()["embedded_epmd"] for g in gates), [False] * 4 + [True], "who is EPMD")
        equal(registered(port), {f"g{i}" for i in range(5)}, "registered")
        for gate in gates:
            gate.stop()


def test_a_name_that_is_still_taken_when_the_gateway_starts():
    """By what its EPMD has not yet noticed the end of: asked again a second later. By another node: said."""
    epmd = Epmd()
    for is_leaving in (True, False):
        holder = socket.create_connection(("127.0.0.1", epmd.port), timeout=10)
        holder.sendall(frame(alive2(b"erlgate")))
        equal(holder.recv(6)[:2], b"v\0", "the name is taken")
        gate = Gateway(epmd="auto", epmd_port=epmd.port, wait=False)
        if is_leaving:
            eventually(lambda: b"refused ALIVE2_REQ" in (epmd.dir / "stderr").read_bytes(), "it is refused")
            holder.close()
            eventually(gate.is_ready, "ready", 5)
            gate.stop()
        else:
            check(gate.proc.wait(15 * peers.SLOWER) != 0, "exit code")
            check("EPMD has a node of this name already" in gate.stderr(), gate.stderr())
            holder.close()
    epmd.stop()


def test_the_port_of_EPMD_is_taken_while_the_gateway_starts():
    """By one that does not answer yet: the gateway asks again. By something else for good: it says so."""
    for is_epmd in (True, False):
        port = peers.free_port()
        bound = socket.socket()
        bound.bind(("127.0.0.1", port))  # connections are refused, and nobody else can listen
        gate = Gateway(epmd="auto", epmd_port=port, wait=False)
        if is_epmd:
            time.sleep(0.7)  # it has found the port taken once
            check(gate.is_alive(), "the gateway ended:", gate.stderr())
            bound.close()
            epmd = Epmd(port)
            eventually(gate.is_ready, "ready", 10)
            equal(registered(port), {"erlgate"}, "registered")
            gate.stop()
            epmd.stop()
        else:
            check(gate.proc.wait(15 * peers.SLOWER) != 0, "exit code")
            check(f'error=address-in-use why="the EPMD port {port} is in use by something else' in gate.stderr(), gate.stderr())
            bound.close()


def test_an_EPMD_that_comes_back():
    """A gateway that may not be EPMD itself (external), or cannot (its address is not to be had), waits for it."""
    epmd = Epmd()
    gates = [Gateway("a@localhost", epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port),
             Gateway("b@localhost", epmd="auto", epmd_port=epmd.port, args=["--epmd-listen", "192.0.2.1"])]
    creations = [g.self()["creation"] for g in gates]
    for n in range(2):
        equal(registered(epmd.port), {"a", "b"}, "registered")
        end(epmd.proc)
        for gate in gates:
            eventually(lambda: len(gate.lines("epmd-lost")) > n, "it is noticed")  # pylint: disable=cell-var-from-loop
            eventually(lambda: not gate.is_ready(), "not ready")
        equal([g.self()["embedded_epmd"] for g in gates], [False, False], "who is EPMD")
        time.sleep(1.5)  # one has tried to be the EPMD by now
        before = [g.cpu_s() for g in gates]
        time.sleep(1)
        for gate, used in zip(gates, before):
            used = gate.cpu_s() - used
            check(used < 0.2, f"{gate.node} used {used} s of processor time in a second of waiting")
        epmd.start()
        for gate in gates:
            eventually(gate.is_ready, "ready again", 8)
        equal([g.self()["creation"] for g in gates], creations, "creations")
    for gate in gates:
        gate.stop()
    epmd.stop()


def test_an_EPMD_that_is_restarted_gets_its_port_back():
    """It is back before the gateway takes its place, as after `systemctl restart epmd`."""
    epmd = Epmd()
    gate = Gateway(epmd="auto", epmd_port=epmd.port)
    for _ in range(3):
        end(epmd.proc)
        epmd.start()
        eventually(lambda: registered(epmd.port) == {"erlgate"}, "registered again", 5)
        equal(gate.self()["embedded_epmd"], False, "embedded")
        check(epmd.proc.poll() is None, "the EPMD ended")
    gate.stop()
    epmd.stop()


def test_an_EPMD_that_is_started_when_the_gateway_is_one():
    """`erl -sname x` starts one each time: it finds the port taken and ends well, and -kill is refused."""
    gate = Gateway(epmd="auto")
    check(gate.self()["embedded_epmd"], "embedded")
    env = {**os.environ, "ERL_EPMD_PORT": str(gate.epmd_port)}
    for args in ((), ("-address", "127.0.0.1"), ("-daemon",)):
        done = subprocess.run([peers.BIN / "erlgate-epmd", *args], env=env, capture_output=True, timeout=10 * peers.SLOWER, check=False)
        equal((done.returncode, done.stdout, done.stderr), (0, b"", b""), f"another EPMD {args}")
    done = subprocess.run([peers.BIN / "erlgate-epmd", "-kill"], env=env, capture_output=True, timeout=10 * peers.SLOWER, check=False)
    equal((done.returncode, done.stdout), (1, b"Killing not allowed - living nodes in database.\n"), "-kill")
    equal(registered(gate.epmd_port), {"erlgate"}, "registered")
    gate.stop()


def test_a_flood_of_the_embedded_EPMD_leaves_the_gateway_its_descriptors():
    """Idle connections to EPMD, more than the process may have descriptors: HTTP and links go on."""
    gate = Gateway(epmd="embedded")
    gate.stop()
    gate.argv = ["sh", "-c", 'ulimit -n 400 && exec "$0" "$@"', *gate.argv]
    gate.start()
    node = serving("27", gate)
    flood = [socket.create_connection(("127.0.0.1", gate.epmd_port), timeout=10) for _ in range(1500)]
    for _ in range(3):
        reaches(gate, node)
        disconnect(gate, node)
    eventually(lambda: registered(gate.epmd_port) == {"erlgate", "a27"}, "EPMD answers")
    equal(gate.http.request("GET", "/v1/self", fresh=True).status, 200, "a new HTTP connection")
    check(gate.fds() < 300, f"{gate.fds()} descriptors")
    before = gate.cpu_s()
    time.sleep(1)
    check(gate.cpu_s() - before < 0.2, "it rests")
    for s in flood:
        s.close()
    node.stop()
    gate.stop()


peers.main(globals())
