"""The house keeps its own rules."""

from collections.abc import Callable
from pathlib import Path

import pytest

import tillhouse
from tests.conformance.rules import RULES

PACKAGE = Path(tillhouse.__file__).parent


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_house_rule_holds(rule: Callable[[Path], list[str]]) -> None:
    assert rule(PACKAGE) == []
