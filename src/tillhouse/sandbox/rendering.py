"""Pages and their API twins: one answer, as HTML for a browser and as JSON for everyone else."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from fastapi import HTTPException, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ValidationError

from tillhouse.sandbox.money import money

M = TypeVar("M", bound=BaseModel)

_HERE = Path(__file__).parent

_CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; media-src 'self';"
    " connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action {form_action}; frame-ancestors {ancestors}"
)


def moment(seconds: int | float) -> str:
    """A unix time as UTC text."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b %Y, %H:%M:%S")


_pages = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters["rupees"] = partial(money, currency="inr")
_pages.filters["baht"] = partial(money, currency="thb")
_pages.filters["dong"] = partial(money, currency="vnd")
_pages.filters["moment"] = moment
_pages.filters["money"] = money


def wants_html(request: Request) -> bool:
    """Whether the caller is a browser asking for a page."""
    return "text/html" in request.headers.get("accept", "")


def page(
    template: str,
    context: Mapping[str, object],
    *,
    status: int = 200,
    form_action: str = "'self'",
    ancestors: str = "'none'",
) -> Response:
    """A rendered page with a strict content security policy: no inline script or style anywhere."""
    html = _pages.get_template(template).render(**context)
    headers = {
        "Content-Security-Policy": _CSP.format(form_action=form_action, ancestors=ancestors),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(html, status, headers)


def answer(request: Request, template: str, context: Mapping[str, object], twin: object) -> Response:
    """The page for a browser, `twin` as JSON for everyone else."""
    if wants_html(request):
        return page(template, {"players": request.app.state.players, "here": request.url.path, **context})
    return JSONResponse(jsonable_encoder(twin), headers={"Vary": "Accept"})


def done(request: Request, twin: object, back: str) -> Response:
    """The end of an action: a browser goes back to the page it came from, everyone else gets `twin`."""
    if wants_html(request):
        return RedirectResponse(back, 303)
    return JSONResponse(jsonable_encoder(twin))


async def wish_of(request: Request, model: type[M]) -> M:
    """What is asked of a sandbox's own door, as JSON or from a page's form, whose empty fields say nothing.

    Raises:
        HTTPException: 422, with pydantic's list of what is wrong.
    """
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return model.model_validate_json(await request.body() or b"{}")
        form = await request.form()
        return model.model_validate({name: value for name, value in form.items() if value != ""})
    except ValidationError as error:
        raise HTTPException(422, json.loads(error.json(include_url=False, include_input=False))) from None
