"""Endpoints as people write them: `shop.example.com:443`, `smtp://mail.example.com`, `name@[2001:db8::1]:443`.

`parse_endpoint` reads one; `expand` also reads a range (`10.0.0.0/24`) and several ports (`host:443,8443`).
A port that a protocol of its own begins on in the clear means that protocol; a scheme decides otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import TypeAlias

from rotator.core.model import Endpoint
from rotator.core.model.places import AT_HOME, PORTS
from rotator.lib.starttls import DIALOGUES

_HTTPS = 443

DIRECT: Mapping[str, int] = MappingProxyType(
    {
        "https": _HTTPS,
        "tls": _HTTPS,
        "smtps": 465,
        "submissions": 465,
        "ldaps": 636,
        "ftps": 990,
        "imaps": 993,
        "pop3s": 995,
        "xmpps": 5223,
    }
)
"""Schemes under which TLS comes first, and their ports."""

_FORM = re.compile(
    r"""^(?:(?P<scheme>[a-z0-9+.-]*)://)?
        (?:(?P<name>[^\[\]/@:]*)@)?
        (?:\[(?P<bracketed>[^\]]*)\]|(?P<host>[^\[\]/:@]*))
        (?:/(?P<prefix>[^\[\]/:@]+))?
        (?::(?P<port>[^/@]*))?/?$""",
    re.VERBOSE | re.IGNORECASE,
)
_LABEL = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)$", re.IGNORECASE)
_LONGEST_NAME = 253
_PAGE = re.compile(r"^((?:https|tls)://(?:\[[^\]]*\]|[^/?#\[])+)([/?#].*)$", re.IGNORECASE | re.DOTALL)
_PREFIX = re.compile(r"^/\d{1,3}(:[\d,]*)?/?$")
_AMBIGUOUS = frozenset("ßς\u200c\u200d")  # IDNA 2003 and 2008 make different names of them (RFC 5894, 7.2)
_SECRET = re.compile(r"^([a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)

Network: TypeAlias = IPv4Network | IPv6Network


def parse_endpoint(text: str, server_name: str = "") -> Endpoint:
    """Read one endpoint: `[scheme://][server name@]host[:port]`.

    Without a port it is the scheme's own, 443 without a scheme. Without a scheme a port of `PORTS` means its protocol:
    `mail.example.com:587` is submission, which begins in the clear and goes over to TLS; once such a port alone meant
    TLS from the first byte. Where TLS comes first on it, say so: `tls://mail.example.com:587`. The name before `@` is
    sent as SNI. A name in Unicode is put into its ASCII form (IDNA).

    Args:
        server_name: the same as the name before `@`.

    Raises:
        ValueError: it is no endpoint; the message says what to write.
    """
    word = _read(text, server_name)
    if isinstance(word.host, str) and len(word.ports) == 1:
        return word.endpoint(word.host, word.ports[0])
    raise ValueError(f"{text.strip()!r} stands for several endpoints; write each as host:port")


def expand(text: str) -> Iterator[Endpoint]:
    """The endpoints that a word stands for, made one after the other, however many there are.

    A word is what `parse_endpoint` reads, with a CIDR range for the host (`10.0.0.0/24`, `[2001:db8::/120]`) or several
    ports (`:443,8443`), or both; then each address with each port, address by address. An IPv4 range wider than /31
    goes without its first and last address, which are network and broadcast (RFC 3021 tells why /31 has neither); an
    IPv6 range is taken whole.

    Raises:
        ValueError: at once, as `parse_endpoint`; and a range that does not begin where its prefix says.
    """
    word = _read(text)
    return (word.endpoint(host, port) for host in _hosts(word.host) for port in word.ports)


def count(text: str) -> int:
    """How many endpoints `expand` gives, without making them; raises as it does."""
    word = _read(text)
    if isinstance(word.host, str):
        return len(word.ports)
    return (word.host.num_addresses - 2 * _has_ends(word.host)) * len(word.ports)


def is_range(text: str) -> bool:
    """Whether a word is written as a range of addresses, rightly or not; a path such as `certs/24` is none."""
    match = _FORM.match(text.strip())
    if match is None or (match["prefix"] is None and "/" not in (match["bracketed"] or "")):
        return False
    return match["bracketed"] is not None or bool(re.fullmatch(r"[0-9.]+", match["host"]))


def _without_path(text: str) -> str:
    """An address as it is copied from a browser, without path and query; a range keeps its prefix."""
    match = _PAGE.match(text.strip())
    return match[1] if match and not _PREFIX.match(match[2]) else text


def is_dns_name(text: str) -> bool:
    """Whether it can be looked up: labels of letters, digits, `-` and `_`, at most 253 characters (RFC 1035, 2.3.4)."""
    name = text.rstrip(".")
    return 0 < len(name) <= _LONGEST_NAME and all(_LABEL.match(label) for label in name.split("."))


# ---------------------------------------------------------------- a word and its parts


@dataclass(frozen=True, slots=True)
class _Word:
    scheme: str
    server_name: str
    host: str | Network
    ports: tuple[int, ...]

    def endpoint(self, host: str, port: int) -> Endpoint:
        starttls = self.scheme or AT_HOME.get(port, "")
        name = "" if self.server_name == host else self.server_name
        return Endpoint(host, port, name, "" if starttls in DIRECT else starttls)


def _hosts(host: str | Network) -> Iterator[str]:
    if isinstance(host, str):
        yield host
        return
    first, last = int(host.network_address), int(host.broadcast_address)
    ends = _has_ends(host)
    kind = type(host.network_address)
    for number in range(first + ends, last + 1 - ends):
        yield str(kind(number))


def _has_ends(network: Network) -> bool:
    return network.version == 4 and network.prefixlen < 31


def _read(text: str, server_name: str = "") -> _Word:
    text = _without_path(text.strip())
    match = _FORM.match(text)
    if match is None:
        raise ValueError(f"{_open(text)!r} is no endpoint; {_hint(text)}")
    scheme = _scheme(match["scheme"])
    host = _host(match["host"], match["bracketed"], match["prefix"], text)
    names = {_server_name(name) for name in (match["name"], server_name or None) if name is not None}
    if len(names) > 1:
        raise ValueError(f"{text!r} names one server and server_name another; say it once")
    default = PORTS.get(scheme) or DIRECT.get(scheme, _HTTPS)
    ports = (default,) if match["port"] is None else _ports(match["port"], text)
    return _Word(scheme, names.pop() if names else "", host, ports)


def _scheme(written: str | None) -> str:
    scheme = (written or "").lower()
    if scheme and scheme not in DIRECT and scheme not in DIALOGUES:
        known = [*DIRECT, *DIALOGUES]
        near = get_close_matches(scheme, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        raise ValueError(f"{scheme}:// is no protocol that rotator can look at; {hint}")
    return scheme


def _host(host: str | None, bracketed: str | None, prefix: str | None, text: str) -> str | Network:
    if bracketed is not None:
        bracketed, _, inside = bracketed.partition("/")
        prefix = prefix or inside or None
    address = _address(bracketed if bracketed is not None else host or "")
    if bracketed is not None and (address is None or ":" not in address):
        raise ValueError(f"{bracketed!r} in {text!r} is no IPv6 address")
    if prefix is not None:
        if address is None:
            raise ValueError(f"{text!r} is no endpoint; a range begins with an address: 10.0.0.0/24")
        return _network(address, prefix, text)
    if address is None and re.fullmatch(r"[0-9.]+", host or ""):
        raise ValueError(f"{host!r} is no address: four numbers from 0 to 255, like 192.0.2.1")
    return address or _dns_name(host or "", f"{host or text!r} is no host name; {_hint(text)}")


def _address(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def _network(address: str, prefix: str, text: str) -> Network:
    longest = 128 if ":" in address else 32
    if not prefix.isascii() or not prefix.isdigit() or len(prefix) > 3 or int(prefix) > longest:
        kind = "IPv6" if longest == 128 else "IPv4"
        raise ValueError(f"{prefix!r} in {text!r} is no prefix; that of an {kind} range goes from 0 to {longest}")
    if "%" in address:
        raise ValueError(f"{text!r} has a zone; write its addresses one by one")
    network = ip_network(f"{address}/{prefix}", strict=False)
    if str(network.network_address) != address:
        range_ = f"[{network}]" if longest == 128 else str(network)
        raise ValueError(f"{text!r} does not begin where a range of /{prefix} can; did you mean {range_}?")
    return network


def _server_name(name: str) -> str:
    if _address(name) is not None:
        raise ValueError(f"{name!r} is an address; a server name is sent as SNI, which takes no address (RFC 6066, 3)")
    return _dns_name(name, f"{name!r} is no DNS name; a server name is sent as SNI and has to be one")


def _dns_name(name: str, otherwise: str) -> str:
    """In lower case and ASCII, without a dot at the end."""
    if not name.isascii():
        name = _to_ascii(name)
    if not is_dns_name(name):
        raise ValueError(otherwise)
    return name.lower().rstrip(".")


def _to_ascii(name: str) -> str:
    if _AMBIGUOUS.isdisjoint(name):
        try:
            return name.encode("idna").decode("ascii")
        except UnicodeError:
            pass  # the sentence below says it better
    raise ValueError(f"{name!r} has no one form in ASCII; write the one that DNS knows, which begins with xn--")


def _ports(ports: str, text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_port(port, text) for port in ports.split(",")))


def _port(port: str, text: str) -> int:
    if not port.isascii() or not port.isdigit() or len(port) > 5 or not 0 < int(port) <= 65535:
        raise ValueError(f"{port!r} in {text!r} is no port; ports go from 1 to 65535")
    return int(port)


def _open(text: str) -> str:
    """A text as it may be shown: what stands before the last `@` may be a password."""
    return _SECRET.sub(lambda match: f"{match[1] or ''}…@", text)


def _hint(text: str) -> str:
    if ":" in text.rpartition("@")[0].rpartition("://")[2]:
        return "user and password do not belong here; write postgres://host:port"
    if text.count(":") > 1 and "[" not in text:
        return "an IPv6 address stands in brackets: [2001:db8::1]:443"
    return "write host:port, or smtp://host:port"
