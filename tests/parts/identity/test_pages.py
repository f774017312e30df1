"""The pages, as a browser uses them: forms with their token, cookies, and where one is led."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pyotp
import pytest
from fastapi import FastAPI

from tests.parts.identity.town import PASSWORD, Town
from tillhouse.apps.compose import create_app
from tillhouse.kernel import clock
from tillhouse.parts.identity import demo
from tillhouse.parts.identity.manifest import MODULE as IDENTITY
from tillhouse.parts.identity.pages.browser import safe_next

HTML = {"Accept": "text/html"}


class Browser:
    """Follows redirects, keeps cookies, and sends forms with the token that their page gave."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client, self.page = client, httpx.Response(200)

    async def open(self, path: str) -> httpx.Response:
        self.page = await self.client.get(path)
        return self.page

    async def send(self, path: str, **fields: str) -> httpx.Response:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.page.text)
        assert token, "the page that is open has no form"
        self.page = await self.client.post(path, data={"csrf_token": token[1], **fields})
        return self.page

    @property
    def path(self) -> str:
        return self.page.url.path

    async def sign_in(self, identifier: str = "asha@example.com", **fields: str) -> httpx.Response:
        await self.open("/sign-in")
        return await self.send("/sign-in", identifier=identifier, password=PASSWORD, **fields)


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[Browser]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://testserver", headers=HTML, follow_redirects=True
    ) as client:
        yield Browser(client)


async def test_register_confirm_sign_out_everywhere_sign_in_again(browser: Browser, town: Town) -> None:
    await browser.open("/register?next=/account")
    await browser.send(
        "/register", full_name="Asha Rao", identifier="asha@example.com", password=PASSWORD, next="/account"
    )
    assert browser.path == "/confirm"
    assert "asha@example.com" in browser.page.text
    await browser.send("/confirm", code=await town.code_to("asha@example.com"))
    assert browser.path == "/account"
    assert "Asha Rao" in browser.page.text
    await browser.send("/account/sessions/sign-out")
    assert browser.path == "/sign-in"
    assert (await browser.open("/account")).url.path == "/sign-in"
    await browser.sign_in(next="/account")
    assert browser.path == "/account"


async def test_signing_in_with_a_code(browser: Browser, town: Town) -> None:
    await town.resident(password=None)
    await browser.open("/sign-in")
    await browser.send("/sign-in", identifier="asha@example.com", next="/account")
    assert browser.path == "/confirm"
    wrong = await browser.send("/confirm", code="000000")
    assert wrong.status_code == 422
    assert "wrong or no longer good" in wrong.text
    await browser.send("/confirm", code=await town.code_to("asha@example.com"))
    assert browser.path == "/account"


async def test_the_code_can_be_sent_again_after_half_a_minute(
    browser: Browser, town: Town, at: clock.TestClock
) -> None:
    await browser.open("/register")
    await browser.send("/register", full_name="A", identifier="asha@example.com")
    assert 'data-countdown="30"' in browser.page.text
    at.advance(timedelta(seconds=31))
    await browser.send("/confirm/resend")
    assert browser.path == "/confirm"
    assert len(await town.messages_to("asha@example.com")) == 2


async def test_a_wrong_password_keeps_what_was_typed_except_the_password(browser: Browser, town: Town) -> None:
    await town.resident()
    await browser.open("/sign-in")
    answer = await browser.send("/sign-in", identifier="asha@example.com", password="not the password")
    assert answer.status_code == 422
    assert 'value="asha@example.com"' in answer.text
    assert "not the password" not in answer.text


async def test_a_forgotten_password_is_set_anew(browser: Browser, town: Town) -> None:
    await town.resident()
    await browser.open("/forgot")
    await browser.send("/forgot", identifier="asha@example.com")
    assert browser.path == "/reset"
    await browser.send("/reset", code=await town.code_to("asha@example.com"), password="another fine phrase")
    assert browser.path == "/sign-in"
    await browser.send("/sign-in", identifier="asha@example.com", password="another fine phrase", next="/account")
    assert browser.path == "/account"


@pytest.mark.parametrize(
    "hostile",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example", "\\\\evil",
     "/sign-in", "account", ""],
)  # fmt: skip
def test_a_hostile_address_to_go_to_is_dropped(hostile: str) -> None:
    assert safe_next(hostile) == ""


async def test_after_signing_in_nobody_is_led_off_this_host(browser: Browser, town: Town) -> None:
    await town.resident()
    await browser.open("/sign-in?next=https://evil.example/")
    assert "evil.example" not in re.sub(r'href="[^"]*"', "", browser.page.text)
    await browser.send("/sign-in", identifier="asha@example.com", password=PASSWORD, next="https://evil.example/")
    assert browser.page.url.host == "testserver"


async def test_a_form_without_its_token_changes_nothing(browser: Browser, town: Town) -> None:
    await town.resident()
    await browser.sign_in(next="/account")
    for path in ("/account/delete", "/account/sessions/sign-out", "/sign-out", "/account/totp"):
        assert (await browser.client.post(path)).status_code == 403, path
    assert (await browser.open("/account")).url.path == "/account"


async def test_a_person_with_an_authenticator_is_asked_for_its_code_after_the_password(
    browser: Browser, town: Town, at: clock.TestClock
) -> None:
    app = await town.give_totp(await town.resident())
    await browser.sign_in(next="/account")
    assert browser.path == "/step-up"
    await browser.send("/step-up", code=app.at(at.at), next="/account")
    assert browser.path == "/account"


async def test_an_authenticator_is_set_up_on_the_account_page(
    browser: Browser, town: Town, at: clock.TestClock
) -> None:
    await town.resident()
    await browser.sign_in(next="/account")
    await browser.send("/account/totp")
    secret = re.search(r"\b([A-Z2-7]{32})\b", browser.page.text)
    assert secret
    assert "data:image/svg+xml" in browser.page.text
    await browser.send("/account/totp/confirm", code=pyotp.TOTP(secret[1]).at(at.at))
    assert len(re.findall(r"<code>[a-z2-7]{5}-[a-z2-7]{5}</code>", browser.page.text)) == 10


async def test_the_account_page_changes_the_profile_addresses_and_password(browser: Browser, town: Town) -> None:
    await town.resident()
    await browser.sign_in(next="/account")
    await browser.send("/account/profile", full_name="Asha R", locale="en", zone="Asia/Bangkok")
    assert 'value="Asha R"' in browser.page.text
    await browser.send("/account/addresses", identifier="9845012345")
    await browser.send(
        "/account/addresses/confirm", identifier="+919845012345", code=await town.code_to("+919845012345")
    )
    assert "+919845012345" in browser.page.text
    refused = await browser.send("/account/password", current_password="wrong", new_password="another fine phrase")
    assert refused.status_code == 422
    assert "not your present password" in refused.text
    await browser.send("/account/password", current_password=PASSWORD, new_password="another fine phrase")
    assert browser.page.status_code == 200


async def test_someone_without_a_password_sets_a_first_one(browser: Browser, town: Town) -> None:
    await town.resident(password=None)
    await browser.open("/sign-in")
    await browser.send("/sign-in", identifier="asha@example.com", next="/account")
    await browser.send("/confirm", code=await town.code_to("asha@example.com"))
    assert "Present password" not in browser.page.text
    weak = await browser.send("/account/password/first", new_password="short")
    assert weak.status_code == 422
    await browser.send("/account/password/first", new_password="another fine phrase")
    assert "Present password" in browser.page.text
    login = {"identifier": "asha@example.com", "password": "another fine phrase"}
    assert (await town.post("/auth/login", login)).status_code == 200


async def test_long_after_signing_in_deleting_asks_for_a_step_up_first(
    browser: Browser, town: Town, at: clock.TestClock
) -> None:
    await town.resident()
    await browser.sign_in(next="/account")
    at.advance(timedelta(minutes=11))
    await browser.open("/account")
    await browser.send("/account/delete")
    assert browser.path == "/step-up"
    for _ in range(2):  # a second one, for whoever has not got the first
        assert "asha@example.com" in browser.page.text
        assert 'href="/account"' in browser.page.text
        await browser.send("/step-up/send", next="/account")
    await browser.send("/step-up", code="000000", next="/account")
    assert 'action="/step-up/send"' in browser.page.text
    await browser.send("/step-up", code=await town.code_to("asha@example.com"), next="/account")
    assert browser.path == "/account"
    await browser.send("/account/delete")
    assert browser.path == "/"
    assert (await browser.open("/account")).url.path == "/sign-in"


async def test_a_page_session_in_use_lasts(browser: Browser, town: Town, at: clock.TestClock) -> None:
    await town.resident()
    await browser.sign_in(next="/account")
    for _ in range(3):
        at.advance(timedelta(days=20))
        assert (await browser.open("/account")).url.path == "/account"
    at.advance(timedelta(days=31))
    assert (await browser.open("/account")).url.path == "/sign-in"


async def test_the_pages_speak_hindi(browser: Browser, town: Town) -> None:
    await browser.client.get("/sign-in?lang=hi")
    for path, word in (("/sign-in", "साइन इन"), ("/register", "खाता बनाएँ"), ("/forgot", "नया पासवर्ड")):
        assert word in (await browser.open(path)).text


@pytest.fixture
async def development(town: Town, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Browser]:
    """A browser in front of the same house as it is in development, with its demo people."""
    monkeypatch.setenv("ENVIRONMENT", "development")
    async with town.house.database.transaction() as session:
        await demo.seed(session)
    town.house.settings = town.house.settings.model_copy(update={"environment": "development"})
    transport = httpx.ASGITransport(create_app(town.house))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://testserver", headers=HTML, follow_redirects=True
    ) as client:
        yield Browser(client)


async def test_in_development_one_click_signs_in_as_a_demo_person(development: Browser) -> None:
    browser = development
    await browser.open("/dev/sign-in")
    assert "Ravi Kumar" in browser.page.text
    await browser.send(f"/dev/sign-in?as={demo.DRIVER.value}&next=/account")
    assert browser.path == "/account"
    assert "Ravi Kumar" in browser.page.text


async def test_one_click_sign_in_is_for_demo_people_alone(development: Browser, town: Town) -> None:
    await town.resident()
    await development.open("/dev/sign-in")
    assert (await development.send("/dev/sign-in?as=asha@example.com")).status_code == 404


@pytest.mark.parametrize(("environment", "there"), [("development", True), ("test", False), ("production", False)])
def test_one_click_sign_in_exists_in_development_alone(
    monkeypatch: pytest.MonkeyPatch, environment: str, there: bool
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    assert IDENTITY.pages
    paths = {getattr(route, "path", "") for route in IDENTITY.pages().routes}
    assert "/account" in paths
    assert ("/dev/sign-in" in paths) is there


async def test_mounted_by_mistake_one_click_sign_in_still_refuses(monkeypatch: pytest.MonkeyPatch, town: Town) -> None:
    monkeypatch.setenv("ENVIRONMENT", "development")
    async with town.house.database.transaction() as session:
        await demo.seed(session)
    transport = httpx.ASGITransport(create_app(town.house))  # the house itself says "test"
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=HTML) as client:
        browser = Browser(client)
        assert (await browser.open("/dev/sign-in")).status_code == 404
        await browser.open("/sign-in")
        assert (await browser.send(f"/dev/sign-in?as={demo.ADMIN.value}")).status_code == 404
        assert "till_session" not in client.cookies
