"""jose: JSON Web Tokens and the keys for them, by the openssl command: what is good, and what only looks so."""

import base64
import hashlib
import hmac
import json
import secrets
import subprocess
import time

import peers

ISSUER, AUDIENCE = "https://id.example", "erlgate"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value):
    return b64(json.dumps(value).encode())


def claims(**more):
    """Those of a good token; None takes one away."""
    now = int(time.time())
    all_of_them = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 600, **more}
    return {k: v for k, v in all_of_them.items() if v is not None}


def _openssl(*args, data=None):
    done = subprocess.run(["openssl", *map(str, args)], input=data, capture_output=True, check=False)
    peers.check(done.returncode == 0, "openssl", args[0], done.stderr.decode())
    return done.stdout


class Key:
    """A key of one of the four kinds: RS256, ES256, EdDSA, HS256."""

    def __init__(self, alg, kid):
        self.alg, self.kid = alg, kid
        self.file = peers.temporary_dir() / f"{kid}.pem"
        if alg == "HS256":
            self.secret = secrets.token_bytes(32)
            self.jwk = {"kty": "oct", "k": b64(self.secret)}
        else:
            _openssl("genpkey", "-out", self.file, *{
                "RS256": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                "ES256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                "EdDSA": ["-algorithm", "ED25519"]}[alg])
            self.jwk = self._public()
        self.jwk = {**self.jwk, "kid": kid, "use": "sig", "alg": alg}

    def public_pem(self):
        return _openssl("pkey", "-in", self.file, "-pubout")

    def _public(self):
        der = _openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")
        if self.alg == "ES256":
            return {"kty": "EC", "crv": "P-256", "x": b64(der[-64:-32]), "y": b64(der[-32:])}
        if self.alg == "EdDSA":
            return {"kty": "OKP", "crv": "Ed25519", "x": b64(der[-32:])}
        modulus = _openssl("rsa", "-in", self.file, "-noout", "-modulus").decode().strip().partition("=")[2]
        return {"kty": "RSA", "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}

    def sign(self, payload, header=None):
        """A token of these claims. header: instead of its own, whatever it says."""
        text = f"{part(header if header is not None else {'alg': self.alg, 'typ': 'JWT', 'kid': self.kid})}.{part(payload)}"
        return f"{text}.{b64(self._signature(text.encode()))}"

    def _signature(self, text):
        if self.alg == "HS256":
            return hmac.new(self.secret, text, hashlib.sha256).digest()
        there = self.file.with_suffix(".text")
        there.write_bytes(text)
        if self.alg == "EdDSA":
            return _openssl("pkeyutl", "-sign", "-inkey", self.file, "-rawin", "-in", there)
        signature = _openssl("dgst", "-sha256", "-sign", self.file, there)
        return _fixed(signature) if self.alg == "ES256" else signature


def _fixed(der):
    """ECDSA's two numbers, 32 bytes each, out of ASN.1."""
    r_len = der[3]
    r, s = der[4:4 + r_len], der[6 + r_len:]
    return r[-32:].rjust(32, b"\0") + s[-32:].rjust(32, b"\0")


def hs256_with(secret, header, payload):
    """A token whose secret is some bytes that are none: a public key, the empty string."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def key_set(*keys, more=()):
    """A JWKS file."""
    file = peers.temporary_dir() / "keys.json"
    file.touch(0o600)
    file.write_text(json.dumps({"keys": [k.jwk for k in keys] + list(more)}))
    return file


def gateway_args(keys_file):
    return ["--jwks-file", keys_file, "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE]
