"""What is always true of kyc."""

from collections.abc import Sequence

from tillhouse.kernel.db import ReadSession
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.domain import LEVELS


async def approved_by_enough(session: ReadSession) -> Sequence[str]:
    """One line for each approval that fewer people gave than its level asks for."""
    needed: dict[str, int] = {name: level.persons for name, level in LEVELS.items()}
    return [
        f"case {case_id}: {level} stands by {people} of {needed.get(level, 1)} people"
        for case_id, level, people in await store.approved_by_too_few(session, needed)
    ]
