"""APIs that take our access tokens: who calls, how well they signed in, how risky they are, and the way to more."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from authlib.integrations.flask_oauth2 import current_token
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.http import parse_dict_header

from idprotect.contexts import LADDER, reaches
from idprotect.issuer import Issuer, IssuerUnavailable
from idprotect.resource_server import Introspection, JwtAccessTokens, ResourceServer
from idprotect.runtime import runtime
from idprotect.testing import Application, Person, Provider, running

CALLBACK = "http://127.0.0.1:1/callback"
API = "https://api.example.org"
KINDS = ("by reference", "JWT")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """Run a provider without policies about risk: here the APIs alone ask."""
    with running(policies="") as provider:
        yield provider


def api(provider: Provider, kind: str) -> FlaskClient:
    """Return an API that takes tokens of one kind."""
    app = Flask("api")
    if kind == "JWT":
        server = ResourceServer(JwtAccessTokens(provider.issuer, API))
    else:
        asking = provider.application(
            "API", grant_types=("client_credentials",), scope="idprotect:introspect", first_party=False
        )
        server = ResourceServer(Introspection(provider.issuer, asking.client_id, asking.client_secret or ""))

    @app.get("/name")
    @server("openid")
    def name() -> str:
        return str(current_token["sub"])

    @app.get("/mail")
    @server("email")
    def mail() -> str:
        return "mail"

    @app.get("/transfer")
    @server.require_acr("aal2")
    def transfer() -> str:
        return "sent"

    @app.get("/recent")
    @server.require_acr("aal1", max_age=300)
    def recent() -> str:
        return "recent"

    @app.get("/careful")
    @server.require_risk_below("medium", scopes="openid")
    @server.require_acr("aal1")
    def careful() -> str:
        return "careful"

    return app.test_client()


def registered(provider: Provider, kind: str, **options: Any) -> Application:
    audience = API if kind == "JWT" else None
    return provider.application(redirect_uris=(CALLBACK,), access_token_audience=audience, **options)


def token_of(provider: Provider, person: Person, application: Application, **wanted: Any) -> str:
    """Send a person to the provider, and return the access token that comes of it."""
    return str(sign_in(provider, person, application, **wanted).token["access_token"])


def sign_in(provider: Provider, person: Person, application: Application, **wanted: Any) -> OAuth2Session:
    """Send a person to the provider, and return what the application has then."""
    client = OAuth2Session(
        application.client_id,
        application.client_secret,
        scope="openid offline_access",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    )
    client.trust_env = False
    verifier = "v" * 64
    url, state = client.create_authorization_url(
        f"{provider.issuer}/authorize", code_verifier=verifier, **wanted
    )
    client.fetch_token(
        f"{provider.issuer}/token",
        authorization_response=person.go(url),
        state=state,
        code_verifier=verifier,
    )
    return client


def call(client: FlaskClient, path: str, token: str | None) -> tuple[int, str, dict[str, str | None]]:
    """Return status, error and challenge of an answer."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    answer = client.get(path, headers=headers)
    challenge = answer.headers.get("WWW-Authenticate", "").partition(" ")[2]
    body = answer.get_json(silent=True) or {}
    return answer.status_code, body.get("error", ""), parse_dict_header(challenge)


@pytest.mark.parametrize("kind", KINDS)
def test_an_api_knows_whose_token_it_is_sent(provider: Provider, kind: str) -> None:
    """C002, C004: introspection by an API that is registered for it, and RFC 9068 read by anybody."""
    client, ada = api(provider, kind), provider.person()
    token = token_of(provider, ada, registered(provider, kind))
    answer = client.get("/name", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.text) == (200, ada.id)
    assert call(client, "/mail", token)[:2] == (403, "insufficient_scope")
    assert call(client, "/name", None)[0] == 401
    assert call(client, "/name", token[:-4] + "AAAA")[:2] == (401, "invalid_token")


@pytest.mark.parametrize("kind", KINDS)
def test_step_up_by_challenge(provider: Provider, kind: str) -> None:
    """C010, D05: the challenge of RFC 9470 says what to ask the authorize endpoint for, and that is enough."""
    client, ada = api(provider, kind), provider.person(second_factor=True)
    application = registered(provider, kind)
    weak = token_of(provider, ada, application)
    status, error, challenge = call(client, "/transfer", weak)
    assert (status, error) == (401, "insufficient_user_authentication")
    assert challenge["acr_values"] == "aal2"
    assert "max_age" not in challenge
    strong = token_of(provider, ada, application, acr_values=challenge["acr_values"])
    assert call(client, "/transfer", strong)[0] == 200
    assert call(client, "/careful", strong)[1] == "insufficient_user_authentication", "no risk is told"


@pytest.mark.parametrize("kind", KINDS)
def test_a_recent_sign_in_by_challenge(provider: Provider, kind: str) -> None:
    """C010: RFC 9470 section 5: auth_time, and max_age in the challenge."""
    client, ada = api(provider, kind), provider.person()
    application = registered(provider, kind)
    old = token_of(provider, ada, application)
    assert call(client, "/recent", old)[0] == 200
    with provider.later(minutes=6):
        status, error, challenge = call(client, "/recent", old)
        assert (status, error) == (401, "insufficient_user_authentication")
        assert challenge["max_age"] == "300"
        new = token_of(provider, ada, application, max_age=challenge["max_age"])
        assert call(client, "/recent", new)[0] == 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("level", "status"), [("none", 200), ("low", 200), ("medium", 401), ("high", 401)])
def test_an_api_takes_nobody_above_its_limit(provider: Provider, kind: str, level: str, status: int) -> None:
    """D05: the level is released to applications that are registered to hear it."""
    client, ada = api(provider, kind), provider.person(risk=level)
    token = token_of(provider, ada, registered(provider, kind, release_risk=True))
    said, error, challenge = call(client, "/careful", token)
    assert said == status
    if status == 401:
        assert (error, challenge["max_age"]) == ("insufficient_user_authentication", "0")


def test_introspection_tells_risk_as_it_is_now(provider: Provider) -> None:
    """D05: the same token, before and after."""
    client, ada = api(provider, "by reference"), provider.person()
    token = token_of(provider, ada, registered(provider, "by reference", release_risk=True))
    assert call(client, "/careful", token)[0] == 200
    ada.set_risk("high")
    assert call(client, "/careful", token)[0] == 401
    ada.set_risk("none")
    assert call(client, "/careful", token)[0] == 200


def test_risk_is_told_to_nobody_else(provider: Provider) -> None:
    """D05: neither ID token nor introspection has the claim without registration; with it both have."""
    ada = provider.person(risk="medium")
    for release_risk in (False, True):
        application = registered(
            provider, "by reference", release_risk=release_risk, id_token_at_refresh=True
        )
        client = sign_in(provider, ada, application)
        token = dict(client.token)
        introspected = client.introspect_token(f"{provider.issuer}/introspect", token["access_token"]).json()
        refreshed = client.refresh_token(f"{provider.issuer}/token")
        told = [id_token_claims(provider, answer["id_token"]) for answer in (token, refreshed)]
        for claims in (*told, introspected):
            assert claims.get("risk_level") == ("medium" if release_risk else None)


def id_token_claims(provider: Provider, token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, Issuer(provider.issuer).keys(), ["RS256"]).claims)


def test_an_application_cannot_introspect_what_is_not_its_own(provider: Provider) -> None:
    """O 7662 2.1: the permission is a scope that an administrator registers, and never for refresh tokens."""
    ada, application = provider.person(), registered(provider, "by reference")
    token = token_of(provider, ada, application)
    other = registered(provider, "by reference")
    issuer = Issuer(provider.issuer)
    assert issuer.introspect(token, other.client_id, other.client_secret or "") == {"active": False}
    asking = provider.application(grant_types=("client_credentials",), scope="idprotect:introspect")
    assert issuer.introspect(token, asking.client_id, asking.client_secret or "")["active"] is True
    with pytest.raises(IssuerUnavailable):
        issuer.introspect(token, asking.client_id, "wrong")


def test_refresh_and_id_tokens_are_no_access_tokens(provider: Provider) -> None:
    """O 9068 section 5: what is signed by the same key for another purpose opens nothing."""
    ada, application = provider.person(), registered(provider, "by reference")
    token = sign_in(provider, ada, application).token
    for kind in KINDS:
        for name in ("refresh_token", "id_token"):
            assert call(api(provider, kind), "/name", token[name])[:2] == (401, "invalid_token")


def test_an_api_that_knows_its_audience_takes_no_token_for_another(provider: Provider) -> None:
    """O 9068 section 4, RFC 8707: what somebody sent to another API opens nothing here, by reference either."""
    asking = provider.application(grant_types=("client_credentials",), scope="idprotect:introspect")
    secret = asking.client_secret or ""
    ours = Introspection(provider.issuer, asking.client_id, secret, audience=API)
    theirs = Introspection(provider.issuer, asking.client_id, secret, audience="https://other.example")
    token = token_of(provider, provider.person(), registered(provider, "JWT"))
    assert ours.introspect_token(token)["active"] is True
    assert theirs.introspect_token(token) == {"active": False}


@pytest.mark.parametrize(
    ("aud", "active"),
    [(API, True), (["https://other.example", API], True), ([], False), (f"{API}/more", False)]
    + [(wrong, False) for wrong in (None, 5, {API: True}, [[API]])],
    ids=str,
)
def test_an_audience_is_one_or_several(aud: object, active: bool) -> None:
    """O 7662 2.2: a string or an array of strings; what is neither names nobody."""

    class Other(Issuer):
        def introspect(self, *_: object) -> dict[str, Any]:
            return {"active": True, "token_type": "Bearer", "aud": aud}

    validator = Introspection(Other("https://id.example"), "a", "b", audience=API)
    assert validator.introspect_token("x")["active"] is active


def test_an_issuer_that_does_not_answer_lets_nobody_in() -> None:
    """Unknown is not safe: 503, and no view."""
    for validator in (
        Introspection("http://127.0.0.1:1", "a", "b"),
        JwtAccessTokens("http://127.0.0.1:1", API),
    ):
        app = Flask("api")
        app.add_url_rule("/", view_func=ResourceServer(validator)("openid")(lambda: "in"))
        token = jwt.encode({"alg": "RS256", "typ": "at+jwt"}, {"sub": "x"}, RSAKey.generate_key(2048))
        assert app.test_client().get("/", headers={"Authorization": f"Bearer {token}"}).status_code == 503


@pytest.mark.parametrize("changed", ["key", "aud", "iss", "exp", "typ", "alg", "cnf"])
def test_a_token_that_is_not_ours_opens_nothing(provider: Provider, changed: str) -> None:
    """O 9068 section 4: signature, audience, issuer, expiry and type are looked at; a token bound to a key is no bearer's."""
    ada = provider.person()
    good = token_of(provider, ada, registered(provider, "JWT"))
    with provider.arranging():
        key = runtime().keys.signing_key()
    claims = id_token_claims(provider, good)
    header = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid}
    client = api(provider, "JWT")

    def status() -> int:
        return call(client, "/name", jwt.encode(header, claims, key, ["RS256", "HS256"]))[0]

    assert status() == 200, "the yardstick"
    if changed == "key":
        key = RSAKey.generate_key(2048)
    elif changed == "alg":
        good = jwt.encode({"alg": "none"}, claims, key, ["none"])
        assert call(client, "/name", good)[0] == 401
        return
    elif changed == "typ":
        del header["typ"]
    elif changed == "cnf":
        claims["cnf"] = {"jkt": "a key that nobody proves to hold"}
    else:
        claims[changed] = {"aud": "https://other.example", "iss": "https://other.example", "exp": 1}[changed]
    assert status() == 401


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=200))
def test_no_text_breaks_an_api(text: str) -> None:
    """Bad input gets a clear error; nothing of it reaches a key."""
    app = Flask("api")
    app.add_url_rule(
        "/", view_func=ResourceServer(JwtAccessTokens("http://127.0.0.1:1", API))()(lambda: "in")
    )
    answer = app.test_client().get("/", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401


@given(st.sampled_from(LADDER), st.sampled_from(LADDER), st.text(max_size=5))
def test_a_higher_context_includes_the_lower(one: str, other: str, strange: str) -> None:
    """C007: the ladder is an order, and what is not on it is equal to itself alone."""
    assert reaches(one, other) or reaches(other, one)
    assert reaches(strange, strange)
    assert reaches(strange, one) is (strange in LADDER and reaches(strange, one))
    assert not reaches(None, one)


def test_what_applications_import_comes_without_the_server() -> None:
    """C010, D06: no database, no forms, no settings in an API's process."""
    program = (
        "import json, sys\n"
        "import idprotect.resource_server, idprotect.issuer\n"
        "print(json.dumps([m for m in sys.modules if m.split('.')[0] in ('sqlalchemy', 'flask_admin', 'wtforms')"
        " or m in ('idprotect.models', 'idprotect.app')]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
