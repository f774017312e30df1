"""Who leaves with points: those paid for stand against it until they are given up in so many words."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text

from tests.parts.ledger.purse import CLUB, points
from tests.parts.payments.test_endpoints import Caller, someone
from tests.parts.payments.till import Till, open_till
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.flows import COOKIE
from tillhouse.parts.identity.models import PersonRow
from tillhouse.parts.identity.service import sessions
from tillhouse.parts.ledger import api as ledger


@pytest.fixture
async def till(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with open_till(settings, CLUB) as opened:
        yield opened


async def granted(till: Till, who: Caller, amount: int, source: ledger.LotSource, price: Money | None) -> None:
    async with till.house.database.transaction() as session:
        await ledger.grant(
            session,
            purse(who),
            points(amount),
            key=f"{source}:{who.id}",
            kind="club.points",
            source=source,
            price=price,
        )


def purse(who: Caller) -> ledger.AccountRef:
    return ledger.AccountRef("person", who.id, "points", "PTS")


async def test_points_that_were_paid_for_are_lost_only_on_purpose(till: Till) -> None:
    asha, ravi = await someone(till), await someone(till, "Ravi Das")
    await granted(till, asha, 500, "purchased", Money(50_000, "INR"))
    await granted(till, asha, 20, "promotional", None)
    await granted(till, ravi, 20, "promotional", None)
    async with till.house.database.transaction() as session:
        hold = await ledger.reserve(session, purse(asha), points(5), key="work")
    refused = (await asha.call("DELETE", "/users/me")).json()
    assert {(one["pointer"], one["code"]) for one in refused["errors"]} == {
        ("", "points_at_work"),
        ("/give_up", "points"),
    }
    assert "you paid for" in " ".join(one["message"] for one in refused["errors"])
    at_work = await asha.call("DELETE", "/users/me?give_up=points")
    assert [one["code"] for one in at_work.json()["errors"]] == ["points_at_work"], "work under way cannot be given up"
    async with till.house.database.transaction() as session:
        await ledger.void(session, hold.id)

    assert (await asha.call("DELETE", "/users/me?give_up=something_else")).status_code == 409
    async with till.house.database.reading() as session:
        assert (await ledger.lots_summary(session, purse(asha))).total == points(520)
    assert (await asha.call("DELETE", "/users/me?give_up=points")).status_code == 204
    assert (await ravi.call("DELETE", "/users/me")).status_code == 204, "nothing was paid for his"
    async with till.house.database.reading() as session:
        assert (await ledger.lots_summary(session, purse(asha))).total == points(0)
        assert await ledger.lot_value(session, unit="PTS") == []
        kept = await session.execute(text("SELECT details FROM identity.audit WHERE action = 'identity.gave_up'"))
        assert kept.scalars().all() == [{"what": ["points"]}]
    with pytest.raises(ledger.AccountClosed):
        await granted(till, ravi, 1, "earned", None)


async def test_the_account_page_asks_before_what_was_paid_for_is_lost(till: Till) -> None:
    asha = await someone(till)
    await granted(till, asha, 500, "purchased", Money(50_000, "INR"))
    async with till.house.database.transaction() as session:
        row = await session.get(PersonRow, asha.id)
        assert row
        cookie = (await sessions.begin(session, row, "pages", "test")).cookie
    assert cookie
    transport = httpx.ASGITransport(till.app)
    headers = {"Accept": "text/html"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://testserver", cookies={COOKIE: cookie}, headers=headers
    ) as browser:
        page = await browser.get("/account")
        assert 'name="give_up"' not in page.text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token
        asked = await browser.post("/account/delete", data={"csrf_token": token[1]})
        assert asked.status_code == 409
        assert re.search(r'name="give_up" value="points" form="erase"', asked.text)
        gone = await browser.post("/account/delete", data={"csrf_token": token[1], "give_up": "points"})
        assert (gone.status_code, gone.headers["location"]) == (303, "/")
