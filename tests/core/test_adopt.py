"""Which observations become managed certificates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rotator.core.adopt import Adoption, AdoptionRule, Look, adopt
from rotator.core.model import (
    CertificateSpec,
    KeyFacts,
    KeySpec,
    Location,
    Mode,
    Observation,
    Problem,
    ProblemKind,
    TargetSpec,
)
from tests.pki import Authority

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CA = Authority("Services CA", not_before=NOW - 400 * DAY, not_after=NOW + 400 * DAY)
RULE = AdoptionRule("adopt[0]", "disk", ("internal",), {"name": "shop*"}, mode=Mode.ROTATE, owner="payments")


def found(name: str, names: tuple[str, ...] = ("shop.test",), key: str = "ecdsa-256") -> Observation:
    bundle = CA.issue(names, not_before=NOW - 60 * DAY, not_after=NOW + 30 * DAY, key=key)
    place = Location("host", f"/etc/ssl/{name}.crt")
    return Observation(place, bundle.chain, key=KeyFacts(bundle.chain.spki, True), labels={"name": name})


def copy_of(observation: Observation, name: str) -> Observation:
    place = Location("host", f"/etc/ssl/{name}.crt")
    return replace(observation, location=place, labels={"name": name})


def target(observation: Observation, rule: Mapping[str, object]) -> TargetSpec | None:
    return TargetSpec("files", {"certificate": observation.location.address, **rule})


def run(
    *observations: Observation,
    rules: tuple[AdoptionRule, ...] = (RULE,),
    known: tuple[CertificateSpec, ...] = (),
    claimed: frozenset[Location] = frozenset(),
    complete: bool = True,
) -> Adoption:
    places = {
        spec.name: tuple(Location("host", str(one.settings["certificate"])) for one in spec.targets) for spec in known
    }
    look = Look({"disk": observations}, {"disk"} if complete else frozenset(), claimed, places)
    return adopt(look, rules, known, target)


def test_a_match_is_adopted_with_what_was_found() -> None:
    """Names, key and place come from what was found; issuer, mode and owner from the rule."""
    (spec,) = run(found("shop", ("shop.test", "www.shop.test"), key="rsa-2048")).new

    assert spec.name == "shop"
    assert spec.names == ("shop.test", "www.shop.test")
    assert spec.key == KeySpec("rsa", 2048)
    assert (spec.issuers, spec.mode, spec.owner) == (("internal",), Mode.ROTATE, "payments")
    assert spec.targets[0].settings["certificate"] == "/etc/ssl/shop.crt"
    assert spec.adopted_from == "disk"


def test_no_match_is_left_alone() -> None:
    """What no rule matches is not adopted."""
    assert run(found("blog")).specs == ()


def test_rules_look_only_at_their_own_source() -> None:
    """A rule for another source adopts nothing here."""
    assert run(found("shop"), rules=(replace(RULE, source="cluster"),)).specs == ()


def test_a_weak_key_is_not_inherited() -> None:
    """A key that would not be made any more becomes the default one."""
    (spec,) = run(found("shop", key="rsa-1024")).new

    assert spec.key == KeySpec()


def test_declared_beats_adopted() -> None:
    """A place of a declared certificate is not adopted."""
    shop = found("shop")

    assert run(shop, claimed=frozenset({shop.location})).specs == ()


def test_the_same_certificate_in_two_places_is_one_spec() -> None:
    """One fingerprint in several matched places becomes one spec with a target each."""
    shop = found("shop")
    (spec,) = run(shop, copy_of(shop, "shop-copy")).new

    assert len(spec.targets) == 2


def test_a_copy_outside_the_match_holds_it() -> None:
    """A copy that no rule matches would keep the old certificate, so adoption is held and says where it is."""
    shop = found("shop")
    adoption = run(shop, copy_of(shop, "blog"))

    assert adoption.new == ()
    assert "/etc/ssl/blog.crt" in adoption.held[0].message


def test_each_place_of_what_is_held_is_told() -> None:
    """Whoever looks for a place finds it with its reason, also where many hold the same certificate."""
    shop = found("shop")
    many = [copy_of(shop, f"shop-{number}") for number in range(5)]
    outside = [copy_of(shop, f"blog-{number}") for number in range(5)]
    adoption = run(shop, *many, *outside)

    assert [problem.location for problem in adoption.held] == [one.location for one in (shop, *many)]
    assert {problem.message for problem in adoption.held} == {
        "also found at host:/etc/ssl/blog-0.crt, host:/etc/ssl/blog-1.crt, host:/etc/ssl/blog-2.crt and 2 more, "
        "which no rule matches"
    }


def test_each_place_that_nobody_can_write_is_told() -> None:
    """One place without a kind of target holds the certificate back in all of its places."""
    shop = found("shop")
    copy = copy_of(shop, "shop-copy")
    look = Look({"disk": (shop, copy)}, {"disk"}, frozenset(), {})
    adoption = adopt(look, (RULE,), (), lambda observation, rule: None if observation == copy else target(shop, rule))

    assert [problem.location for problem in adoption.held] == [shop.location, copy.location]
    assert {problem.message for problem in adoption.held} == {
        f"rotator does not know how to write {copy.location}; declare it under `certificates`"
    }


def test_two_rules_with_different_issuers_hold_it() -> None:
    """A certificate that two rules with different issuers match is held with a sentence that names both."""
    second = replace(RULE, place="adopt[1]", issuers=("letsencrypt",))
    adoption = run(found("shop"), rules=(RULE, second))

    assert adoption.new == ()
    assert "adopt[0] and adopt[1]" in adoption.held[0].message


def test_what_may_only_be_declared_is_held() -> None:
    """A place that says why it is never adopted is held with that reason."""
    adoption = run(replace(found("shop"), never_adopt="a CA certificate"))

    assert "a CA certificate" in adoption.held[0].message


def test_ignored_is_silent() -> None:
    """`rotator/ignore` wins over every rule, without a notice."""
    adoption = run(replace(found("shop"), ignored=True))

    assert (adoption.specs, adoption.held) == ((), ())


class TestKnown:
    shop = found("shop")
    (spec,) = run(shop).new

    def test_names_stay_as_first_seen(self) -> None:
        """A place that holds another certificate tomorrow does not rename the spec."""
        other = replace(found("shop", ("evil.test",)), location=self.shop.location)
        adoption = run(other, known=(self.spec,))

        assert [spec.names for spec in adoption.specs] == [("shop.test",)]
        assert adoption.new == ()

    def test_the_rule_counts_as_it_is_today(self) -> None:
        """Mode and issuers follow the config, not what was stored."""
        rule = replace(RULE, mode=Mode.OBSERVE, issuers=("other",))
        (spec,) = run(self.shop, known=(self.spec,), rules=(rule,)).specs

        assert (spec.mode, spec.issuers) == (Mode.OBSERVE, ("other",))

    def test_a_place_that_is_gone_retires_it(self) -> None:
        """After a complete look that did not find its place, the spec is retired."""
        adoption = run(known=(self.spec,))

        assert [spec.name for spec in adoption.retired] == ["shop"]

    def test_a_source_that_could_not_be_looked_at_retires_nothing(self) -> None:
        """Only a complete, successful look may make a spec vanish."""
        adoption = run(known=(self.spec,), complete=False)

        assert [spec.name for spec in adoption.specs] == ["shop"]

    def test_an_unreadable_place_retires_nothing(self) -> None:
        """A place whose content is broken today still belongs to its spec."""
        broken = replace(
            self.shop, chain=None, problem=Problem(ProblemKind.UNREADABLE, "half a PEM"), labels={"path": "x"}
        )
        adoption = run(broken, known=(self.spec,))

        assert [spec.name for spec in adoption.specs] == ["shop"]

    def test_a_rule_that_is_gone_retires_it(self) -> None:
        """Taking a rule out of the config ends the management of what it adopted."""
        adoption = run(self.shop, known=(self.spec,), rules=())

        assert [spec.name for spec in adoption.retired] == ["shop"]
