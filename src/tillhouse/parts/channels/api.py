"""The door of channels.

    await channels.send(session, person_id, "module.template", {…})           by the first way the person agreed to
    await channels.send(session, Recipient(…), "module.template", {…})        to one address

A module provides a `MessageTemplate` for each of its templates that is more than a transactional mail or text, and a
`Conversation` for each flow of a chat; `begin` and `move` lead somebody through it from outside the chat.
"""

from tillhouse.parts.channels.domain.chat import Approved, Choice, Line
from tillhouse.parts.channels.domain.flow import (
    END,
    PERSON,
    STAY,
    Conversation,
    Gather,
    Heard,
    Place,
    Press,
    State,
    Talk,
    Text,
    Words,
)
from tillhouse.parts.channels.ports import MessageTemplate
from tillhouse.parts.channels.service.consent import consents_of, set_consent
from tillhouse.parts.channels.service.conversations import begin, move
from tillhouse.parts.channels.service.messages import Recipient, send

__all__ = [
    "END",
    "PERSON",
    "STAY",
    "Approved",
    "Choice",
    "Conversation",
    "Gather",
    "Heard",
    "Line",
    "MessageTemplate",
    "Place",
    "Press",
    "Recipient",
    "State",
    "Talk",
    "Text",
    "Words",
    "begin",
    "consents_of",
    "move",
    "send",
    "set_consent",
]
