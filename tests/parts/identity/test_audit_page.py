"""The audit log as staff read it, and the way there through the second factor."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pyotp
import pytest
from fastapi import FastAPI

from tests.parts.identity.town import PASSWORD, Resident, Town
from tillhouse.kernel import clock
from tillhouse.kernel.access import SYSTEM, Principal
from tillhouse.parts.identity.api import audit

LOG = "/console/identity/audit"


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that follows where it is led."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://testserver",
        headers={"Accept": "text/html"},
        follow_redirects=True,
    ) as opened:
        yield opened


async def send(client: httpx.AsyncClient, page: httpx.Response, path: str, **fields: str) -> httpx.Response:
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    return await client.post(path, data={"csrf_token": token[1], **fields})


async def sign_in(client: httpx.AsyncClient, town: Town, at: clock.TestClock) -> Resident:
    """Someone of the staff, on the audit log, by password and authenticator."""
    meera = await town.resident("meera@example.com", role="staff")
    app = await town.give_totp(meera)
    page = await client.get(LOG)
    assert page.url.path == "/sign-in"
    asked = await send(client, page, "/sign-in", identifier="meera@example.com", password=PASSWORD, next=LOG)
    assert asked.url.path == "/step-up"
    shown = await send(client, asked, "/step-up", code=app.at(at.at), next=LOG)
    assert shown.url.path == LOG
    return meera


async def did(town: Town, who: Principal, action: str, subject: str = "payout:7", **details: str) -> None:
    async with town.house.database.transaction() as session:
        await audit(session, who, action, subject, dict(details))


def lines(page: httpx.Response) -> list[str]:
    """The actions on the page, from its top."""
    assert page.status_code == 200, page.text
    return re.findall(r'scope="row"[^>]*><code class="code">([^<]+)</code>', page.text)


async def test_from_the_password_over_the_authenticator_to_the_page_that_was_wanted(
    client: httpx.AsyncClient, town: Town, at: clock.TestClock
) -> None:
    await sign_in(client, town, at)


async def test_a_session_without_second_factor_steps_up_and_comes_back(
    client: httpx.AsyncClient, town: Town, at: clock.TestClock
) -> None:
    meera = await town.resident("meera@example.com", role="staff")
    app: pyotp.TOTP = await town.give_totp(meera)
    client.cookies["till_session"] = await town.browser("meera@example.com")
    page = await client.get(f"{LOG}?action=payments.")
    assert page.url.path == "/step-up"
    wanted = re.search(r'name="next" value="([^"]+)"', page.text)
    assert wanted
    shown = await send(client, page, "/step-up", code=app.at(at.at), next=wanted[1])
    assert str(shown.url) == f"http://testserver{LOG}?action=payments."


async def test_the_log_is_filtered_by_person_action_and_day(
    client: httpx.AsyncClient, town: Town, at: clock.TestClock
) -> None:
    meera = await sign_in(client, town, at)
    me = Principal("person", id=UUID(meera.id))
    await did(town, SYSTEM, "ledger.close_period", "period:2026-02")
    at.advance(timedelta(days=2))
    await did(town, me, "payments.approve", amount="2500.00")
    await did(town, me, "identity.set_role")
    everything = await client.get(LOG)
    assert lines(everything) == ["identity.set_role", "payments.approve", "ledger.close_period"]
    for text in ("Asha Rao", "The house itself", "2500.00", "payout:7"):
        assert text in everything.text, text
    for query, found in (
        ("who=meera@example.com", ["identity.set_role", "payments.approve"]),
        (f"who={meera.id}&action=payments.", ["payments.approve"]),
        ("action=ledger.close_period", ["ledger.close_period"]),
        ("last=2026-03-03", ["ledger.close_period"]),
        ("first=2026-03-03", ["identity.set_role", "payments.approve"]),
    ):
        assert lines(await client.get(f"{LOG}?{query}")) == found, query
    assert "Nothing fits this filter" in (await client.get(f"{LOG}?action=files.")).text


async def test_who_is_not_known_is_said_and_nothing_is_shown(
    client: httpx.AsyncClient, town: Town, at: clock.TestClock
) -> None:
    await sign_in(client, town, at)
    await did(town, SYSTEM, "ledger.close_period")
    answer = await client.get(f"{LOG}?who=stranger@example.com")
    assert answer.status_code == 422
    assert "Nobody here has this address" in answer.text
    assert "ledger.close_period" not in answer.text
    assert (await client.get(f"{LOG}.csv?who=stranger@example.com")).status_code == 422


async def test_the_log_goes_on_where_the_page_ended_and_the_file_has_all_of_it(
    client: httpx.AsyncClient, town: Town, at: clock.TestClock
) -> None:
    await sign_in(client, town, at)
    for number in range(60):
        await did(town, SYSTEM, f"test.act_{number}", "=cmd")
    first = await client.get(LOG)
    following = re.search(r'href="(\?cursor=[^"]+)"', first.text)
    assert following
    seen = lines(first) + lines(await client.get(LOG + following[1]))  # of one millisecond in any order
    assert sorted(seen) == sorted(f"test.act_{number}" for number in range(60))
    file = (await client.get(f"{LOG}.csv")).text.splitlines()
    assert len(file) == 61
    assert "'=cmd" in file[1]
