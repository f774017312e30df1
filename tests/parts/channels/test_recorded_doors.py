"""What is recorded of Meta and Twilio, signed and brought to the doors: all of it is read, and kept once."""

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from tests.parts.channels.test_chats import FLOW, rows, sandbox, sandbox_clock, town
from tests.parts.channels.test_door_fuzz import Door
from tests.parts.channels.test_inbound_formats import OF_META, OF_TWILIO, STATUSES
from tests.parts.channels.test_messages import PHONE, queue, report, row_of, sign
from tests.parts.channels.town import ChatTown
from tests.recordings import body, form
from tillhouse.kernel.house import House
from tillhouse.kernel.work import run_due
from tillhouse.parts.channels.domain.chat import Arrived
from tillhouse.parts.channels.models import InboundRow, ReceivedRow

__all__ = ["sandbox", "sandbox_clock", "town"]


async def all_was_read(town: ChatTown) -> set[str]:
    """The ids of what was kept, once nothing waits and nothing was given up."""
    assert await rows(town.house, ReceivedRow) == []
    async with town.house.database.reading() as session:
        assert (await session.execute(text("SELECT name FROM kernel.jobs WHERE state = 'dead'"))).all() == []
    return {row.external_id for row in await rows(town.house, InboundRow) if isinstance(row, InboundRow)}


async def test_all_that_is_recorded_of_meta_comes_through_its_door(town: ChatTown, app: FastAPI) -> None:
    town.house.provide([FLOW])
    door = Door(town, app)
    async with door.client:
        for name in OF_META:
            assert await door.meta(body("whatsapp", name)) == 200, name
    kept = {one.message.id for one in OF_META.values() if isinstance(one, Arrived)}
    assert await all_was_read(town) == kept


async def test_all_that_is_recorded_of_twilio_comes_through_its_door(town: ChatTown, app: FastAPI) -> None:
    town.house.provide([FLOW])
    door = Door(town, app)
    async with door.client:
        for name in OF_TWILIO:
            here = [
                (one, said.replace("https://api.twilio.com", "http://sandbox/twilio"))
                for one, said in form("twilio", name)
            ]
            assert await door.twilio(here) == 204, name
    assert await all_was_read(town) == {one.message.id for one in OF_TWILIO.values()}


@pytest.mark.parametrize("name", STATUSES)
async def test_every_recorded_status_of_twilio_is_kept_with_its_error(name: str, house: House, app: FastAPI) -> None:
    message_id = await queue(house, PHONE)
    await run_due(house)
    answer = await report(app, message_id, sign(house, message_id, **dict(form("twilio", name))))
    assert answer.status_code == 204
    status, error = STATUSES[name]
    row = await row_of(house, message_id)
    assert (row.status, row.error_code or "") == (status, f"twilio_{error}" if error else "")
