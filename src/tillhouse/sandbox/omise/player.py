"""Omise: its routes, and what comes to pass by itself."""

from collections.abc import Mapping
from functools import partial

from fastapi.responses import Response

from tillhouse.sandbox.omise import (
    balance,
    cards,
    charges,
    control,
    errors,
    events,
    recipients,
    refunds,
    sources,
    transfers,
)
from tillhouse.sandbox.omise.payout_schemas import Transfer
from tillhouse.sandbox.omise.schemas import Charge
from tillhouse.sandbox.player import Page, Player
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.world import World

_MODULES = (control, cards, sources, charges, refunds, recipients, transfers, balance, events)
# Omise has no prefix of its own: whatever begins so, at the root, is Omise's.
_ROOTS = frozenset(
    {"account", "balance", "capability", "charges", "customers", "disputes", "events", "recipients", "refunds"}
    | {"sources", "tokens", "transactions", "transfers"}
    | {"chains", "forex", "links", "occurrences", "receipts", "schedules", "search"}  # not played: answered 404
)


def _register(world: World) -> None:
    events.register(world)
    for name, action in {
        "omise.charge.expire": charges.expire_by_itself,
        "omise.recipient.verify": recipients.verify_by_itself,
        "omise.recipient.verified": transfers.send_waiting,
        "omise.transfer.advance": transfers.advance,
    }.items():
        world.agenda.register(name, partial(action, world))


def _trouble(status: int) -> Response:
    return (errors.throttled() if status == 429 else errors.server_error(status)).response()


def _facts(settings: SandboxSettings) -> Mapping[str, str]:
    return {
        "API": "/",
        "Public key": settings.omise_public_key,
        "Secret key": settings.omise_secret_key,
        "Webhook secret": settings.omise_webhook_secret,
        "Card that pays": "4242424242424242",
        "Card without money": "4111111111140011",
    }


OMISE = Player(
    name="Omise",
    apis=("omise",),
    routers=tuple(module.router for module in _MODULES),
    register=_register,
    api_of=lambda path: "omise" if path.split("/")[1] in _ROOTS else None,
    trouble=_trouble,
    no_such_url=lambda _method, _path, _status: errors.no_such_url().response(),
    facts=_facts,
    pages=(
        Page("omise/charges", "Charges", Charge),
        Page("omise/transfers", "Transfers", Transfer),
    ),
    senders={"omise": events.send_raw},
)
