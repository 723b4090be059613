"""Links that have nothing to say for two minutes: ticks keep them up, and nothing more is sent."""

import subprocess
import time

import peers
from peers import BIN, Gateway, Peer, check, equal, segment, spawn

SECONDS = 120
TICK_BYTES = 4


class Idle:
    """A gateway and another node that are linked. ticktime: of the gateway, in seconds; period: at which ticks may come, at
    the shortest, from whichever end."""

    def __init__(self, what, gate, node, ticktime, period, ends):
        self.what, self.gate, self.node, self.ticktime, self.period, self.ends = what, gate, node, ticktime, period, ends
        self.before = self.traffic()

    def traffic(self):
        """Bytes received and sent."""
        info = self.gate.node_info(self.node)
        check(info and info["state"] == "connected", f"{self.what}: lost {self.node}: {self.gate.stderr()[-500:]}")
        return info["received"]["bytes"], info["sent"]["bytes"]

    def judge(self, seconds):
        ticks = [(b - a) / TICK_BYTES for a, b in zip(self.before, self.traffic())]
        print(f"        {self.what}: {ticks[0]:g} ticks came, {ticks[1]:g} went")
        # Each end's own, and an answer to each of the other's.
        check(max(ticks) <= 2 * seconds / self.period + 4, f"{self.what}: a storm:", ticks)
        # A tick at each quarter of net_ticktime, 15 s at most: what is silent for longer would be given up.
        check(ticks[1] >= seconds // min(15, self.ticktime / 4) // 2, f"{self.what}: too few ticks went out:", ticks)


def gateways(what, ticktime, other, period):
    """Each answers a tick when it has been silent itself: two of them must not go on for ever."""
    one = Gateway(args=["--net-ticktime", str(ticktime)])
    two = Gateway("second@localhost", one.cookie, epmd="auto", epmd_port=one.epmd_port, args=["--net-ticktime", str(other)])
    equal(one.http.put(f"/v1/nodes/{segment(two.node)}").status, 200, "PUT")
    return Idle(what, one, two.node, ticktime, period, [two.stop, one.stop])


def libei():
    """It answers each tick at once, whenever it last wrote."""
    program = BIN / "tests" / "peer" / "idle_ei"
    if not program.exists():
        print("        (no libei on this machine when the tree was configured)")
        return []
    gate = Gateway(args=["--net-ticktime", "4"])
    ei = spawn([program, "ei", gate.cookie, gate.node, str(SECONDS + 15)], stdout=subprocess.PIPE,
               env={**gate.env, "HOME": str(gate.dir)})
    equal(ei.stdout.readline(), b"up\n", f"libei connects: {gate.stderr()[-500:]}")
    node = next(n["node"] for n in gate.http.get("/v1/nodes").json["nodes"])
    check(node.startswith("ei@"), node)

    def end():
        line = ei.stdout.readline().decode()
        check(line.startswith("ticks ") and int(line.split()[1]) <= 2 * (SECONDS + 15) + 4, line)
        equal(ei.wait(10), 0, "libei's end")
        gate.stop()

    return [Idle("a node of libei", gate, node, 4, 1, [end])]


def real(release):
    gate = Gateway(args=["--net-ticktime", "8"])
    node = Peer(release, f"a{release}@localhost", gate.epmd_port, gate.cookie, kernel={"net_ticktime": "8"}).ready()
    equal(gate.http.put(f"/v1/nodes/{segment(node.node)}").status, 200, "PUT")
    return Idle(f"OTP {release}", gate, node.node, 8, 2, [node.stop, gate.stop])


def test_two_minutes_of_silence():
    began = time.monotonic()
    all_of_them = [gateways("two gateways, net_ticktime 4", 4, 4, 1), gateways("two gateways, net_ticktime 60", 60, 60, 15),
                   gateways("two gateways, net_ticktime 4 and 120", 4, 120, 1)]
    all_of_them += [real(release) for release in peers.RELEASES] + libei()
    time.sleep(SECONDS)
    for one in all_of_them:
        one.judge(time.monotonic() - began)
    for one in all_of_them:
        for end in one.ends:
            end()


peers.main(globals(), 240)
