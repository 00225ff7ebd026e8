"""What the clients of a certificate trust: as the config says, else what verifies what is served today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, cast

from rotator.core.model import Certificate, Facts, Mode, TrustKind, TrustSpec
from rotator.errors import IssueError, RotatorError
from rotator.ports import Issuer
from rotator.trust import IssuerRoots, trust_of, verifies
from rotator.world import World
from tests.builders import DAY, NOW, facts, holding, settings, showing, spec
from tests.pki import Authority

BEGIN, END = NOW - 1000 * DAY, NOW + 1000 * DAY
PUBLIC = Authority("Public Root", not_before=BEGIN, not_after=END)
PRIVATE = Authority("Private Root", not_before=BEGIN, not_after=END)
OTHER = Authority("Other Root", not_before=BEGIN, not_after=END)
NAME = "shop.example.com"


@dataclass
class Ca:
    """An issuer that knows its roots, or cannot tell them now."""

    known: tuple[Certificate, ...] = ()
    problem: str = ""
    remote: bool = False
    asked: list[str] = field(default_factory=list)

    @property
    def roots_are_remote(self) -> bool:
        return self.remote

    def roots(self) -> tuple[Certificate, ...]:
        self.asked.append("roots")
        if self.problem:
            raise IssueError(self.problem)
        return self.known


class Rootless:
    """An issuer that knows no roots, as public ones do not."""


def world(
    *,
    system: Callable[[], tuple[Certificate, ...]] = lambda: (PUBLIC.root,),
    issuer_trust: TrustSpec | None = None,
    **issuers: object,
) -> World:
    """A world of which only trust is asked."""
    nothing: Any = None
    return World(
        clock=nothing,
        policy=settings(),
        store=nothing,
        sources={},
        issuers=cast("dict[str, Issuer]", issuers or {"internal": Ca((PRIVATE.root,))}),
        target=nothing,
        adopt_target=nothing,
        probe=nothing,
        verify=nothing,
        system_roots=system,
        file_roots=lambda path: (OTHER.root,) if path == "/etc/other.pem" else unreadable(path),
        issuer_trust=MappingProxyType({"internal": issuer_trust} if issuer_trust else {}),
    )


def unreadable(path: str) -> tuple[Certificate, ...]:
    raise RotatorError(f"the trusted roots in {path} cannot be read")


def held(authority: Authority, *, left: float = 30) -> Facts:
    """A certificate of this CA in its place, with so many days left."""
    end = NOW + left * DAY
    return facts(chain=authority.issue([NAME], not_before=end - 90 * DAY, not_after=end).chain)


def stated(kind: TrustKind, path: str = "") -> Facts:
    look = held(PRIVATE)
    return replace(look, spec=replace(look.spec, trust=TrustSpec(kind, path)))


# ---------------------------------------------------------------- as the config says


def test_a_certificate_that_states_its_trust_has_that() -> None:
    """`trust` of the certificate counts, whatever verifies today."""
    assert trust_of(stated(TrustKind.SYSTEM), world()).roots == (PUBLIC.root,)
    assert trust_of(stated(TrustKind.ISSUER), world()).roots == (PRIVATE.root,)
    of_file = trust_of(stated(TrustKind.FILE, "/etc/other.pem"), world())
    assert (of_file.roots, of_file.label, of_file.public) == ((OTHER.root,), "file /etc/other.pem", False)


def test_an_issuer_that_states_its_trust_has_that() -> None:
    """`trust` of the issuer counts for every certificate that says nothing itself."""
    told = world(issuer_trust=TrustSpec(TrustKind.FILE, "/etc/other.pem"))
    assert trust_of(held(PRIVATE), told).roots == (OTHER.root,)


def test_the_system_store_is_the_public_web() -> None:
    """Only where the system store is what counts do the rules of the public web apply."""
    assert trust_of(stated(TrustKind.SYSTEM), world()).public
    assert not trust_of(stated(TrustKind.ISSUER), world()).public


def test_roots_that_cannot_be_read_are_a_problem() -> None:
    """A file or a system store that cannot be read gives no roots, and says why; nothing is raised."""
    trust = trust_of(stated(TrustKind.FILE, "/nowhere"), world())
    assert (trust.roots, trust.problem) == ((), "the trusted roots in /nowhere cannot be read")
    broken = world(system=lambda: unreadable("/etc/ssl/cert.pem"))
    trust = trust_of(stated(TrustKind.SYSTEM), broken)
    assert (trust.roots, trust.problem) == ((), "the trusted roots in /etc/ssl/cert.pem cannot be read")
    assert trust_of(held(PRIVATE), broken).roots == (PRIVATE.root,), "what the issuer's roots verify needs no other"


# ---------------------------------------------------------------- what verifies today


def test_what_the_system_verifies_is_of_the_system() -> None:
    """A chain to a root of the system store means that clients trust that store."""
    trust = trust_of(held(PUBLIC), world())
    assert (trust.label, trust.roots, trust.public) == ("system", (PUBLIC.root,), True)


def test_what_is_served_counts_as_much_as_what_is_stored() -> None:
    """An empty place does not hide that a public certificate is served."""
    served = held(PUBLIC).newest
    assert served is not None
    look = facts(spec(), installed=(holding(None),), served=(showing(served),))
    assert trust_of(look, world()).public


def test_what_only_the_issuer_verifies_is_of_the_issuer() -> None:
    """A private chain is held against the roots that its issuer names."""
    trust = trust_of(held(PRIVATE), world())
    assert (trust.label, trust.roots, trust.public) == ("issuer internal", (PRIVATE.root,), False)


def test_the_anchor_beside_it_counts_where_it_verifies() -> None:
    """A `ca.crt` beside the certificate is what clients have, when a path leads there and to nothing else."""
    look = held(OTHER)
    (place,) = look.installed.values()
    anchored = replace(look, installed={place.location: replace(place, anchors=(OTHER.root,))})
    trust = trust_of(anchored, world())
    assert (trust.label, trust.roots) == ("the ca.crt beside it", (OTHER.root,))


def test_where_nothing_verifies_the_issuer_counts() -> None:
    """A self-made or missing certificate says nothing; the issuer's roots are what its successor will lead to."""
    assert trust_of(held(OTHER), world()).roots == (PRIVATE.root,)
    assert trust_of(facts(spec(), installed=(holding(None),)), world()).roots == (PRIVATE.root,)


def test_an_issuer_without_roots_is_a_public_one() -> None:
    """Whoever names no roots of its own is trusted by the system or by nobody."""
    trust = trust_of(held(OTHER), world(internal=Rootless()))
    assert (trust.label, trust.public) == ("system", True)


def test_an_end_does_not_change_what_clients_trusted() -> None:
    """An expired certificate still tells which roots its clients have."""
    ended = held(PUBLIC, left=-3)
    assert trust_of(ended, world()).public
    assert ended.newest is not None
    assert verifies(ended.newest, (PUBLIC.root,), NOW)
    assert not verifies(ended.newest, (PRIVATE.root,), NOW)


# ---------------------------------------------------------------- asking issuers


def test_every_issuer_of_the_list_is_asked() -> None:
    """The roots of all, each once; who cannot tell is named with the reason."""
    first, second = Ca((PRIVATE.root, OTHER.root)), Ca((OTHER.root,))
    third = Ca(problem="it does not answer")
    told = world(first=first, second=second, third=third)
    roots, problem = IssuerRoots(told).of(spec(issuers=("first", "second", "third", "gone")))
    assert roots == (PRIVATE.root, OTHER.root)
    assert problem == "third: it does not answer"


def test_an_issuer_is_asked_once_a_look() -> None:
    """However many certificates it signs: a dead one must not cost a time-out for each."""
    internal = Ca(problem="it does not answer")
    told = world(internal=internal)
    shared = IssuerRoots(told)
    for _ in range(3):
        assert trust_of(held(PRIVATE), told, shared).problem == "internal: it does not answer"
    assert internal.asked == ["roots"]


def test_observing_asks_nobody_far_away() -> None:
    """In observe mode an issuer that would have to be called over the network is left alone."""
    far, near = Ca((PRIVATE.root,), remote=True), Ca((OTHER.root,))
    told = world(far=far, near=near)
    watched = spec(issuers=("far", "near"), mode=Mode.OBSERVE)
    roots, problem = IssuerRoots(told).of(watched)
    assert roots == (OTHER.root,)
    assert problem == "far is not asked in observe mode"
    assert far.asked == []
