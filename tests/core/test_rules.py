"""The rules of the audit that look at one place: each fires for what it is about, and keeps silent otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.core.model import (
    Caa,
    Certificate,
    Chain,
    Consumer,
    Endpoint,
    Handshake,
    KeyFacts,
    KeySpec,
    Location,
    Observation,
    Owner,
    Revocation,
    RevocationState,
    Severity,
    Use,
)
from rotator.core.rules.catalogue import RULES, chain_says, place_says, rule_id
from rotator.core.rules.dates import soon
from rotator.core.rules.rule import ChainFacts, PlaceFacts, Rule, Said, Thresholds
from rotator.core.trust import path_of
from tests.builders import DAY, HOUR, NOW, PLACE, certificate, chain, decision, holding, unreadable, unseen
from tests.pki import Authority, self_signed

BEFORE, AFTER = NOW - 400 * DAY, NOW + 4000 * DAY
ROOT = Authority("Rule Root", not_before=BEFORE, not_after=AFTER)
ISSUING = Authority("Rule Issuing", not_before=BEFORE, not_after=AFTER, parent=ROOT)
ROOT_ONLY = certificate("Test Root", is_ca=True)


def told(said: Iterable[tuple[Rule, Said]]) -> dict[str, list[Severity]]:
    """Severities by rule id."""
    found: dict[str, list[Severity]] = {}
    for rule, one in said:
        found.setdefault(rule.id, []).append(one.severity)
    return found


def of_chain(one: Chain, **more: Any) -> dict[str, list[Severity]]:
    """What the rules say of a chain that clients trust."""
    return told(chain_says(ChainFacts(one, NOW, **{"path": (*one.certificates, ROOT_ONLY), **more})))


def of_real(
    certificates: Sequence[Certificate], roots: Sequence[Certificate] = (ROOT.certificate,), **more: Any
) -> dict[str, list[Severity]]:
    """What the rules say of a chain whose path is looked for, as the audit does."""
    one = Chain(tuple(certificates))
    moment = max(one.not_before, min(NOW, one.not_after - timedelta(seconds=1)))
    path = path_of(one, roots, moment)
    found = {"refusal": path} if isinstance(path, str) else {"path": path}
    return told(chain_says(ChainFacts(one, NOW, **{**found, **more})))


def at(observation: Observation, **more: Any) -> dict[str, list[Severity]]:
    """What the rules say of a place beyond its chain."""
    return told(place_says(PlaceFacts(observation, NOW, **more)))


def served(shown: Chain, host: str = "shop.example.com", **more: Any) -> Observation:
    """What an endpoint shows."""
    return Observation(Location("tls", f"{host}:443@192.0.2.1"), chain=shown, endpoint=Endpoint(host, 443), **more)


def leaf(**more: Any) -> tuple[Certificate, ...]:
    """A leaf of the issuing CA, with it."""
    given = {"not_before": NOW - 30 * DAY, "not_after": NOW + 60 * DAY, **more}
    return ISSUING.issue(["shop.example.com"], **given).chain.certificates


def test_a_healthy_chain_and_place_say_nothing() -> None:
    """A trusted certificate in the middle of its life, with its key, has no finding of any rule."""
    assert of_real(leaf()) == {}
    assert at(holding(chain())) == {}


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(("left", "expected"), [(-3 * DAY, [Severity.CRITICAL]), (30 * DAY, None)])
def test_expired(left: timedelta, expected: list[Severity] | None) -> None:
    """What has ended is critical; it is not expiring as well."""
    found = of_chain(chain(left=left))
    assert found.get("RT001") == expected
    assert not (expected and "RT002" in found)


@pytest.mark.parametrize(
    ("lives", "left", "severity"),
    [
        (90 * DAY, 31 * DAY, None),
        (90 * DAY, 29 * DAY, Severity.WARNING),
        (90 * DAY, 6 * DAY, Severity.ERROR),
        (47 * DAY, 20 * DAY, None),
        (6 * DAY, 4 * DAY, None),
        (6 * DAY, 2 * DAY, Severity.WARNING),
        (6 * DAY, 1 * DAY, Severity.ERROR),
        (24 * HOUR, 13 * HOUR, None),
    ],
)
def test_expiring_follows_the_lifetime(lives: timedelta, left: timedelta, severity: Severity | None) -> None:
    """Less than the lead is a warning, under seven days (or half the lead of a short-lived one) an error."""
    assert of_chain(chain(lives=lives, left=left)).get("RT002") == ([severity] if severity else None)


@pytest.mark.parametrize(("within", "severity"), [(45 * DAY, [Severity.ERROR]), (39 * DAY, None)])
def test_expiring_within_what_was_asked_for(within: timedelta, severity: list[Severity] | None) -> None:
    """A person's own threshold makes it an error, long before the lead."""
    found = of_chain(chain(left=40 * DAY), thresholds=Thresholds(expiring_within=within))
    assert found.get("RT002") == severity


def test_soon_is_seven_days_and_less_for_short_lives() -> None:
    """Six-day certificates are not in trouble for being six-day certificates."""
    assert soon(90 * DAY) == 7 * DAY
    assert soon(6 * DAY) == 1.5 * DAY


@pytest.mark.parametrize(("begins", "expected"), [(NOW + HOUR, [Severity.ERROR]), (NOW - HOUR, None)])
def test_not_yet_valid(begins: datetime, expected: list[Severity] | None) -> None:
    """What begins in the future is refused until then."""
    assert of_chain(chain(begins=begins)).get("RT007") == expected


@pytest.mark.parametrize(
    ("begins", "days", "fires"),
    [
        ("2018-02-28", 900, False),
        ("2018-03-01", 826, True),
        ("2020-09-01", 398, False),
        ("2020-09-01", 399, True),
        ("2026-03-14", 398, False),
        ("2026-03-15", 200, False),
        ("2026-03-15", 201, True),
        ("2027-03-15", 101, True),
        ("2029-03-15", 47, False),
        ("2029-03-15", 48, True),
    ],
)
def test_lifetime_limits_by_the_first_day(begins: str, days: int, fires: bool) -> None:
    """The CA/B Forum's limit is that of the first day; it holds for public certificates alone."""
    one = chain(begins=datetime.fromisoformat(begins).replace(tzinfo=UTC), lives=days * DAY)
    assert ("RT017" in of_chain(one, public=True)) is fires
    assert "RT017" not in of_chain(one)


# ---------------------------------------------------------------- chain


def test_untrusted() -> None:
    """A chain whose root is not trusted is a warning; where nothing is trusted at all, nothing is said."""
    stranger = Authority("Stranger", not_before=BEFORE, not_after=AFTER)
    assert of_real(leaf(), [stranger.certificate]).get("RT010") == [Severity.WARNING]
    assert "RT010" not in of_real(leaf(), [stranger.certificate], trust=False)


def test_self_signed_is_not_untrusted_as_well() -> None:
    """A certificate that vouches for itself has one finding; a trusted one has none."""
    own = self_signed(["shop.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY).chain.certificates
    found = of_real(own)
    assert found.get("RT011") == [Severity.WARNING]
    assert "RT010" not in found
    assert "RT011" not in of_real(own, own)


def test_a_missing_intermediate_is_told_from_a_private_root() -> None:
    """A public certificate without its intermediate is incomplete; a private one may be signed by a root: untrusted."""
    public = leaf(scts=2)[:1]
    found = of_real(public)
    assert found.get("RT012") == [Severity.ERROR]
    assert "RT010" not in found
    assert "RT012" not in of_real(leaf(scts=2))
    private = of_real(leaf(issuer_url="http://ca.example/i.crt")[:1])
    assert "RT010" in private
    assert "RT012" not in private


def test_what_lies_beside_a_stored_leaf_completes_it() -> None:
    """A file with the leaf alone is whole where its intermediate lies in the same folder, as certbot has it."""
    alone = Chain(leaf(scts=2)[:1])
    assert "RT012" in told(chain_says(ChainFacts(alone, NOW, refusal="no path")))
    beside = told(chain_says(ChainFacts(alone, NOW, refusal="no path", beside=(ISSUING.certificate,))))
    assert "RT012" not in beside


def test_misordered() -> None:
    """Intermediates in the wrong order, or the leaf not first, are a warning; clients find the path all the same."""
    second = Authority("Rule Second", not_before=BEFORE, not_after=AFTER, parent=ISSUING)
    right = second.issue(["shop.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY).chain.certificates
    assert "RT013" not in of_real(right)
    assert of_real((right[0], right[2], right[1])).get("RT013") == [Severity.WARNING]
    assert of_real((right[1], right[0], right[2])).get("RT013") == [Severity.WARNING]


def test_redundant() -> None:
    """A root, a stranger and a repeated certificate in the chain are notes, one each."""
    stranger = Authority("Stranger", not_before=BEFORE, not_after=AFTER, parent=ROOT)
    one = leaf()
    assert of_real((*one, ROOT.certificate)).get("RT014") == [Severity.INFO]
    assert of_real((*one, stranger.certificate)).get("RT014") == [Severity.INFO]
    assert of_real((*one, one[1])).get("RT014") == [Severity.INFO]
    assert "RT014" not in of_real(one)


def test_cross_signed_chains_give_no_false_alarm() -> None:
    """The old cross-signature that is still sent along, expired, is a note: clients have a path without it."""
    old_root = Authority("Old Root", not_before=BEFORE, not_after=NOW - 10 * DAY)
    cross = Authority("Rule Issuing", not_before=BEFORE, not_after=NOW - 20 * DAY, parent=old_root, key=ISSUING.key)
    found = of_real((*leaf(), cross.certificate))
    assert found == {"RT015": [Severity.INFO]}


def test_what_is_on_no_path_that_clients_take_is_a_note_at_most() -> None:
    """A twin under a weak, old or dropped root does no harm to clients that have a better path."""
    weak_root = Authority("Weak Root", not_before=BEFORE, not_after=AFTER, key="rsa-1024")
    dropped = Authority(
        "GLOBALTRUST 2020", not_before=BEFORE, not_after=AFTER, organisation="e-commerce monitoring GmbH"
    )
    for old in (weak_root, dropped):
        twin = Authority("Rule Issuing", not_before=BEFORE, not_after=AFTER, parent=old, key=ISSUING.key)
        assert set(of_real((*leaf(), twin.certificate, old.certificate))) <= {"RT014"}


def test_an_expired_twin_is_a_note_where_no_root_is_known() -> None:
    """Without any path an expired certificate counts where it is the only issuer of another, and nowhere else."""
    old_root = Authority("Old Root", not_before=BEFORE, not_after=NOW - 10 * DAY)
    twin = Authority("Rule Issuing", not_before=BEFORE, not_after=NOW - 20 * DAY, parent=old_root, key=ISSUING.key)
    stranger = Authority("Stranger", not_before=BEFORE, not_after=NOW - DAY)
    for beside in (twin.certificate, stranger.certificate):
        found = of_real((*leaf(), beside), [stranger.certificate])
        assert found.get("RT015") == [Severity.INFO]
        assert found.get("RT010") == [Severity.WARNING]


def test_a_cas_own_certificate_is_no_untrusted_server() -> None:
    """A root in its CA's folder signed itself, as roots do; one that names hosts is a server's."""
    assert "RT011" not in of_real([ROOT.certificate], [ISSUING.certificate])
    named = self_signed(["shop.example.com"], not_before=NOW - DAY, not_after=NOW + 60 * DAY, ca=True)
    assert "RT011" in of_real(named.chain.certificates)


@pytest.mark.parametrize("eku", ["client", "code"])
def test_certificates_that_are_not_for_servers(eku: str) -> None:
    """A client's or a signer's needs no host name, and its path is not asked for a server's use."""
    one = ISSUING.issue(
        ["admin"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY, eku=(eku,), without_san=True
    ).chain
    path = path_of(one, [ROOT.certificate], NOW, servers=False)
    assert not isinstance(path, str)
    assert told(chain_says(ChainFacts(one, NOW, use=Use.CLIENT, path=path))) == {}
    assert told(chain_says(ChainFacts(one, NOW, path=path))) == {}
    assert isinstance(path_of(one, [ROOT.certificate], NOW), str)


def test_expired_intermediate_on_the_only_path() -> None:
    """Where the only path leads through what has ended, that is the error, and `untrusted` does not repeat it."""
    short = Authority("Rule Short", not_before=BEFORE, not_after=NOW - DAY, parent=ROOT)
    chained = short.issue(["shop.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY).chain.certificates
    found = of_real(chained)
    assert found.get("RT015") == [Severity.ERROR]
    assert "RT010" not in found


def test_intermediate_that_ends_before_the_leaf() -> None:
    """An intermediate that will end first takes the certificate with it: a warning while there is time."""
    short = Authority("Rule Short", not_before=BEFORE, not_after=NOW + 20 * DAY, parent=ROOT)
    chained = short.issue(["shop.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY).chain.certificates
    assert of_real(chained).get("RT015") == [Severity.WARNING]


def test_distrusted_ca() -> None:
    """A CA that browsers have dropped is an error wherever this machine still trusts it; others are none."""
    dropped = replace(certificate("shop.example.com"), issuer="CN=GLOBALTRUST 2020,O=e-commerce monitoring GmbH,C=AT")
    assert of_chain(Chain((dropped,))).get("RT016") == [Severity.ERROR]
    assert "RT016" not in of_chain(chain())


# ---------------------------------------------------------------- leaf


@pytest.mark.parametrize("key", [KeySpec("rsa", 1024), KeySpec("ecdsa", 192), KeySpec("dsa", 2048)])
def test_weak_keys(key: KeySpec) -> None:
    """Keys that clients refuse are errors, whatever else is right."""
    assert of_chain(chain(key=key)).get("RT004") == [Severity.ERROR]


def test_weak_signature_anywhere_in_the_chain() -> None:
    """A SHA-1 signature counts in an intermediate, too, and not in a root, which signed itself."""
    above = certificate("Issuing", signature_hash="sha1", is_ca=True)
    assert of_chain(chain(above=(above,))).get("RT004") == [Severity.ERROR]
    assert "RT004" not in of_chain(chain(above=(replace(above, self_signed=True),)))


def test_unreadable_field() -> None:
    """A field that cannot be read is a warning, not a crash; unreadable names are not taken for no names."""
    found = of_chain(chain(problems=("names: not ASN.1",)))
    assert found == {"RT005": [Severity.WARNING]}


def test_no_san() -> None:
    """A leaf that names no host is an error."""
    assert of_chain(Chain((replace(certificate(), names=()),))).get("RT018") == [Severity.ERROR]
    assert "RT018" not in of_chain(chain())


def test_a_mail_address_is_no_host() -> None:
    """A certificate with nothing but mail addresses has no name for a server, and covers none."""
    mail = Chain((replace(certificate(), names=("mailto:shop.example.com",)),))
    assert of_chain(mail).get("RT018") == [Severity.ERROR]
    assert "RT009" not in at(served(mail))


def test_wildcard() -> None:
    """A wildcard is worth a note."""
    assert of_chain(chain("*.example.com")).get("RT019") == [Severity.INFO]
    assert "RT019" not in of_chain(chain("shop.example.com"))


@pytest.mark.parametrize(
    ("lives", "scts", "fires"), [(90, 2, False), (90, 1, True), (200, 3, False), (200, 2, True), (180, 2, False)]
)
def test_scts_by_lifetime(lives: int, scts: int, fires: bool) -> None:
    """Public certificates have two timestamps up to 180 days and three beyond; private ones need none."""
    one = Chain((replace(certificate(lives=lives * DAY), embedded_scts=scts),))
    assert ("RT022" in of_chain(one, public=True)) is fires
    assert "RT022" not in of_chain(one)


def test_scts_as_the_operator_has_it() -> None:
    """A number of one's own counts instead."""
    one = Chain((replace(certificate(), embedded_scts=2),))
    assert "RT022" in of_chain(one, public=True, thresholds=Thresholds(scts=4))
    assert "RT022" not in of_chain(one, public=True, thresholds=Thresholds(scts=0))


@pytest.mark.parametrize(
    ("told_by_ca", "expected"),
    [
        (Revocation(RevocationState.REVOKED, "CRL http://ca.example/c.crl", NOW, "keyCompromise"), {"RT021"}),
        (Revocation(RevocationState.GOOD, "CRL http://ca.example/c.crl"), set()),
        (Revocation(RevocationState.UNKNOWN, "CRL http://ca.example/c.crl", detail="it did not answer"), {"RT034"}),
        (Revocation(RevocationState.UNKNOWN, detail="it names nobody to ask"), set()),
        (None, set()),
    ],
)
def test_revocation(told_by_ca: Revocation | None, expected: set[str]) -> None:
    """Revoked is critical; an answer that cannot be had is a note; nobody to ask, or not asked, is nothing."""
    found = of_chain(chain(), revocation=told_by_ca)
    assert set(found) == expected
    assert found.get("RT021", [Severity.CRITICAL]) == [Severity.CRITICAL]


@pytest.mark.parametrize(
    ("name", "caa", "fires"),
    [
        ("shop.example.com", Caa("example.com", ("letsencrypt.org",)), False),
        ("shop.example.com", Caa("example.com", ("pki.goog",)), True),
        ("shop.example.com", Caa("example.com", ("",)), True),
        ("shop.example.com", Caa(), False),
        ("shop.example.com", Caa("example.com", (), detail="SERVFAIL"), False),
        ("*.example.com", Caa("example.com", ("letsencrypt.org",), ("pki.goog",)), True),
        ("*.example.com", Caa("example.com", ("pki.goog",), ("letsencrypt.org",)), False),
        ("shop.example.com", Caa("example.com", (), ("pki.goog",)), False),
    ],
)
def test_caa(name: str, caa: Caa, fires: bool) -> None:
    """The CA has to be among those that the records allow; wildcards have their own; no records allow all."""
    one = Chain((replace(certificate(name), issuer="CN=R12,O=Let's Encrypt,C=US"),))
    assert ("RT023" in of_chain(one, caa={name: caa})) is fires


def test_caa_that_could_not_be_told() -> None:
    """A name server that does not answer is a note, not silence."""
    failed = {"shop.example.com": Caa(detail="the resolver answered SERVFAIL")}
    assert of_chain(chain(), caa=failed) == {"RT035": [Severity.INFO]}
    assert of_chain(chain(), caa={"shop.example.com": Caa()}) == {}


def test_caa_keeps_quiet_for_an_unknown_ca() -> None:
    """Of a CA whose CAA domains are not known nothing can be said."""
    assert "RT023" not in of_chain(chain(), caa={"shop.example.com": Caa("example.com", ("pki.goog",))})


# ---------------------------------------------------------------- place


def test_unreadable_and_unseen_are_different_things() -> None:
    """What is no certificate is a finding; what could not be looked at says nothing about what is there."""
    assert at(unreadable()) == {"RT005": [Severity.ERROR]}
    assert at(unseen()) == {}


def test_what_could_not_be_read_beside_what_could() -> None:
    """A certificate of the chain that is garbage is told, though the leaf is fine."""
    assert at(replace(holding(chain()), remarks=("certificate 2 of the chain cannot be read",))) == {
        "RT005": [Severity.WARNING]
    }


def test_key_that_does_not_match() -> None:
    """A pair of which the key is another one's is critical; a place without a key is not judged."""
    assert at(holding(chain(), key=KeyFacts("another", matches=False))) == {"RT003": [Severity.CRITICAL]}
    assert at(Observation(PLACE, chain=chain())) == {}


@pytest.mark.parametrize(("mode", "fires"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_key_that_all_may_read(mode: int, fires: bool) -> None:
    """A private key that every user may read is an error; its group is the operator's business."""
    shop = chain()
    assert ("RT026" in at(holding(shop, key=KeyFacts(shop.spki, True, mode)))) is fires
    assert "RT026" not in at(holding(shop, key=KeyFacts(shop.spki, True, mode, sealed=True)))


def test_name_that_was_asked_for() -> None:
    """An endpoint has to cover the name it was asked for; an address is no name."""
    assert at(served(chain("shop.example.com"), "mail.example.com")).get("RT009") == [Severity.ERROR]
    assert at(served(chain("*.example.com"), "mail.example.com")) == {}
    assert at(served(chain("shop.example.com"), "192.0.2.1")) == {}


def test_name_that_an_ingress_serves() -> None:
    """A Secret has to cover the hosts of what takes it, and each that it does not is named."""
    web = Consumer("Ingress", "shop/web", hosts=("shop.example.com", "www.example.com"))
    assert at(replace(holding(chain("shop.example.com")), consumers=(web,))).get("RT009") == [Severity.ERROR]
    assert at(replace(holding(chain("*.example.com")), consumers=(web,))) == {}


def test_server_auth() -> None:
    """A certificate for clients alone is an error where it is served, and right where it is only kept."""
    client = Chain((replace(certificate(), extended_key_usages=("1.3.6.1.5.5.7.3.2",)),))
    assert at(served(client)).get("RT020") == [Severity.ERROR]
    assert at(holding(client)) == {}
    assert at(served(chain())) == {}


@pytest.mark.parametrize(
    ("version", "fires"), [("TLSv1", True), ("TLSv1.1", True), ("TLSv1.2", False), ("TLSv1.3", False)]
)
def test_old_tls(version: str, fires: bool) -> None:
    """A server that has nothing newer than TLS 1.1 is a warning."""
    assert ("RT028" in at(served(chain(), handshake=Handshake(version)))) is fires


def test_due_and_not_managed() -> None:
    """What is due and belongs to no rule is a warning where there is a plan, unless somebody else owns it."""
    due = holding(chain(left=20 * DAY))
    assert at(due, plan=True).get("RT008") == [Severity.WARNING]
    assert at(due) == {}
    assert at(due, plan=True, decision=decision()) == {}
    assert at(replace(due, owner=Owner("cert-manager", "Certificate shop/tls", "")), plan=True) == {}
    assert at(holding(chain(left=60 * DAY)), plan=True) == {}


def test_reference_to_what_is_not_there() -> None:
    """An Ingress whose Secret is missing is an error; an empty place that nobody takes is nothing."""
    missed = Observation(PLACE, consumers=(Consumer("Ingress", "shop/web"),))
    assert at(missed) == {"RT031": [Severity.ERROR]}
    assert at(Observation(PLACE)) == {}


def test_reference_that_is_not_granted() -> None:
    """A Gateway that takes a Secret of another namespace needs a grant."""
    foreign = Consumer("Gateway", "edge/gw", foreign="no ReferenceGrant in shop")
    assert at(replace(holding(chain()), consumers=(foreign,))) == {"RT032": [Severity.ERROR]}
    assert at(replace(holding(chain()), consumers=(Consumer("Gateway", "edge/gw"),))) == {}


def test_consumer_that_stays_behind() -> None:
    """Whoever mounts it with subPath does not see a renewal: a warning for each."""
    stuck = Consumer("Deployment", "shop/web", stuck="container web mounts tls.crt with subPath")
    assert at(replace(holding(chain()), consumers=(stuck,))) == {"RT029": [Severity.WARNING]}


def test_two_owners() -> None:
    """Two controllers at one Secret are a warning; one is none."""
    one, other = Owner("cert-manager", "Certificate a/b", ""), Owner("external-secrets", "ExternalSecret a/b", "")
    assert at(replace(holding(chain()), owner=one, rivals=(other,))) == {"RT030": [Severity.WARNING]}
    assert at(replace(holding(chain()), owner=one)) == {}


def test_expired_anchor() -> None:
    """A CA that has ended, or is about to, is a warning wherever it is trusted."""
    ended, fine = certificate("Old Root", left=-DAY, is_ca=True), certificate("Root", lives=3650 * DAY, is_ca=True)

    def bundle(*certificates: Certificate) -> Observation:
        return Observation(PLACE, chain=Chain(certificates), use=Use.TRUST)

    assert at(bundle(fine, ended)) == {"RT033": [Severity.WARNING]}
    assert at(bundle(fine)) == {}
    assert at(bundle(certificate("Root", lives=3650 * DAY, left=20 * DAY, is_ca=True))) == {"RT033": [Severity.WARNING]}


# ---------------------------------------------------------------- the catalogue


def test_catalogue_is_complete() -> None:
    """Ids are unique, in order and without a gap, names are unique, and each rule has cause, remedy and source."""
    assert list(RULES) == [f"RT{number:03}" for number in range(1, len(RULES) + 1)]
    assert len({rule.name for rule in RULES.values()}) == len(RULES)
    assert all(rule.cause.endswith(".") and rule.remedy and rule.source for rule in RULES.values())


def test_rules_are_named_by_id_or_name() -> None:
    """People write RT002, rt002 or expiring; what is none of them is told with the nearest."""
    assert {rule_id("RT002"), rule_id("rt002"), rule_id("expiring")} == {"RT002"}
    with pytest.raises(ValueError, match="did you mean expiring"):
        rule_id("expirin")
