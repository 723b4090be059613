"""container: the image that image-build.sh saved, unpacked to look at, and run: by podman, and by nothing but the kernel.

Both ways give a Container: its process on this machine, its log, its end."""

import ctypes
import functools
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tarfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peer"))
import peers  # noqa: E402  pylint: disable=wrong-import-position
from peers import check, equal, eventually  # noqa: E402  pylint: disable=wrong-import-position

HERE = pathlib.Path(__file__).resolve().parent
WORK = pathlib.Path(os.environ.get("ERLGATE_DEPLOY") or peers.SOURCE / "build" / "release" / "deploy").resolve()
NAME = "localhost/erlgate"

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


class Image:
    """image.tar, unpacked into a folder."""

    def __init__(self):
        self.root = peers.temporary_dir() / "root"
        with tarfile.open(WORK / "image.tar") as saved:
            manifest = json.load(saved.extractfile("manifest.json"))[0]
            self.config = json.load(saved.extractfile(manifest["Config"]))["config"]
            self.layers = len(manifest["Layers"])
            self.members = {}  # by path
            for name in manifest["Layers"]:
                layer = tarfile.open(fileobj=saved.extractfile(saved.getmember(name).linkname or name))
                self.members.update((os.path.normpath(m.name), m) for m in layer)
                layer.extractall(self.root, numeric_owner=True)

    def files(self):
        return {path: m for path, m in self.members.items() if m.isfile()}

    def size(self):
        return sum(m.size for m in self.members.values())

    def environment(self):
        return dict(entry.split("=", 1) for entry in self.config.get("Env") or [])


def enter(image, root):
    return [sys.executable, str(HERE / "enter.py"), str(root), *image.config["User"].split(":")]


class Container:
    """One that runs. pid: of its program, on this machine. command None: the image's own."""

    def __init__(self, image, env=(), command=None, mounts=(), entrypoint=None, dns=None):
        self.image = image
        self.dir = peers.temporary_dir()
        self.log = self.dir / "stderr"
        self.env = {name: str(value) for name, value in dict(env).items()}
        self.mounts, self.dns = dict(mounts), dns
        self.command, self.entrypoint = command, entrypoint
        self.proc = None

    def start(self):
        with open(self.log, "ab") as log:
            self.proc = peers.spawn(self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.how())
        return self

    def how(self):
        return {}

    def said(self):
        return self.log.read_text(errors="replace")

    def start_and_read(self):
        """Of one that ends by itself: what it says."""
        self.start()
        equal(self.wait(), 0, f"exit status: {self.said()}")
        return self.said()

    def execute(self, *words):
        """A program beside the one that runs, as its user, in its file system: exit status and what it says."""
        done = subprocess.run([*enter(self.image, self.pid), "--", *words], env={**self.image.environment(), **self.env},
                              capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def health(self):
        """What the image's HEALTHCHECK says: 0 is well."""
        test = self.image.config["Healthcheck"]["Test"]
        equal(test[0], "CMD", "an image without a shell has a HEALTHCHECK without one")
        return self.execute(*test[1:])[0]

    def wait(self, seconds=20):
        """Its exit status."""
        try:
            return self.proc.wait(seconds)
        except subprocess.TimeoutExpired:
            raise peers.Failed(f"the container did not end within {seconds} s: {self.said()}") from None

    def terminate(self):
        """SIGTERM, as every engine stops a container; its exit status."""
        self.proc.send_signal(signal.SIGTERM)
        return self.wait()


class Podman(Container):
    """By podman, as strictly as it can."""

    hardened = ["--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
    # (What it would set by itself a root without CAP_SYS_RESOURCE may not.)
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    # No cgroups, no systemd, no network of its own: those would be asked of the machine.
    podman = ["podman", "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "crun"]
    storage = {**os.environ, "CONTAINERS_STORAGE_CONF": str(WORK / "storage.conf")}

    def how(self):
        return {"env": self.storage}

    def argv(self):
        self.name = f"erlgate-test-{secrets.token_hex(6)}"
        argv = [*self.podman, "run", "--rm", "--name", self.name, "--cgroups", "disabled", "--network", "host",
                *self.limits, *self.hardened]
        for name, value in self.env.items():
            argv += ["--env", f"{name}={value}"]
        for inside, outside in self.mounts.items():
            argv += ["--volume", f"{outside}:{inside}:ro"]
        argv += ["--dns", self.dns] if self.dns else []
        argv += ["--entrypoint", self.entrypoint] if self.entrypoint else []
        return [*argv, NAME, *(self.command or [])]

    @property
    def pid(self):
        def look():
            check(self.proc.poll() is None, "the container ended:", self.said())
            done = self._podman("inspect", "--format", "{{.State.Pid}}", self.name)
            return int(done.stdout) if done.returncode == 0 and done.stdout.strip() not in (b"", b"0") else None
        return eventually(look, "podman says its process")

    def _podman(self, *words):
        return subprocess.run([*self.podman, *words], env=self.storage, capture_output=True, timeout=60, check=False)


@functools.cache
def runs_podman():
    done = subprocess.run([*Podman.podman, "run", "--rm", "--cgroups", "disabled", "--network", "host", *Podman.limits, *Podman.hardened,
                           NAME, "version"], env=Podman.storage, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        print(f"        podman does not run here, so the unpacked image is: {done.stderr.decode()[-500:]}")
    return done.returncode == 0


def remove_all():
    """What podman has kept of tests that failed."""
    subprocess.run([*Podman.podman, "rm", "--all", "--force"], env=Podman.storage, capture_output=True, timeout=60, check=False)


class Bare(Container):
    """By the kernel's own calls (enter.py), where no podman runs."""

    def __init__(self, image, **kw):
        super().__init__(image, **kw)
        # As every engine does, before the root is read-only: places for what is mounted, and how names are found.
        for inside in self.mounts:
            place = image.root / inside.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        (image.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (image.root / "etc/resolv.conf").write_text(f"nameserver {self.dns or '127.0.0.1'}\n")

    def argv(self):
        config = self.image.config
        program = [self.entrypoint] if self.entrypoint else config["Entrypoint"]
        words = self.command if self.command is not None else [] if self.entrypoint else config["Cmd"]
        files = [f"{inside}={outside}" for inside, outside in self.mounts.items()]
        return [*enter(self.image, self.image.root), *files, "--", *program, *words]

    def how(self):
        return {"env": {**self.image.environment(), **self.env}}

    @property
    def pid(self):
        return self.proc.pid
