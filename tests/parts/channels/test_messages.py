"""A message: queued with the business row, sent by a job, its status only ever going forward."""

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # it has no types

from tests.parts.identity.town import Town
from tests.registry import put_in_place
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.outbound import NotSent, OutcomeUnknown
from tillhouse.kernel.work import run_due
from tillhouse.parts.channels import store
from tillhouse.parts.channels.api import Recipient, send
from tillhouse.parts.channels.models import MessageRow
from tillhouse.parts.channels.ports import Carriers, Outgoing, Taken
from tillhouse.parts.channels.providers.twilio import CALLBACK, is_signed
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.parts.identity.domain import Identifier
from tillhouse.parts.identity.service import challenges
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.twilio.signing import request_signature

PHONE = Recipient("sms", "+919845012345", "en")
MAIL = Recipient("email", "asha@example.com", "en")
NOTICE, NEWS = "identity.password_changed", "identity.organisation_changed"


async def queue(house: House, to: Recipient, template: str = NOTICE, **data: str) -> UUID:
    async with house.database.transaction() as session:
        return await send(session, to, template, {**data})


async def row_of(house: House, message_id: UUID) -> MessageRow:
    async with house.database.transaction() as session:
        row = await store.lock_message(session, message_id)
    assert row
    return row


async def test_a_mail_has_subject_text_and_html_in_the_language_of_its_reader(house: House, sandbox: Sandbox) -> None:
    await queue(house, Recipient("email", "asha@example.com", "hi"))
    await run_due(house)
    (message,) = sandbox.world.inbox.messages("asha@example.com")
    assert message.subject == "आपका Tillhouse पासवर्ड बदल गया"
    assert "http://testserver/forgot" in message.body
    assert message.html
    assert 'lang="hi"' in message.html


async def test_a_language_without_templates_is_written_to_in_english(house: House, sandbox: Sandbox) -> None:
    await queue(house, Recipient("email", "noa@example.com", "fr"))
    await run_due(house)
    assert "was changed" in sandbox.world.inbox.messages("noa@example.com")[0].body


async def test_a_text_is_handed_to_twilio_and_reported_delivered(
    house: House, app: FastAPI, sandbox: Sandbox, at: clock.TestClock
) -> None:
    message_id = await queue(house, PHONE)
    await run_due(house)
    row = await row_of(house, message_id)
    assert (row.status, row.provider) == ("sent", "twilio")
    assert row.provider_id
    assert sandbox.world.inbox.messages("+919845012345")[0].body.startswith("Tillhouse: ")
    signed = sign(house, message_id, MessageSid=row.provider_id, MessageStatus="delivered")
    assert (await report(app, message_id, signed)).status_code == 204
    assert (await row_of(house, message_id)).status == "delivered"


async def test_a_transaction_that_rolls_back_sends_nothing(house: House, sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError):
        async with house.database.transaction() as session:
            await send(session, MAIL, NOTICE, {})
            raise RuntimeError
    await run_due(house)
    assert sandbox.world.inbox.messages() == []


async def test_a_template_that_does_not_exist_is_refused_at_once(house: House) -> None:
    with pytest.raises(LookupError, match=r"identity\.no_such"):
        await queue(house, MAIL, "identity.no_such")


async def test_a_number_that_twilio_refuses_is_failed_and_not_tried_again(house: House, sandbox: Sandbox) -> None:
    message_id = await queue(house, Recipient("sms", "+15005550001", "en"))
    await run_due(house)
    row = await row_of(house, message_id)
    assert (row.status, row.error_code) == ("failed", "twilio_21211")


class Scripted:
    """A carrier that does what it is told, try after try."""

    name, channel = "scripted", "email"

    def __init__(self, *script: type[Exception] | None) -> None:
        self.script, self.sent = list(script), list[Outgoing]()

    async def carry(self, message: Outgoing) -> Taken:
        self.sent.append(message)
        failure = self.script.pop(0) if self.script else None
        if failure is NotSent:
            raise NotSent("down")
        if failure is OutcomeUnknown:
            raise OutcomeUnknown("silent")
        if failure:
            raise failure
        return Taken("scripted-1")


@pytest.fixture
def carrying(house: House) -> Callable[[Scripted], Scripted]:
    def use(carrier: Scripted) -> Scripted:
        alone = Carriers((carrier,))  # type: ignore[arg-type]  # its channel is a plain str
        put_in_place(house, lambda thing: isinstance(thing, Carriers), alone)
        return carrier

    return use


async def later(house: House, at: clock.TestClock) -> None:
    for _ in range(8):
        at.advance(timedelta(hours=1))
        await run_due(house)


async def test_what_was_certainly_not_taken_is_tried_again(
    house: House, at: clock.TestClock, carrying: Callable[[Scripted], Scripted]
) -> None:
    carrier = carrying(Scripted(NotSent, NotSent))
    message_id = await queue(house, MAIL)
    await run_due(house)
    assert (await row_of(house, message_id)).status == "queued"
    await later(house, at)
    assert (await row_of(house, message_id)).status == "sent"
    assert len(carrier.sent) == 3


async def test_a_provider_that_stays_away_makes_the_message_fail(
    house: House, at: clock.TestClock, carrying: Callable[[Scripted], Scripted]
) -> None:
    carrier = carrying(Scripted(*[NotSent] * 20))
    message_id = await queue(house, MAIL)
    await later(house, at)
    row = await row_of(house, message_id)
    assert (row.status, row.error_code) == ("failed", "unreachable")
    assert len(carrier.sent) == 6


async def test_a_message_that_may_have_arrived_is_not_sent_twice(
    house: House, at: clock.TestClock, carrying: Callable[[Scripted], Scripted]
) -> None:
    carrier = carrying(Scripted(OutcomeUnknown))
    message_id = await queue(house, MAIL)
    await later(house, at)
    assert (await row_of(house, message_id)).status == "unknown"
    assert len(carrier.sent) == 1


async def test_a_code_that_may_have_arrived_is_sent_again_and_is_the_same(
    house: House, at: clock.TestClock, carrying: Callable[[Scripted], Scripted]
) -> None:
    carrier = carrying(Scripted(OutcomeUnknown))
    async with house.database.transaction() as session:
        await challenges.ask(
            session, "sign_in", Identifier("email", "asha@example.com"), person_id=None, decoy=False, locale="en"
        )
    for _ in range(6):
        await run_due(house)
        at.advance(timedelta(seconds=60))
    first, second = (message.text for message in carrier.sent)
    assert first == second


async def test_a_try_that_broke_off_without_a_word_leaves_the_outcome_unknown(
    house: House, at: clock.TestClock, carrying: Callable[[Scripted], Scripted]
) -> None:
    carrier = carrying(Scripted(MemoryError))
    message_id = await queue(house, MAIL)
    with pytest.raises(MemoryError):
        await run_due(house)
    await later(house, at)
    assert (await row_of(house, message_id)).status == "unknown"
    assert len(carrier.sent) == 1


async def test_a_code_that_was_answered_meanwhile_is_not_sent(
    town: Town, sandbox: Sandbox, at: clock.TestClock
) -> None:
    await town.register("asha@example.com")
    at.advance(timedelta(minutes=10))
    assert await town.messages_to("asha@example.com") == []


def sign(house: House, message_id: UUID, **form: str) -> tuple[dict[str, str], str]:
    """The form and the signature that Twilio would send, made the way its documentation says."""
    url = f"http://testserver{CALLBACK}?message={message_id}"
    return form, request_signature("twilio_test_token_tillhouse", url, form.items())


async def report(app: FastAPI, message_id: UUID, signed: tuple[dict[str, str], str]) -> httpx.Response:
    form, signature = signed
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        headers = {"X-Twilio-Signature": signature}
        return await client.post(f"{CALLBACK}?message={message_id}", data=form, headers=headers)


async def test_a_status_may_be_signed_by_a_shared_key_and_sha_256(house: House, app: FastAPI) -> None:
    """As Twilio's own library has it; several keys are good while one is replaced."""
    found = house.settings_of(ChannelsSettings)
    keys = {"webhooks_sharedkey_old": "old secret", "webhooks_sharedkey_new": "new secret"}
    changed = found.model_copy(update={"twilio_shared_keys": keys})
    house.module_settings = {**house.module_settings, ChannelsSettings: changed}
    message_id = await queue(house, PHONE)
    await run_due(house)
    form, url = {"MessageStatus": "delivered", "MessageSid": "SM1"}, f"http://testserver{CALLBACK}?message={message_id}"

    async def send_signed(key: str, secret: str, algorithm: str = "HMAC_SHA256") -> int:
        headers = {
            "X-Twilio-Signature": RequestValidator(secret).compute_signature(url, form, "HMAC_SHA256"),
            "X-Twilio-Webhooks-Signature-Settings": f"key={key},algorithm={algorithm}",
        }
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            return (await client.post(f"{CALLBACK}?message={message_id}", data=form, headers=headers)).status_code

    assert await send_signed("webhooks_sharedkey_new", "wrong secret") == 403
    assert await send_signed("webhooks_sharedkey_none", "new secret") == 403
    assert await send_signed("webhooks_sharedkey_none", "") == 403, "no key is no secret"
    assert await send_signed("webhooks_sharedkey_new", "twilio_test_token_tillhouse") == 403, "the token is no key"
    assert await send_signed("webhooks_sharedkey_new", "new secret", "HMAC_SHA1") == 403
    assert await send_signed("webhooks_sharedkey_new", "new secret", "HMAC_MD5") == 403
    assert (await row_of(house, message_id)).status == "sent"
    assert await send_signed("webhooks_sharedkey_old", "old secret") == 204
    assert (await row_of(house, message_id)).status == "delivered"
    assert (await report(app, message_id, sign(house, message_id, MessageStatus="read"))).status_code == 204
    assert (await row_of(house, message_id)).status == "read", "what no rule of Twilio's signs is signed by the token"


async def test_a_status_never_goes_back(house: House, app: FastAPI) -> None:
    message_id = await queue(house, PHONE)
    await run_due(house)
    for word, status in (("delivered", "delivered"), ("sent", "delivered"), ("failed", "delivered")):
        await report(app, message_id, sign(house, message_id, MessageStatus=word))
        assert (await row_of(house, message_id)).status == status


@pytest.mark.parametrize("tampering", ["form", "signature", "message", "none"])
async def test_a_callback_that_is_not_signed_is_refused_and_nothing_changes(
    house: House, app: FastAPI, tampering: str
) -> None:
    message_id, other = await queue(house, PHONE), await queue(house, PHONE)
    await run_due(house)
    form, signature = sign(house, message_id, MessageStatus="failed")
    changed = {
        "form": (message_id, ({"MessageStatus": "undelivered"}, signature)),
        "signature": (message_id, (form, signature.swapcase())),
        "message": (other, (form, signature)),
        "none": (message_id, (form, "")),
    }
    target, signed = changed[tampering]
    assert (await report(app, target, signed)).status_code == 403
    assert {(await row_of(house, one)).status for one in (message_id, other)} == {"sent"}


def test_twilios_own_example_of_a_signature_is_accepted() -> None:
    form = {
        "From": "whatsapp:+14155550100", "To": "whatsapp:+14155238886", "Body": "hi", "MessageSid": "SM1",
    }  # fmt: skip
    signature = "Qf5qyU6Vv9BYipA9QlM4jyz2QRk="
    assert is_signed("tw_auth_token", "https://example.com/wa", form.items(), signature)
    assert is_signed("tw_auth_token", "https://example.com:443/wa", form.items(), signature)
    assert not is_signed("another", "https://example.com/wa", form.items(), signature)
    assert not is_signed("", "https://example.com/wa", form.items(), signature)


async def test_the_sixty_first_message_of_an_hour_waits_for_the_next_and_a_code_does_not(
    house: House, sandbox: Sandbox, at: clock.TestClock
) -> None:
    queued = [await queue(house, PHONE, NEWS, organisation="Rao", what="role", role="admin") for _ in range(61)]
    await run_due(house)
    inbox = sandbox.world.inbox
    assert len(inbox.messages(PHONE.address)) == 60
    assert [(await row_of(house, one)).status for one in queued].count("queued") == 1
    other = await queue(house, Recipient("sms", "+919845054321", "en"))
    async with house.database.transaction() as session:
        await challenges.ask(
            session, "sign_in", Identifier("phone", PHONE.address), person_id=None, decoy=False, locale="en"
        )
    await run_due(house)
    assert (await row_of(house, other)).status == "sent", "the limit is of one address"
    assert len(inbox.messages(PHONE.address)) == 61
    assert re.search(r"\d{6}", inbox.messages(PHONE.address)[0].body), "a code waits for nothing"
    at.advance(timedelta(minutes=59))
    await run_due(house)
    assert len(inbox.messages(PHONE.address)) == 61
    at.advance(timedelta(minutes=2))
    await run_due(house)
    assert len(inbox.messages(PHONE.address)) == 62
    assert {(await row_of(house, one)).status for one in queued} == {"sent"}
