"""`till bench mutation`: what it changes, and that what is explained is still in the code."""

import importlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from bench.mutation import EXPLAINED, wilson
from bench.mutation_changes import Source

WRITTEN = '''
class Purse:
    """Not changed: a docstring, the default of a signature, words for people, an assert."""

    @property
    def low(self) -> bool:
        return self.held < 10 and not self.closed

    async def take(self, amount: int = 5) -> str:
        """Take some."""
        assert amount != 7
        if amount > self.held:
            raise ValueError("There is not enough")
        self.held -= amount
        await self.tell(f"{amount}")
        return "taken"
'''


@pytest.fixture
def purse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "purse_of_a_test.py").write_text(WRITTEN)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("purse_of_a_test")
    del sys.modules["purse_of_a_test"]


def test_every_place_is_changed_once_for_each_way_to_overlook_it(purse: ModuleType) -> None:
    names = [one.name.removeprefix("purse_of_a_test:Purse.") for one in Source(purse).changes]
    assert names == [
        "low: self.held < 10 and (not self.closed) → not self.closed",
        "low: self.held < 10 and (not self.closed) → self.held < 10",
        "low: self.held < 10 → self.held <= 10",
        "low: self.held < 10 → self.held >= 10",
        "low: 10 → 11",
        "low: not self.closed → self.closed",
        "take: amount > self.held → amount >= self.held",
        "take: amount > self.held → amount <= self.held",
        "take: raise ValueError('There is not enough') → pass",
        "take: self.held -= amount → self.held += amount",
        "take: await self.tell(f'{amount}') → pass",
        "take: f'{amount}' → f'XX{amount}'",
        "take: 'taken' → 'XXtaken'",
    ]


async def test_a_change_is_put_into_the_running_program_and_taken_back(purse: ModuleType) -> None:
    heard: list[str] = []

    class Told(purse.Purse):  # type: ignore[misc, name-defined]  # made by this test
        held, closed = 10, False

        async def tell(self, what: str) -> None:
            heard.append(what)

    one, source = Told(), Source(purse)
    assert not one.low
    source.put(source.changes[1])
    source.put(next(change for change in source.changes if change.before == "self.held -= amount"))
    assert await one.take() == "taken"
    assert (one.held, heard) == (15, ["5"])
    source.restore()
    assert await one.take() == "taken"
    assert one.held == 10


async def test_it_is_known_which_statements_a_call_reaches(purse: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    hits: list[int] = []
    monkeypatch.setattr("builtins.__reached__", hits.append, raising=False)
    source = Source(purse)
    statements = source.watch(100)
    one = purse.Purse()
    one.held, one.closed = 3, False
    with pytest.raises(ValueError, match="not enough"):
        await one.take()
    reached = [statements[hit - 100] for hit in hits]
    assert {function for function, _ in reached} == {"Purse.take"}
    changes = {(change.function, change.statement) for change in source.changes if change.before == "'taken'"}
    assert len(reached) == 4  # the docstring, the assert, the condition, the refusal
    assert not changes & set(reached)
    source.restore()
    assert one.low
    assert len(hits) == 4


def test_the_interval_of_a_sample_is_wilsons() -> None:
    assert wilson(90, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)


def test_what_is_explained_is_a_change_of_the_code_as_it_is() -> None:
    explained = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))
    names = [name for found in explained.values() for name in found]
    assert len(names) == len(set(names))
    modules = {name.partition(":")[0] for name in names}
    sources = [Source(importlib.import_module(f"tillhouse.parts.{module}")) for module in sorted(modules)]
    assert set(names) <= {change.name for source in sources for change in source.changes}
