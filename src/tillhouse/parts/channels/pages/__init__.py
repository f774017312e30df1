"""Pages of channels. For staff: what was sent, webhooks out, templates, chats to answer, and a phone to try flows on.

For each person: what we told them and what may be sent to them, and the way out of offers.
"""

from fastapi import APIRouter

from tillhouse.parts.channels.pages import chats, notices, optout, own, sent, templates, webhooks


def router() -> APIRouter:
    """All pages of channels."""
    every = APIRouter()
    for part in (webhooks, templates, sent, chats, notices, optout, own):
        every.include_router(part.router)
    return every
