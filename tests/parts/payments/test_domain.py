"""The rules of payments that need no database, each at its edges."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.parts.payments.domain import (
    BankAccount,
    DisputeState,
    Method,
    NameMatch,
    Offer,
    OrderState,
    PayeeState,
    PayoutFacts,
    PayoutState,
    RefundState,
    StripeAccount,
    ThaiBankAccount,
    Vpa,
    account_of,
    begins_of_codes,
    destination_from,
    dispute_step,
    find_codes,
    left_to_refund,
    link_token,
    next_account_check,
    next_dispute_check,
    next_order_check,
    next_payout_check,
    next_refund_check,
    order_id_in,
    paid_state,
    payee_sentence,
    refund_sentence,
    refund_step,
    statements,
    transfer_code,
)
from tillhouse.parts.payments.domain.amounts import Amounts, amounts_from
from tillhouse.parts.payments.domain.masking import HIDDEN, masked_body
from tillhouse.parts.payments.domain.names import match_names
from tillhouse.parts.payments.domain.payees import Reason, Standing, reasons_of_payee
from tillhouse.parts.payments.domain.payouts import NEVER_HAPPENED, payout_lacks
from tillhouse.parts.payments.domain.reconciliation import (
    BankClass,
    Claim,
    CorrectionLeg,
    Expected,
    LineClass,
    LineKind,
    bucket_of,
    check_correction,
    choose,
    classify,
    days_of,
    kind_of,
)
from tillhouse.parts.payments.domain.statements import (
    BadStatement,
    BankLine,
    CsvColumns,
    Statement,
    read_statements,
    sequenced,
)
from tillhouse.parts.payments.domain.velocity import Limit, Used, excess, limits_for, parse_amount

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TODAY = date(2026, 3, 2)


def inr(minor: int) -> Money:
    return Money(minor, "INR")


# --- when to ask again ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "following"),
    [(timedelta(), 2 * MINUTE), (119 * timedelta(seconds=1), 2 * MINUTE), (2 * MINUTE, 5 * MINUTE),
     (4 * DAY, 5 * DAY), (5 * DAY, None)],
)  # fmt: skip
def test_an_order_is_asked_about_at_set_ages(age: timedelta, following: timedelta | None) -> None:
    assert next_order_check(NOW - age, NOW) == (None if following is None else NOW - age + following)


PROVIDERS_AGES = [(timedelta(), MINUTE), (MINUTE, 3 * MINUTE), (7 * HOUR, 8 * HOUR), (8 * HOUR, 20 * HOUR)]


@pytest.mark.parametrize(("age", "following"), PROVIDERS_AGES)
def test_what_is_under_way_is_asked_about_later_and_later_then_twice_a_day(
    age: timedelta, following: timedelta
) -> None:
    expected = NOW - age + following
    assert next_payout_check(PayoutState.SENDING, NOW - age, NOW) == expected
    assert next_refund_check(RefundState.UNKNOWN, NOW - age, NOW) == expected


def test_what_has_ended_is_asked_about_while_a_bank_may_send_it_back() -> None:
    ages = (timedelta(), DAY, 3 * DAY, 7 * DAY, 14 * DAY)
    payouts = [next_payout_check(PayoutState.PROCESSED, NOW - age, NOW) for age in ages]
    assert payouts == [NOW + DAY, NOW + 2 * DAY, NOW + 4 * DAY, None, None]
    refunds = [next_refund_check(RefundState.PROCESSED, NOW - age, NOW) for age in ages]
    assert refunds == [NOW + DAY, NOW + 2 * DAY, NOW + 4 * DAY, NOW + 7 * DAY, None]
    assert next_refund_check(RefundState.FAILED, NOW, NOW) is None
    assert next_payout_check(PayoutState.AWAITING_APPROVAL, NOW, NOW) is None


def test_of_a_promise_only_what_the_provider_tells_of_is_compared_until_there_is_nothing_to_keep() -> None:
    silent = PayoutFacts("gate", "pout_1", "ref", inr(100), PayoutState.PROCESSED)
    assert payout_lacks(inr(100), silent) == {}
    assert payout_lacks(inr(100), replace(silent, arrives=inr(95))) == {"fee_difference": inr(5)}
    assert payout_lacks(inr(100), replace(silent, arrives=inr(100))) == {"fee_difference": inr(0)}
    assert payout_lacks(inr(100), replace(silent, came_back=inr(0))) == {"partly_reversed": inr(0)}
    assert payout_lacks(inr(100), replace(silent, came_back=inr(40))) == {"partly_reversed": inr(40)}
    for state in NEVER_HAPPENED:
        ended = replace(silent, state=state, arrives=inr(95), came_back=inr(40))
        assert payout_lacks(inr(100), ended) == {"fee_difference": inr(0), "partly_reversed": inr(0)}
        assert payout_lacks(inr(100), replace(silent, state=state)).keys() == {"fee_difference", "partly_reversed"}


def test_a_dispute_is_asked_about_twice_a_day_while_it_runs() -> None:
    found = {state: next_dispute_check(state, NOW) for state in DisputeState}
    running = {DisputeState.OPEN, DisputeState.UNDER_REVIEW}
    assert found == {state: NOW + 12 * HOUR if state in running else None for state in DisputeState}


@pytest.mark.parametrize(
    ("age", "following"), [(timedelta(), MINUTE), (MINUTE, 2 * MINUTE), (3 * HOUR, 4 * HOUR), (4 * HOUR, 16 * HOUR)]
)
def test_a_bank_is_asked_whose_an_account_is_later_and_later(age: timedelta, following: timedelta) -> None:
    assert next_account_check(NOW - age, NOW) == NOW - age + following


# --- refunds and disputes -------------------------------------------------------------------------------------------


def test_news_of_a_refund_or_dispute_moves_it_forward_only() -> None:
    assert refund_step(RefundState.SENDING, RefundState.PENDING) == RefundState.PENDING
    assert refund_step(RefundState.PENDING, RefundState.SENDING) is None
    assert dispute_step(DisputeState.OPEN, DisputeState.WON) == DisputeState.WON
    assert dispute_step(DisputeState.WON, DisputeState.OPEN) is None
    assert all(refund_sentence(state) for state in RefundState)
    assert all(payee_sentence(state) for state in PayeeState)


@pytest.mark.parametrize(
    ("given_back", "disputed", "state"),
    [(-1, False, OrderState.CAPTURED), (0, False, OrderState.CAPTURED), (1, False, OrderState.PARTIALLY_REFUNDED),
     (99, False, OrderState.PARTIALLY_REFUNDED), (100, False, OrderState.REFUNDED), (101, False, OrderState.REFUNDED),
     (0, True, OrderState.DISPUTED), (100, True, OrderState.DISPUTED)],
)  # fmt: skip
def test_what_was_given_back_says_where_a_payment_stands(given_back: int, disputed: bool, state: OrderState) -> None:
    assert paid_state(paid=100, given_back=given_back, disputed=disputed) == state


def test_what_a_payers_bank_takes_back_is_not_given_back_a_second_time() -> None:
    assert left_to_refund(paid=100, refunds=30, disputes=20) == 50
    assert left_to_refund(paid=100, refunds=60, disputes=60) == 0


# --- limits ---------------------------------------------------------------------------------------------------------


def test_the_limits_of_a_currency_begin_with_the_shortest_window() -> None:
    said = ["INR=week:9:900", "THB=hour:1:1", "INR=hour:2:200", "INR=day:3:300"]
    assert limits_for(said, "INR") == [
        Limit("INR", "hour", 2, 200), Limit("INR", "day", 3, 300), Limit("INR", "week", 9, 900),
    ]  # fmt: skip
    assert [limit.length for limit in limits_for(said, "INR")] == [HOUR, DAY, 7 * DAY]


def test_there_is_room_again_when_the_first_payout_is_as_old_as_the_window_and_never_in_the_past() -> None:
    over = excess(Limit("INR", "day", 1, 100), Used(1, 101, 20 * HOUR))
    assert over
    assert (over.what, over.again_in) == ("total", 4 * HOUR)
    late = excess(Limit("INR", "hour", 1, 100), Used(2, 100, 2 * HOUR))
    assert late
    assert (late.what, late.again_in) == ("count", timedelta())


def test_an_amount_of_a_currency_is_read_whole_or_not_at_all() -> None:
    assert parse_amount("INR=2500000") == ("INR", 2_500_000)
    for wrong in ("INR", "INR=", "INR=-1", "INR=1.5", "inr=1", "INR=1 "):
        with pytest.raises(ValueError, match="INR=2500000"):
            parse_amount(wrong)


def test_amounts_of_a_setting_are_exact_and_not_below_zero() -> None:
    standard = Amounts.of(INR="1.00", VND="2000")
    assert str(standard) == '{"INR": "1.00", "VND": "2000"}'
    assert amounts_from(standard, Amounts({})) is standard
    assert amounts_from(" 250 ", standard) == Amounts({"INR": 250, "VND": 2_000})
    assert amounts_from({"VND": 5}, standard) == Amounts({"INR": 100, "VND": 5})
    assert amounts_from(' {"INR": 0.10}', standard).within("INR", 7) == 10
    assert amounts_from("9" * 18, standard).within("INR", 7) == 10**18 - 1
    assert Amounts.of(INR="0").within("INR", 7) == 0
    for wrong in ("9" * 19, "१२", "-1"):
        with pytest.raises(ValueError, match="a whole number of paise"):
            amounts_from(wrong, standard)
    with pytest.raises(ValueError, match="below zero"):
        Amounts.of(INR="-0.01")
    with pytest.raises(ValueError, match=r"1\.001 is no amount in INR"):
        Amounts.of(INR="1.001")


def test_an_offer_takes_amounts_from_its_least_to_its_most() -> None:
    bounded, open_ended = Offer(Method.CARD, "INR", 100, 200), Offer(Method.CARD, "INR", 100)
    assert [bounded.takes(minor) for minor in (99, 100, 200, 201)] == [False, True, True, False]
    assert [open_ended.takes(minor) for minor in (99, 100, MAX_MINOR)] == [False, True, True]


# --- where money goes -----------------------------------------------------------------------------------------------

INDIAN = {"name": "Asha Rao", "ifsc": "HDFC0001234", "account_number": "50100012345678"}
THAI = {"name": "Somchai Jaidee", "bank": "kbank", "account_number": "1234567890"}


@pytest.mark.parametrize(
    ("kind", "fields", "faults"),
    [
        ("vpa", {"vpa": "asha"}, [("vpa", "bad_vpa")]),
        ("stripe_account", {"account_id": "1234"}, [("account_id", "bad_account_id")]),
        ("cash", {}, [("type", "unknown_type")]),
        ("bank_account", INDIAN | {"name": "As"}, [("name", "bad_name")]),
        ("bank_account", INDIAN | {"name": "A" * 51}, [("name", "bad_name")]),
        ("bank_account", INDIAN | {"name": "Asha\x07Rao"}, [("name", "bad_name")]),
        ("bank_account", INDIAN | {"ifsc": "HDFC1001234"}, [("ifsc", "bad_ifsc")]),
        ("bank_account", INDIAN | {"account_number": "1234"}, [("account_number", "bad_account_number")]),
        ("thai_bank_account", THAI | {"name": "S"}, [("name", "bad_name")]),
        ("thai_bank_account", THAI | {"name": "Som\x07chai"}, [("name", "bad_name")]),
        ("thai_bank_account", THAI | {"bank": "k"}, [("bank", "bad_bank")]),
        ("thai_bank_account", THAI | {"account_number": "123456789"}, [("account_number", "bad_account_number")]),
        ("bank_account", {}, [("name", "bad_name"), ("ifsc", "bad_ifsc"), ("account_number", "bad_account_number")]),
        ("thai_bank_account", {},
         [("name", "bad_name"), ("bank", "bad_bank"), ("account_number", "bad_account_number")]),
    ],
)  # fmt: skip
def test_each_wrong_field_of_a_destination_is_named(
    kind: str, fields: dict[str, str], faults: list[tuple[str, str]]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        destination_from(kind, **fields)
    expected = [(f"/destination/{name}", code) for name, code in faults]
    assert [(error.pointer, error.code) for error in refusal.value.errors] == expected


@pytest.mark.parametrize(
    ("kind", "fields", "found", "masked", "account"),
    [
        ("vpa", {"vpa": " Asha.Rao@OkBank "}, Vpa("Asha.Rao@OkBank"), "As…@OkBank", "vpa:asha.rao@okbank"),
        ("bank_account", {"name": " Asha  Rao", "ifsc": "hdfc0001234 ", "account_number": "50-10 00x12345678"},
         BankAccount("Asha Rao", "HDFC0001234", "501000x12345678"), "HDFC …5678", "bank_account:HDFC:501000X12345678"),
        ("thai_bank_account", {"name": "Somchai  Jaidee ", "bank": " KBank", "account_number": "123-4-56789 0"},
         ThaiBankAccount("Somchai Jaidee", "kbank", "1234567890"), "KBANK …7890", "thai_bank_account:kbank:1234567890"),
        ("stripe_account", {"account_id": " acct_1Nv0FGQ9aBc "}, StripeAccount("acct_1Nv0FGQ9aBc"), "Stripe …9aBc",
         "stripe_account:acct_1Nv0FGQ9aBc"),
        ("bank_account", INDIAN | {"name": "Asa"}, BankAccount("Asa", "HDFC0001234", "50100012345678"), "HDFC …5678",
         "bank_account:HDFC:50100012345678"),
    ],
)  # fmt: skip
def test_a_destination_is_tidied_masked_and_known_again(
    kind: str, fields: dict[str, str], found: Any, masked: str, account: str
) -> None:
    made = destination_from(kind, **fields)
    assert (made, made.masked, account_of(made)) == (found, masked, account)


@pytest.mark.parametrize(
    ("standing", "above", "partial_is_enough", "reasons"),
    [
        (Standing(PayeeState.VERIFIED, NameMatch.MATCH, verifiable=True), True, False, []),
        (Standing(PayeeState.VERIFIED, NameMatch.MISMATCH, verifiable=True), False, True, ["name_mismatch"]),
        (Standing(PayeeState.VERIFIED, NameMatch.PARTIAL, verifiable=True), True, False, ["name_partial"]),
        (Standing(PayeeState.VERIFIED, NameMatch.UNKNOWN, verifiable=True), True, False, ["name_partial"]),
        (Standing(PayeeState.VERIFIED, NameMatch.PARTIAL, verifiable=True), False, False, []),
        (Standing(PayeeState.VERIFIED, NameMatch.PARTIAL, verifiable=True), True, True, []),
        (Standing(PayeeState.NEW, None, verifiable=True), True, False, ["payee_unverified"]),
        (Standing(PayeeState.NEW, None, verifiable=True), False, False, []),
        (Standing(PayeeState.NEW, None, verifiable=False), True, False, []),
    ],
)
def test_why_a_person_looks_at_a_payout_to_a_payee(
    standing: Standing, above: bool, partial_is_enough: bool, reasons: list[Reason]
) -> None:
    assert reasons_of_payee(standing, above=above, partial_is_enough=partial_is_enough) == reasons


@pytest.mark.parametrize(
    ("registered", "ours", "match"),
    [
        (" ", "Asha Rao", NameMatch.UNKNOWN),
        ("A RAO", "Asha Rao", NameMatch.MATCH),
        ("A RAO", "Bela Rao", NameMatch.PARTIAL),
        ("RAO R", "Rao Asha", NameMatch.PARTIAL),
        ("ASHA ASHA", "Asha Rao", NameMatch.PARTIAL),
        ("ASHA A", "Asha Rao Asha", NameMatch.MATCH),
        ("ASHA AR RAO", "Asha A Rao Iyer", NameMatch.MATCH),
        ("ASHA AB RAO", "Asha AC Rao Iyer", NameMatch.PARTIAL),
        ("A ASHA", "Asha Anil", NameMatch.MATCH),
        ("A R", "A Rao", NameMatch.MISMATCH),
        ("LI", "Li Wei", NameMatch.PARTIAL),
        ("ASHA RAO", "Asharao", NameMatch.MATCH),
        ("RAO ASHA", "Asha Rao", NameMatch.MATCH),
        ("ASHA.", "Asha Rao", NameMatch.PARTIAL),
        ("ASHA.", "Asha R", NameMatch.PARTIAL),
        ("A R", "R A", NameMatch.MATCH),
        ("MR", "Mr", NameMatch.MISMATCH),
        ("Peña", "PENA", NameMatch.MATCH),
    ],
)
def test_an_initial_stands_for_one_word_that_no_other_has_taken(registered: str, ours: str, match: NameMatch) -> None:
    assert match_names(registered, ours) == match


# --- codes and links ------------------------------------------------------------------------------------------------


def test_codes_and_links_that_were_given_out_stay_what_they_are() -> None:
    """Another way to make them would turn every transfer under way into suspense, and every link into nothing."""
    order = UUID("01920000-0000-7000-8000-00000000002a")
    code, token = transfer_code(order.hex, "TLH"), link_token("secret", order)
    assert (code, token) == ("TLHE8MH8EB9B", "AZIAAAAAcACAAAAAAAAAKpl-bHglc6cZwPedYSllFT8")
    assert order_id_in("secret", token) == order
    assert order_id_in("secret", token[:-1] + "9") is None, "the same bytes, written another way"


def test_a_code_is_found_in_text_only_whole_and_a_cut_one_by_its_first_signs() -> None:
    code = transfer_code("receipt", "TLH")
    noise = f"tlh {code[:5]}.{code[5:]} TLH"
    assert find_codes(noise, "TLH") == [code]
    assert find_codes(code[:-1], "TLH") == []
    assert begins_of_codes(f"{code}99 x", "TLH") == [code]
    assert begins_of_codes(code[:8], "TLH") == [code[:8]]
    assert begins_of_codes(code[:7], "TLH") == []
    assert begins_of_codes(f"{code[:9]} {code[:9]}", "TLH") == [f"{code[:9]}{code[:3]}", code[:9]]


# --- what staff may read --------------------------------------------------------------------------------------------


def test_a_message_is_shown_with_all_hidden_that_is_not_known_to_be_harmless() -> None:
    body = """{"id": "pay_1", "amount": 5, "paid": true, "email": "a@b.c", "method": "a@b", "note to self": null,
        "notes": {"id": "n", "amount": 7, "paid": false}, "contains": ["x", "two words", 3],
        "phone": 98, "event": 1.5}"""
    assert masked_body(body) == (
        f'{{\n  "id": "pay_1",\n  "amount": 5,\n  "paid": true,\n  "email": "{HIDDEN}",\n  "method": "{HIDDEN}",\n'
        f'  "{HIDDEN}": null,\n  "notes": {{\n    "id": "{HIDDEN}",\n    "amount": "{HIDDEN}",\n'
        f'    "paid": false\n  }},\n'
        f'  "contains": [\n    "x",\n    "{HIDDEN}",\n    3\n  ],\n  "phone": "{HIDDEN}",\n  "event": 1.5\n}}'
    )
    assert masked_body('"pay_1"') == f'"{HIDDEN}"'
    assert masked_body('{"café": 1}') == f'{{\n  "{HIDDEN}": "{HIDDEN}"\n}}'
    assert len(masked_body('{"contains": [' + "1," * 30_000 + "1]}")) == 50_000


# --- reconciliation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "claim_fee", "taken", "missed", "expected"),
    [
        ((inr(100), inr(2)), inr(2), False, False, LineClass.MATCHED),
        ((inr(100), inr(2)), None, False, False, LineClass.MATCHED),
        ((inr(100), inr(2)), inr(2), False, True, LineClass.LATE),
        ((inr(100), inr(3)), inr(2), False, True, LineClass.FEE),
        ((inr(101), inr(3)), inr(2), False, False, LineClass.AMOUNT),
        ((inr(101), inr(2)), inr(2), True, False, LineClass.DUPLICATE),
        ((Money(100, "USD"), inr(2)), inr(2), True, False, LineClass.CURRENCY),
    ],
)
def test_a_line_of_a_report_has_one_class(
    line: tuple[Money, Money], claim_fee: Money | None, taken: bool, missed: bool, expected: LineClass
) -> None:
    claim = Claim(UUID(int=1), "pay_1", inr(100), claim_fee, "item", NOW)
    assert classify(*line, claim, taken=taken, missed=missed) == expected
    assert classify(*line, None, taken=taken, missed=missed) == LineClass.EXTRA


@pytest.mark.parametrize(
    ("told", "in_parts", "in_two_ways"),
    [
        (inr(100), 100, 100),
        (inr(40), 40, 100),
        (inr(250), 100, 250),
        (inr(0), 100, 100),
        (inr(-40), 100, 100),
        (Money(40, "USD"), 100, 100),
    ],
)
def test_a_claim_is_over_what_a_line_says_only_where_the_line_may_say_it(
    told: Money, in_parts: int, in_two_ways: int
) -> None:
    claim = Claim(UUID(int=1), "pay_1", inr(100), None, "item", NOW)
    assert claim.as_told(told) == claim
    assert replace(claim, in_parts=True).as_told(told).amount == inr(in_parts)
    assert replace(claim, instead=inr(250)).as_told(told).amount == inr(in_two_ways)


def test_a_line_of_the_bank_takes_the_first_that_fits_and_is_not_taken() -> None:
    one, two = Expected("a", inr(5), "bank", None), Expected("b", inr(5), "bank", None)
    other, foreign = Expected("c", inr(6), "bank", None), Expected("d", Money(5, "USD"), "bank", None)
    nothing: frozenset[str] = frozenset()
    assert choose(inr(5), [other, one, two], nothing) == (BankClass.MATCHED, one)
    assert choose(inr(5), [other, one, two], frozenset("a")) == (BankClass.MATCHED, two)
    assert choose(inr(5), [other, one, two], frozenset("ab")) == (BankClass.DUPLICATE, one)
    assert choose(inr(5), [], nothing) == (BankClass.UNKNOWN, None)
    assert choose(inr(5), [foreign, other], nothing) == (BankClass.AMOUNT, foreign)
    assert choose(inr(5), [foreign], nothing) == (BankClass.CURRENCY, foreign)


@pytest.mark.parametrize(
    ("kind", "gross", "about"),
    [
        ("dispute", 1, "reinstated"),
        ("dispute", 0, "dispute"),
        ("dispute", -1, "dispute"),
        ("payment", 1, "payment"),
        ("payout", 1, "returned"),
        ("payout", -1, "payout"),
    ],
)
def test_what_a_dispute_or_payout_gives_back_is_a_line_of_its_own(kind: LineKind, gross: int, about: LineKind) -> None:
    assert kind_of(kind, inr(gross)) == about


def test_open_items_are_aged_by_full_days() -> None:
    days = (0, 1, 2, 3, 4, 7, 8, 30, 31, 400)
    found = [bucket_of(timedelta(days=day, hours=23)) for day in days]
    assert found == ["0-1", "0-1", "2-3", "2-3", "4-7", "4-7", "8-30", "8-30", "30+", "30+"]


BANK, FEES = "house/bank", "house/fees:razorpay"


@pytest.mark.parametrize(
    ("legs", "faults"),
    [
        ([(BANK, inr(5)), (FEES, inr(-5))], []),
        ([(BANK, inr(MAX_MINOR)), (FEES, inr(-MAX_MINOR))], []),
        ([(BANK, inr(5))], [("/legs", "leg_count"), ("/legs", "unbalanced")]),
        ([(BANK, inr(5)), ("house/secret", inr(-5))], [("/legs/1/account", "account_not_allowed")]),
        ([(BANK, inr(0)), (FEES, inr(0))], [("/legs/0/amount", "bad_amount"), ("/legs/1/amount", "bad_amount")]),
        ([(BANK, inr(MAX_MINOR + 1)), (FEES, inr(-MAX_MINOR - 1))],
         [("/legs/0/amount", "bad_amount"), ("/legs/1/amount", "bad_amount")]),
        ([(BANK, inr(5)), (BANK, inr(-5))], [("/legs", "account_twice")]),
        ([(BANK, inr(5)), (BANK, Money(1, "USD")), (FEES, inr(-5)), (FEES, Money(-1, "USD"))], []),
        ([(BANK, inr(5)), (FEES, Money(-5, "USD"))], [("/legs", "unbalanced")]),
        ([(BANK, inr(5)), (FEES, inr(-4))], [("/legs", "unbalanced")]),
        ([(BANK, inr(5)), (FEES, inr(-5)), (BANK, Money(1, "USD"))], [("/legs", "unbalanced")]),
    ],
)  # fmt: skip
def test_a_correction_is_a_posting_over_the_accounts_that_may_be_corrected(
    legs: list[tuple[str, Money]], faults: list[tuple[str, str]]
) -> None:
    wish = [CorrectionLeg(account, amount) for account, amount in legs]
    if not faults:
        check_correction(wish, frozenset({BANK, FEES}))
        return
    with pytest.raises(InvalidInput) as refusal:
        check_correction(wish, frozenset({BANK, FEES}))
    assert [(error.pointer, error.code) for error in refusal.value.errors] == faults


def test_days_are_declared_by_name() -> None:
    assert days_of(("razorpay=3", "stripe=9999")) == {"razorpay": 3, "stripe": 9999}
    assert days_of(()) == {}
    for wrong in ("razorpay", "razorpay=", "=3", "razorpay=-1", "razorpay=10000", "razorpay=two"):
        with pytest.raises(ValueError, match="razorpay=3"):
            days_of((wrong,))


# --- statements -----------------------------------------------------------------------------------------------------

COLUMNS = CsvColumns.declared(())
HEAD = "Date,Reference,Description,Debit,Credit,Balance,Currency\n"


def read(table: str, columns: CsvColumns = COLUMNS, account: str = "1", currency: str = "INR") -> Statement:
    (found,) = read_statements(table.encode(), "csv", columns=columns, account=account, currency=currency)
    return found


def why(table: str, columns: CsvColumns = COLUMNS, account: str = "1", currency: str = "INR") -> str:
    with pytest.raises(BadStatement) as refused:
        read(table, columns, account, currency)
    return str(refused.value)


def test_a_row_without_an_amount_tells_a_balance_and_a_line_of_nothing_is_none() -> None:
    found = read(
        HEAD + "2026-03-02,,,,,100.00,\n2026-03-02,r  1,Rent  paid,40.00,,60.00,\n2026-03-03,r2,,,0.00,60.00,\n"
        "2026-03-04,r3,In,,5.00,65.00,\n2026-03-04,,,,,65.00,\n"
    )  # fmt: skip
    assert (found.opening, found.closing) == (inr(10_000), inr(6_500))
    assert (found.first_day, found.last_day) == (TODAY, date(2026, 3, 4))
    assert found.lines == (
        BankLine(TODAY, inr(-4_000), "r 1", "Rent paid"), BankLine(date(2026, 3, 4), inr(500), "r3", "In"),
    )  # fmt: skip


def test_equal_lines_of_a_day_are_numbered_and_others_are_not() -> None:
    lines = [
        BankLine(TODAY, inr(1), "r", "a"), BankLine(TODAY, inr(1), "r", "b"), BankLine(TODAY, inr(2), "r", ""),
        BankLine(TODAY + DAY, inr(1), "r", ""), BankLine(TODAY, inr(1), "s", ""),
    ]  # fmt: skip
    assert [line.sequence for line in sequenced(lines)] == [1, 2, 1, 1, 1]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (HEAD, "no statement in this file"),
        (HEAD + "2026-03-02,r,,1.00,1.00,,\n", "a debit and a credit at once"),
        (HEAD + "2026-03-02,r,,1.00,,5.00,\n2026-03-02,r,,1.00,,,\n", "tells no balance, though others do"),
        (HEAD + "2026-03-02,r,,1.00,,,\n2026-03-02,r,,1.00,,5.00,\n", "do not follow from its amounts"),
        (HEAD + "2026-03-02,r,,1.00,,5.00,\n2026-03-02,r,,1.00,,3.00,\n", "do not follow from its amounts"),
        (HEAD + "2026-03-02,r,,1.00,,,USD\n2026-03-02,r,,1.00,,,INR\n", "mixes currencies"),
        (HEAD + f"2026-03-02,{'r' * 101},,1.00,,,\n", "cannot be stored"),
        (HEAD + "2026-03-02,r,,1 .00,,,\n", "cannot be read exactly"),
        (HEAD + "2.3.2026,r,,1.00,,,\n", "cannot be read: 2.3.2026"),
        (HEAD + f"{'x' * 50},r,,1.00,,,\n", "cannot be read: " + "x" * 40),
        (HEAD + f"2026-03-02,r,,{'x' * 50},,,\n", "cannot be read exactly: " + "x" * 40),
        (HEAD.replace("Date", "Day") + "2026-03-02,r,,1.00,,,\n", "no column called Date"),
        (HEAD + '2026-03-02,"r\n', "not a table"),
        (HEAD + "2026-03-02,r\0,,1.00,,,\n", "is not a text file"),
    ],
)  # fmt: skip
def test_a_table_is_read_exactly_or_refused_with_its_reason(table: str, reason: str) -> None:
    said = why(table)
    assert reason in said
    assert "x" * 41 not in said


def test_a_statement_names_its_account_and_keeps_to_its_lengths() -> None:
    row = HEAD + f"2026-03-02,{'r' * 100},{'t' * 501},1.00,,,\n"
    (line,) = read(row, account="a" * 64).lines
    assert (len(line.reference), len(line.text)) == (100, 500)
    for account in ("", "a" * 65, "a\x07"):
        assert "does not name its account" in why(row, account=account)


@pytest.mark.parametrize(
    ("written", "decimal", "minor"),
    [("1,234.50", ".", 123_450), ("1.234,50", ",", 123_450), ("12,34,567.00", ".", 123_456_700), ("1234", ".", 123_400),
     ("1,50", ".", None), ("1.50", ",", None), ("1,234,5.00", ".", None), ("1234,567.00", ".", None), ("", ".", None)],
)  # fmt: skip
def test_a_mark_is_never_taken_for_the_other(written: str, decimal: str, minor: int | None) -> None:
    columns = CsvColumns.declared((f"decimal={decimal}", "delimiter=;", "amount=Amount"))
    table = f"Date;Reference;Amount\n2026-03-02;r;{written}\n"
    if written and minor is None:
        assert "cannot be read exactly" in why(table, columns)
    else:
        assert [line.change for line in read(table, columns).lines] == ([] if minor is None else [inr(minor)])


@pytest.mark.parametrize("wrong", ["decimal=;", "delimiter=;;", "delimiter=", "colour=red"])
def test_columns_that_cannot_be_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"a CSV statement has no colour|decimal is \. or ,"):
        CsvColumns.declared((wrong,))


def test_a_statement_has_a_most_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "MOST_LINES", 2)
    row = "2026-03-02,r,,1.00,,,\n"
    assert len(read(HEAD + row + "2026-03-02,r,,1.00\n").lines) == 2, "a row may end early"
    assert "at most 2 lines" in why(HEAD + row * 3)


def test_the_form_that_is_named_wins_over_what_a_file_looks_like() -> None:
    columns = CsvColumns.declared(("date=<Date>",))
    assert len(read("<Date>,Reference,Debit,Credit\n2026-03-02,r,1.00,\n", columns).lines) == 1


def test_a_row_after_a_balance_that_tells_neither_amount_nor_balance_is_a_day_of_its_own() -> None:
    found = read(HEAD + "2026-03-02,r,,1.00,,5.00,\n2026-03-04,,,,,,\n")
    assert (found.closing, found.last_day) == (inr(500), date(2026, 3, 4))


def entry(amount: str = "5.00", way: str = "CRDT", state: str = "BOOK", day: str = "2026-03-02", more: str = "") -> str:
    return (
        f'<Ntry><Amt Ccy="INR"> {amount} </Amt><CdtDbtInd>{way}</CdtDbtInd><Sts>{state}</Sts>'
        f"<BookgDt>{day if '<' in day else f'<Dt>{day}</Dt>'}</BookgDt>{more}</Ntry>"
    )


def balance(code: str, amount: str, day: str = "2026-03-02") -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="INR">{amount}</Amt>'
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def camt(*inside: str, account: str = "<Id><IBAN>IN1</IBAN></Id><Ccy>INR</Ccy>") -> bytes:
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>'
        f"<Stmt><Acct>{account}</Acct>{''.join(inside)}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def read_file(content: bytes) -> Statement:
    (found,) = read_statements(content, None, columns=COLUMNS)
    return found


def why_not(content: bytes) -> str:
    with pytest.raises(BadStatement) as refused:
        read_statements(content, None, columns=COLUMNS)
    return str(refused.value)


def tx(inside: str) -> str:
    return f"<NtryDtls><TxDtls>{inside}</TxDtls></NtryDtls>"


@pytest.mark.parametrize(
    ("more", "reference", "text"),
    [
        ("<AcctSvcrRef>a</AcctSvcrRef>" + tx("<Refs><AcctSvcrRef>b</AcctSvcrRef></Refs>"), "a", ""),
        (tx("<Refs><AcctSvcrRef>b</AcctSvcrRef><EndToEndId>c</EndToEndId></Refs>"), "b", ""),
        (tx("<Refs><EndToEndId>c</EndToEndId></Refs>"), "c", ""),
        ("<AddtlNtryInf>more</AddtlNtryInf>", "", "more"),
        ("<AddtlNtryInf>more</AddtlNtryInf>" + tx("<RmtInf><Ustrd>x</Ustrd><Ustrd/><Ustrd>y  z</Ustrd></RmtInf>"), "",
         "x y z"),
    ],
)  # fmt: skip
def test_an_entry_is_known_by_the_banks_reference_before_the_payers(more: str, reference: str, text: str) -> None:
    assert read_file(camt(entry(more=more))).lines == (BankLine(TODAY, inr(500), reference, text),)


def test_a_camt_statement_takes_its_days_and_balances_from_wherever_they_are() -> None:
    period = "<FrToDt><FrDtTm>2026-03-01T00:00:00</FrDtTm><ToDtTm>2026-03-04T23:59:59</ToDtTm></FrToDt>"
    timed = "<DtTm>2026-03-03T08:00:00</DtTm>"
    found = read_file(camt(period, balance("PRCD", "1.00"), balance("CLBD", "4.00"), entry("3.00", day=timed)))
    assert (found.account, found.currency) == ("IN1", "INR")
    assert (found.opening, found.closing) == (inr(100), inr(400))
    assert (found.first_day, found.last_day) == (date(2026, 3, 1), date(2026, 3, 4))
    assert found.lines[0].day == date(2026, 3, 3)
    both = camt(
        balance("OPBD", "2.00"), balance("PRCD", "1.00"), balance("CLBD", "2.00", "2026-03-05"),
        entry("3.00"), entry("3.00", "DBIT"), account="<Id><Othr><Id>77</Id></Othr></Id>",
    )  # fmt: skip
    found = read_file(both)
    assert (found.account, found.currency, found.opening) == ("77", "INR", inr(200))
    assert (found.first_day, found.last_day) == (TODAY, date(2026, 3, 5))
    assert [line.change for line in found.lines] == [inr(300), inr(-300)]
    assert read_file(camt(balance("OPBD", "2.00"), entry())).closing is None
    assert read_file(camt(balance("CLBD", "2.00"), entry())).opening is None
    assert read_file(b"\xef\xbb\xbf" + both) == found


@pytest.mark.parametrize("state", ["PDNG", "INFO", "FUTR"])
def test_what_is_not_booked_is_no_line(state: str) -> None:
    assert len(read_file(camt(entry(state=state), entry())).lines) == 1


NO_AMOUNT = entry().replace('<Amt Ccy="INR"> 5.00 </Amt>', "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (camt(), "names no day"),
        (camt().replace(b"Stmt>", b"Other>").replace(b"CstmrOther>", b"CstmrStmt>"), "no statement in this file"),
        (camt(entry(state="BOOKED")), "does not say whether it is booked"),
        (camt(entry(way="LEFT")), "cannot be read exactly: 5.00"),
        (camt(NO_AMOUNT), "cannot be read exactly"),
        (camt(entry("")), "cannot be read exactly"),
        (camt(entry().replace(" 5.00 ", "")), "cannot be read exactly"),
        (camt(entry("x" * 50)), "cannot be read exactly: " + "x" * 40),
        (camt(entry(), account="<Id><IBAN>IN1</IBAN></Id>"), "mixes currencies"),
        (camt(entry(), account="<Ccy>INR</Ccy>"), "does not name its account"),
        (camt(entry(day="2026-02-30")), "cannot be read: 2026-02-30"),
        (b"{1:F01BANK}", "no statement in this file"),
    ],
)
def test_what_a_camt_statement_lacks_is_said(content: bytes, reason: str) -> None:
    said = why_not(content)
    assert reason in said
    assert "x" * 41 not in said


def mt940(*lines: str, opening: str = ":60F:C260302INR100,00", closing: str = ":62F:C260304INR100,00") -> bytes:
    return "\r\n".join([":20:R", ":25:IN1", ":28C:1", opening, *lines, closing, ""]).encode()


def test_a_line_of_mt940_goes_the_way_it_says_on_the_day_it_was_entered() -> None:
    found = read_file(
        mt940(
            ":61:2603010302D5,00NTRFCUST//BANK", ":86:Rent  paid", ":61:2603030303C7,00NTRFNONREF//BANK",
            ":61:2603030303RC4,00NTRFA", ":61:2603030303RD2,00NTRFB",
        )
    )  # fmt: skip
    assert [(line.day, line.change, line.reference, line.text) for line in found.lines] == [
        (TODAY, inr(-500), "CUST", "Rent paid"), (date(2026, 3, 3), inr(700), "BANK", ""),
        (date(2026, 3, 3), inr(-400), "A", ""), (date(2026, 3, 3), inr(200), "B", ""),
    ]  # fmt: skip
    assert (found.account, found.first_day, found.last_day) == ("IN1", TODAY, date(2026, 3, 4))


def test_pages_of_mt940_have_intermediate_balances_and_one_without_is_refused() -> None:
    pages = mt940(opening=":60M:C260302INR100,00", closing=":62M:C260302INR100,00")
    assert read_file(pages).opening == read_file(pages).closing == inr(10_000)
    assert len(read_statements(pages + pages, None, columns=COLUMNS)) == 2
    for halved in (mt940(opening=":86:x"), mt940(closing=":86:x")):
        assert "has an opening and a closing balance" in why_not(halved)
    assert "does not name its account" in why_not(mt940().replace(b":25:IN1\r\n", b""))
