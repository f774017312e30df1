"""Background jobs of channels."""

from datetime import timedelta

from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import Job, Schedule
from tillhouse.parts.channels.events import (
    Converse,
    DeliverWebhook,
    FetchMedia,
    ForgetMessages,
    ForgetWebhooks,
    LookAfterChats,
    LookAfterWebhooks,
    SendMessage,
    ShowRead,
    TakeIn,
)
from tillhouse.parts.channels.flows.chats import fetch_gave_up, fetch_media, look_after_chats
from tillhouse.parts.channels.flows.inbound import converse, take_in
from tillhouse.parts.channels.flows.messages import ATTEMPTS, send_message
from tillhouse.parts.channels.flows.receipts import show_read
from tillhouse.parts.channels.flows.webhooks import deliver_webhook, forget_webhooks
from tillhouse.parts.channels.service.conversations import converse_gave_up
from tillhouse.parts.channels.service.deliveries import look_after
from tillhouse.parts.channels.service.messages import forget, record_given_up

JOBS = (
    Job(
        task=SendMessage,
        flow=send_message,
        attempts=ATTEMPTS,
        on_dead=record_given_up,
        example=lambda: SendMessage(message_id=new_id()),
    ),
    Job(task=TakeIn, flow=take_in, example=lambda: TakeIn(received_id=new_id())),
    Job(
        task=FetchMedia,
        flow=fetch_media,
        attempts=6,
        on_dead=fetch_gave_up,
        example=lambda: FetchMedia(inbound_id=new_id()),
    ),
    Job(
        task=Converse,
        flow=converse,
        attempts=6,
        on_dead=converse_gave_up,
        example=lambda: Converse(contact_id=new_id()),
    ),
    # Nothing is tried again but what a worker that died left behind.
    Job(task=ShowRead, flow=show_read, attempts=2, example=lambda: ShowRead(inbound_id=new_id())),
    Job(
        task=LookAfterChats,
        flow=look_after_chats,
        schedule=Schedule(every=timedelta(minutes=1)),
        example=LookAfterChats,
    ),
    Job(task=ForgetMessages, run=forget, schedule=Schedule(every=timedelta(days=1)), example=ForgetMessages),
    Job(task=DeliverWebhook, flow=deliver_webhook, example=lambda: DeliverWebhook(delivery_id=new_id())),
    Job(
        task=LookAfterWebhooks,
        run=look_after,
        schedule=Schedule(every=timedelta(minutes=1)),
        example=LookAfterWebhooks,
    ),
    Job(
        task=ForgetWebhooks,
        flow=forget_webhooks,
        schedule=Schedule(cron="10 3 * * *"),
        time_limit=timedelta(minutes=30),
        example=ForgetWebhooks,
    ),
)
