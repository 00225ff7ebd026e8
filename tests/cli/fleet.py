"""A small real fleet for the verbs: files with certificates, a local CA, SQLite, and a config, all in one folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from rotator.cli.main import app
from rotator.core.model import Certificate
from rotator.core.pem import certificate_pem, chain_pem, read_chain
from tests.pki import Authority

DAY = timedelta(days=1)
SECONDS = 120
"""How long one call may take on a busy machine."""

CONFIG = """\
mode: {mode}
first_look: {first_look}
check_every: 5s
shortest_tick: 1s
state: {folder}/state/state.db
sources:
  disk: {{files: ["{folder}/services/*/tls.crt"]}}
issuers:
  ca:
    local_ca: {{ca_certificate: {folder}/ca/ca.crt, ca_key: {folder}/ca/ca.key, lifetime: 90d}}
    trust: issuer
adopt:
  - {{from: disk, match: {{}}, issuer: ca}}
web: {{listen: "127.0.0.1:0"}}
alerts: none
"""


@dataclass(slots=True)
class Fleet:
    """Certificates under `services/`, and the verbs on them."""

    folder: Path
    authority: Authority
    now: datetime
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.folder / "config.yaml"
        for name in ("ca", "state", "services"):
            (self.folder / name).mkdir()
        (self.folder / "ca" / "ca.crt").write_bytes(certificate_pem(self.authority.certificate))
        _private(self.folder / "ca" / "ca.key", self.authority.key)
        self.write_config()

    def write_config(self, *, mode: str = "rotate", first_look: str = "act", more: str = "") -> None:
        text = CONFIG.format(folder=self.folder, mode=mode, first_look=first_look)
        self.config.write_text(text + more)

    def put(self, name: str, *, left: timedelta, lives: timedelta = 90 * DAY) -> Path:
        """Store a certificate and its key; the path of the certificate."""
        end = self.now + left
        bundle = self.authority.issue([f"{name}.example.com"], not_before=end - lives, not_after=end)
        folder = self.folder / "services" / name
        folder.mkdir(exist_ok=True)
        _private(folder / "tls.key", bundle.key)
        (folder / "tls.crt").write_bytes(chain_pem(bundle.chain))
        return folder / "tls.crt"

    def stored(self, name: str) -> str:
        """The fingerprint of what is stored now."""
        return self.leaf(name).fingerprint

    def leaf(self, name: str) -> Certificate:
        """The certificate that is stored now."""
        return read_chain((self.folder / "services" / name / "tls.crt").read_bytes()).leaf

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the program as a person does, with this config, in a process of its own."""
        return run(*arguments, "--config", str(self.config), stdin=stdin)

    def call(self, *arguments: str) -> Result:
        """Run a verb with this config in the test's own process."""
        return call(*arguments, "--config", str(self.config))

    def json(self, *arguments: str) -> Any:
        """What a verb says as JSON, whatever its exit code."""
        return json.loads(self.call(*arguments, "--output", "json").stdout)

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[str]]:
        """`rotator run` beside the test; ended by SIGTERM if the test has not done so."""
        with subprocess.Popen(
            [program(), "run", "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
        ) as process:
            try:
                yield process
            finally:
                process.terminate()
                process.communicate(timeout=SECONDS)


def make_fleet(folder: Path) -> Fleet:
    now = datetime.now(UTC).replace(microsecond=0)
    authority = Authority("Services CA", not_before=now - 300 * DAY, not_after=now + 3000 * DAY)
    return Fleet(folder, authority, now)


def program() -> str:
    """The console script beside this Python."""
    return str(Path(sys.executable).parent / "rotator")


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program(), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=_environment(),
    )


def call(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin, env={"COLUMNS": "80", "NO_COLOR": "1"})


def _environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "80"}


def _private(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
