"""Organisations: made, joined by invitation, each role within its bounds, never without an owner."""

import asyncio
import re
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from tests.parts.identity.town import Resident, Town
from tillhouse.kernel import clock
from tillhouse.kernel.errors import Forbidden, InvalidInput, NotFound
from tillhouse.parts.identity import api
from tillhouse.parts.identity.domain.organisations import (
    Role,
    check_slug,
    may_manage,
    slugs_from,
    tidy_organisation_name,
)


async def make(town: Town, owner: Resident, name: str = "Rao & Sons") -> str:
    answer = await town.post("/organisations", {"name": name, "country": "IN"}, token=owner.token)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def invite(town: Town, by: Resident, organisation: str, email: str, role: str = "member") -> httpx.Response:
    return await town.post(f"/organisations/{organisation}/invitations", {"email": email, "role": role}, token=by.token)


async def code_for(town: Town, email: str) -> str:
    found = re.search(r"\?code=([a-z2-7]{26})", (await town.messages_to(email))[0])
    assert found
    return found[1]


async def join(town: Town, by: Resident, organisation: str, who: Resident, role: str = "member") -> None:
    invited = (await invite(town, by, organisation, who.identifier.value, role)).json()
    answer = await town.post(f"/invitations/{invited['id']}/accept", {"code": None}, token=who.token)
    assert answer.status_code == 200, answer.text


async def members(town: Town, organisation: str, by: Resident) -> dict[str, str]:
    answer = await town.call("GET", f"/organisations/{organisation}/members", token=by.token)
    return {item["person_id"]: item["role"] for item in answer.json()["items"]}


async def test_whoever_makes_an_organisation_owns_it_and_strangers_find_nothing(town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    organisation = await make(town, asha)
    mine = (await town.call("GET", "/organisations", token=asha.token)).json()["items"]
    assert [(one["name"], one["slug"], one["role"]) for one in mine] == [("Rao & Sons", "rao-sons", "owner")]
    for path in ("", "/members", "/invitations"):
        answer = await town.call("GET", f"/organisations/{organisation}{path}", token=ravi.token)
        assert answer.status_code == 404, path
    second = await town.post("/organisations", {"name": "Rao & Sons", "country": "IN"}, token=ravi.token)
    assert second.json()["slug"].startswith("rao-sons-")
    taken = {"name": "Other", "country": "IN", "slug": "rao-sons"}
    assert (await town.post("/organisations", taken, token=ravi.token)).json()["errors"][0]["pointer"] == "/slug"


async def test_an_invitation_tells_nothing_of_accounts_and_its_link_works_once(town: Town, at: clock.TestClock) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    zoe = await town.resident("zoe@example.com")
    organisation = await make(town, asha)
    known = (await invite(town, asha, organisation, "ravi@example.com", "accountant")).json()
    unknown = (await invite(town, asha, organisation, "nobody@example.com", "accountant")).json()
    assert {**known, "id": 0, "email": ""} == {**unknown, "id": 0, "email": ""}

    code = await code_for(town, "nobody@example.com")
    path = f"/invitations/{unknown['id']}"
    assert (await town.post(f"{path}/accept", {"code": None}, token=zoe.token)).status_code == 404
    assert (await town.post(f"{path}/accept", {"code": code[::-1]}, token=zoe.token)).status_code == 404
    joined = await town.post(f"{path}/accept", {"code": code}, token=zoe.token)
    assert (joined.status_code, joined.json()["role"]) == (200, "accountant")
    assert (await town.post(f"{path}/accept", {"code": code}, token=ravi.token)).status_code == 404
    assert await members(town, organisation, asha) == {asha.id: "owner", zoe.id: "accountant"}

    mine = (await town.call("GET", "/invitations", token=ravi.token)).json()["items"]
    assert [one["id"] for one in mine] == [known["id"]]
    at.advance(timedelta(days=7))
    ravi = await again(town, ravi)
    assert (await town.call("GET", "/invitations", token=ravi.token)).json()["items"] == []
    late = {"code": await code_for(town, "ravi@example.com")}
    assert (await town.post(f"/invitations/{known['id']}/accept", late, token=ravi.token)).status_code == 404


async def again(town: Town, who: Resident) -> Resident:
    """Signed in anew."""
    body = {"identifier": who.identifier.value, "password": "seven green parrots"}
    token = (await town.post("/auth/login", body)).json()["access_token"]
    return Resident(who.identifier, who.id, token, "")


async def test_an_invitation_is_sent_anew_with_a_pause_and_can_be_declined_or_taken_back(
    town: Town, at: clock.TestClock
) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    organisation = await make(town, asha)
    first = (await invite(town, asha, organisation, "ravi@example.com")).json()
    assert (await invite(town, asha, organisation, "ravi@example.com")).status_code == 429
    at.advance(timedelta(minutes=2, seconds=1))
    anew = (await invite(town, asha, organisation, "Ravi@Example.com", "admin")).json()
    assert (anew["id"], anew["role"]) == (first["id"], "admin")
    declined = await town.post(f"/invitations/{first['id']}/decline", {"code": None}, token=ravi.token)
    assert declined.status_code == 204
    second = (await invite(town, asha, organisation, "ravi@example.com")).json()
    assert second["id"] != first["id"]
    path = f"/organisations/{organisation}/invitations/{second['id']}"
    assert (await town.call("DELETE", path, token=asha.token)).status_code == 204
    accepted = await town.post(f"/invitations/{second['id']}/accept", {"code": None}, token=ravi.token)
    assert accepted.status_code == 404
    assert await members(town, organisation, asha) == {asha.id: "owner"}


async def test_each_role_manages_only_what_is_below_it(town: Town) -> None:
    asha = await town.resident()
    admin, member, other = [await town.resident(f"{name}@example.com") for name in ("admin", "member", "other")]
    organisation = await make(town, asha)
    await join(town, asha, organisation, admin, "admin")
    await join(town, admin, organisation, member)
    await join(town, asha, organisation, other, "admin")
    before = await members(town, organisation, asha)

    async def change(by: Resident, who: Resident, role: str) -> int:
        path = f"/organisations/{organisation}/members/{who.id}"
        return (await town.call("PATCH", path, {"role": role}, token=by.token)).status_code

    refused = [
        await change(admin, member, "admin"),
        await change(admin, other, "member"),
        await change(admin, asha, "member"),
        await change(member, other, "member"),
        (await invite(town, admin, organisation, "x@example.com", "admin")).status_code,
        (await invite(town, member, organisation, "x@example.com")).status_code,
        (await town.call("DELETE", f"/organisations/{organisation}/members/{asha.id}", token=admin.token)).status_code,
        (
            await town.call("DELETE", f"/organisations/{organisation}/members/{other.id}", token=member.token)
        ).status_code,
        (await town.call("DELETE", f"/organisations/{organisation}", token=admin.token)).status_code,
        (
            await town.post(f"/organisations/{organisation}/transfer", {"person_id": admin.id}, token=admin.token)
        ).status_code,
    ]
    assert refused == [403] * len(refused)
    assert await members(town, organisation, asha) == before
    assert await change(admin, member, "accountant") == 200
    assert "accountant" in (await town.messages_to("member@example.com"))[0]
    assert (
        await town.call("DELETE", f"/organisations/{organisation}/members/{member.id}", token=admin.token)
    ).status_code == 204
    assert member.id not in await members(town, organisation, asha)
    assert (await town.call("GET", f"/organisations/{organisation}", token=member.token)).status_code == 404

    log = (
        await town.call(
            "GET", "/users/audit?limit=100", token=(await town.resident("s@example.com", role="staff")).token
        )
    ).json()
    done = [item["action"] for item in log["items"] if item["subject"] == f"organisation:{organisation}"]
    assert done[0] == "identity.organisation_remove_member"
    assert done[-1] == "identity.organisation_create"


async def test_the_last_owner_stays_hands_on_or_closes(town: Town, at: clock.TestClock) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    organisation = await make(town, asha)
    await join(town, asha, organisation, ravi)
    path = f"/organisations/{organisation}"
    assert (await town.call("DELETE", f"{path}/members/{asha.id}", token=asha.token)).status_code == 409
    demoted = await town.call("PATCH", f"{path}/members/{asha.id}", {"role": "member"}, token=asha.token)
    assert demoted.status_code == 409
    erased = await town.call("DELETE", "/users/me", token=asha.token)
    assert [error["code"] for error in erased.json()["errors"]] == ["organisations"]

    at.advance(timedelta(minutes=11))  # signing in proves who one is for ten minutes
    handed = await town.post(f"{path}/transfer", {"person_id": ravi.id}, token=asha.token)
    assert handed.json()["code"] == "step_up_required"
    fresh = await again(town, asha)
    assert (await town.post(f"{path}/transfer", {"person_id": ravi.id}, token=fresh.token)).status_code == 204
    assert await members(town, organisation, asha) == {asha.id: "admin", ravi.id: "owner"}
    assert (await town.call("DELETE", f"{path}/members/{asha.id}", token=asha.token)).status_code == 204
    assert (await town.call("DELETE", path, token=(await again(town, ravi)).token)).status_code == 204
    assert (await town.call("GET", path, token=ravi.token)).status_code == 404
    assert (await town.call("GET", "/organisations", token=ravi.token)).json()["items"] == []


async def test_of_two_owners_who_leave_at_once_one_stays(town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    organisation = await make(town, asha)
    await join(town, asha, organisation, ravi, "owner")
    answers = await asyncio.gather(
        *(
            town.call("DELETE", f"/organisations/{organisation}/members/{who.id}", token=who.token)
            for who in (asha, ravi)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_an_erased_person_leaves_no_membership_and_no_address(town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    zoe = await town.resident("zoe@example.com")
    organisation = await make(town, asha)
    await join(town, asha, organisation, ravi, "admin")
    await invite(town, ravi, organisation, "zoe@example.com")
    assert (await town.call("DELETE", "/users/me", token=zoe.token)).status_code == 204
    assert (await town.call("DELETE", "/users/me", token=ravi.token)).status_code == 204
    assert await members(town, organisation, asha) == {asha.id: "owner"}
    waiting = await town.call("GET", f"/organisations/{organisation}/invitations", token=asha.token)
    assert waiting.json()["items"] == []


async def test_other_modules_ask_who_belongs_and_as_what(town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    organisation = UUID(await make(town, asha))
    await join(town, asha, str(organisation), ravi)
    async with town.house.database.reading() as session:
        found = await api.require_member(session, organisation, UUID(asha.id), *api.MONEY_READERS)
        assert (found.role, found.name, found.country) == (Role.OWNER, "Rao & Sons", "IN")
        with pytest.raises(Forbidden):
            await api.require_member(session, organisation, UUID(ravi.id), *api.MONEY_READERS)
        with pytest.raises(NotFound):
            await api.require_member(session, UUID(int=7), UUID(asha.id))
        assert await api.membership(session, organisation, UUID(int=7)) is None
        assert [one.organisation_id for one in await api.organisations_of(session, UUID(ravi.id))] == [organisation]


def test_admins_manage_below_admins_and_owners_everyone() -> None:
    assert [role for role in Role if may_manage(Role.ADMIN, role)] == [Role.ACCOUNTANT, Role.MEMBER]
    assert all(may_manage(Role.OWNER, role) for role in Role)
    assert not any(may_manage(actor, Role.MEMBER) for actor in (Role.ACCOUNTANT, Role.MEMBER))
    assert not may_manage(Role.ADMIN, Role.MEMBER, Role.OWNER)


@pytest.mark.parametrize("name", ["x", "Win at evil.com", "https://x", "mail me@x", "www.x", "a" * 81, "\x00 "])
def test_a_name_that_goes_to_strangers_holds_no_address(name: str) -> None:
    with pytest.raises(InvalidInput):
        tidy_organisation_name(name)


@pytest.mark.parametrize(
    ("name", "slugs"),
    [
        ("Rao & Sons", ("rao-sons", "rao-sons-1")),
        ("Café Zoë", ("cafe-zoe", "cafe-zoe-1")),
        ("राव", ("org-1",)),
    ],
)
def test_a_short_name_comes_from_the_name(name: str, slugs: tuple[str, ...]) -> None:
    assert slugs_from(name, "1") == slugs
    assert all(check_slug(slug) == slug for slug in slugs)


@pytest.mark.parametrize("slug", ["ab", "-abc", "abc-", "a--b", "a b c", "x" * 41, "ABC!"])
def test_a_short_name_has_letters_digits_and_single_hyphens(slug: str) -> None:
    with pytest.raises(InvalidInput):
        check_slug(slug)


async def test_of_two_owners_who_are_erased_at_once_one_stays(town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    organisation = await make(town, asha)
    await join(town, asha, organisation, ravi, "owner")
    answers = await asyncio.gather(*(town.call("DELETE", "/users/me", token=one.token) for one in (asha, ravi)))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
