"""What was told of each notice, and the sealed drawers of the issuers."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, select

from rotator.ports import NoticeState
from rotator.state.database import upsert
from rotator.state.seal import Place, Seal, Sealed
from rotator.state.serial.plans import notice_from_json, notice_to_json
from rotator.state.tables import drawers, notices


def list_notices(connection: Connection) -> Mapping[str, NoticeState]:
    rows = connection.execute(select(notices).order_by(notices.c.key))
    return {
        row.key: NoticeState(
            notice=notice_from_json(row.notice),
            first_sent=row.first_sent,
            last_sent=row.last_sent,
            times=row.times,
            receipts=dict(row.receipts),
            undelivered=tuple(row.undelivered),
        )
        for row in rows
    }


def keep_notice(connection: Connection, state: NoticeState) -> None:
    values = {
        "key": state.notice.key,
        "notice": notice_to_json(state.notice),
        "first_sent": state.first_sent,
        "last_sent": state.last_sent,
        "times": state.times,
        "receipts": dict(state.receipts),
        "undelivered": list(state.undelivered),
    }
    upsert(connection, notices, values)


def drop_notice(connection: Connection, key: str) -> None:
    connection.execute(delete(notices).where(notices.c.key == key))


def read_drawer(connection: Connection, key: str, seal: Seal) -> bytes | None:
    row = connection.execute(select(drawers).where(drawers.c.key == key)).one_or_none()
    return None if row is None else seal.open(Sealed(row.key_id, row.sealed), _place(key))


def fill_drawer(connection: Connection, key: str, value: bytes, seal: Seal) -> None:
    sealed = seal.close(value, _place(key))
    upsert(connection, drawers, {"key": key, "key_id": sealed.key_id, "sealed": sealed.value})


def _place(key: str) -> Place:
    return Place("drawers", (key,), "value")
