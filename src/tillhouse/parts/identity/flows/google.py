"""Sign in with Google: the browser goes there and comes back, and we ask Google whom it stands for."""

from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.identity import flows, store
from tillhouse.parts.identity.domain import Identifier, derive_key, new_token, parse_email
from tillhouse.parts.identity.domain.google import GoogleAccount, Secrets, secrets_of
from tillhouse.parts.identity.ports import GoogleSignIn, OpenIdProvider
from tillhouse.parts.identity.service import challenges, google, people, sessions

BACK = "/sign-in/google/back"


def is_offered(house: House) -> bool:
    """Whether Sign in with Google is set up."""
    return next(iter(house.provided(GoogleSignIn)), None) is not None


async def begin(house: House) -> tuple[str, str]:
    """A new state, which the browser has to keep, and the address that it is sent to. Raises `TransientError`."""
    state = new_token()
    secrets = _secrets(house, state)
    address = await _provider(house).address(
        state=state, nonce=secrets.nonce, verifier=secrets.verifier, back=_back(house)
    )
    return state, address


async def account(house: House, state: str, code: str) -> GoogleAccount:
    """Whom the code stands for that came back with `state`. Raises `NotFromGoogle`, `TransientError`."""
    secrets = _secrets(house, state)
    return await _provider(house).account(code=code, nonce=secrets.nonce, verifier=secrets.verifier, back=_back(house))


async def enter(house: House, caller: flows.Caller, found: GoogleAccount) -> sessions.SignIn | None:
    """Sign in whom Google vouches for; None where they have to prove first that the address is theirs."""
    async with house.database.transaction() as session:
        return await google.enter(session, found, kind=caller.kind, device=caller.device, locale=caller.locale)


async def link(house: House, principal: Principal, found: GoogleAccount) -> None:
    """Add a Google account to the caller. Raises `StepUpRequired`, `Conflict`."""
    async with house.database.transaction() as session:
        await google.link(session, principal, found)


async def ask_for_proof(house: House, caller: flows.Caller, found: GoogleAccount) -> challenges.Otp:
    """Send a code to the address of a Google account, for its owner or for a new person. Raises `TooManyRequests`."""
    email = parse_email(found.email)
    async with house.database.transaction() as session:
        if await store.person_by_identifier(session, email):
            return await people.ask_to_sign_in(session, email, caller.locale)
        name = found.name.strip()[:120] or email.value.partition("@")[0]
        return await people.register(
            session, people.Registration(identifier=email, full_name=name, locale=caller.locale)
        )


async def prove_by_code(
    house: House, caller: flows.Caller, found: GoogleAccount, code: str, challenge_id: UUID
) -> tuple[sessions.SignIn, bool]:
    """Sign in with the code, then link; whether it was linked. Raises `InvalidInput`, `TooManyRequests`."""
    begun = await flows.confirm(house, caller, _email(found), code, challenge_id)
    return begun, await _link_proven(house, begun, found)


async def prove_by_password(
    house: House, caller: flows.Caller, found: GoogleAccount, password: str
) -> tuple[sessions.SignIn, bool]:
    """Sign in with the password, then link; whether it was linked. Raises `BadCredentials`, `TooManyRequests`."""
    begun = await flows.sign_in(house, caller, _email(found), password)
    return begun, await _link_proven(house, begun, found)


async def _link_proven(house: House, begun: sessions.SignIn, found: GoogleAccount) -> bool:
    async with house.database.transaction() as session:
        return await google.link_proven(session, begun.person_id, found)


def _email(found: GoogleAccount) -> Identifier:
    return parse_email(found.email)


def _provider(house: House) -> OpenIdProvider:
    for offered in house.provided(GoogleSignIn):
        return offered.provider
    raise NotFound(N_("Sign in with Google is not set up here. Sign in with a code."))


def _secrets(house: House, state: str) -> Secrets:
    return secrets_of(derive_key(house.settings.secret_key, "google"), state)


def _back(house: House) -> str:
    return house.settings.address(BACK)
