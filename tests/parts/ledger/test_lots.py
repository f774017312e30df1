"""Lots of points: where they came from, in which order they go, how they come back, when they end."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.parts.ledger.books import key
from tests.parts.ledger.purse import DAY, START, Purse, member, open_purse, points
from tillhouse.kernel import clock
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.service import lots


@pytest.fixture
async def purse(settings: KernelSettings) -> AsyncIterator[Purse]:
    async with open_purse(settings) as opened:
        yield opened


async def test_the_soonest_to_end_is_spent_first_and_what_never_ends_last(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10)
    await purse.grant(account, 10, days=30)
    await purse.grant(account, 10, days=3)
    await purse.spend(account, 15)
    assert await purse.left(account) == [10, 5, 0]


async def test_priority_comes_before_the_end_and_age_decides_between_equals(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, days=3, priority=2)
    await purse.grant(account, 10, priority=1)
    await purse.grant(account, 10, priority=1)
    await purse.spend(account, 12)
    assert await purse.left(account) == [10, 0, 8]


async def test_a_spend_may_be_of_some_sources_alone(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, source="promotional")
    await purse.grant(account, 10, source="purchased")
    await purse.spend(account, 4, sources=["purchased"])
    assert await purse.left(account) == [10, 6]
    before = await purse.everything()
    with pytest.raises(ledger.InsufficientFunds) as refused:
        await purse.spend(account, 7, sources=["purchased"])
    assert refused.value.available == points(6)
    assert await purse.everything() == before


async def test_a_spend_of_more_than_there_is_changes_nothing(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10)
    before = await purse.everything()
    with pytest.raises(ledger.InsufficientFunds):
        await purse.spend(account, 11)
    assert await purse.everything() == before


async def test_the_same_key_spends_once_even_when_the_points_are_gone_since(purse: Purse) -> None:
    account, named = member(), key()
    await purse.grant(account, 10)
    first = await purse.spend(account, 10, key=named)
    again = await purse.spend(account, 10, key=named)
    assert again.replayed
    assert (again.transaction_id, again.parts) == (first.transaction_id, first.parts)
    assert await purse.left(account) == [0]
    with pytest.raises(ledger.IdempotencyKeyReused):
        await purse.spend(account, 9, key=named)
    with pytest.raises(ledger.IdempotencyKeyReused):
        await purse.spend(account, 10, key=named, sources=["earned"])


async def test_the_same_key_grants_once_and_other_terms_under_it_are_refused(purse: Purse) -> None:
    account, named = member(), key()
    first = await purse.grant(account, 10, key=named, days=1)
    with clock.held(START + 2 * DAY):
        again = await purse.grant(account, 10, key=named, days=1)
    assert (again.id, again.remaining) == (first.id, points(10))
    with pytest.raises(ledger.IdempotencyKeyReused):
        await purse.grant(account, 10, key=named, days=2)
    assert await purse.left(account) == [10]


@pytest.mark.parametrize(
    ("terms", "fault"),
    [
        ({"days": 0}, ("/expires_at", "past")),
        ({"days": -1}, ("/expires_at", "past")),
        ({"expires_at": (START + DAY).replace(tzinfo=None)}, ("/expires_at", "naive")),
        ({"price": Money(-1, "THB")}, ("/price", "bad_amount")),
        ({"amount": 0}, ("/amount", "bad_amount")),
        ({"amount": -5}, ("/amount", "bad_amount")),
    ],
)
async def test_a_lot_that_makes_no_sense_is_not_granted(
    purse: Purse, terms: dict[str, Any], fault: tuple[str, str]
) -> None:
    before = await purse.everything()
    with pytest.raises(ledger.BadPosting) as refused:
        await purse.grant(member(), **{"amount": 5, **terms})
    assert [(one.pointer, one.code) for one in refused.value.errors] == [fault]
    assert await purse.everything() == before


@pytest.mark.parametrize(
    ("amount", "code"), [(Money(5, "INR"), "wrong_unit"), (points(0), "bad_amount"), (points(-3), "bad_amount")]
)
async def test_nothing_is_done_with_an_amount_that_is_none_or_in_another_unit(
    purse: Purse, amount: Money, code: str
) -> None:
    account = member()
    lot, spent = await purse.grant(account, 20), await purse.spend(account, 5)
    held = await purse.reserve(account, 5)
    terms: dict[str, Any] = {"key": key(), "kind": "club.points"}
    before = await purse.everything()
    async with purse.transaction() as session:
        for asked in (
            ledger.grant(session, account, amount, source="earned", **terms),
            ledger.spend(session, account, amount, **terms),
            ledger.refund(session, spent.transaction_id, amount, key=key()),
            ledger.revoke(session, lot.id, amount, **terms),
            ledger.reserve(session, account, amount, key=key()),
            ledger.capture_reserved(session, held.id, amount, **terms),
        ):
            with pytest.raises(ledger.BadPosting) as refused:
                await asked
            assert [(one.pointer, one.code) for one in refused.value.errors] == [("/amount", code)]
    assert await purse.everything() == before


async def test_the_terms_of_a_lot_stand_in_the_transaction_that_granted_it_and_what_a_movement_is_of(
    purse: Purse,
) -> None:
    account = member()
    lot = await purse.grant(account, 10, days=3, price=Money(9_900, "THB"), priority=2, metadata={"order": "A-1042"})
    plain = await purse.grant(account, 10)
    spent = await purse.spend(account, 3, sources=["purchased", "earned"], metadata={"for": "a picture"})
    back, taken = await purse.refund(spent, 1), await purse.revoke(lot, 2)
    numbers = (lot.id, plain.id, spent.transaction_id, back.transaction_id, taken.transaction_id)
    async with purse.house.database.reading() as session:
        said = [(await ledger.transaction(session, number)).metadata for number in numbers]
    terms = {"source": "purchased", "price": "99.00 THB", "expires_at": (START + 3 * DAY).isoformat(), "priority": 2}
    assert said == [
        {"order": "A-1042", "lot": terms},
        {"lot": {"source": "purchased"}},
        {"for": "a picture", "sources": ["earned", "purchased"]},
        {"spend": str(spent.transaction_id)},
        {"lot": str(lot.id)},
    ]


async def test_a_refund_goes_back_to_the_same_lots_the_last_taken_first(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, days=3)
    await purse.grant(account, 10)
    spent = await purse.spend(account, 15)
    await purse.refund(spent, 7)
    assert await purse.left(account) == [2, 10]
    await purse.refund(spent, 8)
    assert await purse.left(account) == [10, 10]


async def test_no_more_is_given_back_than_was_spent(purse: Purse) -> None:
    account, named = member(), key()
    await purse.grant(account, 10)
    spent = await purse.spend(account, 6)
    back = await purse.refund(spent, 4, named)
    before = await purse.everything()
    with pytest.raises(ledger.RefundTooLarge) as refused:
        await purse.refund(spent, 3)
    assert refused.value.refundable == points(2)
    again = await purse.refund(spent, 4, named)
    assert (again.replayed, again.transaction_id) == (True, back.transaction_id)
    assert await purse.everything() == before


async def test_only_a_spend_can_be_refunded(purse: Purse) -> None:
    account = member()
    lot = await purse.grant(account, 10)
    taken = await purse.revoke(lot, 3)
    before = await purse.everything()
    for number in (lot.id, taken.transaction_id, 5):
        with pytest.raises(NotFound):
            async with purse.transaction() as session:
                await ledger.refund(session, number, points(1), key=key())
    assert await purse.everything() == before


async def test_what_has_ended_is_swept_away_and_cannot_be_spent_before_it_is(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, days=3)
    await purse.grant(account, 5)
    with clock.held(START + 3 * DAY):
        with pytest.raises(ledger.InsufficientFunds) as refused:
            await purse.spend(account, 6)
        assert refused.value.available == points(5)
        await purse.expire()
        await purse.expire()
    assert await purse.left(account) == [0, 5]
    assert (await purse.balance(account))[0] == 5
    assert (await purse.balance(ledger.house_account("lots:expired", "PTS")))[0] == 10


async def test_what_is_given_back_to_an_ended_lot_can_be_spent_for_the_days_of_grace(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, days=3)
    spent = await purse.spend(account, 6)
    with clock.held(START + 4 * DAY):
        await purse.refund(spent, 5)  # the 4 that were left have ended: they do not come to life again
        lot = await purse.lot(account)
        assert (lot.remaining, lot.expires_at) == (points(5), START + 11 * DAY)
        await purse.expire()
        await purse.spend(account, 2)
    with clock.held(START + 11 * DAY):
        await purse.expire()
    assert await purse.left(account) == [0]
    async with purse.house.database.reading() as session:
        moved = await ledger.lot_movements(session, lot.id)
    assert [(m.kind, m.amount.minor) for m in moved] == [
        ("spend", -6), ("expire", -4), ("refund", 5), ("spend", -2), ("expire", -3)
    ]  # fmt: skip


async def test_a_refund_over_two_lots_brings_nothing_back_to_life_in_the_one_that_has_ended(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, days=3)
    await purse.grant(account, 10)
    held = await purse.reserve(account, 6)
    spent = await purse.spend(account, 6)  # the 4 that are free of the first, and 2 of the second
    await purse.void(held.id)
    with clock.held(START + 4 * DAY):
        await purse.refund(spent, 3)
        assert await purse.left(account) == [1, 10]


async def test_work_is_reserved_charged_at_its_true_cost_and_the_rest_is_free_again(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, days=3)
    await purse.grant(account, 10)
    held = await purse.reserve(account, 15)
    assert await purse.balance(account) == (20, 15, 5)
    with pytest.raises(ledger.InsufficientFunds):
        await purse.spend(account, 6)
    await purse.spend(account, 5)
    named = key()
    charged = await purse.charge(held, 11, named)
    assert await purse.left(account) == [0, 4]
    assert await purse.balance(account) == (4, 0, 4)
    again = await purse.charge(held, 11, named)
    assert (again.replayed, again.parts) == (True, charged.parts)
    with pytest.raises(ledger.HoldEnded):
        await purse.charge(held, 1)
    await purse.refund(charged, 11)
    assert await purse.left(account) == [10, 5]


async def test_staff_see_which_lots_a_hold_has_reserved_and_a_transaction_has_moved(purse: Purse) -> None:
    account = member()
    first, second = await purse.grant(account, 10), await purse.grant(account, 10, days=3, price=Money(99, "THB"))
    held = await purse.reserve(account, 12)
    charged = await purse.charge(held, 11)
    async with purse.house.database.reading() as session:
        assert await ledger.lots_reserved_by(session, held.id) == [
            ledger.Part(second.id, 10), ledger.Part(first.id, 2)
        ]  # fmt: skip
        moved = await ledger.lots_moved_by(session, charged.transaction_id)
        assert await ledger.lots_moved_by(session, first.id) == []
    assert [(m.kind, m.lot_id, m.amount.minor, m.value) for m in moved] == [
        ("spend", second.id, -10, Money(99, "THB")), ("spend", first.id, -1, None)
    ]  # fmt: skip


async def test_no_more_is_charged_than_was_reserved(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 20)
    held = await purse.reserve(account, 5)
    before = await purse.everything()
    with pytest.raises(ledger.CaptureNotCovered):
        await purse.charge(held, 6)
    assert await purse.everything() == before


async def test_expiry_does_not_take_what_is_reserved_until_it_is_released(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, days=3)
    await purse.grant(account, 100)
    first, second = await purse.reserve(account, 4), await purse.reserve(account, 3)
    with clock.held(START + 3 * DAY):
        await purse.expire()
        assert await purse.left(account) == [7, 100]
        await purse.charge(first, 4)
        assert await purse.left(account) == [3, 100]
        await purse.void(second.id)
        await purse.expire()
    assert await purse.left(account) == [0, 100]


async def test_of_several_lots_that_have_ended_only_those_with_something_free_move(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 5, days=1)
    await purse.grant(account, 10, days=2)
    await purse.reserve(account, 5)
    with clock.held(START + 3 * DAY):
        await purse.expire()
        assert await purse.left(account) == [5, 0]
        reserved = await purse.lot(account)
    async with purse.house.database.reading() as session:
        assert await ledger.lot_movements(session, reserved.id) == []


async def test_the_expiry_says_whether_there_may_be_more(purse: Purse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "_EXPIRED_AT_ONCE", 2)
    for _ in range(3):
        await purse.grant(member(), 5, days=1)
    with clock.held(START + DAY):
        for more in (True, False, False):
            async with purse.transaction() as session:
                assert await lots.expire(session) == more
    async with purse.house.database.reading() as session:
        assert await ledger.lots_by_expiry(session, limit=5) == []


async def test_points_that_cost_nothing_are_worth_nothing(purse: Purse) -> None:
    lot = await purse.grant(member(), 5, price=Money(0, "THB"))
    assert (lot.remaining, lot.price, lot.value) == (points(5), None, None)


async def test_a_reservation_that_ends_by_itself_frees_its_lots(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, days=3)
    await purse.reserve(account, 4, expires_at=START + DAY)
    with clock.held(START + DAY):
        await purse.expire_holds()
        await purse.spend(account, 10)


async def test_the_same_key_reserves_once(purse: Purse) -> None:
    account, named = member(), key()
    await purse.grant(account, 10)
    first = await purse.reserve(account, 8, key=named)
    assert await purse.reserve(account, 8, key=named) == first
    assert await purse.balance(account) == (10, 8, 2)


async def test_a_lot_is_revoked_as_far_as_it_is_unspent(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 50, days=1)
    bought = await purse.grant(account, 10, source="purchased")
    await purse.revoke(bought, 4)
    assert await purse.left(account) == [50, 6]
    before = await purse.everything()
    with pytest.raises(ledger.InsufficientFunds):
        await purse.revoke(bought, 7)
    assert await purse.everything() == before


async def test_a_reservation_may_be_of_some_sources_alone(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, source="promotional")
    await purse.grant(account, 6, source="purchased")
    before = await purse.everything()
    with pytest.raises(ledger.InsufficientFunds) as refused:
        await purse.reserve(account, 7, sources=["purchased"])
    assert refused.value.available == points(6)
    assert await purse.everything() == before
    held = await purse.reserve(account, 5, sources=["purchased"])
    await purse.charge(held, 5)
    assert await purse.left(account) == [10, 1]


async def test_points_come_from_and_go_to_the_account_that_is_named(purse: Purse) -> None:
    account, sales = member(), ledger.house_account("lots:sales", "PTS")
    lot = await purse.grant(account, 10, against=sales)
    await purse.spend(account, 3, against=sales)
    async with purse.transaction() as session:
        terms: dict[str, Any] = {"key": key(), "kind": "club.points", "metadata": {"why": "returned"}}
        taken = await ledger.revoke(session, lot.id, points(2), against=sales, **terms)
        written = await ledger.transaction(session, taken.transaction_id)
    assert written.metadata == {"why": "returned", "lot": str(lot.id)}
    held = await purse.reserve(account, 4)
    async with purse.transaction() as session:
        terms["key"] = key()
        charged = await ledger.capture_reserved(session, held.id, points(1), against=sales, **terms)
        written = await ledger.transaction(session, charged.transaction_id)
    assert (charged.kind, written.metadata) == ("spend", {"why": "returned"})
    assert (await purse.refund(charged, 1)).kind == "refund"
    assert (await purse.balance(sales))[0] == -5
    async with purse.house.database.reading() as session:
        moved = await ledger.balances_of_owner(session, "house", None)
    assert [one.account.code for one in moved if one.account.unit == "PTS"] == ["lots:sales"]


async def test_a_lot_that_never_was_is_not_revoked(purse: Purse) -> None:
    lot = await purse.grant(member(), 5)
    with pytest.raises(NotFound):
        await purse.revoke(replace(lot, id=lot.id + 1), 1)


async def test_bought_earned_and_given_are_told_apart(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 10, source="purchased")
    await purse.grant(account, 20, source="earned", days=9)
    await purse.grant(account, 30, source="promotional", days=9)
    await purse.reserve(account, 5)
    async with purse.house.database.reading() as session:
        summary = await ledger.lots_summary(session, account)
    assert summary.spendable == {"purchased": points(10), "earned": points(15), "promotional": points(30)}
    assert (summary.total, summary.reserved) == (points(55), points(5))
    assert (summary.next_expiry, summary.expiring) == (START + 9 * DAY, points(45))


async def test_what_is_owed_and_what_was_earned_make_the_price_to_the_last_satang(purse: Purse) -> None:
    account = member()
    await purse.grant(account, 7, price=Money(1_000, "THB"), days=5)
    await purse.grant(account, 3, source="promotional")
    spent = await purse.spend(account, 3)
    await purse.refund(spent, 1)
    async with purse.house.database.reading() as session:
        (owed,) = await ledger.lot_value(session, unit="PTS")
    assert (owed.remaining, owed.value) == (points(5), Money(715, "THB"))
    assert (await purse.lot(account)).value == owed.value
    with clock.held(START + 5 * DAY):
        await purse.expire()
    async with purse.house.database.reading() as session:
        assert await ledger.lot_value(session) == []
        revenue = await ledger.lot_revenue(session, since=START, until=clock.now() + 1_000 * DAY)
    assert dict(revenue) == {"spend": Money(428, "THB"), "refund": Money(-143, "THB"), "expire": Money(715, "THB")}


async def test_an_account_with_lots_takes_no_posting_hold_or_reversal_that_does_not_say_which(purse: Purse) -> None:
    account = member()
    lot = await purse.grant(account, 10)
    spent_into = ledger.house_account("lots:spent", "PTS")
    posting = ledger.Posting(
        key=key(),
        kind="club.points",
        legs=[ledger.debit(account, points(1)), ledger.credit(spent_into, points(1))],
    )
    other = await purse.reserve(account, 2)
    before = await purse.everything()
    with pytest.raises(ledger.CarriesLots):
        await purse.post(posting)
    with pytest.raises(ledger.CarriesLots):
        await purse.capture(other.id, posting)
    with pytest.raises(ledger.CarriesLots):
        await purse.reverse(lot.id)
    async with purse.transaction() as session:
        (refused,) = await ledger.post_many(session, [posting])
        assert isinstance(refused, ledger.CarriesLots)
        with pytest.raises(ledger.CarriesLots):
            await ledger.hold(session, key=key(), account=account, amount=points(1))
    with pytest.raises(ledger.CarriesLots):
        await purse.spend(account, 1, against=member())
    assert await purse.everything() == before


async def test_only_an_account_with_lots_is_granted_any(purse: Purse) -> None:
    before = await purse.everything()
    with pytest.raises(ledger.BadPosting) as refused:
        await purse.grant(ledger.house_account("bank", "PTS"), 1)
    assert [(one.pointer, one.code) for one in refused.value.errors] == [("/account", "no_lots")]
    assert await purse.everything() == before


def test_an_account_with_lots_is_a_liability_that_never_goes_below_zero() -> None:
    with pytest.raises(ValueError, match="floor of 0"):
        ledger.AccountKind(owner_kind="person", code="points", type="liability", lots=True, title="Points")
