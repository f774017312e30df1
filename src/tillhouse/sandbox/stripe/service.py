"""Stripe as the sandbox wires it: its routers, and what comes to pass by itself."""

from fastapi import APIRouter

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
    transfers,
)
from tillhouse.sandbox.stripe.calls import PREFIX
from tillhouse.sandbox.stripe.errors import StripeError
from tillhouse.sandbox.world import World

_MONEY_IN = (intents, methods, charges, refunds, disputes, sessions, customers)
_MONEY_OUT = (balance, payouts, accounts, transfers)

ROUTERS: tuple[APIRouter, ...] = tuple(module.router for module in (*_MONEY_IN, *_MONEY_OUT, events, pages, control))


def register(world: World) -> None:
    """Teach the outgoing queue and the agenda what Stripe does."""
    events.register(world)
    for name, action in {
        "stripe.funds.available": lambda subject: balance.make_available(world, subject),
        "stripe.intent.expire": lambda subject: charging.expire(world, subject),
        "stripe.intent.settle": lambda subject: control.settle(world, subject, succeeds=True),
        "stripe.intent.bounce": lambda subject: control.settle(world, subject, succeeds=False),
        "stripe.session.expire": lambda subject: sessions.expire(world, subject),
        "stripe.refund.settle": lambda subject: refunds.settle(world, subject),
        "stripe.charge.dispute": lambda subject: disputes.dispute_by_itself(world, subject),
        "stripe.dispute.decide": lambda subject: disputes.decide(world, subject),
        "stripe.dispute.due": lambda subject: disputes.fall_due(world, subject),
        "stripe.payout.advance": lambda subject: payouts.advance(world, subject),
    }.items():
        world.agenda.register(name, action)


def no_such_url(method: str, path: str) -> StripeError:
    """The 404 of an address that Stripe does not serve."""
    return errors.no_such_url(method, path.removeprefix(PREFIX))
