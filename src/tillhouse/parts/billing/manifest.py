"""What the house knows of billing."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Invariant, Module, NavItem, Process
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import AnyHandler, AnyJob
from tillhouse.parts.billing.settings import BillingSettings


def _api() -> APIRouter:
    from tillhouse.parts.billing.http import router

    return router()


def _pages() -> APIRouter:
    from tillhouse.parts.billing.pages import router

    return router()


def _models() -> ModuleType:
    from tillhouse.parts.billing import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.billing.jobs import JOBS

    return JOBS


def _handlers() -> Sequence[AnyHandler]:
    from tillhouse.parts.billing.handlers import HANDLERS

    return HANDLERS


def _invariants() -> Sequence[Invariant]:
    from tillhouse.parts.billing.service.checks import cards_are_charged_once, unearned_is_owed

    return (
        Invariant(
            "billing.unearned",
            "What was paid in advance and is not earned yet is owed, to the minor unit.",
            unearned_is_owed,
        ),
        Invariant(
            "billing.cards_charged_once",
            "No invoice was charged to a card more than once.",
            cards_are_charged_once,
        ),
    )


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.billing.service.books import ACCOUNT_KINDS, TRANSACTION_KINDS
    from tillhouse.parts.billing.service.checks import (
        close_organisation,
        erase_person,
        reasons_to_keep,
        reasons_to_keep_organisation,
    )
    from tillhouse.parts.billing.service.models_paid import GUARD
    from tillhouse.parts.billing.service.selling import PURPOSE
    from tillhouse.parts.identity.api import Erasure, ErasureVeto, MessageKind, OrganisationClosing

    return (
        PURPOSE,
        GUARD,
        *ACCOUNT_KINDS,
        *TRANSACTION_KINDS,
        MessageKind("billing.paid", "money", ("amount", "link")),
        MessageKind("billing.payment_due", "money", ("amount", "link")),
        MessageKind("billing.card_refused", "money", ("amount", "link")),
        MessageKind("billing.card_to_be_charged", "money", ("amount", "card", "when")),
        MessageKind("billing.card_removed", "money", ("card", "link")),
        MessageKind("billing.ended", "account", ("link",)),
        ErasureVeto("billing", reasons_to_keep),
        Erasure("billing", erase_person),
        OrganisationClosing("billing", reasons_to_keep_organisation, close_organisation),
    )


MODULE = Module(
    name="billing",
    title="Billing",
    floor="part",
    folder=Path(__file__).parent,
    requires=("identity", "ledger", "documents", "wallets", "payments"),
    settings=(BillingSettings,),
    api_roots=("/subscriptions", "/points"),
    api=_api,
    pages=_pages,
    models=_models,
    jobs=_jobs,
    handlers=_handlers,
    nav=(
        NavItem(N_("Plan and points"), "/billing/", "ticket", "account", permission="billing.own", order=50),
        NavItem(
            N_("Subscriptions"),
            "/console/billing/subscriptions",
            "receipt",
            "console",
            permission="billing.read",
            order=300,
        ),
        NavItem(N_("Coupons"), "/console/billing/coupons", "receipt", "console", permission="billing.read", order=310),
    ),
    permissions=(
        Permission("billing.read", "See everyone's plans, and coupons", frozenset({"staff"}), assurance=2),
        Permission("billing.own", "Have plans and points, and pay for them", frozenset({"user"})),
        Permission("billing.sell", "Make coupons and end them", frozenset({"staff", "machine"}), assurance=2),
        Permission("billing.grant", "Give points, and limit spending", frozenset({"staff", "machine"}), assurance=2),
    ),
    processes=(
        Process("billing", "web", most=4),
        Process(
            "billing-worker", "worker", queues=("billing.money", "billing.quick", "billing.slow"), scales_by="queue_age"
        ),
    ),
    invariants=_invariants,
    provides=_provides,
)
