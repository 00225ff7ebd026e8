"""Load the config: every mistake at once, each with file, line, column and the nearest valid name."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from rotator.config.build import Config
from rotator.config.entries import read_plugins
from rotator.config.mistakes import mistakes
from rotator.config.model import File
from rotator.config.readable import readable, whole
from rotator.config.references import reference_problems
from rotator.config.source import Document, read
from rotator.errors import ConfigError, ConfigProblem


def load(path: Path) -> Config:
    """Load a config file.

    Raises:
        ConfigError: it cannot be read, or has mistakes: all of them, in the order of the file.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError((ConfigProblem(str(path), 1, 1, "", f"it cannot be read: {error.strerror}"),)) from error
    except UnicodeDecodeError as error:
        raise ConfigError((ConfigProblem(str(path), 1, 1, "", "it is no UTF-8 text"),)) from error
    return load_text(text, str(path))


def load_text(text: str, name: str) -> Config:
    """Load a config from its text.

    Args:
        name: what to call it in messages.

    Raises:
        ConfigError: as for `load`.
    """
    document = read(text, name)
    problems = list(document.problems)
    file: File | None = None
    if isinstance(document.tree, dict):
        file = _file(document, problems)
        plugins, found = read_plugins(document)
        seen = whole(file) if file is not None else readable(document.tree)
        problems += [*found, *reference_problems(document, seen, plugins)]
    elif not problems:
        problems.append(ConfigProblem(name, 1, 1, "", _no_mapping(document)))
    if file is None or problems:
        raise ConfigError(tuple(sorted(set(problems), key=lambda p: (p.line, p.column, p.path, p.message))))
    return Config(name, file, plugins, document)


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
