"""What requests and responses of payments have in common. Amounts are decimal strings beside their currency."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import StringConstraints

NO_NUL = r"^[^\x00]*$"
Amount = Annotated[str, StringConstraints(min_length=1, max_length=24, pattern=NO_NUL)]
Currency = Annotated[str, StringConstraints(min_length=3, max_length=12, pattern=r"^[A-Z_]+$")]
Short = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]
ProviderId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_]+$")]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+$")]
# A path of this house alone: two slashes at its beginning would name another host.
OurPage = Annotated[str, StringConstraints(max_length=300, pattern=r"^/([A-Za-z0-9._~-][A-Za-z0-9._~/?=&-]*)?$")]

For = Annotated[UUID | None, Query(description="An organisation; without it, the caller.")]

Kind = Literal["order", "payout"]
