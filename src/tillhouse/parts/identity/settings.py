"""Settings of identity."""

from datetime import timedelta

from pydantic import NonNegativeInt, PositiveInt

from tillhouse.kernel.settings import ModuleSettings, setting


class IdentitySettings(ModuleSettings):
    """How long proofs last and how dear a guess is."""

    prefix = "IDENTITY"

    access_minutes: PositiveInt = setting(15, "Minutes that an access token is good for.")
    refresh_days: PositiveInt = setting(30, "Days that a session lasts without being used, in a browser or an app.")
    refresh_grace_seconds: PositiveInt = setting(
        20, "Seconds in which a refresh token may be used again, for two tabs that refresh at once."
    )
    argon2_memory_kib: PositiveInt = setting(47_104, "Memory of one password hash in KiB (OWASP: 47104 with one pass).")
    argon2_passes: PositiveInt = setting(1, "Passes of one password hash.")
    argon2_at_once: PositiveInt = setting(4, "Password hashes that one process computes at the same time.")
    password_tries: PositiveInt = setting(5, "Wrong passwords or codes for one identifier before it has to wait.")
    address_tries: PositiveInt = setting(50, "Wrong passwords or codes from one address before it has to wait.")

    step_up_address_hours: NonNegativeInt = setting(
        24, "Hours that an address has to have been a person's before a code sent there proves who they are."
    )

    step_up_authenticator_hours: NonNegativeInt = setting(
        24, "Hours that an authenticator has to have been set up before it lets money out that needs a fresh proof."
    )

    @property
    def step_up_authenticator_age(self) -> timedelta:
        return timedelta(hours=self.step_up_authenticator_hours)

    @property
    def step_up_address_age(self) -> timedelta:
        return timedelta(hours=self.step_up_address_hours)

    @property
    def access_life(self) -> timedelta:
        return timedelta(minutes=self.access_minutes)

    @property
    def refresh_life(self) -> timedelta:
        return timedelta(days=self.refresh_days)

    @property
    def refresh_grace(self) -> timedelta:
        return timedelta(seconds=self.refresh_grace_seconds)
