"""JSON endpoints of channels: what providers call back, and webhooks out."""

from fastapi import APIRouter

from tillhouse.parts.channels.http import twilio, webhooks


def router() -> APIRouter:
    """All JSON endpoints of channels."""
    both = APIRouter()
    for part in (twilio, webhooks):
        both.include_router(part.router)
    return both
