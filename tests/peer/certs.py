"""certs: certificates for a test, made by the openssl command."""

import subprocess

import peers


class Ca:
    """A certificate authority that lives as long as the test."""

    def __init__(self, name="test CA"):
        self.dir = peers.temporary_dir()
        self.file = self.dir / "ca.pem"
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.dir / "ca.key", "-out", self.file,
                 "-days", "30", "-subj", f"/CN={name}")
        self._count = 0

    def issue(self, names="DNS:localhost", days=30, kind="rsa", subject=None, more=""):
        """A leaf and its key: (certificate file, key file). days below 0: it has expired. more: lines of extensions."""
        self._count += 1
        stem = self.dir / f"leaf{self._count}"
        key, request, cert, extensions = (stem.with_suffix(s) for s in (".key", ".csr", ".pem", ".ext"))
        new = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        _openssl("req", "-newkey", *new, "-nodes", "-keyout", key, "-out", request, "-subj",
                 subject or f"/CN=leaf{self._count}")
        extensions.write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n{more}")
        _openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.dir / "ca.key", "-set_serial",
                 str(1000 + self._count), "-out", cert, "-days", str(days), "-extfile", extensions)
        return cert, key


def _openssl(*args):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, check=False)
    peers.check(done.returncode == 0, "openssl", args[0], done.stderr.decode())


def gateway_args(ca, leaf, *more):
    return ["--dist-tls-cert", leaf[0], "--dist-tls-key", leaf[1], "--dist-tls-ca", ca.file, *more]


def erl_args(ca, leaf, verify="verify_peer", more=""):
    """For erl: TLS by a file of options, the same for both roles."""
    side = (f'[{{certfile, "{leaf[0]}"}}, {{keyfile, "{leaf[1]}"}}, {{cacertfile, "{ca.file}"}}, {{verify, {verify}}}, '
            f"{{depth, 3}}{more}")
    conf = peers.temporary_dir() / "ssl_dist.conf"
    strict = ", {fail_if_no_peer_cert, true}" if verify == "verify_peer" else ""
    conf.write_text(f"[{{server, {side}{strict}]}},\n {{client, {side}]}}].\n")
    return ["-proto_dist", "inet_tls", "-ssl_dist_optfile", str(conf)]
