from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillhouse.kernel import money
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.money import MAX_MINOR, Money, register_unit


@pytest.mark.parametrize(
    ("text", "unit", "minor"),
    [
        ("150.00", "INR", 15000),
        ("150", "INR", 15000),
        ("0.01", "THB", 1),
        ("120000", "VND", 120000),
        ("-5.5", "USD", -550),
    ],
)
def test_a_decimal_string_is_read_exactly(text: str, unit: str, minor: int) -> None:
    assert Money.parse(text, unit) == Money(minor, unit)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1.005", "too_precise"),
        ("ten", "not_a_number"),
        ("1e3", "not_a_number"),
        ("1_000", "not_a_number"),
        (" 1", "not_a_number"),
        ("NaN", "not_a_number"),
        ("Infinity", "not_a_number"),
        ("", "not_a_number"),
        ("92233720368547758.08", "too_large"),
    ],
)
def test_what_is_not_an_exact_amount_is_refused_with_its_reason(text: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Money.parse(text, "INR")
    assert [(error.pointer, error.code) for error in refusal.value.errors] == [("/amount", code)]


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(InvalidInput) as refusal:
        Money.parse("1", "XXX")
    assert refusal.value.errors[0].pointer == "/currency"


def test_what_others_report_in_a_currency_that_we_do_not_handle_is_shown_with_its_own_digits() -> None:
    shown = [str(Money(1500, unit)) for unit in ("SGD", "JPY", "KWD")]
    assert shown == ["15.00", "1500", "1.500"]


def test_a_dong_has_no_smaller_unit() -> None:
    with pytest.raises(InvalidInput):
        Money.parse("1.5", "VND")
    assert str(Money(1500, "VND")) == "1500"


def test_a_dinar_has_a_thousand_fils(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(money, "_DIGITS", dict(money._DIGITS))
    register_unit("KWD", 3)
    assert Money.parse("1.5", "KWD") == Money(1_500, "KWD")
    assert str(Money(1, "KWD")) == "0.001"
    assert Money.parse("9223372036854775.807", "KWD").minor == MAX_MINOR
    for text, code in (("0.0001", "too_precise"), ("9223372036854775.808", "too_large")):
        with pytest.raises(InvalidInput) as refusal:
            Money.parse(text, "KWD")
        assert refusal.value.errors[0].code == code


@given(st.integers(-MAX_MINOR, MAX_MINOR), st.sampled_from([("INR", 2), ("VND", 0), ("KWD", 3)]))
def test_every_amount_there_is_is_read_as_it_is_written(minor: int, unit: tuple[str, int]) -> None:
    name, digits = unit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(money, "_DIGITS", {**money._DIGITS, name: digits})
        assert Money.parse(str(Money(minor, name)), name) == Money(minor, name)


def test_currencies_do_not_mix() -> None:
    with pytest.raises(ValueError, match="do not mix"):
        Money(1, "INR") + Money(1, "THB")
    with pytest.raises(ValueError, match="do not mix"):
        assert Money(1, "INR") < Money(1, "THB")


def test_a_float_is_no_amount() -> None:
    with pytest.raises(TypeError):
        Money(1.0, "INR")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Money(True, "INR")


def test_a_unit_keeps_its_digits() -> None:
    register_unit("test_points", 0)
    register_unit("test_points", 0)
    with pytest.raises(ValueError, match="already has 0 digits"):
        register_unit("test_points", 2)


minors = st.integers(-(2**63) + 1, 2**63 - 1)


@given(minors, st.sampled_from(["INR", "VND"]))
def test_writing_and_reading_gives_the_same_amount(minor: int, unit: str) -> None:
    assert Money.parse(str(Money(minor, unit)), unit) == Money(minor, unit)


@given(minors, st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any))
def test_the_parts_of_a_split_sum_to_the_whole_and_are_within_one_unit_of_fair(minor: int, weights: list[int]) -> None:
    parts = Money(minor, "INR").split(weights)
    assert sum(part.minor for part in parts) == minor
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.minor - Fraction(minor * weight, sum(weights))) < 1
