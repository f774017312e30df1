"""JSON endpoints of ai."""

from fastapi import APIRouter


def router() -> APIRouter:
    """All JSON endpoints of ai."""
    return APIRouter(prefix="/ai")
