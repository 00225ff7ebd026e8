"""A real browser, headless, spoken to over its debugging pipe: no port, no other program."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
_TO_BROWSER, _FROM_BROWSER = 3, 4


@dataclass(slots=True)
class Page:
    """One tab. `complaints` is what the console was told: errors, warnings, breaches of the page's policy."""

    commands: BinaryIO
    answers: BinaryIO
    session: str = ""
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    number: int = 0
    buffer: bytes = b""

    def open(self, path: Path) -> None:
        """Load a file and wait until it is there."""
        self.command("Page.navigate", url=path.as_uri())
        self.wait("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of an expression."""
        answer = self.command("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def type(self, text: str) -> None:
        """Keys, as a person types them, into what has the focus."""
        self.command("Input.insertText", text=text)

    def width(self, pixels: int, height: int = 900) -> None:
        """Be as wide as a screen."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=pixels, height=height, deviceScaleFactor=1, mobile=pixels < 600
        )

    def prefers(self, scheme: str, media: str = "") -> None:
        """`light` or `dark`; `media` may be `print`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)

    def picture(self, *, whole: bool = False) -> bytes:
        """What is seen, as PNG; `whole` with all that is below."""
        answer = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.command("Page.printToPDF", printBackground=False)["data"])

    # ------------------------------------------------------------ the pipe

    def command(self, method: str, **parameters: object) -> dict[str, Any]:
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.commands.write(json.dumps(message).encode() + b"\0")
        self.commands.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                result = answer["result"]
                assert isinstance(result, dict)
                return result

    def wait(self, event: str) -> None:
        while self._next().get("method") != event:
            pass

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            read = os.read(self.answers.fileno(), 1 << 20)
            assert read, "the browser has ended"
            self.buffer += read
        text, _, self.buffer = self.buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(told["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])


@contextlib.contextmanager
def browser(chromium: Path) -> Iterator[Page]:
    """A browser with one empty tab; it ends with the block."""
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        redirected = f'exec "$@" {_TO_BROWSER}<&{to_browser} {_FROM_BROWSER}>&{from_browser}'
        argv = ["bash", "-c", redirected, "chromium", str(chromium), *_QUIET, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            argv, pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_browser)
        os.close(from_browser)
        with os.fdopen(commands, "wb") as writing, os.fdopen(answers, "rb", buffering=0) as reading:
            try:
                page = Page(writing, reading)
                target = page.command("Target.createTarget", url="about:blank")["targetId"]
                page.session = page.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
                for domain in ("Page", "Runtime", "Log", "Network"):
                    page.command(f"{domain}.enable")
                yield page
                page.session = ""
                page.command("Browser.close")
                process.wait(timeout=30)
            finally:
                process.kill()
                process.wait()
