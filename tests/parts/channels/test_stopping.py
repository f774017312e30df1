"""Stop and start: what ends offers and begins them again, and what is an answer to a flow."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from fastapi import FastAPI

from tests.parts.channels.test_chats import FLOW, phone, rows, sandbox, sandbox_clock, town
from tests.parts.channels.test_company import deliver, message
from tests.parts.channels.town import ChatTown, Phone
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.parts.channels.api import (
    END,
    Choice,
    Conversation,
    Line,
    MessageTemplate,
    Press,
    State,
    Talk,
    Text,
    Words,
    consents_of,
    send,
    set_consent,
)
from tillhouse.parts.channels.domain.chat import Arrived, Correspondent, Incoming
from tillhouse.parts.channels.models import ConversationRow, InboundRow, MessageRow, OptOutRow
from tillhouse.parts.channels.service import inbound
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.service import people

__all__ = ["phone", "sandbox", "sandbox_clock", "town"]

STOPPED = "You get no more offers from us. Write START to have them again."
STARTED = "You may get offers from us again. Write STOP to end them."
OFFER = MessageTemplate("identity.password_changed", purpose="marketing", channels=("whatsapp",))
OFFER_BY_SMS = MessageTemplate("identity.address_added", purpose="marketing", channels=("sms",))
NUMBER = "+919845012345"

ORDER = Conversation(
    name="channels.order",
    version=1,
    begins="ask",
    states=(
        State("ask", says=Line("What is it about?"), accepts=(Words(("cancel",), to="sure"), Text("x", to="ask"))),
        State(
            "sure",
            says=Line("Stop the order?", buttons=(Choice("stop", "Stop"), Choice("keep", "Keep it"))),
            accepts=(Press("stop", to="gone"), Press("keep", to=END)),
        ),
        State("gone", says=Line("Your order is cancelled.")),
    ),
)


@pytest.fixture
async def asha(town: ChatTown) -> UUID:
    """Somebody with an account who has agreed to offers, and whose day it is."""
    town.house.provide([OFFER, OFFER_BY_SMS])
    async with town.house.database.transaction() as session:
        person = await people.create(session, "Asha Rao", [parse_identifier(NUMBER)])
        for channel in ("whatsapp", "sms"):
            await set_consent(session, person.id, channel, "marketing", allowed=True, source="settings")  # type: ignore[arg-type]
    return person.id


async def offer(town: ChatTown, person_id: UUID, template: MessageTemplate = OFFER) -> bool:
    """Whether an offer is sent to somebody."""
    async with town.house.database.transaction() as session:
        return await send(session, person_id, template.name, {}) is not None


async def text_message(house: House, said: str) -> None:
    """What somebody writes by SMS, to our number at Twilio."""
    message = Incoming(f"SM{new_id().hex}", "text", clock.now(), said)
    async with house.database.transaction() as session:
        await inbound.take(session, "twilio", Arrived(Correspondent("+15005550006", NUMBER, None), message))


async def is_stopped(house: House) -> bool:
    return bool(await rows(house, OptOutRow))


async def said_by_us(house: House) -> Sequence[object]:
    return [row.data["text"] for row in await rows(house, MessageRow) if isinstance(row, MessageRow)]


async def test_after_a_stop_no_offer_is_sent_until_a_start_and_both_are_confirmed(
    phone: Phone, town: ChatTown, asha: UUID
) -> None:
    await phone.writes("hi")
    await phone.hears()
    assert await offer(town, asha)
    await phone.hears()
    await phone.writes("Stop.")
    assert await phone.hears() == [STOPPED]
    assert not await offer(town, asha)
    await phone.writes("START")
    assert await phone.hears() == [STARTED]
    assert await offer(town, asha)
    await phone.writes("start")
    assert (await phone.hears())[-2:] == ["Yes or no?", "Shall we begin?"], "whoever has not stopped means a word"


async def test_an_offer_that_waits_is_not_sent_after_a_stop(phone: Phone, town: ChatTown, asha: UUID) -> None:
    await phone.writes("hi")
    await phone.hears()
    assert await offer(town, asha)
    async with town.house.database.transaction() as session:
        message = Incoming("wamid.stop", "text", clock.now(), "stop")
        await inbound.take(session, "whatsapp", Arrived(Correspondent("100000000000001", NUMBER, None), message))
    assert await phone.hears() == [STOPPED]
    found = [row for row in await rows(town.house, MessageRow) if isinstance(row, MessageRow)]
    assert [(row.status, row.error_code) for row in found if row.template == OFFER.name] == [("failed", "no_consent")]


async def test_after_a_stop_the_flow_still_hears_yes(phone: Phone, town: ChatTown, asha: UUID) -> None:
    await phone.writes("hello")
    await phone.writes("stop")
    assert await phone.hears() == ["Shall we begin?", STOPPED]
    await phone.writes("yes")
    assert await phone.hears() == ["What is your name?"]
    assert await is_stopped(town.house)
    assert not await offer(town, asha)


@pytest.mark.parametrize("word", ["cancel", "END", "Quit.", "revoke"])
async def test_words_of_carriers_are_words_in_a_chat(phone: Phone, town: ChatTown, word: str) -> None:
    await phone.writes("hello")
    await phone.writes("yes")
    await phone.hears()
    await phone.writes(word)
    assert await phone.hears() == [f"Which style, {word}?"]
    assert not await is_stopped(town.house)


async def test_a_word_that_the_flow_waits_for_is_an_answer(town: ChatTown) -> None:
    town.house.provide([ORDER])
    phone = Phone(town, NUMBER)
    await phone.writes("hello")
    await phone.writes("cancel")
    assert await phone.hears() == ["What is it about?", "Stop the order?"]
    await phone.writes("Stop")
    assert await phone.hears() == ["Your order is cancelled."]
    assert not await is_stopped(town.house)


async def test_a_stop_where_any_text_is_taken_is_a_stop(phone: Phone, town: ChatTown) -> None:
    await phone.writes("hello")
    await phone.writes("yes")
    await phone.writes("stop")
    assert await phone.hears() == ["Shall we begin?", "What is your name?", STOPPED]
    await phone.writes("Asha")
    assert await phone.hears() == ["Which style, Asha?"], "the flow still waits"


async def test_a_start_begins_offers_and_the_flow_of_that_name(town: ChatTown, asha: UUID) -> None:
    flow = Conversation(
        name="channels.named", version=1, begins="hi", starts=("start",), states=(State("hi", says=Line("Welcome.")),)
    )
    town.house.provide([flow])
    phone = Phone(town, NUMBER)
    await phone.writes("stop")
    await phone.writes("start")
    assert await phone.hears() == [STOPPED, STARTED, "Welcome."]
    assert await offer(town, asha)


async def test_nobody_is_kept_from_stopping_by_a_flow_that_fails(town: ChatTown) -> None:
    def breaks(talk: Talk) -> Line:
        if talk.memory.get("asked"):
            raise RuntimeError("a flow's own mistake")
        talk.memory["asked"] = True
        return Line("Well?")

    flow = Conversation(
        name="channels.broken",
        version=1,
        begins="ask",
        states=(State("ask", says=breaks, accepts=(Words(("go",), to=END),)),),
    )
    town.house.provide([flow])
    phone = Phone(town, NUMBER)
    await phone.writes("hello")
    await phone.writes("stop")
    assert await phone.hears() == ["Well?", STOPPED]


@pytest.mark.parametrize("word", ["STOP", "Cancel", "END", "quit", "Unsubscribe"])
async def test_by_sms_what_carriers_take_for_a_stop_is_one_and_the_carrier_answers(
    town: ChatTown, asha: UUID, word: str
) -> None:
    town.house.provide([ORDER])
    await text_message(town.house, "hello")
    await town.run_jobs()
    assert await offer(town, asha, OFFER_BY_SMS)
    await text_message(town.house, word)
    await town.run_jobs()
    assert await is_stopped(town.house)
    assert not await offer(town, asha, OFFER_BY_SMS)
    lines = [row for row in await rows(town.house, MessageRow) if isinstance(row, MessageRow) and row.contact_id]
    assert [row.data["text"] for row in lines] == ["What is it about?"], "nothing of ours would arrive"


async def test_by_sms_a_yes_lifts_the_stop_and_is_an_answer_but_no_wish_for_offers(town: ChatTown, asha: UUID) -> None:
    town.house.provide([FLOW])
    await text_message(town.house, "hello")
    await town.run_jobs()
    await text_message(town.house, "stop")
    await text_message(town.house, "yes")
    await town.run_jobs()
    assert not await is_stopped(town.house)
    (row,) = await rows(town.house, ConversationRow)
    assert isinstance(row, ConversationRow)
    assert row.state == "name", "the flow heard it as well"
    assert not await offer(town, asha, OFFER_BY_SMS)
    async with town.house.database.reading() as session:
        assert not (await consents_of(session, asha))["sms", "marketing"]
    await text_message(town.house, "stop")
    await text_message(town.house, "START")
    assert await offer(town, asha, OFFER_BY_SMS)


async def test_a_stop_is_heard_among_deliveries_that_are_taken_in_together(app: FastAPI, town: ChatTown) -> None:
    town.house.provide([FLOW])
    for number in range(3):
        await deliver(
            app, message("919845012345", "stop" if number == 1 else f"hello {number}", at=1_790_000_000 + number)
        )
    await town.run_jobs()
    assert await is_stopped(town.house)
    heard = [row for row in await rows(town.house, InboundRow) if isinstance(row, InboundRow)]
    assert len(heard) == 3
    assert STOPPED in await said_by_us(town.house)
