"""Asking beforehand: issuers and places of this process and of this machine, on one site."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.app import once
from rotator.core.model import Check, Mode, Notice, NoticeKind, PreflightRequest, Severity, TrustKind, TrustSpec
from rotator.core.pem import certificate_pem
from rotator.core.readiness import Line, Readiness, Verdict
from rotator.inventory import take_stock
from rotator.lib.caa import Resolving
from rotator.preflight import Asking, preflight, read_kept, take_round
from tests.flow.foretelling import ForetellingIssuer
from tests.flow.site import CA, DAY, Site
from tests.pki import Authority
from tests.servers.bind import BROKEN, start_bind
from tests.servers.ports import LOOPBACK

REVOKED = Check("dns-01", "the DNS token of example.com was refused", "make a new token and put it into the config")


def asked(site: Site, asking: Asking | None = None) -> dict[str, Readiness]:
    world = site.wiring.world
    return {
        one.certificate: one for one in preflight(take_stock(world, world.clock.now()).facts, world, asking or Asking())
    }


def foretelling(site: Site, name: str = "teller", authority: Authority | None = None) -> ForetellingIssuer:
    issuer = ForetellingIssuer(name, authority or site.issuing, site.clock)
    site.issuers[name] = issuer
    return issuer


def lines(one: Readiness, issuer: str) -> dict[str, Line]:
    (answer,) = [answer for answer in one.answers if answer.issuer == issuer]
    return {line.check: line for line in answer.lines}


def test_all_is_well(site: Site) -> None:
    """The local CA, its end, the key and the place are answered for; nothing would stop the renewal."""
    site.declare("shop", site.service("shop"))
    one = asked(site)["shop"]
    assert not one.fails
    assert not one.unknown
    assert lines(one, CA)["ca"].verdict is Verdict.WELL
    assert lines(one, CA)["outlives"].verdict is Verdict.WELL
    assert lines(one, "")["key"].verdict is Verdict.WELL
    assert one.due is not None


def test_a_shared_trouble_costs_four_questions(site: Site) -> None:
    """Twenty certificates, one dead token: all of them fail for one reason with its remedy."""
    issuer = foretelling(site)
    issuer.says = lambda _request: (REVOKED,)
    for number in range(20):
        site.declare(f"c{number}", targets=(), issuers=("teller",))
    found = asked(site)
    assert all(one.fails for one in found.values())
    assert {line for one in found.values() for _, line in one.failed} == {
        Line("dns-01", Verdict.FAILS, REVOKED.problem, REVOKED.remedy)
    }
    assert len(issuer.foretold) == 4


def test_one_bad_name_spoils_no_other(site: Site) -> None:
    """The certificate whose name is refused fails, its neighbours do not."""
    issuer = foretelling(site)

    def says(request: PreflightRequest) -> tuple[Check, ...]:
        bad = [name for name in request.names if name.startswith("c7.")]
        return (Check("role", f"{bad[0]} is not allowed" if bad else ""),)

    issuer.says = says
    for number in range(20):
        site.declare(f"c{number}", targets=(), issuers=("teller",))
    assert [name for name, one in asked(site).items() if one.fails] == ["c7"]


def test_a_second_issuer_that_can_is_enough(site: Site) -> None:
    """The renewal would come about, and the one that could not is named."""
    foretelling(site).says = lambda _request: (REVOKED,)
    site.declare("shop", targets=(), issuers=("teller", CA))
    one = asked(site)["shop"]
    assert not one.fails
    assert one.spoiled == ("teller",)
    assert asked(site, Asking(issuer="teller"))["shop"].fails


def test_an_issuer_that_breaks_or_hangs_delays_nobody(site: Site) -> None:
    """What it cannot answer in time is unknown; the others are answered for."""
    for name in ("breaks", "hangs"):
        foretelling(site, name)
        site.declare(name, targets=(), issuers=(name,))
    site.declare("well", targets=())
    stuck = threading.Event()

    def breaks(_request: PreflightRequest) -> tuple[Check, ...]:
        raise ValueError("an error that no port allows")

    def hangs(_request: PreflightRequest) -> tuple[Check, ...]:
        stuck.wait()
        return ()

    site.issuers["breaks"].says = breaks  # type: ignore[attr-defined]  # the test's own
    site.issuers["hangs"].says = hangs  # type: ignore[attr-defined]  # the test's own
    began = time.monotonic()
    found = asked(site, Asking(limit=timedelta(seconds=10)))
    assert time.monotonic() - began < 60
    stuck.set()
    assert found["breaks"].unknown
    assert not found["breaks"].fails
    assert "a fault in the issuer breaks itself (ValueError)" in lines(found["breaks"], "breaks")["preflight"].text
    assert "not answered within 10 s" in lines(found["hangs"], "hangs")["preflight"].text
    assert not found["well"].unknown


def test_a_ca_that_ends_soon(site: Site) -> None:
    """Weeks before the renewal is due: the certificate that it would make could not live its life."""
    now = site.time.now
    dying = Authority("Dying", not_before=now - 900 * DAY, not_after=now + 70 * DAY)
    foretelling(site, "dying", dying)
    bundle = dying.issue(["shop.example.com"], not_before=now - 30 * DAY, not_after=now + 60 * DAY)
    site.declare("shop", site.service("shop", bundle=bundle), issuers=("dying",))
    one = asked(site)["shop"]
    assert one.fails
    line = lines(one, "dying")["outlives"]
    assert "CN=Dying" in line.text
    assert "have its root trusted" in line.remedy


def test_trusted_roots_that_cannot_be_read(site: Site, tmp_path: Path) -> None:
    """The file that `trust` names is not there: what is issued could not be validated, so the renewal would fail."""
    missing = tmp_path / "roots.pem"
    spec = site.declare("shop", site.service("shop"))
    site.specs["shop"] = replace(spec, trust=TrustSpec(TrustKind.FILE, str(missing)))
    one = asked(site)["shop"]
    assert one.fails
    trust = lines(one, "")["trust"]
    assert trust.text == f"the trusted roots in {missing} cannot be read: No such file or directory"
    assert "trust" in trust.remedy
    missing.write_bytes(certificate_pem(site.issuing.root))
    assert "trust" not in lines(asked(site)["shop"], "")


def test_an_issuer_that_left_the_config(site: Site) -> None:
    """An adopted certificate may still name it; there is nobody to ask, and nobody to sign."""
    site.declare("shop", targets=(), issuers=("gone",))
    one = asked(site)["shop"]
    assert one.fails
    assert "the config has no issuer gone" in lines(one, "gone")["issuer"].text


# ---------------------------------------------------------------- rounds


def round_of(site: Site) -> bool:
    facts = take_stock(site.wiring.world, site.time.now).facts
    return take_round(facts, site.wiring.world, Asking())


def open_notices(site: Site) -> dict[NoticeKind, Notice]:
    ticked, _ = site.look()
    return {notice.kind: notice for notice in ticked.notices}


def test_a_dead_token_is_told_weeks_before_and_until_it_is_mended(site: Site) -> None:
    """Asked again after an hour, then told once for all, with what to do; resolved when the issuer is well again."""
    issuer = foretelling(site)
    issuer.says = lambda _request: (REVOKED,)
    for number in range(3):
        site.declare(f"c{number}", site.service(f"c{number}"), issuers=("teller",))
    site.look()
    assert round_of(site)
    assert not round_of(site), "it was asked about a moment ago"
    assert NoticeKind.PREFLIGHT_FAILED not in open_notices(site)
    site.time.goes_by(timedelta(hours=1))
    assert round_of(site)
    notice = open_notices(site)[NoticeKind.PREFLIGHT_FAILED]
    assert notice.severity is Severity.WARNING
    assert notice.subjects == ("c0", "c1", "c2")
    assert REVOKED.remedy in notice.detail
    issuer.says = lambda _request: (Check("dns-01", detail="a record was written and removed"),)
    site.time.goes_by(timedelta(hours=1))
    assert round_of(site)
    assert NoticeKind.PREFLIGHT_FAILED not in open_notices(site)
    told = [notice for notice in site.inbox.notices if notice.kind is NoticeKind.PREFLIGHT_FAILED]
    assert [notice.resolved for notice in told] == [False, True]


def test_what_was_found_is_remembered_by_the_state(site: Site) -> None:
    """A restart asks nobody again before the time, and forgets no failure; metrics say the same."""
    foretelling(site).says = lambda _request: (REVOKED,)
    site.declare("shop", site.service("shop"), issuers=("teller",))
    round_of(site)
    kept = read_kept(site.store)["shop"]
    assert kept.readiness.fails
    assert kept.failures == 1
    wiring = site.wiring
    wiring.metrics.foretold(read_kept(site.store))
    text = wiring.metrics.render().decode()
    assert 'rotator_preflight_failed{certificate="shop",issuer="teller"} 1.0' in text
    assert 'rotator_preflight_failed{certificate="shop",issuer=""} 0.0' in text
    assert "rotator_preflight_last_success_timestamp_seconds{" not in text


def test_what_is_only_observed_is_left_alone(site: Site) -> None:
    """No issuer is called for it by the schedule."""
    issuer = foretelling(site)
    site.declare("shop", site.service("shop"), issuers=("teller",), mode=Mode.OBSERVE)
    assert not round_of(site)
    assert not issuer.foretold
    assert not read_kept(site.store)


def test_a_round_that_is_cut_off_says_nothing(site: Site) -> None:
    """The daemon stops: what it has not heard yet is asked by the next one."""
    site.declare("shop", targets=())
    world = site.wiring.world
    facts = take_stock(world, site.time.now).facts
    world.stop.set()
    assert not take_round(facts, world, Asking())
    assert not read_kept(site.store)


def test_preflights_that_are_switched_off_leave_no_notice(site: Site) -> None:
    """Whoever switches them off has heard enough."""
    foretelling(site).says = lambda _request: (REVOKED,)
    site.declare("shop", site.service("shop"), issuers=("teller",))
    site.look()
    round_of(site)
    site.time.goes_by(timedelta(hours=1))
    round_of(site)
    assert NoticeKind.PREFLIGHT_FAILED in open_notices(site)
    ticked, _ = once(replace(site.wiring, preflight=False))
    assert NoticeKind.PREFLIGHT_FAILED not in {notice.kind for notice in ticked.notices}


def test_without_the_key_of_the_state_looks_go_on(site: Site) -> None:
    """Nothing can be kept or renewed then, and people are told of the rest all the same."""
    site.declare("shop", site.service("shop"))
    site.look()
    round_of(site)
    site.store.close()
    site.place.state.with_name("state.db.key").unlink()
    site.store = site.place.open(site.clock)
    assert site.store.key_problem
    ticked, _ = site.look()
    assert len(ticked.plan.decisions) == 1
    assert not round_of(site)


# ---------------------------------------------------------------- names that only some sign


def test_a_name_of_ours_needs_an_issuer_of_ours(site: Site) -> None:
    """A public CA cannot sign db.internal: alone it fails, in a list the next issuer does it, and a CA of ours may."""
    foretelling(site, "le").caa_domains = ("letsencrypt.org",)
    foretelling(site, "own").caa_domains = ("ca.corp.example",)
    for name, issuers in (("alone", ("le",)), ("listed", ("le", "own")), ("ours", ("own",))):
        site.specs[name] = replace(site.declare(name, targets=(), issuers=issuers), names=("db.internal",))
    found = asked(site)
    assert [name for name, one in found.items() if one.fails] == ["alone"]
    assert "use an internal issuer" in lines(found["listed"], "le")["key"].remedy


# ---------------------------------------------------------------- CAA


@pytest.mark.server
def test_caa_records_are_asked_of_a_real_server(site: Site, tmp_path: Path) -> None:
    """A name whose records name another CA fails with the record to add; one server, and one climb for all."""
    zones = {
        "shop.test": '@ CAA 0 issue "letsencrypt.org"\nclosed CAA 0 issue "other.example"\n',
        "free.test": "www A 127.0.0.1\n",
        "broken.test": BROKEN,
    }
    foretelling(site, "le").caa_domains = ("letsencrypt.org",)
    for name in ("www.shop.test", "closed.shop.test", "www.free.test", "www.broken.test"):
        site.specs[name] = replace(site.declare(name, targets=(), issuers=("le",)), names=(name,))
    with start_bind(tmp_path / "dns", zones, resolver=True) as bind:
        found = asked(site, Asking(resolving=Resolving((LOOPBACK,), bind.port)))
    verdicts = {name: lines(one, "le")["caa"].verdict for name, one in found.items()}
    assert verdicts == {
        "www.shop.test": Verdict.WELL,
        "closed.shop.test": Verdict.FAILS,
        "www.free.test": Verdict.WELL,
        "www.broken.test": Verdict.UNKNOWN,
    }
    assert 'closed.shop.test. CAA 0 issue "letsencrypt.org"' in lines(found["closed.shop.test"], "le")["caa"].remedy


@pytest.mark.server
def test_a_ca_that_says_first_what_caa_records_call_it_is_checked_at_once(site: Site, tmp_path: Path) -> None:
    """A CA that is not well known is called as its directory says: read by the preflight itself, also by its first."""
    issuer = foretelling(site, "corp")

    def says(_request: PreflightRequest) -> tuple[Check, ...]:
        issuer.caa_domains = ("ca.corp.example",)  # as its directory says, which was read for this
        return (Check("directory"),)

    issuer.says = says
    site.specs["shop"] = replace(site.declare("shop", targets=(), issuers=("corp",)), names=("www.shop.test",))
    with start_bind(tmp_path / "dns", {"shop.test": '@ CAA 0 issue "other.example"\n'}, resolver=True) as bind:
        found = asked(site, Asking(resolving=Resolving((LOOPBACK,), bind.port)))["shop"]
    assert [line.check for line in lines(found, "corp").values() if line.verdict is Verdict.FAILS] == ["caa"]
    assert 'shop.test. CAA 0 issue "ca.corp.example"' in lines(found, "corp")["caa"].remedy
