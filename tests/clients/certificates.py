"""Certificate authorities and server certificates for the tests, made by openssl: for an hour, in a scratch directory."""

import subprocess


class Authority:
    """A certificate authority; `pem` is its certificate."""

    def __init__(self, place, name):
        self.place, self.name = place, name
        self.pem, self.key = place / f"{name}.pem", place / f"{name}.key"
        _openssl(
            "req", "-x509", *_KEY, "-keyout", self.key, "-out", self.pem, "-days", "1", "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    def issue(self, name, *names):
        """A certificate for `names` (such as `IP:127.0.0.1`) and its key, as paths of PEM files."""
        request, pem, key = (self.place / f"{name}.{end}" for end in ("csr", "pem", "key"))
        more = self.place / f"{name}.ext"
        more.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth\n")
        _openssl("req", *_KEY, "-new", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-set_serial", "2", "-days", "1",
            "-extfile", more, "-out", pem,
        )  # fmt: skip
        return pem, key


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
