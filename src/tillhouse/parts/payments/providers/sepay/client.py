"""Sending to SePay, and knowing what comes from it."""

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from tillhouse.kernel.outbound import Outbound
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.ports import BadSignature, KeyRefused, ProviderEvent
from tillhouse.parts.payments.providers.answers import raise_for, read, require_match, require_timed_match
from tillhouse.parts.payments.providers.sepay.settings import SepaySettings
from tillhouse.parts.payments.providers.sepay.wire import OrderEvent, TransferEvent, dong

W = TypeVar("W", bound=BaseModel)


class _Error(BaseModel):
    error: str | None = None
    error_code: str | None = None
    message: str | None = None


class SepayClient:
    """One company at SePay. Every call goes through the house's outbound client."""

    def __init__(self, outbound: Outbound, settings: SepaySettings, *, sandbox: str = "") -> None:
        base = (settings.base_url or (f"{sandbox.rstrip('/')}/sepay" if sandbox else "")).rstrip("/")
        self.bank_api = f"{base}/userapi" if base else "https://my.sepay.vn/userapi"
        self.gateway_api = f"{base}/pg/v1" if base else "https://pgapi.sepay.vn/v1"
        self.checkout_page = f"{base}/pg/v1/checkout/init" if base else "https://pay.sepay.vn/v1/checkout/init"
        self._outbound = outbound
        self._settings = settings

    async def bank(self, shape: type[W], path: str, params: Mapping[str, str] | None = None) -> W:
        """Ask about the bank account. Raises `Refused`, `OutcomeUnknown`, `NotSent`, `KeyRefused`."""
        headers = {"Authorization": f"Bearer {self._settings.api_token}"}
        answer = await self._outbound.send("sepay", "GET", self.bank_api + path, params=params, headers=headers)
        raise_for(answer, "SePay", _error_of)
        if not answer.body.strip():  # so it answers strangers
            raise KeyRefused("SePay")
        return read(shape, answer, "SePay")

    async def gateway(self, method: Literal["GET", "POST"], shape: type[W], path: str, body: object = None) -> W:
        """Ask the payment gateway. Raises `Refused`, `OutcomeUnknown`, `NotSent`."""
        auth = (self._settings.merchant_id, self._settings.secret_key)
        answer = await self._outbound.send("sepay", method, self.gateway_api + path, json=body, auth=auth)
        raise_for(answer, "SePay", _error_of)
        return read(shape, answer, "SePay")

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        """A bank transfer (signed, or with a key) or an order of the payment gateway (with its secret).

        Which of them is told by its proof: nothing is read of what has none. Raises `BadSignature`.
        """
        of_order = "x-secret-key" in headers
        if of_order:
            require_match([headers["x-secret-key"]], [self._settings.secret_key])
        else:
            self._check_transfer(body, headers)
        try:
            if of_order:
                return _order_event(OrderEvent.model_validate_json(body))
            return _transfer_event(TransferEvent.model_validate_json(body))
        except ValidationError:
            raise BadSignature(N_("This is not an event.")) from None

    def _check_transfer(self, body: bytes, headers: Mapping[str, str]) -> None:
        if "x-sepay-signature" in headers:
            self._check_signature(body, headers["x-sepay-signature"], headers.get("x-sepay-timestamp", ""))
            return
        keys = [f"Apikey {key}" for key in self._settings.api_keys if key]
        require_match([headers.get("authorization", "")], keys)

    def _check_signature(self, body: bytes, signature: str, at: str) -> None:
        secrets = [secret.encode() for secret in self._settings.webhook_secrets if secret]
        require_timed_match(body, at, [signature], secrets, prefix="sha256=")


def _order_event(event: OrderEvent) -> ProviderEvent:
    """SePay gives its notices no id: the transaction and what became of it are one."""
    payment, order = event.transaction, event.order
    return ProviderEvent(
        event_id=f"{event.notification_type}:{order.order_invoice_number}:{payment.id}:{payment.transaction_status}",
        name=event.notification_type,
        order_id=order.order_invoice_number,
        payment_id=f"{order.order_invoice_number}-{payment.id}",
        amount=dong(order.order_amount),
    )


def _transfer_event(event: TransferEvent) -> ProviderEvent:
    return ProviderEvent(event_id=event.id, name=f"transfer.{event.transferType}", transfer_id=event.id)


def _error_of(body: bytes) -> tuple[str | None, str | None]:
    error = _Error.model_validate_json(body)
    return error.error_code, error.message or error.error
