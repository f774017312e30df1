"""Any report against any books: every line has exactly one class, and what is booked is what matched, once."""

import asyncio
import itertools
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy import text

from tests.parts.payments.till import Till, new_person, open_till
from tillhouse.kernel import clock
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.models import OrderRow, PaymentRow
from tillhouse.parts.payments.ports import SettlementLine
from tillhouse.parts.payments.service.reconciliation.reports import numbered, take_report

DAY = date(2026, 3, 2)
Change = Literal["true", "amount", "fee", "currency", "unknown", "adjustment"]

_houses = itertools.count(1)


@dataclass(frozen=True)
class Paid:
    """A payment of ours; `fee` is None where the gateway did not tell it when it captured."""

    amount: int
    fee: int | None


@dataclass(frozen=True)
class Said:
    """What a report says of the payment of that number (if there is one), and how wrongly."""

    about: int
    change: Change


paid = st.lists(st.builds(Paid, st.integers(100, 10_000), st.none() | st.integers(0, 99)), max_size=5)
changes = st.sampled_from(["true", "true", "amount", "fee", "currency", "unknown", "adjustment"])
said = st.lists(st.builds(Said, st.integers(0, 5), changes), max_size=12)


def expected_classes(books: list[Paid], report: list[Said]) -> list[str]:
    """What each line is, by the rules as a person would tell them."""
    settled: set[int] = set()
    classes = []
    for line in report:
        if line.change in ("unknown", "adjustment") or line.about >= len(books):
            classes.append("extra")
        elif line.change == "currency":
            classes.append("currency")
        elif line.about in settled:
            classes.append("duplicate")
        elif line.change == "amount":
            classes.append("amount")
        elif line.change == "fee" and books[line.about].fee is not None:
            classes.append("fee")
        else:
            settled.add(line.about)
            classes.append("matched")
    return classes


def lines_of(books: list[Paid], report: list[Said]) -> list[SettlementLine]:
    lines = []
    for number, line in enumerate(report):
        of = books[line.about] if line.about < len(books) else Paid(500, 5)
        true = SettlementLine(
            settlement_id="setl_1", line_id=f"line_{number}", kind="payment", subject_id=f"pay_{line.about}",
            gross=Money(of.amount, "INR"), fee=Money(of.fee or 0, "INR"), tax=Money(0, "INR"), settled_on=DAY,
        )  # fmt: skip
        lines.append(changed(true, line.change, number))
    return lines


def changed(line: SettlementLine, change: Change, number: int) -> SettlementLine:
    match change:
        case "amount":
            return replace(line, gross=line.gross + Money(1, "INR"))
        case "fee":
            return replace(line, fee=line.fee + Money(1, "INR"))
        case "currency":
            return replace(line, gross=Money(line.gross.minor, "USD"), fee=Money(0, "USD"), tax=Money(0, "USD"))
        case "unknown":
            return replace(line, subject_id=f"pay_unknown_{number}")
        case "adjustment":
            return replace(line, kind="adjustment", subject_id=f"adj_{number}", gross=-line.gross)
        case "true":
            return line


async def write_books(till: Till, provider: str, books: list[Paid]) -> None:
    now = clock.now()
    async with till.house.database.transaction() as session:
        for number, one in enumerate(books):
            person, order_id = new_person(), new_id()
            posting = ledger.Posting(
                key=f"payments.deposit:{provider}:{number}", kind="payments.deposit",
                legs=(
                    ledger.debit(ledger.house_account(f"clearing:{provider}", "INR"), Money(one.amount, "INR")),
                    ledger.credit(ledger.AccountRef("person", person, "wallet", "INR"), Money(one.amount, "INR")),
                ),
            )  # fmt: skip
            made = await ledger.post(session, posting)
            session.add(
                OrderRow(
                    id=order_id, owner_kind="person", owner_id=person, request_key="k", purpose="wallet_deposit",
                    amount=one.amount, currency="INR", provider=provider, provider_order_id=f"order_{number}",
                    state="captured", created_at=now, updated_at=now, expires_at=now, paid_at=now, method="checkout",
                )
            )  # fmt: skip
            await session.flush()
            session.add(
                PaymentRow(
                    id=new_id(), order_id=order_id, provider=provider, provider_payment_id=f"pay_{number}",
                    state="captured", amount=one.amount, currency="INR", method="upi", fee=one.fee, refunded=0,
                    transaction_id=made.id, created_at=now, updated_at=now, captured_at=now,
                )
            )  # fmt: skip


async def held(till: Till, code: str) -> int:
    async with till.house.database.reading() as session:
        return (await ledger.balance(session, ledger.house_account(code, "INR"))).posted.minor


async def classes_of(till: Till, provider: str) -> dict[str, str]:
    query = "SELECT line_id, class FROM payments.recon_lines WHERE provider = :provider"
    async with till.house.database.reading() as session:
        found = [(row[0], row[1]) for row in await session.execute(text(query), {"provider": provider})]
    assert len(dict(found)) == len(found)
    return dict(found)


async def compare(till: Till, books: list[Paid], report: list[Said], chunk: int) -> None:
    provider = f"gateway{next(_houses)}"
    await write_books(till, provider, books)
    suspense = await held(till, "suspense:settlements")
    lines, expected = numbered(lines_of(books, report)), expected_classes(books, report)
    for _ in range(2):  # the second time changes nothing
        for start in range(0, len(lines), chunk):
            async with till.house.database.transaction() as session:
                await take_report(session, provider, lines[start : start + chunk])
        assert await classes_of(till, provider) == {f"line_{number}": one for number, one in enumerate(expected)}
    matched = [one.line for one, found in zip(lines, expected, strict=True) if found == "matched"]
    adjusted = [one.line for one in lines if one.line.kind == "adjustment"]
    net = sum((one.gross - one.fee).minor for one in (*matched, *adjusted))
    assert await held(till, f"settling:{provider}") == net
    assert await held(till, f"fees:{provider}") == sum(one.fee.minor for one in (*matched, *adjusted))
    assert await held(till, f"clearing:{provider}") == sum(one.amount for one in books) - sum(
        one.gross.minor for one in matched
    )
    assert await held(till, "suspense:settlements") - suspense == sum(one.gross.minor for one in adjusted)


def test_every_line_has_one_class_and_what_is_booked_is_what_matched(settings: KernelSettings) -> None:
    with asyncio.Runner() as runner:
        context = open_till(settings)
        till = runner.run(context.__aenter__())

        @_EFFORT
        @given(paid, said, st.integers(1, 12))
        def any_report(books: list[Paid], report: list[Said], chunk: int) -> None:
            runner.run(compare(till, books, report, chunk))

        any_report()
        runner.run(context.__aexit__(None, None, None))  # every invariant holds


_EFFORT = effort(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
