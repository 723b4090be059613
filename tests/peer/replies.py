#!/usr/bin/env python3
"""Replies that a played node makes up. A reply becomes JSON while it is judged, and must cost the link when it is none, as in any other
representation; what is a term must come out as `erlgate term`, which judges first, has it."""

import itertools
import subprocess
import threading

import peers
import played
from peers import BIN, Gateway, check, equal, fresh_cookie, short
from played import Atom, Improper, PlayedEpmd, Raw, dial, encode

COOKIE = fresh_cookie()
NAME = "p@localhost"
EPMD = PlayedEpmd()
GATE = Gateway("erlgate@localhost", COOKIE, epmd=f"127.0.0.1:{EPMD.port}", epmd_port=EPMD.port)

JSON, TYPED, ERLANG, ETF = "application/json", "application/vnd.erlang.typed+json", "text/x-erlang", "application/vnd.erlang.etf"

BROKEN = {
    "an atom that is no UTF-8": b"w\2\xff\xff",
    "a long atom that is no UTF-8": b"v\0\2\xc3\xc3",
    "an atom of 256 characters": b"v\1\0" + b"a" * 256,
    "a float that is no number": b"F\x7f\xf8\0\0\0\0\0\0",
    "a list of no elements, and a tail": b"l\0\0\0\0a\1",
    "a tail of no elements, and a tail": b"l\0\0\0\1a\1l\0\0\0\0a\1",
    "a binary longer than the message": b"m\0\0\0\x09ab",
    "a tuple of more than there is": b"h\5a\1",
    "a map of more than there is": b"t\xff\xff\xff\xff",
    "an atom of a header that has none": b"R\0",
    "no tag": b"\1",
    "a local term": b"y" + b"\0" * 40,
    "a compressed term": b"P\0\0\0\2x\x9cK\4\0\0b\0b",
    "a pid without a node": b"Xa\1" + b"\0" * 12,
    "a reference of no words": b"Z\0\0w\1a\0\0\0\1",
    "bits of 9": b"M\0\0\0\1\x09a",
    "nothing": b"",
}
# In which the broken one stands: by itself, with much before and behind it, as a key, below a key.
AROUND = {
    "by itself": lambda raw: Raw(raw),
    "far from both ends": lambda raw: [*range(300), (Atom("ok"), Raw(raw)), *range(300)],
    "a key": lambda raw: Raw(b"t\0\0\0\2m\0\0\0\1aa\1" + raw + b"a\2"),
    "a value": lambda raw: [Raw(b"t\0\0\0\1m\0\0\0\3key" + raw), Raw(b"t\0\0\0\1m\0\0\0\3keya\1")],
}


def linked():
    link = dial(EPMD.nodes["erlgate"][0], NAME, COOKIE, played.PLAIN)
    check(link.is_alive(), "no answer over a new link")
    return link


def reply_to(link, term):
    """To the next call."""
    while True:
        control, payload = link.receive()
        if isinstance(payload, tuple) and payload and payload[0] == "$gen_call":
            break
    tag = payload[1][1]
    check(isinstance(tag, Improper), "no alias:", tag)
    link.control((33, link.pid(), tag[-1]), (tag, term))


def call(link, term, accept, query=""):
    """What an HTTP client gets that calls the played node, which replies so."""
    answers = []

    def asks():
        answers.append(GATE.http.request("POST", f"/v1/nodes/{NAME}/processes/srv/call{query}", "1", {"Content-Type": JSON, "Accept": accept}))

    client = threading.Thread(target=asks)
    client.start()
    reply_to(link, term)
    client.join(30 * peers.SLOWER)
    return answers[0]


def test_what_is_no_term_costs_the_link():
    for (what, raw), (where, around), accept in itertools.product(BROKEN.items(), AROUND.items(), (JSON, TYPED, ERLANG)):
        if not raw and where == "far from both ends":
            continue  # what comes behind is then in its place
        case = f"{what}, {where}, as {accept}"
        link = linked()
        answer = call(link, around(raw), accept)
        equal((answer.status, answer.json["code"], answer.json["sent"]), (502, "nodedown", True), case)
        check(link.is_closed(), case, ": the link is there still")
        link.close()
    check(GATE.lines("link-down", "error=malformed", 'why="'), "no line in the log")
    equal(GATE.http.get("/livez").status, 200, "after all of them")


GOOD = [
    1, -1, 255, 256, 2**31, 2**64, -2**200, 0.1, Atom("true"), Atom("null"), Atom("ok"), Atom("café"), Atom("日本"), Raw(b"s\2\xe9\xe8"),
    Raw(b"w\0"), b"", b"text", "né".encode(), b"\xff\xfe", Raw(b"M\0\0\0\2\3a\xe0"), [], [1], [1, [2, [3]]], Improper(([1], 2)), (), (1,),
    Raw(b"k\0\3abc"), Raw(b"c1.50000000000000000000e+00\0\0\0\0\0"), Raw(b"t\0\0\0\0"), Raw(b"t\0\0\0\1a\1a\2"), Raw(b"l\0\0\0\0j"),
    Raw(b"t\0\0\0\2a\1a\2m\0\0\0\1aa\3"), Raw(b"t\0\0\0\2m\0\0\0\1aa\3a\1a\2"), Raw(b"t\0\0\0\1h\1a\1a\2"), Raw(b"t\0\0\0\1w\2oka\2"),
    Raw(b"t\0\0\0\1m\0\0\0\2$aa\2"), Raw(b"t\0\0\0\2w\1aa\1m\0\0\0\1aa\2"), Raw(b"qw\1mw\1fa\2"), Raw(b"n\1\2\5"), Raw(b"o\0\0\1\0\0" + b"\1" * 256),
    played.Pid((NAME, 7, 1, 5)), played.Ref((NAME, 5, (1, 2, 3))),
    Raw(b"l\0\0\0\1a\1l\0\0\0\1a\2j"), Raw(b"l\0\0\0\1a\1k\0\2ab"),
]


def judged_first(term, to):
    done = subprocess.run([BIN / "erlgate", "term", "--from", "etf", "--to", to], input=b"\x83" + encode(term), capture_output=True,
                          timeout=20 * peers.SLOWER, check=False)
    equal(done.returncode, 0, f"erlgate term: {done.stderr.decode()}")
    return done.stdout


def test_what_is_a_term_is_the_same_as_ever():
    link = linked()
    terms = [*GOOD, *([t, t, b"z" * 200] for t in GOOD), list(GOOD), tuple(GOOD[:40])]
    for term, (accept, to) in itertools.product(terms, ((JSON, "json"), (TYPED, "typed"))):
        answer = call(link, term, accept)
        equal((answer.status, answer.body), (200, judged_first(term, to)), f"{short(repr(term))} as {to}")
    check(link.is_alive(), "no answer")
    link.close()


def test_what_is_wrapped_is_unwrapped():
    link = linked()
    wrapped = (
        ((Atom("ok"), b"v"), 200, '"v"\n'), ((Atom("error"), b"r"), 422, '"r"\n'), (Atom("ok"), 204, ""), (Raw(b"h\2v\0\2oka\7"), 200, "7\n"),
        ((Atom("okay"), 1), 200, '["okay",1]\n'), ((b"ok", 1), 200, '["ok",1]\n'), ((Atom("ok"), 1, 2), 200, '["ok",1,2]\n'),
        ((Atom("error"),), 200, '["error"]\n'), (Raw(b"i\0\0\0\2w\2oka\7"), 200, "7\n"), ((), 200, "[]\n"), ([Atom("ok"), 1], 200, '["ok",1]\n'),
        ((Atom("ok"), (Atom("ok"), 1)), 200, '["ok",1]\n'), ((Atom("error"), [*range(300)]), 422, f"{[*range(300)]}\n".replace(" ", "")),
    )
    for term, status, body in wrapped:
        answer = call(link, term, JSON, "?unwrap=ok")
        equal((answer.status, answer.body.decode()), (status, body), repr(term))
        check(call(link, term, ERLANG, "?unwrap=ok").status == status, term)
    check(link.is_alive(), "no answer")
    answer = call(link, (Atom("ok"), Raw(b"w\1\xff")), JSON, "?unwrap=ok")
    equal((answer.status, answer.json["code"]), (502, "nodedown"), "what is wrapped is no term")
    check(link.is_closed(), "the link is there still")
    link.close()


def test_bytes_behind_the_reply_are_passed_over():
    """As OTP does."""
    link = linked()
    for accept in (JSON, ERLANG):
        equal(call(link, Raw(encode(Atom("true")) + b"\1\2\3"), accept).body, b"true\n", accept)
    link.close()


def test_the_end():
    GATE.stop()
    EPMD.close()


if __name__ == "__main__":
    peers.main(globals())
