"""What could not be looked at in one cluster, told once and by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rotator.lib.kube.reading import EVERYWHERE, Denied
from rotator.lib.kube.resources import SECRETS


@dataclass(slots=True)
class Unseen:
    """Lists that were refused, and namespaces that are not there."""

    denied: dict[tuple[str, str], Denied] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.denied or self.missing or self.more)

    def refuse(self, denied: Iterable[Denied]) -> None:
        """Note what was refused; the same list only once."""
        for each in denied:
            self.denied.setdefault((str(each.resource), each.namespace), each)

    def __str__(self) -> str:
        pieces = list(self._refused())
        if self.missing:
            pieces.append(f"there is no namespace {', '.join(self.missing)}; check `namespaces`")
        return "; ".join((*pieces, *self.more))

    def _refused(self) -> Iterable[str]:
        """One clause for each kind: in which namespaces, and the missing right of the first of them."""
        kinds: dict[str, list[Denied]] = {}
        for each in self.denied.values():
            kinds.setdefault("Secrets" if each.resource is SECRETS else str(each.resource), []).append(each)
        for kind, found in kinds.items():
            names = [each.namespace for each in found if each.namespace != EVERYWHERE]
            where = f" in: {', '.join(names)}" if names else ""
            yield f"may not read the {kind}{where}; {found[0].why}"
