"""Bank transfers: whatever people write and however much they send, all of it is accounted for."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextvars import Context
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tests.parts.payments.gateways import Play, installed_play
from tests.parts.payments.till import START, Till, new_person, open_till
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import (
    Method,
    OrderState,
    TransferFacts,
    begins_of_codes,
    find_codes,
    transfer_code,
)
from tillhouse.parts.payments.flows.transfers import poll_transfers
from tillhouse.parts.payments.ports import ProviderEvent
from tillhouse.parts.payments.service.inbox import take_event
from tillhouse.parts.payments.service.transfers import settle_transfer
from tillhouse.parts.payments.store import lock_order

SIGNS = "23456789ABCDEFGHJKMNPQRSTVWXY"


# --- codes ----------------------------------------------------------------------------------------------------------


@given(st.uuids(), st.text(" .-/_", max_size=3), st.sampled_from(["", "CHUYEN KHOAN ", "MBVCB.123456.", "tlh "]))
def test_a_code_is_found_through_what_banks_do_to_it(order: UUID, noise: str, before: str) -> None:
    code = transfer_code(order.hex, "TLH")
    for written in (code, code.lower(), noise.join(code), f"{before}{code}", f"{before}{code}.CT tu 0123"):
        assert code in find_codes(written, "TLH")


@given(st.uuids(), st.integers(0, 8), st.sampled_from(SIGNS))
def test_a_code_with_one_wrong_sign_is_nobodys(order: UUID, at: int, sign: str) -> None:
    code = transfer_code(order.hex, "TLH")
    wrong = code[: 3 + at] + sign + code[4 + at :]
    assert wrong == code or find_codes(wrong, "TLH") == []


@given(st.uuids(), st.integers(0, 7))
def test_a_code_with_two_neighbours_exchanged_is_nobodys(order: UUID, at: int) -> None:
    code = transfer_code(order.hex, "TLH")
    a, b = code[3 + at], code[4 + at]
    wrong = code[: 3 + at] + b + a + code[5 + at :]
    assert wrong == code or find_codes(wrong, "TLH") == []


def test_codes_are_readable_differ_and_a_cut_one_is_shown_to_a_person() -> None:
    codes = {transfer_code(new_id().hex, "TLH") for _ in range(2000)}
    assert len(codes) == 2000
    assert all(len(code) == 12 and not set(code[3:]) & set("0O1ILUZ") for code in codes)
    cut = next(iter(codes))[:9]
    assert find_codes(f"pay {cut}", "TLH") == []
    assert begins_of_codes(f"pay {cut}", "TLH") == [cut]


def test_two_codes_in_one_text_are_both_found_in_their_order() -> None:
    one, two = transfer_code(new_id().hex, "TLH"), transfer_code(new_id().hex, "TLH")
    assert find_codes(f"{two} va {one} {two}", "TLH") == [two, one]


# --- money ----------------------------------------------------------------------------------------------------------


def dong(amount: int) -> Money:
    return Money(amount, "VND")


class Bank:
    """Orders to be paid by transfer, and the bank that tells of transfers."""

    def __init__(self, till: Till, play: Play) -> None:
        self.till, self.play = till, play

    async def order(self, amount: int = 449_000, person: UUID | None = None) -> api.OrderView:
        wish = api.NewOrder(
            owner_kind="person", owner_id=person or new_person(), amount=dong(amount), purpose="wallet_deposit",
            request_key=str(new_id()), method=Method.BANK_TRANSFER, country="VN",
        )  # fmt: skip
        return await api.start_order(self.till.house, wish)

    def transfer(self, amount: int, content: str, **more: str) -> TransferFacts:
        number = str(len(self.play.transfers) + 1)
        made = TransferFacts(
            "play", number, more.get("account", "0123456789"), Money(amount, more.get("unit", "VND")),
            "out" if more.get("direction") == "out" else "in", content, more.get("code"), START,
        )  # fmt: skip
        self.play.transfers.append(made)
        return made

    async def tell(self, transfer: TransferFacts) -> None:
        async with self.till.house.database.transaction() as session:
            await settle_transfer(session, transfer)

    async def state(self, order: api.OrderView) -> OrderState:
        return (await self.till.see_order(order)).state

    async def wallet(self, order: api.OrderView) -> int:
        return await self.holds(ledger.AccountRef("person", order.owner_id, "wallet", "VND"))

    async def suspense(self) -> int:
        return await self.holds(ledger.house_account("suspense:transfers", "VND"))

    async def open_items(self) -> list[int]:
        """What ageing shows in suspense, oldest first."""
        async with self.till.house.database.reading() as session:
            aged = {one.account: one for one in await api.ageing(session)}
        return [item.amount.minor for item in aged["suspense:transfers"].items]

    async def clearing(self) -> int:
        return await self.holds(ledger.house_account("clearing:play", "VND"))

    async def holds(self, account: ledger.AccountRef) -> int:
        async with self.till.house.database.reading() as session:
            return (await ledger.balance(session, account)).posted.minor

    async def move(self, kind: str, *legs: ledger.Leg) -> None:
        async with self.till.house.database.transaction() as session:
            await ledger.post(session, ledger.Posting(key=str(new_id()), kind=kind, legs=legs))

    async def empty(self, wallet: ledger.AccountRef, amount: int) -> None:
        """The money leaves, in whatever way."""
        clearing = ledger.house_account("clearing:play", "VND")
        await self.move("payments.deposit", ledger.debit(wallet, dong(amount)), ledger.credit(clearing, dong(amount)))

    async def seen(self, *, open_only: bool = False) -> list[api.TransferView]:
        async with self.till.house.database.reading() as session:
            return list((await api.transfers_seen(session, open_only=open_only))[0])


@pytest.fixture
async def bank(settings: KernelSettings) -> AsyncIterator[Bank]:
    play = Play()
    module = Module(
        name="play", title="Play", floor="product", folder=Path(__file__).parent, requires=("payments",),
        provides=lambda house: (installed_play(play),),
    )  # fmt: skip
    async with open_till(settings, module) as till:
        till.change_settings(gateways=("play",))
        yield Bank(till, play)


async def test_the_exact_sum_with_the_code_pays_the_order_once(bank: Bank) -> None:
    order = await bank.order()
    assert order.provider_order_id
    assert find_codes(order.provider_order_id, "TLH") == [order.provider_order_id]
    paid = bank.transfer(449_000, f"IBFT {order.provider_order_id.lower()} tien hoc")
    await asyncio.gather(*(bank.tell(paid) for _ in range(8)))
    await bank.tell(paid)
    assert (await bank.state(order), await bank.wallet(order)) == (OrderState.CAPTURED, 449_000)
    assert (await bank.suspense(), await bank.clearing()) == (0, 449_000)


async def test_too_little_waits_and_a_second_transfer_completes_it(bank: Bank) -> None:
    order = await bank.order()
    code = order.provider_order_id or ""
    await bank.tell(bank.transfer(448_000, code))
    assert (await bank.state(order), await bank.wallet(order), await bank.suspense()) == (
        OrderState.PENDING,
        0,
        448_000,
    )
    async with bank.till.house.database.reading() as session:
        assert await api.missing(session, order.id) == dong(1_000)
    await bank.tell(bank.transfer(1_000, code))
    assert (await bank.state(order), await bank.wallet(order)) == (OrderState.CAPTURED, 449_000)
    assert await bank.suspense() == 0


async def test_too_much_pays_the_order_and_the_rest_is_the_payers(bank: Bank) -> None:
    order = await bank.order()
    await bank.tell(bank.transfer(460_000, order.provider_order_id or ""))
    assert (await bank.state(order), await bank.wallet(order)) == (OrderState.CAPTURED, 460_000)
    assert (await bank.suspense(), await bank.clearing()) == (0, 460_000)


async def test_one_transfer_for_two_orders_pays_both_when_the_sum_is_right(bank: Bank) -> None:
    one, two = await bank.order(100_000), await bank.order(250_000)
    await bank.tell(bank.transfer(350_000, f"{two.provider_order_id} {one.provider_order_id}"))
    assert {await bank.state(one), await bank.state(two)} == {OrderState.CAPTURED}
    assert (await bank.wallet(one), await bank.wallet(two), await bank.suspense()) == (100_000, 250_000, 0)


async def test_one_transfer_for_two_orders_with_another_sum_waits_for_a_person(bank: Bank) -> None:
    one, two = await bank.order(100_000), await bank.order(250_000)
    await bank.tell(bank.transfer(340_000, f"{two.provider_order_id} {one.provider_order_id}"))
    assert {await bank.state(one), await bank.state(two)} == {OrderState.PENDING}
    assert await bank.suspense() == 340_000
    assert await bank.till.exceptions() == [("transfer", "several_orders")]
    (transfer,) = await bank.seen(open_only=True)
    async with bank.till.house.database.transaction() as session:
        await api.place_transfer(session, transfer.id, two.id, by=new_person())
    assert (await bank.state(two), await bank.wallet(two), await bank.suspense()) == (OrderState.CAPTURED, 340_000, 0)
    assert await bank.till.exceptions() == []


async def test_what_was_placed_is_open_no_longer_however_transfers_and_orders_go_together(bank: Bank) -> None:
    whole, parts = await bank.order(100_000), await bank.order(250_000)
    await bank.tell(bank.transfer(200_000, parts.provider_order_id or ""))
    await bank.tell(bank.transfer(70_000, "tien hoc"))
    assert await bank.open_items() == [200_000, 70_000]
    await bank.tell(bank.transfer(100_000, whole.provider_order_id or ""))
    await bank.tell(bank.transfer(60_000, parts.provider_order_id or ""))
    assert (await bank.state(parts), await bank.wallet(parts)) == (OrderState.CAPTURED, 260_000)
    assert (await bank.open_items(), await bank.suspense()) == ([70_000], 70_000)


async def test_an_altered_code_waits_for_a_person_who_sees_what_costs_as_much(bank: Bank) -> None:
    order = await bank.order()
    await bank.tell(bank.transfer(449_000, (order.provider_order_id or "")[:-2]))
    assert (await bank.state(order), await bank.suspense()) == (OrderState.PENDING, 449_000)
    async with bank.till.house.database.reading() as session:
        (found,) = await api.exceptions(session)
    assert (found.kind, found.reason) == ("transfer", "unknown_code")
    assert found.details["candidates"] == order.provider_order_id
    (transfer,) = await bank.seen(open_only=True)
    assert transfer.reason == "unknown_code"
    async with bank.till.house.database.transaction() as session:
        await api.place_transfer(session, transfer.id, order.id, by=new_person())
    assert await bank.state(order) == OrderState.CAPTURED
    assert await bank.till.exceptions() == []
    async with bank.till.house.database.transaction() as session:
        with pytest.raises(Conflict):
            await api.place_transfer(session, transfer.id, order.id, by=new_person())


async def test_a_code_that_only_the_provider_found_counts_too(bank: Bank) -> None:
    order = await bank.order()
    await bank.tell(bank.transfer(449_000, "no code here", code=order.provider_order_id or ""))
    assert await bank.state(order) == OrderState.CAPTURED


async def test_money_for_an_expired_order_is_booked_and_the_order_is_paid_late(bank: Bank) -> None:
    """An order of yesterday: cancelled, then paid all the same."""
    order = await bank.order()
    await bank.till.pass_time(timedelta(hours=2), step=timedelta(minutes=30))
    assert await bank.state(order) == OrderState.EXPIRED
    assert bank.play.cancelled == [order.provider_order_id]
    await bank.tell(bank.transfer(449_000, order.provider_order_id or ""))
    assert (await bank.state(order), await bank.wallet(order)) == (OrderState.CAPTURED, 449_000)


async def test_a_part_of_an_order_that_expires_is_put_before_a_person_who_can_release_it(bank: Bank) -> None:
    order = await bank.order()
    await bank.tell(bank.transfer(400_000, order.provider_order_id or ""))
    await bank.till.pass_time(timedelta(hours=2), step=timedelta(minutes=30))
    assert await bank.till.exceptions() == [("order", "partly_paid")]
    (transfer,) = await bank.seen(open_only=True)
    async with bank.till.house.database.transaction() as session:
        await api.release_transfer(session, transfer.id, by=new_person())
    assert (await bank.wallet(order), await bank.suspense()) == (400_000, 0)
    assert await bank.state(order) == OrderState.EXPIRED
    assert await bank.till.exceptions() == []


async def test_paid_twice_is_the_payers_money_and_sells_nothing(bank: Bank) -> None:
    order = await bank.order()
    for _ in range(2):
        await bank.tell(bank.transfer(449_000, order.provider_order_id or ""))
    assert (await bank.wallet(order), await bank.suspense()) == (898_000, 0)
    assert await bank.till.exceptions() == [("transfer", "paid_twice")]


async def test_what_came_by_transfer_says_so(bank: Bank) -> None:
    order = await bank.order()
    await bank.tell(bank.transfer(449_000, order.provider_order_id or ""))
    async with bank.till.house.database.reading() as session:
        (payment,) = await api.payments_of(session, order.id)
    assert payment.method == "bank_transfer"


async def test_more_than_the_order_costs_pays_what_its_payer_owes(bank: Bank) -> None:
    order = await bank.order()
    owes = ledger.AccountRef("person", order.owner_id, "receivable", "VND")
    wallet = ledger.AccountRef("person", order.owner_id, "wallet", "VND")
    await bank.move("payments.advance", ledger.debit(owes, dong(470_000)), ledger.credit(wallet, dong(470_000)))
    await bank.empty(wallet, 470_000)
    await bank.tell(bank.transfer(499_000, order.provider_order_id or ""))
    assert (await bank.holds(owes), await bank.wallet(order)) == (0, 29_000)


async def test_what_a_closed_wallet_cannot_take_waits_in_suspense_for_a_person(bank: Bank) -> None:
    order = await bank.order()
    await bank.tell(bank.transfer(449_000, order.provider_order_id or ""))
    wallet = ledger.AccountRef("person", order.owner_id, "wallet", "VND")
    await bank.empty(wallet, 449_000)
    async with bank.till.house.database.transaction() as session:
        await ledger.close_account(session, wallet)
    await bank.tell(bank.transfer(449_000, order.provider_order_id or ""))
    assert await bank.suspense() == 0
    assert await bank.holds(ledger.house_account("suspense:payments", "VND")) == 449_000
    assert ("transfer", "wallet_refused") in await bank.till.exceptions()


async def test_what_goes_out_is_written_down_and_matched_to_nothing(bank: Bank) -> None:
    order = await bank.order()
    await bank.tell(bank.transfer(449_000, order.provider_order_id or "", direction="out"))
    assert await bank.state(order) == OrderState.PENDING
    assert (await bank.suspense(), await bank.clearing()) == (0, 0)
    assert [found.state for found in await bank.seen()] == ["outgoing"]


async def test_money_on_another_account_is_parked(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    bank.till.change_settings(transfer_accounts=("0123456789",))
    order = await bank.order()
    await bank.tell(bank.transfer(449_000, order.provider_order_id or "", account="999"))
    assert (await bank.state(order), await bank.suspense()) == (OrderState.PENDING, 0)
    assert await bank.till.exceptions() == [("transfer", "wrong_account")]


async def test_a_transfer_told_again_over_another_amount_changes_nothing(bank: Bank) -> None:
    order = await bank.order()
    await bank.tell(bank.transfer(100_000, order.provider_order_id or ""))
    bank.play.transfers.clear()
    await bank.tell(bank.transfer(449_000, order.provider_order_id or ""))
    assert (await bank.state(order), await bank.suspense()) == (OrderState.PENDING, 100_000)
    assert ("transfer", "transfer_changed") in await bank.till.exceptions()


async def test_two_parts_at_the_same_moment_pay_the_order_once(bank: Bank) -> None:
    for _ in range(5):
        order = await bank.order(200_000)
        parts = [bank.transfer(100_000, order.provider_order_id or "") for _ in range(2)]
        await asyncio.gather(*(bank.tell(part) for part in parts for _ in range(3)))
        assert (await bank.state(order), await bank.wallet(order)) == (OrderState.CAPTURED, 200_000)
    assert await bank.suspense() == 0


async def begun_beside(session: Session, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """Work of somebody else, begun while this transaction is open, that waits for it or is done."""
    begun = asyncio.create_task(work, context=Context())
    for_me = "NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    waits = text(f"SELECT EXISTS (SELECT FROM pg_locks WHERE {for_me})")
    while not begun.done() and not await session.scalar(waits):
        pass
    return begun


async def test_a_part_that_people_move_while_the_rest_comes_is_where_they_said(bank: Bank) -> None:
    meant, other = await bank.order(200_000), await bank.order(300_000)
    await bank.tell(bank.transfer(100_000, meant.provider_order_id or ""))
    (part,) = await bank.seen()
    rest = bank.transfer(100_000, meant.provider_order_id or "")
    async with bank.till.house.database.transaction() as session:
        await api.place_transfer(session, part.id, other.id, by=new_id())
        came = await begun_beside(session, bank.tell(rest))
    await came
    async with bank.till.house.database.reading() as session:
        assert await api.missing(session, other.id) == dong(200_000)
        assert await api.missing(session, meant.id) == dong(100_000)
    assert (await bank.state(meant), await bank.suspense()) == (OrderState.PENDING, 200_000)


async def test_a_line_of_the_bank_waits_for_people_who_are_at_its_order_and_nobody_is_refused(bank: Bank) -> None:
    order = await bank.order(200_000)
    await bank.tell(bank.transfer(100_000, "nobody's"))
    (found,) = await bank.seen()
    rest = bank.transfer(100_000, order.provider_order_id or "")
    async with bank.till.house.database.transaction() as session:
        await lock_order(session, order.id)
        came = await begun_beside(session, bank.tell(rest))
        await api.place_transfer(session, found.id, order.id, by=new_id())
        await api.release_transfer(session, found.id, by=new_id())
    await came
    assert (await bank.wallet(order), await bank.suspense()) == (100_000, 100_000)


async def test_what_no_event_told_is_found_by_asking_even_behind_a_later_one(bank: Bank) -> None:
    missed, told = await bank.order(100_000), await bank.order(200_000)
    bank.transfer(100_000, missed.provider_order_id or "")
    later = bank.transfer(200_000, told.provider_order_id or "")
    event = ProviderEvent(event_id="2", name="transfer", transfer_id=later.transfer_id)
    async with bank.till.house.database.transaction() as session:
        await take_event(session, "play", event, b"2")
    await bank.till.quiet()
    assert (await bank.state(told), await bank.state(missed)) == (OrderState.CAPTURED, OrderState.PENDING)
    await poll_transfers(bank.till.house, "play")
    await poll_transfers(bank.till.house, "play")
    assert await bank.state(missed) == OrderState.CAPTURED
    assert (await bank.wallet(missed), await bank.wallet(told), await bank.suspense()) == (100_000, 200_000, 0)
