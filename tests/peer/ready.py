"""Readiness by named checks."""

import signal

from certs import Ca
from peers import Http, Logged, Peer, check, equal, eventually, free_port, main, temporary_dir

CA = Ca()


def readiness(gate, query="?verbose"):
    response = Http(gate.port).request("GET", f"/readyz{query}", fresh=True)
    return response.status, response.json.get("checks", {})


def test_a_required_node():
    path = temporary_dir() / "erlgate.yaml"
    path.write_text("require-node: kv@localhost\n")
    gate = Logged(args=["--config", path])
    failed = {"node:kv@localhost": "failed: not connected; last_failure of GET /v1/nodes/{node} says why"}
    equal(readiness(gate), (503, {"accepting": "ok", "epmd_registered": "ok", **failed}), "verbose")
    equal(readiness(gate, ""), (503, failed), "what has failed is said anyway")
    required = eventually(lambda: (info := gate.http.get("/v1/nodes/kv@localhost").json).get("last_failure") and info, "it has been tried", 10)
    equal((required["state"], required["configured"], required["last_failure"]["detail"]),
          ("down", True, "EPMD on its host knows no node of that name"), "it is among the nodes, and why not")
    for _ in range(2):
        peer = Peer("27", "kv@localhost", gate.epmd_port, gate.cookie).ready()
        eventually(lambda: peer.eval("nodes(connected)") == "[erlgate@localhost]", "it is dialled, whether anybody asks or not", 25)
        eventually(lambda: readiness(gate, "") == (200, {}), "ready with it", 15)
        equal(readiness(gate)[1]["node:kv@localhost"], "ok", "its check")
        peer.kill()
        eventually(lambda: readiness(gate, "")[0] == 503, "not ready without it", 15)
    path.write_text("require-node: []\n")
    gate.proc.send_signal(signal.SIGHUP)
    eventually(lambda: readiness(gate, "") == (200, {}), "not required any more")
    gate.stop()


def test_days_of_certificates():
    """HTTPS does not begin with one that has expired; links may."""
    for days, health in ((300, "ok"), (5, "warning"), (-1, "failed")):
        leaf = CA.issue("DNS:localhost,IP:127.0.0.1", kind="ec", days=days)
        admin, names = free_port(), ["dist_certificate"]
        args = ["--admin-listen", f"127.0.0.1:{admin}", "--dist-tls-cert", leaf[0], "--dist-tls-key", leaf[1], "--dist-tls-ca", CA.file]
        if days > 0:
            args += ["--tls-cert", leaf[0], "--tls-key", leaf[1]]
            names.append("certificate")
        gate = Logged(args=args)
        response = Http(admin).get("/readyz?verbose")
        equal(response.status, 503 if health == "failed" else 200, f"{days} days")
        said = response.json["checks"]
        for name in names:
            # Made a moment ago, perhaps within this very second.
            texts = ["it has expired"] if days < 0 else [f"{days - 1} days left", f"{days} days left"]
            check(said[name] in [f"{health}: {text}" for text in texts], name, "of", days, "days:", said)
        gate.stop()


if __name__ == "__main__":
    main(globals())
