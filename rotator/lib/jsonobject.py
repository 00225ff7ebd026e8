"""A JSON object from a server that may answer anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def read_object(text: bytes) -> Mapping[str, Any] | None:
    """The JSON object in a text; None for everything else, also for JSON nested so deeply that it cannot be read."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
