"""Grouped posting: requests that come at the same time share one call of `ledger.post`, and one commit.

One of the two exceptions to "one request, one transaction". Each request keeps its own key, outcome and refusal: the
function judges its postings one by one. What is shared is the round trip, the commit, and the lock on a hot account.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass

from tillhouse.kernel.errors import DomainError, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import Posting, Transaction
from tillhouse.parts.ledger.service.calls import Call, Order, Result
from tillhouse.parts.ledger.service.charts import HouseChart
from tillhouse.parts.ledger.store import writing

_WRITERS = 2  # while one waits for the disk, the other's postings are judged
_GROUP = 200  # more would make each wait for too many others
_WAITING = 10_000  # what comes then is told to come back: the queue of a process is not a store


@dataclass(frozen=True, slots=True)
class _Asked:
    order: Order
    answer: asyncio.Future[Result]


class GroupedPosts:
    """The writers of one process. Nothing waits for company: an idle writer takes what there is."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._waiting: deque[_Asked] = deque()
        self._writers: set[asyncio.Task[None]] = set()
        house.on_close(self.close)

    async def post(self, posting: Posting) -> Transaction:
        """Write one transaction, together with what others ask for, committed when this returns.

        Who is cancelled while waiting leaves the others be; whether their own was written, the same key tells.
        Raises what `api.post` raises (the same key is refused again then, for two days), and `TransientError` when the
        database could not be reached.
        """
        if len(self._waiting) >= _WAITING:
            raise TransientError(N_("There is more to write than we can keep up with. Nothing was written: try again."))
        asked = _Asked(Order(posting), asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if len(self._writers) < _WRITERS:
            # An empty context: a writer works for many requests, and is none of them in the logs.
            writer = asyncio.get_running_loop().create_task(self._write(), context=Context())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        result = await asked.answer
        if isinstance(result, DomainError):
            raise result
        return result

    async def close(self) -> None:
        """Wait until everything that was asked for has its answer."""
        await asyncio.gather(*self._writers)

    async def _write(self) -> None:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(_GROUP, len(self._waiting)))]
            group = [asked for asked in taken if not asked.answer.done()]  # the others have gone before it began
            if group:
                await self._answer(group)

    async def _answer(self, group: Sequence[_Asked]) -> None:
        try:
            results = await self._post([asked.order for asked in group])
        except Exception as error:  # noqa: BLE001  whoever asked is told; the writer goes on for the others
            if len(group) == 1:
                _tell(group[0], error)
                return
            # One of them may be why: halves, until it is by itself, and the key tells what was written after all.
            middle = len(group) // 2
            await self._answer(group[:middle])
            await self._answer(group[middle:])
        else:
            for asked, result in zip(group, results, strict=True):
                _give(asked, result)

    async def _post(self, orders: Sequence[Order]) -> Sequence[Result]:
        chart = self._house.the(HouseChart)
        call = Call(chart.chart, chart.known, orders)
        if call.batch.keys:
            written = await writing.post_at_once(self._house.database, call.batch)
            call.take(written.outcomes)
            chart.known.learn(written.looked_up)
        return call.results()


def _tell(asked: _Asked, error: Exception) -> None:
    if isinstance(error, TransientError):
        _give(asked, error)
    elif not asked.answer.done():
        asked.answer.set_exception(error)


def _give(asked: _Asked, result: Result) -> None:
    if not asked.answer.done():  # its client may have gone meanwhile
        asked.answer.set_result(result)
