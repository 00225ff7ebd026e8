"""Damaged stores: whatever is changed in a real one, it is read or refused by the reader's own error, and soon."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.lib.keystore import HEAD, Kind, sniff
from tests.fuzz.keystore_target import take_pem, take_store

SEEDS = {path.name: path.read_bytes() for path in (Path(__file__).parents[1] / "fuzz" / "seeds" / "keystore").iterdir()}
DEADLINE = timedelta(seconds=10)  # of one example, on a busy machine: far below what a lying length could cost

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:rotator.lib.keystore")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real store with a few bytes changed, a piece cut out, doubled, or put where another was."""
    data = bytearray(SEEDS[draw(st.sampled_from(sorted(SEEDS)))])
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["change", "cut", "double", "number", "end"])):
            case "change":
                data[start : start + 1] = draw(st.binary(min_size=1, max_size=2))
            case "cut":
                del data[start:end]
            case "double":
                data[end:end] = data[start:end]
            case "number":
                data[start : start + 4] = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4)]))
            case _:
                del data[start:]
    return bytes(data)


@settings(max_examples=150, deadline=DEADLINE)
@given(damaged())
def test_damaged_store(data: bytes) -> None:
    """Shows that damage anywhere is told, and never breaks the reader."""
    take_store(data)
    take_pem(data)


@settings(max_examples=200, deadline=DEADLINE)
@given(st.binary(max_size=600), st.sampled_from(sorted(SEEDS)))
def test_any_bytes_behind_a_true_beginning(tail: bytes, name: str) -> None:
    """Shows that a file which begins like a store, and is none, is refused."""
    take_store(SEEDS[name][: 24 + len(tail) % 40] + tail)


@given(st.binary(max_size=200))
def test_the_head_decides(data: bytes) -> None:
    """Shows that what the head tells is what the whole tells: a search reads no more than it needs to."""
    assert sniff(data[:HEAD]) == sniff(data)


def test_a_megabyte_of_anything_takes_no_longer_than_it_should() -> None:
    """Shows that the largest inputs of each form are refused within seconds: no reading is more than linear."""
    million = 1 << 20
    texts = {
        "blocks": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" * (million // 60),
        "half blocks": b"-----BEGIN CERTIFICATE-----\n" * (million // 28),
        "yaml": b"clusters: certificate-authority\n" + b"- " * (million // 2 - 100),
        "deep yaml": b"clusters: certificate-authority\na: " + b"[" * (million - 100),
        "wide yaml": b"clusters: certificate-authority\n" + b"a: 1\n" * 49_000,
        "deep json": b'{"x5c": ' + b"[" * (million - 100),
        "deep asn1": b"\x30\x80\x02\x01\x03\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
        + b"\x30\x80" * 500_000,
        "classes": SEEDS["shop.jceks"][:120] + b"\x73\x72" * 500_000,
    }
    for name, text in texts.items():
        began = time.process_time()
        take_store(text[:million])
        assert time.process_time() - began < 10, name


def test_kinds_of_the_seeds() -> None:
    """Shows that each format is among the seeds."""
    assert {sniff(data) for data in SEEDS.values()} >= set(Kind) - {Kind.BCFKS}
