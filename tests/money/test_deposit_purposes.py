"""What is bought with money that came in: sold once; refused or crashed, the money stays booked."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.parts.payments.till import Till, new_person, open_till, shop
from tests.registry import put_in_place
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.domain import OrderState
from tillhouse.parts.payments.ports import Purpose, SettledPayment
from tillhouse.parts.wallets.api import account_ref


class Counter:
    """A shop's purpose: sells, refuses, or crashes a number of times first."""

    def __init__(self, *, refuses: bool = False, crashes: int = 0) -> None:
        self.refuses, self.crashes, self.sold = refuses, crashes, 0

    async def on_settled(self, session: Session, payment: SettledPayment) -> None:
        wallet = account_ref(payment.owner_id, payment.amount.unit)
        legs = (
            ledger.debit(wallet, payment.amount),
            ledger.credit(ledger.house_account("sales", "INR"), payment.amount),
        )
        posting = ledger.Posting(key=f"shop.sale:{payment.payment_id}", kind="shop.sale", legs=legs)
        await ledger.post(session, posting)
        if self.refuses:
            raise Conflict("Sold out.")
        if self.crashes:
            self.crashes -= 1
            raise ZeroDivisionError
        self.sold += 1


async def bought(till: Till) -> tuple[object, str, str, OrderState]:
    """Buy something and tell it twice: the person, what is in the wallet, what was sold for, the order's state."""
    person = new_person()
    order = await till.order(person, purpose="snack", reference="samosa")
    proof = await till.pay(order)
    for _ in range(2):
        await till.verify(proof)
    await till.quiet()
    state = (await till.see_order(order)).state
    return person, await till.wallet(person), await till.house_balance("sales"), state


async def test_a_sale_takes_the_money_from_the_wallet_in_the_same_transaction(settings: KernelSettings) -> None:
    counter = Counter()
    async with open_till(settings, shop(Purpose("snack", "Snack", counter.on_settled))) as till:
        _, wallet, sales, state = await bought(till)
        assert (wallet, sales, state, counter.sold) == ("0.00", "150.00", OrderState.CAPTURED, 1)


async def test_a_refused_sale_leaves_the_money_in_the_buyers_wallet(settings: KernelSettings) -> None:
    counter = Counter(refuses=True)
    async with open_till(settings, shop(Purpose("snack", "Snack", counter.on_settled))) as till:
        _, wallet, sales, state = await bought(till)
        assert (wallet, sales, state) == ("150.00", "0.00", OrderState.CAPTURED)
        assert await till.exceptions() == [("purpose", "purpose_refused")]
        async with till.house.database.reading() as session:
            again = "SELECT count(*) FROM kernel.jobs WHERE name = 'payments.settle_purpose'"
            assert await session.scalar(text(again)) == 0


async def test_a_product_that_crashes_twice_sells_at_the_third_try(settings: KernelSettings) -> None:
    counter = Counter(crashes=2)
    async with open_till(settings, shop(Purpose("snack", "Snack", counter.on_settled))) as till:
        person = new_person()
        order = await till.order(person, purpose="snack")
        await till.verify(await till.pay(order))
        assert await till.wallet(person) == "150.00"
        with pytest.raises(ZeroDivisionError):
            await till.quiet()
        await till.pass_time(timedelta(minutes=5))
        assert (await till.wallet(person), await till.house_balance("sales"), counter.sold) == ("0.00", "150.00", 1)
        assert await till.exceptions() == []


async def test_a_product_that_keeps_crashing_is_put_before_a_person_with_the_money_booked(
    settings: KernelSettings,
) -> None:
    counter = Counter(crashes=1000)
    async with open_till(settings, shop(Purpose("snack", "Snack", counter.on_settled))) as till:
        person = new_person()
        order = await till.order(person, purpose="snack")
        await till.verify(await till.pay(order))
        for _ in range(10):
            try:
                await till.pass_time(timedelta(minutes=20), step=timedelta(minutes=20))
            except ZeroDivisionError:
                continue
        assert (await till.wallet(person), await till.house_balance("sales")) == ("150.00", "0.00")
        assert ("purpose", "purpose_keeps_crashing") in await till.exceptions()


async def test_a_purpose_that_no_module_provides_any_more_keeps_the_money_in_the_wallet(
    settings: KernelSettings,
) -> None:
    counter = Counter()
    async with open_till(settings, shop(Purpose("snack", "Snack", counter.on_settled))) as till:
        person = new_person()
        order = await till.order(person, purpose="snack")
        put_in_place(till.house, lambda thing: isinstance(thing, Purpose))
        await till.verify(await till.pay(order))
        assert await till.wallet(person) == "150.00"
