"""Embeddings (https://platform.openai.com/docs/api-reference/embeddings/create)."""

import base64
import binascii
import math
import struct
from collections.abc import Sequence
from typing import Any

from tillhouse.kernel.outbound import Outbound
from tillhouse.parts.ai.domain.chat import estimate_tokens
from tillhouse.parts.ai.domain.failures import ModelFailure
from tillhouse.parts.ai.ports.embedding import Embedded, Side
from tillhouse.parts.ai.providers.answers import Progress, read, refusal, request_id, translated
from tillhouse.parts.ai.providers.openai.dialects import Dialect
from tillhouse.parts.ai.providers.openai.wire import EmbeddingList, EmbeddingObject


class OpenAIEmbedding:
    """One address that speaks the format. A question and a passage are embedded alike."""

    most_texts = 256
    most_tokens = 100_000  # OpenAI's limit is 300,000; our count is rough

    def __init__(self, outbound: Outbound, dialect: Dialect) -> None:
        self._outbound = outbound
        self._dialect = dialect

    @property
    def name(self) -> str:
        return self._dialect.name

    async def embed(
        self, model: str, texts: Sequence[str], side: Side, dimensions: int | None, seconds: float
    ) -> Embedded:
        """Vectors of `texts`. See `ports.embedding`."""
        del side  # these models make no difference
        body: dict[str, Any] = {"model": model, "input": list(texts), "encoding_format": "base64"}
        if dimensions and self._dialect.dimensions:
            body["dimensions"] = dimensions
        with translated(Progress()):
            answer = await self._outbound.send(
                self.name,
                "POST",
                f"{self._dialect.base}/embeddings",
                json=body,
                headers=self._dialect.headers,
                timeout=seconds,
            )
        if not answer.ok:
            raise refusal(answer.status, answer.headers, answer.body)
        found = read(EmbeddingList, answer.body, request_id(answer.headers))
        vectors = [_vector(one) for one in sorted(found.data, key=lambda one: one.index)]
        whole = len(vectors) == len(texts) and len({len(one) for one in vectors}) == 1 and len(vectors[0]) > 0
        if not whole or (dimensions and self._dialect.dimensions and len(vectors[0]) != dimensions):
            raise ModelFailure("nonsense", "vectors")
        if found.usage:
            return Embedded(tuple(vectors), found.usage.prompt_tokens)
        return Embedded(tuple(vectors), sum(map(estimate_tokens, texts)), estimated=True)


def _vector(found: EmbeddingObject) -> tuple[float, ...]:
    """A vector of length one, whichever way it came: Gemini and Ollama answer with numbers even when asked for base64.

    Raises `ModelFailure` for one that is none.
    """
    try:
        numbers = found.embedding if isinstance(found.embedding, list) else _unpacked(found.embedding)
    except (binascii.Error, struct.error, ValueError):
        raise ModelFailure("nonsense", "base64") from None
    length = math.sqrt(sum(number * number for number in numbers))
    if not length or not math.isfinite(length):
        raise ModelFailure("nonsense", "vector")
    return tuple(number / length for number in numbers)


def _unpacked(text: str) -> tuple[float, ...]:
    raw = base64.b64decode(text, validate=True)
    return struct.unpack(f"<{len(raw) // 4}f", raw)
