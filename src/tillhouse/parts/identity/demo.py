"""Demo people: a driver, a shopkeeper, staff, an admin. Development only; `till demo` refuses production."""

from collections.abc import Sequence

from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.manifest import DemoSignIn
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import Identifier, PersonRole
from tillhouse.parts.identity.service import people
from tillhouse.parts.identity.service.passwords import passwords_of

PASSWORD = "open-the-till"  # noqa: S105  printed by `till up`; refused in production with the rest of the demo

DRIVER = Identifier("email", "ravi.kumar@demo.tillhouse.test")
MERCHANT = Identifier("email", "sana.sheikh@demo.tillhouse.test")
STAFF = Identifier("email", "meera.iyer@demo.tillhouse.test")
ADMIN = Identifier("email", "arjun.nair@demo.tillhouse.test")

_PEOPLE: tuple[tuple[str, str, PersonRole, str, tuple[Identifier, ...]], ...] = (
    ("A driver in Bengaluru", "Ravi Kumar", "user", "/drivopay", (DRIVER, Identifier("phone", "+919845012345"))),
    ("A shopkeeper in Pune", "Sana Sheikh", "user", "/", (MERCHANT,)),
    ("Customer care", "Meera Iyer", "staff", "/console", (STAFF,)),
    ("An administrator", "Arjun Nair", "admin", "/console", (ADMIN,)),
)


async def seed(session: Session) -> Sequence[DemoSignIn]:
    """Make the demo people who do not exist yet, and say how to sign in as each."""
    for _, name, role, _, identifiers in _PEOPLE:
        if await store.person_by_identifier(session, identifiers[0]) is None:
            password_hash = await passwords_of(house_of(session)).hash(PASSWORD)
            await people.create(session, name, identifiers, password_hash=password_hash, role=role)
    return [
        DemoSignIn(f"{title}: {name}", identifiers[0].value, PASSWORD, start)
        for title, name, _, start, identifiers in _PEOPLE
    ]
