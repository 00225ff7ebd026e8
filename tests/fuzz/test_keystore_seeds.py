"""What the fuzzers of the readers have learnt: every seed, and every input that once broke one, is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.keystore_target import take_pem, take_store

SEEDS = Path(__file__).with_name("seeds")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:rotator.lib.keystore")


def _seeds(folder: str) -> list[Path]:
    return sorted((SEEDS / folder).iterdir())


@pytest.mark.parametrize("seed", [*_seeds("keystore"), *_seeds("pem")], ids=lambda path: path.name)
@pytest.mark.parametrize("take", [take_store, take_pem])
def test_seed(seed: Path, take: Callable[[bytes], object]) -> None:
    """Shows that the bytes are read, or refused by the reader's own error."""
    take(seed.read_bytes())


def test_good_seeds_are_read() -> None:
    """Shows that the fuzzer begins with files that have certificates, and so reaches what reads them."""
    read = {
        seed.name for seed in _seeds("keystore") if (contents := take_store(seed.read_bytes())) and contents.entries
    }
    assert read >= {
        "shop.jks",
        "shop.jceks",
        "two.p12",
        "box.p7b",
        "kubeconfig.json",
        "keys.jwks",
        "bag.pem",
        "leaf.der",
    }
