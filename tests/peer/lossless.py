"""The law through HTTP: a term that is sent to an echo server as typed JSON, as Erlang syntax or as ETF comes back `=:=`, as the
BEAM that made it sees it."""

import base64
import json

import codec
import peers
from peers import ERL, ETF, TYPED, Gateway, Peer, check, equal, segment

TERMS = 5000
# Made by hand in the BEAM: local terms, which only their own node can read, and identifiers that no node gives out. They are
# refused, before anything is sent, whatever they come as.
REFUSALS = ("a local term", "a term in a node's local form", "an id that no node gives out")
GATE = Gateway(args=["--atom-budget", "infinity", "--max-depth", "600"])

# How a term's text or bytes become a call of the echo server.
WRAPPED = {
    TYPED: lambda t: b'{"$tuple":[{"$atom":"echo"},' + t + b"]}",
    ERL: lambda t: b"{echo," + t + b"}",
    ETF: lambda t: b"\x83h\x02w\x04echo" + t[1:],
}


def encoded(lines, media):
    """Each term (a line of base64) in that representation."""
    if media == ETF:
        # Without compression, which only stands at the beginning.
        status, out, said = codec.convert("etf", "etf", lines)
    else:
        status, out, said = codec.convert("etf", {TYPED: "typed", ERL: "erl"}[media], lines)
    equal(status, 0, said.decode(errors="replace"))
    texts = out.splitlines()
    return [base64.b64decode(t) for t in texts] if media == ETF else texts


def decoded(replies, media):
    """Back as lines of base64."""
    if media == ETF:
        return [base64.b64encode(r) for r in replies]
    status, out, said = codec.convert({TYPED: "typed", ERL: "erl"}[media], "etf", b"".join(r.rstrip(b"\n") + b"\n" for r in replies))
    equal(status, 0, said.decode(errors="replace"))
    return out.splitlines()


def is_refusal(response):
    return response.json["code"] in ("unsupported-by-peer", "bad-term") and response.json["detail"].startswith(REFUSALS)


def echoes(release):
    peer = Peer(release, f"a{release}@localhost", GATE.epmd_port, GATE.cookie).ready()
    peer.eval("testpeer:serve(srv)")
    out = peers.temporary_dir()
    count = int(peer.eval(f'testjudge:make("{out}/terms", {TERMS}, {release})', 120))
    lines = (out / "terms").read_bytes().splitlines()
    path = f"/v1/nodes/{segment(peer.node)}/processes/srv/call"
    complaints, refused = [], {}
    for media, wrapped in WRAPPED.items():
        replies, refused[media] = {}, set()
        for i, term in enumerate(encoded(b"".join(line + b"\n" for line in lines), media)):
            response = GATE.http.post(path, wrapped(term), media, media)
            if (response.status, response.type) == (200, media):
                replies[i] = response.body
            elif is_refusal(response):
                refused[media].add(i)
            else:
                complaints.append(f"{media}: {term[:60]!r}: {peers.short(str(response), 200)}")
        check(not complaints, f"OTP {release}:\n", "\n".join(complaints[:5]))
        back = list(lines)
        for i, line in zip(replies, decoded(replies.values(), media)):
            back[i] = line
        (out / "back").write_bytes(b"".join(line + b"\n" for line in back))
        equal(peer.eval(f'testjudge:compare("{out}/back")', 120), f"{{{count},[]}}", f"OTP {release}, {media}")
    equal(refused[TYPED], refused[ETF], "what is refused as typed JSON and as ETF")
    equal(refused[ERL], refused[ETF], "what is refused as Erlang syntax and as ETF")
    check(count - len(refused[ETF]) >= 2000, "only", count - len(refused[ETF]), "terms went there")
    print(f"OTP {release}: {count - len(refused[ETF])} terms there and back in {len(WRAPPED)} representations, "
          f"{len(refused[ETF])} refused")
    peer.stop()


def nest(depth, numbers, before):
    """What closes all these tuples, and what becomes longest of the fewest bytes right behind it."""
    inner = "[" + ",".join(["7"] * numbers) + "]"
    return "[" + "[]," * before + '{"$tuple":[' * depth + inner + "]}" * depth + ',{"$tuple":[]}' * 300 + "]"


def moved():
    """Records within what moves once all of it has been read, and behind them their like."""
    record, other = '{"name":1,"role":"x"}', '{"name":2,"role":"y"}'
    tail_first = f'{{"$tail":{record},"$list":[{{"a":1}},{other}]}}'
    long_tuple = '{"$tuple":[' + record + ",0" * 299 + "]}"
    both = '{"$tuple":[' + tail_first + "," + long_tuple + ",0" * 298 + "]}"
    for parts in ([tail_first], [long_tuple], [tail_first, long_tuple], [both]):
        yield "[" + ",".join([*parts, record, other, record]) + " " * 80 + "]"


def test_terms_that_are_deep_or_are_moved():
    peer = Peer("27", "b27@localhost", GATE.epmd_port, GATE.cookie).ready()
    peer.eval("testpeer:serve(srv)")
    path = f"/v1/nodes/{segment(peer.node)}/processes/srv/call"
    nests = [nest(depth, numbers, before) for depth in (1, 20, 50, 200, 500) for numbers in (20, 100, 300) for before in (0, 74, 370)]
    for text in [*nests, *moved()]:
        response = GATE.http.post(path, WRAPPED[TYPED](text.encode()), TYPED, TYPED)
        equal(response.status, 200, peers.short(text, 100))
        check(response.text == text + "\n" or json.loads(response.text) == json.loads(text), peers.short(text, 100), "came back as", response)
    equal(GATE.lines("link-down"), [], "links that were lost")
    peer.stop()


def test_terms_of_OTP_29():
    echoes("29")


def test_terms_of_OTP_27():
    echoes("27")


peers.main(globals())
