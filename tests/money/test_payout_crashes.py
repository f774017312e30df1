"""Killed between every two steps of a withdrawal, and started again: paid out once, nothing left undone."""

from contextlib import suppress

import pytest

from tests.parts.payments.crashes import Killed, killed_at
from tests.parts.payments.till import Till, new_person
from tillhouse.parts.payments.domain import Destination, PayoutState, Vpa

MOST_STEPS = 200

ENDS = [
    (Vpa("success@razorpay"), PayoutState.PROCESSED, "0.00"),
    (Vpa("failure@razorpay"), PayoutState.FAILED, "100.00"),
    (Vpa("reversed@razorpay"), PayoutState.REVERSED, "100.00"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("to", "end", "left"), ENDS, ids=[end for _, end, _ in ENDS])
async def test_killed_anywhere_in_a_withdrawal(till: Till, to: Destination, end: PayoutState, left: str) -> None:
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        person = new_person()
        await till.deposit(person, "100.00")
        with suppress(Killed), killed_at(till.house, kill_at) as steps:
            await till.withdraw(person, to=to, key="form")
            await till.quiet()
            till.sandbox_clock.advance(200)
            await till.quiet()
            till.sandbox_clock.advance(700)
            await till.quiet()
        payout = await till.withdraw(person, to=to, key="form")  # the person comes back and sends the same form
        await till.restart()
        step = steps.passed[-1]
        assert (await till.see_payout(payout)).state == end, step
        assert (await till.wallet(person), await till.available(person)) == (left, left), step
        sent = [found for found in till.payouts_outside() if found["reference_id"] == str(payout.id)]
        assert len(sent) == 1, step
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 20
