"""Who issues the house's own papers, as the settings say."""

from functools import lru_cache
from pathlib import Path

from tillhouse.kernel.house import House
from tillhouse.parts.documents.domain.papers import Fact, Look, Party
from tillhouse.parts.documents.settings import DocumentsSettings


def house_issuer(house: House, product: str) -> Party:
    """The issuer of receipts and statements: who the settings name, else the product by the name people know."""
    settings = house.settings_of(DocumentsSettings)
    name, _, number = settings.issuer_tax_id.partition(" ")
    facts = (Fact(name, number),) if number else ()
    return Party(name=settings.issuer_name or product, address=settings.issuer_address, facts=facts)


def house_look(house: House, accent: str = "house") -> Look:
    """The look of the house's papers: a product's accent, the logo of the settings."""
    file = house.settings_of(DocumentsSettings).logo_file
    return Look(accent=accent, logo=_read(Path(file)) if file else None)


@lru_cache(maxsize=4)
def _read(file: Path) -> bytes:
    return file.read_bytes()
