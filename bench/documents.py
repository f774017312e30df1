"""Papers as PDF: from nothing to the first, each kind warm, many at once, long ones; and the memory it takes.

    python -m bench.documents [--rounds 60] [--language en] [--json FILE] [--verapdf DIR]

Every paper of a round has another number, payer and amount, as in life: nothing is answered from a cache of papers.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from tests.parts.documents import papers
from tests.parts.documents.conftest import desk
from tests.parts.documents.printer import PAPERS

from bench import verapdf
from tillhouse.kernel.house import House
from tillhouse.kernel.web.i18n import Reader
from tillhouse.parts.documents import api as documents
from tillhouse.parts.documents.api import Party

_FIRST = """
import asyncio, time
from tests.parts.documents.conftest import desk
from tests.parts.documents.printer import EN, printed
house = desk()
began = time.perf_counter()
asyncio.run(printed(house, "receipt"))
print(time.perf_counter() - began)
"""
_LONG = {"statement of 500 lines": 500, "statement of 2,000 lines": 2_000}


def another(kind: str, number: int) -> Any:
    """A paper like the sample, but of somebody else."""
    made = PAPERS[kind][0]()
    who = Party(name=f"Asha Rao {number}", address=(f"{number} MG Road", "Mysuru 570001"))
    match kind:
        case "receipt":
            return replace(made, number=f"R-{number:06}", payer=who, amount=papers.rupees(10_000 + number))
        case "statement":
            return replace(made, holder=who)
        case "invoice":
            return replace(made, number=f"INV/{number:04}", buyer=who)
        case "certificate":
            return replace(made, number=f"MM-{number}", recipient=who.name)
        case _:
            return replace(made, number=f"L-{number}", recipient=who)


async def warm(house: House, reader: Reader, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each kind, one paper after another, after five to warm up."""
    found = {}
    for kind, (_, render_it) in PAPERS.items():
        took, size = [], 0
        for number in range(rounds + 5):
            paper = another(kind, number)
            began = time.perf_counter()
            size = len(await render_it(house, paper, reader))
            took.append((time.perf_counter() - began) * 1000)
        found[kind] = {**cuts(took[5:]), "kB": size / 1000}
    return found


async def long_ones(house: House, reader: Reader) -> dict[str, dict[str, float]]:
    """Milliseconds of long statements: the second and later ones differ in whose they are."""
    found = {}
    for name, lines in _LONG.items():
        took, month = [], papers.statement(lines)
        for number in range(4):
            paper = replace(month, holder=Party(name=f"Asha {number}"))
            began = time.perf_counter()
            size = len(await documents.render_statement(house, paper, reader))
            took.append((time.perf_counter() - began) * 1000)
        found[name] = {"p50": statistics.median(took), "p95": max(took), "kB": size / 1000}
    return found


async def at_once(house: House, reader: Reader, count: int) -> float:
    """Receipts a second when `count` are asked for at the same time."""
    render_it = PAPERS["receipt"][1]
    began = time.perf_counter()
    await asyncio.gather(*(render_it(house, another("receipt", 10_000 + number), reader) for number in range(count)))
    return count / (time.perf_counter() - began)


def cuts(took: list[float]) -> dict[str, float]:
    parts = statistics.quantiles(took, n=20)
    return {"p50": parts[9], "p95": parts[18]}


def first_paper() -> float:
    """Milliseconds of the first receipt of a process, its library and fonts to be loaded."""
    said = subprocess.run([sys.executable, "-c", _FIRST], capture_output=True, check=True)
    return float(said.stdout) * 1000


def megabytes() -> float:
    return float(psutil.Process().memory_full_info().pss) / 2**20


def measured(rounds: int, language: str) -> dict[str, Any]:
    house, reader = desk(), papers.READERS[language]
    before = megabytes()

    async def everything() -> dict[str, Any]:
        kinds = await warm(house, reader, rounds)
        after_few = megabytes()
        return {
            "papers": {**kinds, **await long_ones(house, reader)},
            "receipts a second at once": await at_once(house, reader, 5 * rounds),
            "memory MB": {"before": before, "after each kind": after_few, "after long and many": megabytes()},
        }

    return {"first paper ms": first_paper(), "language": language, **asyncio.run(everything())}


def table(found: dict[str, Any], say: Callable[[str], None]) -> None:
    say(f"first paper of a process: {found['first paper ms']:.0f} ms ({found['language']})")
    say(f"{'paper':<26}{'p50 ms':>9}{'p95 ms':>9}{'kB':>7}")
    for name, one in found["papers"].items():
        say(f"{name:<26}{one['p50']:>9.1f}{one['p95']:>9.1f}{one['kB']:>7.0f}")
    say(f"receipts at the same time: {found['receipts a second at once']:.0f} a second")
    memory = found["memory MB"]
    say("memory (PSS): " + ", ".join(f"{name} {value:.0f} MB" for name, value in memory.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--language", choices=papers.READERS, default="en")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--verapdf", type=Path, help="no timing: validate each paper with the veraPDF of this folder")
    given = parser.parse_args()
    if given.verapdf:
        verapdf.main(given.verapdf)
    found = measured(given.rounds, given.language)
    table(found, print)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
