"""A model's text as markup that loads nothing: what it says may have been dictated by a document that somebody sent.

Markdown's plain parts become elements that are made here; HTML in the text is shown as text. No image, no style, no
script, no address that a browser fetches by itself. A link is one a person has to press, shows where it leads, and
leads only to where `hosts` allow; any other address stays text.
"""

from collections.abc import Collection, Iterator, Sequence
from html import escape
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

_REL = "nofollow noopener noreferrer ugc"
# What may open and close. Everything else in the token stream is dropped, its text kept.
_ELEMENTS = frozenset(
    {"p", "strong", "em", "s", "ul", "ol", "li", "blockquote", "table", "thead", "tbody", "tr", "th", "td"}
)
_HEADINGS = {"h1": "h3", "h2": "h3", "h3": "h4", "h4": "h4", "h5": "h4", "h6": "h4"}  # below the page's own
_LONGEST = 200_000
_DEEPEST = 20

_markdown = MarkdownIt("zero", {"html": False, "linkify": False, "typographer": False, "maxNesting": _DEEPEST}).enable(
    ["emphasis", "strikethrough", "backticks", "fence", "list", "blockquote", "heading", "lheading", "link", "image",
     "newline", "escape", "entity", "table", "hr", "code"]
)  # fmt: skip


def as_safe_html(text: str, hosts: Collection[str] = ()) -> str:
    """Markup of a model's markdown. `hosts` are those that links may lead to, each with all below it.

    Pure, and never raises: what is not understood is shown as text.
    """
    return "".join(_blocks(_markdown.parse(text[:_LONGEST].replace("\x00", "")), frozenset(hosts)))


def as_plain_text(text: str) -> str:
    """A model's markdown without its marks and links: for a message or a file."""
    lines = [
        "".join(_plain(token.children or [])) for token in _markdown.parse(text[:_LONGEST]) if token.type == "inline"
    ]
    return "\n".join(lines)


def _blocks(tokens: Sequence[Token], hosts: frozenset[str]) -> Iterator[str]:
    for token in tokens:
        if token.type == "inline":
            yield from _inline(token.children or [], hosts)
        elif token.type in ("fence", "code_block"):
            yield f"<pre><code>{escape(token.content)}</code></pre>"
        elif token.type == "hr":
            yield "<hr>"
        else:
            yield _element(token)


def _inline(tokens: Sequence[Token], hosts: frozenset[str]) -> Iterator[str]:
    closing: list[str] = []
    for token in tokens:
        if token.type == "link_open":
            opened, closed = _link(str(token.attrGet("href") or ""), hosts)
            closing.append(closed)
            yield opened
        elif token.type == "link_close":
            yield closing.pop() if closing else ""
        elif token.type == "image":
            yield escape("".join(_plain(token.children or [])))  # what it shows, in words; never the image
        elif token.type == "code_inline":
            yield f"<code>{escape(token.content)}</code>"
        elif token.type in ("softbreak", "hardbreak"):
            yield "<br>\n"
        elif token.nesting:
            yield _element(token)
        else:
            yield escape(token.content)


def _link(address: str, hosts: frozenset[str]) -> tuple[str, str]:
    """A link that may be pressed, or the address beside its text: its text must not hide where it leads."""
    host = _host(address)
    if host and any(host == one or host.endswith(f".{one}") for one in hosts):
        shown = escape(address, quote=True)
        return f'<a href="{shown}" rel="{_REL}" target="_blank">', f" ({escape(host)})</a>"
    return "", f" ({escape(address)})" if address else ""


def _host(address: str) -> str:
    """The host of a plain https address; empty for any other: other schemes, ports, names before an @."""
    if any(ord(c) <= 32 or c in "\\\x7f" for c in address):
        return ""
    try:
        parts = urlsplit(address)
        if parts.scheme != "https" or parts.username or parts.password or parts.port:
            return ""
    except ValueError:
        return ""
    return (parts.hostname or "").lower()


def _element(token: Token) -> str:
    name = _HEADINGS.get(token.tag, token.tag)
    if token.hidden or (name not in _ELEMENTS and name not in _HEADINGS.values()):
        return ""
    return f"</{name}>" if token.nesting < 0 else f"<{name}>"


def _plain(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "image":
            yield from _plain(token.children or [])
        elif token.type in ("softbreak", "hardbreak"):
            yield "\n"
        else:
            yield token.content
