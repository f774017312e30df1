"""Every message that the house sends is written in every language of it, for every channel, and looks as it should."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
from jinja2 import Environment, meta

from tillhouse.apps.compose import build_house
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.web.i18n import LANGUAGES
from tillhouse.parts.channels.domain.flow import Conversation, Gather, State
from tillhouse.parts.channels.ports import MessageTemplate
from tillhouse.parts.channels.service import rendering
from tillhouse.parts.identity.ports import MessageKind

FOLDERS = {module.name: module.folder / "templates" / module.name / "messages" for module in CATALOGUE}
WRITTEN = sorted(path for folder in FOLDERS.values() for path in folder.glob("*.en.*txt"))
OTHERS = [tag for tag in LANGUAGES if tag != "en"]
SCRIPTS = {"hi": r"[\u0900-\u097f]", "th": r"[\u0e00-\u0e7f]", "he": r"[\u0590-\u05ff]", "vi": r"[à-ỹđ]"}
THE_SAME_EVERYWHERE: dict[str, str] = {}  # a template that is English in every language, and why
ONLY_A_TAG = re.compile(r"\{%[^%]*%\}")
COMPARED = re.compile(r'(\w+) == "(\w+)"')


def named(path: Path) -> str:
    return f"{path.parent.parent.name}.{path.name.partition('.')[0]}"


TEMPLATES = sorted({named(path) for path in WRITTEN})


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A house that reads its templates and asks no database."""
    built = build_house(KernelSettings(database_url="postgresql://nobody@127.0.0.1/none", environment="test"))
    yield built
    await built.close()


def test_there_are_messages_to_look_at() -> None:
    assert len(TEMPLATES) >= 19
    assert set(THE_SAME_EVERYWHERE) <= set(TEMPLATES)


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("english", WRITTEN, ids=lambda path: path.name)
def test_a_message_is_written_in_every_language_with_all_that_it_says(english: Path, language: str) -> None:
    here = english.with_name(english.name.replace(".en.", f".{language}."))
    assert here.is_file(), f"{named(english)} is not written in {LANGUAGES[language].name}: {here.name}"
    assert names(here) == names(english), "a translation fills in what the English text does"
    assert choices(here) == choices(english), "a translation tells apart what the English text does"
    own = english.with_name(f"{english.name.partition('.')[0]}.en.html")
    assert own.is_file() == own.with_name(own.name.replace(".en.", f".{language}.")).is_file()


def test_a_line_that_ends_with_a_tag_keeps_its_end() -> None:
    """The line break after a tag is not written: the subject would run into the first line of the message."""
    texts = [path for folder in FOLDERS.values() for path in folder.glob("*.txt")]
    swallowed = [
        f"{path.name}: {line}"
        for path in texts
        for line, following in pairwise(path.read_text().splitlines())
        if line.endswith("%}")
        and not line.endswith("+%}")
        and not ONLY_A_TAG.fullmatch(line)
        and following
        and not following.startswith(("{% elif", "{% else", "{% endif"))
    ]
    assert swallowed == []


@pytest.mark.parametrize("template", TEMPLATES)
async def test_a_message_has_an_example_of_everything_that_it_tells_apart(template: str, house: House) -> None:
    owner, _, name = template.partition(".")
    examples = json.loads((FOLDERS[owner] / f"{name}.examples.json").read_text())
    assert examples
    told_apart = {pair for path in FOLDERS[owner].glob(f"{name}.en.*txt") for pair in choices(path)}
    assert told_apart <= {(field, str(value)) for example in examples.values() for field, value in example.items()}


@pytest.mark.parametrize("template", TEMPLATES)
async def test_a_message_is_described_by_its_module(template: str, house: House) -> None:
    described = {one.name for kind in (MessageKind, MessageTemplate) for one in house.provided(kind)}
    assert template in described, "what it is about decides by which ways it goes"
    about = rendering.described(house, template)
    assert about.category == "security" or about.also == ("in_app",) or about.purpose == "marketing"
    for example in rendering.examples(house, template).values():
        assert set(about.parameters) <= set(example), "a field that WhatsApp's form is filled with"


@pytest.mark.parametrize("template", TEMPLATES)
async def test_a_message_renders_in_every_language_on_every_channel(template: str, house: House) -> None:
    about = rendering.described(house, template)
    for example in rendering.examples(house, template).values():
        found = list(rendering.previews(house, about, example, strict=True))
        english = {one.channel: one for one in found if one.locale == "en"}
        assert {one.locale for one in found} == set(LANGUAGES)
        assert {"email", "sms", "whatsapp", "push", "in_app"} == set(english)
        for one in found:
            assert one.text, (one.locale, one.channel)
            assert "{" not in one.subject + one.text, "everything is filled in"
            assert not one.is_source
            if one.locale != "en":
                is_translated(one, english[one.channel])
            if one.channel == "email":
                looks_like_a_mail(one)
            if one.channel == "in_app":
                looks_like_a_notice(one)
            if one.channel == "sms":
                assert len(one.text) <= 320, "a text message is short"


@pytest.mark.parametrize("language", OTHERS)
async def test_what_every_conversation_may_say_by_itself_exists_in_every_language(house: House, language: str) -> None:
    defaults = [one.default for shape in (Conversation, State, Gather) for one in fields(shape)]
    said = [one for one in defaults if isinstance(one, str) and " " in one]
    assert len(said) >= 6
    for sentence in said:
        assert re.search(SCRIPTS[language], rendering.translated(house, language, sentence)), sentence


async def test_amounts_are_written_as_their_reader_writes_them(house: House) -> None:
    about = rendering.described(house, "payments.withdrawal_paid")
    for amount, expected in {
        ("hi", 12345678): "₹1,23,456.78",
        ("vi", 12345678): "123.456,78\N{NO-BREAK SPACE}₹",
        ("th", 12345678): "₹123,456.78",
    }.items():
        data: JsonObject = {"amount": {"minor": amount[1], "unit": "INR"}, "destination": "HDFC ••6789"}
        (one,) = [
            one for one in rendering.previews(house, about, data) if (one.locale, one.channel) == (amount[0], "sms")
        ]
        assert expected in one.text


async def test_a_line_of_hebrew_stays_right_to_left_whatever_it_begins_with(house: House) -> None:
    about = rendering.described(house, "payments.withdrawal_paid")
    (example,) = rendering.examples(house, about.name).values()
    found = {one.channel: one for one in rendering.previews(house, about, example) if one.locale == "he"}
    assert found["sms"].text.startswith("\N{RIGHT-TO-LEFT MARK}Tillhouse: ")
    assert "\N{FIRST STRONG ISOLATE}HDFC ••6789\N{POP DIRECTIONAL ISOLATE}" in found["sms"].text
    assert "\N{LEFT-TO-RIGHT ISOLATE}" in found["sms"].text, "an amount is an island"


async def test_only_addresses_of_the_house_can_be_followed_from_a_mail(house: House) -> None:
    about = rendering.described(house, "identity.organisation_changed")
    data: JsonObject = {"organisation": "https://evil.example/<b>", "what": "removed", "role": ""}
    (mail,) = [one for one in rendering.previews(house, about, data) if (one.locale, one.channel) == ("en", "email")]
    assert re.findall(r'href="([^"]+)"', mail.html) == [
        house.settings.base_url, f"{house.settings.base_url}/account/organisations",
    ]  # fmt: skip
    assert "https://evil.example/&lt;b&gt;" in mail.html


def is_translated(one: rendering.Preview, english: rendering.Preview) -> None:
    if one.template in THE_SAME_EVERYWHERE:
        return
    assert one.text != english.text
    assert re.search(SCRIPTS[one.locale], one.text), f"{one.template} on {one.channel} in {one.locale}"
    if english.subject != "Tillhouse":  # the house's name stands where a channel has no title of its own
        assert one.subject != english.subject or not one.subject
        assert not one.subject or re.search(SCRIPTS[one.locale], one.subject)


def looks_like_a_notice(one: rendering.Preview) -> None:
    assert one.subject
    assert "\n\n" not in one.text, "a notice is a line or two, no letter"
    assert len(one.text) <= 300


def looks_like_a_mail(one: rendering.Preview) -> None:
    language = LANGUAGES[one.locale]
    assert one.subject
    assert "\n" not in one.subject
    assert f'<html lang="{one.locale}" dir="{language.direction}">' in one.html
    assert f'<div lang="{one.locale}" dir="{language.direction}"' in one.html, "mail programs drop html and body"
    assert not re.search(r"(margin|padding|text-align|float)(-left|-right|: ?left|: ?right)", one.html)
    for paragraph in re.split(r"\n\s*\n", one.text):
        first = re.findall(r"\w+", paragraph)[0]
        assert first in one.html, "the HTML says what the text says"


def names(path: Path) -> set[str]:
    """What a template fills in, for nobody but itself: the house's address among it."""
    environment = Environment(autoescape=True)
    environment.filters["apart"] = str
    return set(meta.find_undeclared_variables(environment.parse(path.read_text())))


def choices(path: Path) -> set[tuple[str, str]]:
    """What a template tells apart: `purpose == "register"`."""
    return {(field, value) for field, value in COMPARED.findall(path.read_text())}
