"""Messages as they are sent: templates found in the modules, filled, in the language of who reads them.

A template is a text (`<name>.<language>.txt`, its first line the subject) and a short one (`.sms.txt`). The HTML of a
mail is made of its text, unless it has one of its own (`.html`). A notice in the app is the subject and the first
paragraph of the text, and leads where the text does. `<name>.examples.json` beside them holds example data by name:
what previews show, and what conformance tests every language with.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, PrefixLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from tillhouse.kernel.db import JsonObject, ReadSession, house_of
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.formats import said
from tillhouse.kernel.web.i18n import LANGUAGES, Reader, Translations, reading
from tillhouse.parts.channels.domain.chat import Approved, line_of
from tillhouse.parts.channels.domain.messages import CHANNELS, Channel
from tillhouse.parts.channels.models import MessageRow
from tillhouse.parts.channels.ports import MessageTemplate, Outgoing
from tillhouse.parts.channels.service.consent import opt_out_page
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.parts.identity.api import CodeSource, MessageKind

SOURCE = "en"
LINE = "channels.line"  # no template: what a conversation says, as it is
CHALLENGE = "challenge_id"  # a template whose data names a challenge is filled with its code when it is sent
_LAYOUT = "channels/messages/layout.html"
_TITLE = "Tillhouse"
_FIELD = re.compile(r"\{(\w+)\}")  # no more than names: what a person wrote must not be read as a format
_WHY = N_("You get this because you agreed to offers by e-mail.")
_NO_MORE = N_("Send me no more offers")
_PARAGRAPHS = re.compile(r"\n\s*\n")
_RIGHT_TO_LEFT = "\u200f"
_BEGINS_OTHERWISE = re.compile(r"^(?=[^\u0590-\u06ff\n])", re.MULTILINE)
_ADDRESS = re.compile(r"https?://\S*[^\s.,;:!?।)]")

# Which files a channel is written from, best first: what fits a text fits a chat and a phone's screen as well.
_KINDS: dict[str, tuple[str, ...]] = {
    "email": ("txt",),
    "sms": ("sms.txt",),
    "whatsapp": ("whatsapp.txt", "sms.txt", "txt"),
    "push": ("push.txt", "sms.txt", "txt"),
    "in_app": ("push.txt", "txt", "sms.txt"),
}


@dataclass(frozen=True, slots=True)
class Files:
    """The template files of a message in the language that was found. `titled`: its first line is a subject.

    `html` is empty where the text is the only thing written.
    """

    locale: str
    text: str
    html: str
    titled: bool


async def render(session: ReadSession, row: MessageRow) -> Outgoing | None:
    """The message as it is sent; None when its code is no longer good, so that there is nothing to send."""
    if row.template == LINE:
        line = line_of(row.data)
        return Outgoing(row.id, row.address, "", line.text, "", line=line, queued_at=row.created_at)
    house = house_of(session)
    values: JsonObject = dict(row.data)
    if challenge_id := row.data.get(CHALLENGE):
        code = await house.the(CodeSource).read(session, UUID(str(challenge_id)))
        if code is None:
            return None
        values["code"] = code.text
    files = files_of(house, row.template, row.locale, row.channel)
    way_out = opt_out_page(house, row.person_id, "email") if is_mailed_offer(row) and row.person_id else ""
    subject, text, html, written = _filled(house, files, values, row.channel, strict=True, opt_out=way_out)
    leads_to = str(row.data.get("url") or row.data.get("link") or written)
    return Outgoing(row.id, row.address, subject, text, html, url=leads_to, queued_at=row.created_at)


def is_mailed_offer(row: MessageRow) -> bool:
    """Whether a message must carry a way out of its kind: marketing by e-mail, to a person of ours."""
    return row.channel == "email" and row.purpose == "marketing" and row.person_id is not None


def described(house: House, template: str) -> MessageTemplate:
    """What its module says of a template, or what goes for one that it says nothing of; with what WhatsApp approved."""
    found = next((one for one in house.provided(MessageTemplate) if one.name == template), None)
    kind = next((one for one in house.provided(MessageKind) if one.name == template), None)
    settings = house.settings_of(ChannelsSettings)
    if found is None and kind:
        found = MessageTemplate(
            template,
            channels=settings.message_order,
            also=("in_app",) if kind.category != "security" else (),
            category=kind.category,
            parameters=kind.parameters,
        )
    found = found or MessageTemplate(template)
    approved = settings.whatsapp_templates.get(template)
    return replace(found, approved={**found.approved, **approved}) if approved else found


def files_of(house: House, template: str, locale: str, channel: str) -> Files:
    """The files of a template, in English where there are none in `locale`. Raises `LookupError`."""
    owner, _, name = template.partition(".")
    module = next((module for module in house.modules if module.name == owner), None)
    for wanted in (locale, SOURCE):
        file = f"{owner}/messages/{name}.{wanted}"
        for kind in _KINDS[channel] if module else ():
            folder = module.folder / "templates" if module else Path()
            if (folder / f"{file}.{kind}").is_file():
                html = f"{file}.html" if (folder / f"{file}.html").is_file() else ""
                return Files(wanted, f"{file}.{kind}", html, kind in ("txt", "push.txt"))
    raise LookupError(f"there is no message template {template} for {channel}")


def translated(house: House, locale: str, text: str, **fields: object) -> str:
    """A sentence in a language, its `{named}` fields filled in; as it is where it has none of the catalogues' words."""
    found = _translations(_catalogues(house)).gettext(locale if locale in LANGUAGES else SOURCE, text)
    return _FIELD.sub(lambda name: str(fields.get(name[1], name[0])), found)


def in_words(house: House, locale: str, data: JsonObject) -> dict[str, object]:
    """The data of a message as a reader of `locale` writes it: amounts in their own way."""
    language = LANGUAGES.get(locale, LANGUAGES[SOURCE])
    with reading(Reader(language, translations=_translations(_catalogues(house)))):
        return {name: said(value) for name, value in data.items()}


def approved_of(house: House, about: MessageTemplate, locale: str, data: JsonObject) -> Approved | None:
    """What WhatsApp has approved for a template, filled: in this language, else in English; None where it has none."""
    language = locale if locale in about.approved else SOURCE
    if language not in about.approved:
        return None
    words = in_words(house, language, data)
    parameters = tuple(str(words.get(name) or "") for name in about.parameters)
    return Approved(about.approved[language], parameters, language)


def as_chat(house: House, template: str, locale: str, data: JsonObject) -> str:
    """The text of a template as a chat says it. Raises `LookupError`."""
    return _filled(house, files_of(house, template, locale, "whatsapp"), data, "whatsapp", strict=True).text


@dataclass(frozen=True, slots=True)
class Preview:
    """A template as it looks in one language on one channel. `is_source`: it is not translated yet."""

    template: str
    locale: str
    channel: Channel
    subject: str
    text: str
    html: str
    is_source: bool


def templates(house: House) -> Sequence[MessageTemplate]:
    """Every message template of the house, by name, described or not."""
    names = {
        f"{module.name}.{path.name.partition('.')[0]}"
        for module in house.modules
        for path in (module.folder / "templates" / module.name / "messages").glob("*.txt")
    }
    return [described(house, name) for name in sorted(names)]


def examples(house: House, template: str) -> Mapping[str, JsonObject]:
    """Example data of a template by name (`{base_url}` is the house's); an empty one where its module gives none."""
    owner, _, name = template.partition(".")
    for module in house.modules:
        path = module.folder / "templates" / owner / "messages" / f"{name}.examples.json"
        if module.name == owner and path.is_file():
            found: dict[str, JsonObject] = json.loads(path.read_text().replace("{base_url}", house.settings.base_url))
            return found
    return {"": {}}


def missing_in(house: House, template: str) -> list[str]:
    """The languages in which a template is sent in English instead."""
    return [tag for tag in LANGUAGES if any(one.locale != tag for _, one in _written(house, template, tag))]


def previews(house: House, template: MessageTemplate, data: JsonObject, *, strict: bool = False) -> Iterator[Preview]:
    """A template in every language of the house, on every channel that it can be written for, filled with `data`.

    What `data` lacks shows as its name, or where `strict` raises jinja2's `UndefinedError`.
    """
    for language in LANGUAGES:
        for channel, files in _written(house, template.name, language):
            way_out = house.settings.base_url if channel == "email" and template.purpose == "marketing" else ""
            subject, text, html, _ = _filled(house, files, data, channel, strict=strict, opt_out=way_out)
            yield Preview(template.name, language, channel, subject, text, html, files.locale != language)


def _written(house: House, template: str, language: str) -> Iterator[tuple[Channel, Files]]:
    for channel in CHANNELS:
        try:
            yield channel, files_of(house, template, language, channel)
        except LookupError:
            continue


class _Filled(NamedTuple):
    """`leads_to` is the first address of ours in the text of a notice."""

    subject: str
    text: str
    html: str = ""
    leads_to: str = ""


def _filled(house: House, files: Files, data: JsonObject, channel: str, *, strict: bool, opt_out: str = "") -> _Filled:
    """A message in words. `opt_out` is where a reader ends offers: a mail says so at its end."""
    environment, home = _environment(_folders(house), strict), house.settings.base_url
    filled = {**in_words(house, files.locale, data), "base_url": home}
    written = environment.get_template(files.text).render(filled).strip()
    subject, _, words = written.partition("\n") if files.titled else ("", "", written)
    direction, words = LANGUAGES[files.locale].direction, words.strip()
    title, text = _turned(subject.strip(), direction), _turned(words, direction)
    if channel == "in_app":
        notice = _turned(_PARAGRAPHS.split(words.strip())[0], direction)
        return _Filled(title or _TITLE, notice, leads_to=_first_of_ours(words, home))
    if channel == "push":
        return _Filled(title or _TITLE, text)
    if channel == "whatsapp" and title:
        return _Filled("", f"{title}\n\n{text}")
    if channel != "email":
        return _Filled("", text)
    body = environment.get_template(files.html).render(filled) if files.html else _as_html(words, home)
    why, no_more = (translated(house, files.locale, sentence) for sentence in (_WHY, _NO_MORE))
    frame = {"subject": title, "body": body, "lang": files.locale, "direction": direction}
    ending = {"opt_out": opt_out, "why": why, "no_more": no_more}
    html = environment.get_template(_LAYOUT).render({**filled, **frame, **ending})
    return _Filled(title, f"{text}\n\n--\n{why}\n{no_more}: {opt_out}" if opt_out else text, html)


def _turned(text: str, direction: str) -> str:
    """Lines of a right-to-left language begin with its mark: a name or a number in front would turn them around."""
    if direction == "ltr":
        return text
    return _BEGINS_OTHERWISE.sub(_RIGHT_TO_LEFT, text)


def _as_html(text: str, home: str) -> Markup:
    """A text as the HTML of a mail. Addresses of ours can be followed, by the words before a colon where there are any.

    Others stay words: what people name their organisations leads nobody anywhere.
    """
    paragraphs = ["<br>".join(_line(line, home) for line in one.split("\n")) for one in _PARAGRAPHS.split(text)]
    return Markup("\n".join(f"<p>{one}</p>" for one in paragraphs))  # noqa: S704  escaped, word by word


def _line(line: str, home: str) -> str:
    written, after = Markup(), 0
    for found in _ADDRESS.finditer(line):
        if not _is_ours(found[0], home):
            continue
        before = line[after : found.start()]
        words = before.rstrip()
        labels = words.endswith(":") and after == 0 and found.end() == len(line)
        shown = escape(words[:-1]) if labels else Markup('<bdi dir="ltr">{}</bdi>').format(found[0])
        written += Markup() if labels else escape(before)
        written += Markup('<a href="{}">{}</a>').format(found[0], shown)
        after = found.end()
    return written + escape(line[after:])


def _first_of_ours(text: str, home: str) -> str:
    return next((found[0] for found in _ADDRESS.finditer(text) if _is_ours(found[0], home)), "")


def _is_ours(address: str, home: str) -> bool:
    return f"{address}/".startswith(f"{home}/")


def _catalogues(house: House) -> tuple[tuple[str, Path], ...]:
    return tuple((module.name, module.folder / "locale") for module in house.modules)


def _folders(house: House) -> tuple[tuple[str, Path], ...]:
    return tuple((module.name, module.folder / "templates") for module in house.modules)


class _Named(ChainableUndefined):
    """What a preview shows for a value that its module gave no example of: the name of it."""

    def __str__(self) -> str:
        return f"{{{self._undefined_name}}}"

    def __html__(self) -> str:
        return str(self)


@cache
def _translations(folders: tuple[tuple[str, Path], ...]) -> Translations:
    return Translations(dict(folders))


@cache
def _environment(folders: tuple[tuple[str, Path], ...], strict: bool) -> Environment:
    environment = Environment(
        loader=PrefixLoader({name: FileSystemLoader(folder / name) for name, folder in folders}),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined if strict else _Named,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["apart"] = _apart
    return environment


def _apart(value: object) -> str:
    """A name or number of either direction as an island, so that it does not disturb the line it stands in."""
    return f"\u2068{value}\u2069"
