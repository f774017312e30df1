"""What a gateway is asked for, from an order as it is written down."""

from tillhouse.kernel.house import House
from tillhouse.parts.payments.domain import Method, transfer_code
from tillhouse.parts.payments.models import OrderRow
from tillhouse.parts.payments.ports import OrderRequest
from tillhouse.parts.payments.service.orders import pay_path
from tillhouse.parts.payments.service.registry import purpose
from tillhouse.parts.payments.settings import PaymentsSettings


def request_of(house: House, order: OrderRow) -> OrderRequest:
    """The request for an order, without what is only known while its payer is there."""
    known, method = purpose(house, order.purpose), Method(order.method)
    prefix = house.settings_of(PaymentsSettings).transfer_prefix
    return OrderRequest(
        receipt=order.receipt,
        amount=order.money,
        method=method,
        title=known.title if known else order.purpose,
        purpose=order.purpose,
        return_url=house.settings.address(f"{pay_path(house, order.id)}/return"),
        expires_at=order.expires_at,
        email=order.email,
        code=transfer_code(order.receipt, prefix) if method == Method.BANK_TRANSFER else None,
    )
