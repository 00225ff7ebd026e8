"""A real vsftpd."""

from __future__ import annotations

from pathlib import Path

from tests.servers.certificates import Pair
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.upgrading import Kind, Prepared


def _prepare(folder: Path, pair: Pair | None) -> Prepared:
    port = free_port()
    options = {
        "listen": "YES",
        "listen_address": LOOPBACK,
        "listen_port": port,
        "background": "NO",
        "run_as_launching_user": "YES",
        "seccomp_sandbox": "NO",  # the kernel's rules of today kill it
        "isolate": "NO",  # needs rights that nobody has
        "isolate_network": "NO",
    }
    if pair is not None:
        options |= {
            "ssl_enable": "YES",
            "ssl_ciphers": "HIGH",  # its default is Triple DES
            "rsa_cert_file": pair.certificate,  # any key will do, whatever the option is called
            "rsa_private_key_file": pair.key,
        }
    configuration = folder / "vsftpd.conf"
    configuration.write_text("".join(f"{name}={value}\n" for name, value in options.items()))
    return Prepared((need("vsftpd"), configuration), {"ftp": port})


VSFTPD = Kind("vsftpd", ("vsftpd",), ("ftp",), _prepare)
