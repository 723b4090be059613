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


def test_testssl_finds_nothing_above_low():
    gate = Secure()
    report = temporary_dir() / "testssl.json"
    done = subprocess.run(["testssl", "--quiet", "--warnings", "off", "--color", "0", "--nodns", "none", "--add-ca",
                           CA.file, "--jsonfile", report, f"127.0.0.1:{gate.port}"],
                          capture_output=True, check=False, timeout=280 * peers.SLOWER, stdin=subprocess.DEVNULL)
    check(report.exists(), "testssl:", done.returncode, done.stdout[-2000:], done.stderr[-500:])
    findings = json.loads(report.read_text())
    check(len(findings) > 50, "testssl looked at", len(findings), "things only:", done.stdout[-2000:])
    worse = [f for f in findings if f["severity"] not in HARMLESS and f["id"] not in NOT_OURS]
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
