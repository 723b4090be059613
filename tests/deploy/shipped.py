"""shipped: what each test of something shipped does with it: a real Erlang node beside it, and a call by curl."""

import subprocess

import container  # noqa: F401  (it finds peers)  pylint: disable=unused-import
import peers
from peers import Peer, equal


def run(*argv, status=0, **kw):
    """What it prints, on both; status None: whatever it ends with."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, timeout=240, **kw)
    if status is not None:
        equal(done.returncode, status, f"exit status of {' '.join(map(str, argv))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def curl(url, *words):
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *words, url], capture_output=True, timeout=30, check=False)
    equal(done.returncode, 0, f"curl {url}: {done.stderr.decode()}")
    return done.stdout.decode()


def node(release, epmd, cookie, name="kv@localhost"):
    """With the server of examples/kv."""
    peer = Peer(release, name, epmd.port, cookie).ready()
    source = peers.SOURCE / "examples" / "kv" / "kv.erl"
    peer.eval(f'{{ok, kv, B}} = compile:file("{source}", [binary]), {{module, kv}} = code:load_binary(kv, "kv", B), kv:start()')
    return peer


def calls_kv(port, host="kv@localhost"):
    base = f"http://127.0.0.1:{port}/v1/nodes/{host}/processes/kv/call"
    erl = ["-H", "Content-Type: text/x-erlang", "-H", "Accept: text/x-erlang", "-d"]
    equal(curl(base, *erl, '{put, <<"colour">>, blue}').strip(), "ok", "put")
    equal(curl(base, *erl, '{get, <<"colour">>}').strip(), "{ok,blue}", "get")
