"""What the house knows of ai."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import HealthCheck, Invariant, Module, NavItem, Process
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import AnyHandler, AnyJob
from tillhouse.parts.ai.providers import vendor_settings
from tillhouse.parts.ai.settings import AISettings


def _api() -> APIRouter:
    from tillhouse.parts.ai.http import router

    return router()


def _models() -> ModuleType:
    from tillhouse.parts.ai import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.ai.jobs import JOBS

    return JOBS


def _handlers() -> Sequence[AnyHandler]:
    from tillhouse.parts.ai.handlers import HANDLERS

    return HANDLERS


def _invariants() -> Sequence[Invariant]:
    from tillhouse.parts.ai.store.passages import strangers

    sentence = "A passage, its vector, its document and its collection have one owner."
    return (Invariant("ai.passages_have_one_owner", sentence, strangers),)


def _health() -> Sequence[HealthCheck]:
    from tillhouse.parts.ai.flows.health import endpoints_answer

    return (HealthCheck("ai", endpoints_answer),)


def _pages() -> APIRouter:
    from tillhouse.parts.ai.pages import router

    return router()


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.ai.domain.calls import OUR_PURPOSES
    from tillhouse.parts.ai.flows.imaging import PICTURE
    from tillhouse.parts.ai.flows.photos import PhotoDesk
    from tillhouse.parts.ai.flows.switchboard import Switchboard
    from tillhouse.parts.ai.providers import installed
    from tillhouse.parts.ai.providers.price_list import read_prices
    from tillhouse.parts.ai.service import images
    from tillhouse.parts.ai.service.documents import forget
    from tillhouse.parts.ai.service.metering import erase
    from tillhouse.parts.files.api import IMAGES, FileKind
    from tillhouse.parts.identity.api import Erasure

    settings = house.settings_of(AISettings)
    prices = read_prices(settings.prices)
    board = Switchboard(prices, settings)
    house.on_close(board.close)
    return (
        board,
        prices,
        *OUR_PURPOSES,
        PhotoDesk(),
        Erasure("ai", erase),
        Erasure("ai.documents", forget),
        Erasure("ai.images", images.erase),
        FileKind(name=PICTURE, accepts=IMAGES, counts=False),
        *installed(house),
    )


MODULE = Module(
    name="ai",
    title="AI",
    floor="part",
    folder=Path(__file__).parent,
    requires=("identity", "files"),
    plugged_by=("billing",),
    settings=(AISettings, *vendor_settings()),
    api_roots=("/ai",),
    api=_api,
    pages=_pages,
    models=_models,
    jobs=_jobs,
    handlers=_handlers,
    invariants=_invariants,
    health=_health,
    nav=(
        NavItem(N_("Use of models"), "/console/ai/usage", "activity", "console", permission="ai.read", order=500),
        NavItem(N_("Search index"), "/console/ai/search", "search", "console", permission="ai.read", order=510),
    ),
    permissions=(
        Permission("ai.own", "See what one's own use of models came to", frozenset({"user"})),
        Permission("ai.read", "See everyone's use of models, prices and health", frozenset({"staff"}), assurance=2),
        Permission("ai.index", "Have documents read once more that could not be", frozenset({"staff"}), assurance=2),
    ),
    processes=(
        Process("ai", "web", most=4),
        Process("ai-worker", "worker", queues=("ai.quick", "ai.slow"), most=4, scales_by="queue_age"),
    ),
    provides=_provides,
)
