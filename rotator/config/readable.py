"""As much of the config file as can be read, so that one mistake hides no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from pydantic import BaseModel

from rotator.config.model import Adoption, Declared, File
from rotator.validating import read_part

M = TypeVar("M", bound=BaseModel)
At: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Readable:
    """A file, each of its certificates and each of its rules, by their places.

    Whatever could not be read of them raises `Unread` when it is asked for; see `validating.as_far_as_read`.
    """

    file: File
    certificates: Mapping[At, Declared]
    rules: Mapping[At, Adoption]

    @property
    def both(self) -> Iterator[tuple[At, Declared | Adoption]]:
        """Each certificate and each rule with its place."""
        yield from self.certificates.items()
        yield from self.rules.items()


def whole(file: File) -> Readable:
    """A file without mistakes of its own."""
    return Readable(
        file,
        {("certificates", index): certificate for index, certificate in enumerate(file.certificates)},
        {("adopt", index): rule for index, rule in enumerate(file.adopt)},
    )


def readable(tree: Mapping[str, object]) -> Readable:
    """What of a file with mistakes can be read."""
    file = read_part(File, {**tree, "certificates": None, "adopt": None})
    assert file is not None  # it is a mapping, and has no rules about which keys there are
    return Readable(file, _listed(tree, "certificates", Declared), _listed(tree, "adopt", Adoption))


def _listed(tree: Mapping[str, object], section: str, model: type[M]) -> dict[At, M]:
    entries = tree.get(section)
    parts = [read_part(model, entry) for entry in entries] if isinstance(entries, list) else []
    return {(section, index): part for index, part in enumerate(parts) if part is not None}
