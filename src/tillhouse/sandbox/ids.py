"""Identifiers in the shapes that providers use."""

import secrets
import string

_ALPHANUMERIC = string.ascii_letters + string.digits


def token(length: int) -> str:
    """`length` random letters and digits."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))


def razorpay_id(prefix: str) -> str:
    """Razorpay's form: a prefix, an underscore, 14 letters and digits."""
    return f"{prefix}_{token(14)}"


def stripe_id(prefix: str) -> str:
    """Stripe's form: a prefix, an underscore, 24 letters and digits."""
    return f"{prefix}_{token(24)}"


def twilio_sid(prefix: str) -> str:
    """Twilio's form: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def bank_reference(length: int = 12) -> str:
    """A bank's or UPI's reference number (RRN, UTR): digits only."""
    return "".join(secrets.choice(string.digits) for _ in range(length))
