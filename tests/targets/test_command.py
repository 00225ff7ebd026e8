"""Target `command`: what its commands may print, and what becomes of their failures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from rotator.conformance.bundles import make_bundle
from rotator.core.model import Bundle, Location, Observation, ProblemKind, Snapshot, TargetSpec
from rotator.core.pem import chain_pem
from rotator.errors import Conflict, TargetError
from rotator.targets.command import CommandSettings, CommandTarget
from tests.issuers.asking import real_clock

DEVICE = Path(__file__).with_name("device.py")
PRINTS = "import sys; sys.stdout.write({!r}); sys.exit({})"
HERE = Location("command", "bigip.example.com/shop")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return make_bundle("shop.example.com")


def python(code: str) -> list[str]:
    return [sys.executable, "-IS", "-c", code]


def target(**settings: object) -> CommandTarget:
    unused = ["/bin/false"]
    given = {"address": HERE.address, "snapshot": unused, "deploy": unused, "restore": unused, **settings}
    return CommandTarget("shop", TargetSpec("command"), CommandSettings.model_validate(given), real_clock())


def printing(text: str, status: int = 0) -> CommandTarget:
    return target(snapshot=python(PRINTS.format(text, status)))


class TestSnapshots:
    def test_pem_alone(self, bundle: Bundle) -> None:
        """The simplest command prints the chain and nothing else."""
        snapshot = printing(chain_pem(bundle.chain).decode()).snapshot()

        assert (snapshot.chain, snapshot.observation.location) == (bundle.chain, HERE)
        assert snapshot.observation.key is None, "what is not said of the key is not known"

    def test_a_document_with_a_state(self, bundle: Bundle) -> None:
        """What stands beside the chain comes back as it was."""
        document = {"chain": chain_pem(bundle.chain).decode(), "state": {"profile": ["a", 1, None]}}
        snapshot = printing(json.dumps(document)).snapshot()

        assert snapshot.chain == bundle.chain
        assert json.loads(snapshot.state)["state"] == {"profile": ["a", 1, None]}

    @pytest.mark.parametrize("text", ["", "  \n", '{"chain": null}', '{"chain": "", "state": 3}', "{}"])
    def test_an_empty_place(self, text: str) -> None:
        """Nothing, or a document without a chain."""
        snapshot = printing(text).snapshot()

        assert (snapshot.chain, snapshot.observation.problem) == (None, None)

    @pytest.mark.parametrize("text", ["login failed", '{"chain": "what?"}'])
    def test_what_is_no_certificate(self, text: str) -> None:
        """Is a problem of the place, not an error."""
        problem = printing(text).snapshot().observation.problem

        assert problem is not None
        assert problem.kind is ProblemKind.UNREADABLE

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("{broken", "snapshot printed no JSON document"),
            ('{"chain": 3}', "whose `chain` is no text"),
            ("x" * (2 << 20), "more than 1048576 bytes"),
        ],
    )
    def test_what_is_no_answer(self, text: str, why: str, tmp_path: Path) -> None:
        """A command that does not keep to its part is an error."""
        (tmp_path / "text").write_text(text)
        with pytest.raises(TargetError, match=why):
            target(snapshot=["/bin/cat", str(tmp_path / "text")]).snapshot()

    @pytest.mark.parametrize("status", [1, 9])
    def test_a_failure(self, status: int) -> None:
        """Status and last words are in the error; 9 means a conflict only where something is written."""
        with pytest.raises(TargetError, match=rf"snapshot: .* ended with {status}: no route to device") as failed:
            printing("no route to device", status).snapshot()

        assert not isinstance(failed.value, Conflict)

    def test_its_noise_is_not_the_answer(self, bundle: Bundle) -> None:
        """Warnings on standard error do not spoil what is printed."""
        document = json.dumps({"chain": chain_pem(bundle.chain).decode()})
        noisy = f"import sys; sys.stderr.write('WARNING: slow'); sys.stdout.write({document!r})"

        assert target(snapshot=python(noisy)).snapshot().chain == bundle.chain


class TestCommands:
    def test_they_know_what_they_are_about(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The place, the certificate's name, and what the operator passes by reference; nothing else of ours."""
        monkeypatch.setenv("BIGIP_PASSWORD", "s3cret")
        note = tmp_path / "environment"
        place = target(snapshot=["/bin/sh", "-c", f"env > {note}"], environment={"PASSWORD": "${env:BIGIP_PASSWORD}"})
        place.snapshot()
        lines = note.read_text().splitlines()

        assert {f"ROTATOR_ADDRESS={HERE.address}", "ROTATOR_CERTIFICATE=shop", "PASSWORD=s3cret"} <= set(lines)
        assert not any(line.startswith("BIGIP_PASSWORD") for line in lines)

    def test_a_missing_secret(self) -> None:
        """Is named before anything is run."""
        with pytest.raises(TargetError, match="NO_SUCH_VARIABLE is not set"):
            target(environment={"PASSWORD": "${env:NO_SUCH_VARIABLE}"}).snapshot()

    def test_the_limit(self, bundle: Bundle) -> None:
        """A command that hangs is ended."""
        with pytest.raises(TargetError, match=r"did not end within 0.3 s"):
            target(snapshot=["/bin/sleep", "600"], timeout="300ms").snapshot()

    def test_a_conflict_that_only_the_command_sees(self, bundle: Bundle) -> None:
        """Status 9 of deploy and of restore."""
        chain = chain_pem(bundle.chain).decode()
        place = target(
            snapshot=python(PRINTS.format(chain, 0)),
            deploy=python(PRINTS.format("locked by admin", 9)),
            restore=python(PRINTS.format("locked by admin", 9)),
        )
        with pytest.raises(Conflict, match=r"deploy found .* wrote nothing: locked by admin"):
            place.deploy(bundle, replacing=bundle.chain.fingerprint)
        with pytest.raises(Conflict, match=r"restore found .* wrote nothing: locked by admin"):
            place.restore(place.snapshot(), replacing=bundle.chain.fingerprint)

    def test_deploy_gets_chain_key_and_what_it_replaces(self, bundle: Bundle, tmp_path: Path) -> None:
        """As one JSON document on standard input, never as arguments."""
        note = tmp_path / "input"
        target(snapshot=["/bin/true"], deploy=["/bin/sh", "-c", f"cat > {note}"]).deploy(bundle, replacing=None)

        assert json.loads(note.read_text()) == {
            "chain": chain_pem(bundle.chain).decode(),
            "key": bundle.key.decode(),
            "replacing": None,
        }

    def test_a_snapshot_of_another_kind_is_not_put_back(self, bundle: Bundle) -> None:
        """What is no document of ours is refused before a command runs."""
        foreign = Snapshot(Observation(HERE, bundle.chain), b"{not ours")
        with pytest.raises(TargetError, match="no JSON document"):
            target().restore(foreign, replacing=None)


@pytest.mark.parametrize("missing", ["address", "snapshot", "deploy", "restore"])
def test_all_three_commands_are_needed(missing: str) -> None:
    """A place that cannot be put back is no target."""
    given = {"address": "a", "snapshot": ["x"], "deploy": ["x"], "restore": ["x"]}
    del given[missing]
    with pytest.raises(ValidationError, match=missing):
        CommandSettings.model_validate(given)
