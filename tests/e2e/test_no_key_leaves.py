"""The daemon with every issuer and every kind of target at once, logging all that it can: no private key is anywhere
but where it belongs.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from rotator.clock import system_clock
from rotator.core.model import Bundle
from rotator.core.pem import read_chain
from rotator.issuers.acme import AcmeSettings
from rotator.issuers.acme.account import Accounts
from rotator.state.open import open_store
from tests.e2e.cas import CAS, Ca
from tests.e2e.leaks import leaks
from tests.e2e.path import DAY, SECONDS, config, environment, program
from tests.e2e.places import PLACES, Fleet
from tests.servers.ports import free_port
from tests.servers.recorder import Recorder
from tests.servers.service import wait_until

SIGNED_BY = {
    "files-separate": "acme",
    "files-combined": "vault",
    "files-generations": "local_ca",
    "kubernetes_secret": "command",
    "command": "acme",
}
BROKEN, BROKEN_BY = "broken", "local_ca"
PAGES = ("/", "/metrics", "/api/v1/status", "/api/v1/outcomes", "/openapi.json")
VERBS = (("status",), ("history",), ("plan",), ("show", BROKEN))


def renamed(fleet: Fleet, kind: str, issuer: str) -> dict[str, Any]:
    """The config of a fleet, its sources under names of their own, signed by this issuer."""
    sources = {f"{name}-{kind}": entry for name, entry in fleet.config.get("sources", {}).items()}
    adopt = [{**rule, "from": f"{rule['from']}-{kind}", "issuer": issuer} for rule in fleet.config.get("adopt", ())]
    certificates = [{**one, "issuer": issuer} for one in fleet.config.get("certificates", ())]
    return {"sources": sources, "adopt": adopt, "certificates": certificates}


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One config of them all."""
    return {
        "sources": {name: entry for part in parts for name, entry in part["sources"].items()},
        "adopt": [rule for part in parts for rule in part["adopt"]],
        "certificates": [one for part in parts for one in part["certificates"]],
    }


@contextmanager
def daemon(file: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`rotator run`, with everything that it prints and leaves behind below a folder; SIGTERM ends it in peace."""
    folder.mkdir()
    with (
        (folder / "stdout").open("wb") as out,
        (folder / "stderr").open("wb") as err,
        subprocess.Popen(
            program("run", "--config", str(file)), stdout=out, stderr=err, env=environment(folder / "tmp")
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=SECONDS)
    assert process.returncode == 0


def ended(folder: Path) -> dict[str, str]:
    """How each rotation ended, as the log says it."""
    lines = [json.loads(line) for line in (folder / "stderr").read_text().splitlines() if line.endswith("}")]
    return {line["certificate"]: line["result"] for line in lines if line["event"] == "rotation ended"}


@pytest.mark.server
def test_no_private_key_is_where_it_does_not_belong(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """After six rotations, one of which fails while an operator's script prints the key, no key old or new, nor that of
    a CA or an account, nor a token can be read in the log at debug, the state, left-over or temporary files, notices,
    pages, metrics or what the verbs print."""
    keys: list[bytes] = []
    with ExitStack() as opened, Recorder() as oncall:
        cas: dict[str, Ca] = {}
        for kind, open_ca in CAS.items():
            (tmp_path / f"ca-{kind}").mkdir()
            cas[kind] = opened.enter_context(open_ca(request.getfixturevalue, tmp_path / f"ca-{kind}"))
        fleets: dict[str, Fleet] = {}
        old: dict[str, Bundle] = {}
        for kind, issuer in SIGNED_BY.items():
            name = kind.replace("_", "-")
            (tmp_path / kind).mkdir()
            old[kind] = cas[issuer].old(f"{name}.example.com", 29 * DAY)
            fleets[kind] = opened.enter_context(
                PLACES[kind](request.getfixturevalue, tmp_path / kind, {name: old[kind]})
            )
        broken = _broken(opened, request, cas[BROKEN_BY], tmp_path)
        parts = [renamed(fleet, kind, SIGNED_BY[kind]) for kind, fleet in fleets.items()]
        port = free_port()
        file = tmp_path / "rotator.yaml"
        (tmp_path / "hook").write_text(oncall.url)
        file.write_text(
            config(
                tmp_path,
                **merged([*parts, renamed(broken, BROKEN, BROKEN_BY)]),
                issuers={kind: ca.entry for kind, ca in cas.items()},
                alerts={"oncall": {"webhook": {"url": f"${{file:{tmp_path / 'hook'}}}"}}, "log": {"log": {}}},
                web={"listen": f"127.0.0.1:{port}"},
                log={"level": "debug", "format": "json"},
            )
        )
        run = tmp_path / "run"
        with daemon(file, run):
            wait_until(lambda: len(ended(run)) == len(fleets) + 1, "all rotations ended")
            for number, page in enumerate(PAGES):
                answer = requests.get(f"http://127.0.0.1:{port}{page}", timeout=30)
                answer.raise_for_status()
                (run / f"page-{number}").write_bytes(answer.content)
            for verb in VERBS:
                _printed(verb, file, run)
        (run / "notices").write_bytes(b"\n".join(each.body for each in oncall.requests))

        results = ended(run)
        assert results.pop(BROKEN) == "failed", (run / "stderr").read_text()
        assert set(results.values()) == {"done"}, results
        for kind, fleet in fleets.items():
            (place,) = fleet.places.values()
            chain, key = place.held()
            new, before = read_chain(chain), old[kind].chain
            assert new.fingerprint != before.fingerprint
            assert place.shows(new.fingerprint, before.names[0], cas[SIGNED_BY[kind]].roots)
            keys += [key, old[kind].key]
        refused = broken.keys_in[0] / BROKEN / "refused.key"
        keys += [refused.read_bytes(), broken.places[BROKEN].held()[1]]
        belongs = [folder for fleet in (*fleets.values(), broken) for folder in fleet.keys_in]
        for kind in ("local_ca", "command"):
            keys.append((tmp_path / f"ca-{kind}" / "ca.key").read_bytes())
            belongs.append(tmp_path / f"ca-{kind}" / "ca.key")
        keys.append(_account_key(cas["acme"], tmp_path))
        assert len(set(keys)) == 2 * len(fleets) + 5
        assert leaks(keys, [tmp_path], beside=belongs) == []
        token = (tmp_path / "ca-vault" / "token").read_bytes()
        assert [path for path in run.rglob("*") if path.is_file() and token in path.read_bytes()] == []
        assert [path.name for path in (run / "tmp").rglob("*") if path.is_file()] == []


def _account_key(ca: Ca, folder: Path) -> bytes:
    """The key of the account at the CA, out of the state."""
    with open_store(str(folder / "state" / "state.db"), None, system_clock(), writer=False) as store:
        return Accounts(store, AcmeSettings.model_validate(ca.entry["acme"])).get().key


def _broken(opened: ExitStack, request: pytest.FixtureRequest, ca: Ca, folder: Path) -> Fleet:
    """An appliance whose script fails after printing all that it was given."""
    (folder / BROKEN).mkdir()
    bundle = ca.old("broken.example.com", 29 * DAY)
    fleet = opened.enter_context(PLACES["command"](request.getfixturevalue, folder / BROKEN, {BROKEN: bundle}))
    (fleet.keys_in[0] / BROKEN / "broken").touch()
    return fleet


def _printed(verb: tuple[str, ...], file: Path, run: Path) -> None:
    """Keep what a verb prints beside the running daemon."""
    with (run / f"verb-{verb[0]}").open("wb") as out:
        done = subprocess.run(
            program(*verb, "--config", str(file), "--output", "json"),
            env=environment(run / "tmp"),
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode in (0, 3), (run / f"verb-{verb[0]}").read_text()
