"""Attacks on the edge: forged forms, foreign origins, cookies, redirects, markup, odd bytes, and what leaks."""

import io
import logging
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conformance.siege import VPA, besieged
from tests.products.drivopay.conftest import Depot, Driver
from tillhouse.apps.compose import build_house, create_app
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.routes import endpoints
from tillhouse.kernel.settings import KernelSettings, SettingsError, refuse_development_defaults

_SCRIPT = "<script>alert(1)</script>"
# The gateway's own page posts here: what it brings is signed, and needs no token of ours.
_SIGNED = {"/drivopay/add-money/{order_id}/paid"}
_ELSEWHERE = (
    "//evil.example", "/\\evil.example", "https://evil.example", "///evil.example", "\\/evil.example", "http:/x",
    "/\t/evil.example", "/x\r\nSet-Cookie: a=b", "javascript:alert(1)", "/sign-in?next=//evil.example", "evil",
)  # fmt: skip


@pytest.fixture
async def depot(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Depot]:
    async with besieged(settings, monkeypatch) as found:
        yield found


@pytest.fixture
async def asha(depot: Depot) -> AsyncIterator[Driver]:
    async with depot.driver() as found:
        yield found


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """Everything that the house logs, as it would be written in production."""
    root, written = logging.getLogger(), io.StringIO()
    before, level = root.handlers, root.level
    configure_logs(KernelSettings(environment="test", log_level="debug"))
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written
    root.handlers = before
    root.setLevel(level)


def form_paths(depot: Depot) -> list[str]:
    found = [one.path for one in endpoints(depot.app.routes) if "POST" in one.methods]
    return [path for path in found if not path.startswith("/api/") and path not in _SIGNED]


def filled(path: str) -> str:
    return "/".join(str(uuid4()) if part.startswith("{") else part for part in path.split("/"))


async def token_of(asha: Driver) -> str:
    page = await asha.page("/account")
    return page.partition('name="csrf_token" value="')[2].partition('"')[0]


async def test_no_form_is_taken_without_its_token_or_from_another_site(asha: Driver, depot: Depot) -> None:
    good, paths = await token_of(asha), form_paths(depot)
    assert len(paths) > 20
    async with depot.driver("imran@example.com", "Imran Khan") as imran:
        anothers = await token_of(imran)
    for path in map(filled, paths):
        for token in ("", "x", "é.é", anothers, good[:-1]):
            answer = await asha.browser.post(path, data={"csrf_token": token})
            assert answer.status_code in (403, 404), (path, token)
        for headers in (
            {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://testserver.evil.example"},
        ):  # fmt: skip
            answer = await asha.browser.post(path, data={"csrf_token": good}, headers=headers)
            assert answer.status_code in (403, 404), (path, headers)
    assert (await asha.api.get("/api/v1/users/me")).json()["full_name"] == "Asha Rao"
    assert (await asha.browser.get("/account")).status_code == 200  # not signed out by any of them


async def test_a_cookie_opens_no_endpoint_of_the_api(asha: Driver, depot: Depot) -> None:
    guarded = [one for one in endpoints(depot.app.routes) if one.path.startswith("/api/v1/") and one.permission]
    assert len(guarded) > 30
    for one in guarded:
        for host in ("testserver", "testserver/x?", "testserver#"):
            answer = await asha.browser.request(one.methods[0], filled(one.path), json={}, headers={"Host": host})
            assert answer.status_code in (400, 401), (one.path, host)


async def test_after_signing_in_nobody_is_led_elsewhere(asha: Driver) -> None:
    for path in _ELSEWHERE:
        for page in ("/sign-in", "/register"):
            answer = await asha.browser.get(page, params={"next": path})
            assert answer.headers["location"] == "/drivopay/"
            assert "a=b" not in str(answer.headers)
        switched = await asha.browser.get("http://testserver//evil.example/?lang=hi")
        assert switched.headers["location"].startswith("/evil")


async def test_a_page_in_another_script_is_led_to_with_htmx_too(asha: Driver) -> None:
    answer = await asha.browser.get("/sign-in", params={"next": "/घर"}, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, "/%E0%A4%98%E0%A4%B0")


async def test_markup_that_a_person_wrote_is_text_on_every_page_and_in_every_mail(depot: Depot) -> None:
    name = f'{_SCRIPT}"><img src=x onerror=alert(1)>{{{{7*7}}}}'
    async with depot.driver("mallory@example.com", name) as mallory:
        await depot.give(mallory.id, "500.00")
        entry = {"platform": "uber", "gross": "10", "note": name, "external_ref": name}
        assert (await mallory.api.post("/api/v1/earnings", json=entry)).status_code == 201
        spent = {"category": "fuel", "amount": "5", "note": name}
        assert (await mallory.api.post("/api/v1/expenses", json=spent)).status_code == 201
        headers = {"Idempotency-Key": "mail"}
        body = {"amount": "100.00", "currency": "INR", "destination": VPA}
        await mallory.api.post("/api/v1/wallets/withdraw", json=body, headers=headers)
        bad = {**body, "destination": {"type": "vpa", "vpa": f"{_SCRIPT}@ok"}}
        refused = await mallory.api.post("/api/v1/wallets/withdraw", json=bad, headers={"Idempotency-Key": "bad"})
        assert refused.status_code == 422
        for path in ("home", "wallet", "earnings", "expenses", "withdraw"):
            assert_harmless(await mallory.page(f"/drivopay/{path}"))
        assert_harmless(await mallory.page("/account"))
        answer = await mallory.send("/drivopay/add-money", amount=_SCRIPT)
        assert_harmless(answer.text)
        await depot.quiet()
        mails = depot.sandbox.world.inbox.messages("mallory@example.com")
        assert mails
        for mail in mails:
            assert_harmless(str(mail))
    assert_harmless((await depot.outside("GET", "/_sandbox/inbox")).__str__())


def assert_harmless(page: str) -> None:
    assert "<script>alert" not in page
    assert "<img src=x" not in page


async def test_bytes_that_no_text_holds_are_refused_and_break_nothing(asha: Driver) -> None:
    nul = "a\x00b"
    for path, fields in (
        ("/drivopay/earnings/new", {"platform": "uber", "gross": "10", "note": nul}),
        ("/drivopay/expenses/new", {"category": "fuel", "amount": "10", "note": nul}),
    ):
        assert (await asha.send(path, **fields)).status_code == 422, path
    assert (await asha.send("/account/profile", "/account", full_name=nul)).status_code == 422
    proof = {"razorpay_order_id": nul, "razorpay_payment_id": "x", "razorpay_signature": "y"}
    assert (await asha.browser.post(f"/drivopay/add-money/{uuid4()}/paid", data=proof)).status_code == 422
    wrong = {"platform": "uber", "gross": "1", "note": nul}
    assert (await asha.api.post("/api/v1/earnings", json=wrong)).status_code == 422
    assert (await asha.browser.get("/drivopay/wallet", params={"kind": nul})).status_code < 500
    assert (await asha.api.get("/api/v1/users/me")).json()["full_name"] == "Asha Rao"


async def test_a_forged_cursor_is_refused(asha: Driver) -> None:
    for cursor in ["WyJ4Il0", "bnVsbA", "W10", "é", "W1tbW1tbW1s", "W" * 4, "Ww" * 8000]:
        for path in ("/files", "/earnings", "/expenses"):
            assert (await asha.api.get(f"/api/v1{path}", params={"cursor": cursor})).status_code == 422, path


async def test_a_time_that_no_clock_shows_is_refused(asha: Driver) -> None:
    for instant in ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]:
        wallet = (await asha.api.get("/api/v1/wallets")).json()["items"][0]["id"]
        for name in ("from", "to"):
            answer = await asha.api.get(f"/api/v1/wallets/{wallet}/transactions", params={name: instant})
            assert answer.status_code == 422, name


async def test_a_body_of_another_kind_is_refused(asha: Driver) -> None:
    for kind in (
        "",
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "multipart/form-data; boundary=x; charset=z",
    ):
        for path in ("/sign-in", "/drivopay/withdraw", "/account/delete"):
            answer = await asha.browser.post(path, content=b"\xff{}", headers={"Content-Type": kind})
            assert answer.status_code in (400, 403), path
        headers = {"Content-Type": kind, "Idempotency-Key": "kind"}
        answer = await asha.api.post("/api/v1/wallets/withdraw", content=b"\xff{}", headers=headers)
        assert answer.status_code in (400, 422)


async def test_a_callback_that_its_sender_did_not_sign_is_refused(asha: Driver) -> None:
    for signature in (b"", b"x", "é".encode("latin-1")):
        for provider in ("", "/razorpay", "/razorpayx"):
            headers = {b"X-Razorpay-Signature": signature}
            answer = await asha.api.post(f"/api/v1/payments/webhook{provider}", content=b"{}", headers=headers)
            assert answer.status_code == 403
        answer = await asha.api.post(
            "/api/v1/channels/webhook/twilio",
            params={"message": str(uuid4())},
            data={"MessageStatus": "delivered"},
            headers={b"X-Twilio-Signature": signature},
        )
        assert answer.status_code == 403
        answer = await asha.api.post(
            "/api/v1/channels/webhook/whatsapp", content=b"{}", headers={b"X-Hub-Signature-256": signature}
        )
        assert answer.status_code == 403


async def test_a_made_up_address_in_a_header_escapes_no_limit(depot: Depot) -> None:
    transport = httpx.ASGITransport(depot.app, client=("203.0.113.9", 4000))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as nobody:
        for n in range(6):
            headers = {"X-Forwarded-For": f"198.51.100.{n}", "Forwarded": f"for=198.51.100.{n}", "X-Real-IP": f"::{n}"}
            body = {"identifier": f"p{n}@example.com"}
            answer = await nobody.post("/api/v1/auth/forgot-password", json=body, headers=headers)
    assert answer.status_code == 429


async def test_metrics_and_health_name_nobody_and_grow_with_no_callers_words(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "500.00")
    for word in ("ZAP1", "ZAP2"):
        await asha.api.request(word, "/")
    await asha.api.get("/nowhere-1")
    shown = (await asha.api.get("/metrics")).text + (await asha.api.get("/health")).text
    for secret in ("ZAP", "nowhere-1", str(asha.id), "asha", "postgresql", "rzp_", "127.0.0.1"):
        assert secret not in shown, secret


async def test_the_logs_of_a_whole_journey_hold_no_person_and_no_secret(depot: Depot, logs: io.StringIO) -> None:
    async with depot.driver("asha.private@example.com", "Asha Verysecretname") as asha:
        headers = {"Idempotency-Key": "journey"}
        body = {"amount": "500.00", "currency": "INR"}
        order = (await asha.api.post("/api/v1/wallets/deposit", json=body, headers=headers)).json()
        path = f"/_sandbox/razorpay/orders/{order['provider_order_id']}/pay"
        proof = await depot.outside("POST", path, {"outcome": "success"})
        await asha.api.post("/api/v1/payments/verify", json=proof)
        bank = {"type": "bank_account", "name": "Asha V", "ifsc": "HDFC0001234", "account_number": "50100234567890"}
        out = {"amount": "100.00", "currency": "INR", "destination": bank}
        assert (await asha.api.post("/api/v1/wallets/withdraw", json=out, headers=headers)).status_code == 202
        upi = {**out, "destination": {"type": "vpa", "vpa": "ashaprivate@okbank"}}
        await asha.api.post("/api/v1/wallets/withdraw", json=upi, headers={"Idempotency-Key": "upi"})
        await asha.api.post("/api/v1/auth/step-up")
        await asha.api.post(
            "/api/v1/auth/login", json={"identifier": "asha.private@example.com", "password": "hunter22"}
        )
        await depot.quiet()
        tokens = [asha.api.headers["Authorization"], *asha.browser.cookies.values()]
    written = logs.getvalue()
    assert written.count('"event": "request"') > 5
    codes = [str(mail) for mail in depot.sandbox.world.inbox.messages("asha.private@example.com")]
    assert codes
    for secret in (
        "asha.private", "Verysecretname", "50100234567890", "ashaprivate@okbank", "hunter22", "rzp_test_secret",
        proof["razorpay_signature"], *tokens,
    ):  # fmt: skip
        assert secret not in written, secret


async def test_an_error_of_the_database_does_not_say_what_was_being_written(depot: Depot) -> None:
    with pytest.raises(DBAPIError) as error:
        async with depot.house.database.reading() as session:
            await session.execute(text("SELECT 1 / 0 WHERE :name IS NOT NULL"), {"name": "Asha Rao"})
    assert "Asha" not in str(error.value)


async def test_one_click_sign_in_is_nowhere_but_in_development(
    settings: KernelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "development")  # what the process says and what the house was told may differ
    house = build_house(settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(house)), base_url="http://testserver") as one:
        page = await one.get("/sign-in", headers={"Accept": "text/html"})
        token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
        assert token
        for path in ("/dev/sign-in", "/dev/sign-in?as=asha@demo.tillhouse.test"):
            assert (await one.get(path)).status_code == 404
            assert (await one.post(path, data={"csrf_token": token})).status_code == 404
    await house.close()


def test_production_refuses_a_secret_key_that_can_be_guessed() -> None:
    settings = KernelSettings(environment="production", secret_key="short", encryption_keys=("k",))
    with pytest.raises(SettingsError, match="SECRET_KEY needs 32"):
        refuse_development_defaults([settings])
    refuse_development_defaults([settings.model_copy(update={"secret_key": "x" * 32})])
