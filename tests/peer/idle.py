"""Links that have nothing to say: ticks keep them up, and nothing more is sent."""

import socket
import subprocess
import time

import peers
from peers import BIN, Gateway, Peer, check, equal, spawn, segment

SECONDS = 20
TICK_BYTES = 4


def traffic(gate, node):
    """Bytes received and sent."""
    info = gate.node_info(node)
    check(info and info["state"] == "connected", f"{gate.node} lost {node}: {gate.stderr()[-500:]}")
    return info["received"]["bytes"], info["sent"]["bytes"]


def idle(gate, node, ticktime, most):
    """Nobody says anything for a while: gives how many ticks came and went, at most `most` each way."""
    before = traffic(gate, node)
    time.sleep(SECONDS)
    after = traffic(gate, node)
    ticks = [(b - a) / TICK_BYTES for a, b in zip(before, after)]
    check(max(ticks) <= most, f"net_ticktime {ticktime}: ticks in and out of {gate.node} in {SECONDS} s:", ticks)
    # A tick at each quarter of net_ticktime, 15 s at most: what is silent for longer would be given up.
    check(ticks[1] >= SECONDS // min(15, ticktime / 4) // 2, "too few ticks went out:", ticks)
    return ticks


def test_two_gateways():
    """Each answers a tick when it has been silent itself: two of them must not go on for ever."""
    for ticktime in (4, 60):
        one = Gateway(args=["--net-ticktime", str(ticktime)])
        two = Gateway("second@localhost", one.cookie, epmd="auto", epmd_port=one.epmd_port,
                      args=["--net-ticktime", str(ticktime)])
        equal(one.http.put(f"/v1/nodes/{segment(two.node)}").status, 200, "PUT")
        period = min(15, ticktime / 4)
        idle(one, two.node, ticktime, 2 * SECONDS / period + 4)
        traffic(two, one.node)
        two.stop()
        one.stop()


def test_gateways_with_different_ticktimes():
    one = Gateway(args=["--net-ticktime", "4"])
    two = Gateway("second@localhost", one.cookie, epmd="auto", epmd_port=one.epmd_port, args=["--net-ticktime", "120"])
    equal(one.http.put(f"/v1/nodes/{segment(two.node)}").status, 200, "PUT")
    idle(one, two.node, 4, 2 * SECONDS + 4)
    two.stop()
    one.stop()


def test_a_node_of_libei():
    """It answers each tick at once, whenever it last wrote."""
    program = BIN / "tests" / "peer" / "idle_ei"
    if not program.exists():
        print("        (no libei on this machine when the tree was configured)")
        return
    host = socket.gethostname().partition(".")[0]
    gate = Gateway(args=["--net-ticktime", "4"])
    ei = spawn([program, "ei", gate.cookie, gate.node, str(SECONDS + 4)], stdout=subprocess.PIPE,
               env={**gate.env, "HOME": str(gate.dir)})
    equal(ei.stdout.readline(), b"up\n", f"libei connects: {gate.stderr()[-500:]}")
    node = next(n["node"] for n in gate.http.get("/v1/nodes").json["nodes"])
    check(node.startswith("ei@"), node, host)
    idle(gate, node, 4, 2 * SECONDS + 4)
    line = ei.stdout.readline().decode()
    check(line.startswith("ticks ") and int(line.split()[1]) <= 2 * (SECONDS + 4) + 4, line)
    equal(ei.wait(10), 0, "libei's end")
    gate.stop()


def test_a_node_of_OTP():
    for release in ("23", "29"):
        gate = Gateway(args=["--net-ticktime", "8"])
        node = Peer(release, f"a{release}@localhost", gate.epmd_port, gate.cookie, kernel={"net_ticktime": "8"}).ready()
        equal(gate.http.put(f"/v1/nodes/{segment(node.node)}").status, 200, "PUT")
        idle(gate, node.node, 8, 2 * SECONDS / 2 + 4)
        node.stop()
        gate.stop()


peers.main(globals())
