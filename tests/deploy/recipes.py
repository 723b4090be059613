"""docs/recipes.md: RabbitMQ, ejabberd and Elixir, as Debian has them, beside a gateway, which is their EPMD; each command of the page, and
what it prints. Also that the functions exist which the policy for RabbitMQ allows."""

import os
import re
import shutil
import subprocess

import container
import peers
from container import WORK
from peers import BIN, SOURCE, check, equal, eventually
from shipped import run

TREE = WORK / "systems"
SYSTEMS = {  # what it says when it is up, its user, and how it is started
    "rabbitmq-server": ("Server startup complete", "rabbitmq", "RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 "
                        "RABBITMQ_LOGS=- exec /usr/lib/rabbitmq/bin/rabbitmq-server"),
    "ejabberd": ("is started in the node", "ejabberd", "exec ejabberdctl --node ejabberd@localhost foreground"),
    "elixir": ("the shop is open", "games", "exec elixir --sname shop@localhost $HOME/shop.exs"),
}


def test_they_are_installed():
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    run("tar", "-xf", WORK / "base.tar", "-C", TREE)
    (TREE / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")  # nothing is started by being installed
    (TREE / "usr/sbin/policy-rc.d").chmod(0o755)
    (TREE / "etc/hosts").write_text("127.0.0.1 localhost\n")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    for words in (["update"], ["--no-install-recommends", "install", *SYSTEMS]):
        run("chroot", TREE, "apt-get", "-qq", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3", *words, env=env)


class System:
    """One of them, with processes of its own that end with it."""

    # (The shell stays, as their first process: who changes its user is no longer ended with who started it.)
    START = """
        mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev"
        chroot "$0" setpriv --reuid "$1" --regid "$1" --init-groups env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="/var/lib/$1" sh -c "$2"
        exit
    """

    def __init__(self, name, cookie):
        up, user, command = SYSTEMS[name]
        self.log = peers.temporary_dir() / "log"
        file = TREE / "var/lib" / user / ".erlang.cookie"
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(cookie)
        file.chmod(0o400)
        (TREE / "run" / user).mkdir(parents=True, exist_ok=True)
        run("chroot", TREE, "chown", "-R", f"{user}:", f"/var/lib/{user}", f"/var/lib/{user}/.erlang.cookie", f"/run/{user}")
        with open(self.log, "wb") as log:
            self.proc = peers.spawn(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", self.START, TREE, user, command],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: up in self.said() or self.proc.poll() is not None, f"{name} is up", 60)
        check(self.proc.poll() is None, f"{name} ended:", self.said()[-3000:])

    def said(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        peers.end(self.proc)


def commands(page):
    """Each `$ command` of the page's consoles, and the lines that stand below it."""
    for block in re.findall(r"^```console\n(.*?)^```$", page, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, printed = part.partition("\n")
            yield command, printed


def is_as_shown(printed, shown):
    """An ellipsis stands for anything within a line."""
    return re.fullmatch("[^\n]*".join(map(re.escape, shown.split("…"))), printed)


def test_the_page_is_as_they_answer():
    """In a network of its own, for it is the usual ports that stand in the page."""
    check(container.libc.unshare(container.CLONE_NEWNET) == 0, "unshare")
    run("ip", "link", "set", "lo", "up")
    home, cookie = peers.temporary_dir(), peers.fresh_cookie()
    (home / "cookie").write_text(cookie)
    (home / "cookie").chmod(0o600)
    with open(home / "log", "wb") as log:
        gate = peers.spawn([BIN / "erlgate", "serve", "--name", "gate@localhost", "--cookie-file", home / "cookie"], stdin=subprocess.DEVNULL,
                           stdout=log, stderr=log)
    eventually(lambda: peers.accepts(4370) or gate.poll() is not None, "the gateway listens")
    check(gate.poll() is None, "the gateway ended:", (home / "log").read_text())
    page = (SOURCE / "docs/recipes.md").read_text()
    shop = TREE / "var/lib/games/shop.exs"
    shop.parent.mkdir(exist_ok=True)
    shop.write_text(re.search(r"^```elixir\n(.*?)^```$", page, re.M | re.S)[1])
    systems = [System(name, cookie) for name in SYSTEMS]
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    shown = list(commands(page))
    check(len(shown) > 15, "commands of the page:", len(shown))
    wrong = []
    for command, wanted in shown:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=env, timeout=30, check=False)
        if not is_as_shown(done.stdout, wanted):
            wrong.append(f"{command}\nprints {done.stdout}{done.stderr}and not {wanted}")
    equal(wrong, [], "\n".join(wrong))

    allowed = re.findall(r"function:(rabbit\w*):(\w+)/(\d)", (SOURCE / "docs/policy.md").read_text())
    check(len(allowed) >= 3, "functions that the policy allows:", allowed)
    for module, function, arity in allowed:
        said = run(BIN / "erlgate", "rpc", "rabbit@localhost", "erlang:function_exported", f"[{module},{function},{arity}]")
        equal(said.strip(), "true", f"{module}:{function}/{arity} is there")
    for system in systems:
        system.stop()
    peers.end(gate)
    shutil.rmtree(TREE)


peers.main(globals(), limit=300)
