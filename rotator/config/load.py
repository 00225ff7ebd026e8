"""Load the config: every mistake at once, each with file, line, column and the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from rotator.config.baseline import load_baseline
from rotator.config.build import Config
from rotator.config.entries import Plugins, read_plugins
from rotator.config.mistakes import mistakes
from rotator.config.model import File
from rotator.config.readable import Readable, readable, whole
from rotator.config.ready import not_ready
from rotator.config.references import reference_problems
from rotator.config.source import Document, read
from rotator.errors import ConfigError, ConfigProblem
from rotator.validating import as_far_as_read


@dataclass(frozen=True, slots=True)
class _Examined:
    """What was found in a file.

    Attributes:
        file: None when it has mistakes of its own.
        seen: as much of it as can be read; None when it is no mapping.
    """

    document: Document
    file: File | None
    seen: Readable | None
    plugins: Plugins
    problems: tuple[ConfigProblem, ...]

    def config(self) -> Config:
        """The config.

        Raises:
            ConfigError: it has mistakes.
        """
        if self.file is None or self.problems:
            raise ConfigError(self.problems)
        return Config(self.document.name, self.file, self.plugins, self.document)


def load(path: Path) -> Config:
    """Load a config file.

    Raises:
        ConfigError: it cannot be read, or has mistakes: all of them, in the order of the file.
    """
    return load_text(_text(path), str(path))


def load_text(text: str, name: str) -> Config:
    """Load a config from its text.

    Args:
        name: what to call it in messages.

    Raises:
        ConfigError: as for `load`.
    """
    return _examined(text, name).config()


def load_ready(path: Path) -> Config:
    """Load a config file of which everything can be used now.

    Raises:
        ConfigError: as for `load`; what is not ready (see `rotator.config.ready`) and the mistakes of the baseline are
            told beside the mistakes.
    """
    examined = _examined(_text(path), str(path))
    if examined.seen is not None:
        lacking = not_ready(examined.document, examined.seen, examined.plugins)
        told = _in_order((*examined.problems, *lacking))
        told += tuple(as_far_as_read(_of_the_baseline(examined.seen.file)))
        if told:
            raise ConfigError(told)
    return examined.config()


def _of_the_baseline(file: File) -> Iterator[ConfigProblem]:
    """It is a file of its own, with mistakes of its own."""
    try:
        if file.scan.baseline:
            load_baseline(Path(file.scan.baseline))
    except ConfigError as error:
        yield from error.problems


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError((ConfigProblem(str(path), 1, 1, "", f"it cannot be read: {error.strerror}"),)) from error
    except UnicodeDecodeError as error:
        raise ConfigError((ConfigProblem(str(path), 1, 1, "", "it is no UTF-8 text"),)) from error
    return text


def _examined(text: str, name: str) -> _Examined:
    document = read(text, name)
    problems = list(document.problems)
    file, seen, plugins = None, None, Plugins()
    if isinstance(document.tree, dict):
        file = _file(document, problems)
        plugins, found = read_plugins(document)
        seen = whole(file) if file is not None else readable(document.tree)
        problems += [*found, *reference_problems(document, seen, plugins)]
    elif not problems:
        problems.append(ConfigProblem(name, 1, 1, "", _no_mapping(document)))
    return _Examined(document, file, seen, plugins, _in_order(problems))


def _in_order(problems: Iterable[ConfigProblem]) -> tuple[ConfigProblem, ...]:
    return tuple(sorted(set(problems), key=lambda p: (p.line, p.column, p.path, p.message)))


def _file(document: Document, problems: list[ConfigProblem]) -> File | None:
    try:
        return File.model_validate(document.tree)
    except ValidationError as error:
        problems += mistakes(error, document, (), File)
        return None


def _no_mapping(document: Document) -> str:
    if document.tree is None:
        return "the file is empty; `rotator config init` writes one to begin with"
    return "a config is a mapping; it begins with a line like `mode: observe`"
