"""One `send` to a person: by the first way they agreed to, by the next where it fails, never at night, never twice."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import select

from tests.parts.identity.town import Resident, Town
from tillhouse.apps.compose import build_house
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.channels.api import MessageTemplate, Recipient, send, set_consent
from tillhouse.parts.channels.domain.messages import lifts_stop, may_follow, not_before, says_start, says_stop
from tillhouse.parts.channels.manifest import MODULE as CHANNELS
from tillhouse.parts.channels.models import MessageRow, PushTargetRow
from tillhouse.parts.channels.service.consent import opt_out_token
from tillhouse.parts.files.manifest import MODULE as FILES
from tillhouse.parts.identity.manifest import MODULE as IDENTITY
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.push.fcm import Push
from tillhouse.sandbox.smtp import smtp_server
from tillhouse.sandbox.transport import SandboxTransport

NOTICE = "identity.password_changed"
FORM = "application/x-www-form-urlencoded"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    """What makes pushes work: a service account and a VAPID key."""
    account = {
        "project_id": "tillhouse-test",
        "client_email": "push@tillhouse-test.iam.gserviceaccount.com",
        "private_key": pem(rsa.generate_private_key(65537, 2048)),
    }
    return {
        "CHANNELS_FCM_SERVICE_ACCOUNT": json.dumps(account),
        "CHANNELS_VAPID_PRIVATE_KEY": pem(ec.generate_private_key(ec.SECP256R1())),
        "CHANNELS_WEBHOOK_PRIVATE_NETWORKS": "10.0.0.0/8",
    }


@pytest.fixture
async def house(
    settings: KernelSettings,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    at: clock.TestClock,
    keys: dict[str, str],
) -> AsyncIterator[House]:
    for name, value in {"IDENTITY_ARGON2_MEMORY_KIB": "64", **keys}.items():
        monkeypatch.setenv(name, value)
    async with smtp_server(sandbox.world.inbox, "127.0.0.1", 0) as port:
        monkeypatch.setenv("SMTP_PORT", str(port))
        mounts = {"http://sandbox": SandboxTransport(sandbox)}
        development = settings.model_copy(update={"environment": "development"})
        built = build_house(development, catalogue=(IDENTITY, FILES, CHANNELS), mounts=mounts)
        yield built
        await built.close()


def describe(house: House, *channels: str, **how: object) -> None:
    house.provide([MessageTemplate(NOTICE, channels=channels, **how)])  # type: ignore[arg-type]


async def tell(house: House, person: Resident) -> UUID | None:
    async with house.database.transaction() as session:
        return await send(session, UUID(person.id), NOTICE, {})


async def messages(house: House) -> list[MessageRow]:
    await run_due(house)
    async with house.database.reading() as session:
        return list((await session.execute(select(MessageRow).order_by(MessageRow.id))).scalars())


async def test_where_one_way_fails_the_next_is_tried_once(town: Town, house: House) -> None:
    describe(house, "whatsapp", "sms", "in_app")
    person = await town.resident("+15005550001")  # a number that Twilio refuses
    await tell(house, person)
    found = await messages(house)
    assert [(one.channel, one.status, one.error_code) for one in found] == [
        ("whatsapp", "failed", "window_closed"),
        ("sms", "failed", "twilio_21211"),
        ("in_app", "delivered", None),
    ]
    answer = await town.call("GET", "/channels/notices", token=person.token)
    assert answer.json()["unread"] == 1
    notice = answer.json()["items"][0]
    assert "password" in notice["title"]
    read = await town.post(f"/channels/notices/{notice['id']}/read", token=person.token)
    assert read.json() == {"unread": 0}
    assert (await messages(house))[-1].status == "read"
    stranger = await town.resident("noa@example.com")
    assert (await town.post(f"/channels/notices/{notice['id']}/read", token=stranger.token)).status_code == 404


async def test_marketing_goes_only_to_whoever_said_yes_and_waits_for_the_day(
    town: Town, house: House, at: clock.TestClock, sandbox: Sandbox
) -> None:
    describe(house, "email", purpose="marketing")
    person = await town.resident("asha@example.com")
    assert await tell(house, person) is None
    said = {"channel": "email", "purpose": "marketing", "allowed": True}
    assert (await town.call("PUT", "/channels/consents", said, token=person.token)).status_code == 200
    at.advance(timedelta(hours=10))  # 19:30 in London is 01:00 in Kolkata, where she lives
    await tell(house, person)
    assert (await messages(house))[0].status == "queued"
    at.advance(timedelta(hours=9))
    assert (await messages(house))[0].status == "sent"
    mail = sandbox.world.inbox.messages("asha@example.com")[0]
    token = opt_out_token(house, UUID(person.id), "email")
    page = f"{house.settings.base_url}/messages/opt-out/{token}"
    assert mail.body.endswith(f"Send me no more offers: {page}")
    assert f'<a href="{page}"' in (mail.html or "")
    door = f"/api/v1/channels/opt-out/{token}"
    assert mail.unsubscribe == house.settings.base_url + door  # RFC 8058: one POST by the mail program ends it
    one_click = {"content": "List-Unsubscribe=One-Click", "headers": {"Content-Type": FORM}}
    for _ in range(2):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(town.app), base_url="http://testserver") as program:
            assert (await program.post(door, **one_click)).status_code == 204  # type: ignore[arg-type]
    assert (await town.post(f"/channels/opt-out/{token[:-2]}xx")).status_code == 404
    assert await tell(house, person) is None


async def test_what_is_no_offer_carries_no_way_out(town: Town, house: House, sandbox: Sandbox) -> None:
    describe(house, "email")
    await tell(house, await town.resident("noa@example.com"))
    await messages(house)
    mail = sandbox.world.inbox.messages("noa@example.com")[0]
    assert mail.unsubscribe is None
    assert "opt-out" not in mail.body + (mail.html or "")


async def test_a_third_offer_in_a_day_waits(town: Town, house: House) -> None:
    describe(house, "email", purpose="marketing")
    person = await town.resident("asha@example.com")
    async with house.database.transaction() as session:
        await set_consent(session, UUID(person.id), "email", "marketing", allowed=True, source="settings")
    for _ in range(3):
        await tell(house, person)
    assert [one.status for one in await messages(house)] == ["sent", "sent", "queued"]


async def test_a_push_reaches_phone_and_browser_and_forgets_what_is_gone(
    town: Town, house: House, sandbox: Sandbox
) -> None:
    describe(house, "push", "email")
    person = await town.resident("asha@example.com")
    for token in ("phone-one-of-asha", "gone-phone-of-asha"):
        body = {"token": token}
        assert (await town.post("/channels/push-tokens", body, token=person.token)).status_code == 201
    browser = await subscribe(sandbox)
    assert (await town.post("/channels/web-push-subscriptions", browser, token=person.token)).status_code == 201
    await tell(house, person)
    (message,) = await messages(house)
    assert (message.channel, message.status) == ("push", "sent")
    taken = sandbox.world.store.find(Push)
    assert {one.to for one in taken} == {"phone-one-of-asha", browser["endpoint"].rpartition("/")[2]}
    assert all("password" in f"{one.title}{one.body}" for one in taken)
    async with house.database.reading() as session:
        left = list((await session.execute(select(PushTargetRow.token))).scalars())
    assert "gone-phone-of-asha" not in left
    assert len(left) == 2


async def test_when_every_phone_is_gone_the_next_way_is_tried(town: Town, house: House) -> None:
    describe(house, "push", "email")
    person = await town.resident("asha@example.com")
    await town.post("/channels/push-tokens", {"token": "gone-phone-of-asha"}, token=person.token)
    await tell(house, person)
    assert [(one.channel, one.status) for one in await messages(house)] == [("push", "failed"), ("email", "sent")]


async def subscribe(sandbox: Sandbox) -> dict[str, str]:
    async with httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://sandbox") as client:
        found: dict[str, str] = (await client.post("/_sandbox/browsers")).json()
    return found


async def test_an_unknown_end_is_looked_up_where_the_template_says_so(
    town: Town, house: House, at: clock.TestClock, sandbox: Sandbox
) -> None:
    describe(house, "sms", when_unknown="look_up")
    wish = {"provider": "twilio", "fault": "timeout_after", "path": "*", "count": 1}
    async with httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://sandbox") as client:
        assert (await client.post("/_sandbox/faults", json=wish)).status_code == 201
    async with house.database.transaction() as session:
        await send(session, Recipient("sms", "+919845012345", "en"), NOTICE, {})
    for _ in range(4):
        await run_due(house)
        at.advance(timedelta(minutes=10))
    (message,) = await messages(house)
    assert (message.status, bool(message.provider_id)) == ("sent", True)
    assert len(sandbox.world.inbox.messages("+919845012345")) == 1


def test_statuses_never_go_back() -> None:
    order = ("queued", "unknown", "sent", "delivered", "read")
    for number, before in enumerate(order):
        assert [after for after in order if may_follow(before, after)] == list(order[number + 1 :])
    assert not any(may_follow("failed", after) for after in order)
    assert may_follow("sent", "failed")
    assert not may_follow("delivered", "failed")
    assert not may_follow("read", "failed")


def test_quiet_hours_are_the_persons_own() -> None:
    evening = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
    assert not_before(evening, "Europe/London", 21, 9) == evening
    assert not_before(evening, "Asia/Kolkata", 21, 9) == datetime(2026, 3, 3, 3, 30, tzinfo=UTC)  # 21:30 there
    night = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
    assert not_before(night, "Asia/Kolkata", 21, 9) == datetime(2026, 3, 3, 3, 30, tzinfo=UTC)  # 01:30 there
    assert not_before(night, "Asia/Kolkata", 9, 9) == night


@pytest.mark.parametrize("text", ["STOP", " Stop. ", "Opt  out", "หยุด", "Dừng!", "הסר", "रोकें।"])
def test_a_word_alone_means_stop_in_every_language(text: str) -> None:
    assert says_stop(text, "whatsapp")
    assert says_stop(text, "sms")
    assert not says_stop(f"please {text.strip()} calling", "sms")


@pytest.mark.parametrize("text", ["CANCEL", "end", "Quit", "UNSUBSCRIBE", "STOP"])
def test_carriers_take_more_words_for_a_stop_than_a_chat_does(text: str) -> None:
    assert says_stop(text, "sms")
    assert says_stop(text, "whatsapp") == (text in ("UNSUBSCRIBE", "STOP"))


def test_start_is_asked_for_and_a_carrier_takes_yes_for_it() -> None:
    for text in ("Start", "UNSTOP", "เริ่ม", "bắt đầu", "התחל", "शुरू करें"):
        assert says_start(text)
        assert lifts_stop(text, "whatsapp")
    assert not says_start("yes")
    assert lifts_stop("Yes!", "sms")
    assert not lifts_stop("yes", "whatsapp")
