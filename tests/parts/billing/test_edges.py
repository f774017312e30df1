"""Billing over HTTP and in pages: one journey, who may what, and what others must not see."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from tests.parts.billing.counter import Counter
from tests.parts.documents.reading import text_of
from tests.parts.identity.town import Resident, Town
from tests.parts.payments.till import START, new_person
from tillhouse.kernel import clock
from tillhouse.parts.billing import api
from tillhouse.parts.identity import store
from tillhouse.parts.identity.api import COOKIE
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.models.organisations import MembershipRow
from tillhouse.parts.identity.service import sessions
from tillhouse.parts.payments import api as payments
from tillhouse.parts.payments.domain import Method, OrderState


@pytest.fixture
def town(counter: Counter) -> Town:
    return Town(counter.till.house, counter.till.app, counter.till.sandbox)


async def post(town: Town, who: Resident, path: str, body: object, key: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {who.token}", **({"Idempotency-Key": key} if key else {})}
    transport = httpx.ASGITransport(town.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.post(f"/api/v1{path}", json=body, headers=headers)


async def get(town: Town, path: str, who: Resident | None = None) -> httpx.Response:
    return await town.call("GET", path, token=who.token if who else None)


async def test_a_plan_is_begun_paid_and_cancelled_over_the_api(counter: Counter, town: Town) -> None:
    asha = await town.resident()
    plans = (await get(town, "/subscriptions/plans")).json()
    assert [plan["code"] for plan in plans] == ["desk.one", "shop.small", "shop.large"]
    wanted = {"plan": "shop.small", "currency": "INR", "months": 1}
    assert (await post(town, asha, "/subscriptions", wanted)).status_code == 400
    begun = await post(town, asha, "/subscriptions", wanted, "begin-1")
    again = await post(town, asha, "/subscriptions", wanted, "begin-1")
    assert (begun.status_code, again.json()) == (201, begun.json())
    invoice = begun.json()["invoice"]["id"]
    paying = (await post(town, asha, f"/subscriptions/invoices/{invoice}/pay", {"method": "checkout"}, "pay-1")).json()
    assert paying["pay_url"].startswith("http://testserver/pay/")
    order = await get(town, f"/payments/status/{paying['order_id']}", asha)
    assert order.json()["amount"] == "300.00"
    async with counter.till.house.database.reading() as session:
        view = await payments.order(session, UUID(paying["order_id"]))
    await counter.till.pay(view)
    await counter.till.quiet()
    (mine,) = (await get(town, "/subscriptions/mine", asha)).json()
    assert (mine["status"], mine["plan"]) == ("active", "shop.small")
    assert (await get(town, "/points", asha)).json()["available"] == "100"
    assert (await post(town, asha, "/subscriptions/activate", {"invoice_id": invoice})).json()["status"] == "paid"
    ended = await post(town, asha, f"/subscriptions/{mine['id']}/cancel", {"at_once": False})
    assert ended.json()["ends_at_period_end"] is True
    resumed = await post(town, asha, f"/subscriptions/{mine['id']}/resume", None)
    assert resumed.json()["ends_at_period_end"] is False
    listed = (await get(town, "/subscriptions/invoices", asha)).json()["items"]
    assert [(one["id"], one["tax"], one["tax_name"]) for one in listed] == [(invoice, "45.76", "GST")]


async def test_what_is_ashas_is_not_there_for_ravi(counter: Counter, town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    view, due = await counter.subscribe(UUID(asha.id))
    assert due
    for path in (f"/subscriptions/{view.id}", f"/subscriptions/invoices/{due.id}"):
        assert (await get(town, path, ravi)).status_code == 404
        assert (await get(town, path)).status_code == 401
    refused = [
        await post(town, ravi, f"/subscriptions/{view.id}/cancel", {}),
        await post(town, ravi, f"/subscriptions/{view.id}/resume", None),
        await post(town, ravi, f"/subscriptions/{view.id}/change", {"plan": "shop.large"}, "k1"),
        await post(town, ravi, f"/subscriptions/invoices/{due.id}/pay", {"from_wallet": True}, "k2"),
        await post(town, ravi, "/subscriptions/activate", {"invoice_id": str(due.id)}),
    ]
    assert [response.status_code for response in refused] == [404] * 5
    assert await counter.see(view) == view


async def test_coupons_and_gifts_are_for_staff_and_are_written_down(counter: Counter, town: Town) -> None:
    asha, staff = await town.resident(), await town.resident("meera@example.com", role="staff")
    coupon = {"code": "spring", "percent": "12.5", "offers": ["shop.small"]}
    gift = {"person_id": asha.id, "points": "50", "reason": "a bad answer"}
    assert (await post(town, asha, "/subscriptions/coupons", coupon)).status_code == 403
    assert (await post(town, asha, "/points/grants", gift, "g0")).status_code == 403
    assert await counter.points(UUID(asha.id)) == 0
    made = await post(town, staff, "/subscriptions/coupons", coupon)
    assert (made.status_code, made.json()["percent"]) == (201, "12.50")
    assert (await post(town, staff, "/subscriptions/coupons", coupon)).status_code == 409
    for _ in range(2):
        assert (await post(town, staff, "/points/grants", gift, "g1")).status_code == 201
    assert await counter.points(UUID(asha.id)) == 50
    _, due = await counter.subscribe(UUID(asha.id), coupon="SPRING")
    assert due
    assert str(due.total) == "262.50"
    ended = await post(town, staff, "/subscriptions/coupons/spring/end", None)
    assert ended.json()["ends_at"] is not None


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"percent": "0"}, "/percent"),
        ({"percent": "100.01"}, "/percent"),
        ({"percent": "10", "amount": "5.00"}, "/percent"),
        ({"amount": "5.00"}, "/currency"),
        ({"amount": "0.00", "currency": "INR"}, "/amount"),
    ],
)
async def test_a_coupon_that_makes_no_sense_is_refused_at_its_field(
    counter: Counter, town: Town, wrong: dict[str, str], pointer: str
) -> None:
    staff = await town.resident("meera@example.com", role="staff")
    refused = await post(town, staff, "/subscriptions/coupons", {"code": "X", **wrong})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == pointer


async def page(town: Town, method: str, path: str, cookie: str, **form: str) -> httpx.Response:
    transport = httpx.ASGITransport(town.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://testserver", cookies={COOKIE: cookie}, headers={"Accept": "text/html"}
    ) as client:
        home = await client.get("/billing/")
        token = re.search(r'name="csrf_token" value="([^"]+)"', home.text)
        return await client.request(method, path, data={**form, "csrf_token": token[1] if token else ""})


async def test_the_page_sells_a_plan_and_shows_what_one_has(counter: Counter, town: Town) -> None:
    asha = await town.resident()
    cookie = await town.browser("asha@example.com")
    begun = await page(town, "POST", "/billing/subscribe", cookie, plan="shop.small", currency="INR", months="1")
    assert begun.status_code == 303
    assert begun.headers["location"].startswith("/billing/invoices/")
    invoice = await page(town, "GET", begun.headers["location"], cookie)
    assert "Pay ₹300.00" in invoice.text
    assert "Pay from your wallet" not in invoice.text
    (due,) = await counter.invoices(UUID(asha.id))
    await counter.pay(due)
    home = (await page(town, "GET", "/billing/", cookie)).text
    assert "Active" in home
    assert "Change to Large" in home
    assert "100 points end" in home
    again = await page(town, "POST", "/billing/subscribe", cookie, plan="shop.small", currency="INR", months="1")
    assert (again.status_code, again.headers["location"]) == (303, "/billing/")


async def test_staff_see_who_has_which_plan(counter: Counter, town: Town) -> None:
    asha = await town.resident()
    await town.resident("meera@example.com", role="staff")
    await counter.subscribed(UUID(asha.id))
    cookie = await town.browser("meera@example.com")
    assert (await page(town, "GET", "/console/billing/subscriptions", cookie)).status_code == 303  # second factor first
    assert (
        await page(town, "GET", "/console/billing/coupons", await town.browser("asha@example.com"))
    ).status_code == 403


async def test_a_card_is_given_seen_and_removed_on_ones_page(counter: Counter, town: Town) -> None:
    asha = await town.resident()
    await counter.subscribed(UUID(asha.id))
    cookie = await town.browser("asha@example.com")
    home = (await page(town, "GET", "/billing/", cookie)).text
    assert "you agree that it is charged for each renewal" in home
    begun = await page(town, "POST", "/billing/cards", cookie, currency="INR")
    assert begun.status_code == 303
    assert "/_sandbox/stripe/checkout/cs_test_" in begun.headers["location"]
    session = begun.headers["location"].rsplit("/", 1)[1]
    await counter.till.outside("POST", f"/_sandbox/stripe/checkout_sessions/{session}/pay", {})
    outside = await counter.till.outside("GET", "/_sandbox/stripe/checkout_sessions")
    back = httpx.URL(outside.json()["items"][0]["success_url"]).path
    given = await page(town, "GET", back, cookie)
    assert (given.status_code, given.headers["location"]) == (303, "/billing/")
    home = (await page(town, "GET", "/billing/", cookie)).text
    assert "Visa •••• 4242" in home
    assert "12/2039" in home
    (card,) = (await get(town, "/payments/cards", asha)).json()
    assert (card["last4"], card["expires"], card["expired"]) == ("4242", "2039-12", False)
    removed = await page(town, "POST", f"/billing/cards/{card['id']}/remove", cookie)
    assert removed.status_code == 303
    home = (await page(town, "GET", "/billing/", cookie)).text
    assert "•••• 4242" not in home
    assert "Active" in home


async def test_a_card_is_removed_over_the_api_by_its_owner_alone(counter: Counter, town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    begun = await post(town, asha, "/subscriptions/card", {"currency": "INR"}, "card-1")
    assert begun.status_code == 201
    session = begun.json()["url"].rsplit("/", 1)[1]
    await counter.till.outside("POST", f"/_sandbox/stripe/checkout_sessions/{session}/pay", {})
    await payments.check_card(counter.till.house, UUID(begun.json()["id"]))
    assert (await get(town, "/payments/cards", ravi)).json() == []
    path = f"/payments/cards/{begun.json()['id']}"
    assert (await town.call("DELETE", path, token=ravi.token)).status_code == 404
    assert (await town.call("DELETE", path)).status_code == 401
    for _ in range(2):
        assert (await town.call("DELETE", path, token=asha.token)).status_code == 204
    assert (await get(town, "/payments/cards", asha)).json() == []
    none = await post(town, asha, "/subscriptions/card", {"currency": "EUR"}, "card-2")
    assert (none.status_code, "renewals are paid by invoice" in none.text) == (404, True)


async def test_whoever_pays_an_invoice_by_card_may_keep_it_there(counter: Counter, town: Town) -> None:
    counter.till.change_settings(gateways=("stripe",))
    asha = await town.resident()
    _, due = await counter.subscribe(UUID(asha.id))
    assert due
    cookie = await town.browser("asha@example.com")
    shown = (await page(town, "GET", f"/billing/invoices/{due.id}", cookie)).text
    assert '<input type="checkbox" name="keep" value="card">' in shown
    key = re.search(r'name="request_key" value="([^"]+)"', shown)
    assert key
    begun = await page(town, "POST", f"/billing/invoices/{due.id}/pay", cookie, request_key=key[1], keep="card")
    assert begun.headers["location"].startswith("/pay/")
    (found,) = (await counter.till.outside("GET", "/_sandbox/stripe/checkout_sessions")).json()["items"]
    await counter.till.outside("POST", f"/_sandbox/stripe/checkout_sessions/{found['id']}/pay", {})
    await counter.till.quiet()
    assert "•••• 4242" in (await page(town, "GET", "/billing/", cookie)).text
    points = await counter.buy(UUID(asha.id))
    assert 'name="keep"' not in (await page(town, "GET", f"/billing/invoices/{points.id}", cookie)).text


async def test_over_the_api_a_plan_is_paid_so_that_upi_pays_the_next_ones(counter: Counter, town: Town) -> None:
    asha = await town.resident()
    _, due = await counter.subscribe(UUID(asha.id))
    assert due
    path = f"/subscriptions/invoices/{due.id}/pay"
    refused = await post(town, asha, path, {"method": "upi"}, "upi-1")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/method")
    begun = await post(town, asha, path, {"method": "upi", "keep_card": True}, "upi-2")
    assert begun.status_code == 200, begun.text
    async with counter.till.house.database.reading() as session:
        order = await payments.order(session, UUID(begun.json()["order_id"]))
    await counter.till.pay(order, vpa="asha.rao@okbank")
    await counter.till.quiet()
    await counter.till.pass_time(timedelta(minutes=3), step=timedelta(minutes=3))
    (card,) = (await get(town, "/payments/cards", asha)).json()
    shown = {name: card[name] for name in ("provider", "kind", "address", "last4", "expires", "most", "currency")}
    assert shown == {
        "provider": "razorpay", "kind": "upi", "address": "as…@okbank", "last4": None, "expires": None,
        "most": "300.00", "currency": "INR",
    }  # fmt: skip
    assert (card["paused"], card["expired"], card["ends_at"][:4]) == (False, False, "2036")


async def make_coupon(counter: Counter, code: str, basis_points: int, **more: Any) -> None:
    terms: dict[str, Any] = {
        "offers": (), "starts_at": None, "ends_at": None, "most": None, "redeemed": 0, "once_per_owner": True,
        "periods": 1, **more,
    }  # fmt: skip
    async with counter.till.house.database.transaction() as session:
        await api.make_coupon(session, api.Coupon(code=code, discount=api.Discount(basis_points), **terms), by=None)


async def test_a_paid_invoice_has_a_receipt_with_its_tax_for_its_owner_alone(counter: Counter, town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    await make_coupon(counter, "HALF", 5000)
    _, due = await counter.subscribe(UUID(asha.id), coupon="HALF")
    assert due
    path = f"/subscriptions/invoices/{due.id}/receipt.pdf"
    assert (await get(town, path, asha)).status_code == 404
    await counter.pay(due)
    made = await get(town, path, asha)
    assert (made.status_code, made.headers["content-type"]) == (200, "application/pdf")
    said = text_of(made.content)
    wanted = ("Asha Rao", "Small", "₹254.24", "Coupon HALF", "127.12", "GST", "₹22.88", "₹150.00")
    assert [one for one in wanted if one not in said] == []
    assert (await get(town, path, ravi)).status_code == 404
    assert (await get(town, path)).status_code == 401
    cookie = await town.browser("asha@example.com")
    paper = await page(town, "GET", f"/billing/invoices/{due.id}/receipt.pdf", cookie)
    assert paper.content == made.content
    assert f"/billing/invoices/{due.id}/receipt.pdf" in (await page(town, "GET", "/billing/", cookie)).text


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("accountant", 200), ("member", 404), (None, 404)])
async def test_an_organisations_receipt_is_for_who_may_see_its_money(
    counter: Counter, town: Town, role: str | None, status: int
) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    made = (await post(town, asha, "/organisations", {"name": "Rao and Sons", "country": "IN"}, "org")).json()
    await make_coupon(counter, "FREE", 10_000)
    firm = api.Owner("organisation", UUID(made["id"]))
    async with counter.till.house.database.transaction() as session:
        if role not in (None, "owner"):
            now = clock.now()
            session.add(MembershipRow(organisation_id=firm.id, person_id=UUID(ravi.id), role=role, joined_at=now))
        terms = {"plan": "shop.small", "currency": "INR", "months": 1, "zone": "Asia/Kolkata"}
        _, due = await api.subscribe(session, firm, coupon="FREE", **terms)  # type: ignore[arg-type]  # as written
    assert due
    who = asha if role == "owner" else ravi
    found = await get(town, f"/subscriptions/invoices/{due.id}/receipt.pdf", who)
    assert found.status_code == status, found.text
    if status == 200:
        assert "Rao and Sons" in text_of(found.content)


async def test_an_organisation_pays_at_a_gateway_and_is_not_closed_meanwhile(counter: Counter, town: Town) -> None:
    asha = await town.resident()
    made = (await post(town, asha, "/organisations", {"name": "Rao and Sons", "country": "IN"}, "org")).json()
    firm = api.Owner("organisation", UUID(made["id"]))
    terms = {"plan": "shop.small", "currency": "INR", "months": 1, "zone": "Asia/Kolkata"}
    async with counter.till.house.database.transaction() as session:
        view, due = await api.subscribe(session, firm, **terms)  # type: ignore[arg-type]  # as written
    assert due
    order = await api.begin_payment(counter.till.house, firm, due.id, api.How(method=Method.CHECKOUT), request_key="k")
    refused = await town.call("DELETE", f"/organisations/{firm.id}", token=asha.token)
    assert "A payment of the organisation is still under way." in refused.text
    await counter.till.pay(order)
    await counter.till.quiet()
    assert (await counter.see(view)).state == "active"
    assert (await counter.see_invoice(due)).state == "paid"
    assert (await counter.till.see_order(order)).state == OrderState.CAPTURED
    assert await counter.till.exceptions() == []
    wallet = await get(town, f"/wallets/organisations/{firm.id}", asha)
    assert [one["available"] for one in wallet.json()["items"]] == ["0.00"]


async def test_a_coupon_shows_its_price_before_anybody_chooses_and_is_taken_off(counter: Counter, town: Town) -> None:
    asha = await town.resident()
    cookie = await town.browser("asha@example.com")
    await make_coupon(counter, "SPRING", 2500, offers=("shop.small", "shop.pack"))
    shown = (await page(town, "GET", "/billing/?coupon=spring", cookie)).text
    assert all(part in shown for part in ("SPRING is taken off", "₹225.00", "500 points for ₹375.00"))
    assert shown.count("This coupon is not for this offer.") == 2  # the large plan, and the desk
    large = re.search(r'value="shop.large">.*?</form>', shown, re.DOTALL)
    assert large
    assert 'name="coupon"' not in large[0]
    begun = await page(
        town, "POST", "/billing/subscribe", cookie, plan="shop.small", currency="INR", months="1", coupon="spring"
    )
    (due,) = await counter.invoices(UUID(asha.id))
    assert (str(due.total), begun.headers["location"]) == ("225.00", f"/billing/invoices/{due.id}")
    assert "Coupon SPRING" in (await page(town, "GET", begun.headers["location"], cookie)).text
    used = (await page(town, "GET", "/billing/?coupon=SPRING", cookie)).text
    assert "You have used this coupon before." in used
    again = await page(town, "POST", "/billing/points", cookie, package="shop.pack", currency="INR", coupon="SPRING")
    assert (again.status_code, again.headers["location"]) == (303, "/billing/")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"ends_at": START}, "This coupon has expired."),
        ({"starts_at": START + timedelta(days=1)}, "This coupon is not valid yet."),
        ({"most": 1, "redeemed": 1}, "This coupon has been used up."),
        ({"offers": ("shop.gone",)}, "This coupon is not for this offer."),
        (None, "There is no such coupon."),
    ],
)
async def test_a_coupon_that_is_good_for_nothing_says_why_at_its_field(
    counter: Counter, town: Town, more: dict[str, Any] | None, sentence: str
) -> None:
    await town.resident()
    if more is not None:
        await make_coupon(
            counter, "SPRING", 2500, **{name: value for name, value in more.items() if name != "redeemed"}
        )
        if "redeemed" in more:
            await counter.subscribe(new_person(), coupon="SPRING")
    shown = (await page(town, "GET", "/billing/?coupon=SPRING", await town.browser("asha@example.com"))).text
    assert sentence in shown
    assert 'aria-invalid="true"' in shown
    assert "is taken off" not in shown


async def staff_browser(town: Town, identifier: str) -> str:
    """A browser in which the second factor was shown."""
    async with town.house.database.transaction() as session:
        person = await store.person_by_identifier(session, parse_identifier(identifier))
        assert person
        cookie = (await sessions.begin(session, person, "pages", "Firefox", 2)).cookie
    assert cookie
    return cookie


async def test_staff_make_and_end_coupons_on_their_page_and_it_is_written_down(counter: Counter, town: Town) -> None:
    await town.resident("meera@example.com", role="staff")
    cookie = await staff_browser(town, "meera@example.com")
    root = "/console/billing/coupons"
    assert "No coupons" in (await page(town, "GET", root, cookie)).text
    both = {"code": "spring", "percent": "10", "amount": "5.00"}
    for wrong, said in (
        (both, "Say a share or an amount, one of them."),
        ({"code": "spring", "percent": "101"}, "A share is above 0 and at most 100 per cent."),
        ({"code": "a b", "percent": "10"}, "This does not have the right form."),
        ({"percent": "10"}, "Fill this in."),
    ):
        refused = await page(town, "POST", f"{root}/new", cookie, **wrong)
        assert (refused.status_code, said in refused.text) == (422, True), said
    made = await page(
        town, "POST", f"{root}/new", cookie, code="spring", percent="12.5", offers="shop.small", ends_on="2026-03-31",
        periods="3", once_per_owner="true",
    )  # fmt: skip
    assert (made.status_code, made.headers["location"]) == (303, root)
    twice = await page(town, "POST", f"{root}/new", cookie, code="SPRING", percent="5")
    assert (twice.status_code, "choose another one" in twice.text) == (422, True)
    listed = (await page(town, "GET", root, cookie)).text
    assert all(part in listed for part in ("SPRING", "12.50%", "Small", "End coupon"))
    async with counter.till.house.database.reading() as session:
        (coupon,) = await api.coupons_made(session, limit=10)
    assert (coupon.discount.basis_points, coupon.periods, coupon.once_per_owner) == (1250, 3, True)
    assert coupon.ends_at is not None
    assert (await page(town, "POST", f"{root}/SPRING/end", cookie)).status_code == 303
    ended = (await page(town, "GET", root, cookie)).text
    assert "Ended" in ended
    assert "End coupon" not in ended
    with pytest.raises(api.CouponRefused):
        await counter.subscribe(new_person(), coupon="SPRING")
    async with counter.till.house.database.reading() as session:
        noted = await session.execute(
            text("SELECT action FROM identity.audit WHERE action LIKE 'billing.%' ORDER BY id")
        )
        assert list(noted.scalars()) == ["billing.coupon", "billing.coupon_ended"]


async def test_only_staff_who_have_shown_their_second_factor_make_coupons(counter: Counter, town: Town) -> None:
    await town.resident()
    await town.resident("meera@example.com", role="staff")
    path, coupon = "/console/billing/coupons/new", {"code": "SPRING", "percent": "10"}
    asha, meera = await town.browser("asha@example.com"), await town.browser("meera@example.com")
    assert (await page(town, "POST", path, asha, **coupon)).status_code == 403
    assert (await page(town, "POST", path, meera, **coupon)).status_code in (303, 403)  # to the second factor
    async with counter.till.house.database.reading() as session:
        assert await api.coupons_made(session, limit=10) == []


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/billing/subscribe", {"plan": "shop.small", "currency": "INR", "months": "many"}),
        ("/billing/subscribe", {"plan": "x" * 100, "currency": "INR"}),
        ("/billing/points", {"package": "shop.pack", "currency": "rupees"}),
        ("/billing/cards", {"currency": "rupees"}),
        ("/billing/cards/token", {"currency": "THB", "token": "<script>"}),
    ],
)
async def test_a_form_that_no_page_of_ours_sends_begins_nothing(
    counter: Counter, town: Town, path: str, form: dict[str, str]
) -> None:
    asha = await town.resident()
    answered = await page(town, "POST", path, await town.browser("asha@example.com"), **form)
    assert (answered.status_code, answered.headers["location"]) == (303, "/billing/")
    assert await counter.invoices(UUID(asha.id)) == []
