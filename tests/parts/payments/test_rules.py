"""The state machines and what stands beside them, for every sequence of news."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillhouse.kernel.money import Money
from tillhouse.parts.payments.domain import (
    ORDER_MOVES,
    PAYOUT_MOVES,
    OrderState,
    PayoutState,
    mismatch,
    next_order_check,
    next_payout_check,
    order_sentence,
    order_step,
    payout_sentence,
    payout_step,
)
from tillhouse.parts.payments.domain.payouts import HOLDS_MONEY, NEVER_HAPPENED

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PAID = {OrderState.CAPTURED, OrderState.PARTIALLY_REFUNDED, OrderState.REFUNDED, OrderState.DISPUTED}


@given(st.lists(st.sampled_from(OrderState)))
def test_an_order_that_was_paid_is_never_unpaid_again(news: list[OrderState]) -> None:
    state, was_paid = OrderState.CREATED, False
    for wanted in news:
        state = order_step(state, wanted) or state
        was_paid = was_paid or state in PAID
        assert not was_paid or state in PAID


@given(st.lists(st.sampled_from(OrderState)))
def test_news_told_twice_is_news_told_once(news: list[OrderState]) -> None:
    once = twice = OrderState.CREATED
    for wanted in news:
        once = order_step(once, wanted) or once
        for _ in range(2):
            twice = order_step(twice, wanted) or twice
    assert once == twice


@given(st.permutations([OrderState.PENDING, OrderState.AUTHORIZED, OrderState.CAPTURED, OrderState.FAILED]))
def test_in_whatever_order_the_news_comes_a_captured_payment_ends_captured(news: list[OrderState]) -> None:
    state = OrderState.CREATED
    for wanted in news:
        state = order_step(state, wanted) or state
    assert state == OrderState.CAPTURED


@given(st.lists(st.sampled_from(PayoutState)))
def test_the_money_of_a_payout_leaves_at_most_once_and_comes_back_at_most_once(news: list[PayoutState]) -> None:
    state, ends = PayoutState.RESERVED, []
    for wanted in news:
        step = payout_step(state, wanted)
        if step and step not in HOLDS_MONEY:
            ends.append(step)
        state = step or state
    assert len(ends) <= 2
    if len(ends) == 2:
        assert ends == [PayoutState.PROCESSED, PayoutState.REVERSED]


@given(st.lists(st.sampled_from(PayoutState)))
def test_a_payout_that_never_happened_stays_so(news: list[PayoutState]) -> None:
    for end in NEVER_HAPPENED:
        state = end
        for wanted in news:
            state = payout_step(state, wanted) or state
        assert state == end


def test_every_state_has_its_moves_and_its_sentence() -> None:
    assert set(ORDER_MOVES) == set(OrderState)
    assert set(PAYOUT_MOVES) == set(PayoutState)
    assert all(order_sentence(state) for state in OrderState)
    assert all(payout_sentence(state) for state in PayoutState)
    assert all(state not in moves for state, moves in {**ORDER_MOVES}.items())
    assert all(state not in moves for state, moves in {**PAYOUT_MOVES}.items())


def test_every_payout_that_holds_money_has_a_way_to_an_end() -> None:
    for state in HOLDS_MONEY:
        seen, ahead = {state}, [state]
        while ahead:
            for step in PAYOUT_MOVES[ahead.pop()] - seen:
                seen.add(step)
                ahead.append(step)
        assert seen & NEVER_HAPPENED


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=30)))
def test_an_unpaid_order_is_asked_about_later_and_later_until_late_authorisation_is_over(age: timedelta) -> None:
    following = next_order_check(NOW - age, NOW)
    assert following is None if age >= timedelta(days=5) else following and following > NOW


@given(st.sampled_from(PayoutState), st.timedeltas(min_value=timedelta(), max_value=timedelta(days=30)))
def test_a_payout_is_asked_about_until_its_end_is_known(state: PayoutState, age: timedelta) -> None:
    following = next_payout_check(state, NOW - age, NOW)
    if state in HOLDS_MONEY and state != PayoutState.AWAITING_APPROVAL:
        assert following
        assert NOW < following <= NOW + timedelta(hours=12)
    elif state != PayoutState.PROCESSED:
        assert following is None


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (Money(100, "INR"), None),
        (Money(101, "INR"), "foreign_amount"),
        (Money(100, "USD"), "foreign_currency"),
        (Money(1, "XXX"), "foreign_currency"),
    ],
)
def test_a_payment_has_to_be_the_one_that_was_asked_for(found: Money, reason: str | None) -> None:
    assert mismatch(Money(100, "INR"), found) == reason
