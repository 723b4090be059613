"""Manual pages, the example of the configuration, the units, the completions: against the programs that they are about, and by the tools
and shells that read them."""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import container  # noqa: F401  (it finds peers)  pylint: disable=unused-import
import peers
from peers import BIN, SOURCE, check, equal, eventually

PAGES = BIN / "pages"
UNITS = {"erlgate.service": 1.5, "erlgate-epmd.service": 1.5}  # how exposed at most; 10 is a service with no setting


def run(*argv, status=0, **kw):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, timeout=60, **kw)
    equal(done.returncode, status, f"exit status of {' '.join(map(str, argv))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def help_of(*words):
    return run(BIN / "erlgate", *words).stdout


def commands():
    """Each with what it is for."""
    return dict(re.findall(r"^  ([a-z][a-z-]*)  +(.*)$", help_of("help"), re.M))


def squeezed(text):
    return re.sub(r"\s+", " ", text).strip()


def entries(text):
    """The options of a --help: each with its text."""
    found, name = {}, None
    for line in text.splitlines():
        entry = re.match(r"  (--?[a-z][a-z_-]*)(?:[ =]\S+)*?(?:  +(.*))?$", line)
        if entry:
            name = entry.group(1)
            found[name] = entry.group(2) or ""
        elif name and re.match(r"     +\S", line):
            found[name] += " " + line.strip()
        else:
            name = None
    return {name: squeezed(text) for name, text in found.items()}


def page(name):
    """As a reader sees it, in one wide column."""
    done = run("man", "--warnings", "--no-hyphenation", "--no-justification", "-l", PAGES / f"man{name[-1]}" / f"{name}.gz",
               env={**os.environ, "MANWIDTH": "900", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""})
    equal(done.stderr, "", f"warnings of {name}")
    return done.stdout


def test_each_command_has_a_page_and_each_page_a_command():
    wanted = {f"erlgate-{c}.1.gz" for c in commands() if c not in ("help", "version")} | {"erlgate.1.gz", "erlgate-epmd.1.gz"}
    equal({p.name for p in (PAGES / "man1").iterdir()}, wanted, "pages")
    text = page("erlgate.1")
    for command, about in commands().items():
        check(re.search(rf"^       {command}\s+{re.escape(about)}$", text, re.M), f"{command} in erlgate(1)")
    for name in ("erlgate.yaml.5", "liberlnode.3"):
        page(name)


def test_a_page_says_what_the_help_says_of_each_option():
    seen = 0
    for command, about in commands().items():
        if command in ("help", "version"):
            continue
        text, options = page(f"erlgate-{command}.1"), entries(help_of(command, "--help"))
        check(f"erlgate-{command} - {about}" in text, f"NAME of {command}")
        found = set(re.findall(r"^       (--[a-z][a-z-]*)", text, re.M))
        equal(found, set(options), f"options in erlgate-{command}(1)")
        for option, said in options.items():
            check(said in squeezed(text), f"{option} in erlgate-{command}(1): {said}")
        for paragraph in re.findall(r"^[A-Z][^\n]*(?:\n\S[^\n]*)*", help_of(command, "--help"), re.M):
            if not paragraph.startswith("Usage:") and not paragraph.endswith(":"):
                check(squeezed(paragraph) in squeezed(text), f"in erlgate-{command}(1): {paragraph}")
        seen += len(options)
    check(seen > 50, "options:", seen)
    text = page("erlgate-epmd.1")
    for option, said in entries(run(BIN / "erlgate-epmd", "--help").stdout).items():
        check(option in text and said in squeezed(text), f"{option} in erlgate-epmd(1): {said}")


def test_the_page_and_the_example_of_the_configuration_have_each_option():
    options = entries(help_of("serve", "--help"))
    text, example = page("erlgate.yaml.5"), (PAGES / "erlgate.yaml").read_text()
    keys = {o[2:] for o in options} - {"config", "help", "dump-config"}
    equal(set(re.findall(r"^       ([a-z][a-z-]*): ", text, re.M)), keys, "options in erlgate.yaml(5)")
    equal(set(re.findall(r"^#([a-z][a-z-]*):", example, re.M)), keys, "options in the example")
    check(not re.search(r"^[^#\n]", example, re.M), "nothing is set in it")
    check(re.search(r"service takes /etc/erlgate/cookie[^\n]*\n(#[ ][^\n]*\n)*#cookie-file:", example), "which cookie the service has")
    for key in keys:
        check(f"ERLGATE_{key.upper().replace('-', '_')})" in text, f"the variable of {key}")


def uncommented():
    """The example with each default set that is one, as a configuration."""
    path = peers.temporary_dir() / "erlgate.yaml"
    lines = re.findall(r"^#([a-z][a-z-]*: (?![A-Z@]*$|[A-Z]+[ :@|=-]).*)$", (PAGES / "erlgate.yaml").read_text(), re.M)
    check(len(lines) > 15, "defaults in the example:", lines)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_example_is_a_configuration_as_it_is_and_with_every_default_set():
    for path in (PAGES / "erlgate.yaml", uncommented()):
        run(BIN / "erlgate", "check-config", "--strict", path, env={"PATH": os.environ["PATH"], "ERLGATE_COOKIE": "abc"})
    for path in (PAGES / "erlgate.yaml", uncommented()):
        gate = peers.Gateway(args=["--config", path])
        gate.stop()


# ---- Units -----------------------------------------------------------------------------------------------------------


def test_systemd_finds_nothing_wrong_with_the_units():
    for name in UNITS:
        unit = peers.temporary_dir() / name
        unit.write_text((SOURCE / "docker" / name).read_text().replace("/usr/bin/", f"{BIN}/"))
        equal(squeezed(run("systemd-analyze", "verify", "--man=no", unit).stderr), "", f"systemd-analyze verify {name}")


def test_the_units_are_hardly_exposed():
    for name, limit in UNITS.items():
        said = run("systemd-analyze", "security", "--offline=yes", "--no-pager", SOURCE / "docker" / name).stdout
        score = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said).group(1))
        print(f"        {name}: {score}")
        check(score <= limit, f"{name} is exposed:", score, said)


def test_a_stop_outlasts_the_calls_that_wait():
    unit = (SOURCE / "docker" / "erlgate.service").read_text()
    seconds = int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M).group(1))
    limit = int(re.search(r"\[(\d+)\]", entries(help_of("serve", "--help"))["--stop-timeout"]).group(1))
    check(seconds * 1000 > limit, f"TimeoutStopSec={seconds}, and stop-timeout: {limit}")


# ---- Completions -----------------------------------------------------------------------------------------------------


class Shell:
    """An interactive shell at a terminal, and what it has written there."""

    def __init__(self, argv, prepare):
        env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(peers.temporary_dir()), "TERM": "dumb", "LC_ALL": "C.UTF-8",
               "ERLGATE_URL": "http://127.0.0.1:1"}
        self.end, other = pty.openpty()
        self.proc = peers.spawn(argv, env=env, stdin=other, stdout=other, stderr=other, start_new_session=True)
        os.close(other)
        self.text = ""
        self.type(prepare + "; echo rea''dy\r")
        self.wait("ready", "the shell has begun")

    def type(self, text):
        os.write(self.end, text.encode())

    def wait(self, wanted, what):
        def look():
            if select.select([self.end], [], [], 0.05)[0]:
                self.text += os.read(self.end, 65536).decode(errors="replace")
            return wanted in self.text
        try:
            eventually(look, what, 15)
        except peers.Failed as error:
            raise peers.Failed(f"{error}: {self.text!r}") from None

    def completes(self, line, wanted):
        """Of a line that one Tab ends."""
        self.text = ""
        self.type(f"\x15{line}\t")
        self.wait(wanted, f"{line}<Tab> gives {wanted}")

    def stop(self):
        peers.end(self.proc)
        os.close(self.end)


def completes_in(shell):
    shell.completes("erlgate wat", "erlgate watch")
    shell.completes("erlgate help pi", "erlgate help ping")
    shell.completes("erlgate call --time", "erlgate call --timeout")
    shell.completes("erlgate serve --atom-b", "erlgate serve --atom-budget")
    shell.completes("erlgate call --to al", "erlgate call --to all")
    shell.completes("erlgate policy ch", "erlgate policy check")
    shell.completes("erlgate policy check --as x disc", "erlgate policy check --as x disconnect")
    shell.stop()


def test_bash_completes():
    completes_in(Shell(["bash", "--norc", "--noprofile", "-i"], f"source {SOURCE}/package/completions/erlgate.bash; bind 'set bell-style none'"))


def test_zsh_completes():
    completes_in(Shell(["zsh", "-f", "-i"], f"fpath=({SOURCE}/package/completions $fpath); autoload -Uz compinit; compinit -D -u; unsetopt beep"))


def test_fish_completes():
    def completed(line):
        script = f"source {SOURCE}/package/completions/erlgate.fish; complete -C '{line}'"
        done = run("fish", "--no-config", "-c", script, env={"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(peers.temporary_dir()),
                                                            "LC_ALL": "C.UTF-8", "ERLGATE_URL": "http://127.0.0.1:1"})
        return dict(line.partition("\t")[::2] for line in done.stdout.splitlines())

    equal(completed("erlgate wat"), {"watch": commands()["watch"]}, "erlgate wat")
    equal(set(completed("erlgate ")), set(commands()), "erlgate")
    equal(set(completed("erlgate help pi")), {"ping"}, "erlgate help pi")
    options = entries(help_of("serve", "--help"))
    equal(set(completed("erlgate serve --")), set(options), "erlgate serve --")
    equal(set(completed("erlgate call --to ")), {"any", "all"}, "erlgate call --to")
    equal(set(completed("erlgate policy ")), {"check", "operations"}, "erlgate policy")
    check({"call", "metrics"} <= set(completed("erlgate policy check --as x ")), "the operations of a policy")
    equal(set(completed("erlgate term --from=")) & {"etf"}, set(), "a value is not made up")


peers.main(globals(), limit=90)
