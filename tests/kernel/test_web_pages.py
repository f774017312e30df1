import base64
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import httpx
import pytest
from fastapi import Request
from pydantic import BaseModel, Field, SecretStr
from starlette.datastructures import FormData, UploadFile

from tests.kernel.web_app import CSRF, build
from tillhouse.kernel import errors as domain
from tillhouse.kernel.web import csrf, render, toasts
from tillhouse.kernel.web.errors import ErrorPage
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import LANGUAGES, Reader, Translations, reading
from tillhouse.kernel.web.static import Static

KEY = b"k" * 32
HTMX = {"HX-Request": "true"}


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build())
    accept = {"Accept": "text/html"}
    async with httpx.AsyncClient(transport=transport, base_url="http://house", headers=accept) as client:
        yield client


async def _token(browser: httpx.AsyncClient) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', (await browser.get("/add")).text)
    assert found
    return found[1]


# --- pages ---


@pytest.mark.parametrize("path", ["/console/kit", "/app", "/page/auth", "/page/site", "/add"])
@pytest.mark.parametrize("language", list(LANGUAGES))
async def test_every_layout_speaks_every_language(browser: httpx.AsyncClient, path: str, language: str) -> None:
    browser.cookies.set("language", language)
    response = await browser.get(path)
    assert response.status_code == 200
    direction = "rtl" if language == "he" else "ltr"
    assert f'<html lang="{language}" dir="{direction}"' in response.text
    assert response.headers["content-language"] == language
    ids = re.findall(r'\sid="([^"]+)"', response.text)
    assert len(ids) == len(set(ids)), "an id stands twice"
    labelled = set(re.findall(r'(?:for|aria-controls|aria-labelledby|data-dialog)="([^"{]+)"', response.text))
    assert labelled <= set(ids)


async def test_a_page_is_private_to_its_reader(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/app")
    assert response.headers["cache-control"] == "private, no-cache"
    assert {"Cookie", "HX-Request"} <= set(response.headers["vary"].split(", "))


async def test_the_switches_set_a_cookie_and_lead_back_to_the_plain_address(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/app?lang=he&theme=dark&month=11")
    assert (response.status_code, response.headers["location"]) == (303, "/app?month=11")
    page = (await browser.get("/app?month=11")).text
    assert 'lang="he" dir="rtl" class="dark"' in page
    assert 'href="?month=11&amp;lang=hi"' in page


async def test_a_switch_never_leads_to_another_host(browser: httpx.AsyncClient) -> None:
    for path in ("//evil.example/?lang=hi", "/%5Cevil.example/?lang=hi"):
        response = await browser.get(httpx.URL("http://house" + path))
        assert re.match(r"/[^/\\]", response.headers["location"])


async def test_an_unknown_theme_or_language_changes_nothing(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/app?lang=xx&theme=pink")
    assert response.status_code == 200
    assert "set-cookie" not in response.headers or "pink" not in response.headers["set-cookie"]


async def test_the_menu_marks_where_the_reader_is(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/app")).text
    assert re.findall(r'class="nav-link" href="([^"]+)" aria-current="page"', page) == ["/app"]


def test_a_fragment_is_named_as_one() -> None:
    templates = render.Templates({}, Static({"kernel": render.STATIC}), CSRF)
    with pytest.raises(ValueError, match="_error"):
        templates.render_fragment(_request(), "kernel/error.html")


def test_what_people_write_is_escaped() -> None:
    templates = render.Templates({}, Static({"kernel": render.STATIC}), CSRF)
    error = ErrorPage(400, "<script>alert(1)</script>", "'\"><img src=x>")
    page = bytes(templates.render_error(_request(), error).body).decode()
    assert "<script>alert" not in page
    assert "<img" not in page


def test_an_icon_that_was_not_built_is_found_at_once() -> None:
    with pytest.raises(LookupError, match="no icon"):
        render.icon("unheard-of")


# --- failures ---


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
async def test_a_failure_says_what_happened_and_what_to_do(browser: httpx.AsyncClient, status: int) -> None:
    response = await browser.get(f"/error/{status}")
    assert response.status_code == status
    assert re.search(r"<h1>[^<]{8,}</h1>", response.text)
    assert 'href="/"' in response.text
    assert ("Your money" in response.text) == (status in (403, 409, 422, 500, 503))


async def test_a_failure_of_a_fragment_is_a_toast_and_leaves_the_page(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/error/500", headers=HTMX)
    assert response.status_code == 500
    assert response.headers["hx-retarget"] == "#toasts"
    assert response.headers["hx-reswap"] == "beforeend"
    assert "<html" not in response.text
    assert "A payment is never booked twice." in response.text


# --- forms ---


class _Sample(BaseModel):
    name: Annotated[str, Field(min_length=3)]
    amount: Annotated[int, Field(gt=0)]
    password: SecretStr
    days: list[str] = []
    kind: Literal["a", "b"] = "a"
    note: str | None = None


def test_a_form_keeps_what_was_typed_but_never_a_password() -> None:
    form = Form.parse(FormData({"name": "Jo", "amount": "x", "password": "hunter2", "other": "1"}), _Sample)
    assert not form.is_valid
    assert form.errors == {"name": "At least 3 characters are needed.", "amount": "Write a whole number."}
    assert (form["name"].value, form["amount"].value, form["password"].value) == ("Jo", "x", "")
    assert "hunter2" not in repr(form)
    with pytest.raises(ValueError, match="not valid"):
        _ = form.data


def test_a_blank_field_is_not_filled_in_and_lists_are_lists() -> None:
    typed = {"name": " Ravi ", "amount": "5", "password": " x ", "note": " "}
    sent: list[tuple[str, str | UploadFile]] = [*typed.items(), ("days", "mon"), ("days", "tue")]
    form = Form.parse(FormData(sent), _Sample)
    assert form.is_valid
    assert (form.data.name, form.data.days, form.data.note) == ("Ravi", ["mon", "tue"], None)
    assert form.data.password.get_secret_value() == " x "


def test_errors_are_in_the_readers_language() -> None:
    hindi = Reader(LANGUAGES["hi"], translations=Translations({"kernel": render.LOCALE}))
    with reading(hindi):
        assert Form.parse(FormData(), _Sample).errors["name"] == "इसे भरें।"


def test_a_refusal_lands_at_its_field_or_above_the_form() -> None:
    form = Form.blank(_Sample)
    wrong = domain.FieldError("/amount", "too_much", "More than {left}.")
    form.refuse(domain.InvalidInput("Not enough.", errors=[wrong], left="₹5"))
    assert (form.errors, form.error) == ({"amount": "More than ₹5."}, None)
    form.refuse(domain.Conflict("The wallet is closed."))
    assert form.error == "The wallet is closed."
    with pytest.raises(KeyError):
        form.refuse_field("nope", "…")


async def test_a_refused_form_comes_back_with_422_and_says_why(browser: httpx.AsyncClient) -> None:
    sent = {"csrf_token": await _token(browser), "amount": "12,5", "note": 'so"<i>'}
    response = await browser.post("/add", data=sent)
    assert response.status_code == 422
    assert "<body" in response.text
    assert "data-refused" in response.text
    field = re.search(r"<input[^>]*data-amount[^>]*>", response.text)
    assert field
    assert 'aria-invalid="true"' in field[0]
    assert 'aria-describedby="amount-error"' in field[0]
    assert 'value="12,5"' in field[0]
    assert re.search(r'id="amount-error">.*?Write the amount in digits', response.text, re.DOTALL)
    assert "so&#34;&lt;i&gt;" in response.text


async def test_with_htmx_only_the_form_comes_back(browser: httpx.AsyncClient) -> None:
    response = await browser.post("/add", data={"amount": ""}, headers={**HTMX, "X-CSRF-Token": await _token(browser)})
    assert response.status_code == 422
    assert response.text.strip().startswith("<form")
    assert 'id="add-money"' in response.text


async def test_what_was_done_is_said_once_on_the_next_page(browser: httpx.AsyncClient) -> None:
    response = await browser.post("/add", data={"csrf_token": await _token(browser), "amount": "500"})
    assert (response.status_code, response.headers["location"]) == (303, "/app")
    assert "Money added" in (await browser.get("/app")).text
    assert "Money added" not in (await browser.get("/app")).text


async def test_htmx_is_led_on_by_a_header(browser: httpx.AsyncClient) -> None:
    sent = {"csrf_token": await _token(browser), "amount": "500"}
    response = await browser.post("/add", data=sent, headers=HTMX)
    assert (response.status_code, response.headers["hx-redirect"]) == (200, "/app")


@pytest.mark.parametrize("path", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x"])
def test_a_redirect_stays_on_this_host(path: str) -> None:
    with pytest.raises(ValueError, match="this host"):
        toasts.redirect(_request(), path)


@pytest.mark.parametrize("cookie", ["nonsense", "", base64.b64encode(b'[{"tone":"x"}]').decode(), "é"])
def test_a_toast_cookie_that_is_not_ours_shows_nothing(cookie: str) -> None:
    assert toasts.pending(_request(cookies={"toasts": cookie})) == ()


def test_a_toast_for_htmx_fits_in_a_header() -> None:
    header = toasts.trigger(toasts.Toast("पैसे जुड़ गए"))["HX-Trigger"]
    assert header.isascii()
    assert json.loads(header)["toast"]["title"] == "पैसे जुड़ गए"


# --- CSRF ---


def test_a_token_is_worth_something_only_where_it_was_given() -> None:
    token = csrf.issue_token(KEY, "session:1")
    assert csrf.is_valid(KEY, "session:1", token)
    assert not csrf.is_valid(KEY, "session:2", token)
    assert not csrf.is_valid(b"x" * 32, "session:1", token)
    for tampered in ("", ".", token[:-1], token + "0", "0" + token[1:] if token[0] != "0" else "1" + token[1:], "é.é"):
        assert not csrf.is_valid(KEY, "session:1", tampered)
    assert csrf.issue_token(KEY, "session:1") != token


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin", "origin": "https://house"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "https://house"}, True),
        ({"origin": "https://house.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://shop.example", "sec-fetch-site": "cross-site"}, True),
    ],
)
def test_another_site_is_refused_whatever_it_brings(headers: dict[str, str], fine: bool) -> None:
    assert csrf.is_same_origin(headers, "house", frozenset({"https://shop.example"})) is fine


@pytest.mark.parametrize("sent", [{}, {"csrf_token": "a.b"}, {"csrf_token": csrf.issue_token(KEY, "visitor:x")}])
async def test_a_form_without_our_token_changes_nothing(browser: httpx.AsyncClient, sent: dict[str, str]) -> None:
    await _token(browser)
    response = await browser.post("/add", data={"amount": "500", **sent})
    assert response.status_code == 403
    assert "toasts" not in response.headers.get("set-cookie", "")
    assert "Nothing was changed" in response.text


async def test_a_good_token_from_another_site_is_refused(browser: httpx.AsyncClient) -> None:
    sent = {"csrf_token": await _token(browser), "amount": "500"}
    response = await browser.post("/add", data=sent, headers={"Origin": "https://evil.example"})
    assert response.status_code == 403


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        csrf.Csrf(b"short")


def _request(cookies: dict[str, str] | None = None) -> Request:
    sent = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    headers = [(b"cookie", sent.encode("latin-1")), (b"host", b"house")]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers, "state": {}}
    return Request({**scope, "scheme": "http", "server": ("house", 80)})
