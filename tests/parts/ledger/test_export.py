"""The journal for other programs. A real hledger reads ours, strictly, and has to agree on every balance."""

import asyncio
import csv
import io
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tests.parts.ledger.books import BANK, key, move, person, rupees
from tests.parts.ledger.purse import START, Purse, member, open_purse
from tillhouse.kernel import clock
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.sheets import cell, csv_line
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.domain.exporting import ExportFormat, hledger_account
from tillhouse.parts.ledger.service.exporting import export

DAY = timedelta(days=1)
UNITS = ("INR", "USD", "VND", "PTS")
CODES = ("bank", "clearing:a b", "clearing:x;  y", "fees:(q)", "fees:a::b", "clearing:ü", "fees:[2020-01-01]")

ODD = Module(
    name="odd",
    title="Odd",
    floor="product",
    folder=Path(__file__).parent,
    requires=("ledger",),
    provides=lambda house: (ledger.TransactionKind(name="=odd; kind", title="Odd", legs=("*",)),),
)

words = st.sampled_from(["date:junk", "[2020-01-01]", "a\nb", "x; y", "=1+1", "%", "ü", "date2:2020-01-01", 'q"', ""])
values = st.one_of(words, st.integers(-5, 5), st.booleans(), st.none(), st.lists(words, max_size=2))
steps = st.tuples(
    st.sampled_from(CODES), st.sampled_from(CODES), st.sampled_from(UNITS), st.integers(1, 10**12),
    st.none() | st.integers(-800, 0), st.dictionaries(words, values, max_size=3), st.booleans(),
)  # fmt: skip


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Purse]:
    async with open_purse(settings, ODD) as opened:
        yield opened


async def exported(books: Purse, form: ExportFormat, **range_: Any) -> str:
    async with books.house.database.reading() as session:
        return "".join([piece async for piece in export(session, form, **range_)])


async def hledger(journal: str, *arguments: str) -> str:
    program = shutil.which("hledger")
    if program is None:
        if "CI" in os.environ:
            pytest.fail("hledger is missing: .ci/run installs it")
        pytest.skip("hledger is not installed")
    process = await asyncio.create_subprocess_exec(
        program, "-f-", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    out, complaint = await process.communicate(journal.encode())
    assert process.returncode == 0, complaint.decode() + journal
    return out.decode()


async def balances_by_hledger(journal: str, *arguments: str) -> dict[tuple[str, str], Decimal]:
    """Every account that is not at zero, debits positive."""
    table = await hledger(journal, "balance", "--flat", "--no-total", "-O", "csv", "--layout=bare", *arguments)
    rows = csv.DictReader(io.StringIO(table))
    return {(row["account"], row["commodity"]): Decimal(row["balance"]) for row in rows}


async def balances_by_us(books: Purse) -> dict[tuple[str, str], Decimal]:
    async with books.house.database.reading() as session:
        accounts = await ledger.accounts(session, limit=10_000)
    found = {}
    for one in accounts:
        sign = 1 if one.type in ("asset", "expense") else -1
        if one.posted:
            found[hledger_account(one.ref, one.type), one.ref.unit] = sign * one.posted.decimal
    return found


def sums(lines: Iterable[tuple[str, str, Decimal]]) -> dict[tuple[str, str], Decimal]:
    found: dict[tuple[str, str], Decimal] = {}
    for account, unit, amount in lines:
        found[account, unit] = found.get((account, unit), Decimal()) + amount
    return {name: total for name, total in found.items() if total}


async def write_history(books: Purse, history: list[Any]) -> None:
    """Postings in many units, some backdated, some reversed; holds beside them."""
    for source, target, unit, minor, days, metadata, undone in history:
        if source == target:
            continue
        accounts = (ledger.house_account(source, unit), ledger.house_account(target, unit))
        legs = [ledger.debit(accounts[0], Money(minor, unit)), ledger.credit(accounts[1], Money(minor, unit))]
        effective = None if days is None else clock.now() + days * DAY
        posting = ledger.Posting(key=key(), kind="=odd; kind", legs=legs, effective_at=effective, metadata=metadata)
        written = await books.post(posting)
        if undone:
            await books.reverse(written.id)
    wallet, account = person(), member()
    await books.fund(wallet, 50)
    await books.hold(wallet, 20)
    await books.grant(account, 30)
    await books.spend(account, 10)
    banks, rate = (ledger.house_account("bank", "USD"), BANK), ledger.Rate.parse("83.125", "USD", "INR")
    async with books.transaction() as session:
        await ledger.exchange(
            session, banks[0], Money(1_003, "USD"), banks[1], key=key(), kind="=odd; kind", rate=rate, rounding="up"
        )


def test_hledger_accepts_any_journal_strictly_and_agrees_on_every_balance(settings: KernelSettings) -> None:
    with asyncio.Runner() as runner:
        context = open_purse(settings, ODD)
        books = runner.run(context.__aenter__())

        @given(st.lists(steps, max_size=12))
        @effort(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        def check(history: list[Any]) -> None:
            runner.run(agrees(history))

        async def agrees(history: list[Any]) -> None:
            await write_history(books, history)
            journal, ours = await exported(books, "hledger"), await balances_by_us(books)
            await hledger(journal, "check", "--strict")
            assert await balances_by_hledger(journal) == ours
            assert await balances_by_hledger(journal, "--date2") == ours

        check()
        runner.run(context.__aexit__(None, None, None))


async def test_hledger_sees_the_books_as_they_were_effective_on_a_day(books: Purse) -> None:
    wallet = person()
    for day, paise in ((-9, 10), (-2, 200), (-5, 3_000)):
        posting = move(BANK, wallet, paise)
        await books.post(
            ledger.Posting(key=key(), kind=posting.kind, legs=posting.legs, effective_at=START + day * DAY)
        )
    by_day = await balances_by_hledger(await exported(books, "hledger"), "--end", f"{START - 4 * DAY:%Y-%m-%d}")
    assert by_day["assets:house:bank", "INR"] == Decimal("30.10")


async def test_a_part_of_the_journal_is_a_journal(books: Purse) -> None:
    wallet = person()
    for day in range(4):
        posting = move(BANK, wallet, 10**day)
        await books.post(
            ledger.Posting(key=key(), kind=posting.kind, legs=posting.legs, effective_at=START + day * DAY)
        )
    journal = await exported(books, "hledger", since=START + DAY, until=START + 3 * DAY)
    await hledger(journal, "check", "--strict")
    assert (await balances_by_hledger(journal))["assets:house:bank", "INR"] == Decimal("1.10")


async def test_csv_and_json_lines_hold_every_leg(books: Purse) -> None:
    await write_history(books, [("bank", "clearing:x", "INR", 5, -3, {"b": [1]}, True)])
    ours = await balances_by_us(books)
    rows = list(csv.DictReader(io.StringIO(await exported(books, "csv"))))
    objects = [json.loads(line) for line in (await exported(books, "jsonl")).splitlines()]
    by_code = sums((name.partition(":")[2], unit, amount) for (name, unit), amount in ours.items())
    from_csv = sums((place(row), row["unit"], Decimal(row["amount"])) for row in rows)
    from_json = sums((place(leg), leg["unit"], Decimal(leg["amount"])) for one in objects for leg in one["legs"])
    assert from_csv == from_json == by_code
    assert [one["id"] for one in objects] == sorted({row["transaction"] for row in rows}, key=int)
    assert objects[1]["reverses"] == objects[0]["id"]
    assert objects[0]["metadata"] == json.loads(rows[0]["metadata"]) == {"b": [1]}


def place(row: dict[str, str]) -> str:
    return ":".join(part for part in (row["owner_kind"], row["owner_id"], row["code"]) if part)


async def test_a_spreadsheet_sees_no_formula_in_what_people_wrote(books: Purse) -> None:
    legs = [ledger.debit(ledger.house_account("fees:x", "INR"), rupees(1)), ledger.credit(BANK, rupees(1))]
    await books.post(ledger.Posting(key=key(), kind="=odd; kind", legs=legs))
    rows = list(csv.DictReader(io.StringIO(await exported(books, "csv"))))
    assert {row["kind"] for row in rows} == {"'=odd; kind"}
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1"):
        assert cell(text) == "'" + text
    for text, safe in (("a\r=1", "a\r'=1"), ("a;=1", "a;'=1"), ("a\n@x", "a\n'@x"), ("odd=; -5", "odd=; -5")):
        assert cell(text) == safe
    assert csv_line(["a\rb", "c"]) == '"a\rb",c\n'  # unquoted, a spreadsheet begins a line there


async def test_an_export_keeps_one_piece_in_memory_at_a_time(books: Purse) -> None:
    """The server keeps a cursor: when the first piece is there, the last ones are not read yet."""
    wallet = person()
    async with books.transaction() as session:
        await ledger.post_many(session, [move(BANK, wallet, 1) for _ in range(6_000)])
    async with books.house.database.reading() as session:
        pieces = export(session, "jsonl")
        await anext(pieces)
        cursors = "SELECT count(*) FROM pg_cursors WHERE statement LIKE 'SELECT ledger.transactions%%'"
        held = (await (await session.connection()).exec_driver_sql(cursors)).scalar_one()
        left = sum([1 async for _ in pieces])
    assert (held, left) == (1, 5_999)
