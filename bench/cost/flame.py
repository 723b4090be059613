#!/usr/bin/env python3
"""Where the gateway's time goes: a flame graph of it as SVG, and shares by owner.

    bench/cost/flame.py SVG [--document "60 B"|"10 KiB"] [--connections N] [--seconds S]

The release build as it is runs under wrk with an echo server in Erlang behind it; perf takes samples by the clock and unwinds
by the tables for exceptions, which libraries without frame pointers have, too. Each box is a function, as wide as its share
of the samples; it stands on what called it, and the colour says whose it is.
"""
import argparse
import collections
import html
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import rig  # noqa: E402
from rig import DOCUMENTS, peers  # noqa: E402

COLOURS = {"erlgate": "#f4a261", "libmicrohttpd": "#e9d16c", "libuv": "#b5d99c", "libc": "#d3d3d3", "kernel": "#a8c5e2", "other": "#e0b1cb"}
WIDTH, ROW, TEXT, LEAST = 1200, 17, 6.6, 0.001
# Frames that only lead into the kernel, or stand beneath all others.
DULL = {"entry_SYSCALL_64_after_hwframe", "do_syscall_64", "x64_sys_call", "_start", "__libc_start_main", "__libc_start_call_main",
        "__libc_start_main@@GLIBC_2.34", "__libc_start_main_alias_2"}


def record(pid, seconds, data):
    rig.output_of(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "--call-graph", "dwarf,16384", "-o", data, "-p", pid,
                   "--", "sleep", seconds], seconds + 60)


def owner_of(dso):
    name = dso.rpartition("/")[2]
    if name == "[vdso]":
        return "libc"
    if name.startswith(("[kernel", "[guest.kernel")):
        return "kernel"
    for owner in ("erlgate", "libmicrohttpd", "libuv", "libc"):
        if name == owner or name.startswith(owner + "."):
            return owner
    return "other"


def stacks(data):
    """Each sample's (function, owner), outermost first, with how often it came."""
    text = rig.output_of(["perf", "script", "-i", data, "--no-inline", "-F", "ip,sym,dso"], 300)
    counts, stack = collections.Counter(), []
    for line in text.splitlines() + [""]:
        if line.strip():
            _, _, rest = line.strip().partition(" ")
            symbol, _, dso = rest.rpartition(" (")
            owner = owner_of(dso.rstrip(")"))
            name = symbol.partition(".lto_priv")[0].partition(".part.")[0].partition(".constprop")[0].partition(".isra")[0]
            if name in DULL or dso == "[unknown])":
                continue
            frame = (owner if name in ("[unknown]", "") else name, owner)
            if not (stack and stack[-1] == frame == (owner, owner)):  # a run of nameless frames is one
                stack.append(frame)
        elif stack:
            counts[tuple(reversed(stack))] += 1
            stack = []
    return counts


class Box:
    def __init__(self):
        self.count, self.above = 0, {}

    def add(self, stack, count):
        self.count += count
        if stack:
            self.above.setdefault(stack[0], Box()).add(stack[1:], count)


def depth_of(box, least):
    return 1 + max((depth_of(b, least) for b in box.above.values() if b.count >= least), default=0)


def draw(counts, title):
    root = Box()
    for stack, count in counts.items():
        root.add(stack, count)
    least = root.count * LEAST
    height = (depth_of(root, least) + 3) * ROW
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">',
           f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>', f'<text x="6" y="14" font-size="13">{html.escape(title)}</text>']
    for i, (owner, colour) in enumerate(COLOURS.items()):
        x = 6 + 125 * i
        out.append(f'<rect x="{x}" y="{ROW + 5}" width="11" height="11" fill="{colour}"/><text x="{x + 15}" y="{ROW + 15}">{owner}</text>')

    def put(box, name, owner, x, level):
        width, y = box.count / root.count * WIDTH, height - (level + 1) * ROW
        label = name[:int(width / TEXT)]
        share = f"{100 * box.count / root.count:.1f} %"
        out.append(f'<g><title>{html.escape(name)}: {share}</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.4, 0.2):.1f}" '
                   f'height="{ROW - 1}" fill="{COLOURS[owner]}"/>'
                   + (f'<text x="{x + 2:.1f}" y="{y + 12}">{html.escape(label)}</text>' if len(label) > 2 else "") + "</g>")
        for (above, whose), child in sorted(box.above.items()):
            if child.count >= least:
                put(child, above, whose, x, level + 1)
            x += child.count / root.count * WIDTH

    put(root, "all", "other", 0, 0)
    return "\n".join(out + ["</svg>"]) + "\n"


def place_of(stack):
    """The innermost function; of the kernel's and the C library's, what was asked of them and by whom."""
    last = stack[-1][1]
    if last not in ("kernel", "libc"):
        return f"{stack[-1][0]} ({last})"
    at = len(stack) - 1
    while at > 0 and stack[at][1] == "kernel":
        at -= 1
    asked = stack[at][0]
    while at > 0 and stack[at][1] in ("kernel", "libc"):
        asked, at = stack[at][0], at - 1
    return f"{last}: {asked} of {stack[at][0]}"


def payer_of(stack):
    """Who owns the innermost function; of the kernel's and the C library's, who asked for it."""
    last = stack[-1][1]
    if last not in ("kernel", "libc"):
        return last
    return f"{last} for {next((owner for _, owner in reversed(stack) if owner not in ('kernel', 'libc')), 'nobody')}"


def shares(counts):
    """By who pays for it, per cent; and by place."""
    owners, places, total = collections.Counter(), collections.Counter(), sum(counts.values())
    for stack, count in counts.items():
        owners[payer_of(stack)] += 100 * count / total
        places[place_of(stack)] += 100 * count / total
    return owners, places


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("svg", type=pathlib.Path)
    parser.add_argument("--document", default="60 B", choices=DOCUMENTS)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--places", type=int, default=40, help="how many places to print")
    args = parser.parse_args()
    world, data = rig.World(), peers.temporary_dir() / "perf.data"
    try:
        erlgate, document = world.erlgate(), DOCUMENTS[args.document]
        erlgate.warm_up(document, args.connections)
        load = threading.Thread(target=erlgate.load, args=(document, args.connections, args.seconds + 3))
        load.start()
        record(erlgate.pid, args.seconds, data)
        load.join()
        counts = stacks(data)
    finally:
        peers.clean_up()
    args.svg.write_text(draw(counts, f"erlgate: calls of {args.document} at {args.connections} connections, {sum(counts.values())} samples"))
    owners, places = shares(counts)
    print("  ".join(f"{owner} {share:.1f} %" for owner, share in owners.most_common()))
    for place, share in places.most_common(args.places):
        print(f"{share:6.2f} %  {place}")


if __name__ == "__main__":
    sys.exit(main())
