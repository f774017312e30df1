"""Markdown: its text without its marks; HTML inside it is not shown, so it is not read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tillhouse.parts.ai.domain.reading import Draft, page_of, table_text
from tillhouse.parts.ai.providers.reading.formats import Pages
from tillhouse.parts.ai.providers.reading.formats.plain import decode
from tillhouse.parts.ai.providers.reading.wire import Request


def read(content: bytes, request: Request) -> tuple[int, Pages]:
    """One page."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(decode(content))
    drafts = list(_drafts(tokens))
    title = next((draft.text for draft in drafts if draft.kind == "heading"), "")
    hidden = [token.content.strip() for token in tokens if token.type == "html_block" and token.content.strip()]
    return 1, iter([page_of(1, drafts, title=title[:200], hidden=hidden)])


@dataclass
class _Open:
    """What is open where the reading stands."""

    level: int = 0
    lists: int = 0
    rows: list[tuple[str, ...]] | None = None

    def enter(self, token: Token) -> None:
        if token.type in ("heading_open", "heading_close"):
            self.level = int(token.tag[1]) if token.nesting > 0 else 0
        elif token.type in ("list_item_open", "list_item_close"):
            self.lists += token.nesting
        elif token.type == "table_open":
            self.rows = []
        elif token.type == "tr_open" and self.rows is not None:
            self.rows.append(())

    def draft(self, text: str) -> Draft | None:
        """The text of a block; one of a cell waits for its table."""
        if self.rows is not None:
            self.rows[-1] = (*self.rows[-1], text)
            return None
        if self.level:
            return Draft("heading", text, level=self.level)
        return Draft("list" if self.lists else "paragraph", text)


def _drafts(tokens: Sequence[Token]) -> Iterator[Draft]:
    opened = _Open()
    for token in tokens:
        opened.enter(token)
        if token.type == "inline":
            draft = opened.draft("".join(_plain(token.children or [])))
            if draft is not None:
                yield draft
        elif token.type == "table_close" and opened.rows:
            yield Draft("table", table_text(opened.rows), rows=tuple(opened.rows))
            opened.rows = None
        elif token.type in ("fence", "code_block"):
            yield Draft("code", token.content)


def _plain(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            yield " "
        elif token.type in ("text", "code_inline"):
            yield token.content
        elif token.type == "image":
            yield from _plain(token.children or [])
