"""The door for providers' events: what is stored, what is put aside; only the provider's own word books money."""

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.parts.payments.till import Till, new_person, with_amount
from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.work import run_due
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import OrderState
from tillhouse.parts.payments.flows.look_after import look_after
from tillhouse.sandbox.webhooks import Delivery

SECRET = b"rzp_test_webhook_secret_tillhouse"


def signed(body: str) -> str:
    return hmac.new(SECRET, body.encode(), hashlib.sha256).hexdigest()


async def paid(till: Till) -> tuple[object, Delivery]:
    """An order that was paid, and its `payment.captured`, which nobody has delivered."""
    order = await till.order(new_person())
    await till.pay(order)
    (captured,) = till.webhooks("payment.captured")
    return order, captured


async def test_a_tampered_event_is_refused_and_nothing_changes(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    (event,) = till.webhooks("payment.captured")
    assert await till.deliver(event, body=event.body + " ") == 403
    assert await till.deliver(event, signature="0" * 64) == 403
    assert await till.deliver(event, signature="é" * 10) == 403
    assert await till.parked() == []
    assert await till.wallet(person) == "0.00"


async def test_an_event_over_another_amount_is_put_aside_however_well_it_is_signed(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    (event,) = till.webhooks("payment.captured")
    body = with_amount(event.body, 1_500_000)
    assert await till.deliver(event, body=body, signature=signed(body)) == 200
    await run(till)
    assert await till.parked() == ["foreign_amount"]
    assert await till.wallet(person) == "0.00"


async def test_a_signed_event_that_no_table_could_hold_is_refused(till: Till) -> None:
    _, event = await paid(till)
    too_much = with_amount(event.body, 10**30)
    assert await till.deliver(event, body=too_much, signature=signed(too_much)) == 403
    assert await till.deliver(event, event_id="x" * 4000) == 403
    with_nul = event.body.replace("pay_", "pay_\\u0000")
    assert await till.deliver(event, body=with_nul, signature=signed(with_nul)) == 403
    assert await till.parked() == []


async def test_an_event_in_another_currency_is_put_aside(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    (event,) = till.webhooks("payment.captured")
    body = with_amount(event.body, 15_000, "USD")
    assert await till.deliver(event, body=body, signature=signed(body)) == 200
    await run(till)
    assert await till.parked() == ["foreign_currency"]
    assert await till.wallet(person) == "0.00"


async def test_a_payment_that_the_gateway_itself_says_was_over_another_amount_is_never_credited(till: Till) -> None:
    person = new_person()
    order = await till.order(person)
    await till.pay(order, amount=14_900)
    await till.quiet()
    await till.pass_time(timedelta(minutes=6))
    assert await till.wallet(person) == "0.00"
    assert (await till.see_order(order)).state == OrderState.PENDING
    assert ("payment", "foreign_amount") in await till.exceptions()


async def test_events_about_an_order_that_is_not_ours_are_put_aside(till: Till) -> None:
    """Another shop on the same account: the gateway is asked, and names no order of ours either."""
    wish = {"amount": 15_000, "currency": "INR", "receipt": "another shop's"}
    made = await till.house.outbound.send(
        "razorpay", "POST", "http://sandbox/razorpay/v1/orders", json=wish,
        auth=("rzp_test_tillhouse", "rzp_test_secret_tillhouse"),
    )  # fmt: skip
    await till.outside("POST", f"/_sandbox/razorpay/orders/{json.loads(made.body)['id']}/pay", {})
    for event in till.webhooks():
        assert await till.deliver(event) == 200
    await run(till)
    assert set(await till.parked()) == {"unknown_order"}
    assert await till.house_balance("clearing:razorpay") == "0.00"


async def test_what_an_event_says_of_the_order_is_a_hint_and_the_gateways_word_counts(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    (event,) = till.webhooks("payment.captured")
    document = json.loads(event.body)
    document["payload"]["payment"]["entity"] |= {"order_id": "order_NotOneOfOurs", "notes": []}
    body = json.dumps(document)
    assert await till.deliver(event, body=body, signature=signed(body)) == 200
    await run(till)
    assert (await till.parked(), await till.wallet(person)) == ([], "150.00")


async def test_a_payment_of_one_order_does_not_pay_another(till: Till) -> None:
    first, second = await till.order(new_person()), await till.order(victim := new_person())
    await till.pay(first)
    (event,) = till.webhooks("payment.captured")
    document = json.loads(event.body)
    document["payload"]["payment"]["entity"]["order_id"] = second.provider_order_id
    body = json.dumps(document)
    assert await till.deliver(event, body=body, signature=signed(body)) == 200
    await run(till)
    assert await till.parked() == ["payment_of_another_order"]
    assert await till.wallet(victim) == "0.00"


async def test_an_invented_payment_is_put_aside(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    (event,) = till.webhooks("payment.captured")
    document = json.loads(event.body)
    document["payload"]["payment"]["entity"]["id"] = "pay_InventedByMe00"
    body = json.dumps(document)
    assert await till.deliver(event, body=body, signature=signed(body)) == 200
    await run(till)
    assert await till.parked() == ["not_known_to_provider"]
    assert await till.wallet(person) == "0.00"


async def test_the_same_event_again_changes_nothing(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    (event,) = till.webhooks("payment.captured")
    for _ in range(3):
        assert await till.deliver(event) == 200
    async with till.house.database.reading() as session:
        jobs = await session.scalar(text("SELECT count(*) FROM kernel.jobs WHERE name = 'payments.handle_event'"))
    assert jobs == 1
    await run(till)
    assert await till.wallet(person) == "150.00"
    assert await till.parked() == []


async def test_the_same_id_with_another_body_is_put_aside(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    first, second = till.webhooks("payment.authorized", "payment.captured")
    assert await till.deliver(first) == 200
    for _ in range(2):
        assert await till.deliver(second, event_id=first.event_id) == 200
    await run(till)
    assert await till.parked() == ["id_used_for_another_body"]
    assert await till.exceptions() == [("event", "id_used_for_another_body")]
    assert await till.wallet(person) == "150.00"


async def test_what_came_under_a_used_id_is_not_replayed_since_nobody_knows_what_it_is(till: Till) -> None:
    await till.pay(await till.order(new_person()))
    first, second = till.webhooks("payment.authorized", "payment.captured")
    await till.deliver(first)
    await till.deliver(second, event_id=first.event_id)
    async with till.house.database.reading() as session:
        (parked,), _ = await api.events(session, state="parked")
    with pytest.raises(Conflict, match="Another event came under this id before"):
        async with till.house.database.transaction() as session:
            await api.replay_event(session, parked.id)
    assert await till.parked() == ["id_used_for_another_body"]


async def test_an_event_that_waited_too_long_and_is_replayed_is_no_longer_before_a_person(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    (event,) = till.webhooks("payment.captured")
    assert await till.deliver(event) == 200
    till.at.advance(timedelta(days=3))
    await look_after(till.house)
    assert ("event", "unhandled_too_long") in await till.exceptions()
    async with till.house.database.transaction() as session:
        (waiting,), _ = await api.events(session, state="received")
        await api.replay_event(session, waiting.id)
        left = [one.reason for one in await api.exceptions(session)]
    assert "unhandled_too_long" not in left
    await run(till)
    assert await till.wallet(person) == "150.00"


async def test_a_body_replayed_under_another_id_is_put_aside(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    (event,) = till.webhooks("payment.captured")
    assert await till.deliver(event) == 200
    assert await till.deliver(event, event_id="evt_another") == 200
    await run(till)
    assert await till.parked() == ["replayed_under_another_id"]
    assert await till.wallet(person) == "150.00"


async def test_events_about_nothing_of_ours_are_taken_and_left(till: Till) -> None:
    _, event = await paid(till)
    body = json.dumps({"entity": "event", "event": "payout.downtime.started", "contains": [], "payload": {}})
    assert await till.deliver(event, body=body, signature=signed(body)) == 200
    listed = json.dumps({"entity": "event", "event": "odd.one", "contains": [], "payload": []})
    assert await till.deliver(event, body=listed, signature=signed(listed), event_id="evt_odd") == 200
    await run(till)
    assert await till.parked() == []


async def test_what_is_signed_but_no_event_is_refused(till: Till) -> None:
    _, event = await paid(till)
    for body in ("", "[]", "{}", "null", '{"event": 7}'):
        assert await till.deliver(event, body=body, signature=signed(body)) == 403


async def test_events_that_cannot_be_looked_up_now_are_handled_later(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    await till.fault("status_500", "GET /v1/payments", count=3)
    for event in till.webhooks("payment.captured"):
        assert await till.deliver(event) == 200
    await run(till)
    assert await till.wallet(person) == "0.00"
    await till.pass_time(timedelta(minutes=2), step=timedelta(seconds=10))
    assert await till.wallet(person) == "150.00"


@pytest.mark.parametrize("provider", ["paypal", "razorpayy", "RAZORPAY"])
async def test_a_provider_that_is_not_installed_is_not_found(till: Till, provider: str) -> None:
    _, event = await paid(till)
    event.url = f"http://testserver/api/v1/payments/webhook/{provider}"
    assert await till.deliver(event) == 404


async def test_the_short_address_is_the_gateways(till: Till) -> None:
    person = new_person()
    await till.pay(await till.order(person))
    (event,) = till.webhooks("payment.captured")
    event.url = "http://testserver/api/v1/payments/webhook"
    assert await till.deliver(event) == 200
    await run(till)
    assert await till.wallet(person) == "150.00"


async def run(till: Till) -> None:
    """The jobs, without the webhooks that are still outside."""
    await run_due(till.house)
