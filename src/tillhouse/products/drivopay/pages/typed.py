"""What people type, brought into the form that the house reads, and back."""

from tillhouse.kernel.money import Money
from tillhouse.kernel.web import formats


def plain_amount(typed: str) -> str:
    """People group digits (`1,450`) and put a rupee sign before them; the wire does neither."""
    return formats.typed(typed.replace("₹", ""), "INR")


def typed_amount(amount: Money) -> str:
    """An amount as a person would type it: grouped, with paise only where there are some."""
    return formats.number(amount.decimal, digits=2 if amount.minor % 100 else 0)
