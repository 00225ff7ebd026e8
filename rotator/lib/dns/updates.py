"""Records written by dynamic update (RFC 2136), signed with a shared key (TSIG, RFC 8945)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.lib.dns.lookups import DnsError, Nameserver

if TYPE_CHECKING:
    from dns.message import Message
    from dns.update import UpdateMessage

UPDATE_SECONDS = 10.0
# What a person has to mend, by the code of the answer.
_REMEDIES = {
    "REFUSED": "let the key update this name in the server's update policy",
    "NOTAUTH": "it does not hold the zone as its primary, or does not take the key",
    "NOTZONE": "the name is not in that zone",
}


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A TSIG key: its name, its secret in base64, and its algorithm as `hmac-sha256`."""

    name: str
    secret: str = field(repr=False)
    algorithm: str = "hmac-sha256"


@dataclass(frozen=True, slots=True)
class TextRecord:
    """One TXT value at a name."""

    name: str
    zone: str
    value: str


def add(record: TextRecord, ttl: int, server: Nameserver, key: SharedKey | None) -> None:
    """Put a value beside those that are there; one that is there already stays one.

    Raises:
        DnsError: refused, or no answer.
    """
    update = _update(record, key)
    update.add(_absolute(record.name), ttl, "TXT", _quoted(record.value))
    _send(update, record, server)


def remove(record: TextRecord, server: Nameserver, key: SharedKey | None) -> None:
    """Take this value away and leave all others; no error where it is gone already.

    Raises:
        DnsError: refused, or no answer.
    """
    update = _update(record, key)
    update.delete(_absolute(record.name), "TXT", _quoted(record.value))
    _send(update, record, server)


def _update(record: TextRecord, key: SharedKey | None) -> UpdateMessage:
    import base64
    import binascii

    from dns import name as names
    from dns import tsigkeyring
    from dns.exception import DNSException
    from dns.update import UpdateMessage

    if key is None:
        return UpdateMessage(_absolute(record.zone))
    try:
        base64.b64decode(key.secret, validate=True)  # dnspython reads over what is none
        ring = tsigkeyring.from_text({key.name: (key.algorithm, key.secret)})
        name = names.from_text(key.name)
    except (binascii.Error, ValueError, TypeError):
        # Without the cause: its text may hold the secret.
        raise DnsError(f"the secret of the TSIG key {key.name} is not base64", permanent=True) from None
    except DNSException as error:
        raise DnsError(f"{key.name!r} is no name that a TSIG key can have", permanent=True) from error
    return UpdateMessage(_absolute(record.zone), keyring=ring, keyname=name)


def _send(update: UpdateMessage, record: TextRecord, server: Nameserver) -> None:
    from dns import query, rcode
    from dns.exception import DNSException, Timeout

    what = f"the update of {record.name} in zone {record.zone}"
    try:
        answer = query.tcp(update, server.address, port=server.port, timeout=UPDATE_SECONDS)
    except Timeout as error:
        raise DnsError(f"{server} gave no answer to {what} in time") from error
    except EOFError as error:
        raise DnsError(f"{server} hung up before its answer to {what} was whole") from error
    except OSError as error:
        raise DnsError(f"{server} cannot be reached for {what}: {error.strerror or error}") from error
    except DNSException as error:
        raise DnsError(f"{server} does not take {what}: {_signing(error)}", permanent=_is_of_key(error)) from error
    if answer.rcode() != rcode.NOERROR:
        raise _refused(answer, what, server)


def _refused(answer: Message, what: str, server: Nameserver) -> DnsError:
    from dns import rcode

    code = rcode.to_text(answer.rcode())
    remedy = _REMEDIES.get(code)
    return DnsError(
        f"{server} answers {code} to {what}" + (f"; {remedy}" if remedy else ""), permanent=remedy is not None
    )


def _signing(error: Exception) -> str:
    """What a server says of our signature, in words."""
    from dns.tsig import PeerBadKey, PeerBadSignature, PeerBadTime

    if isinstance(error, PeerBadKey):
        return "it does not know a TSIG key of this name and algorithm"
    if isinstance(error, PeerBadSignature):
        return "the secret of the TSIG key is another one there"
    if isinstance(error, PeerBadTime):
        return "its clock and ours differ too much"
    return f"its answer cannot be used ({type(error).__name__})"


def _is_of_key(error: Exception) -> bool:
    from dns.tsig import PeerBadKey, PeerBadSignature

    return isinstance(error, PeerBadKey | PeerBadSignature)


def _absolute(name: str) -> str:
    return f"{name.rstrip('.')}."


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
