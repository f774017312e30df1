"""The table of faults is true: each test that it names exists, and every adapter of its parts has a place in it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import tillhouse

ROOT = Path(__file__).parents[2]
PARTS = Path(tillhouse.__file__).parent / "parts"
TEXT = (ROOT / "docs/reference/faults.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\| (files|ai|channels|kyc|billing): ", line)
]
COVERED = ("files", "ai", "channels", "kyc", "billing")


@cache
def _functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_the_table_names_exists(path: str, name: str) -> None:
    assert name in _functions_of(path), f"{path} has no {name}"


def test_every_number_in_the_table_is_a_test_below_it_and_the_other_way_round() -> None:
    numbers = {int(found) for found in re.findall(r"^(\d+)\. `tests/", TEXT, re.MULTILINE)}
    used = {int(cell) for row in ROWS for cell in row[2:] if cell != "–"}
    assert used == numbers == set(range(1, len(numbers) + 1))


def test_every_adapter_of_every_part_has_a_row() -> None:
    missing = []
    for part in COVERED:
        named = " ".join(row[1] for row in ROWS if row[0].startswith(f"{part}: "))
        for adapter in (PARTS / part / "providers").glob("*/"):
            if adapter.name != "__pycache__" and adapter.name not in re.findall(r"\w+", named):
                missing.append(f"{part}/{adapter.name}")
    assert missing == []
    assert {row[0].partition(":")[0] for row in ROWS} == set(COVERED)
    assert {len(row) for row in ROWS} == {9}
