"""Amounts as people write them."""

ZERO_DECIMAL = frozenset({"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv"})
_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "inr": "₹", "jpy": "¥", "thb": "฿"}


def money(amount: int, currency: str) -> str:
    """An amount in minor units: ₹1,23,456.50, ฿1,234.50, 250.000 ₫, and for others with their sign or code."""
    currency = currency.lower()
    sign, digits = ("-" if amount < 0 else ""), abs(amount)
    if currency == "vnd":
        return f"{sign}{digits:,}".replace(",", ".") + "\N{NO-BREAK SPACE}₫"
    whole, rest = (digits, "") if currency in ZERO_DECIMAL else (digits // 100, f".{digits % 100:02d}")
    text = f"{_in_lakhs(whole) if currency == 'inr' else f'{whole:,}'}{rest}"
    mark = _SIGNS.get(currency)
    return f"{sign}{mark}{text}" if mark else f"{sign}{text} {currency.upper()}"


def _in_lakhs(whole: int) -> str:
    """Groups of two before the last three digits, as in India."""
    head, tail = divmod(whole, 1000)
    groups = [f"{tail:03d}" if head else str(tail)]
    while head:
        head, pair = divmod(head, 100)
        groups.insert(0, f"{pair:02d}" if head else str(pair))
    return ",".join(groups)
