"""Chats: written in the sandbox's phone, stored once, answered in order, by the flow or by one of us."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, text

from tests.conftest import _sandbox_settings
from tests.parts.channels.town import ChatTown, Phone, later
from tests.registry import put_in_place
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.channels.api import (
    END,
    PERSON,
    Approved,
    Choice,
    Conversation,
    Gather,
    Line,
    Place,
    Press,
    State,
    Talk,
    Text,
    Words,
    move,
)
from tillhouse.parts.channels.domain.chat import Correspondent, Incoming
from tillhouse.parts.channels.events import ShowRead
from tillhouse.parts.channels.models import ChatContactRow, ConversationRow, InboundRow, MessageRow, ReceivedRow
from tillhouse.parts.channels.service import conversations, inbound
from tillhouse.parts.channels.store import chats
from tillhouse.parts.files import api as files
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock


def long_enough(text: str) -> str | None:
    return None if len(text) > 2 else N_("A name has three letters at least.")


async def count_pictures(talk: Talk) -> None:
    found = talk.memory["photos"]
    assert isinstance(found, list)
    talk.memory["total"] = len(found)


STATES = (
    State(
        "welcome",
        says=Line(N_("Shall we begin?"), buttons=(Choice("yes", N_("Yes")), Choice("no", N_("No")))),
        accepts=(Press("yes", to="name"), Press("no", to=END), Words(("later",), to="bye")),
        otherwise=N_("Yes or no?"),
        waits=timedelta(hours=2),
        late="bye",
    ),
    State("name", says=Line(N_("What is your name?")), accepts=(Text("name", to="style", check=long_enough),)),
    State(
        "style",
        says=Line(
            N_("Which style, {name}?"),
            rows=(Choice("studio", N_("Studio"), N_("Grey wall")), Choice("city", N_("City"))),
            opens_list=N_("Styles"),
        ),
        accepts=(Press("studio", to="photos"), Press("city", to="place")),
    ),
    State("place", says=Line(N_("Where?")), accepts=(Place("where", to="photos"),)),
    State(
        "photos",
        says=Line(N_("Send 15 photos.")),
        accepts=(Gather("photos", to="complete", most=15, least=15),),
    ),
    State("complete", says=Line(N_("Complete: {total}.")), enters=count_pictures),
    State("bye", says=Line(N_("Another time, then."))),
)
FLOW = Conversation(name="channels.test", version=1, begins="welcome", states=STATES, words={"help": PERSON})


@pytest.fixture
def sandbox_clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def sandbox(sandbox_clock: ManualClock) -> AsyncIterator[Sandbox]:
    created = create_sandbox(_sandbox_settings(), now_ms=sandbox_clock)
    yield created
    await created.aclose()


@pytest.fixture
def town(house: House, app: FastAPI, sandbox: Sandbox, sandbox_clock: ManualClock) -> ChatTown:
    return ChatTown(house, app, sandbox, sandbox_clock)


@pytest.fixture
def phone(town: ChatTown) -> Phone:
    town.house.provide([FLOW])
    return Phone(town, "+919845012345")


async def rows(house: House, model: type) -> list[object]:
    async with house.database.reading() as session:
        return list((await session.execute(select(model).order_by(text("id")))).scalars())


async def test_a_flow_is_walked_through_by_buttons_words_lists_and_pictures(phone: Phone, town: ChatTown) -> None:
    await phone.writes("hello")
    assert await phone.hears() == ["Shall we begin?"]
    await phone.taps("Yes")
    assert await phone.hears() == ["What is your name?"]
    await phone.writes("Al")
    assert await phone.hears() == ["A name has three letters at least.", "What is your name?"]
    await phone.writes("Asha")
    assert await phone.hears() == ["Which style, Asha?"]
    await phone.taps("Studio")
    assert await phone.hears() == ["Send 15 photos."]
    await phone.sends_pictures(14)
    assert await phone.hears() == []
    await phone.writes("done")
    assert await phone.hears() == ["14 have arrived, 15 are needed."]
    await phone.sends_pictures(1)
    assert await phone.hears() == ["Complete: 15."]
    (conversation,) = await rows(town.house, ConversationRow)
    assert isinstance(conversation, ConversationRow)
    assert conversation.mode == "ended"
    assert await rows(town.house, ReceivedRow) == []


async def test_fifteen_photos_at_once_are_fifteen_stored_and_one_complete(phone: Phone, town: ChatTown) -> None:
    for said in ("hello", "yes", "Asha", "1"):
        await phone.writes(said)
    assert (await phone.hears())[-1] == "Send 15 photos."
    await phone.sends_pictures(15, settle=False)
    pending = town.sandbox.pending()
    assert len(pending) >= 15
    await asyncio.gather(*(town.sandbox.deliver(one.id) for one in reversed(pending)))
    await asyncio.gather(*(town.run_jobs() for _ in range(3)))
    assert await phone.hears() == ["Complete: 15."]
    pictures = [
        row for row in await rows(town.house, InboundRow) if isinstance(row, InboundRow) and row.kind == "image"
    ]
    assert len({row.file_id for row in pictures} - {None}) == 15
    contact = pictures[0].contact_id
    found, content = await files.read_bytes(town.house, contact, pictures[0].file_id or UUID(int=0))
    assert found.media_type == "image/jpeg"
    assert content


async def test_the_same_delivery_twice_is_one_message(phone: Phone, town: ChatTown) -> None:
    await phone.writes("hello")
    await phone.hears()
    for one in (await town.webhooks())["items"]:
        town.sandbox.world.webhooks.redeliver(one["id"])
    assert await phone.hears() == []
    assert len(await rows(town.house, InboundRow)) == 1


async def test_a_button_of_an_earlier_question_is_answered_sensibly(phone: Phone) -> None:
    await phone.writes("hello")
    await phone.taps("Yes")
    await phone.hears()
    await phone.taps("No")
    assert await phone.hears() == ["That question is behind us.", "What is your name?"]


async def test_words_where_a_button_was_expected(phone: Phone) -> None:
    await phone.writes("hello")
    await phone.hears()
    await phone.writes("perhaps")
    assert await phone.hears() == ["Yes or no?", "Shall we begin?"]
    await phone.taps("Yes", of=0)  # the first time it was asked is as good
    assert await phone.hears() == ["What is your name?"]


async def test_a_state_that_waited_long_enough_goes_on(phone: Phone, town: ChatTown, at: clock.TestClock) -> None:
    await phone.writes("hello")
    await phone.hears()
    await later(town, at, timedelta(hours=3))
    await town.settle()
    assert await phone.hears() == ["Another time, then."]


async def test_somebody_of_ours_takes_over_and_hands_back(phone: Phone, town: ChatTown) -> None:
    await phone.writes("hello")
    await phone.writes("Help!")
    assert await phone.hears() == ["Shall we begin?", "Somebody of us will answer you here."]
    await phone.writes("is anybody there")
    assert await phone.hears() == []
    (row,) = await rows(town.house, ConversationRow)
    assert isinstance(row, ConversationRow)
    async with town.house.database.transaction() as session:
        await conversations.answer(session, row.id, "Good morning, this is Ravi.", UUID(int=7))
    assert await phone.hears() == ["Good morning, this is Ravi."]
    async with town.house.database.transaction() as session:
        await conversations.hand_back(session, row.id)
    assert await phone.hears() == ["Shall we begin?"]


async def test_a_conversation_survives_a_new_version(phone: Phone, town: ChatTown) -> None:
    await phone.writes("hello")
    await phone.taps("Yes")
    two = Conversation(
        name=FLOW.name,
        version=2,
        begins="hello",
        states=(
            State("hello", says=Line("Hello."), accepts=(Text("x", to="who"),)),
            State("who", says=Line("Who?"), accepts=(Text("name", to="end"),)),
            State("end", says=Line("Thank you, {name}.")),
        ),
        migrate=lambda _version, state, memory: ("who", memory) if state == "name" else None,
    )
    town.house.provide([two])
    await phone.writes("Al")  # the old version is still there: pinned to it
    assert (await phone.hears())[-1] == "What is your name?"
    put_in_place(town.house, lambda thing: thing is FLOW)
    await phone.writes("Asha")
    assert await phone.hears() == ["Thank you, Asha."]


async def test_a_flow_that_fails_six_times_is_handed_to_a_person(town: ChatTown, at: clock.TestClock) -> None:
    entered = list[UUID]()

    async def breaks(talk: Talk) -> None:
        entered.append(talk.contact_id)
        raise RuntimeError("a flow's own mistake")

    flow = Conversation(
        name="channels.broken",
        version=1,
        begins="ask",
        states=(
            State("ask", says=Line("Well?"), accepts=(Words(("go",), to="boom"),)),
            State("boom", says=Line("…"), enters=breaks),
        ),
    )
    town.house.provide([flow])
    phone = Phone(town, "+919845012345")
    await phone.writes("hello")
    assert await phone.hears() == ["Well?"]
    await phone._do("/messages", json={"type": "text", "text": "go"}, settle=False)
    await town.sandbox.deliver_due()
    for attempt in range(1, 7):
        (row,) = await rows(town.house, ConversationRow)
        assert isinstance(row, ConversationRow)
        assert (row.mode, row.state, len(entered)) == ("flow", "ask", attempt - 1), "nothing of a failed step is kept"
        await run_due(town.house, raise_bugs=False)
        at.advance(timedelta(hours=2))  # longer than any wait between two attempts
    assert await phone.hears() == ["Somebody of us will answer you here."]
    assert len(entered) == 6
    (row,) = await rows(town.house, ConversationRow)
    assert isinstance(row, ConversationRow)
    assert (row.mode, bool(row.handed_at)) == ("person", True)
    async with town.house.database.reading() as session:
        query = text("SELECT state, attempt FROM kernel.jobs WHERE name = 'channels.converse' AND state <> 'done'")
        assert [tuple(one) for one in await session.execute(query)] == [("dead", 6)]
        unhandled = select(func.count()).select_from(InboundRow).where(InboundRow.handled_at.is_(None))
        assert await session.scalar(unhandled) == 0
    await phone.writes("go")
    assert (await phone.hears(), len(entered)) == ([], 6), "the flow is silent while a person answers"


async def test_outside_24_hours_only_what_was_approved_is_sent(
    phone: Phone, town: ChatTown, at: clock.TestClock
) -> None:
    await phone.writes("hello")
    await phone.hears()
    at.advance(timedelta(hours=30))
    town.clock.advance(timedelta(hours=30).total_seconds())
    (contact,) = await rows(town.house, ChatContactRow)
    assert isinstance(contact, ChatContactRow)
    async with town.house.database.transaction() as session:
        await conversations.messages.say(
            session, contact, Line("Are you there?", outside=Approved("news", ("Asha",), "en"))
        )
        await conversations.messages.say(session, contact, Line("Nobody hears this."))
    assert await phone.hears() == ["Hello Asha, there is news for you."]
    last = [row for row in await rows(town.house, MessageRow) if isinstance(row, MessageRow)][-1]
    assert (last.status, last.error_code) == ("failed", "window_closed")


async def test_statuses_only_go_forward_to_read(phone: Phone, town: ChatTown) -> None:
    await phone.writes("hello")
    await phone.hears()
    await town.settle()
    (row,) = await rows(town.house, MessageRow)
    assert isinstance(row, MessageRow)
    assert row.status == "read"
    for one in (await town.webhooks())["items"]:
        if one["event"].startswith("status."):
            town.sandbox.world.webhooks.redeliver(one["id"])
    await town.settle()
    (row,) = await rows(town.house, MessageRow)
    assert isinstance(row, MessageRow)
    assert row.status == "read"


async def test_a_lost_answer_is_found_by_our_own_id(phone: Phone, town: ChatTown) -> None:
    fault = {"provider": "whatsapp", "fault": "timeout_after", "path": "POST */messages"}
    assert (await town.fault(fault)).status_code == 201
    await phone.writes("hello")
    assert await phone.hears() == ["Shall we begin?"]
    await town.settle()
    (row,) = await rows(town.house, MessageRow)
    assert isinstance(row, MessageRow)
    assert row.status == "read"
    assert row.provider_id


async def test_whoever_hides_the_number_is_known_by_user_id_and_a_new_one_is_the_same_chat(town: ChatTown) -> None:
    town.house.provide([FLOW])
    phone = Phone(town, "+919845012345", hides_phone=True)
    await phone.writes("hello")
    assert await phone.hears() == ["Shall we begin?"]
    assert (await town.at_the_sandbox("POST", f"/{phone.id}/new-number")).status_code == 200
    await town.settle()
    await phone.taps("Yes")
    assert await phone.hears() == ["What is your name?"]
    (contact,) = await rows(town.house, ChatContactRow)
    assert isinstance(contact, ChatContactRow)
    assert contact.phone is None


async def test_by_twilio_the_same_flow_is_answered_with_numbers(town: ChatTown) -> None:
    town.house.provide([FLOW])
    phone = Phone(town, "+919845012345", via="twilio")
    await phone.writes("hello")
    assert await phone.hears() == ["Shall we begin?\n1. Yes\n2. No"]
    await phone.writes("1")
    assert await phone.hears() == ["What is your name?"]
    await phone.writes("Asha")
    await phone.writes("city")
    await phone.is_at(12.97, 77.59)
    assert (await phone.hears())[-1] == "Send 15 photos."
    await phone.sends_pictures(15)
    assert await phone.hears() == ["Complete: 15."]


async def test_a_flow_goes_on_from_outside_the_chat(phone: Phone, town: ChatTown) -> None:
    await phone.writes("hello")
    await phone.hears()
    (contact,) = await rows(town.house, ChatContactRow)
    assert isinstance(contact, ChatContactRow)
    async with town.house.database.transaction() as session:
        await move(session, contact.id, "complete", {"photos": []})
    assert await phone.hears() == ["Complete: 0."]


async def test_meta_subscribes_its_webhook_and_a_wrong_signature_is_refused(client: httpx.AsyncClient) -> None:
    asked = {"hub.mode": "subscribe", "hub.verify_token": "whatsapp_test_verify_token_tillhouse", "hub.challenge": "42"}
    good = await client.get("/api/v1/channels/webhook/whatsapp", params=asked)
    assert (good.status_code, good.text) == (200, "42")
    wrong = await client.get("/api/v1/channels/webhook/whatsapp", params={**asked, "hub.verify_token": "guess"})
    assert wrong.status_code == 403
    body = json.dumps({"object": "whatsapp_business_account", "entry": []})
    refused = await client.post(
        "/api/v1/channels/webhook/whatsapp", content=body, headers={"X-Hub-Signature-256": "sha256=" + "0" * 64}
    )
    assert refused.status_code == 403


async def test_a_delivery_that_nobody_understands_is_kept_with_the_reason(town: ChatTown) -> None:
    from_meta = {"provider": "whatsapp", "event": "message.text", "payload": {"messages": [{"id": 5}]}}
    transport = httpx.ASGITransport(town.sandbox)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as person:
        assert (await person.post("/_sandbox/webhooks", json=from_meta)).status_code == 201
    await town.settle()
    (kept,) = await rows(town.house, ReceivedRow)
    assert isinstance(kept, ReceivedRow)
    assert kept.error
    async with town.house.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(InboundRow)) == 0


async def shown(phone: Phone) -> tuple[list[str], bool]:
    """What the phone shows beside the person's own messages, and whether somebody seems to be typing."""
    found = await phone.look()
    messages = found["messages"]
    assert isinstance(messages, list)
    return [str(one["status"]) for one in messages if one["mine"]], bool(found["typing"])


async def test_a_phone_shows_that_the_flow_read_the_message_and_types(phone: Phone, town: ChatTown) -> None:
    await phone.take()
    await phone._do("/messages", json={"type": "text", "text": "hello"}, settle=False)
    assert await shown(phone) == (["delivered"], False)
    await town.sandbox.deliver_due()
    await town.run_jobs()
    assert await shown(phone) == (["read"], True)
    assert await phone.hears() == ["Shall we begin?"]
    assert await shown(phone) == (["read"], False), "the answer ends it"


async def test_nobody_is_told_that_it_was_read_while_one_of_us_answers(phone: Phone, town: ChatTown) -> None:
    await phone.writes("hello")
    await phone.writes("help")
    await phone.writes("anybody?")
    await town.settle()
    assert (await shown(phone))[0] == ["read", "read", "delivered"]


@pytest.mark.parametrize("fault", ["status_500", "status_429", "timeout_before", "timeout_after"])
async def test_a_receipt_that_the_provider_does_not_take_is_left_at_that(
    phone: Phone, town: ChatTown, at: clock.TestClock, fault: str
) -> None:
    """The first call that follows from a message is the receipt, or else the answer, which is tried again."""
    async with town.house.database.transaction() as session:
        contact = await inbound.contact_of(session, "whatsapp", Correspondent("100000000000001", phone.number, None))
        row = inbound.inbound_row(contact, "whatsapp", Incoming("wamid.1", "text", clock.now(), "hello"))
        await chats.insert_all_inbound(session, [row])
        await enqueue(session, ShowRead(inbound_id=row.id))
    wish: dict[str, object] = {"provider": "whatsapp", "fault": fault, "path": "POST */messages"}
    assert (await town.fault(wish)).status_code == 201
    await town.run_jobs()
    for _ in range(5):
        at.advance(timedelta(hours=1))
        await town.run_jobs()
    async with town.house.database.reading() as session:
        found = await session.execute(text("SELECT state, attempt FROM kernel.jobs WHERE name = 'channels.show_read'"))
    assert [tuple(one) for one in found] == [("done", 1)]
