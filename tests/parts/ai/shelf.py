"""A shelf to test retrieval on: an owner's files, the jobs that index them, a small model whose meanings are known."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import run_due
from tillhouse.parts.ai.api import retrieval
from tillhouse.parts.ai.domain.failures import ModelFailure
from tillhouse.parts.ai.ports.embedding import Embedded, InstalledEmbedding, Side
from tillhouse.parts.files import api as files


@dataclass
class Shelf:
    house: House
    owner_id: UUID = field(default_factory=new_id)
    collection: str = "papers"

    async def put(self, content: bytes | str, name: str = "paper.txt", *, languages: Sequence[str] = ()) -> UUID:
        """Add a document and run its job; whether it could be read is in its state."""
        document_id = await self.add(content, name, languages=languages)
        await run_due(self.house)
        return document_id

    async def add(self, content: bytes | str, name: str = "paper.txt", *, languages: Sequence[str] = ()) -> UUID:
        file_id = await self.file(content, name)
        async with self.house.database.transaction() as session:
            added = await retrieval.add_document(session, self.owner_id, self.collection, file_id, languages=languages)
        return added.id

    async def file(self, content: bytes | str, name: str = "paper.txt") -> UUID:
        raw = content.encode() if isinstance(content, str) else content
        return (await files.store_bytes(self.house, self.owner_id, name, raw)).id

    async def see(self, document_id: UUID) -> retrieval.Document:
        async with self.house.database.reading() as session:
            return await retrieval.document(session, self.owner_id, document_id)

    async def find(self, question: str, way: retrieval.Way = "fused", limit: int = 10) -> list[retrieval.Passage]:
        found = await retrieval.search(self.house, self.owner_id, self.collection, question, limit, way=way)
        return list(found.passages)


@dataclass
class Concepts:
    """A model of 256 dimensions: words of one group have one direction, any other word its own."""

    groups: Sequence[frozenset[str]]
    fails: bool = False
    seen: list[str] = field(default_factory=list)
    name: str = "sentences"
    most_texts: int = 50
    most_tokens: int = 1_000_000

    def installed(self) -> InstalledEmbedding:
        return InstalledEmbedding(self, "concepts", 256)

    async def embed(
        self, model: str, texts: Sequence[str], side: Side, dimensions: int | None, seconds: float
    ) -> Embedded:
        if self.fails:
            raise ModelFailure("late")
        self.seen += [text for text in texts if side == "passage"]
        return Embedded(tuple(tuple(self.vector(text)) for text in texts), sum(map(len, texts)))

    def vector(self, text: str) -> list[float]:
        found = [0.0] * 256
        for word in text.lower().replace(".", " ").replace("?", " ").split():
            group = next((number for number, words in enumerate(self.groups) if word in words), None)
            at = group if group is not None else 50 + hashlib.sha256(word.encode()).digest()[0] % 200
            found[at] += 3.0 if group is not None else 0.2
        return found
