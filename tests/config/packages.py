"""Makes small installed packages in a folder, so that plugins are tested as `importlib.metadata` finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def install(
    folder: Path,
    name: str,
    groups: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str],
    requires: Sequence[str] = (),
) -> None:
    """Install a distribution with entry points (`sources` → kind → `module:Class`) and the modules they name."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {r}" for r in requires)]
    (info / "METADATA").write_text("\n".join(metadata) + "\n")
    lines = []
    for group, kinds in groups.items():
        lines += [f"[rotator.{group}]", *(f"{kind} = {place}" for kind, place in kinds.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
