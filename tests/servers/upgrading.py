"""Servers that go over from the clear to TLS: for a whole run one of each kind with a certificate, one without.

`POSTFIX`, `DOVECOT` … in the modules beside this one say how each is set up; here is what they share. All run as
`nobody`, except Postfix, whose master has to be root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import Pair, authority
from tests.servers.ports import LOOPBACK
from tests.servers.run import current, give_up, need
from tests.servers.service import service

NOBODY = "nobody"
TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What starts a server whose files have been written, and where it will listen."""

    command: tuple[str | Path, ...]
    ports: Mapping[str, int]
    """By scheme, as in `smtp://`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One program that speaks one or more protocols.

    Attributes:
        programs: of the catalogue; without them the tests skip.
        prepare: writes its files into a folder; without a pair it is set up without TLS.
        as_root: it changes users by itself and cannot be started by anybody else.
    """

    name: str
    programs: tuple[str, ...]
    protocols: tuple[str, ...]
    prepare: Callable[[Path, Pair | None], Prepared]
    as_root: bool = False


@dataclass(frozen=True, slots=True)
class Upgrading:
    """A running one; the fingerprint is of the certificate that it was given, empty without TLS."""

    ports: Mapping[str, int]
    fingerprint: str


def user() -> tuple[str, str]:
    """Return the user and the group that servers run as: nobody, or this process's own where it is not root."""
    if os.geteuid() == 0:
        return NOBODY, "nogroup"
    me = pwd.getpwuid(os.geteuid()).pw_name
    return me, me


def unprivileged(*command: str | Path) -> tuple[str | Path, ...]:
    """Return the command that runs this one as nobody."""
    if os.geteuid() != 0:
        return command
    name, group = user()
    return ("setpriv", "--reuid", name, "--regid", group, "--clear-groups", *command)


def give_to_nobody(folder: Path) -> None:
    """Let nobody own a folder and what is in it."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, *user())


def upgrading(kind: Kind, *, tls: bool = True) -> Upgrading:
    """Return the run's server of this kind, with TLS or without; start it if nobody has."""
    for program in kind.programs:
        need(program)
    if kind.as_root and os.geteuid() != 0:
        give_up(f"{kind.name} has to be started by root; run the tests as root")

    def start(folder: Path, owner: int) -> dict[str, str]:
        return _start(kind, folder, owner, tls=tls)

    address = current().shared(f"{kind.name}-{'tls' if tls else 'plain'}", start)
    fingerprint = address.pop("fingerprint")
    return Upgrading({protocol: int(port) for protocol, port in address.items()}, fingerprint)


def _start(kind: Kind, folder: Path, owner: int, *, tls: bool) -> dict[str, str]:
    folder.mkdir(mode=0o755)
    folder.parent.chmod(0o711)  # the run's folder is root's alone; nobody has to pass through it
    pair = authority(folder).issue("server", "mail.example.com", LOOPBACK) if tls else None
    prepared = kind.prepare(folder, pair)
    command = prepared.command
    if not kind.as_root:
        give_to_nobody(folder)
        command = unprivileged(*command)
    process = service(kind.name, folder, command, owner=owner)
    process.start()
    process.wait_ready(lambda: all(listens(port) for port in prepared.ports.values()))
    ports = {protocol: str(port) for protocol, port in prepared.ports.items()}
    return {**ports, "fingerprint": pair.fingerprint if pair else ""}


def listens(port: int) -> bool:
    """Say whether a port of loopback takes connections."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=TIMEOUT):
            return True
    except OSError:
        return False
