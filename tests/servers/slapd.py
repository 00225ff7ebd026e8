"""A real slapd, whose TLS is GnuTLS in Debian."""

from __future__ import annotations

from pathlib import Path

from tests.servers.certificates import Pair
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.upgrading import Kind, Prepared


def _prepare(folder: Path, pair: Pair | None) -> Prepared:
    port = free_port()
    tls = f"TLSCertificateFile {pair.certificate}\nTLSCertificateKeyFile {pair.key}\n" if pair else ""
    configuration = folder / "slapd.conf"
    configuration.write_text(f"pidfile {folder}/pid\n{tls}")
    # With a debug level, however low, it stays in the foreground.
    return Prepared((need("slapd"), "-h", f"ldap://{LOOPBACK}:{port}/", "-f", configuration, "-d", "0"), {"ldap": port})


SLAPD = Kind("slapd", ("slapd",), ("ldap",), _prepare)
