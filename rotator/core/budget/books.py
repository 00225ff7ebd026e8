"""The ledger read as the CAs count it: which limits an order draws on, and what each of them has left. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from rotator.core.budget.known import budget_of
from rotator.core.budget.limits import WEEK, Bucket, IssuerBudget
from rotator.core.budget.tally import Tally
from rotator.core.lead import DAY, HOUR, PolicySettings, span
from rotator.core.model import Order

Kind: TypeAlias = Literal["orders", "domain", "exact-set", "failures"]

_BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TO_SHUT_THE_ACCOUNT = 2  # registered domains that were refused: then it is not the domain


@dataclass(frozen=True, slots=True)
class Draw:
    """One limit that an order draws on.

    Attributes:
        whose: the account or the CA that counts.
        what: the registered domain, name, or names that it is counted for; empty for an account.
        bucket: None where no limit is known: only what the CA refused counts then.
    """

    kind: Kind
    whose: str
    what: str = ""
    bucket: Bucket | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.whose, self.what


@dataclass(frozen=True, slots=True)
class Short:
    """Why an issuer has no room for one more order, and from when on it may have."""

    kind: str
    why: str
    at: datetime
    issuer: str = ""
    what: str = ""


def draws(own: IssuerBudget, names: Sequence[str], settings: PolicySettings, *, renewal: bool) -> tuple[Draw, ...]:
    """The limits that an order draws on where it is placed and its certificate issued, the narrowest first."""
    limits = own.limits
    found = [Draw("exact-set", own.ca, " ".join(sorted(names)), limits.exact_set)]
    if not (renewal and limits.renewals_exempt):
        domains = dict.fromkeys(settings.registered_domain(name) for name in names)
        found += [Draw("domain", own.ca, domain, limits.domain) for domain in domains]
        found.append(Draw("orders", own.account, "", limits.orders))
    return tuple(found)


class Books:
    """What of every limit is used up at a moment."""

    def __init__(self, orders: Iterable[Order], now: datetime, settings: PolicySettings) -> None:
        self._now = now
        self._settings = settings
        self._tallies: dict[tuple[tuple[str, str, str], Bucket], Tally] = {}
        self._shut: dict[tuple[str, str, str], tuple[datetime, datetime]] = {}
        self._refused: dict[str, set[str]] = {}
        self._buckets = _buckets(settings)
        for order in orders:
            if order.at <= now + DAY:
                self.read(order)

    @property
    def shut(self) -> bool:
        """Whether a CA has refused an order because of its own limits, and the moment that it named is to come."""
        return bool(self._shut)

    def turn_to(self, now: datetime) -> None:
        """Time has passed."""
        self._now = now
        self._shut = {key: shut for key, shut in self._shut.items() if shut[1] > now}

    def short(
        self,
        own: IssuerBudget,
        issuer: str,
        names: Sequence[str],
        *,
        renewal: bool,
        emergency: bool,
        ends: datetime | None,
    ) -> Short | None:
        """The limit that has no room for one more order; that which has room last where there are several.

        Args:
            emergency: reserves do not hold it, and what the CA refused for half of what is left at most, as backoff.
        """
        failures = [Draw("failures", own.account, name, own.limits.failures) for name in names]
        found = [
            short
            for draw in (*draws(own, names, self._settings, renewal=renewal), *failures)
            for short in (
                self._shut_now(draw, issuer, ends if emergency else None, emergency),
                self._empty(draw, issuer, emergency),
            )
            if short is not None
        ]
        return max(found, key=lambda short: short.at, default=None)

    def spend(self, own: IssuerBudget, names: Sequence[str], *, renewal: bool) -> None:
        """One more order is placed now."""
        for draw in draws(own, names, self._settings, renewal=renewal):
            self._draw(draw, self._now)

    def take_back(self, own: IssuerBudget, names: Sequence[str], *, renewal: bool) -> None:
        """An order that was spent for just now has ended, and is counted by `read` as it ended."""
        for draw in draws(own, names, self._settings, renewal=renewal):
            for bucket in self._buckets.get((draw.kind, draw.whose), ()):
                self._tally_of(draw.key, bucket).give_back()

    def left(self, draw: Draw) -> int | None:
        """What a limit has left; None where it is none."""
        return None if draw.bucket is None else self._tally(draw).left(_count(self._now))

    def spent(self) -> Iterator[tuple[tuple[str, str, str], Bucket, int]]:
        """Every limit that was drawn on, and what it has left."""
        for (key, bucket), tally in self._tallies.items():
            yield key, bucket, tally.left(_count(self._now))

    # ------------------------------------------------------------ reading the ledger

    def read(self, order: Order) -> None:
        """Count an order of the ledger; they come in the order of their moments."""
        own = budget_of(order.issuer, self._settings)
        drawn = draws(own, order.names, self._settings, renewal=order.renewal)
        if order.limited:
            self._note_refusal(order, drawn)
            return
        issued = order.result != "failed"
        for draw in drawn if not order.exempt else ():
            if issued or draw.kind == "orders":
                self._draw(draw, order.at)
        for name in order.failed_names:
            self._draw(Draw("failures", own.account, name), order.at)
        if order.result == "issued":
            for draw in drawn:  # whatever was refused before, there was room
                self._shut.pop(draw.key, None)

    def _draw(self, draw: Draw, at: datetime) -> None:
        """Count for every issuer that shares the limit, each with what it knows of it."""
        for bucket in self._buckets.get((draw.kind, draw.whose), ()):
            self._tally_of(draw.key, bucket).draw(_count(at))

    def _note_refusal(self, order: Order, drawn: Sequence[Draw]) -> None:
        """The CA's own count is ahead of ours: what the order drew on is empty until the moment that it named.

        Which limit it was is not known for sure. An account is taken to be at its end once two registered domains
        were refused, or where no narrower limit is known.
        """
        if order.retry_at is None:
            return
        until = min(order.retry_at, order.at + WEEK)
        account = next((draw for draw in drawn if draw.kind == "orders"), None)
        narrow = [draw for draw in drawn if draw is not account]
        for draw in narrow:
            self._shut_until(draw, order.at, until)
        if account is None or until <= self._now:
            return
        refused = self._refused.setdefault(account.whose, set())
        refused.update(draw.what for draw in narrow if draw.kind == "domain")
        if len(refused) >= _TO_SHUT_THE_ACCOUNT or not any(draw.bucket for draw in narrow):
            self._shut_until(account, order.at, until)

    def _shut_until(self, draw: Draw, at: datetime, until: datetime) -> None:
        if until > self._now and until > self._shut.get(draw.key, (at, self._now))[1]:
            self._shut[draw.key] = at, until

    # ------------------------------------------------------------ asking

    def _shut_now(self, draw: Draw, issuer: str, ends: datetime | None, emergency: bool) -> Short | None:
        at, until = self._shut.get(draw.key, (self._now, self._now))
        if emergency:
            until = min(until, at + max(HOUR, (ends - at) / 2 if ends else HOUR))
        if until <= self._now:
            return None
        return Short(
            draw.kind, f"{issuer} has refused {_said(draw)} because of a limit of its own", until, issuer, draw.what
        )

    def _empty(self, draw: Draw, issuer: str, emergency: bool) -> Short | None:
        if draw.bucket is None:
            return None
        tally, now = self._tally(draw), _count(self._now)
        opens = tally.opens(now, emergency=emergency)
        if opens is None:
            return None
        reserve = tally.opens(now, emergency=True) is None
        at = self._now + (opens - now) * _MICROSECOND
        return Short(draw.kind, _why(draw, draw.bucket, issuer, reserve=reserve), at, issuer, draw.what)

    def _tally(self, draw: Draw) -> Tally:
        assert draw.bucket is not None
        return self._tally_of(draw.key, draw.bucket)

    def _tally_of(self, key: tuple[str, str, str], bucket: Bucket) -> Tally:
        if (key, bucket) not in self._tallies:
            self._tallies[key, bucket] = Tally(bucket)
        return self._tallies[key, bucket]


def _buckets(settings: PolicySettings) -> dict[tuple[str, str], tuple[Bucket, ...]]:
    """What is known of each limit, by who counts: issuers that share one may be told different numbers."""
    found: dict[tuple[str, str], dict[Bucket, None]] = {}
    for own in settings.budgets.values():
        limits = own.limits
        for kind, whose, bucket in (
            ("exact-set", own.ca, limits.exact_set),
            ("domain", own.ca, limits.domain),
            ("orders", own.account, limits.orders),
            ("failures", own.account, limits.failures),
        ):
            if bucket is not None:
                found.setdefault((kind, whose), {})[bucket] = None
    return {key: tuple(buckets) for key, buckets in found.items()}


def _count(at: datetime) -> int:
    return (at - _BEGINNING) // _MICROSECOND


def _said(draw: Draw) -> str:
    return {
        "exact-set": "these names",
        "domain": f"an order for {draw.what}",
        "orders": "this account",
        "failures": draw.what,
    }[draw.kind]


def _why(draw: Draw, bucket: Bucket, issuer: str, *, reserve: bool) -> str:
    per = span(bucket.per)
    what = {
        "exact-set": f"{issuer} issues for the same names {_times(bucket.size)} in {per}",
        "domain": f"{issuer} issues {bucket.size} certificates for {draw.what} in {per}",
        "orders": f"{issuer} takes {bucket.size} orders of an account in {per}",
        "failures": f"{issuer} lets {draw.what} fail {_times(bucket.size)} in {per}",
    }[draw.kind]
    kept = "the last one is" if bucket.reserve == 1 else f"the last {bucket.reserve} are"
    return f"{what}; {kept} kept for an emergency" if reserve else f"{what}, and none is left"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
