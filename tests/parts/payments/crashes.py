"""A house that is killed at a chosen step: around every transaction, and before and after every call to a provider.

A step is counted each time one is passed; `Killed` goes through everything, as the end of a process does.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

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
def killed_at(house: House, kill_at: int | None) -> Iterator[Steps]:
    """Watch every step of the house; kill it at the given one, counted from 1 (never, for None)."""
    steps = Steps(kill_at)
    database, outbound = house.database, house.outbound
    open_transaction: Callable[[], Any] = database.transaction
    send: Callable[..., Awaitable[Any]] = outbound.send
    deliver: Callable[..., Awaitable[Any]] = outbound.deliver

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Session]:
        steps.pass_by("before a transaction")
        async with open_transaction() as session:
            yield session
            steps.pass_by("before the commit")
        steps.pass_by("after the commit")

    async def watched_send(provider: str, method: str, url: str, **more: Any) -> Any:
        steps.pass_by(f"before {method} {url}")
        answer = await send(provider, method, url, **more)
        steps.pass_by(f"after {method} {url}")
        return answer

    async def watched_deliver(provider: str, url: str, *sent: Any, **more: Any) -> Any:
        steps.pass_by(f"before POST {url}")
        answer = await deliver(provider, url, *sent, **more)
        steps.pass_by(f"after POST {url}")
        return answer

    database.transaction = transaction  # type: ignore[method-assign]  # the same doors, watched
    outbound.send = watched_send  # type: ignore[method-assign]
    outbound.deliver = watched_deliver  # type: ignore[method-assign]
    try:
        yield steps
    finally:
        del database.transaction, outbound.send, outbound.deliver
