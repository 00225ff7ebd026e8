"""What a certificate is there for, by its extended key usage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.model import Use
from rotator.core.usages import use_of
from tests.pki import Authority

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("eku", "use"),
    [
        ((), Use.SERVE),
        (("server",), Use.SERVE),
        (("client",), Use.CLIENT),
        (("client", "code"), Use.CLIENT),
        (("client", "server"), Use.SERVE),
        (("client", "any"), Use.SERVE),
        (("code",), Use.SERVE),
    ],
)
def test_a_certificate_is_for_clients_where_it_says_so_and_leaves_servers_out(eku: tuple[str, ...], use: Use) -> None:
    """One that says nothing may be served, and so may one for anything (RFC 5280, 4.2.1.12)."""
    authority = Authority("Root", not_before=NOW, not_after=NOW + timedelta(days=9))
    bundle = authority.issue(["shop.example.com"], not_before=NOW, not_after=NOW + timedelta(days=1), eku=eku)
    assert use_of(bundle.chain.leaf) is use


def test_nothing_is_for_clients_only_where_there_is_no_certificate() -> None:
    """An empty place is one that a server may be missing something from."""
    assert use_of(None) is Use.SERVE
