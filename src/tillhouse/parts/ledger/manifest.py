"""What the house knows of the ledger."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.edge import BodyAllowance
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Invariant, Module, NavItem, Process
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import AnyJob
from tillhouse.parts.ledger.settings import LedgerSettings

if TYPE_CHECKING:
    import click

_BULK_BYTES = 8 * 2**20  # 10,000 transactions of two legs are about 4 MB


def _api() -> APIRouter:
    from tillhouse.parts.ledger.http import router

    return router


def _pages() -> APIRouter:
    from tillhouse.parts.ledger.pages import router

    return router()


def _models() -> ModuleType:
    from tillhouse.parts.ledger import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.ledger.jobs import JOBS

    return JOBS


def _invariants() -> Sequence[Invariant]:
    from tillhouse.parts.ledger.service.auditing import INVARIANTS

    return INVARIANTS


def _cli() -> "click.Group":
    from tillhouse.parts.ledger.cli import command

    return command


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.identity.api import Erasure, ErasureVeto, OrganisationClosing
    from tillhouse.parts.ledger.domain import ENTRY_KIND, REVERSAL_KIND, book_accounts
    from tillhouse.parts.ledger.domain.exchange import EXCHANGE_ACCOUNTS
    from tillhouse.parts.ledger.domain.lots import LOT_ACCOUNTS, LOT_KINDS
    from tillhouse.parts.ledger.domain.openings import OPENING_ACCOUNTS, OPENING_KIND
    from tillhouse.parts.ledger.flows.grouping import GroupedPosts
    from tillhouse.parts.ledger.ports import Anchors
    from tillhouse.parts.ledger.providers.anchor_file import FileAnchor
    from tillhouse.parts.ledger.providers.anchor_log import LogAnchor
    from tillhouse.parts.ledger.service.attention import CARDS
    from tillhouse.parts.ledger.service.charts import HouseChart
    from tillhouse.parts.ledger.service.leaving import (
        close_organisation,
        give_points_up,
        points_at_work,
        points_paid_for,
        reasons_to_keep_organisation,
    )

    settings = house.settings_of(LedgerSettings)
    file = settings.anchor_file or Path(house.settings.data_folder) / "anchors" / "ledger.jsonl"
    log = [LogAnchor()] if settings.anchor_log else []
    anchors = Anchors((FileAnchor(Path(file)), *log))
    allowance = BodyAllowance("/api/v1/ledger/transactions/bulk", _BULK_BYTES)
    accounts = (*LOT_ACCOUNTS, *EXCHANGE_ACCOUNTS, *OPENING_ACCOUNTS, *book_accounts(settings.chart))
    kinds = (REVERSAL_KIND, OPENING_KIND, ENTRY_KIND, *LOT_KINDS)
    leaving = (
        ErasureVeto("points_at_work", points_at_work),
        ErasureVeto("points", points_paid_for, may_be_given_up=True),
        Erasure("points", give_points_up),
        OrganisationClosing("points", reasons_to_keep_organisation, close_organisation),
    )
    return (HouseChart(house), GroupedPosts(house), anchors, allowance, *kinds, *accounts, *CARDS, *leaving)


_PAGES = (
    (N_("Accounts"), "accounts", "book-open"),
    (N_("Transactions"), "transactions", "receipt"),
    (N_("Holds"), "holds", "lock"),
    (N_("Lots"), "lots", "coins"),
    (N_("Reports"), "reports", "chart-column"),
    (N_("Closed periods"), "periods", "calendar"),
    (N_("Checks"), "checks", "shield-check"),
)

MODULE = Module(
    name="ledger",
    title=N_("Ledger"),
    floor="part",
    folder=Path(__file__).parent,
    settings=(LedgerSettings,),
    api_roots=("/ledger",),
    api=_api,
    pages=_pages,
    nav=tuple(
        NavItem(title, f"/console/ledger/{path}", icon, "console", permission="ledger.read", order=100 + place)
        for place, (title, path, icon) in enumerate(_PAGES)
    ),
    permissions=(
        Permission("ledger.post", "Post to the books that integrators keep here", frozenset({"machine"})),
        Permission(
            "ledger.read", "Read transactions of the ledger", frozenset({"staff", "admin", "machine"}), assurance=2
        ),
        Permission("ledger.close", "Close a period of the books", frozenset({"admin"}), assurance=2),
    ),
    models=_models,
    jobs=_jobs,
    processes=(
        Process("ledger", "web", most=4),
        Process("ledger-worker", "worker", queues=("ledger.money", "ledger.quick"), scales_by="schedule"),
    ),
    invariants=_invariants,
    provides=_provides,
    cli=_cli,
)
