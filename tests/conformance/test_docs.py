"""Documentation that can be generated is, and is up to date; what a reader is pointed to exists."""

import re
from pathlib import Path

import pytest

from tillhouse.apps import reference
from tillhouse.apps.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in ROOT.glob("**/*.md") if not {"node_modules", ".venv", ".till"} & set(path.parts))


@pytest.mark.parametrize(("path", "content"), reference.generated().items(), ids=lambda value: str(value)[:40])
def test_a_generated_page_is_up_to_date(path: Path, content: str) -> None:
    assert (ROOT / path).is_file(), "run ./till docs"
    assert (ROOT / path).read_text(encoding="utf-8") == content, "run ./till docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_pages_name_exist(page: Path) -> None:
    named = set(re.findall(r"\./till ([a-z]+)", page.read_text(encoding="utf-8")))
    assert named <= set(COMMANDS)
