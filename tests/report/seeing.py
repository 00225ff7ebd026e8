"""What a reader of a table sees: plain text of a given width."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, RenderableType


def plain(body: RenderableType, width: int = 80) -> str:
    """Render without a terminal."""
    console = Console(file=StringIO(), width=width, highlight=False, color_system=None)
    console.print(body)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above
    assert isinstance(text, str)
    assert all(len(line) <= width for line in text.splitlines())
    return text
