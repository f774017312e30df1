"""Logs: one JSON object a line, with the request id, and without personal data.

Code logs ids, never names or addresses. A last processor masks what looks like an e-mail address, a phone number or a
secret all the same: a third party's exception text is not ours to trust.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from tillhouse.kernel.context import request_id
from tillhouse.kernel.settings import KernelSettings

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.-])\+?\d[\d ]{9,14}\d(?![\w-])")
_SECRET_KEYS = re.compile(r"password|secret|token|authorization|cookie|otp|code_plain|api_key", re.IGNORECASE)

_Event = MutableMapping[str, Any]  # structlog's own name for it; values are whatever the caller logged


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger: `log.info("payment_captured", payment_id=…)`. Events are snake_case; fields are ids and figures."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def configure_logs(settings: KernelSettings) -> None:
    """Send every log of this process, ours and the libraries', to standard output in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        structlog.processors.format_exc_info,
        _mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last = structlog.processors.JSONRenderer() if settings.log_format == "json" else structlog.dev.ConsoleRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for chatty in ("uvicorn.access", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_names_no_socket)


def _names_no_socket(record: logging.LogRecord) -> bool:
    """uvicorn writes the whole address of a WebSocket, with its ticket; our own line for requests says what matters."""
    return not (isinstance(record.msg, str) and '"WebSocket ' in record.msg)


def _add_request_id(_logger: object, _method: str, event: _Event) -> _Event:
    if identifier := request_id():
        event["request_id"] = identifier
    return event


def _mask(_logger: object, _method: str, event: _Event) -> _Event:
    for key, value in event.items():
        if isinstance(value, str) and key not in ("timestamp", "request_id"):
            if _SECRET_KEYS.search(key):
                event[key] = "…"
            else:
                event[key] = _PHONE.sub("<phone>", _EMAIL.sub("<email>", value))
    return event
