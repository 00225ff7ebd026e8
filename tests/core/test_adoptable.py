"""What a certificate tells of its issuer; why it may not be adopted is tested where certificates are found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.adoptable import issuer_name
from tests.pki import Authority

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=90)


@pytest.mark.parametrize("name", ["Services CA", "R3, the second", r"a\b + c", "#1", "ü"])
@pytest.mark.parametrize("organisation", ["", "Example, Inc."])
def test_issuer_name_is_its_common_name(name: str, organisation: str) -> None:
    """Whatever signs are in it, and whatever stands around it."""
    issuing = Authority(name, not_before=START, not_after=END, organisation=organisation)
    leaf = issuing.issue(["shop.example.com"], not_before=START, not_after=END).chain.leaf

    assert issuer_name(leaf) == name
