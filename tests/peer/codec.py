"""codec: `erlgate term`, as the tests of the codec run it."""

import os
import resource
import select
import subprocess
import time

from peers import BIN, SLOWER, check


def argv(source, target, *more):
    return [str(BIN / "erlgate"), "term", "--from", source, "--to", target, *more]


def convert(source, target, lines):
    """Each line of `lines` (bytes, with newlines) converted; ETF lines are base64. A bad line becomes an !error line."""
    done = subprocess.run(argv(source, target, "--lines"), input=lines, capture_output=True, timeout=120 * SLOWER, check=False)
    return done.returncode, done.stdout, done.stderr


class Outcome:
    """How one run ended: status (negative: the signal), output, peak of resident memory in kilobytes, seconds."""

    def __init__(self, status, out, peak, seconds):
        self.status, self.out, self.peak, self.seconds = status, out, peak, seconds


def _limit():
    resource.setrlimit(resource.RLIMIT_CPU, (SLOWER, SLOWER + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def convert_one(source, target, data):
    """One term alone, in a process that may use a second of processor time."""
    began = time.monotonic()
    proc = subprocess.Popen(argv(source, target), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            preexec_fn=_limit)
    left = memoryview(data)
    out = b""
    reading, writing = [proc.stdout], [proc.stdin]
    os.set_blocking(proc.stdin.fileno(), False)
    while reading:
        can_read, can_write, _ = select.select(reading, writing, [], 10 * SLOWER)
        if not can_read and not can_write:
            proc.kill()
            break
        if can_write:
            try:
                left = left[os.write(proc.stdin.fileno(), left):] if left else left
            except BrokenPipeError:
                left = left[:0]
            if not left:
                writing = []
                proc.stdin.close()
        if can_read:
            piece = os.read(proc.stdout.fileno(), 65536)
            if not piece:
                reading = []
            elif len(out) < 1 << 20:
                out += piece
    _, status, usage = os.wait4(proc.pid, 0)
    proc.returncode = os.waitstatus_to_exitcode(status)
    proc.stdout.close()
    if writing:
        proc.stdin.close()
    check(proc.returncode != 127, "no erlgate")
    return Outcome(proc.returncode, out, usage.ru_maxrss, time.monotonic() - began)
