"""Photos looked at before anything is taught from them.

for verdict in await check_photos(house, owner_id, file_ids):
    if not verdict.good:
        say(verdict.number, [SENTENCES[fault] for fault in verdict.faults])
"""

from tillhouse.parts.ai.domain.photos import SENTENCES, Verdict
from tillhouse.parts.ai.flows.photos import check_photos

__all__ = ["SENTENCES", "Verdict", "check_photos"]
