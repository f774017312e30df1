"""Quotes in place of an answer. Nothing is made up, because nothing is written: every word stands in the material."""

from collections.abc import AsyncGenerator, Iterator

from tillhouse.kernel.text import N_
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.ai.domain.chat import (
    Begun,
    ChatEvent,
    ChatRequest,
    Ended,
    Quote,
    TextDelta,
    TokenUsage,
    estimate_input,
    estimate_tokens,
)
from tillhouse.parts.ai.domain.extracts import best_quotes
from tillhouse.parts.ai.domain.failures import ModelFailure

_FOUND = N_("Your documents say:")
_NOT_FOUND = N_("This was not found in your documents.")
_NOTE = N_("These are the documents' own words; no model wrote this answer.")


class ExtractiveChat:
    """Answers by quoting, in the order of how well a sentence fits, with the number of its document behind it."""

    name = "extractive"

    async def stream(self, model: str, request: ChatRequest, silence: float) -> AsyncGenerator[ChatEvent, None]:
        """The quotes. See `ports.chat`. Tools and shapes need a model: `ModelFailure` refuses them."""
        del model, silence  # there is one, and it never waits
        if request.tools or request.shape:
            raise ModelFailure("refused", "quotes_only")
        yield Begun()
        quotes = tuple(best_quotes(request.question, [one.text for one in request.material]))
        written = 0
        for part in _parts(quotes):
            written += estimate_tokens(part)
            yield TextDelta(part)
        yield Ended("stop", TokenUsage(estimate_input(request), written), quotes=quotes)


def _parts(quotes: tuple[Quote, ...]) -> Iterator[str]:
    if not quotes:
        yield gettext(_NOT_FOUND)
        return
    yield gettext(_FOUND)
    for one in quotes:
        yield f"\n\n> {' '.join(one.text.split())} [{one.number}]"
    yield f"\n\n{gettext(_NOTE)}"
