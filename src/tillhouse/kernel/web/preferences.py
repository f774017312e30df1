"""What a reader chose about the pages themselves: language and theme, kept in cookies that hold nothing else.

`?lang=hi` and `?theme=dark` on any page set them and lead back to the page's plain address, so that the switches are
links and work without a script. The theme is a class that the server writes: no page flashes in the wrong colours.
"""

from collections.abc import Sequence
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tillhouse.kernel.web.i18n import LANGUAGES, SOURCE, Reader, Translations, choose_language, reading

Theme = Literal["light", "dark", "system"]
THEMES: Sequence[Theme] = ("light", "dark", "system")
LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"
_YEAR = 365 * 24 * 3600


class Preferences:
    """ASGI middleware: knows the reader of each request, and answers the switches."""

    def __init__(
        self, app: ASGIApp, translations: Translations, *, default: str = SOURCE, zone: str = "UTC", secure: bool = True
    ) -> None:
        """`zone` is the IANA zone of readers who are not signed in; `secure` marks the cookies HTTPS-only."""
        self.app, self._translations, self._default, self._zone, self._secure = app, translations, default, zone, secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        answer = self._switched(request)
        if answer is not None:
            await answer(scope, receive, send)
            return
        with reading(self._reader(request)):
            await self.app(scope, receive, send)

    def _reader(self, request: Request) -> Reader:
        language = choose_language(
            cookie=request.cookies.get(LANGUAGE_COOKIE),
            accept=request.headers.get("accept-language"),
            default=self._default,
        )
        return Reader(language, self._zone, translations=self._translations)

    def _switched(self, request: Request) -> Response | None:
        query = request.query_params
        language, theme = query.get("lang"), query.get("theme")
        if request.method != "GET" or not (language in LANGUAGES or theme in THEMES):
            return None
        kept = [pair for pair in parse_qsl(request.url.query) if pair[0] not in ("lang", "theme")]
        # Always a path of this host: the first slashes of a hostile `//elsewhere` are cut down to one.
        path = "/" + request.url.path.lstrip("/\\")
        answer = RedirectResponse(path + ("?" + urlencode(kept) if kept else ""), 303)
        if language in LANGUAGES:
            set_preference(answer, LANGUAGE_COOKIE, str(language), secure=self._secure)
        if theme in THEMES:
            set_preference(answer, THEME_COOKIE, str(theme), secure=self._secure)
        return answer


def set_preference(response: Response, cookie: str, value: str, *, secure: bool = True) -> None:
    """Keep a choice for a year: also for sign-in, which brings a person's own language along."""
    response.set_cookie(cookie, value, max_age=_YEAR, samesite="lax", secure=secure, httponly=True)


def theme_of(request: Request) -> Theme:
    """The theme that the reader chose, `system` where nothing was chosen."""
    chosen = request.cookies.get(THEME_COOKIE)
    return next((theme for theme in THEMES if theme == chosen), "system")
