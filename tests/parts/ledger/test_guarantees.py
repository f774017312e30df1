"""Every guarantee that docs/reference/ledger-guarantees.md gives is held by a test that exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "reference" / "ledger-guarantees.md"
ROW = re.compile(r"^\| (?!guarantee|-)(?P<sentence>.+?) \| (?P<tests>.+) \|$", re.MULTILINE)


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_guarantee_is_one_sentence_with_a_test_that_exists() -> None:
    rows = list(ROW.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(rows) > 20
    for row in rows:
        assert row["sentence"].endswith("."), row["sentence"]
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row["tests"])
        assert named, row["sentence"]
        for path, name in named:
            assert name in names_in(ROOT / path), f"{path}::{name}"
