"""Google's settings."""

from tillhouse.kernel.settings import ModuleSettings, setting
from tillhouse.parts.identity.domain.google import GOOGLE

_SANDBOX_ID = "tillhouse.apps.googleusercontent.com"


class GoogleSettings(ModuleSettings):
    """Credentials of a web client in Google's console. The development values are the sandbox's own."""

    prefix = "google"

    client_id: str = setting(
        _SANDBOX_ID, "Client id for Sign in with Google. Empty: it is not offered.", development_only=True
    )
    client_secret: str = setting("GOCSPX-tillhouse", "Its secret.", secret=True, development_only=True)
    issuer: str = setting("", "Where Google answers. Empty: the sandbox where there is one, else accounts.google.com.")

    def issuer_in(self, sandbox_url: str) -> str:
        """The address of whoever vouches for people; empty where Sign in with Google is not set up."""
        if not self.client_id or not self.client_secret:
            return ""
        if self.issuer:
            return self.issuer.rstrip("/")
        if sandbox_url:
            return f"{sandbox_url.rstrip('/')}/google"
        return "" if self.client_id == _SANDBOX_ID else GOOGLE


SETTINGS = GoogleSettings
