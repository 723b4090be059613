"""The codec by itself (bench_codec: codec.c), beside jansson and ei in the same process, and beside what the BEAM takes for
the same documents."""
import json
import re

import rig
from rig import DOCUMENTS, peers

GOALS = {  # case at 10 KiB: how many times as fast as its reference
    "JSON -> ETF": 11.0,
    "ETF -> JSON, plain": 7.0,
    "ETF, validated": 0.7,
}
SLACK = 3.0


def measure(world, table, is_short):
    report = peers.temporary_dir() / "codec.json"
    names = {f"{path.stem}.json": name for name, path in {**DOCUMENTS, "1 MiB": rig.BENCH / "documents" / "large.json"}.items()}
    files = [rig.BENCH / "documents" / file for file in names]
    rig.output_of([rig.BENCH / "bench_codec", "--rounds", "5" if is_short else "15", "--json", report,
                   *(files[1:2] if is_short else files)], 200)
    for row in json.loads(report.read_text()):
        case = f"{names[row['document']]}, {row['case']}"
        table.add("codec", case, "erlgate", us=row["ns"] / 1000, MB_per_s=row["mb_per_s"])
        if "reference" in row:
            table.add("codec", "", row["reference"], us=row["reference_ns"] / 1000, MB_per_s=row["mb_per_s"] / row["ratio"])
        if case.startswith("10 KiB") and row["case"] in GOALS:
            table.goal(f"codec, {case}: times as fast as {row['reference']}", row["ratio"], "at least", GOALS[row["case"]], SLACK)
    for file, name in names.items():
        if is_short and name != "10 KiB":
            continue
        size = (rig.BENCH / "documents" / file).stat().st_size
        text = world.echo.eval(f'bench_beam:codec("{rig.BENCH / "documents" / file}", {20 if is_short else 100})', 60)
        for what, ns in re.findall(r"{(\w+),(\d+)}", text):
            table.add("codec", f"{name}, BEAM", what, us=int(ns) / 1000, MB_per_s=1000 * size / int(ns))
