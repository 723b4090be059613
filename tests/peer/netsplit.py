"""A network that is cut: two network namespaces with a cable between them, the gateway in one and nodes in the other.

Needs `ip` (iproute2), and root or user namespaces. The namespaces have no name and end with the processes in them: this script
itself runs in the gateway's.
"""

import concurrent.futures
import os
import subprocess
import sys
import time

import peers
from cnode import CNode
from eventstream import EventStream
from peers import BIN, JSON, Gateway, Http, Peer, check, equal, eventually, problem, spawn

if "ERLGATE_IN_NAMESPACE" not in os.environ:
    os.environ["ERLGATE_IN_NAMESPACE"] = "1"
    flags = "-n" if os.geteuid() == 0 else "-rn"
    os.execvp("unshare", ["unshare", flags, sys.executable, *sys.argv])

HERE, THERE = "10.77.0.1", "10.77.0.2"
TICKTIME = 8


def ip(*args):
    done = subprocess.run(["ip", *args], capture_output=True, check=False)
    check(done.returncode == 0, "ip", *args, done.stderr.decode())


class Side:
    """The other namespace, and the cable to it."""

    def __init__(self):
        self.holder = spawn(["unshare", "-n", "sleep", "3600"])
        here = os.readlink("/proc/self/ns/net")
        eventually(lambda: self._namespace() not in (None, here), "the other namespace")
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-n"]
        ip("link", "set", "lo", "up")
        ip("link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(self.holder.pid))
        ip("addr", "add", f"{HERE}/24", "dev", "here")
        ip("link", "set", "here", "up")
        self.ip("link", "set", "lo", "up")
        self.ip("addr", "add", f"{THERE}/24", "dev", "there")
        self.heal()

    def _namespace(self):
        try:
            return os.readlink(f"/proc/{self.holder.pid}/ns/net")
        except OSError:
            return None

    def ip(self, *args):
        done = subprocess.run([*self.enter, "ip", *args], capture_output=True, check=False)
        check(done.returncode == 0, "ip", *args, "there:", done.stderr.decode())

    def cut(self):
        self.ip("link", "set", "there", "down")

    def heal(self):
        self.ip("link", "set", "there", "up")

    def wrap(self, program):
        """A script that runs the program over there."""
        script = peers.temporary_dir() / "there"
        script.write_text(f'#!/bin/sh\nexec {" ".join(self.enter)} {program} "$@"\n')
        script.chmod(0o755)
        return script


side = None


def setup(*args):
    """A gateway here, EPMD and a node of each release there."""
    global side
    side = side or Side()
    gate = Gateway(f"erlgate@{HERE}", args=["--net-ticktime", str(TICKTIME), "--connect-timeout", "2000", *args])
    epmd = spawn([*side.enter, BIN / "erlgate-epmd", "-port", gate.epmd_port, "-address", THERE],
                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    nodes = []
    plain = peers.erl_path
    for release in peers.RELEASES:
        Peer._compiled(release)
        wrapped = side.wrap(plain(release))
        peers.erl_path = lambda _, wrapped=wrapped: wrapped
        try:
            node = Peer(release, f"a{release}@{THERE}", gate.epmd_port, gate.cookie,
                        kernel={"inet_dist_use_interface": "{10,77,0,2}", "net_ticktime": str(TICKTIME), "connect_all": "false"})
        finally:
            peers.erl_path = plain
        nodes.append(node.ready())
        node.eval("testpeer:serve(srv)")
    for node in nodes:
        eventually(lambda: call(gate, node).status == 200, f"{node.node} is reached: {gate.stderr()[-800:]}", 10)
        node.eval(f"testpeer:watch('{gate.node}')")
    return gate, epmd, nodes


def teardown(gate, epmd, nodes):
    gate.stop()
    for node in nodes:
        node.stop()
    peers.end(epmd)


def call(gate, node, term=None, query="", http=None):
    term = term or {"$tuple": [{"$atom": "echo"}, "here"]}
    return (http or gate.http).post(gate.process_path(node.node, "srv", "call") + query, term, JSON)


def test_a_cut_that_lasts():
    gate, epmd, nodes = setup()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(call, gate, n, {"$atom": "never"}, "?timeout=60000", Http(gate.port)) for n in nodes]
        eventually(lambda: gate.self()["calls"] == len(nodes), "the calls wait")
        began = time.monotonic()
        side.cut()
        for node, future in zip(nodes, waiting):
            problem(future.result(), 502, "nodedown", sent=True)
            took = time.monotonic() - began
            check(took < 1.25 * TICKTIME + 1, f"{node.node} was given up after {took:.1f} s")
        check(took > 0.75 * TICKTIME, f"given up after {took:.1f} s already")
    for node in nodes:
        check(not gate.is_connected(node.node), node.node, "is still connected")
    # While it is cut: an answer within the connect timeout, not silence.
    began = time.monotonic()
    problem(call(gate, nodes[0]), 503, "no-connection", sent=False)
    check(time.monotonic() - began < 6, "took", time.monotonic() - began)
    for node in nodes:
        eventually(lambda: node.eval(f"testpeer:downs('{gate.node}')") == "1", f"{node.node} sees it", 10)
    side.heal()
    for node in nodes:
        eventually(lambda: call(gate, node).status == 200, f"{node.node} is reached again", 15)
        equal(node.eval(f"net_adm:ping('{gate.node}')"), "pong", "ping")
    teardown(gate, epmd, nodes)


def test_what_processes_hear_of_a_cut():
    """A process of a node in C here, and of nodes there: nodedown, DOWN and EXIT within 1.25 × net_ticktime, at both ends. It
    deals with them again once the cable is whole."""
    gate, epmd, nodes = setup()
    c = CNode(gate.epmd_port, gate.cookie, f"c@{HERE}", f"host={HERE}", f"tick={1000 * TICKTIME}")
    # Its net_ticktime is everyone's: one that ticks every 15 s would be given up by the C node while it waits for the cut to
    # be noticed.
    here = Peer("25", f"here@{HERE}", gate.epmd_port, gate.cookie,
                kernel={"inet_dist_use_interface": "{10,77,0,1}", "net_ticktime": str(TICKTIME), "connect_all": "false"}).ready()
    here.eval(f"testpeer:watch('{c.node}')")
    for node in nodes:
        equal(here.eval(f"testruntime:split('{c.node}', '{node.node}')", 30), "ok", f"it watches {node.node}")
        # The link is there by now: what is watched is that, and no attempt of its own that has to make way for it.
        node.eval(f"testpeer:watch('{c.node}')")
    waits = [here.start_eval(f"testruntime:split_ask('{n.node}', heard)", 20) for n in nodes]
    began = time.monotonic()
    side.cut()
    for node, wait in zip(nodes, waits):
        equal(wait(), "ok", f"it hears of {node.node}")
        took = time.monotonic() - began
        check(took < 1.25 * TICKTIME + 1, f"it heard of {node.node} after {took:.1f} s")
    for node in nodes:
        eventually(lambda: node.eval(f"testpeer:downs('{c.node}')") == "1", f"{node.node} sees it", 10)
    waits = [here.start_eval(f"testruntime:split_ask('{n.node}', again)", 60) for n in nodes]
    side.heal()
    for node, wait in zip(nodes, waits):
        equal(wait(), "ok", node.node)
    equal(here.eval(f"testpeer:downs('{c.node}')"), "0", f"links between {c.node} and {here.node} lost")
    here.stop()
    c.stop()
    teardown(gate, epmd, nodes)


def test_a_cut_that_is_over_soon():
    """TCP bridges it: nothing is lost."""
    gate, epmd, nodes = setup()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        side.cut()
        waiting = [pool.submit(call, gate, n, None, "?timeout=20000", Http(gate.port)) for n in nodes]
        time.sleep(2)
        side.heal()
        for node, future in zip(nodes, waiting):
            equal(future.result().status, 200, f"the call to {node.node} in between")
    for node in nodes:
        equal(node.eval(f"testpeer:downs('{gate.node}')"), "0", f"links lost by {node.node}")
    teardown(gate, epmd, nodes)


def test_monitors_across_a_cut():
    """Who monitors hears of it once: processes have noconnection, nodes net_tick_timeout. Then all is as before."""
    gate, epmd, nodes = setup()
    alone = [(EventStream(gate.port, f"/v1/nodes/{n.node}/processes/srv/monitor"),
              EventStream(gate.port, f"/v1/nodes/{n.node}/monitor")) for n in nodes]
    everything = EventStream(gate.port, "/v1/events?" + "&".join(f"monitor=/nodes/{n.node}/processes/srv" for n in nodes)
                             + "&monitor=/nodes")
    for process, node in alone:
        process.next("monitor")
        node.next("monitor")
    for _ in range(len(nodes) + 1):
        everything.next("monitor")
    began = time.monotonic()
    side.cut()
    for (process, node), erl in zip(alone, nodes):
        down = process.next("down", 1.25 * TICKTIME + 2)
        equal(down.data, {"target": f"/nodes/{erl.node}/processes/srv", "reason": "noconnection"}, "down")
        process.ends()
        nodedown = node.next("nodedown", 5)
        equal((nodedown.data["node"], nodedown.data["reason"]), (erl.node, "net_tick_timeout"), "nodedown")
        node.ends()
    took = time.monotonic() - began
    seen = [everything.next() for _ in range(2 * len(nodes))]
    equal(sorted((e.name, e.data.get("node") or e.data["target"]) for e in seen),
          sorted([("down", f"/nodes/{n.node}/processes/srv") for n in nodes] + [("nodedown", n.node) for n in nodes]), "each once")
    refused = EventStream(gate.port, f"/v1/nodes/{nodes[0].node}/processes/srv/monitor?timeout=3000")
    problem(refused.response, 503, "no-connection", sent=False)
    side.heal()
    for erl in nodes:
        eventually(lambda: call(gate, erl).status == 200, f"{erl.node} is reached again", 15)
    # Each once, in the order in which they came: what the calls dial, the gateway looks for as well.
    equal(sorted(everything.next("nodeup").data["node"] for _ in nodes), sorted(n.node for n in nodes), "nodeups")
    everything.is_silent(0.5)
    everything.close()
    print(f"        {len(nodes)} nodes cut off: all told within {took:.1f} s of the cut, net_ticktime {TICKTIME} s", flush=True)
    teardown(gate, epmd, nodes)


peers.main(globals())
