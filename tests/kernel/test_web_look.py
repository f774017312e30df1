"""What can be checked of the looks without eyes: contrast, sizes, and that every class has a rule."""

import re
from pathlib import Path

import pytest

import tillhouse
from tillhouse.kernel.web import render

STYLES = (render.STATIC / "kernel/app.css").read_text()
SOURCES = Path(tillhouse.__file__).parent

_TEXT = [  # foreground on background: 4.5 to 1
    ("foreground", "background"),
    ("foreground", "card"),
    ("foreground", "muted"),
    ("muted-foreground", "background"),
    ("muted-foreground", "card"),
    ("muted-foreground", "muted"),
    ("primary", "background"),
    ("primary", "card"),
    ("primary-foreground", "primary"),
    ("primary-foreground", "primary-strong"),
    ("primary-soft-foreground", "primary-soft"),
    ("hero-foreground", "hero-from"),
    ("hero-foreground", "hero-to"),
    ("hero-muted", "hero-to"),
    ("hero-from", "hero-foreground"),
    ("destructive-foreground", "destructive"),
    ("danger", "card"),
    ("success", "card"),
    *((tone, f"{tone}-soft") for tone in ("success", "warning", "danger", "info")),
]
_PARTS = [  # what one must see to use it: 3 to 1
    ("input", "card"),
    ("ring", "background"),
    ("ring", "card"),
    ("chart-1", "card"),
    ("chart-3", "card"),
    ("chart-4", "card"),
]


def _tokens(selector: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for block in re.finditer(r"(?:^|[{}])" + re.escape(selector) + r"\{([^{}]*)\}", STYLES):
        found |= dict(re.findall(r"--([a-z0-9-]+):\s*(#[0-9a-f]{3,6})\b", block[1]))
    return found


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("accent", render.ACCENTS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_pair_of_colours_can_be_read(theme: str, accent: str) -> None:
    scope = "html.dark" if theme == "dark" else ""
    tokens = _tokens(scope or ":root") | _tokens(f"{scope}[data-accent={accent}]")
    weak = {
        f"{one} on {other}": round(_contrast(tokens[one], tokens[other]), 2)
        for pairs, least in ((_TEXT, 4.5), (_PARTS, 3.0))
        for one, other in pairs
        if _contrast(tokens[one], tokens[other]) < least
    }
    assert weak == {}


@pytest.mark.parametrize("accent", render.ACCENTS)
def test_dark_by_the_system_is_dark_by_choice(accent: str) -> None:
    system = "html:not(.light):not(.dark)"
    assert _tokens(system) == _tokens("html.dark")
    assert _tokens(f"{system}[data-accent={accent}]") == _tokens(f"html.dark[data-accent={accent}]") != {}


def test_whoever_wants_less_motion_gets_it() -> None:
    assert "prefers-reduced-motion" in STYLES


def _classes(template: str) -> set[str]:
    plain = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    found: set[str] = set()
    for value in re.findall(r'class="((?:\{\{.*?\}\}|\{%.*?%\}|[^"])*)"', plain):
        found |= set(re.sub(r"\S*(\{\{.*?\}\}|\{%.*?%\})\S*", " ", value).split())
    return found


def _pages() -> list[Path]:
    """All pages but the sandbox's, another house with clothes of its own. Messages that are sent are no pages."""
    pages = SOURCES.rglob("templates/**/*.html")
    return sorted(p for p in pages if not p.is_relative_to(SOURCES / "sandbox") and "messages" not in p.parts)


def _styles_of(page: Path) -> str:
    """The kit's stylesheet and those that the page's module brings along."""
    module = next(folder for folder in page.parents if folder.name == "templates").parent
    return STYLES + "".join(sheet.read_text() for sheet in module.glob("static/**/*.css"))


@pytest.mark.parametrize("page", _pages(), ids=lambda page: str(page.relative_to(SOURCES)))
def test_every_class_of_a_template_is_in_the_stylesheet(page: Path) -> None:
    known = {re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"\.((?:\\.|[\w-])+)", _styles_of(page))}
    missing = _classes(page.read_text()) - known
    assert missing == set(), "build the assets again: npm --prefix assets run build"


@pytest.mark.parametrize("page", _pages(), ids=lambda page: str(page.relative_to(SOURCES)))
def test_no_template_needs_inline_script_or_style(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:|hx-on", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
