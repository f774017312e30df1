"""Becoming a person: an address, a code, and nothing reserved before the code."""

import re
from datetime import timedelta

import pytest

from tests.parts.identity.town import PASSWORD, Town
from tillhouse.kernel import clock


async def test_a_code_sent_by_mail_makes_a_person_who_is_signed_in(town: Town) -> None:
    asked = await town.register("Asha@Example.com")
    assert asked.status_code == 201
    assert asked.json()["otp"]["channel"] == "email"

    answer = await town.post(
        "/auth/verify-otp", {"identifier": "asha@example.com", "code": await town.code_to("asha@example.com")}
    )

    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 900
    me = await town.call("GET", "/users/me", token=answer.json()["access_token"])
    assert me.json()["full_name"] == "Asha Rao"
    assert me.json()["roles"] == ["user"]
    assert [i["value"] for i in me.json()["identifiers"]] == ["asha@example.com"]
    signed_in = await town.post("/auth/login", {"identifier": "ASHA@example.com", "password": PASSWORD})
    assert signed_in.status_code == 200


async def test_an_indian_number_without_country_code_gets_its_code_by_sms(town: Town) -> None:
    asked = await town.post("/auth/register", {"phone": "98450 12345", "full_name": "Ravi"})
    assert asked.json()["otp"]["channel"] == "phone"
    code = await town.code_to("+919845012345")
    answer = await town.post("/auth/verify-otp", {"identifier": "+91 98450 12345", "code": code})
    assert answer.status_code == 200


async def test_a_person_without_password_signs_in_with_a_code(town: Town) -> None:
    await town.resident("ravi@example.com", password=None)
    asked = await town.post("/auth/login", {"identifier": "ravi@example.com"})
    assert asked.status_code == 202
    code = await town.code_to("ravi@example.com")
    answer = await town.post("/auth/verify-otp", {"identifier": "ravi@example.com", "code": code})
    assert answer.status_code == 200


async def test_an_unconfirmed_address_reserves_nothing(town: Town) -> None:
    squatter = (await town.register("asha@example.com", password="squatters password")).json()["otp"]["challenge_id"]
    mine = (await town.register("asha@example.com")).json()["otp"]["challenge_id"]
    assert squatter != mine
    code = await town.code_to("asha@example.com")
    body = {"identifier": "asha@example.com", "code": code, "challenge_id": mine}
    assert (await town.post("/auth/verify-otp", body)).status_code == 200
    stolen = await town.post("/auth/login", {"identifier": "asha@example.com", "password": "squatters password"})
    assert stolen.status_code == 401
    own = await town.post("/auth/login", {"identifier": "asha@example.com", "password": PASSWORD})
    assert own.status_code == 200


async def test_a_password_is_dropped_where_it_is_not_certain_whose_it_is(town: Town) -> None:
    await town.register("asha@example.com")
    await town.register("asha@example.com", password="squatters password")
    code = await town.code_to("asha@example.com")
    answer = await town.post("/auth/verify-otp", {"identifier": "asha@example.com", "code": code})
    me = await town.call("GET", "/users/me", token=answer.json()["access_token"])
    assert me.json()["has_password"] is False


async def test_a_second_address_gets_a_code_of_its_own_after_the_first_is_confirmed(town: Town) -> None:
    await town.post("/auth/register", {"email": "r@example.com", "phone": "9845012345", "full_name": "Ravi"})
    assert await town.messages_to("+919845012345") == []
    code = await town.code_to("r@example.com")
    answer = await town.post("/auth/verify-otp", {"identifier": "r@example.com", "code": code})
    token, code = answer.json()["access_token"], await town.code_to("+919845012345")
    body = {"identifier": "9845012345", "code": code}
    assert (await town.post("/users/me/identifiers/confirm", body, token=token)).status_code == 201
    me = await town.call("GET", "/users/me", token=token)
    assert [i["value"] for i in me.json()["identifiers"]] == ["r@example.com", "+919845012345"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"full_name": "A"}, "/email"),
        ({"full_name": "A", "email": "not an address"}, "/email"),
        ({"full_name": "A", "phone": "12"}, "/phone"),
        ({"full_name": " ", "email": "a@example.com"}, "/full_name"),
        ({"full_name": "A", "email": "a@example.com", "password": "short"}, "/password"),
        ({"full_name": "A", "email": "a@example.com", "password": "password123"}, "/password"),
        ({"full_name": "A", "email": "a@example.com", "zone": "Mars/Olympus"}, "/zone"),
        ({"full_name": "A", "email": "a@example.com", "nickname": "x"}, "/nickname"),
    ],
)
async def test_what_is_wrong_with_a_registration_is_said_at_its_field(
    town: Town, body: dict[str, str], pointer: str
) -> None:
    answer = await town.post("/auth/register", body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_code_is_good_for_five_tries(town: Town) -> None:
    await town.register("asha@example.com")
    code = await town.code_to("asha@example.com")
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for address in range(5):
        body = {"identifier": "asha@example.com", "code": wrong}
        refused = await town.post("/auth/verify-otp", body, address=f"198.51.100.{address}")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["code"] == "wrong_code"
    with clock.held(clock.now() + timedelta(minutes=5)):  # past the lockout, within the code's life
        late = await town.post("/auth/verify-otp", {"identifier": "asha@example.com", "code": code})
    assert late.status_code == 422


async def test_a_code_is_good_for_ten_minutes(town: Town, at: clock.TestClock) -> None:
    await town.register("asha@example.com")
    code = await town.code_to("asha@example.com")
    at.advance(timedelta(minutes=10))
    late = await town.post("/auth/verify-otp", {"identifier": "asha@example.com", "code": code})
    assert late.status_code == 422


async def test_a_code_is_good_once(town: Town) -> None:
    await town.register("asha@example.com")
    body = {"identifier": "asha@example.com", "code": await town.code_to("asha@example.com")}
    assert (await town.post("/auth/verify-otp", body)).status_code == 200
    assert (await town.post("/auth/verify-otp", body)).status_code == 422


async def test_a_code_is_good_for_its_own_purpose_alone(town: Town) -> None:
    await town.resident("asha@example.com")
    await town.post("/auth/forgot-password", {"identifier": "asha@example.com"})
    code = await town.code_to("asha@example.com")
    signing_in = await town.post("/auth/verify-otp", {"identifier": "asha@example.com", "code": code})
    assert signing_in.status_code == 422
    body = {"identifier": "asha@example.com", "code": code, "password": "another fine phrase"}
    assert (await town.post("/auth/reset-password", body)).status_code == 204


async def test_the_same_code_is_sent_again_while_it_is_good_and_another_after_that(
    town: Town, at: clock.TestClock
) -> None:
    await town.register("asha@example.com")
    first = await town.code_to("asha@example.com")
    assert (await town.post("/auth/resend-otp", {"identifier": "asha@example.com"})).status_code == 429
    at.advance(timedelta(seconds=31))
    assert (await town.post("/auth/resend-otp", {"identifier": "asha@example.com"})).status_code == 200
    assert await town.code_to("asha@example.com") == first
    assert len(await town.messages_to("asha@example.com")) == 2
    at.advance(timedelta(minutes=11))
    assert (await town.post("/auth/resend-otp", {"identifier": "asha@example.com"})).status_code == 200
    renewed = await town.code_to("asha@example.com")
    assert renewed != first
    answer = await town.post("/auth/verify-otp", {"identifier": "asha@example.com", "code": renewed})
    assert answer.status_code == 200


async def test_one_address_is_not_flooded_with_codes(town: Town) -> None:
    answers = [await town.register("asha@example.com") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]
    assert len(await town.messages_to("asha@example.com")) == 5


async def test_no_table_and_no_job_holds_a_code(town: Town) -> None:
    await town.register("asha@example.com")
    alone = re.compile(rf"(?<![0-9a-f-]){await town.code_to('asha@example.com')}(?![0-9a-f-])")
    async with town.house.database.reading() as session:
        connection = await session.connection()
        tables = await connection.exec_driver_sql(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema IN ('identity', 'channels', 'kernel')"
        )
        for schema, table in tables.all():
            rows = await connection.exec_driver_sql(f'SELECT t::text FROM "{schema}"."{table}" t')
            assert not any(alone.search(row[0]) for row in rows.all()), table
