"""JSON endpoints of channels: what providers call back, and webhooks out."""

from fastapi import APIRouter

from tillhouse.parts.channels.http import people, twilio, webhooks, whatsapp


def router() -> APIRouter:
    """All JSON endpoints of channels."""
    both = APIRouter()
    for part in (twilio, whatsapp, people, webhooks):
        both.include_router(part.router)
    return both
