"""Rate limits: who is counted, what an answer says, and what happens when Redis is away."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from tests.work.fleet import Redis, free_port, need_redis, until
from tillhouse.kernel.access import NOBODY, Principal
from tillhouse.kernel.house import House
from tillhouse.kernel.http import install_problems, problem_json
from tillhouse.kernel.limits import Limiter, limit_of, rate_limit


async def _body_key(request: Request) -> str:
    return str((await request.json())["phone"])


@pytest.fixture
def app(house: House) -> FastAPI:
    async def who(request: Request) -> Principal:
        found = request.headers.get("x-person")
        return Principal("person", UUID(int=int(found))) if found else NOBODY

    house.authenticator = who
    made = FastAPI()
    made.state.house = house
    install_problems(made, problem_json)

    @made.get("/by-ip", dependencies=[Depends(rate_limit("2/minute", by="ip"))])
    async def by_ip() -> str:
        return "yes"

    @made.get("/by-caller", dependencies=[Depends(rate_limit("2/minute"))])
    async def by_caller() -> str:
        return "yes"

    @made.post("/by-phone", dependencies=[Depends(rate_limit("1/hour", by=_body_key))])
    async def by_phone() -> str:
        return "yes"

    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=("10.0.0.9", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as found:
        yield found


async def test_within_the_limit_answers_say_what_is_left_and_beyond_it_when_to_come_back(
    client: httpx.AsyncClient,
) -> None:
    first = await client.get("/by-ip")
    assert first.headers["ratelimit-policy"] == '"ip";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"ip";r=1;t=')
    await client.get("/by-ip")
    refused = await client.get("/by-ip")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert (await client.get("/by-caller")).status_code == 200


async def test_callers_are_counted_apart(client: httpx.AsyncClient) -> None:
    for person in ("1", "1", "2", "2"):
        assert (await client.get("/by-caller", headers={"x-person": person})).status_code == 200
    assert (await client.get("/by-caller", headers={"x-person": "1"})).status_code == 429
    assert (await client.get("/by-caller")).status_code == 200


async def test_a_function_of_the_request_may_say_who_is_counted(client: httpx.AsyncClient) -> None:
    assert (await client.post("/by-phone", json={"phone": "1"})).status_code == 200
    assert (await client.post("/by-phone", json={"phone": "2"})).status_code == 200
    assert (await client.post("/by-phone", json={"phone": "1"})).status_code == 429


async def test_a_forwarded_address_is_believed_only_from_a_trusted_proxy(
    house: House, client: httpx.AsyncClient
) -> None:
    async def tries(*forwarded: str) -> list[int]:
        return [(await client.get("/by-ip", headers={"x-forwarded-for": one})).status_code for one in forwarded]

    assert await tries("1.1.1.1", "2.2.2.2", "3.3.3.3") == [200, 200, 429]
    house.settings = house.settings.model_copy(update={"trusted_proxies": ("10.0.0.0/8",)})
    assert await tries("1.1.1.1", "2.2.2.2", "3.3.3.3") == [200, 200, 200]
    assert await tries("8.8.8.8, 1.1.1.1", "9.9.9.9, 1.1.1.1") == [200, 429]
    assert await tries("5.5.5.5, 10.1.1.1", "5.5.5.5", "5.5.5.5") == [200, 200, 429]
    assert await tries("7.7.7.7:1024", "7.7.7.7:1025", "7.7.7.7, 10.1.1.1:443") == [
        200,
        200,
        429,
    ]  # some write the port
    assert await tries("[2001:db8::7]:1024", "[2001:db8::7]", "2001:db8::7") == [200, 200, 429]


async def test_addresses_of_one_ipv6_household_count_as_one(app: FastAPI) -> None:
    async def status(address: str) -> int:
        transport = httpx.ASGITransport(app, client=(address, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return (await client.get("/by-ip")).status_code

    assert [await status(f"2001:db8::{number}") for number in (1, 2, 3)] == [200, 200, 429]
    assert await status("2001:db8:0:1::1") == 200
    assert [await status(f"::ffff:1.1.1.{number}") for number in (1, 2, 3)] == [200, 200, 200]  # IPv4, on such a socket


async def test_a_trusted_proxy_is_known_on_a_socket_of_both_kinds(house: House, app: FastAPI) -> None:
    house.settings = house.settings.model_copy(update={"trusted_proxies": ("10.0.0.0/8",)})
    transport = httpx.ASGITransport(app, client=("::ffff:10.0.0.1", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        forwarded = [(await client.get("/by-ip", headers={"x-forwarded-for": f"{n}.1.1.1"})) for n in (1, 2, 3)]
    assert [one.status_code for one in forwarded] == [200, 200, 200]


def test_a_limit_is_recognised_and_a_rule_that_cannot_be_read_is_refused() -> None:
    limit = rate_limit("10/minute", by="ip")
    assert limit_of(limit) is limit
    assert limit_of(lambda: None) is None
    with pytest.raises(ValueError):
        rate_limit("ten a minute")


async def test_while_redis_is_away_a_process_counts_for_itself(house: House, client: httpx.AsyncClient) -> None:
    house.provide([Limiter(f"redis://127.0.0.1:{free_port()}/0")])
    assert [(await client.get("/by-ip")).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.redis
async def test_processes_that_share_redis_share_the_count(tmp_path_factory: pytest.TempPathFactory) -> None:
    need_redis()
    server = Redis(tmp_path_factory.mktemp("redis"))
    server.start()
    limit = rate_limit("3/minute", by="ip")
    one, other = Limiter(server.url), Limiter(server.url)
    try:
        await until(one.reachable)
        allowed = [(await limiter.hit(limit.item, "route", "ip"))[0] for limiter in (one, other, one, other)]
        assert allowed == [True, True, True, False]
    finally:
        await one.close()
        await other.close()
        server.kill()
