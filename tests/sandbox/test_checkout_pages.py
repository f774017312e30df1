"""The pay page as a person without JavaScript meets it."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.sandbox.test_razorpay_payments import AUTOMATIC, order_of
from tillhouse.sandbox.settings import SandboxSettings

SHOP = "http://127.0.0.1:8000"
VISIT = {"key_id": "rzp_test_tillhouse", "origin": SHOP, "name": "Drivopay", "callback_url": f"{SHOP}/paid"}


async def walk(person: httpx.AsyncClient, order: dict[str, Any], **form: str) -> httpx.Response:
    return await person.post(
        f"/_sandbox/razorpay/pay/{order['id']}?{urlencode(VISIT)}", data=form, follow_redirects=True
    )


def result_of(page: httpx.Response) -> tuple[str, dict[str, Any]]:
    match = re.search(r'data-event="(\w+)" data-result="([^"]*)"', page.text)
    assert match
    assert f'data-origin="{SHOP}"' in page.text
    result: dict[str, Any] = json.loads(unescape(match[2]))
    return match[1], result


async def test_the_pay_page_names_the_shop_and_the_amount_and_says_it_is_no_real_money(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    order = await order_of(razorpay, amount=12_345_600)
    page = await person.get(f"/_sandbox/razorpay/pay/{order['id']}", params=VISIT)
    assert page.status_code == 200
    for words in ("Drivopay", "₹1,23,456.00", "no real money"):
        assert words in page.text
    policy = page.headers["content-security-policy"]
    assert f"form-action 'self' {SHOP};" in policy
    assert f"frame-ancestors 'self' {SHOP}" in policy


@pytest.mark.parametrize(
    ("form", "event", "reason"),
    [
        ({"step": "upi", "vpa": "success@razorpay"}, "success", None),
        ({"step": "upi", "vpa": "failure@razorpay"}, "failed", "payment_failed"),
        ({"step": "upi", "vpa": "success@razorpay", "outcome": "late_success"}, "failed", "payment_timed_out"),
        ({"step": "otp", "number": "4100 2800 0000 1007", "otp": "1234"}, "success", None),
        ({"step": "otp", "number": "4100 2800 0000 1007", "otp": "123"}, "failed", "payment_failed"),
        ({"step": "otp", "number": "4100280000080001", "otp": "1234"}, "failed", "insufficient_fund"),
        ({"step": "otp", "number": "4100280000060003", "otp": "1234"}, "failed", "card_declined"),
        ({"step": "bank", "bank": "HDFC", "outcome": "success"}, "success", None),
        ({"step": "bank", "bank": "HDFC", "outcome": "failure"}, "failed", "payment_failed"),
    ],
)
async def test_paying_on_the_page_ends_as_the_test_value_says(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, form: dict[str, str], event: str, reason: str | None
) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    page = await walk(person, order, **form)
    assert page.status_code == 200
    seen, result = result_of(page)
    assert seen == event
    assert result.get("error", {}).get("reason") == reason
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
    assert f'action="{SHOP}/paid"' in page.text
    assert ("razorpay_signature" in fields, "error[metadata][payment_id]" in fields) == (not reason, bool(reason))


async def test_card_and_netbanking_ask_once_more(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    order = await order_of(razorpay)
    assert 'name="otp"' in (await walk(person, order, step="card", number="4100 2800 0000 1007")).text
    assert "State Bank of India asks" in (await walk(person, order, step="netbanking", bank="SBIN")).text
    assert (await razorpay.get("/payments")).json()["count"] == 0


@pytest.mark.parametrize("form", [{"step": "card", "number": "4111111111111111"}, {"step": "upi", "vpa": "nobody"}])
async def test_what_is_no_test_value_is_explained_and_nothing_is_paid(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, form: dict[str, str]
) -> None:
    order = await order_of(razorpay)
    page = await walk(person, order, **form)
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    assert (await razorpay.get("/payments")).json()["count"] == 0


async def test_a_paid_order_shows_its_result_again_and_takes_no_second_payment(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC)
    first = result_of(await walk(person, order, step="upi", vpa="success@razorpay"))
    assert result_of(await walk(person, order, step="upi", vpa="success@razorpay")) == first
    page = await person.get(f"/_sandbox/razorpay/pay/{order['id']}", params=VISIT, follow_redirects=True)
    assert result_of(page) == first
    assert (await razorpay.get("/payments")).json()["count"] == 1


async def test_leaving_tells_the_shop(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    order = await order_of(razorpay)
    page = await person.get(f"/_sandbox/razorpay/left/{order['id']}", params=VISIT)
    assert result_of(page) == ("dismissed", {})


async def test_a_stranger_is_neither_called_nor_told(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, settings: SandboxSettings
) -> None:
    order = await order_of(razorpay)
    stranger = {"origin": "https://elsewhere.example", "callback_url": "https://elsewhere.example/x"}
    page = await person.get(f"/_sandbox/razorpay/pay/{order['id']}", params=stranger)
    assert "elsewhere.example" not in page.text + page.headers["content-security-policy"]
    wrong_key = await person.get(f"/_sandbox/razorpay/pay/{order['id']}", params={"key_id": "rzp_test_other"})
    assert wrong_key.status_code == 401


async def test_the_hosted_form_of_checkout_leads_to_the_pay_page(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    order = await order_of(razorpay)
    form = {**VISIT, "order_id": order["id"], "prefill[contact]": "+919000000001"}
    page = await person.post("/razorpay/v1/checkout/embedded", data=form, follow_redirects=True)
    assert page.status_code == 200
    assert page.url.path == f"/_sandbox/razorpay/pay/{order['id']}"
    assert page.url.params["contact"] == "+919000000001"


async def test_the_script_is_served_to_other_origins(person: httpx.AsyncClient) -> None:
    script = await person.get("/razorpay/checkout.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "window.Razorpay" in script.text
