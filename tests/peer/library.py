#!/usr/bin/env python3
"""liberlnode as another program's author gets it: installed, found by pkg-config and by CMake, linked both ways; what it
exports is the list, and the list is what the headers declare."""

import os
import re
import subprocess

import peers
from peers import BIN, SOURCE, Epmd, Peer, check, equal, fresh_cookie, spawn, temporary_dir

PREFIX = temporary_dir() / "usr"
EPMD = Epmd()
COOKIE = fresh_cookie()
ENV = {**os.environ, "ERLANG_COOKIE": COOKIE, "ERL_EPMD_PORT": str(EPMD.port)}
CC = os.environ.get("CC", "cc")
CXX = os.environ.get("CXX", "c++")


# In installed headers, but for the tests of this tree and the gateway.
NOT_FOR_PROGRAMS = {"mem_fail_from", "mem_failures", "log_audit", "log_audit_to"}


def run(*argv, **env):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, env={**ENV, **env}, timeout=300, check=False)
    equal(done.returncode, 0, f"{' '.join(map(str, argv))}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def libdir():
    return next(PREFIX.rglob("liberlnode.a")).parent


def listed():
    return {s for s in (SOURCE / "cmake" / "liberlnode.symbols").read_text().splitlines() if s and not s.startswith("#")}


def declared(text):
    """The functions that a header declares, but for those it has inline."""
    text = re.sub(r"/\*.*?\*/|^\s*#.*?(?<!\\)$", "", text, flags=re.S | re.M)
    while re.search(r"\{[^{}]*\}", text):
        text = re.sub(r"\{[^{}]*\}", ";", text)
    statements = (" ".join(s.split()) for s in text.split(";"))
    found = (re.match(r"(?!typedef|static)(?:__attribute__\(\(.*?\)\)\) )?[\w *]+?\b(\w+)\(", s) for s in statements)
    return {m.group(1) for m in found if m}


def pings(program, **env):
    peer = Peer("27", "e27@localhost", EPMD.port, COOKIE).ready()
    proc = spawn([program, "c@localhost", "e27@localhost"], env={**ENV, **env}, stdout=subprocess.PIPE)
    equal(proc.stdout.read(), b"pong\n", "ping")
    peer.stop()


def test_it_installs():
    said = run("cmake", "--install", BIN, "--prefix", PREFIX, "--component", "erlnode")
    placed = re.findall(r"^-- (?:Installing|Up-to-date): (.*)", said, re.M)
    equal([p for p in placed if not p.startswith(str(PREFIX))], [], "what is installed elsewhere")
    check((libdir() / "liberlnode.so").is_symlink(), "liberlnode.so")
    check("SONAME" in run("readelf", "-d", libdir() / "liberlnode.so"), "no soname")


def test_it_exports_what_its_headers_declare():
    got = {line.split()[-1].partition("@")[0] for line in run("nm", "-D", "--defined-only", libdir() / "liberlnode.so").splitlines()}
    equal(sorted(g for g in got if not g.startswith("ERLNODE")), sorted(listed()), "the shared library's symbols")
    got = {line.split()[-1] for line in run("nm", "-g", "--defined-only", libdir() / "liberlnode.a").splitlines()
           if re.match(r"[0-9a-f]+ [TDBRVW] ", line)}
    equal(sorted(got), sorted(listed()), "the static library's symbols")
    text = "".join(p.read_text() for p in (PREFIX / "include" / "erlnode").rglob("*.h"))
    equal(sorted(declared(text) - listed() - NOT_FOR_PROGRAMS), [], "declared, and not exported")
    equal(sorted(listed() - declared(text)), ["log_threshold"], "exported, and no function of a header")


def test_each_header_compiles_alone():
    include = PREFIX / "include" / "erlnode"
    for header in sorted(include.rglob("*.h")):
        name = header.relative_to(include)
        source = temporary_dir() / "alone.c"
        source.write_text(f'#include "{name}"\nint main(void) {{ return 0; }}\n')
        run(CC, "-std=c17", "-Wall", "-Werror", "-I", include, "-fsyntax-only", source)


def test_they_are_cpp_too():
    """All but base/log.h, whose threshold is atomic."""
    include = PREFIX / "include" / "erlnode"
    names = sorted(str(h.relative_to(include)) for h in include.rglob("*.h") if h.name != "log.h")
    source = temporary_dir() / "all.cc"
    source.write_text('extern "C" {\n' + "".join(f'#include "{n}"\n' for n in names) + "}\nint main() { return 0; }\n")
    for standard in ("c++17", "c++20"):
        run(CXX, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", include, "-fsyntax-only", source)


def test_a_program_may_have_headers_of_the_same_names():
    include = PREFIX / "include"
    there = temporary_dir()
    for header in (include / "erlnode").rglob("*.h"):
        own = there / header.relative_to(include / "erlnode")
        own.parent.mkdir(exist_ok=True)
        own.write_text("#error not this one\n")
        source = there / "prog.c"
        source.write_text(f"#include <{header.relative_to(include)}>\nint main(void) {{ return 0; }}\n")
        run(CC, "-std=c17", "-Wall", "-Werror", "-I", there, "-I", include, "-fsyntax-only", source)


def flags(*options):
    return run("pkg-config", *options, "liberlnode", PKG_CONFIG_PATH=str(libdir() / "pkgconfig")).split()


def test_pkg_config_shared():
    program = temporary_dir() / "ping"
    run(CC, SOURCE / "examples" / "ping.c", "-o", program, *flags("--cflags", "--libs"))
    pings(program, LD_LIBRARY_PATH=str(libdir()))


def test_pkg_config_static():
    program = temporary_dir() / "ping"
    words = [w for w in flags("--static", "--cflags", "--libs") if w != "-lerlnode"]
    run(CC, SOURCE / "examples" / "ping.c", "-o", program, libdir() / "liberlnode.a", *words)
    pings(program)


def test_examples_are_plain_c():
    """No extension is needed: whoever copies one may have a compiler that is strict."""
    for example in sorted((SOURCE / "examples").glob("*.c")):
        run(CC, "-std=c17", "-Wall", "-Wextra", "-Werror", *flags("--cflags"), "-fsyntax-only", example)


def test_find_package():
    there = temporary_dir()
    (there / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.21)
project(user LANGUAGES C)
find_package(erlnode 0.1 REQUIRED)
add_executable(shared {SOURCE}/examples/ping.c)
target_link_libraries(shared PRIVATE erlnode::erlnode)
add_executable(static {SOURCE}/examples/ping.c)
target_link_libraries(static PRIVATE erlnode::static)
""")
    run("cmake", "-G", "Ninja", "-S", there, "-B", there / "b", f"-DCMAKE_PREFIX_PATH={PREFIX}")
    run("cmake", "--build", there / "b")
    pings(there / "b" / "shared")
    pings(there / "b" / "static")


if __name__ == "__main__":
    peers.main(globals())
