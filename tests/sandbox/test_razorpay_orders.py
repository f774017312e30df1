from typing import Any

import httpx
import pytest

from tillhouse.sandbox.clock import ManualClock


async def test_an_order_has_exactly_the_documented_fields(razorpay: httpx.AsyncClient, clock: ManualClock) -> None:
    response = await razorpay.post("/orders", json={"amount": 50_000, "currency": "INR", "receipt": "r-1"})

    assert response.status_code == 200
    order = response.json()
    assert order.pop("id").startswith("order_")
    assert order == {
        "entity": "order",
        "amount": 50_000,
        "amount_paid": 0,
        "amount_due": 50_000,
        "currency": "INR",
        "receipt": "r-1",
        "offer_id": None,
        "status": "created",
        "attempts": 0,
        "notes": [],
        "created_at": clock.at_ms // 1000,
    }


async def test_notes_are_an_object_when_there_are_some(razorpay: httpx.AsyncClient) -> None:
    order = (await razorpay.post("/orders", json={"amount": 100, "currency": "INR", "notes": {"a": "b"}})).json()
    assert order["notes"] == {"a": "b"}

    patched = await razorpay.patch(f"/orders/{order['id']}", json={"notes": {"a": "c"}})
    assert patched.json()["notes"] == {"a": "c"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"currency": "INR"}, "amount"),
        ({"amount": 99, "currency": "INR"}, "amount"),
        ({"amount": 100.5, "currency": "INR"}, "amount"),
        ({"amount": "100", "currency": "INR"}, "amount"),
        ({"amount": 100, "currency": "XXX"}, "currency"),
        ({"amount": 100, "currency": "INR", "receipt": "r" * 41}, "receipt"),
        ({"amount": 100, "currency": "INR", "surprise": 1}, "surprise"),
        ({"amount": 100, "currency": "INR", "payment": {"capture": "soon"}}, "payment.capture"),
    ],
)
async def test_a_bad_order_is_refused_in_razorpays_words(
    razorpay: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    response = await razorpay.post("/orders", json=body)

    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"code", "description", "field", "source", "step", "reason", "metadata"}
    assert error["code"] == "BAD_REQUEST_ERROR"
    assert error["field"] == field
    assert error["reason"] == "input_validation_failed"
    assert (await razorpay.get("/orders")).json()["count"] == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"amount": null}', '{"amount": 1e400}'])
async def test_what_is_no_order_at_all_is_400(razorpay: httpx.AsyncClient, content: str) -> None:
    response = await razorpay.post("/orders", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "BAD_REQUEST_ERROR"


async def test_a_wrong_key_is_401(razorpay: httpx.AsyncClient) -> None:
    response = await razorpay.get("/orders", auth=("rzp_test_tillhouse", "wrong"))
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "BAD_REQUEST_ERROR"


async def test_an_unknown_id_is_400_and_an_unknown_url_404(razorpay: httpx.AsyncClient) -> None:
    unknown = await razorpay.get("/orders/order_00000000000000")
    assert (unknown.status_code, unknown.json()["error"]["description"]) == (400, "The id provided does not exist")
    assert (await razorpay.get("/nothing")).status_code == 404


async def test_lists_are_collections_newest_first_with_filters(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, clock: ManualClock
) -> None:
    for number in range(3):
        await razorpay.post("/orders", json={"amount": 100, "currency": "INR", "receipt": f"r-{number}"})
        clock.advance(10)
    start = clock.at_ms // 1000 - 30

    everything = (await razorpay.get("/orders")).json()
    assert (everything["entity"], everything["count"]) == ("collection", 3)
    assert [order["receipt"] for order in everything["items"]] == ["r-2", "r-1", "r-0"]
    assert await _receipts(razorpay, receipt="r-1") == ["r-1"]
    assert await _receipts(razorpay, count=1, skip=1) == ["r-1"]
    assert await _receipts(razorpay, **{"from": start + 10, "to": start + 10}) == ["r-1"]

    await person.post(f"/_sandbox/razorpay/orders/{everything['items'][0]['id']}/pay", json={})
    assert await _receipts(razorpay, authorized=1) == ["r-2"]
    assert await _receipts(razorpay, authorized=0) == ["r-1", "r-0"]
    assert (await razorpay.get("/orders", params={"count": 101})).status_code == 400


async def _receipts(razorpay: httpx.AsyncClient, **query: int | str) -> list[str]:
    return [order["receipt"] for order in (await razorpay.get("/orders", params=query)).json()["items"]]
