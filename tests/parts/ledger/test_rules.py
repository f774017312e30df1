"""The rules of the books that need no database, each at its edges."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from tillhouse.kernel.db import JsonValue
from tillhouse.kernel.errors import DomainError, InvalidInput
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.parts.ledger.domain import (
    AccountKind,
    AccountNotAllowed,
    AccountRef,
    BadPosting,
    Balance,
    BulkRefused,
    CarriesLots,
    Chart,
    InsufficientFunds,
    Posting,
    Transaction,
    TransactionKind,
    UnknownAccount,
    UnknownKind,
    book_accounts,
    check_posting,
    credit,
    debit,
    first_number_at,
    hold_hash,
    house_account,
    key_faults,
    last_number_at,
    metadata_faults,
    recorded_at_of,
)
from tillhouse.parts.ledger.domain.exchange import Rate, Rounding, valued
from tillhouse.parts.ledger.domain.exporting import (
    as_csv,
    as_hledger,
    as_json_line,
    csv_header,
    hledger_account,
    hledger_account_declaration,
    hledger_header,
    hledger_unit_declaration,
)
from tillhouse.parts.ledger.domain.lists import Account
from tillhouse.parts.ledger.domain.lots import Lot, LotSource, Part, RefundTooLarge, issued, spendable, summarise, take
from tillhouse.parts.ledger.domain.openings import OpeningLine, read_openings
from tillhouse.parts.ledger.domain.reports import ReportLine, balance_sheets, income_statements, trial_balances

ASHA = UUID(int=7)
WALLET = AccountRef("person", ASHA, "wallet", "INR")
POINTS = AccountRef("person", ASHA, "points", "INR")
BANK = house_account("bank", "INR")
DOLLARS = house_account("bank", "USD")
NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
DAY = timedelta(days=1)
CHART = Chart(
    [
        AccountKind(owner_kind="house", code="bank", type="asset", title="Bank", floor=0),
        AccountKind(owner_kind="house", code="opening", type="equity", title="Opening"),
        AccountKind(owner_kind="house", code="clearing:*", type="asset", title="Clearing", floor=-500),
        AccountKind(owner_kind="person", code="wallet", type="liability", title="Wallet", floor=0),
        AccountKind(owner_kind="person", code="points", type="liability", title="Points", floor=0, lots=True),
    ],
    [
        TransactionKind(name="shop.move", title="Moved", legs=("house/bank", "person/*")),
        TransactionKind(name="shop.fee", title="Fee", legs=("house/*",)),
    ],
)


def inr(minor: int) -> Money:
    return Money(minor, "INR")


def posting(**changed: Any) -> Posting:
    given = {"key": "k", "kind": "shop.move", "legs": (debit(BANK, inr(100)), credit(WALLET, inr(100))), **changed}
    return Posting(**given)


# --- accounts and kinds ---------------------------------------------------------------------------------------------


def test_an_account_is_written_with_its_owner_its_code_and_its_unit() -> None:
    assert str(WALLET) == f"person:{ASHA}/wallet/INR"
    assert (str(BANK), BANK.path, BANK.owner_id) == ("house/bank/INR", "house/bank", None)


def test_an_account_with_lots_is_a_liability_that_does_not_go_below_zero() -> None:
    kind = AccountKind(owner_kind="person", code="points", type="liability", title="Points", floor=0, lots=True)
    assert (kind.pattern, kind.sign) == ("person/points", -1)
    for type_, floor in (("asset", 0), ("liability", None), ("liability", 1)):
        with pytest.raises(ValueError, match="person/points: an account with lots"):
            AccountKind(owner_kind="person", code="points", type=type_, title="", floor=floor, lots=True)  # type: ignore[arg-type]


def test_what_is_available_is_what_is_posted_less_what_is_held() -> None:
    assert Balance(account=WALLET, posted=inr(100), held=inr(30)).available == inr(70)
    account = Account(
        id=1, ref=WALLET, type="liability", title=None, number=None, lots=False, posted=inr(100), held=inr(30),
        floor=None, entries=1, opened_at=NOW, closed=False,
    )  # fmt: skip
    assert account.available == inr(70)


@pytest.mark.parametrize(
    ("wish", "lots_of", "refusal", "said"),
    [
        ({}, None, None, {}),
        ({"kind": "shop.none"}, None, UnknownKind, {"kind": "shop.none"}),
        ({"kind": "shop.fee"}, None, AccountNotAllowed, {"kind": "shop.fee", "account": "person/wallet"}),
        ({"legs": (debit(house_account("till", "INR"), inr(1)), credit(WALLET, inr(1)))}, None, UnknownAccount,
         {"account": "house/till"}),
        ({"legs": (debit(AccountRef("house", ASHA, "bank", "INR"), inr(1)), credit(WALLET, inr(1)))}, None,
         UnknownAccount, {"account": "house/bank"}),
        ({"legs": (debit(BANK, inr(1)), credit(AccountRef("person", None, "wallet", "INR"), inr(1)))}, None,
         UnknownAccount, {"account": "person/wallet"}),
        ({"legs": (debit(BANK, inr(1)), credit(POINTS, inr(1)))}, None, CarriesLots, {"account": "person/points"}),
        ({"legs": (debit(BANK, inr(1)), credit(POINTS, inr(1)))}, POINTS, None, {}),
        ({"legs": (debit(BANK, inr(1)), credit(POINTS, inr(1)))}, WALLET, CarriesLots, {"account": "person/points"}),
        ({"legs": ()}, None, BadPosting, {}),
    ],
)  # fmt: skip
def test_a_posting_is_of_a_kind_and_touches_what_that_kind_may(
    wish: dict[str, Any], lots_of: AccountRef | None, refusal: type[DomainError] | None, said: dict[str, str]
) -> None:
    chart = Chart(CHART.accounts, CHART.transaction_kinds)
    if refusal is None:
        chart.check(posting(**wish), lots_of=lots_of)
        return
    with pytest.raises(refusal) as refused:
        chart.check(posting(**wish), lots_of=lots_of)
    assert refused.value.fields == said


def test_the_kinds_of_a_house_are_known_by_name() -> None:
    assert [kind.name for kind in CHART.transaction_kinds] == ["shop.move", "shop.fee"]
    with pytest.raises(UnknownKind):
        CHART.transaction_kind("shop")
    assert CHART.kind_at("house/clearing:omise") == CHART.kind_at("house/clearing:")
    assert CHART.kind_at("house/clearing") is None


def test_a_refusal_says_what_there_is_and_what_was_needed() -> None:
    short = InsufficientFunds(WALLET, inr(250), inr(1_000))
    assert str(short) == "There is not enough money: 10.00 INR is needed, 2.50 INR is available."
    assert (short.account, short.available, short.needed) == (WALLET, inr(250), inr(1_000))
    bulk = BulkRefused({3: short})
    assert str(bulk) == "None of these transactions was written, because 1 of them cannot be."
    assert [(one.pointer, one.code, one.message) for one in bulk.errors] == [
        ("/3", "insufficient_funds", short.message)
    ]
    assert bulk.refusals == {3: short}
    much = RefundTooLarge(inr(100), inr(300))
    assert str(much).startswith("Of this spend 1.00 INR can still be given back, not 3.00 INR.")
    assert much.refundable == inr(100)


@pytest.mark.parametrize("metadata", [{}, {"a": 1}])
@pytest.mark.parametrize(
    ("changed", "faults"),
    [
        ({}, []),
        ({"key": "k" * 200}, []),
        ({"key": "k" * 201}, [("/key", "bad_key")]),
        ({"key": ""}, [("/key", "bad_key")]),
        ({"key": "a\nb"}, [("/key", "bad_key")]),
        ({"legs": ()}, [("/legs", "leg_count")]),
        ({"legs": (debit(BANK, inr(1)),)}, [("/legs", "leg_count"), ("/legs", "unbalanced")]),
        ({"legs": (debit(BANK, inr(0)), credit(WALLET, inr(0)))},
         [("/legs/0", "bad_amount"), ("/legs/1", "bad_amount")]),
        ({"legs": (debit(BANK, inr(MAX_MINOR)), credit(WALLET, inr(MAX_MINOR)))}, []),
        ({"legs": (debit(BANK, inr(MAX_MINOR + 1)), credit(WALLET, inr(MAX_MINOR + 1)))},
         [("/legs/0", "bad_amount"), ("/legs/1", "bad_amount")]),
        ({"legs": (debit(BANK, inr(2)), credit(WALLET, inr(1)))}, [("/legs", "unbalanced")]),
        ({"legs": (debit(BANK, inr(2)), credit(BANK, inr(2)))},
         [("/legs/0", "account_twice"), ("/legs/1", "account_twice")]),
        ({"legs": (debit(BANK, Money(2, "USD")), credit(WALLET, Money(2, "USD")))},
         [("/legs/0", "wrong_unit"), ("/legs/1", "wrong_unit")]),
        ({"legs": (debit(BANK, inr(2)), credit(WALLET, Money(2, "USD")))},
         [("/legs/1", "wrong_unit"), ("/legs", "unbalanced")]),
        ({"legs": (debit(BANK, Money(2, "USD")), credit(DOLLARS, Money(2, "USD")))}, [("/legs/0", "wrong_unit")]),
        ({"legs": (debit(BANK, inr(2)), credit(DOLLARS, inr(2)))}, [("/legs/1", "wrong_unit")]),
        ({"legs": (debit(BANK, inr(2)), credit(DOLLARS, Money(2, "USD")))}, [("/legs", "unbalanced")]),
        ({"legs": (debit(BANK, inr(2)), debit(WALLET, inr(2)))}, [("/legs", "unbalanced")]),
        ({"legs": (debit(BANK, inr(2)), credit(BANK, inr(1)), credit(WALLET, inr(1)))},
         [("/legs/0", "account_twice"), ("/legs/1", "account_twice")]),
        ({"legs": (debit(BANK, inr(2)), credit(WALLET, inr(1)), credit(POINTS, inr(1)))}, []),
        ({"effective_at": NOW}, []),
        ({"effective_at": NOW.replace(tzinfo=None)}, [("/effective_at", "naive")]),
        ({"legs": tuple(debit(house_account(f"bank:{n}", "INR"), inr(-99 if n else 99 * 99)) for n in range(100))}, []),
        ({"legs": tuple(debit(house_account(f"bank:{n}", "INR"), inr(-1 if n else 100)) for n in range(101))},
         [("/legs", "leg_count")]),
    ],
)  # fmt: skip
def test_every_fault_of_a_posting_is_named(
    metadata: dict[str, int], changed: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    wish = posting(**changed, metadata=metadata)
    if not faults:
        check_posting(wish)
        return
    with pytest.raises(BadPosting) as refused:
        check_posting(wish)
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == faults
    assert refused.value.message == refused.value.errors[0].message


def test_keys_and_metadata_are_what_can_be_stored() -> None:
    assert [code for _, code, _ in key_faults("\u200b")] == ["bad_key"]
    longest = {"a": "x" * 3_991}  # with its quotes, colon and braces: 4,000
    assert list(metadata_faults(longest)) == []
    assert [one[:2] for one in metadata_faults({"a": "x" * 3_992})] == [("/metadata", "too_large")]
    assert [one[:2] for one in metadata_faults({"a": "\0"})] == [("/metadata", "bad_text")]
    assert [one[:2] for one in metadata_faults({"a": "\ud800"})] == [("/metadata", "bad_text")]
    assert list(metadata_faults({"a": "\\u0000", "b": "₹"})) == []
    for number in (math.nan, math.inf, -math.inf):
        assert [one[:2] for one in metadata_faults({"a": [{"b": number}]})] == [("/metadata", "bad_number")]
    assert list(metadata_faults({"a": 10**3_900, "b": 1e308})) == []
    deep: JsonValue = 1
    for _ in range(1_900):
        deep = [deep]
    assert [one[:2] for one in metadata_faults({"a": deep})] == [("/metadata", "too_deep")]
    assert list(metadata_faults({})) == []
    with pytest.raises(BadPosting) as refused:
        check_posting(posting(metadata={"a": "\0"}))
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("/metadata", "bad_text")]


def test_numbers_follow_recorded_time() -> None:
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    second = begin + timedelta(microseconds=2)
    assert (first_number_at(second), last_number_at(second)) == (2 << 12, (3 << 12) - 1)
    assert recorded_at_of(last_number_at(second)) == second
    assert first_number_at(begin - DAY) == last_number_at(begin - DAY) == 0
    assert last_number_at(None) == last_number_at(datetime.max.replace(tzinfo=UTC)) == 2**63 - 1
    assert first_number_at(datetime.max.replace(tzinfo=UTC)) == 2**63 - 1


def test_a_hold_without_an_end_is_another_input() -> None:
    assert hold_hash(WALLET, inr(5), None, {}) != hold_hash(WALLET, inr(5), NOW, {})


def test_the_lines_of_an_integrators_chart_are_read_whole() -> None:
    found = list(book_accounts(["customer:*=liability/0", "bank=asset", "loss=expense/-500"]))
    assert [(one.owner_kind, one.code, one.type, one.floor, one.title) for one in found] == [
        ("ledger", "customer:*", "liability", 0, "customer:*"), ("ledger", "bank", "asset", None, "bank"),
        ("ledger", "loss", "expense", -500, "loss"),
    ]  # fmt: skip
    for wrong in ("bank", "bank=cash", "Bank=asset", "bank=asset/x", "=asset"):
        with pytest.raises(ValueError, match="is not code=type or code=type/floor; types: asset, liability"):
            list(book_accounts([wrong]))


# --- lots -----------------------------------------------------------------------------------------------------------


def lot(id_: int, remaining: int, *, ends: datetime | None = None, **changed: Any) -> Lot:
    given: dict[str, Any] = {
        "account": POINTS, "source": "purchased", "granted": inr(100), "reserved": inr(0), "price": inr(1_000),
        "priority": 0, "granted_at": NOW, **changed,
    }  # fmt: skip
    return Lot(id=id_, remaining=inr(remaining), expires_at=ends, **given)


def test_what_is_owed_for_a_lot_falls_to_zero_with_its_last_point_and_is_rounded_up() -> None:
    assert [lot(1, left, price=inr(99)).value for left in (100, 50, 1, 0)] == [inr(99), inr(50), inr(1), inr(0)]
    assert lot(1, 50, price=None).value is None


def test_a_lot_ends_at_its_instant() -> None:
    ends = [NOW - DAY, NOW, NOW + DAY, None]
    assert [lot(1, 1, ends=one).ended(NOW) for one in ends] == [True, True, False, False]


def test_lots_are_spent_by_priority_then_by_end_then_by_age() -> None:
    lots = [
        lot(1, 5, priority=1), lot(5, 5), lot(4, 5), lot(6, 5, ends=NOW + DAY), lot(3, 5, ends=NOW), lot(7, 0),
        lot(8, 5, reserved=inr(5)), lot(9, 5, source="earned"),
    ]  # fmt: skip
    assert [one.id for one in spendable(lots, NOW)] == [6, 4, 5, 9, 1]
    assert [one.id for one in spendable(lots, NOW, ["earned"])] == [9]
    assert spendable(lots, NOW, []) == []


def test_what_is_taken_is_taken_from_the_front_and_all_or_nothing() -> None:
    parts = [Part(1, 5), Part(2, 0), Part(3, 4)]
    assert take(parts, 5) == [Part(1, 5)]
    assert take(parts, 6) == [Part(1, 5), Part(3, 1)]
    assert take(parts, 9) == [Part(1, 5), Part(3, 4)]
    assert take(parts, 10) is None
    assert take(parts, 0) == []


def test_a_summary_tells_what_is_free_by_source_and_what_ends_next() -> None:
    lots = [
        lot(1, 5, ends=NOW + DAY), lot(2, 7, ends=NOW + DAY, reserved=inr(3)), lot(3, 9, ends=NOW + 2 * DAY),
        lot(4, 2, source="earned"), lot(5, 8, ends=NOW), lot(6, 6, ends=NOW + DAY / 2, reserved=inr(6)),
    ]  # fmt: skip
    found = summarise(POINTS, lots, NOW)
    assert found.spendable == {"purchased": inr(18), "earned": inr(2)}
    assert (found.total, found.reserved) == (inr(20), inr(9))
    assert (found.next_expiry, found.expiring) == (NOW + DAY, inr(9))
    never = summarise(POINTS, [lot(4, 2)], NOW)
    assert (never.next_expiry, never.expiring, never.total) == (None, inr(0), inr(2))
    assert summarise(POINTS, [], NOW).total == inr(0)


def test_every_source_has_an_account_that_its_lots_come_from() -> None:
    sources: tuple[LotSource, ...] = ("purchased", "earned", "promotional")
    assert [issued(source) for source in sources] == [f"lots:issued:{source}" for source in sources]


# --- exchange -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cents", "rounding", "paise"),
    [
        (1, "down", 1), (1, "up", 2), (1, "half_up", 2), (1, "half_even", 2), (3, "half_even", 4), (3, "half_up", 5),
        (-1, "down", -1), (-1, "up", -2), (-3, "half_even", -4), (2, "up", 3), (2, "down", 3), (2, "half_up", 3),
        (0, "up", 0),
    ],
)  # fmt: skip
def test_a_rounding_is_what_it_is_called(cents: int, rounding: Rounding, paise: int) -> None:
    assert Rate.parse("1.5", "USD", "INR").convert(Money(cents, "USD"), rounding) == inr(paise)


@pytest.mark.parametrize(
    ("exact", "half_up", "half_even"),
    [("0.4", 0, 0), ("0.5", 1, 0), ("0.6", 1, 1), ("1.4", 1, 1), ("1.5", 2, 2), ("1.6", 2, 2)],
)
def test_only_the_half_is_rounded_differently(exact: str, half_up: int, half_even: int) -> None:
    rate = Rate.parse(exact, "USD", "INR")
    found = [rate.convert(Money(1, "USD"), rounding).minor for rounding in ("half_up", "half_even")]
    assert found == [half_up, half_even]


def test_a_rate_converts_both_ways_between_units_of_any_digits_and_no_third_one() -> None:
    rate = Rate.parse("300.5", "INR", "VND")
    assert rate.convert(inr(200), "down") == Money(601, "VND")
    assert rate.convert(Money(601, "VND"), "down") == inr(200)
    assert (str(rate), rate.metadata) == ("300.5", {"base": "INR", "quote": "VND", "rate": "300.5"})
    assert rate.value == Decimal("300.5") == Fraction(601, 2)
    with pytest.raises(ValueError, match="a rate of INR in VND converts no USD"):
        rate.convert(Money(1, "USD"), "down")
    assert rate.convert_parts([inr(1), inr(2), inr(1)], "down") == [Money(dong, "VND") for dong in (3, 6, 3)]


@pytest.mark.parametrize("wrong", ["0", "0.00", "-1", "1e3", "", "1.", ".5", "1" * 19, "NaN"])
def test_a_rate_is_a_plain_number_above_zero_between_two_units(wrong: str) -> None:
    for said, quote in ((wrong, "INR"), ("1", "USD")):
        with pytest.raises(InvalidInput) as refused:
            Rate.parse(said, "USD", quote)
        assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("/rate", "bad_rate")]


def test_positions_are_worth_what_todays_rates_say_whichever_way_they_are_quoted() -> None:
    rates = [Rate.parse("80", "USD", "INR"), Rate.parse("0.5", "INR", "THB"), Rate.parse("9", "USD", "THB")]
    positions = {"a": inr(5), "b": Money(10, "USD"), "c": Money(-10, "THB"), "d": Money(0, "VND")}
    assert valued(positions, rates, "INR") == inr(5 + 800 - 20)
    with pytest.raises(LookupError, match="no rate between VND and INR"):
        valued({"d": Money(1, "VND")}, rates, "INR")


# --- opening balances -----------------------------------------------------------------------------------------------

HEAD = "owner_kind,owner_id,code,unit,amount,date"
TODAY = date(2026, 4, 2)


def test_an_opening_balance_is_booked_on_its_day_in_the_sign_of_its_account() -> None:
    lines, faults = read_openings(
        [HEAD, "house,,bank,INR,1.50,2026-04-02", f" person , {ASHA} , wallet , INR , 2.50 , 2026-04-01 "], CHART, TODAY
    )
    assert faults == []
    assert lines == [OpeningLine(2, BANK, inr(150), TODAY), OpeningLine(3, WALLET, inr(250), TODAY - DAY)]
    opening = house_account("opening", "INR")
    booked = [line.posting("/tmp/books.csv", CHART) for line in lines]
    assert [one.legs for one in booked] == [
        ((BANK, inr(150)), (opening, inr(-150))), ((WALLET, inr(-250)), (opening, inr(250))),
    ]  # fmt: skip
    assert booked[1] == Posting(
        key="ledger.opening:books.csv:3", kind="ledger.opening", legs=booked[1].legs,
        effective_at=datetime(2026, 4, 1, tzinfo=UTC), metadata={"file": "books.csv", "line": 3},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("house,,bank,INR,1.50,2026-04-01,more", "more fields"),
        ("house,,bank,INR,1.50", "is no date"),
        ("house,,bank,INR,0.00,2026-04-01", "zero is left out"),
        ("house,,bank,INR,-0.01,2026-04-01", "house/bank may not be that low"),
        ("house,,clearing:x,INR,-5.01,2026-04-01", "house/clearing:x may not be that low"),
        ("house,,opening,INR,1.00,2026-04-01", "the other side of every line"),
        (f"person,{ASHA},points,INR,1.00,2026-04-01", "person/points carries lots"),
        ("person,asha,wallet,INR,1.00,2026-04-01", "asha is no id of an owner"),
        ("person,,wallet,INR,1.00,2026-04-01", "no account of the kind person/wallet"),
        ("house,,bank,INR,1.00,1.4.2026", "1.4.2026 is no date"),
        ("house,,bank,INR,1.00,2026-04-03", "2026-04-03 is still to come"),
        ("house,,bank,EUR,1.00,2026-04-01", "EUR is not a currency"),
        ('house,,bank,INR,"1.00,2026-04-01', "This is no CSV: unexpected end of data."),
    ],
)
def test_a_line_that_cannot_be_booked_is_named_with_its_reason(line: str, reason: str) -> None:
    lines, (fault,) = read_openings([HEAD, f"person,{ASHA},wallet,INR,1.00,2026-04-01", line], CHART, TODAY)
    assert (fault.number, len(lines)) == (3, 1)
    assert reason in str(fault.reason)


def test_what_may_go_below_zero_begins_there_too() -> None:
    chart = Chart([*CHART.accounts, AccountKind(owner_kind="house", code="till", type="asset", title="Till")], [])
    rows = [HEAD, "house,,clearing:x,INR,-5.00,2026-04-01", "house,,till,INR,-9.00,2026-04-01"]
    lines, faults = read_openings(rows, chart, TODAY)
    assert (faults, [line.amount for line in lines]) == ([], [inr(-500), inr(-900)])


def test_a_file_has_its_columns_and_names_no_account_twice() -> None:
    for rows, columns in ((["owner_kind,owner_id,code,unit"], "amount, date"), ([], HEAD.replace(",", ", "))):
        nothing, (missing,) = read_openings(rows, CHART, TODAY)
        assert (nothing, missing.number) == ([], 1)
        assert str(missing.reason) == f"The first line names no column {columns}."
    twice = ["house,,bank,INR,1.00,2026-04-01", "house,,bank,INR,x,2026-04-01", "house,,bank,INR,2.00,2026-04-01"]
    lines, faults = read_openings([HEAD, *twice], CHART, TODAY)
    assert [fault.number for fault in faults] == [2, 3, 4]
    assert str(faults[0].reason).startswith("house/bank/INR is named more than once")
    assert len(lines) == 2


# --- reports --------------------------------------------------------------------------------------------------------


def line(number: str | None, type_: Any, total: int, code: str = "a", unit: str = "INR") -> ReportLine:
    return ReportLine(
        number=number, owner_kind="house", code=code, title=None, type=type_, total=Money(total, unit)
    )  # fmt: skip


BOOKS = [
    line(None, "asset", 5, "z"), line("2000", "liability", -70), line("1000", "asset", 100),
    line("3000", "equity", -20), line("4000", "income", -40), line("5000", "expense", 25),
    line(None, "asset", 0, "b"), line("9", "asset", 3, unit="USD"),
]  # fmt: skip


def test_debits_and_credits_of_a_trial_balance_are_equal_and_its_lines_follow_the_chart() -> None:
    rupees, dollars = trial_balances(BOOKS)
    assert (rupees.unit, dollars.unit) == ("INR", "USD")
    assert [one.number or one.path for one in rupees.lines] == [
        "1000", "2000", "3000", "4000", "5000", "house/b", "house/z",
    ]  # fmt: skip
    assert (rupees.debit, rupees.credit) == (inr(130), inr(130))
    assert (dollars.debit, dollars.credit) == (Money(3, "USD"), Money(0, "USD"))


def test_a_balance_sheet_holds_what_the_house_has_owes_and_is_worth() -> None:
    sheet = balance_sheets(BOOKS)[0]
    assert {one.type for one in sheet.lines} == {"asset", "liability", "equity"}
    assert (sheet.assets, sheet.liabilities, sheet.equity, sheet.result) == (inr(105), inr(70), inr(20), inr(15))


def test_an_income_statement_holds_what_came_in_and_what_it_cost() -> None:
    statement = income_statements(BOOKS)[0]
    assert [one.type for one in statement.lines] == ["income", "expense"]
    assert (statement.income, statement.expenses, statement.result) == (inr(40), inr(25), inr(15))


# --- export ---------------------------------------------------------------------------------------------------------

WRITTEN = Transaction(
    id=9, kind="=odd; kind", legs=((BANK, inr(150)), (WALLET, inr(-150))), effective_at=NOW - DAY, recorded_at=NOW,
    metadata={"b": "x: 1", "a": 2}, reverses=4,
)  # fmt: skip
PLAIN = Transaction(
    id=8, kind="shop.move", legs=((BANK, inr(1)),), effective_at=NOW, recorded_at=NOW, metadata={}
)  # fmt: skip


def test_a_line_of_csv_for_each_leg() -> None:
    assert csv_header() == (
        "transaction,recorded_at,effective_at,kind,reverses,owner_kind,owner_id,code,unit,amount,metadata\n"
    )
    assert as_csv(WRITTEN) == (
        "9,2026-01-02T03:04:05.000006Z,2026-01-01T03:04:05.000006Z,'=odd; kind,4,house,,bank,INR,1.50,"
        '"{""a"": 2, ""b"": ""x: 1""}"\n'
        f"9,2026-01-02T03:04:05.000006Z,2026-01-01T03:04:05.000006Z,'=odd; kind,4,person,{ASHA},wallet,INR,-1.50,"
        '"{""a"": 2, ""b"": ""x: 1""}"\n'
    )
    assert as_csv(PLAIN).endswith(",shop.move,,house,,bank,INR,0.01,\n")


def test_an_object_for_each_transaction() -> None:
    assert as_json_line(WRITTEN) == (
        '{"effective_at": "2026-01-01T03:04:05.000006Z", "id": "9", "kind": "=odd; kind", "legs": ['
        '{"amount": "1.50", "code": "bank", "owner_id": null, "owner_kind": "house", "unit": "INR"}, '
        f'{{"amount": "-1.50", "code": "wallet", "owner_id": "{ASHA}", "owner_kind": "person", "unit": "INR"}}], '
        '"metadata": {"a": 2, "b": "x: 1"}, "recorded_at": "2026-01-02T03:04:05.000006Z", "reverses": "4"}\n'
    )
    assert '"reverses": null' in as_json_line(PLAIN)
    assert '{"note": "₹"}' in as_json_line(replace(PLAIN, metadata={"note": "₹"}))


def test_a_journal_that_hledger_reads() -> None:
    types: Any = {BANK: "asset", WALLET: "liability"}
    assert hledger_header().startswith("; ")
    assert hledger_header().endswith("in UTC.\ndecimal-mark .\n\n")
    assert as_hledger(WRITTEN, types) == (
        "2026-01-01=2026-01-02 (9) %3Dodd%3B%20kind  ; reverses 4, a=2, b=x%3A%201\n"
        f'    assets:house:bank  1.50 "INR"\n    liabilities:person:{ASHA}:wallet  -1.50 "INR"\n\n'
    )
    assert as_hledger(PLAIN, types).startswith("2026-01-02=2026-01-02 (8) shop.move\n")
    assert hledger_account(house_account("fees:a b::", "INR"), "income") == "revenues:house:fees:a%20b:%:%"
    assert hledger_unit_declaration("INR") == 'commodity 1000.00 "INR"\n'
    assert hledger_unit_declaration("VND") == 'commodity 1000. "VND"\n'
    assert hledger_account_declaration("assets:house:bank") == "account assets:house:bank\n"
