"""Asking models. Every call names whose it is and what for (`Use`), and is metered."""

from tillhouse.parts.ai.domain.calls import HOUSE, Owner, PurposeTitle, Use
from tillhouse.parts.ai.domain.chat import (
    AssistantMessage,
    ChatRequest,
    Message,
    Quote,
    ReasoningDelta,
    Reply,
    TextDelta,
    TokenUsage,
    Tool,
    ToolCall,
    ToolMessage,
    Untrusted,
    UntrustedWithTools,
    UserMessage,
)
from tillhouse.parts.ai.domain.deadlines import Deadlines
from tillhouse.parts.ai.domain.extracts import best_quotes
from tillhouse.parts.ai.domain.failures import (
    AnswerCut,
    ModelLate,
    ModelRefused,
    ModelUnavailable,
    NoPrice,
    UnknownModel,
    WrongShape,
)
from tillhouse.parts.ai.domain.rendering import as_plain_text, as_safe_html
from tillhouse.parts.ai.flows.chat import Piece, Shaped, complete, stream, structured
from tillhouse.parts.ai.flows.showing import shown

__all__ = [
    "HOUSE",
    "AnswerCut",
    "AssistantMessage",
    "ChatRequest",
    "Deadlines",
    "Message",
    "ModelLate",
    "ModelRefused",
    "ModelUnavailable",
    "NoPrice",
    "Owner",
    "Piece",
    "PurposeTitle",
    "Quote",
    "ReasoningDelta",
    "Reply",
    "Shaped",
    "TextDelta",
    "TokenUsage",
    "Tool",
    "ToolCall",
    "ToolMessage",
    "UnknownModel",
    "Untrusted",
    "UntrustedWithTools",
    "Use",
    "UserMessage",
    "WrongShape",
    "as_plain_text",
    "as_safe_html",
    "best_quotes",
    "complete",
    "shown",
    "stream",
    "structured",
]
