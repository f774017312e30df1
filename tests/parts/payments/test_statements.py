"""Statements of our bank: read exactly or not at all, stored once, and booked line by line."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pytest
from sqlalchemy import text

from tests.parts.payments.test_attention import counted
from tests.parts.payments.test_reconciliation import DAY, a_day, aged, distort, exceptions, reconcile
from tests.parts.payments.till import Till, new_person
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.errors import PayloadTooLarge
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import TransferFacts, Vpa
from tillhouse.parts.payments.domain.statements import BadStatement, CsvColumns, Form, read_statements
from tillhouse.parts.payments.flows import reconciliation as flow
from tillhouse.parts.payments.service.reconciliation.bank import ReadElsewhere
from tillhouse.sandbox.bank.statements import FORMS, Entry
from tillhouse.sandbox.bank.statements import Statement as Played

EVERY_FORM: tuple[Form, ...] = ("camt053", "mt940", "csv")
ACCOUNT = "2323230041626905"
ENTRIES = (
    Entry("e1", 9_764_00, "1772444415abcdef", "RAZORPAY SETTLEMENT", 0, "TRF"),
    Entry("e2", -50_00, "123456789012", "PAYOUT ASHA RAO-KUMAR " + "long words " * 12, 0, "TRF"),
    Entry("e3", -50_00, "123456789012", "the same again", 0, "TRF"),
    Entry("e4", -2_36, "123456789012", "PAYOUT FEE INCL GST", 0, "CHG"),
    Entry("e5", 50_00, "123456789099", "RETURNED", 0, "TRF", is_return=True),
)


def played(*entries: Entry, day: date = DAY, opening: int = 1_000_00) -> Played:
    """A day of the bank, with the running balances that its CSV tells."""
    balance, rows = opening, []
    for entry in entries:
        balance += entry.change
        rows.append(Entry(entry.id, entry.change, entry.reference, entry.text, balance, entry.code, entry.is_return))
    return Played(ACCOUNT, "INR", day, opening, tuple(rows))


def read(content: bytes, form: Form | None = None, *columns: str) -> Any:
    (found,) = read_statements(content, form, columns=CsvColumns.declared(columns), account=ACCOUNT)
    return found


async def hand_in(till: Till, content: bytes, form: Form | None = None) -> api.Imported:
    (found,) = await api.import_statement(till.house, api.StatementFile(content, form, ACCOUNT), by=SYSTEM)
    return found


async def bank_says(till: Till, form: Form = "camt053", day: date = DAY) -> bytes:
    response = await till.outside("GET", f"/_sandbox/bank/statement?format={form}&date={day}")
    assert response.status_code == 200
    return response.content


async def stored(till: Till) -> list[tuple[Any, ...]]:
    async with till.house.database.reading() as session:
        query = "SELECT account, day, reference, amount, sequence FROM payments.bank_lines ORDER BY id"
        return [tuple(row) for row in await session.execute(text(query))]


# --- reading --------------------------------------------------------------------------------------------------------


def test_the_same_day_is_the_same_in_every_format() -> None:
    found = [read(FORMS[form].write(played(*ENTRIES))) for form in EVERY_FORM]
    assert found[0] == found[1] == found[2]
    assert [line.change.minor for line in found[0].lines] == [entry.change for entry in ENTRIES]
    assert [line.sequence for line in found[0].lines] == [1, 1, 2, 1, 1]
    assert (found[0].opening, found[0].closing) == (Money(1_000_00, "INR"), Money(10_711_64_00 // 100, "INR"))


@pytest.mark.parametrize("version", ["02", "04", "06", "08", "13"])
def test_versions_of_camt_differ_by_their_namespace_and_where_they_say_booked(version: str) -> None:
    content = FORMS["camt053"].write(played(*ENTRIES)).decode().replace("camt.053.001.02", f"camt.053.001.{version}")
    if version >= "08":
        content = content.replace("<Sts>BOOK</Sts>", "<Sts><Cd>BOOK</Cd></Sts>")
    assert len(read(content.encode()).lines) == len(ENTRIES)


@pytest.mark.parametrize(("said", "reference"), [("", "BANK1"), ("NONREF", "BANK1"), ("CUST1", "CUST1")])
def test_a_line_of_mt940_goes_by_the_customers_reference_or_where_there_is_none_by_the_banks(
    said: str, reference: str
) -> None:
    lines = (
        ":20:X", f":25:{ACCOUNT}", ":28C:1/1", ":60F:C260302INR1000,00", f":61:2603020302C100,00NTRF{said}//BANK1",
        ":86:TEXT", ":62F:C260302INR1100,00",
    )  # fmt: skip
    assert [line.reference for line in read("\n".join(lines).encode(), "mt940").lines] == [reference]


def test_what_is_pending_is_not_in_the_bank_yet() -> None:
    content = FORMS["camt053"].write(played(ENTRIES[0])).decode()
    pending = content.replace("BOOK", "PDNG").replace("10764.00", "1000.00")
    assert read(pending.encode()).lines == ()


def test_a_table_of_another_bank_is_read_by_its_declared_columns() -> None:
    table = "Txn Date;UTR;Betrag;Saldo\n02/03/2026;U1;1.23.456,50;1.23.556,50\n03/03/2026;U2;-56,50;1.23.500,00\n"
    declared = (
        "date=Txn Date", "reference=UTR", "amount=Betrag", "balance=Saldo", "currency=", "text=",
        "date_format=%d/%m/%Y", "delimiter=;", "decimal=,",
    )  # fmt: skip
    columns = CsvColumns.declared(declared)
    (found,) = read_statements(table.encode(), "csv", columns=columns, account=ACCOUNT, currency="INR")
    assert [str(line.change) for line in found.lines] == ["123456.50", "-56.50"]
    assert (str(found.opening), str(found.closing)) == ("100.00", "123500.00")
    assert (found.first_day, found.last_day) == (DAY, DAY + timedelta(days=1))


BOMB = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">&b;</Document>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">&x;</Document>"""
CAMT, MT, TABLE = (FORMS[form].write(played(*ENTRIES)) for form in EVERY_FORM)
REFUSED = {
    "an entity bomb": BOMB,
    "an external entity": OUTSIDE,
    "xml that is cut off": CAMT[:-200],
    "xml of something else": b"<html></html>",
    "a version from the future": CAMT.replace(b"camt.053.001.02", b"camt.053.001.99"),
    "another message": CAMT.replace(b"camt.053", b"camt.052"),
    "an unknown encoding": CAMT.replace(b"UTF-8", b"x-no-such"),
    "bytes that are not its encoding": CAMT.replace(b"RAZORPAY", b"RAZ\xff\xfeRPAY"),
    "no currency": CAMT.replace(b' Ccy="INR"', b""),
    "two currencies": CAMT.replace(b'Ccy="INR">50.00', b'Ccy="USD">50.00', 1),
    "an amount below zero": CAMT.replace(b">50.00<", b">-50.00<", 1),
    "an amount with an exponent": CAMT.replace(b">50.00<", b">5e1<", 1),
    "an amount that is no number": CAMT.replace(b">50.00<", b">NaN<", 1),
    "an amount that nobody can count": CAMT.replace(b">50.00<", b">999999999999999999.00<", 1),
    "more digits than the currency has": CAMT.replace(b">50.00<", b">50.001<", 1),
    "no direction": CAMT.replace(b"<CdtDbtInd>DBIT</CdtDbtInd>", b"", 1),
    "a day that is none": CAMT.replace(b"2026-03-02</Dt>", b"2026-13-02</Dt>", 1),
    "lines that do not add up": CAMT.replace(b">50.00<", b">50.01<", 1),
    "mt940 without a closing balance": MT[: MT.index(b":62F:")],
    "mt940 with a day that is none": MT.replace(b":60F:C260302", b":60F:C261302"),
    "mt940 that does not add up": MT.replace(b"D50,00", b"D50,01", 1),
    "mt940 with an absurd amount": MT.replace(b"D50,00", b"D" + b"9" * 60 + b",00", 1),
    "mt940 in utf-16": MT.decode().encode("utf-16"),
    "a table in utf-16": TABLE.decode().encode("utf-16"),
    "a table without its columns": TABLE.replace(b"Reference", b"Whatever"),
    "a table whose balances jump": TABLE.replace(b",50.00,,", b",51.00,,", 1),
    "a table with a decimal comma": TABLE.replace(b",50.00,,", b',"50,00",,', 1),
    "an empty file": b"",
    "a program": b"\x7fELF\x02\x01\x01\x00" + bytes(64),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_a_file_that_is_not_exactly_a_statement_is_refused_whole(what: str) -> None:
    with pytest.raises(BadStatement) as refused:
        read(REFUSED[what])
    assert str(refused.value).endswith((".", "read exactly", "lines")) or ":" in str(refused.value)


async def test_nothing_of_a_refused_file_is_stored(till: Till) -> None:
    for content in REFUSED.values():
        with pytest.raises(BadStatement):
            await hand_in(till, content)
    till.change_settings(statement_max_bytes=100)
    with pytest.raises(PayloadTooLarge):
        await hand_in(till, CAMT)
    assert await stored(till) == []
    assert await exceptions(till) == []


# --- storing --------------------------------------------------------------------------------------------------------


async def test_the_same_day_in_another_format_or_at_the_same_time_adds_nothing(till: Till) -> None:
    files = [FORMS[form].write(played(*ENTRIES)) for form in EVERY_FORM]
    found = await asyncio.gather(*(hand_in(till, content) for content in files))
    assert sorted(one.added for one in found) == [0, 0, 5]
    assert sorted(one.known for one in found) == [0, 5, 5]
    assert len(await stored(till)) == 5
    assert await till.house_balance("bank") == "9711.64"


async def test_files_that_overlap_add_what_is_new(till: Till) -> None:
    monday = played(*ENTRIES[:2])
    tuesday = played(*ENTRIES[3:], day=DAY + timedelta(days=1), opening=monday.closing)
    header, *rows = FORMS["csv"].write(monday).decode().splitlines()
    both = "\n".join([header, *rows[:-1], *FORMS["csv"].write(tuesday).decode().splitlines()[2:]])
    assert (await hand_in(till, FORMS["csv"].write(monday))).added == 2
    week = await hand_in(till, both.encode())
    assert (week.added, week.known, week.changed) == (2, 2, 0)
    assert (await hand_in(till, FORMS["mt940"].write(tuesday))).added == 0
    assert [one.reason for one in await exceptions(till, kind="statement")] == []


async def test_a_gap_between_balances_is_an_exception_until_it_is_filled(till: Till) -> None:
    monday = played(ENTRIES[0])
    tuesday = played(ENTRIES[1], day=DAY + timedelta(days=1), opening=monday.closing)
    wednesday = played(ENTRIES[4], day=DAY + timedelta(days=2), opening=tuesday.closing)
    await hand_in(till, FORMS["mt940"].write(monday))
    await hand_in(till, FORMS["mt940"].write(wednesday))
    (gap,) = await exceptions(till, kind="statement")
    assert (gap.reason, str(gap.amount), gap.state) == ("balance_gap", "-50.00", "open")
    await hand_in(till, FORMS["mt940"].write(tuesday))
    assert await exceptions(till, kind="statement", state="open") == []


async def test_a_closed_day_that_says_something_else_is_an_exception_and_adds_nothing(till: Till) -> None:
    till.at.advance(timedelta(days=1))
    await hand_in(till, FORMS["camt053"].write(played(*ENTRIES[:2])))
    before = await stored(till)
    changed = played(ENTRIES[0], Entry("e2", -60_00, "123456789012", "PAYOUT", 0, "TRF"))
    found = await hand_in(till, FORMS["camt053"].write(changed))
    assert (found.added, found.changed) == (0, 1)
    assert await stored(till) == before
    (named,) = await exceptions(till, kind="statement")
    assert named.reason == "statement_changed"
    assert (named.details["added"], named.details["gone"]) == (["-6000 123456789012"], ["-5000 123456789012"])


async def test_a_table_without_balances_that_has_less_of_a_closed_day_contradicts_nothing(till: Till) -> None:
    till.at.advance(timedelta(days=1))
    await hand_in(till, FORMS["camt053"].write(played(*ENTRIES[:2])))
    part = "Date,Description,Reference,Debit,Credit,Currency\n2026-03-02,PAYOUT,123456789012,50.00,,INR\n"
    found = await hand_in(till, part.encode(), "csv")
    assert (found.added, found.known, found.changed) == (0, 1, 0)
    assert await exceptions(till, kind="statement") == []


async def test_a_day_that_still_runs_may_grow(till: Till) -> None:
    noon = FORMS["csv"].write(played(*ENTRIES[:2]))
    assert (await hand_in(till, noon)).added == 2
    till.at.advance(timedelta(days=1))
    evening = await hand_in(till, FORMS["mt940"].write(played(*ENTRIES)))
    assert (evening.added, evening.known, evening.changed) == (3, 2, 0)
    again = await hand_in(till, noon)
    assert (again.added, again.changed) == (0, 0)
    assert await exceptions(till, kind="statement") == []


# --- booking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", EVERY_FORM)
async def test_a_settlement_that_arrives_ends_what_was_on_its_way(till: Till, form: Form) -> None:
    await a_day(till, "100.00", "250.00")
    await reconcile(till)
    found = await hand_in(till, await bank_says(till, form), form)
    assert (found.added, found.matched) == (1, 1)
    assert await till.house_balance("settling:razorpay") == "0.00"
    (day,) = await reconcile(till)
    assert day.agrees
    assert day.reported == day.booked == day.banked
    assert await till.house_balance("bank") == str(day.banked)
    assert (await aged(till, "settling:razorpay")).items == ()


async def test_money_that_arrives_before_its_report_waits_in_suspense_for_it(till: Till) -> None:
    await a_day(till, "100.00")
    before = counted("bank_lines", {"result": "unknown"})
    await hand_in(till, await bank_says(till))
    assert counted("bank_lines", {"result": "unknown"}) == before + 1
    (named,) = await exceptions(till)
    assert (named.kind, named.reason, named.state) == ("bank", "bank_unknown", "open")
    assert await till.house_balance("suspense:bank") == await till.house_balance("bank")
    await reconcile(till)
    assert await till.house_balance("suspense:bank") == "0.00"
    assert await till.house_balance("settling:razorpay") == "0.00"
    assert [one.state for one in await exceptions(till)] == ["resolved"]


async def test_of_two_equal_lines_that_waited_for_one_settlement_one_is_matched(till: Till) -> None:
    settlement = await a_day(till, "100.00")
    amount = int(settlement["amount"])
    twice = [Entry(name, amount, settlement["utr"], "RAZORPAY SETTLEMENT", 0, "TRF") for name in ("e1", "e2")]
    await hand_in(till, FORMS["camt053"].write(played(*twice)))
    assert len((await aged(till, "suspense:bank")).items) == 2
    await reconcile(till)
    assert await till.house_balance("settling:razorpay") == "0.00"
    assert [item.amount.minor for item in (await aged(till, "suspense:bank")).items] == [amount]
    assert [one.reason for one in await exceptions(till, state="open")] == ["bank_duplicate"]


@pytest.mark.parametrize("kind", ["amount", "missing", "extra", "duplicate", "currency"])
async def test_a_settlement_that_arrives_with_another_amount_matches_nothing(till: Till, kind: str) -> None:
    settlement = await a_day(till, "100.00", "250.00")
    await distort(till, settlement, kind)
    await reconcile(till)
    on_its_way = await till.house_balance("settling:razorpay")
    found = await hand_in(till, await bank_says(till))
    assert (found.added, found.matched) == (1, 0)
    assert await till.house_balance("settling:razorpay") == on_its_way
    assert "bank_amount" in [one.reason for one in await exceptions(till)]
    async with till.house.database.reading() as session:
        days = await api.day_statement(session, "razorpay", DAY)
    assert not all(day.agrees for day in days)
    assert all(not day.unexplained for day in days)
    for day in days:
        explained = sum((line.amount for line in day.not_banked), day.banked)
        assert explained == day.reported


async def test_payouts_that_left_the_bank_end_with_their_fees(till: Till) -> None:
    person = new_person()
    await till.deposit(person, "500.00")
    payout = await till.withdraw(person, "100.00")
    await till.pass_time(timedelta(minutes=4))
    assert (await till.see_payout(payout)).utr
    assert await till.house_balance("payouts:razorpayx") == "100.00"
    found = await hand_in(till, await bank_says(till))
    assert found.added == found.matched >= 1
    assert await till.house_balance("payouts:razorpayx") == "0.00"
    assert await exceptions(till) == []


async def test_what_nobody_expected_is_in_suspense(till: Till) -> None:
    await hand_in(till, FORMS["mt940"].write(played(ENTRIES[0], ENTRIES[3])))
    assert await till.house_balance("suspense:bank") == "9761.64"
    assert {one.reason for one in await exceptions(till)} == {"bank_unknown"}
    items = (await aged(till, "suspense:bank")).items
    assert {item.item for item in items} == {one.subject for one in await exceptions(till)}


async def test_a_payout_that_the_bank_sends_back_leaves_nothing_open(till: Till) -> None:
    person = new_person()
    await till.deposit(person, "500.00")
    await till.withdraw(person, "100.00", to=Vpa("reversed@razorpay"))
    await till.pass_time(timedelta(minutes=4))
    await till.pass_time(timedelta(minutes=12))
    assert await till.wallet(person) == "500.00"
    found = await hand_in(till, await bank_says(till))
    assert found.added == found.matched >= 2
    assert await till.house_balance("payouts:razorpayx") == "0.00"
    assert (await aged(till, "payouts:razorpayx")).items == ()
    assert await exceptions(till) == []


class Told:
    """A provider that sees our bank account: what it tells, and after which transfer it was asked."""

    def __init__(self) -> None:
        self.transfers: list[TransferFacts] = []
        self.asked: list[str | None] = []

    async def fetch_transfer(self, transfer_id: str) -> TransferFacts:
        return next(one for one in self.transfers if one.transfer_id == transfer_id)

    async def transfers_since(self, transfer_id: str | None) -> list[TransferFacts]:
        self.asked.append(transfer_id)
        return [one for one in self.transfers if transfer_id is None or int(one.transfer_id) > int(transfer_id)]


def transfer(number: int, amount: int, direction: Literal["in", "out"] = "in") -> TransferFacts:
    return TransferFacts(
        provider="sepay", transfer_id=str(number), account="0071000888888", amount=Money(amount, "VND"),
        direction=direction, content="TLH7Q", code=None, at=datetime(2026, 3, 2, 9, tzinfo=UTC), bank_reference="FT1",
    )  # fmt: skip


async def test_transfers_that_a_provider_saw_are_lines_of_the_bank_once_even_if_they_are_equal(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    monkeypatch.setattr(flow, "transfer_sources", lambda _house: {"sepay": told})
    told.transfers = [transfer(1, 50_000), transfer(2, 50_000), transfer(3, 20_000, "out")]
    for _ in range(2):
        await flow.import_transfers(till.house, "sepay")
    told.transfers.append(transfer(4, 50_000))
    await flow.import_transfers(till.house, "sepay")
    assert told.asked == [None, "3", "3"]
    assert {row[3:] for row in await stored(till)} == {(50_000, 1), (50_000, 2), (-20_000, 1), (50_000, 3)}
    async with till.house.database.reading() as session:
        bank = await ledger.balance(session, ledger.house_account("bank", "VND"))
    assert bank.posted == Money(130_000, "VND")
    assert {one.reason for one in await exceptions(till)} == {"bank_unknown"}


async def test_an_account_is_read_from_files_or_by_a_provider_never_by_both(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    monkeypatch.setattr(flow, "transfer_sources", lambda _house: {"sepay": told})
    told.transfers = [transfer(1, 50_000)]
    await flow.import_transfers(till.house, "sepay")
    table = b"Date,Reference,Text,Amount,Balance\n2026-03-02,FT1,TLH7Q,50000,50000\n"
    columns = ("date=Date", "reference=Reference", "text=Text", "amount=Amount", "balance=Balance")
    file = api.StatementFile(table, "csv", "0071000888888", "VND", columns)
    with pytest.raises(ReadElsewhere, match="come from sepay"):
        await api.import_statement(till.house, file, by=SYSTEM)
    assert len(await stored(till)) == 1
    await api.import_statement(till.house, replace(file, account="0071000999999"), by=SYSTEM)
    told.transfers.append(replace(transfer(2, 70_000), account="0071000999999"))
    for _ in range(2):
        await flow.import_transfers(till.house, "sepay")
    assert len(await stored(till)) == 2
    (named,) = await exceptions(till, kind="statement")
    assert (named.subject, named.reason) == ("account:0071000999999", "read_elsewhere")
