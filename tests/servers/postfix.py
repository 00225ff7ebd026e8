"""A real Postfix: a mail server's port and a submission port."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.servers.certificates import Pair
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.upgrading import Kind, Prepared

MASTER = Path("/usr/lib/postfix/sbin/master")


def _prepare(folder: Path, pair: Pair | None) -> Prepared:
    ports = {"smtp": free_port(), "submission": free_port()}
    home, queue, state = folder / "etc", folder / "queue", folder / "state"
    for each in (home, state, *(queue / name for name in ("pid", "private", "public"))):
        each.mkdir(parents=True)
    for each in (state, queue / "private", queue / "public"):
        shutil.chown(each, "postfix")  # no mail ever comes in: the queues themselves can be left out
    (home / "main.cf").write_text(_main(queue, state, pair))
    (home / "master.cf").write_text(_master(ports))
    return Prepared((MASTER, "-c", home, "-d"), ports)


def _main(queue: Path, state: Path, pair: Pair | None) -> str:
    tls = f"smtpd_tls_chain_files = {pair.key}, {pair.certificate}\nsmtpd_tls_security_level = may\n" if pair else ""
    return f"""compatibility_level = 3.6
queue_directory = {queue}
data_directory = {state}
maillog_file = /dev/stdout
inet_interfaces = {LOOPBACK}
inet_protocols = ipv4
myhostname = mail.example.com
mydestination =
local_recipient_maps =
smtpd_peername_lookup = no
{tls}"""


def _master(ports: dict[str, int]) -> str:
    listening = "".join(f"{LOOPBACK}:{port} inet n - n - - smtpd\n" for port in ports.values())
    return f"""{listening}anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


POSTFIX = Kind("postfix", ("postfix",), ("smtp", "submission"), _prepare, as_root=True)
