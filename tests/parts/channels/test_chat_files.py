"""Files of chats belong to whoever sent them: they end with the chat, with the person, and after their time."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.parts.channels.test_chats import phone, rows, sandbox, sandbox_clock, town
from tests.parts.channels.town import ChatTown, Phone, later, picture
from tests.parts.identity.town import Town
from tests.registry import put_in_place
from tillhouse.kernel import clock
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.channels.api import PERSON, STAY, Conversation, Gather, Line, State
from tillhouse.parts.channels.domain.chat import MediaRef
from tillhouse.parts.channels.flows.chats import KIND
from tillhouse.parts.channels.models import ChatContactRow, InboundRow
from tillhouse.parts.channels.providers.whatsapp import WhatsAppCarrier
from tillhouse.parts.channels.service.messages import erase
from tillhouse.parts.files import api as files
from tillhouse.parts.files.events import Sweep

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
