"""What the pages of the console share: who may read, how lists and files of them are made, and asking once more."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Protocol, TypeVar
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import Database, ReadSession
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.deps import FromOurPage
from tillhouse.kernel.web.filters import Day, begin_of, end_of, is_filtered
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.render import Templates
from tillhouse.kernel.web.sheets import csv_download
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.domain.finding import Narrowing
from tillhouse.parts.payments.pages.console import words
from tillhouse.parts.payments.service import finding, waiting

ROOT = waiting.ROOT
PAGE = 50
BITE = 500  # rows of a file that are read at once

Reader = Annotated[Principal, Depends(require(waiting.READ))]
POSTED = [FromOurPage, Depends(rate_limit("60/minute"))]


class Identified(Protocol):
    """What a list shows."""

    @property
    def id(self) -> UUID: ...


V = TypeVar("V", bound=Identified)
N = TypeVar("N", bound=Narrowing)
Find = Callable[[ReadSession, int, UUID | None], Awaitable[Sequence[V]]]


class NarrowForm(BaseModel):
    """What every list can be narrowed by, as it stands in the address."""

    text: str | None = Field(default=None, max_length=254)
    provider: str | None = Field(default=None, max_length=40)
    amount: str | None = Field(default=None, max_length=30)
    currency: str | None = Field(default=None, max_length=12)
    first: Day | None = None
    last: Day | None = None


def narrowed(form: Form[Any], kind: type[N]) -> N:
    """What the form asks for, as a filter of `kind`; fields of the form that the filter has are taken as they are.

    An amount that cannot be read says so in the form. Without a currency it is rupees.
    """
    if not form.is_valid:
        return kind()
    asked, amount = form.data, None
    unit = asked.currency.upper() if asked.currency else None
    if asked.amount:
        try:
            amount = Money.parse(formats.typed(asked.amount, unit or "INR"), unit or "INR")
        except InvalidInput:
            form.refuse_field("amount", gettext(N_("Write an amount: 150 or 150.00.")))
    typed = asked.model_dump()
    own = {one.name: typed[one.name] for one in fields(kind) if one.name in typed}
    return kind(**{
        **own,
        "amount": amount.minor if amount else None,
        "currency": amount.unit if amount else unit,
        "since": begin_of(asked.first) if asked.first else None,
        "until": end_of(asked.last) if asked.last else None,
    })  # fmt: skip


def fitting(wanted: N, **changed: Any) -> N:
    """The filter with something changed."""
    return replace(wanted, **changed)


async def list_page(
    request: Request,
    session: ReadSession,
    pages: Templates,
    name: str,
    form: Form[Any],
    *,
    find: Find[V],
    about: Callable[[Sequence[V]], Awaitable[Mapping[str, object]]],
) -> Response:
    """A page of a list, newest first, and the fragment of it that a filter changes.

    `about` gives what else the template needs of the rows shown.
    """
    cursor = request.query_params.get("cursor")
    found: Sequence[V] = []
    if form.is_valid:
        found = await find(session, PAGE + 1, decode_id(cursor) if cursor else None)
    shown, following = cut(found, PAGE, lambda one: (str(one.id),))
    context = {
        **words.WORDS,
        **await about(shown),
        "rows": shown,
        "following": following,
        "cursor": cursor,
        "filtered": is_filtered(form),
        "providers": [Option(one, words.said(words.GATEWAYS, one)) for one in finding.provider_names(session)],
    }
    page, fragment = f"payments/console/{name}.html", f"payments/console/_{name}.html"
    return pages.render_form(request, page, form, context, fragment=fragment)


def csv_of(
    name: str, columns: Sequence[str], database: Database, find: Find[V], cells: Callable[[V], Sequence[object]]
) -> Response:
    """The same list, all of it, for a spreadsheet."""

    async def rows(session: ReadSession) -> AsyncIterator[Sequence[object]]:
        before: UUID | None = None
        while bite := await find(session, BITE, before):
            for one in bite:
                yield cells(one)
            before = bite[-1].id

    return csv_download(name, columns, database, rows)


async def owner_of(session: ReadSession, typed: str) -> UUID | None:
    """Whom a search names: a person by e-mail or number, an organisation by its short name; None where the text may be
    something else.
    """
    try:
        person = await identity.person_by_identifier(session, identity.parse_identifier(typed))
    except InvalidInput:
        return await identity.organisation_called(session, typed)
    return person.id if person else None


async def names_of(session: ReadSession, ids: Iterable[UUID | None]) -> Mapping[UUID, str]:
    """What people, machines and organisations of these ids are called."""
    wanted = {one for one in ids if one}
    if not wanted:
        return {}
    return {**await identity.organisation_names(session, wanted), **await identity.names(session, wanted)}


def account_href(account: ledger.AccountRef) -> str:
    """Where the ledger explorer shows an account."""
    owner = account.owner_kind if account.owner_id is None else f"{account.owner_kind}:{account.owner_id}"
    return f"/console/ledger/accounts/{quote(owner, safe=':')}/{quote(account.code, safe=':')}/{quote(account.unit)}"


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that an action does to the money: `before` and `after` are balances, `text` says it in words."""

    title: str
    amount: Money | None = None
    before: Money | None = None
    after: Money | None = None
    text: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked once more before something is done. All texts are translated; `fields` come back as they are."""

    title: str
    warning: str
    text: str
    effects: Sequence[Effect]
    action: str
    back: str
    submit: str
    keep: str
    crumb: tuple[str, str]
    destructive: bool = False


def confirm(request: Request, pages: Templates, form: Form[Any], question: Question) -> Response:
    """The page that says what an action does to the money, and asks once more."""
    sent = [(name, value) for name, values in form.values.items() for value in values if name != "confirmed" and value]
    context = {"question": question, "fields": sent, "form": form}
    return pages.render_page(request, "payments/console/confirm.html", context)
