"""Everyone sees what their own use came to, staff what all of it did; what is reserved is never forgotten."""

from datetime import timedelta
from decimal import Decimal
from typing import get_args
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from tests.parts.ai.points import Points
from tests.parts.ai.test_chat import ASKED
from tests.parts.identity.town import Town
from tillhouse.apps.compose import build_house, create_app
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.ai.api import chat
from tillhouse.parts.ai.api.chat import HOUSE, Owner, PurposeTitle, Use
from tillhouse.parts.ai.domain.calls import Amounts
from tillhouse.parts.ai.domain.failures import Trouble
from tillhouse.parts.ai.events import RemoveOldCalls, SweepCalls
from tillhouse.parts.ai.flows.attempts import Attempt, Question
from tillhouse.parts.ai.flows.health import endpoints_answer
from tillhouse.parts.ai.flows.switchboard import Switchboard
from tillhouse.parts.ai.models import CallRow
from tillhouse.parts.ai.pages.naming import failure_name
from tillhouse.parts.ai.service import metering
from tillhouse.parts.billing.api import PaidPurpose
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.service import people, sessions
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.transport import SandboxTransport


@pytest.fixture
def house_with_models(settings: KernelSettings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-tillhouse")
    return build_house(settings, mounts={"http://sandbox": SandboxTransport(sandbox)})


async def test_use_is_shown_to_whose_it_is_and_to_staff(house_with_models: House, sandbox: Sandbox) -> None:
    house = house_with_models
    town = Town(house, create_app(house), sandbox)
    asha = await town.resident("asha@example.com")
    ravi = await town.resident("ravi@example.com")
    for _ in range(2):
        reply = await chat.complete(house, Use(Owner("person", UUID(asha.id)), "wordai.answer"), ASKED)
    await chat.complete(house, Use(HOUSE, "wordai.index"), ASKED, models=["extractive/quotes"])

    seen = (await town.call("GET", "/ai/usage", token=asha.token)).json()
    (line,) = seen["lines"]
    assert (line["purpose"], line["model"], line["calls"], line["failed"]) == (
        "wordai.answer", "openai/gpt-4.1-mini", 2, 0,
    )  # fmt: skip
    assert (line["input_tokens"], line["output_tokens"]) == (2 * reply.usage.input, 2 * reply.usage.output)
    cost = (Decimal("0.4") * reply.usage.input + Decimal("1.6") * reply.usage.output) * 2 / 1_000_000
    assert (Decimal(line["cost"]), line["currency"]) == (cost, "USD")
    assert (await town.call("GET", "/ai/usage", token=ravi.token)).json()["lines"] == []
    assert (await town.call("GET", "/ai/usage")).status_code == 401
    assert (await town.call("GET", "/ai/usage?days=0", token=asha.token)).status_code == 422

    async with house.database.transaction() as session:
        staff = await people.create(session, "Meera", [parse_identifier("meera@example.com")], role="staff")
        cookie = (await sessions.begin(session, staff, "pages", "Firefox", 2)).cookie or ""
    house.provide([PurposeTitle("wordai.answer", "Answers from books")])
    anyone = await town.browser("asha@example.com")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(town.app), base_url="http://testserver", headers={"Accept": "text/html"}
    ) as browser:
        browser.cookies.set("till_session", anyone)
        assert (await browser.get("/console/ai/usage")).status_code == 403
        browser.cookies.set("till_session", cookie)
        page = (await browser.get("/console/ai/usage?days=7")).text
        assert "Answers from books" in page
        assert "wordai.answer" not in page
        assert "wordai.index" in page
        assert "OpenAI · gpt-4.1-mini" in page
        assert "Quotes, built in" in page
        assert "extractive/quotes" not in page
        assert asha.id not in page
        sheet = (await browser.get("/console/ai/calls.csv")).text
    assert len(sheet.splitlines()) == 4
    assert asha.id not in sheet
    assert f",{Decimal(line['cost']) / 2:.9f}," in sheet

    async with house.database.transaction() as session:
        await metering.erase(session, UUID(asha.id), [])
    assert (await town.call("GET", "/ai/usage", token=asha.token)).json()["lines"] == []
    async with house.database.reading() as session:
        owners = (await session.execute(select(CallRow.owner_kind, CallRow.owner_id))).all()
    assert [tuple(one) for one in owners] == [("house", None)] * 3
    await house.close()


async def test_a_call_whose_process_died_is_lost_and_its_reservation_given_back(house: House) -> None:
    house.provide([PaidPurpose("wordai.answer")])
    points = Points.of(house, uuid4())
    await points.give(100)
    use = Use(Owner("person", points.owner.id), "wordai.answer")
    question = Question(house=house, use=use, kind="chat", most=Amounts(input=1_000_000))
    attempt = await Attempt.begin(question, "openai/gpt-4.1-mini", 1, 5.0)  # and then the process dies
    assert await points.left() == (60, 40)

    async def swept() -> str:
        async with house.database.transaction() as session:
            await enqueue(session, SweepCalls())
            await enqueue(session, RemoveOldCalls())
        await run_due(house)
        async with house.database.reading() as session:
            return (await session.execute(select(CallRow.state))).scalar_one()

    assert await swept() == "running"  # it may still be under way
    async with house.database.transaction() as session:
        await session.execute(update(CallRow).values(deadline_at=CallRow.deadline_at - timedelta(minutes=6)))
    assert await swept() == "lost"
    assert await points.left() == (100, 0)
    attempt.amounts = Amounts(input=1_000_000)
    await attempt.end(None)  # it comes back after all: too late to charge anyone
    assert await swept() == "lost"
    assert await points.charges() == [("released", 40, 0)]
    await points.check()
    async with house.database.transaction() as session:
        await session.execute(update(CallRow).values(created_at=CallRow.created_at - timedelta(days=401)))
        await metering.remove_old(session, timedelta(days=400))
    async with house.database.reading() as session:
        assert (await session.execute(select(CallRow))).all() == []


async def test_an_endpoint_that_is_left_alone_shows_in_health(house: House, app: FastAPI) -> None:
    await endpoints_answer(house)
    board = house.the(Switchboard)
    for _ in range(5):
        board.breaker("openai").failed(board.now())
    with pytest.raises(RuntimeError, match="openai"):
        await endpoints_answer(house)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        shown = {one["name"]: one["state"] for one in (await client.get("/health")).json()["dependencies"]}
    assert shown["ai"] == "down"


@pytest.mark.parametrize("trouble", get_args(Trouble))
def test_how_a_call_failed_is_said_in_words_with_the_endpoints_code(trouble: str) -> None:
    assert failure_name(trouble) != trouble
    assert failure_name(f"{trouble}:http_500") == f"{failure_name(trouble)} (http_500)"
