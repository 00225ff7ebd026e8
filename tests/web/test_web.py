"""The web server: health, metrics, JSON and the page, over real HTTP, and nothing that changes anything."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from rotator.clock import system_clock
from rotator.core.model import (
    Action,
    CertificateSpec,
    Decision,
    Inventory,
    Notice,
    NoticeKind,
    Outcome,
    Plan,
    Result,
    Severity,
)
from rotator.core.reasons import Reason
from rotator.core.summary import summary_of
from rotator.metrics import Metrics
from rotator.ports import NoticeState, Store
from rotator.state.open import open_store
from rotator.web.page import left_of
from rotator.web.server import AddressTaken, free_address, served
from rotator.web.view import View

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPEC = CertificateSpec("shop <b>", ("shop.test",), ("internal",), owner="payments")
HELD = Decision(
    SPEC,
    Action.HOLD,
    Reason.QUARANTINED,
    "the new one did harm",
    NOW,
    wanted=Action.REDEPLOY,
    because=Reason.DIFFERS,
    ends=NOW + timedelta(days=9),
    command="rotator approve shop",
)
NOTICE = Notice(
    "rotator/held/shop",
    NoticeKind.HELD,
    Severity.WARNING,
    "shop waits",
    "a person decides",
    NOW,
    command="rotator approve shop",
)


@dataclass
class Health:
    """What the daemon says of itself."""

    alive: bool = True
    ready: bool = True
    error: str = ""
    store: Store | None = None
    address: str = ""
    metrics: Metrics = field(default_factory=Metrics)


@pytest.fixture
def health(tmp_path: Path) -> Iterator[Health]:
    """A running web server on a free port, and the strings that its health hangs on."""
    told = Health()
    with open_store(str(tmp_path / "state.db"), None, system_clock(), writer=True) as store:
        told.store = store
        view = View(
            store,
            told.metrics,
            lambda: NOW,
            alive=lambda: told.alive,
            ready=lambda: told.ready,
            error=lambda: told.error,
        )
        with served("127.0.0.1:0", view) as address:
            told.address = address
            yield told


def get(health: Health, path: str) -> requests.Response:
    return requests.get(f"http://{health.address}{path}", timeout=10)


def looked(health: Health) -> None:
    plan = Plan(NOW, (HELD,))
    assert health.store is not None
    health.store.keep_plan(plan)
    health.store.keep_look(summary_of(Inventory(NOW), plan), NOW)
    health.store.keep_notice(NoticeState(NOTICE, NOW, NOW, 1, {}))
    health.store.record(
        Outcome(HELD, Result.ROLLED_BACK, NOW, NOW + timedelta(seconds=3), error="shop.test:443 went down")
    )


def test_health_follows_the_daemon(health: Health) -> None:
    """Alive and ready are 200 or 503, as the daemon says."""
    assert (get(health, "/healthz").status_code, get(health, "/readyz").status_code) == (200, 200)

    health.alive, health.ready = False, False

    assert (get(health, "/healthz").status_code, get(health, "/readyz").status_code) == (503, 503)


def test_metrics_are_prometheus_text(health: Health) -> None:
    """The metrics are served in the text format, with the build's version."""
    answer = get(health, "/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "rotator_build_info" in answer.text


def test_before_the_first_look(health: Health) -> None:
    """An empty state is a page and a JSON that say so, not an error."""
    assert get(health, "/api/v1/status").json()["look"] is None
    assert "Before the first look" in get(health, "/").text


def test_status_has_decisions_and_notices(health: Health) -> None:
    """The JSON says what is held, why, and what to run."""
    looked(health)
    status = get(health, "/api/v1/status").json()

    (row,) = status["look"]["certificates"]
    assert (row["state"], row["reason"], row["command"]) == ("held", "quarantined", "rotator approve shop")
    assert status["notices"][0]["title"] == "shop waits"


def test_outcomes_can_be_asked_for(health: Health) -> None:
    """Rotations are listed newest first, and for one certificate."""
    looked(health)

    assert get(health, "/api/v1/outcomes").json()[0]["result"] == "rolled-back"
    assert get(health, "/api/v1/outcomes?certificate=other").json() == []
    assert get(health, "/api/v1/outcomes?limit=0").status_code == 422


def test_the_page_shows_it_and_escapes_names(health: Health) -> None:
    """The page has the certificate, the notice and the story; a name is text, never markup."""
    looked(health)
    answer = get(health, "/")

    assert "shop &lt;b&gt;" in answer.text
    assert "shop <b>" not in answer.text
    assert "shop.test:443 went down" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_last_error_is_shown(health: Health) -> None:
    """Why the last look failed stands on the page."""
    health.error = "the state cannot be read"

    assert "the state cannot be read" in get(health, "/").text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(health: Health, method: str) -> None:
    """Every route only reads."""
    for path in ("/", "/api/v1/status", "/api/v1/outcomes", "/healthz", "/metrics"):
        assert requests.request(method, f"http://{health.address}{path}", timeout=10).status_code == 405


def test_a_taken_address_is_one_sentence() -> None:
    """An address in use is refused before anything is started."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        view = View(None, Metrics(), lambda: NOW, lambda: True, lambda: True, lambda: "")  # type: ignore[arg-type]  # never read
        with pytest.raises(AddressTaken, match=address), served(address, view):
            pass


def test_a_free_address_is_found_where_the_wanted_one_is_taken() -> None:
    """Another port is taken when the wanted one is in use."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        wanted = other.getsockname()[1]

        assert free_address("127.0.0.1", wanted) != f"127.0.0.1:{wanted}"


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (None, "none"),
        (timedelta(days=29), "29 d"),
        (timedelta(hours=7), "7 h"),
        (timedelta(minutes=3), "3 min"),
        (timedelta(days=-3), "ended 3 d ago"),
    ],
)
def test_spans_are_said_as_people_say_them(left: timedelta | None, text: str) -> None:
    """A time left is rounded to the unit that matters."""
    assert left_of(left) == text


def test_an_outcome_without_harm_is_shown_with_its_proof(health: Health) -> None:
    """A finished rotation shows its result."""
    assert health.store is not None
    done = replace(HELD, action=Action.RENEW, reason=Reason.DUE, because=Reason.DUE)
    health.store.record(Outcome(done, Result.DONE, NOW, NOW))

    assert get(health, "/api/v1/outcomes").json()[0]["result"] == "done"
