"""A certificate authority of the tests' own, made by the machine's `openssl`, and what it certifies."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

DAYS = "2"
NAMES = "IP:127.0.0.1,DNS:localhost"
KEYS = {
    "rsa, pkcs8": (["-newkey", "rsa:2048"], None),
    "ec, pkcs8": (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], None),
    "rsa, pkcs1": (["-newkey", "rsa:2048"], ["rsa", "-traditional"]),
    "ec, sec1": (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], ["ec"]),
}
"""The forms of a private key: how it is made, and how it is rewritten afterwards."""


@dataclass(frozen=True)
class Pair:
    """Two files: the certificate, with that of the authority behind it, and its key."""

    cert: Path
    key: Path

    @property
    def options(self) -> list[str]:
        return ["--tls-cert", str(self.cert), "--tls-key", str(self.key)]


class Authority:
    """Its own certificate is `ca`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, self._key = folder / "ca.pem", folder / "ca.key"
        extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
        given = [word for extension in extensions for word in ("-addext", extension)]
        make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS, "-subj", "/CN=Cheeseshop tests"]
        _openssl(*make, *given, "-keyout", self._key, "-out", self.ca)

    def issue(self, name: str = "server", key: str = "ec, pkcs8") -> Pair:
        """Certifies 127.0.0.1 and localhost; the same name again replaces the files of before."""
        made, rewritten = KEYS[key]
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions, own = (self._folder / f"{name}.{end}" for end in ("csr", "ext", "own"))
        new_key = self._folder / f"{name}.new"
        _openssl("req", *made, "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", new_key, "-out", request)
        extensions.write_text(f"subjectAltName={NAMES}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        signed = ["-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-days", DAYS, "-extfile", extensions]
        _openssl("x509", "-req", "-in", request, *signed, "-out", own)
        if rewritten:
            _openssl(*rewritten, "-in", new_key, "-out", new_key)
        pair.cert.write_text(own.read_text() + self.ca.read_text())
        new_key.rename(pair.key)
        return pair


def _openssl(*words: object) -> None:
    run = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, f"openssl {words}: {run.stderr}"
