"""The sandbox's memory: pydantic records as JSON rows of one SQLite table.

One process, one connection, short transactions without an await inside: what was answered is on disk
before the answer leaves (WAL), so a killed sandbox forgets nothing it said.
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, TypeVar

from pydantic import BaseModel

Scalar = str | int | None

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER,
    data TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS record_by_age ON record (kind, created_at, seq);
CREATE INDEX IF NOT EXISTS record_by_due ON record (kind, due_at, seq) WHERE due_at IS NOT NULL;
"""
# What adapters and pages look up by; any other field is found by reading all records of a kind.
_LOOKED_UP_BY = (
    "receipt",
    "order_id",
    "customer_id",
    "payment_id",
    "reference_id",
    "contact_id",
    "name",
    "to",
    "waiting_for_another",
    "entity_id",
    "settlement_id",
    "qr_code_id",
    "link_code",
    "payment_intent",
    "charge",
    "payout",
    "source",
    "transfer",
    "subject",
    "event_id",
    "code",
    "title",
    "tune",
)


class Record(BaseModel):
    """Something the sandbox remembers. `created_at` is in unix seconds; a `due_at` (ms) makes it scheduled."""

    kind: ClassVar[str]

    id: str
    created_at: int


class Scheduled(Record):
    """A record that something has to be done with at `due_at` (milliseconds), or, when None, no more."""

    due_at: int | None = None


R = TypeVar("R", bound=Record)
S = TypeVar("S", bound=Scheduled)


class Store:
    """Typed reads and writes over one SQLite file. Safe to share between threads."""

    def __init__(self, path: str) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            self._prepare()
        except sqlite3.DatabaseError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file. The store is unusable afterwards."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing for what is written inside; nested calls join the outer transaction."""
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self._db.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._db.execute("COMMIT")
            finally:
                self._depth -= 1

    def put(self, record: Record) -> None:
        """Insert the record, or replace the one of the same kind and id."""
        due_at = record.due_at if isinstance(record, Scheduled) else None
        with self._lock:
            self._db.execute(
                "INSERT INTO record (kind, id, created_at, due_at, data) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET due_at = excluded.due_at, data = excluded.data",
                (record.kind, record.id, record.created_at, due_at, record.model_dump_json()),
            )

    def get(self, model: type[R], record_id: str) -> R | None:
        """The record of that kind and id, or None."""
        rows = self._rows("SELECT data FROM record WHERE kind = ? AND id = ?", [model.kind, record_id])
        return model.model_validate_json(rows[0]) if rows else None

    def delete(self, model: type[Record], record_id: str) -> bool:
        """Remove one record; whether there was one."""
        with self._lock:
            cursor = self._db.execute("DELETE FROM record WHERE kind = ? AND id = ?", (model.kind, record_id))
            return cursor.rowcount > 0

    def delete_all(self, model: type[Record]) -> None:
        """Remove every record of one kind."""
        with self._lock:
            self._db.execute("DELETE FROM record WHERE kind = ?", (model.kind,))

    def find(
        self,
        model: type[R],
        where: Mapping[str, Scalar] | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int = 1000,
        skip: int = 0,
        oldest_first: bool = False,
    ) -> list[R]:
        """Records whose fields equal `where` (None values are ignored), newest first; times in unix seconds."""
        clause, arguments = _conditions(model, where or {}, since, until)
        direction = "ASC" if oldest_first else "DESC"
        # The plus signs keep SQLite from walking all records by age where it can look up the field's value.
        age = "+created_at {0}, +seq {0}" if where else "created_at {0}, seq {0}"
        order = age.format(direction)
        sql = f"SELECT data FROM record WHERE {clause} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608 - built from constants and checked field names
        return [model.model_validate_json(row) for row in self._rows(sql, [*arguments, limit, skip])]

    def count(
        self,
        model: type[Record],
        where: Mapping[str, Scalar] | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
    ) -> int:
        """How many records match; times in unix seconds."""
        clause, arguments = _conditions(model, where or {}, since, until)
        with self._lock:
            row = self._db.execute(f"SELECT count(*) FROM record WHERE {clause}", arguments).fetchone()  # noqa: S608 - as above
        return int(row[0])

    def counts(self) -> dict[str, int]:
        """How many records there are of each kind."""
        with self._lock:
            return dict(self._db.execute("SELECT kind, count(*) FROM record GROUP BY kind").fetchall())

    def due(self, model: type[S], now_ms: int, limit: int = 100) -> list[S]:
        """Scheduled records whose time has come, earliest first."""
        sql = "SELECT data FROM record WHERE kind = ? AND due_at <= ? ORDER BY due_at, seq LIMIT ?"
        return [model.model_validate_json(row) for row in self._rows(sql, [model.kind, now_ms, limit])]

    def scheduled(self, model: type[S]) -> list[S]:
        """Every record of one kind that has a due time, earliest first."""
        sql = "SELECT data FROM record WHERE kind = ? AND due_at IS NOT NULL ORDER BY due_at, seq"
        return [model.model_validate_json(row) for row in self._rows(sql, [model.kind])]

    def next_due(self) -> int | None:
        """The earliest due time (milliseconds) of anything scheduled."""
        with self._lock:
            row = self._db.execute("SELECT min(due_at) FROM record WHERE due_at IS NOT NULL").fetchone()
        return None if row[0] is None else int(row[0])

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        for field in _LOOKED_UP_BY:
            expression = f"json_extract(data, '$.{field}')"
            self._db.execute(f"CREATE INDEX IF NOT EXISTS record_by_{field} ON record (kind, {expression})")

    def _rows(self, sql: str, arguments: list[Scalar]) -> list[str]:
        with self._lock:
            return [str(row[0]) for row in self._db.execute(sql, arguments)]


def _conditions(
    model: type[Record], where: Mapping[str, Scalar], since: int | None, until: int | None
) -> tuple[str, list[Scalar]]:
    clauses: list[str] = ["kind = ?"]
    wanted: list[Scalar] = [model.kind]
    for field, value in where.items():
        if field not in model.model_fields:
            raise ValueError(f"{model.__name__} has no field {field!r}")
        if value is not None:
            clauses.append(f"json_extract(data, '$.{field}') = ?")
            wanted.append(value)
    if since is not None:
        clauses.append("created_at >= ?")
        wanted.append(since)
    if until is not None:
        clauses.append("created_at <= ?")
        wanted.append(until)
    return " AND ".join(clauses), wanted
