"""Access tokens for one of several resource servers, which a request names (RFC 8707)."""

from dataclasses import replace
from urllib.parse import urlencode

import pytest
from joserfc import jwt

from idprotect import clients
from idprotect.registration import DEVICE_CODE, Registration
from tests.oidc.server import Application, Person, Server, error_of
from tests.oidc.test_client_credentials import service
from tests.oidc.test_device import switch_on, television, type_code

API, LEDGER, MAIL = "https://api.example", "https://ledger.example/v2", "urn:example:mail"


@pytest.fixture
def reader(server: Server) -> Application:
    """An application whose access tokens are JWTs, for one of three."""
    return server.application(access_token_audience=API, resources=(LEDGER, MAIL))


def audience_of(application: Application, token: str) -> str:
    """Return for whom an access token is, which introspection says, too."""
    said = str(application.introspect(token)["aud"])
    if "." in token:
        assert jwt.decode(token, application.server.keys(), ["RS256"]).claims["aud"] == said
    return said


def test_a_request_names_whom_the_token_is_for(reader: Application, signed_in: Person) -> None:
    """C004, O 8707 2.1: the registered one, unless another is named; at every later refresh, too."""
    assert audience_of(reader, reader.tokens(signed_in)["access_token"]) == API
    tokens = reader.tokens(signed_in, resource=LEDGER)
    assert audience_of(reader, tokens["access_token"]) == LEDGER
    refreshed = reader.refresh(tokens["refresh_token"]).get_json()
    assert audience_of(reader, refreshed["access_token"]) == LEDGER


def test_each_token_of_a_grant_is_for_the_one_that_its_request_names(
    reader: Application, signed_in: Person
) -> None:
    """O 8707 2.2: nothing was named at the authorize endpoint, so each token request may."""
    tokens = reader.redeem(reader.code(signed_in), resource=MAIL).get_json()
    assert audience_of(reader, tokens["access_token"]) == MAIL
    for resource in (LEDGER, API, MAIL):
        tokens = reader.refresh(tokens["refresh_token"], resource=resource).get_json()
        assert audience_of(reader, tokens["access_token"]) == resource
    tokens = reader.refresh(tokens["refresh_token"]).get_json()
    assert audience_of(reader, tokens["access_token"]) == API


def test_a_token_by_reference_is_for_it_too(server: Server, signed_in: Person) -> None:
    """C002, O 7662 2.2: introspection tells whom it is for."""
    application = server.application(resources=(LEDGER,))
    assert audience_of(application, application.tokens(signed_in)["access_token"]) == application.id
    token = application.tokens(signed_in, resource=LEDGER)["access_token"]
    assert "." not in token
    assert audience_of(application, token) == LEDGER


def test_a_grant_is_not_widened(reader: Application, signed_in: Person) -> None:
    """O 8707 2.2: code and refresh token are good for what was named first, and not used up by asking for more."""
    code = reader.code(signed_in, resource=LEDGER)
    assert error_of(reader.redeem(code, resource=API)) == (400, "invalid_target")
    tokens = reader.redeem(code, resource=LEDGER).get_json()
    assert error_of(reader.refresh(tokens["refresh_token"], resource=MAIL)) == (400, "invalid_target")
    assert reader.refresh(tokens["refresh_token"], resource=LEDGER).status_code == 200


@pytest.mark.parametrize(
    "resource",
    ["https://evil.example", API + "/", API.upper(), f"{API} {LEDGER}", f"{API}#", "api", "[]", " ", "%00"],
)
def test_what_is_not_registered_is_refused_everywhere(
    server: Server, signed_in: Person, resource: str
) -> None:
    """O 8707 2: invalid_target, redirected only where client and redirect URI were validated."""
    grants = ("authorization_code", "refresh_token", DEVICE_CODE)
    reader = server.application(access_token_audience=API, resources=(LEDGER,), grant_types=grants)
    assert reader.ask(signed_in, resource=resource)["error"] == "invalid_target"
    pushed = reader.post("/par", **reader.request(resource=resource))
    assert error_of(pushed) == (400, "invalid_target")
    device = reader.post("/device-authorization", scope="openid", resource=resource)
    assert error_of(device) == (400, "invalid_target")
    code = reader.code(signed_in)
    assert error_of(reader.redeem(code, resource=resource)) == (400, "invalid_target")
    tokens = reader.redeem(code).get_json()
    assert error_of(reader.refresh(tokens["refresh_token"], resource=resource)) == (400, "invalid_target")
    siem = service(server, resources=(LEDGER,))
    asked = siem.post(
        "/token", grant_type="client_credentials", scope="idprotect:findings", resource=resource
    )
    assert error_of(asked) == (400, "invalid_target")


def test_a_pushed_request_names_it(reader: Application, signed_in: Person) -> None:
    """C011, O 9126: as the authorize endpoint would take it."""
    reference = reader.post("/par", **reader.request(resource=LEDGER)).get_json()["request_uri"]
    query = urlencode({"client_id": reader.id, "request_uri": reference})
    answer = signed_in.go(f"/authorize?{query}").answer
    token = reader.redeem(answer["code"]).get_json()["access_token"]
    assert audience_of(reader, token) == LEDGER


def test_a_device_names_it(server: Server, signed_in: Person) -> None:
    """C013: its tokens are for what it named when it asked for codes, and for nothing else."""
    options = {"resources": (LEDGER, MAIL), "token_endpoint_auth_method": "client_secret_basic"}
    device = switch_on(television(server, **options), resource=LEDGER)
    type_code(signed_in, device).submit(button="allow")
    assert error_of(device.poll(resource=MAIL)) == (400, "invalid_target")
    token = device.poll().get_json()["access_token"]
    assert audience_of(device.application, token) == LEDGER


def test_what_is_taken_away_ends_what_was_issued(
    server: Server, reader: Application, signed_in: Person
) -> None:
    """A 8.3.2: tokens rest on the registration of their audience."""
    tokens = reader.tokens(signed_in, resource=LEDGER)
    server.clock.move(seconds=1)
    with server.arranging():
        client = reader.row()
        clients.change(client, replace(clients.registration_of(client), resources=(MAIL,)), "admin")
    assert reader.introspect(tokens["access_token"]) == {"active": False}
    assert error_of(reader.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "api",
        "https://api.example#x",
        "https://a b",
        "https://é.example",
        '"',
        "://",
        "x" * 9 + ":" + "y" * 255,
    ],
)
def test_a_resource_is_an_absolute_uri(uri: str) -> None:
    """O 8707 2: without fragment, and no longer than is stored."""
    registration = Registration(
        client_name="A", redirect_uris=("https://app.example/cb",), resources=(API, uri)
    )
    assert [problem.field for problem in registration.problems()] == ["resources"]
