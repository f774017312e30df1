"""Somebody writes that they want to hear no more of us, or again.

A word that the flow is waiting for is an answer to the flow, not a stop. SMS is different: the carrier has acted on the
word before it comes here, so that it means to us what it means to the carrier.
"""

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.chat import Line
from tillhouse.parts.channels.domain.messages import lifts_stop, says_start, says_stop
from tillhouse.parts.channels.models import ChatContactRow
from tillhouse.parts.channels.service import consent, conversations, messages
from tillhouse.parts.channels.service.rendering import translated
from tillhouse.parts.channels.store import reach

log = get_logger(__name__)

_STOPPED = N_("You get no more offers from us. Write START to have them again.")
_STARTED = N_("You may get offers from us again. Write STOP to end them.")


async def said_stop_or_start(session: Session, contact: ChatContactRow, text: str) -> bool:
    """Whether a text was a stop or a start and no more than that; then it has been done. The contact is locked."""
    channel, address = messages.channel_of(contact), messages.address_of(contact)
    stops = says_stop(text, channel)
    lifts = lifts_stop(text, channel) and await reach.opted_out(session, channel, address)
    if not (stops or lifts):
        return False
    is_awaited = await _is_awaited(session, contact, text)
    if is_awaited and channel != "sms":
        return False
    if stops:
        await reach.opt_out(session, channel, address, "chat", clock.now())
        await _agreed(session, contact, allowed=False)
        await _answer(session, contact, _STOPPED)
        return True
    await reach.opt_in(session, channel, address)
    if says_start(text):
        await _agreed(session, contact, allowed=True)
        await _answer(session, contact, _STARTED)
    return not (is_awaited or await conversations.begins_with(session, contact, text))


async def _is_awaited(session: Session, contact: ChatContactRow, text: str) -> bool:
    """A flow whose own code fails keeps nobody from stopping."""
    try:
        return await conversations.waits_for(session, contact, text)
    except Exception:
        log.exception("channels.flow_cannot_say_what_it_waits_for", contact_id=str(contact.id))
        return False


async def _agreed(session: Session, contact: ChatContactRow, *, allowed: bool) -> None:
    channel = messages.channel_of(contact)
    if contact.person_id:
        await consent.set_consent(session, contact.person_id, channel, "marketing", allowed=allowed, source="chat")


async def _answer(session: Session, contact: ChatContactRow, sentence: str) -> None:
    """By SMS the carrier answers itself, and after a stop lets nothing of ours through."""
    if messages.channel_of(contact) == "whatsapp":
        await messages.say(session, contact, Line(translated(house_of(session), contact.locale, sentence)))
