"""Tests of `rotator.lib.issued`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.model import Chain
from rotator.core.pem import certificate_pem, chain_pem
from rotator.errors import IssueError
from rotator.lib.issued import read_issued
from tests.pki import Authority, self_signed

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=90)
ROOT = Authority("Root", not_before=START, not_after=END)
ISSUING = Authority("Issuing", not_before=START, not_after=END, parent=ROOT)
LEAF = ISSUING.issue(["shop.example.com"], not_before=START, not_after=END).chain


def test_a_root_that_is_sent_along_is_dropped() -> None:
    """Leaf and intermediate stay in their order."""
    sent = chain_pem(Chain((*LEAF.certificates, ROOT.certificate)))

    assert read_issued(sent, "ca") == LEAF


def test_a_leaf_that_signs_itself_is_left_to_the_validator() -> None:
    """It is what the issuer answered; dropping it would leave nothing to report."""
    chain = self_signed(["shop.example.com"], not_before=START, not_after=END).chain

    assert read_issued(chain_pem(chain), "ca") == chain


@pytest.mark.parametrize("around", [b"%s", b"subject=shop\r\n%s\r\ntrailing words\r\n"])
def test_words_around_the_blocks_and_windows_line_ends_are_no_fault(around: bytes) -> None:
    """RFC 7468 allows explanatory text, and some CAs write it."""
    assert read_issued(around % chain_pem(LEAF).replace(b"\n", b"\r\n"), "ca") == LEAF


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
        certificate_pem(LEAF.leaf)[:-40],
        LEAF.leaf.der,
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"x" * (2 << 20),
    ],
    ids=["nothing", "html", "half", "der", "garbage", "huge"],
)
def test_an_answer_that_is_no_chain_is_refused_in_one_line(answer: bytes) -> None:
    """The sentence names who answered; it may come out right the next time, so it is not permanent."""
    with pytest.raises(IssueError, match=r"^ca answered with something that is no certificate chain: ") as refused:
        read_issued(answer, "ca")

    assert not refused.value.permanent
    assert len(str(refused.value)) < 300
