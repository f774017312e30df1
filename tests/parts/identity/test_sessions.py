"""Tokens, their rotation, and what ends them."""

import asyncio
from datetime import timedelta

import httpx
import jwt
import pytest
from argon2 import PasswordHasher

from tests.parts.identity.town import PASSWORD, Resident, Town
from tillhouse.kernel import clock
from tillhouse.parts.identity.domain import derive_key, next_token, token_hash
from tillhouse.parts.identity.service.passwords import passwords_of


@pytest.fixture
async def asha(town: Town) -> Resident:
    return await town.resident()


async def me(town: Town, token: str) -> int:
    return (await town.call("GET", "/users/me", token=token)).status_code


async def refresh(town: Town, token: str) -> httpx.Response:
    return await town.post("/auth/refresh-token", {"refresh_token": token})


async def tokens_of_all(town: Town) -> int:
    async with town.house.database.reading() as session:
        connection = await session.connection()
        return int((await connection.exec_driver_sql("SELECT count(*) FROM identity.refresh_tokens")).scalar_one())


async def test_an_access_token_is_good_for_fifteen_minutes(town: Town, asha: Resident, at: clock.TestClock) -> None:
    at.advance(timedelta(minutes=14, seconds=59))
    assert await me(town, asha.token) == 200
    at.advance(timedelta(seconds=1))
    assert await me(town, asha.token) == 401


async def test_a_refresh_token_gives_the_next_pair_and_lasts_thirty_days(
    town: Town, asha: Resident, at: clock.TestClock
) -> None:
    at.advance(timedelta(days=29, hours=23))
    pair = (await refresh(town, asha.refresh_token)).json()
    assert await me(town, pair["access_token"]) == 200
    at.advance(timedelta(days=30))
    assert (await refresh(town, pair["refresh_token"])).status_code == 401


async def test_a_refresh_token_used_again_ends_the_whole_family(
    town: Town, asha: Resident, at: clock.TestClock
) -> None:
    thief = (await refresh(town, asha.refresh_token)).json()
    at.advance(timedelta(seconds=21))
    assert (await refresh(town, asha.refresh_token)).status_code == 401
    assert await me(town, thief["access_token"]) == 401
    assert (await refresh(town, thief["refresh_token"])).status_code == 401


async def test_two_tabs_that_refresh_at_once_are_led_to_one_token_and_both_go_on(town: Town, asha: Resident) -> None:
    answers = await asyncio.gather(*(refresh(town, asha.refresh_token) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    (shared,) = {answer.json()["refresh_token"] for answer in answers}
    assert [await me(town, answer.json()["access_token"]) for answer in answers] == [200] * 5
    assert (await refresh(town, shared)).status_code == 200
    assert await tokens_of_all(town) == 3


async def test_a_tab_that_comes_late_within_the_grace_is_led_to_the_newest_token(
    town: Town, asha: Resident, at: clock.TestClock
) -> None:
    second = (await refresh(town, asha.refresh_token)).json()["refresh_token"]
    at.advance(timedelta(seconds=10))
    third = (await refresh(town, second)).json()["refresh_token"]
    at.advance(timedelta(seconds=9))
    assert (await refresh(town, asha.refresh_token)).json()["refresh_token"] == third
    at.advance(timedelta(seconds=30))
    assert (await refresh(town, third)).status_code == 200


async def test_a_thief_within_the_grace_shares_the_owners_chain_and_the_next_use_ends_it(
    town: Town, asha: Resident, at: clock.TestClock
) -> None:
    owner = (await refresh(town, asha.refresh_token)).json()
    thief = (await refresh(town, asha.refresh_token)).json()
    at.advance(timedelta(minutes=14))
    owner = (await refresh(town, owner["refresh_token"])).json()
    at.advance(timedelta(seconds=21))
    assert (await refresh(town, thief["refresh_token"])).status_code == 401
    for pair in (owner, thief):
        assert await me(town, pair["access_token"]) == 401
        assert (await refresh(town, pair["refresh_token"])).status_code == 401


@pytest.mark.parametrize("generation", [0, 1, 2])
async def test_any_used_token_of_a_family_that_comes_back_ends_all_of_it(
    town: Town, asha: Resident, at: clock.TestClock, generation: int
) -> None:
    family = [asha.refresh_token]
    access = [asha.token]
    for _ in range(3):
        pair = (await refresh(town, family[-1])).json()
        family.append(pair["refresh_token"])
        access.append(pair["access_token"])
    at.advance(timedelta(seconds=21))
    assert (await refresh(town, family[generation])).status_code == 401
    assert [await me(town, token) for token in access] == [401] * 4
    assert [(await refresh(town, token)).status_code for token in family] == [401] * 4


async def test_reuse_ends_that_session_and_no_other(town: Town, asha: Resident, at: clock.TestClock) -> None:
    phone = (await town.post("/auth/login", {"identifier": "asha@example.com", "password": PASSWORD})).json()
    await refresh(town, asha.refresh_token)
    at.advance(timedelta(seconds=21))
    await refresh(town, asha.refresh_token)
    assert await me(town, phone["access_token"]) == 200
    assert (await refresh(town, phone["refresh_token"])).status_code == 200


async def test_the_database_alone_tells_no_refresh_token(town: Town, asha: Resident) -> None:
    pair = (await refresh(town, asha.refresh_token)).json()
    other_house = next_token(derive_key("another secret", "refresh tokens"), asha.refresh_token)
    assert pair["refresh_token"] != other_house
    async with town.house.database.reading() as session:
        connection = await session.connection()
        stored = (await connection.exec_driver_sql("SELECT token_hash FROM identity.refresh_tokens")).scalars().all()
    assert set(stored) == {token_hash(asha.refresh_token), token_hash(pair["refresh_token"])}


async def test_a_secret_key_replaced_within_the_grace_asks_the_second_tab_to_sign_in_and_ends_nothing(
    town: Town, asha: Resident
) -> None:
    first = (await refresh(town, asha.refresh_token)).json()
    town.house.settings = town.house.settings.model_copy(update={"secret_key": "k" * 32})
    assert (await refresh(town, asha.refresh_token)).status_code == 401
    assert (await refresh(town, first["refresh_token"])).status_code == 200


async def test_signing_out_stops_the_access_token_at_once(town: Town, asha: Resident) -> None:
    assert (await town.post("/auth/logout", token=asha.token)).status_code == 204
    assert await me(town, asha.token) == 401
    assert (await refresh(town, asha.refresh_token)).status_code == 401


async def test_a_session_can_be_ended_with_its_refresh_token_alone(town: Town, asha: Resident) -> None:
    assert (await town.post("/auth/logout", {"refresh_token": asha.refresh_token})).status_code == 204
    assert await me(town, asha.token) == 401


async def test_signing_out_everywhere_ends_every_session_of_this_person_alone(town: Town, asha: Resident) -> None:
    phone = (await town.post("/auth/login", {"identifier": "asha@example.com", "password": PASSWORD})).json()
    other = await town.resident("ravi@example.com")
    listed = await town.call("GET", "/users/me/sessions", token=asha.token)
    assert [item["current"] for item in listed.json()["items"]].count(True) == 1
    assert len(listed.json()["items"]) == 2
    assert (await town.call("DELETE", "/users/me/sessions", token=asha.token)).status_code == 204
    assert await me(town, asha.token) == 401
    assert await me(town, phone["access_token"]) == 401
    assert await me(town, other.token) == 200


async def test_another_persons_session_is_not_found(town: Town, asha: Resident) -> None:
    ravi = await town.resident("ravi@example.com")
    theirs = (await town.call("GET", "/users/me/sessions", token=ravi.token)).json()["items"][0]["id"]
    assert (await town.call("DELETE", f"/users/me/sessions/{theirs}", token=asha.token)).status_code == 404
    assert await me(town, ravi.token) == 200


@pytest.mark.parametrize("bad", ["", "x", "till_x", "a.b.c"])
async def test_a_bad_bearer_token_is_refused(town: Town, bad: str) -> None:
    answer = await town.call("GET", "/users/me", token=bad or None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_signed_by_someone_else_or_by_nobody_is_refused(town: Town, asha: Resident) -> None:
    claims = jwt.decode(asha.token, options={"verify_signature": False})
    assert sorted(claims) == ["aud", "exp", "iat", "sid", "sub"]
    foreign = jwt.encode(claims, "another key that is long enough to sign", algorithm="HS256")
    unsigned = jwt.encode(claims, None, algorithm="none")
    assert await me(town, foreign) == 401
    assert await me(town, unsigned) == 401


async def test_the_api_takes_no_cookie(town: Town, asha: Resident) -> None:
    cookie = await town.browser("asha@example.com")
    assert (await town.call("GET", "/users/me", cookie=cookie)).status_code == 401


async def test_changing_the_password_ends_other_sessions_and_tells_the_person(town: Town, asha: Resident) -> None:
    other = (await town.post("/auth/login", {"identifier": "asha@example.com", "password": PASSWORD})).json()
    body = {"current_password": "not this one", "new_password": "another fine phrase"}
    refused = await town.call("PATCH", "/users/me/password", body, token=asha.token)
    assert refused.json()["errors"][0]["pointer"] == "/current_password"
    assert await me(town, other["access_token"]) == 200
    body["current_password"] = PASSWORD
    assert (await town.call("PATCH", "/users/me/password", body, token=asha.token)).status_code == 204
    assert await me(town, asha.token) == 200
    assert await me(town, other["access_token"]) == 401
    assert "was changed" in (await town.messages_to("asha@example.com"))[0]
    login = {"identifier": "asha@example.com", "password": "another fine phrase"}
    assert (await town.post("/auth/login", login)).status_code == 200


async def test_resetting_the_password_ends_every_session(town: Town, asha: Resident) -> None:
    await town.post("/auth/forgot-password", {"identifier": "asha@example.com"})
    body = {
        "identifier": "asha@example.com",
        "code": await town.code_to("asha@example.com"),
        "password": "another fine phrase",
    }
    assert (await town.post("/auth/reset-password", body)).status_code == 204
    assert await me(town, asha.token) == 401
    old = {"identifier": "asha@example.com", "password": PASSWORD}
    assert (await town.post("/auth/login", old)).status_code == 401


async def test_a_password_hashed_with_old_parameters_is_hashed_anew_at_sign_in(town: Town, asha: Resident) -> None:
    async def stored() -> str:
        async with town.house.database.reading() as session:
            connection = await session.connection()
            found = await connection.exec_driver_sql("SELECT password_hash FROM identity.credentials")
            return str(found.scalar_one())

    before = await stored()
    passwords_of(town.house).hasher = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    login = {"identifier": "asha@example.com", "password": PASSWORD}
    assert (await town.post("/auth/login", login)).status_code == 200
    assert "t=1" in before
    assert "t=2" in await stored()


async def test_a_ticket_opens_a_stream_for_a_minute_and_nothing_else(
    town: Town, asha: Resident, at: clock.TestClock
) -> None:
    ticket = (await town.post("/auth/ticket", token=asha.token)).json()["ticket"]
    assert await me(town, ticket) == 401
    assert (await town.call("GET", f"/users/me?ticket={ticket}")).status_code == 401
    stream = {"Accept": "text/event-stream"}
    transport = httpx.ASGITransport(town.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=stream) as client:
        assert (await client.get(f"/api/v1/users/me?ticket={ticket}")).status_code == 200
        assert (await client.get(f"/api/v1/users/me?ticket={ticket}")).status_code == 401, "once"
        another = (await town.post("/auth/ticket", token=asha.token)).json()["ticket"]
        at.advance(timedelta(seconds=61))
        assert (await client.get(f"/api/v1/users/me?ticket={another}")).status_code == 401
