"""Money set aside, taken, given back; and transactions undone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.parts.ledger.books import BANK, CLEARING, FEES, Books, key, move, person, rupees
from tillhouse.kernel import clock
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.service import holding


async def funded(books: Books, paise: int) -> ledger.AccountRef:
    wallet = person()
    await books.fund(wallet, paise)
    return wallet


async def test_a_hold_lowers_what_is_available_and_leaves_the_balance(books: Books) -> None:
    wallet = await funded(books, 100)
    found = await books.hold(wallet, 60)
    assert (found.state, found.amount, found.captured) == ("open", rupees(60), rupees(0))
    assert await books.balance(wallet) == (100, 60, 40)
    with pytest.raises(ledger.InsufficientFunds):
        await books.post(move(wallet, BANK, 41))
    with pytest.raises(ledger.InsufficientFunds) as refusal:
        await books.hold(wallet, 41)
    assert refusal.value.available == rupees(40)
    async with books.house.database.reading() as session:
        assert [h.id for h in await ledger.open_holds(session, wallet)] == [found.id]


async def test_nothing_can_be_held_in_a_wallet_that_was_never_used(books: Books) -> None:
    with pytest.raises(ledger.InsufficientFunds):
        await books.hold(person(), 1)


async def test_a_hold_is_captured_in_whole(books: Books) -> None:
    wallet = await funded(books, 100)
    held = await books.hold(wallet, 60)
    posting = move(wallet, CLEARING, 60)
    written = await books.capture(held.id, posting)
    assert await books.balance(wallet) == (40, 0, 40)
    async with books.house.database.reading() as session:
        ended = await ledger.get_hold(session, held.id)
        assert (await ledger.transaction(session, written.id)).captures == held.id
    assert (ended.state, ended.captured, ended.transaction_id) == ("captured", rupees(60), written.id)
    assert (await books.capture(held.id, posting)).replayed


async def test_a_capture_in_part_releases_the_rest_and_may_have_other_legs(books: Books) -> None:
    wallet = await funded(books, 100)
    held = await books.hold(wallet, 60)
    legs = [ledger.debit(wallet, rupees(50)), ledger.credit(CLEARING, rupees(48)), ledger.credit(FEES, rupees(2))]
    await books.capture(held.id, ledger.Posting(key=key(), kind="shop.move", legs=legs))
    assert await books.balance(wallet) == (50, 0, 50)


async def test_a_capture_takes_no_more_than_was_held_and_from_no_other_account(books: Books) -> None:
    wallet, other = await funded(books, 100), await funded(books, 100)
    held = await books.hold(wallet, 60)
    before = await books.everything()
    for posting in (move(wallet, BANK, 61), move(other, BANK, 10), move(BANK, wallet, 10)):
        with pytest.raises(ledger.CaptureNotCovered):
            await books.capture(held.id, posting)
    assert await books.everything() == before


async def test_a_hold_ends_once(books: Books) -> None:
    wallet = await funded(books, 100)
    captured, voided = await books.hold(wallet, 10), await books.hold(wallet, 20)
    await books.capture(captured.id, move(wallet, BANK, 10))
    assert (await books.void(voided.id)).state == "voided"
    assert (await books.void(voided.id)).state == "voided"
    with pytest.raises(ledger.HoldEnded):
        await books.void(captured.id)
    for ended in (captured, voided):
        with pytest.raises(ledger.HoldEnded):
            await books.capture(ended.id, move(wallet, BANK, 10))
    assert await books.balance(wallet) == (90, 0, 90)


async def test_a_hold_that_does_not_exist_is_not_found(books: Books) -> None:
    with pytest.raises(NotFound):
        await books.void(1)
    with pytest.raises(NotFound):
        await books.capture(1, move(BANK, CLEARING, 10))


async def test_the_same_key_returns_the_first_hold_and_other_input_is_refused(books: Books) -> None:
    wallet, named = await funded(books, 100), key()
    first = await books.hold(wallet, 60, named)
    assert (await books.hold(wallet, 60, named)).id == first.id
    await books.void(first.id)
    assert (await books.hold(wallet, 60, named)).state == "voided"
    with pytest.raises(ledger.IdempotencyKeyReused):
        await books.hold(wallet, 61, named)
    with pytest.raises(ledger.IdempotencyKeyReused):
        await books.post(move(BANK, wallet, 60, named))


@pytest.mark.parametrize("paise", [0, -5])
async def test_only_an_amount_above_zero_is_held(books: Books, paise: int) -> None:
    with pytest.raises(ledger.BadPosting) as refused:
        await books.hold(await funded(books, 100), paise)
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("/amount", "bad_amount")]


async def test_a_hold_is_in_the_accounts_unit_has_a_zone_and_keeps_what_is_known_of_it(books: Books) -> None:
    wallet = await funded(books, 100)
    async with books.transaction() as session:
        with pytest.raises(ledger.BadPosting) as refused:
            await ledger.hold(
                session, key=key(), account=wallet, amount=Money(5, "USD"), expires_at=datetime(2030, 1, 1)  # noqa: DTZ001
            )  # fmt: skip
        assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [
            ("/amount", "wrong_unit"), ("/expires_at", "naive")
        ]  # fmt: skip
        held = await ledger.hold(session, key=key(), account=wallet, amount=rupees(5), metadata={"payout": "po_1"})
    assert held.metadata == {"payout": "po_1"}


async def test_holds_expire_when_their_time_is_over_and_not_before(books: Books) -> None:
    wallet, start = await funded(books, 100), datetime(2026, 6, 1, tzinfo=UTC)
    async with books.transaction() as session:
        soon = await ledger.hold(
            session, key=key(), account=wallet, amount=rupees(10), expires_at=start + timedelta(minutes=1)
        )
        await ledger.hold(session, key=key(), account=wallet, amount=rupees(20), expires_at=start + timedelta(hours=1))
        await ledger.hold(session, key=key(), account=wallet, amount=rupees(30))
    with clock.held(start) as now:
        async with books.transaction() as session:
            assert not await holding.expire(session)
        assert await books.balance(wallet) == (100, 60, 40)
        now.advance(timedelta(minutes=1))
        for _ in range(2):
            async with books.transaction() as session:
                await holding.expire(session)
    assert await books.balance(wallet) == (100, 50, 50)
    with pytest.raises(ledger.HoldEnded):
        await books.void(soon.id)
    with pytest.raises(ledger.HoldEnded):
        await books.capture(soon.id, move(wallet, BANK, 10))


async def test_a_reversal_mirrors_the_legs_and_happens_once(books: Books) -> None:
    wallet, named = person(), key()
    original = await books.fund(wallet, 100)
    async with books.transaction() as session:
        mirror, again = [
            await ledger.reverse(session, original.id, key=named, metadata={"why": "entered twice"}) for _ in range(2)
        ]
    assert (mirror.reverses, mirror.metadata) == (original.id, {"why": "entered twice"})
    assert set(mirror.legs) == {(account, -amount) for account, amount in original.legs}
    assert await books.balance(wallet) == (0, 0, 0)
    assert (again.id, again.replayed) == (mirror.id, True)
    before = await books.everything()
    with pytest.raises(ledger.AlreadyReversed):
        await books.reverse(original.id)
    with pytest.raises(ledger.NotReversible):
        await books.reverse(mirror.id)
    with pytest.raises(NotFound):
        await books.reverse(1)
    assert await books.everything() == before
    async with books.house.database.reading() as session:
        assert (await ledger.transaction(session, original.id)).reversed_by == mirror.id


async def test_a_reversal_does_not_overdraw_either(books: Books) -> None:
    wallet = person()
    original = await books.fund(wallet, 100)
    await books.post(move(wallet, CLEARING, 1))
    with pytest.raises(ledger.InsufficientFunds):
        await books.reverse(original.id)


async def test_a_captured_payout_that_the_bank_sends_back_returns_to_the_balance(books: Books) -> None:
    wallet = await funded(books, 100)
    held = await books.hold(wallet, 60)
    paid = await books.capture(held.id, replace(move(wallet, CLEARING, 60), metadata={"payout": "p1"}))
    await books.reverse(paid.id)
    assert await books.balance(wallet) == (100, 0, 100)
