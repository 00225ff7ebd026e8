"""A terminal as a picture: what a command printed, with its colours, as SVG that loads nothing from elsewhere."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

WIDTH = 100
ROTATOR = Path(sys.prefix) / "bin" / "rotator"

THEME = TerminalTheme(
    (24, 26, 31), (222, 226, 230),
    [(70, 75, 85), (235, 100, 95), (120, 200, 120), (225, 185, 90), (110, 160, 240), (190, 140, 230), (90, 200, 210),
     (222, 226, 230)],
)  # fmt: skip

# Rich's own frame, without the font that it would load from elsewhere.
FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw(lines: Sequence[Text], path: Path, title: str, unique_id: str) -> None:
    """Write the lines as a picture of a terminal."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line)
    svg = console.export_svg(title=title, theme=THEME, code_format=FRAME, unique_id=unique_id)
    path.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")


def typed(config: Path, *words: str) -> list[Text]:
    """One command of rotator as somebody would type it, and what it printed on a terminal of this width."""
    wide = {"COLUMNS": str(WIDTH), "TERM": "xterm-256color", "FORCE_COLOR": "1", "ROTATOR_CONFIG": str(config)}
    argv, environment = [str(ROTATOR), *words], {**os.environ, **wide}
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, timeout=120, text=True, env=environment)
    printed = done.stdout
    return [Text(f"$ rotator {' '.join(words)}", "bold"), *map(Text.from_ansi, printed.rstrip().splitlines()), Text()]
