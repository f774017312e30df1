"""The adapter to what comes after a payment at Razorpay: refunds, disputes, and what was settled to our bank."""

from datetime import UTC, date, datetime
from typing import Literal
from uuid import UUID

from tillhouse.kernel.money import Money
from tillhouse.parts.payments.domain import DisputeFacts, DisputeState, RefundFacts, RefundState
from tillhouse.parts.payments.ports import SettlementLine
from tillhouse.parts.payments.providers.razorpay.client import RazorpayClient, safe
from tillhouse.parts.payments.providers.razorpay.wire import Collection, DisputeWire, ReconWire, RefundWire

_NAME = "razorpay"
_REFUNDS_A_PAGE = 100
_LINES_A_PAGE = 1000

_REFUNDS: dict[str, RefundState] = {
    "pending": RefundState.PENDING,
    "processed": RefundState.PROCESSED,
    "failed": RefundState.FAILED,
}
_DISPUTES: dict[str, DisputeState] = {
    "open": DisputeState.OPEN,
    "action_required": DisputeState.OPEN,
    "under_review": DisputeState.UNDER_REVIEW,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}
_KINDS: dict[str, Literal["payment", "refund", "dispute", "payout", "adjustment"]] = {
    "payment": "payment",
    "refund": "refund",
    "dispute": "dispute",
    "transfer": "payout",
}


class RazorpayAfterwards:
    """Refunds have an idempotency key; their receipt is ours as well, so that one can be found again."""

    def __init__(self, client: RazorpayClient) -> None:
        self._client = client

    async def refund(self, *, key: UUID, payment_id: str, amount: Money, email: str | None = None) -> RefundFacts:
        body = {"amount": amount.minor, "speed": "normal", "receipt": str(key)}
        headers = {"X-Refund-Idempotency": str(key)}
        return _refund(await self._client.post(RefundWire, _of(payment_id, "refund"), body, headers=headers))

    async def refunds_of(self, payment_id: str) -> list[RefundFacts]:
        """Whichever end Razorpay lists first (its own examples begin with the oldest), one that is made meanwhile shows
        another twice, and hides none.
        """
        found: dict[str, RefundWire] = {}
        skip = 0
        while True:
            params = {"count": str(_REFUNDS_A_PAGE), "skip": str(skip)}
            page = await self._client.get(Collection[RefundWire], _of(payment_id, "refunds"), params)
            found |= {one.id: one for one in page.items}
            skip += _REFUNDS_A_PAGE
            if len(page.items) < _REFUNDS_A_PAGE:
                refunds = list(reversed(found.values()))
                refunds.sort(key=lambda one: one.created_at)
                return [_refund(one) for one in refunds]

    async def fetch_refund(self, *, refund_id: str, payment_id: str) -> RefundFacts:
        return _refund(await self._client.get(RefundWire, f"/refunds/{safe(refund_id)}"))

    async def fetch_dispute(self, dispute_id: str) -> DisputeFacts:
        dispute = await self._client.get(DisputeWire, f"/disputes/{safe(dispute_id)}")
        state, in_part = _dispute_state(dispute), 0 < dispute.amount_deducted < dispute.amount
        return DisputeFacts(
            provider=_NAME,
            dispute_id=dispute.id,
            payment_id=dispute.payment_id,
            amount=Money(dispute.amount, dispute.currency),
            state=state,
            lost_part=dispute.amount_deducted if in_part and state == DisputeState.LOST else None,
            reason=dispute.reason_code or "",
            respond_by=datetime.fromtimestamp(dispute.respond_by, UTC) if dispute.respond_by else None,
        )

    async def settled_on(self, day: date) -> list[SettlementLine]:
        """Razorpay's day is India's."""
        lines: list[SettlementLine] = []
        while True:
            params = {
                "year": str(day.year), "month": str(day.month), "day": str(day.day),
                "count": str(_LINES_A_PAGE), "skip": str(len(lines)),
            }  # fmt: skip
            page = await self._client.get(Collection[ReconWire], "/settlements/recon/combined", params)
            lines += [_line(one, day) for one in page.items]
            if len(page.items) < _LINES_A_PAGE:
                return [line for line in lines if line.settlement_id]


def _of(payment_id: str, what: str) -> str:
    return f"/payments/{safe(payment_id)}/{what}"


def _refund(refund: RefundWire) -> RefundFacts:
    return RefundFacts(
        provider=_NAME,
        refund_id=refund.id,
        payment_id=refund.payment_id,
        amount=Money(refund.amount, refund.currency),
        state=_REFUNDS[refund.status],
        reference=refund.receipt,
    )


def _dispute_state(dispute: DisputeWire) -> DisputeState:
    """What has an end is lost as far as money was taken for it. Razorpay calls `won` also what was contested in part:
    the rest of that is gone. Where all of a won one is deducted still, that was at its beginning, and comes back.
    """
    taken = dispute.amount_deducted
    if dispute.status == "closed":
        return DisputeState.LOST if taken else DisputeState.WON
    if dispute.status == "won" and 0 < taken < dispute.amount:
        return DisputeState.LOST
    return _DISPUTES[dispute.status]


def _line(one: ReconWire, day: date) -> SettlementLine:
    """Razorpay takes a disputed amount by an adjustment that names the dispute."""
    return SettlementLine(
        settlement_id=one.settlement_id or "",
        line_id=f"{one.settlement_id}:{one.entity_id}",
        kind="dispute" if one.dispute_id else _KINDS.get(one.type, "adjustment"),
        subject_id=one.dispute_id or one.entity_id,
        gross=one.money(one.credit - one.debit + one.fee),
        fee=one.money(one.fee),
        tax=one.money(one.tax),
        settled_on=day,
        bank_reference=one.settlement_utr or "",
    )
