"""Reports of the books: what every account of the house's chart holds, and what that makes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tillhouse.kernel.money import Money
from tillhouse.parts.ledger.domain import AccountType, natural_sign


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """All accounts of one owner kind, code and unit together. `total` is signed: debits positive.

    `number` and `title` are the chart's; an account that no module of this house knows any more has neither.
    """

    number: str | None
    owner_kind: str
    code: str
    title: str | None
    type: AccountType
    total: Money

    @property
    def path(self) -> str:
        return f"{self.owner_kind}/{self.code}"

    @property
    def natural(self) -> Money:
        """What the accounts hold, in the natural sign of their type."""
        return self.total if natural_sign(self.type) == 1 else -self.total

    @property
    def debit(self) -> Money:
        return Money(max(self.total.minor, 0), self.total.unit)

    @property
    def credit(self) -> Money:
        return Money(max(-self.total.minor, 0), self.total.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance:
    """The lines of one unit, whose debits and credits are equal."""

    unit: str
    lines: tuple[ReportLine, ...]

    @property
    def debit(self) -> Money:
        return _total(self.unit, (line.debit for line in self.lines))

    @property
    def credit(self) -> Money:
        return _total(self.unit, (line.credit for line in self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSheet:
    """What the house has, owes and is worth in one unit: `assets` = `liabilities` + `equity` + `result`.

    `result` is income less expenses since the books began.
    """

    unit: str
    lines: tuple[ReportLine, ...]
    assets: Money
    liabilities: Money
    equity: Money
    result: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomeStatement:
    """What a period brought in one unit: `result` = `income` − `expenses`."""

    unit: str
    lines: tuple[ReportLine, ...]
    income: Money
    expenses: Money

    @property
    def result(self) -> Money:
        return self.income - self.expenses


def trial_balances(lines: Iterable[ReportLine]) -> list[TrialBalance]:
    """One trial balance per unit."""
    return [TrialBalance(unit=unit, lines=found) for unit, found in _by_unit(lines)]


def balance_sheets(lines: Iterable[ReportLine]) -> list[BalanceSheet]:
    """One balance sheet per unit."""
    return [
        BalanceSheet(
            unit=unit,
            lines=tuple(line for line in found if line.type in ("asset", "liability", "equity")),
            assets=_of(unit, found, "asset"),
            liabilities=_of(unit, found, "liability"),
            equity=_of(unit, found, "equity"),
            result=_of(unit, found, "income") - _of(unit, found, "expense"),
        )
        for unit, found in _by_unit(lines)
    ]


def income_statements(lines: Iterable[ReportLine]) -> list[IncomeStatement]:
    """One income statement per unit, of lines that hold what a period moved."""
    return [
        IncomeStatement(
            unit=unit,
            lines=tuple(line for line in found if line.type in ("income", "expense")),
            income=_of(unit, found, "income"),
            expenses=_of(unit, found, "expense"),
        )
        for unit, found in _by_unit(lines)
    ]


def _by_unit(lines: Iterable[ReportLine]) -> list[tuple[str, tuple[ReportLine, ...]]]:
    units: dict[str, list[ReportLine]] = {}
    for line in lines:
        units.setdefault(line.total.unit, []).append(line)
    return [(unit, tuple(sorted(units[unit], key=_order))) for unit in sorted(units)]


def _order(line: ReportLine) -> tuple[bool, str, str]:
    """By number; what has none comes last."""
    return line.number is None, line.number or "", line.path


def _of(unit: str, lines: Sequence[ReportLine], kind: AccountType) -> Money:
    return _total(unit, (line.natural for line in lines if line.type == kind))


def _total(unit: str, amounts: Iterable[Money]) -> Money:
    return sum(amounts, Money(0, unit))
