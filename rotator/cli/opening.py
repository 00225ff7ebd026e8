"""Opening what a verb works on: the config, the state, and the wiring of the whole path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.cli.ending import Mistake

if TYPE_CHECKING:
    from rotator.config.build import Config
    from rotator.core.model import CertificateSpec
    from rotator.log import Level
    from rotator.ports import Store
    from rotator.wiring import Wiring


def read_config(path: Path, *, ready: bool = False) -> Config:
    """Read the config.

    Args:
        ready: everything that it names has to be usable now.

    Raises:
        Mistake: there is none at that path.
        ConfigError: it has mistakes, or is not ready.
    """
    from rotator.config.load import load, load_ready

    if is_missing(path):
        raise Mistake(
            f"there is no config at {path}; write one with `rotator config init --config {path}`, "
            "or name yours with --config"
        )
    return load_ready(path) if ready else load(path)


def is_missing(path: Path) -> bool:
    """Whether there is nothing at a path; where that cannot be told, whoever opens it says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def open_state(config: Config) -> Store:
    """Open the state for reading, also beside a running daemon.

    Raises:
        StateError: there is none yet, or it cannot be read.
    """
    from rotator.clock import system_clock
    from rotator.state.open import open_store

    return open_store(config.file.state.url, config.file.state.key, system_clock(), writer=False)


@contextmanager
def reading(config: Config) -> Iterator[Store | None]:
    """The state for reading; None where there is none yet."""
    from rotator.state.open import locate

    if is_missing(locate(config.file.state.url)):
        yield None
        return
    with open_state(config) as store:
        yield store


@contextmanager
def on_a_copy(config: Config) -> Iterator[Wiring]:
    """The whole path on a private copy of the state, which is thrown away: whatever it does changes nothing."""
    from rotator.clock import system_clock
    from rotator.wiring import build

    with build(config, system_clock(), writer=False) as wiring:
        yield wiring


def without_state(config: Config) -> Config:
    """The same config with a state that nothing was ever kept in."""
    from dataclasses import replace

    nowhere = config.file.state.model_copy(update={"url": os.devnull + "/none", "key": None})
    return replace(config, file=config.file.model_copy(update={"state": nowhere}))


def log_to_stderr(level: Level = "error") -> None:
    """Have a verb's logs on stderr, for people on a terminal; what it has to say itself it says by its result."""
    import sys

    from rotator.log import configure

    configure(level, "console" if sys.stderr.isatty() else "json")


def named(names: Iterable[str] | None, store: Store | None, config: Config) -> tuple[CertificateSpec, ...]:
    """The certificates of these names; without names, all that are looked after.

    Raises:
        Mistake: there is none of that name; the nearest are in the sentence.
    """
    from rotator.asked import Declined, known_specs, spec_named

    known = known_specs(store, config.specs())
    try:
        return tuple(spec_named(name, known) for name in names) if names else tuple(known.values())
    except Declined as error:
        raise Mistake(str(error)) from error
