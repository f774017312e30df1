"""SePay's two signatures: of a webhook, and of the form that begins a checkout."""

import base64
import hashlib
import hmac
from collections.abc import Iterable

# Only these fields are signed, in the order in which they are submitted: so does the official Node SDK. Whether the
# real server insists on that order is UNCONFIRMED.
SIGNED_FIELDS = frozenset(
    {
        "merchant",
        "env",
        "operation",
        "payment_method",
        "order_amount",
        "currency",
        "order_invoice_number",
        "order_description",
        "customer_id",
        "agreement_id",
        "agreement_name",
        "agreement_type",
        "agreement_payment_frequency",
        "agreement_amount_per_payment",
        "success_url",
        "error_url",
        "cancel_url",
        "order_id",
    }
)


def webhook_signature(secret: str, timestamp: int, body: bytes) -> str:
    """`X-SePay-Signature`: HMAC-SHA256 over `timestamp.body`, hex, after its name."""
    message = str(timestamp).encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def checkout_signature(secret: str, fields: Iterable[tuple[str, str]]) -> str:
    """`signature` of a checkout form: HMAC-SHA256 over `name=value,name=value,…`, base64."""
    message = ",".join(f"{name}={value}" for name, value in fields if name in SIGNED_FIELDS)
    return base64.b64encode(hmac.new(secret.encode(), message.encode(), hashlib.sha256).digest()).decode()
