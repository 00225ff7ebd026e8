"""What endpoints showed before and after a deploy, and what that means. Pure.

*Harm* is what a user of the service feels: down though it was up, untrusted, or another certificate than the new one or
the one this very address showed before. What was down or broken before cannot be harmed, but proves like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rotator.core.model import Endpoint, Sighting

Address = tuple[Endpoint, str]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The counted addresses, sorted by what they show.

    Attributes:
        proved: show the new certificate (and, once checked, verify).
        stale: still show what they showed before.
        harmed: `address: what is wrong` for each that is worse than before.
        unreached: were not up before and are not now; they count for nothing.
    """

    proved: tuple[Sighting, ...] = ()
    stale: tuple[Sighting, ...] = ()
    harmed: tuple[str, ...] = ()
    unreached: tuple[Sighting, ...] = ()

    @property
    def settled(self) -> bool:
        """Every counted address shows the new one: nothing is left to wait for."""
        return bool(self.proved) and not self.stale and not self.harmed and not self.unreached


def judge(before: Sequence[Sighting], after: Sequence[Sighting], new: str) -> Judgement:
    """Hold what was seen after a deploy against what was seen before it; `new` is the new leaf's fingerprint."""
    was = {(s.endpoint, s.address): s for s in before}
    proved: list[Sighting] = []
    stale: list[Sighting] = []
    harmed: list[str] = []
    unreached: list[Sighting] = []
    for sighting in after:
        old = was.get((sighting.endpoint, sighting.address))
        if sighting.fingerprint == new:
            proved.append(sighting)
        elif old is None or not old.state.up:
            unreached.append(sighting)  # a new address, or one that was down: nothing to lose
        elif not sighting.state.up:
            harmed.append(f"{place(sighting)} is down: {sighting.detail or sighting.state}")
        elif sighting.fingerprint == old.fingerprint:
            stale.append(sighting)
        else:
            harmed.append(f"{place(sighting)} shows another certificate, {sighting.fingerprint[:16]}…")
    harmed += _gone(was, after)
    return Judgement(tuple(proved), tuple(stale), tuple(harmed), tuple(unreached))


def _gone(was: Mapping[Address, Sighting], after: Sequence[Sighting]) -> list[str]:
    """An endpoint that no address answers for any more, though one did. One address of many may go (a pod ended)."""
    still = {s.endpoint for s in after if s.state.up}
    listed = {(s.endpoint, s.address) for s in after}
    return [
        f"{place(old)} is gone: its name no longer leads to it"
        for key, old in was.items()
        if old.state.up and key not in listed and old.endpoint not in still
    ]


def place(sighting: Sighting) -> str:
    """`host:port`, with the address where it says more."""
    endpoint = sighting.endpoint
    shows_more = sighting.address and sighting.address != endpoint.host
    return f"{endpoint} at {sighting.address}" if shows_more else str(endpoint)


def restored(before: Sequence[Sighting], after: Sequence[Sighting]) -> tuple[str, ...]:
    """Addresses that were up before and do not show the same again, in words; empty when the old one is proved."""
    now = {(s.endpoint, s.address): s for s in after}
    missing: list[str] = []
    for old in before:
        if not old.state.up:
            continue
        seen = now.get((old.endpoint, old.address))
        if seen is None or seen.fingerprint != old.fingerprint:
            missing.append(
                f"{place(old)} shows {seen.fingerprint[:16] + '…' if seen and seen.fingerprint else 'nothing'}"
            )
    return tuple(missing)


def expired_before(before: Sequence[Sighting], now: datetime) -> bool:
    """Whether all that was served had ended: never roll back to that.

    One address among others that showed an old one does not keep harm in place at those that were well.
    """
    shown = [s.chain for s in before if s.chain is not None]
    return bool(shown) and all(chain.not_after <= now for chain in shown)


def untrusted(
    proved: Sequence[Sighting], verify: Callable[[Sighting], str | None]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Verify each proved address as a client would; returns (lines of proof, lines of harm)."""
    lines: list[str] = []
    harm: list[str] = []
    for sighting in proved:
        problem = verify(sighting)
        if problem is None:
            lines.append(f"{place(sighting)} serves {sighting.fingerprint[:16]}… and verifies")
        else:
            harm.append(f"{place(sighting)} is not trusted by its clients: {problem}")
    return tuple(lines), tuple(harm)
