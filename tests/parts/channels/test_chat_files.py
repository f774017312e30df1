"""Files of chats belong to whoever sent them: they end with the chat, with the person, and after their time."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from tests.parts.channels.test_chats import phone, rows, sandbox, sandbox_clock, town
from tests.parts.channels.test_company import deliver, message
from tests.parts.channels.town import ChatTown, Phone, later, picture
from tests.parts.identity.town import Town
from tests.registry import put_in_place
from tillhouse.kernel import clock
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.channels.api import PERSON, STAY, Conversation, Gather, Line, State
from tillhouse.parts.channels.domain.chat import MediaRef
from tillhouse.parts.channels.events import TakeIn
from tillhouse.parts.channels.flows.chats import KIND
from tillhouse.parts.channels.models import ChatContactRow, InboundRow, MessageRow, ReceivedRow
from tillhouse.parts.channels.providers.whatsapp import WhatsAppCarrier
from tillhouse.parts.channels.service.inbound import merge, take_in
from tillhouse.parts.channels.service.messages import erase, say
from tillhouse.parts.channels.store import chats
from tillhouse.parts.files import api as files
from tillhouse.parts.files.events import Sweep
from tillhouse.parts.files.store import broken_blobs

__all__ = ["phone", "sandbox", "sandbox_clock", "town"]

ALBUM = Conversation(
    name="channels.album",
    version=1,
    begins="photos",
    states=(State("photos", says=Line("Send photos."), accepts=(Gather("photos", to=STAY, most=99),)),),
    words={"help": PERSON},
)


@pytest.fixture
def album(town: ChatTown) -> Phone:
    """A phone whose flow takes whatever it is sent."""
    town.house.provide([ALBUM])
    return Phone(town, "+919845012345")


async def sends(phone: Phone, shade: int) -> None:
    await phone.sends("a.jpg", picture(shade), "image/jpeg")


async def sent(house: House) -> list[tuple[UUID, UUID]]:
    """The owner and file of every message that has a file."""
    found = [row for row in await rows(house, InboundRow) if isinstance(row, InboundRow)]
    return [(row.contact_id, row.file_id) for row in found if row.file_id]


async def is_readable(house: House, owner_id: UUID, file_id: UUID) -> bool:
    try:
        await files.read_bytes(house, owner_id, file_id)
    except NotFound:
        return False
    return True


async def bytes_left(house: House) -> int:
    """Files on the disk, after a sweep."""
    async with house.database.transaction() as session:
        await enqueue(session, Sweep())
    await run_due(house)
    return len(on_disk(house))


def on_disk(house: House) -> list[Path]:
    return [path for path in Path(house.settings.data_folder, "files").rglob("*") if path.is_file()]


async def test_what_a_person_sent_by_chat_goes_when_they_are_erased(album: Phone, town: ChatTown) -> None:
    asha = await Town(town.house, town.app, town.sandbox).resident(album.number)
    other = Phone(town, "+919845099999", name="Ravi")
    await album.sends_pictures(2)
    await other.sends_pictures(1)
    kept = await sent(town.house)
    assert len(kept) == 3
    people = Town(town.house, town.app, town.sandbox)
    assert (await people.call("DELETE", "/users/me", token=asha.token)).status_code == 204
    assert [await is_readable(town.house, *one) for one in kept] == [False, False, True]
    assert await bytes_left(town.house) == 1


async def test_what_was_sent_goes_with_a_chat_that_has_been_silent_for_long(
    album: Phone, town: ChatTown, at: clock.TestClock
) -> None:
    await album.sends_pictures(2)
    kept = await sent(town.house)
    await later(town, at, timedelta(days=179))
    assert [await is_readable(town.house, *one) for one in kept] == [True, True]
    await later(town, at, timedelta(days=2))
    assert await rows(town.house, ChatContactRow) == []
    assert [await is_readable(town.house, *one) for one in kept] == [False, False]
    assert await bytes_left(town.house) == 0


async def test_in_a_chat_that_goes_on_each_file_has_its_time(album: Phone, town: ChatTown, at: clock.TestClock) -> None:
    await album.sends_pictures(1)
    await later(town, at, timedelta(days=100))
    await album.sends_pictures(2)
    old, *newer = await sent(town.house)
    await later(town, at, timedelta(days=100))
    assert len(await rows(town.house, ChatContactRow)) == 1
    assert not await is_readable(town.house, *old)
    assert [await is_readable(town.house, *one) for one in newer] == [True, True]


def bounded(house: House, most: int) -> None:
    """So many bytes and no more of what one contact sends."""
    kind = next(one for one in house.provided(files.FileKind) if one.name == KIND)
    put_in_place(house, lambda thing: thing is kind, replace(kind, most_of_owner=most))


FULL = "There is no room for more files in this chat, so that one was not kept. Please go on without it."


async def test_a_chat_that_is_full_takes_no_more_and_says_so(album: Phone, town: ChatTown) -> None:
    await sends(album, 0)
    assert await album.hears() == ["Send photos."]
    ((owner_id, _),) = await sent(town.house)
    async with town.house.database.reading() as session:
        (first,) = await files.list_of(session, owner_id, 10, None)
    bounded(town.house, first.size * 5 // 2)
    for shade in (60, 120, 180):
        await sends(album, shade)
    assert await album.hears() == [FULL, "Send photos."] * 2
    assert len(await sent(town.house)) == 2
    waiting = [row for row in await rows(town.house, InboundRow) if isinstance(row, InboundRow) and not row.handled_at]
    assert waiting == []
    async with town.house.database.reading() as session:
        assert [one.state for one in await files.list_of(session, owner_id, 10, None)] == ["ready"] * 2

    other = Phone(town, "+919845099999", name="Ravi")
    await other.sends_pictures(1)
    assert await other.hears() == ["Send photos."], "one contact's files take no room from another's"


async def test_of_a_full_chat_nothing_is_fetched_and_whoever_answers_there_is_told_too(
    album: Phone, town: ChatTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    await album.sends_pictures(1)
    await album.writes("help")
    await album.hears()
    bounded(town.house, 1)
    asked: list[MediaRef] = []
    fetch = WhatsAppCarrier.fetch

    async def counted(self: WhatsAppCarrier, media: MediaRef, most: int) -> bytes:
        asked.append(media)
        return await fetch(self, media, most)

    monkeypatch.setattr(WhatsAppCarrier, "fetch", counted)
    await album.sends_pictures(1)
    assert await album.hears() == [FULL]
    assert asked == []


async def test_a_file_that_was_on_its_way_when_the_chat_was_forgotten_is_not_kept(
    album: Phone, town: ChatTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = WhatsAppCarrier.fetch

    async def slow(self: WhatsAppCarrier, media: MediaRef, most: int) -> bytes:
        content = await fetch(self, media, most)
        async with town.house.database.transaction() as session:
            await erase(session, UUID(int=1), [album.number])
        return content

    monkeypatch.setattr(WhatsAppCarrier, "fetch", slow)
    await album.sends_pictures(1)
    assert await rows(town.house, ChatContactRow) == []
    assert await bytes_left(town.house) == 0


ON_DISK = {"one": picture(0), "same": picture(0), "two": picture(60), "three": picture(120)}


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are at Meta."""

    async def fetch(_self: WhatsAppCarrier, media: MediaRef, _most: int) -> bytes:
        return ON_DISK[media.id]

    monkeypatch.setattr(WhatsAppCarrier, "fetch", fetch)


def image(media: str) -> dict[str, Any]:
    return {"type": "image", "image": {"id": media, "mime_type": "image/jpeg"}, "text": None}


def by_number(media: str) -> dict[str, Any]:
    return message("919845012301", media, **image(media))


def by_user_id(media: str) -> dict[str, Any]:
    return {**message("", media, wamid=f"wamid.id.{media}", **image(media)), "from_user_id": "IN.1"}


def by_both(media: str) -> dict[str, Any]:
    return {**by_number(media), "from_user_id": "IN.1"}


@pytest.mark.usefixtures("meta")
async def test_of_two_contacts_that_are_one_all_files_are_the_ones(house: House, app: FastAPI) -> None:
    for one in (by_number("one"), by_user_id("same"), by_user_id("two")):
        await deliver(app, one)
    await run_due(house)
    assert len({owner_id for owner_id, _ in await sent(house)}) == 2
    await deliver(app, by_both("three"))
    await run_due(house)
    (contact,) = [one for one in await rows(house, ChatContactRow) if isinstance(one, ChatContactRow)]
    everything = await sent(house)
    assert len(everything) == 4
    assert {owner_id for owner_id, _ in everything} == {contact.id}
    assert [await is_readable(house, *one) for one in everything] == [True] * 4
    async with house.database.reading() as session:
        assert await broken_blobs(session) == []
    assert await bytes_left(house) == 3, "what both had is kept once"
    assert [await is_readable(house, *one) for one in everything] == [True] * 4
    async with house.database.transaction() as session:
        await erase(session, UUID(int=1), ["+919845012301"])
    assert await bytes_left(house) == 0


async def test_a_file_that_was_on_its_way_when_two_became_one_is_the_ones_too(
    house: House, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(_self: WhatsAppCarrier, media: MediaRef, _most: int) -> bytes:
        if media.id == "two":
            await deliver(app, {**message("919845012301", "hello"), "from_user_id": "IN.1"})
            (received,) = [one for one in await rows(house, ReceivedRow) if isinstance(one, ReceivedRow)]
            async with house.database.transaction() as session:
                await take_in(session, TakeIn(received_id=received.id))
        return ON_DISK[media.id]

    monkeypatch.setattr(WhatsAppCarrier, "fetch", slow)
    await deliver(app, by_number("one"))
    await run_due(house)
    await deliver(app, by_user_id("two"))
    await run_due(house)
    (contact,) = [one for one in await rows(house, ChatContactRow) if isinstance(one, ChatContactRow)]
    everything = await sent(house)
    assert [owner_id for owner_id, _ in everything] == [contact.id] * 2
    assert [await is_readable(house, *one) for one in everything] == [True, True]


async def test_a_line_with_a_file_that_waits_to_be_said_is_still_said_when_two_became_one(
    house: House, app: FastAPI
) -> None:
    await deliver(app, message("919845012301", "hello"))
    await deliver(app, {**message("", "hello", wamid="wamid.id"), "from_user_id": "IN.1"})
    await run_due(house)
    found = [one for one in await rows(house, ChatContactRow) if isinstance(one, ChatContactRow)]
    kept, dropped = (one.id for one in sorted(found, key=lambda one: one.phone or ""))
    stored = await files.store_bytes(house, dropped, "a.png", picture(0, "PNG"), kind=KIND)
    async with house.database.transaction() as session:
        contact = await chats.lock_contact(session, dropped)
        assert contact
        line = await say(session, contact, Line("Look.", file_id=stored.id), owner_id=dropped)
        await merge(session, kept, dropped)
    await run_due(house)
    told = next(one for one in await rows(house, MessageRow) if isinstance(one, MessageRow) and one.id == line)
    assert (told.status, told.error_code) == ("sent", None)
