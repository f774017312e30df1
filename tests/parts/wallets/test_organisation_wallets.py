"""Wallets of organisations: read by those who may, and empty before an organisation is closed."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI

from tests.parts.documents.reading import text_of
from tests.parts.identity.town import Town
from tests.parts.ledger.books import BANK, Books, key, rupees
from tillhouse.apps.compose import build_house
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.wallets import api as wallets
from tillhouse.sandbox.app import Sandbox

_BELOW = {"identity", "ledger", "files", "documents", "ai", "wallets", "channels"}

SHOP = Module(
    name="shop",
    title="Shop",
    floor="product",
    folder=Path(__file__).parent,
    requires=("wallets", "channels"),
    provides=lambda house: (
        ledger.AccountKind(owner_kind="house", code="bank", type="asset", title="Bank"),
        ledger.TransactionKind(name="shop.move", title="Moved", legs=("house/bank", "organisation/wallet")),
    ),
)


@pytest.fixture
async def house(settings: KernelSettings) -> AsyncIterator[House]:
    built = build_house(settings, catalogue=(*(one for one in CATALOGUE if one.name in _BELOW), SHOP))
    yield built
    await built.close()


async def test_money_of_an_organisation_is_seen_by_role_and_stands_against_closing(
    house: House, app: FastAPI, sandbox: Sandbox
) -> None:
    town, books = Town(house, app, sandbox), Books(house)
    asha, ravi, zoe = [await town.resident(f"{name}@example.com") for name in ("asha", "ravi", "zoe")]
    made = await town.post("/organisations", {"name": "Rao", "country": "IN"}, token=asha.token)
    organisation = made.json()["id"]
    for who, role in ((ravi, "accountant"), (zoe, "member")):
        body = {"email": who.identifier.value, "role": role}
        invited = await town.post(f"/organisations/{organisation}/invitations", body, token=asha.token)
        await town.post(f"/invitations/{invited.json()['id']}/accept", {"code": None}, token=who.token)
    path = f"/wallets/organisations/{organisation}"
    assert (await town.call("GET", path, token=asha.token)).json()["items"] == []

    wallet = ledger.AccountRef("organisation", UUID(organisation), wallets.ACCOUNT_CODE, "INR")
    came = (ledger.debit(BANK, rupees(500)), ledger.credit(wallet, rupees(500)))
    await books.post(ledger.Posting(key=key(), kind="shop.move", legs=came))
    for who in (asha, ravi):
        found = (await town.call("GET", path, token=who.token)).json()["items"]
        assert [(one["currency"], one["available"]) for one in found] == [("INR", "5.00")]
    assert (await town.call("GET", path, token=zoe.token)).status_code == 403
    stranger = await town.resident("mallory@example.com")
    assert (await town.call("GET", path, token=stranger.token)).status_code == 404

    statement = f"/wallets/{wallets.wallet_id(UUID(organisation), 'INR')}/statement.pdf?organisation_id={organisation}"
    paper = text_of((await town.call("GET", statement, token=ravi.token)).content)
    assert [said for said in ("Rao", "Moved", "₹5.00") if said not in paper] == []

    refused = await town.call("DELETE", f"/organisations/{organisation}", token=asha.token)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "wallets")
    went = (ledger.debit(wallet, rupees(500)), ledger.credit(BANK, rupees(500)))
    await books.post(ledger.Posting(key=key(), kind="shop.move", legs=went))
    assert (await town.call("DELETE", f"/organisations/{organisation}", token=asha.token)).status_code == 204
    assert (await town.call("GET", path, token=asha.token)).status_code == 404
