"""Vectors: of one model alone, in as many calls as it takes, metered by what was read."""

import base64
import importlib.machinery
import math
import struct
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from tests.parts.ai.conftest import Open
from tillhouse.kernel.house import House
from tillhouse.kernel.outbound import Outbound
from tillhouse.kernel.settings import SettingsError
from tillhouse.parts.ai.api import chat, embedding
from tillhouse.parts.ai.api.chat import Owner, Use
from tillhouse.parts.ai.api.retrieval import search
from tillhouse.parts.ai.domain.failures import ModelFailure, ModelRefused
from tillhouse.parts.ai.flows.embedding import batches
from tillhouse.parts.ai.models import CallRow
from tillhouse.parts.ai.providers.openai.dialects import Dialect
from tillhouse.parts.ai.providers.openai.embedding import OpenAIEmbedding

USE = Use(Owner("person", uuid4()), "wordai.index")
TEXTS = ["How long do refunds take?", "Refunds take five days.", "A giraffe is tall."]


async def rows(house: House) -> list[CallRow]:
    async with house.database.reading() as session:
        return list((await session.execute(select(CallRow).order_by(CallRow.id))).scalars().all())


def near(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


async def test_texts_that_are_alike_have_near_vectors_of_length_one(open_house: Open) -> None:
    house = open_house()
    found = await embedding.embed(house, USE, TEXTS)
    assert found
    assert found.model == "openai/text-embedding-3-small"
    assert [len(one) for one in found.vectors] == [1536] * 3
    assert all(abs(near(one, one) - 1) < 1e-5 for one in found.vectors)
    assert near(found.vectors[0], found.vectors[1]) > near(found.vectors[0], found.vectors[2]) + 0.2
    (row,) = await rows(house)
    assert (row.kind, row.state, row.output_tokens) == ("embedding", "done", 0)
    assert row.cost == row.input_tokens * 20  # $0.02 a million, in billionths


async def test_a_house_without_a_model_has_no_vectors_and_that_is_no_error(house: House) -> None:
    assert await embedding.embed(house, USE, TEXTS) is None


async def test_faults_of_embedding_cost_nothing(open_house: Open, fault: Callable[..., None]) -> None:
    house = open_house(AI_TRIES="1", AI_BREAKER_FAILURES="100")
    for kind, error in (
        ("status_500", chat.ModelUnavailable),
        ("status_429", chat.ModelUnavailable),
        ("timeout_before", chat.ModelLate),
        ("timeout_after", chat.ModelLate),
        ("cut_stream", chat.ModelLate),
        ("stall_stream", chat.ModelLate),
    ):
        fault(kind, "openai")
        with pytest.raises(error):
            await embedding.embed(house, USE, TEXTS)
        assert (await rows(house))[-1].cost == 0
    with pytest.raises(ValueError, match="empty text"):
        await embedding.embed(house, USE, ["", "text"])


def answering(content: dict[str, Any]) -> OpenAIEmbedding:
    outbound = Outbound(mounts={"http://x": httpx.MockTransport(lambda _: httpx.Response(200, json=content))})
    return OpenAIEmbedding(outbound, Dialect(name="openai", base="http://x", dimensions=2, embeds=True))


async def test_numbers_and_base64_are_read_alike_and_what_is_no_vector_is_refused() -> None:
    packed = base64.b64encode(struct.pack("<2f", 3.0, 4.0)).decode()
    for vector in (packed, [3.0, 4.0]):
        answer = {"data": [{"index": 0, "embedding": vector}], "usage": {"prompt_tokens": 4}}
        found = await answering(answer).embed("m", ["a"], "passage", 2, 5)
        assert found.vectors[0] == pytest.approx((0.6, 0.8))
        assert (found.tokens, found.estimated) == (4, False)
    swapped = {"data": [{"index": 1, "embedding": [0.0, 2.0]}, {"index": 0, "embedding": [2.0, 0.0]}]}
    found = await answering(swapped).embed("m", ["a", "b"], "passage", 2, 5)
    assert found.vectors == ((1.0, 0.0), (0.0, 1.0))
    assert found.estimated
    for data in ([], [[0.0, 0.0]], ["!!!"], [[1.0, 0.0, 0.0]], [[float("1e400"), 1.0]]):
        wrong = {"data": [{"index": i, "embedding": str(v) if v == "!!!" else v} for i, v in enumerate(data)]}
        with pytest.raises((ModelFailure, ValueError)):
            await answering(wrong).embed("m", ["a"], "passage", 2, 5)


def test_calls_hold_no_more_than_they_may() -> None:
    assert [list(one) for one in batches(["a", "b", "c"], 2, 100)] == [["a", "b"], ["c"]]
    assert [list(one) for one in batches(["x" * 40, "y" * 40, "z"], 9, 12)] == [["x" * 40], ["y" * 40, "z"]]
    assert [list(one) for one in batches(["long " * 100], 9, 12)] == [["long " * 100]]
    assert list(batches([], 2, 2)) == []


class SentenceTransformer:
    """The library's interface: the vector of a text is its length and its first letter."""

    def __init__(self, folder: str, **options: Any) -> None:
        self.made = (folder, options)

    def encode(self, texts: list[str], *, normalize_embeddings: bool) -> list[list[float]]:
        assert normalize_embeddings
        return [[1.0, 0.0] if text.startswith("query: ") else [0.0, 1.0] for text in texts]


async def test_a_local_sentence_model_is_loaded_from_its_folder(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = types.ModuleType("sentence_transformers")
    library.SentenceTransformer = SentenceTransformer  # type: ignore[attr-defined]
    library.__spec__ = importlib.machinery.ModuleSpec("sentence_transformers", None)
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    folder = tmp_path / "e5-small"
    folder.mkdir()
    house = open_house(
        SENTENCES_FOLDER=str(folder), SENTENCES_QUESTION_PREFIX="query: ", AI_EMBEDDING_MODEL="sentences/e5-small"
    )
    asked = await embedding.embed(house, USE, ["a"], side="question")
    kept = await embedding.embed(house, USE, ["a"])
    assert asked
    assert kept
    assert (asked.model, asked.vectors, kept.vectors) == ("sentences/e5-small", ((1.0, 0.0),), ((0.0, 1.0),))


class SafetensorError(Exception):
    """What the library's reader of weights raises: of no kind that Python knows."""


async def test_weights_that_cannot_be_read_leave_the_house_with_words(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: str, **options: Any) -> None:
        raise SafetensorError("header too large")

    library = types.ModuleType("sentence_transformers")
    library.SentenceTransformer = refuse  # type: ignore[attr-defined]
    library.__spec__ = importlib.machinery.ModuleSpec("sentence_transformers", None)
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    house = open_house(SENTENCES_FOLDER=str(tmp_path), AI_EMBEDDING_MODEL=f"sentences/{tmp_path.name}")
    with pytest.raises(ModelRefused):
        await embedding.embed(house, USE, ["a"], side="question")
    (row,) = await rows(house)
    assert (row.state, row.failure) == ("failed", "refused:weights")
    assert (await search(house, uuid4(), "manuals", "How long do refunds take?")).way == "lexical"


def test_a_folder_that_is_not_there_or_a_library_that_is_missing_is_said_at_the_start(
    open_house: Open, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="SENTENCES_FOLDER: there is no folder"):
        open_house(SENTENCES_FOLDER=str(tmp_path / "nowhere"))
    with pytest.raises(
        SettingsError, match=r"sentence-transformers is not installed.* -r requirements-sentences\.lock$"
    ):
        open_house(SENTENCES_FOLDER=str(tmp_path))
    with pytest.raises(SettingsError, match=r"faster-whisper is not installed.* -r requirements-whisper\.lock$"):
        open_house(SENTENCES_FOLDER="", WHISPER_FOLDER=str(tmp_path))
