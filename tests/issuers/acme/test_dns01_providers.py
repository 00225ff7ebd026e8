"""Tests of DNS-01 by dns-lexicon: a real PowerDNS, whose HTTP API is one of its providers."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from structlog.testing import capture_logs

from rotator.core.model import PreflightRequest
from rotator.core.pem import key_matches, read_certificates
from rotator.core.trust import verify_path
from rotator.errors import IssueError
from rotator.issuers.acme import AcmeIssuer
from rotator.issuers.acme.dns01 import Dns01Solver
from rotator.issuers.acme.dns01.providers import CALL_SECONDS, LexiconWriter, provider_class
from rotator.issuers.acme.proving import Dns01
from rotator.issuers.acme.solver import Desk, Proof
from rotator.issuers.acme.traces import LONGEST, Traces
from rotator.lib.dns import DnsError, Lookups
from rotator.lib.dns.updates import TextRecord
from rotator.ports import Clock
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.asking import Drawer, ask, hurried_clock, issue
from tests.servers.pebble import Pebble, PebbleSettings, start_pebble
from tests.servers.ports import free_port
from tests.servers.powerdns import API_KEY, PowerDns, start_powerdns
from tests.servers.service import wait_until

SECONDS = 60.0
ZONE, DEEP = "lexicon.test", "deep.er.lexicon.test"


@dataclass(frozen=True, slots=True)
class World:
    """A CA, the DNS that it asks, and the settings that write there."""

    pebble: Pebble
    powerdns: PowerDns
    make: MakeIssuer

    def settings(self, **more: object) -> dict[str, object]:
        standard = {
            "provider": "powerdns",
            "credentials": {"auth_token": "${env:PDNS_KEY}"},
            "options": {"pdns_server": self.powerdns.url},
            "resolvers": [self.powerdns.server],
            "nameservers": [self.powerdns.server],
        }
        return {**standard, **more}

    def issuer(self, **more: object) -> AcmeIssuer:
        return self.make(self.pebble, http01=None, dns01=self.settings(**more))

    def writer(self, **more: object) -> LexiconWriter:
        settings = Dns01.model_validate(self.settings(**more))
        return LexiconWriter(settings, Lookups([self.powerdns.server]), hurried_clock(), lambda _record: None)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pebble, PowerDns]]:
    """A PowerDNS, and a Pebble that asks it."""
    folder = tmp_path_factory.mktemp("lexicon")
    with (
        start_powerdns(folder, [ZONE, DEEP]) as powerdns,
        start_pebble(folder / "pebble", PebbleSettings(dns_server=powerdns.server, authorization_reuse=0)) as pebble,
    ):
        yield pebble, powerdns


@pytest.fixture
def world(served: tuple[Pebble, PowerDns], make: MakeIssuer, monkeypatch: pytest.MonkeyPatch) -> World:
    """The servers of this module, and an issuer of the test's own."""
    monkeypatch.setenv("PDNS_KEY", API_KEY)
    return World(*served, make)


class TestIssuing:
    """Records written over a provider's API."""

    @pytest.mark.parametrize("zone", [ZONE, DEEP])
    def test_a_wildcard_and_its_parent_are_one_order(self, world: World, zone: str) -> None:
        """In the zone that has the SOA record, also where a public suffix list would guess its parent."""
        asked = ask(zone, f"*.{zone}", f"www.{zone}")

        chain = issue(world.issuer(), asked)

        assert key_matches(chain, asked.key)
        roots = read_certificates(world.pebble.roots().encode())
        assert verify_path(chain, roots, datetime.now(UTC), asked.request.names) is None
        for name in (zone, f"www.{zone}"):
            assert world.powerdns.texts(f"_acme-challenge.{name}") == set()

    def test_orders_of_one_name_at_once_lose_no_value(self, world: World) -> None:
        """The API replaces a whole set: two that read it at the same moment would overwrite each other."""
        issuer = world.issuer()

        def order(_: int) -> bool:
            asked = ask(f"many.{ZONE}")
            return key_matches(issue(issuer, asked), asked.key)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(order, range(8)))
        assert world.powerdns.texts(f"_acme-challenge.many.{ZONE}") == set()

    def test_two_issuers_write_to_one_name_at_once(self, world: World) -> None:
        """Two accounts may prove one name: their values add up there, and each takes away its own."""
        first = world.issuer()
        second = AcmeIssuer("other", first._settings, first._clock, Drawer())

        def order(number: int) -> bool:
            asked = ask(f"both.{ZONE}")
            return key_matches(issue((first, second)[number % 2], asked), asked.key)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(order, range(8)))
        assert world.powerdns.texts(f"_acme-challenge.both.{ZONE}") == set()

    def test_nothing_is_looked_up_elsewhere(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither a public suffix list nor this machine's resolver: no name is resolved at all."""
        asked = list[object]()
        resolve = socket.getaddrinfo

        def watched(host: str, *others: object, **named: object) -> object:
            asked.append(host)
            return resolve(host, *others, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", watched)
        record = TextRecord(f"_acme-challenge.{ZONE}", ZONE, "value")
        writer = world.writer()

        writer.add(record)
        assert world.powerdns.texts(record.name) == {"value"}
        writer.remove(record)
        writer.remove(record)

        assert world.powerdns.texts(record.name) == set()
        assert set(asked) <= {"127.0.0.1"}

    def test_what_others_wrote_stays(self, world: World) -> None:
        """Another client's value at the same name is neither replaced nor removed."""
        name = f"_acme-challenge.shared.{ZONE}"
        theirs, ours = TextRecord(name, ZONE, "theirs"), TextRecord(name, ZONE, "ours")
        writer = world.writer()

        writer.add(theirs)
        writer.add(ours)
        assert world.powerdns.texts(name) == {"theirs", "ours"}
        writer.remove(ours)

        assert world.powerdns.texts(name) == {"theirs"}


Sets = list[dict[str, Any]]
"""What a change of the zone says of each set of records; without records it is deleted."""


@contextmanager
def doored(behind: str, before: Callable[[Sets], int | None]) -> Iterator[str]:
    """The API behind a door, which is asked before each change: a status is the answer, None lets it through."""

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.pass_on(b"")

        def do_PATCH(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if (status := before(json.loads(body).get("rrsets", []))) is not None:
                self.answer(status, b"{}")
            else:
                self.pass_on(body)

        do_PUT = do_PATCH  # noqa: N815 - the name that the library calls

        def pass_on(self, body: bytes) -> None:
            headers = {name: self.headers[name] for name in ("X-API-Key", "Content-Type") if name in self.headers}
            answer = requests.request(self.command, f"{behind}{self.path}", data=body, headers=headers, timeout=10)
            self.answer(answer.status_code, answer.content)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on stderr."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def removing_nothing(behind: str) -> AbstractContextManager[str]:
    """The API for credentials that may write, and not delete a set of records."""
    return doored(behind, lambda sets: None if all(each.get("records") for each in sets) else 403)


@dataclass
class Held:
    """A door that holds the first change of a kind back until it is told to go on.

    Attributes:
        clock: leaps over the limit of a change while that is held.
    """

    holds: Callable[[Sets], bool]
    came: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        hurried = hurried_clock()
        self.clock = replace(
            hurried, monotonic=lambda: hurried.monotonic() + (2 * CALL_SECONDS if self.came.is_set() else 0.0)
        )

    def __call__(self, sets: Sets) -> None:
        if not self.came.is_set() and self.holds(sets):
            self.came.set()
            assert self.goes_on.wait(SECONDS)


class TestLate:
    """A change that takes longer than we wait for it, and is carried out all the same."""

    def solver(self, world: World, url: str, clock: Clock, drawer: Drawer) -> Dns01Solver:
        settings = Dns01.model_validate(world.settings(options={"pdns_server": url}))
        return Dns01Solver(settings, Desk("ca", clock, Traces(drawer, "ca", clock.now)))

    def test_a_record_that_is_written_late_is_removed(self, world: World, drawer: Drawer) -> None:
        """The attempt has failed and taken away what it knew of: what comes after that goes as well."""
        proof, held = Proof(f"late.{ZONE}", "", "late"), Held(lambda sets: all(each.get("records") for each in sets))
        place = f"_acme-challenge.{proof.name}"
        with doored(world.powerdns.url, held) as url, capture_logs() as logs:
            solver = self.solver(world, url, held.clock, drawer)
            with pytest.raises(IssueError, match=r"did not add .* within 90 s"), solver.showing([proof]):
                raise AssertionError("it must not be shown")
            assert world.powerdns.texts(place) == set()
            assert solver._desk.traces.left(place), "it is not forgotten before the late change has ended"

            held.goes_on.set()

            wait_until(lambda: not solver._desk.traces.left(place), "the late record was put right")
        assert world.powerdns.texts(place) == set()
        (told,) = (each for each in logs if "after its time limit" in each["event"])
        assert (told["record"], told["remedy"]) == (place, "removed again")

    def test_a_record_that_is_removed_late_is_written_again(self, world: World, drawer: Drawer) -> None:
        """The next attempt of the same order shows the same: it is not left without its record."""
        proof, held = (
            Proof(f"again.{ZONE}", "", "again"),
            Held(lambda sets: not all(each.get("records") for each in sets)),
        )
        place = f"_acme-challenge.{proof.name}"
        with doored(world.powerdns.url, held) as url, capture_logs() as logs:
            solver = self.solver(world, url, held.clock, drawer)
            with solver.showing([proof]):
                (value,) = world.powerdns.texts(place)
            assert any("could not be taken away" in each["event"] for each in logs)
            with solver.showing([proof]):
                held.goes_on.set()

                wait_until(lambda: any(each.get("remedy") for each in logs), "the late removal has ended")
                wait_until(lambda: world.powerdns.texts(place) == {value}, "the record is there again")
        assert world.powerdns.texts(place) == set()


class TestNothingIsRemoved:
    """Credentials that may write, and not remove."""

    def test_a_preflight_says_so(self, world: World) -> None:
        """It has seen its own record, but could not take it away: nothing that is called well."""
        name = f"kept.{ZONE}"
        with removing_nothing(world.powerdns.url) as url:
            found = world.issuer(options={"pdns_server": url}).preflight(PreflightRequest((name,)))

        (check,) = (each for each in found if each.name == "dns-01")
        assert "did not remove the TXT record _acme-challenge.kept" in check.problem
        assert check.remedy

    def test_a_dead_record_stops_no_order(self, world: World, drawer: Drawer) -> None:
        """What an attempt left, hours ago, cannot be removed now either: it stays, and the certificate comes."""
        name = f"dead.{ZONE}"
        record = TextRecord(f"_acme-challenge.{name}", ZONE, "dead")
        world.writer().add(record)
        long_ago = datetime.now(UTC) - 2 * LONGEST
        Traces(drawer, "ca", lambda: long_ago).note(record.name, record.value)
        asked = ask(name)

        with removing_nothing(world.powerdns.url) as url:
            chain = issue(world.issuer(options={"pdns_server": url}), asked)

        assert key_matches(chain, asked.key)
        assert "dead" in world.powerdns.texts(record.name)


class TestRefusals:
    """What a provider says, without what is secret."""

    def test_wrong_credentials_are_an_error_that_stays(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """A 401 names provider, record and zone, never the key."""
        monkeypatch.setenv("PDNS_KEY", "a-wrong-key")

        with pytest.raises(IssueError) as refused:
            issue(world.issuer(), ask(f"www.{ZONE}"))

        assert str(refused.value) == (
            f"ca: powerdns did not add the TXT record _acme-challenge.www.{ZONE} in zone {ZONE}: it answers with "
            "status 401; see that the credentials are right and may write there"
        )
        assert refused.value.permanent
        assert "a-wrong-key" not in "".join(traceback.format_exception(refused.value))

    def test_a_zone_that_it_does_not_have(self, world: World) -> None:
        """The provider's refusal is passed on; it may pass."""
        with pytest.raises(DnsError, match="status 404") as refused:
            world.writer().add(TextRecord("_acme-challenge.other.test", "other.test", "value"))

        assert not refused.value.permanent

    def test_an_api_that_is_not_there(self, world: World) -> None:
        """One clause, no path and no key."""
        nowhere = f"127.0.0.1:{free_port()}"

        with pytest.raises(DnsError, match=r": 127\.0\.0\.1 refuses the connection$"):
            world.writer(options={"pdns_server": f"http://{nowhere}"}).add(TextRecord(f"x.{ZONE}", ZONE, "value"))

    def test_what_a_provider_says_is_shown_without_secrets(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """An exception of the provider's own that holds the key as it is, and as a URL has it."""
        monkeypatch.setenv("PDNS_KEY", "se/cret&key")
        options = {"pdns_server": "http://[se/cret&key"}

        with pytest.raises(DnsError) as refused:
            world.writer(options=options).add(TextRecord(f"x.{ZONE}", ZONE, "value"))

        assert "se/cret" not in str(refused.value)
        assert "se%2Fcret" not in str(refused.value)
        assert refused.value.__cause__ is None

    def test_a_provider_that_is_unknown_is_guessed(self) -> None:
        """A spelling mistake comes with the nearest name."""
        with pytest.raises(DnsError, match=r"no provider 'rout53'; did you mean route53\?") as refused:
            provider_class("rout53")

        assert refused.value.permanent

    def test_a_provider_that_needs_more_says_what(self) -> None:
        """Some have dependencies of their own; the sentence has the command."""
        with pytest.raises(DnsError, match=r"pip install 'dns-lexicon\[softlayer\]'"):
            provider_class("softlayer")

    def test_preflight_tells_what_an_order_would_die_of(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """A token that was revoked shows now, not on the day of the renewal."""
        monkeypatch.setenv("PDNS_KEY", "revoked")

        checks = world.issuer().preflight(PreflightRequest((f"*.{ZONE}",)))

        assert ["status 401" in check.problem for check in checks if check.name == "dns-01"] == [True]
