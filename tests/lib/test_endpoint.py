"""Endpoints as people write them, one at a time and in ranges."""

from __future__ import annotations

import time
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import Endpoint
from rotator.core.model.places import PORTS
from rotator.lib.endpoint import DIRECT, count, expand, is_range, parse_endpoint
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
        ("XMPP-Server://example.com", Endpoint("example.com", 5269, "", "xmpp-server")),
        ("[2001:db8::1]:443", Endpoint("2001:db8::1", 443)),
        ("[0:0:0:0:0:0:0:1]:443", Endpoint("::1", 443)),
        ("10.0.0.1:9443", Endpoint("10.0.0.1", 9443)),
        ("localhost:18400", Endpoint("localhost", 18400)),
        ("db_1.internal:5432", Endpoint("db_1.internal", 5432, "", "postgres")),
    ],
)
def test_what_people_write_is_understood(text: str, endpoint: Endpoint) -> None:
    """Shows names, addresses, default ports and protocols."""
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(("protocol", "port"), sorted(PORTS.items()))
def test_a_port_of_its_own_means_its_protocol(protocol: str, port: int) -> None:
    """A bare port where a protocol begins in the clear is that protocol; its scheme alone leads to the same port."""
    wanted = Endpoint("host.example.com", port, "", protocol)
    assert parse_endpoint(f"host.example.com:{port}") == parse_endpoint(f"{protocol}://host.example.com") == wanted


@pytest.mark.parametrize("scheme", ["tls", "https"])
@pytest.mark.parametrize("port", sorted(PORTS.values()))
def test_a_scheme_can_say_that_tls_comes_first(scheme: str, port: int) -> None:
    """On any port, `tls://` and `https://` mean a handshake from the first byte."""
    assert parse_endpoint(f"{scheme}://host.example.com:{port}") == Endpoint("host.example.com", port)


@pytest.mark.parametrize(("scheme", "port"), sorted(DIRECT.items()))
def test_schemes_of_direct_tls_have_their_own_ports(scheme: str, port: int) -> None:
    """`imaps://` and the like are plain TLS, on their own port unless another is given."""
    assert parse_endpoint(f"{scheme}://host.example.com") == Endpoint("host.example.com", port)
    assert parse_endpoint(f"{scheme}://host.example.com:7777") == Endpoint("host.example.com", 7777)


@pytest.mark.parametrize("port", [443, 465, 636, 853, 990, 993, 995, 5223, 8443])
def test_ports_of_direct_tls_stay_plain_tls(port: int) -> None:
    """What is TLS from the first byte is not asked to go over to it."""
    assert parse_endpoint(f"host.example.com:{port}").starttls == ""


def test_every_dialogue_has_a_port_of_its_own() -> None:
    """No protocol is known to one table and not to the other, and none shares its port."""
    assert set(PORTS) == set(DIALOGUES)
    assert len(set(PORTS.values())) == len(PORTS)


def test_a_server_name_may_differ_from_the_host() -> None:
    """Shows that the SNI to send is kept in its plain form."""
    assert parse_endpoint("127.0.0.1:443", "Shop.example.com.") == Endpoint("127.0.0.1", 443, "shop.example.com")


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("shop.example.com@10.0.0.5:443", Endpoint("10.0.0.5", 443, "shop.example.com")),
        ("Shop.Example.com.@10.0.0.5", Endpoint("10.0.0.5", 443, "shop.example.com")),
        ("shop.example.com@[2001:db8::1]:443", Endpoint("2001:db8::1", 443, "shop.example.com")),
        ("smtp://mail.example.com@192.0.2.1:25", Endpoint("192.0.2.1", 25, "mail.example.com", "smtp")),
        ("mail.example.com@192.0.2.1:25", Endpoint("192.0.2.1", 25, "mail.example.com", "smtp")),
        ("shop.example.com@proxy.example.com", Endpoint("proxy.example.com", 443, "shop.example.com")),
        ("shop.example.com@shop.example.com:443", Endpoint("shop.example.com", 443)),
    ],
)
def test_a_name_may_be_asked_for_at_an_address(text: str, endpoint: Endpoint) -> None:
    """`name@address` sends the name as SNI to that address."""
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("bücher.example:443", "xn--bcher-kva.example"),
        ("Bücher.Example.", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
    ],
)
def test_names_in_unicode_are_put_into_ascii(text: str, host: str) -> None:
    """A name in any script is looked at under the form that DNS and certificates know (IDNA)."""
    assert parse_endpoint(text) == Endpoint(host, 443)
    assert parse_endpoint(f"{text.partition(':')[0]}@10.0.0.1").server_name == host


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no host name"),
        ("shop.example.com:0", "is no port"),
        ("shop.example.com:99999", "is no port"),
        ("shop.example.com:", "is no port"),
        ("shop.example.com:https", "is no port"),
        ("shop.example.com:443,", "is no port"),
        ("shop.example.com:443-445", "is no port"),
        (f"shop.example.com:{'4' * 5000}", "is no port"),
        ("::1:443", "stands in brackets"),
        ("2001:db8::/120", "stands in brackets"),
        ("[zz::1]:443", "is no IPv6 address"),
        ("[10.0.0.1]:443", "is no IPv6 address"),
        ("smpt://mail.example.com", "did you mean smtp"),
        ("postgresql://db.example.com", "did you mean postgres"),
        ("gopher://example.com", "known are https"),
        ("-bad-.example.com:443", "no host name"),
        ("two words:443", "no host name"),
        ("faß.example", "begins with xn--"),
        ("10.0.0.9@shop.example.com", "takes no address"),
        ("@shop.example.com", "is no DNS name"),
        ("two words@10.0.0.1", "is no DNS name"),
        ("one@two@10.0.0.1", "is no endpoint"),
        ("10.0.0.5/24", r"did you mean 10\.0\.0\.0/24\?"),
        ("smtp://name.example.com@10.0.0.130/25:25", r"did you mean 10\.0\.0\.128/25\?"),
        ("[2001:db8::5/120]:443", r"did you mean \[2001:db8::/120\]\?"),
        ("10.0.0.0/33", "an IPv4 range goes from 0 to 32"),
        ("[2001:db8::]/129", "an IPv6 range goes from 0 to 128"),
        ("10.0.0.0/255.255.255.0", "is no prefix"),
        (f"10.0.0.0/{'9' * 5000}", "is no prefix"),
        ("10.0.0/24", "a range begins with an address"),
        ("shop.example.com/24", "a range begins with an address"),
        ("[fe80::%eth0]/120", "one by one"),
    ],
)
@pytest.mark.parametrize("read", [parse_endpoint, expand, count], ids=lambda read: read.__name__)
def test_what_is_no_endpoint_is_explained(read: object, text: str, message: str) -> None:
    """Shows that each mistake gets the sentence that repairs it, at once and whoever reads it."""
    assert callable(read)
    with pytest.raises(ValueError, match=message):
        read(text)


@pytest.mark.parametrize("text", ["10.0.0.0/24", "10.0.0.0/32", "shop.example.com:443,8443", "[2001:db8::/120]:443"])
def test_where_one_endpoint_is_wanted_several_are_refused(text: str) -> None:
    """A config names endpoints one by one; ranges are for the scan."""
    with pytest.raises(ValueError, match="stands for several endpoints"):
        parse_endpoint(text)


@pytest.mark.parametrize(
    "text", ["postgres://app:hunter2@db:5432/shop", "https://app:hun@ter2@shop.example.com", "app:hun/hunter2@db:5432"]
)
def test_a_password_in_a_pasted_address_is_not_repeated(text: str) -> None:
    """The sentence about an address with a password says what to write, and not the password."""
    with pytest.raises(ValueError, match="user and password do not belong here") as caught:
        parse_endpoint(text)
    assert "hun" not in str(caught.value)


@pytest.mark.parametrize("name", ["not a name", "10.0.0.1", "a..b"])
def test_a_server_name_must_be_a_name(name: str) -> None:
    """Shows that what cannot be an SNI, as an address or a text with spaces, is refused."""
    with pytest.raises(ValueError, match="a server name is sent as SNI"):
        parse_endpoint("10.0.0.1:443", name)


def test_a_server_name_is_said_once() -> None:
    """Two different names for one endpoint are a mistake; the same one twice is none."""
    with pytest.raises(ValueError, match="say it once"):
        parse_endpoint("one.example.com@10.0.0.1", "two.example.com")
    twice = parse_endpoint("one.example.com@10.0.0.1", "One.example.com.")
    assert twice == Endpoint("10.0.0.1", 443, "one.example.com")


class TestRanges:
    @pytest.mark.parametrize(
        ("text", "endpoints"),
        [
            ("10.0.0.0/30", ["10.0.0.1:443", "10.0.0.2:443"]),
            ("10.0.0.0/30:8443", ["10.0.0.1:8443", "10.0.0.2:8443"]),
            ("10.0.0.0/31", ["10.0.0.0:443", "10.0.0.1:443"]),
            ("10.0.0.7/32", ["10.0.0.7:443"]),
            ("smtp://10.0.0.0/30:26", ["smtp://10.0.0.1:26", "smtp://10.0.0.2:26"]),
            ("10.0.0.0/31:25", ["smtp://10.0.0.0:25", "smtp://10.0.0.1:25"]),
            ("10.0.0.0/31:443,25", ["10.0.0.0:443", "smtp://10.0.0.0:25", "10.0.0.1:443", "smtp://10.0.0.1:25"]),
            ("tls://10.0.0.0/32:443,25", ["10.0.0.0:443", "tls://10.0.0.0:25"]),
            ("a.example@10.0.0.0/30", ["a.example@10.0.0.1:443", "a.example@10.0.0.2:443"]),
            ("[2001:db8::/127]:443", ["[2001:db8::]:443", "[2001:db8::1]:443"]),
            ("[2001:db8::]/127:443", ["[2001:db8::]:443", "[2001:db8::1]:443"]),
            ("a.example@[2001:db8::/128]", ["a.example@[2001:db8::]:443"]),
            ("shop.example.com:443,8443,443", ["shop.example.com:443", "shop.example.com:8443"]),
            ("imaps://mail.example.com", ["mail.example.com:993"]),
            ("[2001:db8::1]:8443,9443", ["[2001:db8::1]:8443", "[2001:db8::1]:9443"]),
        ],
    )
    def test_a_word_stands_for_these(self, text: str, endpoints: list[str]) -> None:
        """Each address with each port, address by address; network and broadcast of an IPv4 range left out."""
        assert [str(endpoint) for endpoint in expand(text)] == endpoints
        assert count(text) == len(endpoints)

    @pytest.mark.parametrize(
        ("text", "many"),
        [
            ("10.0.0.0/22", 1022),
            ("10.0.0.0/24:443,8443", 508),
            ("0.0.0.0/0", 2**32 - 2),
            ("[2001:db8::/64]:443", 2**64),
            ("[::/0]", 2**128),
        ],
    )
    def test_wide_ranges_are_counted_and_begun_at_once(self, text: str, many: int) -> None:
        """Neither the number nor the first endpoints of a range cost its width."""
        began = time.monotonic()
        assert count(text) == many
        assert len(list(islice(expand(text), 3))) == 3
        assert time.monotonic() - began < 1

    @given(
        st.one_of(
            st.integers(0, 2**32 - 1).map(lambda number: ip_address(number)),
            st.integers(2**33, 2**128 - 1).map(lambda number: ip_address(number)),
        ),
        st.integers(0, 8),
        st.lists(st.integers(1, 65535), min_size=1, max_size=3, unique=True),
    )
    def test_ranges_are_what_the_standard_library_says(self, address: object, wide: int, ports: list[int]) -> None:
        """For ranges of up to 256 addresses the hosts are those of `ipaddress` (IPv6: all of them)."""
        longest = 32 if "." in str(address) else 128
        network = ip_network(f"{address}/{longest - wide}", strict=False)
        assert isinstance(network, IPv4Network | IPv6Network)
        hosts = list(network.hosts() if longest == 32 else network)
        text = str(network) if longest == 32 else f"[{network}]"
        found = list(expand(f"tls://{text}:{','.join(map(str, ports))}"))

        assert found == [Endpoint(str(host), port) for host in hosts for port in ports]
        assert count(f"{text}:{','.join(map(str, ports))}") == len(found)

    @pytest.mark.parametrize(
        ("text", "ranged"),
        [
            ("10.0.0.0/24", True),
            ("10.0.0.5/99", True),
            ("smtp://10.0.0.0/24:25", True),
            ("name.example.com@10.0.0.0/24", True),
            ("[2001:db8::/120]:443", True),
            ("[2001:db8::]/120", True),
            ("certs/24", False),
            ("10.0.0.1:443", False),
            ("10.0.0.1/", False),
            ("/etc/ssl/10.0.0.0/24", False),
            ("./10.0.0.0/24", False),
            ("shop.example.com", False),
            ("", False),
        ],
    )
    def test_a_range_is_told_from_a_path(self, text: str, ranged: bool) -> None:
        """What is written like a range is one, also a wrong one; a path with a slash and a number is none."""
        assert is_range(text) is ranged


names = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{1,5}){0,2}", fullmatch=True)


@given(
    st.sampled_from(["", *sorted(DIALOGUES)]),
    st.one_of(names, st.ip_addresses().map(str)),
    st.one_of(st.sampled_from(sorted(PORTS.values())), st.integers(1, 65535)),
    st.one_of(st.just(""), names),
)
def test_what_is_written_can_be_read_again(starttls: str, host: str, port: int, name: str) -> None:
    """Shows that the word for any endpoint reads back as the same endpoint, whatever its port and protocol."""
    endpoint = Endpoint(host, port, "" if name == host else name, starttls)
    word = str(endpoint)
    assert parse_endpoint(word) == endpoint
    assert list(expand(word)) == [endpoint]
    assert count(word) == 1


@given(st.one_of(st.text(max_size=60), st.from_regex(r"\A[a-z:/@\[\]0-9.,%-]{0,40}\Z")))
def test_any_text_is_an_endpoint_or_a_value_error(text: str) -> None:
    """Shows that nothing whatever raises anything but ValueError, and that counting and expanding agree."""
    try:
        endpoint = next(expand(text))
    except ValueError:
        with pytest.raises(ValueError, match=r"\w"):
            count(text)
        return
    assert endpoint.host
    assert 0 < endpoint.port <= 65535
    assert count(text) >= 1


@pytest.mark.parametrize("text", ["10.0.0.256", "10.0.0", "1.2.3.4.5:443"])
def test_numbers_that_are_no_address_are_no_name_either(text: str) -> None:
    """A mistyped address is told at once: no name in the DNS consists of numbers alone (RFC 1123, 2.1)."""
    with pytest.raises(ValueError, match="from 0 to 255"):
        parse_endpoint(text)


@pytest.mark.parametrize("text", ["tls://mail.example.com:25", "smtp://mail.example.com:25", "mail.example.com:443"])
def test_an_endpoint_is_shown_as_it_can_be_read_back(text: str) -> None:
    """Where TLS comes first on a port of another protocol, the text says so."""
    assert str(parse_endpoint(text)) == text
