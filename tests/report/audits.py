"""Audits for the tests of every format: an ordinary one, an empty one, a hostile one, a large one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import MappingProxyType

from rotator.core.audit import Audit, Excused, Line, Unseen, lasting_place, soonest
from rotator.core.lead import lead
from rotator.core.model import (
    Action,
    Certificate,
    Chain,
    Consumer,
    Decision,
    Endpoint,
    Finding,
    Handshake,
    Location,
    Observation,
    Problem,
    ProblemKind,
    Severity,
    Use,
)
from rotator.core.reasons import Reason
from rotator.core.rules.rule import Rule
from tests.builders import DAY, NOW, certificate, chain, decision, holding, spec

EXPIRED = Rule(
    "RT001", "expired", Severity.CRITICAL, "The certificate has ended, so clients refuse the connection.",
    "renew it now: `rotator rotate NAME --force`", "RFC 5280, 4.1.2.5", cwe=298,
)  # fmt: skip
EXPIRING = Rule(
    "RT002", "expiring", Severity.ERROR, "Less is left than the lead that its lifetime calls for.",
    "renew it, or let rotator do so", "docs/explanation/due.md", notes="Relative to the lifetime.",
)  # fmt: skip
WILDCARD = Rule(
    "RT019", "wildcard", Severity.INFO, "One key stands for every name of a domain.", "name the hosts", "NSA U/OO/194",
)  # fmt: skip
RULES = MappingProxyType({rule.id: rule for rule in (EXPIRED, EXPIRING, WILDCARD)})

HOSTILE = (
    "\r\n=cmd|' /C calc'!A0</script><img src=x onerror=alert(1)>]]>&"
    "\x00\x07\x1b[31m\u202egnp.exe\udcff\u2028\x85\"'`{{7*7}}"
)
"""A name with a line break, a formula, markup, control signs, a right-to-left override and a lone surrogate."""


def file(path: str, held: Chain | None = None, host: str = "web1", **labels: str) -> Observation:
    """A file that holds a chain, as the files source says it."""
    told = {"path": path, "dir": path.rpartition("/")[0], "name": path.rpartition("/")[2], **labels}
    return replace(holding(held, Location(host, path)), labels=MappingProxyType(told))


def secret(namespace: str, name: str, held: Chain | None = None, **labels: str) -> Observation:
    """A Secret, as the Kubernetes source says it."""
    told = {"namespace": namespace, "name": name, "kind": "Secret", **labels}
    return replace(holding(held, Location("prod", f"Secret {namespace}/{name}")), labels=MappingProxyType(told))


def served(host: str, shown: Chain | None, address: str = "192.0.2.1", port: int = 443, key: str = "") -> Observation:
    """An address of an endpoint, as the endpoints source says it; the key where both kinds were asked for."""
    endpoint = Endpoint(host, port)
    labels = {"host": host, "port": str(port), "address": address, "name": str(endpoint)}
    return Observation(
        Location("tls", f"{endpoint}@{address}{f' ({key})' if key else ''}"),
        chain=shown,
        endpoint=endpoint,
        handshake=Handshake("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        labels=MappingProxyType({**labels, "key": key} if key else labels),
    )


def saying(of: Rule, where: Observation, message: str, severity: Severity | None = None, about: str = "") -> Finding:
    place = lasting_place(where)
    return Finding(of.id, severity or of.severity, where.location, message, of.remedy, about, place)


def line(
    observation: Observation,
    *findings: Finding,
    decided: Decision | None = None,
    excused: tuple[Excused, ...] = (),
    unmanaged: str = "",
) -> Line:
    """A place with what is said of it, due by its lifetime."""
    held = observation.chain
    due = held.not_after - lead(held.lifetime) if held else None
    return Line(observation, findings, due, decided, unmanaged, excused)


def audit(*lines: Line, unseen: tuple[Unseen, ...] = ()) -> Audit:
    return Audit(NOW, tuple(sorted(lines, key=soonest)), unseen)


def empty() -> Audit:
    return Audit(NOW, ())


def ordinary() -> Audit:
    """Something of everything: expired, expiring, fine, managed, excused, unreadable, trusted only, not looked at."""
    old, soon, fine = chain("old.example.com", left=-DAY), chain("mail.example.com", left=5 * DAY), chain(left=60 * DAY)
    wild = chain("*.example.com", "example.com", left=200 * DAY, lives=365 * DAY, above=(ca(),))
    stale, mail, shop = (
        file("/etc/ssl/old.pem", old),
        served("mail.example.com", soon, port=465),
        file("/srv/shop.pem", fine),
    )
    wilds = [served("www.example.com", wild, f"192.0.2.{number}") for number in range(10, 50)]
    managed = decision(spec(adopted_from="disk"), Action.KEEP, Reason.HEALTHY, at=NOW + 30 * DAY, ends=fine.not_after)
    ingress = Consumer("Ingress", "shop/front", ("shop.example.com",), stuck="it mounts it with subPath")
    bundle = replace(file("/etc/ssl/ca-bundle.pem", Chain((ca(), ca("CN=Old Root", 3)))), use=Use.TRUST, key=None)
    known = Excused(saying(EXPIRING, shop, "it is known"), date(2026, 6, 1), "replaced in May")
    return audit(
        line(stale, saying(EXPIRED, stale, "it ended 1 d ago, on 2026-03-01 12:00 UTC")),
        line(mail, saying(EXPIRING, mail, "it ends in 5 d, on 2026-03-07 12:00 UTC")),
        line(shop, decided=managed, excused=(known,)),
        line(replace(secret("shop", "front-tls", fine, owner="payments"), consumers=(ingress,))),
        *(line(one, saying(WILDCARD, one, "it stands for *.example.com", about="*.example.com")) for one in wilds),
        line(bundle),
        line(
            replace(file("/srv/half.pem"), problem=Problem(ProblemKind.UNREADABLE, "it holds half a certificate")),
            Finding("RT005", Severity.ERROR, Location("web1", "/srv/half.pem"), "it holds half a certificate", "look"),
        ),
        unseen=(Unseen("down.example.com:443 at 192.0.2.9", "refused: connection refused"),),
    )


def ca(subject: str = "CN=Test Issuing", years: int = 5) -> Certificate:
    made = certificate("", lives=years * 365 * DAY, left=years * 300 * DAY, label=subject, is_ca=True)
    return replace(made, subject=subject, names=())


def hostile() -> Audit:
    """Names, subjects, paths and messages of somebody who wants to break whoever reads the report."""
    bad = chain(HOSTILE, "a" * 1_000_000 + HOSTILE, left=-DAY)
    bad = Chain((replace(bad.leaf, subject=f"CN={HOSTILE}" + "b" * 1_000_000, issuer=f"CN={HOSTILE}"),))
    where = file(f"/srv/{HOSTILE}/tls.pem", bad, owner=HOSTILE)
    endpoint = served(HOSTILE, bad, HOSTILE)
    managed = decision(spec(HOSTILE, owner=HOSTILE, adopted_from=HOSTILE), Action.WAIT, Reason.OUTSIDE_WINDOW)
    consumer = Consumer("Ingress", HOSTILE, (HOSTILE,), HOSTILE, HOSTILE)
    excused = Excused(saying(EXPIRED, where, HOSTILE, about=HOSTILE), None, HOSTILE)
    return audit(
        line(
            replace(where, consumers=(consumer,)),
            saying(EXPIRED, where, f"{HOSTILE} ended", about=HOSTILE),
            Finding(HOSTILE, Severity.ERROR, where.location, HOSTILE, HOSTILE, HOSTILE),
            decided=managed,
            excused=(excused,),
        ),
        line(endpoint, saying(EXPIRED, endpoint, HOSTILE)),
        line(replace(file("/srv/b.pem"), problem=Problem(ProblemKind.UNREADABLE, HOSTILE)), unmanaged=HOSTILE),
        unseen=(Unseen(HOSTILE, HOSTILE),),
    )


def large(number: int = 10_000) -> Audit:
    """Many places, a tenth of them with something to say; every certificate its own."""
    lines = []
    for n in range(number):
        held = chain(f"host{n}.example.com", left=(n % 90 + 1) * DAY, label=str(n))
        where = file(f"/srv/service-{n % 400}/{n}.pem", held)
        said = (saying(EXPIRING, where, f"it ends in {n % 90 + 1} d"),) if n % 10 == 0 else ()
        lines.append(line(where, *said))
    return audit(*lines)
