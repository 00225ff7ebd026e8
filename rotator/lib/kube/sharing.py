"""Hosts that several Secrets serve together: whoever serves them chooses by the names of the certificates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rotator.core.trust import covers

Key = tuple[str, str]
"""A Secret: namespace and name."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The hosts of one listener, and all its Secrets in its order."""

    keys: tuple[Key, ...]
    hosts: tuple[str, ...]

    def part(self, key: Key, names: Mapping[Key, tuple[str, ...]]) -> Iterator[str]:
        """The hosts that a Secret's certificate covers; with the first that has names also those that none covers.

        Args:
            names: of the certificates that were seen. One that was not may cover what the others do not.
        """
        named = [each for each in self.keys if names.get(each)]
        is_first = named[:1] == [key] and all(each in names for each in self.keys)
        for host in self.hosts:
            covering = [each for each in named if covers(names[each], host)]
            if key in covering or (is_first and not covering):
                yield host
