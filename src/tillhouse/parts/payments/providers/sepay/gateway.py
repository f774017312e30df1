"""The adapter to SePay: transfers to our bank account that name a code, and its payment gateway.

An order paid by transfer exists at the bank as a code alone; one of the payment gateway as an invoice number (our
receipt). Neither is made by a call: the code is shown, the form is signed.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.documents.api import vietqr
from tillhouse.parts.payments.domain import Method, OrderState, PaymentFacts, TransferFacts
from tillhouse.parts.payments.ports import (
    CheckoutForm,
    CheckoutQr,
    GatewayOrder,
    Offer,
    OrderRequest,
    ProviderEvent,
    Refused,
)
from tillhouse.parts.payments.providers.answers import hmac_sha256, path_part, refusal
from tillhouse.parts.payments.providers.sepay.client import SepayClient
from tillhouse.parts.payments.providers.sepay.settings import SepaySettings
from tillhouse.parts.payments.providers.sepay.wire import (
    Done,
    OrderAnswer,
    OrderWire,
    PaymentWire,
    TransferAnswer,
    TransfersAnswer,
    TransferWire,
    dong,
)

_VN = frozenset({"VN"})
# SePay names its refusals by a code; where it names none, the status is all there is.
_PAGE = 5_000  # the most that SePay lists at once
_BETWEEN_PAGES = timedelta(milliseconds=400)  # SePay answers three times a second
_MISSING = ("not_found", "status_404")
_sleep = asyncio.sleep


class SepayGateway:
    """SePay has no refunds: money goes back by a payout or by hand."""

    name: ClassVar[str] = "sepay"
    # NAPAS moves less than 500 million dong in one instant transfer.
    offers: Sequence[Offer] = (
        Offer(Method.BANK_TRANSFER, "VND", least=2_000, most=499_999_999, countries=_VN),
        Offer(Method.CHECKOUT, "VND", least=2_000, most=499_999_999),
    )

    def __init__(self, client: SepayClient, settings: SepaySettings) -> None:
        self._client = client
        self._settings = settings

    async def create_order(self, order: OrderRequest) -> GatewayOrder:
        if order.method == Method.BANK_TRANSFER:
            return self._by_transfer(order)
        return GatewayOrder(order.receipt, CheckoutForm(self._client.checkout_page, self._signed_form(order)))

    async def find_order(self, order: OrderRequest) -> GatewayOrder | None:
        """None: making an order calls nobody, and the same receipt makes the same one."""
        return None

    async def cancel_order(self, order_id: str) -> None:
        """Only an order of the payment gateway can be ended; a transfer that comes late is booked late."""
        try:
            await self._client.gateway("POST", Done, "/order/cancel", {"order_invoice_number": order_id})
        except Refused:
            return  # paid, ended, or never opened by the payer

    async def fetch_payment(self, payment_id: str, *, order_id: str | None = None) -> PaymentFacts:
        invoice = order_id or payment_id.partition("-")[0]
        found = next((one for one in await self.payments_of(invoice) if one.payment_id == payment_id), None)
        if found is None:
            raise refusal("SePay", "no_such_payment", "there is no such payment")
        return found

    async def payments_of(self, order_id: str) -> list[PaymentFacts]:
        try:
            answer = await self._client.gateway("GET", OrderAnswer, f"/order/detail/{path_part(order_id, 'SePay')}")
        except Refused as refused:
            if refused.reason in _MISSING:
                return []  # the payer has not opened it yet
            raise
        return [_facts(answer.data, one) for one in reversed(answer.data.transactions) if _is_payment(one)]

    async def capture(self, payment_id: str, amount: Money) -> PaymentFacts:
        raise refusal("SePay", "captures_by_itself", "SePay captures by itself")

    async def fetch_transfer(self, transfer_id: str) -> TransferFacts:
        path = f"/transactions/details/{path_part(transfer_id, 'SePay')}"
        return _transfer_facts((await self._client.bank(TransferAnswer, path)).transaction)

    async def transfers_since(self, transfer_id: str | None) -> list[TransferFacts]:
        """SePay lists the newest first, and no more than `_PAGE` at once: what is before them is asked for by the time
        of the oldest one, until nothing new comes. Raises `Refused` when so many fell into one second that there is no
        going on.
        """
        # Whether SePay means "from" or "after" by `since_id` is not documented: we take what is after.
        known = int(transfer_id) if transfer_id and transfer_id.isdecimal() else 0
        params = {"account_number": self._settings.account_number, "limit": str(_PAGE)}
        if transfer_id:
            params["since_id"] = transfer_id
        found: dict[int, TransferWire] = {}
        while True:
            page = (await self._client.bank(TransfersAnswer, "/transactions/list", params)).transactions
            news = [one for one in page if one.id not in found]
            found |= {one.id: one for one in news}
            if len(page) < _PAGE:
                break
            if not news:
                raise refusal("SePay", "too_many_at_once", "more transfers in one second than can be listed")
            params["transaction_date_max"] = f"{min(one.transaction_date for one in news):%Y-%m-%d %H:%M:%S}"
            await _sleep(_BETWEEN_PAGES.total_seconds())
        return [_transfer_facts(found[number]) for number in sorted(found) if number > known]

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        return self._client.read_event(body, headers)

    def _by_transfer(self, order: OrderRequest) -> GatewayOrder:
        ours, code = self._settings, order.code
        if not code:
            raise refusal("SePay", "code_missing", "a transfer needs a code by which we know it")
        text = vietqr(ours.bank_bin, ours.account_number, amount=order.amount, purpose=code)
        lines = (
            (N_("Bank"), ours.bank_name),
            (N_("Account"), ours.account_number),
            (N_("Account holder"), ours.account_name),
            (N_("Write exactly this"), code),
        )
        return GatewayOrder(code, CheckoutQr(text=text, image_url=None, lines=lines))

    def _signed_form(self, order: OrderRequest) -> list[tuple[str, str]]:
        fields = [
            ("merchant", self._settings.merchant_id),
            ("operation", "PURCHASE"),
            ("order_amount", str(order.amount.minor)),
            ("currency", order.amount.unit),
            ("order_invoice_number", order.receipt),
            ("order_description", order.title),
            ("success_url", order.return_url),
            ("error_url", order.return_url),
            ("cancel_url", order.return_url),
        ]
        return [*fields, ("signature", form_signature(self._settings.secret_key, fields))]


def form_signature(secret: str, fields: Sequence[tuple[str, str]]) -> str:
    """SePay's signature over the fields of a form, in the order in which they are submitted."""
    message = ",".join(f"{name}={value}" for name, value in fields)
    return base64.b64encode(hmac_sha256(secret.encode(), message.encode())).decode()


def _is_payment(payment: PaymentWire) -> bool:
    return payment.transaction_type == "PAYMENT"


def _facts(order: OrderWire, payment: PaymentWire) -> PaymentFacts:
    approved = payment.transaction_status == "APPROVED"
    return PaymentFacts(
        provider=SepayGateway.name,
        payment_id=f"{order.order_invoice_number}-{payment.id}",
        order_id=order.order_invoice_number,
        amount=dong(payment.transaction_amount),
        state=OrderState.CAPTURED if approved and order.order_status == "CAPTURED" else _unpaid(payment),
        method=payment.payment_method.lower(),
    )


def _unpaid(payment: PaymentWire) -> OrderState:
    return OrderState.FAILED if payment.transaction_status == "DECLINED" else OrderState.PENDING


def _transfer_facts(transfer: TransferWire) -> TransferFacts:
    incoming = transfer.amount_in > 0
    return TransferFacts(
        provider=SepayGateway.name,
        transfer_id=str(transfer.id),
        account=transfer.account_number,
        amount=dong(transfer.amount_in if incoming else transfer.amount_out),
        direction="in" if incoming else "out",
        content=transfer.transaction_content,
        code=transfer.code,
        at=transfer.transaction_date,
        bank_reference=transfer.reference_number or "",
    )
