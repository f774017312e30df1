"""What the house knows of files."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.edge import BodyAllowance
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import HealthCheck, Module, Process
from tillhouse.kernel.work import AnyJob
from tillhouse.parts.files.settings import FilesSettings


def _api() -> APIRouter:
    from tillhouse.parts.files.http import router

    return router()


def _models() -> ModuleType:
    from tillhouse.parts.files import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.files.jobs import JOBS

    return JOBS


def _health() -> Sequence[HealthCheck]:
    from tillhouse.parts.files.providers.objects import Objects

    return (HealthCheck("files", lambda house: house.the(Objects).reach()),)


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.files.providers.objects import Objects
    from tillhouse.parts.files.service import erase
    from tillhouse.parts.identity.api import Erasure

    settings = house.settings_of(FilesSettings)
    folder = Path(house.settings.data_folder) / "files"
    return (
        Objects.at(settings.url, folder),
        Erasure("files", erase),
        # The file itself, and what a multipart form puts around it.
        BodyAllowance("/api/v1/files", (settings.most_megabytes + 1) * 1_000_000),
    )


MODULE = Module(
    name="files",
    title="Files",
    floor="part",
    folder=Path(__file__).parent,
    requires=("identity",),
    settings=(FilesSettings,),
    api_roots=("/files",),
    api=_api,
    models=_models,
    jobs=_jobs,
    permissions=(Permission("files.own", "Store and read one's own files", frozenset({"user"})),),
    processes=(
        Process("files", "web", most=2),
        Process("files-worker", "worker", queues=("files.slow",), scales_by="queue_age"),
    ),
    health=_health,
    provides=_provides,
)
