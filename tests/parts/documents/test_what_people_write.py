"""Papers are safe from whatever people write on them."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.parts.documents import papers
from tests.parts.documents.papers import READERS
from tests.parts.documents.printer import EN, HE, PAPERS, printed
from tests.parts.documents.reading import pages_of, squeezed, text_of
from tillhouse.kernel.house import House
from tillhouse.kernel.money import Money
from tillhouse.parts.documents.api import Code, Fact, Line, Party, Tax

MARKUP = '*b* _i_ #read("/etc/passwd") $x^2$ `raw` = H @r <l> \\ // /* */ #[x] "q" #sys.inputs ~ -- #pagebreak()'
NASTY = f"{MARKUP} \u202eRLO\u202c \u2066iso 😀 漢 \x00\x1b[31m\r\n\tend"


def text_fields(thing: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every text that people can write on a paper."""
    if isinstance(thing, str):
        yield path
    elif is_dataclass(thing):
        for one in fields(thing):
            if one.name not in ("accent", "logo") and not isinstance(getattr(thing, one.name), Money):
                yield from text_fields(getattr(thing, one.name), (*path, one.name))
    elif isinstance(thing, Sequence) and not isinstance(thing, bytes):
        for index in range(min(len(thing), 1)):  # the first line stands for all
            yield from text_fields(thing[index], (*path, index))


def with_text(thing: Any, path: tuple[Any, ...], text: str) -> Any:
    if not path:
        return text
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return tuple(with_text(one, rest, text) if at == step else one for at, one in enumerate(thing))
    return replace(thing, **{step: with_text(getattr(thing, step), rest, text)})


FULL = {
    "receipt": {
        "lines": (
            Line(title="Plan", detail="A year", code="998", quantity=Decimal(1), unit="mo", amount=papers.rupees(1_00)),
        ),
        "amount": papers.rupees(118),
        "taxes": (Tax(name="GST", rate=Decimal("0.18"), base=papers.rupees(100), amount=papers.rupees(18)),),
        "note": "A note.",
        "code": Code(text="https://example.com", title="Check", note="Scan it."),
    },
    "statement": {"note": "A note.", "facts": (Fact("Branch", "Mysuru"),)},
    "letter": {"facts": (Fact("Our reference", "7"),)},
    "certificate": {"facts": (Fact("Level", "9"),)},
}
# Texts that are drawn as a code, have room for a few letters only, or stand on later pages alone.
UNSEEN = {
    ("receipt", "code", "text"), ("invoice", "code", "text"), ("certificate", "code", "text"),
    ("certificate", "code", "note"), ("certificate", "issuer", "name"), ("statement", "number"),
}  # fmt: skip


def cases() -> Iterator[tuple[str, tuple[Any, ...]]]:
    for kind, (make, _) in PAPERS.items():
        for path in text_fields(make(**FULL.get(kind, {}))):
            yield kind, path


@pytest.mark.parametrize(("kind", "path"), list(cases()), ids=lambda one: one if isinstance(one, str) else str(one[-1]))
async def test_what_people_write_is_shown_and_never_run(house: House, kind: str, path: tuple[Any, ...]) -> None:
    make, render_it = PAPERS[kind]
    paper = with_text(make(**FULL.get(kind, {})), path, NASTY)
    made = await render_it(house, paper, EN)
    said = squeezed(text_of(made))
    if (kind, *path) in UNSEEN:
        assert said
        return
    if path[-1] in ("subject", "heading", "title") and len(path) == 1:
        assert squeezed(MARKUP)[:60] in said  # a title is cut where it would fill the head
    else:
        assert squeezed(MARKUP) in said
    assert "root:" not in said
    assert "\u202e" not in text_of(made)


@pytest.mark.parametrize("long", ["x" * 10_000, "נ😀 " * 3_333], ids=["a word", "lines"])
@pytest.mark.parametrize(("kind", "path"), [
    ("receipt", ("title",)), ("receipt", ("payer", "name")), ("receipt", ("issuer", "name")), ("receipt", ("number",)),
    ("statement", ("entries", 0, "title")), ("invoice", ("lines", 0, "detail")), ("invoice", ("facts", 0, "value")),
    ("invoice", ("heading",)), ("certificate", ("recipient",)), ("letter", ("paragraphs", 0)), ("letter", ("subject",)),
])  # fmt: skip
async def test_ten_thousand_characters_are_printed(house: House, kind: str, path: tuple[Any, ...], long: str) -> None:
    make, render_it = PAPERS[kind]
    made = await render_it(house, with_text(make(**FULL.get(kind, {})), path, long), EN)
    assert long[0] * (3 if long[1] == long[0] else 1) in text_of(made)


@pytest.mark.parametrize("kind", PAPERS)
async def test_a_paper_on_which_nothing_is_written_is_printed(house: House, kind: str) -> None:
    make, render_it = PAPERS[kind]
    for nothing in ("", " \u200d\n"):
        paper = make(**FULL.get(kind, {}))
        for path in text_fields(paper):
            paper = with_text(paper, path, "x" if path == ("code", "text") else nothing)
        assert pages_of(await render_it(house, paper, HE))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=80), title=st.text(max_size=300), tag=st.sampled_from(list(READERS)))
async def test_any_text_at_all_makes_a_valid_paper(house: House, name: str, title: str, tag: str) -> None:
    made = await printed(
        house, "receipt", READERS[tag], payer=Party(name=name, address=(title,)), title=title, note=name
    )
    assert made.startswith(b"%PDF-")
