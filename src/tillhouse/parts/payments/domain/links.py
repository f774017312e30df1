"""The link of an order: whoever has it sees the order and may pay it, whoever has not cannot guess it."""

import base64
import binascii
import hmac
from uuid import UUID

_SEAL_BYTES = 16


def link_token(secret: str, order_id: UUID) -> str:
    """What stands in the order's link: its id and a seal over it."""
    return base64.urlsafe_b64encode(order_id.bytes + _seal(secret, order_id)).decode().rstrip("=")


def order_id_in(secret: str, token: str) -> UUID | None:
    """The order that a link is of, None for a link that we did not make. Takes the same time for every wrong one."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 16 + _SEAL_BYTES:
        return None
    order_id = UUID(bytes=raw[:16])
    right = hmac.compare_digest(raw[16:], _seal(secret, order_id)) and token == link_token(secret, order_id)
    return order_id if right else None


def _seal(secret: str, order_id: UUID) -> bytes:
    return hmac.digest(secret.encode(), b"tillhouse order link\0" + order_id.bytes, "sha256")[:_SEAL_BYTES]
