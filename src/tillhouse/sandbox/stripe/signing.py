"""`Stripe-Signature`: a time, and one `v1` for every secret in force."""

import hashlib
import hmac
from collections.abc import Iterable


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`v1`: HMAC-SHA256 over `t.body` with the whole `whsec_…` text as key, hex."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def signature_header(secrets: Iterable[str], timestamp: int, body: bytes) -> str:
    """The whole header; while a secret is rotated there are two."""
    return ",".join([f"t={timestamp}", *(f"v1={signature(secret, timestamp, body)}" for secret in secrets)])
