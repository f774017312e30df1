"""The database: one transaction per request or job, opened and committed at the edge.

Services take the session first and only flush. `ReadSession` and `Session` are told apart by type, so that a write
through a read session does not pass the type checker (and PostgreSQL refuses it: reads run READ ONLY).
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, NewType, Protocol
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, CursorResult, DateTime, MetaData, Result
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from tillhouse.kernel.dsn import plain_dsn

if TYPE_CHECKING:
    from tillhouse.kernel.house import House

ReadSession = NewType("ReadSession", AsyncSession)
Session = NewType("Session", ReadSession)

JsonValue = str | int | bool | None | list["JsonValue"] | dict[str, "JsonValue"]
JsonObject = dict[str, JsonValue]

_statements = logging.getLogger("sqlalchemy.engine.Engine")  # where the other statements are logged, too

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


class Transactions(Protocol):
    """Opens a transaction: what `flows.py`, alone, is given beside its arguments."""

    def __call__(self) -> AbstractAsyncContextManager[Session]: ...


class Base(DeclarativeBase):
    """Base of every table. A module's tables live in the schema of its name: `__table_args__ = {"schema": …}`."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        UUID: PgUUID(as_uuid=True),
        int: BigInteger,
        JsonObject: JSONB,
    }


class Database:
    """A pool of connections to the one database, and the only place that commits.

    Whoever finds all `pool` of them taken waits `patience` seconds for one.
    """

    def __init__(self, url: str, *, pool: int = 10, name: str = "tillhouse", patience: float = 15) -> None:
        self.url = url
        self._as = {"application_name": name, "timezone": "UTC"}
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            pool_size=pool,
            max_overflow=0,
            pool_timeout=patience,
            pool_pre_ping=False,
            hide_parameters=True,  # an error's text is logged, and parameters are people's data
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self.house: House | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Open a transaction; commit on leaving, roll back on any exception, then run what waited for the commit.

        Raises `RuntimeError` when one is open already: nested use cases take the session instead.
        """
        async with self._open(read_only=False) as session:
            yield Session(ReadSession(session))
        for callback in session.info.get("after_commit", ()):
            callback()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[ReadSession]:
        """Open a READ ONLY transaction with one consistent snapshot per statement."""
        async with self._open(read_only=True) as session:
            yield ReadSession(session)

    async def call(self, statement: str, *arguments: object) -> Sequence[Sequence[Any]]:
        """Run one statement (`$1`, `$2` …) in a transaction of its own: a single round trip, committed when it returns.

        Raises `DBAPIError`; of a connection that was lost meanwhile nobody knows whether it committed.
        """
        async with self.engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, asyncpg.Connection)
            try:
                return await _fetch(driver, statement, arguments)
            except DBAPIError as error:
                if error.connection_invalidated:
                    await connection.invalidate()
                raise

    async def close(self) -> None:
        await self.engine.dispose()

    async def _connect(self) -> asyncpg.Connection:
        """A server that is away is one that cannot be connected to now, whatever the network says of it."""
        try:
            return await asyncpg.connect(plain_dsn(self.url), server_settings=self._as)
        except OSError as error:
            raise asyncpg.CannotConnectNowError(f"no server: {type(error).__name__}") from error

    @asynccontextmanager
    async def _open(self, *, read_only: bool) -> AsyncIterator[AsyncSession]:
        if _in_transaction.get():
            raise RuntimeError("a transaction is open already: pass its session on")
        token = _in_transaction.set(True)
        try:
            async with self._sessions() as session, session.begin():
                session.info["house"] = self.house
                if read_only:
                    await session.connection(execution_options={"postgresql_readonly": True})
                yield session
        finally:
            _in_transaction.reset(token)


def house_of(session: ReadSession) -> "House":
    """The house that opened this session: its settings and registries."""
    house = session.info["house"]
    if house is None:
        raise RuntimeError("this database was opened outside a house")
    return house  # type: ignore[no-any-return]  # session.info is a plain dict


async def call(session: Session, statement: str, *arguments: object) -> Sequence[Sequence[Any]]:
    """Run one statement (`$1`, `$2` …) on the driver itself, inside the session's transaction: for what is hot.

    One round trip and no compilation; the driver keeps it prepared. Raises `DBAPIError`, as `session.execute` does.
    """
    if session.new or session.dirty or session.deleted:
        await session.flush()
    driver: asyncpg.Connection | None = session.info.get("driver")
    # SQLAlchemy sends a SAVEPOINT when its connection is next asked for: round it, this would outlive a rollback.
    if driver is None or session.in_nested_transaction() or not driver.is_in_transaction():
        connection = await session.connection()
        session.info["driver"] = (await connection.get_raw_connection()).driver_connection
        return (await connection.exec_driver_sql(statement, arguments)).all()
    return await _fetch(driver, statement, arguments)


async def _fetch(driver: asyncpg.Connection, statement: str, arguments: Sequence[object]) -> Sequence[Sequence[Any]]:
    _statements.info("%s", statement)
    try:
        return [tuple(row) for row in await driver.fetch(statement, *arguments)]
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        # The server's last word is read before the end of its line: until then the driver is busy, not closed.
        gone = driver.is_closed() or isinstance(error, asyncpg.InternalClientError)
        raise DBAPIError(statement, None, error, hide_parameters=True, connection_invalidated=gone) from error


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Run `callback` once this transaction has committed. It must be quick, and losing it must be harmless."""
    session.info.setdefault("after_commit", []).append(callback)


def rows_of(result: Result[Any]) -> int:
    """How many rows an INSERT, UPDATE or DELETE touched."""
    assert isinstance(result, CursorResult)
    return int(result.rowcount)


def in_transaction() -> bool:
    """Whether this task has a transaction open: the outbound client refuses to send then."""
    return _in_transaction.get()
