"""Omise's webhook signature. UNCONFIRMED by the official text; three independent implementations agree on it."""

import base64
import hashlib
import hmac


def webhook_signature(secret: str, timestamp: int, body: bytes) -> str:
    """`Omise-Signature`: HMAC-SHA256 over `timestamp.body`, hex; the key is the secret decoded from base64."""
    message = str(timestamp).encode() + b"." + body
    return hmac.new(base64.b64decode(secret), message, hashlib.sha256).hexdigest()
