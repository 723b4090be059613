"""Every kind of term, made in a BEAM, must come back from `erlgate term` as it was: `=:=`, as that BEAM sees it."""

import codec
import peers
from peers import Peer, check, equal

TERMS = 5200

# Through what it goes; the first and the last are ETF.
JOURNEYS = (("etf", "etf"), ("etf", "typed", "etf"), ("etf", "erl", "etf"))


def judge(release, seed):
    peer = Peer(release).ready()
    out = peers.temporary_dir()
    count = int(peer.eval(f'testjudge:make("{out}/terms", {TERMS}, {seed})', 120))
    check(count >= 5000, "only", count, "terms")
    complaints = []
    for journey in JOURNEYS:
        lines = (out / "terms").read_bytes()
        for source, target in zip(journey, journey[1:]):
            status, converted, said = codec.convert(source, target, lines)
            if converted.count(b"\n") != count:
                complaints.append(f"{source} to {target}: status {status}, {converted.count(bytes([10]))} lines of {count}: "
                                  f"{peers.short(said.decode(errors='replace'))}")
                break
            lines = converted
        else:
            (out / "back").write_bytes(lines)
            judgement = peer.eval(f'testjudge:compare("{out}/back")', 120)
            if judgement != f"{{{count},[]}}":
                complaints.append(f"{' to '.join(journey)}: {judgement}")
    peer.stop()
    check(not complaints, f"OTP {release}:\n", "\n".join(complaints))


def test_terms_of_OTP_29_come_back():
    judge("29", 29)


def test_terms_of_OTP_27_come_back():
    judge("27", 27)


def test_other_seeds():
    judge("29", 1729)


def test_what_is_typed_does_not_depend_on_the_release():
    """The same bytes give the same texts: nothing but the bytes is looked at."""
    peer = Peer("29").ready()
    out = peers.temporary_dir()
    peer.eval(f'testjudge:make("{out}/terms", 5000, 3)', 120)
    lines = (out / "terms").read_bytes()
    for target in ("typed", "erl"):
        equal(codec.convert("etf", target, lines)[1], codec.convert("etf", target, lines)[1], target)


peers.main(globals())
