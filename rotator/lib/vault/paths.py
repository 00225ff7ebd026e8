"""Paths of Vault's API as the operator writes them."""

from __future__ import annotations

import re

_SEGMENT = re.compile(r"[A-Za-z0-9_.-]+")


def api_path(value: str) -> str:
    """A mount, role or other part of an API path as the operator writes it.

    Raises:
        ValueError: it is empty, or a segment could lead elsewhere (`..`) or needs escaping.
    """
    segments = value.split("/")
    if not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        raise ValueError(f"{value!r} is no path in Vault; write it like pki or team/pki, without slashes at the ends")
    return value
