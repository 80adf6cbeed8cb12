"""Discovery (OIDC Discovery 1.0, RFC 8414), keys (RFC 7517) and their rotation."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jws import extract_compact

from idprotect import migrations
from idprotect.keys import KeyRing
from idprotect.registration import GRANTS
from idprotect.runtime import runtime
from tests.oidc.server import ISSUER, Application, Person, Server
from tests.support.world import World, build_app

DOCUMENTS = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def metadata(server: Server) -> dict[str, object]:
    """Return what the server says about itself."""
    return dict(server.send("GET", DOCUMENTS[0]).get_json())


def test_discovery_is_complete_and_valid(server: Server) -> None:
    """C001, C Discovery 3, O 8414 2: both documents say the same, and Authlib's validators find nothing."""
    one, other = (server.send("GET", path) for path in DOCUMENTS)
    assert one.get_json() == other.get_json()
    assert one.mimetype == "application/json"
    OpenIDProviderMetadata(one.get_json()).validate()
    AuthorizationServerMetadata(one.get_json()).validate()
    assert one.get_json()["issuer"] == ISSUER


def test_discovery_is_true(server: Server, application: Application, signed_in: Person) -> None:
    """What is announced is there, and what is there is announced: no implicit, no password grant, S256 alone."""
    said = metadata(server)
    assert said["response_types_supported"] == ["code"]
    assert said["response_modes_supported"] == ["query", "form_post"]
    assert said["grant_types_supported"] == list(GRANTS)
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["authorization_response_iss_parameter_supported"] is True
    assert said["backchannel_logout_supported"] is said["backchannel_logout_session_supported"] is True
    assert {"end_session_endpoint", "pushed_authorization_request_endpoint"} <= said.keys()
    assert said["claims_parameter_supported"] is True
    assert said["request_parameter_supported"] is True
    assert said["request_uri_parameter_supported"] is False
    for name, url in said.items():
        if name.endswith(("_endpoint", "_uri")):
            path = str(url).removeprefix(ISSUER)
            answers = [server.send(method, path).status_code for method in ("GET", "POST")]
            assert 404 not in answers, name
    scopes = " ".join(said["scopes_supported"])  # type: ignore[arg-type]
    tokens = application.tokens(signed_in, scope=scopes, max_age="100")
    assert tokens["scope"] == scopes
    claims = application.claims(tokens["id_token"])
    assert claims.keys() <= set(said["claims_supported"])  # type: ignore[call-overload]
    header = extract_compact(tokens["id_token"].encode()).headers()
    assert header["alg"] in said["id_token_signing_alg_values_supported"]  # type: ignore[operator]
    assert claims["acr"] in said["acr_values_supported"]  # type: ignore[operator]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "http"},
        {"X-Forwarded-Prefix": "/evil"},
        {"X-Forwarded-Port": "8080"},
        {"Forwarded": "host=evil.example;proto=http"},
        {"X-Original-Host": "evil.example"},
        {"X-Script-Name": "/evil"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_urls_come_from_the_configuration_alone(server: Server, headers: dict[str, str]) -> None:
    """SR6 issuer from configuration, A 4.1.3: no header moves a URL."""
    for path in (*DOCUMENTS, "/jwks"):
        assert server.send("GET", path, headers=headers).get_json() == server.send("GET", path).get_json()
    redirect = server.send("GET", "/account", headers=headers).location
    assert redirect.startswith("/sign-in/")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "id.example.evil.example",
        "id.example@evil.example",
        "127.0.0.1",
        "",
        "[::1",
        "id.example:x",
    ],
)
def test_an_unknown_host_is_refused(server: Server, host: str) -> None:
    """SR6 unknown Host refused, A 4.1.3."""
    for path in (*DOCUMENTS, "/account", "/authorize", "/nowhere"):
        response = server.send("GET", path, headers={"Host": host})
        assert response.status_code == 400, (path, response.status_code)
        assert "Location" not in response.headers


def test_keys_are_public_and_strong(server: Server) -> None:
    """SR6 JWKS without private members; A 11.2.3: RSA of at least 3072 bits; each with kid, use and alg."""
    keys = server.send("GET", "/jwks").get_json()["keys"]
    assert keys
    for key in keys:
        assert not PRIVATE & key.keys()
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
        assert len(base64.urlsafe_b64decode(key["n"] + "==")) * 8 >= 3072
    assert len({key["kid"] for key in keys}) == len(keys)


def test_public_documents_may_be_cached_and_read_by_scripts(server: Server) -> None:
    """C Discovery: cacheable for minutes, so that a rotation is seen; CORS for everybody here and nowhere else."""
    for path in (*DOCUMENTS, "/jwks"):
        response = server.send("GET", path, headers={"Origin": "https://app.example"})
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert response.headers["Cache-Control"] == "public, max-age=300"
        assert "Set-Cookie" not in response.headers
        assert server.send("POST", path).status_code == 405
    for path in ("/token", "/userinfo", "/account", "/authorize", "/introspect", "/revoke", "/health"):
        response = server.send("GET", path, headers={"Origin": "https://app.example"})
        assert "Access-Control-Allow-Origin" not in response.headers, path


def kid_of(id_token: str) -> str:
    """Return the key id in an ID token's header."""
    return str(extract_compact(id_token.encode()).headers()["kid"])


def look_again(server: Server) -> None:
    """Let a second pass: a process looks at the folder of keys once in a second."""
    for app in (server.app, server.front):
        app.extensions["idprotect"].keys._checked_at = 0.0


def test_keys_rotate_with_an_overlap(server: Server, signed_in: Person) -> None:
    """SR6 rotation with overlap: old ID tokens stay valid, new ones carry the new key, in every process."""
    application = server.application(id_token_at_refresh=True)
    old = application.tokens(signed_in)["id_token"]
    result = server.cli("rotate-keys")
    assert result.exit_code == 0, result.output
    look_again(server)
    new = application.tokens(signed_in)["id_token"]
    assert kid_of(new) != kid_of(old)
    assert application.claims(old)["sub"] == application.claims(new)["sub"]
    assert {kid_of(old), kid_of(new)} <= {key.kid for key in server.keys().keys}
    again = application.refresh(application.tokens(signed_in)["refresh_token"]).get_json()["id_token"]
    assert kid_of(again) == kid_of(new)


def test_keys_rotate_in_an_emergency_without_an_overlap(
    server: Server, application: Application, signed_in: Person
) -> None:
    """SR6 emergency rotation: what a stolen key has signed is worth nothing at once."""
    old = application.tokens(signed_in)["id_token"]
    result = server.cli("rotate-keys", "--emergency")
    assert result.exit_code == 0, result.output
    look_again(server)
    new = application.tokens(signed_in)["id_token"]
    assert [key.kid for key in server.keys().keys] == [kid_of(new)]
    with pytest.raises(InvalidKeyIdError):
        jwt.decode(old, server.keys(), ["RS256"])


def test_the_newest_key_signs_however_they_were_made(tmp_path: Path) -> None:
    """SR6 rotation: never a key that others do not know yet, never an old one."""
    ring = KeyRing(tmp_path)
    kids = [ring.signing_key().kid]
    for _ in range(2):
        kids.append(ring.rotate())
        assert ring.signing_key().kid == kids[-1]
        other = KeyRing(tmp_path)
        assert other.signing_key().kid == kids[-1]
        assert [key["kid"] for key in other.public_jwks()["keys"]] == kids


OTHER_ALGORITHMS = ["PS256", "ES256", "EdDSA"]


@pytest.mark.parametrize("algorithm", OTHER_ALGORITHMS)
def test_id_tokens_can_be_signed_otherwise(tmp_path: Path, keys: Path, algorithm: str) -> None:
    """SR6 ID tokens, others selectable: the new key signs at once, and what the old one signed stays valid."""
    old = KeyRing(tmp_path).signing_key()
    ring = KeyRing(tmp_path, algorithm)
    new, other = ring.signing_key(), KeyRing(tmp_path, algorithm).signing_key()
    assert (old.alg, new.alg, other.kid) == ("RS256", algorithm, new.kid)
    assert {key["kid"] for key in ring.public_jwks()["keys"]} == {old.kid, new.kid}
    assert not [key for key in ring.public_jwks()["keys"] if "d" in key]
    rotated = ring.rotate()
    assert (ring.signing_key().kid, ring.signing_key().alg) == (rotated, algorithm)
    assert KeyRing(tmp_path).signing_key().alg == "RS256", "and back again"
    assert KeyRing(tmp_path).signing_key().kid != old.kid, "all kinds rotate"


@pytest.mark.parametrize("algorithm", OTHER_ALGORITHMS)
def test_another_signature_is_announced_and_verifies(
    make_world: Callable[..., World], algorithm: str
) -> None:
    """SR6 ID tokens: the relying party finds the algorithm in the metadata, checks at_hash by it, and lets people in."""
    world = make_world(IDPROTECT_SIGNING_ALGORITHM=algorithm)
    user_id = world.make_user()
    assert world.browser().start().sign_in().claims()["sub"] == user_id
    announced = world.browser().http.get(f"{world.url}/.well-known/openid-configuration").json()
    assert announced["id_token_signing_alg_values_supported"][0] == algorithm


def test_an_issuer_may_have_a_path(tmp_path: Path, keys: Path) -> None:
    """C Discovery 4: the well-known path is appended to the issuer, and all endpoints lie below it."""
    app = build_app("https://example.org/sign-in-here", tmp_path, keys)
    with app.app_context():
        migrations.upgrade()
    client = app.test_client()
    said = json.loads(client.get("/sign-in-here" + DOCUMENTS[0], base_url="https://example.org").text)
    assert said["issuer"] == "https://example.org/sign-in-here"
    for name, url in said.items():
        if name.endswith(("_endpoint", "_uri")):
            assert url.startswith(said["issuer"] + "/")
            assert client.get(urlsplit(url).path, base_url="https://example.org").status_code != 404, name
    with app.app_context():
        runtime().db.engine.dispose()
