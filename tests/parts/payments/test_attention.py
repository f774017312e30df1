"""What is counted, and what is put before a person: once, and only when it has happened."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from structlog.testing import CapturedCall, CapturingLogger

from tests.parts.payments.till import Till, new_person
from tillhouse.kernel.db import Session
from tillhouse.parts.payments.domain import Vpa
from tillhouse.parts.payments.ports import Refused
from tillhouse.parts.payments.providers.answers import refusal
from tillhouse.parts.payments.providers.razorpay.gateway import RazorpayGateway
from tillhouse.parts.payments.service import attention

Labels = Mapping[str, str]

COUNTED: list[tuple[Callable[[Session], None], str, Labels]] = [
    (lambda s: attention.count_deposit(s, "omise", "paid"), "deposits", {"provider": "omise", "status": "paid"}),
    (lambda s: attention.count_withdrawal(s, "omise", "sent"), "withdrawals", {"provider": "omise", "status": "sent"}),
    (lambda s: attention.count_review(s, "threshold"), "payout_reviews", {"reason": "threshold"}),
    (
        lambda s: attention.count_check(s, "razorpayx", "verified"),
        "account_checks",
        {"provider": "razorpayx", "state": "verified"},
    ),
    (lambda s: attention.count_refund(s, "omise", "failed"), "refunds", {"provider": "omise", "status": "failed"}),
    (lambda s: attention.count_dispute(s, "stripe", "won"), "disputes", {"provider": "stripe", "status": "won"}),
    (
        lambda s: attention.count_transfer(s, "sepay", "matched"),
        "bank_transfers",
        {"provider": "sepay", "status": "matched"},
    ),
    (
        lambda s: attention.count_event(s, "sepay", "done"),
        "provider_events",
        {"provider": "sepay", "state": "done"},
    ),
    (
        lambda s: attention.count_recon_line(s, "stripe", "missing"),
        "recon_lines",
        {"provider": "stripe", "result": "missing"},
    ),
    (lambda s: attention.count_bank_line(s, "extra"), "bank_lines", {"result": "extra"}),
]


def counted(name: str, labels: Labels) -> float:
    return REGISTRY.get_sample_value(f"{name}_total", dict(labels)) or 0


@pytest.mark.parametrize(("count", "name", "labels"), COUNTED, ids=[name for _, name, _ in COUNTED])
async def test_what_is_committed_is_counted_and_nothing_else(
    till: Till, count: Callable[[Session], None], name: str, labels: Labels
) -> None:
    before = counted(name, labels)
    with pytest.raises(RuntimeError, match="rolled back"):
        async with till.house.database.transaction() as session:
            count(session)
            raise RuntimeError("rolled back")
    assert counted(name, labels) == before
    async with till.house.database.transaction() as session:
        count(session)
        assert counted(name, labels) == before
    assert counted(name, labels) == before + 1


async def test_each_state_that_orders_and_payouts_come_to_is_counted_once(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(name: str, provider: str, *statuses: str) -> list[float]:
        return [counted(name, {"provider": provider, "status": status}) for status in statuses]

    orders = ("deposits", "razorpay", "created", "captured", "failed", "expired")
    payouts = ("withdrawals", "razorpayx", "requested", "processed", "failed", "reversed")
    before = [*seen(*orders), *seen(*payouts)]
    asha = new_person()
    await till.deposit(asha, "500.00")
    await till.order(asha)
    await till.pass_time(timedelta(hours=2), step=timedelta(hours=1))

    async def refuses(_: object, __: object) -> None:
        raise refusal("Razorpay", "BAD_REQUEST_ERROR", "We do not take this payment.")

    with monkeypatch.context() as gone:
        gone.setattr(RazorpayGateway, "create_order", refuses)
        with pytest.raises(Refused):
            await till.order(asha)
    await till.withdraw(asha, "10.00")
    await till.withdraw(asha, "20.00", Vpa("failure@razorpay"))
    await till.withdraw(asha, "30.00", Vpa("reversed@razorpay"))
    await till.pass_time(timedelta(hours=1), step=timedelta(minutes=10))
    after = [*seen(*orders), *seen(*payouts)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [3, 1, 1, 1, 3, 2, 1, 1]


async def test_a_refusal_is_counted_at_once_as_its_transaction_will_not_commit() -> None:
    before = counted("payout_refusals", {"reason": "person_day_total"})
    attention.count_refusal("person_day_total")
    assert counted("payout_refusals", {"reason": "person_day_total"}) == before + 1


async def test_a_thing_is_put_before_a_person_once_and_said_in_the_log_once(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = CapturingLogger()
    monkeypatch.setattr(attention, "_log", said)
    before = counted("payment_exceptions", {"reason": "unknown_order"})
    for _ in range(2):
        async with till.house.database.transaction() as session:
            await attention.look_into(session, "payment", "pay_1", "unknown_order", order="order_9")
    assert counted("payment_exceptions", {"reason": "unknown_order"}) == before + 1
    assert said.calls == [
        CapturedCall(
            "warning", ("payments_exception",), {"kind": "payment", "subject": "pay_1", "reason": "unknown_order"}
        )
    ]
