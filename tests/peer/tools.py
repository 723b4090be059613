#!/usr/bin/env python3
"""Tools that come with Erlang, at the gateway: erl_call, which asks by ei_rpc, and a shell that looks for one here."""
import subprocess

import peers
from peers import JSON, Gateway, check, equal, problem, serving

# Those of later releases want a later libc than the tests' machine has.
ERL_CALLS = {release: peers.OTP / release / "usr/lib/erlang/bin/erl_call" for release in ("23", "25")}


def run(gate, argv, seconds=30):
    """An Erlang program that finds nodes by the gateway's EPMD."""
    env = {**peers.erlang_env(peers.temporary_dir()), "ERL_EPMD_PORT": str(gate.epmd_port), "TERM": "dumb"}
    return subprocess.run([str(a) for a in argv], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds * peers.SLOWER, check=False)


def test_erl_call():
    """It takes the first message from the node for the answer to its own, so there may be no other."""
    gate = Gateway()
    node = serving("27", gate)
    equal(gate.http.put(f"/v1/nodes/{peers.segment(node.node)}").status, 200, "PUT")
    node.eval("pg:start(pg)")
    for before in ("a scope of pg", "one more"):
        for release, path in ERL_CALLS.items():
            done = run(gate, [path, "-sname", gate.node, "-c", gate.cookie, "-a", "code ensure_loaded [shell]"])
            equal((done.stdout, done.returncode), ("{error, nofile}", 0), f"erl_call of {release}, before {before}; {done.stderr}")
            done = run(gate, [path, "-sname", gate.node, "-c", gate.cookie, "-a", "erlang node"])
            check(done.stdout.startswith("{badrpc, {'EXIT', {undef, "), f"erl_call of {release}, before {before}: {done}")
        problem(gate.http.post("/v1/groups/pg/g/call", 1, JSON), 404, "noproc", sent=False)
    gate.stop()
    node.stop()


def test_a_shell_here():
    """There is none, and the tool says so instead of waiting for it; where the tool asks (26 and later)."""
    gate = Gateway()
    for release in ("27", "29"):
        done = run(gate, [peers.erl_path(release), "-sname", f"lost{release}@localhost", "-setcookie", gate.cookie, "-remsh", gate.node])
        check("nofile" in done.stdout + done.stderr, f"{release} says {done.stdout} {done.stderr}")
        equal(done.returncode, 1, f"exit code of {release}")
    gate.stop()


peers.main(globals())
