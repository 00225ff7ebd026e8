"""The registered domain of a name."""

from __future__ import annotations

import pytest

from rotator.lib.registered import registered_domain


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop.example.com", "example.com"),
        ("*.Shop.example.co.uk.", "example.co.uk"),
        ("a.b.c.example.com", "example.com"),
        ("alice.github.io", "alice.github.io"),
        ("com", "com"),
        ("shop.internal", "shop.internal"),
        ("a.shop.internal", "shop.internal"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_registered_domain_of_a_name(name: str, expected: str) -> None:
    """One label below the public suffix, private suffixes such as github.io among them; an address is its own."""
    assert registered_domain(name) == expected
