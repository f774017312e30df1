"""Reports and lists: what the books say together, and how a single thing in them is found."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.parts.ledger.books import BANK, CLEARING, FEES, key, move, person, rupees
from tests.parts.ledger.purse import START, Purse, member, open_purse
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.domain.lists import said

DAY = timedelta(days=1)


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Purse]:
    async with open_purse(settings) as opened:
        yield opened


async def busy(books: Purse, steps: int = 40) -> list[ledger.AccountRef]:
    """Money in, out and about over ten days; a settlement with a fee; points."""
    wallets, chance = [person() for _ in range(3)], random.Random(5)
    for n in range(steps):
        source, target = chance.sample([*wallets, BANK, CLEARING], 2)
        if source in wallets:
            await books.fund(source, 100)
        posting = move(source, target, chance.randint(1, 100))
        await books.post(
            ledger.Posting(key=key(), kind=posting.kind, legs=posting.legs, effective_at=START + (n % 10) * DAY)
        )
    legs = [ledger.debit(BANK, rupees(97)), ledger.debit(FEES, rupees(3)), ledger.credit(CLEARING, rupees(100))]
    await books.post(ledger.Posting(key=key(), kind="shop.move", legs=legs, effective_at=START))
    account = member()
    await books.grant(account, 50)
    await books.spend(account, 20)
    return wallets


async def test_debits_and_credits_of_every_unit_are_equal(books: Purse) -> None:
    await busy(books)
    async with books.house.database.reading() as session:
        for at in (None, START, START + 4 * DAY, START + 1_000 * DAY):
            found = await ledger.trial_balance(session, at=at)
            assert found
            assert all(one.debit == one.credit for one in found)
        now, later = await ledger.trial_balance(session), await ledger.trial_balance(session, at=START + 1_000 * DAY)
    assert now == later
    assert [one.unit for one in now] == ["INR", "PTS"]


async def test_assets_are_liabilities_equity_and_result(books: Purse) -> None:
    await busy(books)
    async with books.house.database.reading() as session:
        for at in (None, START, START + 4 * DAY):
            for sheet in await ledger.balance_sheet(session, at=at):
                assert sheet.assets == sheet.liabilities + sheet.equity + sheet.result
        money, points = await ledger.balance_sheet(session)
    assert money.result == rupees(-3)
    assert [(line.number, line.path, line.natural.minor) for line in points.lines] == [("2200", "person/points", 30)]
    assert points.result.minor == 20 - 50


async def test_a_balance_at_a_past_time_counts_what_was_effective_until_then(books: Purse) -> None:
    wallet = person()
    for day, paise in ((1, 10), (2, 200), (3, 3_000)):
        posting = move(BANK, wallet, paise)
        await books.post(
            ledger.Posting(key=key(), kind=posting.kind, legs=posting.legs, effective_at=START + day * DAY)
        )
    async with books.house.database.reading() as session:
        (found,) = await ledger.trial_balance(session, at=START + 2 * DAY)
    assert {line.path: line.total.minor for line in found.lines} == {"house/bank": 210, "person/wallet": -210}


async def test_a_period_has_the_income_and_expenses_effective_in_it(books: Purse) -> None:
    for day, paise in ((1, 10), (2, 200), (3, 3_000)):
        legs = [ledger.debit(FEES, rupees(paise)), ledger.credit(CLEARING, rupees(paise))]
        await books.post(ledger.Posting(key=key(), kind="shop.move", legs=legs, effective_at=START + day * DAY))
    async with books.house.database.reading() as session:
        (found,) = await ledger.income_statement(session, since=START + 2 * DAY, until=START + 3 * DAY)
    assert (found.income, found.expenses, found.result) == (rupees(0), rupees(3_200), rupees(-3_200))


async def test_every_line_of_the_house_s_chart_has_a_number_of_its_own(house: House) -> None:
    """Integrators' own lines have the codes that they chose: the house numbers its own."""
    ours = [kind for kind in house.provided(ledger.AccountKind) if kind.owner_kind != "ledger"]
    numbers = Counter(kind.number for kind in ours)
    assert None not in numbers
    assert [number for number, times in numbers.items() if times > 1] == []


async def tagged(books: Purse, wallet: ledger.AccountRef, n: int) -> ledger.Transaction:
    posting = move(BANK, wallet, 1)
    metadata = {"tags": {"order": f"o{n}"}, "channel": "web" if n % 2 else "app"}
    return await books.post(
        ledger.Posting(key=key(), kind=posting.kind, legs=posting.legs, metadata=metadata, effective_at=START + n * DAY)
    )


async def found(books: Purse, limit: int = 50, before: int | None = None, **wanted: object) -> list[int]:
    async with books.house.database.reading() as session:
        listed = await ledger.transactions(
            session,
            wanted=ledger.TransactionFilter(**wanted),  # type: ignore[arg-type]  # a table of fields
            limit=limit,
            before=before,
        )
    return [transaction.id for transaction in listed]


async def test_transactions_are_found_by_metadata_kind_account_and_time(books: Purse) -> None:
    wallet, other = person(), person()
    ids = [(await tagged(books, wallet if n < 4 else other, n)).id for n in range(6)]
    back = (await books.reverse(ids[0])).id
    assert await found(books) == [back, *reversed(ids)]
    assert await found(books, metadata={"tags": {"order": "o3"}}) == [ids[3]]
    assert await found(books, metadata={"channel": "web"}) == [ids[5], ids[3], ids[1]]
    assert await found(books, metadata={"tags": {"order": "o3"}, "channel": "app"}) == []
    assert await found(books, kind="ledger.reversal") == [back]
    assert await found(books, account=other) == [ids[5], ids[4]]
    assert await found(books, since=START + 2 * DAY, until=START + 4 * DAY) == [ids[3], ids[2]]
    assert await found(books, metadata={"channel": "web"}, until=START + 4 * DAY) == [ids[3], ids[1]]
    assert await found(books, limit=2, before=ids[4]) == [ids[3], ids[2]]
    async with books.house.database.reading() as session:
        (one,) = await ledger.transactions(
            session, wanted=ledger.TransactionFilter(metadata={"tags": {"order": "o0"}}), limit=9
        )
        assert one == await ledger.transaction(session, ids[0])
    assert one.reversed_by == back


async def test_metadata_is_found_as_a_person_writes_it(books: Purse) -> None:
    """By itself or among the tags; a number as a number and as a text."""
    written = [
        (await books.post(replace(move(BANK, person(), 1), metadata=metadata))).id
        for metadata in ({"order": "o-7"}, {"tags": {"order": "o-7"}}, {"order": "o-8"}, {"n": 5}, {"n": "5"}, {})
    ]
    for looked_for, places in (
        ("order: o-7", (1, 0)), ("order=o-7", (1, 0)), (" order :o-8 ", (2,)), ("n: 5", (4, 3)), ("order: o", ()),
        ("o-7: order", ()), ("n: 5.0", (3,)),
    ):  # fmt: skip
        assert await found(books, said=said(looked_for)) == [written[place] for place in places], looked_for
    for unread in ("o-7", ":o-7", "order:", "order: \0", " = x"):
        with pytest.raises(InvalidInput):
            said(unread)


async def test_metadata_is_found_by_its_index(books: Purse) -> None:
    await tagged(books, person(), 1)
    query = (
        "EXPLAIN SELECT id FROM ledger.transactions WHERE metadata @> '{\"a\": 1}' "
        'OR metadata @> \'{"tags": {"a": 1}}\' ORDER BY id + 0 DESC LIMIT 51'
    )
    async with books.transaction() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        connection = await session.connection()
        plan = (await connection.exec_driver_sql(query)).scalars().all()
    assert any("Bitmap Index Scan" in line and "metadata" in line for line in plan), plan


async def test_accounts_are_listed_in_the_order_they_were_opened(books: Purse) -> None:
    wallet, account = person(), member()
    await books.fund(wallet, 500)
    await books.hold(wallet, 120)
    await books.grant(account, 10)
    async with books.house.database.reading() as session:
        everyone = await ledger.accounts(session, limit=50)
        mine = await ledger.accounts(session, wanted=ledger.AccountFilter(owner_id=wallet.owner_id), limit=50)
        issued = await ledger.accounts(session, wanted=ledger.AccountFilter(code="lots:*", type="expense"), limit=50)
        first = await ledger.accounts(session, limit=2)
        rest = await ledger.accounts(session, limit=50, after=first[-1].id)
    assert [*first, *rest] == everyone
    (one,) = mine
    assert (one.ref, one.posted, one.held, one.available) == (wallet, rupees(500), rupees(120), rupees(380))
    assert (one.title, one.floor, one.entries, one.lots, one.closed) == ("Wallet", rupees(0), 1, False, False)
    assert [found.ref.code for found in issued] == ["lots:issued:purchased"]
    assert [found.lots for found in everyone if found.ref == account] == [True]


async def test_holds_are_listed_newest_first(books: Purse) -> None:
    wallet, other = person(), person()
    for owner in (wallet, other):
        await books.fund(owner, 100)
    held = [await books.hold(owner, 10) for owner in (wallet, other, wallet)]
    await books.void(held[0].id)
    async with books.house.database.reading() as session:
        assert [h.id for h in await ledger.holds(session, limit=9)] == [h.id for h in reversed(held)]
        assert [h.id for h in await ledger.holds(session, account=wallet, state="open", limit=9)] == [held[2].id]
        assert [h.id for h in await ledger.holds(session, limit=1, before=held[2].id)] == [held[1].id]
