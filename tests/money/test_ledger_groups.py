"""Grouped posting: whatever comes together, each has its own key, outcome and refusal, and is written once."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from tests.parts.ledger.books import BANK, Books, key, move, open_books, person
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.db import Database
from tillhouse.kernel.errors import DomainError, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.service import machines
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.flows.grouping import GroupedPosts
from tillhouse.parts.ledger.service import calls

Answer = ledger.Transaction | DomainError


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Books]:
    async with open_books(settings) as opened:
        yield opened


class Watched:
    """Counts the calls to the database, and can hold the first ones or let them fail before or after their commit."""

    def __init__(self, database: Database) -> None:
        self.calls, self.begun, self.gate = 0, asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.fail_before = self.fail_after = 0
        self._real = database.call
        database.call = self._call  # type: ignore[method-assign]  # the same door, watched

    async def _call(self, statement: str, *arguments: object) -> Sequence[Sequence[Any]]:
        self.calls += 1
        self.begun.set()
        await self.gate.wait()
        if self.fail_before:
            self.fail_before -= 1
            raise DBAPIError("lost", None, OSError())
        rows = await self._real(statement, *arguments)
        if self.fail_after:
            self.fail_after -= 1
            raise DBAPIError("lost", None, OSError())
        return rows


async def together(books: Books, postings: Sequence[ledger.Posting]) -> list[Answer]:
    """Ask for all at once. Anything that is no refusal fails the test."""
    group = books.house.the(GroupedPosts)
    results = await asyncio.gather(*(group.post(posting) for posting in postings), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, DomainError):
            raise result
    return results  # type: ignore[return-value]  # as the loop has seen


def named(results: Sequence[Answer]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)


async def test_what_comes_together_is_written_in_few_calls(books: Books) -> None:
    watched, wallet = Watched(books.house.database), person()
    results = await together(books, [move(BANK, wallet, 1) for _ in range(500)])
    assert named(results) == {"Transaction": 500}
    assert watched.calls <= 5
    assert await books.balance(wallet) == (500, 0, 500)


async def test_what_comes_alone_does_not_wait_for_company(books: Books) -> None:
    watched = Watched(books.house.database)
    assert named(await together(books, [move(BANK, person(), 1)])) == {"Transaction": 1}
    assert watched.calls == 1


async def test_a_refusal_in_a_group_is_its_own(books: Books) -> None:
    wallet = person()
    await books.fund(wallet, 1_000)
    results = await together(books, [move(wallet, BANK, 100) for _ in range(50)])
    assert named(results) == {"Transaction": 10, "InsufficientFunds": 40}
    assert await books.balance(wallet) == (0, 0, 0)


async def test_what_no_rule_allows_is_refused_without_its_neighbours(books: Books) -> None:
    strange = ledger.Posting(key=key(), kind="no.such", legs=move(BANK, person(), 1).legs)
    results = await together(books, [move(BANK, person(), 1), strange, move(BANK, person(), 1)])
    assert named(results) == {"Transaction": 2, "UnknownKind": 1}


async def test_the_same_key_several_times_in_a_group_has_one_effect(books: Books) -> None:
    wallet, twice, other = person(), key(), person()
    wishes = [move(BANK, wallet, 5, twice) for _ in range(20)] + [move(BANK, other, 5, twice) for _ in range(5)]
    results = await together(books, wishes)
    written = [result for result in results if isinstance(result, ledger.Transaction)]
    assert len({result.id for result in written}) == 1
    assert [result.replayed for result in written].count(False) == 1
    assert named(results) == {"Transaction": 20, "IdempotencyKeyReused": 5}
    assert ((await books.balance(wallet))[0], (await books.balance(other))[0]) == (5, 0)


async def test_a_refused_key_is_refused_again_though_there_is_money_since(books: Books) -> None:
    wallet, posting = person(), move(person(), BANK, 5)
    (first,) = await together(books, [posting])
    await books.fund(posting.legs[0][0], 100)
    again, _ = await together(books, [posting, move(BANK, wallet, 1)])
    assert isinstance(first, ledger.InsufficientFunds)
    assert isinstance(again, ledger.InsufficientFunds)
    assert (again.available, again.needed, again.account) == (first.available, first.needed, first.account)
    assert await books.balance(wallet) == (1, 0, 1)


async def test_two_processes_that_race_on_keys_write_each_once(books: Books, settings: KernelSettings) -> None:
    async with open_books(settings) as elsewhere:
        wallet, keys = person(), [key() for _ in range(60)]
        both = await asyncio.gather(
            together(books, [move(BANK, wallet, 1, one) for one in keys]),
            together(elsewhere, [move(BANK, wallet, 1, one) for one in reversed(keys)]),
        )
    assert [named(results) for results in both] == [{"Transaction": 60}, {"Transaction": 60}]
    assert {r.id for r in both[0] if isinstance(r, ledger.Transaction)} == {
        r.id for r in both[1] if isinstance(r, ledger.Transaction)
    }
    assert await books.balance(wallet) == (60, 0, 60)


async def test_two_processes_that_race_on_keys_for_different_things_have_one_winner_each(
    books: Books, settings: KernelSettings
) -> None:
    async with open_books(settings) as elsewhere:
        ours, theirs, keys = person(), person(), [key() for _ in range(60)]
        sources = [ledger.house_account(f"clearing:{name}", "INR") for name in ("ours", "theirs")]
        both = await asyncio.gather(
            together(books, [move(sources[0], ours, 1, one) for one in keys]),
            together(elsewhere, [move(sources[1], theirs, 1, one) for one in reversed(keys)]),
        )
    assert named([*both[0], *both[1]]) == {"Transaction": 60, "IdempotencyKeyReused": 60}
    assert (await books.balance(ours))[0] + (await books.balance(theirs))[0] == 60


async def test_a_client_that_goes_away_leaves_its_group_be(books: Books) -> None:
    watched, wallet = Watched(books.house.database), person()
    watched.gate.clear()
    group = books.house.the(GroupedPosts)
    wishes = [move(BANK, wallet, 1) for _ in range(10)]
    tasks = [asyncio.create_task(group.post(wish)) for wish in wishes]
    await watched.begun.wait()
    tasks[3].cancel()
    watched.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[3], asyncio.CancelledError)
    assert sum(isinstance(result, ledger.Transaction) for result in results) == 9
    (told,) = await together(books, [wishes[3]])
    assert isinstance(told, ledger.Transaction)
    assert told.replayed
    assert await books.balance(wallet) == (10, 0, 10)


async def test_who_goes_before_the_group_begins_claims_nothing(books: Books) -> None:
    watched, wallet = Watched(books.house.database), person()
    watched.gate.clear()
    group = books.house.the(GroupedPosts)
    busy = [asyncio.create_task(group.post(move(BANK, person(), 1)))]
    await watched.begun.wait()
    watched.begun.clear()
    busy.append(asyncio.create_task(group.post(move(BANK, person(), 1))))
    await watched.begun.wait()
    gone = asyncio.create_task(group.post(move(BANK, wallet, 1)))
    gone.get_loop().call_soon(gone.cancel)
    await asyncio.gather(gone, return_exceptions=True)
    watched.gate.set()
    await asyncio.gather(*busy)
    assert await books.balance(wallet) == (0, 0, 0)


@pytest.mark.parametrize("when", ["fail_before", "fail_after"])
async def test_a_call_that_is_lost_is_made_again_for_each_and_writes_once(books: Books, when: str) -> None:
    watched, wallet = Watched(books.house.database), person()
    setattr(watched, when, 1)
    results = await together(books, [move(BANK, wallet, 1) for _ in range(20)])
    assert named(results) == {"Transaction": 20}
    assert await books.balance(wallet) == (20, 0, 20)


async def test_a_database_that_stays_away_answers_503_and_claims_nothing(books: Books) -> None:
    watched, wishes = Watched(books.house.database), [move(BANK, person(), 1) for _ in range(5)]
    watched.fail_before = 100
    results = await together(books, wishes)
    assert {type(result) for result in results} == {TransientError}
    watched.fail_before = 0
    again = await together(books, wishes)
    assert [isinstance(r, ledger.Transaction) and not r.replayed for r in again] == [True] * 5


async def test_closing_the_house_waits_for_what_was_asked(settings: KernelSettings) -> None:
    async with open_books(settings) as books:
        wallet, group = person(), books.house.the(GroupedPosts)
        tasks = [asyncio.create_task(group.post(move(BANK, wallet, 1))) for _ in range(30)]
        await asyncio.sleep(0)
        await group.close()
        assert all(task.done() or not task.cancelled() for task in tasks)
        await asyncio.gather(*tasks)
        assert await books.balance(wallet) == (30, 0, 30)


async def test_what_the_database_cannot_store_fails_alone_and_is_not_called_a_passing_fault(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rule let it pass, and PostgreSQL does not take it: as a rule that we have forgotten would."""
    monkeypatch.setattr(calls, "as_json", lambda metadata: '{"x": NaN}' if metadata else None)
    watched, wallet = Watched(books.house.database), person()
    group = books.house.the(GroupedPosts)
    wishes = [move(BANK, wallet, 1) for _ in range(100)]
    wishes.insert(37, replace(move(BANK, person(), 1), metadata={"x": 1}))
    results = await asyncio.gather(*(group.post(wish) for wish in wishes), return_exceptions=True)
    assert isinstance(results.pop(37), DBAPIError)
    assert {type(result) for result in results} == {ledger.Transaction}
    assert watched.calls < 20  # halves, not one by one
    assert await books.balance(wallet) == (100, 0, 100)


async def test_an_error_of_our_own_is_given_to_the_one_it_is_about(books: Books) -> None:
    broken = replace(move(BANK, person(), 1), legs=[(BANK, None)])  # type: ignore[list-item]  # no program should
    group = books.house.the(GroupedPosts)
    wishes = [move(BANK, person(), 1), broken, move(BANK, person(), 1)]
    results = await asyncio.gather(*(group.post(wish) for wish in wishes), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["Transaction", "AttributeError", "Transaction"]


def a_web_process(settings: KernelSettings) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tillhouse.apps.cli", "serve", "ledger", "identity", "--port", str(port)],
        env={**os.environ, "DATABASE_URL": settings.database_url, "DATA_FOLDER": settings.data_folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return process, f"http://127.0.0.1:{port}"


async def until_it_answers(address: str) -> None:
    async with httpx.AsyncClient(base_url=address) as client:
        while True:
            try:
                if (await client.get("/health/live")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_after_a_killed_web_process_every_acknowledged_key_is_there_once(
    settings: KernelSettings, house: House
) -> None:
    async with house.database.transaction() as session:
        api_key = (await machines.create(session, SYSTEM, "robot", ["ledger.post"])).key
    customer, bank = str(new_id()), str(new_id())
    leg = {"currency": "INR", "amount": "1"}
    body = {
        "legs": [
            {**leg, "owner_id": bank, "code": "asset:bank", "side": "debit"},
            {**leg, "owner_id": customer, "code": "customer:balance", "side": "credit"},
        ]
    }
    acknowledged: dict[str, str] = {}
    asked: list[str] = []
    enough = asyncio.Event()

    async def send(client: httpx.AsyncClient, one: str) -> None:
        headers = {"Authorization": f"Bearer {api_key}", "Idempotency-Key": one}
        answer = await client.post("/api/v1/ledger/transactions", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        assert acknowledged.setdefault(one, answer.json()["id"]) == answer.json()["id"]
        if len(acknowledged) >= 100:
            enough.set()

    async def keep_sending(client: httpx.AsyncClient, name: int) -> None:
        for n in range(10_000):
            asked.append(f"{name}:{n}")
            try:
                await send(client, asked[-1])
            except httpx.TransportError:
                return

    process, address = a_web_process(settings)
    try:
        await until_it_answers(address)
        async with httpx.AsyncClient(base_url=address, timeout=20) as client:
            senders = [asyncio.create_task(keep_sending(client, name)) for name in range(16)]
            await asyncio.wait([*senders, asyncio.create_task(enough.wait())], return_when=asyncio.FIRST_COMPLETED)
            process.send_signal(signal.SIGKILL)
            await asyncio.gather(*senders)
        process.wait(10)
        before = len(acknowledged)
        process, address = a_web_process(settings)
        await until_it_answers(address)
        async with httpx.AsyncClient(base_url=address, timeout=20) as client:
            for first in range(0, len(asked), 16):
                await asyncio.gather(*(send(client, one) for one in asked[first : first + 16]))
    finally:
        process.kill()
        process.wait(10)
    assert 100 <= before <= len(asked) == len(acknowledged) == len(set(acknowledged.values()))
    account = ledger.AccountRef("ledger", UUID(customer), "customer:balance", "INR")
    assert (await Books(house).balance(account))[0] == 100 * len(asked)
    assert await Books(house).violations() == []
