"""The page of an organisation's money, in Chromium: an account is added, money goes out, and is followed."""

import shutil
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.e2e.test_billing_pages import Street, open_street
from tests.parts.payments.till import rupees
from tillhouse.kernel import clock
from tillhouse.kernel.settings import KernelSettings

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not shutil.which("chromedriver"), reason="needs chromium and chromedriver"),
]


@pytest.fixture
async def street(settings: KernelSettings, tmp_path: Path) -> AsyncIterator[Street]:
    async with open_street(settings, tmp_path) as opened:
        yield opened


async def test_an_owner_adds_an_account_and_pays_the_organisations_money_out(street: Street) -> None:
    asha = await street.town.resident()
    made = await street.town.post("/organisations", {"name": "Rao & Sons", "country": "IN"}, token=asha.token)
    organisation = made.json()["id"]
    here, till = f"/payments/organisations/{organisation}", street.counter.till
    await street.enters("asha@example.com")
    await street.does("go", f"/account/organisations/{organisation}")
    await street.shows("organisation")
    await street.does("click", f'a[href="{here}"]')
    await street.does("reads", "main", "No money yet")
    await street.shows("organisation-no-money")

    await till.give(UUID(organisation), rupees("25000.00"), "organisation")
    await street.does("go", here)
    await street.does("reads", "main", "Add the account that the money goes to first")
    await street.does("click", "#add-bank summary")
    await street.does("type", f'form[action="{here}/payees/bank_account"] [name=name]', "Rao and Sons")
    await street.does("type", f'form[action="{here}/payees/bank_account"] [name=account_number]', "50100012345678")
    await street.does("type", f'form[action="{here}/payees/bank_account"] [name=ifsc]', "HDFC")
    await street.does("click", f'form[action="{here}/payees/bank_account"] button[type=submit]')
    await street.does("reads", "main", "An IFSC has 11 characters")
    await street.does("complaints")  # the browser's own note of that refusal: read, so that it is not found later
    await street.does("type", f'form[action="{here}/payees/bank_account"] [name=ifsc]', "HDFC0001234")
    await street.does("click", f'form[action="{here}/payees/bank_account"] button[type=submit]')
    await street.does("reads", "main", "HDFC …5678")
    await street.shows("organisation-account")

    await street.does("type", "[name=amount]", "1,500")
    await street.does("click", f'form[action="{here}/withdraw"] button[type=submit]')
    await street.does("reads", "#withdrawals", "₹1,500.00")
    await street.shows("organisation-withdrawal")
    await till.pass_time(timedelta(minutes=4))
    await street.does("reads", "#withdrawals", "Paid out")
    assert str((await till.balance(UUID(organisation), "organisation")).posted) == "23500.00"
    await street.does("go", here)
    await street.shows("organisation-money")


async def test_a_large_one_asks_who_the_owner_is_and_comes_back_with_what_was_typed(street: Street) -> None:
    asha = await street.town.resident()
    made = await street.town.post("/organisations", {"name": "Rao & Sons", "country": "IN"}, token=asha.token)
    organisation = UUID(made.json()["id"])
    here, till = f"/payments/organisations/{organisation}", street.counter.till
    await till.give(organisation, rupees("25000.00"), "organisation")
    body = {"destination": {"type": "vpa", "vpa": "success@razorpay"}}
    await street.town.post(f"/payments/payees?organisation_id={organisation}", body, token=asha.token)
    await street.enters("asha@example.com")
    await proved(street, None)
    await street.does("go", here)
    await street.does("type", "[name=amount]", "12000")
    await street.does("click", f'form[action="{here}/withdraw"] button[type=submit]')
    await street.does("arrives", "/step-up")
    back = parse_qs(urlsplit(street.screen.browser.current_url).query)["next"][0]
    await proved(street, clock.now() + timedelta(minutes=5))
    await street.does("go", back)
    await street.does("click", f'form[action="{here}/withdraw"] button[type=submit]')
    await street.does("reads", "#withdrawals", "₹12,000.00")
    assert str((await till.balance(organisation, "organisation")).available) == "13000.00"


async def proved(street: Street, until: datetime | None) -> None:
    """Everybody has shown who they are, as far as until then; or nobody has."""
    async with street.counter.till.house.database.transaction() as session:
        await session.execute(text("UPDATE identity.sessions SET fresh_until = :until"), {"until": until})
