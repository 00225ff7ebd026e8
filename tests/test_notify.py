"""Telling people, with real webhooks on loopback and a real store: who gets what, when something fails, and after."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from rotator import notify as telling
from rotator.alerters.log import LogAlerter, LogSettings
from rotator.alerters.webhook import WebhookAlerter, WebhookSettings
from rotator.conformance.alerter import Received, example
from rotator.core.model import Notice, NoticeKind, Severity
from rotator.delivery import Delivery, Route
from rotator.notify import deliver_again, heartbeat, notify
from rotator.ports import NoticeState, Store
from rotator.settings import SecretRef
from rotator.state.open import open_store
from tests.alerters.services import Service, clock, environment, taken, webhook_message
from tests.builders import DAY, HOUR, MINUTE, NOW
from tests.servers.loopback import Request, Response
from tests.servers.recorder import Recorder

W, E, C, INFO = Severity.WARNING, Severity.ERROR, Severity.CRITICAL, Severity.INFO
NOTICE = example()


class Town:
    """Some services, the routes to them, and a store."""

    def __init__(self, store: Store, things: ExitStack) -> None:
        self.store = store
        self.routes: list[Route] = []
        self._things = things
        self.services: dict[str, Service] = {}

    def add(self, name: str, *, at_least: Severity = INFO, owners: Sequence[str] = ()) -> Service:
        service = self._things.enter_context(Service(webhook_message, taken()))
        variable = f"TOWN_{name.upper()}"
        self._things.enter_context(environment(**{variable: f"{service.url}/{name}-secret"}))
        settings = WebhookSettings(url=SecretRef(f"${{env:{variable}}}"), timeout=timedelta(seconds=5))
        self.routes.append(Route(name, WebhookAlerter(name, settings, clock()), at_least, frozenset(owners)))
        self.services[name] = service
        return service

    def tell(self, *notices: Notice, at: datetime = NOW, seconds: float = 20) -> tuple[Delivery, ...]:
        return notify(notices, self.store, self.routes, at, seconds=seconds)

    def heard(self, name: str) -> list[tuple[str, bool]]:
        """What a service took, shortened: the end of the key, and whether it was over."""
        return [(message.key.removeprefix("rotator/"), message.resolved) for message in self.messages(name)]

    def messages(self, name: str) -> list[Received]:
        return self.services[name].received()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A store of the test's own, and services as they are added."""
    with ExitStack() as things:
        yield Town(things.enter_context(open_store(str(tmp_path / "state.db"), None, clock(), writer=True)), things)


def test_a_notice_is_told_once_to_everybody_and_its_end_too(town: Town) -> None:
    """Open, still open, over: two messages for each alerter, and nothing is left in the store."""
    town.add("chat")
    town.add("mail")
    town.tell(NOTICE)
    assert town.tell(NOTICE, at=NOW + HOUR) == ()
    town.tell(at=NOW + 2 * HOUR)
    assert town.heard("chat") == town.heard("mail") == [("failing/shop", False), ("failing/shop", True)]
    assert town.store.notices() == {}


def test_what_was_told_outlives_the_process(town: Town) -> None:
    """A restart does not tell it again; when and how often is in the store."""
    town.add("chat")
    town.tell(NOTICE)
    town.tell(NOTICE, at=NOW + 3 * DAY)
    (state,) = town.store.notices().values()
    assert (state.first_sent, state.last_sent, state.times) == (NOW, NOW + 3 * DAY, 2)
    assert state.undelivered == ()


def test_routes_by_owner_and_severity(town: Town) -> None:
    """The pager hears what is critical, each team its own, and a warning that is nobody's goes to all."""
    town.add("pager", at_least=C)
    town.add("payments", owners=["payments"])
    town.tell(NOTICE, replace(NOTICE, key="rotator/late/x", severity=C, owner="shop"))
    assert town.heard("pager") == [("late/x", False)]
    assert town.heard("payments") == [("failing/shop", False)]
    town.tell(NOTICE, replace(NOTICE, key="rotator/late/y", owner="shop"), at=NOW + MINUTE)
    assert town.heard("pager") == [("late/x", False), ("late/y", False), ("late/x", True)]
    assert ("late/y", False) in town.heard("payments")


def test_a_severity_that_rises_reaches_the_pager_at_once(town: Town) -> None:
    """Whoever heard the warning hears that it rose; who takes only what is critical hears it now; both hear its end."""
    town.add("pager", at_least=C)
    town.add("chat")
    town.tell(NOTICE)
    town.tell(replace(NOTICE, severity=C), at=NOW + MINUTE)
    town.tell(NOTICE, at=NOW + 2 * MINUTE)  # it does not become less grave while it is open
    town.tell(at=NOW + 3 * MINUTE)
    assert town.heard("pager") == [("failing/shop", False), ("failing/shop", True)]
    assert town.heard("chat") == [("failing/shop", False), ("failing/shop", False), ("failing/shop", True)]


# ---------------------------------------------------------------- alerters that fail


@pytest.mark.parametrize("how", ["refuse", "silence", "vanish"])
def test_a_dead_alerter_is_reported_by_the_others_and_catches_up(town: Town, how: str) -> None:
    """The others hear that it is dead and what it could not say; when it lives again it gets what it missed."""
    dead, chat = town.add("pager"), town.add("chat")
    dead.refuse(503, None) if how == "refuse" else getattr(dead, how)()
    deliveries = town.tell(replace(NOTICE, severity=C))
    assert [d.alerter for d in deliveries if not d.arrived] == ["pager"]
    assert town.heard("chat") == [("failing/shop", False), ("alerter-failed/pager", False)]
    report = town.messages("chat")[1].text
    assert "pager could not deliver 1 notice: " in report
    assert NOTICE.title in report
    assert "pager-secret" not in report
    (state,) = (s for s in town.store.notices().values() if s.notice.kind is NoticeKind.FAILING)
    assert state.undelivered == ("pager",)

    dead.behaviour.status, dead.behaviour.silent, dead.behaviour.gone = 0, False, False
    before = len(dead.requests)
    town.tell(replace(NOTICE, severity=C), at=NOW + MINUTE)
    assert [m.key for m in dead.received()[before:]] == [NOTICE.key]
    assert town.heard("chat")[-1] == ("alerter-failed/pager", True)
    town.tell(replace(NOTICE, severity=C), at=NOW + 2 * MINUTE)
    assert len(chat.received()) == 3


def test_the_end_of_a_notice_waits_for_a_dead_alerter(town: Town) -> None:
    """Who was told is told the end, though it was dead when it came."""
    pager = town.add("pager")
    town.tell(NOTICE)
    pager.refuse(500, None)
    town.tell(at=NOW + MINUTE)
    town.tell(at=NOW + 2 * MINUTE)
    pager.behaviour.status = 0
    town.tell(at=NOW + 3 * MINUTE)
    assert town.heard("pager") == [("failing/shop", False), ("failing/shop", True)]
    assert town.store.notices() == {}


def test_a_notice_that_is_refused_for_good_does_not_block_the_others(town: Town) -> None:
    """A 400 for one is no reason to keep back the rest, nor to ask again at every call."""
    pager = town.add("pager")
    bad = replace(NOTICE, key="rotator/late/bad", severity=C)
    answer = pager.behaviour.answer
    refused: list[str] = []

    def picky(request: Request) -> Response:
        key = json.loads(request.body)["key"]
        if key == bad.key:
            refused.append(key)
            return replace(answer(request), status=400)
        return answer(request)

    pager.behaviour.answer = picky
    town.tell(bad, NOTICE)
    town.tell(bad, NOTICE, at=NOW + MINUTE)
    assert ("failing/shop", False) in town.heard("pager")
    assert refused == [bad.key]
    town.tell(at=NOW + 2 * MINUTE)
    assert town.store.notices() == {}


def test_a_dead_alerter_is_left_after_two_failures(town: Town) -> None:
    """Many notices for a silent service cost two time limits, not one each; none of them is lost."""
    town.add("pager").silence()
    deliveries = town.tell(*(replace(NOTICE, key=f"rotator/failing/s{n}") for n in range(60)))
    assert len(town.services["pager"].requests) == 2
    assert [d.arrived for d in deliveries] == [False] * 60
    owed = [s for s in town.store.notices().values() if s.undelivered == ("pager",)]
    assert len(owed) == 60


def test_a_slow_alerter_delays_nobody(town: Town) -> None:
    """The call returns when its time is up, and the others have been told by then."""
    town.add("pager").silence()
    town.add("chat")
    started = time.monotonic()
    town.tell(NOTICE, seconds=2)
    assert time.monotonic() - started < 4.5
    assert ("failing/shop", False) in town.heard("chat")


def test_a_fault_in_an_alerter_is_contained(town: Town) -> None:
    """A third party's alerter that raises what it must not does not silence the others."""

    class Broken(LogAlerter):
        def send(self, notice: Notice, *, receipt: str | None) -> str | None:
            raise ZeroDivisionError

    town.add("chat")
    town.routes.append(Route("broken", Broken("broken", LogSettings(), clock())))
    with capture_logs() as logs:
        town.tell(NOTICE)
    assert town.heard("chat") == [("failing/shop", False), ("alerter-failed/broken", False)]
    assert "alerter crashed" in {entry["event"] for entry in logs}


def test_the_only_alerter_is_not_asked_to_report_its_own_death(town: Town) -> None:
    """With nobody else to tell, its failure is logged and kept, and it hears nothing of itself when it lives again."""
    pager = town.add("pager")
    pager.refuse(503, None)
    with capture_logs() as logs:
        town.tell(NOTICE)
    assert "not delivered" in {entry["event"] for entry in logs}
    assert {state.notice.kind for state in town.store.notices().values()} == {
        NoticeKind.FAILING, NoticeKind.ALERTER_FAILED,
    }  # fmt: skip
    pager.behaviour.status = 0
    town.tell(NOTICE, at=NOW + MINUTE)
    assert town.heard("pager") == [("failing/shop", False)]


# ---------------------------------------------------------------- between looks, and crashes


def test_between_looks_only_what_is_owed_is_sent(town: Town) -> None:
    """What could not be delivered is tried again without a new look, and nothing else is said."""
    pager, chat = town.add("pager"), town.add("chat")
    pager.refuse(503, None)
    town.tell(NOTICE)
    pager.behaviour.status = 0
    deliver_again(town.store, town.routes, NOW + MINUTE)
    assert town.heard("pager") == [("failing/shop", False)]
    assert [m.key for m in chat.received()] == [
        NOTICE.key,
        "rotator/alerter-failed/pager",
        "rotator/alerter-failed/pager",
    ]
    deliver_again(town.store, town.routes, NOW + 2 * MINUTE)
    assert len(chat.received()) == 3


def _tell_and_die(state: str, url: str) -> None:
    """In a process of its own: send, and be killed while the alerter answers."""
    os.environ["DIE_URL"] = url

    class Deadly(WebhookAlerter):
        def send(self, notice: Notice, *, receipt: str | None) -> str | None:
            super().send(notice, receipt=receipt)
            os.kill(os.getpid(), signal.SIGKILL)
            return None

    alerter = Deadly("chat", WebhookSettings(url=SecretRef("${env:DIE_URL}")), clock())
    store = open_store(state, None, clock(), writer=True)
    notify([NOTICE], store, [Route("chat", alerter)], NOW)


def test_a_crash_after_sending_sends_again_under_the_same_key(tmp_path: Path) -> None:
    """Killed between sending and remembering: the message goes out once more with the same key."""
    state = str(tmp_path / "state.db")
    with Service(webhook_message, taken()) as service, environment(DIE_URL=service.url):
        process = get_context("spawn").Process(target=_tell_and_die, args=(state, service.url))
        process.start()
        process.join(90)
        assert process.exitcode == -signal.SIGKILL
        alerter = WebhookAlerter("chat", WebhookSettings(url=SecretRef("${env:DIE_URL}")), clock())
        with open_store(state, None, clock(), writer=True) as store:
            notify([NOTICE], store, [Route("chat", alerter)], NOW + MINUTE)
            notify([NOTICE], store, [Route("chat", alerter)], NOW + 2 * MINUTE)
        assert [(message.key, message.resolved) for message in service.received()] == [(NOTICE.key, False)] * 2


def test_what_may_have_been_sent_before_a_crash_is_ended(town: Town) -> None:
    """A notice that was about to be sent, and is over when rotator comes back, is not left open at the pager."""
    town.add("pager")
    town.store.keep_notice(NoticeState(NOTICE, None, None, 0, {}, ("pager",)))
    town.tell()
    assert town.heard("pager") == [("failing/shop", True)]
    assert town.store.notices() == {}


def test_no_key_material_reaches_an_alerter(town: Town) -> None:
    """A private key or a token inside an error text is taken out before any alerter sees it."""
    town.add("chat")
    pem = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----"
    town.tell(replace(NOTICE, title=f"failed with {pem}", detail=f"said {pem} and Bearer abcdefgh12345678"))
    (message,) = town.messages("chat")
    assert "MIGH" not in message.text
    assert "abcdefgh12345678" not in message.text


# ---------------------------------------------------------------- trying it out, and the watcher


def test_a_test_shows_every_kind(town: Town) -> None:
    """`alerts test` has one notice of each kind and severity, and all of them say that they are a test."""
    found = telling.test_notices(NOW)
    assert {notice.kind for notice in found} == set(NoticeKind)
    assert {notice.severity for notice in found} == set(Severity)
    assert all(notice.title.startswith("TEST") for notice in found)


def test_the_heartbeat_is_a_get_and_never_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watcher is pinged; when it cannot be, that is logged without its address, and nothing is raised."""
    ref = SecretRef("${env:BEAT}")
    with Recorder() as watcher:
        monkeypatch.setenv("BEAT", f"{watcher.url}/ping/uuid-secret")
        assert heartbeat(ref)
        assert [(request.method, request.path) for request in watcher.requests] == [("GET", "/ping/uuid-secret")]
    with capture_logs() as logs:
        assert not heartbeat(ref)
        monkeypatch.delenv("BEAT")
        assert not heartbeat(ref)
    assert [entry["event"] for entry in logs] == ["heartbeat not heard", "heartbeat not sent"]
    assert "uuid-secret" not in str(logs)
