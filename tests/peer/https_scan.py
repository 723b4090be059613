"""HTTPS as scanners see it: testssl and sslscan, from Debian, against the listener."""

import json
import subprocess
import xml.etree.ElementTree

import peers
from https import CA, Secure
from peers import check, equal, temporary_dir

# What testssl finds that is not of this listener: the test's CA is in no browser's store, nobody answers for its
# revocation, and localhost has no DNS records.
NOT_OURS = {"cert_chain_of_trust", "cert_ocspRevoked", "cert_crlRevoked", "DNS_CAArecord", "OCSP_stapling",
            "cert_trust", "cert_revocation", "scanProblem", "engine_problem"}
HARMLESS = {"OK", "INFO", "LOW", "DEBUG"}
# testssl takes an end of s_client without an error for a renegotiation. s_client ends so whenever a server that refuses
# says goodbye in good order (close_notify), and testssl sees that only if the goodbye is there before the end of its own
# input. refuses_renegotiation waits for it instead.
RACE = "secure_client_renego"


def refuses_renegotiation(gate):
    """A client that asks for a second handshake is told goodbye at the first."""
    client = subprocess.Popen(["openssl", "s_client", "-no_tls1_3", "-connect", f"127.0.0.1:{gate.port}"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        client.stdin.write(b"R\n")
        client.stdin.flush()  # (and stays open: nothing but the server ends this connection)
        client.wait(timeout=60 * peers.SLOWER)
        out, told = client.stdout.read(), client.stderr.read()
    finally:
        client.kill()
        client.communicate()
    before, asked, after = told.partition(b"RENEGOTIATING")
    check(asked, "s_client did not ask:", told)
    check(b"depth=0 " in before and b"depth=0 " not in after, "a second handshake was made:", told)
    check(out.rstrip().endswith(b"closed"), "the connection did not end:", out[-300:], told[-300:])


def test_testssl_finds_nothing_above_low():
    gate = Secure()
    report = temporary_dir() / "testssl.json"
    done = subprocess.run(["testssl", "--quiet", "--warnings", "off", "--color", "0", "--nodns", "none", "--add-ca",
                           CA.file, "--jsonfile", report, f"127.0.0.1:{gate.port}"],
                          capture_output=True, check=False, timeout=280 * peers.SLOWER, stdin=subprocess.DEVNULL)
    check(report.exists(), "testssl:", done.returncode, done.stdout[-2000:], done.stderr[-500:])
    findings = json.loads(report.read_text())
    check(len(findings) > 50, "testssl looked at", len(findings), "things only:", done.stdout[-2000:])
    refuses_renegotiation(gate)
    worse = [f for f in findings if f["severity"] not in HARMLESS and f["id"] not in NOT_OURS | {RACE}]
    equal(worse, [], "what testssl found")
    looked = {f["id"] for f in findings}
    for wanted in ("SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "heartbleed", "ROBOT", "secure_renego",
                   "secure_client_renego", "SWEET32", "LUCKY13", "BEAST", "FREAK", "LOGJAM"):
        check(wanted in looked, "testssl did not look at", wanted)
    print(f"        {len(findings)} findings, none above LOW")
    gate.stop()


def test_sslscan_finds_no_weakness():
    gate = Secure()
    done = subprocess.run(["sslscan", "--xml=-", "--no-colour", f"127.0.0.1:{gate.port}"], capture_output=True,
                          check=False, timeout=100)
    test = xml.etree.ElementTree.fromstring(done.stdout).find("ssltest")
    enabled = {f"{p.get('type')} {p.get('version')}" for p in test.findall("protocol") if p.get("enabled") == "1"}
    equal(enabled, {"tls 1.2", "tls 1.3"}, "protocols")
    ciphers = test.findall("cipher")
    check(len(ciphers) >= 4, "ciphers", len(ciphers))
    for cipher in ciphers:
        name = cipher.get("cipher")
        check(cipher.get("strength") in ("strong", "acceptable"), name, cipher.attrib)
        check("GCM" in name or "CHACHA20" in name, name)
    check(all(h.get("vulnerable") == "0" for h in test.findall("heartbleed")), "heartbleed")
    gate.stop()


if __name__ == "__main__":
    peers.main(globals(), limit=400)
