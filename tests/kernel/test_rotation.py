"""Keys are rotated while the house runs, and nothing sealed is lost."""

from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.rotation import rotate_keys
from tillhouse.kernel.vault import UnreadableSecret, Vault

NEW = Fernet.generate_key().decode()


async def event_with(house: House, body: bytes) -> UUID:
    """A stored provider event with a sealed body."""
    event_id = new_id()
    async with house.database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO payments.provider_events"
                " (id, provider, event_id, name, body_hash, is_first, body, state, received_at)"
                " VALUES (:id, 'razorpay', :key, 'payment.captured', :hash, true, :body, 'received', :at)"
            ),
            {"id": event_id, "key": str(event_id), "hash": event_id.bytes, "body": body, "at": clock.now()},
        )
    return event_id


async def body_of(house: House, event_id: UUID) -> bytes:
    async with house.database.reading() as session:
        query = text("SELECT body FROM payments.provider_events WHERE id = :id")
        body: bytes = (await session.execute(query, {"id": event_id})).scalar_one()
        return body


async def test_after_rotation_the_new_key_alone_opens_everything(house: House) -> None:
    events = [await event_with(house, house.vault.seal(f"body {n}")) for n in range(450)]
    house.vault = Vault([NEW, *house.settings.encryption_keys])
    counts = {sealed.table: count async for sealed, count in rotate_keys(house)}
    assert counts["payments.provider_events"] == 450
    alone = Vault([NEW])
    assert [alone.open(await body_of(house, event)) for event in events[:5]] == [f"body {n}" for n in range(5)]
    assert alone.open(await body_of(house, events[-1])) == "body 449"


async def test_a_text_that_no_key_opens_stops_the_rotation_and_stays_as_it_is(house: House) -> None:
    lost = Vault([Fernet.generate_key().decode()]).seal("lost")
    event = await event_with(house, lost)
    with pytest.raises(UnreadableSecret):
        [_ async for _ in rotate_keys(house)]
    assert await body_of(house, event) == lost
