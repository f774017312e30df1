"""A contract that cannot fail protects nothing: each is shown a wrong module and must refuse it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tillhouse
from tests.conformance import rules

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(tillhouse.__file__).parent

# What each import contract must refuse: the file that breaks it and what the file says.
WRONG_IMPORTS = {
    "Imports go down only": ("kernel/wrong.py", "import tillhouse.catalogue"),
    "Parts stand on each other in one order": ("parts/identity/domain.py", "import tillhouse.parts.ledger.api"),
    "Products never import each other": ("products/shop/service.py", "import tillhouse.products.drivopay.manifest"),
    "The sandbox shares no code": ("sandbox/wrong.py", "import tillhouse.parts.ledger.api"),
    "Inside a module": ("parts/ledger/domain.py", "import tillhouse.parts.ledger.service"),
    "Celery and kombu are known": ("kernel/wrong_too.py", "import celery"),
    "Vendors' SDKs": ("parts/identity/settings.py", "import razorpay"),
}

# What each house rule must refuse.
WRONG_SOURCES: dict[Callable[[Path], list[str]], tuple[str, str]] = {
    rules.unknown_files: ("parts/shop/utils.py", ""),
    rules.side_doors: ("products/shop/service.py", "from tillhouse.parts.ledger import store"),
    rules.imports_inside_functions: ("parts/shop/service.py", "def late():\n    import json"),
    rules.commits_outside_db: ("parts/shop/service.py", "async def save(session):\n    await session.commit()"),
    rules.sql_outside_store: ("parts/shop/service.py", "from sqlalchemy import text"),
    rules.other_clocks: ("products/shop/service.py", "from datetime import datetime\nat = datetime.now()"),
    rules.reads_of_the_environment: ("parts/shop/settings.py", "import os\nkey = os.environ['KEY']"),
    rules.floats_near_money: ("parts/ledger/domain.py", "half = 0.5"),
}


def test_every_import_contract_refuses_a_wrong_module(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "tillhouse", ignore=shutil.ignore_patterns("static", "templates", "locale"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for name, line in WRONG_IMPORTS.values():
        path = tmp_path / "tillhouse" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        before = path.read_text() if path.exists() else ""
        path.write_text(f"{before}\n{line}\n")
    linter = Path(sys.executable).with_name("lint-imports")
    wide = {**os.environ, "COLUMNS": "200"}
    found = subprocess.run([linter, "--no-cache"], cwd=tmp_path, env=wide, capture_output=True, text=True, check=False)
    broken = {line for line in found.stdout.splitlines() if line.endswith("BROKEN")}
    kept = [contract for contract in WRONG_IMPORTS if not any(line.startswith(contract) for line in broken)]
    assert kept == [], found.stdout
    assert found.returncode != 0


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_every_house_rule_refuses_a_wrong_source(rule: Callable[[Path], list[str]], tmp_path: Path) -> None:
    name, source = WRONG_SOURCES[rule]
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(source)
    found = rule(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(name)
