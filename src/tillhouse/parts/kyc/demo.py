"""Somebody who waits for a reviewer, for development: the demo shopkeeper has handed in a specimen of a PAN card."""

import io
from collections.abc import Sequence
from datetime import date

from PIL import Image, ImageDraw, ImageFont

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.manifest import DemoSignIn
from tillhouse.parts.identity import api as identity
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.domain import Details, Owner
from tillhouse.parts.kyc.ports import PaperReader
from tillhouse.parts.kyc.service import cases

SHOPKEEPER = "sana.sheikh@demo.tillhouse.test"
_DETAILS = Details(
    name="Sana Sheikh", birth_date=date(1988, 11, 4), country="IN", id_kind="pan", id_number="AKZPS4821M"
)


async def seed(session: Session) -> Sequence[DemoSignIn]:
    """Hand the papers in once. Without the demo person nothing happens."""
    person = await identity.person_by_identifier(session, identity.parse_identifier(SHOPKEEPER))
    if person is None:
        return ()
    me, owner, level = Principal("person", person.id), Owner("person", person.id), cases.level_named("basic")
    if await store.cases_of(session, owner):
        return ()
    house = house_of(session)
    pages = [house.vault.seal_bytes(page) for page in house.the(PaperReader).read(_specimen())]
    await cases.add_paper(session, me, owner, level, kind="id_front", pages=pages)
    await cases.submit(session, me, owner, level, _DETAILS)
    return ()


def _specimen() -> bytes:
    """A card that nobody could take for a real one."""
    card = Image.new("RGB", (1000, 630), "#dbeafe")
    draw = ImageDraw.Draw(card)
    large, small = ImageFont.load_default(44), ImageFont.load_default(30)
    draw.rectangle((0, 0, 1000, 90), fill="#1e3a8a")
    draw.text((40, 22), "SPECIMEN: NOT A DOCUMENT", font=large, fill="white")
    draw.rectangle((40, 140, 280, 440), fill="#94a3b8")
    draw.ellipse((105, 180, 215, 300), fill="#f2c9a5")
    draw.pieslice((70, 310, 250, 560), 180, 360, fill="#334155")
    draw.rectangle((40, 440, 280, 560), fill="#dbeafe")
    lines = {
        "Name": _DETAILS.name,
        "Date of birth": f"{_DETAILS.birth_date:%d/%m/%Y}",
        "Permanent account number": _DETAILS.id_number,
    }
    for line, (title, value) in enumerate(lines.items()):
        draw.text((330, 140 + line * 120), title, font=small, fill="#475569")
        draw.text((330, 180 + line * 120), value, font=large, fill="#0f172a")
    out = io.BytesIO()
    card.save(out, "JPEG", quality=85)
    return out.getvalue()
