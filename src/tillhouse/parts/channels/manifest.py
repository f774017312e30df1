"""What the house knows of channels."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fastapi import APIRouter

from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import HealthCheck, Module, Process
from tillhouse.kernel.work import AnyJob
from tillhouse.parts.channels.settings import ChannelsSettings

if TYPE_CHECKING:
    from tillhouse.parts.channels.ports import Carrier


def _api() -> APIRouter:
    from tillhouse.parts.channels.http import router

    return router()


def _models() -> ModuleType:
    from tillhouse.parts.channels import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.channels.jobs import JOBS

    return JOBS


def _provides(house: House) -> Sequence[object]:
    from tillhouse.parts.channels.ports import Carriers
    from tillhouse.parts.channels.service import erase, send_to_contact
    from tillhouse.parts.identity.api import Erasure, MessageSender

    installed = list(_carriers(house, house.settings_of(ChannelsSettings)))
    return (
        MessageSender(send_to_contact),
        Erasure("channels", erase),
        Carriers(tuple(carrier for carrier, _ in installed)),
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
    api_roots=("/channels",),
    api=_api,
    models=_models,
    jobs=_jobs,
    processes=(
        Process("channels", "web", most=2),
        Process("channels-worker", "worker", queues=("channels.quick", "channels.slow"), most=4, scales_by="queue_age"),
    ),
    provides=_provides,
)
