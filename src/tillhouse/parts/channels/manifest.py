"""What the house knows of channels."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import HealthCheck, Module, NavItem, Process
from tillhouse.kernel.text import N_
from tillhouse.kernel.vault import SealedColumn
from tillhouse.kernel.work import AnyJob
from tillhouse.parts.channels.settings import ChannelsSettings

if TYPE_CHECKING:
    from tillhouse.parts.channels.ports import Carrier


def _api() -> APIRouter:
    from tillhouse.parts.channels.http import router

    return router()


def _pages() -> APIRouter:
    from tillhouse.parts.channels.pages import router

    return router


def _models() -> ModuleType:
    from tillhouse.parts.channels import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.channels.jobs import JOBS

    return JOBS


def _provides(house: House) -> Sequence[object]:
    from tillhouse.kernel.publishing import Publishing
    from tillhouse.parts.channels.domain.destinations import Rules
    from tillhouse.parts.channels.ports import Carriers, WebhookNetwork
    from tillhouse.parts.channels.providers.dns import resolve
    from tillhouse.parts.channels.service.deliveries import publish
    from tillhouse.parts.channels.service.messages import erase, send_to_contact
    from tillhouse.parts.identity.api import Erasure, MessageSender

    settings = house.settings_of(ChannelsSettings)
    installed = list(_carriers(house, settings))
    guarded = house.settings.environment != "development"  # on a laptop the receiver is on the laptop
    return (
        MessageSender(send_to_contact),
        Erasure("channels", erase),
        Carriers(tuple(carrier for carrier, _ in installed)),
        Publishing(publish),
        WebhookNetwork(Rules(guarded, settings.webhook_private_networks), resolve),
        *(check for _, check in installed),
    )


def _carriers(house: House, settings: ChannelsSettings) -> Iterator[tuple["Carrier", HealthCheck]]:
    from tillhouse.kernel.health import answers_at
    from tillhouse.parts.channels.providers.smtp import SmtpCarrier
    from tillhouse.parts.channels.providers.twilio import CALLBACK, TwilioCarrier

    if settings.smtp_host:
        smtp = SmtpCarrier(settings)
        yield smtp, HealthCheck(smtp.name, lambda _house: smtp.greet())
    if settings.twilio_auth_token:
        sandbox = f"{house.settings.sandbox_url.rstrip('/')}/twilio" if house.settings.sandbox_url else ""
        url = settings.twilio_url or sandbox or "https://api.twilio.com"
        account = (settings.twilio_account_sid, settings.twilio_auth_token)
        callback = house.settings.base_url.rstrip("/") + CALLBACK
        twilio = TwilioCarrier(house.outbound, url, account, settings.twilio_phone_number, callback)
        yield twilio, answers_at(twilio.name, url)


MODULE = Module(
    name="channels",
    title="Messages",
    floor="part",
    folder=Path(__file__).parent,
    requires=("identity",),
    settings=(ChannelsSettings,),
    api_roots=("/channels", "/webhook-endpoints", "/webhook-deliveries", "/webhook-event-types"),
    api=_api,
    pages=_pages,
    models=_models,
    sealed=(SealedColumn("channels.webhook_secrets", "id", "secret"),),
    jobs=_jobs,
    nav=(
        NavItem(
            N_("Webhooks"), "/console/channels/webhooks", "webhook", place="console", permission="channels.webhooks"
        ),
    ),
    permissions=(
        Permission(
            "channels.webhooks",
            "Have events sent to an address of one's own",
            frozenset({"staff", "machine"}),
            assurance=2,
        ),
    ),
    processes=(
        Process("channels", "web", most=2),
        Process("channels-worker", "worker", queues=("channels.quick", "channels.slow"), most=4, scales_by="queue_age"),
    ),
    provides=_provides,
)
