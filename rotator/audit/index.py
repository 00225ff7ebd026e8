"""Places compared with each other: an index of what has been seen, on disk as soon as it is more than a little.

A private database of SQLite without a name: it lives in memory, spills into a temporary file and goes with the
process. So a scan of a million endpoints needs no more memory than one of a thousand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import chain as chained

from rotator.core.model import Endpoint, Location, Observation
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
    member_of,
    replicas_differ,
    served_not_stored,
)

_AT_ONCE = 500
_CACHE_KIB = 8192
_MOST_KINDS = 10_000
"""Different values in one group that are counted one by one; of more, only some are named."""

_SCHEMA = """
CREATE TABLE members (
  system TEXT, address TEXT, place TEXT, service TEXT, endpoint TEXT, keyed INTEGER, fingerprint TEXT, spki TEXT,
  issuer TEXT, serial TEXT, names TEXT, algorithm TEXT, not_before INTEGER, not_after INTEGER, issued BLOB, named BLOB
);
CREATE TABLE expected (endpoint TEXT, fingerprint TEXT, place TEXT, not_after INTEGER);
"""
_INDEXES = """
CREATE INDEX by_spki ON members (spki);
CREATE INDEX by_issued ON members (issued);
CREATE INDEX by_endpoint ON members (endpoint);
CREATE INDEX by_fingerprint ON members (fingerprint, endpoint);
CREATE INDEX by_named ON members (named, endpoint, keyed, not_before);
CREATE INDEX expected_at ON expected (endpoint, fingerprint);
"""
_COLUMNS = (
    "system, address, place, service, endpoint, keyed, fingerprint, spki, issuer, serial, names, algorithm, "
    "not_before, not_after"
)
_QUALIFIED = ", ".join(f"m.{column}" for column in _COLUMNS.split(", "))


@dataclass(frozen=True, slots=True)
class _Likeness:
    """Which members are alike, and by what they should not differ (SQL expressions over `members`)."""

    alike: str
    differ: str
    among: str


_SAME_SERIAL = _Likeness("issued", "fingerprint", "serial <> ''")
_SAME_ENDPOINT = _Likeness("endpoint || ' ' || algorithm", "fingerprint", "endpoint <> ''")
_SAME_KEY = _Likeness("spki", "named", "spki <> ''")
_SAME_KEPT_KEY = _Likeness("spki", "service", "spki <> '' AND endpoint = '' AND keyed")


class Index:
    """What has been seen so far. One thread's own."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._waiting: list[tuple[object, ...]] = []

    def close(self) -> None:
        self._database.close()

    def add(self, observation: Observation) -> None:
        """Keep of an observation what comparing it with others needs; nothing where it has no certificate."""
        member = member_of(observation)
        if member is None:
            return
        self._waiting.append(_row(member))
        for front in observation.fronts:
            self.expect(front, member.fingerprint, member.place, member.not_after)
        if len(self._waiting) >= _AT_ONCE:
            self._write()

    def expect(self, endpoint: Endpoint, fingerprint: str, place: str, not_after: datetime) -> None:
        """An endpoint is known to serve what is stored at a place."""
        row = (str(endpoint), fingerprint, _bytes(place), int(not_after.timestamp()))
        self._database.execute("INSERT INTO expected VALUES (?, ?, ?, ?)", row)

    def compared(self) -> Iterator[Compared]:
        """What only comparing places tells, each once; adding ends here."""
        self._write()
        self._database.executescript(_INDEXES)
        yield from self._served_otherwise()
        yield from self._served_older()
        for shared in self._alike(_SAME_ENDPOINT):
            yield Compared(REPLICAS_DIFFER, shared.member.location, replicas_differ(shared))
        for shared in self._alike(_SAME_SERIAL):
            yield Compared(DUPLICATE_SERIAL, shared.member.location, duplicate_serial(shared))
        yield from self._keys()

    def _write(self) -> None:
        marks = ", ".join("?" * 16)
        self._database.execute("BEGIN")
        self._database.executemany(f"INSERT INTO members VALUES ({marks})", self._waiting)  # noqa: S608 - marks only
        self._database.execute("COMMIT")
        self._waiting.clear()

    # ------------------------------------------------------------ served against stored

    def _served_otherwise(self) -> Iterator[Compared]:
        """Endpoints that are known to serve something else than they show; of several known, the latest is named."""
        rows = self._database.execute(
            f"SELECT {_QUALIFIED}, e.fingerprint, e.place, max(e.not_after) FROM members m "  # noqa: S608 - constants
            "JOIN expected e ON e.endpoint = m.endpoint WHERE NOT EXISTS (SELECT 1 FROM expected o "
            "WHERE o.endpoint = m.endpoint AND o.fingerprint = m.fingerprint) GROUP BY m.rowid"
        )
        for row in rows:
            served = _member(row)
            stored = Member(
                Location("", ""),
                _text(row[15]),
                "",
                "",
                True,
                row[14],
                "",
                "",
                "",
                "",
                "",
                served.not_before,
                _time(row[16]),
            )
            yield Compared(SERVED_NOT_STORED, served.location, served_not_stored(served, stored, certain=True))

    def _served_older(self) -> Iterator[Compared]:
        """Endpoints that nothing is known of, which show an older certificate than is stored for the same names."""
        latest = (
            "SELECT s.rowid FROM members s WHERE s.named = m.named AND s.endpoint = '' AND s.keyed = 1 "
            "AND s.not_before > m.not_before ORDER BY s.not_before DESC LIMIT 1"
        )
        rows = self._database.execute(
            f"SELECT {_QUALIFIED}, ({latest}) AS newer FROM members m WHERE m.endpoint <> '' "  # noqa: S608 - constants
            "AND m.names <> '' AND newer IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM expected e WHERE e.endpoint = m.endpoint) "
            "AND NOT EXISTS (SELECT 1 FROM members c WHERE c.fingerprint = m.fingerprint AND c.endpoint = '')"
        )
        for row in rows:
            served = _member(row)
            stored = self._database.execute(
                f"SELECT {_COLUMNS} FROM members WHERE rowid = ?",  # noqa: S608 - constants
                (row[14],),
            ).fetchone()
            said = served_not_stored(served, _member(stored), certain=False)
            yield Compared(SERVED_NOT_STORED, served.location, said)

    # ------------------------------------------------------------ alike, and yet not the same

    def _keys(self) -> Iterator[Compared]:
        told: set[str] = set()
        for shared in chained(self._alike(_SAME_KEY), self._alike(_SAME_KEPT_KEY)):
            place = str(shared.member.location)
            if place not in told:
                told.add(place)
                yield Compared(KEY_REUSED, shared.member.location, key_reused(shared))

    def _alike(self, likeness: _Likeness) -> Iterator[Shared]:
        """Every member of every group that differs where it should not."""
        groups = self._database.execute(
            f"SELECT {likeness.alike} AS alike FROM members WHERE {likeness.among} "  # noqa: S608 - constants
            f"GROUP BY alike HAVING count(DISTINCT {likeness.differ}) > 1"
        )
        for (value,) in groups:
            yield from self._group(likeness, value)

    def _group(self, likeness: _Likeness, value: object) -> Iterator[Shared]:
        of_group = f"FROM members m WHERE {likeness.among} AND {likeness.alike} = ?"
        kinds = self._database.execute(
            f"SELECT {likeness.differ}, count(*), min(place) {of_group} GROUP BY 1 LIMIT {_MOST_KINDS}", (value,)
        ).fetchall()
        total = sum(count for _, count, _ in kinds)
        counts = {kind: count for kind, count, _ in kinds}
        examples = [(kind, _text(place)) for kind, _, place in kinds[:2]]
        for row in self._database.execute(f"SELECT {_QUALIFIED}, {likeness.differ} {of_group}", (value,)):
            example = next(place for kind, place in examples if kind != row[14])
            yield Shared(_member(row), total - counts.get(row[14], 0), example)


def _row(member: Member) -> tuple[object, ...]:
    return (
        *(_bytes(text) for text in (member.location.system, member.location.address, member.place, member.service)),
        member.endpoint,
        member.keyed,
        member.fingerprint,
        member.spki,
        *(_plain(text) for text in (member.issuer, member.serial, member.names, member.algorithm)),
        int(member.not_before.timestamp()),
        int(member.not_after.timestamp()),
        _digest(f"{member.issuer}\0{member.serial}"),
        _digest(member.names),
    )


def _bytes(text: str) -> bytes:
    """A path may have bytes that are no text; it comes back as it was."""
    return text.encode("utf-8", "surrogatepass")


def _text(stored: object) -> str:
    assert isinstance(stored, bytes)
    return stored.decode("utf-8", "surrogatepass")


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _digest(text: str) -> bytes:
    """Names of certificates may be long, and hostile: what is only compared is kept short."""
    return blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).digest()


def _member(row: tuple[object, ...]) -> Member:
    system, address, place, service, endpoint, keyed, fingerprint, spki, issuer, serial, names, algorithm, *dates = row[
        :14
    ]
    begins, ends = (_time(value) for value in dates)
    location = Location(_text(system), _text(address))
    texts = (str(fingerprint), str(spki), str(issuer), str(serial), str(names), str(algorithm))
    return Member(location, _text(place), _text(service), str(endpoint), bool(keyed), *texts, begins, ends)


def _time(seconds: object) -> datetime:
    assert isinstance(seconds, int)
    return datetime.fromtimestamp(seconds, UTC)
