"""Stripe: its routes, and what comes to pass by itself."""

from collections.abc import Callable, Mapping
from functools import partial

from fastapi.responses import Response

from tillhouse.sandbox import ids
from tillhouse.sandbox.player import Page, Player
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.stripe import (
    accounts,
    balance,
    charges,
    charging,
    control,
    customers,
    disputes,
    errors,
    events,
    intents,
    methods,
    pages,
    payouts,
    refunds,
    sessions,
    setups,
    transfers,
)
from tillhouse.sandbox.stripe.calls import PREFIX
from tillhouse.sandbox.stripe.connect_schemas import Account, Payout
from tillhouse.sandbox.stripe.payment_schemas import PaymentIntent
from tillhouse.sandbox.stripe.session_schemas import Session
from tillhouse.sandbox.world import World

_MONEY_IN = (intents, methods, charges, refunds, disputes, sessions, setups, customers)
_MONEY_OUT = (balance, payouts, accounts, transfers)
_PAGES = (events, pages, control)


def _register(world: World) -> None:
    events.register(world)
    actions: dict[str, Callable[[World, str], None]] = {
        "stripe.funds.available": balance.make_available,
        "stripe.intent.expire": charging.expire,
        "stripe.intent.settle": partial(control.settle, succeeds=True),
        "stripe.intent.bounce": partial(control.settle, succeeds=False),
        "stripe.session.expire": sessions.expire,
        "stripe.refund.settle": refunds.settle,
        "stripe.charge.dispute": disputes.dispute_by_itself,
        "stripe.dispute.decide": disputes.decide,
        "stripe.dispute.due": disputes.fall_due,
        "stripe.payout.advance": payouts.advance,
    }
    for name, action in actions.items():
        world.agenda.register(name, partial(action, world))


def _trouble(status: int) -> Response:
    error = errors.throttled() if status == 429 else errors.server_error(status)
    return error.response(f"req_{ids.token(14)}")


def _facts(settings: SandboxSettings) -> Mapping[str, str]:
    return {
        "API": f"{PREFIX}/v1",
        "Secret key": settings.stripe_secret_key,
        "Publishable key": settings.stripe_publishable_key,
        "Webhook secret": settings.stripe_webhook_secret,
        "Account": settings.stripe_account_id,
        "Card that pays": "4242424242424242",
        "Card that is declined": "4000000000000002",
        "Card with 3-D Secure": "4000000000003220",
        "Card that can be kept and is declined later": "4000000000000341",
    }


STRIPE = Player(
    name="Stripe",
    apis=("stripe", "stripe_connect"),
    routers=tuple(module.router for module in (*_MONEY_IN, *_MONEY_OUT, *_PAGES)),
    register=_register,
    api_of=lambda path: "stripe" if path.startswith(f"{PREFIX}/") else None,
    trouble=_trouble,
    no_such_url=lambda method, path, _status: errors.no_such_url(method, path.removeprefix(PREFIX)).response(),
    facts=_facts,
    pages=(
        Page("stripe/checkout_sessions", "Checkout", Session),
        Page("stripe/payments", "Payments", PaymentIntent),
        Page("stripe/payouts", "Payouts", Payout),
        Page("stripe/accounts", "Accounts", Account),
    ),
    senders={"stripe": events.send_raw},
)
