"""erlgate-epmd on the command line, beside OTP's epmd: the same words, the same exit codes."""

import os
import re
import signal
import socket
import subprocess

import peers
from epmd_rig import OURS, Server, environment, otp_epmds, run
from peers import check, equal

COMMANDS = (("-names",), ("-started",), ("-dump",), ("-kill",), ("-stop", "x"), ("-stop", "kv"))


def compare(what, args, sides):
    """sides: (program, port) twice. What both say, with ports and descriptors masked."""
    said = []
    for program, port in sides:
        code, out, err = run(program, "-port", port, *args)
        out = re.sub(rb"fd = -?\d+", b"fd = N", out.replace(str(port).encode(), b"PORT"))
        said.append((code, out, err))
    equal(said[0], said[1], f"{what}: {' '.join(args)}")
    return said[0]


def test_nothing_is_running():
    for release, theirs in otp_epmds():
        for args in COMMANDS:
            port = peers.free_port()
            code, _, err = compare(f"none running, OTP {release}", args, ((OURS, port), (theirs, port)))
            equal(code, 1, "exit code")
            equal(err, b"" if args == ("-started",) else b"epmd: Cannot connect to local epmd\n", "words")


def test_what_is_running_is_asked():
    for release, program in otp_epmds():
        for relaxed in ((), ("-relaxed_command_check",)):
            sides = [Server(OURS, *relaxed), Server(program, *relaxed)]
            ports = [(s.program, s.port) for s in sides]
            for args in (("-names",), ("-started",), ("-dump",), ("-stop", "x")):
                compare(f"no names, {relaxed}, OTP {release}", args, ports)
            held = [s.register(name)[0] for s in sides for name in (b"kv", "grüß".encode(), b"old", b"b c")]
            for i in (2, 6):
                held[i].close()
            for s in sides:
                peers.eventually(lambda srv=s: len(srv.names()) == 3, "a name is gone")
            for args in COMMANDS:
                if args == ("-kill",) and relaxed:
                    continue
                compare(f"with names, {relaxed}, OTP {release}", args, ports)
            code, out, _ = compare(f"at the end, {relaxed}, OTP {release}", ("-kill",), ports)
            if relaxed:
                equal((code, out), (0, b"Killed\n"), "killed")
                equal([s.ended() for s in sides], [0, 0], "exit codes of the servers")
            for s in sides:
                s.stop()
            for s in held:
                s.close()


def test_either_asks_the_other():
    for release, program in otp_epmds():
        sides = [Server(OURS), Server(program)]
        held = [s.register(b"kv")[0] for s in sides]
        for args in COMMANDS:
            compare(f"ours asks theirs, OTP {release}", args, ((OURS, sides[1].port), (program, sides[1].port)))
            compare(f"theirs asks ours, OTP {release}", args, ((OURS, sides[0].port), (program, sides[0].port)))
        for s in held:
            s.close()
        for s in sides:
            s.stop()


def test_options_that_are_wrong():
    wrong = (("-foo",), ("-port",), ("-port", "0"), ("-port", "x"), ("-names", "x"), ("-kill", "x"), ("-stop",),
             ("-stop", "a", "b"), ("-packet_timeout", "0"), ("-packet_timeout",), ("-delay_accept", "x"),
             ("-delay_write",), ("-address",), ("names",), ("-started", "-names"))
    for release, program in otp_epmds():
        for args in wrong:
            said = [run(p, *args) for p in (OURS, program)]
            what = f"{' '.join(args)}, OTP {release}"
            equal([s[0] for s in said], [1, 1], f"exit codes of {what}")
            equal([s[1] for s in said], [b"", b""], f"standard output of {what}")
            # The synopsis is the same; what OTP's explains after it stands in --help here.
            equal(said[0][2].split(b"\n\n")[0], said[1][2].split(b"\n\n")[0], f"the synopsis for {what}")


def test_help_teaches():
    code, out, err = run(OURS, "--help")
    equal((code, err), (0, b""), "exit code and errors")
    for word in (b"-daemon", b"-systemd", b"-packet_timeout", b"ERL_EPMD_PORT", b"ERL_EPMD_ADDRESS", b"ALL addresses",
                 b"ERL_EPMD_RELAXED_COMMAND_CHECK", b"-names", b"Exit code"):
        check(word in out, "--help does not speak of", word)


def test_a_second_one_ends_well():
    for program in [OURS, *[p for _, p in otp_epmds()]]:
        server = Server(program)
        for other in (OURS, program):
            equal(run(other, "-port", server.port, "-address", "127.0.0.1"), (0, b"", b""), "the second is quiet")
        code, _, err = run(OURS, "-d", "-port", server.port, "-address", "127.0.0.1")
        equal(code, 0, "exit code with -d")
        check(b"there is already a epmd running at port %d on ipaddr 127.0.0.1" % server.port in err, err)
        server.stop()


def test_addresses_that_cannot_be_had():
    for release, program in otp_epmds():
        for address in ("127.0.0.1.2", "localhost", "192.0.2.1"):
            said = []
            for p in (OURS, program):
                code, out, err = run(p, "-port", peers.free_port(), "-address", address)
                said.append((code, out, re.sub(rb"^epmd: .*? 20\d\d: ", b"", err)))
            equal(said[0], said[1], f"-address {address}, OTP {release}")


def test_the_environment():
    port = peers.free_port()
    server = Server(OURS, port=port)
    held, _ = server.register(b"kv")
    code, out, _ = run(OURS, "-names", env=environment(ERL_EPMD_PORT=str(port)))
    equal((code, out), (0, b"epmd: up and running on port %d with data:\nname kv at port 1042\n" % port), "ERL_EPMD_PORT")
    # Empty is not set; what is no port is told, and not taken for another.
    equal(run(OURS, "-port", port, "-names", env=environment(ERL_EPMD_PORT=""))[:2], (0, out), "an empty ERL_EPMD_PORT")
    for wrong in ("x", "0", "65536", "43 69"):
        equal(run(OURS, "-names", env=environment(ERL_EPMD_PORT=wrong)),
              (1, b"", b"epmd: ERL_EPMD_PORT is not a port number\n"), f"ERL_EPMD_PORT={wrong}")
    held.close()
    server.stop()
    proc = peers.spawn([OURS], env=environment(ERL_EPMD_PORT=str(port), ERL_EPMD_ADDRESS="127.0.0.2, 127.0.0.1"))
    for host, listens in (("127.0.0.1", True), ("127.0.0.2", True), ("127.0.0.3", False)):
        def connects(to=host):
            with socket.socket() as s:
                return s.connect_ex((to, port)) == 0
        if listens:
            peers.eventually(connects, f"it listens on {host}")
        else:
            check(not connects(), f"it listens on {host}")
    equal(peers.end(proc, signal.SIGTERM), 0, "exit code")


def test_all_addresses_is_the_default():
    port = peers.free_port()
    proc = peers.spawn([OURS, "-port", port], env=environment())
    peers.eventually(lambda: peers.accepts(port), "it listens")
    for host in ("127.0.0.3", "::1"):
        try:
            socket.create_connection((host, port), timeout=2).close()
        except OSError as error:
            check(host == "::1" and not os.path.exists("/proc/net/if_inet6"), f"{host}: {error}")
    equal(peers.end(proc, signal.SIGTERM), 0, "exit code")


def test_daemons_of_either_make_look_alike():
    """Started, asked and ended by either program."""
    programs = [OURS, *[p for _, p in otp_epmds()]]
    for server in programs:
        for asker in programs:
            port = peers.free_port()
            equal(run(server, "-port", port, "-address", "127.0.0.1", "-daemon"), (0, b"", b""), f"{server} -daemon")
            peers.eventually(lambda: peers.accepts(port), "it listens")
            what = f"{asker} asks {server}"
            equal(run(asker, "-port", port, "-names"), (0, b"epmd: up and running on port %d with data:\n" % port, b""), what)
            equal(run(asker, "-port", port, "-started"), (0, b"", b""), what)
            if asker == OURS:  # OTP's returns before it has tried the port, which might be free again by then
                equal(run(asker, "-port", port, "-daemon"), (0, b"", b""), f"{what}: another daemon")
            equal(run(asker, "-port", port, "-kill"), (0, b"Killed\n", b""), what)
            peers.eventually(lambda: not peers.accepts(port), "it has ended")


def test_the_first_word_of_debug():
    """-d says first, on standard error, that it runs; then, with a time, what happens, each line as a terminal wants it."""
    for program in [OURS, *[p for _, p in otp_epmds()]]:
        server = Server(program, "-d")
        server.ask(b"n")
        lines = (server.dir / "stderr").read_bytes().split(b"\r\n")
        check(re.fullmatch(rb"epmd: \w{3} \w{3} .\d \d\d:\d\d:\d\d \d{4}: epmd running - daemon = 0", lines[0]), program, lines[0])
        check(any(b"** got" in l and b"NAMES_REQ" in l for l in lines), program, lines)
        equal(lines[-1], b"", "the last line is whole")
        server.stop()


def test_a_daemon_listens_when_its_first_process_ends():
    for _ in range(5):
        port = peers.free_port()
        equal(run(OURS, "-port", port, "-address", "127.0.0.1", "-daemon"), (0, b"", b""), "the first process")
        check(peers.accepts(port), "the daemon listens")
        equal(run(OURS, "-port", port, "-address", "127.0.0.1", "-daemon")[0], 0, "a second daemon")
        equal(run(OURS, "-port", port, "-kill")[:2], (0, b"Killed\n"), "kill")
    equal(run(OURS, "-port", peers.free_port(), "-address", "192.0.2.1", "-daemon")[0], 1, "a daemon that cannot listen")


def test_debug_tells_what_happens():
    server = Server(OURS, "-d", "-d")
    held, _ = server.register(b"kv")
    held.close()
    refused, reply = server.register(b"a\nb\x1b[31m")
    equal(reply[:2], b"v\1", "a name with control characters")
    refused.close()
    peers.eventually(lambda: server.names() == [], "the name is gone")
    text = server.stderr()
    for words in ("epmd running - daemon = 0", "** got ALIVE2_REQ", "registering 'kv:", "unregistering 'kv:", "character in it a?b?[31m",
                  "Local peer connected", "** got NAMES_REQ"):
        check(words in text, f"not said: {words}\n{text}")
    server.stop()


def test_a_busy_server():
    for option in ("-delay_accept", "-delay_write"):
        server = Server(OURS, option, 1)
        held, reply = server.register(b"kv")
        equal(reply[:2], b"v\0", option)
        held.close()
        server.stop()


# ---- The service manager ---------------------------------------------------------------------------------------------


def activated(sockets, *args, pid=None, count=None):
    """Ours with sockets as systemd passes them, from descriptor 3 on, and what it told NOTIFY_SOCKET."""
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.settimeout(10 * peers.SLOWER)
    path = str(peers.temporary_dir() / "notify")
    notify.bind(path)

    def pass_on():
        peers._die_with_parent()  # pylint: disable=protected-access
        high = [os.dup(s.fileno()) for s in sockets]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)

    # The shell's pid becomes the program's, as LISTEN_PID asks.
    script = f'LISTEN_PID={pid or "$$"} exec "$0" "$@"'
    env = environment(NOTIFY_SOCKET=path, LISTEN_FDS=str(len(sockets) if count is None else count))
    proc = subprocess.Popen(["sh", "-c", script, str(OURS), *args], env=env, preexec_fn=pass_on, close_fds=False,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    peers._started.append(proc)  # pylint: disable=protected-access
    return proc, notify


def listening():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(5)
    return s


def test_sockets_from_systemd():
    sockets = [listening(), listening()]
    proc, notify = activated(sockets, "-systemd")
    state = notify.recv(1000).decode().splitlines()
    check("READY=1" in state and f"MAINPID={proc.pid}" in state and any(l.startswith("STATUS=") for l in state), state)
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    for port in ports:
        code, out, _ = run(OURS, "-port", port, "-names")
        equal((code, out), (0, b"epmd: up and running on port %d with data:\n" % ports[0]), "-names")
    equal(run(OURS, "-port", ports[1], "-kill")[:2], (0, b"Killed\n"), "-kill")
    equal(proc.wait(10 * peers.SLOWER), 0, "exit code")
    equal(notify.recv(1000), b"STATUS=Exited.\nERRNO=0", "the last word")
    notify.close()


def test_systemd_without_sockets():
    for kw in ({"count": 0}, {"count": ""}, {"pid": 1}):
        proc, notify = activated([], "-systemd", **kw)
        out, err = proc.communicate(timeout=10 * peers.SLOWER)
        equal((proc.returncode, out), (1, b""), "exit code")
        check(b"systemd provides no sockets" in err, err)
        notify.close()


if __name__ == "__main__":
    peers.main(globals())
