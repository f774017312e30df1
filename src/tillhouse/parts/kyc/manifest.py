"""What the house knows of kyc."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.edge import BodyAllowance
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Demo, Invariant, Module, NavItem, Process
from tillhouse.kernel.text import N_
from tillhouse.kernel.vault import SealedColumn
from tillhouse.kernel.work import AnyHandler, AnyJob
from tillhouse.parts.kyc.settings import KycSettings


def _api() -> APIRouter:
    from tillhouse.parts.kyc.http import router

    return router


def _pages() -> APIRouter:
    from tillhouse.parts.kyc.pages import router

    return router()


def _models() -> ModuleType:
    from tillhouse.parts.kyc import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.kyc.jobs import JOBS

    return JOBS


def _handlers() -> Sequence[AnyHandler]:
    from tillhouse.parts.kyc.handlers import HANDLERS

    return HANDLERS


def _demo() -> Demo:
    from tillhouse.parts.kyc.demo import seed

    return Demo(seed)


def _invariants() -> Sequence[Invariant]:
    from tillhouse.parts.kyc.service.checks import approved_by_enough

    return (
        Invariant(
            "kyc.approved_by_enough",
            "Every approval was given by as many different people as its level asks for.",
            approved_by_enough,
        ),
    )


def _read_paper(content: bytes) -> Sequence[bytes]:
    """Pillow and pdfium are loaded when the first paper comes, in the thread that reads it."""
    from tillhouse.parts.kyc.providers.pictures import pages_of

    return pages_of(content)


def _provides(house: House) -> Sequence[object]:
    from tillhouse.kernel.web.console import ConsoleCard
    from tillhouse.parts.identity.api import Erasure, ErasureVeto, MessageKind, OrganisationClosing
    from tillhouse.parts.kyc.domain import LEVELS
    from tillhouse.parts.kyc.ports import PaperReader
    from tillhouse.parts.kyc.providers.offline import CHECKS
    from tillhouse.parts.kyc.service import cases
    from tillhouse.parts.kyc.service.levels import may_pay_out
    from tillhouse.parts.kyc.service.published import PUBLISHED
    from tillhouse.parts.kyc.store import count_waiting
    from tillhouse.parts.wallets.api import PayoutRule

    # The paper itself, and what a multipart form puts around it.
    most = (house.settings_of(KycSettings).most_paper_megabytes + 1) * 1_000_000
    paths = [f"{root}/{level}/papers" for root in ("/api/v1/kyc", "/kyc") for level in LEVELS]
    return (
        *CHECKS,
        *PUBLISHED,
        MessageKind("kyc.state", "account"),
        PaperReader(_read_paper),
        ErasureVeto("kyc", cases.reasons_to_keep),
        Erasure("kyc", cases.erase_person),
        PayoutRule(may_pay_out),
        OrganisationClosing("kyc", cases.organisation_reasons, cases.erase_organisation),
        *(BodyAllowance(path, most) for path in paths),
        ConsoleCard(
            title=N_("Identity cases that wait"),
            text=N_("People wait for these before they can go on. The oldest comes first."),
            count=count_waiting,
            href="/console/kyc/",
            permission="kyc.review",
            icon="badge-check",
        ),
    )


MODULE = Module(
    name="kyc",
    title=N_("KYC"),
    floor="part",
    folder=Path(__file__).parent,
    requires=("identity", "ledger", "wallets"),
    plugged_by=("channels", "payments"),
    settings=(KycSettings,),
    api_roots=("/kyc",),
    api=_api,
    pages=_pages,
    models=_models,
    sealed=(SealedColumn("kyc.cases", "id", "details"), SealedColumn("kyc.pages", "id", "content")),
    jobs=_jobs,
    handlers=_handlers,
    demo=_demo,
    nav=(
        NavItem(N_("Identity"), "/kyc", "badge-check", "account", permission="kyc.own", order=40),
        NavItem(N_("Identity cases"), "/console/kyc/", "badge-check", "console", permission="kyc.review", order=400),
    ),
    permissions=(
        Permission("kyc.own", "Show who one is, for oneself or one's organisation", frozenset({"user"})),
        Permission("kyc.review", "Look at identity papers and decide about them", frozenset({"staff"}), assurance=2),
    ),
    processes=(
        Process("kyc", "web", most=2),
        Process("kyc-worker", "worker", queues=("kyc.quick", "kyc.slow"), most=2, scales_by="queue_age"),
    ),
    invariants=_invariants,
    provides=_provides,
)
