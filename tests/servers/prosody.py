"""A real Prosody: XMPP for clients and for other servers."""

from __future__ import annotations

import json
from pathlib import Path

from tests.servers.certificates import Pair
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.upgrading import Kind, Prepared

HOST = "mail.example.com"
"""What it serves beside its address; anything else is unknown to it."""


def _prepare(folder: Path, pair: Pair | None) -> Prepared:
    ports = {"xmpp": free_port(), "xmpp-server": free_port()}
    empty = folder / "certificates"
    empty.mkdir()
    (folder / "data").mkdir()
    tls = f"  ssl = {{ certificate = {_lua(pair.certificate)}, key = {_lua(pair.key)} }}\n" if pair else ""
    hosts = "".join(f"VirtualHost {_lua(host)}\n{tls}" for host in (LOOPBACK, HOST))
    configuration = folder / "prosody.cfg.lua"
    configuration.write_text(f"""daemonize = false
pidfile = {_lua(folder / "pid")}
data_path = {_lua(folder / "data")}
certificates = {_lua(empty)}
interfaces = {{ {_lua(LOOPBACK)} }}
c2s_ports = {{ {ports["xmpp"]} }}
s2s_ports = {{ {ports["xmpp-server"]} }}
modules_enabled = {{ {'"tls", ' if pair else ""}"saslauth" }}
modules_disabled = {{ "offline", "register" }}
authentication = "anonymous"
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
{hosts}""")
    return Prepared((need("prosody"), "-F", "--config", configuration), ports)


def _lua(text: str | Path) -> str:
    return json.dumps(str(text))  # quoted the same way in both


PROSODY = Kind("prosody", ("prosody",), ("xmpp", "xmpp-server"), _prepare)
