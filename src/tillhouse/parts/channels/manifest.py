"""What the house knows of channels."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fastapi import APIRouter

from tillhouse.kernel.access import Permission
from tillhouse.kernel.edge import BodyAllowance
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import HealthCheck, Module, NavItem, Process
from tillhouse.kernel.text import N_
from tillhouse.kernel.vault import SealedColumn
from tillhouse.kernel.work import AnyJob
from tillhouse.parts.channels.settings import ChannelsSettings

if TYPE_CHECKING:
    from tillhouse.parts.channels.ports import Carrier, WebhookNetwork


def _api() -> APIRouter:
    from tillhouse.parts.channels.http import router

    return router()


def _pages() -> APIRouter:
    from tillhouse.parts.channels.pages import router

    return router()


def _models() -> ModuleType:
    from tillhouse.parts.channels import models

    return models


def _jobs() -> Sequence[AnyJob]:
    from tillhouse.parts.channels.jobs import JOBS

    return JOBS


def _provides(house: House) -> Sequence[object]:
    from tillhouse.kernel.live import LiveTopic
    from tillhouse.kernel.publishing import Publishing
    from tillhouse.parts.channels.domain.destinations import Rules
    from tillhouse.parts.channels.flows.chats import KIND
    from tillhouse.parts.channels.ports import Carriers, WebhookNetwork
    from tillhouse.parts.channels.providers.dns import resolve
    from tillhouse.parts.channels.service.bell import Bell
    from tillhouse.parts.channels.service.deliveries import publish
    from tillhouse.parts.channels.service.messages import erase, send_to_contact, tell
    from tillhouse.parts.files.api import FileKind
    from tillhouse.parts.identity.api import Erasure, MessageKind, MessageSender

    settings = house.settings_of(ChannelsSettings)
    guarded = house.settings.environment != "development"  # on a laptop the receiver is on the laptop
    network = WebhookNetwork(Rules(guarded, settings.webhook_private_networks), resolve)
    installed = list(_carriers(house, settings, network))
    return (
        MessageSender(send_to_contact, tell),
        Erasure("channels", erase),
        Carriers(tuple(carrier for carrier, _ in installed)),
        Publishing(publish),
        network,
        Bell(),
        FileKind(
            name=KIND,
            counts=False,
            most_of_owner=settings.media_contact_megabytes * 1_000_000,
            lifetime=timedelta(days=settings.chat_keep_days),
        ),
        MessageKind("channels.write_again", "account", ("name",)),
        MessageKind("channels.webhook_disabled", "account", ("about", "url")),
        LiveTopic("notices", "channels.own"),
        *(check for _, check in installed if check),
        *_simulated(house, settings),
    )


def _simulated(house: House, settings: ChannelsSettings) -> Sequence[BodyAllowance]:
    """The page that plays a phone sends what a phone does: several files in one go."""
    if house.settings.production:
        return ()
    return (BodyAllowance("/console/channels/simulator", (settings.media_most_megabytes + 1) * 1_000_000),)


def _carriers(
    house: House, settings: ChannelsSettings, network: "WebhookNetwork"
) -> Iterator[tuple["Carrier", HealthCheck | None]]:
    from tillhouse.parts.channels.providers.simulator import SimulatorCarrier
    from tillhouse.parts.channels.providers.smtp import SmtpCarrier

    if settings.smtp_host:
        smtp = SmtpCarrier(settings)
        yield smtp, HealthCheck(smtp.name, lambda _house: smtp.greet())
    chats = [_whatsapp(house, settings), *_twilio(house, settings)]
    yield from sorted(filter(None, chats), key=lambda one: one[0].name != settings.whatsapp_provider)
    yield from _pushes(house, settings, network)
    if not house.settings.production:
        yield SimulatorCarrier(), None


def _whatsapp(house: House, settings: ChannelsSettings) -> "tuple[Carrier, HealthCheck | None] | None":
    from tillhouse.kernel.health import answers_at
    from tillhouse.parts.channels.providers.whatsapp import WhatsAppCarrier

    if not settings.whatsapp_token:
        return None
    url = settings.whatsapp_url or _sandbox(house, "whatsapp") or "https://graph.facebook.com"
    version_url = f"{url.rstrip('/')}/{settings.whatsapp_version}"
    carrier = WhatsAppCarrier(house.outbound, version_url, settings.whatsapp_phone_number_id, settings.whatsapp_token)
    return carrier, answers_at(carrier.name, url)


def _twilio(house: House, settings: ChannelsSettings) -> "Iterator[tuple[Carrier, HealthCheck | None]]":
    from tillhouse.kernel.health import answers_at
    from tillhouse.parts.channels.providers.twilio import CALLBACK, TwilioCarrier

    if not settings.twilio_auth_token:
        return
    url = settings.twilio_url or _sandbox(house, "twilio") or "https://api.twilio.com"
    account = (settings.twilio_account_sid, settings.twilio_auth_token)
    callback = house.settings.address(CALLBACK)
    texts = TwilioCarrier(house.outbound, url, account, settings.twilio_phone_number, callback)
    yield texts, answers_at(texts.name, url)
    number = settings.twilio_whatsapp_number
    yield TwilioCarrier(house.outbound, url, account, number, callback, channel="whatsapp"), None


def _pushes(
    house: House, settings: ChannelsSettings, network: "WebhookNetwork"
) -> "Iterator[tuple[Carrier, HealthCheck | None]]":
    if settings.fcm_service_account:
        from tillhouse.parts.channels.providers.push.fcm import FcmCarrier, ServiceAccount

        account = ServiceAccount.model_validate_json(settings.fcm_service_account)
        sandbox = settings.fcm_url or _sandbox(house, "fcm")
        url, token_url = sandbox or "https://fcm.googleapis.com", f"{sandbox}/token" if sandbox else account.token_uri
        yield FcmCarrier(house.outbound, account, url=url, token_url=token_url), None
    if settings.vapid_private_key:
        from tillhouse.parts.channels.providers.push.web import WebPushCarrier

        yield WebPushCarrier(house.outbound, network, settings.vapid_private_key, settings.vapid_contact), None


def _sandbox(house: House, player: str) -> str:
    return f"{house.settings.sandbox_url.rstrip('/')}/{player}" if house.settings.sandbox_url else ""


MODULE = Module(
    name="channels",
    title="Messages",
    floor="part",
    folder=Path(__file__).parent,
    requires=("identity", "files"),
    settings=(ChannelsSettings,),
    api_roots=("/channels", "/webhook-endpoints", "/webhook-deliveries", "/webhook-event-types"),
    api=_api,
    pages=_pages,
    models=_models,
    sealed=(SealedColumn("channels.webhook_secrets", "id", "secret"),),
    jobs=_jobs,
    nav=(
        NavItem(N_("Messages"), "/account/messages", "bell", "account", permission="channels.own", order=30),
        NavItem(
            N_("Webhooks"), "/console/channels/webhooks", "webhook", place="console", permission="channels.webhooks"
        ),
        NavItem(
            N_("Sent messages"), "/console/channels/messages", "send", place="console", permission="channels.messages"
        ),
        NavItem(N_("Opt-outs"), "/console/channels/opt-outs", "ban", place="console", permission="channels.messages"),
        NavItem(N_("Chats"), "/console/channels/chats", "message-circle", place="console", permission="channels.chats"),
        NavItem(
            N_("Templates"), "/console/channels/templates", "mail", place="console", permission="channels.templates"
        ),
    ),
    permissions=(
        Permission("channels.own", "Say how to be reached, and read one's notices", frozenset({"user"})),
        Permission("channels.messages", "See what was sent, and who said stop", frozenset({"staff"}), assurance=2),
        Permission("channels.templates", "See every message as it looks", frozenset({"staff"}), assurance=2),
        Permission("channels.chats", "Read and answer chats", frozenset({"staff"}), assurance=2),
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
