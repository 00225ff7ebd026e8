"""What a DNS provider's library says of its requests is told without the credentials in them."""

from __future__ import annotations

import base64

from rotator.issuers.acme.dns01.providers import _told


def test_credentials_in_a_header_are_not_told() -> None:
    """A library that shows its request shows them in base64, where they cannot be found by their own letters."""
    basic = base64.b64encode(b"rotator:correct horse battery").decode()

    told = _told("example", ValueError(f"sent Authorization: Basic {basic} and got 500"), ["correct horse battery"])

    assert basic not in str(told)
    assert "got 500" in str(told)
