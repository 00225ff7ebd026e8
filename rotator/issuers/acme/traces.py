"""What we have shown somewhere and not yet taken away, kept in the store: so that what a crash leaves is found again,
and nothing is taken away that another order still needs.

A record in a DNS zone or a file below another server's root does not say whose it is, and another program may prove
the same name there. So each is noted before it is shown, with who shows it and until when at most. Two orders may share
a pending authorization, and its proof with it (RFC 8555, 7.5: a CA hands it out again while it can be used): each notes
it for itself, also where they are orders of two issuers with one account, and the last takes it away.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from rotator.ports import Keep

LONGEST = timedelta(hours=3)
"""No attempt shows anything for longer: its waits are bounded by settings that allow an hour each for the propagation,
the wait after it and the CA.

Only what a process left of which nobody can tell whether it has ended is kept for that long: one of another host, that
does not hold the state that we hold alone.
"""

_RUN = uuid.uuid4().hex
_STATE = "acme-shown-by"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who shows something: a process, told apart from a later one with the same number.

    Attributes:
        state: the name of the state that it held alone; empty where it did not.
    """

    host: str
    process: int
    run: str
    state: str = ""

    @property
    def is_us(self) -> bool:
        return self.run == _RUN

    def has_ended(self, alone_with: str = "") -> bool:
        """Whether it is certain that it has; another host's process cannot be seen from here.

        Args:
            alone_with: the name of the state that we hold alone now: whoever held it before has ended, wherever it was.
        """
        if self.is_us:
            return False
        if self.state and self.state == alone_with:
            return True
        if self.host != socket.gethostname():
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


def this_process(state: str = "") -> Holder:
    return Holder(socket.gethostname(), os.getpid(), _RUN, state)


@dataclass(frozen=True, slots=True)
class Trace:
    """One showing of a value.

    Attributes:
        issuer: whose settings say how it is taken away.
        is_leaving: it is being taken away, or could not be.
    """

    place: str
    value: str
    issuer: str
    holder: Holder
    until: datetime
    is_leaving: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


class Traces:
    """The notes of one issuer, in a drawer per place (a record's name, a folder) that all issuers share."""

    def __init__(self, keep: Keep, issuer: str, now: Callable[[], datetime]) -> None:
        self._keep = keep
        self._issuer = issuer
        self._now = now

    def us(self) -> Holder:
        """This process, as it is noted."""
        return this_process(self._alone_with)

    def has_ended(self, holder: Holder) -> bool:
        """Whether it is certain that a process has ended."""
        return holder.has_ended(self._alone_with)

    def left(self, place: str) -> tuple[Trace, ...]:
        """What this issuer has shown at a place and nobody needs: its process has certainly ended, or has had it for
        longer than any attempt, or it could not be taken away."""
        traces = self._read(place)
        needed = {each.value for each in traces if self._is_needed(each)}
        return tuple(each for each in traces if each.value not in needed and each.issuer == self._issuer)

    def note(self, place: str, value: str) -> Trace:
        """We are about to show a value there; one that was left is ours from now on."""
        mine = Trace(place, value, self._issuer, self.us(), self._now() + LONGEST)
        self._change(
            place, lambda traces: [*(each for each in traces if each.value != value or self._is_needed(each)), mine]
        )
        return mine

    def leave(self, mine: Trace) -> bool:
        """We do not need it any more; True where nobody else does, so that it is ours to take away."""
        leaving = replace(mine, is_leaving=True)
        traces = self._change(mine.place, lambda traces: [leaving if each.id == mine.id else each for each in traces])
        return not any(each.value == mine.value and self._is_needed(each) for each in traces)

    def is_needed(self, place: str, value: str) -> bool:
        """Whether somebody shows it there now."""
        return any(each.value == value and self._is_needed(each) for each in self._read(place))

    def forget(self, gone: Trace) -> None:
        """It is gone from there, or another's to take away."""
        self._change(gone.place, lambda traces: [each for each in traces if each.id != gone.id])

    def _is_needed(self, trace: Trace) -> bool:
        return not (trace.is_leaving or trace.until <= self._now() or self.has_ended(trace.holder))

    @cached_property
    def _alone_with(self) -> str:
        """The name of the state that we hold alone; empty where others may hold it, too."""
        if not self._keep.is_alone:
            return ""
        return self._keep.change(_STATE, lambda kept: kept or uuid.uuid4().hex.encode()).decode()

    def _change(self, place: str, change: Callable[[list[Trace]], list[Trace]]) -> list[Trace]:
        written = self._keep.change(self._drawer(place), lambda kept: _written(change(_read(place, kept))))
        return _read(place, written)

    def _read(self, place: str) -> list[Trace]:
        return _read(place, self._keep.get(self._drawer(place)))

    def _drawer(self, place: str) -> str:
        return f"acme-shown-{hashlib.sha256(place.encode()).hexdigest()[:32]}"


def _written(traces: list[Trace]) -> bytes:
    return json.dumps([{**asdict(each), "until": each.until.isoformat()} for each in traces]).encode()


def _read(place: str, kept: bytes | None) -> list[Trace]:
    try:
        return [
            Trace(
                **{
                    **each,
                    "place": place,
                    "holder": Holder(**each["holder"]),
                    "until": datetime.fromisoformat(each["until"]),
                }
            )
            for each in json.loads(kept or b"[]")
        ]
    except (ValueError, TypeError, KeyError):  # another version's
        return []
