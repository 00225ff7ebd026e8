"""Which alert of the peer ended a handshake: read from the wire, or from OpenSSL's words where it came encrypted."""

from __future__ import annotations

import re
from types import MappingProxyType

from OpenSSL import SSL

_ALERT = 21  # the type of a record (RFC 8446, 5.1)
_ALERT_RECORD = 7

# RFC 8446, 6 and the IANA registry “TLS Alerts”, those that were given up included.
_ALERTS = MappingProxyType(
    {
        0: "close_notify",
        10: "unexpected_message",
        20: "bad_record_mac",
        21: "decryption_failed",
        22: "record_overflow",
        30: "decompression_failure",
        40: "handshake_failure",
        41: "no_certificate",
        42: "bad_certificate",
        43: "unsupported_certificate",
        44: "certificate_revoked",
        45: "certificate_expired",
        46: "certificate_unknown",
        47: "illegal_parameter",
        48: "unknown_ca",
        49: "access_denied",
        50: "decode_error",
        51: "decrypt_error",
        60: "export_restriction",
        70: "protocol_version",
        71: "insufficient_security",
        80: "internal_error",
        86: "inappropriate_fallback",
        90: "user_canceled",
        100: "no_renegotiation",
        109: "missing_extension",
        110: "unsupported_extension",
        111: "certificate_unobtainable",
        112: "unrecognized_name",
        113: "bad_certificate_status_response",
        114: "bad_certificate_hash_value",
        115: "unknown_psk_identity",
        116: "certificate_required",
        120: "no_application_protocol",
    }
)
_NUMBERS = MappingProxyType({name: number for number, name in _ALERTS.items()} | {"user_cancelled": 90})

# `sslv3 alert …`, `tlsv13 alert …`, `ssl/tls alert …`; those of the extensions leave “alert” out (RFC 6066's).
_OPENSSL = re.compile(r"(?:sslv3|tlsv1|tlsv13|ssl/tls|tls)(?: alert)? (?P<name>[a-z ]+)")


def alert_of(error: Exception, tail: bytes) -> str | None:
    """A clause that names the peer's alert, if it was one that ended the handshake.

    Args:
        tail: the last bytes that came.
    """
    if not isinstance(error, SSL.Error):
        return None
    reason = reason_of(error)
    number = plain_alert(tail)
    if number is None:
        number = encrypted_alert(reason)
    if number is not None:
        return f"it ended the handshake with alert {number} ({_ALERTS.get(number, 'of an unknown kind')})"
    return f"it ended the handshake with an encrypted alert ({reason})" if " alert " in reason else None


def plain_alert(tail: bytes) -> int | None:
    """The description of an alert that was sent in the clear, if that is how these bytes end (RFC 8446, 5.1 and 6)."""
    if len(tail) < _ALERT_RECORD:
        return None
    kind, major, _, high, low, level, description = tail[-_ALERT_RECORD:]
    return description if (kind, major, high, low) == (_ALERT, 3, 0, 2) and level in {1, 2} else None


def encrypted_alert(reason: str) -> int | None:
    """The number of the alert that OpenSSL names; None where it names none that is known."""
    match = _OPENSSL.fullmatch(reason.partition(";")[0].strip())
    return _NUMBERS.get(match["name"].replace(" ", "_")) if match else None


def reason_of(error: Exception) -> str:
    """OpenSSL's own words, without its library names."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(dict.fromkeys(entry[2] for entry in queue if entry[2])) or "no reason given"
