"""Delivering a webhook: the try is noted, the network asked, the end noted, each in its own transaction.

At least once: whoever dies between sending and noting sends again, under the same id.
"""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.house import House
from tillhouse.kernel.outbound import Answer, NotSent, OutcomeUnknown
from tillhouse.kernel.work import JobRun
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.destinations import allowed, destination_of
from tillhouse.parts.channels.domain.webhooks import (
    KEPT_OF_ANSWER,
    SLOW_SECONDS,
    TIMEOUT_SECONDS,
    Outcome,
    readable,
    wait_asked_for,
)
from tillhouse.parts.channels.events import DeliverWebhook, ForgetWebhooks
from tillhouse.parts.channels.ports import WebhookNetwork
from tillhouse.parts.channels.service import deliveries
from tillhouse.parts.channels.service.deliveries import Sending
from tillhouse.parts.channels.settings import ChannelsSettings


async def deliver_webhook(run: JobRun, task: DeliverWebhook) -> None:
    """Try once. A failure is no error of the job: the next try is planned by the delivery's own schedule."""
    async with run.transaction() as session:
        sending = await deliveries.begin(session, task.delivery_id, run.job_id)
    if sending is None:
        return
    began = time.monotonic()
    outcome = await _try(run.house, sending)
    outcome = replace(outcome, slow=time.monotonic() - began > SLOW_SECONDS)
    async with run.transaction() as session:
        await deliveries.record(session, sending, outcome)


async def forget_webhooks(run: JobRun, _task: ForgetWebhooks) -> None:
    """Delete what is older than the settings keep it, in transactions of a few thousand rows."""
    keep = timedelta(days=run.house.settings_of(ChannelsSettings).webhook_keep_days)
    more = True
    while more:
        async with run.transaction() as session:
            more = await store.delete_webhooks_before(session, clock.now() - keep)


async def _try(house: House, sending: Sending) -> Outcome:
    try:
        address = await _address(house.the(WebhookNetwork), sending.url)
        answer = await house.outbound.deliver(
            "webhooks", sending.url, sending.body, sending.headers,
            address=address, seconds=TIMEOUT_SECONDS, keep=KEPT_OF_ANSWER,
        )  # fmt: skip
    except InvalidInput:
        return Outcome(None, "not_allowed")
    except OSError:
        return Outcome(None, "name_not_found")
    except NotSent:
        return Outcome(None, "unreachable")
    except OutcomeUnknown:
        return Outcome(None, "no_answer")
    return _outcome(answer)


async def _address(network: WebhookNetwork, url: str) -> str | None:
    """The address to connect to, checked after the name was asked for; None where anything goes.

    Asked for at every try and handed on, so that a name cannot lead elsewhere between the check and the connection.
    Raises `InvalidInput` for one that leads into a private network, `OSError` for a name that leads nowhere.
    """
    place = destination_of(url, network.rules)
    if not network.rules.guarded:
        return None
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            found = await network.resolve(place.host, place.port)
    except TimeoutError:
        raise OSError("the name was not resolved in time") from None
    if not found:
        raise OSError("the name has no address")
    if not all(allowed(address, network.rules) for address in found):
        raise InvalidInput("the name leads into a private network")
    return found[0]


def _outcome(answer: Answer) -> Outcome:
    error = "redirected" if 300 <= answer.status < 400 else None
    wait = wait_asked_for(answer.status, answer.headers.get("retry-after"), clock.now())
    return Outcome(answer.status, error, readable(answer.body), wait)
