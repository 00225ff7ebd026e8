"""What rotator asks of its plugins: sources, issuers, targets and alerters; and the clock they all use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import ClassVar, Protocol, runtime_checkable

from rotator.core.budget.limits import IssuerBudget
from rotator.core.model import (
    Bundle,
    Certificate,
    Chain,
    Check,
    Deployed,
    Endpoint,
    IssuerAccount,
    IssueRequest,
    Location,
    Notice,
    Observation,
    PreflightRequest,
    RevocationReason,
    Sighting,
    Snapshot,
    Suggestion,
    TargetSpec,
)
from rotator.lib.clock import Clock
from rotator.settings import PluginSettings


class Prober(Protocol):
    """One fresh, full, unverified handshake with every address of every endpoint; see `rotator.lib.tls.probe`."""

    def __call__(self, endpoints: Iterable[Endpoint], *, key_algorithm: str | None = None) -> Iterator[Sighting]:
        """Yield one sighting per address; a server with several certificates is asked for one with such a key."""
        ...


class Keep(Protocol):
    """A small sealed drawer in the store for what an issuer must not lose (an ACME account key)."""

    @property
    def is_alone(self) -> bool:
        """Whether no other process can be using the store now: what one has left there, it has left for good."""
        ...

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes) -> None: ...

    def change(self, key: str, change: Callable[[bytes | None], bytes]) -> bytes:
        """Put in the place of what is there what `change` makes of it, with nobody in between; returns that.

        `change` gets None for an empty drawer, and may not use the store.
        """
        ...


class Source(Protocol):
    """A place to look for certificates; read only."""

    Settings: ClassVar[type[PluginSettings]]
    name: str

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None: ...

    def observe(self) -> Iterable[Observation]:
        """Look at everything once.

        An item that cannot be read is an observation with a problem. Items may be yielded before the place turns
        out to be unreadable: only a look that ends without an error is complete.

        Raises:
            SourceError: the place, or a named part of it, could not be looked at.
        """
        ...


class Issuer(Protocol):
    """Whoever signs. Given a CSR, never a key."""

    Settings: ClassVar[type[PluginSettings]]
    name: str

    def __init__(self, name: str, settings: PluginSettings, clock: Clock, keep: Keep) -> None: ...

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Have the request signed; leaf first, root left out.

        One call places one order at most, and none where `resume` names one: whoever calls counts orders, and what is
        begun anew in place of a lost one would not be counted.

        Args:
            resume: the last token that was checkpointed for this very CSR, None at the first try.
            checkpoint: keeps a token (the issuer's own JSON) that lets an interrupted order be resumed.

        Raises:
            Pending: taken, not finished; ask again with the token after `retry_after`.
            IssueError: refused or failed, or the order of `resume` cannot be carried on; `permanent` says whether
                trying again can help.
        """
        ...


@runtime_checkable
class SuggestsRenewal(Protocol):
    """An issuer that says when it would like a renewal (ACME ARI, RFC 9773)."""

    def suggestion(self, certificate: Certificate) -> Suggestion | None:
        """What it suggests; None where it has nothing to say of this certificate.

        Raises:
            IssueError: it cannot be asked right now. It says so at once while an outage lasts, and tells the outage in
                the log once: every certificate is asked about at every look.
        """
        ...


@runtime_checkable
class Anchors(Protocol):
    """An issuer that knows the roots its chains end in.

    One that has to ask over the network for them sets the class attribute `roots_are_remote`, so that it is left alone
    while a certificate is only observed.
    """

    def roots(self) -> tuple[Certificate, ...]:
        """The trusted roots.

        Raises:
            IssueError: they cannot be had right now.
        """
        ...


@runtime_checkable
class Preflight(Protocol):
    """An issuer that can say, without ordering, whether the next order would work."""

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """Everything that can be told beforehand; what the CA has cached of earlier orders must hide nothing.

        Raises nothing: what cannot be asked is a problem, too.
        """
        ...


@runtime_checkable
class NamedInCaa(Protocol):
    """An issuer whose CA obeys CAA records (RFC 8659): what they call it."""

    @property
    def caa_domains(self) -> tuple[str, ...]:
        """The domains of `issue` and `issuewild` values that allow it; empty where they are not known. Asks nobody."""
        ...


@runtime_checkable
class HasBudget(Protocol):
    """Settings of an issuer whose CA limits what it issues."""

    @property
    def budget(self) -> IssuerBudget:
        """The limits that the CA publishes, and what tells the CA and the account from others. Asks nobody."""
        ...


@runtime_checkable
class RootsAtHand(Protocol):
    """Settings of an issuer whose roots can be told by what lies on this machine, before anything is built."""

    def roots_at_hand(self) -> frozenset[str]:
        """SHA-256 fingerprints of the roots that its chains end in; none where that is not known. Asks nobody."""
        ...


@runtime_checkable
class TellsExempt(Protocol):
    """An issuer that knows when its CA counts an order nowhere."""

    def is_exempt(self, checkpoint: str) -> bool:
        """Whether the order of a token was taken as the successor of a certificate (`replaces`: RFC 9773, 5)."""
        ...


@runtime_checkable
class Revokes(Protocol):
    """An issuer that can revoke what it has signed."""

    def revoke(self, certificate: Certificate, reason: RevocationReason) -> None:
        """Revoke; safe to repeat, since one that is revoked already is no error.

        Raises:
            IssueError: refused, or not asked; `permanent` says whether trying again can help.
        """
        ...


@runtime_checkable
class HasAccount(Protocol):
    """An issuer that knows us by an account, which outlives every certificate.

    Each method ends with the account as the CA then has it.

    Raises (each):
        IssueError: the CA cannot be asked, or refuses; `permanent` says whether trying again can help.
    """

    def account(self) -> IssuerAccount:
        """As it stands; makes none where there is none."""
        ...

    def update_account(self, *, agree_terms: bool, anew: bool) -> IssuerAccount:
        """Tell the CA what the config says of us; make the account where there is none.

        Args:
            agree_terms: a person has read the terms that are in force and agrees to them.
            anew: make another account in the place of one that was deactivated.
        """
        ...

    def roll_account_key(self) -> IssuerAccount:
        """Give it another key. Safe to repeat: no crash at any point loses the account."""
        ...

    def deactivate_account(self) -> IssuerAccount:
        """End it for ever; nothing is issued by this issuer until `update_account` makes it anew."""
        ...


@runtime_checkable
class HasPeers(Protocol):
    """A plugin that itself depends on TLS servers: the certificates of these are watched like everybody's."""

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """Where it connects to; asks nobody."""
        ...


class Target(Protocol):
    """A place that holds one certificate and can be put back as it was."""

    Settings: ClassVar[type[PluginSettings]]
    kind: ClassVar[str]

    def __init__(self, name: str, spec: TargetSpec, settings: PluginSettings, clock: Clock) -> None: ...

    @property
    def location(self) -> Location: ...

    @property
    def settle(self) -> timedelta:
        """How long consumers may take until they serve what was deployed."""
        ...

    def snapshot(self) -> Snapshot:
        """Read the place as it is.

        Content that is no certificate is an observation with a problem of kind `unreadable`.

        Raises:
            TargetError: it could not be looked at.
        """
        ...

    def deploy(self, bundle: Bundle, *, replacing: str | None) -> Deployed:
        """Put the bundle there and have its consumers reload, also when the bytes are equal already.

        Compare-and-swap: `replacing` is the leaf fingerprint that was seen there, None for a place that was empty
        or unreadable. A place that holds this very bundle already is no conflict. On failure the old content stands.

        Raises:
            Conflict: something else is there; nothing was written.
            TargetError: it could not be written, or its reload failed.
        """
        ...

    def restore(self, to: Snapshot, *, replacing: str | None) -> Deployed:
        """Put the place back as the snapshot says and reload. Safe to repeat; a place that was empty stays as it is.

        Raises:
            Conflict: it no longer holds `replacing`; nothing was written.
            TargetError: it could not be written, or its reload failed.
        """
        ...

    @classmethod
    def adopt(cls, observation: Observation, rule: Mapping[str, object]) -> TargetSpec | None:
        """The target for a place that was observed, with the rule's target settings; None when it is not ours to write.

        `rule` holds the target settings that the adoption rule names (such as `reload`).
        """
        ...


@runtime_checkable
class RestartsWorkloads(Protocol):
    """A target that can restart a named workload; used only for what the config names."""

    def restart(self, workload: str) -> str:
        """Restart one workload when it is fully available, and wait until it is again; says what was done.

        Raises:
            TargetError: it is not fully available, or did not come back.
        """
        ...


@runtime_checkable
class Rehearses(Protocol):
    """A target that can say, without writing, whether it could be written."""

    def rehearse(self) -> tuple[Check, ...]:
        """Everything that a deploy needs and that can be told beforehand: rights, space, the reload command.

        Nothing is written and nothing reloads. Raises nothing: what cannot be asked is a problem, too.
        """
        ...


@runtime_checkable
class AsksOwner(Protocol):
    """A target that can ask the controller which writes its place for a new certificate; it writes nothing there."""

    def renew_by_owner(self, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Have the owner renew what the place holds, and follow it: the chain that the place holds then.

        What the owner is doing already is followed, not asked for again.

        Args:
            resume: the last token that was checkpointed, None at the first try.
            checkpoint: keeps a token that lets an interrupted renewal be followed.

        Raises:
            Pending: asked for, not finished; come back with the token after `retry_after`.
            IssueError: the owner cannot be asked, or has failed, in its own words.
        """
        ...


class Alerter(Protocol):
    """A way to reach people."""

    Settings: ClassVar[type[PluginSettings]]
    name: str

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None: ...

    def send(self, notice: Notice, *, receipt: str | None) -> str | None:
        """Deliver at least once, under the notice's key; `resolved` closes what the key opened.

        Args:
            receipt: what the last delivery of this key returned (a thread), None at the first.

        Raises:
            AlertError: not delivered.
        """
        ...


TargetFactory = Callable[[str, TargetSpec], Target]
"""Builds the target of a certificate (its name first)."""
