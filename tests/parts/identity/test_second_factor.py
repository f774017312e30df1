"""Step-up, authenticators, recovery codes, and what staff may do with and without them."""

from datetime import timedelta
from uuid import UUID

import pyotp
import pytest
from sqlalchemy import text

from tests.parts.identity.town import Resident, Town
from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.parts.identity import api, store
from tillhouse.parts.identity.service.sessions import principal_of, session_id_of_token


async def fresh(town: Town, who: Resident) -> bool:
    try:
        async with town.house.database.reading() as session:
            found = await store.session_with_person(session, session_id_of_token(town.house, who.token, "api"))
            assert found
            await api.assert_fresh(session, principal_of(town.house, *found))
    except api.StepUpRequired:
        return False
    return True


async def step_up(town: Town, who: Resident, code: str) -> int:
    return (await town.post("/auth/step-up/verify", {"code": code}, token=who.token)).status_code


async def test_a_code_sent_to_the_person_makes_this_session_fresh_for_ten_minutes(
    town: Town, at: clock.TestClock
) -> None:
    asha = await town.resident()
    assert not await fresh(town, asha)
    asked = await town.post("/auth/step-up", token=asha.token)
    assert asked.status_code == 202
    assert asked.json()["method"] == "code"
    assert await step_up(town, asha, await town.code_to("asha@example.com")) == 200
    assert await fresh(town, asha)
    at.advance(timedelta(minutes=10))
    assert not await fresh(town, asha)


async def test_a_step_up_code_of_one_session_is_no_good_in_another(town: Town) -> None:
    asha = await town.resident()
    other = await town.post("/auth/login", {"identifier": "asha@example.com", "password": "seven green parrots"})
    await town.post("/auth/step-up", token=asha.token)
    code = await town.code_to("asha@example.com")
    wrong = await town.post("/auth/step-up/verify", {"code": code}, token=other.json()["access_token"])
    assert wrong.status_code == 422


async def test_where_there_is_an_authenticator_nothing_less_will_do(town: Town, at: clock.TestClock) -> None:
    asha = await town.resident()
    await town.post("/auth/step-up", token=asha.token)
    code = await town.code_to("asha@example.com")
    app = await town.give_totp(asha)
    assert (await town.post("/auth/step-up", token=asha.token)).json() == {"method": "totp", "otp": None}
    assert await step_up(town, asha, code) == 422
    assert await step_up(town, asha, app.at(at.at)) == 200


async def test_an_authenticators_code_works_once_and_no_earlier_one_after_it(town: Town, at: clock.TestClock) -> None:
    asha = await town.resident()
    app = await town.give_totp(asha)
    now, before = app.at(at.at), app.at(at.at - timedelta(seconds=30))
    assert await step_up(town, asha, now) == 200
    assert await step_up(town, asha, now) == 422
    assert await step_up(town, asha, before) == 422


async def test_setting_up_an_authenticator_gives_recovery_codes_that_work_once(town: Town, at: clock.TestClock) -> None:
    asha = await town.resident()
    enrolment = (await town.post("/users/me/totp", token=asha.token)).json()
    assert enrolment["uri"].startswith("otpauth://totp/")
    app = pyotp.TOTP(enrolment["secret"])
    assert (await town.post("/users/me/totp/confirm", {"code": "000000"}, token=asha.token)).status_code == 422
    confirmed = await town.post("/users/me/totp/confirm", {"code": app.at(at.at)}, token=asha.token)
    codes = confirmed.json()["recovery_codes"]
    assert len(set(codes)) == 10
    assert await step_up(town, asha, codes[0].upper()) == 200
    assert await step_up(town, asha, codes[0]) == 422
    async with town.house.database.reading() as session:
        row = await store.totp(session, UUID(asha.id))
        told = await session.execute(text("SELECT address, template FROM channels.messages"))
        assert ("asha@example.com", "identity.authenticator_added") in [tuple(one) for one in told]
    assert row
    assert enrolment["secret"].encode() not in row.secret


async def test_an_authenticator_is_removed_only_after_a_step_up(town: Town, at: clock.TestClock) -> None:
    asha = await town.resident()
    app = await town.give_totp(asha)
    refused = await town.call("DELETE", "/users/me/totp", token=asha.token)
    assert refused.json()["code"] == "step_up_required"
    assert (await town.call("GET", "/users/me", token=asha.token)).json()["has_totp"] is True
    await step_up(town, asha, app.at(at.at))
    assert (await town.call("DELETE", "/users/me/totp", token=asha.token)).status_code == 204


async def test_an_admin_holds_an_admins_permissions_only_after_the_second_factor(
    town: Town, at: clock.TestClock
) -> None:
    admin = await town.resident("root@example.com", role="admin")
    app = await town.give_totp(admin)
    login = {"identifier": "root@example.com", "password": "seven green parrots"}
    token = (await town.post("/auth/login", login)).json()["access_token"]
    assert (await town.call("GET", "/api-keys", token=token)).status_code == 403
    assert (await town.post("/auth/step-up/verify", {"code": app.at(at.at)}, token=token)).status_code == 200
    assert (await town.call("GET", "/api-keys", token=token)).status_code == 200


async def test_wrong_authenticator_codes_lock_the_step_up(town: Town) -> None:
    asha = await town.resident()
    await town.give_totp(asha)
    assert [await step_up(town, asha, "000000") for _ in range(6)] == [422] * 5 + [429]


async def test_machines_and_the_house_itself_need_no_step_up(town: Town) -> None:
    async with town.house.database.reading() as session:
        await api.assert_fresh(session, Principal("machine"))
        await api.assert_fresh(session, Principal("system"))
        with pytest.raises(api.StepUpRequired):
            await api.assert_fresh(session, Principal("nobody"))
