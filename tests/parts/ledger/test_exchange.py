"""Exchanging one unit for another: every unit sums to zero, the rate is kept digit by digit, nothing is lost."""

from collections.abc import AsyncIterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.parts.ledger.books import SHOP, Books, key, person, rupees
from tillhouse.apps.compose import build_house
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.money import Money, digits_of
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.manifest import MODULE as LEDGER

UNITS = ("USD", "INR", "VND")
ROUNDINGS: tuple[ledger.Rounding, ...] = ("half_even", "half_up", "down", "up")
RATE = ledger.Rate.parse("83.125", "USD", "INR")

BUREAU = Module(
    name="bureau",
    title="Bureau",
    floor="product",
    folder=Path(__file__).parent,
    requires=("ledger",),
    provides=lambda house: (
        ledger.TransactionKind(
            name="bureau.exchange",
            title="Exchanged",
            legs=("person/wallet", "house/bank", "house/exchange", "house/rounding", "house/fees:*"),
        ),
    ),
)


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Books]:
    house = build_house(settings, catalogue=(LEDGER, SHOP, BUREAU))
    opened = Books(house)
    yield opened
    assert await opened.violations() == []
    await house.close()


def dollars(cents: int) -> Money:
    return Money(cents, "USD")


async def rich(books: Books, cents: int) -> tuple[ledger.AccountRef, ledger.AccountRef]:
    """Somebody's wallets in dollars and in rupees; the first has money."""
    owner = new_id()
    wallet, other = (ledger.AccountRef("person", owner, "wallet", unit) for unit in ("USD", "INR"))
    legs = [ledger.debit(ledger.house_account("bank", "USD"), dollars(cents)), ledger.credit(wallet, dollars(cents))]
    await books.post(ledger.Posting(key=key(), kind="shop.move", legs=legs))
    return wallet, other


async def exchange(books: Books, *what: object, **how: object) -> ledger.Transaction:
    terms = {"key": key(), "kind": "bureau.exchange", "rate": RATE, **how}
    async with books.transaction() as session:
        return await ledger.exchange(session, *what, **terms)  # type: ignore[arg-type]  # a table of arguments


async def test_an_exchange_goes_through_the_trading_accounts_and_keeps_its_rate(books: Books) -> None:
    wallet, other = await rich(books, 5_000)
    done = await exchange(books, wallet, dollars(1_003), other)
    assert done.metadata == {"base": "USD", "quote": "INR", "rate": "83.125"}
    assert (await books.balance(wallet))[0] == 3_997
    assert (await books.balance(other))[0] == 83_374
    async with books.house.database.reading() as session:
        assert await ledger.exchange_positions(session) == {"USD": dollars(1_003), "INR": rupees(-83_374)}


async def test_what_the_caller_knows_of_an_exchange_stands_beside_its_rate(books: Books) -> None:
    wallet, other = await rich(books, 5_000)
    done = await exchange(books, wallet, dollars(1_000), other, metadata={"order": "A-1042", "rate": "mine"})
    assert done.metadata == {"order": "A-1042", "base": "USD", "quote": "INR", "rate": "83.125"}


@pytest.mark.parametrize(("rounding", "given", "rounded"), [("up", 83_375, -1), ("down", 83_374, 0)])
async def test_what_rounding_gives_away_is_in_an_account_of_its_own(
    books: Books, rounding: ledger.Rounding, given: int, rounded: int
) -> None:
    wallet, other = await rich(books, 5_000)
    await exchange(books, wallet, dollars(1_003), other, rounding=rounding)
    assert (await books.balance(other))[0] == given
    assert (await books.balance(ledger.house_account("rounding", "INR")))[0] == rounded
    async with books.house.database.reading() as session:
        positions = await ledger.exchange_positions(session)
    assert positions["INR"] == rupees(-83_374)  # the position is at the rate, however the customer was rounded


async def test_gain_and_loss_show_when_the_rate_moves(books: Books) -> None:
    wallet, other = await rich(books, 10_000)
    await exchange(books, wallet, dollars(10_000), other)
    async with books.house.database.reading() as session:
        positions = await ledger.exchange_positions(session)
    assert ledger.valued(positions, [RATE], "INR") == rupees(0)
    assert ledger.valued(positions, [ledger.Rate.parse("84.125", "USD", "INR")], "INR") == rupees(10_000)
    assert ledger.valued(positions, [ledger.Rate.parse("82", "USD", "INR")], "INR") == rupees(-11_250)
    with pytest.raises(LookupError):
        ledger.valued(positions, [], "INR")


async def test_the_house_closes_its_position_by_exchanging_its_own_money(books: Books) -> None:
    wallet, other = await rich(books, 10_000)
    await exchange(books, wallet, dollars(10_000), other)
    banks = (ledger.house_account("bank", "USD"), ledger.house_account("bank", "INR"))
    await exchange(books, banks[0], dollars(10_000), banks[1])
    async with books.house.database.reading() as session:
        assert set((await ledger.exchange_positions(session)).values()) == {dollars(0), rupees(0)}


async def test_a_fee_is_taken_in_the_same_transaction(books: Books) -> None:
    wallet, other = await rich(books, 1_000)
    fees = ledger.house_account("fees:test", "USD")
    fee = [ledger.debit(wallet, dollars(10)), ledger.credit(fees, dollars(10))]
    await exchange(books, wallet, dollars(990), other, more=fee)
    assert await books.balance(wallet) == (0, 0, 0)


async def test_an_exchange_that_is_not_at_its_rate_is_refused(books: Books) -> None:
    wallet, other = await rich(books, 1_000)
    before = await books.everything()
    baht = ledger.Rate.parse("1.1", "USD", "THB")
    for terms, rate, fault in (
        ((other, rupees(8_314)), RATE, ("/received", "not_at_rate")),
        ((other,), baht, ("/rate", "wrong_rate")),
        ((ledger.house_account("bank", "INR"),), RATE, ("/target", "other_side")),
    ):
        with pytest.raises(ledger.BadPosting) as refused:
            await exchange(books, wallet, dollars(100), *terms, rate=rate)
        assert [(one.pointer, one.code) for one in refused.value.errors] == [fault]
    with pytest.raises(ledger.InsufficientFunds):
        await exchange(books, wallet, dollars(1_001), other)
    with pytest.raises(ledger.InsufficientFunds):
        await exchange(books, person(), rupees(100), wallet)
    assert await books.everything() == before


wholes = st.integers(-(10**20), 10**20)
rates = st.decimals(min_value="0.000001", max_value="100000", places=6, allow_nan=False)


@given(
    minor=st.integers(-(10**20), 10**20), rate=rates, units=st.permutations(UNITS), rounding=st.sampled_from(ROUNDINGS)
)
def test_a_conversion_is_exact_up_to_its_rounding(
    minor: int, rate: Decimal, units: list[str], rounding: ledger.Rounding
) -> None:
    source, target, _ = units
    made = ledger.Rate(source, target, rate).convert(Money(minor, source), rounding)
    exact = minor * Fraction(rate) * Fraction(10) ** (digits_of(target) - digits_of(source))
    error = made.minor - exact
    assert abs(error) < 1 if rounding in ("down", "up") else abs(error) <= Fraction(1, 2)
    if rounding == "down":
        assert abs(made.minor) <= abs(exact)
    if rounding == "up":
        assert abs(made.minor) >= abs(exact)


@pytest.mark.parametrize(
    ("minor", "half_even", "half_up"), [(1, 0, 1), (3, 2, 2), (5, 2, 3), (-1, 0, -1), (-3, -2, -2), (2, 1, 1)]
)
def test_halves_go_to_the_even_neighbour_or_away_from_zero(minor: int, half_even: int, half_up: int) -> None:
    rate = ledger.Rate.parse("0.5", "USD", "INR")
    assert rate.convert(dollars(minor), "half_even") == rupees(half_even)
    assert rate.convert(dollars(minor), "half_up") == rupees(half_up)


@given(parts=st.lists(st.integers(0, 10**9), min_size=1, max_size=8).filter(any), rate=rates)
def test_converted_parts_sum_to_the_converted_whole(parts: list[int], rate: Decimal) -> None:
    made = ledger.Rate("USD", "INR", rate).convert_parts([dollars(part) for part in parts], "half_even")
    assert (
        sum(part.minor for part in made)
        == ledger.Rate("USD", "INR", rate).convert(dollars(sum(parts)), "half_even").minor
    )


@pytest.mark.parametrize("value", ["0", "-1", "1e3", "NaN", "", "1.", "½", "0.000"])
def test_a_rate_is_a_plain_number_above_zero(value: str) -> None:
    with pytest.raises(InvalidInput):
        ledger.Rate.parse(value, "USD", "INR")
