"""Sign in with Google, against a Google that can be made to lie."""

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from tests.parts.identity.test_pages import HTML, Browser
from tests.parts.identity.town import PASSWORD, Town
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.parts.identity.providers.google.settings import GoogleSettings
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.google.signin import ACCOUNTS
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport

ASHA = "asha.rao@gmail.com"


class Visitor(Browser):
    """A browser that also reaches Google."""

    def __init__(self, client: httpx.AsyncClient, google: httpx.AsyncClient) -> None:
        super().__init__(client)
        self.google = google

    async def leave(self, path: str = "/sign-in", action: str = "/sign-in/google", **fields: str) -> httpx.URL:
        """To Google: the address that the browser is sent to."""
        await self.open(path)
        self.client.follow_redirects = False
        away = await self.send(action, **fields)
        self.client.follow_redirects = True
        assert away.status_code == 303, away.text
        return httpx.URL(away.headers["location"])

    async def choose(self, at: httpx.URL, **choice: str) -> httpx.URL:
        """At Google: pick an account; the address that leads back."""
        assert (await self.google.get(at)).status_code == 200
        form = {**dict(parse_qsl(at.query.decode())), **(choice or {"account": ACCOUNTS[0].sub})}
        answer = await self.google.post(at.copy_with(query=None), data=form)
        assert answer.status_code == 303, answer.text
        return httpx.URL(answer.headers["location"])

    async def sign_in_with_google(self, next_path: str = "/account", **choice: str) -> httpx.Response:
        at = await self.leave(f"/sign-in?next={next_path}", next=next_path)
        return await self.open(str(await self.choose(at, **choice)))

    @property
    def is_in(self) -> bool:
        return "till_session" in self.client.cookies


async def visitor_of(app: FastAPI, sandbox: Sandbox) -> AsyncIterator[Visitor]:
    async with (
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://testserver", headers=HTML, follow_redirects=True
        ) as client,
        httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://sandbox", headers=HTML) as google,
    ):
        yield Visitor(client, google)


@pytest.fixture
async def sandbox(at: clock.TestClock) -> AsyncIterator[Sandbox]:
    """A Google whose clock is ours."""
    created = create_sandbox(SandboxSettings(web="http://testserver"), now_ms=lambda: int(at.at.timestamp() * 1000))
    yield created
    await created.aclose()


@pytest.fixture
async def visitor(app: FastAPI, sandbox: Sandbox) -> AsyncIterator[Visitor]:
    async for found in visitor_of(app, sandbox):
        yield found


async def identifiers(house: House) -> list[tuple[str, str]]:
    async with house.database.reading() as session:
        rows = await session.execute(
            text("SELECT kind, coalesce(label, value) FROM identity.identifiers ORDER BY kind, value")
        )
        return [(row[0], row[1]) for row in rows]


async def people(house: House) -> int:
    async with house.database.reading() as session:
        return int((await session.execute(text("SELECT count(*) FROM identity.persons"))).scalar_one())


async def test_a_new_person_comes_in_and_is_known_the_next_time(visitor: Visitor, town: Town) -> None:
    await visitor.sign_in_with_google()
    assert visitor.path == "/account"
    assert "Asha Rao" in visitor.page.text
    assert await identifiers(town.house) == [("email", ASHA), ("google", ASHA)]
    visitor.client.cookies.clear()
    await visitor.sign_in_with_google()
    assert visitor.path == "/account"
    assert await people(town.house) == 1
    # Google's own id of the account is nobody's business.
    assert ACCOUNTS[0].sub not in visitor.page.text


async def test_the_browser_carries_pkce_state_and_nonce(visitor: Visitor) -> None:
    at = await visitor.leave()
    asked = dict(parse_qsl(at.query.decode()))
    assert asked["code_challenge_method"] == "S256"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert asked["redirect_uri"] == "http://testserver/sign-in/google/back"
    cookie = visitor.client.cookies["till_google"]
    claims = jwt.decode(cookie, options={"verify_signature": False})
    assert asked["nonce"] not in str(claims)
    again = dict(parse_qsl((await visitor.leave()).query.decode()))
    assert again["state"] != asked["state"]
    assert again["nonce"] != asked["nonce"]


@pytest.mark.parametrize(
    "lie", ["nonce", "audience", "issuer", "expired", "unverified", "alg_none", "signature", "unknown_key", "no_token"]
)
async def test_a_token_that_is_not_quite_right_lets_nobody_in(visitor: Visitor, town: Town, lie: str) -> None:
    await visitor.google.post("/_sandbox/google/spoil", json={"what": lie})
    await visitor.sign_in_with_google()
    assert visitor.path == "/sign-in"
    assert not visitor.is_in
    assert await people(town.house) == 0


async def test_only_the_browser_that_left_comes_back(
    visitor: Visitor, town: Town, app: FastAPI, sandbox: Sandbox
) -> None:
    back = await visitor.choose(await visitor.leave())
    async for other in visitor_of(app, sandbox):  # somebody is sent the attacker's answer
        await other.open(str(back))
        assert (other.path, other.is_in) == ("/sign-in", False)
        await other.leave()  # also in the middle of a sign-in of their own
        await other.open(str(back))
        assert (other.path, other.is_in) == ("/sign-in", False)
    await visitor.open(str(back.copy_set_param("state", "x" * 43)))
    assert (visitor.path, visitor.is_in) == ("/sign-in", False)
    assert await people(town.house) == 0


async def test_an_answer_is_good_once(visitor: Visitor, town: Town) -> None:
    at = await visitor.leave()
    kept = visitor.client.cookies["till_google"]
    back = await visitor.choose(at)
    await visitor.open(str(back))
    assert visitor.is_in
    visitor.client.cookies.clear()
    await visitor.open(str(back))  # without its cookie
    assert not visitor.is_in
    visitor.client.cookies.set("till_google", kept, domain="testserver.local")
    await visitor.open(str(back))  # with a copy of it: Google knows its code is used
    assert not visitor.is_in


async def test_a_sign_in_that_took_too_long_begins_again(visitor: Visitor, at: clock.TestClock) -> None:
    back = await visitor.choose(await visitor.leave())
    at.advance(timedelta(minutes=16))
    await visitor.open(str(back))
    assert not visitor.is_in


async def test_who_refuses_at_google_is_told_that_nothing_happened(visitor: Visitor) -> None:
    at = await visitor.leave()
    await visitor.open(str(await visitor.choose(at, deny="true")))
    assert visitor.path == "/sign-in"
    assert "Nothing was changed." in visitor.page.text


async def test_nobody_is_led_to_another_host(visitor: Visitor) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:evil"):
        visitor.client.follow_redirects = True
        at = await visitor.leave("/sign-in", next=elsewhere)
        visitor.client.follow_redirects = False
        answer = await visitor.open(str(await visitor.choose(at)))
        assert answer.status_code == 303
        assert urlsplit(answer.headers["location"]).netloc == ""
        assert "evil" not in answer.headers["location"]
        visitor.client.cookies.clear()


async def test_an_address_that_belongs_to_somebody_is_linked_after_a_code_sent_there(
    visitor: Visitor, town: Town
) -> None:
    await town.resident(ASHA)
    await visitor.sign_in_with_google()
    assert visitor.path == "/sign-in/google/prove"
    assert not visitor.is_in
    assert await identifiers(town.house) == [("email", ASHA)]
    await visitor.send("/sign-in/google/prove", code="000000")
    assert not visitor.is_in
    await visitor.send("/sign-in/google/prove", code=await town.code_to(ASHA))
    assert visitor.path == "/account"
    assert await identifiers(town.house) == [("email", ASHA), ("google", ASHA)]
    assert await people(town.house) == 1
    assert "added" in (await town.messages_to(ASHA))[0]
    visitor.client.cookies.clear()
    await visitor.sign_in_with_google()
    assert visitor.path == "/account"


async def test_or_after_their_password(visitor: Visitor, town: Town) -> None:
    await town.resident(ASHA)
    await visitor.sign_in_with_google()
    await visitor.send("/sign-in/google/prove", password="not this one")
    assert not visitor.is_in
    await visitor.send("/sign-in/google/prove", password=PASSWORD)
    assert visitor.is_in
    assert ("google", ASHA) in await identifiers(town.house)


async def test_who_has_an_authenticator_is_not_linked_without_it(visitor: Visitor, town: Town) -> None:
    await town.give_totp(await town.resident(ASHA))
    await visitor.sign_in_with_google()
    await visitor.send("/sign-in/google/prove", password=PASSWORD)
    assert visitor.path == "/step-up"
    assert await identifiers(town.house) == [("email", ASHA)]


async def test_google_alone_is_no_second_factor(visitor: Visitor, town: Town) -> None:
    staff = await town.resident(ASHA, role="staff")
    await visitor.sign_in_with_google()
    await visitor.send("/sign-in/google/prove", password=PASSWORD)
    await town.give_totp(staff)
    visitor.client.cookies.clear()
    await visitor.sign_in_with_google(next_path="/console/")
    assert visitor.path == "/step-up"
    assert (
        await visitor.open("/console/identity/audit")
    ).status_code != 200 or visitor.path != "/console/identity/audit"


async def test_an_address_that_google_does_not_run_is_proved_by_a_code(visitor: Visitor, town: Town) -> None:
    await visitor.sign_in_with_google(email="meera@example.org", verified="true")
    assert visitor.path == "/sign-in/google/prove"
    assert await people(town.house) == 0
    await visitor.send("/sign-in/google/prove", code=await town.code_to("meera@example.org"))
    assert visitor.path == "/account"
    assert await identifiers(town.house) == [("email", "meera@example.org"), ("google", "meera@example.org")]


async def test_an_account_is_added_and_removed_on_the_account_page(
    visitor: Visitor, town: Town, at: clock.TestClock
) -> None:
    await town.resident()
    await visitor.sign_in()
    at.advance(timedelta(minutes=11))
    visitor.client.follow_redirects = False
    await visitor.open("/account")
    assert (await visitor.send("/account/google")).headers["location"].startswith("/step-up")  # not fresh
    visitor.client.follow_redirects = True
    await visitor.open("/step-up?next=/account")
    await visitor.send("/step-up/send", next="/account")
    await visitor.send("/step-up", code=await town.code_to("asha@example.com"), next="/account")
    away = await visitor.leave("/account", "/account/google")
    await visitor.open(str(await visitor.choose(away)))
    assert visitor.path == "/account"
    assert ASHA in visitor.page.text
    assert await identifiers(town.house) == [("email", "asha@example.com"), ("google", ASHA)]
    async with town.house.database.reading() as session:
        found = await session.execute(text("SELECT kind, id FROM identity.identifiers"))
        ids = {row[0]: row[1] for row in found}
    await visitor.send(f"/account/addresses/{ids['email']}/remove")
    assert "last address" in visitor.page.text
    await visitor.open("/account")
    await visitor.send(f"/account/addresses/{ids['google']}/remove")
    assert await identifiers(town.house) == [("email", "asha@example.com")]


async def test_a_google_account_belongs_to_one_person(visitor: Visitor, town: Town) -> None:
    await visitor.sign_in_with_google()
    visitor.client.cookies.clear()
    await town.resident()
    await visitor.sign_in()
    await visitor.open("/step-up?next=/account")
    await visitor.send("/step-up/send", next="/account")
    await visitor.send("/step-up", code=await town.code_to("asha@example.com"), next="/account")
    away = await visitor.leave("/account", "/account/google")
    await visitor.open(str(await visitor.choose(away)))
    assert "belongs to another account" in visitor.page.text
    assert (await identifiers(town.house)).count(("google", ASHA)) == 1


async def test_keys_are_kept_and_a_new_one_is_fetched(visitor: Visitor, at: clock.TestClock) -> None:
    await visitor.sign_in_with_google()
    visitor.client.cookies.clear()
    # What is kept needs no second answer.
    wish = {"provider": "google", "fault": "status_500", "path": "GET /oauth2/v3/certs"}
    await visitor.google.post("/_sandbox/faults", json=wish)
    await visitor.sign_in_with_google()
    assert visitor.is_in
    await visitor.google.delete("/_sandbox/faults")
    await visitor.google.post("/_sandbox/google/rotate")
    visitor.client.cookies.clear()
    at.advance(timedelta(minutes=2))
    await visitor.sign_in_with_google()
    assert visitor.is_in


@pytest.mark.parametrize("fault", ["status_429", "status_500", "timeout_before", "timeout_after"])
async def test_a_google_that_fails_leaves_nobody_half_way(visitor: Visitor, town: Town, fault: str) -> None:
    back = await visitor.choose(await visitor.leave())
    await visitor.google.post("/_sandbox/faults", json={"provider": "google", "fault": fault, "path": "POST /token"})
    await visitor.open(str(back))
    assert (visitor.path, visitor.is_in) == ("/sign-in", False)
    assert await people(town.house) == 0
    await visitor.sign_in_with_google()
    assert visitor.is_in


async def test_it_is_offered_only_where_it_is_set_up(visitor: Visitor) -> None:
    for path in ("/sign-in", "/register"):
        assert "Continue with Google" in (await visitor.open(path)).text
    assert GoogleSettings(client_id="").issuer_in("http://sandbox") == ""
    assert GoogleSettings().issuer_in("") == ""  # the sandbox's own client opens nothing at Google
    assert GoogleSettings(client_id="1-a", client_secret="s").issuer_in("") == "https://accounts.google.com"
