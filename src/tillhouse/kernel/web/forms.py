"""Server-rendered forms: a pydantic model says what is right, the form keeps what was typed and says what is wrong.

form = await Form.read(request, AddMoney)
if not form.is_valid:
    return pages.render_form(request, "wallets/add.html", form)            # 422, first error focused
try:
    ...service(form.data)
except InvalidInput as refusal:
    form.refuse(refusal)                                                     # field errors by JSON pointer
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Generic, Self, TypeVar, Union, get_args, get_origin

from fastapi import Request
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from starlette.datastructures import FormData

from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.csrf import FIELD as CSRF_FIELD
from tillhouse.kernel.web.errors import sentence_of, shown_fields
from tillhouse.kernel.web.i18n import gettext

M = TypeVar("M", bound=BaseModel)

# pydantic's error types in words that a person can act on; `{…}` are pydantic's own context.
_SENTENCES: Mapping[str, str] = {
    "missing": N_("Fill this in."),
    "string_too_short": N_("At least {min_length} characters are needed."),
    "string_too_long": N_("At most {max_length} characters fit."),
    "string_pattern_mismatch": N_("This does not have the right form."),
    "int_parsing": N_("Write a whole number."),
    "int_from_float": N_("Write a whole number."),
    "decimal_parsing": N_("Write a number."),
    "decimal_max_places": N_("At most {decimal_places} digits after the point."),
    "greater_than": N_("This must be more than {gt}."),
    "greater_than_equal": N_("This must be {ge} or more."),
    "less_than": N_("This must be less than {lt}."),
    "less_than_equal": N_("This must be {le} or less."),
    "literal_error": N_("Choose one of the options."),
    "enum": N_("Choose one of the options."),
    "date_from_datetime_parsing": N_("Write a date."),
    "date_parsing": N_("Write a date."),
    "bool_parsing": N_("Choose yes or no."),
    "too_short": N_("Choose at least {min_length}."),
    "too_long": N_("Choose at most {max_length}."),
}
_BY_WORD = {"email": N_("Write an e-mail address, for example name@example.com.")}


@dataclass(frozen=True, slots=True)
class BoundField:
    """One field as the macros show it: its id in the page, what was typed, what is wrong."""

    name: str
    id: str
    value: str
    values: tuple[str, ...]
    error: str | None
    required: bool

    @property
    def error_id(self) -> str:
        return f"{self.id}-error"

    @property
    def hint_id(self) -> str:
        return f"{self.id}-hint"


@dataclass
class Form(Generic[M]):
    """A form of model `M`: `values` as typed, `errors` by field name, `error` for the form as a whole."""

    model: type[M]
    values: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    name: str = ""
    _data: M | None = None

    @classmethod
    def blank(cls, model: type[M], *, name: str = "", **initial: object) -> Self:
        """An untouched form, prefilled with `initial`. `name` sets two forms on one page apart."""
        values = {key: [str(item) for item in _as_list(value)] for key, value in initial.items() if value is not None}
        return cls(model, values, name=name)

    @classmethod
    async def read(cls, request: Request, model: type[M], *, name: str = "") -> Self:
        """The form as it was sent, validated: look at `is_valid`, then at `data`."""
        return cls.parse(await request.form(), model, name=name)

    @classmethod
    def parse(cls, sent: FormData, model: type[M], *, name: str = "") -> Self:
        """Validate what was sent. Blank fields count as not filled in; unknown ones are left out."""
        typed = {
            key: [item for item in sent.getlist(key) if isinstance(item, str)]
            for key in sent
            if key != CSRF_FIELD and key in model.model_fields
        }
        form = cls(model, {key: items for key, items in typed.items() if not _is_secret(model, key)}, name=name)
        try:
            form._data = model.model_validate(_filled_in(model, typed))
        except ValidationError as wrong:
            form._note(wrong.errors(include_url=False, include_input=False))
        return form

    @property
    def is_valid(self) -> bool:
        return self._data is not None and not self.errors and self.error is None

    @property
    def data(self) -> M:
        """What was sent, as the model. Raises `ValueError` while the form is not valid."""
        if self._data is None or not self.is_valid:
            raise ValueError("the form is not valid")
        return self._data

    def refuse(self, why: DomainError) -> None:
        """Show a refusal of the service: at the fields it points to, else above the form."""
        for wrong in why.errors:
            name = wrong.pointer.lstrip("/").split("/")[0]
            if name in self.model.model_fields:
                self.errors.setdefault(name, gettext(wrong.message, **shown_fields(why)))
        if not any(wrong.pointer.lstrip("/").split("/")[0] in self.model.model_fields for wrong in why.errors):
            self.error = sentence_of(why)

    def refuse_field(self, name: str, sentence: str) -> None:
        """Mark one field with a translated sentence. Raises `KeyError` for a field that the model has not."""
        if name not in self.model.model_fields:
            raise KeyError(name)
        self.errors[name] = sentence

    def __getitem__(self, name: str) -> BoundField:
        """The field for a macro: `ui.input(form["amount"], …)`. Raises `KeyError` for one that the model has not."""
        info = self.model.model_fields[name]
        values = tuple(self.values.get(name, ()))
        identifier = f"{self.name}-{name}" if self.name else name
        return BoundField(
            name, identifier, values[0] if values else "", values, self.errors.get(name), info.is_required()
        )

    def _note(self, wrong: Sequence[ErrorDetails]) -> None:
        for detail in wrong:
            name = str(detail["loc"][0]) if detail["loc"] else ""
            if name in self.model.model_fields:
                self.errors.setdefault(name, _sentence(detail))
            else:
                self.error = self.error or _sentence(detail)


def _sentence(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _SENTENCES:
        return gettext(_SENTENCES[kind], **context)
    if kind == "value_error":
        message = str(context.get("error", "")) or detail["msg"]
        return gettext(next((text for word, text in _BY_WORD.items() if word in message), message))
    return gettext(N_("This does not have the right form."))


def _filled_in(model: type[BaseModel], typed: Mapping[str, list[str]]) -> dict[str, str | list[str]]:
    sent: dict[str, str | list[str]] = {}
    for key, items in typed.items():
        kept = [item if _is_secret(model, key) else item.strip() for item in items]
        kept = [item for item in kept if item]
        if kept:
            sent[key] = kept if _is_list(model.model_fields[key]) else kept[0]
    return sent


def _parts(annotation: object) -> list[object]:
    """The types an annotation is made of, through Optional and Annotated."""
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return [part for argument in get_args(annotation) for part in _parts(argument)]
    return [annotation]


def _is_list(info: FieldInfo) -> bool:
    return any(get_origin(part) in (list, set, tuple, frozenset) for part in _parts(info.annotation))


def _is_secret(model: type[BaseModel], name: str) -> bool:
    return any(part is SecretStr for part in _parts(model.model_fields[name].annotation))


def _as_list(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else [value]


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a select, of radio cards or of a menu."""

    value: str
    label: str
    hint: str = ""
    icon: str = ""
    disabled: bool = False
