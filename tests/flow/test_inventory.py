"""Taking stock: stored is joined with served, what is found is adopted, and one fault hides nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from rotator.app import look_and_plan
from rotator.core.adopt import AdoptionRule
from rotator.core.model import (
    Action,
    Endpoint,
    Location,
    Mode,
    Observation,
    Result,
    SightingState,
    TrustKind,
    TrustSpec,
)
from rotator.core.pem import certificate_pem
from rotator.core.reasons import Reason
from rotator.errors import SourceError
from rotator.settings import PluginSettings
from rotator.sources.endpoints import EndpointsSource
from rotator.sources.files import FilesSource
from tests.flow.calls import traced_world
from tests.flow.services import Manner, Service
from tests.flow.site import CA, DAY, HOUR, Site

DISK = "disk"
WIRE = "wire"


def watch_disk(site: Site) -> None:
    """Have a source look at the files of every service."""
    pattern = str(site.place.folder / "services" / "*" / "fullchain.pem")
    settings = FilesSource.Settings.model_validate({"paths": [pattern]})
    site.sources[DISK] = FilesSource(DISK, settings, site.clock)


def watch_wire(site: Site, *services: Service) -> None:
    """Have a source look at the ports of these services."""
    endpoints = [f"127.0.0.1:{service.port}" for service in services]
    settings = EndpointsSource.Settings.model_validate({"endpoints": endpoints})
    site.sources[WIRE] = EndpointsSource(WIRE, settings, site.clock)


def adopt_all(site: Site, mode: Mode = Mode.ROTATE, **match: str) -> None:
    trust = TrustSpec(TrustKind.ISSUER)
    told = {"touch": str(site.place.folder / "services" / "reload"), "settle": "300ms"}
    site.rules = (AdoptionRule("adopt[0]", DISK, (CA,), match, mode=mode, trust=trust, target_settings=told),)


def fingerprint_of(folder: Path) -> str:
    """A hash over every name, content, mode and moment of change below a folder."""
    told = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        told.update(f"{path} {status.st_mode} {status.st_mtime_ns} {status.st_ino} {status.st_nlink}".encode())
        told.update(path.read_bytes() if path.is_file() else b"")
    return told.hexdigest()


# ---------------------------------------------------------------- adoption, from end to end


def test_observing_writes_nothing_and_calls_nobody(site: Site) -> None:
    """In observe mode what is due is seen and told, again and again; no file changes and no issuer is called."""
    double = site.lying()
    services = [site.service(name, left=left) for name, left in (("late", 5 * DAY), ("gone", -DAY), ("fine", 60 * DAY))]
    watch_disk(site)
    watch_wire(site, *services)
    adopt_all(site, Mode.OBSERVE)
    site.rules = tuple(replace(rule, issuers=("double",)) for rule in site.rules)
    calls: list[str] = []
    site.change = lambda world: traced_world(world, lambda name, ended: None if ended else calls.append(name))
    before = fingerprint_of(site.place.folder / "services")
    assert site.looks(3 * DAY, every=6 * HOUR) == ()
    assert fingerprint_of(site.place.folder / "services") == before
    assert double.asked == []
    assert not {call for call in calls if call.startswith("target.")} - {"target.snapshot"}
    assert site.store.fleet(site.time.now).orders == ()
    assert site.decision("late").reason is Reason.OBSERVE
    assert all(service.loaded == [service.held] for service in services)


def test_a_folder_is_adopted_and_renewed(site: Site) -> None:
    """Found certificates become managed ones with what was found; joined by what they serve, they are proved there."""
    late, fine = site.service("late", left=5 * DAY), site.service("fine", left=60 * DAY)
    watch_disk(site)
    watch_wire(site, late, fine)
    adopt_all(site)
    touched = site.place.folder / "services" / "reload"
    touched.symlink_to(late.reload)
    before = late.serves, fine.serves
    ticked, (outcome,) = site.look()
    assert {spec.name for spec in site.store.adopted()} == {"late", "fine"}
    assert [facts.spec.names for facts in ticked.inventory.facts] == [("fine.example.com",), ("late.example.com",)]
    assert (outcome.decision.spec.name, outcome.result) == ("late", Result.DONE), outcome.error
    assert late.serves == late.held != before[0]
    assert fine.serves == fine.held == before[1]
    assert outcome.decision.spec.adopted_from == DISK
    assert site.soon(DAY).look()[1] == ()


def test_an_endpoint_that_was_joined_once_stays_joined(site: Site) -> None:
    """After the renewal the endpoint still belongs to it, though another fingerprint is served there now."""
    shop = site.service("shop", left=5 * DAY)
    watch_disk(site)
    watch_wire(site, shop)
    adopt_all(site)
    (site.place.folder / "services" / "reload").symlink_to(shop.reload)
    assert site.look()[1][0].result is Result.DONE
    joined = Endpoint("127.0.0.1", shop.port)
    assert site.store.joins() == {joined: "shop"}
    shop.put(site.bundle("shop.example.com", left=70 * DAY))
    (facts,) = site.soon(HOUR).look()[0].inventory.facts
    assert [sighting.fingerprint for sighting in facts.served[joined]] == [shop.loaded[-1]]


def test_an_adopted_place_that_vanishes_is_retired(site: Site) -> None:
    """What is gone in a complete look is not renewed any more, and people are told; in an incomplete one it stays."""
    shop = site.service("shop", left=60 * DAY)
    watch_disk(site)
    adopt_all(site)
    site.look()
    disk = site.sources[DISK]
    site.sources[DISK] = Broken()
    assert [facts.spec.name for facts in site.soon(HOUR).look()[0].inventory.facts] == ["shop"]
    site.sources[DISK] = disk
    shop.certificate.unlink()
    ticked, _ = site.soon(HOUR).look()
    assert ticked.inventory.retired == ("shop",)
    assert ticked.inventory.facts == ()
    assert site.store.adopted() == ()
    assert [notice.kind for notice in ticked.notices] == ["retired"]


def test_declared_beats_adopted(site: Site) -> None:
    """A place that the config names is looked after as the config says, whatever rule matches it."""
    site.cared_for("shop", left=60 * DAY)
    site.service("mail", left=60 * DAY)
    watch_disk(site)
    adopt_all(site)
    ticked, _ = site.look()
    assert {facts.spec.name: facts.spec.adopted_from for facts in ticked.inventory.facts} == {"shop": "", "mail": DISK}


def test_what_nobody_looks_after_is_unmanaged(site: Site) -> None:
    """What is found and matches no rule is listed, not touched."""
    site.service("shop", left=DAY)
    watch_disk(site)
    ticked, outcomes = site.look()
    assert outcomes == ()
    assert [Path(o.location.address).parent.name for o in ticked.inventory.unmanaged] == ["shop"]


# ---------------------------------------------------------------- one fault hides nothing else


@dataclass
class Broken:
    """A source that gives some of what it has, and then fails."""

    Settings: ClassVar[type[PluginSettings]] = PluginSettings
    name: str = "broken"
    gives: tuple[Observation, ...] = ()
    error: Exception = field(default_factory=lambda: SourceError("the disk does not answer"))

    def observe(self) -> Iterator[Observation]:
        yield from self.gives
        raise self.error


@pytest.mark.parametrize("error", [SourceError("the disk does not answer"), KeyError("a fault")], ids=["said", "fault"])
def test_a_source_that_fails_hides_no_other(site: Site, error: Exception) -> None:
    """Its problem is told, what it gave before counts, and the rest of the look goes on."""
    site.sources["broken"] = Broken(gives=(Observation(Location("host", "/etc/ssl/a.crt")),), error=error)
    shop = site.cared_for("shop")
    ticked, (outcome,) = site.look()
    assert outcome.result is Result.DONE
    assert shop.serves == shop.held
    assert [problem.source for problem in ticked.inventory.problems] == ["broken"]
    assert [o.location.address for o in ticked.inventory.observations] == ["/etc/ssl/a.crt"]


def test_a_place_that_cannot_be_looked_at_is_waited_for(site: Site) -> None:
    """A certificate whose only place does not answer is neither missing nor renewed, and the others go on."""
    lost, shop = site.cared_for("lost", left=60 * DAY), site.cared_for("shop")
    lost.certificate.unlink()
    lost.certificate.mkdir()
    ticked, (outcome,) = site.look()
    assert outcome.decision.spec.name == "shop"
    decisions = {decision.spec.name: decision for decision in ticked.plan.decisions}
    assert (decisions["lost"].action, decisions["lost"].reason) == (Action.WAIT, Reason.UNSEEN)
    assert shop.serves == shop.held


def test_a_file_that_is_no_certificate_hides_no_other(site: Site) -> None:
    """Beside garbage, what can be read is read; garbage in an adopted place is held, never overwritten."""
    broken, shop = site.service("broken", left=60 * DAY), site.service("shop", left=60 * DAY)
    watch_disk(site)
    adopt_all(site)
    site.look()
    broken.certificate.write_bytes(b"<html>502 Bad Gateway</html>")
    for _ in range(3):
        ticked, outcomes = site.soon(HOUR).look()
        assert outcomes == ()
    decisions = {decision.spec.name: decision for decision in ticked.plan.decisions}
    assert (decisions["broken"].action, decisions["broken"].reason) == (Action.HOLD, Reason.UNREADABLE)
    assert decisions["shop"].action is Action.KEEP
    assert broken.certificate.read_bytes().startswith(b"<html>")
    assert shop.serves == shop.held


# ---------------------------------------------------------------- joined and judged


def test_an_endpoint_that_is_down_is_seen_as_such(site: Site) -> None:
    """What shows nothing says nothing about what is stored."""
    site.cared_for("shop", left=60 * DAY, manner=Manner.DOWN)
    ticked, outcomes = site.look()
    assert outcomes == ()
    (facts,) = ticked.inventory.facts
    (sightings,) = facts.served.values()
    assert [sighting.state for sighting in sightings] == [SightingState.UNREACHABLE]
    assert ticked.plan.decisions[0].action is Action.KEEP
    assert "did not show what it serves" in ticked.plan.decisions[0].message


def test_what_a_source_saw_of_another_key_is_asked_for_again(site: Site) -> None:
    """A server with two certificates shows the source one of them; the inventory asks for the one in question."""
    rsa = site.bundle("shop.example.com", key="rsa-2048", left=50 * DAY)
    shop = site.service("shop", left=60 * DAY, also=rsa)
    site.declare("shop", shop)
    spec = site.specs["shop"]
    site.specs["shop"] = replace(spec, endpoints=(Endpoint("127.0.0.1", shop.port),))
    watch_wire(site, shop)
    ticked, outcomes = site.look()
    assert outcomes == ()
    (facts,) = ticked.inventory.facts
    assert [sighting.fingerprint for many in facts.served.values() for sighting in many] == [shop.held]
    assert ticked.plan.decisions[0].action is Action.KEEP


def test_a_place_that_lost_its_intermediate_is_renewed(site: Site) -> None:
    """No path leads from what is stored to what clients trust: seen twice, it is renewed with all of its chain."""
    shop = site.cared_for("shop", left=60 * DAY)
    bundle = site.bundle("shop.example.com", left=60 * DAY)
    shop.put(bundle)
    shop.certificate.write_bytes(certificate_pem(bundle.chain.leaf))
    shop.touch()
    assert site.decision("shop").reason is Reason.SECOND_LOOK
    outcome = site.soon(HOUR).outcome()
    assert (outcome.decision.reason, outcome.result) == (Reason.INCOMPLETE, Result.DONE), outcome.error
    assert shop.serves == shop.held


def test_a_plan_writes_nothing(site: Site) -> None:
    """Looking and planning alone leaves every file as it was, whatever is due."""
    site.cared_for("shop", left=-DAY)
    before = fingerprint_of(site.place.folder / "services")
    _, plan = look_and_plan(site.wiring.world, site.time.now)
    assert [decision.action for decision in plan.decisions] == [Action.RENEW]
    assert fingerprint_of(site.place.folder / "services") == before
