"""SePay: the bank it watches and its payment gateway."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fastapi.responses import Response

from tillhouse.sandbox.player import Page, Player
from tillhouse.sandbox.sepay import control, events, gateway, userapi
from tillhouse.sandbox.sepay.errors import SepayError
from tillhouse.sandbox.sepay.schemas import BankTransaction, Order
from tillhouse.sandbox.settings import SandboxSettings


def _api_of(path: str) -> str | None:
    if not path.startswith("/sepay/"):
        return None
    return "sepay_pg" if path.startswith("/sepay/pg/") else "sepay"


def _invalid(complaints: Sequence[Any]) -> Response:
    first = complaints[0]
    return SepayError(422, f"{first['loc'][-1]}: {first['msg']}").response()


def _facts(settings: SandboxSettings) -> Mapping[str, str]:
    return {
        "API": "/sepay",
        "API token": settings.sepay_api_token,
        "Bank account": f"{settings.sepay_bank} {settings.sepay_account_number}",
        "Webhook secret": settings.sepay_webhook_secret,
        "Gateway": "/sepay/pg/v1",
        "Merchant id": settings.sepay_pg_merchant_id,
        "Gateway secret key": settings.sepay_pg_secret_key,
    }


SEPAY = Player(
    name="SePay",
    apis=("sepay", "sepay_pg"),
    routers=(control.router, userapi.router, gateway.router),
    register=events.register,
    api_of=_api_of,
    trouble=lambda status: SepayError(status).response(),
    no_such_url=lambda _method, _path, status: SepayError(status).response(),
    invalid=_invalid,
    facts=_facts,
    pages=(
        Page("sepay/bank", "Transfers", BankTransaction),
        Page("sepay/orders", "Orders", Order),
    ),
    senders={api: partial(events.send_raw, api) for api in ("sepay", "sepay_pg")},
)
