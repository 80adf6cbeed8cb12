"""By what applications know people, and how what they are told is signed (OIDC Core sections 8 and 2)."""

import json
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jws, jwt

from idprotect import clients
from idprotect.registration import RegistrationError
from tests.oidc.server import CALLBACK, Application, Person, Server
from tests.oidc.test_private_key_jwt import Shelf, kept

__all__ = ["kept"]

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]


def pairwise(server: Server, host: str, **options: Any) -> Application:
    """Register an application that knows people by subjects of its own."""
    given = {"redirect_uris": (f"https://{host}/cb",), "subject_type": "pairwise", **options}
    return server.application(**given)


def subject(application: Application, person: Person) -> str:
    """Return by what an application knows a person."""
    return str(application.claims(application.tokens(person)["id_token"])["sub"])


def test_sectors_cannot_compare_what_they_know(server: Server, signed_in: Person) -> None:
    """OIDC Core 8.1: opaque, the same at one sector and for ever, another at the next, no user id."""
    one, same, other = (pairwise(server, host) for host in ("a.example", "a.example", "b.example"))
    first = subject(one, signed_in)
    assert subject(one, signed_in) == subject(same, signed_in) == first
    assert subject(other, signed_in) != first
    assert signed_in.user_id not in (first, subject(other, signed_in))
    somebody = server.person().sign_in()
    assert subject(one, somebody) != first
    assert subject(server.application(), signed_in) == signed_in.user_id


def test_everything_that_an_application_is_told_has_the_one_subject(
    server: Server, signed_in: Person
) -> None:
    """OIDC Core 5.3.2 and 8: ID token, userinfo, introspection, JWT access token; no name beside it."""
    application = pairwise(server, "a.example", access_token_audience="https://api.example")
    tokens = application.tokens(signed_in, scope="openid offline_access")
    known = application.claims(tokens["id_token"])["sub"]
    assert application.userinfo(tokens["access_token"]).get_json() == {"sub": known}
    told = application.introspect(tokens["access_token"])
    assert told["sub"] == known
    assert "username" not in told
    assert application.introspect(tokens["refresh_token"])["sub"] == known
    assert jwt.decode(tokens["access_token"], server.keys(), ["RS256"]).claims["sub"] == known
    assert signed_in.user_id not in json.dumps(told)


def test_a_pairwise_subject_comes_back_as_a_hint(server: Server, signed_in: Person) -> None:
    """OIDC Core 3.1.2.1 and 5.5.1: it means the person, also as a claim; of another sector it means nobody."""
    application, other = pairwise(server, "a.example"), pairwise(server, "b.example")
    hint = application.tokens(signed_in)["id_token"]
    known = application.claims(hint)["sub"]
    named = json.dumps({"id_token": {"sub": {"value": known}}})
    assert "code" in application.ask(signed_in, prompt="none", id_token_hint=hint)
    assert "code" in application.ask(signed_in, prompt="none", claims=named)
    assert "code" in other.ask(signed_in, prompt="none", id_token_hint=hint)
    assert other.ask(signed_in, prompt="none", claims=named)["error"] == "login_required"
    raw = json.dumps({"id_token": {"sub": {"value": signed_in.user_id}}})
    assert application.ask(signed_in, prompt="none", claims=raw)["error"] == "login_required"
    somebody = server.person().sign_in()
    assert application.ask(somebody, prompt="none", id_token_hint=hint)["error"] == "login_required"


def test_signing_out_with_a_pairwise_hint(server: Server, signed_in: Person) -> None:
    """C005: an own hint signs out at once."""
    hint = pairwise(server, "a.example").tokens(signed_in)["id_token"]
    signed_in.go(f"/end-session?id_token_hint={hint}")
    assert signed_in.go("/account").step == "sign_in"


def test_a_sector_is_what_lists_its_redirect_uris(server: Server, kept: Shelf) -> None:
    """OIDC Registration 5: with a list, several hosts are one sector; it is asked again when they change."""
    uris = ["https://a.example/cb", "https://b.example/cb"]
    kept.body = json.dumps(uris).encode()
    application = server.application(sector_identifier_uri=kept.url, redirect_uris=tuple(uris))
    assert kept.asked == 1
    with server.arranging():
        row = application.row()
        registered = clients.registration_of(row)
        with pytest.raises(RegistrationError, match="list every"):
            clients.change(row, replace(registered, redirect_uris=(*uris, CALLBACK)), "test")
        clients.change(row, replace(registered, client_name="Other"), "test")
    assert kept.asked == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, ["https://other.example/cb"]),
        (200, {CALLBACK: True}),
        (200, CALLBACK),
        (200, None),
        (200, 5),
        (404, [CALLBACK]),
        (302, [CALLBACK]),
    ],
    ids=str,
)
def test_a_sector_that_does_not_know_the_application_is_refused(
    server: Server, kept: Shelf, status: int, body: Any
) -> None:
    """OIDC Registration 5: OIDCCRegistrationSectorBad."""
    kept.status, kept.body = status, json.dumps(body).encode()
    with pytest.raises(RegistrationError) as refused:
        server.application(sector_identifier_uri=kept.url)
    assert {problem.field for problem in refused.value.problems} == {"sector_identifier_uri"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_application_has_its_signature(server: Server, signed_in: Person, algorithm: str) -> None:
    """OIDC Registration 2: ID token with its at_hash, userinfo, refreshed ID token; the key is published."""
    application = server.application(
        id_token_signed_response_alg=algorithm,
        userinfo_signed_response_alg=algorithm,
        id_token_at_refresh=True,
    )
    tokens = application.tokens(signed_in)
    refreshed = application.refresh(tokens["refresh_token"]).get_json()
    said = application.userinfo(refreshed["access_token"])
    assert said.mimetype == "application/jwt"
    for value in (tokens["id_token"], refreshed["id_token"], said.text):
        header = jws.extract_compact(value.encode()).headers()
        assert header["alg"] == algorithm
        assert jwt.decode(value, server.keys(), [algorithm]).claims["aud"] == application.id
    discovered = server.send("GET", "/.well-known/openid-configuration").get_json()
    assert algorithm in discovered["id_token_signing_alg_values_supported"]
    assert algorithm in discovered["userinfo_signing_alg_values_supported"]
