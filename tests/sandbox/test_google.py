"""Authlib, a leading client of OpenID Connect, at the sandbox's address and nothing else changed."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.sandbox.serving import serving
from tillhouse.sandbox.app import create_sandbox
from tillhouse.sandbox.settings import SandboxSettings

BACK = "http://127.0.0.1:9/back"
SETTINGS = SandboxSettings()


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with serving(create_sandbox(SETTINGS)) as url:
        yield f"{url}/google"


@pytest.fixture(scope="module")
def metadata(issuer: str) -> OpenIDProviderMetadata:
    found = OpenIDProviderMetadata(httpx.get(get_well_known_url(issuer, external=True)).json())
    assert found["issuer"] == issuer
    return found


@pytest.fixture
def client(metadata: OpenIDProviderMetadata) -> Iterator[OAuth2Client]:
    with OAuth2Client(
        SETTINGS.google_client_id,
        SETTINGS.google_client_secret,
        scope="openid email profile",
        redirect_uri=BACK,
        code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"],
    ) as found:
        yield found


def go_there(client: OAuth2Client, metadata: OpenIDProviderMetadata, **choice: str) -> tuple[str, str]:
    """Pick an account at the authorize page; the address that leads back, and the verifier."""
    verifier = "v" * 48
    address, _ = client.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-0S6", access_type="offline"
    )
    chooser = httpx.get(address, headers={"Accept": "text/html"})
    assert chooser.status_code == 200
    account = re.search(r'name="account" value="(\d+)"', chooser.text)
    assert account
    parts = urlsplit(address)
    form = {**dict(parse_qsl(parts.query)), **(choice or {"account": account[1]})}
    answer = httpx.post(parts._replace(query="").geturl(), data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"], verifier


def test_authlib_signs_in_reads_the_profile_and_refreshes(
    client: OAuth2Client, metadata: OpenIDProviderMetadata
) -> None:
    back, verifier = go_there(client, metadata)
    token = client.fetch_token(authorization_response=back, code_verifier=verifier)
    keys = KeySet.import_key_set(httpx.get(metadata["jwks_uri"]).json())
    read = jwt.decode(token["id_token"], keys, algorithms=["RS256"])
    claims = CodeIDToken(
        read.claims,
        read.header,
        options={"iss": {"values": [metadata["issuer"]]}, "aud": {"values": [SETTINGS.google_client_id]}},
        params={"nonce": "n-0S6", "client_id": SETTINGS.google_client_id, "access_token": token["access_token"]},
    )
    claims.validate()
    assert claims["email"] == "asha.rao@gmail.com"
    assert client.get(metadata["userinfo_endpoint"]).json()["sub"] == claims["sub"]
    fresh = client.refresh_token(metadata["token_endpoint"], token["refresh_token"])
    assert fresh["access_token"] != token["access_token"]
    httpx.post(metadata["revocation_endpoint"], data={"token": token["refresh_token"]})
    with pytest.raises(AuthlibBaseError) as refused:
        client.refresh_token(metadata["token_endpoint"], token["refresh_token"])
    assert refused.value.error == "invalid_grant"


def test_a_code_is_good_once_for_who_asked(client: OAuth2Client, metadata: OpenIDProviderMetadata) -> None:
    back, verifier = go_there(client, metadata)
    with pytest.raises(AuthlibBaseError, match="verifier"):
        client.fetch_token(authorization_response=back, code_verifier="w" * 48)
    back, verifier = go_there(client, metadata)
    token = client.fetch_token(authorization_response=back, code_verifier=verifier)
    with pytest.raises(AuthlibBaseError) as refused:
        client.fetch_token(authorization_response=back, code_verifier=verifier)
    assert refused.value.error == "invalid_grant"
    # A code that was used twice has leaked: what it gave is taken back.
    assert httpx.get(
        metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {token['access_token']}"}
    ).is_error


def test_a_wrong_client_is_told_so_and_never_sent_back(metadata: OpenIDProviderMetadata) -> None:
    right = {
        "client_id": SETTINGS.google_client_id, "redirect_uri": BACK, "response_type": "code", "scope": "openid"
    }  # fmt: skip
    for wrong in (
        {"client_id": "someone-else"},
        {"redirect_uri": "https://evil.example/back"},
        {"response_type": "token"},
        {"scope": "email"},
    ):
        answer = httpx.get(metadata["authorization_endpoint"], params={**right, **wrong})
        assert (answer.status_code, "location" in answer.headers) == (400, False)
    answer = httpx.post(
        metadata["token_endpoint"],
        data={"grant_type": "authorization_code", "client_id": right["client_id"], "client_secret": "no", "code": "x"},
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_who_refuses_is_sent_back_with_that(client: OAuth2Client, metadata: OpenIDProviderMetadata) -> None:
    back, _ = go_there(client, metadata, deny="true")
    assert parse_qs(urlsplit(back).query)["error"] == ["access_denied"]
