"""What a request names: certificates and moments, and the sentence where it names none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from difflib import get_close_matches

from rotator.core.model import CertificateSpec
from rotator.core.pem import moment
from rotator.errors import RotatorError
from rotator.ports import Request, Store
from rotator.world import World

EVERYTHING = "*"
MOST_NAMED = 5


class Declined(RotatorError):  # noqa: N818 - reads as what happened
    """What was asked for cannot be done, and why."""


def known_specs(store: Store | None, declared: Iterable[CertificateSpec]) -> Mapping[str, CertificateSpec]:
    """Every certificate that is looked after, by name: as the last plan had it, declared ones as the config has it."""
    if store is None:
        return {spec.name: spec for spec in declared}
    plan = store.plan()
    planned = {decision.spec.name: decision.spec for decision in plan.decisions} if plan else {}
    adopted = {spec.name: spec for spec in store.adopted()}
    return {**adopted, **planned, **{spec.name: spec for spec in declared}}


def spec_named(name: str, specs: Mapping[str, CertificateSpec]) -> CertificateSpec:
    """The certificate of that name.

    Raises:
        Declined: there is none; the nearest names are in the sentence.
    """
    if name in specs:
        return specs[name]
    raise Declined(f"there is no certificate {name!r}{nearest(name, specs)}")


def nearest(name: str, specs: Mapping[str, CertificateSpec]) -> str:
    """The end of a sentence about a name that is not known: `; did you mean shop or shop-eu?`"""
    if not specs:
        return "; nothing has been looked at yet, so only declared certificates are known"
    by_dns_name = [spec.name for spec in specs.values() if name in spec.names]
    close = list(dict.fromkeys([*by_dns_name, *get_close_matches(name, specs, n=3, cutoff=0.5)]))
    return f"; did you mean {' or '.join(close)}?" if close else "; `rotator status --all` lists them"


def certificate_of(request: Request, world: World) -> CertificateSpec:
    """The certificate that a request names.

    Raises:
        Declined: there is none of that name.
    """
    return spec_named(request.arguments.get("certificate", ""), known_specs(world.store, world.specs))


def until(text: str, now: datetime) -> datetime | None:
    """A moment that a person wrote; None for none.

    Raises:
        Declined: it is none, has no time zone, or has passed.
    """
    if not text:
        return None
    try:
        said = datetime.fromisoformat(text)
    except ValueError as error:
        raise Declined(f"{text!r} is no moment; write one like 2027-01-31T08:00+00:00") from error
    if said.tzinfo is None:
        raise Declined(f"{text!r} has no time zone; write one like 2027-01-31T08:00+00:00")
    if said <= now:
        raise Declined(f"{moment(said)} has passed already")
    return said
