"""Applications that register themselves (RFC 7591, 7592): only with a token, only where it is switched on."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from idprotect import clients
from idprotect.errors import InteractionError
from idprotect.oidc import initial_access
from tests.oidc.conftest import POLICIES
from tests.oidc.server import CALLBACK, FOREIGN, Application, Person, Server, error_of, running
from tests.oidc.server import Server as AnyServer
from tests.oidc.signing import KEY, assertion, public
from tests.oidc.test_private_key_jwt import JSON, Shelf, kept
from tests.support.world import USER_RISK_POLICY

__all__ = ["kept"]

METADATA = {"client_name": "Self-made", "redirect_uris": [CALLBACK]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Server]:
    """A server on which applications may register themselves."""
    options = {"IDPROTECT_DYNAMIC_REGISTRATION": True, "IDPROTECT_CLIENT_SECRET_FAILURES_PER_ADDRESS": 10**6}
    with running(tmp_path_factory.mktemp("dynamic"), keys, **options) as server:
        server.apply(USER_RISK_POLICY, POLICIES)
        yield server


def token(server: Server, **options: Any) -> str:
    """Mint an initial access token."""
    with server.arranging():
        return initial_access.mint("test", **options)[1]


def register(server: Server, metadata: Any, initial: str | None = None, **options: Any) -> TestResponse:
    """Ask for a registration."""
    headers = {"Authorization": f"Bearer {initial or token(server)}"}
    body = metadata if isinstance(metadata, str) else json.dumps(metadata)
    given = {"content_type": "application/json", **options}
    return server.send("POST", "/register", body, headers, **given)


def manage(server: Server, told: dict[str, Any], method: str, document: Any = None) -> TestResponse:
    """Look after a registration."""
    headers = {"Authorization": f"Bearer {told['registration_access_token']}"}
    path = told["registration_client_uri"].removeprefix("https://id.example")
    body = json.dumps(document) if document is not None else None
    return server.send(method, path, body, headers, content_type="application/json")


def made(server: Server, **metadata: Any) -> tuple[dict[str, Any], Application]:
    """Register an application; return what it was told, and it."""
    answer = register(server, {**METADATA, **metadata})
    assert answer.status_code == 201, answer.text
    told = dict(answer.get_json())
    method = told["token_endpoint_auth_method"]
    return told, Application(
        server, told["client_id"], told.get("client_secret", ""), method, told["redirect_uris"][0]
    )


def test_an_application_registers_itself_and_signs_people_in(server: Server, person: Person) -> None:
    """C015, O 7591 3.2.1, OIDC Registration 3.2: everything it needs is in the answer; its users are asked."""
    told, application = made(server, scope="openid profile", unknown="member")
    assert told["client_secret_expires_at"] == 0
    assert len(told["client_secret"]) >= 43
    assert told["redirect_uris"] == [CALLBACK]
    assert told["response_types"] == ["code"]
    assert told["grant_types"] == ["authorization_code"]
    assert told["token_endpoint_auth_method"] == "client_secret_basic"
    assert told["id_token_signed_response_alg"] == "RS256"
    assert "unknown" not in told
    person.go(application.url(scope="openid profile")).sign_in()
    assert person.step == "consent"
    person.submit(button="allow")
    assert application.redeem(person.answer["code"]).status_code == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {"token_endpoint_auth_method": "none"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": public(KEY)},
    ],
    ids=["none", "post", "signing"],
)
def test_each_way_of_authentication(server: Server, metadata: dict[str, Any]) -> None:
    """O 7591 2: a secret for whoever needs one, and for nobody else."""
    told, application = made(server, **metadata)
    assert ("client_secret" in told) == (metadata["token_endpoint_auth_method"] == "client_secret_post")
    answer = application.post("/token", grant_type="refresh_token", refresh_token="x")
    assert error_of(answer) in ((400, "invalid_grant"), (400, "unauthorized_client"))


REFUSED: dict[str, tuple[Any, str]] = {
    "no redirect URI": ({"redirect_uris": []}, "invalid_redirect_uri"),
    "http": ({"redirect_uris": ["http://app.example/cb"]}, "invalid_redirect_uri"),
    "fragment": ({"redirect_uris": [CALLBACK + "#x"]}, "invalid_redirect_uri"),
    "script": ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    "quote": ({"redirect_uris": ['https://a.example/"\\x']}, "invalid_redirect_uri"),
    "wrong type": ({"redirect_uris": CALLBACK}, "invalid_redirect_uri"),
    "password grant": ({"grant_types": ["password"]}, "invalid_client_metadata"),
    "implicit": ({"response_types": ["id_token"]}, "invalid_client_metadata"),
    "hybrid": ({"response_types": ["code", "code id_token"]}, "invalid_client_metadata"),
    "without a user": ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
    "our interfaces": ({"scope": "openid idprotect:findings"}, "invalid_client_metadata"),
    "unsigned ID tokens": ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
    "shared key": ({"id_token_signed_response_alg": "HS256"}, "invalid_client_metadata"),
    "unknown method": ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
    "signing without a key": ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    "two sources of keys": (
        {"jwks": public(KEY), "jwks_uri": "https://a.example/k"},
        "invalid_client_metadata",
    ),
    "private key": ({"jwks": {"keys": [KEY.as_dict(private=True)]}}, "invalid_client_metadata"),
    "number for a name": ({"client_name": 5}, "invalid_client_metadata"),
    "text for a truth": ({"require_signed_request_object": "yes"}, "invalid_client_metadata"),
    "NUL": ({"client_name": "a\0b"}, "invalid_client_metadata"),
    "half a character": ({"client_name": "\ud800"}, "invalid_client_metadata"),
    "half a key": (
        {"jwks": {"keys": [{"kty": "RSA", "n": "\ud800", "e": "AQAB"}]}},
        "invalid_client_metadata",
    ),
    "script as terms": ({"tos_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
    "unreachable sector": ({"sector_identifier_uri": "https://sector.invalid/x"}, "invalid_client_metadata"),
    "a list": ([], "invalid_client_metadata"),
    "nothing": (None, "invalid_client_metadata"),
    "no JSON": ("{", "invalid_client_metadata"),
    "deep": ("[" * 30_000, "invalid_client_metadata"),
}


@pytest.mark.parametrize(("metadata", "error"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_accepted_is_told(server: Server, metadata: Any, error: str) -> None:
    """O 7591 3.2.2: with the RFC's error; nothing is stored, and the token is still good."""
    initial = token(server)
    whole = {**METADATA, **metadata} if isinstance(metadata, dict) else metadata
    answer = register(server, whole, initial)
    assert error_of(answer) == (400, error), answer.text
    assert register(server, METADATA, initial).status_code == 201


def test_nobody_asks_which_names_there_are_inside(server: Server, kept: Shelf) -> None:
    """SR6 server-side fetches: whoever registers hears one sentence, whatever went wrong; an operator hears what."""
    port, told = kept.url.rpartition(":")[2], set()
    for uri in ("https://sector.invalid/x", "https://10.0.0.1/x", f"https://127.0.0.1:{port}", kept.url):
        kept.status = 404
        answer = register(server, {**METADATA, "sector_identifier_uri": uri})
        assert error_of(answer) == (400, "invalid_client_metadata")
        told.add(answer.get_json()["error_description"])
    assert told == {"sector_identifier_uri: it cannot be fetched"}
    with pytest.raises(InteractionError, match=r"it cannot be fetched \(the answer was 404\)"):
        server.application(sector_identifier_uri=kept.url)


def test_nobody_makes_himself_trusted(server: Server, person: Person) -> None:
    """A 10.7: what administrators alone decide is not read."""
    told, application = made(
        server,
        first_party=True,
        release_risk=True,
        pkce="optional",
        access_token_audience="https://api.example",
        resources=["https://api.example"],
    )
    with server.arranging():
        row = application.row()
        assert (row.first_party, row.release_risk, row.pkce) == (False, False, "required")
        assert (row.access_token_audience, row.resources) == (None, [])
    assert not {"first_party", "pkce", "access_token_audience", "resources"} & told.keys()


def test_pkce_is_what_the_token_says_but_never_optional_for_public_clients(server: Server) -> None:
    """The Dynamic plan sends no PKCE: an operator may mint a token for that."""
    for method, pkce in (("client_secret_basic", "optional"), ("none", "required")):
        metadata = {**METADATA, "token_endpoint_auth_method": method}
        told = register(server, metadata, token(server, pkce="optional")).get_json()
        with server.arranging():
            assert Application(server, told["client_id"], "", method, "").row().pkce == pkce


def test_a_token_registers_as_often_as_it_says(server: Server) -> None:
    """O 7591 3: single or limited use, an end, and revocation; whoever has none gets nothing."""
    twice = token(server, uses=2)
    assert [register(server, METADATA, twice).status_code for _ in range(3)] == [201, 201, 401]
    short = token(server)
    server.clock.move(days=1, seconds=1)
    assert error_of(register(server, METADATA, short)) == (401, "invalid_token")
    assert error_of(register(server, METADATA, "made up")) == (401, "invalid_token")
    bare = server.send("POST", "/register", json.dumps(METADATA), content_type="application/json")
    assert error_of(bare) == (401, "invalid_token")
    assert bare.headers["WWW-Authenticate"].startswith("Bearer ")


def test_tokens_are_minted_and_revoked_by_command(server: Server) -> None:
    """C015: an operator decides who registers; values are shown once, and stored as hashes."""
    shown = json.loads(server.cli("initial-access", "create", "--uses", "3", "--days", "2", "--json").output)
    assert register(server, METADATA, shown["initial_access_token"]).status_code == 201
    listed = json.loads(server.cli("initial-access", "list", "--json").output)
    assert [row["uses_left"] for row in listed if row["id"] == shown["id"]] == [2]
    assert shown["initial_access_token"] not in json.dumps(listed)
    assert server.cli("initial-access", "revoke", shown["id"]).exit_code == 0
    assert error_of(register(server, METADATA, shown["initial_access_token"])) == (401, "invalid_token")
    assert server.cli("initial-access", "revoke", "nobody").exit_code == 1
    with server.arranging(), pytest.raises(InteractionError):
        initial_access.mint("test", uses=10_000)


def test_an_application_reads_its_registration(server: Server) -> None:
    """O 7592 2.1: without the secret, of which we know a hash alone."""
    told, _ = made(server, client_uri="https://app.example/")
    answer = manage(server, told, "GET")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.get_json() == {name: value for name, value in told.items() if name != "client_secret"}


@pytest.mark.parametrize("change", ["made first party", "scope taken", "secret rotated", "disabled"])
def test_whoever_else_changes_a_registration_looks_after_it_from_then_on(server: Server, change: str) -> None:
    """A 10.7: trust that an administrator gave does not come with redirect URIs that the client chose later."""
    told, application = made(server, scope="openid email")
    with server.arranging():
        row = application.row()
        before = clients.registration_of(row)
        if change == "made first party":
            clients.change(row, replace(before, first_party=True), "eve")
        elif change == "scope taken":
            clients.change(row, replace(before, scope="openid"), "eve")
        elif change == "secret rotated":
            clients.rotate_secret(row, "eve")
        else:
            clients.set_enabled(row, False, "eve")
            clients.set_enabled(row, True, "eve")
    document = {"client_id": told["client_id"], "redirect_uris": ["https://attacker.example/cb"]}
    assert manage(server, told, "PUT", document).status_code == 401
    assert manage(server, told, "GET").status_code == 401
    with server.arranging():
        assert application.row().redirect_uris == [CALLBACK]


def test_an_application_replaces_its_registration(server: Server, signed_in: Person) -> None:
    """O 7592 2.2: what is left out has its default again; the secret stays; a URI that is gone is refused."""
    told, application = made(server, client_uri="https://app.example/")
    new = "https://app.example/new"
    document = {"client_id": told["client_id"], "client_name": "New", "redirect_uris": [new]}
    answer = manage(server, told, "PUT", {**document, "client_secret": told["client_secret"]})
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["redirect_uris"] == [new]
    assert "client_uri" not in answer.get_json()
    assert "client_secret" not in answer.get_json()
    assert signed_in.go(application.url()).page.status_code == 400
    application.redirect_uri = new
    signed_in.go(application.url()).submit(button="allow")
    assert application.redeem(signed_in.answer["code"]).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "other"}, "invalid_request"),
        ({"client_id": None}, "invalid_request"),
        ({"client_secret": "wrong"}, "invalid_request"),
        ({"client_secret": 5}, "invalid_request"),
        ({"registration_access_token": "x"}, "invalid_request"),
        ({"registration_client_uri": "x"}, "invalid_request"),
        ({"client_secret_expires_at": 0}, "invalid_request"),
        ({"client_id_issued_at": 0}, "invalid_request"),
        ({"redirect_uris": ["http://app.example/"]}, "invalid_redirect_uri"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
    ],
    ids=str,
)
def test_an_update_that_is_refused_changes_nothing(
    server: Server, changes: dict[str, Any], error: str
) -> None:
    """O 7592 2.2."""
    told, _ = made(server)
    before = manage(server, told, "GET").get_json()
    answer = manage(server, told, "PUT", {"client_id": told["client_id"], **METADATA, **changes})
    assert error_of(answer) == (400, error)
    assert manage(server, told, "GET").get_json() == before


def test_an_application_takes_its_registration_back(server: Server, signed_in: Person) -> None:
    """O 7592 2.3: with everything that it holds."""
    told, application = made(server, grant_types=["authorization_code", "refresh_token"])
    signed_in.go(application.url()).submit(button="allow")
    tokens = application.redeem(signed_in.answer["code"]).get_json()
    assert application.userinfo(tokens["access_token"]).status_code == 200
    answer = manage(server, told, "DELETE")
    assert (answer.status_code, answer.text) == (204, "")
    assert application.userinfo(tokens["access_token"]).status_code == 401
    assert error_of(application.refresh(tokens["refresh_token"])) == (401, "invalid_client")
    for method in ("GET", "PUT", "DELETE"):
        assert error_of(manage(server, told, method, METADATA)) == (401, "invalid_token")


def test_a_registration_access_token_is_for_one_application(server: Server) -> None:
    """O 7592 3: neither another's, nor the initial one, nor an administrator's client."""
    told, _ = made(server)
    other, _ = made(server)
    mixed = {**told, "registration_client_uri": other["registration_client_uri"]}
    ordinary = {**told, "registration_client_uri": f"/register/{server.application().id}"}
    unknown = {**told, "registration_client_uri": "/register/nobody"}
    wrong = {**told, "registration_access_token": token(server)}
    for claim in (mixed, ordinary, unknown, wrong, {**told, "registration_access_token": ""}):
        for method in ("GET", "PUT", "DELETE"):
            assert error_of(manage(server, claim, method, METADATA)) == (401, "invalid_token")
    assert manage(server, other, "GET").status_code == 200


def test_the_keys_of_a_registered_application_are_fetched(server: Server, kept: Shelf) -> None:
    """OIDCCRegistrationJwksUri: by the guard against calling our own network."""
    told, application = made(server, token_endpoint_auth_method="private_key_jwt", jwks_uri=kept.url)
    answer = server.send("POST", "/introspect", {"token": "x", **assertion(application)})
    assert answer.get_json() == {"active": False}
    assert kept.asked == 1


def test_registration_is_announced_where_it_is_on(server: Server) -> None:
    """Truthful discovery."""
    for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
        assert server.send("GET", path).get_json()["registration_endpoint"] == "https://id.example/register"


@given(
    name=st.sampled_from(sorted({*METADATA, "jwks", "scope", "grant_types", "response_types", "tos_uri"})),
    value=JSON,
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_metadata_is_answered(server: AnyServer, name: str, value: Any) -> None:
    """Section 9: whatever comes, no error of ours."""
    assert register(server, {**METADATA, name: value}).status_code in (201, 400)


class TestSwitchedOff:
    """SR6: off by default."""

    @pytest.fixture(scope="class")
    def off(self, tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Server]:
        """A server as it comes."""
        with running(tmp_path_factory.mktemp("off"), keys) as server:
            yield server

    def test_there_is_nothing(self, off: Server) -> None:
        """Not even for a token that is good."""
        assert register(off, METADATA).status_code == 404
        assert off.send("GET", "/register/x").status_code == 404
        assert "registration_endpoint" not in off.send("GET", "/.well-known/openid-configuration").get_json()


def test_nothing_goes_to_a_uri_that_an_application_did_not_register(
    server: Server, signed_in: Person
) -> None:
    """SR6 no redirect before validation."""
    _, application = made(server)
    assert signed_in.go(application.url(redirect_uri=FOREIGN)).page.status_code == 400
