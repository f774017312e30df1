"""Every bug of others that docs/reference/known-bugs.md names is held by a test that exists, and named once."""

import re

from tests.parts.ledger.test_guarantees import ROOT, names_in

PAGE = ROOT / "docs" / "reference" / "known-bugs.md"
ROW = re.compile(r"^\| (?!number|-)(?P<numbers>[^|]+) \| (?P<sentence>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE)
NUMBERS = re.compile(r"(?P<project>[\w -]*\w) (?P<numbers>#\d+(?:, #\d+)*)")


def test_each_bug_is_one_sentence_with_a_test_that_exists() -> None:
    rows = list(ROW.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(rows) > 50
    for row in rows:
        assert row["sentence"].endswith("."), row["sentence"]
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row["tests"])
        assert len(named) == row["tests"].count("`") // 2 > 0, row["sentence"]
        for path, name in named:
            assert name in names_in(ROOT / path), f"{path}::{name}"


def test_each_number_stands_there_once() -> None:
    numbers: list[str] = []
    for row in ROW.finditer(PAGE.read_text(encoding="utf-8")):
        found = NUMBERS.fullmatch(row["numbers"])
        assert found, row["numbers"]
        numbers += [f"{found['project']} {one}" for one in found["numbers"].split(", ")]
    assert sorted(numbers) == sorted(set(numbers))
