"""The ledger's API: what a machine may post and see, keys, refusals, bulks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.parts.ledger.books import Books
from tillhouse.kernel import money
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.parts.identity.service import machines
from tillhouse.parts.ledger import api as ledger

API = "/api/v1/ledger/transactions"
OURS = "0190d5e0-0000-7000-8000-000000000001"


@dataclass
class Machine:
    """A program with an API key."""

    client: httpx.AsyncClient
    key: str

    async def post(self, path: str, body: object, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": key or str(new_id())}
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers={"Authorization": f"Bearer {self.key}"})


async def machine(house: House, client: httpx.AsyncClient, *scopes: str) -> Machine:
    async with house.database.transaction() as session:
        return Machine(client, (await machines.create(session, SYSTEM, "robot", scopes or ALL)).key)


ALL = ("ledger.post", "ledger.read")


@pytest.fixture
async def robot(house: House, client: httpx.AsyncClient) -> AsyncIterator[Machine]:
    """A machine; when the test is over, every invariant of the ledger has to hold."""
    yield await machine(house, client)
    assert await Books(house).violations() == []


def leg(side: str, code: str, amount: str, owner: str | None = OURS, owner_kind: str = "ledger") -> dict[str, Any]:
    return {
        "owner_kind": owner_kind,
        "owner_id": owner,
        "code": code,
        "currency": "INR",
        "side": side,
        "amount": amount,
    }


def sale(amount: str = "10.00", customer: str = OURS) -> dict[str, Any]:
    return {"legs": [leg("debit", "asset:bank", amount), leg("credit", "customer:balance", amount, customer)]}


def payout(amount: str, customer: str) -> dict[str, Any]:
    return {"legs": [leg("debit", "customer:balance", amount, customer), leg("credit", "asset:bank", amount)]}


async def balance(house: House, customer: str) -> int:
    account = ledger.AccountRef("ledger", UUID(customer), "customer:balance", "INR")
    return (await Books(house).balance(account))[0]


async def test_a_machine_posts_reads_and_reverses_in_books_of_its_own(house: House, robot: Machine) -> None:
    customer = str(new_id())
    posted = await robot.post(API, {**sale("12.50", customer), "metadata": {"order": "A-1"}})
    assert posted.status_code == 201, posted.text
    assert await balance(house, customer) == 1250
    read = (await robot.get(f"{API}/{posted.json()['id']}")).json()
    assert {**posted.json(), "legs": None} == {k: v for k, v in {**read, "legs": None}.items() if k != "reversed_by"}
    assert sorted(read["legs"], key=str) == sorted(posted.json()["legs"], key=str)
    taken_back = await robot.post(f"{API}/{posted.json()['id']}/reverse", {})
    assert taken_back.json()["reverses"] == posted.json()["id"]
    assert (await robot.get(f"{API}/{posted.json()['id']}")).json()["reversed_by"] == taken_back.json()["id"]
    assert await balance(house, customer) == 0


async def test_transactions_are_found_by_what_their_metadata_says(house: House, robot: Machine) -> None:
    written = []
    for order in ("A-1", "A-2", "A-1"):
        body = {**sale("1", str(new_id())), "metadata": {"order": order, "tags": {"channel": "web"}}}
        written.append((await robot.post(API, body)).json()["id"])

    async def found(query: str) -> list[str]:
        answer = await robot.get(f"{API}?{query}")
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    assert await found("metadata=order: A-1") == [written[2], written[0]]
    assert await found("metadata=channel: web&kind=ledger.entry") == written[::-1]
    assert await found("metadata=order: A-3") == []
    assert await found(f"account=ledger:{OURS}/asset:bank/INR&metadata=order: A-2") == [written[1]]
    assert await found("from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z") == []
    first = (await robot.get(f"{API}?limit=2")).json()
    assert [one["id"] for one in first["items"]] == [written[2], written[1]]
    assert await found(f"limit=2&cursor={first['next_cursor']}") == [written[0]]
    for unread, pointer in (("metadata=order", "/metadata"), ("account=bank", "/account")):
        refused = await robot.get(f"{API}?{unread}")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_a_machine_finds_none_of_the_houses_transactions(house: House, robot: Machine) -> None:
    wallet = ledger.AccountRef("person", new_id(), "wallet", "INR")
    clearing = ledger.house_account("clearing:razorpay", "INR")
    legs = [ledger.debit(clearing, Money(5, "INR")), ledger.credit(wallet, Money(5, "INR"))]
    posting = ledger.Posting(key="order:1", kind="payments.deposit", legs=legs, metadata={"order": "A-9"})
    await Books(house).post(posting)
    assert (await robot.get(f"{API}?metadata=order: A-9")).json()["items"] == []
    assert (await robot.get(f"{API}?kind=payments.deposit")).json()["items"] == []


async def test_a_currency_of_three_digits_is_exact_to_the_last_one(
    house: House, robot: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(money, "_DIGITS", {**money._DIGITS, "KWD": 3})
    customer = str(new_id())

    def dinars(amount: str) -> dict[str, Any]:
        body = sale(amount, customer)
        return {"legs": [{**one, "currency": "KWD"} for one in body["legs"]]}

    amounts = ("0.001", "12.345", "9223372036854763.461")  # together the most that there is
    for amount in amounts:
        posted = await robot.post(API, dinars(amount))
        assert (posted.status_code, posted.json()["legs"][0]["amount"]) == (201, amount)
        read = await robot.get(f"{API}/{posted.json()['id']}")
        assert {one["amount"] for one in read.json()["legs"]} == {amount}
    account = ledger.AccountRef("ledger", UUID(customer), "customer:balance", "KWD")
    assert (await Books(house).balance(account))[0] == money.MAX_MINOR
    for amount, status, code in (
        ("0.001", 409, "balance_too_large"), ("1.2345", 422, "too_precise"), ("9223372036854775.808", 422, "too_large"),
    ):  # fmt: skip
        refused = await robot.post(API, dinars(amount))
        errors = [error["code"] for error in refused.json().get("errors", [])]
        assert (refused.status_code, (errors or [refused.json()["code"]])[0]) == (status, code)
    assert (await Books(house).balance(account))[0] == money.MAX_MINOR


async def test_the_same_key_and_body_get_the_same_answer(house: House, robot: Machine) -> None:
    customer = str(new_id())
    first = await robot.post(API, sale("1", customer), "k1")
    again = await robot.post(API, sale("1", customer), "k1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await balance(house, customer) == 100


async def test_the_same_key_with_another_body_is_refused(house: House, robot: Machine) -> None:
    customer = str(new_id())
    await robot.post(API, sale("1", customer), "k1")
    other = await robot.post(API, sale("2", customer), "k1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await balance(house, customer) == 100


async def test_a_refusal_stays_the_answer_of_its_key_even_when_there_is_money_since(
    house: House, robot: Machine
) -> None:
    customer = str(new_id())
    refused = await robot.post(API, payout("1", customer), "k1")
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_funds")
    await robot.post(API, sale("5", customer))
    again = await robot.post(API, payout("1", customer), "k1")
    assert (again.status_code, again.json()["detail"]) == (409, refused.json()["detail"])
    assert (await robot.post(API, payout("2", customer), "k1")).status_code == 422
    assert await balance(house, customer) == 500
    assert (await robot.post(API, payout("1", customer), "k2")).status_code == 201


async def test_two_machines_do_not_meet_in_their_keys(house: House, robot: Machine, client: httpx.AsyncClient) -> None:
    other, customer = await machine(house, client), str(new_id())
    first = await robot.post(API, sale("1", customer), "k1")
    second = await other.post(API, sale("1", customer), "k1")
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", ["k" * 255, "sha256:x", "schlüssel", "a:b"])
async def test_any_key_that_a_header_carries_serves(house: House, robot: Machine, key: str) -> None:
    customer = str(new_id())
    encoded = key.encode()
    headers = {b"Authorization": f"Bearer {robot.key}".encode(), b"Idempotency-Key": encoded}
    answers = [await robot.client.post(API, json=sale("1", customer), headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert await balance(house, customer) == 100


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"kind": "payments.deposit"}, "unknown_transaction_kind"),
        ({"kind": "ledger.reversal"}, "unknown_transaction_kind"),
        ({"kind": "no.such"}, "unknown_transaction_kind"),
        (
            {"legs": [leg("debit", "asset:bank", "1"), leg("credit", "wallet", "1", owner_kind="person")]},
            "account_not_allowed",
        ),
        (
            {"legs": [leg("debit", "asset:bank", "1"), leg("credit", "bank", "1", None, "house")]},
            "account_not_allowed",
        ),
        ({"legs": [leg("debit", "asset:bank", "1"), leg("credit", "no-such-line", "1")]}, "unknown_account"),
        (
            {"legs": [leg("debit", "asset:bank", "1"), leg("credit", "x", "1", owner_kind="ledger/customer:a")]},
            "invalid_input",
        ),
        ({"legs": [leg("debit", "asset:bank", "1"), leg("credit", "x", "1", owner_kind="led\x00")]}, "invalid_input"),
        ({"legs": [leg("debit", "asset:bank", "2"), leg("credit", "customer:balance", "1")]}, "bad_posting"),
        ({"legs": [leg("debit", "asset:bank", "0"), leg("credit", "customer:balance", "0")]}, "bad_posting"),
        ({"legs": [leg("debit", "asset:bank", "-1"), leg("credit", "customer:balance", "-1")]}, "invalid_input"),
        ({"legs": [leg("debit", "asset:bank", "1.005"), leg("credit", "customer:balance", "1.005")]}, "invalid_input"),
    ],
)
async def test_what_a_machine_may_not_post_is_refused_and_writes_nothing(
    house: House, robot: Machine, changed: dict[str, Any], code: str
) -> None:
    before = await Books(house).everything()
    answer = await robot.post(API, {**sale(), **changed})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await Books(house).everything() == before


async def test_the_books_of_the_house_are_neither_seen_nor_reversed_by_machines(house: House, robot: Machine) -> None:
    wallet = ledger.AccountRef("person", new_id(), "wallet", "INR")
    async with house.database.transaction() as session:
        source = ledger.house_account("clearing:razorpay", "INR")
        legs = [ledger.debit(source, Money(500, "INR")), ledger.credit(wallet, Money(500, "INR"))]
        written = await ledger.post(session, ledger.Posting(key="test:1", kind="payments.deposit", legs=legs))
        reversal = await ledger.reverse(session, written.id, key="test:2")
    before = await Books(house).everything()
    for number in (written.id, reversal.id, 1):
        assert (await robot.get(f"{API}/{number}")).status_code == 404
        assert (await robot.post(f"{API}/{number}/reverse", {})).status_code == 404
    assert await Books(house).everything() == before


async def test_scopes_are_kept_apart(house: House, client: httpx.AsyncClient) -> None:
    reader, writer = await machine(house, client, "ledger.read"), await machine(house, client, "ledger.post")
    written = (await writer.post(API, sale())).json()
    before = await Books(house).everything()
    for path, body in (
        (API, sale()),
        (f"{API}/bulk", {"transactions": [sale()]}),
        (f"{API}/{written['id']}/reverse", {}),
    ):
        assert (await reader.post(path, body)).status_code == 403
        assert (await client.post(path, json=body, headers={"Idempotency-Key": "k"})).status_code == 401
    assert (await writer.get(f"{API}/{written['id']}")).status_code == 403
    assert (await reader.get(f"{API}/{written['id']}")).status_code == 200
    assert await Books(house).everything() == before


async def test_a_bulk_gives_each_its_own_outcome(house: House, robot: Machine) -> None:
    customer = str(new_id())
    body = {
        "transactions": [
            sale("5", customer),
            payout("9", customer),
            payout("2", customer),
            {**sale(), "kind": "ledger.entry"},
        ]
    }
    answer = (await robot.post(f"{API}/bulk", body, "b1")).json()
    assert (answer["written"], answer["refused"]) == (3, 1)
    assert [item["problem"] and item["problem"]["code"] for item in answer["items"]] == [
        None,
        "insufficient_funds",
        None,
        None,
    ]
    again = await robot.post(f"{API}/bulk", body, "b1")
    assert again.json() == answer
    assert await balance(house, customer) == 300


async def test_an_atomic_bulk_with_a_refusal_writes_nothing_and_says_which(house: House, robot: Machine) -> None:
    customer = str(new_id())
    before = await Books(house).everything()
    body = {"atomic": True, "transactions": [sale("5", customer), payout("9", customer)]}
    answer = await robot.post(f"{API}/bulk", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "bulk_refused")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/1", "insufficient_funds")]
    assert await Books(house).everything() == before


async def test_a_bulk_key_with_another_body_is_refused(house: House, robot: Machine) -> None:
    customer = str(new_id())
    await robot.post(f"{API}/bulk", {"transactions": [sale("1", customer)]}, "b1")
    other = await robot.post(f"{API}/bulk", {"transactions": [sale("1", customer), sale("2", customer)]}, "b1")
    assert other.status_code == 422
    assert await balance(house, customer) == 100


async def test_many_at_once_are_written_in_few_calls_and_each_gets_its_own_answer(house: House, robot: Machine) -> None:
    customer = str(new_id())
    await robot.post(API, sale("10", customer))
    wishes = [sale("1", customer) if n % 2 else payout("100", customer) for n in range(60)]
    answers = await asyncio.gather(*(robot.post(API, wish) for wish in wishes))
    assert [answer.status_code for answer in answers] == [201 if n % 2 else 409 for n in range(60)]
    assert await balance(house, customer) == 1000 + 30 * 100
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 30
