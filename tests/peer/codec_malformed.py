"""What a BEAM does not decode must never pass for a term; and nothing may crash, hang or eat memory."""

import base64
import random
import struct
import zlib

import codec
import peers
from peers import Peer, SLOWER, SOURCE, check

MUTANTS = 420
MEMORY = 256 * 1024  # kilobytes
FILES = sorted((SOURCE / "tests" / "data" / "malformed").glob("*.etf"))


def harmless(data, target, what):
    """Runs it alone; gives whether it was accepted."""
    got = codec.convert_one("etf", target, data)
    check(got.status >= 0, f"{what} to {target}: ended by signal {-got.status}: {peers.short(got.out.decode(errors='replace'))}")
    check(got.peak <= MEMORY * (3 if SLOWER > 1 else 1), f"{what} to {target}: {got.peak} kB of memory")
    check(b"Sanitizer" not in got.out, f"{what} to {target}: {peers.short(got.out.decode(errors='replace'), 3000)}")
    check(got.status in (0, 1), f"{what} to {target}: status {got.status}")
    return got.status == 0


def mutants(samples, count):
    """Encodings with something wrong in them: bytes changed, cut, doubled, lengths and tags replaced."""
    rnd = random.Random(2929)
    tags = bytes([67, 70, 77, 80, 82, 88, 89, 90, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112,
                  113, 114, 115, 116, 117, 118, 119, 120])
    seen = set()
    while len(seen) < count:
        data = bytearray(rnd.choice(samples))
        for _ in range(rnd.choice((1, 1, 1, 2, 3))):
            at = rnd.randrange(1, len(data)) if len(data) > 1 else 0
            kind = rnd.randrange(7)
            if kind == 0:
                del data[at:]
            elif kind == 1:
                data[at:at] = bytes(rnd.randrange(256) for _ in range(rnd.randrange(1, 4)))
            elif kind == 2 and at < len(data):
                data[at] = rnd.randrange(256)
            elif kind == 3:
                data[at:at + 4] = struct.pack(">I", rnd.choice((0, 1, 255, 65536, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000000)))
            elif kind == 4 and at < len(data):
                data[at] = rnd.choice(tags)
            elif kind == 5 and at < len(data):
                data[at] ^= 1 << rnd.randrange(8)
            else:
                del data[at:at + rnd.randrange(1, 5)]
        # LOCAL_EXT is opaque to all but the node that wrote it.
        if bytes(data) not in seen and data[1:2] != b"\x79":
            seen.add(bytes(data))
            yield bytes(data)


def test_every_file_is_refused():
    check(len(FILES) >= 80, len(FILES), "files")
    for file in FILES:
        for target in ("etf", "typed", "erl"):
            check(not harmless(file.read_bytes(), target, file.stem), file.stem, "was accepted to", target)


def test_bombs_are_refused_for_their_size():
    for size in (64 << 20, 512 << 20):
        packer = zlib.compressobj(9)
        packed = packer.compress(b"m" + struct.pack(">I", size))
        for _ in range(size >> 20):
            packed += packer.compress(bytes(1 << 20))
        packed += packer.flush()
        bomb = b"\x83P" + struct.pack(">I", size + 5) + packed
        lying = b"\x83P" + struct.pack(">I", 5) + packed
        check(not harmless(lying, "etf", f"a bomb of {size >> 20} MiB that lies"), "a bomb that lies was accepted")
        is_accepted = harmless(bomb, "etf", f"a bomb of {size >> 20} MiB")
        check(not is_accepted or size < 128 << 20, "a bomb was accepted")


def test_nothing_is_accepted_that_OTP_29_refuses():
    peer = Peer("29").ready()
    samples = [base64.b64decode(s) for s in
               peer.eval(r'{raw, lists:join("\n", testjudge:samples(120))}', kind=bytes).split(b"\n")]
    refused, wrong = 0, []
    out = peers.temporary_dir()
    for data in mutants(samples, MUTANTS):
        (out / "mutant").write_bytes(data)
        verdict = peer.eval(f'{{ok, B}} = file:read_file("{out}/mutant"), testjudge:accepts(B)')
        text = base64.b64encode(data).decode()
        is_accepted = harmless(data, "etf", text)
        if verdict == "false":
            refused += 1
            if is_accepted:
                wrong.append(text)
        for target in ("typed", "erl"):
            if harmless(data, target, text) != is_accepted:
                wrong.append(f"(otherwise to {target}) {text}")
    check(not wrong, len(wrong), "were accepted:", *wrong[:8])
    check(refused >= 300, "only", refused, "of the mutants are malformed")


def test_a_bad_line_does_not_spoil_its_neighbours():
    good = base64.b64encode(b"\x83a\x05") + b"\n"
    bad = [base64.b64encode(f.read_bytes()) + b"\n" for f in FILES if f.stat().st_size < 5000 and f.stat().st_size]
    status, out, said = codec.convert("etf", "erl", b"".join(b + good for b in bad))
    check(status in (0, 1), "status", status, peers.short(said.decode(errors="replace")))
    lines = out.splitlines()
    check(all(line.startswith(b"!error ") for line in lines[0::2]), "a bad line gave", *lines[0::2])
    peers.equal(lines[1::2], [b"5"] * len(bad), "the good lines")


peers.main(globals())
