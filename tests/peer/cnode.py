"""cnode: a node in C that does what Erlang tells it to (runtime_peer.c)."""

import os
import subprocess

import peers
from peers import BIN, equal, spawn, temporary_dir


class CNode:
    def __init__(self, epmd_port, cookie, name, *words):
        self.dir = temporary_dir()
        self.proc = spawn([BIN / "tests" / "peer" / "runtime_peer", name, epmd_port, *words],
                          env={**os.environ, "ERLGATE_COOKIE": cookie}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=open(self.dir / "stderr", "wb"))
        line = self.proc.stdout.readline().decode().split()
        equal(line[:1], ["up"], "start of the C node: " + self.log())
        self.node = line[1]

    def log(self):
        return (self.dir / "stderr").read_text(errors="replace")

    def stop(self):
        """Its ordinary end, which leaks nothing."""
        self.proc.stdin.close()
        equal(self.proc.wait(10 * peers.SLOWER), 0, "how the C node ended: " + self.log()[-2000:])
