"""Several nodes at once, hidden and visible gateways, gateways among themselves, and ways to find each other."""

import time

import peers
from peers import ERL, TYPED, Epmd, Gateway, Peer, check, equal, eventually, problem, segment


def serving(release, gate, name=None, **kw):
    peer = Peer(release, name or f"a{release}@localhost", gate.epmd_port, gate.cookie, **kw).ready()
    peer.eval("testpeer:serve(srv)")
    return peer


def reaches(gate, peer):
    response = gate.call(peer.node, "srv", "{echo, [here]}", accept=ERL)
    equal((response.status, response.text.strip()), (200, "[here]"), f"{gate.node} calls {peer.node}")


def hidden_among(releases):
    """Nodes that know each other, and a hidden gateway that knows all: nobody is cut off."""
    gate = Gateway()
    nodes = [serving(r, gate) for r in releases]
    for node in nodes[1:]:
        equal(node.eval(f"net_adm:ping({nodes[0].node})"), "pong", "the nodes know each other")
    for node in nodes:
        reaches(gate, node)
    watch(gate, nodes)
    for node in nodes:
        others = {n.node for n in nodes if n is not node}
        eventually(lambda: names(node.eval("nodes()")) == others, f"{node.node} sees {others}")
        equal(names(node.eval("nodes(hidden)")), {gate.node}, f"hidden nodes of {node.node}")
        equal(gate.node_info(node.node)["type"], "hidden", "type")
        equal(node.eval("global:sync()"), "ok", "global:sync/0")
    quiet(gate, nodes)
    leave(gate, nodes)


def test_a_hidden_gateway_among_23_and_25():
    hidden_among(("23", "25"))


def test_a_hidden_gateway_among_25_27_and_29():
    hidden_among(("25", "27", "29"))


def test_one_gateway_to_releases_that_refuse_each_other():
    gate = Gateway()
    nodes = [serving(r, gate, kernel={"connect_all": "false"}) for r in peers.RELEASES]
    for node in nodes:
        reaches(gate, node)
    equal(nodes[0].eval("net_adm:ping(a29@localhost)"), "pang", "23 and 29")
    watch(gate, nodes)
    for node in nodes:
        reaches(gate, node)
    quiet(gate, nodes)
    leave(gate, nodes)


def visible_among(releases):
    """A visible gateway stands in nodes() of all and stays connected to all."""
    gate = Gateway(hidden=False, args=["--visible"])
    equal(gate.self()["hidden"], False, "hidden")
    nodes = [serving(r, gate) for r in releases]
    for node in nodes:
        reaches(gate, node)
        equal(gate.node_info(node.node)["type"], "visible", "type")
    # Over us, as over any visible node, the others find each other.
    for node in nodes:
        check(gate.node in names(node.eval("nodes()")), gate.node, "in nodes() of", node.node)
    for node in nodes[1:]:
        equal(node.eval(f"net_adm:ping({nodes[0].node})"), "pong", "the nodes know each other")
    watch(gate, nodes)
    equal(nodes[0].eval("global:register_name(it, self())"), "yes", "global:register_name/2")
    quiet(gate, nodes)
    for node in nodes:
        reaches(gate, node)
    leave(gate, nodes)


def test_a_visible_gateway_among_23_and_25():
    visible_among(("23", "25"))


def test_a_visible_gateway_among_25_27_and_29():
    visible_among(("25", "27", "29"))


def names(text):
    return {n.strip("'") for n in text.strip("[]").split(",") if n}


def watch(gate, nodes):
    for node in nodes:
        node.eval(f"testpeer:watch({gate.node})")


def quiet(gate, nodes):
    """For a while nothing is lost: what cuts a mesh does so within a second or two."""
    time.sleep(2.5)
    for node in nodes:
        equal(node.eval(f"testpeer:downs({gate.node})"), "0", f"links lost by {node.node}")
        check(gate.is_connected(node.node), node.node, "is not connected")


def leave(gate, nodes):
    gate.stop()
    for node in nodes:
        node.stop()


def test_two_gateways_and_a_hidden_node():
    one = Gateway()
    two = Gateway("second@localhost", one.cookie, epmd="auto", epmd_port=one.epmd_port)
    node = serving("27", one, hidden=True)
    for gate in (one, two):
        reaches(gate, node)
    response = one.http.get(f"/v1/nodes/{segment(two.node)}/ping")
    equal((response.status, response.json["pong"]), (200, True), "ping from one to the other")
    problem(one.call(two.node, "srv", "x"), 404, "noproc", sent=True)
    check(two.is_connected(one.node), "the other does not see the link")
    # A pid goes round: given out by one, used with the other.
    pid = one.call(node.node, "srv", "whoami").json["$pid"]
    equal(two.http.post(f"/v1/pids/{segment(pid)}/call", "{echo, round}", ERL, ERL).text.strip(), "round", "the pid elsewhere")
    two.stop()
    leave(one, [node])


def test_automatic_EPMD():
    """auto: the one that runs; else our own, which others then use."""
    epmd = Epmd()
    gate = Gateway(epmd="auto", epmd_port=epmd.port)
    equal(gate.self()["embedded_epmd"], False, "embedded")
    node = serving("25", gate)
    reaches(gate, node)
    leave(gate, [node])
    epmd.stop()
    gate = Gateway(epmd="auto")
    equal(gate.self()["embedded_epmd"], True, "embedded")
    node = serving("25", gate)
    reaches(gate, node)
    leave(gate, [node])


def test_long_names():
    gate = Gateway("erlgate@127.0.0.1")
    node = serving("27", gate, "long@127.0.0.1")
    reaches(gate, node)
    equal(node.eval("net_adm:ping('erlgate@127.0.0.1')"), "pong", "ping")
    problem(gate.http.put("/v1/nodes/short%40localhost"), 503, "no-connection")
    leave(gate, [node])


def test_the_same_process_has_the_same_text_everywhere():
    gate = Gateway()
    nodes = [serving(r, gate, kernel={"connect_all": "false"}) for r in ("25", "29")]
    pids = [gate.call(n.node, "srv", "whoami").json["$pid"] for n in nodes]
    # The other node takes it for a pid of that node and gives it back the same.
    for node, foreign in zip(nodes, reversed(pids)):
        equal(gate.call(node.node, "srv", f"{{echo, #Pid<{foreign}>}}", accept=TYPED).json, {"$pid": foreign}, "pid")
    leave(gate, nodes)


peers.main(globals())
