"""What the house knows of payments."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.edge import BodyAllowance
from tillhouse.kernel.house import House
from tillhouse.kernel.live import LiveTopic
from tillhouse.kernel.manifest import Demo, Invariant, Module, NavItem, Process
from tillhouse.kernel.text import N_
from tillhouse.kernel.vault import SealedColumn
from tillhouse.kernel.work import AnyHandler, AnyJob
from tillhouse.parts.payments.providers import vendor_settings
from tillhouse.parts.payments.settings import PaymentsSettings, PayoutGuards

if TYPE_CHECKING:
    import click


_FORM_BYTES = 10_000  # what surrounds a file in a form

# The console's menu: title, path, icon.
_PAGES = (
    (N_("What waits"), "", "inbox"),
    (N_("Payments"), "orders", "credit-card"),
    (N_("Payouts"), "payouts", "hand-coins"),
    (N_("Refunds"), "refunds", "undo-2"),
    (N_("Disputes"), "disputes", "scale"),
    (N_("Exceptions"), "exceptions", "triangle-alert"),
    (N_("Bank transfers"), "transfers", "landmark"),
    (N_("Reconciliation"), "reconciliation", "clipboard-list"),
    (N_("Events of providers"), "events", "webhook"),
)


def _api() -> APIRouter:
    from tillhouse.parts.payments.http import router

    return router()


def _pages() -> APIRouter:
    from tillhouse.parts.payments.pages import router

    return router


def _models() -> ModuleType:
    from tillhouse.parts.payments import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.payments.jobs import JOBS

    return JOBS


def _cli() -> "click.Group":
    from tillhouse.parts.payments.cli import command

    return command


def _demo() -> Demo:
    from tillhouse.parts.payments.demo import seed

    return Demo(seed)


def _handlers() -> Sequence[AnyHandler]:
    from tillhouse.parts.payments.handlers import HANDLERS

    return HANDLERS


def _invariants() -> Sequence[Invariant]:
    from tillhouse.parts.payments.service.checks import (
        agreed_lines_are_booked,
        given_back_at_most_once,
        holds_match_payouts,
        holds_match_refunds,
        open_items_make_up_balances,
        paid_orders_have_one_payment,
        transfers_are_accounted_for,
    )

    return (
        Invariant(
            "payments.paid_once",
            "A paid order has exactly one payment that paid it; an unpaid one has none.",
            paid_orders_have_one_payment,
        ),
        Invariant(
            "payments.payouts_are_held",
            "The money of every payout under way is set aside in its owner's wallet.",
            holds_match_payouts,
        ),
        Invariant(
            "payments.given_back_once",
            "Refunds and lost disputes of a payment never exceed what was captured, and it counts them rightly.",
            given_back_at_most_once,
        ),
        Invariant(
            "payments.refunds_are_held",
            "The money of every refund under way is set aside where the payment's is.",
            holds_match_refunds,
        ),
        Invariant(
            "payments.transfers_accounted",
            "What is in suspense is what has not been placed of the bank transfers that came in.",
            transfers_are_accounted_for,
        ),
        Invariant(
            "payments.settled_lines_booked",
            "Every line of a provider's report that agrees with our books is booked.",
            agreed_lines_are_booked,
        ),
        Invariant(
            "payments.open_items",
            "The open items of every account that has to return to zero sum to its balance.",
            open_items_make_up_balances,
        ),
    )


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.identity.api import (
        MONEY_READERS,
        Erasure,
        ErasureVeto,
        MessageKind,
        OrganisationClosing,
        OrganisationRoom,
    )
    from tillhouse.parts.payments.flows.events import EventDoor
    from tillhouse.parts.payments.providers import installed
    from tillhouse.parts.payments.service.books import ACCOUNT_KINDS, TRANSACTION_KINDS
    from tillhouse.parts.payments.service.checks import (
        close_organisation,
        erase_person,
        reasons_to_keep,
        reasons_to_keep_organisation,
    )
    from tillhouse.parts.payments.service.deposits import PURPOSE, pending_of
    from tillhouse.parts.payments.service.owners import ROOM
    from tillhouse.parts.payments.service.payees import payout_accounts
    from tillhouse.parts.payments.service.published import PUBLISHED
    from tillhouse.parts.payments.service.reconciliation import books as settling
    from tillhouse.parts.payments.service.waiting import CARDS
    from tillhouse.parts.wallets.api import PayoutAccounts, PendingSource

    statements = house.settings_of(PaymentsSettings).statement_max_bytes
    return (
        PURPOSE,
        EventDoor(house),
        *PUBLISHED,
        MessageKind("payments.deposit_received", "money", ("amount", "url")),
        MessageKind("payments.receipt", "money", ("amount", "link")),
        MessageKind("payments.refunded", "money", ("amount", "link")),
        MessageKind("payments.withdrawal_paid", "money", ("amount", "destination")),
        MessageKind("payments.withdrawal_failed", "money", ("amount", "destination")),
        MessageKind("payments.withdrawal_requested", "security", ("amount", "destination")),
        MessageKind("payments.payee_added", "security", ("destination",)),
        MessageKind("payments.organisation_money", "security", ("organisation", "destination")),
        *ACCOUNT_KINDS,
        *TRANSACTION_KINDS,
        *settling.ACCOUNT_KINDS,
        *settling.TRANSACTION_KINDS,
        PendingSource(pending_of),
        LiveTopic("payments", "payments.pay"),
        LiveTopic("payouts", "payments.pay"),
        PayoutAccounts(payout_accounts),
        ErasureVeto("payments", reasons_to_keep),
        Erasure("payments", erase_person),
        OrganisationClosing("payments", reasons_to_keep_organisation, close_organisation),
        OrganisationRoom(
            title=N_("Money"),
            text=N_("What is in its wallets, paying it out, and what became of that."),
            icon="wallet",
            path=ROOM,
            roles=MONEY_READERS,
        ),
        *installed(house),
        *CARDS,
        BodyAllowance("/console/payments/reconciliation/statements", statements + _FORM_BYTES),
    )


MODULE = Module(
    name="payments",
    title="Payments",
    floor="part",
    folder=Path(__file__).parent,
    requires=("identity", "ledger", "documents", "wallets"),
    plugged_by=("kyc",),
    settings=(PaymentsSettings, PayoutGuards, *vendor_settings()),
    api_roots=("/payments", "/wallets/deposit", "/wallets/withdraw", "/wallet/withdrawal"),
    api=_api,
    pages=_pages,
    models=_models,
    sealed=(
        SealedColumn("payments.payouts", "id", "destination"),
        SealedColumn("payments.payees", "id", "destination"),
        SealedColumn("payments.payees", "id", "registered_name"),
        SealedColumn("payments.provider_events", "id", "body"),
        SealedColumn("payments.transfers", "id", "content"),
    ),
    jobs=_jobs,
    cli=_cli,
    demo=_demo,
    handlers=_handlers,
    nav=tuple(
        NavItem(title, f"/console/payments/{path}", icon, "console", permission="payments.read", order=50 + place)
        for place, (title, path, icon) in enumerate(_PAGES)
    ),
    permissions=(
        Permission("payments.pay", "Pay in and withdraw one's own money, or one's organisation's", frozenset({"user"})),
        Permission("payments.status", "See where a payment stands", frozenset({"user", "machine"})),
        Permission(
            "payments.status_of_all", "See where anyone's payment stands", frozenset({"staff", "machine"}), assurance=2
        ),
        Permission(
            "payments.payout", "Pay out a person's money on their behalf", frozenset({"staff", "machine"}), assurance=2
        ),
        Permission(
            "payments.approve", "See payouts that wait, approve or reject them", frozenset({"staff"}), assurance=2
        ),
        Permission(
            "payments.read",
            "See payments, payouts, refunds, disputes and transfers of all",
            frozenset({"staff"}),
            assurance=2,
        ),
        Permission("payments.place", "Say what a bank transfer is for", frozenset({"staff"}), assurance=2),
        Permission("payments.refund", "Give money back to its payer", frozenset({"staff", "machine"}), assurance=2),
        Permission("payments.replay", "Have a provider's event looked at again", frozenset({"staff"}), assurance=2),
        Permission(
            "payments.reconcile", "Reconcile with providers and the bank", frozenset({"staff", "machine"}), assurance=2
        ),
        Permission("payments.correct", "Propose how an exception ends", frozenset({"staff", "machine"}), assurance=2),
        Permission("payments.approve_correction", "Approve how an exception ends", frozenset({"staff"}), assurance=2),
    ),
    processes=(
        Process("payments", "web", most=8),
        Process(
            "payments-worker", "worker", queues=("payments.money", "payments.quick"), most=4, scales_by="queue_age"
        ),
        Process("payments-maintenance", "worker", queues=("payments.slow",), scales_by="schedule"),
    ),
    invariants=_invariants,
    provides=_provides,
)
