"""Handing a message over: intent, network, outcome, each in its own transaction.

What happens to a message when we cannot know: a try whose outcome was never recorded (the process died, the answer got
lost) may have reached the person. A code is sent again, since a second copy of the same code does no harm. Any other
message stays `unknown` until the provider's callback says more, so that our own retry never sends it twice.
"""

from tillhouse.kernel import clock
from tillhouse.kernel.outbound import NotSent, OutcomeUnknown
from tillhouse.kernel.work import JobRun
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.messages import Status
from tillhouse.parts.channels.events import SendMessage
from tillhouse.parts.channels.models import MessageRow
from tillhouse.parts.channels.ports import Carriers, Outgoing, Refused
from tillhouse.parts.channels.service import messages

ATTEMPTS = 6


async def send_message(run: JobRun, task: SendMessage) -> None:
    """Hand one message over. Raises `TransientError` to be tried again; the last try records a failure."""
    message = await _begin(run, task)
    if message is None:
        return
    outgoing, channel, harmless = message
    carrier = None
    try:
        carrier = run.house.the(Carriers).of(channel)
        taken = await carrier.carry(outgoing)
    except Refused as refusal:
        await _end(run, task, "failed", carrier.name if carrier else None, error_code=refusal.reason)
    except NotSent:
        if run.attempt >= ATTEMPTS:
            await _end(run, task, "failed", None, error_code="unreachable")
            return
        await _forget_try(run, task)
        raise
    except OutcomeUnknown:
        await _end(run, task, "unknown", None)
        if harmless and run.attempt < ATTEMPTS:
            raise
    else:
        await _end(run, task, "sent", carrier.name, provider_id=taken.provider_id)


async def _begin(run: JobRun, task: SendMessage) -> tuple[Outgoing, str, bool] | None:
    """Note that a try begins, and render the message; None when there is nothing to send."""
    async with run.transaction() as session:
        row = await store.lock_message(session, task.message_id)
        if row is None or row.status not in ("queued", "unknown"):
            return None
        harmless = messages.CHALLENGE in row.data
        if not harmless and _may_have_arrived(row):
            row.status = "unknown"
            return None
        outgoing = await messages.render(session, row)
        if outgoing is None:
            row.status, row.error_code = "failed", "code_no_longer_good"
            return None
        row.attempted_at = row.updated_at = clock.now()
        return outgoing, row.channel, harmless


async def _forget_try(run: JobRun, task: SendMessage) -> None:
    async with run.transaction() as session:
        row = await store.lock_message(session, task.message_id)
        if row:
            row.attempted_at = None


async def _end(
    run: JobRun,
    task: SendMessage,
    status: Status,
    provider: str | None,
    *,
    provider_id: str | None = None,
    error_code: str | None = None,
) -> None:
    async with run.transaction() as session:
        await messages.record(
            session, task.message_id, status, provider=provider, provider_id=provider_id, error_code=error_code
        )


def _may_have_arrived(row: MessageRow) -> bool:
    return row.status == "unknown" or row.attempted_at is not None
