"""Issuers of one list whose chains the clients would not trust, as far as that can be known without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rotator.config.entries import PluginEntry
from rotator.config.source import Document, Where
from rotator.core.model import TrustKind, TrustSpec
from rotator.core.trust import are_roots
from rotator.errors import ConfigProblem, RotatorError
from rotator.lib.trust import file_roots, system_roots
from rotator.ports import RootsAtHand


class Trusts:
    """What clients trust by the entries of the issuers, and in which roots the chains of these end.

    Roots that only an issuer itself can tell are looked at when it would be asked; see `steps.another`.
    """

    def __init__(self, issuers: Sequence[PluginEntry]) -> None:
        self._stated: Mapping[str, TrustSpec] = {
            entry.name: entry.shared["trust"] for entry in issuers if entry.shared["trust"] is not None
        }
        self._issuers = {entry.name: entry.settings for entry in issuers}
        self._own: dict[str, frozenset[str]] = {}
        self._trusted: dict[TrustSpec, frozenset[str]] = {}

    def problems(
        self, document: Document, where: Where, stated: TrustSpec | None, issuers: Sequence[str]
    ) -> Iterator[ConfigProblem]:
        """An issuer whose chains clients would not trust is none to order from.

        `trust: issuer` is the roots of the whole list, so that none of it can lie outside.

        Args:
            where: the certificate or rule whose `issuer` is meant.
            stated: what itself says that its clients trust; else the first issuer that says it counts.
        """
        expected = stated or next((self._stated[name] for name in issuers if name in self._stated), None)
        if expected is None or expected.kind is TrustKind.ISSUER:
            return
        for index, issuer in enumerate(issuers):
            if why := self._stated_otherwise(issuer, expected) or self._led_elsewhere(issuer, expected):
                listed: Where = (*where, "issuer", index)
                at = listed if listed in document.values else (*where, "issuer")
                yield document.problem(
                    at, f"chains of {issuer} lead to {why}, but the clients here trust {_told(expected)}"
                )

    def _stated_otherwise(self, issuer: str, expected: TrustSpec) -> str:
        theirs = self._stated.get(issuer)
        if theirs is None or theirs.kind is TrustKind.ISSUER or theirs == expected:
            return ""
        return _told(theirs)

    def _led_elsewhere(self, issuer: str, expected: TrustSpec) -> str:
        if issuer not in self._own:
            settings: object = self._issuers.get(issuer)
            self._own[issuer] = settings.roots_at_hand() if isinstance(settings, RootsAtHand) else frozenset()
        own = self._own[issuer]
        if not own:
            return ""
        if expected not in self._trusted:
            self._trusted[expected] = _roots(expected)
        trusted = self._trusted[expected]
        return "" if not trusted or own & trusted else "other roots"


def _roots(trust: TrustSpec) -> frozenset[str]:
    """Their fingerprints; none where they cannot be had now, of which whoever verifies by them will tell.

    Also none where they are not all roots: whose an intermediate is no root says.
    """
    try:
        roots = system_roots() if trust.kind is TrustKind.SYSTEM else file_roots(trust.path)
    except RotatorError:
        return frozenset()
    if trust.kind is TrustKind.FILE and not are_roots(roots):
        return frozenset()
    return frozenset(root.fingerprint for root in roots)


def _told(trust: TrustSpec) -> str:
    return "the system's roots" if trust.kind is TrustKind.SYSTEM else f"the roots in {trust.path}"
