"""Tests of what all ways to prove names share: choosing one, taking away, and the traces of what is shown."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from structlog.testing import capture_logs

from rotator.errors import IssueError
from rotator.issuers.acme.choosing import Solvers
from rotator.issuers.acme.entrance import PATH
from rotator.issuers.acme.http01 import showing
from rotator.issuers.acme.proving import Dns01, Http01, Http01Kubernetes, SolverSettings
from rotator.issuers.acme.settings import AcmeSettings
from rotator.issuers.acme.solver import Desk, Undoing
from rotator.issuers.acme.traces import LONGEST, Holder, Traces, this_process
from tests.issuers.asking import Drawer, clock_at
from tests.servers.ports import free_port

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
KINDS = ("http-01", "dns-01", "tls-alpn-01")
DNS = {"provider": "route53"}


def settings(**ways: object) -> AcmeSettings:
    return AcmeSettings.model_validate({"directory": "letsencrypt", "agree_terms": True, **ways})


def desk(drawer: Drawer | None = None, now: datetime = NOW) -> Desk:
    clock = clock_at(now)
    return Desk("ca", clock, Traces(drawer or Drawer(), "ca", clock.now))


def solvers(**ways: object) -> Solvers:
    return Solvers(settings(**ways), desk())


def kind(of: Solvers, name: str, offered: tuple[str, ...] = KINDS) -> str:
    found = of.of(name, offered)
    return found.kind if found else ""


class TestChoosing:
    """Which solver proves which name."""

    @pytest.mark.parametrize(
        ("ways", "name", "expected"),
        [
            ({}, "a.example", "http-01"),
            ({}, "192.0.2.1", "http-01"),
            ({}, "*.a.example", ""),
            ({"dns01": DNS}, "a.example", "dns-01"),
            ({"dns01": DNS}, "*.a.example", "dns-01"),
            ({"dns01": DNS}, "2001:db8::1", ""),
            ({"dns01": DNS, "http01": {}}, "a.example", "http-01"),
            ({"dns01": DNS, "http01": {}}, "*.a.example", "dns-01"),
            ({"dns01": DNS, "tls_alpn01": {}}, "192.0.2.1", "tls-alpn-01"),
            ({"tls_alpn01": {}, "http01": {}}, "a.example", "http-01"),
            ({"tls_alpn01": {}}, "*.a.example", ""),
        ],
    )
    def test_by_what_is_configured(self, ways: dict[str, object], name: str, expected: str) -> None:
        """One line is enough; of several the cheapest that can prove the name; wildcards by DNS-01 alone."""
        assert kind(solvers(**ways), name) == expected

    def test_by_what_the_ca_offers(self) -> None:
        """The next of those that are configured, where the CA does not take the first."""
        of = solvers(http01={}, dns01=DNS)

        assert kind(of, "a.example", ("dns-01", "tls-alpn-01")) == "dns-01"
        assert kind(of, "a.example", ("tls-alpn-01",)) == ""

    def test_by_names(self) -> None:
        """The first of `solvers` whose globs fit, whatever the case; then what stands beside it."""
        of = solvers(
            http01={},
            solvers=[
                {"names": ["*.internal.example", "Shop.example"], "dns01": DNS},
                {"names": ["*.edge.example"], "tls_alpn01": {}},
            ],
        )

        assert kind(of, "db.INTERNAL.example") == "dns-01"
        assert kind(of, "*.internal.example") == "dns-01"
        assert kind(of, "shop.example") == "dns-01"
        assert kind(of, "one.edge.example") == "tls-alpn-01"
        assert kind(of, "other.example") == "http-01"

    def test_all_names_that_cannot_be_proved_are_said_at_once(self) -> None:
        """One sentence with the names of each cause."""
        of = solvers(solvers=[{"names": ["*.example"], "http01": {}}])

        assert of.objection(("ok.example", "*.a.example", "other.test", "*.b.example", "spiffe://x/y")) == (
            "*.a.example, *.b.example cannot be proved: a wildcard cannot be proved over HTTP; configure dns01 for it, "
            "or name the hosts one by one; other.test cannot be proved: none of the solvers is for it; widen the "
            "`names` of one; spiffe://x/y is no host name or address; ACME orders nothing else"
        )

    @given(
        st.sets(st.sampled_from(["http01", "dns01", "tls_alpn01"])),
        st.sampled_from(["a.example", "*.a.example", "192.0.2.1", "2001:db8::1"]),
        st.sets(st.sampled_from([*KINDS, "dns-persist-01"])),
    )
    def test_what_is_chosen_can_prove_and_is_offered(self, ways: set[str], name: str, offered: set[str]) -> None:
        """Whatever is configured and offered: never a kind that cannot prove the name or that the CA does not take."""
        of = solvers(**{way: DNS if way == "dns01" else {} for way in ways})

        found = of.of(name, offered)

        if found is not None:
            assert found.kind in offered
            assert not (name.startswith("*.") and found.kind != "dns-01")
            assert not (name[-1].isdigit() and found.kind == "dns-01")
        elif of.objection([name]) == "":
            assert not offered & set(of.kinds(name))


class TestSettings:
    """What an operator may write."""

    def test_nothing_said_is_a_listener(self) -> None:
        """HTTP-01 on port 80, as before there was a choice; said, the others are not added to it."""
        assert settings().solver_settings == (SolverSettings(http01=Http01()),)
        assert settings(dns01=DNS).solver_settings == (SolverSettings(dns01=Dns01(provider="route53")),)

    @pytest.mark.parametrize(
        ("ways", "said"),
        [
            ({"dns01": {}}, "either provider or rfc2136"),
            ({"dns01": {**DNS, "rfc2136": {}}}, "either provider or rfc2136"),
            ({"dns01": {"rfc2136": {"key_name": "k"}}}, "write both or neither"),
            ({"dns01": {"rfc2136": {}, "options": {"a": 1}}}, "belong to a provider"),
            ({"dns01": {**DNS, "credentials": {"auth_token": "plain"}}}, "never in the file itself"),
            ({"dns01": {**DNS, "resolvers": ["dns.example"]}}, "no address of a DNS server"),
            ({"dns01": {**DNS, "nameservers": ["192.0.2.1:0"]}}, "no port between"),
            ({"solvers": [{"http01": {}, "dns01": DNS}]}, "exactly one of http01, dns01 and tls_alpn01"),
            ({"solvers": [{"names": ["*"]}]}, "exactly one of http01, dns01 and tls_alpn01"),
            ({"http01": {"kubernetes": {}}}, "either ingress_class or gateway"),
            ({"http01": {"webroot": "/w", "kubernetes": {"ingress_class": "x"}}}, "either listen or webroot"),
            ({"tls_alpn01": {"listen": "443"}}, "no address to listen on"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, ways: dict[str, object], said: str) -> None:
        """Before anything starts, in words."""
        with pytest.raises(ValidationError, match=said):
            settings(**ways)

    def test_a_pod_listens_on_its_own_port(self) -> None:
        """8089, which needs no right, unless another one is said; of its family."""
        kubernetes = Http01Kubernetes(ingress_class="nginx")

        assert Http01().listening("") == "0.0.0.0:80"
        assert Http01(kubernetes=kubernetes).listening("192.0.2.1") == "0.0.0.0:8089"
        assert Http01(kubernetes=kubernetes).listening("2001:db8::1") == "[::]:8089"
        assert Http01(kubernetes=kubernetes, listen="[::]:80").listening("192.0.2.1") == "[::]:80"

    def test_a_check_is_the_default_only_where_it_is_needed(self) -> None:
        """A controller takes a while, a listener does not; said, it is as said."""
        kubernetes = Http01Kubernetes(ingress_class="nginx")

        assert [Http01().is_checked, Http01(kubernetes=kubernetes).is_checked] == [False, True]
        assert [Http01(check=True).is_checked, Http01(kubernetes=kubernetes, check=False).is_checked] == [True, False]


@dataclass
class Things:
    """What was shown, and what became of it."""

    undone: list[str] = field(default_factory=list)

    def undo(self, what: str, error: BaseException | None = None) -> None:
        self.undone.append(what)
        if error is not None:
            raise error


class TestUndoing:
    """Each once, the last first."""

    @pytest.mark.parametrize("ending", [None, RuntimeError(), KeyboardInterrupt(), SystemExit()])
    def test_whatever_the_end(self, ending: BaseException | None) -> None:
        """Left by itself, by an error, by a stop: all is taken away, and the error goes on."""
        things = Things()
        with ExitStack() as expected:
            if ending is not None:
                expected.enter_context(pytest.raises(type(ending)))
            with Undoing("ca") as undoing:
                for name in "abc":
                    undoing.later(name, lambda name=name: things.undo(name))  # type: ignore[misc]
                if ending is not None:
                    raise ending

        assert things.undone == ["c", "b", "a"]

    @pytest.mark.parametrize("error", [IssueError("ca: the API is down"), ValueError("a bug")])
    def test_one_that_fails_does_not_keep_the_others(self, error: Exception) -> None:
        """It is logged with what is left, and the order's own end is not hidden by it."""
        things = Things()

        with capture_logs() as logs, pytest.raises(RuntimeError, match="the order"), Undoing("ca") as undoing:
            undoing.later("first", lambda: things.undo("first"))
            undoing.later("second", lambda: things.undo("second", error))
            raise RuntimeError("the order")

        assert things.undone == ["second", "first"]
        (line,) = logs
        assert line["event"] == "a challenge could not be taken away"
        assert line["what"] == "second"

    def test_a_second_interrupt_does_not_keep_the_others(self) -> None:
        """Interrupted while taking away, the rest still is."""
        things = Things()

        with pytest.raises(KeyboardInterrupt), Undoing("ca") as undoing:
            undoing.later("first", lambda: things.undo("first"))
            undoing.later("second", lambda: things.undo("second", KeyboardInterrupt()))

        assert things.undone == ["second", "first"]


class TestTraces:
    """What is noted of things that are shown."""

    def traces(self, drawer: Drawer, now: datetime = NOW) -> Traces:
        return Traces(drawer, "ca", lambda: now)

    def noted_by(self, holder: Holder, place: str = "p") -> Drawer:
        """A drawer in which another process has noted a value."""
        drawer = Drawer()
        self.traces(drawer).note(place, "value")
        me = this_process()
        for key, kept in drawer.kept.items():
            text = kept.decode().replace(me.run, holder.run).replace(f'"{me.host}"', f'"{holder.host}"')
            drawer.kept[key] = text.replace(f'"process": {me.process}', f'"process": {holder.process}').encode()
        return drawer

    def left(self, traces: Traces, place: str = "p") -> tuple[str, ...]:
        return tuple(each.value for each in traces.left(place))

    def test_our_own_are_not_left(self) -> None:
        """What this process shows is in use, until it is forgotten or impossibly old."""
        drawer = Drawer()
        traces = self.traces(drawer)
        first = traces.note("p", "a")
        traces.note("p", "b")
        traces.note("q", "c")

        assert self.left(traces) == ()
        traces.forget(first)
        assert self.left(self.traces(drawer, NOW + LONGEST)) == ("b",)
        assert self.left(self.traces(drawer, NOW + LONGEST), "q") == ("c",)

    @pytest.mark.parametrize(
        ("holder", "is_left"),
        [
            (replace(this_process(), run="before"), True),  # as a container's first process always has number 1
            (Holder(socket.gethostname(), 2**22 + 1, "before"), True),  # no such process
            (Holder(socket.gethostname(), os.getppid(), "other"), False),  # somebody lives
            (Holder("another-host", 1, "other"), False),
        ],
        ids=["same number", "no process", "alive", "elsewhere"],
    )
    def test_of_others_only_the_dead_ones_are(self, holder: Holder, is_left: bool) -> None:
        """A process of this host that does not exist any more; of another host only by age."""
        drawer = self.noted_by(holder)

        assert self.left(self.traces(drawer)) == (("value",) if is_left else ())
        assert self.left(self.traces(drawer, NOW + LONGEST)) == ("value",)

    @pytest.mark.parametrize("alone", [True, False])
    def test_whoever_holds_the_state_alone_knows_that_its_predecessor_has_ended(self, alone: bool) -> None:
        """A pod comes back under another name: what it left before is found at once, not hours later. Beside another
        process that may use the state, as a command on a copy of it, nobody knows that."""
        drawer = Drawer(is_alone=True)
        self.traces(drawer).note("p", "value")
        me = this_process()
        drawer.kept = {
            key: kept.replace(me.run.encode(), b"before").replace(f'"{me.host}"'.encode(), b'"another-host"')
            for key, kept in drawer.kept.items()
        }
        drawer.is_alone = alone

        assert self.left(self.traces(drawer)) == (("value",) if alone else ())

    def test_what_two_show_is_the_last_ones_to_take_away(self) -> None:
        """Also where one of them is another issuer with the same account; a dead one needs nothing any more."""
        drawer = self.noted_by(replace(this_process(), run="before"))
        ours, others = self.traces(drawer), Traces(drawer, "other", lambda: NOW)
        first, second = ours.note("p", "value"), others.note("p", "value")
        another = ours.note("p", "another")

        assert ours.leave(another)
        assert not ours.leave(first)
        assert ours.is_needed("p", "value")
        assert others.leave(second)
        assert not ours.is_needed("p", "value")

    def test_what_could_not_be_taken_away_is_left(self) -> None:
        """The next attempt tries again; what is shown again meanwhile stays, and so does another issuer's."""
        drawer = Drawer()
        ours, others = self.traces(drawer), Traces(drawer, "other", lambda: NOW)
        for traces in (ours, others):
            traces.leave(traces.note("p", f"of {traces is ours}"))
        assert self.left(ours) == ("of True",)

        again = others.note("p", "of True")
        assert self.left(ours) == ()
        assert others.leave(again), "whoever shows it again takes it away"
        assert self.left(others) == ("of False", "of True")

    @given(st.binary() | st.text().map(str.encode))
    def test_a_drawer_of_another_version_is_empty(self, kept: bytes) -> None:
        """Whatever lies there: nothing is left, and what we note is kept."""
        drawer = Drawer()
        self.traces(drawer).note("p", "value")
        (key,) = drawer.kept
        drawer.kept[key] = kept

        assert self.left(self.traces(drawer, NOW + LONGEST)) == ()
        self.traces(drawer).note("p", "again")
        assert self.left(self.traces(drawer, NOW + LONGEST)) == ("again",)

    def test_files_of_a_dead_process_are_removed(self, tmp_path: Path) -> None:
        """In a webroot the token of a crashed attempt goes, a stranger's file stays."""
        folder = tmp_path / PATH.strip("/")
        folder.mkdir(parents=True)
        for name in ("value", "theirs"):
            (folder / name).write_text("x")
        drawer = self.noted_by(replace(this_process(), run="before"), place=str(folder))

        with showing(Http01(webroot=tmp_path), "", {"new": "y"}, desk(drawer)):
            assert {path.name for path in folder.iterdir()} == {"new", "theirs"}

        assert [path.name for path in folder.iterdir()] == ["theirs"]
        assert self.traces(drawer, NOW + timedelta(days=9)).left(str(folder)) == ()


def test_no_port_is_opened_by_choosing() -> None:
    """Solvers are made with the issuer: nothing is listened on, asked or imported for it that an order needs."""
    listen = f"127.0.0.1:{free_port()}"
    made = solvers(http01={"listen": listen}, tls_alpn01={"listen": listen}, dns01=DNS)

    with socket.create_server(("127.0.0.1", int(listen.rpartition(":")[2]))):
        assert made.kinds("a.example") == ("http-01", "tls-alpn-01", "dns-01")
