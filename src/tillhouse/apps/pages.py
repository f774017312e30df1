"""The house's own pages: its front door, the API's description, the first page of the console, all components."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.apps.api_docs import operations
from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.web.console import waiting
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.kit import kit_page
from tillhouse.parts.identity.api import CONSOLE

router = APIRouter(include_in_schema=False)
Anyone = Annotated[Principal, Depends(open_to_all("What the house is, anyone may read."))]
Staff = Annotated[Principal, Depends(require(CONSOLE))]


@router.get("/")
async def front_door(request: Request, house: TheHouse, _anyone: Anyone, pages: Pages) -> Response:
    """What lives in this house."""
    products = [module for module in house.modules if module.floor == "product"]
    return pages.render_page(
        request,
        "house/home.html",
        {"products": products, "sandbox": house.settings.sandbox_url, "production": house.settings.production},
    )


@router.get("/api/docs")
async def api_docs(request: Request, _anyone: Anyone, pages: Pages) -> Response:
    """The API's description for people."""
    return pages.render_page(request, "house/api_docs.html", {"groups": operations(request.app)})


@router.get("/console/")
async def console(request: Request, session: Read, staff: Staff, pages: Pages) -> Response:
    """What waits for staff."""
    return pages.render_page(request, "house/console.html", {"waiting": await waiting(session, staff)})


@router.get("/console/kit")
async def kit(request: Request, _staff: Staff, pages: Pages) -> Response:
    """Every component in every state."""
    return pages.render_page(request, "kernel/kit.html", kit_page())
