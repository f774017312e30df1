"""Pictures to order, for products.

    job = await order(session, Use(owner, "shop.pack"), PackOrder(pack="260", subject="woman", photos=ids, pictures=40))
    await cancel(session, owner_id, job.id)                     # nothing is charged

`events.ImagesReady` and `ImagesFailed` tell how it ended; live channel `ai.image:<id>` says when to look again. What an
order may cost is reserved when it is taken, and what was not made is never charged (`SpendGuard`).
"""

from tillhouse.parts.ai.domain.images import (
    SENTENCES,
    ImageJob,
    ImageKind,
    ImageState,
    Pack,
    PackOrder,
    PromptOrder,
    TuneOrder,
)
from tillhouse.parts.ai.service.images import cancel, delete_tune, job, jobs, order

__all__ = [
    "SENTENCES",
    "ImageJob",
    "ImageKind",
    "ImageState",
    "Pack",
    "PackOrder",
    "PromptOrder",
    "TuneOrder",
    "cancel",
    "delete_tune",
    "job",
    "jobs",
    "order",
]
