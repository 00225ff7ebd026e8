"""Make the pictures of the docs from real runs: the terminal as SVG and text, the status page and an audit as PNG.

    python docs/pictures/make.py [scan | demo | preflight | campaign]

Runs `rotator demo` on a pseudo-terminal, in a network namespace of its own and a folder that is thrown away, and looks
at its status page with headless Chromium; audits the demo's fleet as it is found, before anything is rotated; and plays
a preflight and a campaign (`worlds.py`). Needs Linux, root, iproute2, Chromium, and for the preflight Pebble
(`make servers`).
"""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text
from terminal import ROTATOR, WIDTH, draw
from worlds import campaign, preflight

from rotator.demo.servers import Fleet
from rotator.demo.setup import set_up

HERE = Path(__file__).resolve().parent
FROM = "The rotations, live"
UNTIL = "estimated hand work saved"
PAGE = "http://127.0.0.1:18440/"
SIZE = "1180,980"
AUDIT_SIZE = "1180,1240"
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip

SCANNED = ("catalog", "uploads", "search", "sessions")
"""Services that the README scans: fine, renewed and never reloaded, expired, issued for another name."""

_NAMESPACE = 'hostname web1; ip link set lo up; mount -t tmpfs tmpfs /srv; cd /srv; exec "$@"'


def main() -> int:
    """Enter the namespace, or, within it, make the pictures that are asked for."""
    if sys.argv[1:2] != ["inside"]:
        inside = [sys.executable, __file__, "inside", *sys.argv[1:]]
        argv = ["unshare", "--net", "--mount", "--uts", "bash", "-c", _NAMESPACE, "make", *inside]
        beside = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}  # the servers are those of the tests
        return subprocess.run(argv, check=False, env=beside).returncode
    pictures = {"scan": _of_scan, "demo": _of_demo, "preflight": _of_preflight, "campaign": _of_campaign}
    for name in sys.argv[2:] or pictures:
        pictures[name]()
    return 0


def _of_demo() -> None:
    process, terminal = _demo()
    try:
        shown = _read_until_the_end(terminal)
        lines = [Text.from_ansi(line) for line in shown.splitlines()]
        text = "\n".join(line.plain.rstrip() for line in lines)
        (HERE / "demo.txt").write_text(f"{text.strip()}\n", encoding="utf-8")
        begin = next(number for number, line in enumerate(lines) if FROM in line.plain)
        draw(lines[begin:], HERE / "terminal.svg", "rotator demo", "demo")
        _photograph(PAGE, HERE / "status-page.png", SIZE)
    finally:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)


def _of_scan() -> None:
    demo = set_up(Path("fleet"), datetime.now(UTC), web="127.0.0.1:18440", oncall="http://127.0.0.1:18441/")
    with Fleet(demo.services):
        argv = [str(ROTATOR), "scan", "--config", str(demo.config), "--output", "html", "--fail-on", "none"]
        page = subprocess.run(argv, check=True, stdout=subprocess.PIPE, timeout=120).stdout
        chosen = [service for service in demo.services if service.name in SCANNED]
        targets = [f"{service.host}@127.0.0.1:{service.port}" for service in chosen]
        argv = [str(ROTATOR), "scan", *targets, "fleet/services/uploads", "--ca", "fleet/ca/root.crt"]
        wide = {**os.environ, "COLUMNS": "100"}
        text = subprocess.run(argv, check=False, stdout=subprocess.PIPE, timeout=120, text=True, env=wide).stdout
    (HERE / "scan.txt").write_text(f"{text.strip()}\n", encoding="utf-8")
    Path("scan.html").write_bytes(page)
    _photograph(Path("scan.html").resolve().as_uri(), HERE / "scan.png", AUDIT_SIZE)


def _of_preflight() -> None:
    _of_commands("preflight", preflight)


def _of_campaign() -> None:
    _of_commands("campaign", campaign)


def _of_commands(name: str, play: Callable[[], list[Text]]) -> None:
    """What somebody typed and saw, in a folder of its own."""
    Path(name).mkdir()
    with contextlib.chdir(name):
        lines = play()
    draw(lines, HERE / f"{name}.svg", f"rotator {name}", name)
    text = "\n".join(line.plain.rstrip() for line in lines)
    (HERE / f"{name}.txt").write_text(f"{text.strip()}\n", encoding="utf-8")


def _demo() -> tuple[int, int]:
    """Start the demo on a terminal of its own: its process and our end of the terminal."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(WIDTH), LINES="60")
        os.execv(ROTATOR, [str(ROTATOR), "demo"])  # noqa: S606 - our own program, no input
    return process, terminal


def _read_until_the_end(terminal: int) -> str:
    shown = b""
    while UNTIL.encode() not in shown:
        shown += os.read(terminal, 65536)
    return shown.decode("utf-8", "replace").replace("\r\n", "\n") + "\n"


def _photograph(page: str, path: Path, size: str) -> None:
    with tempfile.TemporaryDirectory() as profile:
        argv = [*CHROMIUM, f"--user-data-dir={profile}", f"--window-size={size}", f"--screenshot={path}", page]
        subprocess.run(argv, check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    raise SystemExit(main())
