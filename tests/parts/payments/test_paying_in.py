"""Money that comes in: through the checkout, through webhooks, late, twice, or not at all."""

from datetime import timedelta

import pytest

from tests.parts.payments.till import Till, new_person, rupees
from tillhouse.kernel.errors import Conflict, InvalidInput, NotFound, TransientError
from tillhouse.kernel.work import fire_schedules
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import OrderState, PaymentFacts
from tillhouse.parts.payments.service.settle import settle


async def test_a_deposit_that_the_browser_verifies_is_in_the_wallet_at_once(till: Till) -> None:
    person = new_person()
    order = await till.order(person, "150.00")
    assert order.state == OrderState.PENDING
    paid = await till.verify(await till.pay(order))
    assert paid.state == OrderState.CAPTURED
    assert await till.wallet(person) == "150.00"
    assert await till.house_balance("clearing:razorpay") == "150.00"


async def test_a_deposit_whose_browser_went_away_comes_by_webhook(till: Till) -> None:
    person = new_person()
    order = await till.order(person)
    await till.pay(order)
    await till.quiet()
    assert (await till.see_order(order)).state == OrderState.CAPTURED
    assert await till.wallet(person) == "150.00"


async def test_what_the_gateway_keeps_of_a_payment_is_noted_with_it(till: Till) -> None:
    order = await till.order(new_person(), "1000.00")
    await till.verify(await till.pay(order))
    async with till.house.database.reading() as session:
        (payment,) = await api.payments_of(session, order.id)
    assert payment.fee == rupees("23.60")  # 2 % and the tax on it, as the sandbox's gateway says


async def test_a_deposit_of_which_no_event_arrives_is_found_by_asking(till: Till) -> None:
    person = new_person()
    order = await till.order(person)
    await till.fault("drop", count=100)
    await till.pay(order)
    await till.quiet()
    assert await till.wallet(person) == "0.00"
    await till.pass_time(timedelta(minutes=3))
    assert await till.wallet(person) == "150.00"


async def test_a_failed_payment_moves_nothing_and_can_be_tried_again(till: Till) -> None:
    person = new_person()
    order = await till.order(person)
    await till.pay(order, "failure")
    await till.quiet()
    failed = await till.see_order(order)
    assert (failed.state, failed.failure_code) == (OrderState.FAILED, "payment_failed")
    await till.pay(order)
    await till.quiet()
    assert (await till.see_order(order)).state == OrderState.CAPTURED
    assert await till.wallet(person) == "150.00"


async def test_an_order_that_nobody_pays_expires(till: Till) -> None:
    order = await till.order(new_person())
    await till.pay(order, "abandoned")
    await till.pass_time(timedelta(minutes=40), step=timedelta(minutes=5))
    assert (await till.see_order(order)).state == OrderState.EXPIRED


async def test_a_payment_that_was_reported_failed_and_is_authorised_late_is_booked(till: Till) -> None:
    person = new_person()
    order = await till.order(person)
    await till.pay(order, "late_success", late_after=600)
    await till.quiet()
    assert (await till.see_order(order)).state == OrderState.FAILED
    await till.pass_time(timedelta(minutes=11))
    assert (await till.see_order(order)).state == OrderState.CAPTURED
    assert await till.wallet(person) == "150.00"


async def test_what_is_authorised_after_the_order_expired_is_captured_by_us_and_booked(till: Till) -> None:
    """The bank's yes comes after the automatic capture's period: Razorpay leaves it authorised."""
    person = new_person()
    order = await till.order(person)
    await till.pay(order, "late_success", late_after=3600)
    await till.quiet()
    await till.pass_time(timedelta(minutes=61), step=timedelta(minutes=10))
    assert (await till.see_order(order)).state == OrderState.AUTHORIZED
    assert await till.wallet(person) == "0.00"
    await till.pass_time(timedelta(minutes=3))
    assert (await till.see_order(order)).state == OrderState.CAPTURED
    assert await till.wallet(person) == "150.00"


async def test_the_same_request_makes_the_same_order(till: Till) -> None:
    person = new_person()
    first = await till.order(person, request_key="form-1")
    again = await till.order(person, request_key="form-1")
    assert again == first
    with pytest.raises(Conflict):
        await till.order(person, "151.00", request_key="form-1")


async def test_an_order_whose_making_timed_out_is_found_again_by_its_receipt(till: Till) -> None:
    person = new_person()
    await till.fault("timeout_after", "POST /v1/orders")
    with pytest.raises(TransientError):
        await till.order(person, request_key="form-1")
    order = await till.order(person, request_key="form-1")
    assert order.state == OrderState.PENDING
    found = (await till.outside("GET", "/_sandbox/razorpay/orders")).json()
    assert len(found["items"]) == 1


async def test_an_order_that_the_gateway_cannot_be_asked_for_expires_without_a_payment(till: Till) -> None:
    person = new_person()
    await till.fault("timeout_before", "POST /v1/orders")
    with pytest.raises(TransientError):
        await till.order(person, request_key="form-1")
    await till.pass_time(timedelta(minutes=40), step=timedelta(minutes=5))
    async with till.house.database.reading() as session:
        ((found,), _) = await api.orders_of(session, person)
    assert found.state == OrderState.EXPIRED


async def test_a_request_that_comes_back_too_late_is_told_to_start_again(till: Till) -> None:
    person = new_person()
    await till.fault("timeout_before", "POST /v1/orders")
    with pytest.raises(TransientError):
        await till.order(person, request_key="form-1")
    till.at.advance(timedelta(minutes=40))
    with pytest.raises(Conflict, match="time to pay for this is over"):
        await till.order(person, request_key="form-1")
    assert (await till.outside("GET", "/_sandbox/razorpay/orders")).json()["items"] == []


@pytest.mark.parametrize(
    ("amount", "code"), [("0.99", "too_small"), ("100000.01", "too_large"), ("-5.00", "too_small")]
)
async def test_an_amount_out_of_bounds_is_refused(till: Till, amount: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await till.order(new_person(), amount)
    assert refusal.value.errors[0].code == code


async def test_an_unknown_purpose_is_refused(till: Till) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await till.order(new_person(), purpose="free_lunch")
    assert refusal.value.errors[0].pointer == "/purpose"


async def test_a_payment_that_claims_another_order_is_put_before_a_person(till: Till) -> None:
    person = new_person()
    first = await till.deposit(person, "150.00")
    async with till.house.database.reading() as session:
        (payment,) = await api.payments_of(session, first.id)
    second = await till.order(person)
    claim = PaymentFacts(
        "razorpay", payment.provider_payment_id, second.provider_order_id or "", second.amount, OrderState.CAPTURED
    )
    async with till.house.database.transaction() as session:
        assert await settle(session, claim) == "payment_of_another_order"
    assert await till.exceptions() == [("payment", "payment_of_another_order")]
    assert await till.wallet(person) == "150.00"
    assert (await till.see_order(second)).state == OrderState.PENDING


async def test_two_payments_for_one_order_are_both_booked_and_a_person_is_told(till: Till) -> None:
    """A late yes for the first try, after a second try succeeded: Razorpay holds it authorised; staff captured it."""
    person = new_person()
    order = await till.order(person)
    first = await till.pay(order, "late_success", late_after=60)
    await till.verify(await till.pay(order))
    await till.pass_time(timedelta(minutes=2))
    assert await till.wallet(person) == "150.00"
    payment_id = first["error"]["metadata"]["payment_id"]
    known = till.house.outbound
    await known.send(
        "razorpay", "POST", f"http://sandbox/razorpay/v1/payments/{payment_id}/capture",
        json={"amount": 15000, "currency": "INR"}, auth=("rzp_test_tillhouse", "rzp_test_secret_tillhouse"),
    )  # fmt: skip
    await till.quiet()
    assert await till.wallet(person) == "300.00"
    assert ("payment", "paid_twice") in await till.exceptions()


async def test_a_receipt_says_who_paid_what_and_when(till: Till) -> None:
    person = new_person()
    order = await till.order(person)
    async with till.house.database.reading() as session:
        assert await api.receipt(session, order.id) is None
    await till.verify(await till.pay(order))
    async with till.house.database.reading() as session:
        receipt = await api.receipt(session, order.id, person_id=person)
        with pytest.raises(NotFound):
            await api.receipt(session, order.id, person_id=new_person())
    assert receipt
    assert (receipt.payment.amount, receipt.payment.method) == (rupees("150.00"), "upi")
    assert receipt.payment.fee == rupees("3.54")


async def test_the_checkout_gets_what_it_needs_and_a_paid_order_none(till: Till) -> None:
    order = await till.order(new_person())
    script = api.checkout_of(till.house, order, title="DrivoPay")
    assert script.script_url == "http://sandbox/razorpay/v1/checkout.js"
    assert script.options["order_id"] == order.provider_order_id
    paid = await till.verify(await till.pay(order))
    with pytest.raises(Conflict):
        api.checkout_of(till.house, paid, title="DrivoPay")


async def test_the_janitor_looks_every_minute(till: Till) -> None:
    await fire_schedules(till.house)
    till.at.advance(timedelta(minutes=1))
    assert "payments.look_after" in await fire_schedules(till.house)
