"""What we have shown somewhere and not yet taken away, kept in the store: so that what a crash leaves is found again.

A record in a DNS zone or a file below another server's root does not say whose it is, and another program may prove
the same name there. So each is noted before it is shown, with who shows it and until when at most.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from rotator.ports import Keep

LONGEST = timedelta(hours=3)
"""No attempt shows anything for longer: its waits are bounded by settings that allow less."""

_RUN = uuid.uuid4().hex
_GUARD = threading.Lock()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who shows something: a process, told apart from a later one with the same number."""

    host: str
    process: int
    run: str

    def has_ended(self) -> bool:
        """Whether it is certain that it has; another host's process cannot be seen from here."""
        if self.host != socket.gethostname() or self.run == _RUN:
            return False
        if self.process == os.getpid():
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
        return False


def this_process() -> Holder:
    return Holder(socket.gethostname(), os.getpid(), _RUN)


@dataclass(frozen=True, slots=True)
class _Trace:
    value: str
    holder: Holder
    until: datetime


class Traces:
    """The notes of one issuer, in a drawer per place (a record's name, a folder)."""

    def __init__(self, keep: Keep, issuer: str, now: Callable[[], datetime]) -> None:
        self._keep = keep
        self._issuer = issuer
        self._now = now

    def left(self, place: str) -> tuple[str, ...]:
        """The values at a place whose process has certainly ended, or has had them for longer than any attempt."""
        now = self._now()
        return tuple(each.value for each in self._read(place) if each.holder.has_ended() or each.until <= now)

    def note(self, place: str, value: str) -> None:
        """We are about to show a value there."""
        mine = _Trace(value, this_process(), self._now() + LONGEST)
        self._change(place, lambda traces: [*(each for each in traces if each.value != value), mine])

    def forget(self, place: str, value: str) -> None:
        """It is gone from there."""
        self._change(place, lambda traces: [each for each in traces if each.value != value])

    def _change(self, place: str, change: Callable[[list[_Trace]], list[_Trace]]) -> None:
        # Two processes that change one drawer at the same moment may lose a note: the price is one dead record.
        with _GUARD:
            traces = change(self._read(place))
            written = [{**asdict(each), "until": each.until.isoformat()} for each in traces]
            self._keep.put(self._drawer(place), json.dumps(written).encode())

    def _read(self, place: str) -> list[_Trace]:
        try:
            found = json.loads(self._keep.get(self._drawer(place)) or b"[]")
            return [
                _Trace(each["value"], Holder(**each["holder"]), datetime.fromisoformat(each["until"])) for each in found
            ]
        except (ValueError, TypeError, KeyError):  # another version's
            return []

    def _drawer(self, place: str) -> str:
        where = f"{self._issuer}\n{place}"
        return f"acme-shown-{hashlib.sha256(where.encode()).hexdigest()[:32]}"
