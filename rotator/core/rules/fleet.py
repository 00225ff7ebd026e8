"""Rules that compare places: served against stored, one key in several services, one name with several answers.

They look at groups of members that have something in common; an index finds the groups. A group may be the whole
fleet (one wildcard at a million addresses), so it comes as a count and a few examples, never as a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rotator.core.model import Location, Severity
from rotator.core.pem import moment
from rotator.core.rules.rule import Rule, Said


@dataclass(frozen=True, slots=True)
class Member:
    """What of one place counts for comparing it with others; small enough to keep a million on disk.

    Attributes:
        place: as people say it.
        lasting: as `lasting_place` has it.
        service: see `service_of`.
        endpoint: where it is served; empty for what is stored.
        asked: the name and port that it was asked for, whatever address answered; empty for what is stored.
        keyed: a private key is kept with it, ready to be served.
        names: all of them, in one order, as one text.
        first: the first of its names: the same before and after a renewal that adds another.
    """

    location: Location
    place: str
    lasting: str
    service: str
    endpoint: str
    asked: str
    keyed: bool
    fingerprint: str
    spki: str
    issuer: str
    serial: str
    names: str
    first: str
    algorithm: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Shared:
    """What a member has in common with others.

    Attributes:
        others: how many others there are.
        example: the place of one of them.
    """

    member: Member
    others: int
    example: str

    @property
    def elsewhere(self) -> str:
        more = f" and {self.others - 1} more places" if self.others > 1 else ""
        return f"{self.example}{more}"


SERVED_NOT_STORED = Rule(
    "RT006", "served-not-stored", Severity.ERROR,
    "A server shows another certificate than the one stored for it: it has not loaded the renewed one.",
    "reload the server; where rotator manages the certificate it does so itself",
    "docs/explanation/path.md",
    notes="Certain where config, cluster or an earlier look says which certificate an endpoint serves; else a hint, by "
    "the same names and kind of key and a later beginning, and less severe. No hint where what is served is kept "
    "somewhere with nothing newer beside it.", cwe=298,
)  # fmt: skip


def served_otherwise(served: Member, place: str, fingerprint: str, ends: datetime) -> Said:
    """Something else is served than what is known to belong there: the certificate at a place, and its end."""
    return Said(
        Severity.ERROR,
        f"it serves {served.fingerprint[:12]}…, which ends {moment(served.not_after)}; the one stored for it at "
        f"{place} is {fingerprint[:12]}…, which ends {moment(ends)}",
    )


def served_older(place: str) -> Said:
    """An older one is served than lies at a place for the same names."""
    return Said(Severity.WARNING, f"a newer certificate for the same names is stored at {place} and not served here")


KEY_REUSED = Rule(
    "RT024", "key-reused", Severity.WARNING,
    "One private key is used by several certificates or services: what endangers one endangers all.",
    "renew each with a key of its own; rotator makes a new one at every renewal",
    "NIST SP 800-57 part 1, 5.2; CA/B Forum TLS Baseline Requirements, 6.1.1.3",
    notes="Certificates for the same first name (a renewal that kept its key), and one certificate at several "
    "addresses, are no reuse. One key stored in several namespaces, hosts or folders is.", cwe=323,
)  # fmt: skip


def key_reused(shared: Shared) -> Said:
    return Said(Severity.WARNING, f"its key is used at {shared.elsewhere}, too")


DUPLICATE_SERIAL = Rule(
    "RT025", "duplicate-serial", Severity.WARNING,
    "Two different certificates have the same issuer and serial number, so revoking one revokes both.",
    "have the CA issue them again with random serial numbers",
    "RFC 5280, 4.1.2.2", cwe=295,
)  # fmt: skip


def duplicate_serial(shared: Shared) -> Said:
    return Said(Severity.WARNING, f"another certificate with serial {shared.member.serial} is at {shared.elsewhere}")


REPLICAS_DIFFER = Rule(
    "RT027", "replicas-differ", Severity.ERROR,
    "The addresses behind one name show different certificates: some were not reloaded, or run another configuration.",
    "reload what lags behind; take what should not be there out of DNS",
    "docs/explanation/path.md",
    notes="An RSA certificate beside an ECDSA one is no difference.", cwe=298,
)  # fmt: skip


def replicas_differ(shared: Shared) -> Said:
    return Said(Severity.ERROR, f"another certificate is shown at {shared.elsewhere}")


FLEET_RULES = (SERVED_NOT_STORED, KEY_REUSED, DUPLICATE_SERIAL, REPLICAS_DIFFER)


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing that comparing places found, not yet judged."""

    rule: Rule
    member: Member
    said: Said
