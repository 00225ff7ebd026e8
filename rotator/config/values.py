"""The small words of the config, each read once from what people write into the core's types."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from rotator.config.mistakes import unknown_key
from rotator.core.csr import is_address
from rotator.core.model import Endpoint, KeySpec, MaintenanceWindow, TrustKind, TrustSpec
from rotator.core.reasons import Reason
from rotator.core.rules.catalogue import rule_id
from rotator.core.trust import plain_name
from rotator.core.validate import HOLDS
from rotator.lib.endpoint import is_dns_name, parse_endpoint
from rotator.settings import parse_duration, show_duration

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KEYS = {
    "ecdsa-256": KeySpec("ecdsa", 256),
    "ecdsa-384": KeySpec("ecdsa", 384),
    "rsa-2048": KeySpec("rsa", 2048),
    "rsa-3072": KeySpec("rsa", 3072),
    "rsa-4096": KeySpec("rsa", 4096),
    "ed25519": KeySpec("ed25519", 0),
}
_USUAL_SIZES = {"ecdsa": 256, "rsa": 2048}
_RSA_SIZES = (2048, 4096)
HOLD_REASONS = tuple(reason for reason, _ in HOLDS)
_START = re.compile(r"^([01]?\d|2[0-3]):([0-5]\d)$")


def _listed(value: object) -> object:
    """One text where a list may stand is a list of one."""
    return [value] if isinstance(value, str) else value


def _mapping(value: object, *known: str) -> dict[str, object]:
    """A mapping with none but these keys, all of them texts or lists; a small one that needs no model of its own."""
    if not isinstance(value, dict):
        raise ValueError(f"it is a mapping with {' and '.join(known)}")  # noqa: TRY004 - pydantic wants a ValueError
    unknown = [str(key) for key in value if key not in known]
    if unknown:
        raise ValueError(unknown_key(unknown[0], known))
    return value


# ---------------------------------------------------------------- names


def read_name(value: object) -> str:
    """A name that a certificate can have: a DNS name or wildcard, an address, a URI.

    Raises:
        ValueError: it can have no such name.
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a name is a text like shop.example.com; numbers stand in quotes")
    name = plain_name(value.strip())
    if not name.isascii():
        raise ValueError(f"{value!r} is not in ASCII; write {_ascii(name)}")
    if is_address(name) or "://" in name:
        return name
    if not is_dns_name(name.removeprefix("*.")):
        raise ValueError(f"{value!r} is no DNS name, wildcard (*.example.com), address or URI")
    return name


def _ascii(name: str) -> str:
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return "its form that begins with xn--"


Names = Annotated[
    tuple[Annotated[str, BeforeValidator(read_name)], ...],
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
    Field(min_length=1),
    AfterValidator(lambda names: tuple(dict.fromkeys(names))),
]

_LABEL = re.compile(r"^[A-Za-z0-9*][A-Za-z0-9*._@:/-]{0,199}$")
_WORKLOAD = re.compile(r"^[A-Z][A-Za-z]+/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")


def _read_label(value: str) -> str:
    if not _LABEL.match(value):
        raise ValueError("a name here has up to 200 letters, digits and signs of ._@:/-, and no spaces")
    return value


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """An issuer is no fallback of its own: another one was meant."""
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise ValueError(f"{twice!r} stands there twice; name each issuer once")
    return names


def _read_workload(value: str) -> str:
    if not _WORKLOAD.match(value):
        raise ValueError(f"{value!r} is no workload; write its kind and name, like Deployment/checkout")
    return value


RuleId = Annotated[str, AfterValidator(rule_id)]
"""A rule of the audit, by its id or its name."""

Label = Annotated[str, AfterValidator(_read_label), WithJsonSchema({"type": "string", "pattern": _LABEL.pattern})]
"""What people call a thing: it is a key in the state, in logs and in URLs, so without spaces."""

IssuerNames = Annotated[
    tuple[str, ...],
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
    Field(min_length=1),
    AfterValidator(_each_once),
]

Workloads = Annotated[
    tuple[
        Annotated[
            str, AfterValidator(_read_workload), WithJsonSchema({"type": "string", "pattern": _WORKLOAD.pattern})
        ],
        ...,
    ],
    Field(description="Workloads to restart where a reload does not do, like Deployment/checkout."),
]

# ---------------------------------------------------------------- keys, trust, endpoints, windows, allowed holds


def read_key(value: object) -> KeySpec:
    """`ecdsa-256`, `rsa-2048`, `ed25519` and their like, or `{algorithm: ecdsa, size: 256, reuse: true}`.

    Raises:
        ValueError: such a key is not made.
    """
    if isinstance(value, KeySpec):
        return value
    if isinstance(value, dict):
        return _key_in_parts(_mapping(value, "algorithm", "size", "reuse", "ahead"))
    spec = KEYS.get(str(value).lower())
    if spec is None:
        raise ValueError(f"{value!r} is no key that is made; there are {', '.join(KEYS)}")
    return spec


def _key_in_parts(parts: dict[str, object]) -> KeySpec:
    algorithm, reuse, ahead = parts.get("algorithm", "ecdsa"), parts.get("reuse", False), parts.get("ahead", False)
    size = parts.get("size", _USUAL_SIZES.get(str(algorithm), 0))
    if not isinstance(reuse, bool) or not isinstance(ahead, bool):
        raise ValueError("reuse and ahead are true or false")  # noqa: TRY004 - pydantic wants a ValueError
    if reuse and ahead:
        raise ValueError("a key that is used again has none after it: either reuse or ahead")
    if algorithm == "rsa" and type(size) is int and size % 8 == 0 and _RSA_SIZES[0] <= size <= _RSA_SIZES[1]:
        return KeySpec("rsa", size, reuse, ahead)
    spec = next((one for one in KEYS.values() if (one.algorithm, one.size) == (algorithm, size)), None)
    if spec is None:
        raise ValueError(
            f"{algorithm} {size} is no key that is made; there are rsa of {_RSA_SIZES[0]} to {_RSA_SIZES[1]} bits, "
            "ecdsa of 256 or 384, and ed25519"
        )
    return replace(spec, reuse=reuse, ahead=ahead)


def show_key(key: KeySpec) -> object:
    """A key spec as the config says it."""
    short = f"{key.algorithm}-{key.size}" if key.size else key.algorithm
    if short in KEYS and not key.reuse and not key.ahead:
        return short
    return {"algorithm": key.algorithm, "size": key.size, "reuse": key.reuse, "ahead": key.ahead}


def read_trust(value: object) -> TrustSpec:
    """`system`, `issuer`, or `{file: /path}`.

    Raises:
        ValueError: it is none of them.
    """
    if isinstance(value, TrustSpec):
        return value
    if isinstance(value, str) and value in {"system", "issuer"}:
        return TrustSpec(TrustKind(value))
    if isinstance(value, dict):
        path = _mapping(value, "file").get("file")
        if isinstance(path, str) and path:
            return TrustSpec(TrustKind.FILE, path)
    raise ValueError("what clients trust is system, issuer, or {file: /path/to/roots.pem}")


def read_endpoint(value: object) -> Endpoint:
    """`host:port`, `smtp://host:587`, or `{address: …, server_name: …}`.

    Raises:
        ValueError: it is none of them.
    """
    if isinstance(value, Endpoint):
        return value
    if isinstance(value, str):
        return parse_endpoint(value)
    parts = _mapping(value, "address", "server_name")
    address, server_name = parts.get("address"), parts.get("server_name", "")
    if not isinstance(address, str) or not isinstance(server_name, str):
        raise ValueError("an endpoint is host:port, or {address: host:port, server_name: name}")  # noqa: TRY004
    return parse_endpoint(address, server_name)


def read_window(value: object) -> MaintenanceWindow:
    """`{days: [mon, tue], start: "02:00", length: 4h}`, in UTC; without days it is every day.

    Raises:
        ValueError: it is no such window.
    """
    if isinstance(value, MaintenanceWindow):
        return value
    parts = _mapping(value, "days", "start", "length")
    days = _listed(parts.get("days", list(DAYS)))
    if not isinstance(days, list) or not days or any(day not in DAYS for day in days):
        raise ValueError(f"the days of a window are of {', '.join(DAYS)}")
    start = _START.match(str(parts.get("start", "")))
    if start is None:
        raise ValueError('the start of a window is an hour and a minute in UTC, in quotes: "02:00"')
    length = parse_duration(parts.get("length"))
    if not isinstance(length, timedelta) or not timedelta(minutes=1) <= length <= timedelta(days=7):
        raise ValueError("the length of a window is between 1m and 7d")
    weekdays = frozenset(DAYS.index(str(day)) for day in days)
    return MaintenanceWindow(weekdays, int(start[1]) * 60 + int(start[2]), length)


def _read_hold(value: object) -> Reason:
    reason = next((reason for reason in HOLD_REASONS if reason == value), None)
    if reason is None:
        raise ValueError(f"{value!r} is nothing that can be allowed; there are {', '.join(HOLD_REASONS)}")
    return reason


def _plain(read: Callable[[object], Any], show: Callable[[Any], object], schema: dict[str, Any]) -> tuple[Any, ...]:
    return PlainValidator(read), PlainSerializer(show), WithJsonSchema(schema)


def _show_trust(trust: TrustSpec) -> object:
    return {"file": trust.path} if trust.kind is TrustKind.FILE else trust.kind.value


def _show_window(window: MaintenanceWindow) -> object:
    hour, minute = divmod(window.start_minute, 60)
    days = [DAYS[day] for day in sorted(window.weekdays)]
    return {"days": days, "start": f"{hour:02}:{minute:02}", "length": show_duration(window.length)}


_DURATION_SCHEMA = {"type": "string", "examples": ["30s", "15m", "1h30m", "30d"]}
_TRUST_SCHEMA = {
    "anyOf": [
        {"enum": ["system", "issuer"]},
        {
            "type": "object",
            "properties": {"file": {"type": "string"}},
            "required": ["file"],
            "additionalProperties": False,
        },
    ]
}
_ENDPOINT_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"address": {"type": "string"}, "server_name": {"type": "string"}},
            "required": ["address"],
            "additionalProperties": False,
        },
    ]
}
_WINDOW_SCHEMA = {
    "type": "object",
    "properties": {
        "days": {"type": "array", "items": {"enum": list(DAYS)}, "minItems": 1},
        "start": {"type": "string", "pattern": _START.pattern},
        "length": _DURATION_SCHEMA,
    },
    "required": ["start", "length"],
    "additionalProperties": False,
}

_KEY_SCHEMA = {
    "anyOf": [
        {"enum": list(KEYS)},
        {
            "type": "object",
            "properties": {
                "algorithm": {"enum": ["ecdsa", "rsa", "ed25519"]},
                "size": {"type": "integer"},
                "reuse": {"type": "boolean"},
                "ahead": {"type": "boolean"},
            },
            "additionalProperties": False,
        },
    ]
}

Key = Annotated[KeySpec, *_plain(read_key, show_key, _KEY_SCHEMA)]
Trust = Annotated[TrustSpec, *_plain(read_trust, _show_trust, _TRUST_SCHEMA)]
ServedAt = Annotated[Endpoint, *_plain(read_endpoint, str, _ENDPOINT_SCHEMA)]
Window = Annotated[MaintenanceWindow, *_plain(read_window, _show_window, _WINDOW_SCHEMA)]
Hold = Annotated[Reason, *_plain(_read_hold, str, {"enum": [reason.value for reason in HOLD_REASONS]})]
