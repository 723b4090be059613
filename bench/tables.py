#!/usr/bin/env python3
"""Puts the results of bench/run.py --json into a Markdown file, between its marks.

    bench/tables.py RESULTS.json docs/PERFORMANCE.md

What stands between `<!-- bench SECTION [WHO,WHO] -->` and `<!-- end -->` is replaced by the rows of that section, those of the
named alone if some are named; `<!-- bench goals -->` by the goals, `<!-- bench machine -->` by what it ran on, `<!-- bench brief -->`
by what most people want to know of calls. Of the goals for the codec's instructions, which are many
(bench/cost/codec_instructions.json), those that are missed are told.
"""
import json
import pathlib
import re
import sys

HEADINGS = {
    "cpu_us": "CPU µs", "rps": "requests/s", "p50_us": "p50 µs", "p99_us": "p99 µs", "p999_us": "p99.9 µs", "p99_to_p50": "p99/p50",
    "p99_least": "least p99 µs", "p99_most": "greatest p99 µs", "events_a_second": "events/s", "last_told_ms": "last told, ms",
    "calls_a_second": "calls/s", "round_trip_us": "round trip µs", "a_request": "a request", "percent": "%", "us": "µs", "MB_per_s": "MB/s",
    "resident_KiB_more": "KiB more", "make_us": "to make, µs", "beside_us": "one beside, µs", "end_us": "to end, µs",
    "bytes_each": "bytes each", "median_ms": "median ms", "cpu_ms": "CPU ms", "least_ms": "least ms", "most_ms": "most ms", "resident_MiB": "MiB",
    "KiB_each": "KiB each",
}


def table(rows):
    """A new one whenever the figures are others; a case is named once."""
    out, keys, case = [], None, None
    for row in rows:
        figures = [key for key in row if key not in ("measurement", "section", "case", "who")]
        if figures != keys:
            keys, case = figures, None
            out += ["", "| | | " + " | ".join(HEADINGS.get(k, k.replace("_", " ")) for k in keys) + " |", "| --- | --- |" + " ---: |" * len(keys)]
        name, case = ("" if row["case"] in ("", case) else row["case"]), row["case"] or case
        out.append(f"| {name} | {row['who']} | " + " | ".join(f"{row[k]:,}" for k in keys) + " |")
    return "\n".join(out).strip()


def brief(results):
    """Calls, through the gateway and through Cowboy in an Erlang node of its own; and what it takes to have it run."""
    def call(case, who):
        return next(r for r in results["rows"] if (r["section"], r["case"], r["who"]) == ("call", case, who))

    def measured(goal):
        return next(r["value"] for r in results["goals"] if r["goal"] == goal)

    out = ["| | erlgate | Cowboy |", "| --- | ---: | ---: |"]
    for size in ("60 B", "10 KiB"):
        for case, key, what in ((f"{size}, 1 conns", "p50_us", "from question to answer, one at a time, µs"),
                                (f"{size}, 64 conns", "rps", "calls a second, 64 connections"),
                                (f"{size}, 64 conns", "cpu_us", "of which the gateway takes, CPU µs a call")):
            out.append(f"| {size}: {what} | {call(case, 'erlgate')[key]:,} | {call(case, 'cowboy')[key]:,} |")
    out.append(f"| memory when idle, MiB | {measured('resident when idle with one link, MiB')} | |")
    out.append(f"| ready after its start, ms | {measured('ready after its start, ms (median)')} | |")
    return "\n".join(out)


def goals(rows):
    out = ["| goal | measured | wanted |", "| --- | ---: | --- |"]
    for row in rows:
        if row["measurement"] == "codec-instructions" and row["is_met"]:
            continue
        missed = "" if row["is_met"] else " (missed)"
        out.append(f"| {row['goal']} | {row['value']:,} | {row['sense']} {row['bound']:,}{missed} |")
    return "\n".join(out)


def seconds_alone(results):
    """What was measured for seconds only is told, lest it be taken for more."""
    short = results.get("short", [])
    return f" Measured with `--short`, so roughly: {', '.join(short)}." if short else ""


def fill(text, results):
    def replace(match):
        section, _, who = match[1].partition(" ")
        rows = [r for r in results["rows"] if r["section"] == section.replace("_", " ") and (not who or r["who"] in who.split(","))]
        machine = results["machine"]
        body = {"goals": lambda: goals(results["goals"]), "brief": lambda: brief(results),
                "machine": lambda: f"{machine['cpu']}, {machine['cpus']} processors, Linux {machine['kernel']}; load average at the end "
                                   f"{machine['load']}.{seconds_alone(results)}"}.get(section, lambda: table(rows))()
        if not body:
            sys.exit(f"{sys.argv[1]} has no rows of {match[1]}")
        return f"<!-- bench {match[1]} -->\n{body}\n<!-- end -->"

    return re.sub(r"<!-- bench ([^>]*?) -->.*?<!-- end -->", replace, text, flags=re.DOTALL)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    path = pathlib.Path(sys.argv[2])
    try:
        path.write_text(fill(path.read_text(), json.loads(pathlib.Path(sys.argv[1]).read_text())))
    except OSError as error:
        hint = "; `./run bench` leaves its results in build/bench.json" if str(error.filename) == sys.argv[1] else ""
        sys.exit(f"{error.filename}: {error.strerror}{hint}")


if __name__ == "__main__":
    main()
