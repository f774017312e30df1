"""The data of a chart: numbers to draw, words to show, and the table behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from babel.numbers import is_currency

from tillhouse.kernel.money import Money, digits_shown
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.i18n import reader


@dataclass(frozen=True, slots=True)
class Series:
    """One line or row of bars; None is a gap. Money is in minor units of the chart's unit."""

    name: str
    values: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart for `ui.chart(...)`: `labels` name the points on the x axis, `unit` makes the values money."""

    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    kind: Literal["bar", "line", "area"] = "bar"
    unit: str | None = None
    label_title: str = ""

    def __post_init__(self) -> None:
        if any(len(one.values) != len(self.labels) for one in self.series):
            raise ValueError("every series has one value per label")

    def shown(self, value: int | None) -> str:
        """A value as the reader writes it; a dash for a gap."""
        if value is None:
            return "–"
        return formats.money(Money(value, self.unit)) if self.unit else formats.number(value)

    @property
    def data(self) -> dict[str, object]:
        """What the browser draws from."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "digits": digits_shown(self.unit) if self.unit else 0,
            "currency": self.unit if self.unit and is_currency(self.unit) else None,
            "locale": str(reader().locale).replace("_", "-"),
            "series": [
                {"name": one.name, "values": list(one.values), "shown": _each(self.shown, one.values)}
                for one in self.series
            ],
        }


def _each(shown: Callable[[int | None], str], values: Sequence[int | None]) -> list[str]:
    return [shown(value) for value in values]
