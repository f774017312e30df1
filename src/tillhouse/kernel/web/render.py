"""Pages and fragments from Jinja templates.

A module's templates are named `<module>/…`; a file whose name starts with `_` is a fragment: htmx gets it alone, a full
page includes it. What every page needs around its own context is its `Frame`, which the app builds per request.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import ClassVar
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import BytecodeCache, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup
from starlette.responses import HTMLResponse

from tillhouse.kernel import context as tracing
from tillhouse.kernel.web import formats, i18n, toasts
from tillhouse.kernel.web.csrf import FIELD, Csrf
from tillhouse.kernel.web.errors import ErrorPage
from tillhouse.kernel.web.forms import Form, M, Option
from tillhouse.kernel.web.preferences import THEMES, theme_of
from tillhouse.kernel.web.static import Static
from tillhouse.kernel.web.toasts import Toast

WEB = Path(__file__).parent
TEMPLATES = WEB / "templates"
STATIC = WEB / "static"
LOCALE = WEB / "locale"
ACCENTS = ("house", "drivopay", "wordai", "mindmine", "voice_invoice", "astria")

Context = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Link:
    """A link in a menu, under the heading `group` where the menu has headings. Both titles are English message ids."""

    title: str
    href: str
    icon: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Nav:
    """The menus: of public pages, of a signed-in person, of what is kept for them, of the staff."""

    site: Sequence[Link] = ()
    app: Sequence[Link] = ()
    account: Sequence[Link] = ()
    console: Sequence[Link] = ()


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person as the frame shows them."""

    name: str
    detail: str = ""
    account: str = "/account"
    sign_out: str = "/sign-out"
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Brand:
    """Whose page this is: the house's, or a product's."""

    name: str = "Tillhouse"
    href: str = "/"
    icon: str = "store"


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds a page. `reader` replaces the request's own where the person's setting is known."""

    brand: Brand = field(default_factory=Brand)
    accent: str = "house"
    nav: Nav = field(default_factory=Nav)
    viewer: Viewer | None = None
    reader: i18n.Reader | None = None
    sign_in: str = "/sign-in"
    web_manifest: str | None = None
    languages: Sequence[str] = tuple(i18n.LANGUAGES)


FrameBuilder = Callable[[Request, str], Frame]


class Templates:
    """Renders the templates of all modules."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        static: Static,
        csrf: Csrf,
        *,
        frame: FrameBuilder = lambda request, module: Frame(),
        global_names: Context | None = None,
    ) -> None:
        """`folders` maps a module's name to its `templates/` folder, which holds `<module>/…`; the kit adds its own.

        `frame` is asked with the request and the name of the module whose template is shown.
        """
        self._csrf, self._frame = csrf, frame
        self._env = _environment({"kernel": TEMPLATES, **folders}, static)
        self._env.globals.update(global_names or {})

    def render_page(
        self,
        request: Request,
        name: str,
        context: Context | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """A whole page, with the toasts that wait for one."""
        shown = toasts.pending(request)
        response = self._respond(request, name, {"toasts": shown, **(context or {})}, status, headers)
        if shown:
            response.delete_cookie(toasts.COOKIE)
        return response

    def render_fragment(
        self,
        request: Request,
        name: str,
        context: Context | None = None,
        *,
        status: int = 200,
        toast: Toast | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """A part of a page for htmx. Raises `ValueError` for a template that is not a fragment (`_name.html`)."""
        if not name.rpartition("/")[2].startswith("_"):
            raise ValueError(f"{name} is not a fragment: its file would be named _{name.rpartition('/')[2]}")
        extra = {**(toasts.trigger(toast) if toast else {}), **(headers or {})}
        return self._respond(request, name, context or {}, status, extra)

    def render_form(
        self,
        request: Request,
        page: str,
        form: Form[M],
        context: Context | None = None,
        *,
        fragment: str | None = None,
    ) -> HTMLResponse:
        """The page of `form` (or, for htmx, its `fragment`): 200 while nothing is wrong with it, else 422."""
        status = 422 if form.errors or form.error else 200
        everything = {**(context or {}), "form": form}
        if fragment is not None and toasts.is_htmx(request):
            return self.render_fragment(request, fragment, everything, status=status)
        return self.render_page(request, page, everything, status=status)

    def render_error(
        self, request: Request, error: ErrorPage, headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        """A failure as a page; for htmx as a toast that leaves the page as it is."""
        shown: Context = {"error": error}
        if toasts.is_htmx(request):
            steer = {"HX-Retarget": "#toasts", "HX-Reswap": "beforeend", **(headers or {})}
            return self.render_fragment(request, "kernel/_error.html", shown, status=error.status, headers=steer)
        return self.render_page(request, "kernel/error.html", shown, status=error.status, headers=headers)

    def _respond(
        self, request: Request, name: str, context: Context, status: int, headers: Mapping[str, str] | None
    ) -> HTMLResponse:
        frame = self._frame(request, name.partition("/")[0])
        with i18n.reading(frame.reader or i18n.reader()):
            around = _around(request, frame, self._csrf.token(request))
            html = self._env.get_template(name).render({"toasts": (), **around, **context})
        # Pages are a person's own: no cache between us and the browser may keep one.
        kept = {"Cache-Control": "private, no-cache", "Vary": "HX-Request, Cookie, Accept-Language", **(headers or {})}
        response = HTMLResponse(html, status, kept)
        response.headers["Content-Language"] = (frame.reader or i18n.reader()).language.tag
        self._csrf.attach(request, response)
        return response


def _around(request: Request, frame: Frame, csrf_token: str) -> dict[str, object]:
    who = i18n.reader()
    return {
        "request": request,
        "frame": frame,
        "brand": frame.brand,
        "accent": frame.accent,
        "viewer": frame.viewer,
        "nav": _menus(frame.nav, request.url.path),
        "reader": who,
        "lang": who.language.tag,
        "dir": who.language.direction,
        "languages": [i18n.LANGUAGES[tag] for tag in frame.languages],
        "theme": theme_of(request),
        "themes": THEMES,
        "with_query": lambda **changes: _with_query(request, changes),
        "csrf_token": csrf_token,
        "csrf_headers": json.dumps({"X-CSRF-Token": csrf_token}),
        "csrf_input": Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, csrf_token),
        "request_id": tracing.request_id() or "",
    }


def _menus(nav: Nav, path: str) -> dict[str, list[tuple[Link, bool]]]:
    """The menus, each link with whether the reader is there. On a page of the account the menu shows the account."""
    account = _marked(nav.account, path)
    on_it = nav.account[0].href if any(here for _, here in account) else path
    return {
        "site": _marked(nav.site, path),
        "app": _marked(nav.app, on_it),
        "account": account,
        "console": _marked(nav.console, path),
    }


def _marked(links: Sequence[Link], path: str) -> list[tuple[Link, bool]]:
    """Each link and whether it is where the reader is: the one whose address is the longest beginning of the path."""
    whole = path.rstrip("/") + "/"
    fitting = [link.href for link in links if whole.startswith(link.href.rstrip("/") + "/")]
    here = max(fitting, key=len, default=None)
    return [(link, link.href == here) for link in links]


def _with_query(request: Request, changes: Mapping[str, str | None]) -> str:
    query = {**dict(request.query_params), **changes}
    return "?" + urlencode({key: value for key, value in query.items() if value is not None})


class _Compiled(BytecodeCache):
    """What templates were compiled to in this process, by whichever house: a template that changes has another sum."""

    _kept: ClassVar[dict[tuple[str, str], CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._kept[bucket.key, bucket.checksum] = bucket.code


def _environment(folders: Mapping[str, Path], static: Static) -> Environment:
    env = Environment(
        loader=PrefixLoader({module: FileSystemLoader(folder / module) for module, folder in folders.items()}),
        bytecode_cache=_Compiled(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    env.install_gettext_callables(  # type: ignore[attr-defined]  # the i18n extension adds it
        i18n.gettext, i18n.plural, newstyle=True
    )
    env.filters.update(formats.FILTERS)
    env.globals.update(
        static_url=static.url,
        icon=icon,
        currency_symbol=formats.currency_symbol,
        Option=Option,
        reader_language=lambda: i18n.reader().language.tag,
        tone_of=tone_of,
        initials=initials,
    )
    return env


@dataclass(frozen=True, slots=True)
class _Icons:
    bodies: Mapping[str, str]
    directional: frozenset[str]


def _read_icons() -> _Icons:
    raw = json.loads((WEB / "icons.json").read_text(encoding="utf-8"))
    return _Icons(raw["bodies"], frozenset(raw["directional"]))


_ICONS = _read_icons()


def icon(name: str, css: str = "", *, label: str = "") -> Markup:
    """A Lucide icon as inline SVG, hidden from screen readers unless it has a `label`.

    Raises `LookupError` for an icon that was not built in.
    """
    if name not in _ICONS.bodies:
        raise LookupError(f"there is no icon {name}: add it to assets/icons.mjs and build")
    spoken = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    mirrored = Markup(" data-directional") if name in _ICONS.directional else Markup("")
    return Markup(
        '<svg class="icon {css}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
        'stroke-linecap="round" stroke-linejoin="round" {spoken}{mirrored}>{body}</svg>'
    ).format(css=css, spoken=spoken, mirrored=mirrored, body=Markup(_ICONS.bodies[name]))  # noqa: S704  our own build


_TONES: Mapping[str, str] = {
    state: tone
    for tone, states in {
        "success": "captured processed settled paid posted active approved verified delivered done confirmed available",
        "warning": "pending queued held unknown disputed on_hold past_due needs_review expiring reversed",
        "danger": "failed rejected declined blocked overdue suspended error",
        "info": "authorized processing running scheduled in_transit sent open",
    }.items()
    for state in states.split()
}


def tone_of(state: str) -> str:
    """The colour of a state: success, warning, danger, info, or neutral for one that is over or not yet begun."""
    return _TONES.get(state, "neutral")


def initials(name: str) -> str:
    """Up to two letters for an avatar."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()
