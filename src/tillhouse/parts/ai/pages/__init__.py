"""Staff pages of ai: what models are used for, and how documents come into the index."""

from fastapi import APIRouter

from tillhouse.parts.ai.pages import search, usage


def router() -> APIRouter:
    """All pages of ai."""
    every = APIRouter()
    for part in (usage, search):
        every.include_router(part.router)
    return every
