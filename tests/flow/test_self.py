"""The source `self`: what rotator itself depends on is watched, and pages when it is due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rotator.config.load import load_text
from rotator.core.model import Bundle, Endpoint, NoticeKind, ProblemKind, Severity
from rotator.core.places import NEEDED_BY
from rotator.errors import ConfigError
from rotator.lib.peers import https_peers, proxied
from rotator.lib.tls import probe
from rotator.settings import SecretRef
from rotator.sources.self_ import SelfSource, dependencies
from rotator.wiring import build
from tests.flow.services import Manner, Service, serving
from tests.flow.site import DAY, HOUR, NOW, Site, Time
from tests.pki import Authority

CA = Authority("Self Root", not_before=NOW - 1000 * DAY, not_after=NOW + 1000 * DAY)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def pair(left: int, name: str = "ca.example.com") -> Bundle:
    end = NOW + left * DAY
    return CA.issue((name,), not_before=end - 90 * DAY, not_after=end)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Service]:
    """A TLS server whose certificate is due, 29 days before its end."""
    with serving(Service("ca.example.com", tmp_path / "server", pair(29), Manner.OBEYS)) as service:
        yield service


@dataclass
class Part:
    """A plugin that connects to these."""

    peers: tuple[Endpoint, ...]


class Broken:
    """A third party's plugin with a fault."""

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        raise ZeroDivisionError


def watching(site: Site, *parts: tuple[str, object]) -> None:
    """Have a site watch what these parts need."""
    site.sources["self"] = SelfSource(lambda: dependencies(parts), probe, site.clock)


# ---------------------------------------------------------------- who needs what


def test_addresses_become_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that https alone counts, that 443 is its port, that secrets are read, and that nothing wrong stops it."""
    monkeypatch.setenv("HOOK", "https://hooks.example.com/services/secret")
    urls: list[str | SecretRef | None] = [
        "https://vault.example.com:8200/v1",
        SecretRef("${env:HOOK}"),
        SecretRef("${env:NOT_SET}"),
        None,
        "http://plain.example.com",
        "https://[2001:db8::1]/",
        "https://vault.example.com:8200",
        "https://bad.example.com:port/",
        "no address",
    ]
    assert https_peers(urls) == (
        Endpoint("vault.example.com", 8200),
        Endpoint("hooks.example.com", 443),
        Endpoint("2001:db8::1", 443),
    )


def test_one_server_that_several_need_is_one() -> None:
    """Shows that everybody who needs it is named, and that parts without peers, or with a fault, harm nothing."""
    ca = Endpoint("ca.example.com", 443)
    needed = dependencies([("the issuer a", Part((ca,))), ("log", object()), ("x", Broken()), ("b", Part((ca, ca)))])
    assert dict(needed) == {ca: ("the issuer a", "b")}


def test_the_config_names_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that alerters, heartbeat, sources and targets are asked, and that `self: false` asks nobody."""
    monkeypatch.setenv("HOOK", "https://127.0.0.1:1/slack")
    text = f"""\
state: {tmp_path}/state.db
sources:
  team: {{vault: {{url: "https://127.0.0.1:3", auth: {{token: "${{env:HOOK}}"}}}}}}
  acm: {{aws_acm: {{regions: [eu-west-1], endpoint_url: "https://127.0.0.1:4"}}}}
alerts:
  oncall: {{slack: {{webhook: "${{env:HOOK}}"}}}}
  hook: {{webhook: {{url: "${{env:HOOK}}"}}}}
  pager: {{pagerduty: {{routing_key: "${{env:HOOK}}", url: "https://127.0.0.1:2"}}}}
  am: {{alertmanager: {{urls: ["http://127.0.0.1:9", "https://127.0.0.1:5"]}}}}
  heartbeat: {{url: "${{env:HOOK}}"}}
"""
    with build(load_text(text, "c.yaml"), Time().clock, writer=False) as wiring:
        seen = {str(o.endpoint): o.labels[NEEDED_BY] for o in wiring.world.sources["self"].observe()}
    assert seen == {
        "127.0.0.1:1": "the alerter oncall, the alerter hook, the heartbeat",
        "127.0.0.1:2": "the alerter pager",
        "127.0.0.1:3": "the source team",
        "127.0.0.1:4": "the source acm",
        "127.0.0.1:5": "the alerter am",
    }
    with build(load_text(f"{text}self: false\n", "c.yaml"), Time().clock, writer=False) as wiring:
        assert "self" not in wiring.world.sources


def test_the_name_is_taken() -> None:
    """Shows that nobody's own source can be mistaken for it."""
    with pytest.raises(ConfigError, match="this name is taken"):
        load_text('sources: {self: {endpoints: ["a.example.com:443"]}}\n', "c.yaml")


# ---------------------------------------------------------------- what is told


def test_it_pages_when_it_is_due(site: Site, server: Service) -> None:
    """Shows that a page comes with the lead, says who needs it, and is over when the server shows a new one."""
    watching(site, ("the issuer letsencrypt", Part((server.endpoint,))))
    site.look()
    (page,) = [notice for notice in site.inbox.notices if notice.kind is NoticeKind.UNMANAGED_EXPIRING]
    assert page.severity is Severity.CRITICAL
    assert "ends in 28 d, and rotator depends on it: it is needed by the issuer letsencrypt" in page.title
    server.put(pair(80))
    server.touch()
    site.soon(HOUR).look()
    assert site.inbox.notices[-1].key == page.key
    assert site.inbox.notices[-1].resolved


def test_before_that_nobody_is_told(site: Site, server: Service) -> None:
    """Shows that 31 days before its end it is only in the inventory."""
    server.put(pair(31))
    server.touch()
    watching(site, ("the issuer letsencrypt", Part((server.endpoint,))))
    ticked, _ = site.look()
    (seen,) = ticked.inventory.unmanaged
    assert seen.labels["source"] == "self"
    assert [notice for notice in site.inbox.notices if notice.kind is NoticeKind.UNMANAGED_EXPIRING] == []


def test_a_peer_that_is_down_is_an_info(site: Site) -> None:
    """Shows that an outage of what rotator needs pages nobody by this, however long it lasts."""
    watching(site, ("the alerter oncall", Part((Endpoint("127.0.0.1", 1),))))
    site.look()
    told = [notice for notice in site.inbox.notices if notice.kind is NoticeKind.SOURCE_UNREADABLE]
    assert [(notice.severity, notice.subjects) for notice in told] == [(Severity.INFO, ("self",))]
    assert "could not see the certificates of 1 place that rotator needs: 127.0.0.1:1" in told[0].title
    for _ in range(5):
        site.soon(2 * DAY).look()
    assert {notice.severity for notice in site.inbox.notices if notice.subjects == ("self",)} == {Severity.INFO}


def test_what_cannot_be_seen_is_not_taken_to_be_over(site: Site, tmp_path: Path) -> None:
    """Shows that a page stays open while the server is down, and closes when it shows a good one."""
    service = Service("ca.example.com", tmp_path / "down", pair(29), Manner.OBEYS)
    with serving(service):
        watching(site, ("the issuer internal", Part((service.endpoint,))))
        site.look()
    site.soon(HOUR).look()
    about = [notice for notice in site.inbox.notices if notice.kind is NoticeKind.UNMANAGED_EXPIRING]
    assert [notice.resolved for notice in about] == [False]


def test_what_a_proxy_stands_before_is_said_to_be_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that nothing is probed past a proxy, and that NO_PROXY is obeyed."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    outside, inside = Endpoint("ca.example.com", 443), Endpoint("127.0.0.1", 1)
    assert (proxied(outside), proxied(inside)) == (True, False)
    source = SelfSource(lambda: dependencies([("the issuer a", Part((outside, inside)))]), probe, Time().clock)
    problems = {str(o.endpoint): o.problem for o in source.observe()}
    assert {problem.kind for problem in problems.values() if problem} == {ProblemKind.UNSEEN}
    assert "through a proxy" in str(problems["ca.example.com:443"])
    assert "through a proxy" not in str(problems["127.0.0.1:1"])


def test_what_rotator_renews_itself_is_not_told_twice(site: Site) -> None:
    """Shows that a server whose certificate is in rotator's care is renewed, not paged about."""
    vault = site.cared_for("vault", left=29 * DAY)
    watching(site, ("the issuer internal", Part((vault.endpoint,))))
    outcome = site.outcome()
    assert outcome.error == ""
    assert [notice for notice in site.inbox.notices if notice.kind is NoticeKind.UNMANAGED_EXPIRING] == []
