"""What the house knows of payments."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Invariant, Module, Process
from tillhouse.kernel.vault import SealedColumn
from tillhouse.kernel.work import AnyHandler, AnyJob
from tillhouse.parts.payments.providers import vendor_settings
from tillhouse.parts.payments.settings import PaymentsSettings, PayoutGuards


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


def _handlers() -> Sequence[AnyHandler]:
    from tillhouse.parts.payments.handlers import HANDLERS

    return HANDLERS


def _invariants() -> Sequence[Invariant]:
    from tillhouse.parts.payments.service.checks import holds_match_payouts, paid_orders_have_one_payment

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
    )


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.identity.api import Erasure, ErasureVeto
    from tillhouse.parts.payments.providers import installed
    from tillhouse.parts.payments.service.books import ACCOUNT_KINDS, TRANSACTION_KINDS
    from tillhouse.parts.payments.service.checks import erase_person, reasons_to_keep
    from tillhouse.parts.payments.service.deposits import PURPOSE, pending_of
    from tillhouse.parts.wallets.api import PendingSource

    return (
        PURPOSE,
        *ACCOUNT_KINDS,
        *TRANSACTION_KINDS,
        PendingSource(pending_of),
        ErasureVeto("payments", reasons_to_keep),
        Erasure("payments", erase_person),
        *installed(house),
    )


MODULE = Module(
    name="payments",
    title="Payments",
    floor="part",
    folder=Path(__file__).parent,
    requires=("identity", "ledger", "wallets"),
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
    ),
    jobs=_jobs,
    handlers=_handlers,
    permissions=(
        Permission("payments.pay", "Pay in and withdraw one's own money", frozenset({"user"})),
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
