"""What a person can do with their account, and what is left of it when it is deleted."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from tests.parts.identity.town import PASSWORD, Town
from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.work import run_due
from tillhouse.parts.identity import api, store
from tillhouse.parts.identity.api import ErasureVeto
from tillhouse.parts.identity.events import Forget
from tillhouse.parts.identity.service.messages import forget


async def test_name_language_and_zone_can_be_changed(town: Town) -> None:
    asha = await town.resident()
    body = {"full_name": "आशा राव", "locale": "hi", "zone": "Asia/Bangkok"}
    changed = await town.call("PUT", "/users/me", body, token=asha.token)
    assert changed.status_code == 200
    assert {key: changed.json()[key] for key in body} == body
    async with town.house.database.reading() as session:
        contact = await api.contact(session, UUID(asha.id))
    assert contact == api.Contact(UUID(asha.id), "email", "asha@example.com", "hi", "Asia/Bangkok")


async def test_the_last_address_cannot_be_removed_another_one_can(town: Town) -> None:
    asha = await town.resident()
    first = (await town.call("GET", "/users/me", token=asha.token)).json()["identifiers"][0]["id"]
    refused = await town.call("DELETE", f"/users/me/identifiers/{first}", token=asha.token)
    assert refused.status_code == 409
    await town.post("/users/me/identifiers", {"phone": "9845012345"}, token=asha.token)
    body = {"identifier": "9845012345", "code": await town.code_to("+919845012345")}
    assert (await town.post("/users/me/identifiers/confirm", body, token=asha.token)).status_code == 201
    assert "added another address" in (await town.messages_to("asha@example.com"))[0]
    assert (await town.call("DELETE", f"/users/me/identifiers/{first}", token=asha.token)).status_code == 204
    login = {"identifier": "+919845012345", "password": PASSWORD}
    assert (await town.post("/auth/login", login)).status_code == 200
    login["identifier"] = "asha@example.com"
    assert (await town.post("/auth/login", login)).status_code == 401


async def test_a_link_code_of_one_person_is_no_good_for_another(town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    await town.post("/users/me/identifiers", {"phone": "9845012345"}, token=asha.token)
    body = {"identifier": "9845012345", "code": await town.code_to("+919845012345")}
    assert (await town.post("/users/me/identifiers/confirm", body, token=ravi.token)).status_code == 422


async def test_a_deleted_person_leaves_an_id_and_nothing_else(town: Town) -> None:
    asha = await town.resident()
    await town.post("/auth/forgot-password", {"identifier": "asha@example.com"})
    assert await town.messages_to("asha@example.com") != []
    assert (await town.call("DELETE", "/users/me", token=asha.token)).status_code == 204
    await run_due(town.house)
    assert (await town.call("GET", "/users/me", token=asha.token)).status_code == 401
    login = {"identifier": "asha@example.com", "password": PASSWORD}
    assert (await town.post("/auth/login", login)).status_code == 401
    async with town.house.database.reading() as session:
        connection = await session.connection()
        tables = await connection.exec_driver_sql(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema IN ('identity', 'channels', 'kernel')"
        )
        for schema, table in tables.all():
            rows = (await connection.exec_driver_sql(f'SELECT t::text FROM "{schema}"."{table}" t')).all()
            assert not any("asha" in row[0].lower() for row in rows), table
        person = await api.person(session, UUID(asha.id))
    assert person
    assert person.name == ""
    assert (await town.register("asha@example.com")).status_code == 201
    assert len(await town.code_to("asha@example.com")) == 6


async def test_erasure_is_refused_with_every_reason_and_nothing_changes(town: Town) -> None:
    async def reasons(session: ReadSession, person_id: UUID) -> Sequence[str]:
        return ["There is money in the wallet.", "A payment is under way."]

    town.house.provide([ErasureVeto("wallets", reasons)])
    asha = await town.resident()
    refused = await town.call("DELETE", "/users/me", token=asha.token)
    assert refused.status_code == 409
    assert [error["message"] for error in refused.json()["errors"]] == [
        "There is money in the wallet.",
        "A payment is under way.",
    ]
    assert (await town.call("GET", "/users/me", token=asha.token)).json()["full_name"] == "Asha Rao"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/users/me", None),
        ("POST", "/users/me/identifiers", {"phone": "9845012345"}),
        ("POST", "/users/me/totp", None),
    ],
)
async def test_long_after_signing_in_a_grave_act_asks_for_a_step_up(
    town: Town, at: clock.TestClock, method: str, path: str, body: object
) -> None:
    asha = await town.resident()
    at.advance(timedelta(minutes=11))
    answer = await town.call(method, path, body, token=asha.token)
    assert answer.status_code == 403
    assert answer.json()["code"] == "step_up_required"


async def test_staff_actions_are_written_down_and_cannot_be_changed(town: Town) -> None:
    admin, asha = await town.resident("root@example.com", role="admin"), await town.resident()
    changed = await town.call("PUT", f"/users/{asha.id}/role", {"role": "staff"}, token=admin.token)
    assert changed.status_code == 200
    log = (await town.call("GET", "/users/audit", token=admin.token)).json()["items"]
    assert [(entry["action"], entry["subject"]) for entry in log] == [("identity.set_role", f"person:{asha.id}")]
    for statement in ("UPDATE identity.audit SET action = 'x'", "DELETE FROM identity.audit"):
        with pytest.raises(Exception, match="permission denied"):
            async with town.house.database.transaction() as session:
                await (await session.connection()).exec_driver_sql(statement)


async def test_nobody_changes_their_own_role(town: Town) -> None:
    admin = await town.resident("root@example.com", role="admin")
    refused = await town.call("PUT", f"/users/{admin.id}/role", {"role": "user"}, token=admin.token)
    assert refused.status_code == 409


async def test_what_nothing_can_need_any_more_is_forgotten(town: Town, at: clock.TestClock) -> None:
    asha = await town.resident()
    await town.post("/auth/login", {"identifier": "x@example.com"})
    await town.post("/auth/logout", token=asha.token)
    at.advance(timedelta(days=31))
    async with town.house.database.transaction() as session:
        await forget(session, Forget())
    async with town.house.database.reading() as session:
        connection = await session.connection()
        for table in ("challenges", "attempts", "sessions", "refresh_tokens"):
            left = await connection.exec_driver_sql(f"SELECT count(*) FROM identity.{table}")
            assert left.scalar_one() == 0, table
        assert await store.person(session, UUID(asha.id))
