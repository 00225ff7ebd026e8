"""Endpoints as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import Endpoint
from rotator.lib.endpoint import parse_endpoint
from rotator.lib.starttls import DIALOGUES


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("shop.example.com:443", Endpoint("shop.example.com", 443)),
        ("Shop.Example.com.:8443", Endpoint("shop.example.com", 8443)),
        ("shop.example.com", Endpoint("shop.example.com", 443)),
        ("https://shop.example.com/", Endpoint("shop.example.com", 443)),
        ("https://shop.example.com:8443", Endpoint("shop.example.com", 8443)),
        ("smtp://mail.example.com:587", Endpoint("mail.example.com", 587, "", "smtp")),
        ("smtp://mail.example.com", Endpoint("mail.example.com", 25, "", "smtp")),
        ("[2001:db8::1]:443", Endpoint("2001:db8::1", 443)),
        ("[0:0:0:0:0:0:0:1]:443", Endpoint("::1", 443)),
        ("10.0.0.1:9443", Endpoint("10.0.0.1", 9443)),
        ("localhost:18400", Endpoint("localhost", 18400)),
        ("db_1.internal:5432", Endpoint("db_1.internal", 5432)),
    ],
)
def test_what_people_write_is_understood(text: str, endpoint: Endpoint) -> None:
    """Shows names, addresses, default ports and protocols."""
    assert parse_endpoint(text) == endpoint


def test_a_server_name_may_differ_from_the_host() -> None:
    """Shows that the SNI to send is kept in its plain form."""
    assert parse_endpoint("127.0.0.1:443", "Shop.example.com.") == Endpoint("127.0.0.1", 443, "shop.example.com")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no host name"),
        ("shop.example.com:0", "is no port"),
        ("shop.example.com:99999", "is no port"),
        ("shop.example.com:", "is no port"),
        ("shop.example.com:https", "is no port"),
        ("::1:443", "stands in brackets"),
        ("[zz::1]:443", "is no IPv6 address"),
        ("smpt://mail.example.com", "did you mean smtp"),
        ("gopher://example.com", "known are https"),
        ("https://shop.example.com/path", "is no endpoint"),
        ("-bad-.example.com:443", "no host name"),
        ("two words:443", "no host name"),
    ],
)
def test_what_is_no_endpoint_is_explained(text: str, message: str) -> None:
    """Shows that each mistake gets the sentence that repairs it."""
    with pytest.raises(ValueError, match=message):
        parse_endpoint(text)


def test_a_server_name_must_be_a_name() -> None:
    """Shows that an address, which cannot be an SNI with spaces or slashes in it, is refused."""
    with pytest.raises(ValueError, match="is no DNS name"):
        parse_endpoint("10.0.0.1:443", "not a name")


@given(st.sampled_from(["", *sorted(DIALOGUES)]), st.ip_addresses(), st.integers(1, 65535))
def test_what_an_endpoint_shows_can_be_read_again(starttls: str, address: object, port: int) -> None:
    """Shows that the text of every endpoint reads back as the same endpoint."""
    endpoint = Endpoint(str(address), port, "", starttls)
    assert parse_endpoint(str(endpoint)) == endpoint


@given(st.text(max_size=60))
def test_any_text_is_an_endpoint_or_a_value_error(text: str) -> None:
    """Shows that nothing whatever raises anything but ValueError."""
    try:
        endpoint = parse_endpoint(text)
    except ValueError:
        return
    assert endpoint.host
    assert 0 < endpoint.port <= 65535
