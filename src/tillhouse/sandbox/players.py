"""Who is played here."""

from tillhouse.sandbox.anthropic.player import ANTHROPIC
from tillhouse.sandbox.astria.player import ASTRIA
from tillhouse.sandbox.google.player import GOOGLE
from tillhouse.sandbox.omise.player import OMISE
from tillhouse.sandbox.openai.player import OPENAI
from tillhouse.sandbox.player import Player
from tillhouse.sandbox.push.player import PUSH
from tillhouse.sandbox.razorpay.player import RAZORPAY
from tillhouse.sandbox.sepay.player import SEPAY
from tillhouse.sandbox.stripe.player import STRIPE
from tillhouse.sandbox.twilio.player import TWILIO
from tillhouse.sandbox.whatsapp.player import WHATSAPP

PLAYERS: tuple[Player, ...] = (
    RAZORPAY,
    STRIPE,
    OMISE,
    SEPAY,
    TWILIO,
    WHATSAPP,
    PUSH,
    OPENAI,
    ANTHROPIC,
    ASTRIA,
    GOOGLE,
)
APIS = tuple(api for player in PLAYERS for api in player.apis)
SENDERS = {api: send for player in PLAYERS for api, send in player.senders.items()}


def called(path: str) -> tuple[Player, str] | None:
    """Whose API a path belongs to, and which of its APIs; None for the sandbox's own pages."""
    for player in PLAYERS:
        if api := player.api_of(path):
            return player, api
    return None
