"""A house that is killed at a chosen step: after every commit that wrote, and after every call that may have an effect.

Between two of these nothing changes, here or outside: whether a process dies right before a commit, before the call
that follows, or while it reads, what it leaves is what the last of them left. So each is tried once. What the jobs'
own machinery writes is left out: it is killed at every step in `tests/work/test_crashes.py`, and a job that dies before
it is marked done has died after its last commit. `Killed` goes through everything, as the end of a process does.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from tillhouse.kernel.db import Session
from tillhouse.kernel.house import House


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Steps:
    """Counts the steps that were passed, and kills at `kill_at`."""

    kill_at: int | None = None
    passed: list[str] = field(default_factory=list)

    def pass_by(self, name: str) -> None:
        self.passed.append(name)
        if len(self.passed) == self.kill_at:
            raise Killed(name)


@contextmanager
def killed_at(house: House, kill_at: int | None, *, machinery: bool = False) -> Iterator[Steps]:
    """Watch every step of the house; kill it at the given one, counted from 1 (never, for None).

    With `machinery`, what a job's own transaction writes is a step too.
    """
    steps = Steps(kill_at)
    database, outbound = house.database, house.outbound
    open_transaction: Callable[[], Any] = database.transaction
    send: Callable[..., Awaitable[Any]] = outbound.send
    deliver: Callable[..., Awaitable[Any]] = outbound.deliver

    def transaction() -> AbstractAsyncContextManager[Session]:
        opened_by = str(sys._getframe(1).f_globals["__name__"])
        if opened_by.startswith("tillhouse.kernel.work.") and not machinery:
            return cast("AbstractAsyncContextManager[Session]", open_transaction())
        return watched_transaction()

    @asynccontextmanager
    async def watched_transaction() -> AsyncIterator[Session]:
        async with open_transaction() as session:
            yield session
            wrote = await _has_written(session)
        if wrote:
            steps.pass_by("after a commit")

    async def watched_send(provider: str, method: str, url: str, **more: Any) -> Any:
        try:
            return await send(provider, method, url, **more)
        finally:
            if method != "GET":
                steps.pass_by(f"after {method} {url}")

    async def watched_deliver(provider: str, url: str, *sent: Any, **more: Any) -> Any:
        try:
            return await deliver(provider, url, *sent, **more)
        finally:
            steps.pass_by(f"after POST {url}")

    database.transaction = transaction  # type: ignore[method-assign]  # the same doors, watched
    outbound.send = watched_send  # type: ignore[method-assign]
    outbound.deliver = watched_deliver  # type: ignore[method-assign]
    try:
        yield steps
    finally:
        del database.transaction, outbound.send, outbound.deliver


async def _has_written(session: Session) -> bool:
    """PostgreSQL gives a transaction its number with the first row that it writes."""
    await session.flush()
    connection = await session.connection()
    found = await connection.exec_driver_sql("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
    return bool(found.scalar_one())
