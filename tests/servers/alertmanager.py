"""A real Alertmanager, shared by all workers of a run; tests tell their alerts apart by their labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import current, need
from tests.servers.service import Service, service

TIMEOUT = 10.0
CONFIGURATION = {
    "global": {"resolve_timeout": "5m"},  # when an alert that names no end is taken for over
    "route": {"receiver": "nobody", "group_wait": "1s", "group_interval": "1s"},
    "receivers": [{"name": "nobody"}],
}


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """A running Alertmanager that tells nobody."""

    url: str
    process: Service

    @property
    def api(self) -> str:
        """Return the address of API v2."""
        return f"{self.url}/api/v2"

    def alerts(self, **labels: str) -> list[dict[str, Any]]:
        """Return the active alerts that have all these labels."""
        matchers = [f'{name}="{value}"' for name, value in labels.items()]
        answer = requests.get(f"{self.api}/alerts", params={"filter": matchers}, timeout=TIMEOUT)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def is_ready(self) -> bool:
        """Say whether it answers."""
        try:
            return requests.get(f"{self.url}/-/ready", timeout=TIMEOUT).ok
        except requests.RequestException:
            return False


def _server(folder: Path, owner: int, port: int) -> Alertmanager:
    command: list[str | Path] = [
        need("prometheus-alertmanager"), "--config.file=alertmanager.json", "--storage.path=data",
        f"--web.listen-address={LOOPBACK}:{port}", "--cluster.listen-address=", "--log.level=warn",
    ]  # fmt: skip
    return Alertmanager(f"http://{LOOPBACK}:{port}", service("alertmanager", folder, command, owner=owner))


def _start(folder: Path, owner: int) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.json").write_text(json.dumps(CONFIGURATION))
    port = free_port()
    server = _server(folder, owner, port)
    server.process.start()
    server.process.wait_ready(server.is_ready)
    return {"folder": str(folder), "port": str(port)}


@pytest.fixture(scope="session")
def alertmanager() -> Alertmanager:
    """Give the run's Alertmanager."""
    need("prometheus-alertmanager")
    run = current()
    address = run.shared("alertmanager", _start)
    return _server(Path(address["folder"]), run.owner, int(address["port"]))
