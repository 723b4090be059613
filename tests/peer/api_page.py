"""docs/api.md shows what is true: each command in it is run, and gives what stands below it ("…" stands for anything)."""

import re
import subprocess

import peers
from peers import SLOWER, SOURCE, Failed, Gateway, Peer, check

PAGE = SOURCE / "docs" / "api.md"


def examples():
    """(command, what it prints)"""
    for block in re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.S | re.M):
        for example in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = example.partition("\n")
            yield command, output.strip()


def matches(wanted, got):
    return re.fullmatch(".*".join(re.escape(part) for part in wanted.split("…")), got, re.S)


def test_each_example():
    gate = Gateway()
    node = Peer("27", "kv@localhost", gate.epmd_port, gate.cookie, kernel={"start_pg": "true"}).ready()
    for module in ("kv", "kv_sup"):  # as ./run has them
        source = SOURCE / "examples" / "kv" / module
        node.eval(f'{{ok, {module}, B}} = compile:file("{source}", [binary]), {{module, {module}}} = code:load_binary({module}, "{module}", B)')
    node.eval("kv_sup:start()")
    count = 0
    for command, wanted in examples():
        check(command.startswith("curl "), command)
        line = command.replace("localhost:4370", f"127.0.0.1:{gate.port}")
        done = subprocess.run(["bash", "-c", line.replace("curl ", "curl -s --noproxy '*' ", 1)], capture_output=True, timeout=20 * SLOWER, check=False)
        got = done.stdout.decode().strip()
        if done.returncode != 0 or not matches(wanted, got):
            raise Failed(f"{command}\n    gave   {got}\n    wanted {wanted}")
        count += 1
    check(count >= 12, "only", count, "examples")
    node.stop()
    gate.stop()


peers.main(globals())
