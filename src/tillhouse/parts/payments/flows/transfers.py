"""Bank transfers that no event told us of are asked for."""

from tillhouse.kernel.house import House
from tillhouse.parts.payments.ports import InstalledGateway
from tillhouse.parts.payments.service.registry import installed_gateway
from tillhouse.parts.payments.service.transfers import settle_transfer
from tillhouse.parts.payments.store import transfers as store


async def poll_all_transfers(house: House) -> None:
    """Ask every provider that knows of bank transfers. Raises `TransientError` when one does not answer."""
    for found in house.provided(InstalledGateway):
        if found.transfers is not None:
            await poll_transfers(house, found.gateway.name)


async def poll_transfers(house: House, provider: str) -> None:
    """Take in the transfers since the last one that was asked for: each settled, then remembered, on its own.

    Where we are is moved by asking alone: an event about a later transfer does not hide an earlier one.
    """
    known = installed_gateway(house, provider).transfers
    if known is None:
        return
    async with house.database.reading() as session:
        since = await store.cursor(session, provider)
    for facts in await known.transfers_since(since):
        async with house.database.transaction() as session:
            await settle_transfer(session, facts)
            await store.move_cursor(session, provider, facts.transfer_id)
