"""SePay's webhooks: of bank transactions, in each way to prove who calls; and the payment gateway's IPN."""

import json
from collections.abc import Mapping

import httpx

from tillhouse.sandbox.sepay.schemas import BankTransaction, Order, Wire, vietnam_time
from tillhouse.sandbox.sepay.signing import webhook_signature
from tillhouse.sandbox.webhooks import Delivery, Policy, answered_2xx
from tillhouse.sandbox.world import World

_ANSWER_WITHIN_SECONDS = 30.0
_WAITS_SECONDS = (60.0, 60.0, 120.0, 180.0, 300.0, 480.0, 780.0)
_DROPPED_AFTER_SECONDS = 5 * 3600.0


def register(world: World) -> None:
    """Teach the outgoing queue how both products prove themselves and retry."""
    rule = world.settings.sepay_webhook_success

    def sign(delivery: Delivery) -> Mapping[str, str]:
        return _proof(world, delivery)

    def carry_secret(_: Delivery) -> Mapping[str, str]:
        return {"X-Secret-Key": world.settings.sepay_pg_secret_key}

    world.webhooks.register(
        "sepay",
        Policy(
            timeout=_ANSWER_WITHIN_SECONDS,
            waits=_WAITS_SECONDS,
            give_up_after=_DROPPED_AFTER_SECONDS,
            retries_on_refusal=True,
            disables=False,
            sign=sign,
            signs_each_try=True,
            is_taken=answered_2xx if rule == "status" else _says_success,
        ),
    )
    # UNCONFIRMED: whether and when the gateway repeats its IPN. The bank webhook's waits are chosen.
    world.webhooks.register(
        "sepay_pg",
        Policy(
            timeout=_ANSWER_WITHIN_SECONDS,
            waits=_WAITS_SECONDS,
            retries_on_refusal=True,
            disables=False,
            sign=carry_secret,
            is_taken=_answered_200,
        ),
    )


def emit_transaction(world: World, transaction: BankTransaction) -> None:
    """Queue the webhook of a bank transaction. Call inside the transaction that books it."""
    _enqueue(world, "sepay", transaction.transfer_type, transaction.id, _bank_body(transaction))


def emit_ipn(world: World, order: Order, notification: str) -> None:
    """Queue an IPN about an order. Call inside the transaction that changes it."""
    body: Wire = {
        "timestamp": world.clock.now_s(),
        "notification_type": notification,
        "order": {
            "id": order.uuid,
            "order_id": order.order_id,
            "order_status": order.status,
            "order_currency": "VND",
            "order_amount": f"{order.amount}.00",
            "order_invoice_number": order.id,
            "custom_data": [] if order.custom_data is None else order.custom_data,
            "user_agent": order.user_agent,
            "ip_address": order.ip_address,
            "order_description": order.description,
        },
        "transaction": transaction_wire(order),
        "customer": None if order.customer_id is None else {"id": order.customer_id, "customer_id": order.customer_id},
        "agreement": None,
    }
    _enqueue(world, "sepay_pg", notification, order.id, body)


def send_raw(provider: str, world: World, event: str, body: Wire, event_id: str | None) -> Delivery:
    """Queue a webhook of any content, rightly proven: for tests of what must be refused or parked."""
    return _enqueue(world, provider, event, event_id or str(body.get("id", "")), body)


def transaction_wire(order: Order) -> Wire:
    """How an order was paid; for cards, with the test card's details."""
    by_card = order.paid_by == "CARD"
    return {
        "id": order.transaction_uuid,
        "payment_method": order.paid_by,
        "transaction_id": order.transaction_id,
        "transaction_type": "PAYMENT",
        "transaction_date": vietnam_time(order.paid_at or order.updated_at),
        "transaction_status": "VOIDED" if order.status == "VOIDED" else "APPROVED",
        "transaction_amount": str(order.amount),
        "transaction_currency": "VND",
        "authentication_status": "AUTHENTICATION_SUCCESSFUL" if by_card else None,
        "card_number": "512345xxxxxx0008" if by_card else None,
        "card_holder_name": "NGUYEN VAN A" if by_card else None,
        "card_expiry": "1230" if by_card else None,
        "card_funding_method": "DEBIT" if by_card else None,
        "card_brand": "MASTERCARD" if by_card else None,
    }


def _enqueue(world: World, provider: str, event: str, event_id: str, body: Wire) -> Delivery:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return world.webhooks.enqueue(
        provider=provider, event=event, url=world.settings.sepay_webhook_url, body=text, event_id=event_id
    )


def _bank_body(transaction: BankTransaction) -> Wire:
    return {
        "id": transaction.number,
        "gateway": transaction.bank,
        "transactionDate": vietnam_time(transaction.created_at),
        "accountNumber": transaction.account_number,
        "subAccount": transaction.virtual_account,
        "code": transaction.code,
        "content": transaction.content,
        "transferType": transaction.transfer_type,
        "transferAmount": transaction.amount,
        "accumulated": transaction.accumulated,
        "referenceCode": transaction.reference,
        "description": f"BankAPINotify {transaction.content}",
    }


def _proof(world: World, delivery: Delivery) -> Mapping[str, str]:
    settings = world.settings
    if settings.sepay_webhook_auth == "apikey":
        return {"Authorization": f"Apikey {settings.sepay_webhook_api_key}"}
    if settings.sepay_webhook_auth == "hmac":
        timestamp = world.clock.now_s()
        signature = webhook_signature(settings.sepay_webhook_secret, timestamp, delivery.body.encode())
        return {"X-SePay-Timestamp": str(timestamp), "X-SePay-Signature": signature}
    return {}


def _answered_200(response: httpx.Response) -> bool:
    return response.status_code == 200


def _says_success(response: httpx.Response) -> bool:
    """The older documentation's rule: 200 or 201, and `{"success": true}`."""
    try:
        body: object = response.json()
    except ValueError:
        return False
    return response.status_code in {200, 201} and isinstance(body, dict) and body.get("success") is True
