#!/usr/bin/env python3
"""The programs in examples/ against real nodes of OTP 23, 25, 27 and 29."""

import os
import subprocess

import certs
import peers
from matrix import each, print_table, use
from peers import BIN, Epmd, Peer, check, end, equal, eventually, fresh_cookie, spawn, temporary_dir

CA = certs.Ca()
PEM = CA.dir / "both.pem"
PEM.write_text("".join(p.read_text() for p in CA.issue()))
EPMD = Epmd()
COOKIE = fresh_cookie()
PEERS = {r: Peer(r, f"e{r}@localhost", EPMD.port, COOKIE, extra=["-connect_all", "false"]) for r in peers.RELEASES}
for peer_ in PEERS.values():
    peer_.ready()
    peer_.eval("testpeer:serve(srv)")
use(list(PEERS))


class Example:
    """A program of examples/ that runs."""

    def __init__(self, name, *words, **more):
        self.err = temporary_dir() / "stderr"
        env = {**os.environ, "ERLANG_COOKIE": COOKIE, "ERL_EPMD_PORT": str(EPMD.port), **more}
        self.proc = spawn([BIN / "examples" / name, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=open(self.err, "wb"))

    def line(self):
        return self.proc.stdout.readline().decode().strip()

    def ended(self, status=0):
        rest = self.proc.stdout.read().decode()
        got = self.proc.wait(20 * peers.SLOWER)
        equal(got, status, f"exit status ({rest} {self.err.read_text(errors='replace')[-1500:]})")
        return rest


def name(release):
    return f"e{release}@localhost"


@each("ping")
def test_ping(release):
    equal(Example("ping", "c@localhost", name(release)).ended(), "pong\n")
    equal(Example("ping", "c@localhost", "nobody@localhost").ended(1), "pang\n")


@each("ping over TLS")
def test_ping_over_tls(release):
    files = {"ERLANG_TLS_CERT": str(PEM), "ERLANG_TLS_CA": str(CA.file)}
    peer = Peer(release, f"t{release}@localhost", EPMD.port, COOKIE, extra=certs.erl_args(CA, (PEM, PEM))).ready()
    equal(Example("ping", "c@localhost", peer.node, **files).ended(), "pong\n")
    equal(Example("ping", "c@localhost", peer.node).ended(1), "pang\n", "without")
    equal(Example("ping", "c@localhost", peer.node, **{**files, "ERLANG_TLS_CA": "/no/such"}).ended(2), "", "no file")
    peer.stop()


@each("embed: in a program's own epoll loop, with a thread")
def test_embed(release):
    equal(Example("embed", "c@localhost", name(release), "srv").ended(), "3 replies\n")


@each("server: call, cast, get_state, stop")
def test_server(release):
    server = Example("server", "c@localhost")
    equal(server.line(), "up")
    peer = PEERS[release]
    equal(peer.eval("gen_server:call({example, c@localhost}, hello)"), "{world,1}")
    equal(peer.eval("gen_server:cast({example, c@localhost}, {set, 41})"), "ok")
    equal(peer.eval("gen_server:call({example, c@localhost}, hello)"), "{world,42}")
    equal(peer.eval("sys:get_state({example, c@localhost})"), "{world,42}")
    equal(peer.eval("gen_server:stop({example, c@localhost})"), "ok")
    equal(server.ended(), "stopped\n")


@each("call and cast, and a timeout")
def test_call(release):
    equal(Example("call", "c@localhost", name(release), "srv", "hé", "5000").ended(), 'ok <<"hé"/utf8>>\n')
    check('{cast,{echo,<<"h' in PEERS[release].eval("gen_server:call(srv, seen)"), "the cast")
    equal(Example("call", "c@localhost", name(release), "nobody", "x", "5000").ended(1), "noproc noproc\n")
    PEERS[release].eval("sys:suspend(srv)")
    equal(Example("call", "c@localhost", name(release), "srv", "x", "200").ended(1), "timeout \n")
    PEERS[release].eval("sys:resume(srv)")


@each("watch: a process and its node go")
def test_watch(release):
    other = Peer(release, f"o{release}@localhost", EPMD.port, COOKIE, extra=["-connect_all", "false"]).ready()
    other.eval("testpeer:serve(mortal)")
    watch = Example("watch", "c@localhost", other.node, "mortal")
    equal(watch.line(), "up")
    eventually(lambda: other.eval("nodes(hidden)") == "[c@localhost]", "it is connected")
    other.eval("gen_server:stop(mortal)")
    equal(watch.line(), "down mortal normal")
    other.stop()
    equal(watch.ended(), f"nodedown {other.node}\n")


@each("rpc, both ways")
def test_rpc(release):
    program = Example("rpc", "c@localhost", name(release))
    equal(program.line(), f'otp "{release}"')
    equal(PEERS[release].eval("rpc:call(c@localhost, cmath, add, [1, 2])"), "3")
    equal(PEERS[release].eval("erpc:call(c@localhost, cmath, stop, [])"), "ok")
    program.ended()


def test_names():
    lines = Example("names", "127.0.0.1").ended().splitlines()
    equal(sorted(line.split()[0] for line in lines), [f"e{r}" for r in peers.RELEASES])
    EPMD.stop()
    end(Example("names", "127.0.0.1").proc)


at_end = print_table
if __name__ == "__main__":
    peers.main(globals())
