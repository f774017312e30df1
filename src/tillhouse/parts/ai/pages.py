"""Staff pages of ai."""

from fastapi import APIRouter

router = APIRouter(prefix="/console/ai")
