"""What an organisation has of plans and points: by its members' roles, told to whoever reads its money, and closed."""

import re
from uuid import UUID

import pytest

from tests.parts.billing.counter import Counter, points
from tests.parts.billing.test_edges import get, page, post, staff_browser
from tests.parts.identity.town import Resident, Town
from tillhouse.kernel import clock
from tillhouse.parts.billing import api
from tillhouse.parts.identity.models.organisations import MembershipRow
from tillhouse.parts.ledger import api as ledger


@pytest.fixture
def town(counter: Counter) -> Town:
    return Town(counter.till.house, counter.till.app, counter.till.sandbox)


async def firm_of(town: Town, owner: Resident, **roles: Resident) -> api.Owner:
    """An organisation of `owner`, with members in other roles."""
    made = await post(town, owner, "/organisations", {"name": "Rao and Sons", "country": "IN"}, "firm")
    firm = api.organisation(UUID(made.json()["id"]))
    async with town.house.database.transaction() as session:
        for role, who in roles.items():
            joined = clock.now()
            session.add(MembershipRow(organisation_id=firm.id, person_id=UUID(who.id), role=role, joined_at=joined))
    return firm


async def close(town: Town, owner: Resident, firm: api.Owner) -> tuple[int, list[str]]:
    answer = await town.call("DELETE", f"/organisations/{firm.id}", token=owner.token)
    reasons = [] if answer.status_code == 204 else [one["message"] for one in answer.json()["errors"]]
    return answer.status_code, reasons


async def test_an_organisation_whose_plan_goes_on_is_not_closed_and_nothing_is_written_for_a_closed_one(
    counter: Counter, town: Town
) -> None:
    asha = await town.resident()
    firm = await firm_of(town, asha)
    view = await counter.subscribed(firm)
    assert await close(town, asha, firm) == (409, ["The organisation has a plan that goes on: cancel it first."])
    await counter.cancel(view)
    await counter.buy(firm)
    assert await close(town, asha, firm) == (204, [])
    assert (await counter.see(view)).state == "cancelled"
    await counter.pass_days(32)
    assert [one.state for one in await counter.invoices(firm)] == ["void", "paid"]
    assert (await counter.see(view)).state == "cancelled"


async def test_points_that_were_paid_for_or_are_at_work_keep_an_organisation_open_and_gifts_end_with_it(
    counter: Counter, town: Town
) -> None:
    asha = await town.resident()
    firm = await firm_of(town, asha)
    await counter.pay(await counter.buy(firm))
    await counter.give(firm, 5)
    charge = await counter.reserve(firm, 3)
    at_work, paid_for = (
        "Points of the organisation are set aside for work that is still being done: wait until it has ended.",
        "The organisation has points that it paid for: use them, or ask us for the money back.",
    )
    assert await close(town, asha, firm) == (409, [at_work, paid_for])
    await counter.release(charge)
    assert await close(town, asha, firm) == (409, [paid_for])
    await counter.capture(await counter.reserve(firm, 505), 505)
    await counter.give(firm, 40)
    assert await close(town, asha, firm) == (204, [])
    assert await counter.points(firm) == 0
    with pytest.raises(ledger.AccountClosed):
        await counter.give(firm, 1)
    async with counter.till.house.database.reading() as session:
        gift, *_ = await ledger.lots_of(session, api.points_of(firm))
    assert (gift.granted, gift.remaining) == (points(40), points(0))


async def test_members_use_and_read_what_an_organisation_has_by_their_roles(counter: Counter, town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    zoe, meera = await town.resident("zoe@example.com"), await town.resident("meera@example.com")
    firm = await firm_of(town, asha, accountant=ravi, member=zoe)
    query = f"?organisation_id={firm.id}"
    wanted = {"plan": "shop.small", "currency": "INR"}
    refused = [await post(town, who, f"/subscriptions{query}", wanted, "b") for who in (ravi, zoe, meera)]
    assert [one.status_code for one in refused] == [403, 403, 404]
    begun = await post(town, asha, f"/subscriptions{query}", wanted, "b")
    assert begun.status_code == 201
    invoice = begun.json()["invoice"]["id"]
    for path in ("/subscriptions/mine", "/subscriptions/invoices", f"/subscriptions/invoices/{invoice}", "/points",
                 "/points/lots", "/points/history", f"/subscriptions/{begun.json()['id']}"):  # fmt: skip
        seen = [(await get(town, f"{path}{query}", who)).status_code for who in (asha, ravi, zoe, meera)]
        assert seen == [200, 200, 403, 404], path
    assert (await get(town, f"/subscriptions/invoices/{invoice}", asha)).status_code == 404  # it is not her own
    assert (await get(town, "/subscriptions/mine", asha)).json() == []
    pay = f"/subscriptions/invoices/{invoice}/pay{query}"
    refused = [await post(town, who, pay, {"from_wallet": True}, "p") for who in (ravi, zoe, meera)]
    assert [one.status_code for one in refused] == [403, 403, 404]
    paying = await post(town, asha, pay, {"method": "checkout"}, "p")
    assert paying.status_code == 200
    (due,) = await counter.invoices(firm)
    await counter.pay(due)
    (mine,) = (await get(town, f"/subscriptions/mine{query}", ravi)).json()
    assert (mine["status"], (await get(town, f"/points{query}", ravi)).json()["available"]) == ("active", "100")
    ended = f"/subscriptions/{mine['id']}/cancel{query}"
    assert [(await post(town, who, ended, {})).status_code for who in (ravi, zoe, meera, asha)] == [403, 403, 404, 200]
    resumed = await post(town, asha, f"/subscriptions/{mine['id']}/resume{query}", None)
    changed = await post(town, asha, f"/subscriptions/{mine['id']}/change{query}", {"plan": "shop.large"}, "c")
    bought = await post(town, asha, f"/points/purchases{query}", {"package": "shop.pack", "currency": "INR"}, "d")
    assert [one.status_code for one in (resumed, changed, bought)] == [200, 200, 201]
    assert {one.owner for one in await counter.invoices(firm)} == {firm}


async def test_whose_plan_it_is_is_chosen_on_the_page_and_only_who_may_is_offered_to_act(
    counter: Counter, town: Town
) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    firm = await firm_of(town, asha, accountant=ravi)
    theirs = f"/billing/?organisation_id={firm.id}"
    hers, his = await town.browser("asha@example.com"), await town.browser("ravi@example.com")
    home = (await page(town, "GET", "/billing/", hers)).text
    assert re.search(rf'<a class="tab" href="{re.escape(theirs)}"[^>]*>Rao and Sons</a>', home)
    begun = await page(
        town, "POST", f"/billing/subscribe?organisation_id={firm.id}", hers, plan="shop.small", currency="INR"
    )
    (due,) = await counter.invoices(firm)
    address = f"/billing/invoices/{due.id}?organisation_id={firm.id}"
    assert (begun.status_code, begun.headers["location"]) == (303, address)
    assert (await page(town, "GET", f"/billing/invoices/{due.id}", hers)).status_code == 404
    assert "Pay ₹300.00" in (await page(town, "GET", address, hers)).text
    read = (await page(town, "GET", address, his)).text
    assert ("₹300.00" in read, "Pay ₹300.00" in read) == (True, False)
    await counter.pay(due)
    shown, read = [(await page(town, "GET", theirs, cookie)).text for cookie in (hers, his)]
    assert ("Active" in shown, "Cancel plan</button>" in shown) == (True, True)
    assert ("Active" in read, "Cancel plan</button>" in read, "500 points for" in read) == (True, False, False)
    (view,) = await counter.subscriptions(firm)
    path = f"/billing/subscriptions/{view.id}/cancel?organisation_id={firm.id}"
    assert (await page(town, "POST", path, his)).status_code == 403
    ended = await page(town, "POST", path, hers)
    assert (ended.status_code, ended.headers["location"]) == (303, theirs)
    assert (await counter.see(view)).ends_at_period_end
    assert "Active" not in (await page(town, "GET", "/billing/", hers)).text


async def test_staff_see_an_organisation_by_name_and_find_it_by_its_short_name(counter: Counter, town: Town) -> None:
    asha = await town.resident()
    await town.resident("meera@example.com", role="staff")
    firm = await firm_of(town, asha)
    await counter.subscribed(firm)
    cookie, lists = await staff_browser(town, "meera@example.com"), "/console/billing/subscriptions"
    assert "Rao and Sons" in (await page(town, "GET", lists, cookie)).text
    found = await page(town, "GET", f"{lists}/owners?who=Rao-and-Sons", cookie)
    assert found.headers["location"] == f"{lists}/owners/organisation/{firm.id}"
    other = await page(town, "GET", f"{lists}/owners?who=rao-and-daughters", cookie)
    assert (other.status_code, "e-mail address" in other.text) == (422, True)


async def test_an_organisation_called_like_a_persons_number_does_not_stand_before_that_person(
    counter: Counter, town: Town
) -> None:
    asha = await town.resident("+919845012345")
    await town.resident("meera@example.com", role="staff")
    body = {"name": "Ask me", "country": "IN", "slug": "919845012345"}
    assert (await post(town, asha, "/organisations", body, "firm")).status_code == 201
    cookie, lists = await staff_browser(town, "meera@example.com"), "/console/billing/subscriptions"
    found = await page(town, "GET", f"{lists}/owners?who=%2B919845012345", cookie)
    assert found.headers["location"] == f"{lists}/owners/person/{asha.id}"


async def test_whoever_reads_an_organisations_money_hears_that_it_has_to_pay_until_its_plan_has_ended(
    mailed: tuple[Counter, Town],
) -> None:
    counter, town = mailed
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    zoe = await town.resident("zoe@example.com")
    firm = await firm_of(town, asha, accountant=ravi, member=zoe)
    await counter.subscribed(firm)
    await counter.pass_days(46)
    renewal, _ = await counter.invoices(firm)
    link = f"/billing/invoices/{renewal.id}?organisation_id={firm.id}"
    for address in ("asha@example.com", "ravi@example.com"):
        told = await town.messages_to(address)
        asked = [one for one in told if "Rao and Sons: Your plan needs a payment of" in one and link in one]
        assert (len(asked), "has ended" in told[0]) == (4, True), address
    assert await town.messages_to("zoe@example.com") == []
