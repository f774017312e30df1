"""Every fault of the outside that the sandbox plays, on all that chats and messages do with it: nothing is said twice,
nothing is lost without a word, and nothing waits for ever.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.parts.channels.test_chats import phone, rows, sandbox, sandbox_clock, town
from tests.parts.channels.town import ChatTown, Phone
from tillhouse.kernel import clock
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.outbound import NotSent, OutcomeUnknown
from tillhouse.parts.channels.api import Recipient, send
from tillhouse.parts.channels.models import InboundRow, MessageRow, ReceivedRow
from tillhouse.parts.channels.ports import Outgoing, Refused
from tillhouse.parts.channels.providers.smtp import SmtpCarrier
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.sandbox.faults import CALL_FAULTS, WEBHOOK_FAULTS

__all__ = ["phone", "sandbox", "sandbox_clock", "town"]

VIA = {"cloud": "whatsapp", "twilio": "twilio"}


async def hours_pass(town: ChatTown, at: clock.TestClock, steps: int = 6) -> None:
    """Long enough for every pause between tries, ours and theirs."""
    for _ in range(steps):
        at.advance(timedelta(hours=2))
        town.clock.advance(7200)
        await town.settle()


async def nothing_is_stuck(house: House) -> None:
    query = text("SELECT name FROM kernel.jobs WHERE finished_at IS NULL AND name LIKE 'channels.%' AND attempt > 0")
    async with house.database.reading() as session:
        assert list((await session.execute(query)).scalars()) == []
    messages = [one for one in await rows(house, MessageRow) if isinstance(one, MessageRow)]
    assert [one.status for one in messages if one.status == "queued"] == []
    heard = [one for one in await rows(house, InboundRow) if isinstance(one, InboundRow)]
    assert [one.kind for one in heard if one.handled_at is None] == []
    assert await rows(house, ReceivedRow) == []


@pytest.mark.parametrize("fault", WEBHOOK_FAULTS)
@pytest.mark.parametrize("via", VIA)
async def test_whatever_happens_to_a_webhook_each_message_is_answered_once(
    town: ChatTown, phone: Phone, at: clock.TestClock, via: str, fault: str
) -> None:
    """One that never comes is one that was never written, to us; the next is answered as if nothing had been."""
    asha = Phone(town, "+919845012377", via=via)
    assert (await town.fault({"provider": VIA[via], "fault": fault, "seconds": 60})).status_code == 201
    await asha.writes("hello")
    await hours_pass(town, at, 2)
    came = fault != "drop"
    if fault == "tamper":
        came = len(await rows(town.house, InboundRow)) == 1  # refused at the door, and sent again by whoever does so
    answers = [one.partition("\n")[0] for one in await asha.hears()]
    assert answers == (["Shall we begin?"] if came else [])
    await asha.writes("1" if came else "hello again")
    answers = [one.partition("\n")[0] for one in await asha.hears()]
    assert answers == (["What is your name?"] if came else ["Shall we begin?"])
    await hours_pass(town, at, 1)
    await nothing_is_stuck(town.house)


@pytest.mark.parametrize("fault", CALL_FAULTS)
@pytest.mark.parametrize("via", VIA)
async def test_whatever_happens_to_a_call_nothing_is_said_twice_and_nothing_waits_for_ever(
    town: ChatTown, phone: Phone, at: clock.TestClock, via: str, fault: str
) -> None:
    asha = Phone(town, "+919845012377", via=via)
    await asha.writes("hello")
    await asha.hears()
    path = "POST */messages" if via == "cloud" else "POST */Messages.json"
    wish = {"provider": VIA[via], "fault": fault, "path": path, "count": 2}
    assert (await town.fault(wish)).status_code == 201
    await asha.writes("1")
    await hours_pass(town, at)
    said = await asha.hears()
    assert len(said) <= 1
    await nothing_is_stuck(town.house)
    messages = [one for one in await rows(town.house, MessageRow) if isinstance(one, MessageRow)]
    lost = [one.status for one in messages if one.status in ("unknown", "failed")]
    assert len(said) + len(lost) >= 1, "what nobody heard is not called sent"
    town.sandbox.world.faults.clear()  # one that struck nothing yet would strike the next answer
    await asha.writes("Asha")
    assert (await asha.hears())[-1].startswith("Which style, Asha?")


@pytest.mark.parametrize("fault", CALL_FAULTS)
async def test_a_text_is_not_sent_twice_whatever_happens_to_the_call(
    house: House, town: ChatTown, at: clock.TestClock, fault: str
) -> None:
    assert (await town.fault({"provider": "twilio", "fault": fault, "count": 2})).status_code == 201
    async with house.database.transaction() as session:
        await send(session, Recipient("sms", "+919845012345", "th"), "identity.password_changed", {})
    await hours_pass(town, at)
    assert len(town.sandbox.world.inbox.messages("+919845012345")) <= 1
    await nothing_is_stuck(house)
    (message,) = [one for one in await rows(house, MessageRow) if isinstance(one, MessageRow)]
    assert message.status in ("delivered", "unknown")


@pytest.mark.parametrize("fault", CALL_FAULTS)
async def test_a_picture_is_fetched_in_spite_of_a_fault_and_the_conversation_goes_on(
    town: ChatTown, phone: Phone, at: clock.TestClock, fault: str
) -> None:
    for said in ("hello", "yes", "Asha", "1"):
        await phone.writes(said)
    await phone.hears()
    assert (await town.fault({"provider": "whatsapp", "fault": fault, "path": "GET *", "count": 1})).status_code == 201
    await phone.sends_pictures(15)
    await hours_pass(town, at, 2)
    assert await phone.hears() == ["Complete: 15."]
    await nothing_is_stuck(town.house)


async def test_a_picture_that_the_provider_never_gives_is_asked_for_once_more(
    town: ChatTown, phone: Phone, at: clock.TestClock
) -> None:
    for said in ("hello", "yes", "Asha", "1"):
        await phone.writes(said)
    await phone.hears()
    wish = {"provider": "whatsapp", "fault": "status_500", "path": "GET *", "count": 1000}
    assert (await town.fault(wish)).status_code == 201
    await phone.sends_pictures(1)
    await hours_pass(town, at, 6)
    assert "That file could not be read. Please send it once more." in await phone.hears()
    await nothing_is_stuck(town.house)


# E-mail: a server that answers as it is told.

Answers = dict[str, str | None]  # what it answers to a command; None: it hangs up


@asynccontextmanager
async def mail_server(answers: Answers) -> AsyncIterator[tuple[SmtpCarrier, list[str]]]:
    taken: list[str] = []
    lines: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(writer)

        async def say(command: str, usual: str) -> bool:
            answer = answers.get(command, usual)
            if answer is None:
                return False
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()
            return True

        going = await say("greeting", "220 here")
        while going and (line := await reader.readline()):
            command = line.split(b" ")[0].strip().upper().decode()
            if command == "DATA":
                going = await say("DATA", "354 go on")
                if going and answers.get("DATA", "354").startswith("354"):  # type: ignore[union-attr]  # it said something
                    mail = await reader.readuntil(b"\r\n.\r\n")
                    going = await say("mail", "250 taken")
                    if going and answers.get("mail", "250 taken") == "250 taken":
                        taken.append(mail.decode())
            else:
                going = await say(command, "250 yes" if command != "QUIT" else "221 bye")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = ChannelsSettings.load().model_copy(update={"smtp_host": "127.0.0.1", "smtp_port": port})
    try:
        yield SmtpCarrier(settings), taken
    finally:
        server.close()
        for line in lines:
            line.close()
            with suppress(OSError):
                await line.wait_closed()
        await server.wait_closed()


MAIL = Outgoing(new_id(), "asha@example.com", "Title", "Text", "<p>Text</p>")


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"greeting": "421 too many connections"}, NotSent),
        ({"greeting": None}, NotSent),
        ({"RCPT": "450 later"}, NotSent),
        ({"RCPT": "550 nobody of that name"}, Refused),
        ({"DATA": "451 later"}, NotSent),
        ({"mail": "452 no room"}, NotSent),
        ({"mail": "554 spam"}, Refused),
        ({"mail": None}, OutcomeUnknown),
    ],
    ids=["busy", "hangs-up", "greylisted", "unknown-address", "later", "no-room", "spam", "cut-after-the-mail"],
)
async def test_a_mail_server_that_refuses_or_breaks_off_is_understood(
    answers: Answers, error: type[DomainError]
) -> None:
    async with mail_server(answers) as (carrier, taken):
        with pytest.raises(error):
            await carrier.carry(MAIL)
        assert taken == []


async def test_a_mail_server_that_is_not_there_has_taken_nothing() -> None:
    async with mail_server({}) as (carrier, taken):
        assert (await carrier.carry(MAIL)).provider_id
        assert len(taken) == 1
    with pytest.raises(NotSent):
        await carrier.carry(MAIL)
