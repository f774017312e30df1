"""What a posting does, and what it refuses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.parts.ledger.books import BANK, BANK_USD, CLEARING, FEES, Books, key, move, person, rupees
from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.parts.ledger import api as ledger


async def test_a_posting_moves_money_and_names_both_times(books: Books) -> None:
    wallet = person()
    written = await books.post(replace(move(BANK, wallet, 15_000), metadata={"order": "A-1"}))

    assert await books.balance(wallet) == (15_000, 0, 15_000)
    assert (await books.balance(BANK))[0] == 15_000
    assert not written.replayed
    assert written.effective_at == written.recorded_at
    async with books.house.database.reading() as session:
        read = await ledger.transaction(session, written.id)
    assert set(read.legs) == set(written.legs)
    assert read.metadata == {"order": "A-1"}
    assert (read.kind, read.effective_at, read.recorded_at) == (written.kind, written.effective_at, written.recorded_at)


async def test_an_unused_account_holds_nothing_and_reading_it_opens_nothing(books: Books) -> None:
    assert await books.balance(person()) == (0, 0, 0)
    assert (await books.everything())["accounts"] == []


async def test_the_effective_time_may_lie_in_the_past(books: Books) -> None:
    wallet, last_year = person(), datetime(2025, 3, 1, tzinfo=UTC)
    written = await books.post(replace(move(BANK, wallet, 100), effective_at=last_year))
    assert written.effective_at == last_year
    assert written.recorded_at > last_year
    async with books.house.database.reading() as session:
        (line,) = await ledger.statement(session, wallet, limit=10, until=last_year + timedelta(seconds=1))
        assert line.effective_at == last_year
        assert await ledger.statement(session, wallet, limit=10, since=last_year + timedelta(seconds=1)) == []


async def test_several_legs_and_units_sum_to_zero_each(books: Books) -> None:
    wallet = person()
    exchange = ledger.house_account("clearing:exchange", "INR")
    exchange_usd = ledger.house_account("clearing:exchange", "USD")
    legs = [
        ledger.debit(FEES, rupees(200)),
        ledger.debit(exchange, rupees(9_800)),
        ledger.credit(wallet, rupees(10_000)),
        ledger.debit(BANK_USD, Money(120, "USD")),
        ledger.credit(exchange_usd, Money(120, "USD")),
    ]
    await books.post(ledger.Posting(key=key(), kind="shop.move", legs=legs))
    assert await books.balance(wallet) == (10_000, 0, 10_000)
    assert (await books.balance(BANK_USD))[0] == 120


async def test_the_same_key_and_input_return_the_first_result(books: Books) -> None:
    wallet, named = person(), key()
    first = await books.post(move(BANK, wallet, 100, named))
    before = await books.everything()
    again = await books.post(move(BANK, wallet, 100, named))
    assert again == replace(first, replayed=True)
    assert await books.everything() == before


async def test_a_replay_succeeds_even_when_the_money_is_gone_since(books: Books) -> None:
    wallet, named = person(), key()
    await books.fund(wallet, 100)
    first = await books.post(move(wallet, BANK, 100, named))
    assert (await books.post(move(wallet, BANK, 100, named))).id == first.id


@pytest.mark.parametrize("changed", ["amount", "account", "metadata", "effective_at", "kind"])
async def test_the_same_key_with_other_input_is_refused(books: Books, changed: str) -> None:
    posting = move(BANK, CLEARING, 100)
    await books.post(posting)
    other = {
        "amount": replace(posting, legs=move(BANK, CLEARING, 101).legs),
        "account": replace(posting, legs=move(BANK, person(), 100).legs),
        "metadata": replace(posting, metadata={"a": 1}),
        "effective_at": replace(posting, effective_at=datetime(2026, 1, 1, tzinfo=UTC)),
        "kind": replace(posting, kind="shop.settle"),
    }[changed]
    before = await books.everything()
    with pytest.raises(ledger.IdempotencyKeyReused):
        await books.post(other)
    assert await books.everything() == before


async def test_the_order_of_legs_and_metadata_is_not_part_of_the_input(books: Books) -> None:
    posting = replace(move(BANK, person(), 100), metadata={"a": 1, "b": 2})
    first = await books.post(posting)
    turned = replace(posting, legs=tuple(reversed(posting.legs)), metadata={"b": 2, "a": 1})
    assert (await books.post(turned)).id == first.id


async def test_a_wallet_is_not_overdrawn_and_says_what_is_available(books: Books) -> None:
    wallet = person()
    await books.fund(wallet, 100)
    before = await books.everything()
    with pytest.raises(ledger.InsufficientFunds) as refusal:
        await books.post(move(wallet, BANK, 101))
    assert refusal.value.available == rupees(100)
    assert refusal.value.account == wallet
    assert str(refusal.value) == "There is not enough money: 1.01 INR is needed, 1.00 INR is available."
    assert await books.everything() == before


async def test_a_wallet_that_was_never_used_is_not_overdrawn(books: Books) -> None:
    with pytest.raises(ledger.InsufficientFunds):
        await books.post(move(person(), BANK, 1))
    assert all(rows == [] for rows in (await books.everything()).values())


async def test_a_refusal_may_be_caught_and_the_transaction_used_on(books: Books) -> None:
    wallet = person()
    async with books.transaction() as session:
        with pytest.raises(ledger.InsufficientFunds):
            await ledger.post(session, move(wallet, BANK, 1))
        await ledger.post(session, move(BANK, wallet, 5))
    assert await books.balance(wallet) == (5, 0, 5)


async def test_what_rolls_back_never_was_and_its_key_is_free(books: Books) -> None:
    wallet, named = person(), key()
    with pytest.raises(ZeroDivisionError):
        async with books.transaction() as session:
            await ledger.post(session, move(BANK, wallet, 5, named))
            _ = 1 // 0
    assert not (await books.post(move(BANK, wallet, 7, named))).replayed
    assert await books.balance(wallet) == (7, 0, 7)


WRONG = {
    "one leg": ([ledger.debit(BANK, rupees(1))], "leg_count"),
    "unbalanced": ([ledger.debit(BANK, rupees(2)), ledger.credit(CLEARING, rupees(1))], "unbalanced"),
    "balanced across units only": (
        [ledger.debit(BANK, rupees(1)), ledger.credit(BANK_USD, Money(1, "USD"))],
        "unbalanced",
    ),
    "nothing moved": ([ledger.debit(BANK, rupees(0)), ledger.credit(CLEARING, rupees(0))], "bad_amount"),
    "an account twice": (
        [ledger.debit(BANK, rupees(2)), ledger.credit(BANK, rupees(1)), ledger.credit(FEES, rupees(1))],
        "account_twice",
    ),
    "foreign unit": ([ledger.debit(BANK, Money(1, "USD")), ledger.credit(BANK_USD, Money(1, "USD"))], "wrong_unit"),
    "beyond counting": (
        [ledger.debit(BANK, rupees(MAX_MINOR + 1)), ledger.credit(CLEARING, rupees(MAX_MINOR + 1))],
        "bad_amount",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
async def test_legs_that_make_no_transaction_are_refused_by_name(books: Books, fault: str) -> None:
    legs, code = WRONG[fault]
    with pytest.raises(ledger.BadPosting) as refusal:
        await books.post(ledger.Posting(key=key(), kind="shop.move", legs=legs))
    assert code in [error.code for error in refusal.value.errors]
    assert all(rows == [] for rows in (await books.everything()).values())


@pytest.mark.parametrize("named", ["", "x" * 201, "a\x00b", "a\nb", "\ud800"])
async def test_a_key_is_short_and_printable(books: Books, named: str) -> None:
    with pytest.raises(ledger.BadPosting):
        await books.post(replace(move(BANK, CLEARING, 1), key=named))
    with pytest.raises(ledger.BadPosting):
        await books.hold(BANK, 1, named or "\x00")


@pytest.mark.parametrize(
    "metadata", [{"a": "\x00"}, {"\x00": 1}, {"a": ["\ud800"]}, {"a": "x" * 4_000}], ids=["nul", "key", "half", "long"]
)
async def test_metadata_that_cannot_be_stored_is_refused(books: Books, metadata: JsonObject) -> None:
    with pytest.raises(ledger.BadPosting):
        await books.post(replace(move(BANK, CLEARING, 1), metadata=metadata))


async def test_metadata_keeps_whatever_text_it_was_given(books: Books) -> None:
    metadata: JsonObject = {"a": "\\u0000 \\\\u0000 💶 हिन्दी", "b": [None, True, {"c": -1}]}
    written = await books.post(replace(move(BANK, CLEARING, 1), metadata=metadata))
    async with books.house.database.reading() as session:
        assert (await ledger.transaction(session, written.id)).metadata == metadata


async def test_a_reversal_cannot_be_posted_by_hand(books: Books) -> None:
    with pytest.raises(ledger.UnknownKind):
        await books.post(replace(move(person(), BANK, 1), kind="ledger.reversal"))


async def test_a_naive_effective_time_is_refused(books: Books) -> None:
    with pytest.raises(ledger.BadPosting):
        await books.post(replace(move(BANK, CLEARING, 1), effective_at=datetime(2026, 1, 1)))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("posting", "error"),
    [
        (replace(move(BANK, CLEARING, 1), kind="shop.unheard_of"), ledger.UnknownKind),
        (replace(move(BANK, person(), 1), kind="shop.settle"), ledger.AccountNotAllowed),
        (move(BANK, ledger.house_account("petty_cash", "INR"), 1), ledger.UnknownAccount),
        (move(BANK, ledger.AccountRef("person", None, "wallet", "INR"), 1), ledger.UnknownAccount),
    ],
    ids=["unknown kind", "account outside the kind", "account outside the chart", "person without an id"],
)
async def test_only_registered_kinds_move_money_between_their_accounts(
    books: Books, posting: ledger.Posting, error: type[DomainError]
) -> None:
    with pytest.raises(error):
        await books.post(posting)
    assert all(rows == [] for rows in (await books.everything()).values())


async def test_a_balance_past_what_can_be_counted_is_refused(books: Books) -> None:
    await books.post(move(BANK, CLEARING, MAX_MINOR))
    before = await books.everything()
    async with books.transaction() as session:
        for posting in (move(BANK, CLEARING, 1), move(BANK, FEES, MAX_MINOR), move(FEES, CLEARING, 1)):
            with pytest.raises(ledger.BalanceTooLarge):
                await ledger.post(session, posting)
    assert await books.everything() == before
    await books.post(move(CLEARING, BANK, MAX_MINOR))
    assert await books.balance(BANK) == (0, 0, 0)


async def test_many_postings_have_an_outcome_each_and_see_those_before_them(books: Books) -> None:
    wallet, other, twice = person(), person(), key()
    postings = [
        move(wallet, other, 1),  # nothing there yet
        move(BANK, wallet, 100, twice),
        move(wallet, other, 70),
        move(wallet, other, 70),  # 30 are left
        move(wallet, other, 30),
        move(BANK, wallet, 100, twice),  # the same again
        move(BANK, wallet, 99, twice),  # the same key for something else
        replace(move(BANK, wallet, 5), kind="shop.unheard_of"),
    ]
    async with books.transaction() as session:
        results = await ledger.post_many(session, postings)
    kinds = [r.replayed if isinstance(r, ledger.Transaction) else type(r).__name__ for r in results]
    assert kinds == [
        "InsufficientFunds", False, False, "InsufficientFunds", False, True, "IdempotencyKeyReused", "UnknownKind",
    ]  # fmt: skip
    assert await books.balance(wallet) == (0, 0, 0)
    assert await books.balance(other) == (100, 0, 100)


async def test_an_atomic_bulk_with_one_that_makes_no_transaction_writes_none_even_when_its_refusal_is_caught(
    books: Books,
) -> None:
    wallet = person()
    before = await books.everything()
    unknown = ledger.Posting(key=key(), kind="shop.unknown", legs=move(BANK, wallet, 5).legs)
    async with books.transaction() as session:
        with pytest.raises(ledger.BulkRefused):
            await ledger.post_many(session, [move(BANK, wallet, 5), unknown], atomic=True)
    assert await books.everything() == before


async def test_many_postings_may_be_none_but_not_too_many(books: Books) -> None:
    async with books.transaction() as session:
        assert await ledger.post_many(session, []) == []
        written = await ledger.post_many(session, [move(BANK, CLEARING, 1)] * 10_000)
        assert [one.replayed for one in written if isinstance(one, ledger.Transaction)] == [False] + [True] * 9_999
        with pytest.raises(DomainError):
            await ledger.post_many(session, [move(BANK, CLEARING, 1)] * 10_001)


async def test_a_closed_account_takes_nothing_more(books: Books) -> None:
    wallet = person()
    await books.fund(wallet, 10)
    async with books.transaction() as session:
        with pytest.raises(ledger.AccountInUse):
            await ledger.close_account(session, wallet)
    await books.post(move(wallet, BANK, 10))
    async with books.transaction() as session:
        await ledger.close_account(session, wallet)
        await ledger.close_account(session, wallet)
        await ledger.close_account(session, person())
    with pytest.raises(ledger.AccountClosed):
        await books.fund(wallet, 1)
    with pytest.raises(ledger.AccountClosed):
        await books.hold(wallet, 1)


async def test_a_statement_is_newest_first_with_running_balance_and_can_be_paged_and_filtered(books: Books) -> None:
    wallet = person()
    first, second = await books.fund(wallet, 100), await books.post(move(wallet, CLEARING, 40))
    third = await books.fund(wallet, 5)
    async with books.house.database.reading() as session:
        lines = await ledger.statement(session, wallet, limit=10)
        paid = await ledger.statement(session, wallet, limit=10, direction="out")
        received = await ledger.statement(session, wallet, limit=10, direction="in")
        older = await ledger.statement(session, wallet, limit=1, before=third.id)
        other = await ledger.statement(session, wallet, limit=1, kinds=["ledger.reversal"])
        nobody = await ledger.statement(session, person(), limit=1)
    assert [line.transaction_id for line in lines] == [third.id, second.id, first.id]
    assert [(line.amount.minor, line.balance.minor, line.sequence) for line in lines] == [
        (5, 65, 3), (-40, 60, 2), (100, 100, 1),
    ]  # fmt: skip
    assert [line.transaction_id for line in paid] == [second.id]
    assert [line.transaction_id for line in received] == [third.id, first.id]
    assert [line.transaction_id for line in older] == [second.id]
    assert (other, nobody) == ([], [])


async def test_recorded_order_and_sequence_agree_within_one_transaction_and_over_many(books: Books) -> None:
    wallet = person()
    async with books.transaction() as session:
        await ledger.post_many(session, [move(BANK, wallet, 1) for _ in range(20)])
        for _ in range(5):
            await ledger.post(session, move(BANK, wallet, 1))
    async with books.house.database.reading() as session:
        lines = list(reversed(await ledger.statement(session, wallet, limit=100)))
    assert [line.sequence for line in lines] == list(range(1, 26))
    recorded = [line.recorded_at for line in lines]
    assert recorded == sorted(set(recorded))


async def test_the_owner_of_accounts_sees_all_of_them(books: Books) -> None:
    wallet = person()
    await books.fund(wallet, 3)
    async with books.house.database.reading() as session:
        (found,) = await ledger.balances_of_owner(session, "person", wallet.owner_id)
        assert found.account == wallet
        assert {b.account for b in await ledger.balances_of_owner(session, "house", None)} == {BANK}
        assert ledger.kind_title(session, "shop.move") == "Moved"


async def test_a_posting_in_a_savepoint_that_is_rolled_back_leaves_nothing(books: Books) -> None:
    """Also when another posting of the same transaction came before it."""
    kept, undone = person(), person()
    async with books.transaction() as session:
        await ledger.post(session, move(BANK, kept, 100))
        with pytest.raises(ZeroDivisionError):
            async with session.begin_nested():
                await ledger.post(session, move(BANK, undone, 500))
                raise ZeroDivisionError
        await ledger.post(session, move(BANK, kept, 10))
    assert await books.balance(kept) == (110, 0, 110)
    assert await books.balance(undone) == (0, 0, 0)
    assert (await books.balance(BANK))[0] == 110
