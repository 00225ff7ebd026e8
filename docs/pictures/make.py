"""Make the pictures of the docs from real runs: the terminal as SVG and text, the status page and an audit as PNG.

    python docs/pictures/make.py [demo | scan]

Runs `rotator demo` on a pseudo-terminal, in a network namespace of its own and a folder that is thrown away, and looks
at its status page with headless Chromium; then audits the demo's fleet as it is found, before anything is rotated.
Needs Linux, root, iproute2 and Chromium.
"""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from rotator.demo.servers import Fleet
from rotator.demo.setup import set_up

HERE = Path(__file__).resolve().parent
WIDTH = 100
FROM = "The rotations, live"
UNTIL = "estimated hand work saved"
PAGE = "http://127.0.0.1:18440/"
SIZE = "1180,980"
AUDIT_SIZE = "1180,1240"
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip

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

SCANNED = ("catalog", "uploads", "search", "sessions")
"""Services that the README scans: fine, renewed and never reloaded, expired, issued for another name."""

_NAMESPACE = 'hostname web1; ip link set lo up; mount -t tmpfs tmpfs /srv; cd /srv; exec "$@"'


def main() -> int:
    """Enter the namespace, or, within it, make the pictures that are asked for."""
    if sys.argv[1:2] != ["inside"]:
        inside = [sys.executable, __file__, "inside", *sys.argv[1:]]
        argv = ["unshare", "--net", "--mount", "--uts", "bash", "-c", _NAMESPACE, "make", *inside]
        return subprocess.run(argv, check=False).returncode
    for name in sys.argv[2:] or ["scan", "demo"]:
        {"demo": _of_demo, "scan": _of_scan}[name]()
    return 0


def _of_demo() -> None:
    process, terminal = _demo()
    try:
        shown = _read_until_the_end(terminal)
        lines = [Text.from_ansi(line) for line in shown.splitlines()]
        text = "\n".join(line.plain.rstrip() for line in lines)
        (HERE / "demo.txt").write_text(f"{text.strip()}\n", encoding="utf-8")
        _draw(lines, HERE / "terminal.svg")
        _photograph(PAGE, HERE / "status-page.png", SIZE)
    finally:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)


def _of_scan() -> None:
    demo = set_up(Path("fleet"), datetime.now(UTC), web="127.0.0.1:18440", oncall="http://127.0.0.1:18441/")
    rotator = Path(sys.prefix) / "bin" / "rotator"
    with Fleet(demo.services):
        argv = [str(rotator), "scan", "--config", str(demo.config), "--output", "html", "--fail-on", "none"]
        page = subprocess.run(argv, check=True, stdout=subprocess.PIPE, timeout=120).stdout
        chosen = [service for service in demo.services if service.name in SCANNED]
        targets = [f"{service.host}@127.0.0.1:{service.port}" for service in chosen]
        argv = [str(rotator), "scan", *targets, "fleet/services/uploads", "--ca", "fleet/ca/root.crt"]
        wide = {**os.environ, "COLUMNS": "100"}
        text = subprocess.run(argv, check=False, stdout=subprocess.PIPE, timeout=120, text=True, env=wide).stdout
    (HERE / "scan.txt").write_text(f"{text.strip()}\n", encoding="utf-8")
    Path("scan.html").write_bytes(page)
    _photograph(Path("scan.html").resolve().as_uri(), HERE / "scan.png", AUDIT_SIZE)


def _demo() -> tuple[int, int]:
    """Start the demo on a terminal of its own: its process and our end of the terminal."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(WIDTH), LINES="60")
        rotator = Path(sys.prefix) / "bin" / "rotator"
        os.execv(rotator, [str(rotator), "demo"])  # noqa: S606 - our own program, no input
    return process, terminal


def _read_until_the_end(terminal: int) -> str:
    shown = b""
    while UNTIL.encode() not in shown:
        shown += os.read(terminal, 65536)
    return shown.decode("utf-8", "replace").replace("\r\n", "\n") + "\n"


def _draw(lines: list[Text], path: Path) -> None:
    """The end of the story, as the terminal showed it."""
    begin = next(number for number, line in enumerate(lines) if FROM in line.plain)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines[begin:]:
        console.print(line)
    svg = console.export_svg(title="rotator demo", theme=THEME, code_format=FRAME, unique_id="demo")
    path.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")


def _photograph(page: str, path: Path, size: str) -> None:
    with tempfile.TemporaryDirectory() as profile:
        argv = [*CHROMIUM, f"--user-data-dir={profile}", f"--window-size={size}", f"--screenshot={path}", page]
        subprocess.run(argv, check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    raise SystemExit(main())
