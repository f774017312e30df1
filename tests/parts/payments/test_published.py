"""What the outside hears of payments: ids, amounts, and the state that the event is about."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.parts.payments.till import Till, new_person, rupees
from tests.registry import put_in_place
from tillhouse.kernel.access import Principal
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.publishing import PublishedEvent
from tillhouse.parts.channels.domain.destinations import Rules
from tillhouse.parts.channels.ports import WebhookNetwork
from tillhouse.parts.channels.service import endpoints
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import DisputeFacts, DisputeState, Vpa
from tillhouse.parts.payments.service.disputes import settle_dispute
from tillhouse.parts.payments.service.published import PUBLISHED

KEPT_TO_OURSELVES = ("asha", "rao", "success@", "failure@", "reversed@", "okbank", "contact", "email", "vpa", "utr")


class Ear:
    """An integrator who listens."""

    def __init__(self, till: Till) -> None:
        self.till, self.heard = till, list[dict[str, Any]]()
        till.house.outbound._client._mounts[httpx._utils.URLPattern("https://8.8.8.8")] = self.Way(self)
        guarded = WebhookNetwork(Rules(guarded=True), self.resolve)
        put_in_place(till.house, lambda thing: isinstance(thing, WebhookNetwork), guarded)

    class Way(httpx.AsyncBaseTransport):
        def __init__(self, ear: "Ear") -> None:
            self.ear = ear

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.ear.heard.append(json.loads(request.content))
            return httpx.Response(200, stream=httpx.ByteStream(b""))

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        return ["8.8.8.8"]

    async def listen(self) -> None:
        async with self.till.house.database.transaction() as session:
            await endpoints.create(session, Principal("person"), "https://example.com/hooks", ["*"])

    def types(self) -> list[str]:
        return [one["type"] for one in self.heard]


@pytest.fixture
async def ear(till: Till) -> Ear:
    found = Ear(till)
    await found.listen()
    return found


async def test_money_that_came_in_is_told_once_whoever_brought_the_news(till: Till, ear: Ear) -> None:
    person = new_person()
    order = await till.order(person, "150.00")
    await till.verify(await till.pay(order))
    await till.quiet()
    (heard,) = ear.heard
    assert heard["type"] == "payment.captured"
    data = heard["data"]
    assert UUID(data.pop("id"))
    assert data.pop("provider_payment_id").startswith("pay_")
    assert data == {
        "object": "payment",
        "status": "captured",
        "amount": "150.00",
        "currency": "INR",
        "order_id": str(order.id),
        "purpose": "wallet_deposit",
        "reference": None,
        "owner": {"kind": "person", "id": str(person)},
        "provider": "razorpay",
        "read": f"http://testserver/api/v1/payments/status/{order.id}",
    }


async def test_a_try_that_failed_is_told(till: Till, ear: Ear) -> None:
    await till.pay(await till.order(new_person()), "failure")
    await till.quiet()
    assert ear.types() == ["payment.failed"]


@pytest.mark.parametrize(
    ("to", "types"),
    [
        ("success@razorpay", ["payout.requested", "payout.processed"]),
        ("failure@razorpay", ["payout.requested", "payout.failed"]),
        ("reversed@razorpay", ["payout.requested", "payout.processed", "payout.reversed"]),
    ],
)
async def test_each_step_of_a_withdrawal_is_told_with_the_state_it_is_about(
    till: Till, ear: Ear, to: str, types: list[str]
) -> None:
    person = new_person()
    await till.deposit(person, "100.00")
    ear.heard.clear()
    await till.withdraw(person, to=Vpa(to))
    for seconds in (0, 200, 700):
        till.sandbox_clock.advance(seconds)
        await till.quiet()
    assert ear.types() == types
    assert [f"payout.{one['data']['status']}" for one in ear.heard] == types
    assert len({one["data"]["id"] for one in ear.heard}) == 1
    assert [one["timestamp"] for one in ear.heard] == sorted(one["timestamp"] for one in ear.heard)


async def test_each_step_of_a_refund_is_told(till: Till, ear: Ear) -> None:
    order = await till.deposit(new_person(), "150.00")
    async with till.house.database.transaction() as session:
        (payment,) = await api.payments_of(session, order.id)
        money = rupees("50.00")
        refund = await api.start_refund(session, payment.id, money, reason="Asha asked", key="k1", by=None)
    ear.heard.clear()
    for seconds in (0, 200):
        till.sandbox_clock.advance(seconds)
        await till.quiet()
    assert ear.types() == ["refund.requested", "refund.processed"]
    requested, processed = (one["data"] for one in ear.heard)
    assert requested["provider_refund_id"] is None or requested == processed | {"status": "requested"}
    assert processed.pop("provider_refund_id").startswith("rfnd_")
    assert processed == {
        "object": "refund",
        "id": str(refund.id),
        "status": "processed",
        "amount": "50.00",
        "currency": "INR",
        "payment_id": str(payment.id),
        "order_id": str(order.id),
        "purpose": "wallet_deposit",
        "reference": None,
        "owner": {"kind": "person", "id": str(order.owner_id)},
        "provider": "razorpay",
        "read": f"http://testserver/api/v1/payments/status/{order.id}",
    }


@pytest.mark.parametrize(
    ("end", "part", "lost"),
    [(DisputeState.WON, None, None), (DisputeState.LOST, None, "150.00"), (DisputeState.LOST, 40_00, "40.00")],
)
async def test_a_dispute_and_its_end_are_told(
    till: Till, *, ear: Ear, end: DisputeState, part: int | None, lost: str | None
) -> None:
    order = await till.deposit(new_person(), "150.00")
    async with till.house.database.reading() as session:
        (payment,) = await api.payments_of(session, order.id)
    ear.heard.clear()
    for state in (DisputeState.OPEN, end):
        facts = DisputeFacts(
            "razorpay", "disp_1", payment.provider_payment_id, rupees("150.00"), state, "fraud", lost_part=part
        )
        async with till.house.database.transaction() as session:
            await settle_dispute(session, facts)
        await till.quiet()
    assert ear.types() == ["dispute.opened", f"dispute.{end}"]
    told = ear.heard[1]["data"]
    assert (told["status"], told["amount"], told["payment_id"]) == (end, "150.00", str(payment.id))
    assert (ear.heard[0]["data"]["lost"], told["lost"]) == (None, lost)
    assert (told["provider_dispute_id"], told["respond_by"], told["order_id"]) == ("disp_1", None, str(order.id))


async def test_what_was_forgotten_meanwhile_is_not_told(till: Till) -> None:
    async with till.house.database.reading() as session:
        for published in PUBLISHED:
            (field,) = published.event.__dataclass_fields__
            assert await published.render(session, published.event(**{field: new_id()})) is None, published.type


async def test_a_payload_that_is_made_late_still_tells_the_state_of_its_event(till: Till) -> None:
    captured = next(one for one in PUBLISHED if one.type == "payment.captured")
    person = new_person()
    order = await till.deposit(person, "150.00")
    async with till.house.database.transaction() as session:
        (payment,) = await api.payments_of(session, order.id)
        await api.start_refund(session, payment.id, None, reason="changed their mind", key="k1", by=None)
    await till.quiet()
    till.sandbox_clock.advance(10 * 24 * 3600)
    await till.quiet()
    payment_id = payment.id
    async with till.house.database.reading() as session:
        assert [one.state for one in await api.payments_of(session, order.id)] == ["refunded"]
        data = await captured.render(session, captured.event(payment_id=payment_id))
    assert data
    assert (data["status"], data["order_id"]) == ("captured", str(order.id))


async def test_no_payload_names_a_person_or_where_they_bank(till: Till, ear: Ear) -> None:
    person = new_person()
    await till.deposit(person, "100.00")
    await till.withdraw(person)
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    told = json.dumps(ear.heard).lower()
    assert len(ear.heard) >= 3
    assert [word for word in KEPT_TO_OURSELVES if f'"{word}' in told or f"{word}@" in told] == []
    assert "razorpay@" not in told


async def test_every_type_is_told_apart(till: Till) -> None:
    types = [one.type for one in till.house.provided(PublishedEvent)]
    assert len(types) == len(set(types))
    assert set(types) >= {
        "payment.captured", "payment.failed", "payout.requested", "payout.processed", "payout.failed",
        "payout.reversed", "refund.requested", "refund.processed", "refund.failed", "dispute.opened", "dispute.lost",
        "dispute.won",
    }  # fmt: skip
