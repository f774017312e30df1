"""Every route against everyone: who is let in, and that nothing changes for those who are not."""

from dataclasses import replace

import pytest
from fastapi.routing import APIRoute

from tests.parts.identity.town import Town
from tillhouse.kernel.access import Permission
from tillhouse.kernel.manifest import Module
from tillhouse.parts.identity.manifest import MODULE as IDENTITY

WHO = ("nobody", "person", "staff", "admin", "machine", "cookie")
ELSEWHERE = "00000000-0000-7000-8000-000000000000"

# What each of WHO gets, in that order. Where anyone may call, the answer is the same for all.
OPEN, OWN, ADMIN = "open", (401, "in", "in", "in", 403, 401), (401, 403, 403, "in", 403, 401)
STAFF = (401, 403, "in", "in", 403, 401)

ROUTES: dict[tuple[str, str], tuple[object, object]] = {
    ("POST", "/auth/register"): (OPEN, {"email": "new@example.com", "full_name": "New"}),
    ("POST", "/auth/verify-otp"): (OPEN, {"identifier": "new@example.com", "code": "000000"}),
    ("POST", "/auth/resend-otp"): (OPEN, {"identifier": "new@example.com"}),
    ("POST", "/auth/login"): (OPEN, {"identifier": "new@example.com", "password": "x"}),
    ("POST", "/auth/refresh-token"): (OPEN, {"refresh_token": "x"}),
    ("POST", "/auth/logout"): (OPEN, None),
    ("POST", "/auth/forgot-password"): (OPEN, {"identifier": "new@example.com"}),
    ("POST", "/auth/reset-password"): (
        OPEN,
        {"identifier": "new@example.com", "code": "000000", "password": "a fine phrase"},
    ),
    ("POST", "/auth/step-up"): (OWN, None),
    ("POST", "/auth/step-up/verify"): (OWN, {"code": "000000"}),
    ("POST", "/auth/ticket"): (OWN, None),
    ("GET", "/users/me"): (OWN, None),
    ("PUT", "/users/me"): (OWN, {"full_name": "Changed", "locale": "hi", "zone": "UTC"}),
    ("DELETE", "/users/me"): (OWN, None),
    ("PATCH", "/users/me/password"): (OWN, {"current_password": "x", "new_password": "a fine phrase"}),
    ("GET", "/users/me/sessions"): (OWN, None),
    ("DELETE", "/users/me/sessions"): (OWN, None),
    ("DELETE", "/users/me/sessions/{session_id}"): (OWN, None),
    ("POST", "/users/me/identifiers"): (OWN, {"email": "second@example.com"}),
    ("POST", "/users/me/identifiers/confirm"): (OWN, {"identifier": "second@example.com", "code": "000000"}),
    ("DELETE", "/users/me/identifiers/{identifier_id}"): (OWN, None),
    ("POST", "/users/me/totp"): (OWN, None),
    ("POST", "/users/me/totp/confirm"): (OWN, {"code": "000000"}),
    ("DELETE", "/users/me/totp"): (OWN, None),
    ("GET", "/users/audit"): (STAFF, None),
    ("PUT", "/users/{person_id}/role"): (ADMIN, {"role": "admin"}),
    ("GET", "/api-keys"): (ADMIN, None),
    ("POST", "/api-keys"): (ADMIN, {"name": "robot", "scopes": ["x"]}),
    ("DELETE", "/api-keys/{key_id}"): (ADMIN, None),
    ("POST", "/organisations"): (OWN, {"name": "Rao & Sons", "country": "IN"}),
    ("GET", "/organisations"): (OWN, None),
    ("GET", "/organisations/{organisation_id}"): (OWN, None),
    ("PATCH", "/organisations/{organisation_id}"): (OWN, {"name": "Rao & Daughters"}),
    ("DELETE", "/organisations/{organisation_id}"): (OWN, None),
    ("POST", "/organisations/{organisation_id}/transfer"): (OWN, {"person_id": ELSEWHERE}),
    ("GET", "/organisations/{organisation_id}/members"): (OWN, None),
    ("PATCH", "/organisations/{organisation_id}/members/{person_id}"): (OWN, {"role": "member"}),
    ("DELETE", "/organisations/{organisation_id}/members/{person_id}"): (OWN, None),
    ("GET", "/organisations/{organisation_id}/invitations"): (OWN, None),
    ("POST", "/organisations/{organisation_id}/invitations"): (OWN, {"email": "new@example.com", "role": "member"}),
    ("DELETE", "/organisations/{organisation_id}/invitations/{invitation_id}"): (OWN, None),
    ("GET", "/invitations"): (OWN, None),
    ("POST", "/invitations/{invitation_id}/accept"): (OWN, {"code": "x"}),
    ("POST", "/invitations/{invitation_id}/decline"): (OWN, {"code": None}),
    ("POST", "/channels/webhook/twilio"): (OPEN, None),
}


def routes_of(module: Module) -> set[tuple[str, str]]:
    assert module.api
    return {(m, route.path) for route in module.api().routes if isinstance(route, APIRoute) for m in route.methods}


def test_the_table_below_knows_every_route() -> None:
    """Webhooks out have a table of their own, in tests/parts/channels/test_webhook_endpoints.py."""
    assert set(ROUTES) == routes_of(IDENTITY) | {("POST", "/channels/webhook/twilio")}


async def snapshot(town: Town) -> dict[str, list[str]]:
    """Everything in the database, apart from when keys and sessions were last used."""
    found = {}
    async with town.house.database.reading() as session:
        connection = await session.connection()
        tables = await connection.exec_driver_sql(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            " WHERE table_schema IN ('identity', 'channels') OR table_name IN ('jobs', 'events')"
        )
        for (table,) in tables.all():
            rows = await connection.exec_driver_sql(f"SELECT (to_jsonb(t) - 'used_at')::text FROM {table} t")
            found[table] = sorted(row[0] for row in rows.all())
    return found


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_a_route_lets_in_those_it_is_for_and_changes_nothing_for_others(
    town: Town, route: tuple[str, str]
) -> None:
    expected, body = ROUTES[route]
    wanted = dict(zip(WHO, expected, strict=True)) if isinstance(expected, tuple) else dict.fromkeys(WHO, "in")
    subject = await town.resident("subject@example.com")
    path = route[1].replace("{person_id}", subject.id)
    for name in ("{session_id}", "{identifier_id}", "{key_id}", "{organisation_id}", "{invitation_id}"):
        path = path.replace(name, ELSEWHERE)
    tokens, cookie = await callers(town)
    before = await snapshot(town)

    for who in sorted(WHO, key=lambda who: wanted[who] == "in"):
        shown = {"cookie": cookie} if who == "cookie" else {"token": tokens.get(who)}
        answer = await town.call(route[0], path, body, **shown)
        if wanted[who] != "in":
            assert answer.status_code == wanted[who], who
            assert await snapshot(town) == before, who
        elif isinstance(expected, tuple):
            assert answer.status_code not in (401, 500), who
            assert answer.status_code != 403 or answer.json()["code"] != "forbidden", who
        else:
            assert answer.status_code < 500, who


async def callers(town: Town) -> tuple[dict[str, str], str]:
    """A token for everyone who has one, and the cookie of a browser."""
    tokens = {
        "person": (await town.resident("person@example.com")).token,
        "staff": (await town.resident("staff@example.com", role="staff")).token,
        "admin": (await town.resident("admin@example.com", role="admin")).token,
        "machine": await machine(town),
    }
    return tokens, await town.browser("person@example.com")


async def machine(town: Town) -> str:
    """A key whose scopes no route of these parts asks for."""
    scope = Permission("identity.for_tests", "Nothing", frozenset({"machine"}))
    identity, *others = town.house.modules
    town.house.modules = (replace(identity, permissions=(*identity.permissions, scope)), *others)
    return await town.machine("identity.for_tests")
