"""Moments and lengths of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A JSON object."""


def moment_to_json(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC.

    Raises:
        ValueError: it has no time zone.
    """
    if moment.utcoffset() is None:
        raise ValueError(f"{moment.isoformat()} has no time zone, so it is no moment")
    return moment.astimezone(UTC).isoformat()


def moment_from_json(text: str) -> datetime:
    return datetime.fromisoformat(text)


def maybe_moment_to_json(moment: datetime | None) -> str | None:
    return None if moment is None else moment_to_json(moment)


def maybe_moment_from_json(text: str | None) -> datetime | None:
    return None if text is None else moment_from_json(text)


def length_to_json(length: timedelta) -> int:
    """A length of time in whole microseconds, which is all it has."""
    return length // timedelta(microseconds=1)


def length_from_json(microseconds: int) -> timedelta:
    return timedelta(microseconds=microseconds)


def maybe_length_to_json(length: timedelta | None) -> int | None:
    return None if length is None else length_to_json(length)


def maybe_length_from_json(microseconds: int | None) -> timedelta | None:
    return None if microseconds is None else length_from_json(microseconds)
