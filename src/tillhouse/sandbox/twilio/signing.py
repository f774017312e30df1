"""Twilio's request signature."""

import base64
import hashlib
import hmac
from collections.abc import Iterable


def request_signature(token: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """`X-Twilio-Signature`: base64 HMAC-SHA1 over the URL followed by each sorted name and value."""
    message = url + "".join(name + value for name, value in sorted(set(parameters)))
    return base64.b64encode(hmac.new(token.encode(), message.encode(), hashlib.sha1).digest()).decode()
