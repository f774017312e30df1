"""What the house knows of files."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.edge import BodyAllowance
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import HealthCheck, Invariant, Module, NavItem, Process
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import AnyJob
from tillhouse.parts.files.settings import FilesSettings

if TYPE_CHECKING:
    from tillhouse.parts.files.ports import PictureWriter

_MEGABYTE = 1_000_000


def _api() -> APIRouter:
    from tillhouse.parts.files.http import router

    return router()


def _pages() -> APIRouter:
    from tillhouse.parts.files.pages import router

    return router


def _models() -> ModuleType:
    from tillhouse.parts.files import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.files.jobs import JOBS

    return JOBS


def _health() -> Sequence[HealthCheck]:
    from tillhouse.parts.files.providers.objects import Objects

    return (HealthCheck("files", lambda house: house.the(Objects).reach()),)


def _invariants() -> Sequence[Invariant]:
    from tillhouse.parts.files.store import broken_blobs

    return (Invariant("files.bytes", "A file that can be read has bytes, and they are its owner's.", broken_blobs),)


def _pillow() -> "PictureWriter":
    from tillhouse.parts.files.providers.pictures import Pillow

    return Pillow()


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.files.ports import MediaBy, Pictures
    from tillhouse.parts.files.providers.media import PyAv
    from tillhouse.parts.files.providers.objects import Objects
    from tillhouse.parts.files.service import erase, house_kind
    from tillhouse.parts.identity.api import Erasure, PictureKeeper

    settings = house.settings_of(FilesSettings)
    folder = Path(house.settings.data_folder) / "files"
    return (
        Objects.at(settings.url, folder),
        Pictures(_pillow),
        MediaBy(PyAv(timedelta(minutes=settings.media_minutes))),
        *_scanner(settings),
        house_kind("file"),
        house_kind("avatar"),
        PictureKeeper(form="/files/avatar", remove="/files/avatar/remove", address="/files/avatar"),
        Erasure("files", erase),
        *_allowances(settings),
    )


def _scanner(settings: FilesSettings) -> Sequence[object]:
    from tillhouse.parts.files.ports import ScannedBy
    from tillhouse.parts.files.providers.clamav import ClamAv

    if not settings.clamd:
        return ()
    scanner = ClamAv(settings.clamd)
    return (ScannedBy(scanner), HealthCheck("clamav", lambda _house: scanner.reach()))


def _allowances(settings: FilesSettings) -> Sequence[BodyAllowance]:
    """The file itself and what a form puts around it; all of an upload, for a client that sends it at once."""
    once, whole = (settings.most_megabytes + 1) * _MEGABYTE, settings.most_upload_megabytes * _MEGABYTE
    return (
        BodyAllowance("/api/v1/files", once),
        BodyAllowance("/files", once),
        BodyAllowance("/api/v1/users/me/avatar", 6 * _MEGABYTE),
        BodyAllowance("/files/avatar", 6 * _MEGABYTE),
        *(
            BodyAllowance(path, whole, below=below)
            for path in ("/api/v1/files/uploads", "/files/uploads")
            for below in (False, True)
        ),
    )


MODULE = Module(
    name="files",
    title=N_("Files"),
    floor="part",
    folder=Path(__file__).parent,
    requires=("identity",),
    settings=(FilesSettings,),
    api_roots=("/files", "/users/me/avatar"),
    api=_api,
    pages=_pages,
    models=_models,
    jobs=_jobs,
    nav=(NavItem(N_("Files"), "/files", "file-text", "account", permission="files.own", order=70),),
    permissions=(Permission("files.own", "Store and read one's own files", frozenset({"user"})),),
    processes=(
        Process("files", "web", most=2),
        Process("files-worker", "worker", queues=("files.slow",), scales_by="queue_age"),
    ),
    health=_health,
    invariants=_invariants,
    provides=_provides,
)
