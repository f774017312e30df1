"""Pages of channels for staff: webhooks out, templates as they look, chats to answer, and a phone to try flows on."""

from fastapi import APIRouter

from tillhouse.parts.channels.pages import chats, notices, optout, templates, webhooks


def router() -> APIRouter:
    """All pages of channels."""
    every = APIRouter()
    for part in (webhooks, templates, chats, notices, optout):
        every.include_router(part.router)
    return every
