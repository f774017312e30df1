"""What a listener with a grammar can hear: amounts, units, and the caller's own names. English.

The grammar is flat on purpose: numbers are words in any order, and whoever reads the transcript makes sense of them. A
grammar that knew which number words may follow which was ten times as slow and no better.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

NUMBERS = (
    "zero | one | two | three | four | five | six | seven | eight | nine | ten | eleven | twelve | thirteen | "
    "fourteen | fifteen | sixteen | seventeen | eighteen | nineteen | twenty | thirty | forty | fifty | sixty | "
    "seventy | eighty | ninety | hundred | thousand | point | half | quarter | a"
)
UNITS = (
    "hour | hours | day | days | minute | minutes | meter | meters | foot | feet | inch | inches | kilo | kilos | "
    "gram | grams | liter | liters | piece | pieces | box | boxes | bag | bags | pair | pairs | set | sets | "
    "roll | rolls | kilometer | kilometers"
)
CURRENCIES = "dollar | dollars | rupee | rupees | euro | euros | pound | pounds | cents | percent"
_MOST_NAMES = 400
_WORD = re.compile(r"[a-z']+")

TASKS: Mapping[str, str] = {
    "items": ("( [and] <n>+ [<unit> [of]] <name> | [and] <name> | (at | for) <n>+ [<currency>] [each | per <unit>] )+"),
    "amounts": "( <n>+ [<currency> | <unit>] )+",
}


def words_of(phrase: str) -> list[str]:
    """The words of a name as they are looked up: small letters, no digits."""
    return _WORD.findall(phrase.casefold())


def jsgf(task: str, names: Iterable[str]) -> str:
    """The grammar of a task (JSGF). Raises `KeyError` for a task there is not; `names` are lists of known words."""
    rule = TASKS[task]
    chosen = sorted({" ".join(words_of(name)) for name in names} - {""})[:_MOST_NAMES]
    rules = {"n": NUMBERS, "unit": UNITS, "currency": CURRENCIES, "name": " | ".join(chosen) or "<VOID>"}
    lines = [f"<{name}> = {options};" for name, options in rules.items() if f"<{name}>" in rule]
    return "\n".join(["#JSGF V1.0;", "grammar task;", *lines, f"public <said> = {rule};"])


def needed_words(task: str, names: Sequence[str]) -> set[str]:
    """Every word that a grammar's names need; those of the task itself are in every dictionary."""
    return {word for name in names for word in words_of(name)} if "<name>" in TASKS[task] else set()
