"""Tests of DNS-01 by dynamic updates: a real Pebble that asks a real BIND."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.core.model import Chain, Check, PreflightRequest
from rotator.core.pem import key_matches, read_certificates
from rotator.core.trust import verify_path
from rotator.errors import IssueError, Pending
from rotator.issuers.acme import AcmeIssuer, AcmeSettings
from rotator.issuers.acme.dns01.propagation import Propagation
from rotator.issuers.acme.proving import Dns01
from rotator.issuers.acme.solver import Desk
from rotator.issuers.acme.traces import Traces
from rotator.lib.dns import Lookups, Nameserver
from rotator.lib.dns.updates import SharedKey, TextRecord, add
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.acme.killed import Kept
from tests.issuers.asking import Asked, Drawer, ask, hurried_clock, issue
from tests.servers.bind import Bind, Extras, start_bind
from tests.servers.netns import Network, network_namespace
from tests.servers.pebble import Pebble, PebbleSettings, start_pebble
from tests.servers.service import wait_until

ZONE, OTHER = "shop.test", "challenges.test"
SECRET = base64.b64encode(b"a key of these tests alone, 32 o").decode()
RECORDS = """
www A 127.0.0.1
_acme-challenge.away CNAME away.challenges.test.
_acme-challenge.far CNAME one.hops.shop.test.
one.hops CNAME two.hops.shop.test.
two.hops CNAME far.challenges.test.
_acme-challenge.circle CNAME round.shop.test.
round CNAME _acme-challenge.circle.shop.test.
_acme-challenge.long CNAME l1
""" + "".join(f"l{n} CNAME l{n + 1}\n" for n in range(1, 12))


def in_network(
    folder: Path, zones: Mapping[str, str], network: Network, number: int, extras: Extras
) -> contextlib.AbstractContextManager[Bind]:
    """A BIND at port 53 of an address of the network; with zones of its own it resolves them, too."""
    address, inside = network.addresses[number], network.inside
    return start_bind(folder, zones, resolver=bool(zones), address=address, port=53, inside=inside, extras=extras)


@dataclass(frozen=True, slots=True)
class World:
    """A CA, the DNS that it asks, and the settings that write there."""

    pebble: Pebble
    bind: Bind
    make: MakeIssuer

    def issuer(self, **settings: object) -> AcmeIssuer:
        update = {"server": self.bind.server, "key_name": "rotator", "key": "${env:TSIG_SECRET}"}
        dns01 = {"rfc2136": update, "resolvers": [self.bind.server], **settings}
        return self.make(self.pebble, http01=None, dns01=dns01)

    def left(self, *names: str) -> set[str]:
        """What is still there of the challenges of these names."""
        return {value for name in names for value in self.bind.texts(f"_acme-challenge.{name}")}


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Addresses whose port 53 is free: NS records name no port."""
    with network_namespace(3) as network:
        yield network


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, network: Network) -> Iterator[tuple[Pebble, Bind]]:
    """A BIND that resolves and takes updates, and a Pebble that asks it."""
    extras = Extras(
        keys={"rotator": SECRET, "stranger": SECRET},
        policies={zone: "grant rotator. zonesub TXT;" for zone in (ZONE, OTHER)},
    )
    folder = tmp_path_factory.mktemp("dns01")
    zones = {ZONE: RECORDS, OTHER: ""}
    with (
        in_network(folder, zones, network, 0, extras) as bind,
        start_pebble(folder / "pebble", PebbleSettings(dns_server=bind.server, authorization_reuse=0)) as pebble,
    ):
        yield pebble, bind


@pytest.fixture
def world(served: tuple[Pebble, Bind], make: MakeIssuer, monkeypatch: pytest.MonkeyPatch) -> World:
    """The servers of this module, and an issuer of the test's own."""
    monkeypatch.setenv("TSIG_SECRET", SECRET)
    return World(*served, make)


def assert_good(chain: Chain, asked: Asked, pebble: Pebble) -> None:
    roots = read_certificates(pebble.roots().encode())
    assert key_matches(chain, asked.key)
    assert verify_path(chain, roots, datetime.now(UTC), asked.request.names) is None


def dns_check(issuer: AcmeIssuer, *names: str) -> Check:
    (check,) = (each for each in issuer.preflight(PreflightRequest(names)) if each.name == "dns-01")
    return check


class TestIssuing:
    """Records written where the CA looks, and gone afterwards."""

    def test_a_wildcard_and_its_parent_are_one_order(self, world: World) -> None:
        """Two values stand at one name at the same time; a third name beside them; nothing is left."""
        asked = ask(ZONE, f"*.{ZONE}", f"www.{ZONE}")

        assert_good(issue(world.issuer(), asked), asked, world.pebble)
        assert world.left(ZONE, f"www.{ZONE}") == set()

    @pytest.mark.parametrize(("host", "end"), [("away", "away"), ("far", "far")])
    def test_an_alias_is_followed_to_its_end(self, world: World, host: str, end: str) -> None:
        """`_acme-challenge` may be a CNAME into another zone, over several names: the record is written there."""
        asked = ask(f"{host}.{ZONE}", f"*.{host}.{ZONE}")

        assert_good(issue(world.issuer(), asked), asked, world.pebble)
        assert world.bind.texts(f"{end}.{OTHER}") == set()

    def test_an_alias_that_cannot_be_seen_is_said_in_the_settings(self, world: World) -> None:
        """`alias` is written to without a look at the chain."""
        asked = ask(f"away.{ZONE}")

        assert_good(issue(world.issuer(alias=f"away.{OTHER}."), asked), asked, world.pebble)

    @pytest.mark.parametrize(
        ("host", "said"), [("circle", "run in a circle: _acme-challenge.circle"), ("long", "over more than 8 names")]
    )
    def test_aliases_without_an_end_are_an_error_that_stays(self, world: World, host: str, said: str) -> None:
        """A circle, or a chain longer than a CA follows: a person has to mend the zone."""
        with pytest.raises(IssueError, match=said) as refused:
            issue(world.issuer(), ask(f"{host}.{ZONE}"))

        assert refused.value.permanent

    def test_the_primary_of_the_zone_takes_the_updates(self, world: World) -> None:
        """Without `server`, they go to the host that the SOA record names."""
        update = {"key_name": "rotator", "key": "${env:TSIG_SECRET}"}
        asked = ask(f"*.{ZONE}")

        assert_good(issue(world.issuer(rfc2136=update), asked), asked, world.pebble)


class TestRefusals:
    """What a person has to mend is said, and nothing is left."""

    @pytest.mark.parametrize(
        ("key_name", "secret", "said"),
        [
            ("stranger", SECRET, r"answers REFUSED to the update of .*; let the key update this name"),
            ("nobody", SECRET, "does not know a TSIG key of this name"),
            ("rotator", base64.b64encode(b"wrong" * 8).decode(), "the secret of the TSIG key is another one there"),
            ("rotator", "%%%", "the secret of the TSIG key rotator is not base64"),
        ],
        ids=["policy", "name", "secret", "base64"],
    )
    def test_a_key_that_may_not(
        self, world: World, monkeypatch: pytest.MonkeyPatch, key_name: str, secret: str, said: str
    ) -> None:
        """The sentence says which of key, secret and policy it is, and never the secret."""
        monkeypatch.setenv("TSIG_SECRET", secret)
        update = {"server": world.bind.server, "key_name": key_name, "key": "${env:TSIG_SECRET}"}

        with pytest.raises(IssueError, match=said) as refused:
            issue(world.issuer(rfc2136=update), ask(f"www.{ZONE}"))

        assert refused.value.permanent
        assert secret not in str(refused.value)
        assert world.left(f"www.{ZONE}") == set()

    def test_a_secret_that_is_missing(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The sentence names the variable."""
        monkeypatch.delenv("TSIG_SECRET")

        with pytest.raises(IssueError, match="TSIG_SECRET is not set"):
            issue(world.issuer(), ask(f"www.{ZONE}"))

    def test_a_name_in_no_zone(self, world: World) -> None:
        """A zone that does not exist is said before anything is written."""
        with pytest.raises(IssueError, match="no zone was found that _acme-challenge"):
            issue(world.issuer(), ask("www.nowhere.test"))

    def test_a_server_that_is_not_there(self, world: World) -> None:
        """No answer is no permanent error."""
        update = {"server": "127.0.0.1:1", "key_name": "rotator", "key": "${env:TSIG_SECRET}"}

        with pytest.raises(IssueError, match=r"127\.0\.0\.1 port 1 cannot be reached") as refused:
            issue(world.issuer(rfc2136=update, zone=ZONE), ask(f"www.{ZONE}"))

        assert not refused.value.permanent

    def test_a_refused_validation_leaves_nothing(self, world: World) -> None:
        """The CA looks at another place than we write to: its refusal is told, and the record is gone."""
        with pytest.raises(IssueError, match="could not verify that www"):
            issue(world.issuer(alias=f"wrong.{OTHER}"), ask(f"www.{ZONE}"))

        assert world.bind.texts(f"wrong.{OTHER}") == set()


class TestCrash:
    """What a killed process leaves."""

    def test_the_next_attempt_removes_it_first(
        self, served: tuple[Pebble, Bind], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed while its record stands: the note in the store says that it was ours, and whose process it was."""
        monkeypatch.setenv("TSIG_SECRET", SECRET)
        pebble, bind = served
        name, place = f"killed.{ZONE}", f"_acme-challenge.killed.{ZONE}"
        update = {"server": bind.server, "key_name": "rotator", "key": "${env:TSIG_SECRET}"}
        dns01 = {"rfc2136": update, "resolvers": [bind.server]}
        settings = {
            "directory": pebble.directory_url,
            "ca_file": str(pebble.ca_file),
            "agree_terms": True,
            "dns01": {**dns01, "nameservers": ["127.0.0.1:1"]},  # where it never shows, so that it waits
        }
        command = [
            sys.executable,
            "-m",
            "tests.issuers.acme.killed",
            json.dumps(settings),
            str(tmp_path / "kept"),
            name,
        ]
        update_theirs(bind, place, "of another program")

        ended = subprocess.run(command, check=False)

        left = bind.texts(place)
        assert (ended.returncode, len(left)) == (-signal.SIGKILL, 2)
        chosen = AcmeSettings.model_validate({**settings, "dns01": dns01})
        asked = ask(name)
        seen = list[set[str]]()

        def looked(token: str) -> None:
            seen.append(bind.texts(place))

        chain = issue(AcmeIssuer("ca", chosen, hurried_clock(), Kept(tmp_path / "kept")), asked, checkpoint=looked)

        assert key_matches(chain, asked.key)
        assert seen[0] == left
        assert bind.texts(place) == {"of another program"}


def update_theirs(bind: Bind, name: str, value: str) -> None:
    """A record that another program keeps at the same name."""
    add(TextRecord(name, ZONE, value), 60, Nameserver("", bind.address, bind.port), SharedKey("rotator", SECRET))


class TestBeforehand:
    """Preflight writes, sees and removes."""

    def test_a_probe_is_written_and_removed(self, world: World) -> None:
        """Also where the CA has a valid authorization, and where aliases lead elsewhere."""
        detail = "a record was written, seen and removed at _acme-challenge.shop.test, away.challenges.test"

        assert dns_check(world.issuer(), f"*.{ZONE}", f"away.{ZONE}") == Check("dns-01", detail=detail)
        assert world.left(ZONE) == set()

    def test_what_an_order_would_die_of_is_told(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """A key that was changed at the server only shows weeks before the order, not at it."""
        monkeypatch.setenv("TSIG_SECRET", base64.b64encode(b"rolled" * 8).decode())

        check = dns_check(world.issuer(), f"www.{ZONE}")

        assert "the secret of the TSIG key is another one there" in check.problem
        assert "credentials" in check.remedy

    def test_what_to_do_is_about_what_failed(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who cannot be asked is no matter of credentials, and who has none does not look at secondaries."""
        silent = dns_check(world.issuer(resolvers=["127.0.0.1:9"]), f"www.{ZONE}")
        monkeypatch.delenv("TSIG_SECRET")
        missing = dns_check(world.issuer(), f"www.{ZONE}")

        assert "127.0.0.1:9 gave no answer" in silent.problem
        assert "`resolvers`" in silent.remedy
        assert "credentials" not in silent.remedy
        assert "TSIG_SECRET" in missing.problem
        assert "credentials" in missing.remedy
        assert "primary" not in missing.remedy


class TestPropagation:
    """Every authoritative server is asked itself."""

    @pytest.fixture
    def pair(self, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Bind, Bind]]:
        """A primary, and a secondary that its NS records name and that is an hour late until it is told."""
        monkeypatch.setenv("TSIG_SECRET", SECRET)
        _, first, second = network.addresses
        extras = Extras(
            keys={"rotator": SECRET},
            policies={ZONE: "grant rotator. zonesub TXT;"},
            nameservers={ZONE: {"ns": first, "ns2": second}},
        )
        with (
            in_network(tmp_path / "one", {ZONE: '@ TXT "here"'}, network, 1, extras) as primary,
            in_network(tmp_path / "two", {}, network, 2, Extras(secondary={ZONE: primary})) as secondary,
        ):
            wait_until(lambda: secondary.texts(ZONE) == {"here"}, "the secondary has the zone")
            yield primary, secondary

    def test_a_server_that_lags_is_named(self, pair: tuple[Bind, Bind], pebble: Pebble, make: MakeIssuer) -> None:
        """The CA is not asked; the sentence says who does not show the record, where, and after how long."""
        primary, secondary = pair
        world = World(pebble, primary, make)

        with pytest.raises(IssueError) as late:
            issue(world.issuer(propagation="6s"), ask(f"www.{ZONE}"))

        assert str(late.value) == (
            f"ca: the challenge is not everywhere after 6s: at _acme-challenge.www.{ZONE} "
            f"ns2.{ZONE} ({secondary.address}) shows nothing yet"
        )
        assert not late.value.permanent
        assert world.left(f"www.{ZONE}") == set()

    def test_a_zone_that_lags_is_waited_for_once(
        self, pair: tuple[Bind, Bind], pebble: Pebble, make: MakeIssuer
    ) -> None:
        """A look at a thousand certificates beforehand does not wait for the same server a thousand times."""
        primary, _ = pair
        waits, clock = list[float](), hurried_clock()

        def wait(seconds: float) -> None:
            waits.append(seconds)
            clock.wait(seconds)

        update = {"server": primary.server, "key_name": "rotator", "key": "${env:TSIG_SECRET}"}
        dns01 = {"rfc2136": update, "resolvers": [primary.server], "propagation": "6s"}
        issuer = make(pebble, replace(clock, wait=wait), http01=None, dns01=dns01)
        first = dns_check(issuer, f"a.{ZONE}")
        waited = len(waits)

        assert waited
        assert "shows nothing yet" in first.problem
        assert dns_check(issuer, f"b.{ZONE}").problem == first.problem
        assert len(waits) == waited

    def test_the_ca_looks_when_the_last_server_follows(
        self, pair: tuple[Bind, Bind], pebble: Pebble, make: MakeIssuer
    ) -> None:
        """The secondary is told while we wait: the wait ends there, not at its limit."""
        primary, secondary = pair
        waits = list[float]()

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                secondary.notify(ZONE)
                wait_until(lambda: bool(secondary.texts(f"_acme-challenge.{ZONE}")), "the secondary follows")
            clock.wait(seconds)

        clock = hurried_clock()
        update = {"server": primary.server, "key_name": "rotator", "key": "${env:TSIG_SECRET}"}
        dns01 = {"rfc2136": update, "resolvers": [primary.server], "propagation": "1h"}
        issuer = make(pebble, replace(clock, wait=wait), http01=None, dns01=dns01)

        check = dns_check(issuer, ZONE)

        assert not check.problem
        assert len(waits) == 2

    def test_a_stop_while_waiting_is_no_failure(
        self, pair: tuple[Bind, Bind], pebble: Pebble, make: MakeIssuer
    ) -> None:
        """A wait that returns at once means that the process stops: the order is left pending, the record removed."""
        primary, _ = pair
        update = {"server": primary.server, "key_name": "rotator", "key": "${env:TSIG_SECRET}"}
        dns01 = {"rfc2136": update, "resolvers": [primary.server]}
        stopped = replace(hurried_clock(), wait=lambda seconds: None)

        with pytest.raises(Pending, match="stopped before all DNS servers showed the challenge"):
            issue(make(pebble, stopped, http01=None, dns01=dns01), ask(f"www.{ZONE}"))

        assert primary.texts(f"_acme-challenge.www.{ZONE}") == set()


class TestManyNames:
    """An order may have a hundred names."""

    def test_a_silent_server_holds_up_all_names_at_once(self) -> None:
        """And not one after the other: the process could not be stopped for minutes. The sentence stays readable."""
        clock = hurried_clock()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            server = f"127.0.0.1:{silent.getsockname()[1]}"
            settings = Dns01.model_validate({"rfc2136": {}, "nameservers": [server], "propagation": "1s"})
            watching = Propagation(settings, Lookups([server]), Desk("ca", clock, Traces(Drawer(), "ca", clock.now)))
            records = [TextRecord(f"_acme-challenge.n{number}.{ZONE}", ZONE, "value") for number in range(12)]
            began = time.monotonic()

            with pytest.raises(IssueError, match="and at 7 names more"):
                watching.seen(records)

        assert time.monotonic() - began < 20
