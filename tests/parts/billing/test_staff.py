"""What staff see and do about one owner: plans, invoices and points; points to give, limits, another try."""

import re
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from tests.parts.billing.counter import Counter
from tests.parts.billing.test_edges import get, page, post, staff_browser
from tests.parts.billing.test_organisations import firm_of
from tests.parts.identity.town import Resident, Town
from tillhouse.parts.ai.api.chat import PurposeTitle
from tillhouse.parts.billing import api
from tillhouse.parts.billing.pages import lists
from tillhouse.parts.billing.service import invoices
from tillhouse.parts.identity.domain import DEFAULT_ZONE
from tillhouse.parts.payments.domain import OrderState

CONSOLE = "/console/billing"


@pytest.fixture
def town(counter: Counter) -> Town:
    return Town(counter.till.house, counter.till.app, counter.till.sandbox)


async def put(town: Town, who: Resident, body: object) -> httpx.Response:
    return await town.call("PUT", "/points/caps", body, token=who.token)


async def noted(town: Town) -> list[tuple[str, str]]:
    async with town.house.database.reading() as session:
        rows = await session.execute(
            text("SELECT action, subject FROM identity.audit WHERE action LIKE 'billing.%' ORDER BY id")
        )
        return [(action, subject) for action, subject in rows]


@pytest.mark.parametrize("whose", ["person_id", "organisation_id", None])
async def test_limits_are_set_read_and_removed_over_the_api_and_written_down(
    counter: Counter, town: Town, whose: str | None
) -> None:
    asha, staff = await town.resident(), await town.resident("meera@example.com", role="staff")
    firm = await firm_of(town, asha)
    owner = {"person_id": api.person(UUID(asha.id)), "organisation_id": firm}.get(whose or "")
    spender = owner or firm
    named = {whose: str(owner.id)} if owner and whose else {}
    body = {**named, "points": "10", "window": "day"}
    assert (await put(town, asha, body)).status_code == 403
    made = await put(town, staff, body)
    assert (made.status_code, made.json()["points"], made.json().get(whose or "")) == (
        200, "10", str(owner.id) if owner else None
    )  # fmt: skip
    await counter.give(spender, 100)
    await counter.reserve(spender, 7)
    with pytest.raises(api.SpendCapReached):
        await counter.reserve(spender, 4)
    query = f"?{whose}={owner.id}" if owner else ""
    (seen,) = (await get(town, f"/points/caps{query}", staff)).json()
    assert (seen["points"], seen["spent"], seen["window"]) == ("10", "7", "day")
    assert (await put(town, staff, {**body, "points": None})).json()["points"] is None
    assert (await get(town, f"/points/caps{query}", staff)).json() == []
    await counter.reserve(spender, 4)
    subject = f"{owner.kind}:{owner.id}" if owner else "house"
    assert await noted(town) == [("billing.cap", subject)] * 2


async def test_a_limit_or_a_gift_for_two_or_for_nobody_is_refused(counter: Counter, town: Town) -> None:
    asha, staff = await town.resident(), await town.resident("meera@example.com", role="staff")
    both = {"person_id": asha.id, "organisation_id": asha.id}
    gift = {"points": "5", "reason": "a bad answer"}
    refused = [
        await put(town, staff, {**both, "points": "1", "window": "day"}),
        await put(town, staff, {"organisation_id": asha.id, "points": "1", "window": "day"}),
        await put(town, staff, {"points": "-1", "window": "day"}),
        await post(town, staff, "/points/grants", {**both, **gift}, "a"),
        await post(town, staff, "/points/grants", gift, "b"),
        await post(town, staff, "/points/grants", {"organisation_id": asha.id, **gift}, "c"),
    ]
    assert [one.status_code for one in refused] == [422, 404, 422, 422, 422, 404]
    assert await noted(town) == []


async def test_staff_find_an_owner_see_what_they_have_give_points_once_and_limit_them(
    counter: Counter, town: Town
) -> None:
    asha = await town.resident()
    await town.resident("meera@example.com", role="staff")
    await counter.subscribed(UUID(asha.id))
    cookie = await staff_browser(town, "meera@example.com")
    found = await page(town, "GET", f"{CONSOLE}/subscriptions/owners?who=asha@example.com", cookie)
    here = f"{CONSOLE}/subscriptions/owners/person/{asha.id}"
    assert (found.status_code, found.headers["location"]) == (303, here)
    nobody = await page(town, "GET", f"{CONSOLE}/subscriptions/owners?who=nobody@example.com", cookie)
    assert (nobody.status_code, "Nobody here has this address, short name or id." in nobody.text) == (422, True)
    shown = (await page(town, "GET", here, cookie)).text
    assert all(part in shown for part in ("Asha Rao", "Small", "Active", "₹300.00", "With your plan, or a gift"))
    key = re.search(r'name="request_key" value="([^"]+)"', shown)
    assert key
    gift = {"points": "50", "source": "promotional", "reason": "a bad answer", "request_key": key[1]}
    for _ in range(2):
        assert (await page(town, "POST", f"{here}/grant", cookie, **gift)).status_code == 303
    assert await counter.points(UUID(asha.id)) == 150
    for wrong in ({"points": "many"}, {"points": "-5"}, {"reason": ""}):
        refused = await page(
            town, "POST", f"{here}/grant", cookie, **{**gift, "request_key": str(UUID(int=7)), **wrong}
        )
        assert refused.status_code == 422, wrong
    assert (await page(town, "POST", f"{here}/limit", cookie, most="20", window="day")).status_code == 303
    with pytest.raises(api.SpendCapReached):
        await counter.reserve(UUID(asha.id), 21)
    assert "0 of 20" in (await page(town, "GET", here, cookie)).text
    assert (await page(town, "POST", f"{here}/limit", cookie, most="x", window="day")).status_code == 422
    assert (await page(town, "POST", f"{here}/limit", cookie, window="day")).status_code == 303
    await counter.reserve(UUID(asha.id), 21)
    assert (await page(town, "POST", f"{CONSOLE}/limit", cookie, most="500", window="month")).status_code == 303
    assert "21 of 500" in (await page(town, "GET", f"{CONSOLE}/subscriptions", cookie)).text
    person = f"person:{asha.id}"
    assert await noted(town) == [
        ("billing.grant", person), ("billing.grant", person), ("billing.cap", person), ("billing.cap", person),
        ("billing.cap", "house"),
    ]  # fmt: skip


async def test_the_page_of_one_owner_is_for_staff_who_have_shown_their_second_factor(
    counter: Counter, town: Town
) -> None:
    asha = await town.resident()
    await town.resident("meera@example.com", role="staff")
    hers, theirs = await town.browser("asha@example.com"), await town.browser("meera@example.com")
    here = f"{CONSOLE}/subscriptions/owners/person/{asha.id}"
    for path in (here, f"{CONSOLE}/subscriptions/owners?who={asha.id}"):
        assert (await page(town, "GET", path, hers)).status_code == 403
        assert (await page(town, "GET", path, theirs)).status_code == 303  # second factor first
    for path in (f"{here}/grant", f"{here}/limit", f"{CONSOLE}/limit", f"{here}/payments/{asha.id}/activate"):
        assert (await page(town, "POST", path, hers)).status_code == 403
    staff = await staff_browser(town, "meera@example.com")
    assert (await page(town, "GET", f"{CONSOLE}/subscriptions/owners/person/{UUID(int=1)}", staff)).status_code == 404
    assert await noted(town) == []


async def test_what_was_paid_for_and_not_given_is_activated_again_once(
    counter: Counter, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha = await town.resident()
    await town.resident("meera@example.com", role="staff")
    due = await counter.buy(UUID(asha.id))
    order = await counter.order(due)

    async def breaks(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as mistake:
        mistake.setattr(invoices, "_give_points", breaks)
        await counter.till.pay(order)
        with pytest.raises(RuntimeError, match="a mistake of ours"):
            await counter.till.quiet()
        assert (await counter.till.see_order(order)).state == OrderState.CAPTURED
        assert (await counter.points(UUID(asha.id)), await counter.till.wallet(UUID(asha.id))) == (0, "500.00")
        cookie = await staff_browser(town, "meera@example.com")
        here = f"{CONSOLE}/subscriptions/owners/person/{asha.id}"
        shown = (await page(town, "GET", here, cookie)).text
        action = re.search(rf'action="({here}/payments/[^"]+/activate)"', shown)
        assert action
        assert (await page(town, "POST", action[1], cookie)).status_code == 303
        assert await counter.till.wallet(UUID(asha.id)) == "500.00"
    assert (await page(town, "POST", action[1], cookie)).status_code == 303
    assert (await counter.points(UUID(asha.id)), await counter.till.wallet(UUID(asha.id))) == (500, "0.00")
    assert (await page(town, "POST", action[1], cookie)).status_code == 404
    await counter.till.quiet()
    assert await counter.points(UUID(asha.id)) == 500
    assert "Paid, and not given" not in (await page(town, "GET", here, cookie)).text
    assert {action for action, _ in await noted(town)} == {"billing.activate_again"}


async def test_ones_page_shows_the_points_that_end_first_quotas_and_where_all_the_rest_is(
    counter: Counter, town: Town
) -> None:
    asha = await town.resident()
    who = api.person(UUID(asha.id))
    await counter.subscribed(who)
    town.house.provide([PurposeTitle(f"work.{number}", f"Answer no. {number}") for number in range(11)])
    for number in range(12):
        await counter.give(who, 200 + number, days=1000 - number)
        await counter.capture(await counter.reserve(who, 1, action=f"work.{number}"), 1)
    async with town.house.database.transaction() as session:
        await api.use_quota(session, who, "chats", api.Quota(20, "day"), zone=DEFAULT_ZONE, amount=3)
    cookie = await town.browser("asha@example.com")
    home = (await page(town, "GET", "/billing/", cookie)).text
    assert "3 of 20" in home
    assert [f">{200 + number}<" in home for number in range(12)] == [number > 2 for number in range(12)]
    assert ('href="/billing/all/points"' in home, 'href="/billing/all/usage"' in home) == (True, True)
    assert 'href="/billing/all/invoices"' not in home
    every = (await page(town, "GET", "/billing/all/points", cookie)).text
    assert all(f">{200 + number}<" in every for number in range(12))
    usage = (await page(town, "GET", "/billing/all/usage", cookie)).text
    assert all(f"Answer no. {number}<" in usage for number in range(11))
    assert usage.count("Other work") == 1  # which nobody gave a name
    assert "work." not in home + usage


async def test_lists_go_on_page_by_page(counter: Counter, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_PAGE", 3)
    asha = await town.resident()
    who = api.person(UUID(asha.id))
    for _ in range(4):
        await counter.buy(who)
    cookie, seen, path = await town.browser("asha@example.com"), set[str](), "/billing/all/invoices"
    while path:
        shown = (await page(town, "GET", path, cookie)).text
        seen |= set(re.findall(r'href="/billing/invoices/([0-9a-f-]+)"', shown))
        following = re.search(r'<a [^>]*href="([^"]+)"[^>]*rel="next"', shown)
        path = f"/billing/all/invoices{following[1]}" if following else ""
    assert seen == {str(one.id) for one in await counter.invoices(who)}
    assert len(seen) == 4
    assert (await page(town, "GET", "/billing/all/points?cursor=nonsense", cookie)).status_code == 422
