"""The provider's side: each line of a report is compared with what our books claim, and booked when the two agree."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, JsonValue, Session
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store as payments
from tillhouse.parts.payments.domain.reconciliation import AGREED, Claim, LineClass, LineKind, classify, kind_of
from tillhouse.parts.payments.models import ReconLineRow
from tillhouse.parts.payments.ports import SettlementLine
from tillhouse.parts.payments.service.attention import count_recon_line, look_into
from tillhouse.parts.payments.service.reconciliation.books import settlement_posting, subject_of_line
from tillhouse.parts.payments.store import claims as claiming
from tillhouse.parts.payments.store import reconciliation as store


@dataclass(frozen=True, slots=True)
class NumberedLine:
    """A line as it stands in one report: the how-manieth of its id."""

    occurrence: int
    line: SettlementLine


def numbered(lines: Sequence[SettlementLine]) -> list[NumberedLine]:
    """Number the lines of a whole report: a provider that tells one line twice is not believed twice."""
    seen: Counter[str] = Counter()
    found = []
    for line in lines:
        seen[line.line_id] += 1
        found.append(NumberedLine(seen[line.line_id], line))
    return found


async def take_report(session: Session, provider: str, lines: Sequence[NumberedLine]) -> None:
    """Store lines of a report, classify and book them, each once. Runs for one provider take turns.

    A line that was stored before changes nothing; one that says something else now is put before a person.
    """
    await store.take_turns(session, f"payments.reconcile:{provider}")
    ids = {one.line.line_id for one in lines}
    known = {(row.line_id, row.occurrence): row for row in await store.lines_by_ids(session, provider, ids)}
    fresh = []
    for one in lines:
        row = known.get((one.line.line_id, one.occurrence))
        if row is None:
            fresh.append(_row(provider, one))
        else:
            await _said_again(session, row, one.line)
    await _compare(session, provider, fresh)


async def look_again(session: Session, provider: str) -> None:
    """Compare lines about what we did not know once more: a payment may have been found since."""
    await store.take_turns(session, f"payments.reconcile:{provider}")
    await _compare(session, provider, list(await store.unclaimed_lines(session, provider)))


async def begin(session: Session, provider: str, at: datetime) -> datetime:
    """Since when the reports of a provider are read: `at` when this is the first one, else what the first one said."""
    return await store.start_of(session, provider, at)


async def name_missing(session: Session, provider: str, since: datetime, before: datetime) -> bool:
    """Put what happened at the provider in that time and stands in no report before a person. True: may be more."""
    await store.take_turns(session, f"payments.reconcile:{provider}")
    missing = await claiming.unreported(session, provider, since, before)
    for kind, claim in missing:
        await _name_missing(session, provider, kind, claim)
    return bool(missing)


async def _name_missing(session: Session, provider: str, kind: LineKind, claim: Claim) -> None:
    row = ReconLineRow(
        id=new_id(),
        provider=provider,
        kind=kind,
        subject_id=claim.subject_id,
        line_class=LineClass.MISSING,
        occurrence=1,
        currency=claim.amount.unit,
        found_at=clock.now(),
    )
    _our_side(row, claim)
    session.add(row)
    await session.flush()
    await _name(session, row)


async def _compare(session: Session, provider: str, rows: Sequence[ReconLineRow]) -> None:
    by_kind: dict[tuple[str, str], list[ReconLineRow]] = defaultdict(list)
    for row in rows:
        # What came back of a payout may be told in parts, each of which leaves less for the next: one at a time.
        by_kind[row.kind, row.subject_id if row.kind == "returned" else ""].append(row)
    agreed: list[tuple[ReconLineRow, Claim | None]] = []
    for (kind, _), of_kind in by_kind.items():
        ids = {row.subject_id for row in of_kind}
        claims = await claiming.claims(session, provider, kind, ids)
        settled = await store.lines_of_claims(session, provider, kind, ids)
        for row in of_kind:
            claim, earlier = claims.get(row.subject_id), settled.get(row.subject_id)
            compared = await _compare_one(session, row, claim, earlier)
            if compared.line_class in AGREED:
                settled[row.subject_id] = compared
                agreed.append((compared, claim))
            else:
                if earlier is compared:
                    del settled[row.subject_id]
                if kind == "adjustment" and compared.occurrence == 1:
                    agreed.append((compared, None))
    await _book(session, agreed)


async def _compare_one(
    session: Session, row: ReconLineRow, claim: Claim | None, earlier: ReconLineRow | None
) -> ReconLineRow:
    """Give the line its class, in the row that named it missing if there is one. Returns the row that has it."""
    assert row.gross is not None
    assert row.fee is not None
    missing = earlier if earlier and earlier.line_class == LineClass.MISSING else None
    taken = earlier is not None and missing is None
    gross, fee = Money(row.gross, row.currency), Money(row.fee, row.currency)
    claim = claim.as_told(gross) if claim else None
    found = classify(gross, fee, claim, taken=taken, missed=missing is not None)
    before = row.line_class if row in session else None
    if found == before:
        return row
    if missing and claim:
        _their_side(missing, row)
        row = missing
    row.line_class = found
    if claim:
        _our_side(row, claim)
    session.add(row)
    await session.flush()
    ended = before or (LineClass.MISSING if missing else None)
    if ended:
        await payments.close_exception(session, subject=subject_of_line(row), reason=ended)
    count_recon_line(session, row.provider, found)
    if found not in AGREED:
        await _name(session, row)
    return row


async def _book(session: Session, rows: Sequence[tuple[ReconLineRow, Claim | None]]) -> None:
    postings = [(row, settlement_posting(row, claim.item if claim else None)) for row, claim in rows]
    due = [(row, posting) for row, posting in postings if posting is not None]
    if not due:
        return
    outcomes = await ledger.post_many(session, [posting for _, posting in due])
    for (row, _), outcome in zip(due, outcomes, strict=True):
        if isinstance(outcome, DomainError):
            raise outcome
        row.transaction_id = outcome.id
    await session.flush()


async def _said_again(session: Session, row: ReconLineRow, line: SettlementLine) -> None:
    """The same line with other content is a difference of its own: what was booked stays, a person looks."""
    said: JsonObject = {
        "kind": kind_of(line.kind, line.gross), "subject": line.subject_id, "settlement": line.settlement_id,
        "gross": line.gross.minor, "fee": line.fee.minor, "tax": line.tax.minor, "currency": line.gross.unit,
    }  # fmt: skip
    before: JsonObject = {
        "kind": row.kind, "subject": row.subject_id, "settlement": row.settlement_id,
        "gross": row.gross, "fee": row.fee, "tax": row.tax, "currency": row.currency,
    }  # fmt: skip
    if said in (before, row.other):
        return
    row.other = said
    await session.flush()
    await look_into(
        session, "reconciliation", subject_of_line(row), "line_changed",
        provider=row.provider, before=before, now=said, amount=line.gross.minor, currency=line.gross.unit,
    )  # fmt: skip


async def _name(session: Session, row: ReconLineRow) -> None:
    theirs: dict[str, JsonValue] = {"gross": row.gross, "fee": row.fee, "currency": row.currency}
    ours: dict[str, JsonValue] = {"amount": row.ours, "fee": row.our_fee, "currency": row.our_currency}
    await look_into(
        session, "reconciliation", subject_of_line(row), row.line_class,
        provider=row.provider, line_kind=row.kind, about=row.subject_id, settlement=row.settlement_id,
        theirs=theirs if row.line_id else None, ours=ours if row.our_id else None,
        amount=row.ours if row.gross is None else row.gross, currency=row.currency,
    )  # fmt: skip


def _row(provider: str, one: NumberedLine) -> ReconLineRow:
    line = one.line
    return ReconLineRow(
        id=new_id(),
        provider=provider,
        kind=kind_of(line.kind, line.gross),
        subject_id=line.subject_id,
        line_id=line.line_id,
        occurrence=one.occurrence,
        settlement_id=line.settlement_id,
        settled_on=line.settled_on,
        bank_reference=line.bank_reference,
        gross=line.gross.minor,
        fee=line.fee.minor,
        tax=line.tax.minor,
        currency=line.gross.unit,
        found_at=clock.now(),
    )


def _our_side(row: ReconLineRow, claim: Claim) -> None:
    row.our_id, row.ours, row.our_currency = claim.row_id, claim.amount.minor, claim.amount.unit
    row.our_fee = None if claim.fee is None else claim.fee.minor


def _their_side(row: ReconLineRow, said: ReconLineRow) -> None:
    row.line_id, row.occurrence, row.settlement_id = said.line_id, said.occurrence, said.settlement_id
    row.settled_on, row.bank_reference = said.settled_on, said.bank_reference
    row.gross, row.fee, row.tax, row.currency = said.gross, said.fee, said.tax, said.currency
