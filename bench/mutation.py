"""How many small changes to the code that moves money the tests notice.

    ./till bench mutation [ledger.domain ...] [--sample 300] [--seed 7] [--most 30] [--again] [--only TEXT]

Every function of the domain and service code of `ledger` and `payments` is changed in one place at a time (a
comparison, a sum, a condition, a constant, a statement left out: `mutation_changes.py` says which), and the tests that
reach that place run until one fails. A change that no test notices either makes no difference, and
`mutation_explained.toml` says why, or shows what no test asserts.

`--sample` changes are drawn from each package by `--seed`; a greater sample contains the smaller one. At `--most` so
many tests run for a change: one that only a later test would have noticed counts as a survivor, so that the score is
never too high. What was found is kept in `.till/bench/mutation` and holds until the code or, for
survivors, the tests change; `--again` forgets it. Exit code 1: survivors that nobody has explained.
"""

import argparse
import importlib
import math
import pkgutil
import random
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from bench import mutation_trials
from bench.mutation_changes import Change, Source
from bench.mutation_trials import Trials, Verdict

KEPT = Path(".till/bench/mutation")
EXPLAINED = Path(__file__).with_name("mutation_explained.toml")

# The tests that may notice: a part's own, those of its money, those of people who leave. More could only raise a score.
TESTS: Mapping[str, tuple[str, ...]] = {
    "ledger": (
        "tests/parts/ledger",
        "tests/parts/identity/test_leaving.py",
        *(str(one) for one in sorted(Path("tests/money").glob("test_ledger_*.py"))),
    ),
    "payments": (
        "tests/parts/payments",
        *(
            f"tests/money/test_{name}.py"
            for name in (
                "deposit_purposes",
                "deposit_orders_of_events",
                "disputes",
                "known_complaints",
                "our_keys",
                "payout_concurrency",
                "payout_timeouts",
                "reconciliation_crashes",
                "reconciliation_oracle",
                "settling_together",
            )
        ),
    ),
}
PACKAGES = tuple(f"{part}.{layer}" for part in TESTS for layer in ("domain", "service"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"of {', '.join(PACKAGES)}: all by default")
    parser.add_argument("--sample", type=int, help="changes of each package: all of them by default")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--most", type=int, default=30, help="tests for each change")
    parser.add_argument("--tests", nargs="+", help="paths of tests in place of the part's own")
    parser.add_argument("--without-database", action="store_true", help="a first look: tests that need no house")
    parser.add_argument("--again", action="store_true", help="forget what was found before")
    parser.add_argument("--only", default="", help="changes whose name contains this, explained ones too")
    options = parser.parse_args()
    unknown = set(options.packages) - set(PACKAGES)
    if unknown:
        parser.error(f"no package here: {', '.join(sorted(unknown))}")
    KEPT.mkdir(parents=True, exist_ok=True)
    if options.again:
        (KEPT / "verdicts.jsonl").unlink(missing_ok=True)
    chosen = options.packages or PACKAGES
    unexplained = sum(judge(part, [one for one in chosen if one.startswith(part)], options) for part in TESTS)
    sys.exit(1 if unexplained else 0)


def judge(part: str, packages: Sequence[str], options: argparse.Namespace) -> int:
    """Try the changes of a part's packages and print what came of it. Returns how many survivors are unexplained."""
    if not packages:
        return 0
    watched = packages if options.without_database else [one for one in PACKAGES if one.startswith(part)]
    sources = {package: [Source(module) for module in _modules(package)] for package in watched}
    changes = {package: [change for source in sources[package] for change in source.changes] for package in packages}
    verdicts: dict[str, list[Verdict]] = {}

    def try_all(trials: Trials) -> None:
        earlier = mutation_trials.read(KEPT / "verdicts.jsonl")
        for package in packages:
            verdicts[package] = _try(trials, package, draw(changes[package], options), earlier)

    trials = Trials(
        [one for found in sources.values() for one in found],
        KEPT,
        try_all,
        most=options.most,
        database=not options.without_database,
    )
    code = mutation_trials.run(options.tests or TESTS[part], trials, database=not options.without_database)
    if code or len(verdicts) < len(packages):
        sys.exit(f"The tests of {part} could not be run (pytest: {code}).")
    for package, found in verdicts.items():
        print(_line(package, len(changes[package]), found))
    return _show_survivors([one for found in verdicts.values() for one in found])


def draw(changes: Sequence[Change], options: argparse.Namespace) -> Sequence[Change]:
    """The sample, in the order of the code: functions that are tried together are killed by the same tests."""
    fitting = [one for one in changes if options.only in one.name]
    if options.sample is None or options.sample >= len(fitting):
        return fitting
    mixed = random.Random(options.seed).sample(range(len(fitting)), len(fitting))
    return [fitting[index] for index in sorted(mixed[: options.sample])]


def _modules(package: str) -> list[ModuleType]:
    found = importlib.import_module(f"tillhouse.parts.{package}")
    inside = pkgutil.walk_packages(found.__path__, f"{found.__name__}.")
    return [found, *(importlib.import_module(one.name) for one in inside)]


def _try(trials: Trials, package: str, changes: Sequence[Change], earlier: Mapping[str, Verdict]) -> list[Verdict]:
    found: list[Verdict] = []
    started = time.monotonic()
    for change in changes:
        before = earlier.get(change.name)
        verdict = trials.try_out(change, before)
        if verdict is not before:
            mutation_trials.keep(KEPT / "verdicts.jsonl", verdict)
        found.append(verdict)
        if not verdict.noticed:
            print(
                f"{verdict.outcome} {verdict.name} (line {verdict.line}; {verdict.tried}/{verdict.reaching})",
                flush=True,
            )
    print(f"{package}: {len(found)} changes in {time.monotonic() - started:.0f} s", flush=True)
    return found


def _line(package: str, changes: int, verdicts: Sequence[Verdict]) -> str:
    outcomes = Counter(one.outcome for one in verdicts)
    noticed = sum(one.noticed for one in verdicts)
    low, high = wilson(noticed, len(verdicts))
    spread = "" if len(verdicts) == changes else f", 95 % between {100 * low:.1f} and {100 * high:.1f}"
    return (
        f"| {package} | {changes} | {len(verdicts)} | {outcomes['killed']} | {outcomes['hung']} | "
        f"{outcomes['survived']} | {outcomes['unreached']} | {100 * noticed / max(1, len(verdicts)):.1f} %{spread} |"
    )


def wilson(successes: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """The interval that holds the true share in 95 of 100 samples."""
    if not of:
        return 0.0, 1.0
    share, square = successes / of, z * z / of
    middle = share + square / 2
    spread = z * math.sqrt(share * (1 - share) / of + square / (4 * of))
    return (middle - spread) / (1 + square), (middle + spread) / (1 + square)


def _show_survivors(verdicts: Sequence[Verdict]) -> int:
    explained = tomllib.loads(EXPLAINED.read_text())
    why = {name: reason for reason, names in explained.items() for name in names}
    survivors = [one for one in verdicts if not one.noticed]
    unexplained = [one for one in survivors if one.name not in why]
    killed = [one.name for one in verdicts if one.noticed and one.name in why]
    print(f"{len(survivors)} survivors, {len(survivors) - len(unexplained)} of them explained")
    for one in unexplained:
        print(f"  unexplained: {one.name} (line {one.line})")
    for name in killed:
        print(f"  explained, but noticed: {name}")
    return len(unexplained)


if __name__ == "__main__":
    main()
