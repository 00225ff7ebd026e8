"""From the file to what the flow works with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rotator.config.build import Config
from rotator.config.load import load_text
from rotator.core.budget.limits import LETS_ENCRYPT, NO_LIMITS, STAGING, Bucket, CaLimits, IssuerBudget
from rotator.core.lead import PolicySettings
from rotator.core.model import (
    CertificateSpec,
    Endpoint,
    KeySpec,
    MaintenanceWindow,
    Mode,
    Severity,
    TargetSpec,
    TrustKind,
    TrustSpec,
)
from rotator.core.reasons import Reason
from rotator.settings import SecretRef

FULL = """\
mode: observe
first_look: act
state: {url: /tmp/s.db, key: "${env:STATE_KEY}"}
check_every: 15m
shortest_tick: 10s
due_rule: fixed
limits: {at_once: 8, an_hour: 100}
keep_keys: false
sources:
  here: {shelf: {place: hall, token: "${env:SHELF_TOKEN}"}}
issuers:
  ca: {shelf: {place: safe, token: "${env:CA_TOKEN}"}, trust: system, an_hour: 7, limits: {domain: 9/7d}}
  other: {shelf: {place: attic, tokens: ["${env:OTHER_TOKEN}"]}}
adopt:
  - from: here
    match: {issuer: "Services CA", namespace: "shop-*"}
    issuer: [ca, other]
    mode: rotate
    owner: shop
    key: rsa-2048
    trust: issuer
    renew_before: 10d
    restart: [Deployment/web]
    stickers: [fragile]
certificates:
  - name: shop
    owner: payments
    names: [Shop.example.com., "*.shop.example.com", 10.0.0.1, shop.example.com]
    issuer: ca
    key: ecdsa-384
    lifetime: 90d
    profile: tlsserver
    renew_before: 25d
    windows:
      - {days: [sat, sun], start: "23:30", length: 2h}
      - {start: "6:00", length: 1h}
    allow: [too-few-scts, root-changed]
    targets:
      - {shelf: {place: till, settle: 60m}, restart: [StatefulSet/till]}
    endpoints:
      - "smtp://shop.example.com"
      - {address: "127.0.0.1:8443", server_name: shop.example.com}
alerts:
  ops: {shelf: {place: phone}, at_least: critical, owners: [payments], repeat_every: 1d}
  heartbeat: {url: "${env:HEARTBEAT}"}
web: {listen: "0.0.0.0:9000"}
log: {level: debug, format: console}
"""


@pytest.fixture
def config() -> Config:
    return load_text(FULL, "c.yaml")


def test_a_declared_certificate_says_everything(config: Config) -> None:
    """Shows each key of a certificate as the core's spec has it: names plain and once, units read, mode inherited."""
    assert config.specs() == (
        CertificateSpec(
            name="shop",
            names=("shop.example.com", "*.shop.example.com", "10.0.0.1"),
            issuers=("ca",),
            owner="payments",
            key=KeySpec("ecdsa", 384),
            targets=(TargetSpec("shelf", {"place": "till", "settle": "1h"}, ("StatefulSet/till",)),),
            endpoints=(
                Endpoint("shop.example.com", 25, "", "smtp"),
                Endpoint("127.0.0.1", 8443, "shop.example.com"),
            ),
            lifetime=timedelta(days=90),
            profile="tlsserver",
            renew_before=timedelta(days=25),
            trust=None,
            mode=Mode.OBSERVE,
            windows=(
                MaintenanceWindow(frozenset({5, 6}), 23 * 60 + 30, timedelta(hours=2)),
                MaintenanceWindow(frozenset(range(7)), 6 * 60, timedelta(hours=1)),
            ),
            allow=frozenset({Reason.TOO_FEW_SCTS, Reason.ROOT_CHANGED}),
        ),
    )


def test_an_adoption_rule_says_everything(config: Config) -> None:
    """Shows each key of a rule, an issuer that is found anywhere in the DN, and the rest as the target's settings."""
    (rule,) = config.rules()
    assert (rule.place, rule.source, rule.issuers) == ("adopt[0]", "here", ("ca", "other"))
    assert rule.match == {"issuer": "*Services CA*", "namespace": "shop-*"}
    assert (rule.mode, rule.owner, rule.key) == (Mode.ROTATE, "shop", KeySpec("rsa", 2048))
    assert rule.trust == TrustSpec(TrustKind.ISSUER)
    assert (rule.renew_before, rule.restart) == (timedelta(days=10), ("Deployment/web",))
    assert rule.target_settings == {"stickers": ["fragile"]}


def test_a_glob_for_the_issuer_is_left_as_it_is() -> None:
    """Shows that an operator who writes a glob gets that glob, and a rule without a key inherits what was found."""
    text = FULL.replace('"Services CA"', '"CN=Ser*"').replace("    key: rsa-2048\n", "")
    (rule,) = load_text(text, "c.yaml").rules()
    assert rule.match["issuer"] == "CN=Ser*"
    assert rule.key is None


def test_the_policy_says_when_things_are_done(config: Config) -> None:
    """Shows every key of the top level that decisions look at."""
    assert config.policy() == PolicySettings(
        mode=Mode.OBSERVE,
        check_every=timedelta(minutes=15),
        shortest_tick=timedelta(seconds=10),
        due_rule="fixed",
        at_once=8,
        an_hour=100,
        issuer_limits={"ca": 7},
        budgets={
            "ca": IssuerBudget(CaLimits(domain=Bucket(9, timedelta(days=7))), ca="ca", account="ca"),
            "other": IssuerBudget(ca="other", account="other"),
        },
        first_look_acts=True,
    )


def test_entries_carry_settings_and_what_their_group_shares(config: Config) -> None:
    """Shows names, kinds, shared keys, and that raw settings keep secrets as references."""
    (source,), (ops,) = config.sources, config.alerters
    assert (source.name, source.kind, source.raw) == ("here", "shelf", {"place": "hall", "token": "${env:SHELF_TOKEN}"})
    assert ops.shared == {"at_least": Severity.CRITICAL, "owners": ("payments",), "repeat_every": timedelta(days=1)}
    assert config.issuer_trust == {"ca": TrustSpec(TrustKind.SYSTEM)}
    assert config.heartbeat == SecretRef("${env:HEARTBEAT}")
    assert type(source.settings).model_validate(dict(source.raw)) == source.settings


def test_the_rest_of_the_file_is_there_as_it_was_said(config: Config) -> None:
    """Shows state, keys, page and log."""
    assert config.file.state.key == SecretRef("${env:STATE_KEY}")
    assert not config.file.keep_keys
    assert (config.file.web.listen, config.file.log.format) == ("0.0.0.0:9000", "console")


def test_the_same_target_in_another_spelling_is_the_same(config: Config) -> None:
    """Shows that spelling a duration or leaving keys in another order does not change the certificate's digest."""
    other = FULL.replace("{place: till, settle: 60m}", "{settle: 1h, place: till}")
    assert config.specs()[0].digest == load_text(other, "c.yaml").specs()[0].digest


def test_missing_secrets_are_told_where_they_stand(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that every reference is tried, in the order of the file, and that none of them is revealed."""
    for name in ("STATE_KEY", "SHELF_TOKEN", "CA_TOKEN", "OTHER_TOKEN", "HEARTBEAT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHELF_TOKEN", "hunter2")
    lines = [str(problem) for problem in config.not_ready()]
    assert [line.split(": the ")[0] for line in lines] == [
        "c.yaml:3:30: state.key",
        "c.yaml:12:36: issuers.ca.shelf.token",
        "c.yaml:13:42: issuers.other.shelf.tokens[0]",
        "c.yaml:45:20: alerts.heartbeat.url",
    ]
    assert "hunter2" not in "".join(lines)


def test_an_issuer_that_only_observed_certificates_name_may_be_set_up_later() -> None:
    """Shows that observing needs no issuer's secrets, and that one rotating rule needs those it names."""
    text = FULL.replace("    mode: rotate\n", "")
    observing = [problem.path for problem in load_text(text, "c.yaml").not_ready()]
    assert not any(path.startswith("issuers") for path in observing)
    rotating = [
        problem.path for problem in load_text(text.replace("mode: observe", "mode: rotate"), "c.yaml").not_ready()
    ]
    assert [path for path in rotating if path.startswith("issuers")] == [
        "issuers.ca.shelf.token",
        "issuers.other.shelf.tokens[0]",
    ]


def test_a_secret_file_is_looked_for(tmp_path: Path) -> None:
    """Shows that a reference to a file is tried as well."""
    text = f'sources: {{here: {{shelf: {{place: a, named: {{x: "${{file:{tmp_path}/token}}"}}}}}}}}\n'
    (problem,) = load_text(text, "c.yaml").not_ready()
    assert problem.path == "sources.here.shelf.named.x"
    (tmp_path / "token").write_text("t")
    assert load_text(text, "c.yaml").not_ready() == ()


@pytest.mark.parametrize(
    ("alerts", "missing"),
    [
        ("alerts: none", False),
        ("alerts: {}", True),
        ("mode: observe", True),
        ("alerts: {l: {log: }}", True),
        ("alerts: {l: {log: }, q: {quiet: [x]}}", True),
        ("alerts: {l: {log: }, o: {shelf: {place: a}}}", False),
        ('alerts: {heartbeat: {url: "${env:X}"}}', True),
    ],
)
def test_whether_anybody_would_hear_of_anything(alerts: str, missing: bool) -> None:
    """Shows that a log, a heartbeat or nothing at all is nobody, unless the file says that this is meant."""
    assert load_text(f"{alerts}\n", "c.yaml").alerts_missing is missing


def test_no_secret_and_no_document_is_in_the_repr(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that a config may be logged: references only."""
    monkeypatch.setenv("CA_TOKEN", "hunter2")
    assert "hunter2" not in repr(config)
    assert "Document" not in repr(config)


ACME = """\
issuers:
  public: {acme: {directory: letsencrypt}}
  again: {acme: {directory: letsencrypt, email: b@example.com}}
  bound: {acme: {directory: letsencrypt, eab: {kid: one, key: "${env:EAB}"}}}
  staging: {acme: {directory: letsencrypt-staging}}
  google: {acme: {directory: google, eab: {kid: k, key: "${env:EAB}"}}}
  unlimited: {acme: {directory: letsencrypt}, limits: none}
  private: {acme: {directory: "https://ca.example.com/acme"}, limits: letsencrypt}
  numbers:
    acme: {directory: google, eab: {kid: n, key: "${env:EAB}"}}
    limits: {orders: 100/1h, failures: 3/30m, renewals_exempt: false}
"""


def test_a_well_known_ca_brings_its_limits() -> None:
    """A named directory knows what its CA publishes; the entry's own word counts more, and no limit is made up."""
    budgets = load_text(ACME, "c.yaml").policy().budgets
    assert {name: budget.limits for name, budget in budgets.items()} == {
        "public": LETS_ENCRYPT,
        "again": LETS_ENCRYPT,
        "bound": LETS_ENCRYPT,
        "staging": STAGING,
        "google": NO_LIMITS,
        "unlimited": NO_LIMITS,
        "private": LETS_ENCRYPT,
        "numbers": CaLimits(
            orders=Bucket(100, timedelta(hours=1)), failures=Bucket(3, timedelta(minutes=30)), renewals_exempt=False
        ),
    }


def test_a_public_ca_without_known_limits_is_marked_until_somebody_says_them() -> None:
    """The plan names it; where the entry says numbers or none, and where the CA is private, there is nothing to say."""
    budgets = load_text(ACME, "c.yaml").policy().budgets
    assert [name for name, budget in budgets.items() if budget.unsaid] == ["google"]


def test_issuers_that_share_an_account_share_its_budget() -> None:
    """The account is the directory with its external account; what a CA limits for all accounts is the directory's."""
    budgets = load_text(ACME, "c.yaml").policy().budgets
    assert budgets["public"].account == budgets["again"].account != budgets["bound"].account
    assert budgets["public"].ca == budgets["bound"].ca != budgets["staging"].ca
    assert budgets["public"].caa_domains == {"letsencrypt.org"}
