"""`Idempotency-Key`: one effect, one answer, whatever is repeated, changed, concurrent or interrupted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from pydantic import BaseModel
from sqlalchemy import func, select

from tests.work import dummy
from tillhouse.kernel import idempotency
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.clock import TestClock
from tillhouse.kernel.errors import Conflict, Forbidden, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.http import TheHouse, Write, install_problems, problem_json
from tillhouse.kernel.idempotency import IdempotentRoute, OptionalKey, RequiredKey, forget_old_keys
from tillhouse.kernel.models import IdempotencyKeyRow

router = APIRouter(route_class=IdempotentRoute)
hooks: dict[str, Callable[[], Awaitable[None]]] = {}


class Order(BaseModel):
    mark: str


async def run_hook(mark: str) -> None:
    if hook := hooks.get(mark):
        await hook()


@router.post("/orders", status_code=201)
async def create_order(session: Write, key: RequiredKey, order: Order) -> dict[str, str]:
    await dummy.mark(session, "order", order.mark)
    await run_hook(order.mark)
    return {"mark": order.mark, "key": key}


@router.post("/notes", status_code=201)
async def create_note(session: Write, order: Order, key: OptionalKey) -> dict[str, str | None]:
    await dummy.mark(session, "note", order.mark)
    return {"key": key}


@router.post("/flows", status_code=202)
async def start_flow(house: TheHouse, key: RequiredKey, order: Order) -> dict[str, str]:
    """A flow: its intent row, keyed with the key, is written once; the rest resumes."""
    async with house.database.transaction() as session:
        if key not in await dummy.marks(session, "intent"):
            await dummy.mark(session, "intent", key)
    await run_hook(order.mark)
    async with house.database.transaction() as session:
        await dummy.mark(session, "flow", order.mark)
    return {"mark": order.mark}


@router.post("/guarded/order", dependencies=[Depends(require("for.others"))])
async def guarded_order(session: Write, key: RequiredKey, order: Order) -> None:
    raise AssertionError("was let in")


@router.post("/guarded/flow", dependencies=[Depends(require("for.others"))])
async def guarded_flow(key: RequiredKey, order: Order) -> None:
    raise AssertionError("was let in")


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async def who(request: Request) -> Principal:
        return Principal("person", UUID(int=int(request.headers.get("x-person", "1"))))

    house.authenticator = who
    app = FastAPI()
    app.state.house = house
    install_problems(app, problem_json)
    app.include_router(router, prefix="/api/v1")
    hooks.clear()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver/api/v1") as found:
        yield found


async def post(
    client: httpx.AsyncClient, path: str, mark: str, key: str | None = "k", person: int = 1
) -> httpx.Response:
    headers = {"x-person": str(person)} | ({"Idempotency-Key": key} if key else {})
    return await client.post(path, json={"mark": mark}, headers=headers)


async def marks(house: House, made_by: str) -> list[str]:
    async with house.database.reading() as session:
        return await dummy.marks(session, made_by)


def replayed(response: httpx.Response) -> bool:
    return response.headers.get("idempotent-replayed") == "true"


@pytest.mark.parametrize(("path", "made_by", "status"), [("/orders", "order", 201), ("/flows", "flow", 202)])
async def test_the_same_request_has_one_effect_and_one_answer(
    house: House, client: httpx.AsyncClient, path: str, made_by: str, status: int
) -> None:
    first = await post(client, path, "a")
    second = await post(client, path, "a")
    assert (first.status_code, replayed(first)) == (status, False)
    assert (second.status_code, replayed(second)) == (status, True)
    assert second.json() == first.json()
    assert second.headers["content-type"] == first.headers["content-type"]
    assert await marks(house, made_by) == ["a"]


@pytest.mark.parametrize(("path", "made_by"), [("/orders", "order"), ("/flows", "flow")])
async def test_another_body_under_the_same_key_is_refused_and_nothing_changes(
    house: House, client: httpx.AsyncClient, path: str, made_by: str
) -> None:
    await post(client, path, "a")
    refused = await post(client, path, "b")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert await marks(house, made_by) == ["a"]
    assert replayed(await post(client, path, "a"))


async def test_a_key_belongs_to_one_caller_and_one_route(house: House, client: httpx.AsyncClient) -> None:
    answers = [await post(client, "/orders", "a"), await post(client, "/orders", "a", person=2)]
    answers.append(await post(client, "/notes", "a"))
    assert not any(replayed(answer) for answer in answers)
    assert await marks(house, "order") == ["a", "a"]
    assert await marks(house, "note") == ["a"]


@pytest.mark.parametrize("path", ["/orders", "/flows"])
async def test_where_a_key_is_required_a_request_without_one_is_refused(
    house: House, client: httpx.AsyncClient, path: str
) -> None:
    refused = await post(client, path, "a", key=None)
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_required")
    assert await marks(house, "%") == []


async def test_where_a_key_is_optional_requests_without_one_are_each_their_own(
    house: House, client: httpx.AsyncClient
) -> None:
    await post(client, "/notes", "a", key=None)
    await post(client, "/notes", "a", key=None)
    await post(client, "/notes", "a", key="k")
    assert replayed(await post(client, "/notes", "a", key="k"))
    assert await marks(house, "note") == ["a", "a", "a"]


@pytest.mark.parametrize(("path", "made_by"), [("/orders", "order"), ("/flows", "flow")])
async def test_of_many_at_once_one_has_its_effect_and_all_get_its_answer(
    house: House, client: httpx.AsyncClient, path: str, made_by: str
) -> None:
    answers = await asyncio.gather(*(post(client, path, "a") for _ in range(6)))
    assert len({answer.status_code for answer in answers}) == 1
    assert sum(replayed(answer) for answer in answers) == 5
    assert await marks(house, made_by) == ["a"]


@pytest.mark.parametrize("path", ["/orders", "/flows"])
async def test_while_the_first_still_runs_the_second_waits_briefly_and_is_then_told_to(
    client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_WAIT_SECONDS", 0.2)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await go_on.wait()

    hooks["a"] = slow
    first = asyncio.create_task(post(client, path, "a"))
    await begun.wait()
    second = await post(client, path, "a")
    go_on.set()
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight")
    assert (await first).is_success
    assert replayed(await post(client, path, "a"))


@pytest.mark.parametrize("path", ["/orders", "/flows"])
async def test_a_final_refusal_is_the_answer_from_then_on(client: httpx.AsyncClient, path: str) -> None:
    async def refuse() -> None:
        raise Conflict("This is closed.")

    hooks["a"] = refuse
    first = await post(client, path, "a")
    hooks.clear()
    second = await post(client, path, "a")
    assert (first.status_code, second.status_code) == (409, 409)
    assert second.json()["detail"] == first.json()["detail"] == "This is closed."
    assert replayed(second)


@pytest.mark.parametrize("error", [TransientError("Away."), Forbidden("Not yet."), ZeroDivisionError()])
@pytest.mark.parametrize(("path", "made_by"), [("/orders", "order"), ("/flows", "flow")])
async def test_what_is_not_final_is_done_by_the_retry(
    house: House, client: httpx.AsyncClient, path: str, made_by: str, error: Exception
) -> None:
    async def fail() -> None:
        raise error

    hooks["a"] = fail
    assert (await post(client, path, "a")).status_code >= 400
    hooks.clear()
    again = await post(client, path, "a")
    assert again.is_success
    assert not replayed(again)
    assert await marks(house, made_by) == ["a"]


@pytest.mark.parametrize(("path", "made_by"), [("/orders", "order"), ("/flows", "flow")])
async def test_a_malformed_request_does_not_use_up_its_key(
    house: House, client: httpx.AsyncClient, path: str, made_by: str
) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (await client.post(path, json={"wrong": 1}, headers=headers)).status_code == 422
    assert (await post(client, path, "a")).is_success
    assert await marks(house, made_by) == ["a"]


@pytest.mark.parametrize("path", ["/guarded/order", "/guarded/flow"])
async def test_whoever_may_not_call_is_told_so_each_time_and_leaves_no_key(
    house: House, client: httpx.AsyncClient, path: str
) -> None:
    for mark in ("a", "b"):
        refused = await post(client, path, mark)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    async with house.database.reading() as session:
        assert (await session.execute(select(func.count()).select_from(IdempotencyKeyRow))).scalar_one() == 0


async def test_a_flow_cut_off_in_the_middle_resumes_by_its_intent_once_its_claim_has_ended(
    house: House, client: httpx.AsyncClient, time: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_WAIT_SECONDS", 0.1)

    async def die() -> None:
        monkeypatch.setattr(idempotency._HeldRefusal, "settle", nothing_more)
        raise ZeroDivisionError

    async def nothing_more(*_: object) -> None:
        """A killed process writes nothing more."""

    hooks["a"] = die
    with monkeypatch.context():
        await post(client, "/flows", "a")
    hooks.clear()
    assert (await post(client, "/flows", "a")).json()["code"] == "idempotency_in_flight"
    time.advance(timedelta(minutes=2))
    assert (await post(client, "/flows", "a")).status_code == 202
    assert await marks(house, "intent") == ["k"]
    assert await marks(house, "flow") == ["a"]


async def test_an_answer_is_stored_sealed_and_forgotten_after_two_days(
    house: House, client: httpx.AsyncClient, time: TestClock
) -> None:
    await post(client, "/orders", "very-private")
    async with house.database.reading() as session:
        connection = await session.connection()
        stored = await connection.exec_driver_sql("SELECT body FROM kernel.idempotency_keys")
        assert b"very-private" not in stored.scalar_one()
    time.advance(timedelta(hours=47))
    assert replayed(await post(client, "/orders", "very-private"))
    time.advance(timedelta(hours=2))
    async with house.database.transaction() as session:
        assert await forget_old_keys(session) == 1
