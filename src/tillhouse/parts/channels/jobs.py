"""Background jobs of channels."""

from datetime import timedelta

from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import Job, Schedule
from tillhouse.parts.channels.events import ForgetMessages, SendMessage
from tillhouse.parts.channels.flows import ATTEMPTS, send_message
from tillhouse.parts.channels.service import forget

JOBS = (
    Job(task=SendMessage, flow=send_message, attempts=ATTEMPTS, example=lambda: SendMessage(message_id=new_id())),
    Job(task=ForgetMessages, run=forget, schedule=Schedule(every=timedelta(days=1)), example=ForgetMessages),
)
