"""The prices that come with the house, and those that its owner lays over them."""

from pathlib import Path

from tillhouse.kernel.settings import SettingsError
from tillhouse.parts.ai.domain.prices import PriceList, parse_prices

_OURS = Path(__file__).parent / "prices.toml"


def read_prices(path: str) -> PriceList:
    """The list in force; `path` is a file of the owner's, or empty. Raises `SettingsError` saying what is wrong."""
    ours = parse_prices(_OURS.read_text(encoding="utf-8"))
    if not path:
        return ours
    try:
        return ours.under(parse_prices(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise SettingsError("AI_PRICES: {path}: {reason}", path=path, reason=str(error)) from None
