"""Nobody at the console moves money that would become their own, and nobody moves a large transfer alone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from tests.parts.payments.desk import Desk, Seat, open_desk, plain
from tests.parts.payments.test_endpoints import Caller, someone
from tests.parts.payments.test_refunds import payment_of
from tests.parts.payments.till import rupees
from tillhouse.kernel.access import Principal
from tillhouse.kernel.errors import Conflict, Forbidden
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.service import machines, organisations
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import Method, OrderState

DONG = 449_000


@pytest.fixture
async def desk(settings: KernelSettings) -> AsyncIterator[Desk]:
    async with open_desk(settings) as opened:
        yield opened


async def organisation_of(desk: Desk, seat: Seat) -> UUID:
    """An organisation that this member of staff belongs to."""
    assert seat.id
    async with desk.till.house.database.transaction() as session:
        made = await organisations.create(session, Principal("person", seat.id), "Iyer & Daughters", "VN")
    return made.organisation_id


async def order_of(desk: Desk, owner_kind: str, owner_id: UUID, **more: object) -> api.OrderView:
    wish = {"amount": Money(DONG, "VND"), "method": Method.BANK_TRANSFER, "country": "VN", **more}
    return await api.start_order(
        desk.till.house,
        api.NewOrder(
            owner_kind=owner_kind, owner_id=owner_id, purpose="wallet_deposit", request_key=str(new_id()),
            **wish,  # type: ignore[arg-type]  # its fields
        ),
    )  # fmt: skip


async def wallet(desk: Desk, owner_kind: str, owner_id: UUID) -> int:
    async with desk.till.house.database.reading() as session:
        return (await ledger.balance(session, ledger.AccountRef(owner_kind, owner_id, "wallet", "VND"))).posted.minor


def two_above(desk: Desk, minor: int) -> None:
    desk.till.change_guards(second_approval_above=(f"VND={minor}", "INR=100"))


# --- nobody's own ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["person", "organisation", "order"])
async def test_a_strangers_transfer_is_not_placed_on_an_order_of_ones_own(desk: Desk, whose: str) -> None:
    """Also where it was begun without signing in: whoever has confirmed its e-mail address may claim it."""
    meera, ravi = await desk.seat("Meera Iyer"), await desk.seat("Ravi Das")
    assert meera.id
    owner = {"person": meera.id, "order": new_id()}.get(whose) or await organisation_of(desk, meera)
    order = await order_of(desk, whose, owner, email="meera@example.com" if whose == "order" else None)
    transfer = await desk.transfer(DONG, "tien hoc")
    before = await desk.state()
    for sure in ({}, {"confirmed": "yes"}):
        refused = await meera.post(f"/transfers/{transfer}/place", {"order": str(order.id), **sure})
        assert refused.status_code == 422
        assert "somebody else decides about it" in plain(refused.text)
    async with desk.till.house.database.transaction() as session:
        with pytest.raises(Forbidden):
            await api.place_transfer(session, transfer, order.id, by=meera.id)
    assert await desk.state() == before
    await ravi.twice(f"/transfers/{transfer}/place", {"order": str(order.id)})
    assert await wallet(desk, whose, owner) == DONG


@pytest.mark.parametrize("what", ["release", "sent-back"])
async def test_a_part_of_an_order_of_ones_own_is_neither_released_nor_called_sent_back(desk: Desk, what: str) -> None:
    meera = await desk.seat("Meera Iyer")
    assert meera.id
    order = await desk.transfer_order(meera.id, DONG)
    transfer = await desk.transfer(400_000, order.provider_order_id or "")
    back = await desk.transfer(400_000, "tra lai", out=True)
    before = await desk.state()
    body = {"confirmed": "yes", **({"by": str(back)} if what == "sent-back" else {})}
    refused = await meera.post(f"/transfers/{transfer}/{what}", body)
    assert refused.status_code == 422
    assert "somebody else decides about it" in plain(refused.text)
    assert await desk.state() == before


async def test_a_payment_of_ones_own_is_given_back_by_somebody_else(desk: Desk) -> None:
    meera, ravi = await desk.seat("Meera Iyer"), await desk.seat("Ravi Das")
    assert meera.id
    payment = await payment_of(desk.till, await desk.till.deposit(meera.id, "100.00"))
    before = await desk.state()
    body = {"reason": "changed my mind", "request_key": str(uuid4())}
    for sure in ({}, {"confirmed": "yes"}):
        refused = await meera.post(f"/payments/{payment}/refund", {**body, **sure})
        assert refused.status_code == 422
        assert "somebody else decides about it" in plain(refused.text)
    assert await desk.state() == before
    await ravi.twice(f"/payments/{payment}/refund", body)


async def test_a_key_gives_no_payment_back_that_is_its_makers_own(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    nila = await someone(desk.till, "Nila Sen", role="staff", assurance=2)
    assert nila.id
    payment = await payment_of(desk.till, await desk.till.deposit(nila.id, "100.00"))
    async with desk.till.house.database.transaction() as session:
        key = await machines.create(session, Principal("person", nila.id), "robot", ["payments.refund"])
    for caller in (nila, Caller(desk.till, key.row.id, key.key)):
        refused: httpx.Response = await caller.post("/payments/refunds", {"payment_id": str(payment), "reason": "me"})
        assert refused.status_code == 403, refused.text
    assert await desk.till.available(nila.id) == "100.00"


async def test_an_organisations_payment_is_given_back_by_somebody_outside_it(desk: Desk) -> None:
    meera, ravi = await desk.seat("Meera Iyer"), await desk.seat("Ravi Das")
    assert meera.id
    assert ravi.id
    owner = await organisation_of(desk, meera)
    order = await order_of(desk, "organisation", owner, amount=rupees("100.00"), method=None, country=None)
    await desk.till.pay(order)
    await desk.till.quiet()
    payment = await payment_of(desk.till, order)
    async with desk.till.house.database.transaction() as session:
        with pytest.raises(Forbidden):
            await api.start_refund(session, payment, None, reason="", key="k", by=meera.id)
    async with desk.till.house.database.transaction() as session:
        await api.start_refund(session, payment, None, reason="", key="k", by=ravi.id)


# --- nobody alone ---------------------------------------------------------------------------------------------------


async def test_a_large_transfer_moves_when_a_second_person_says_the_same(desk: Desk) -> None:
    two_above(desk, DONG - 1)
    asha = await desk.person("Asha Rao")
    order = await desk.transfer_order(asha, DONG)
    transfer = await desk.transfer(DONG, "tien hoc")
    meera, ravi = await desk.seat("Meera Iyer"), await desk.seat("Ravi Das")
    await meera.twice(f"/transfers/{transfer}/place", {"order": str(order.id)})
    assert (await desk.till.see_order(order)).state == OrderState.PENDING
    assert await wallet(desk, "person", asha) == 0
    assert "You said what it is for" in await meera.see(f"/transfers/{transfer}")
    again = await meera.post(f"/transfers/{transfer}/place", {"order": str(order.id), "confirmed": "yes"})
    assert again.status_code == 422
    assert "it waits for somebody else" in plain(again.text)
    told = await ravi.see(f"/transfers/{transfer}")
    assert "Meera Iyer · It is for an order" in told
    assert "Say the same" in told
    await ravi.twice(f"/transfers/{transfer}/place", {"order": str(order.id)})
    assert (await desk.till.see_order(order)).state == OrderState.CAPTURED
    assert await desk.audited() == ["payments.transfer_place", "payments.transfer_place"]
    assert "waits for a second person" not in await ravi.see(f"/transfers/{transfer}")


async def test_two_who_say_different_things_move_nothing_until_two_say_the_same(desk: Desk) -> None:
    two_above(desk, 0)
    one, two = [await desk.transfer_order(await desk.person(name), DONG) for name in ("Asha Rao", "Uma Rao")]
    transfer = await desk.transfer(DONG, "tien hoc")
    meera, ravi, nila = [new_id() for _ in range(3)]
    for order, by in ((one, meera), (two, ravi), (one, meera)):
        async with desk.till.house.database.transaction() as session:
            assert (await api.place_transfer(session, transfer, order.id, by=by)).state == "unplaced"
    async with desk.till.house.database.transaction() as session:
        assert (await api.place_transfer(session, transfer, one.id, by=nila)).state == "placed"
    assert (await desk.till.see_order(two)).state == OrderState.PENDING


async def test_whose_order_it_is_is_not_the_second_person_either(desk: Desk) -> None:
    two_above(desk, 0)
    meera = await desk.seat("Meera Iyer")
    assert meera.id
    order = await desk.transfer_order(meera.id, DONG)
    transfer = await desk.transfer(DONG, "tien hoc")
    async with desk.till.house.database.transaction() as session:
        await api.place_transfer(session, transfer, order.id, by=new_id())
    async with desk.till.house.database.transaction() as session:
        with pytest.raises(Forbidden):
            await api.place_transfer(session, transfer, order.id, by=meera.id)
    assert (await desk.till.see_order(order)).state == OrderState.PENDING


async def test_many_who_say_the_same_at_once_move_it_once_and_one_of_them_never_alone(desk: Desk) -> None:
    two_above(desk, 0)
    asha = await desk.person("Asha Rao")
    order = await desk.transfer_order(asha, DONG)
    transfer = await desk.transfer(DONG, "tien hoc")

    async def say(by: UUID) -> str:
        async with desk.till.house.database.transaction() as session:
            return (await api.place_transfer(session, transfer, order.id, by=by)).state

    meera = new_id()
    alone = await asyncio.gather(*(say(meera) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in alone) == 3
    assert await wallet(desk, "person", asha) == 0
    others = await asyncio.gather(*(say(new_id()) for _ in range(4)), return_exceptions=True)
    assert [one for one in others if not isinstance(one, Conflict)] == ["placed"]
    assert await wallet(desk, "person", asha) == DONG


async def test_a_large_part_is_released_and_a_large_transfer_called_sent_back_by_two(desk: Desk) -> None:
    two_above(desk, 0)
    asha = await desk.person("Asha Rao")
    order = await desk.transfer_order(asha, DONG)
    part = await desk.transfer(400_000, order.provider_order_id or "")
    stray = await desk.transfer(300_000, "nobody knows")
    back = await desk.transfer(300_000, "tra lai", out=True)
    meera, ravi = await desk.seat("Meera Iyer"), await desk.seat("Ravi Das")
    for path, body in ((f"/transfers/{part}/release", {}), (f"/transfers/{stray}/sent-back", {"by": str(back)})):
        await meera.twice(path, body)
        assert await desk.one("SELECT count(*) FROM payments.transfer_proposals") == "1"
        await ravi.twice(path, body)
        assert await desk.one("SELECT count(*) FROM payments.transfer_proposals") == "0"
    assert await wallet(desk, "person", asha) == 400_000
    async with desk.till.house.database.reading() as session:
        states = (await session.execute(text("SELECT state FROM payments.transfers"))).scalars()
        assert set(states) == {"placed"}
    await desk.till.pass_time(timedelta(minutes=1))
