"""A small app made of the web kit alone: what the tests of the kit drive, and what a browser can be pointed at.

python -m tests.kernel.web_app 8123
"""

import sys
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel import errors as domain
from tillhouse.kernel.edge import SecurityHeaders
from tillhouse.kernel.money import Money
from tillhouse.kernel.web import render, toasts
from tillhouse.kernel.web.csrf import Csrf
from tillhouse.kernel.web.errors import describe, error_page
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import Translations
from tillhouse.kernel.web.kit import kit_page
from tillhouse.kernel.web.preferences import Preferences
from tillhouse.kernel.web.render import Brand, Frame, Link, Nav, Templates, Viewer
from tillhouse.kernel.web.static import Static

TEMPLATES = Path(__file__).parent / "web_templates"
CSRF = Csrf(b"0123456789abcdef", secure=False)
_LINKS = (
    Link("Home", "/app", "house"),
    Link("Wallet", "/app/wallet", "wallet"),
    Link("Earnings", "/app/earnings", "chart-column"),
    Link("Account", "/app/account", "user"),
)


class AddMoney(BaseModel):
    amount: Annotated[str, Field(min_length=1, max_length=12)]
    note: str | None = None


def _frame(request: Request, module: str) -> Frame:
    if module == "kernel":
        console = (Link("Components", "/console/kit", "layers"), Link("Jobs", "/console/jobs", "activity"))
        return Frame(nav=Nav(site=_LINKS[:2], console=console), viewer=Viewer("Asha Rao", "Staff"))
    viewer = Viewer("Ravi Kumar", "+91 98765 43210") if request.url.path.startswith("/app") else None
    return Frame(Brand("DrivoPay", "/", "car"), "drivopay", Nav(site=_LINKS[:3], app=_LINKS), viewer)


def build() -> FastAPI:
    static = Static({"kernel": render.STATIC})
    templates = Templates({"trial": TEMPLATES}, static, CSRF, frame=_frame)
    app = FastAPI()
    app.add_middleware(Preferences, translations=Translations({"kernel": render.LOCALE}), secure=False)
    app.add_middleware(SecurityHeaders)
    app.mount("/static", static)

    @app.exception_handler(domain.DomainError)
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, domain.DomainError)
        return templates.render_error(request, describe(error))

    @app.get("/console/kit")
    async def kit(request: Request) -> Response:
        return templates.render_page(request, "kernel/kit.html", kit_page())

    @app.get("/error/{status}")
    async def error(request: Request, status: int) -> Response:
        if "text/html" not in request.headers["accept"]:
            return Response("{}", status, media_type="application/problem+json")
        return templates.render_error(request, error_page(status))

    @app.get("/page/{name}")
    @app.get("/app")
    async def page(request: Request, name: str = "app") -> Response:
        context = {"balance": Money(12345678, "INR"), **kit_page()}
        return templates.render_page(request, f"trial/{name}.html", context)

    _add_form(app, templates)
    return app


def _add_form(app: FastAPI, templates: Templates) -> None:
    @app.get("/add")
    async def add_form(request: Request) -> Response:
        return templates.render_form(request, "trial/add.html", Form.blank(AddMoney), fragment="trial/_add.html")

    @app.post("/add", dependencies=[Depends(CSRF)])
    async def add(request: Request) -> Response:
        form = await Form.read(request, AddMoney)
        if form.is_valid:
            try:
                Money.parse(form.data.amount, "INR")
            except domain.InvalidInput as refusal:
                form.refuse(refusal)
        if not form.is_valid:
            return templates.render_form(request, "trial/add.html", form, fragment="trial/_add.html")
        return toasts.redirect(request, "/app", toasts.Toast("Money added", "It is in your wallet."), secure=False)


if __name__ == "__main__":
    uvicorn.run(build(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
