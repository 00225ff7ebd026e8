"""The real path as an operator's config takes it: text, wiring, one look with everything that it begins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from rotator.app import Tick, once
from rotator.clock import system_clock
from rotator.config.load import load_text
from rotator.core.model import Decision, Outcome
from rotator.ports import Clock
from rotator.wiring import Wiring, build
from tests.servers.service import ServerError, wait_until

DAY = timedelta(days=1)
SECONDS = 120
"""How long one run of the program may take on a busy machine."""

A_MOMENT = 5.0

Entries = Mapping[str, Any]
T = TypeVar("T")


class Later:
    """The machine's clock, which a test can put forward: what waits for an hour is then due at once."""

    def __init__(self) -> None:
        real = system_clock()
        self._ahead = timedelta(0)
        self.clock = Clock(
            now=lambda: real.now() + self._ahead,
            monotonic=lambda: real.monotonic() + self._ahead.total_seconds(),
            wait=real.wait,
        )

    def skip(self, length: timedelta) -> None:
        """Have this much time pass."""
        self._ahead += length


def config(
    folder: Path,
    *,
    sources: Entries | None = None,
    issuers: Entries | None = None,
    adopt: Sequence[Entries] = (),
    certificates: Sequence[Entries] = (),
    alerts: Entries | str = "none",
    **more: object,
) -> str:
    """The text of a config file that rotates at the first look; its state is below `folder`."""
    (folder / "state").mkdir(exist_ok=True, parents=True)
    tree = {
        "mode": "rotate",
        "first_look": "act",
        "check_every": "1h",
        "state": str(folder / "state" / "state.db"),
        "sources": sources or {},
        "issuers": issuers or {},
        "adopt": list(adopt),
        "certificates": list(certificates),
        "alerts": alerts,
        **more,
    }
    return json.dumps(tree, indent=2)  # JSON is YAML


@contextmanager
def wired(text: str, clock: Clock | None = None) -> Iterator[Wiring]:
    """What `rotator run` builds from this text."""
    with build(load_text(text, "rotator.yaml"), clock or system_clock()) as wiring:
        yield wiring


def look(wiring: Wiring) -> tuple[Tick, dict[str, Outcome]]:
    """One look with the outcome of every rotation that it began, by certificate."""
    ticked, outcomes = once(wiring)
    found = {outcome.decision.spec.name: outcome for outcome in outcomes}
    assert len(found) == len(outcomes), "a certificate was rotated twice in one look"
    return ticked, found


def decisions(ticked: Tick) -> dict[str, Decision]:
    """What was decided, by certificate."""
    return {decision.spec.name: decision for decision in ticked.plan.decisions}


def ordered(wiring: Wiring) -> list[str]:
    """The certificates that the ledger has orders of, oldest first."""
    world = wiring.world
    return [order.certificate for order in world.store.fleet(world.clock.now()).orders]


def comes_to(seen: Callable[[], T], wanted: T) -> bool:
    """Whether this is seen, now or in a moment: after a reload the old workers of nginx still take some connections."""
    last: list[T] = []

    def as_wanted() -> bool:
        last.append(seen())
        return last[-1] == wanted

    try:
        wait_until(as_wanted, "", seconds=A_MOMENT)
    except ServerError:
        raise AssertionError(f"{A_MOMENT:g} s later it is still {last[-1]}, not {wanted}") from None
    return True


# ---------------------------------------------------------------- as a process


def program(*arguments: str) -> list[str]:
    """The command line of rotator, as it is installed beside this Python."""
    return [str(Path(sys.executable).parent / "rotator"), *arguments]


def environment(temporary: Path, **more: str) -> dict[str, str]:
    """The environment of a process whose temporary files can be looked at afterwards."""
    temporary.mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(temporary), "HOME": str(temporary), **more}


def run_once(file: Path, temporary: Path) -> subprocess.CompletedProcess[str]:
    """`rotator run --once`, in a process of its own."""
    return subprocess.run(
        program("run", "--once", "--config", str(file), "--output", "json"),
        env=environment(temporary),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
