"""Single-page applications: which scripts of other origins may read answers (the Fetch standard's CORS protocol)."""

import pytest
from werkzeug.test import TestResponse

from idprotect.errors import EvaluationError
from idprotect.web import cross_origin, tokens
from tests.oidc.server import VERIFIER, Application, Person, Server

ORIGIN = "https://spa.example"
ENDPOINTS = ["/token", "/par", "/revoke", "/userinfo"]


@pytest.fixture
def single_page(server: Server) -> Application:
    """A public client whose pages are at an origin of their own."""
    return server.application(public=True, redirect_uris=(f"{ORIGIN}/callback",))


def said(response: TestResponse) -> dict[str, str]:
    """Return what an answer says about other origins."""
    return {name: value for name, value in response.headers if name.startswith("Access-Control")}


def ask(server: Server, path: str, origin: str, method: str = "OPTIONS") -> dict[str, str]:
    """Return what is said to a script of an origin before it asks, or when it does."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    response = server.send(method, path, headers=headers)
    assert "Origin" in response.headers["Vary"]
    return said(response)


def test_a_single_page_application_redeems_its_code_and_asks_for_claims(
    single_page: Application, signed_in: Person
) -> None:
    """C001, C107: the whole way from its own origin, as a browser lets it: preflight, answer, no cookie."""
    form = {
        "grant_type": "authorization_code",
        "client_id": single_page.id,
        "code": single_page.code(signed_in),
        "redirect_uri": single_page.redirect_uri,
        "code_verifier": VERIFIER,
    }
    answer = single_page.server.send("POST", "/token", form, {"Origin": ORIGIN})
    assert answer.status_code == 200
    assert said(answer)["Access-Control-Allow-Origin"] == ORIGIN
    assert "Set-Cookie" not in answer.headers
    assert (
        "authorization"
        in ask(single_page.server, "/userinfo", ORIGIN)["Access-Control-Allow-Headers"].lower()
    )
    headers = {"Origin": ORIGIN, "Authorization": f"Bearer {answer.get_json()['access_token']}"}
    claims = single_page.server.send("GET", "/userinfo", headers=headers)
    assert claims.status_code == 200
    assert said(claims)["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize("path", ENDPOINTS)
def test_its_errors_can_be_read_too_and_no_cookie_ever_counts(single_page: Application, path: str) -> None:
    for method in ("OPTIONS", "POST"):
        allowed = ask(single_page.server, path, ORIGIN, method)
        assert allowed["Access-Control-Allow-Origin"] == ORIGIN
        assert "Access-Control-Allow-Credentials" not in allowed


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://spa.example",
        "https://spa.example:8443",
        "https://spa.exampl",
        "https://pa.example",
        "https://spa.example.evil.example",
        "https://spa.example/callback",
        "https://spa%",
        "null",
        "*",
        "",
    ],
)
@pytest.mark.parametrize("path", ENDPOINTS)
def test_scripts_of_nobody_we_know_read_nothing(single_page: Application, path: str, origin: str) -> None:
    """Section 6: an origin is compared whole."""
    assert ask(single_page.server, path, origin) == {}
    assert ask(single_page.server, path, origin, "POST") == {}


def test_what_keeps_a_secret_is_no_script(server: Server) -> None:
    """Section 6: only public clients run in browsers."""
    server.application(redirect_uris=("https://server.example/callback",))
    assert ask(server, "/token", "https://server.example") == {}


def test_what_is_broken_is_not_asked_again(single_page: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 11: whoever is turned away for our fault gets the same answer with an origin as without one."""

    def fall(*_: object, **__: object) -> None:
        raise EvaluationError("no database")

    monkeypatch.setattr(tokens.protocol, "read", fall)
    monkeypatch.setattr(cross_origin, "run", fall)
    plain = single_page.server.send("POST", "/token")
    named = single_page.server.send("POST", "/token", headers={"Origin": ORIGIN})
    assert plain.status_code == named.status_code == 503
    assert plain.headers["Retry-After"] == named.headers["Retry-After"]


def test_a_disabled_application_reads_nothing(server: Server) -> None:
    origin = "https://retired.example"
    application = server.application(public=True, redirect_uris=(f"{origin}/callback",))
    assert ask(server, "/token", origin) != {}
    with server.arranging():
        application.row().enabled = False
    assert ask(server, "/token", origin) == {}


@pytest.mark.parametrize(
    "path", ["/introspect", "/device-authorization", "/authorize", "/account", "/sign-in", "/register"]
)
def test_pages_and_what_servers_ask_answer_no_script_at_all(single_page: Application, path: str) -> None:
    """Section 6, no CORS on interactive endpoints (A 3.4.2, B 2.6)."""
    for method in ("GET", "POST", "OPTIONS"):
        assert said(single_page.server.send(method, path, headers={"Origin": ORIGIN})) == {}
