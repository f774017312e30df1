"""Razorpay and RazorpayX: their routes, and what comes to pass by itself."""

from collections.abc import Mapping
from functools import partial

from fastapi.responses import Response

from tillhouse.sandbox.player import Page, Player
from tillhouse.sandbox.razorpay import (
    beneficiaries,
    checkout,
    control,
    customers,
    desk,
    disputes,
    errors,
    events,
    link_pages,
    links,
    mandates,
    orders,
    payment_links,
    payments,
    payouts,
    qr_codes,
    recurring,
    refunds,
    settlements,
    tokens,
    transactions,
    validations,
)
from tillhouse.sandbox.razorpay.disputes import Dispute
from tillhouse.sandbox.razorpay.links import PaymentLink
from tillhouse.sandbox.razorpay.qr_codes import QrCode
from tillhouse.sandbox.razorpay.schemas import Order, Payment
from tillhouse.sandbox.razorpay.settling import Settlement
from tillhouse.sandbox.razorpay.tokens import Token
from tillhouse.sandbox.razorpay.validations import FundAccountValidation
from tillhouse.sandbox.razorpay.x_schemas import Payout
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.world import World

_MONEY_IN = (orders, qr_codes, payment_links, refunds, recurring, payments, disputes, settlements, tokens, customers)
_MONEY_OUT = (validations, beneficiaries, payouts, transactions)
_PAGES = (desk, control, mandates, checkout, link_pages)
_PAYOUT_ROOTS = ("contacts", "fund_accounts", "payouts", "transactions", "banking_balances")


def _register(world: World) -> None:
    events.register(world)
    for name, action in {
        "payment.authorize_late": payments.authorize_late,
        "payment.expire": refunds.expire_authorization,
        "refund.process": refunds.process,
        "payout.advance": payouts.advance,
        "payment_link.expire": links.expire,
        "qr_code.close": qr_codes.close_in_time,
        "validation.answer": validations.answer_in_time,
        "token.confirm": tokens.confirm,
        "token.cancel": tokens.cancelled_in_time,
        "recurring.debit": recurring.debit,
    }.items():
        world.agenda.register(name, partial(action, world))


def _api_of(path: str) -> str | None:
    if not path.startswith("/razorpay/v1/"):
        return None
    return "razorpayx" if path.split("/")[3] in _PAYOUT_ROOTS else "razorpay"


def _trouble(status: int) -> Response:
    error = errors.throttled() if status == 429 else errors.server_error()
    error.status = status
    return error.response()


def _facts(settings: SandboxSettings) -> Mapping[str, str]:
    return {
        "API": "/razorpay/v1",
        "Key id": settings.razorpay_key_id,
        "Key secret": settings.razorpay_key_secret,
        "Webhook secret": settings.razorpay_webhook_secret,
        "RazorpayX account": settings.razorpayx_account_number,
        "RazorpayX webhook secret": settings.razorpayx_webhook_secret,
        "UPI that pays": "success@razorpay",
        "UPI that fails": "failure@razorpay",
    }


RAZORPAY = Player(
    name="Razorpay",
    apis=("razorpay", "razorpayx"),
    routers=(*(module.router for module in (*_PAGES, *_MONEY_IN, *_MONEY_OUT)), qr_codes.images),
    register=_register,
    api_of=_api_of,
    trouble=_trouble,
    no_such_url=lambda _method, _path, _status: errors.no_such_url().response(),
    invalid=lambda complaints: errors.from_validation(complaints).response(),
    facts=_facts,
    pages=(
        Page("razorpay/orders", "Orders", Order),
        Page("razorpay/payments", "Payments", Payment),
        Page("razorpay/qr_codes", "QR codes", QrCode),
        Page("razorpay/payment_links", "Links", PaymentLink),
        Page("razorpay/tokens", "Authorisations", Token),
        Page("razorpay/disputes", "Disputes", Dispute),
        Page("razorpay/settlements", "Settlements", Settlement),
        Page("razorpay/payouts", "Payouts", Payout),
        Page("razorpay/validations", "Validations", FundAccountValidation),
    ),
    senders={api: partial(events.send_raw, api) for api in ("razorpay", "razorpayx")},
)
