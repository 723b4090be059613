"""The Debian packages: what lintian says; and in the smallest Debian there is, installed, started as its unit says beside a
real node, called, upgraded, removed, purged."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import types

import container
import peers
from container import HERE, WORK
from peers import BIN, Epmd, Http, check, equal, eventually, free_port, fresh_cookie
from shipped import calls_kv, curl, node, run

PACKAGES = BIN / "packages"
TREE = WORK / "tree"


def inside(*argv, **kw):
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
           "LC_ALL": "C.UTF-8"}
    return run("chroot", TREE, *argv, env=env, **kw)


def deb(name):
    found = sorted(PACKAGES.glob(f"{name}_*.deb"))
    equal(len(found), 1, f"packages of {name} in {PACKAGES}")
    return found[0]


def apt(*words):
    return inside("apt-get", "-qq", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3", *words)


# ---- The packages by themselves --------------------------------------------------------------------------------------


def test_they_are_made():
    shutil.rmtree(PACKAGES, ignore_errors=True)
    run("cmake", "--build", BIN, "--target", "erlgate", "erlgate-epmd", "pages", "erlnode", "erlnode_static")
    run("cpack", cwd=BIN)
    for name in ("erlgate", "liberlnode-dev"):
        path = deb(name)
        print(f"        {path.name}: {path.stat().st_size / 1000:.0f} kB; depends on {run('dpkg-deb', '-f', path, 'Depends').strip()}")


def test_lintian_finds_no_error():
    said = run("lintian", "--allow-root", "--fail-on", "error", *sorted(PACKAGES.glob("*.deb")))
    equal([line for line in said.splitlines() if line.startswith("E:")], [], "errors")


def test_a_page_leads_to_pages_that_are_there():
    root = peers.temporary_dir()
    run("dpkg-deb", "-x", deb("erlgate"), root)
    doc = root / "usr/share/doc/erlgate"
    pages = sorted(doc.rglob("*.md"))
    check(len(pages) > 40, "pages:", len(pages))
    for page in pages:
        links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S))
        for link in links:
            there = page.parent / link
            # What is for who has the tree: tests, and files to be changed.
            if there.resolve().relative_to(doc).parts[0] not in ("LICENSE", "docker", "package", "tests", "examples"):
                check(there.exists(), f"{page.relative_to(doc)} leads to {link}, which is not in the package")
    check((doc / "examples/kv/kv.erl").exists(), "no examples/kv")


def test_a_program_is_made_with_the_library_s_package():
    root = peers.temporary_dir()
    run("dpkg-deb", "-x", deb("liberlnode-dev"), root)
    env = {**os.environ, "PKG_CONFIG_PATH": str(root / "usr/lib/pkgconfig")}
    flags = run("pkg-config", "--cflags", "--libs", "liberlnode", env=env).split()
    examples = root / "usr/share/doc/liberlnode-dev/examples"
    run("gcc", "-std=gnu17", examples / "ping.c", "-o", root / "ping", *flags)
    check("liberlnode.so.0" in run("ldd", root / "ping"), "it is linked with the shared library")


# ---- Installed -------------------------------------------------------------------------------------------------------


def named_erlgate():
    """What of the package is in the tree."""
    found = []
    for folder, folders, files in os.walk(TREE):
        inner = pathlib.Path("/") / pathlib.Path(folder).relative_to(TREE)
        if str(inner) in ("/proc", "/tmp", "/var/log", "/var/cache", "/var/lib/apt"):
            folders[:] = []
            continue
        found += [str(inner / name) for name in folders + files if "erlgate" in name]
    return sorted(found)


def account():
    return [line for line in (TREE / "etc/passwd").read_text().splitlines() if line.startswith("erlgate:")]


def test_it_is_installed():
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    run("tar", "-C", TREE, "-xf", WORK / "base.tar")
    shutil.copy("/etc/resolv.conf", TREE / "etc/resolv.conf")
    (TREE / "etc/hosts").write_text("127.0.0.1 localhost\n")
    run("mount", "-t", "proc", "proc", TREE / "proc")
    equal(named_erlgate(), [], "before")
    shutil.copy(deb("erlgate"), TREE / "tmp/erlgate.deb")
    apt("update")
    apt("install", "--no-install-recommends", "/tmp/erlgate.deb", "systemd")
    equal(inside("erlgate", "version"), inside("erlgate", "--version"), "it runs")
    cookie = (TREE / "etc/erlgate/cookie").stat()
    equal((cookie.st_mode & 0o777, cookie.st_uid), (0o600, 0), "the cookie is root's alone")
    equal(len(account()), 1, "users named erlgate")
    equal(inside("dpkg", "--verify", "erlgate"), "", "files that differ")
    check((TREE / "etc/systemd/system/multi-user.target.wants/erlgate.service").is_symlink(), "the service is enabled")
    for path in ("usr/share/man/man1/erlgate-call.1.gz", "usr/share/man/man5/erlgate.yaml.5.gz", "usr/share/bash-completion/completions/erlgate"):
        check((TREE / path).exists(), f"no /{path}")


class Unit:
    """A service, started as its unit says, in the tree: with its user and what it is handed over."""

    def __init__(self, name):
        self.settings = {}
        for line in (TREE / "lib/systemd/system" / name).read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                self.settings.setdefault(key, []).append(value)
        self.credentials = f"/run/credentials/{name}"
        self.dir = peers.temporary_dir()
        self.log = self.dir / "stderr"

    def start(self, env):
        user = dict(zip(("name", "x", "uid", "gid"), account()[0].split(":")))
        equal(user["name"], self.settings["User"][0], "User=")
        files = []
        for handed in self.settings["LoadCredential"]:
            name, path = handed.split(":")
            shown = self.dir / name
            shutil.copy(f"{TREE}{path}", shown)
            os.chown(shown, int(user["uid"]), int(user["gid"]))
            shown.chmod(0o400)
            place = TREE / self.credentials.lstrip("/") / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
            files.append(f"{self.credentials}/{name}={shown}")
        words = shlex.split(self.settings["ExecStart"][0].replace("${CREDENTIALS_DIRECTORY}", self.credentials))
        with open(self.log, "ab") as log:
            self.proc = peers.spawn([sys.executable, HERE / "enter.py", TREE, user["uid"], user["gid"], *files, "--", *words],
                                    env={"PATH": "/usr/bin:/bin", **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def stop(self):
        equal(peers.end(self.proc, signal.SIGTERM, 20), 0, f"exit status after SIGTERM: {self.said()}")
        shutil.rmtree(TREE / "run/credentials")

    def said(self):
        return self.log.read_text(errors="replace")

    def is_ready(self, port):
        check(self.proc.poll() is None, "the service ended:", self.said())
        try:
            return Http(port).request("GET", "/readyz", fresh=True, seconds=5).status == 200
        except OSError:
            return False


def test_it_starts_as_its_unit_says_beside_a_real_node_and_is_called():
    cookie, epmd, port = fresh_cookie(), Epmd(), free_port()
    kv = node("27", epmd, cookie)
    (TREE / "etc/erlgate/cookie").write_text(cookie)
    with open(TREE / "etc/erlgate/erlgate.yaml", "a", encoding="utf-8") as file:
        file.write(f"\nname: gate@localhost\nlisten: 127.0.0.1:{port}\n")
    service = Unit("erlgate.service").start({"ERL_EPMD_PORT": str(epmd.port)})
    eventually(lambda: service.is_ready(port), "the service is ready", 20)
    calls_kv(port)
    equal(inside("erlgate", "call", "--url", f"http://127.0.0.1:{port}", "kv@localhost", "kv", '{get, <<"colour">>}').strip(),
          "{ok,blue}", "erlgate call")
    service.proc.send_signal(signal.SIGHUP)
    calls_kv(port)
    service.stop()
    kv.stop()
    epmd.stop()


class Systemd:
    """The tree, booted: a service manager of its own, which is the first process there."""

    # (It hands secrets over by mounts that its services are to see.)
    BOOT = """
        mount --bind "$0" "$0" && cd "$0"
        mount -t proc proc proc && mount -t sysfs sysfs sys && mount -t cgroup2 cgroup2 sys/fs/cgroup
        mount -t tmpfs run run && mount -t tmpfs tmp tmp && mount --rbind /dev dev
        mount --make-rshared "$0"
        exec env -i container=own-root PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$0" /lib/systemd/systemd --system --log-target=console
    """

    def __init__(self):
        self.log = peers.temporary_dir() / "stderr"
        with open(self.log, "wb") as log:
            self.proc = peers.spawn(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", self.BOOT, TREE], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log)
        eventually(self._is_up, f"systemd is up: {self.log.read_text()}", 30)

    def _is_up(self):
        check(self.proc.poll() is None, "systemd ended:", self.log.read_text())
        below = peers.descendants(self.proc.pid)
        self.pid = next((p for p in below if "/lib/systemd/systemd --system" in peers.command_line(p)), None)
        return self.pid and self.run("systemctl", "is-system-running", status=None).strip() in ("running", "degraded")

    def run(self, *argv, **kw):
        return run("nsenter", "-t", str(self.pid), "--mount", "--pid", "--root", "--wd", *argv, **kw)

    def show(self, unit, *properties):
        said = self.run("systemctl", "show", unit, *(f"--property={p}" for p in properties))
        return dict(line.split("=", 1) for line in said.splitlines())

    def log_of(self, unit):
        return self.run("journalctl", "--no-pager", "--quiet", "--boot", "--unit", unit)

    def stop(self):
        peers.end(self.proc)


def test_systemd_starts_reloads_and_stops_the_services():
    """In a network of its own, for it is the ports that stand in the units."""
    if container.libc.unshare(container.CLONE_NEWNET) != 0:
        raise peers.Failed("unshare")
    run("ip", "link", "set", "lo", "up")
    (TREE / "etc/default/erlgate").write_text("ERLGATE_NAME=gate@localhost\nERLGATE_SOCKET=/run/erlgate/http.sock\nERLGATE_SOCKET_MODE=0666\n"
                                              "ERLGATE_LISTEN=127.0.0.1:4370\n")
    # (Below a chroot no user namespace can be made.)
    here = TREE / "etc/systemd/system/erlgate-epmd.service.d"
    here.mkdir()
    (here / "own-root.conf").write_text("[Service]\nPrivateUsers=no\n")
    system = Systemd()
    equal(system.show("erlgate.service", "ActiveState", "SubState"), {"ActiveState": "active", "SubState": "running"},
          f"the service ({system.log_of('erlgate.service')})")
    eventually(lambda: Http(4370).request("GET", "/readyz", fresh=True).status == 200, "the service is ready")
    cookie = (TREE / "etc/erlgate/cookie").read_text().strip()
    kv = node("27", types.SimpleNamespace(port=4369), cookie)
    calls_kv(4370)
    shown = curl("http://localhost/readyz", "--unix-socket", f"/proc/{system.pid}/root/run/erlgate/http.sock")
    check("ok" in shown, "by the socket:", shown)
    before = system.show("erlgate.service", "MainPID")
    system.run("systemctl", "reload", "erlgate")
    equal(system.show("erlgate.service", "MainPID"), before, "the process after a reload")
    calls_kv(4370)
    system.run("systemctl", "stop", "erlgate")
    equal(system.show("erlgate.service", "Result", "ExecMainStatus"), {"Result": "success", "ExecMainStatus": "0"},
          f"how it stopped ({system.log_of('erlgate.service')})")
    kv.stop()
    system.run("systemctl", "start", "erlgate-epmd", "erlgate")
    kv = node("27", types.SimpleNamespace(port=4369), cookie)
    eventually(lambda: "kv" in run(BIN / "erlgate-epmd", "-names") and "gate" in run(BIN / "erlgate-epmd", "-names"), "both are registered")
    calls_kv(4370)
    kv.stop()
    system.run("systemctl", "stop", "erlgate", "erlgate-epmd")
    equal(system.show("erlgate-epmd.service", "Result"), {"Result": "success"}, f"how it stopped ({system.log_of('erlgate-epmd.service')})")
    system.stop()
    (TREE / "etc/default/erlgate").unlink()
    shutil.rmtree(here)


def test_an_upgrade_keeps_what_the_administrator_wrote():
    before = [(TREE / "etc/erlgate" / name).read_text() for name in ("erlgate.yaml", "cookie")]
    (TREE / "etc/systemd/system/multi-user.target.wants/erlgate.service").unlink()
    inside("dpkg", "-i", "/tmp/erlgate.deb")
    equal([(TREE / "etc/erlgate" / name).read_text() for name in ("erlgate.yaml", "cookie")], before, "configuration and cookie")
    check(not (TREE / "etc/systemd/system/multi-user.target.wants/erlgate.service").is_symlink(), "a service that was disabled stays so")


def test_removed_it_leaves_the_configuration_and_purged_nothing():
    apt("remove", "erlgate")
    left = named_erlgate()
    check("/etc/erlgate" in left and not any("/bin/" in path or path.startswith("/lib/systemd/system") for path in left), "left:", left)
    apt("purge", "erlgate")
    equal(named_erlgate(), [], "left")
    equal(account(), [], "users left")
    equal(inside("dpkg", "--audit"), "", "what dpkg has to say")
    run("umount", TREE / "proc")
    shutil.rmtree(TREE)


peers.main(globals(), limit=240)
