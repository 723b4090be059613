"""The same bytes to erlgate-epmd and to OTP's epmd: the same bytes back."""

import errno
import socket
import struct
import time

import peers
from epmd_rig import OURS, Server, alive2, environment, frame, otp_epmds, receive_all
from peers import check, equal

GRINNING = "\U0001f608".encode()


def each(*args):
    """Ours, and each of OTP's, running with these arguments: (ours, theirs, release)."""
    ours = Server(OURS, *args)
    for release, program in otp_epmds():
        theirs = Server(program, *args)
        yield ours, theirs, release
        theirs.stop()
    ours.stop()


def same(ours, theirs, release, data, what):
    # A connection that is closed with unread bytes is reset: nothing was said, either way.
    got = [(s.say(data) or b"").replace(struct.pack(">I", s.port), b"PORT", 1) for s in (ours, theirs)]
    equal(*got, f"{what}, against OTP {release}")


def test_requests_without_a_node():
    requests = {
        "lookup": b"zkv", "lookup with NUL": b"zkv\0", "lookup with NUL inside": b"zk\0v", "empty lookup": b"z",
        "lookup of NUL": b"z\0", "lookup that is not UTF-8": b"z\xff", "lookup of a long name": b"z" + b"n" * 256,
        "stop": b"skv", "garbage": b"q", "an old request": b"a\x04\x12kv", "names with more": b"n\0\0",
    }
    for ours, theirs, release in each():
        for what, body in requests.items():
            same(ours, theirs, release, frame(body), what)


def test_lengths_and_pieces():
    cases = {
        "length 0": b"\0\0", "length 65535": b"\xff\xff", "length 3058": b"\x0b\xf2", "more than the length": b"\0\x01nn",
        "far more than the length": b"\0\x01n" + b"n" * 4000,
    }
    for ours, theirs, release in each("-packet_timeout", 1):
        for what, data in cases.items():
            same(ours, theirs, release, data, what)
        for server in (ours, theirs):
            with server.connect() as s:
                for byte in frame(b"zkv"):
                    s.sendall(bytes([byte]))
                    time.sleep(0.005)
                equal(receive_all(s), b"w\x01", "a lookup a byte at a time")


def test_registrations_that_are_refused_or_not():
    cases = {
        "too small": b"x\0\1M\0\0\6\0\5\0\0\0\0",
        "name longer than the request": alive2(b"kv", name_length=60),
        "extra longer than the request": alive2(b"kv", extra_length=9),
        "name of 65535": alive2(b"kv", name_length=65535),
        "NUL at the end": alive2(b"kv\0"), "NUL inside": alive2(b"k\0v"),
        "not UTF-8, 6": alive2(b"\xff\xfe"), "not UTF-8, 5": alive2(b"\xff\xfe", highest=5),
        "256 characters": alive2(b"n" * 256), "256 times 4 bytes": alive2(GRINNING * 256),
        "extra of 1021": alive2(b"kv", extra=b"e" * 1021),
    }
    for ours, theirs, release in each():
        for what, body in cases.items():
            got = []
            for server in (ours, theirs):
                with server.connect() as s:
                    s.sendall(frame(body))
                    try:
                        # OTP's keeps the connection of a refused registration; ours closes it. The answer is the same.
                        got.append(s.recv(100))
                    except ConnectionError:
                        got.append(b"")
            equal(got[0], got[1], f"{what}, against OTP {release}")


def test_registration_and_lookup():
    names = {"kv": b"kv", "UTF-8": "grüß".encode(), "255 characters": b"n" * 255, "blank": b"a b",
             "200 times 4 bytes": GRINNING * 200}
    for ours, theirs, release in each():
        for what, name in names.items():
            for highest in (5, 6):
                replies, lookups, held = [], [], []
                for server in (ours, theirs):
                    s = server.connect()
                    s.sendall(frame(alive2(name, 4711, highest, 5, 72, b"e\0x")))
                    replies.append(s.recv(6))
                    lookups.append(server.ask(b"z" + name))
                    held.append(s)
                what = f"{what}, version {highest}, against OTP {release}"
                equal([r[:2] for r in replies], [b"v\0" if highest == 6 else b"y\0"] * 2, what)
                equal(*[len(r) for r in replies], what)
                creation = int.from_bytes(replies[0][2:], "big")
                check(creation >= 4 if highest == 6 else 1 <= creation <= 3, what, creation)
                if len(name) < 255:  # OTP's counts one character too many in a lookup
                    equal(*lookups, what)
                check(lookups[0].startswith(b"w\0" + struct.pack(">H", 4711)), what, lookups[0])
                for s in held:
                    s.close()
                for server in (ours, theirs):
                    peers.eventually(lambda s=server: s.names() == [], "the name is gone")


def test_a_taken_name():
    for ours, theirs, release in each():
        for server in (ours, theirs):
            first, reply = server.register(b"kv")
            second, refusal = server.register(b"kv")
            equal(refusal, b"v\1\0\0\0\x63", f"refusal ({server.program})")
            first.close()
            peers.eventually(lambda s=server: s.names() == [], "the name is gone")
            third, again = server.register(b"kv")
            equal(int.from_bytes(again[2:], "big"), int.from_bytes(reply[2:], "big") + 1, "the next creation")
            second.close()
            third.close()


def test_a_node_that_restarts_before_its_old_socket_is_noticed():
    """OTP's refuses some of these (OTP issue 11083); ours takes all."""
    server = Server(OURS)
    held, _ = server.register(b"kv")
    for i in range(200):
        fresh = server.connect()
        held.close()
        fresh.sendall(frame(alive2(b"kv")))
        reply = fresh.recv(6)
        equal(reply[:2], b"v\0", f"restart {i}")
        held = fresh
    held.close()
    server.stop()


def test_bytes_after_a_registration_end_it():
    for ours, theirs, release in each():
        for server in (ours, theirs):
            s, _ = server.register(b"kv")
            s.sendall(b"x")
            equal(receive_all(s), b"", "nothing more")
            peers.eventually(lambda srv=server: srv.names() == [], "the name is gone")


def test_kill_and_stop():
    for ours, theirs, release in each():
        for server in (ours, theirs):
            s, _ = server.register(b"kv")
            equal(server.ask(b"k"), b"NO", "KILL with a node")
            equal(server.ask(b"skv"), b"", "STOP without -relaxed_command_check")
            s.close()
            peers.eventually(lambda srv=server: srv.names() == [], "the name is gone")
    for program in [OURS, *[p for _, p in otp_epmds()]]:
        server = Server(program, "-relaxed_command_check")
        held, _ = server.register(b"kv")
        equal((server.ask(b"sother") or b"")[:7], b"NOEXIST", f"STOP of nothing ({program})")
        equal(server.ask(b"skv"), b"STOPPED", f"STOP ({program})")
        equal(receive_all(held), b"", "its connection was closed")
        held, _ = server.register(b"kv")
        equal(server.ask(b"k"), b"OK", f"KILL ({program})")
        equal(server.ended(), 0, f"exit code after KILL ({program})")


def test_the_relaxed_check_from_the_environment():
    for program in [OURS, *[p for _, p in otp_epmds()]]:
        server = Server(program, env=environment(ERL_EPMD_RELAXED_COMMAND_CHECK="1"))
        held, _ = server.register(b"kv")
        equal(server.ask(b"k"), b"OK", f"KILL ({program})")
        equal(server.ended(), 0, "exit code")
        held.close()


def test_half_a_request_times_out():
    halves = {"nothing": b"", "a byte": b"\0", "a length": b"\0\3", "a part of a name": b"\0\x64only a few bytes"}
    for ours, theirs, release in each("-packet_timeout", 1):
        for server in (ours, theirs):
            node, _ = server.register(b"kv")
            began = time.monotonic()
            held = {what: server.connect() for what in halves}
            for what, s in held.items():
                s.sendall(halves[what])
            for what, s in held.items():
                equal(receive_all(s), b"", f"{what}: hung up")
                check(0.9 < time.monotonic() - began < 9 * peers.SLOWER, f"{server.program}: {time.monotonic() - began} s")
            equal(server.names(), [b"kv"], "a node may be silent")
            node.close()


def test_extra_lengths_that_lie():
    """What epmd_SUITE calls buffer_overrun: an extra said to be longer than the request, and one that is too long."""
    server = Server(OURS)
    for n in [*range(1, 1100), *range(1100, 65536, 257), 65535]:
        equal(server.ask(struct.pack(">BHBBHHH", 120, 4747, 77, 0, 5, 5, 5) + b"gurka" + struct.pack(">H", n)) or b"", b"",
              f"an extra of {n} that is not there")
    for n in [*range(1020, 1100), *range(1100, 10000, 257)]:
        reply = server.ask(alive2(b"gurka", highest=5, extra=b"\xff" * n)) if n != 1020 else server.register(b"x", 1, 5)[1]
        check((reply or b"")[:2] in ((b"y\0",) if n == 1020 else (b"", b"y\1")), f"an extra of {n}", reply)
    equal(server.ask(b"zgurka"), b"w\x01", "nothing was registered")
    server.stop()


def test_a_reset_before_the_reply():
    """No name stays of a node that resets its connection while the reply is on its way."""
    for program in [OURS, *[p for _, p in otp_epmds()]]:
        server = Server(program, "-delay_write", 1)
        s = server.connect()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.sendall(frame(alive2(b"kv")))
        time.sleep(0.5)  # within the delay
        s.close()
        equal(server.names(), [], f"names ({program})")
        server.stop()


def test_over_IPv6():
    with socket.socket(socket.AF_INET6) as probe:
        if probe.connect_ex(("::1", 1)) not in (0, errno.ECONNREFUSED):
            return  # no IPv6 here
    for ours, theirs, release in each():
        for server in (ours, theirs):
            with server.connect("::1") as s:
                s.sendall(frame(alive2(b"kv6")))
                equal(s.recv(6)[:2], b"v\0", f"a registration over ::1 ({server.program})")
                check(server.say(frame(b"zkv6"), host="::1")[:2] == b"w\0", "a lookup over ::1")
            peers.eventually(lambda srv=server: srv.names() == [], "the name is gone")


def test_a_thousand_names_at_once():
    """All connect, all say who they are, and then all listen."""
    server = Server(OURS)
    held = [server.connect() for _ in range(1000)]
    for i, s in enumerate(held):
        s.sendall(frame(alive2(b"node%d" % i, 1000 + i)))
    for i, s in enumerate(held):
        equal(s.recv(6)[:2], b"v\0", f"registration {i}")
    equal(server.names(), sorted(b"node%d" % i for i in range(1000)), "names")
    equal(server.ask(b"znode999")[2:4], struct.pack(">H", 1999), "a lookup")
    for s in held:
        s.close()
    peers.eventually(lambda: server.names() == [], "all names are gone")
    server.stop()


def test_a_thousand_names_again_and_again():
    server = Server(OURS)
    for _ in range(3):
        held = []
        for i in range(1000):
            s, reply = server.register(b"node%d" % i, 1000 + i)
            equal(reply[:2], b"v\0", f"registration {i}")
            held.append(s)
        equal(len(server.names()), 1000, "names")
        for s in held:
            s.close()
        peers.eventually(lambda: server.names() == [], "all names are gone")
    server.stop()


def test_a_flood_of_half_requests_shuts_nobody_out():
    server = Server(OURS)
    held, _ = server.register(b"kv")
    flood = [server.connect() for _ in range(900)]
    for s in flood:
        s.sendall(b"\0\x09z")
    equal(server.ask(b"zkv")[:2], b"w\0", "a lookup meanwhile")
    for s in flood:
        s.close()
    held.close()
    server.stop()


def test_it_listens_where_it_is_told_and_on_loopback():
    server = Server(OURS)
    try:
        socket.create_connection(("127.0.0.2", server.port), timeout=2).close()
    except ConnectionRefusedError:
        server.stop()
        return
    raise peers.Failed("it listens on 127.0.0.2 too")


if __name__ == "__main__":
    peers.main(globals())
