"""What people type, brought into the form that the house reads."""


def plain_amount(typed: str) -> str:
    """People group digits (`1,450`) and put a rupee sign before them; the wire does neither."""
    return typed.replace(",", "").replace("₹", "").replace(" ", "")
