"""What the house knows of identity."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fastapi import APIRouter

from tillhouse.kernel.access import AuthenticatedBy, Permission
from tillhouse.kernel.house import House
from tillhouse.kernel.live import SessionsStand
from tillhouse.kernel.manifest import Demo, Module, NavItem, Process
from tillhouse.kernel.text import N_
from tillhouse.kernel.vault import SealedColumn
from tillhouse.kernel.work import AnyJob
from tillhouse.parts.identity.domain import CONSOLE
from tillhouse.parts.identity.providers.google.settings import GoogleSettings
from tillhouse.parts.identity.settings import IdentitySettings

if TYPE_CHECKING:
    import click


_SECURITY = (
    "code",
    "already_registered",
    "password_changed",
    "authenticator_added",
    "address_added",
    "address_removed",
)


def _api() -> APIRouter:
    from tillhouse.parts.identity.http import router

    return router()


def _pages() -> APIRouter:
    from tillhouse.kernel.settings import KernelSettings
    from tillhouse.parts.identity.pages import router

    return router(in_development=KernelSettings.load().environment == "development")


def _models() -> ModuleType:
    from tillhouse.parts.identity import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.identity.jobs import JOBS

    return JOBS


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.identity.flows import ApiKeys, authenticate, session_stands
    from tillhouse.parts.identity.ports import CodeSource, Erasure, ErasureVeto, MessageKind
    from tillhouse.parts.identity.providers import google
    from tillhouse.parts.identity.service import organisations
    from tillhouse.parts.identity.service.messages import code_to_send
    from tillhouse.parts.identity.service.passwords import Passwords

    return (
        AuthenticatedBy(authenticate),
        SessionsStand(session_stands),
        ApiKeys(house),
        CodeSource(code_to_send),
        Passwords(house.settings_of(IdentitySettings)),
        ErasureVeto("organisations", organisations.reasons_to_keep),
        Erasure("organisations", organisations.erase),
        *(MessageKind(f"identity.{name}", "security") for name in _SECURITY),
        MessageKind("identity.organisation_changed", "account", ("organisation",)),
        MessageKind("identity.organisation_invitation", "account", ("organisation",)),
        *google.install(house),
    )


def _cli() -> "click.Group":
    from tillhouse.parts.identity.cli import command

    return command


def _demo() -> Demo:
    from tillhouse.parts.identity.demo import seed

    return Demo(seed)


MODULE = Module(
    name="identity",
    title=N_("People"),
    floor="part",
    folder=Path(__file__).parent,
    settings=(IdentitySettings, GoogleSettings),
    api_roots=("/auth", "/users", "/api-keys", "/organisations", "/invitations"),
    api=_api,
    pages=_pages,
    models=_models,
    plugged_by=("channels",),
    sealed=(SealedColumn("identity.totp", "person_id", "secret"),),
    jobs=_jobs,
    nav=(
        NavItem(N_("Settings"), "/account", "settings", "account", permission="identity.me", order=10),
        NavItem(
            N_("Organisations"), "/account/organisations", "building-2", "account", permission="identity.me", order=60
        ),
        NavItem(
            N_("Audit log"), "/console/identity/audit", "history", "console", permission="identity.audit", order=900
        ),
    ),
    permissions=(
        Permission(CONSOLE, "Open the staff console", frozenset({"staff", "admin"}), assurance=2),
        Permission("identity.me", "See and change one's own account", frozenset({"user"})),
        Permission("identity.api_keys", "Make and revoke keys of machines", frozenset({"admin"}), assurance=2),
        Permission("identity.roles", "Make people staff or admin", frozenset({"admin"}), assurance=2),
        Permission("identity.audit", "Read what staff and machines did", frozenset({"staff", "admin"}), assurance=2),
    ),
    processes=(
        Process("identity", "web", most=4),
        Process("identity-worker", "worker", queues=("identity.quick", "identity.slow"), most=2, scales_by="queue_age"),
    ),
    provides=_provides,
    cli=_cli,
    demo=_demo,
)
