"""What the house knows of the ledger."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tillhouse.kernel.access import Permission
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Invariant, Module, Process
from tillhouse.kernel.work import AnyJob
from tillhouse.parts.ledger.settings import LedgerSettings

if TYPE_CHECKING:
    import click


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
    from tillhouse.parts.ledger.domain import REVERSAL_KIND
    from tillhouse.parts.ledger.domain.exchange import EXCHANGE_ACCOUNTS
    from tillhouse.parts.ledger.domain.lots import LOT_ACCOUNTS, LOT_KINDS
    from tillhouse.parts.ledger.domain.openings import OPENING_ACCOUNTS, OPENING_KIND
    from tillhouse.parts.ledger.ports import Anchors
    from tillhouse.parts.ledger.providers.anchor_file import FileAnchor
    from tillhouse.parts.ledger.providers.anchor_log import LogAnchor
    from tillhouse.parts.ledger.service.charts import HouseChart

    settings = house.settings_of(LedgerSettings)
    file = settings.anchor_file or Path(house.settings.data_folder) / "anchors" / "ledger.jsonl"
    log = [LogAnchor()] if settings.anchor_log else []
    anchors = Anchors((FileAnchor(Path(file)), *log))
    accounts = (*LOT_ACCOUNTS, *EXCHANGE_ACCOUNTS, *OPENING_ACCOUNTS)
    return (HouseChart(house), anchors, REVERSAL_KIND, OPENING_KIND, *LOT_KINDS, *accounts)


MODULE = Module(
    name="ledger",
    title="Ledger",
    floor="part",
    folder=Path(__file__).parent,
    settings=(LedgerSettings,),
    permissions=(Permission("ledger.close", "Close a period of the books", frozenset({"admin"}), assurance=2),),
    models=_models,
    jobs=_jobs,
    processes=(Process("ledger-worker", "worker", queues=("ledger.money", "ledger.quick"), scales_by="schedule"),),
    invariants=_invariants,
    provides=_provides,
    cli=_cli,
)
