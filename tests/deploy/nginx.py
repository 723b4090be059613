"""nginx before the gateway, with the configuration that docs/deployment.md shows: calls, names with a slash, events as they come."""

import json
import os
import re
import signal
import subprocess

import container  # noqa: F401  (it finds peers)  pylint: disable=unused-import
import peers
from peers import SOURCE, Epmd, Gateway, check, equal, eventually, free_port, fresh_cookie
from shipped import node

HOST = "erlang.example.com"


def test_nginx_serves_as_the_page_says():
    shown = re.search(r"^```nginx\n(.*?)^```$", (SOURCE / "docs/deployment.md").read_text(), re.M | re.S).group(1)
    home, port = peers.temporary_dir(), free_port()
    home.chmod(0o755)
    for wanted, ours in (("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"), ("unix:/run/erlgate/http.sock", f"unix:{home}/http.sock"),
                         (f"/etc/ssl/{HOST}.pem", f"{home}/cert.pem"), (f"/etc/ssl/{HOST}.key", f"{home}/key.pem")):
        equal(shown.count(wanted), 1, wanted)
        shown = shown.replace(wanted, ours)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", home / "key.pem",
                    "-out", home / "cert.pem", "-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"],
                   check=True, capture_output=True)
    (home / "nginx.conf").write_text(
        f"daemon off; pid {home}/pid; error_log stderr; worker_processes 1; events {{}}\nhttp {{\naccess_log off;\n"
        + "".join(f"{kind}_temp_path {home}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) + f"{shown}\n}}\n")

    epmd, cookie = Epmd(), fresh_cookie()
    kv = node("27", epmd, cookie)
    gate = Gateway(epmd=f"127.0.0.1:{epmd.port}", epmd_port=epmd.port, cookie=cookie,
                   args=["--socket", home / "http.sock", "--socket-mode", "0666", "--host", HOST])
    proxy = peers.spawn(["nginx", "-p", home, "-e", "stderr", "-c", home / "nginx.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                        stderr=open(home / "stderr", "wb"), env={"PATH": f"/usr/sbin:/sbin:{os.environ['PATH']}"})
    eventually(lambda: peers.accepts(port) or proxy.poll() is not None, "nginx listens")
    check(proxy.poll() is None, "nginx ended:", (home / "stderr").read_text())
    curl = ["curl", "-sS", "--max-time", "20", "--cacert", home / "cert.pem", "--resolve", f"{HOST}:{port}:127.0.0.1"]

    def ask(path, *words, **kw):
        done = subprocess.run([*curl, *words, f"https://{HOST}:{port}{path}"], capture_output=True, timeout=30, check=False, **kw)
        equal(done.returncode, 0, f"curl {path}: {done.stderr.decode()}")
        return done.stdout.decode()

    erl = ["-H", "Content-Type: text/x-erlang", "-H", "Accept: text/x-erlang"]
    equal(ask("/v1/nodes/kv@localhost/processes/kv/call", *erl, "-d", '{put, <<"colour">>, blue}').strip(), "ok", "a call")
    kv.eval("register('my/server', spawn(fun() -> receive stop -> ok end end))")
    equal(json.loads(ask("/v1/nodes/kv@localhost/processes/my%2Fserver"))["status"], "waiting", "a name with a slash")
    equal(ask("/v1/nodes/kv@localhost/processes/kv/call", "-o", os.devnull, "-w", "%{http_code}", "--data-binary", "@-", input=bytes(9_000_000)),
          "413", "a body over the limit")

    stream = peers.spawn([*curl, "-N", "-H", "Accept: application/x-ndjson", f"https://{HOST}:{port}/v1/nodes/kv@localhost/processes/my%2Fserver/monitor"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def event():
        return next(name for line in stream.stdout if (name := json.loads(line)["event"]) != "ping")

    equal(event(), "monitor", "the first event, as it comes")
    kv.eval("exit(whereis('my/server'), kill)")
    equal(event(), "down", "the second")
    peers.end(stream)
    peers.end(proxy, signal.SIGTERM)
    gate.stop()
    kv.stop()
    epmd.stop()


peers.main(globals(), limit=60)
