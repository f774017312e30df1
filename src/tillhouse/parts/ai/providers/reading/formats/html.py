"""HTML: what a reader of the page would see, without what the page hides from them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from tillhouse.parts.ai.domain.reading import BlockKind, Draft, page_of, table_text
from tillhouse.parts.ai.providers.reading.formats import Pages
from tillhouse.parts.ai.providers.reading.formats.plain import decode
from tillhouse.parts.ai.providers.reading.wire import Request

_SILENT = frozenset(
    re.findall(
        r"\w+",
        "script style template noscript head iframe object embed svg math canvas audio video select textarea datalist",
    )
)
_BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote body dd details div dl dt fieldset figcaption figure footer form header hr "
        "html li main nav ol p pre section summary table ul h1 h2 h3 h4 h5 h6",
    )
)
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0(?:\.0+)?\s*(?:;|$|!)"
    r"|font-size\s*:\s*(?:0|1px|0?\.\d+)\w*\s*(?:;|$|!)|(?:left|top|text-indent)\s*:\s*-\d{3,}",
    re.IGNORECASE,
)
_WHITE = re.compile(r"(?<![-\w])color\s*:\s*(?:white|#fff(?:fff)?\b|rgba?\(\s*255\s*,\s*255\s*,\s*255)", re.IGNORECASE)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SIMPLE = re.compile(r"[.#][\w-]+$")
_DEEPEST = 200


@dataclass
class _Reading:
    """What was read so far. `hides` are the classes and ids that the page's own style hides."""

    hides: frozenset[str]
    drafts: list[Draft] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)

    def flush(self, kind: BlockKind = "paragraph", level: int = 0) -> None:
        text = re.sub(r"[ \t\r\f\v\n]+", " ", "".join(self.inline)).strip()
        self.inline.clear()
        if text:
            self.drafts.append(Draft(kind, text, level=level))


def read(content: bytes, request: Request) -> tuple[int, Pages]:
    """One page: HTML has no others."""
    tree = LexborHTMLParser(_text(content))
    reading = _Reading(frozenset(_hidden_names(tree)))
    if tree.body is not None:
        _walk(tree.body, reading, 0)
    reading.flush()
    found = tree.css_first("title")
    title = " ".join(found.text().split()) if found else ""
    return 1, iter([page_of(1, reading.drafts, title=title[:200], hidden=reading.hidden)])


def _text(content: bytes) -> str:
    declared = re.search(rb"<meta[^>]+charset\s*=\s*[\"']?([\w-]+)", content[:2048], re.IGNORECASE)
    if declared:
        try:
            return content.decode(declared[1].decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            pass  # what it says of itself is wrong
    return decode(content)


def _hidden_names(tree: LexborHTMLParser) -> Iterator[str]:
    for style in tree.css("style"):
        for selectors, rules in _RULE.findall(style.text()):
            if _HIDING.search(rules):
                yield from (one.strip() for one in selectors.split(",") if _SIMPLE.match(one.strip()))


def _walk(node: LexborNode, reading: _Reading, depth: int) -> None:
    for child in node.iter(include_text=True):
        tag = child.tag or ""
        if tag == "-text":
            reading.inline.append(child.text(deep=False) or "")
        elif tag in _SILENT or depth > _DEEPEST:
            continue
        elif _is_hidden(child, reading.hides):
            text = " ".join(child.text(separator=" ").split())
            reading.hidden += [text] if text else []
        elif tag == "br":
            reading.inline.append(" ")
        elif tag == "img":
            reading.inline.append(child.attributes.get("alt") or "")
        elif tag == "table" and not child.css_first("table table"):
            reading.flush()
            _table(child, reading)
        elif tag in _BLOCKS:
            reading.flush()
            _block(child, tag, reading, depth)
        else:
            _walk(child, reading, depth + 1)


def _block(node: LexborNode, tag: str, reading: _Reading, depth: int) -> None:
    if tag == "pre":
        text = node.text().strip("\n")
        reading.drafts += [Draft("code", text)] if text.strip() else []
        return
    _walk(node, reading, depth + 1)
    if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
        reading.flush("heading", int(tag[1]))
    else:
        reading.flush("list" if tag in ("li", "dd", "dt") else "paragraph")


def _table(node: LexborNode, reading: _Reading) -> None:
    rows = []
    for row in node.css("tr"):
        if not _is_hidden(row, reading.hides):
            cells = tuple(" ".join(cell.text(separator=" ").split()) for cell in row.css("td, th"))
            if any(cells):
                rows.append(cells)
    if rows:
        reading.drafts.append(Draft("table", table_text(rows), rows=tuple(rows)))


def _is_hidden(node: LexborNode, hides: frozenset[str]) -> bool:
    attributes = node.attributes
    if "hidden" in attributes or (node.tag == "input"):
        return True
    style = attributes.get("style") or ""
    if _HIDING.search(style) or (_WHITE.search(style) and "background" not in style):
        return True
    names = [f".{name}" for name in (attributes.get("class") or "").split()] + [f"#{attributes.get('id') or ''}"]
    return any(name in hides for name in names)
