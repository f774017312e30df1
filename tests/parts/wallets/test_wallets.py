"""What people see of the ledger."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import Request

from tests.parts.documents.reading import text_of
from tests.parts.ledger.books import Books, key, rupees
from tillhouse.apps.compose import build_house, create_app
from tillhouse.kernel import clock
from tillhouse.kernel.access import NOBODY, AuthenticatedBy, Principal
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import encode_cursor
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.documents.manifest import MODULE as DOCUMENTS
from tillhouse.parts.identity.api import Erasure, ErasureVeto
from tillhouse.parts.identity.manifest import MODULE as IDENTITY
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.manifest import MODULE as LEDGER
from tillhouse.parts.wallets import api as wallets
from tillhouse.parts.wallets import service
from tillhouse.parts.wallets.manifest import MODULE as WALLETS

DRIVER, OTHER = new_id(), new_id()
BANK = ledger.house_account("bank", "INR")
_on_its_way: dict[UUID, Sequence[Money]] = {}


async def _pending(session: ReadSession, person_id: UUID) -> Sequence[Money]:
    return _on_its_way.get(person_id, ())


async def _by_header(request: Request) -> Principal:
    """Stands in for identity: the bearer is the person."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    if bearer == "machine":
        return Principal("machine", new_id(), permissions=frozenset({"wallets.read"}))
    return Principal("person", UUID(bearer), permissions=frozenset({"wallets.read"})) if bearer else NOBODY


SHOP = Module(
    name="shop",
    title="Shop",
    floor="product",
    folder=Path(__file__).parent,
    requires=("wallets",),
    provides=lambda house: (
        AuthenticatedBy(_by_header),
        wallets.PendingSource(_pending),
        ledger.AccountKind(owner_kind="house", code="bank", type="asset", title="Bank"),
        ledger.TransactionKind(name="shop.in", title="Money added", legs=("house/bank", "person/wallet")),
        ledger.TransactionKind(name="shop.out", title="Withdrawal", legs=("house/bank", "person/wallet")),
    ),
)


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Books]:
    house = build_house(settings, catalogue=(IDENTITY, LEDGER, DOCUMENTS, WALLETS, SHOP))
    opened = Books(house)
    yield opened
    assert await opened.violations() == []
    await house.close()
    _on_its_way.clear()


@pytest.fixture
async def api(books: Books) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(books.house))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver/api/v1", headers=me(DRIVER)) as found:
        yield found


def me(person_id: UUID) -> dict[str, str]:
    return {"Authorization": f"Bearer {person_id}"}


def receive(paise: int, person_id: UUID = DRIVER, unit: str = "INR") -> ledger.Posting:
    amount, wallet = Money(paise, unit), wallets.account_ref(person_id, unit)
    legs = (ledger.debit(replace(BANK, unit=unit), amount), ledger.credit(wallet, amount))
    return ledger.Posting(key=key(), kind="shop.in", legs=legs)


def spend(paise: int) -> ledger.Posting:
    legs = (ledger.debit(wallets.account_ref(DRIVER, "INR"), rupees(paise)), ledger.credit(BANK, rupees(paise)))
    return ledger.Posting(key=key(), kind="shop.out", legs=legs)


async def test_everyone_has_a_wallet_as_soon_as_they_ask_and_asking_writes_nothing(
    api: httpx.AsyncClient, books: Books
) -> None:
    answer = await api.get("/wallets")
    (wallet,) = answer.json()["items"]
    assert wallet == {
        "id": str(wallets.wallet_id(DRIVER, "INR")),
        "currency": "INR",
        "available": "0.00",
        "held": "0.00",
        "pending": "0.00",
    }
    assert (await api.get(f"/wallets/{wallet['id']}")).json() == wallet
    assert (await books.everything())["accounts"] == []


async def test_a_wallet_keeps_its_id_and_shows_available_held_and_pending(api: httpx.AsyncClient, books: Books) -> None:
    before = (await api.get("/wallets")).json()["items"][0]["id"]
    await books.post(receive(125_050))
    await books.hold(wallets.account_ref(DRIVER, "INR"), 25_000)
    _on_its_way[DRIVER] = [rupees(700), rupees(50)]

    wallet = (await api.get(f"/wallets/{before}")).json()
    assert (wallet["available"], wallet["held"], wallet["pending"]) == ("1000.50", "250.00", "7.50")
    balance = (await api.get(f"/wallets/{before}/balance")).json()
    assert datetime.fromisoformat(balance.pop("as_of")).tzinfo is not None
    assert balance == {
        "currency": "INR", "balance": "1250.50", "available": "1000.50", "held": "250.00", "pending": "7.50",
    }  # fmt: skip


async def test_a_wallet_in_another_currency_appears_with_its_first_money(api: httpx.AsyncClient, books: Books) -> None:
    await books.post(receive(500, unit="USD"))
    _on_its_way[DRIVER] = [Money(9, "VND")]
    found = (await api.get("/wallets")).json()["items"]
    assert [(w["currency"], w["available"], w["pending"]) for w in found] == [
        ("INR", "0.00", "0.00"), ("USD", "5.00", "0.00"), ("VND", "0", "9"),
    ]  # fmt: skip


async def test_movements_are_newest_first_with_a_title_and_without_the_counter_side(
    api: httpx.AsyncClient, books: Books
) -> None:
    added = await books.post(replace(receive(10_000), metadata={"internal": "risk 7"}))
    paid = await books.post(spend(2_550))
    undone = await books.reverse(paid.id)
    wallet = wallets.wallet_id(DRIVER, "INR")

    answer = await api.get(f"/wallets/{wallet}/transactions")
    assert [
        (m["id"], m["title"], m["direction"], m["amount"], m["balance"], m["reverses"]) for m in answer.json()["items"]
    ] == [
        (str(undone.id), "Reversal", "in", "25.50", "100.00", str(paid.id)),
        (str(paid.id), "Withdrawal", "out", "25.50", "74.50", None),
        (str(added.id), "Money added", "in", "100.00", "100.00", None),
    ]
    assert "bank" not in answer.text
    assert "risk" not in answer.text


async def test_movements_are_filtered(api: httpx.AsyncClient, books: Books) -> None:
    long_ago = datetime(2026, 1, 5, tzinfo=UTC)
    old = await books.post(replace(receive(10_000), effective_at=long_ago))
    paid = await books.post(spend(100))
    path = f"/wallets/{wallets.wallet_id(DRIVER, 'INR')}/transactions"

    async def ids(**query: str | list[str]) -> list[int]:
        return [int(m["id"]) for m in (await api.get(path, params=query)).json()["items"]]

    assert await ids(direction="in") == [old.id]
    assert await ids(direction="out") == [paid.id]
    assert await ids(kind=["shop.in", "shop.none"]) == [old.id]
    assert await ids(to="2026-01-06T00:00:00Z") == [old.id]
    assert await ids(**{"from": "2026-01-06T00:00:00+05:30"}) == [paid.id]


async def test_movements_come_in_pages_that_neither_repeat_nor_skip(api: httpx.AsyncClient, books: Books) -> None:
    written = [(await books.post(receive(n + 1))).id for n in range(5)]
    path, seen, cursor = f"/wallets/{wallets.wallet_id(DRIVER, 'INR')}/transactions", [], None
    for _ in range(3):
        page = (await api.get(path, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [int(m["id"]) for m in page["items"]]
        await books.post(receive(100))  # what arrives meanwhile moves nothing
        cursor = page["next_cursor"]
    assert seen == written[::-1]
    assert cursor is None


async def test_movements_are_a_file_whole_signed_and_safe_for_a_spreadsheet(
    api: httpx.AsyncClient, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_BITE", 2)  # several bites, the last of them full
    added = [(await books.post(receive(10_000))).id for _ in range(3)]
    paid = await books.post(spend(2_550))
    await books.post(receive(777, person_id=OTHER))
    path = f"/wallets/{wallets.wallet_id(DRIVER, 'INR')}/transactions.csv"

    answer = await api.get(path)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="wallet-inr.csv"'
    assert "no-store" in answer.headers["cache-control"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(int(one["id"]), one["title"], one["direction"], one["amount"], one["balance"]) for one in lines] == [
        (paid.id, "Withdrawal", "out", "-25.50", "274.50"),
        (added[2], "Money added", "in", "100.00", "300.00"),
        (added[1], "Money added", "in", "100.00", "200.00"),
        (added[0], "Money added", "in", "100.00", "100.00"),
    ]
    assert {one["currency"] for one in lines} == {"INR"}
    narrowed = list(csv.DictReader(io.StringIO((await api.get(path, params={"direction": "out"})).text)))
    assert [int(one["id"]) for one in narrowed] == [paid.id]
    nothing = await api.get(path, params={"kind": "shop.none"})
    assert nothing.text == ",".join(wallets.MOVEMENT_COLUMNS) + "\n"


async def test_someone_elses_wallet_is_not_found(api: httpx.AsyncClient, books: Books) -> None:
    await books.post(receive(10_000))
    for tail in ("", "/balance", "/transactions", "/transactions.csv"):
        path = f"/wallets/{wallets.wallet_id(DRIVER, 'INR')}{tail}"
        assert (await api.get(path)).status_code == 200
        denied = await api.get(path, headers=me(OTHER))
        absent = await api.get(f"/wallets/{new_id()}{tail}", headers=me(OTHER))
        assert (denied.status_code, denied.json()["code"]) == (404, "not_found")
        assert denied.json()["detail"] == absent.json()["detail"]


async def test_a_month_of_a_wallet_is_a_paper_for_its_owner_alone(api: httpx.AsyncClient, books: Books) -> None:
    now = clock.now()
    await books.post(replace(receive(12_345_678), effective_at=now))
    await books.post(replace(spend(45_678), effective_at=now))
    path = f"/wallets/{wallets.wallet_id(DRIVER, 'INR')}/statement.pdf"
    made = await api.get(path)
    assert (made.status_code, made.headers["content-type"]) == (200, "application/pdf")
    said = text_of(made.content)
    assert [one for one in ("Statement", "₹1,23,456.78", "₹456.78", "₹1,23,000.00") if one not in said] == []
    before = await api.get(path, params={"month": "2020-02"})
    assert "Nothing moved in this time." in text_of(before.content)
    assert (await api.get(path, headers=me(OTHER))).status_code == 404
    later = await api.get(path, params={"month": "2199-01"})
    assert (later.status_code, later.json()["errors"][0]["pointer"]) == (422, "/month")


async def test_papers_are_asked_for_half_a_hundred_times_a_minute_in_vain(api: httpx.AsyncClient) -> None:
    path = f"/wallets/{wallets.wallet_id(OTHER, 'INR')}/statement.pdf?month=2199-01"
    tried = [(await api.get(path, headers=me(OTHER))).status_code for _ in range(31)]
    assert tried == [422] * 30 + [429]


@pytest.mark.parametrize("month", ["2026", "2026-13", "2026-00", "1999-01", "2026-01-01", "now"])
async def test_a_month_that_is_none_is_refused(api: httpx.AsyncClient, month: str) -> None:
    path = f"/wallets/{wallets.wallet_id(DRIVER, 'INR')}/statement.pdf"
    assert (await api.get(path, params={"month": month})).status_code == 422


@pytest.mark.parametrize(
    "path", ["", "/{id}", "/{id}/balance", "/{id}/transactions", "/{id}/transactions.csv", "/{id}/statement.pdf"]
)
async def test_nobody_sees_a_wallet_and_a_machine_has_none(api: httpx.AsyncClient, path: str) -> None:
    url = "/wallets" + path.format(id=wallets.wallet_id(DRIVER, "INR"))
    assert (await api.get(url, headers={"Authorization": ""})).status_code == 401
    assert (await api.get(url, headers={"Authorization": "Bearer machine"})).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "nonsense"},
        {"cursor": encode_cursor("text")},
        {"limit": "0"},
        {"limit": "101"},
        {"direction": "sideways"},
        {"kind": "Robert'); DROP"},
        {"from": "2026-01-01"},
        {"from": "2026-01-01T00:00:00"},
        {"to": "9999-12-31T23:59:59-12:00"},
    ],
)
async def test_a_query_that_makes_no_sense_is_refused_by_name(api: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await api.get(f"/wallets/{wallets.wallet_id(DRIVER, 'INR')}/transactions", params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"].startswith(f"/{next(iter(query))}")


async def test_a_cursor_beyond_any_movement_is_harmless(api: httpx.AsyncClient, books: Books) -> None:
    await books.post(receive(100))
    path = f"/wallets/{wallets.wallet_id(DRIVER, 'INR')}/transactions"
    for place, shown in ((2**63 - 1, 1), (-(2**63) + 1, 0)):
        answer = await api.get(path, params={"cursor": encode_cursor(place)})
        assert (answer.status_code, len(answer.json()["items"])) == (200, shown)


async def test_a_person_with_money_is_not_erased_and_one_without_leaves_closed_wallets(books: Books) -> None:
    (veto,) = [one for one in books.house.provided(ErasureVeto) if one.name == "wallets"]
    (erasure,) = [one for one in books.house.provided(Erasure) if one.name == "wallets"]
    await books.post(receive(10_000))
    await books.hold(wallets.account_ref(DRIVER, "INR"), 4_000)
    async with books.house.database.reading() as session:
        assert len(await veto.reasons(session, DRIVER)) == 2
        assert await veto.reasons(session, OTHER) == []
    async with books.transaction() as session:
        with pytest.raises(ledger.AccountInUse):
            await erasure.erase(session, DRIVER, [])
        (held,) = await ledger.open_holds(session, wallets.account_ref(DRIVER, "INR"))
        await ledger.capture(session, held.id, spend(4_000))
        await ledger.post(session, spend(6_000))
        assert await veto.reasons(session, DRIVER) == []
        await erasure.erase(session, DRIVER, [])
    with pytest.raises(ledger.AccountClosed):
        await books.post(receive(1))
