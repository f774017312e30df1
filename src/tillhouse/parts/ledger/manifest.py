"""What the house knows of the ledger."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.edge import BodyAllowance
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Invariant, Module, Process
from tillhouse.kernel.work import AnyJob
from tillhouse.parts.ledger.settings import LedgerSettings


def _api() -> APIRouter:
    from tillhouse.parts.ledger.http import router

    return router


def _models() -> ModuleType:
    from tillhouse.parts.ledger import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.ledger.jobs import JOBS

    return JOBS


def _invariants() -> Sequence[Invariant]:
    from tillhouse.parts.ledger.service.auditing import INVARIANTS

    return INVARIANTS


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.ledger.domain import ENTRY_KIND, REVERSAL_KIND, book_accounts
    from tillhouse.parts.ledger.flows import GroupedPosts
    from tillhouse.parts.ledger.service.charts import HouseChart

    return (
        HouseChart(house),
        GroupedPosts(house),
        REVERSAL_KIND,
        ENTRY_KIND,
        *book_accounts(house.settings_of(LedgerSettings).chart),
        BodyAllowance("/api/v1/ledger/transactions/bulk", _BULK_BYTES),
    )


_BULK_BYTES = 8 * 2**20  # 10,000 transactions of two legs are about 4 MB

MODULE = Module(
    name="ledger",
    title="Ledger",
    floor="part",
    folder=Path(__file__).parent,
    settings=(LedgerSettings,),
    api_roots=("/ledger",),
    api=_api,
    models=_models,
    jobs=_jobs,
    permissions=(
        Permission("ledger.post", "Post to the books that integrators keep here", frozenset({"machine"})),
        Permission(
            "ledger.read", "Read transactions of the ledger", frozenset({"staff", "admin", "machine"}), assurance=2
        ),
    ),
    processes=(
        Process("ledger", "web", most=4),
        Process("ledger-worker", "worker", queues=("ledger.money", "ledger.quick"), scales_by="schedule"),
    ),
    invariants=_invariants,
    provides=_provides,
)
