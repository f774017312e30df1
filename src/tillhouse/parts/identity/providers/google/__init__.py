"""Google: OpenID Connect (https://developers.google.com/identity/openid-connect/openid-connect)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from tillhouse.kernel.edge import BrowserOrigin
from tillhouse.kernel.house import House
from tillhouse.parts.identity.ports import GoogleSignIn
from tillhouse.parts.identity.providers.google.openid import GoogleOpenId
from tillhouse.parts.identity.providers.google.settings import GoogleSettings


def install(house: House) -> Sequence[object]:
    """Sign in with Google, where it is set up; and leave for forms to lead there."""
    settings = house.settings_of(GoogleSettings)
    issuer = settings.issuer_in(house.settings.sandbox_url)
    if not issuer:
        return ()
    parts = urlsplit(issuer)
    return (
        GoogleSignIn(GoogleOpenId(house.outbound, settings, issuer)),
        BrowserOrigin("form-action", f"{parts.scheme}://{parts.netloc}"),
    )
