"""The text of Stripe's PromptPay codes."""

from tillhouse.sandbox.emvco import promptpay_bill

_BILLER = "0994000165501"


def qr_payload(amount: int, reference: str) -> str:
    """The code for `amount` satang with `reference` (its letters and digits, at most the last 20)."""
    short = "".join(letter for letter in reference.upper() if letter.isalnum())[-20:]
    return promptpay_bill(_BILLER, short, amount)
