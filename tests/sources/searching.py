"""Searching folders for certificates, as the source `files` does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    NoEncryption,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from rotator.core.model import Bundle, Observation, ProblemKind
from rotator.core.pem import load
from rotator.sources.files import FilesSettings, FilesSource
from tests.issuers.asking import real_clock
from tests.pki import Authority

NOW = datetime.now(UTC)
BEFORE, AFTER = NOW - timedelta(days=60), NOW + timedelta(days=30)
STORES = Path(__file__).parents[1] / "lib" / "keystores"
ROOT = Authority("Folders Root", not_before=BEFORE, not_after=AFTER)
ISSUING = Authority("Folders CA", not_before=BEFORE, not_after=AFTER, parent=ROOT)
SHOP = ISSUING.issue(["shop.example.com"], not_before=BEFORE, not_after=AFTER)
PAY = ISSUING.issue(["pay.example.com"], not_before=BEFORE, not_after=AFTER)
CLIENT = ISSUING.issue(["worker.example.com"], not_before=BEFORE, not_after=AFTER, eku=["client"])


def source(**settings: object) -> FilesSource:
    return FilesSource("disk", FilesSettings.model_validate(settings), real_clock())


def search(*folders: Path, **settings: object) -> list[Observation]:
    return list(source(folders=[str(folder) for folder in folders], **settings).observe())


def places(observations: list[Observation], folder: Path) -> list[str]:
    return [observation.location.address.removeprefix(f"{folder}/") for observation in observations]


def by_place(observations: list[Observation], folder: Path) -> dict[str, Observation]:
    return dict(zip(places(observations, folder), observations, strict=True))


def pkcs12(bundle: Bundle, password: bytes = b"") -> bytes:
    sealed = BestAvailableEncryption(password) if password else NoEncryption()
    private = load_pem_private_key(bundle.key, None)
    return serialize_key_and_certificates(b"shop", private, load(bundle.chain.leaf), None, sealed)  # type: ignore[arg-type]  # no DH key here


def problem(observation: Observation) -> tuple[ProblemKind, str]:
    assert observation.problem is not None
    return observation.problem.kind, observation.problem.message
