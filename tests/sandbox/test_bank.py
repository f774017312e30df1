"""The house's bank account: RazorpayX's statement, and the same books as camt.053, MT940 and CSV, read by others."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import mt940
import pytest
from defusedxml import ElementTree

from tests.sandbox.conftest import Receiver, event_of
from tests.sandbox.test_razorpay_refunds import paid
from tests.sandbox.test_razorpay_settlements import settle
from tests.sandbox.test_razorpayx import pass_time, vpa_payout
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.bank.statements import Entry, Statement, as_mt940
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings

CAMT = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"}
Row = tuple[Decimal, str]


@pytest.fixture
async def busy_day(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    settings: SandboxSettings,
    contact: str,
    sandbox: Sandbox,
    clock: ManualClock,
) -> list[Row]:
    """A settlement of 97,640, a payout of 100.00 that stays, one of 200.00 that comes back; what the bank books."""
    clock.at_ms = int(datetime(2027, 1, 15, 6, tzinfo=UTC).timestamp()) * 1000
    await paid(razorpay, person, 100_000)
    utr = (await settle(person))["utr"]
    gone = await vpa_payout(razorpay, settings, contact, "asha@okhdfc")
    back = await vpa_payout(razorpay, settings, contact, "returned@razorpay", amount=20_000)
    await pass_time(sandbox, clock, 180)
    first = (await razorpay.get(f"/payouts/{gone['id']}")).json()["utr"]
    transactions = await statement(razorpay, settings)
    second = next(t["source"]["utr"] for t in transactions if t["source"]["id"] == back["id"])
    return [
        (Decimal("976.40"), utr),
        (Decimal("-100.00"), first),
        (Decimal("-5.90"), first),
        (Decimal("-200.00"), second),
        (Decimal("-5.90"), second),
        (Decimal("200.00"), second),
        (Decimal("5.90"), second),
    ]


async def statement(razorpay: httpx.AsyncClient, settings: SandboxSettings) -> list[dict[str, Any]]:
    query = {"account_number": settings.razorpayx_account_number, "count": "100"}
    items: list[dict[str, Any]] = (await razorpay.get("/transactions", params=query)).json()["items"]
    return items


async def download(person: httpx.AsyncClient, form: str, day: str = "2027-01-15") -> httpx.Response:
    response = await person.get("/_sandbox/bank/statement", params={"format": form, "date": day})
    assert response.status_code == 200
    assert "attachment" in response.headers["content-disposition"]
    return response


async def test_every_change_of_the_balance_is_a_transaction_and_an_event(
    *,
    razorpay: httpx.AsyncClient,
    person: httpx.AsyncClient,
    settings: SandboxSettings,
    receiver: Receiver,
    sandbox: Sandbox,
    busy_day: list[Row],
) -> None:
    items = await statement(razorpay, settings)
    assert [(t["credit"] - t["debit"], t["amount"], t["source"]["entity"]) for t in items] == [
        (20_590, 20_000, "reversal"),
        (-20_590, 20_000, "payout"),
        (-10_590, 10_000, "payout"),
        (97_640, 97_640, "bank_transfer"),
    ]
    balance = settings.razorpayx_opening_balance
    for item in reversed(items):
        balance += item["credit"] - item["debit"]
        assert item["balance"] == balance
    assert set(items[0]) == {
        "id",
        "entity",
        "account_number",
        "amount",
        "currency",
        "credit",
        "debit",
        "balance",
        "source",
        "created_at",
    }
    assert (await razorpay.get(f"/transactions/{items[0]['id']}")).json() == items[0]
    assert (await person.get("/_sandbox/razorpay/balance")).json()["amount"] == balance
    account = (await razorpay.get("/banking_balances")).json()["items"][0]
    assert (account["account_number"], account["available_amount"]) == (settings.razorpayx_account_number, balance)
    other = await razorpay.get("/banking_balances", params={"account_type": "fixed_deposit"})
    assert other.json()["count"] == 0
    await sandbox.deliver_due()
    assert [event_of(taken) for taken in receiver.taken].count("transaction.created") == 4


async def test_the_statement_is_for_the_owner_alone(razorpay: httpx.AsyncClient) -> None:
    assert (await razorpay.get("/transactions")).status_code == 400
    assert (await razorpay.get("/transactions", params={"account_number": "1"})).status_code == 400
    assert (await razorpay.get("/transactions/txn_nobody")).status_code == 400


async def test_the_csv_is_read_by_pythons_reader(person: httpx.AsyncClient, busy_day: list[Row]) -> None:
    rows = list(csv.DictReader(io.StringIO((await download(person, "csv")).text)))
    assert (rows[0]["Description"], rows[0]["Balance"]) == ("Opening balance", "1000000.00")
    assert (rows[-1]["Description"], rows[-1]["Balance"]) == ("Closing balance", "1000870.50")
    booked = rows[1:-1]
    changes = [Decimal(row["Credit"] or 0) - Decimal(row["Debit"] or 0) for row in booked]
    assert [(change, row["Reference"]) for change, row in zip(changes, booked, strict=True)] == busy_day
    assert booked[-1]["Balance"] == rows[-1]["Balance"]
    assert {row["Date"] for row in rows} == {"2027-01-15"}


async def test_the_mt940_is_read_by_an_independent_reader(person: httpx.AsyncClient, busy_day: list[Row]) -> None:
    found = mt940.parse((await download(person, "mt940")).text)
    opening, closing = found.data["final_opening_balance"].amount, found.data["final_closing_balance"].amount
    assert (opening.amount, opening.currency) == (Decimal("1000000.00"), "INR")
    assert closing.amount == Decimal("1000870.50")
    assert [(t.data["amount"].amount, t.data["customer_reference"]) for t in found] == busy_day
    assert {str(t.data["date"]) for t in found} == {"2027-01-15"}
    assert "NEFT CR RAZORPAY SOFTWARE PVT LTD" in found[0].data["transaction_details"]


async def test_the_camt053_adds_up(person: httpx.AsyncClient, busy_day: list[Row]) -> None:
    root = ElementTree.fromstring((await download(person, "camt053")).content)

    def amount(node: Any) -> Decimal:
        found = node.find("c:Amt", CAMT)
        assert found.get("Ccy") == "INR"
        sign = -1 if node.findtext("c:CdtDbtInd", None, CAMT) == "DBIT" else 1
        return sign * Decimal(found.text)

    balances = {b.findtext("c:Tp/c:CdOrPrtry/c:Cd", None, CAMT): amount(b) for b in root.iterfind(".//c:Bal", CAMT)}
    entries = list(root.iterfind(".//c:Ntry", CAMT))
    booked = [(amount(entry), entry.findtext("c:AcctSvcrRef", None, CAMT)) for entry in entries]
    assert booked == busy_day
    assert balances == {"OPBD": Decimal("1000000.00"), "CLBD": Decimal("1000870.50")}
    assert [entry.findtext("c:RvslInd", None, CAMT) for entry in entries] == [None] * 5 + ["true"] * 2
    assert {entry.findtext("c:BookgDt/c:Dt", None, CAMT) for entry in entries} == {"2027-01-15"}


async def test_a_day_opens_with_what_the_last_one_closed_with(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, clock: ManualClock, busy_day: list[Row]
) -> None:
    clock.advance(2 * 86_400)
    await paid(razorpay, person)
    await settle(person)
    days = [(await person.get("/_sandbox/bank", params={"date": f"2027-01-{n}"})).json() for n in (14, 15, 16, 17)]
    balances = [(day["opening"], day["closing"], len(day["items"])) for day in days]
    assert balances == [
        (100_000_000, 100_000_000, 0),
        (100_000_000, 100_087_050, 7),
        (100_087_050, 100_087_050, 0),
        (100_087_050, 100_096_814, 1),
    ]
    empty = mt940.parse((await download(person, "mt940", "2027-01-16")).text)
    assert empty.data["final_closing_balance"].amount.amount == Decimal("1000870.50")


async def test_the_owners_own_transfers_are_booked_too(
    razorpay: httpx.AsyncClient, person: httpx.AsyncClient, settings: SandboxSettings
) -> None:
    await person.put("/_sandbox/razorpay/balance", params={"amount": 500})
    await person.put("/_sandbox/razorpay/balance", params={"amount": 2_000})
    await person.put("/_sandbox/razorpay/balance", params={"amount": 2_000})
    items = await statement(razorpay, settings)
    assert [(t["credit"], t["debit"], t["balance"]) for t in items] == [(1_500, 0, 2_000), (0, 99_999_500, 500)]


async def test_a_format_or_day_that_is_none_is_refused(person: httpx.AsyncClient) -> None:
    for query in ({"format": "pdf"}, {"date": "2027-02-30"}):
        assert (await person.get("/_sandbox/bank/statement", params=query)).status_code == 422


def test_mt940_holds_its_lines_to_65_letters_and_its_references_to_16() -> None:
    entry = Entry("txn_1", -123, "R" * 40, "pout-AB " * 30, -123, "TRF")
    day = datetime(2027, 1, 15, tzinfo=UTC).date()
    lines = as_mt940(Statement("2323230041626905", "INR", day, 0, (entry,))).decode().splitlines()
    assert max(map(len, lines)) <= 65
    assert [line for line in lines if line.startswith("-")] == ["-"]
    assert ":62F:D270115INR1,23" in lines
    assert ":61:2701150115D1,23NTRF" + "R" * 16 in lines
