"""Razorpay's two signatures: of a finished checkout, and of a webhook."""

import hashlib
import hmac


def checkout_signature(secret: str, order_id: str, payment_id: str) -> str:
    """What checkout hands back as `razorpay_signature`: HMAC-SHA256 over `order_id|payment_id`, hex."""
    return _hmac(secret, f"{order_id}|{payment_id}".encode())


def payment_link_signature(secret: str, link_id: str, reference_id: str, status: str, payment_id: str) -> str:
    """The signature of a payment link's callback."""
    return _hmac(secret, f"{link_id}|{reference_id}|{status}|{payment_id}".encode())


def webhook_signature(secret: str, body: bytes) -> str:
    """`X-Razorpay-Signature`: HMAC-SHA256 over the raw body, hex."""
    return _hmac(secret, body)


def _hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
