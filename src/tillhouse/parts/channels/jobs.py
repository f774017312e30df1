"""Background jobs of channels."""

from datetime import timedelta

from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import Job, Schedule
from tillhouse.parts.channels.events import (
    DeliverWebhook,
    ForgetMessages,
    ForgetWebhooks,
    LookAfterWebhooks,
    SendMessage,
)
from tillhouse.parts.channels.flows.messages import ATTEMPTS, send_message
from tillhouse.parts.channels.flows.webhooks import deliver_webhook, forget_webhooks
from tillhouse.parts.channels.service.deliveries import look_after
from tillhouse.parts.channels.service.messages import forget

JOBS = (
    Job(task=SendMessage, flow=send_message, attempts=ATTEMPTS, example=lambda: SendMessage(message_id=new_id())),
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
