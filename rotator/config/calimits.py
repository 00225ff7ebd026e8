"""What a CA limits, as people write it: the name of a CA that publishes its limits, `none`, or numbers."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from rotator.config.mistakes import unknown_key
from rotator.core.budget.limits import NO_LIMITS, PRESETS, Bucket, CaLimits
from rotator.settings import parse_duration, show_duration

NONE = "none"
BUCKETS = ("orders", "domain", "exact_set", "failures")
_EXEMPT = "renewals_exempt"
_RATE = re.compile(r"^\s*(\d{1,9})\s*/\s*(\S.*)$")


def read_limits(value: object) -> CaLimits:
    """`letsencrypt`, `none`, or `{orders: 300/3h, domain: 50/7d, exact_set: 5/7d, failures: 5/1h}`.

    Raises:
        ValueError: it is none of them.
    """
    if isinstance(value, CaLimits):
        return value
    if isinstance(value, str):
        if value == NONE:
            return NO_LIMITS
        if value in PRESETS:
            return PRESETS[value]
        raise ValueError(f"no limits of {value!r} are known; there are {', '.join([*PRESETS, NONE])}, or write numbers")
    if not isinstance(value, dict):
        raise ValueError(f"limits are {', '.join(PRESETS)}, {NONE}, or numbers like {{domain: 50/7d}}")  # noqa: TRY004
    known = (*BUCKETS, _EXEMPT)
    unknown = [str(key) for key in value if key not in known]
    if unknown:
        raise ValueError(unknown_key(unknown[0], known))
    exempt = value.get(_EXEMPT, True)
    if not isinstance(exempt, bool):
        raise ValueError(f"{_EXEMPT} is true or false")  # noqa: TRY004
    buckets = {name: _bucket(name, value[name]) if name in value else None for name in BUCKETS}
    return CaLimits(
        orders=buckets["orders"],
        domain=buckets["domain"],
        exact_set=buckets["exact_set"],
        failures=buckets["failures"],
        renewals_exempt=exempt,
    )


def _bucket(name: str, value: object) -> Bucket:
    """`50/7d`: so many, all of which come back within so long."""
    matched = _RATE.match(value) if isinstance(value, str) else None
    if matched is None or not int(matched[1]):
        raise ValueError(f"{name} is a number and a time, like 50/7d")
    per = parse_duration(matched[2])
    if not isinstance(per, timedelta) or not timedelta(seconds=1) <= per <= timedelta(days=7):
        raise ValueError(f"the time of {name} is between 1s and 7d")
    return Bucket(int(matched[1]), per)


def _show(limits: CaLimits) -> object:
    if limits == NO_LIMITS:
        return NONE
    preset = next((name for name, known in PRESETS.items() if known == limits), None)
    if preset:
        return preset
    written: dict[str, object] = {
        name: f"{bucket.size}/{show_duration(bucket.per)}" for name in BUCKETS if (bucket := getattr(limits, name))
    }
    return written if limits.renewals_exempt else {**written, _EXEMPT: False}


_SCHEMA = {
    "anyOf": [
        {"enum": [*PRESETS, NONE]},
        {
            "type": "object",
            "properties": {
                **{name: {"type": "string", "examples": ["50/7d"]} for name in BUCKETS},
                _EXEMPT: {"type": "boolean"},
            },
            "additionalProperties": False,
        },
    ]
}

Limited = Annotated[CaLimits, PlainValidator(read_limits), PlainSerializer(_show), WithJsonSchema(_SCHEMA)]
