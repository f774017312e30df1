"""Whoever asks learns nothing about who has an account: same answer, same shape, same work."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest
from argon2 import PasswordHasher

from tests.parts.identity.town import PASSWORD, Town
from tillhouse.kernel import clock

KNOWN, UNKNOWN, WITHOUT_PASSWORD = "asha@example.com", "nobody@example.com", "ravi@example.com"

REQUESTS = {
    "register": lambda who: ("/auth/register", {"email": who, "password": "a fine long phrase", "full_name": "X"}),
    "login with a wrong password": lambda who: ("/auth/login", {"identifier": who, "password": "wrong password"}),
    "login by code": lambda who: ("/auth/login", {"identifier": who}),
    "verify a wrong code": lambda who: ("/auth/verify-otp", {"identifier": who, "code": "000000"}),
    "resend": lambda who: ("/auth/resend-otp", {"identifier": who}),
    "forgot": lambda who: ("/auth/forgot-password", {"identifier": who}),
    "reset with a wrong code": lambda who: (
        "/auth/reset-password",
        {"identifier": who, "code": "000000", "password": "another fine phrase"},
    ),
}


@pytest.fixture
def hashes() -> Iterator[Counter[str]]:
    """How many Argon2 operations were done."""
    done: Counter[str] = Counter()
    verify, hash_ = PasswordHasher.verify, PasswordHasher.hash

    def counted_verify(self: PasswordHasher, known: str, password: str) -> bool:
        done["verify"] += 1
        return verify(self, known, password)

    def counted_hash(self: PasswordHasher, password: str) -> str:
        done["hash"] += 1
        return hash_(self, password)

    with patch.object(PasswordHasher, "verify", counted_verify), patch.object(PasswordHasher, "hash", counted_hash):
        yield done


@pytest.mark.parametrize("request_of", REQUESTS.values(), ids=REQUESTS)
async def test_the_answer_and_the_work_are_the_same_for_every_address(
    town: Town, hashes: Counter[str], request_of: object
) -> None:
    assert callable(request_of)
    await town.resident(KNOWN)
    await town.resident(WITHOUT_PASSWORD, password=None)
    seen = []
    for who in (KNOWN, UNKNOWN, WITHOUT_PASSWORD):
        hashes.clear()
        answer = await town.post(*request_of(who))
        body = answer.json()
        varying = ("request_id",) if "code" in body else ()
        shape = {k: v for k, v in body.items() if k not in varying}
        if "otp" in shape:
            shape["otp"] = {**shape["otp"], "challenge_id": "…"}
        rows = await _rows(town)
        seen.append((answer.status_code, shape, dict(hashes), rows - seen[-1][4] if seen else None, rows))
    assert seen[0][:3] == seen[1][:3] == seen[2][:3]
    assert seen[1][3] == seen[2][3]  # as many rows and jobs are written


async def _rows(town: Town) -> Counter[str]:
    async with town.house.database.reading() as session:
        connection = await session.connection()
        found: Counter[str] = Counter()
        for table in ("identity.challenges", "identity.attempts", "channels.messages", "kernel.jobs"):
            found[table] = int((await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar_one())
    return found


async def test_only_the_owner_of_the_address_learns_that_there_is_an_account(town: Town) -> None:
    await town.resident(KNOWN)
    await town.register(KNOWN)
    assert "account already" in (await town.messages_to(KNOWN))[0]
    for path, body in (("/auth/login", {"identifier": UNKNOWN}), ("/auth/forgot-password", {"identifier": UNKNOWN})):
        assert (await town.post(path, body)).status_code == 202
    assert await town.messages_to(UNKNOWN) == []


async def test_linking_an_address_of_another_person_looks_like_any_other_and_never_succeeds(town: Town) -> None:
    asha = await town.resident(KNOWN)
    await town.resident(WITHOUT_PASSWORD)
    answer = await town.post("/users/me/identifiers", {"email": WITHOUT_PASSWORD}, token=asha.token)
    assert answer.status_code == 202
    assert "account already" in (await town.messages_to(WITHOUT_PASSWORD))[0]
    body = {"identifier": WITHOUT_PASSWORD, "code": "000000"}
    assert (await town.post("/users/me/identifiers/confirm", body, token=asha.token)).status_code == 422


@pytest.mark.parametrize("who", [KNOWN, UNKNOWN])
async def test_wrong_passwords_lock_the_name_for_longer_and_longer(town: Town, at: clock.TestClock, who: str) -> None:
    await town.resident(KNOWN)
    waits = []
    for _ in range(3):
        for number in range(20):
            body = {"identifier": who, "password": "wrong password"}
            answer = await town.post("/auth/login", body, address=f"198.51.100.{number}")
            if answer.status_code == 429:
                waits.append(int(answer.headers["retry-after"]))
                break
            assert answer.status_code == 401
        at.advance(timedelta(seconds=waits[-1]))
    assert waits == [31, 61, 121]


async def test_the_right_password_waits_too_and_works_after_the_wait(town: Town, at: clock.TestClock) -> None:
    await town.resident(KNOWN)
    for _ in range(5):
        await town.post("/auth/login", {"identifier": KNOWN, "password": "wrong password"})
    right = {"identifier": KNOWN, "password": PASSWORD}
    assert (await town.post("/auth/login", right)).status_code == 429
    at.advance(timedelta(seconds=31))
    assert (await town.post("/auth/login", right)).status_code == 200
    wrong = {"identifier": KNOWN, "password": "wrong password"}
    assert (await town.post("/auth/login", wrong)).status_code == 401  # the count starts over


async def test_guesses_made_at_once_are_counted_one_by_one(town: Town) -> None:
    await town.resident(KNOWN)
    body = {"identifier": KNOWN, "password": "wrong password"}
    answers = await asyncio.gather(*(town.post("/auth/login", body, address=f"198.51.100.{n}") for n in range(12)))
    assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 7}


async def test_one_address_that_tries_many_names_has_to_wait(town: Town) -> None:
    for number in range(20):
        body = {"identifier": f"p{number}@example.com", "password": "wrong password"}
        assert (await town.post("/auth/login", body)).status_code == 401
    assert (await town.post("/auth/login", {"identifier": KNOWN, "password": "x"})).status_code == 429
    elsewhere = await town.post("/auth/login", {"identifier": KNOWN, "password": "x"}, address="192.0.2.9")
    assert elsewhere.status_code == 401
