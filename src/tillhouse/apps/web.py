"""The web kit of a process: templates, static files, languages, menus and error pages of the modules it serves."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from tillhouse.kernel.access import NOBODY, Authenticator, Principal, SecondFactorRequired
from tillhouse.kernel.errors import DomainError, NotAuthenticated
from tillhouse.kernel.house import House
from tillhouse.kernel.http import problem_json
from tillhouse.kernel.manifest import Module, NavItem
from tillhouse.kernel.text import N_
from tillhouse.kernel.web import i18n, render
from tillhouse.kernel.web.csrf import Csrf
from tillhouse.kernel.web.deps import Web, web_of
from tillhouse.kernel.web.errors import describe
from tillhouse.kernel.web.preferences import LANGUAGE_COOKIE
from tillhouse.kernel.web.render import Brand, Frame, Link, Nav, Templates, Viewer
from tillhouse.kernel.web.static import Static
from tillhouse.kernel.web.toasts import is_htmx
from tillhouse.parts.identity.api import CONSOLE, PictureKeeper

_HERE = Path(__file__).parent
# Where a page leads who may come in once they have shown who they are.
_ENTRANCES: Mapping[type[DomainError], str] = {
    NotAuthenticated: "/sign-in",
    SecondFactorRequired: "/second-factor",
}


def build_web(house: House) -> Web:
    """Put the web kit together for the modules of this process."""
    secure = house.settings.base_url.startswith("https:")
    locales = {"kernel": render.LOCALE, "house": _HERE / "locale", **_folders(house.modules, "locale")}
    translations = i18n.Translations(locales)
    static = Static({"kernel": render.STATIC, **_folders(house.modules, "static")})
    key = hashlib.sha256(b"csrf\0" + house.settings.secret_key.encode()).digest()
    csrf = Csrf(key, session_of=_session_of, secure=secure)
    frames = _Frames(house.modules, next(iter(house.provided(PictureKeeper)), None))
    folders = {"house": _HERE / "templates", **_folders(house.modules, "templates")}
    templates = Templates(folders, static, csrf, frame=frames)
    return Web(templates, csrf, static, translations, secure)


def answer_failure(request: Request, error: DomainError) -> Response:
    """A failure for whoever asked: problem details for programs, a page or a toast for people."""
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return problem_json(request, error)
    if (entrance := _ENTRANCES.get(type(error))) and request.method == "GET" and not is_htmx(request):
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{entrance}?{urlencode({'next': wanted})}", 303)
    return web_of(request).templates.render_error(request, describe(error))


def speaking_to(authenticate: Authenticator, translations: i18n.Translations) -> Authenticator:
    """`authenticate`, and from then on the request speaks the caller's own language and zone, in Python and templates.

    A browser that was switched to another language keeps it.
    """

    async def authenticated(request: Request) -> Principal:
        principal = await authenticate(request)
        if principal.kind == "person":
            language = i18n.choose_language(
                cookie=request.cookies.get(LANGUAGE_COOKIE),
                personal=principal.locale,
                accept=request.headers.get("accept-language"),
            )
            i18n.speak_to(i18n.Reader(language, principal.zone, translations=translations))
        return principal

    return authenticated


def _folders(modules: Iterable[Module], name: str) -> dict[str, Path]:
    return {module.name: module.folder / name for module in modules if (module.folder / name).is_dir()}


def _principal(request: Request) -> Principal:
    found: Principal = getattr(request.state, "principal", None) or NOBODY
    return found


def _session_of(request: Request) -> str | None:
    session_id = _principal(request).session_id
    return str(session_id) if session_id else None


class _Frames:
    """What surrounds a page: the brand and menus of the product it belongs to, and who looks at it."""

    def __init__(self, modules: Iterable[Module], keeper: PictureKeeper | None) -> None:
        self._modules, self._keeper = tuple(modules), keeper
        self._by_name: Mapping[str, Module] = {module.name: module for module in self._modules}
        spoken = {tag for module in self._modules for tag in module.languages}
        self._languages = [tag for tag in i18n.LANGUAGES if tag in spoken]

    def __call__(self, request: Request, module: str) -> Frame:
        principal = _principal(request)
        product = None if _in_console(request) else self._product_of(module)
        return Frame(
            brand=_brand(request, product),
            accent=product.accent if product else "house",
            nav=self._nav(principal, product),
            viewer=_viewer(principal, self._keeper),
            languages=product.languages if product else self._languages,
        )

    def _product_of(self, module: str) -> Module | None:
        """The product whose page this is; a part's page wears the house's own colours, or its one product's."""
        found = self._by_name.get(module)
        if found and found.floor == "product":
            return found
        products = [one for one in self._modules if one.floor == "product"]
        return products[0] if len(products) == 1 and module not in ("kernel", "house") else None

    def _nav(self, principal: Principal, product: Module | None) -> Nav:
        def links(place: str, modules: Iterable[Module]) -> list[Link]:
            items = sorted(
                ((i, m) for m in modules for i in m.nav if i.place == place), key=lambda found: found[0].order
            )
            return [Link(i.title, i.path, i.icon, m.title) for i, m in items if _sees(principal, i)]

        own = [product] if product else []
        account = links("account", self._beneath(product) if product else self._modules)
        return Nav(links("site", own), links("app", own), account, self._console(principal, links))

    def _beneath(self, product: Module) -> list[Module]:
        """What a product stands on, and what is plugged into that."""
        found, new = set[str](), {product.name}
        while new:
            found |= new
            new = {name for one in new & self._by_name.keys() for name in self._by_name[one].requires} - found
        return [one for one in self._modules if one.name in found or found.intersection(one.plugged_by)]

    def _console(self, principal: Principal, links: Callable[[str, Iterable[Module]], list[Link]]) -> list[Link]:
        """The console's menu: by module, each where its first entry belongs."""
        if not principal.may(CONSOLE):
            return []
        first = {m.name: min((i.order for i in m.nav if i.place == "console"), default=0) for m in self._modules}
        by_order = sorted(self._modules, key=lambda module: first[module.name])
        overview = Link(N_("Overview"), "/console/", "layout-dashboard")
        return [overview, *(link for module in by_order for link in links("console", [module]))]


def _in_console(request: Request) -> bool:
    return request.url.path.startswith("/console")


def _brand(request: Request, product: Module | None) -> Brand:
    if product:
        return Brand(product.title, f"/{product.name}/", product.icon)
    return Brand(href="/console/") if _in_console(request) else Brand()


def _sees(principal: Principal, item: NavItem) -> bool:
    return item.permission is None or principal.may(item.permission)


def _viewer(principal: Principal, keeper: PictureKeeper | None) -> Viewer | None:
    if principal.kind != "person":
        return None
    picture = principal.details.get("picture")
    return Viewer(principal.display_name, picture=f"{keeper.address}?v={picture}" if picture and keeper else "")
