"""The image of docker/Dockerfile: what is in it, and that it runs beside real Erlang nodes with all doors shut."""

import os
import pathlib
import re
import secrets
import socket
import struct
import subprocess
import threading

import container
import peers
from container import Bare, Image, Podman, runs_podman
from peers import Epmd, Peer, check, equal, eventually, free_port, fresh_cookie
from shipped import calls_kv, node

LIMIT = 60_000_000  # bytes, unpacked
image = Image()


def make(**kw):
    """A container, by podman where that runs."""
    return (Podman if runs_podman() else Bare)(image, **kw)


def secret_file(text):
    """A file as a secret is one in a container: of the image's user, who alone reads it."""
    path = peers.temporary_dir() / "secret"
    path.parent.chmod(0o755)
    path.write_text(text)
    uid, gid = map(int, image.config["User"].split(":"))
    os.chown(path, uid, gid)
    path.chmod(0o400)
    return path


def is_ready(gate, port):
    def look():
        check(gate.proc.poll() is None, "the gateway ended:", gate.said())
        try:
            return peers.Http(port).request("GET", "/readyz", fresh=True, seconds=5).status == 200
        except OSError:
            return False
    eventually(look, "the gateway is ready", 20)


# ---- What is in it ---------------------------------------------------------------------------------------------------


def test_it_holds_two_programs_and_the_libraries_they_need_in_less_than_60_MB():
    files = image.files()
    libraries = {p: m.size for p, m in files.items() if re.search(r"\.so[.0-9]*$", p)}
    print(f"        unpacked: {image.size() / 1e6:.1f} MB, {len(files)} files, {image.layers} layer(s); "
          f"{len(libraries)} libraries, {sum(libraries.values()) / 1e6:.1f} MB:")
    for path, size in sorted(libraries.items(), key=lambda item: -item[1]):
        print(f"        {size / 1e6:7.2f} MB  /{path}")
    check(image.size() < LIMIT, "it is", image.size(), "bytes")
    programs = sorted(p for p, m in files.items() if m.mode & 0o111 and not re.search(r"\.so[.0-9]*$|/ld-linux", p))
    equal(programs, ["usr/bin/erlgate", "usr/bin/erlgate-epmd"], "programs")


def test_nothing_in_it_can_be_written_or_gives_rights():
    for path, member in image.members.items():
        if not member.issym():
            equal(member.mode & 0o7222, 0, f"write, setuid, setgid, sticky of /{path}")
        check(member.isfile() or member.isdir() or member.issym(), f"/{path} is none of file, folder, link")
        equal((member.uid, member.gid), (0, 0), f"owner of /{path}")


def test_a_scanner_finds_which_packages_its_libraries_are_of():
    status = {p.name: p.read_text() for p in (image.root / "var/lib/dpkg/status.d").iterdir()}
    for name in ("libc6", "libmicrohttpd12", "libssl3", "libuv1"):
        check(re.search(r"^Version: \S", status.get(name, ""), re.M), f"no version of {name} in", sorted(status))
        check((image.root / "usr/share/doc" / name / "copyright").exists(), f"no licence of {name}")


def test_it_says_what_it_is_and_how_to_run_it():
    config = image.config
    user = config["User"].split(":")
    check(all(u.isdigit() and int(u) > 0 for u in user), "a user by number, who is not root:", config["User"])
    check(f"erlgate:x:{user[0]}:{user[1]}:" in (image.root / "etc/passwd").read_text(), "and by name in /etc/passwd")
    equal(config["Entrypoint"], ["/usr/bin/erlgate"], "ENTRYPOINT")
    equal(config["Cmd"], ["serve"], "CMD")
    equal(config.get("StopSignal"), "SIGTERM", "STOPSIGNAL")
    equal(sorted(config["ExposedPorts"]), ["4369/tcp", "4370/tcp"], "EXPOSE")
    equal(config["Healthcheck"]["Test"], ["CMD", "/usr/bin/erlgate", "healthcheck"], "HEALTHCHECK")
    equal(config["Labels"]["org.opencontainers.image.version"], make(command=["version"]).start_and_read().split()[-1],
          "label of the version")


# ---- Running ---------------------------------------------------------------------------------------------------------


def shut_doors(pid):
    """What the kernel says of a process: no rights, and no way to any."""
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    equal(status["Uid"].split(), image.config["User"].split(":")[:1] * 4, "its user")
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
        equal(int(status[name], 16), 0, name)
    equal(status["NoNewPrivs"], "1", "NoNewPrivs")
    mounts = [line.split() for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    root = [m for m in mounts if m[4] == "/"][-1]
    check("ro" in root[5].split(","), "its root is read-only:", root)


def serves(maker):
    cookie, epmd, port = fresh_cookie(), Epmd(), free_port()
    kv = node("25", epmd, cookie)
    gate = maker(env={"ERLGATE_COOKIE_FILE": "/run/secrets/cookie", "ERLGATE_NAME": "gate@localhost", "ERLGATE_LISTEN": f"127.0.0.1:{port}",
                      "ERL_EPMD_PORT": epmd.port, "ERLGATE_URL": f"http://127.0.0.1:{port}"},
                 mounts={"/run/secrets/cookie": secret_file(cookie)}).start()
    is_ready(gate, port)
    calls_kv(port)
    shut_doors(gate.pid)
    equal(gate.health(), 0, "HEALTHCHECK")
    status, out, err = gate.execute("/usr/bin/erlgate", "call", "kv@localhost", "kv", '{get, <<"colour">>}')
    equal((status, out.strip()), (0, "{ok,blue}"), f"erlgate call, inside: {err}")
    check(gate.execute("/bin/sh", "-c", "true")[0] != 0, "there is a shell")
    equal(gate.terminate(), 0, f"exit status after SIGTERM: {gate.said()}")
    kv.stop()
    epmd.stop()


def test_it_runs_read_only_without_capabilities_beside_a_real_node_and_is_called():
    serves(make)


def test_so_it_does_without_any_engine():
    serves(lambda **kw: Bare(image, **kw))


class NameServer:
    """Of one name, at port 53 of a loopback address that is nobody's."""

    def __init__(self, name, address):
        self.asked = []
        self.address = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250) + 1}.53"
        self.question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
        self.answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # (it says that nobody is connected, and ends the wait all the same)
            pass

    def _serve(self):
        while query_and_whose := self._receive():
            query, whose = query_and_whose
            question = query[12:12 + len(self.question) + 4]
            is_ours, kind = question.startswith(self.question), question[-4:]
            self.asked.append((is_ours, kind))
            count, flags = (1, 0x8180) if is_ours and kind == b"\0\1\0\1" else (0, 0x8180 if is_ours else 0x8183)
            head = query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0)
            self.socket.sendto(head + query[12:12 + question_length(query)] + self.answer * count, whose)


    def _receive(self):
        try:
            query, whose = self.socket.recvfrom(512)
        except OSError:
            query = b""
        if not query:
            self.socket.close()
            return None
        return query, whose


def question_length(query):
    end = 12
    while query[end]:
        end += query[end] + 1
    return end + 5 - 12


def finds_by_name_server(maker):
    names, cookie, epmd, port = NameServer("node.erlgate.test", "127.0.0.1"), fresh_cookie(), Epmd(), free_port()
    kv = node("27", epmd, cookie, "kv@node.erlgate.test")
    gate = maker(env={"ERLGATE_COOKIE": cookie, "ERLGATE_NAME": "gate@gate.erlgate.test", "ERLGATE_LISTEN": f"127.0.0.1:{port}",
                      "ERLGATE_EPMD": f"127.0.0.1:{epmd.port}", "ERL_EPMD_PORT": epmd.port}, dns=names.address).start()
    is_ready(gate, port)
    calls_kv(port, "kv@node.erlgate.test")
    check((True, b"\0\1\0\1") in names.asked, "the name server was asked:", names.asked)
    equal(gate.terminate(), 0, "exit status after SIGTERM")
    names.stop()
    kv.stop()
    epmd.stop()


def test_names_of_hosts_are_asked_of_the_name_server():
    finds_by_name_server(make)


def test_and_so_they_are_without_any_engine():
    finds_by_name_server(lambda **kw: Bare(image, **kw))


def test_the_cookie_may_come_by_the_environment_and_the_health_of_what_does_not_serve_is_bad():
    port, epmd_port = free_port(), free_port()
    gate = make(env={"ERLGATE_COOKIE": fresh_cookie(), "ERLGATE_NAME": "gate@localhost", "ERLGATE_LISTEN": f"127.0.0.1:{port}",
                     "ERL_EPMD_PORT": epmd_port}).start()
    is_ready(gate, port)
    equal(gate.health(), 0, "HEALTHCHECK")
    gate.env["ERLGATE_LISTEN"] = f"127.0.0.1:{free_port()}"
    check(gate.health() != 0, "nobody listens there")
    equal(gate.terminate(), 0, "exit status after SIGTERM")


def test_its_erlgate_epmd_serves_real_nodes():
    port = free_port()
    names = make(entrypoint="/usr/bin/erlgate-epmd", command=["-port", str(port), "-address", "127.0.0.1"]).start()
    eventually(lambda: peers.accepts(port) or names.proc.poll() is not None, "erlgate-epmd listens")
    kv = Peer("27", "kv@localhost", port, fresh_cookie()).ready()
    check("{ok,[{\"kv\"," in kv.eval(f"erl_epmd:names({{127,0,0,1}})").replace(" ", ""), "the node is registered there")
    kv.stop()
    names.terminate()


def at_end():
    container.remove_all()


peers.main(globals(), limit=90)
