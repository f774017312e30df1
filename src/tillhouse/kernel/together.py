"""Look-ups that come at the same time share one statement.

Nothing is kept: whoever asks gets an answer from a statement that began after they asked, so that what has committed by
then is seen by all. Made for what every request looks up (whose API key is this?), where a cache would answer faster
and go on letting in who has been locked out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_MOST = 500  # keys in one statement


class Together(Generic[K, V]):
    """Gathers what is asked on one event loop while a look-up runs, and asks for all of it in the next."""

    def __init__(self, find: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._find = find
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._finder: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """What `find` says of `key`, None when it says nothing. Raises what `find` raises."""
        future = self._asked.get(key)
        if future is None:
            future = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._finder is None or self._finder.done():
            # An empty context: it works for many requests, and is none of them in the logs or in a transaction.
            self._finder = asyncio.get_running_loop().create_task(self._find_all(), context=Context())
        return await asyncio.shield(future)  # others may wait for the same

    async def close(self) -> None:
        """Wait for the look-up that runs."""
        if self._finder:
            await asyncio.wait([self._finder])

    async def _find_all(self) -> None:
        while self._asked:
            keys = list(self._asked)[:_MOST]
            asked = {key: self._asked.pop(key) for key in keys}
            try:
                found = await self._find(keys)
            except BaseException as error:  # whoever asked is told, whatever ended the look-up
                for future in asked.values():
                    future.set_exception(error)
                    future.exception()  # known, even when all who asked have gone
                if not isinstance(error, Exception):
                    raise
            else:
                for key, future in asked.items():
                    future.set_result(found.get(key))
