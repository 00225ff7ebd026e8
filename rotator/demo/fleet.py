"""The forty services of the demo: what each one has, what is wrong with it, and how it will end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from rotator.core.model import Bundle, Chain
from rotator.core.pem import chain_pem
from rotator.demo.pki import Pki, issue, other_key
from rotator.lib import atomicfile

FIRST_PORT = 18400
HOST = "127.0.0.1"
DOMAIN = "demo.test"
_DAY = timedelta(days=1)

_HEALTHY = (
    "accounts", "assets", "auth", "billing", "cart", "content", "email", "events", "feed", "files", "geo", "graph",
)  # fmt: skip
_ENDING = {
    "gateway": 29, "images": 27, "inbox": 25, "jobs": 22, "ledger": 19, "login": 16, "maps": 13, "media": 10,
    "metrics": 7, "orders": 5, "payments": 3, "pricing": 2, "profile": 1, "queue": 0.5, "quota": 0.1,
}  # fmt: skip
"""Days that are left."""


class Ending(StrEnum):
    """How the script says a service ends."""

    LEFT_ALONE = "left alone"
    ROTATED = "rotated"
    RELOADED = "reloaded"
    WAITING = "waiting for a person"


@dataclass(frozen=True, slots=True)
class Case:
    """What a service is found with.

    Attributes:
        story: in a clause, for people.
        age, left: days since it began and until it ends.
    """

    name: str
    story: str
    ending: Ending
    left: float
    age: float = 61
    flaw: str = ""


def _healthy() -> Iterator[Case]:
    yield Case("catalog", "31 days left: not due yet", Ending.LEFT_ALONE, left=31.5, age=58.5)
    for number, name in enumerate(_HEALTHY):
        yield Case(name, "healthy", Ending.LEFT_ALONE, left=40 + 4 * number, age=50 - 4 * number)


def _ending() -> Iterator[Case]:
    for name, left in _ENDING.items():
        yield Case(name, f"{_span(left)} left", Ending.ROTATED, left=left, age=90 - left)
    yield Case("reports", "expired yesterday", Ending.ROTATED, left=-1, age=91)
    yield Case("search", "expired two weeks ago", Ending.ROTATED, left=-14, age=104)
    yield Case("sessions", "issued for another name", Ending.ROTATED, left=60, age=30, flaw="name")
    yield Case("shipping", "its key does not match", Ending.ROTATED, left=50, age=40, flaw="key")
    yield Case("signup", "the intermediate is missing", Ending.ROTATED, left=55, age=35, flaw="intermediate")
    yield Case("stock", "a 1024-bit RSA key, 29 days left", Ending.ROTATED, left=29, age=61, flaw="weak")
    yield Case("store", "one certificate shared with support", Ending.ROTATED, left=12, age=78, flaw="shared")
    yield Case("support", "one certificate shared with store", Ending.ROTATED, left=12, age=78, flaw="shared")
    yield Case("tax", "lives six days, past its half", Ending.ROTATED, left=2.4, age=3.6)
    yield Case("tokens", "six hours left", Ending.ROTATED, left=0.25, age=89.75)


def cases() -> tuple[Case, ...]:
    """The forty, in the order of their ports."""
    return (
        *_healthy(),
        Case("uploads", "renewed on disk, never reloaded", Ending.RELOADED, left=70, age=20, flaw="stale"),
        *_ending(),
        Case("warehouse", "goes down on every new certificate", Ending.WAITING, left=9, age=81, flaw="stubborn"),
    )


def _span(days: float) -> str:
    return f"{days:g} days" if days >= 1 else f"{days * 24:.0f} hours"


@dataclass(frozen=True, slots=True)
class Service:
    """One service: where it listens, and the files it serves from.

    Attributes:
        running: what it has in memory at the start, which may differ from its files.
        only: the one certificate that it can serve without going down; empty for all but the stubborn one.
    """

    case: Case
    port: int
    directory: Path
    running: Bundle
    only: str = ""

    @property
    def name(self) -> str:
        return self.case.name

    @property
    def host(self) -> str:
        return f"{self.case.name}.{DOMAIN}"

    @property
    def certificate(self) -> Path:
        return self.directory / "fullchain.pem"

    @property
    def key(self) -> Path:
        return self.directory / "privkey.pem"

    @property
    def reload(self) -> Path:
        """Touching this file makes the service read its files again."""
        return self.directory / "reload"


def found(pki: Pki, directory: Path, now: datetime) -> tuple[Service, ...]:
    """Write the fleet's files as rotator will find them."""
    services: list[Service] = []
    shared: Bundle | None = None
    for number, case in enumerate(cases()):
        bundle = _bundle(pki, case, now) if case.flaw != "shared" or shared is None else shared
        shared = bundle if case.flaw == "shared" else shared
        running = _earlier(pki, case, now) if case.flaw == "stale" else bundle
        only = bundle.chain.fingerprint if case.flaw == "stubborn" else ""
        service = Service(case, FIRST_PORT + number, directory / case.name, running, only)
        _write(service, bundle)
        services.append(service)
    return tuple(services)


def _bundle(pki: Pki, case: Case, now: datetime) -> Bundle:
    begin, end = now - case.age * _DAY, now + case.left * _DAY
    host = f"{case.name}.{DOMAIN}"
    names = {"name": (f"old-{host}",), "shared": (f"store.{DOMAIN}", f"support.{DOMAIN}")}.get(case.flaw, (host,))
    bundle = issue(pki, names, begin, end, weak=case.flaw == "weak")
    if case.flaw == "intermediate":
        return replace(bundle, chain=Chain((bundle.chain.leaf,)))
    return bundle


def _earlier(pki: Pki, case: Case, now: datetime) -> Bundle:
    """What the service that was never reloaded still has in memory."""
    return issue(pki, (f"{case.name}.{DOMAIN}",), now - 85 * _DAY, now + 5 * _DAY)


def _write(service: Service, bundle: Bundle) -> None:
    service.directory.mkdir(parents=True)
    key = other_key() if service.case.flaw == "key" else bundle.key
    atomicfile.write(service.certificate, chain_pem(bundle.chain), mode=0o644)
    atomicfile.write(service.key, key, mode=0o600)
    service.reload.touch()
