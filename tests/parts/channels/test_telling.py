"""What any module tells a person: by the way they left open, into the app, and, about security, at every address."""

import json
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.parts.channels.test_chats import rows, sandbox, sandbox_clock, town
from tests.parts.channels.town import ChatTown
from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.house import House
from tillhouse.parts.channels.api import set_consent
from tillhouse.parts.channels.models import MessageRow, NoticeRow
from tillhouse.parts.channels.service.rendering import described
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.parts.channels.store import reach
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.ports import Erasure
from tillhouse.parts.identity.service import people

__all__ = ["sandbox", "sandbox_clock", "town"]

NEWS, WARNING = "identity.organisation_changed", "identity.password_changed"
DATA: JsonObject = {"organisation": "Rao & Sons", "what": "role", "role": "admin"}
MAIL, PHONE = "asha@example.com", "+919845012345"


@pytest.fixture(autouse=True)
def settings_of_its_own(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test changes, it changes for itself."""
    monkeypatch.setattr(house, "module_settings", {**house.module_settings})


def set_up(house: House, **settings: object) -> None:
    found = house.settings_of(ChannelsSettings).model_copy(update=settings)
    house.module_settings[ChannelsSettings] = found  # type: ignore[index]  # the copy of this test


async def somebody(town: ChatTown, *addresses: str) -> UUID:
    async with town.house.database.transaction() as session:
        found = [parse_identifier(one) for one in addresses or (MAIL, PHONE)]
        return (await people.create(session, "Asha Rao", found)).id


async def forbid(town: ChatTown, person_id: UUID, *channels: str) -> None:
    async with town.house.database.transaction() as session:
        for one in channels:
            await set_consent(session, person_id, one, "transactional", allowed=False, source="settings")  # type: ignore[arg-type]


async def tell(town: ChatTown, person_id: UUID, template: str = NEWS) -> list[tuple[str, str]]:
    """Who was told by which way, and what became of it; in the order in which it was tried."""
    async with town.house.database.transaction() as session:
        await people.notify(session, person_id, template, DATA)
    await town.settle()
    found = [row for row in await rows(town.house, MessageRow) if isinstance(row, MessageRow)]
    return [(row.channel, row.status) for row in found]


async def test_news_are_a_mail_and_a_notice_in_the_app_and_no_text(town: ChatTown) -> None:
    asha = await somebody(town)
    assert sorted(await tell(town, asha)) == [("email", "sent"), ("in_app", "delivered")]
    (notice,) = await rows(town.house, NoticeRow)
    assert isinstance(notice, NoticeRow)
    assert "Rao & Sons" in notice.title + notice.body
    assert notice.read_at is None
    async with town.house.database.reading() as session:
        jobs = await session.scalar(text("SELECT count(*) FROM kernel.jobs WHERE name = 'channels.send_message'"))
    assert jobs == 1, "the app needs no job"


async def test_a_notice_is_the_subject_and_the_first_paragraph_and_leads_where_the_mail_does(town: ChatTown) -> None:
    await tell(town, await somebody(town))
    (notice,) = await rows(town.house, NoticeRow)
    assert isinstance(notice, NoticeRow)
    assert notice.title == "Your place in Rao & Sons has changed"
    assert notice.body == "You are now an admin of Rao & Sons."
    assert notice.url == f"{town.house.settings.base_url}/account/organisations"


async def test_whoever_has_a_phone_alone_gets_a_text_and_a_notice(town: ChatTown) -> None:
    asha = await somebody(town, PHONE)
    assert sorted(await tell(town, asha)) == [("in_app", "delivered"), ("sms", "delivered")]


async def test_what_a_person_wants_no_mails_of_comes_as_a_text_and_nothing_where_they_want_nothing(
    town: ChatTown,
) -> None:
    asha = await somebody(town)
    await forbid(town, asha, "email")
    assert sorted(await tell(town, asha)) == [("in_app", "delivered"), ("sms", "delivered")]
    ravi = await somebody(town, "ravi@example.com", "+919845054321")
    await forbid(town, ravi, "email", "sms", "whatsapp", "in_app")
    assert len(await tell(town, ravi)) == 2, "nothing more than what Asha got"


async def test_a_text_that_is_refused_is_followed_by_the_next_way(town: ChatTown) -> None:
    asha = await somebody(town, MAIL, "+15005550001")  # a number that Twilio refuses
    set_up(town.house, message_order=("sms", "email"))
    assert sorted(await tell(town, asha)) == [("email", "sent"), ("in_app", "delivered"), ("sms", "failed")]


async def test_a_warning_goes_to_every_address_at_once_whatever_was_chosen(town: ChatTown) -> None:
    asha = await somebody(town)
    await forbid(town, asha, "email", "sms", "in_app")
    set_up(town.house, messages_per_hour=1)
    for _ in range(2):
        told = await tell(town, asha, WARNING)
    assert sorted(told) == [("email", "sent"), ("email", "sent"), ("sms", "delivered"), ("sms", "delivered")]


async def test_only_a_carrier_that_was_told_to_stop_is_left_out_of_a_warning(town: ChatTown) -> None:
    asha = await somebody(town)
    async with town.house.database.transaction() as session:
        await reach.opt_out(session, "sms", PHONE, "chat", clock.now())
    assert sorted(await tell(town, asha, WARNING)) == [("email", "sent"), ("sms", "failed")]


async def test_whatsapp_is_used_outside_its_24_hours_by_the_name_that_the_settings_give(town: ChatTown) -> None:
    asha = await somebody(town, PHONE)
    set_up(town.house, message_order=("whatsapp", "sms"), whatsapp_templates={NEWS: {"en": "news"}})
    assert sorted(await tell(town, asha)) == [("in_app", "delivered"), ("whatsapp", "delivered")]
    shown = await town.at_the_sandbox("GET", f"/cloud:{PHONE.removeprefix('+')}")
    assert [one["text"] for one in shown.json()["messages"]] == ["Hello Rao & Sons, there is news for you."]


async def test_news_that_are_taken_back_are_nowhere(town: ChatTown) -> None:
    asha = await somebody(town)
    with pytest.raises(RuntimeError):
        async with town.house.database.transaction() as session:
            await people.notify(session, asha, NEWS, DATA)
            raise RuntimeError
    assert await rows(town.house, MessageRow) == await rows(town.house, NoticeRow) == []


async def test_nobody_who_is_gone_is_told_anything(town: ChatTown) -> None:
    asha = await somebody(town)
    async with town.house.database.transaction() as session:
        await people.store.delete_person_data(session, asha, [MAIL, PHONE])
        for one in town.house.provided(Erasure):
            await one.erase(session, asha, [MAIL, PHONE])
    assert await tell(town, asha) == await tell(town, asha, WARNING) == []


async def test_approved_names_come_from_the_environment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANNELS_WHATSAPP_TEMPLATES", json.dumps({NEWS: {"en": "news", "hi": "khabar"}}))
    monkeypatch.setenv("CHANNELS_MESSAGE_ORDER", "whatsapp, email")
    loaded = ChannelsSettings.load()
    set_up(house, whatsapp_templates=loaded.whatsapp_templates, message_order=loaded.message_order)
    about = described(house, NEWS)
    assert about.approved == {"en": "news", "hi": "khabar"}
    assert (about.channels, about.also, about.category) == (("whatsapp", "email"), ("in_app",), "account")
    assert described(house, WARNING).category == "security"


@pytest.mark.parametrize(("name", "value"), [("WHATSAPP_TEMPLATES", "refund_made"), ("MESSAGE_ORDER", "email,pigeon")])
async def test_a_setting_that_makes_no_sense_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CHANNELS_{name}", value)
    with pytest.raises(Exception, match=name):
        ChannelsSettings.load()
