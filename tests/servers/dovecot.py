"""A real Dovecot: IMAP, POP3, LMTP and ManageSieve."""

from __future__ import annotations

from pathlib import Path

from tests.servers.certificates import Pair
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.upgrading import Kind, Prepared, user

LOGINS = {"imap": "imap-login", "pop3": "pop3-login", "sieve": "managesieve-login"}
DIRECT = {"imap": "imaps", "pop3": "pop3s"}
"""Listeners that are there unless they are told not to be."""


def _prepare(folder: Path, pair: Pair | None) -> Prepared:
    ports = {protocol: free_port() for protocol in (*LOGINS, "lmtp")}
    configuration = folder / "dovecot.conf"
    configuration.write_text("\n".join((_common(folder, pair), *map(_login, LOGINS, ports.values()), _lmtp(ports), "")))
    return Prepared((need("dovecot"), "-F", "-c", configuration), ports)


def _common(folder: Path, pair: Pair | None) -> str:
    name, group = user()
    tls = f"ssl = yes\nssl_cert = <{pair.certificate}\nssl_key = <{pair.key}" if pair else "ssl = no"
    return f"""base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = imap pop3 sieve lmtp
listen = {LOOPBACK}
{tls}
default_login_user = {name}
default_internal_user = {name}
default_internal_group = {group}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={name} gid={group} home={folder}
}}
service anvil {{
  chroot =
}}"""


def _login(protocol: str, port: int) -> str:
    direct = f"  inet_listener {DIRECT[protocol]} {{\n    port = 0\n  }}\n" if protocol in DIRECT else ""
    return f"""service {LOGINS[protocol]} {{
  chroot =
  inet_listener {protocol} {{
    port = {port}
  }}
{direct}}}"""


def _lmtp(ports: dict[str, int]) -> str:
    return f"""service lmtp {{
  user = {user()[0]}
  inet_listener lmtp {{
    port = {ports["lmtp"]}
  }}
}}"""


DOVECOT = Kind("dovecot", ("dovecot", *LOGINS.values(), "lmtp"), (*LOGINS, "lmtp"), _prepare)
