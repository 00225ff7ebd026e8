"""The fleet that is simulated: how many certificates, how long they live, how old each is at the beginning. Pure.

Everything about one certificate is a number in an array, so that a million of them take little room. Moments are
seconds from the beginning of the simulation: the fields of a certificate, and so its due moment, know no fractions.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from rotator.core.breakers import Breaker
from rotator.core.drift import current_chain
from rotator.core.lead import DAY, HOUR, LONGEST_OFFSET, SECOND, PolicySettings, emergency_at, lead, share, span
from rotator.core.model import Certificate, CertificateSpec, Chain, Facts, Mode

START = datetime(2027, 1, 1, tzinfo=UTC)
"""When the simulation of a fleet that is only a number begins; nothing hangs on the day."""

ISSUER = "ca"
MICROSECONDS = 1_000_000

_MICROSECOND = timedelta(microseconds=1)

SpecOf = Callable[[int], CertificateSpec]


class TooShort(ValueError):  # noqa: N818 - of a lifetime
    """A lifetime that the policy refuses to keep alive."""


@dataclass(frozen=True, slots=True)
class Life:
    """How certificates of one lifetime live under the policy.

    Attributes:
        ends: seconds from the beginning of its validity to the last second of it.
        line: seconds from the beginning to the emergency line.
        lead_us: the lead in microseconds.
        spread: the longest offset by name, see `lead.offset`.
        soon: microseconds until the next look after one that found such a certificate due.
        patience: microseconds that a breaker stays shut for the sake of such a certificate.
        an_hour: renewals an hour that one such certificate needs.
    """

    lifetime: timedelta
    renew_before: timedelta | None
    lead: timedelta
    ends: int
    line: int
    lead_us: int
    spread: timedelta
    soon: int
    patience: int
    an_hour: float

    def cycle(self, name: str) -> int:
        """Seconds from the beginning of the validity to the due moment: see `lead.due_at`."""
        offset = self.spread * share(name) // _MICROSECOND
        return (self.ends * MICROSECONDS - self.lead_us - offset) // MICROSECONDS


def microseconds(length: timedelta) -> int:
    """A length of time as a whole number, exactly."""
    return length // _MICROSECOND


def life_of(lifetime: timedelta, renew_before: timedelta | None, settings: PolicySettings) -> Life:
    """What the policy makes of a lifetime.

    Raises:
        TooShort: it is under four of the shortest ticks.
    """
    lifetime = timedelta(seconds=lifetime // SECOND)
    least = settings.shortest_lifetime
    if lifetime < least:
        raise TooShort(
            f"a lifetime of {span(lifetime)} is less than the {span(least)} that can be kept alive with a shortest "
            f"tick of {span(settings.shortest_tick)}; simulate a longer one"
        )
    own = lead(lifetime, renew_before, due_rule=settings.due_rule)
    sample = chain_of(START, lifetime)
    spec = CertificateSpec("sample", (), (), renew_before=renew_before)
    between = lifetime - own
    shut = Breaker("", START, START, ()).half_open_at(own) - START
    return Life(
        lifetime=lifetime,
        renew_before=renew_before,
        lead=own,
        ends=(sample.not_after - START) // SECOND,
        line=(emergency_at(sample, spec, settings) - START) // SECOND,
        lead_us=microseconds(own),
        spread=min(LONGEST_OFFSET, settings.check_every, own / 20),
        soon=microseconds(own / 20),
        patience=microseconds(shut),
        an_hour=HOUR / between if between > settings.shortest_tick else 0.0,
    )


def shortest_cycle(fleet: Fleet) -> timedelta:
    """The least time between two renewals of one certificate; a little less, since offsets differ by name."""
    return min((life.lifetime - SECOND - life.lead * 21 / 20 for life in fleet.lives), default=DAY)


def chain_of(begins: datetime, lifetime: timedelta, names: tuple[str, ...] = ()) -> Chain:
    """A chain with nothing but its dates and names; it ends with the last second of its life (RFC 5280, 4.1.2.5)."""
    leaf = Certificate(
        der=b"",
        fingerprint=f"{begins:%Y%m%dT%H%M%S}",
        subject="",
        issuer="",
        serial=1,
        not_before=begins,
        not_after=begins + lifetime - SECOND,
        names=names,
    )
    return Chain((leaf,))


@dataclass(frozen=True, slots=True)
class Fleet:
    """The certificates, each by its number; in the order of their names.

    Attributes:
        lives: every way to live that there is.
        life: which of them the certificate at the beginning has.
        later: which of them its successors have.
        cycle: seconds from the beginning of the first certificate's validity to its due moment.
        begins: when the validity of the first certificate began, in seconds before the start (negative).
        spec: the specification of a certificate by its number.
        issuers: who signs; `issuer` says which of them.
        distinct: no two have the same names.
        windowed: numbers of those with maintenance windows.
        left_out: certificates that are not simulated, and why.
    """

    start: datetime
    lives: tuple[Life, ...]
    life: array[int]
    later: array[int]
    cycle: array[int]
    begins: array[int]
    spec: SpecOf
    issuers: tuple[str, ...]
    issuer: array[int]
    distinct: bool = True
    windowed: frozenset[int] = frozenset()
    left_out: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __len__(self) -> int:
        return len(self.life)


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a fleet: so many certificates of one lifetime."""

    certificates: int
    lifetime: timedelta
    renew_before: timedelta | None = None


# ---------------------------------------------------------------- a fleet that is given


def steady(shares: Sequence[Share], settings: PolicySettings, *, domains: int = 1, start: datetime = START) -> Fleet:
    """A fleet whose ages are spread evenly over the cycle from one renewal to the next.

    Args:
        domains: how many registered domains the names belong to, in turn.

    Raises:
        TooShort: a lifetime is under four of the shortest ticks.
    """
    lives = tuple(life_of(part.lifetime, part.renew_before, settings) for part in shares)
    number = sum(part.certificates for part in shares)
    life = array("H", (index for index, part in enumerate(shares) for _ in range(part.certificates)))
    named = _namer(number)
    cycle = array("q", (lives[life[one]].cycle(named(one)) for one in range(number)))
    begins = array("q")
    for part in shares:
        first, count = len(begins), part.certificates
        # The middle of each of `count` equal parts of its own cycle; at least a second old.
        begins.extend(-max(1, cycle[first + rank] * (2 * rank + 1) // (2 * count)) for rank in range(count))

    def spec(one: int) -> CertificateSpec:
        return CertificateSpec(
            name=named(one),
            names=(f"{named(one)}.domain-{one % domains}.example",),
            issuers=(ISSUER,),
            renew_before=lives[life[one]].renew_before,
            mode=Mode.ROTATE,
        )

    return Fleet(start, lives, life, life, cycle, begins, spec, (ISSUER,), array("H", bytes(2 * number)))


def _namer(number: int) -> Callable[[int], str]:
    """Names whose order is that of the numbers."""
    width = len(str(number))
    return lambda one: f"certificate-{one:0{width}d}"


# ---------------------------------------------------------------- a fleet that was found


def found(facts: Iterable[Facts], settings: PolicySettings, *, start: datetime, lifetime: timedelta | None) -> Fleet:
    """The real inventory, with the ages that it has, as if its mode were `rotate`.

    Args:
        start: the moment of the look.
        lifetime: how long the certificates of tomorrow live; None for as long as those of today, or as asked for.
    """
    start = start.replace(microsecond=0)
    left_out: dict[str, str] = {}
    table = _Lives(settings)
    specs: list[CertificateSpec] = []
    life, later, cycle, begins = array("H"), array("H"), array("q"), array("q")
    for one in sorted(facts, key=lambda one: one.spec.name):
        chain = current_chain(one)
        try:
            now_lives, then_lives = _lifetimes(one, chain, lifetime)
            own, next_own = (table.of(lives, one.spec.renew_before) for lives in (now_lives, then_lives))
        except ValueError as error:
            left_out[one.spec.name] = str(error)
            continue
        life.append(own)
        later.append(next_own)
        cycle.append(table.lives[own].cycle(one.spec.name))
        begins.append((chain.not_before - start) // SECOND if chain else 0)
        specs.append(replace(one.spec, mode=Mode.ROTATE, issuers=one.spec.issuers[:1] or (ISSUER,)))
    issuers = tuple(sorted({spec.issuers[0] for spec in specs}))
    return Fleet(
        start, tuple(table.lives), life, later, cycle, begins, specs.__getitem__, issuers,
        array("H", (issuers.index(spec.issuers[0]) for spec in specs)),
        distinct=len({frozenset(spec.names) for spec in specs}) == len(specs),
        windowed=frozenset(number for number, spec in enumerate(specs) if spec.windows),
        left_out=left_out,
    )  # fmt: skip


def _lifetimes(facts: Facts, chain: Chain | None, lifetime: timedelta | None) -> tuple[timedelta, timedelta]:
    """How long a certificate lives now, and how long its successors will."""
    asked = lifetime or facts.spec.lifetime
    if chain is not None:
        return chain.lifetime, asked or chain.lifetime
    if asked is None:
        raise ValueError("it has no certificate yet, and nobody says how long one would live")
    return asked, asked


class _Lives:
    """Each way to live once."""

    def __init__(self, settings: PolicySettings) -> None:
        self.lives: list[Life] = []
        self._settings = settings
        self._known: dict[tuple[timedelta, timedelta | None], int] = {}

    def of(self, lifetime: timedelta, renew_before: timedelta | None) -> int:
        """The number of a way to live; raises as `life_of`."""
        key = lifetime, renew_before
        if key not in self._known:
            self.lives.append(life_of(lifetime, renew_before, self._settings))
            self._known[key] = len(self.lives) - 1
        return self._known[key]
