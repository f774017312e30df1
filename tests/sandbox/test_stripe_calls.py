"""How Stripe is called: keys, versions, forms, idempotency, pages of lists, errors; and its signature's vector."""

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from stripe._encode import _api_encode

from tests.sandbox.stripe_shop import Shop
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.stripe import forms, signing

DAY = 86_400


# --- who calls ------------------------------------------------------------------------------------------------------


def test_the_key_comes_as_bearer_token_or_as_the_user_of_basic(shop: Shop) -> None:
    key, url = shop.settings.stripe_secret_key, f"{shop.url}/stripe/v1/balance"
    assert httpx.get(url, headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert httpx.get(url, auth=(key, "")).status_code == 200
    for headers in ({}, {"Authorization": "Basic !"}, {"Authorization": "Digest x"}):
        assert httpx.get(url, headers=headers).json()["error"]["message"].startswith("You did not provide an API key")


@pytest.mark.parametrize(
    ("key", "error"),
    [("sk_test_wrong_key_1234", stripe.AuthenticationError), ("pk_test_tillhouse", stripe.PermissionError)],
)
def test_a_wrong_key_is_refused_and_not_repeated(shop: Shop, key: str, error: type[stripe.StripeError]) -> None:
    with pytest.raises(error) as refused:
        shop.client_with(key).v1.payment_intents.create({"amount": 1_000, "currency": "usd"})
    assert key not in str(refused.value)
    assert shop.client.v1.payment_intents.list().data == []


def test_every_answer_names_its_request_and_version(shop: Shop) -> None:
    good = shop.post("/v1/customers", "email=a@b.example")
    assert good.headers["request-id"].startswith("req_")
    assert good.headers["stripe-version"] == "2026-10-28.endive"
    older = shop.post("/v1/customers", **{"Stripe-Version": "2024-06-20"})
    assert older.headers["stripe-version"] == "2024-06-20"
    bad = shop.post("/v1/customers", **{"Stripe-Version": "latest"})
    assert (bad.status_code, bad.headers["request-id"] in bad.json()["error"]["request_log_url"]) == (400, True)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/nothing"), ("PUT", "/v1/customers"), ("GET", "/v2/x")])
def test_an_address_that_is_none_is_refused_in_stripes_form(shop: Shop, method: str, path: str) -> None:
    answer = httpx.request(method, f"{shop.url}/stripe{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith(f"Unrecognized request URL ({method}: {path})")


# --- forms ----------------------------------------------------------------------------------------------------------


def test_brackets_nest_and_make_lists() -> None:
    text = "a=1&b[c]=2&b[d][e]=3&l[0][x]=4&l[1][x]=5&s[]=6&s[]=7&empty=&sp=a+b%26c"
    assert forms.parse(text) == {
        "a": "1",
        "b": {"c": "2", "d": {"e": "3"}},
        "l": [{"x": "4"}, {"x": "5"}],
        "s": ["6", "7"],
        "empty": "",
        "sp": "a b&c",
    }


LEAVES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
NAMES = st.text("abcdefgh_", min_size=1, max_size=5)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_what_the_official_sdk_encodes_is_read_back(tree: dict[str, Any]) -> None:
    pairs = list(_api_encode(tree))
    if all(name.count("[") < 9 for name, _ in pairs):
        assert forms.parse(urlencode(pairs)) == tree


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ("currency=usd", "amount", "parameter_missing"),
        ("amount=1.5&currency=usd", "amount", "parameter_invalid_integer"),
        ("amount=1000&currency=usd&colour=red", "colour", "parameter_unknown"),
        ("amount=1000&currency=usd&capture_method=never", "capture_method", None),
        ("amount=1000&currency=", "currency", "parameter_invalid_empty"),
        ("amount=1000&currency=usd&metadata=x&metadata[a]=b", "metadata[a]", None),
        ("amount=1000&currency=usd&metadata[a=b", "metadata[a", None),
        ("amount=1000&currency=usd&payment_method=pm_none", "payment_method", "resource_missing"),
    ],
)
def test_a_bad_parameter_is_named_and_nothing_is_made(shop: Shop, body: str, param: str, code: str | None) -> None:
    error = shop.post("/v1/payment_intents", body).json()["error"]
    assert (error["type"], error["param"], error.get("code")) == ("invalid_request_error", param, code)
    assert shop.client.v1.payment_intents.list().data == []


# --- idempotency ----------------------------------------------------------------------------------------------------


def test_a_key_makes_one_thing_and_its_answer_is_replayed_for_a_day(shop: Shop) -> None:
    body = "amount=1000&currency=usd&metadata[a]=1"
    first = shop.post("/v1/payment_intents", body, **{"Idempotency-Key": "k-1"})
    again = shop.post("/v1/payment_intents", "currency=usd&metadata%5Ba%5D=1&amount=1000", **{"Idempotency-Key": "k-1"})
    assert (again.status_code, again.json()) == (200, first.json())
    assert (again.headers["idempotent-replayed"], "idempotent-replayed" in first.headers) == ("true", False)
    assert again.headers["original-request"] == first.headers["request-id"] != again.headers["request-id"]
    shop.clock.advance(DAY - 1)
    assert shop.post("/v1/payment_intents", body, **{"Idempotency-Key": "k-1"}).json() == first.json()
    assert len(shop.client.v1.payment_intents.list().data) == 1
    shop.clock.advance(1)
    assert shop.post("/v1/payment_intents", body, **{"Idempotency-Key": "k-1"}).json()["id"] != first.json()["id"]


def test_other_parameters_or_another_address_under_the_same_key_are_refused(shop: Shop) -> None:
    params: Any = {"amount": 1_000, "currency": "usd"}
    options: Any = {"idempotency_key": "k-1"}
    shop.client.v1.payment_intents.create(params, options)
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        shop.client.v1.payment_intents.create(params | {"amount": 2_000}, options)
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        shop.client.v1.customers.create({}, options)
    assert len(shop.client.v1.payment_intents.list().data) == 1
    assert shop.client.v1.customers.list().data == []


def test_a_decline_is_replayed_too_and_charges_the_card_once(shop: Shop) -> None:
    answers = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            shop.client.v1.payment_intents.create(
                {
                    "amount": 1_000,
                    "currency": "usd",
                    "payment_method": "pm_card_visa_chargeDeclined",
                    "confirm": True,
                    "return_url": "http://127.0.0.1:9/",
                },
                {"idempotency_key": "k-1"},
            )
        answers.append(refused.value.json_body)
    assert answers[0] == answers[1]
    assert len(shop.client.v1.charges.list().data) == 1


def test_what_was_refused_before_it_started_may_be_mended_under_the_same_key(shop: Shop) -> None:
    key = {"Idempotency-Key": "k-1"}
    assert shop.post("/v1/payment_intents", "currency=usd", **key).status_code == 400
    assert shop.post("/v1/payment_intents", "amount=1000&currency=usd", **key).status_code == 200


def test_the_same_key_twice_at_the_same_time_is_a_conflict(shop: Shop) -> None:
    started, go_on = threading.Event(), threading.Event()
    answers: list[httpx.Response] = []

    def slow_body() -> Iterator[bytes]:
        yield b"amount=1000"
        started.set()
        go_on.wait(20)
        yield b"&currency=usd"

    def first() -> None:
        headers = {"Idempotency-Key": "k-1", "Content-Type": "application/x-www-form-urlencoded"}
        auth = (shop.settings.stripe_secret_key, "")
        answers.append(
            httpx.post(f"{shop.url}/stripe/v1/payment_intents", content=slow_body(), headers=headers, auth=auth)
        )

    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(20)
    conflict = None
    for _ in range(200):
        conflict = shop.post("/v1/payment_intents", "amount=1000&currency=usd", **{"Idempotency-Key": "k-1"})
        if conflict.status_code == 409:
            break
    go_on.set()
    thread.join(20)
    assert conflict is not None
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert [intent.id for intent in shop.client.v1.payment_intents.list().data] == [answers[0].json()["id"]]


def test_the_sdk_retries_by_itself_after_a_fault_and_makes_one_thing(shop: Shop) -> None:
    shop.fault("status_500", path="POST /v1/payment_intents")
    client = shop.client_with(max_network_retries=2)
    client.v1.payment_intents.create({"amount": 1_000, "currency": "usd"})
    assert len(shop.client.v1.payment_intents.list().data) == 1


def test_an_answer_that_broke_off_is_heard_again_under_the_same_key(shop: Shop) -> None:
    shop.fault("cut_stream", path="POST /v1/payment_intents")
    with pytest.raises(stripe.APIConnectionError):
        shop.client.v1.payment_intents.create({"amount": 1_000, "currency": "usd"}, {"idempotency_key": "k-1"})
    heard = shop.client.v1.payment_intents.create({"amount": 1_000, "currency": "usd"}, {"idempotency_key": "k-1"})
    assert [intent.id for intent in shop.client.v1.payment_intents.list().data] == [heard.id]


# --- lists and expansion --------------------------------------------------------------------------------------------


def test_lists_go_forward_and_back_by_cursor(shop: Shop) -> None:
    customers = shop.client.v1.customers
    made = [customers.create({"name": str(number)}).id for number in range(5)][::-1]
    first = customers.list({"limit": 2})
    assert ([c.id for c in first.data], first.has_more) == (made[:2], True)
    second = customers.list({"limit": 2, "starting_after": made[1]})
    assert ([c.id for c in second.data], second.has_more) == (made[2:4], True)
    last = customers.list({"limit": 2, "starting_after": made[3]})
    assert ([c.id for c in last.data], last.has_more) == (made[4:], False)
    back = customers.list({"limit": 2, "ending_before": made[4]})
    assert ([c.id for c in back.data], back.has_more) == (made[2:4], True)
    assert [c.id for c in customers.list({"limit": 2}).auto_paging_iter()] == made


@pytest.mark.parametrize(
    ("query", "param"), [("limit=0", "limit"), ("limit=101", "limit"), ("starting_after=cus_none", "starting_after")]
)
def test_a_page_that_is_none_is_refused(shop: Shop, query: str, param: str) -> None:
    answer = httpx.get(f"{shop.url}/stripe/v1/customers?{query}", auth=(shop.settings.stripe_secret_key, ""))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_lists_are_narrowed_by_time(shop: Shop, clock: ManualClock) -> None:
    customers = shop.client.v1.customers
    old = customers.create({})
    clock.advance(10)
    new = customers.create({})
    assert [c.id for c in customers.list({"created": {"gt": old.created}}).data] == [new.id]
    assert [c.id for c in customers.list({"created": {"lte": old.created}}).data] == [old.id]
    assert [c.id for c in customers.list({"created": new.created}).data] == [new.id]


def test_lists_expand_what_they_hold_and_refuse_what_leads_nowhere(shop: Shop) -> None:
    shop.paid()
    listed: Any = shop.client.v1.payment_intents.list({"expand": ["data.latest_charge.balance_transaction"]})
    assert listed.data[0].latest_charge.balance_transaction.net == 9_680
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        shop.client.v1.payment_intents.list({"expand": ["data.colour"]})


# --- errors and faults ----------------------------------------------------------------------------------------------


def test_what_is_not_there_is_a_404(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent: 'pi_none'") as missing:
        shop.client.v1.payment_intents.retrieve("pi_none")
    assert (missing.value.http_status, missing.value.code, missing.value.param) == (404, "resource_missing", "intent")


@pytest.mark.parametrize(("fault", "error"), [("status_429", stripe.RateLimitError), ("status_500", stripe.APIError)])
def test_a_status_fault_is_the_sdks_own_error_and_does_nothing(
    shop: Shop, fault: str, error: type[stripe.StripeError]
) -> None:
    shop.fault(fault, path="/v1/payment_intents")
    with pytest.raises(error):
        shop.client_with(max_network_retries=0).v1.payment_intents.create({"amount": 1_000, "currency": "usd"})
    assert shop.client.v1.payment_intents.list().data == []


@pytest.mark.parametrize(("fault", "made"), [("timeout_before", 0), ("timeout_after", 1)])
def test_a_held_answer_outlasts_the_clients_patience(shop: Shop, fault: str, made: int) -> None:
    shop.fault(fault, path="POST /v1/payment_intents")
    impatient = shop.client_with(max_network_retries=0, http_client=stripe.RequestsClient(timeout=0.3))
    with pytest.raises(stripe.APIConnectionError):
        impatient.v1.payment_intents.create({"amount": 1_000, "currency": "usd"})
    assert len(shop.client.v1.payment_intents.list().data) == made


# --- webhooks' signature --------------------------------------------------------------------------------------------


def test_the_signature_is_stripes() -> None:
    body = b'{"id":"evt_1","object":"event"}'
    v1 = "74badbae176fbe5058261fff17f3c09a223b3a978c5950a14dc086affd2b3c37"
    assert signing.signature("whsec_demo", 1_700_000_000, body) == v1
    header = signing.signature_header(["whsec_demo", "whsec_old"], 1_700_000_000, body)
    assert header.startswith(f"t=1700000000,v1={v1},v1=")
    for secret in ("whsec_demo", "whsec_old"):
        assert stripe.WebhookSignature.verify_header(body, header, secret)
