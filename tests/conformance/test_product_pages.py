"""What `docs/products/*.md` calls "here" exists: in the app, the tables, the settings, the metrics, the tree."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from prometheus_client import REGISTRY
from starlette.routing import WebSocketRoute

from tillhouse.apps.cli import COMMANDS
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel.db import Base
from tillhouse.kernel.settings import KernelSettings, ModuleSettings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs/products").glob("*.md"))
OPEN_ENDS = ("later", "declined")


@dataclass(frozen=True)
class Row:
    """One line of a page's tables."""

    line: int
    asked: str
    here: str
    why: str

    @property
    def claims(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.here)


def rows(page: Path) -> Iterator[Row]:
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and cells != ["asked", "here", "why different"] and set(line) - set("|- "):
            yield Row(number, *cells)


def plain(path: str) -> str:
    """An address without the names of its parameters."""
    return re.sub(r"\{[^}]+\}", "{}", path)


def known_routes(app: FastAPI) -> set[str]:
    """Method and address of everything that answers, however deeply its router was included."""
    sockets = {
        f"WS {plain(found.path)}"
        for found in iter_route_contexts(app.routes)
        if isinstance(found.original_route, WebSocketRoute) and found.path
    }
    return sockets | {
        f"{method} {plain(found.path)}"
        for found in iter_route_contexts(app.routes)
        for method in found.methods or ()
        if found.path
    }


def known_settings() -> set[str]:
    classes: list[type[ModuleSettings]] = [KernelSettings, *ModuleSettings.__subclasses__()]
    return {name for cls in classes for facts in cls.facts() for name in (facts.name, *facts.aliases)}


def missing(claim: str, app: FastAPI) -> bool:
    """Whether a claim is of a kind that we know and of something that is not there."""
    if re.fullmatch(r"(GET|POST|PUT|PATCH|DELETE|WS) /\S*", claim):
        return f"{claim.split(maxsplit=1)[0]} {plain(claim.split()[1])}" not in known_routes(app)
    if claim.startswith("till "):
        return claim.split()[1] not in COMMANDS
    if re.fullmatch(r"[A-Z][A-Z0-9_]+", claim):
        return claim not in known_settings()
    if "/" in claim:
        return not (ROOT / claim).exists()
    if re.fullmatch(r"[a-z_]+\.[a-z_]+", claim):
        return claim not in Base.metadata.tables
    return claim.removesuffix("_total") not in {metric.name for metric in REGISTRY.collect()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_row_says_where_it_stands(page: Path) -> None:
    found = list(rows(page))
    assert found
    unclear = [row for row in found if not row.claims and row.here not in OPEN_ENDS]
    unexplained = [row for row in found if row.here == "declined" and not row.why]
    assert unclear == []
    assert unexplained == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_what_is_called_here_exists(page: Path, app: FastAPI) -> None:
    wrong = [f"{page.name}:{row.line}: {claim}" for row in rows(page) for claim in row.claims if missing(claim, app)]
    assert wrong == []


@pytest.mark.parametrize("product", [m for m in CATALOGUE if m.floor == "product"], ids=lambda module: module.name)
def test_every_product_has_its_page(product: object) -> None:
    name = getattr(product, "name", "")
    assert (ROOT / f"docs/products/{name}.md").is_file()


@pytest.mark.parametrize(
    "claim",
    [
        "GET /api/v1/nowhere",
        "WS /nowhere",
        "till nothing",
        "NO_SUCH_SETTING",
        "src/nowhere.py",
        "drivopay.nothing",
        "no_such_metric",
    ],
)
async def test_the_check_finds_what_is_not_there(claim: str, app: FastAPI) -> None:
    assert missing(claim, app)
