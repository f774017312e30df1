"""The edge: what a caller sees when things go right and wrong."""

from collections.abc import AsyncIterator
from typing import Annotated

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, Field
from sqlalchemy import text

from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.access import NOBODY, Principal, open_to_all, require
from tillhouse.kernel.db import Database
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput, TooManyRequests
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.text import N_

router = APIRouter(prefix="/api/v1/things", dependencies=[Depends(open_to_all("test"))])


class Thing(BaseModel):
    name: str = Field(min_length=2)


@router.post("/insert")
async def insert(session: Write, thing: Thing) -> dict[str, str]:
    await session.execute(text("INSERT INTO things VALUES (:name)"), {"name": thing.name})
    return {"name": thing.name}


@router.post("/insert-and-refuse")
async def insert_and_refuse(session: Write) -> None:
    await session.execute(text("INSERT INTO things VALUES ('refused')"))
    raise Conflict(N_("There are {count} already."), count=3)


@router.post("/fail-at-commit")
async def fail_at_commit(session: Write) -> dict[str, str]:
    await session.execute(text("INSERT INTO things VALUES ('deferred')"))
    return {"status": "looks fine"}


@router.get("/write-in-a-read")
async def write_in_a_read(session: Read) -> None:
    await session.execute(text("INSERT INTO things VALUES ('read')"))


@router.post("/call-out")
async def call_out(session: Write, house: TheHouse) -> None:
    await house.outbound.send("bank", "POST", "http://127.0.0.1:9/")


@router.get("/refused")
async def refused() -> None:
    raise InvalidInput(N_("No."), errors=[FieldError("/amount", "too_small", "At least 1.")])


@router.get("/slow-down")
async def slow_down() -> None:
    raise TooManyRequests(N_("Wait a little."), retry_after=7)


@router.get("/crash")
async def crash() -> None:
    raise ZeroDivisionError("the reason stays inside")


@router.get("/secret")
async def secret(_caller: Annotated[Principal, Depends(require("things.see"))]) -> None: ...


@pytest.fixture
async def table(server: EmbeddedPostgres, database_url: str) -> None:
    owner = await asyncpg.connect(server.superuser_dsn, database=database_url.rsplit("/", 1)[1])
    await owner.execute(
        """CREATE TABLE public.things (name text);
        CREATE FUNCTION public.no_deferred() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
            IF NEW.name = 'deferred' THEN RAISE EXCEPTION 'refused at commit'; END IF;
            IF NEW.name = 'cut' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER t AFTER INSERT ON public.things DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION public.no_deferred();
        GRANT ALL ON public.things TO till_app"""
    )
    await owner.close()


@pytest.fixture
async def caller(app: FastAPI, table: None) -> AsyncIterator[httpx.AsyncClient]:
    app.include_router(router)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver/api/v1/things") as found:
        yield found


async def names(house: House) -> list[str]:
    async with house.database.reading() as session:
        return list((await session.execute(text("SELECT name FROM things"))).scalars())


async def test_what_is_written_is_committed_before_the_answer(caller: httpx.AsyncClient, house: House) -> None:
    assert (await caller.post("/insert", json={"name": "kept"})).status_code == 200
    assert await names(house) == ["kept"]


async def test_a_refusal_undoes_what_was_written_and_says_why(caller: httpx.AsyncClient, house: House) -> None:
    answer = await caller.post("/insert-and-refuse")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "There are 3 already."
    assert answer.json()["code"] == "conflict"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert await names(house) == []


async def test_a_commit_that_fails_is_a_failure_for_the_caller(caller: httpx.AsyncClient, house: House) -> None:
    assert (await caller.post("/fail-at-commit")).status_code == 500
    assert await names(house) == []


async def test_who_cannot_be_told_whether_it_was_committed_is_not_told_that_nothing_was(
    caller: httpx.AsyncClient,
) -> None:
    cut = await caller.post("/insert", json={"name": "cut"})
    assert (cut.status_code, cut.json()["detail"]) == (503, "The house is busy or restarting. Try again in a moment.")


async def test_a_read_cannot_write(caller: httpx.AsyncClient, house: House) -> None:
    assert (await caller.get("/write-in-a-read")).status_code == 500
    assert await names(house) == []


async def test_no_provider_is_called_while_a_transaction_is_open(caller: httpx.AsyncClient) -> None:
    assert (await caller.post("/call-out")).status_code == 500


async def test_wrong_fields_are_pointed_at(caller: httpx.AsyncClient) -> None:
    answer = await caller.post("/insert", json={"name": "x"})
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("/name", "string_too_short")]
    assert (await caller.get("/refused")).json()["errors"] == [
        {"pointer": "/amount", "code": "too_small", "message": "At least 1."}
    ]


async def test_too_many_requests_say_when_to_come_back(caller: httpx.AsyncClient) -> None:
    answer = await caller.get("/slow-down")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


async def test_a_crash_tells_the_caller_nothing_of_its_inside(caller: httpx.AsyncClient) -> None:
    answer = await caller.get("/crash")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "reason" not in answer.text


async def test_while_the_database_is_away_or_busy_the_caller_is_told_to_try_again(
    app: FastAPI, house: House, caller: httpx.AsyncClient
) -> None:
    working, house.database = house.database, Database("postgresql+asyncpg://nobody@127.0.0.1:9/none")
    away = await caller.post("/insert", json={"name": "asha"})
    house.database = Database(working.url, pool=1, patience=0.05)
    async with house.database.engine.connect():
        busy = await caller.post("/insert", json={"name": "asha"})
    await house.database.close()
    house.database = working
    for answer in (away, busy):
        assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    assert await names(house) == []


async def test_nobody_is_asked_to_sign_in(caller: httpx.AsyncClient) -> None:
    answer = await caller.get("/secret")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert not NOBODY.may("things.see")


async def test_unknown_paths_and_methods_are_problems_too(caller: httpx.AsyncClient) -> None:
    assert (await caller.get("/nowhere")).json()["code"] == "not_found"
    assert (await caller.delete("/refused")).json()["code"] == "method_not_allowed"


async def test_a_long_body_is_refused_before_it_is_read(caller: httpx.AsyncClient, house: House) -> None:
    answer = await caller.post("/insert", content=b"x" * 1_100_000, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")

    async def streamed() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    answer = await caller.post("/insert", content=streamed(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert await names(house) == []


async def test_every_answer_carries_the_security_headers(caller: httpx.AsyncClient) -> None:
    for path in ("/refused", "/crash", "/nowhere"):
        headers = (await caller.get(path)).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


async def test_a_harmless_request_id_is_kept_and_another_replaced(caller: httpx.AsyncClient) -> None:
    kept = await caller.get("/refused", headers={"x-request-id": "mobile-12345678"})
    replaced = await caller.get("/refused", headers={"x-request-id": "<script>"})
    assert kept.headers["x-request-id"] == "mobile-12345678"
    assert replaced.headers["x-request-id"] != "<script>"


async def test_a_path_that_takes_files_has_a_limit_of_its_own(client: httpx.AsyncClient) -> None:
    small_enough, too_large = b"x" * 2_000_000, b"x" * 22_000_000
    assert (await client.post("/api/v1/files", content=small_enough)).status_code == 401
    assert (await client.post("/api/v1/files", content=too_large)).status_code == 413
    assert (await client.post("/api/v1/auth/login", content=small_enough)).status_code == 413


async def test_requests_are_timed_by_their_whole_route_and_never_by_what_is_in_it(client: httpx.AsyncClient) -> None:
    await client.get("/api/v1/wallets/01a1fc92-d115-7833-8ec4-f4bd907a25d5")
    lines = (await client.get("/metrics")).text.splitlines()
    timed = [line for line in lines if line.startswith("http_request_seconds_count") and "wallets" in line]
    assert any('route="/api/v1/wallets/{wallet_id}"' in line for line in timed)
    assert not any("01a1fc92" in line for line in timed)


async def test_metrics_are_for_this_machine_or_for_whoever_has_the_token(app: FastAPI, house: House) -> None:
    stranger = httpx.ASGITransport(app, client=("203.0.113.9", 4711))
    async with httpx.AsyncClient(transport=stranger, base_url="http://testserver") as outside:
        assert (await outside.get("/metrics")).status_code == 404
        assert (await outside.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 404
        house.settings = house.settings.model_copy(update={"metrics_token": "scrape-me"})
        assert (await outside.get("/metrics", headers={"Authorization": "Bearer guess"})).status_code == 404
        assert (await outside.get("/metrics", headers={"Authorization": "Bearer scrape-me"})).status_code == 200


async def test_probes_answer_and_say_which_dependency_is_down(client: httpx.AsyncClient, house: House) -> None:
    assert (await client.get("/health/live")).json() == {"status": "live"}
    assert (await client.get("/health/ready")).status_code == 200
    await house.database.close()
    body = (await client.get("/health")).json()
    assert {one["name"] for one in body["dependencies"]} >= {"database"}
