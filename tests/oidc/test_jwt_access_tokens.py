"""Access tokens that a resource server reads itself (RFC 9068); at our own endpoints they are worth what any token is."""

from dataclasses import replace
from typing import Any

import pytest
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc import jws, jwt

from idprotect import clients
from tests.oidc.server import Application, Person, Server, error_of
from tests.oidc.test_client_credentials import service, token_of

API = "https://api.example"
ISSUER = "https://id.example"


@pytest.fixture
def reader(server: Server) -> Application:
    """An application whose access tokens are for a resource server."""
    return server.application(access_token_audience=API)


class ResourceServer(JWTBearerTokenValidator):  # type: ignore[misc]
    """Authlib's own reading of RFC 9068."""

    def __init__(self, server: Server, name: str = API) -> None:
        super().__init__(issuer=ISSUER, resource_server=name)
        self._keys = server.keys()

    def get_jwks(self) -> Any:
        """Return the published keys."""
        return self._keys

    def accept(self, token: str) -> Any:
        """Return the claims of a token that is good."""
        claims = self.authenticate_token(token)
        self.validate_token(claims, ["openid"], None)
        return claims


def test_a_resource_server_reads_who_how_and_for_what(
    server: Server, reader: Application, signed_in: Person
) -> None:
    """C004, O 9068 2.2: checked by Authlib's validator; the type keeps it apart from all else that we sign."""
    value = reader.tokens(signed_in)["access_token"]
    claims = ResourceServer(server).accept(value)
    assert (claims["sub"], claims["client_id"], claims["aud"]) == (signed_in.user_id, reader.id, API)
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])
    assert claims["exp"] - claims["iat"] == 600
    assert claims["auth_time"] <= claims["iat"]
    assert claims["scope"] == "openid profile email offline_access"
    assert claims["jti"]
    header = jws.extract_compact(value.encode()).headers()
    assert (header["typ"], header["alg"]) == ("at+jwt", "RS256")


def test_another_resource_server_refuses_it(server: Server, reader: Application, signed_in: Person) -> None:
    """O 9068 4: audience restricted."""
    value = reader.tokens(signed_in)["access_token"]
    with pytest.raises(Exception, match="aud|invalid_token|expired"):
        ResourceServer(server, "https://other.example").accept(value)


def test_a_client_that_acts_for_itself_is_its_own_subject(server: Server) -> None:
    """O 9068 2.2: sub is the client; nobody signed in."""
    siem = service(server, access_token_audience=API)
    value = token_of(siem)
    claims = jwt.decode(value, server.keys(), ["RS256"]).claims
    assert claims["sub"] == claims["client_id"] == siem.id
    assert not {"acr", "amr", "auth_time"} & claims.keys()
    assert siem.introspect(value)["aud"] == API


def test_our_own_endpoints_know_it(reader: Application, signed_in: Person) -> None:
    """C002: userinfo, introspection and revocation."""
    value = reader.tokens(signed_in)["access_token"]
    assert reader.userinfo(value).get_json()["sub"] == signed_in.user_id
    told = reader.introspect(value)
    assert (told["active"], told["aud"], told["sub"]) == (True, API, signed_in.user_id)
    assert reader.post("/revoke", token=value).status_code == 200
    assert reader.introspect(value) == {"active": False}
    assert error_of(reader.userinfo(value)) == (401, "invalid_token")


@pytest.mark.parametrize("event", ["signed out", "disabled", "audience changed", "expired"])
def test_whatever_ends_a_token_ends_it_at_our_endpoints(
    server: Server, reader: Application, signed_in: Person, event: str
) -> None:
    """I2: a good signature does not outlive what it stands for."""
    value = reader.tokens(signed_in)["access_token"]
    if event == "signed out":
        signed_in.go("/sign-out").submit()
    elif event == "expired":
        server.clock.move(seconds=601)
    else:
        with server.arranging():
            row = reader.row()
            if event == "disabled":
                clients.set_enabled(row, False, "test")
                clients.set_enabled(row, True, "test")
            else:
                registered = clients.registration_of(row)
                clients.change(row, replace(registered, access_token_audience="https://new.example"), "test")
    assert reader.introspect(value) == {"active": False}
    assert error_of(reader.userinfo(value)) == (401, "invalid_token")


def test_a_refreshed_token_is_of_the_same_kind(
    server: Server, reader: Application, signed_in: Person
) -> None:
    """C003: with the time of the sign-in, not of the refresh."""
    tokens = reader.tokens(signed_in)
    first = ResourceServer(server).accept(tokens["access_token"])
    server.clock.move(seconds=30)
    fresh = reader.refresh(tokens["refresh_token"], scope="openid").get_json()["access_token"]
    second = ResourceServer(server).accept(fresh)
    assert second["auth_time"] == first["auth_time"]
    assert second["jti"] != first["jti"]
    assert second["scope"] == "openid"


def test_it_passes_for_nothing_else(reader: Application, signed_in: Person) -> None:
    """A 9.2: neither a hint nor, the other way round, an ID token as an access token."""
    tokens = reader.tokens(signed_in)
    answer = signed_in.server.send("GET", f"/end-session?id_token_hint={tokens['access_token']}")
    assert answer.status_code == 400
    assert error_of(reader.userinfo(tokens["id_token"])) == (401, "invalid_token")
    head, payload, signature = tokens["access_token"].split(".")
    forged = f"{head}.{payload}.{signature[:-4]}AAAA"
    assert error_of(reader.userinfo(forged)) == (401, "invalid_token")


def test_tokens_are_by_reference_unless_registered_otherwise(
    application: Application, signed_in: Person
) -> None:
    """SR6 reference tokens by default."""
    assert "." not in application.tokens(signed_in)["access_token"]
