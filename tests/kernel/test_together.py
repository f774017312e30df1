"""Look-ups that come at the same time share one statement, and none is answered by one that began before it asked."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from tillhouse.kernel.together import Together


class Shelf:
    """What is looked up; each look-up waits until it is let go."""

    def __init__(self) -> None:
        self.books = {"a": 1, "b": 2}
        self.asked: list[list[str]] = []
        self._begun: asyncio.Queue[asyncio.Event] = asyncio.Queue()
        self.broken = False

    async def find(self, keys: Sequence[str]) -> Mapping[str, int]:
        self.asked.append(list(keys))
        seen = {key: self.books[key] for key in keys if key in self.books}
        gate = asyncio.Event()
        self._begun.put_nowait(gate)
        await gate.wait()
        if self.broken:
            raise OSError
        return seen

    async def begun(self) -> asyncio.Event:
        """Wait for the next look-up to begin; returns what lets it go."""
        return await self._begun.get()


async def test_what_is_asked_at_the_same_time_is_looked_up_once() -> None:
    shelf = Shelf()
    together = Together(shelf.find)
    asking = [asyncio.create_task(together.get(key)) for key in ("a", "b", "a", "x")]
    (await shelf.begun()).set()
    assert await asyncio.gather(*asking) == [1, 2, 1, None]
    assert shelf.asked == [["a", "b", "x"]]


async def test_who_asks_during_a_look_up_is_answered_by_the_next() -> None:
    """So that a key revoked before the request came is never answered from before it was."""
    shelf = Shelf()
    together = Together(shelf.find)
    before = asyncio.create_task(together.get("a"))
    first = await shelf.begun()
    del shelf.books["a"]
    after = asyncio.create_task(together.get("a"))
    await asyncio.sleep(0)
    first.set()
    assert await before == 1
    (await shelf.begun()).set()
    assert await after is None


async def test_who_goes_away_leaves_the_others_their_answer() -> None:
    shelf = Shelf()
    together = Together(shelf.find)
    goes, stays = (asyncio.create_task(together.get("a")) for _ in range(2))
    first = await shelf.begun()
    goes.cancel()
    await asyncio.sleep(0)
    first.set()
    assert await stays == 1
    assert goes.cancelled()


async def test_a_look_up_that_fails_is_told_to_those_who_asked_and_to_nobody_else() -> None:
    shelf = Shelf()
    together = Together(shelf.find)
    shelf.broken = True
    failing = [asyncio.create_task(together.get("a")) for _ in range(2)]
    (await shelf.begun()).set()
    for task in failing:
        with pytest.raises(OSError):
            await task
    shelf.broken = False
    again = asyncio.create_task(together.get("a"))
    (await shelf.begun()).set()
    assert await again == 1
    await together.close()
