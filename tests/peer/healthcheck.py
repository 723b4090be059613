"""erlgate healthcheck: asks the gateway of the same configuration, wherever that listens, and whoever it lets in."""

import os
import subprocess

import peers
from peers import BIN, Gateway, check, equal, free_port, temporary_dir


def health(*words, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ERLGATE_") or k == "ERLGATE_SLOWER"}
    done = subprocess.run([str(w) for w in (BIN / "erlgate", "healthcheck", *words)], env={**clean, **(env or {})}, capture_output=True,
                          text=True, timeout=60, check=False)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def is_well(said, wanted='{"status":"ok"}'):
    equal((said[0], said[1]), (0, wanted), f"healthcheck ({said[2]})")


def test_it_asks_where_the_gateway_listens():
    gate = Gateway()
    listen = f"127.0.0.1:{gate.port}"
    is_well(health("--listen", listen))
    is_well(health(env={"ERLGATE_LISTEN": listen}))
    config = temporary_dir() / "erlgate.yaml"
    config.write_text(f"listen: {listen}\n")
    is_well(health("--config", config))
    is_well(health("--ready", "--listen", listen))
    gate.stop()


def test_of_all_addresses_it_asks_this_machines():
    """And a gateway that wants to know who asks is asked no less."""
    made = subprocess.run([BIN / "erlgate", "token", "example"], capture_output=True, text=True, check=True)
    tokens = temporary_dir() / "tokens"
    tokens.touch(0o600)
    tokens.write_text(made.stderr)
    gate = Gateway(args=["--token-file", tokens])
    equal(gate.http.get("/v1/nodes").status, 401, "without a token")
    is_well(health("--listen", f"0.0.0.0:{gate.port}", "--token-file", tokens))
    gate.stop()


def test_a_listener_for_health_is_asked_rather_than_the_others():
    admin = free_port()
    gate = Gateway(args=["--admin-listen", f"127.0.0.1:{admin}"])
    is_well(health("--admin-listen", f"127.0.0.1:{admin}", "--listen", f"127.0.0.1:{free_port()}"))
    gate.stop()


def test_a_socket_alone_is_asked():
    path = temporary_dir() / "http.sock"
    gate = Gateway(args=["--socket", path])
    is_well(health("--listen", "none", "--socket", path))
    gate.stop()
    check("does not answer" in health("--listen", "none", "--socket", path)[2], "of a socket that is gone")


def certificate():
    home = temporary_dir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", home / "key.pem",
                    "-out", home / "cert.pem", "-days", "2", "-subj", "/CN=elsewhere.example"], check=True, capture_output=True)
    return home / "cert.pem", home / "key.pem"


def test_https_is_asked_whatever_its_certificate_says():
    cert, key = certificate()
    tls = ["--tls-cert", cert, "--tls-key", key]
    gate = Gateway(args=tls, wait=False)
    peers.eventually(lambda: peers.accepts(gate.port), "it listens")
    is_well(health("--listen", f"127.0.0.1:{gate.port}", *tls))
    gate.stop()


def test_where_a_client_must_show_a_certificate_the_socket_is_asked_and_otherwise_it_says_what_to_do():
    cert, key = certificate()
    path = temporary_dir() / "http.sock"
    tls = ["--tls-cert", cert, "--tls-key", key, "--tls-ca", cert, "--tls-client-cert", "required"]
    gate = Gateway(args=[*tls, "--socket", path], wait=False)
    peers.eventually(lambda: peers.accepts(gate.port), "it listens")
    is_well(health("--listen", f"127.0.0.1:{gate.port}", *tls, "--socket", path))
    status, _, said = health("--listen", f"127.0.0.1:{gate.port}", *tls)
    check(status == 1 and "--admin-listen" in said, "without another way in:", said)
    gate.stop()


def test_what_does_not_answer_is_not_well():
    port = free_port()
    status, _, said = health("--listen", f"127.0.0.1:{port}")
    equal(status, 1, "exit status")
    check(f"http://127.0.0.1:{port}/livez does not answer" in said, said)
    equal(health("--listen", "127.0.0.1:0")[0], 1, "a port that nobody knows")
    status, _, said = health("--listne", "x")
    check(status == 1 and "listen" in said, "an option that there is not:", said)


peers.main(globals(), limit=60)
