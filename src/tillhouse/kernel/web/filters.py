"""Filters of lists: forms that stand in the address, and the reader's days as instants."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, TypeVar

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.datastructures import FormData

from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import reader

M = TypeVar("M", bound=BaseModel)

# A day that PostgreSQL and every zone can hold.
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))]


def filter_of(request: Request, model: type[M]) -> Form[M]:
    """The filter as it stands in the address; with one that is not valid show what is wrong, and no rows."""
    return Form.parse(FormData(dict(request.query_params)), model)


def valid(form: Form[M]) -> Form[M]:
    """`form`, for a file: it has no place to say what is wrong. Raises `InvalidInput` for one that is not valid."""
    if not form.is_valid:
        raise InvalidInput(N_("This filter cannot be read: set it on the page and take the file from there."))
    return form


def is_filtered(form: Form[M]) -> bool:
    """Whether anything was asked for."""
    return any(typed.strip() for items in form.values.values() for typed in items)


def begin_of(day: date) -> datetime:
    """The instant at which a day of the reader begins."""
    return datetime.combine(day, time(), reader().tz).astimezone(UTC)


def end_of(day: date) -> datetime:
    """The instant at which the reader's next day begins: the first that is not of `day` any more."""
    return begin_of(day + timedelta(days=1))


def local(typed: datetime) -> datetime:
    """A date and time that the reader typed without a zone: theirs."""
    return (typed if typed.tzinfo else typed.replace(tzinfo=reader().tz)).astimezone(UTC)
