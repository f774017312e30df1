import re
from collections.abc import AsyncIterator
from email.message import EmailMessage

import aiosmtplib
import httpx
import pytest

from tests.sandbox.test_razorpay_payments import AUTOMATIC, order_of, pay
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.smtp import smtp_server

HTML = {"accept": "text/html"}
PAGES = [
    "/_sandbox/",
    "/_sandbox/inbox",
    "/_sandbox/faults",
    "/_sandbox/webhooks",
    "/_sandbox/razorpay/orders",
    "/_sandbox/razorpay/payments",
    "/_sandbox/razorpay/payouts",
    "/_sandbox/razorpay/qr_codes",
    "/_sandbox/razorpay/payment_links",
    "/_sandbox/razorpay/disputes",
    "/_sandbox/razorpay/settlements",
    "/_sandbox/razorpay/validations",
    "/_sandbox/bank",
    "/_sandbox/stripe/checkout_sessions",
    "/_sandbox/stripe/payments",
    "/_sandbox/stripe/payouts",
    "/_sandbox/stripe/accounts",
    "/_sandbox/omise/charges",
    "/_sandbox/omise/transfers",
    "/_sandbox/sepay/bank",
    "/_sandbox/sepay/orders",
]


@pytest.fixture
async def smtp_port(sandbox: Sandbox) -> AsyncIterator[int]:
    async with smtp_server(sandbox.world.inbox, "127.0.0.1", 0) as port:
        yield port


def mail(
    subject: str, to: str = "Asha@Example.com", *, text: str | None = None, html: str | None = None
) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "house@tillhouse.test", to, subject
    if text is not None:
        message.set_content(text)
    if html is not None and text is not None:
        message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    return message


async def test_a_mail_lands_in_the_inbox_newest_first(
    smtp_port: int, person: httpx.AsyncClient, clock: ManualClock
) -> None:
    await aiosmtplib.send(mail("First", text="Ihr Code: ₹ 123456"), hostname="127.0.0.1", port=smtp_port)
    clock.advance(5)
    await aiosmtplib.send(
        mail("Second", text="plain", html="<p>rich</p>"),
        hostname="127.0.0.1",
        port=smtp_port,
        username="a",
        password="b",
    )
    messages = (await person.get("/_sandbox/inbox", params={"to": "asha@example.com"})).json()

    assert [(m["to"], m["channel"], m["subject"], m["body"]) for m in messages] == [
        ("asha@example.com", "email", "Second", "plain"),
        ("asha@example.com", "email", "First", "Ihr Code: ₹ 123456"),
    ]
    assert (messages[0]["html"], messages[1]["html"]) == ("<p>rich</p>", None)
    assert messages[0]["at"] > messages[1]["at"]
    assert (await person.get("/_sandbox/inbox", params={"to": "someone@else.com"})).json() == []


async def test_a_mail_of_html_alone_has_its_text_too(smtp_port: int, person: httpx.AsyncClient) -> None:
    html = "<style>p{}</style><h1>Code</h1><p>It is <b>123456</b>.</p>"
    await aiosmtplib.send(mail("Code", html=html), hostname="127.0.0.1", port=smtp_port)
    message = (await person.get("/_sandbox/inbox")).json()[0]
    assert message["body"] == "Code\nIt is 123456."

    shown = await person.get(f"/_sandbox/inbox/{message['id']}", headers=HTML)
    assert "sandbox src=" in shown.text
    framed = await person.get(f"/_sandbox/inbox/{message['id']}/html")
    assert framed.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_an_api_twin_and_a_strict_policy(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, path: str
) -> None:
    order = await order_of(razorpay, payment=AUTOMATIC, receipt="<script>alert(1)</script>")
    await pay(person, order)
    await person.post("/_sandbox/sepay/transfers", json={"amount": 1, "content": "<script>alert(1)</script>"})
    await sandbox.deliver_due()

    page = await person.get(path, headers=HTML)
    twin = await person.get(path)
    assert (page.status_code, twin.status_code) == (200, 200)
    assert twin.headers["content-type"] == "application/json"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert not re.search(r"<script(?! src=)|\sstyle=|\son\w+=", page.text)


async def test_what_the_new_pages_show_is_escaped_and_their_buttons_work(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, contact: str, settings: SandboxSettings
) -> None:
    nasty = "<script>alert(1)</script>"
    answer = await pay(person, await order_of(razorpay, payment=AUTOMATIC, receipt=nasty))
    link = {"amount": 1_000, "reference_id": nasty, "description": nasty, "customer": {"name": nasty}}
    short_url = (await razorpay.post("/payment_links", json=link)).json()["short_url"]
    await razorpay.post("/payments/qr_codes", json={"type": "upi_qr", "name": nasty})
    account = {"contact_id": contact, "account_type": "vpa", "vpa": {"address": "silent@razorpay"}}
    account_id = (await razorpay.post("/fund_accounts", json=account)).json()["id"]
    check = {"account_number": settings.razorpayx_account_number, "fund_account": {"id": account_id}}
    validation = (await razorpay.post("/fund_accounts/validations", json=check)).json()["id"]
    code = (await razorpay.get("/payments/qr_codes")).json()["items"][0]["id"]

    async def press(path: str, **form: str) -> str:
        pressed = await person.post(f"/_sandbox/razorpay/{path}", data=form, headers=HTML)
        assert pressed.status_code == 303, pressed.text
        return pressed.headers["location"]

    await press(f"qr_codes/{code}/pay", amount="500")
    await press(f"payments/{answer['razorpay_payment_id']}/dispute")
    dispute = (await razorpay.get("/disputes")).json()["items"][0]["id"]
    await press(f"disputes/{dispute}/review")
    await press(f"disputes/{dispute}/close", outcome="won")
    await press(f"validations/{validation}/active")
    settlement = await press("settlements/run")
    await press(f"{settlement.removeprefix('/_sandbox/razorpay/')}/distort", kind="duplicate", entity_id="")

    for path in (*PAGES, settlement, short_url):
        shown = await person.get(path, headers=HTML)
        assert shown.status_code == 200
        assert not re.search(r"<script(?! src=)|\sstyle=|\son\w+=", shown.text)
    assert "duplicate" in (await person.get(settlement, headers=HTML)).text


async def test_the_pages_buttons_lead_back_to_the_page(razorpay: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    form = {"provider": "razorpay", "fault": "status_500", "path": "*", "count": "3", "seconds": ""}
    added = await person.post("/_sandbox/faults", data=form, headers=HTML)
    assert (added.status_code, added.headers["location"]) == (303, "/_sandbox/faults")
    fault = (await person.get("/_sandbox/faults")).json()[0]
    assert (fault["count"], fault["seconds"]) == (3, None)
    assert fault["id"] in (await person.get("/_sandbox/faults", headers=HTML)).text
    await person.post(f"/_sandbox/faults/{fault['id']}/remove")
    assert (await person.get("/_sandbox/faults")).json() == []


async def test_the_sandboxes_own_doors_are_described(person: httpx.AsyncClient) -> None:
    paths = (await person.get("/_sandbox/openapi.json")).json()["paths"]
    assert {"/_sandbox/razorpay/settlements/run", "/_sandbox/bank/statement"} <= set(paths)


async def test_liveness_is_answered(person: httpx.AsyncClient) -> None:
    assert (await person.get("/health/live")).status_code == 200
