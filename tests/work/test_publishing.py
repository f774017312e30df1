"""What a handler knows of the event that it reacts to: see also tests/parts/channels/test_webhooks.py."""

import pytest

from tillhouse.kernel.house import House
from tillhouse.kernel.work import occurrence


async def test_only_a_handler_has_an_event(house: House) -> None:
    async with house.database.transaction() as session:
        with pytest.raises(LookupError):
            await occurrence(session)
