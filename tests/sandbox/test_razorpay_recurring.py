"""Razorpay's authorisations to charge later: given while paying, charged a day after, ended by their holder."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import razorpay as sdk  # type: ignore[import-untyped]  # has no stubs

from tests.sandbox.conftest import Receiver
from tests.sandbox.serving import serving
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings

HOUR = 3600
UNTIL = 2_709_971_120
MANDATE = {"max_amount": 15_000_00, "expire_at": UNTIL, "frequency": "as_presented"}
PAYER = {"name": "Asha Rao", "email": "asha@example.com", "contact": "9000090000"}


@pytest.fixture
def settings() -> SandboxSettings:
    return SandboxSettings(clock_scale=1)


@dataclass
class Shop:
    """A merchant at Razorpay, the people who pay there, and time."""

    razorpay: httpx.AsyncClient
    person: httpx.AsyncClient
    sandbox: Sandbox
    clock: ManualClock

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.sandbox.deliver_due()

    async def authorised(self, method: str = "upi") -> dict[str, Any]:
        """A payment by which its payer agreed to be charged later, with the token confirmed."""
        body = {
            "amount": 300_00, "currency": "INR", "customer_id": await customer_of(self.razorpay), "method": method,
            "token": MANDATE, "payment_capture": True,
        }  # fmt: skip
        order = (await self.razorpay.post("/orders", json=body)).json()
        path = f"/_sandbox/razorpay/orders/{order['id']}/pay"
        paid = (await self.person.post(path, json={"vpa": "asha.rao@okbank"})).json()
        await self.pass_time(60)
        found: dict[str, Any] = (await self.razorpay.get(f"/payments/{paid['razorpay_payment_id']}")).json()
        return found


@pytest.fixture
def shop(razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock) -> Shop:
    return Shop(razorpay, person, sandbox, clock)


async def customer_of(razorpay: httpx.AsyncClient) -> str:
    made = await razorpay.post("/customers", json={**PAYER, "fail_existing": "0"})
    assert made.status_code == 200, made.text
    return str(made.json()["id"])


async def charge(razorpay: httpx.AsyncClient, first: dict[str, Any], **changed: Any) -> httpx.Response:
    amount = changed.get("amount", 300_00)
    order = await razorpay.post("/orders", json={"amount": amount, "currency": "INR", "payment_capture": True})
    body = {
        "email": first["email"], "contact": first["contact"], "amount": amount, "currency": "INR",
        "order_id": order.json()["id"], "customer_id": first["customer_id"], "token": first["token_id"],
        "recurring": True, **changed,
    }  # fmt: skip
    return await razorpay.post("/payments/create/recurring", json=body)


async def test_a_customer_is_made_once_for_the_same_address_and_number(razorpay: httpx.AsyncClient) -> None:
    first = await customer_of(razorpay)
    assert await customer_of(razorpay) == first
    again = await razorpay.post("/customers", json=PAYER)
    assert (again.status_code, again.json()["error"]["description"]) == (
        400,
        "Customer already exists for the merchant",
    )
    nobody = [(await razorpay.post("/customers", json={"name": "Nobody"})).json()["id"] for _ in range(2)]
    assert len({first, *nobody}) == 3
    changed = await razorpay.put(f"/customers/{first}", json={"contact": "9111111111"})
    assert (await razorpay.get(f"/customers/{first}")).json() == changed.json()
    assert (await razorpay.get("/customers")).json()["count"] == 3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"customer_id": "cust_00000000000000"}, "The id provided does not exist"),
        ({"customer_id": None}, "customer id"),
        ({"method": None}, "method"),
        ({"amount": 15_000_01}, "cannot be greater than the token max amount"),
        ({"token": {**MANDATE, "max_amount": 99_999_01}}, "max_amount"),
        ({"token": {**MANDATE, "frequency": "sometimes"}}, "frequency"),
    ],
)
async def test_an_authorisation_that_nobody_could_charge_is_refused(
    razorpay: httpx.AsyncClient, changed: dict[str, Any], said: str
) -> None:
    body = {
        "amount": 300_00, "currency": "INR", "customer_id": await customer_of(razorpay), "method": "upi",
        "token": MANDATE,
    }  # fmt: skip
    refused = await razorpay.post("/orders", json={**body, **changed})
    assert refused.status_code == 400
    assert said in refused.json()["error"]["description"]


@pytest.mark.parametrize("method", ["upi", "card"])
async def test_paying_by_an_authorisation_makes_a_token_that_its_bank_confirms(
    shop: Shop,
    receiver: Receiver,
    method: str,
) -> None:
    paid = await shop.authorised(method)
    assert (paid["status"], paid["method"], paid["customer_id"][:5], paid["token_id"][:6]) == (
        "captured", method, "cust_", "token_",
    )  # fmt: skip
    path = f"/customers/{paid['customer_id']}/tokens"
    (token,) = (await shop.razorpay.get(path)).json()["items"]
    assert (await shop.razorpay.get(f"{path}/{paid['token_id']}")).json() == token
    assert (token["max_amount"], token["expired_at"], token["recurring"]) == (15_000_00, UNTIL, True)
    assert token["recurring_details"] == {"status": "confirmed", "failure_reason": None}
    assert "customer_id" not in token
    if method == "upi":
        assert token["vpa"] == {"username": "asha.rao", "handle": "okbank", "name": None}
    else:
        assert (token["card"]["last4"], token["card"]["expiry_year"]) == ("1007", 2039)
    assert "token.confirmed" in receiver.events


async def test_without_the_checkouts_word_a_payment_authorises_nothing(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    body = {
        "amount": 300_00, "currency": "INR", "customer_id": await customer_of(razorpay), "method": "upi",
        "token": MANDATE,
    }  # fmt: skip
    order = (await razorpay.post("/orders", json=body)).json()
    wrong = await person.post(f"/_sandbox/razorpay/orders/{order['id']}/pay", json={"method": "netbanking"})
    assert wrong.status_code == 400
    paid = (await person.post(f"/_sandbox/razorpay/orders/{order['id']}/pay", json={"recurring": False})).json()
    assert (await razorpay.get(f"/payments/{paid['razorpay_payment_id']}")).json()["token_id"] is None


@pytest.mark.parametrize(("method", "hours"), [("upi", 25), ("card", 36)])
async def test_a_debit_happens_a_day_and_more_after_it_was_asked_for(
    shop: Shop,
    method: str,
    hours: int,
) -> None:
    first = await shop.authorised(method)
    begun = await charge(shop.razorpay, first)
    assert begun.status_code == 200, begun.text
    assert ("razorpay_signature" in begun.json()) == (method == "card")
    path = f"/payments/{begun.json()['razorpay_payment_id']}"
    await shop.pass_time(hours * HOUR - 60)
    assert (await shop.razorpay.get(path)).json()["status"] == "created"
    await shop.pass_time(10 * 60)
    done = (await shop.razorpay.get(path)).json()
    assert (done["status"], done["customer_id"], done["token_id"]) == (
        "captured", first["customer_id"], first["token_id"],
    )  # fmt: skip
    assert (await shop.razorpay.get(f"/orders/{done['order_id']}")).json()["status"] == "paid"
    again = await charge(shop.razorpay, first, order_id=done["order_id"])
    assert "already been made" in again.json()["error"]["description"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"amount": 15_000_01}, "Amount exceeds maximum amount allowed"),
        ({"token": "token_00000000000000"}, "The id provided does not exist"),
        ({"customer_id": "cust_00000000000000"}, "The id provided does not exist"),
        ({"recurring": False}, "recurring"),
        ({"contact": None}, "contact"),
    ],
)
async def test_a_charge_that_cannot_be_is_refused_at_once(
    shop: Shop,
    changed: dict[str, Any],
    said: str,
) -> None:
    first = await shop.authorised()
    refused = await charge(shop.razorpay, first, **changed)
    assert refused.status_code == 400
    assert said in refused.json()["error"]["description"]


async def test_its_holder_pauses_resumes_and_cancels_and_a_debit_on_the_way_fails(
    shop: Shop,
    receiver: Receiver,
) -> None:
    first = await shop.authorised()
    begun = (await charge(shop.razorpay, first)).json()["razorpay_payment_id"]
    at = f"/_sandbox/razorpay/tokens/{first['token_id']}"
    assert (await shop.person.post(f"{at}/pause")).json()["recurring_details"]["status"] == "paused"
    assert "paused" in (await charge(shop.razorpay, first)).json()["error"]["description"]
    assert (await shop.person.post(f"{at}/pause")).status_code == 409
    await shop.person.post(f"{at}/confirm")
    await shop.person.post(f"{at}/cancel")
    await shop.pass_time(26 * HOUR)
    failed = (await shop.razorpay.get(f"/payments/{begun}")).json()
    assert (failed["status"], failed["error_reason"]) == ("failed", "mandate_cancelled")
    told = [event for event in receiver.events if event.startswith("token.")]
    assert told == ["token.confirmed", "token.paused", "token.confirmed", "token.cancelled"]


async def test_a_debit_fails_on_demand_and_may_be_decided_at_once(
    shop: Shop,
) -> None:
    first = await shop.authorised()
    await shop.person.post(
        f"/_sandbox/razorpay/tokens/{first['token_id']}/fail_next", json={"reason": "insufficient_funds"}
    )
    seen = []
    for _ in range(2):
        begun = (await charge(shop.razorpay, first)).json()["razorpay_payment_id"]
        decided = (await shop.person.post(f"/_sandbox/razorpay/debits/{begun}/run")).json()
        seen.append((decided["status"], decided["error_reason"]))
    assert seen == [("failed", "insufficient_funds"), ("captured", None)]
    assert (await shop.person.post(f"/_sandbox/razorpay/debits/{begun}/run")).status_code == 400
    shown = await shop.person.get("/_sandbox/razorpay/tokens", headers={"accept": "text/html"})
    assert first["token_id"] in shown.text


async def test_cancelling_ends_it_at_the_bank_and_deleting_forgets_it_here(
    shop: Shop,
) -> None:
    first = await shop.authorised()
    path = f"/customers/{first['customer_id']}/tokens/{first['token_id']}"
    assert (await shop.razorpay.put(f"{path}/cancel")).json() == {"status": "cancellation_initiated"}
    assert (await shop.razorpay.put(f"{path}/cancel")).status_code == 400
    await shop.pass_time(120)
    assert (await shop.razorpay.get(path)).json()["recurring_details"]["status"] == "cancelled"
    assert (await shop.razorpay.delete(path)).json() == {"deleted": True}
    assert (await shop.razorpay.get(path)).status_code == 400


def test_the_official_sdk_runs_with_only_its_address_changed(receiver: Receiver, settings: SandboxSettings) -> None:
    with serving(receiver) as web, serving(create_sandbox(settings.model_copy(update={"web": web}))) as url:
        auth = (settings.razorpay_key_id, settings.razorpay_key_secret)
        client = sdk.Client(auth=auth, base_url=f"{url}/razorpay")
        customer = client.customer.create({**PAYER, "fail_existing": "0"})
        order = client.order.create(
            {"amount": 300_00, "currency": "INR", "customer_id": customer["id"], "method": "card", "token": MANDATE}
        )
        paid = httpx.post(f"{url}/_sandbox/razorpay/orders/{order['id']}/pay", json={}).json()
        first = client.payment.fetch(paid["razorpay_payment_id"])
        (token,) = client.token.all(customer["id"])["items"]
        assert client.token.fetch(customer["id"], first["token_id"])["id"] == token["id"] == first["token_id"]
        httpx.post(f"{url}/_sandbox/razorpay/tokens/{token['id']}/confirm")
        later = client.order.create({"amount": 300_00, "currency": "INR", "payment_capture": True})
        begun = client.payment.createRecurring(
            {
                "email": first["email"], "contact": first["contact"], "amount": 300_00, "currency": "INR",
                "order_id": later["id"], "customer_id": customer["id"], "token": token["id"], "recurring": "1",
            }
        )  # fmt: skip
        assert client.utility.verify_payment_signature(begun)
        httpx.post(f"{url}/_sandbox/razorpay/debits/{begun['razorpay_payment_id']}/run")
        assert client.payment.fetch(begun["razorpay_payment_id"])["status"] == "captured"
        assert client.token.cancel(customer["id"], token["id"]) == {"status": "cancellation_initiated"}
        assert client.token.delete(customer["id"], token["id"]) == {"deleted": True}
