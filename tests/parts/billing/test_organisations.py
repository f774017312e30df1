"""What an organisation has of plans and points: by its members' roles, told to whoever reads its money, and closed."""

from uuid import UUID

import pytest

from tests.parts.billing.counter import Counter, points
from tests.parts.billing.test_edges import post
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
    charge = await counter.reserve(firm, 10)
    at_work, paid_for = (
        "Points of the organisation are set aside for work that is still being done: wait until it has ended.",
        "The organisation has points that it paid for: use them, or ask us for the money back.",
    )
    assert await close(town, asha, firm) == (409, [at_work, paid_for])
    await counter.release(charge)
    assert await close(town, asha, firm) == (409, [paid_for])
    await counter.capture(await counter.reserve(firm, 500), 500)
    await counter.give(firm, 40)
    assert await close(town, asha, firm) == (204, [])
    assert await counter.points(firm) == 0
    with pytest.raises(ledger.AccountClosed):
        await counter.give(firm, 1)
    async with counter.till.house.database.reading() as session:
        gift, _ = await ledger.lots_of(session, api.points_of(firm))
    assert (gift.granted, gift.remaining) == (points(40), points(0))
