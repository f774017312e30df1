"""What an order at Razorpay says more when its payer authorises later charges while they pay it.

https://razorpay.com/docs/api/payments/recurring-payments/upi/create-authorization-transaction/, .../cards/...
"""

from collections.abc import Mapping
from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.parts.payments.domain import Method
from tillhouse.parts.payments.ports import OrderRequest
from tillhouse.parts.payments.providers.razorpay.client import RazorpayClient
from tillhouse.parts.payments.providers.razorpay.wire import CustomerWire, OrderWire

# Charges without their holder (RBI's limit for what needs no additional factor), in paise.
MOST = 15_000_00

_LASTS = timedelta(days=3652)  # ten years: what Razorpay itself takes by UPI where nothing is said
_METHODS = {Method.CARD: "card", Method.UPI: "upi"}
# Notes by which an order that is found again tells whose authorisation it was for, and up to which amount: neither is
# documented to stand in the order itself.
_CUSTOMER, _MOST = "customer", "most"


async def new_customer(client: RazorpayClient, order: OrderRequest) -> str:
    """Whom the authorisation is of. Two made for one order, where an answer was lost, do no harm.

    Somebody with the same address is answered as they are there (`fail_existing` "0"); a name is required, and
    Razorpay's own page asks for the payer's number: here neither is known.
    """
    body: dict[str, object] = {
        "name": f"Payer {order.receipt[:12]}",
        "fail_existing": "0",
        "notes": {"receipt": order.receipt},
    }
    if order.email:
        body["email"] = order.email
    return (await client.post(CustomerWire, "/customers", body)).id


def authorising(order: OrderRequest, body: Mapping[str, object], customer: str) -> dict[str, object]:
    """The order's body with the authorisation. `as_presented`: no cycle of the bank's own, within which one debit alone
    would be let through; what is charged when, billing decides.
    """
    most = min(max((order.keep_up_to or order.amount).minor, order.amount.minor), MOST)
    return {
        **body,
        "customer_id": customer,
        "method": _METHODS[order.method],
        "token": {
            "max_amount": most,
            "expire_at": int((clock.now() + _LASTS).timestamp()),
            "frequency": "as_presented",
        },
        "notes": {"purpose": order.purpose, "receipt": order.receipt, _CUSTOMER: customer, _MOST: str(most)},
    }


def checkout_options(made: OrderWire) -> dict[str, str]:
    """What checkout is opened with for an order that authorises; without it the payment is one like any other."""
    customer = made.notes.get(_CUSTOMER)
    return {"customer_id": customer, "recurring": "1"} if isinstance(customer, str) else {}


def most_authorised(made: OrderWire) -> int | None:
    """What a charge may be at most by the authorisation that an order was for, in paise."""
    most = made.notes.get(_MOST)
    return int(most) if isinstance(most, str) and most.isdecimal() else None
