"""`SentenceTransformer` from a folder, one call at a time."""

import asyncio
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from tillhouse.kernel.logs import get_logger
from tillhouse.parts.ai.domain.chat import estimate_tokens
from tillhouse.parts.ai.domain.failures import ModelFailure
from tillhouse.parts.ai.ports.embedding import Embedded, Side
from tillhouse.parts.ai.providers.sentences.settings import SentencesSettings

LIBRARY = "sentence_transformers"
_log = get_logger("tillhouse.ai.sentences")


class SentenceModel:
    """One folder, one model."""

    name = "sentences"
    most_texts = 64
    most_tokens = 32_000

    def __init__(self, settings: SentencesSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._model: Any = None

    async def embed(
        self, model: str, texts: Sequence[str], side: Side, dimensions: int | None, seconds: float
    ) -> Embedded:
        """Vectors of `texts`. See `ports.embedding`."""
        del model, seconds  # one folder is one model; the caller's deadline cancels
        prefix = self._settings.question_prefix if side == "question" else self._settings.passage_prefix
        vectors = await asyncio.to_thread(self._encoded, [prefix + text for text in texts])
        if dimensions and len(vectors[0]) != dimensions:
            raise ModelFailure("refused", "dimensions")
        return Embedded(vectors, sum(map(estimate_tokens, texts)), estimated=True)

    def _encoded(self, texts: list[str]) -> tuple[tuple[float, ...], ...]:
        with self._lock:
            if self._model is None:
                try:
                    self._model = import_module(LIBRARY).SentenceTransformer(
                        self._settings.folder, local_files_only=True
                    )
                except Exception as error:  # each reader of its files fails in a way of its own
                    _log.warning("sentence model not loaded", folder=self._settings.folder, error=repr(error))
                    raise ModelFailure("refused", "weights") from error
            found = self._model.encode(texts, normalize_embeddings=True)
            return tuple(tuple(float(number) for number in one) for one in found)
