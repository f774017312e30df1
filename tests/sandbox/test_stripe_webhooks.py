"""Stripe's events as webhooks: signed, retried for three days, and spoilt on demand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.conftest import Receiver
from tests.sandbox.stripe_shop import Shop, open_shop
from tillhouse.sandbox.clock import ManualClock

HOUR = 3600


def types(receiver: Receiver) -> list[str]:
    return [json.loads(taken.body)["type"] for taken in receiver.taken]


def events(shop: Shop, receiver: Receiver, number: int) -> list[Any]:
    """The first `number` webhooks, as the official SDK reads them."""
    assert all(receiver.arrived.acquire(timeout=20) for _ in range(number))
    secret = shop.settings.stripe_webhook_secret
    return [
        stripe.Webhook.construct_event(taken.body, taken.headers["stripe-signature"], secret)
        for taken in receiver.taken
    ]


def test_the_official_sdk_accepts_the_signature_and_finds_the_event_again(shop: Shop, receiver: Receiver) -> None:
    intent = shop.client.v1.payment_intents.create({"amount": 1_000, "currency": "usd"}, {"idempotency_key": "k-1"})
    event = events(shop, receiver, 1)[0]
    assert receiver.taken[0].path == "/api/v1/payments/webhook/stripe"
    assert (event.type, event.data.object.id, event.livemode) == ("payment_intent.created", intent.id, False)
    assert (event.request.idempotency_key, event.api_version) == ("k-1", "2026-10-28.endive")
    assert shop.client.v1.events.retrieve(event.id).data.object.id == intent.id
    assert [e.id for e in shop.client.v1.events.list({"type": "payment_intent.created"}).data] == [event.id]
    assert shop.client.v1.events.list({"types": ["payout.paid"]}).data == []
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(
            receiver.taken[0].body + b" ", receiver.taken[0].headers["stripe-signature"], "whsec_tillhouse"
        )


@pytest.fixture
def rotating(receiver: Receiver, clock: ManualClock) -> Iterator[Shop]:
    connect = {"stripe_connect_webhook_secret": "whsec_connect"}
    with open_shop(receiver, clock, stripe_webhook_old_secret="whsec_old", **connect) as shop:
        yield shop


def test_while_a_secret_is_rotated_both_are_right_and_connect_has_its_own(rotating: Shop, receiver: Receiver) -> None:
    rotating.client.v1.customers.create({})
    account = rotating.client.v1.accounts.create({"type": "express", "country": "US"})
    assert all(receiver.arrived.acquire(timeout=20) for _ in range(2))
    for taken in receiver.taken:
        connected = "account" in json.loads(taken.body)
        for secret in ["whsec_connect"] if connected else ["whsec_tillhouse", "whsec_old"]:
            event = stripe.Webhook.construct_event(taken.body, taken.headers["stripe-signature"], secret)
            assert event.account == account.id if connected else event.type == "customer.created"


@pytest.mark.parametrize("status", [500, 302])
def test_a_refused_webhook_comes_back_signed_anew_for_three_days(
    shop: Shop, receiver: Receiver, clock: ManualClock, status: int
) -> None:
    receiver.status = status
    started = clock.at_ms
    shop.client.v1.customers.create({})
    assert receiver.arrived.acquire(timeout=20)
    while (due := shop.sandbox.world.store.next_due()) is not None:
        clock.at_ms = due
        shop.after(0)
    age = (clock.at_ms - started) / 1000 * shop.settings.clock_scale
    assert 24 * HOUR < age <= 72 * HOUR
    assert len({taken.body for taken in receiver.taken}) == 1
    times = [taken.headers["stripe-signature"].split(",")[0] for taken in receiver.taken]
    assert len(set(times)) == len(times) > 5
    receiver.status = 200
    shop.client.v1.customers.create({})
    shop.after(0)
    assert types(receiver)[-1] == "customer.created"


def test_duplicate_reorder_and_drop(shop: Shop, receiver: Receiver) -> None:
    shop.fault("duplicate", path="charge.succeeded")
    shop.fault("drop", path="payment_intent.created")
    shop.paid()
    shop.after(0)
    got = types(receiver)
    assert sorted(got) == ["charge.succeeded", "charge.succeeded", "payment_intent.succeeded"]
    copies = [json.loads(taken.body)["id"] for taken in receiver.taken if b'"charge.succeeded"' in taken.body]
    assert len(set(copies)) == 1
    shop.fault("reorder", path="payment_intent.created")
    shop.paid()
    shop.after(0)
    later = types(receiver)[len(got) :]
    assert later.index("payment_intent.created") > 0
    assert sorted(later) == ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"]


def test_tamper_breaks_the_signature_and_amount_off_does_not(shop: Shop, receiver: Receiver) -> None:
    shop.fault("tamper", path="charge.succeeded")
    shop.fault("amount_off", path="payment_intent.succeeded")
    shop.paid(10_000)
    shop.after(0)
    taken = {json.loads(taken.body)["type"]: taken for taken in receiver.taken}
    with pytest.raises(stripe.SignatureVerificationError):
        spoilt = taken["charge.succeeded"]
        stripe.Webhook.construct_event(spoilt.body, spoilt.headers["stripe-signature"], "whsec_tillhouse")
    off = taken["payment_intent.succeeded"]
    event: Any = stripe.Webhook.construct_event(off.body, off.headers["stripe-signature"], "whsec_tillhouse")
    assert (event.data.object.amount, event.data.object.amount_received) == (10_100, 10_100)


def test_an_event_is_sent_again_as_it_was_or_under_another_id(shop: Shop, receiver: Receiver) -> None:
    shop.client.v1.customers.create({})
    event = events(shop, receiver, 1)[0]
    shop.act(f"events/{event.id}/resend")
    delivery = httpx.get(f"{shop.url}/_sandbox/webhooks").json()["items"][0]
    httpx.post(f"{shop.url}/_sandbox/webhooks/{delivery['id']}/redeliver", params={"as_new_event": True})
    again, another = events(shop, receiver, 2)[1:]
    assert again.id == event.id != another.id
    assert another.data.object == event.data.object


def test_an_event_of_any_content_is_signed_rightly(shop: Shop, receiver: Receiver) -> None:
    body = {"provider": "stripe", "event": "payment_intent.succeeded", "payload": {"id": "pi_none", "amount": 1}}
    assert httpx.post(f"{shop.url}/_sandbox/webhooks", json=body).status_code == 201
    event = events(shop, receiver, 1)[0]
    assert (event.type, event.data.object.id) == ("payment_intent.succeeded", "pi_none")


def test_a_sandbox_that_dies_forgets_nothing_it_answered(
    receiver: Receiver, clock: ManualClock, tmp_path: Path
) -> None:
    with open_shop(receiver, clock, state=str(tmp_path / "sandbox.db")) as before:
        session = before.session()
        key: Any = {"idempotency_key": "k-1"}
        customer = before.client.v1.customers.create({"name": "Asha"}, key)
        slow = before.session()
        before.act(f"checkout_sessions/{slow.id}/pay", outcome="async_success")
    with open_shop(receiver, clock, state=str(tmp_path / "sandbox.db")) as after:
        assert after.client.v1.customers.create({"name": "Asha"}, key).id == customer.id
        after.act(f"checkout_sessions/{session.id}/pay")
        after.after(5 * 24 * HOUR)
        for paid in (session, slow):
            assert after.client.v1.checkout.sessions.retrieve(paid.id).payment_status == "paid"
