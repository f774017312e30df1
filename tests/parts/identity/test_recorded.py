"""What Google answers and writes into an ID token, as published (`tests/recorded`), and what sign-in reads of it."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.recordings import body, names_of
from tillhouse.kernel.outbound import Outbound
from tillhouse.parts.identity.domain.google import GOOGLE, GoogleAccount, NotFromGoogle, account_of
from tillhouse.parts.identity.providers.google.openid import GoogleOpenId
from tillhouse.parts.identity.providers.google.settings import GoogleSettings

CLAIMS = json.loads(body("google", "id_token.claims"))
NOW = datetime.fromtimestamp(CLAIMS["iat"] + 5, UTC)


def google() -> GoogleOpenId:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(400, content=body("google", "token.refused"))
        assert str(request.url) == f"{GOOGLE}/.well-known/openid-configuration"
        return httpx.Response(200, content=body("google", "openid_configuration"))

    outbound = Outbound(mounts={"all://": httpx.MockTransport(answer)})
    return GoogleOpenId(outbound, GoogleSettings(client_id="us", client_secret="x"), GOOGLE)


def test_all_that_is_recorded_of_google_is_read_by_a_test() -> None:
    assert names_of("google") == {"openid_configuration", "id_token.claims", "token.refused"}


async def test_the_browser_is_sent_to_the_address_of_googles_own_configuration() -> None:
    found = urlsplit(await google().address(state="s", nonce="n", verifier="v", back="http://testserver/back"))
    assert f"{found.scheme}://{found.netloc}{found.path}" == "https://accounts.google.com/o/oauth2/v2/auth"
    assert dict(parse_qsl(found.query))["code_challenge_method"] == "S256"


async def test_a_code_that_google_does_not_take_signs_nobody_in() -> None:
    with pytest.raises(NotFromGoogle) as refused:
        await google().account(code="used", nonce="n", verifier="v", back="http://testserver/back")
    assert refused.value.reason == "token: invalid_grant"


def test_the_claims_of_googles_example_name_an_account() -> None:
    """Its issuer stands there without https://, and whether the address is verified as a word."""
    found = account_of(CLAIMS, issuer=GOOGLE, client_id=CLAIMS["aud"], nonce=CLAIMS["nonce"], now=NOW)
    assert found == GoogleAccount("10769150350006150715113082367", "jsmith@example.com", True, "")
    for change, reason in (
        ({"email_verified": "false"}, "email_verified"),
        ({"iss": "accounts.google.com.example.com"}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"exp": CLAIMS["iat"]}, "expired"),
        ({"nonce": "another"}, "nonce"),
    ):
        given = {**CLAIMS, **change}
        late = datetime.fromtimestamp(CLAIMS["iat"] + 60, UTC)
        assert account_of(given, issuer=GOOGLE, client_id=CLAIMS["aud"], nonce=CLAIMS["nonce"], now=late) == reason
