"""System calls a request, at 64 connections, as the kernel counts them (perf's tracepoints, which cost little), beside bare
libmicrohttpd with suspend and resume. strace would slow the gateway down, so that more falls into one turn of its loop."""
import os

import rig
from rig import DOCUMENTS

FIRST = ("recvfrom", "sendmsg", "sendto", "epoll_ctl")
WAITS = ("epoll_wait", "epoll_pwait", "poll")
# Of a call of 60 B: to read the request, to write the answer, and what a turn of the loop shares.
MOST = 3


def count(candidate, document, requests):
    """What the process calls while it answers exactly so many requests: in all, and by name."""
    events = ["raw_syscalls:sys_enter"] + [f"syscalls:sys_enter_{name}" for name in FIRST + WAITS]
    argv = ["perf", "stat", "-x", ",", "-p", str(candidate.pid), "-e", ",".join(events), "--"]
    text = rig.output_of(argv + rig.h2load_argv(candidate.url, document, 64, "-n", requests), 120)
    fields = [line.split(",") for line in text.splitlines() if "sys_enter" in line]
    counts = {f[2].rpartition("sys_enter_")[2]: int(f[0]) for f in fields}
    return counts.pop("raw_syscalls:sys_enter"), counts


def measure(world, table, is_short):
    if not any(os.access(p + "/events/raw_syscalls", os.R_OK) for p in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")):
        print("syscalls: not counted, for this kernel shows no tracepoints to this user")
        return
    for name, requests in (("60 B", 15000),) if is_short else (("60 B", 60000), ("10 KiB", 20000)):
        for candidate in (world.erlgate(), world.suspending):
            candidate.warm_up(DOCUMENTS[name], 64)
            total, counts = count(candidate, DOCUMENTS[name], requests)
            waits = sum(counts.pop(name) for name in WAITS)
            figures = {name: counts.pop(name) for name in FIRST} | {"waits": waits}
            figures["others"] = total - sum(figures.values())
            table.add("syscalls", f"{name}, 64 conns", candidate.name, all=total / requests,
                      **{call: n / requests for call, n in figures.items()})
            if candidate.name == "erlgate" and name == "60 B":
                table.goal("system calls a request, call, 60 B, 64 connections", total / requests, "at most", MOST, 1.2)
