"""What a page's endpoint asks for.

@router.get("/sign-in")
async def sign_in(request: Request, pages: Pages) -> Response:
    return pages.render_page(request, "identity/sign_in.html", {...})

@router.post("/sign-in", dependencies=[FromOurPage])
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from tillhouse.kernel.access import caller
from tillhouse.kernel.web.csrf import Csrf
from tillhouse.kernel.web.i18n import Translations
from tillhouse.kernel.web.render import Templates
from tillhouse.kernel.web.static import Static


@dataclass(frozen=True, slots=True)
class Web:
    """The web kit of one process, put together by `apps/web.py` and kept in `app.state.web`."""

    templates: Templates
    csrf: Csrf
    static: Static
    translations: Translations
    secure: bool  # whether cookies are for HTTPS alone


def web_of(request: Request) -> Web:
    """The web kit that answers this request."""
    web: Web = request.app.state.web
    return web


# `async`, since a dependency that is not is run in a thread.
async def _templates(request: Request) -> Templates:
    return web_of(request).templates


async def _the_web(request: Request) -> Web:
    return web_of(request)


async def _from_our_page(request: Request) -> None:
    await caller(request)  # the token is bound to the caller's session
    await web_of(request).csrf(request)


Pages = Annotated[Templates, Depends(_templates)]
TheWeb = Annotated[Web, Depends(_the_web)]

# On every route that a form posts to. Raises `Forbidden` when another site sent it.
FromOurPage = Depends(_from_our_page)
