"""Puts a process together from manifests: the only place where parts are wired to each other."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence

import httpx
from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send
from starlette_compress import CompressMiddleware

from tillhouse import __version__
from tillhouse.apps import pages
from tillhouse.apps.dependencies import checks_of
from tillhouse.apps.revisions import head
from tillhouse.apps.web import answer_failure, build_web, speaking_to
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel.access import AuthenticatedBy, nobody
from tillhouse.kernel.db import Database
from tillhouse.kernel.edge import BodyAllowance, BodyLimit, BrowserOrigin, RequestContext, SecurityHeaders
from tillhouse.kernel.health import Dependencies, health_router
from tillhouse.kernel.house import House
from tillhouse.kernel.http import PROBLEMS, CrashBarrier, install_problems
from tillhouse.kernel.manifest import Module, closure
from tillhouse.kernel.metrics import metrics_router
from tillhouse.kernel.outbound import Outbound
from tillhouse.kernel.settings import KernelSettings, SettingsError, refuse_development_defaults
from tillhouse.kernel.sockets import live_router
from tillhouse.kernel.vault import Vault
from tillhouse.kernel.web.deps import Web
from tillhouse.kernel.web.preferences import Preferences

API = "/api/v1"
# What uploads that resume (tus 1.0) say beside their bytes.
TUS_REQUEST = ("Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Checksum")
TUS_ANSWER = ("Location", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Upload-Offset",
              "Upload-Length", "Upload-Expires")  # fmt: skip


def chosen(names: Sequence[str] = (), catalogue: Sequence[Module] = CATALOGUE) -> tuple[Module, ...]:
    """The named modules (all, when none is named), what they require, and what plugs their ports.

    Raises `ValueError` for an unknown name.
    """
    by_name = {module.name: module for module in catalogue}
    wanted = list(names or by_name)
    while True:
        found = closure(by_name, wanted)
        plugs = {name for module in found for name in module.plugged_by if name in by_name}
        missing = plugs - {module.name for module in found}
        if not missing:
            return found
        wanted += sorted(missing)


def build_house(
    settings: KernelSettings,
    *,
    serve: Sequence[str] = (),
    catalogue: Sequence[Module] = CATALOGUE,
    process: str = "web",
    mounts: Mapping[str, httpx.AsyncBaseTransport | None] | None = None,
) -> House:
    """Open connections and fill the registries for a process that serves the named modules (all, when none is named).

    `mounts` puts other transports under providers' addresses (tests). Raises `SettingsError` for a configuration that
    cannot run, before anything is opened.
    """
    if not settings.database_url:
        raise SettingsError("There is no database here: start ./till up, or set DATABASE_URL.")
    modules = chosen(serve, catalogue)
    module_settings = {cls: cls.load() for module in modules for cls in module.settings}
    if settings.production:
        refuse_development_defaults([settings, *module_settings.values()])
        _refuse_development_places(settings)
    database = Database(settings.database_url, pool=settings.database_pool, name=f"tillhouse-{process}")
    house = House(
        settings=settings,
        database=database,
        outbound=Outbound(mounts=mounts),
        vault=Vault(settings.encryption_keys),
        modules=modules,
        serves=frozenset(serve or [module.name for module in modules]),
        module_settings=module_settings,
        authenticator=nobody,
    )
    database.house = house
    for module in modules:
        house.provide(module.provides(house))
    for found in house.provided(AuthenticatedBy):
        house.authenticator = found.authenticator
    return house


def _refuse_development_places(settings: KernelSettings) -> None:
    """Cookies without HTTPS, or a sandbox in place of the gateways, would cost real people real money."""
    if not settings.base_url.startswith("https://"):
        raise SettingsError("In production BASE_URL begins with https://: cookies are for HTTPS alone.")
    if settings.sandbox_url:
        raise SettingsError("In production SANDBOX_URL stays empty: it plays the gateways with money that is not real.")


def create_app(house: House) -> FastAPI:
    """The web process: every router of the served modules behind the edge's middleware.

    The caller closes the house.
    """
    web = build_web(house)
    house.authenticator = speaking_to(house.authenticator, web.translations)
    app = FastAPI(
        title="Tillhouse",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=PROBLEMS,
        middleware=_middleware(house, web),
        # The framework's own spans and logs tell addresses, which hold the tokens of links, and what people typed.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.house = house
    app.state.web = web
    install_problems(app, answer_failure)
    database, *others = checks_of(house, head())
    dependencies = Dependencies(house, (database, *others))
    app.include_router(health_router(house, database, dependencies))
    app.include_router(metrics_router(house, dependencies))
    app.include_router(live_router(house))
    app.mount(web.static.prefix, web.static)
    app.include_router(pages.router)
    served = [module for module in house.modules if module.name in house.serves]
    apis = {module.name: _api(module.api, module.title) for module in served if module.api}
    owners = {root: apis[module.name] for module in served if module.api for root in module.api_roots}
    app.router.routes.insert(0, _ByRoot(owners))
    # The APIs stand last, for whoever asks what there is: a call has been led to its owner by then.
    environment = os.environ.get("ENVIRONMENT", "")
    for shelf in (*(_pages(module.pages, environment) for module in served if module.pages), *apis.values()):
        app.router.routes.extend(shelf.routes)
    return app


# What a module answers is the same in every house of one process and environment: FastAPI reads its signatures once.


@functools.lru_cache(maxsize=128)
def _api(made: Callable[[], APIRouter], title: str) -> APIRouter:
    shelf = APIRouter(responses=PROBLEMS)
    shelf.include_router(made(), prefix=API, tags=[title])
    return shelf


@functools.lru_cache(maxsize=128)
def _pages(made: Callable[[], APIRouter], environment: str) -> APIRouter:  # which may decide on pages
    shelf = APIRouter(responses=PROBLEMS)
    shelf.include_router(made(), include_in_schema=False)
    return shelf


class _ByRoot(BaseRoute):
    """Leads a call of the API to the module that owns its root: it is matched with that module's routes, not with all.

    Of two roots the longer one wins, as manifests promise.
    """

    def __init__(self, owners: Mapping[str, APIRouter]) -> None:
        self._owners = owners

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or not scope["path"].startswith(API + "/"):
            return Match.NONE, {}
        root = scope["path"][len(API) :]
        while root and root not in self._owners:
            root = root.rpartition("/")[0]
        return (Match.FULL, {"owner": self._owners[root]}) if root else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        owner: APIRouter = scope["owner"]
        await owner(scope, receive, send)


def _middleware(house: House, web: Web) -> list[Middleware]:
    origins = house.provided(BrowserOrigin)
    return [
        Middleware(RequestContext),
        Middleware(SecurityHeaders, origins=origins, https_only=house.settings.base_url.startswith("https:")),
        Middleware(
            CORSMiddleware,
            allow_origins=list(house.settings.cors_origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID", *TUS_REQUEST],
            expose_headers=[
                *("RateLimit", "RateLimit-Policy", "Retry-After", "Idempotent-Replayed", "X-Request-ID"),
                *TUS_ANSWER,
            ],
        ),
        Middleware(CompressMiddleware, minimum_size=1000),
        Middleware(Preferences, translations=web.translations, secure=web.secure),
        Middleware(CrashBarrier, render=answer_failure),
        Middleware(BodyLimit, allowances=house.provided(BodyAllowance)),
    ]
