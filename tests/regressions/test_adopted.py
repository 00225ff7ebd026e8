"""What became of adopted certificates after their first renewal, or when one of their places was deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from rotator.core.adopt import Adoption, AdoptionRule, Look, adopt
from rotator.core.model import Chain, KeyFacts, Location, Mode, Observation, TargetSpec
from tests.builders import chain

A, B = Location("cluster", "shop/a"), Location("cluster", "shop/b")
RULE = AdoptionRule("adopt[0]", "cluster", ("new-ca",), match=MappingProxyType({"issuer": "Old CA"}), mode=Mode.ROTATE)
ALL = replace(RULE, match=MappingProxyType({}))


def found(place: Location, held: Chain, issuer: str = "Old CA") -> Observation:
    labels = MappingProxyType({"namespace": "shop", "name": place.address.rpartition("/")[2], "issuer": issuer})
    return Observation(place, chain=held, key=KeyFacts(held.spki, matches=True), labels=labels)


def target_of(observation: Observation, _rule: Mapping[str, object]) -> TargetSpec:
    return TargetSpec("files", {"path": observation.location.address})


def look(*observations: Observation, complete: bool = True, ours: frozenset[str] = frozenset()) -> Look:
    return Look(
        found={"cluster": observations},
        complete={"cluster"} if complete else set(),
        claimed=set(),
        places={"shop/a": (A, B)} if ours == frozenset() else {"shop/a": (A,)},
        ours=ours,
    )


def first(rule: AdoptionRule, *observations: Observation) -> Adoption:
    return adopt(replace(look(*observations), places={}), [rule], [], target_of)


def test_a_renewal_by_another_ca_does_not_retire_what_a_rule_found_by_its_issuer() -> None:
    """What rotator renewed itself stays adopted, though its issuer is no longer the one that the rule matches."""
    (spec,) = first(RULE, found(A, chain(label="old"))).specs
    renewed = chain(label="new")
    after = adopt(look(found(A, renewed, "New CA"), ours=frozenset({renewed.fingerprint})), [RULE], [spec], target_of)
    assert after.retired == ()
    assert [one.name for one in after.specs] == [spec.name]


def test_a_rule_that_was_narrowed_lets_go_of_what_rotator_has_not_renewed() -> None:
    """A certificate of somebody else's that a rule no longer matches is retired."""
    (spec,) = first(ALL, found(A, chain(), "Other CA")).specs
    after = adopt(look(found(A, chain(), "Other CA"), ours=frozenset({"…"})), [RULE], [spec], target_of)
    assert [one.name for one in after.retired] == [spec.name]


def test_a_deleted_place_of_several_is_not_made_anew() -> None:
    """One of two Secrets with one certificate is deleted: the spec goes on without it, and is stored so."""
    held = chain()
    (spec,) = first(ALL, found(A, held), found(B, held)).specs
    assert len(spec.targets) == 2
    after = adopt(look(found(A, held)), [ALL], [spec], target_of)
    assert [target.settings["path"] for target in after.specs[0].targets] == ["shop/a"]
    assert after.new == after.specs


def test_a_place_that_an_incomplete_look_missed_stays() -> None:
    """Only a complete look may make a place vanish."""
    held = chain()
    (spec,) = first(ALL, found(A, held), found(B, held)).specs
    after = adopt(look(found(A, held), complete=False), [ALL], [spec], target_of)
    assert len(after.specs[0].targets) == 2
    assert after.new == ()


def test_a_place_that_is_declared_now_has_one_owner() -> None:
    """One of two places is declared under another name: the adopted spec lets go of it, also in an incomplete look."""
    held = chain()
    (spec,) = first(ALL, found(A, held), found(B, held)).specs
    after = adopt(replace(look(found(A, held), complete=False), claimed={B}), [ALL], [spec], target_of)
    assert [target.settings["path"] for target in after.specs[0].targets] == ["shop/a"]
    only = replace(spec, targets=spec.targets[:1])
    gone = replace(look(complete=False), claimed={A}, places={"shop/a": (A,)})
    assert [one.name for one in adopt(gone, [ALL], [only], target_of).retired] == ["shop/a"]
