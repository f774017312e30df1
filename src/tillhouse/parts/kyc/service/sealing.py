"""What a person says of themselves, sealed and opened, and found again without opening it."""

import hashlib
import hmac
import json
from datetime import date

from tillhouse.kernel.house import House
from tillhouse.parts.kyc.domain import Details
from tillhouse.parts.kyc.models import CaseRow


def sealed(house: House, details: Details) -> bytes:
    """The details as the column keeps them."""
    return house.vault.seal(
        json.dumps(
            {
                "name": details.name,
                "birth_date": details.birth_date.isoformat(),
                "country": details.country,
                "id_kind": details.id_kind,
                "id_number": details.id_number,
            }
        )
    )


def details_of(house: House, row: CaseRow) -> Details | None:
    """What a case's column keeps; None where nothing was said, or it was forgotten. Raises `UnreadableSecret`."""
    if row.details is None:
        return None
    said = json.loads(house.vault.open(row.details))
    return Details(
        name=said["name"],
        birth_date=date.fromisoformat(said["birth_date"]),
        country=said["country"],
        id_kind=said["id_kind"],
        id_number=said["id_number"],
    )


def fingerprint(house: House, details: Details) -> bytes:
    """What finds the same number again without telling it: HMAC-SHA256 under a key of the house's own."""
    key = hmac.digest(house.settings.secret_key.encode(), b"kyc.numbers", hashlib.sha256)
    text = f"{details.country}:{details.id_kind}:{details.id_number}"
    return hmac.digest(key, text.encode(), hashlib.sha256)
