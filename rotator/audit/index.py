"""Places compared with each other: an index of what has been seen, on disk as soon as it is more than a little.

A private database of SQLite without a name: it lives in memory, spills into a temporary file and goes with the
process. So a scan of a million endpoints needs no more memory than one of a thousand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import chain as chained
from typing import Any

from rotator.core.audit import lasting_place, place_of, service_of
from rotator.core.model import Certificate, Endpoint, Location, Observation
from rotator.core.rules.fleet import (
    DUPLICATE_SERIAL,
    KEY_REUSED,
    REPLICAS_DIFFER,
    SERVED_NOT_STORED,
    Compared,
    Member,
    Shared,
    duplicate_serial,
    key_reused,
    replicas_differ,
    served_older,
    served_otherwise,
)
from rotator.core.trust import plain_name

_AT_ONCE = 500
_CACHE_KIB = 8192
_MOST_KINDS = 10_000
"""Different values in one group that are counted one by one; of more, only some are named."""

_COLUMNS = ("system", "address", *(one.name for one in fields(Member) if one.name != "location"))
_BLOBS = frozenset({"system", "address", "place", "lasting", "service"})
"""Texts that may hold bytes which are no text, as paths do; they are kept as bytes and come back as they were."""

_SCHEMA = f"""
CREATE TABLE members ({", ".join(_COLUMNS)}, issued BLOB, named BLOB);
CREATE TABLE expected (endpoint, fingerprint, place, not_after);
"""
_INDEXES = """
CREATE INDEX by_spki ON members (spki);
CREATE INDEX by_issued ON members (issued);
CREATE INDEX by_asked ON members (asked);
CREATE INDEX by_fingerprint ON members (fingerprint, endpoint);
CREATE INDEX by_named ON members (named, endpoint, keyed, algorithm, not_before);
CREATE INDEX expected_at ON expected (endpoint, fingerprint);
"""

# What should be served at an endpoint, and is not; of several certificates that may be, the latest is named.
_OTHERWISE = """
SELECT m.*, e.place AS other, e.fingerprint AS its, max(e.not_after) AS ends
FROM members m JOIN expected e ON e.endpoint = m.endpoint
WHERE NOT EXISTS (SELECT 1 FROM expected o WHERE o.endpoint = m.endpoint AND o.fingerprint = m.fingerprint)
GROUP BY m.rowid
"""

# A newer one of the same names and kind of key is kept somewhere, has begun, and nothing says what belongs there. What
# is served and kept in a folder without a newer one beside it may be just what that folder's server should show.
_OLDER = """
SELECT m.*, (SELECT s.place FROM members s WHERE s.named = m.named AND s.endpoint = '' AND s.keyed = 1
  AND s.algorithm = m.algorithm AND s.not_before > m.not_before AND s.not_before <= :now
  ORDER BY s.not_before DESC LIMIT 1) AS other
FROM members m WHERE m.endpoint <> '' AND m.names <> '' AND other IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM expected e WHERE e.endpoint = m.endpoint)
AND NOT EXISTS (SELECT 1 FROM members c WHERE c.fingerprint = m.fingerprint AND c.endpoint = ''
  AND NOT EXISTS (SELECT 1 FROM members n WHERE n.named = m.named AND n.endpoint = '' AND n.keyed = 1
    AND n.algorithm = m.algorithm AND n.not_before > m.not_before AND n.service = c.service))
"""


@dataclass(frozen=True, slots=True)
class _Likeness:
    """Which members are alike, and by what they should not differ (SQL expressions over `members`)."""

    alike: str
    differ: str
    among: str


_SAME_SERIAL = _Likeness("issued", "fingerprint", "serial <> ''")
_SAME_ENDPOINT = _Likeness("asked || ' ' || algorithm", "fingerprint", "endpoint <> ''")
_SAME_KEY = _Likeness("spki", "first", "spki <> ''")
_SAME_KEPT_KEY = _Likeness("spki", "service", "spki <> '' AND endpoint = '' AND keyed")


class Index:
    """What has been seen so far. One thread's own."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.executescript(_SCHEMA)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._waiting: list[tuple[object, ...]] = []

    def close(self) -> None:
        self._database.close()

    def add(self, observation: Observation) -> None:
        """Keep of an observation what comparing it with others needs; nothing where it has no certificate."""
        if observation.chain is None:
            return
        leaf = observation.chain.leaf
        self._waiting.append(_row(observation, leaf))
        for front in observation.fronts:
            self.expect(front, leaf.fingerprint, place_of(observation), leaf.not_after)
        if len(self._waiting) >= _AT_ONCE:
            self._write()

    def expect(self, endpoint: Endpoint, fingerprint: str, place: str, not_after: datetime) -> None:
        """An endpoint is known to serve what is stored at a place."""
        row = (str(endpoint), fingerprint, _bytes(place), int(not_after.timestamp()))
        self._database.execute("INSERT INTO expected VALUES (?, ?, ?, ?)", row)

    def compared(self, now: datetime) -> Iterator[Compared]:
        """What only comparing places tells, each once; adding ends here."""
        self._write()
        self._database.executescript(_INDEXES)
        for row in self._database.execute(_OTHERWISE):
            served = _member(row)
            said = served_otherwise(served, _text(row["other"]), row["its"], _time(row["ends"]))
            yield Compared(SERVED_NOT_STORED, served, said)
        for row in self._database.execute(_OLDER, {"now": int(now.timestamp())}):
            yield Compared(SERVED_NOT_STORED, _member(row), served_older(_text(row["other"])))
        for shared in self._alike(_SAME_ENDPOINT):
            yield Compared(REPLICAS_DIFFER, shared.member, replicas_differ(shared))
        for shared in self._alike(_SAME_SERIAL):
            yield Compared(DUPLICATE_SERIAL, shared.member, duplicate_serial(shared))
        yield from self._keys()

    def _write(self) -> None:
        marks = ", ".join("?" * (len(_COLUMNS) + 2))
        self._database.execute("BEGIN")
        self._database.executemany(f"INSERT INTO members VALUES ({marks})", self._waiting)  # noqa: S608 - marks only
        self._database.execute("COMMIT")
        self._waiting.clear()

    # ------------------------------------------------------------ alike, and yet not the same

    def _keys(self) -> Iterator[Compared]:
        told: set[str] = set()
        for shared in chained(self._alike(_SAME_KEY), self._alike(_SAME_KEPT_KEY)):
            place = str(shared.member.location)
            if place not in told:
                told.add(place)
                yield Compared(KEY_REUSED, shared.member, key_reused(shared))

    def _alike(self, likeness: _Likeness) -> Iterator[Shared]:
        """Every member of every group that differs where it should not."""
        groups = self._database.execute(
            f"SELECT {likeness.alike} AS alike FROM members WHERE {likeness.among} "  # noqa: S608 - constants
            f"GROUP BY alike HAVING count(DISTINCT {likeness.differ}) > 1"
        )
        for group in groups:
            yield from self._group(likeness, group["alike"])

    def _group(self, likeness: _Likeness, value: object) -> Iterator[Shared]:
        of_group = f"FROM members m WHERE {likeness.among} AND {likeness.alike} = ?"
        kinds = self._database.execute(
            f"SELECT {likeness.differ}, count(*), min(place) {of_group} GROUP BY 1 LIMIT {_MOST_KINDS}", (value,)
        ).fetchall()
        total = sum(count for _, count, _ in kinds)
        counts = {kind: count for kind, count, _ in kinds}
        examples = [(kind, _text(place)) for kind, _, place in kinds[:2]]
        for row in self._database.execute(f"SELECT m.*, {likeness.differ} AS kind {of_group}", (value,)):
            example = next(place for kind, place in examples if kind != row["kind"])
            yield Shared(_member(row), total - counts.get(row["kind"], 0), example)


def _row(observation: Observation, leaf: Certificate) -> tuple[object, ...]:
    endpoint, location = observation.endpoint, observation.location
    return (
        _bytes(location.system),
        _bytes(location.address),
        _bytes(place_of(observation)),
        _bytes(lasting_place(observation)),
        _bytes(service_of(observation)),
        str(endpoint) if endpoint else "",
        f"{endpoint.starttls} {endpoint.server_name or endpoint.host} {endpoint.port}" if endpoint else "",
        observation.key is not None,
        *_of_leaf(leaf),
    )


@lru_cache(maxsize=4096)
def _of_leaf(leaf: Certificate) -> tuple[object, ...]:
    """The columns from `fingerprint` on; the same wherever the certificate is."""
    names = [plain_name(name) for name in leaf.names]
    every = " ".join(sorted(names))
    serial = f"{leaf.serial:x}"
    return (
        leaf.fingerprint,
        leaf.spki,
        *(_plain(text) for text in (leaf.issuer, serial, every, names[0] if names else "", leaf.key_algorithm)),
        int(leaf.not_before.timestamp()),
        int(leaf.not_after.timestamp()),
        _digest(f"{leaf.issuer}\0{serial}"),
        _digest(every),
    )


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _member(row: sqlite3.Row) -> Member:
    found: dict[str, Any] = {name: _text(row[name]) if name in _BLOBS else row[name] for name in _COLUMNS}
    location = Location(found.pop("system"), found.pop("address"))
    for name in ("not_before", "not_after"):
        found[name] = _time(found[name])
    return Member(location=location, **{**found, "keyed": bool(found["keyed"])})


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _digest(text: str) -> bytes:
    """Names of certificates may be long, and hostile: what is only compared is kept short."""
    return blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).digest()
