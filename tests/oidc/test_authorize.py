"""The authorize endpoint: RFC 6749 sections 3.1 and 4.1, OIDC Core 3.1.2, RFC 9207, RFC 7636."""

import html
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from sqlalchemy import func, select

from idprotect import clients, consents, protection, users
from idprotect.models import AuthorizationCode, PendingAuthorization, SignIn, Token, session
from tests.oidc.server import (
    CALLBACK,
    CHALLENGE,
    FOREIGN,
    ISSUER,
    VERIFIER,
    Application,
    Person,
    Server,
    parameters_of,
    user_of,
)
from tests.support.world import PASSWORD

# A good request


def test_an_application_gets_a_code_with_state_and_issuer(application: Application, person: Person) -> None:
    """C001, O 9207: code, state and iss, each once, and nothing else, at the redirect URI."""
    person.go(application.url())
    assert person.step == "sign_in"
    person.sign_in()
    assert person.path.startswith(f"{CALLBACK}?")
    assert person.answer.keys() == {"code", "state", "iss"}
    assert person.answer["state"] == "a state"
    assert person.answer["iss"] == ISSUER


def test_a_code_is_unguessable_and_stored_as_a_hash(application: Application, person: Person) -> None:
    """SR6 codes: at least 128 bits, none of which stands in the database."""
    codes = {application.code(person) for _ in range(20)}
    assert len(codes) == 20
    assert all(len(code) >= 22 for code in codes)
    with application.server.arranging():
        rows = (
            session()
            .scalars(select(AuthorizationCode).where(AuthorizationCode.user_id == person.user_id))
            .all()
        )
        assert len(rows) == 20
        stored = "\n".join(str(vars(row)) for row in rows)
    assert not any(code in stored for code in codes)


def test_a_person_who_is_signed_in_is_not_asked(application: Application, signed_in: Person) -> None:
    """Single sign-on: one redirect, from the application and back to it."""
    response = signed_in.send("GET", application.url())
    assert response.status_code == 303
    assert parameters_of(response.location).keys() == {"code", "state", "iss"}
    assert response.headers["Cache-Control"] == "no-store"


def test_a_redirect_uri_with_a_query_keeps_it_to_the_byte(server: Server, signed_in: Person) -> None:
    """O 6749 3.1.2: the registered query is retained, whatever its form."""
    for uri in (
        f"{CALLBACK}?tenant=a%20b&flag&x=%ff",
        f"{CALLBACK}?",
        f"{CALLBACK};p=1?a=b%2Bc",
    ):
        application = server.application(redirect_uris=(uri,))
        for changes in ({}, {"prompt": "none", "max_age": "0"}, {"scope": "unknown"}):
            location = signed_in.send("GET", application.url(**changes)).location
            assert location.startswith(uri)
            rest = location.removeprefix(uri)
            assert rest.startswith("" if uri.endswith("?") else "&")
            assert parameters_of("?" + rest.lstrip("&"))["iss"] == ISSUER


@pytest.mark.parametrize("uri", ["com.example.app:/callback", "com.example.app://callback/x"])
def test_a_native_application_gets_its_code_at_its_own_scheme(
    server: Server, signed_in: Person, uri: str
) -> None:
    """O 8252 7.1: private-use URI schemes, kept as registered."""
    application = server.application(redirect_uris=(uri,), public=True, native=True)
    location = signed_in.send("GET", application.url()).location
    assert location.startswith(f"{uri}?")
    assert parameters_of("?" + urlsplit(location).query).keys() == {"code", "state", "iss"}


# No redirect before client and redirect URI are validated

LOOK_ALIKES = [
    FOREIGN,
    CALLBACK + "/",
    CALLBACK + "/../callback",
    CALLBACK + "?x=1",
    CALLBACK + "#",
    CALLBACK + "#fragment",
    CALLBACK.upper(),
    CALLBACK.replace("https", "http"),
    CALLBACK.replace("app.example", "app.example.evil.example"),
    CALLBACK.replace("app.example", "app.example@evil.example"),
    CALLBACK.replace("app.example", "app.example:443"),
    CALLBACK.replace("app.example", "sub.app.example"),
    " " + CALLBACK,
    CALLBACK + " ",
    CALLBACK + "%00",
    CALLBACK + "\n",
    CALLBACK + '"',
    CALLBACK + "\\@evil.example",
    "//evil.example/steal",
    "/callback",
    "javascript:alert(1)",
    "javascript://app.example/%0aalert(1)",
    "data:text/html,x",
    ISSUER + "/account",
    "https://xn--pp-yja.example/callback",
    "https://\N{CYRILLIC SMALL LETTER A}pp.example/callback",
    "x" * 3000,
    "https://[::1",
    "",
]

#: Every way in which the rest of a request can be wrong, and the error that the application is told for it.
FAULTS: dict[str, tuple[dict[str, str | None], str]] = {
    "no response type": ({"response_type": None}, "unsupported_response_type"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "implicit id token": ({"response_type": "id_token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "no response": ({"response_type": "none"}, "unsupported_response_type"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "unknown scope": ({"scope": "openid admin"}, "invalid_scope"),
    "no challenge": ({"code_challenge": None}, "invalid_request"),
    "no challenge at all": ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    "no method": ({"code_challenge_method": None}, "invalid_request"),
    "plain": ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, "invalid_request"),
    "other method": ({"code_challenge_method": "S512"}, "invalid_request"),
    "short challenge": ({"code_challenge": "short"}, "invalid_request"),
    "long challenge": ({"code_challenge": "x" * 129}, "invalid_request"),
    "odd challenge": ({"code_challenge": "!" * 43}, "invalid_request"),
    "request object": ({"request": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request_object"),
    "request by reference": ({"request_uri": "urn:example:1"}, "request_uri_not_supported"),
    "no claims": ({"claims": "x"}, "invalid_request"),
    "list of claims": ({"claims": "[]"}, "invalid_request"),
    "deep claims": ({"claims": "[" * 1100}, "invalid_request"),
    "odd places of claims": ({"claims": '{"userinfo": [1]}'}, "invalid_request"),
    "odd claim": ({"claims": '{"id_token": {"acr": 1}}'}, "invalid_request"),
    "odd values": ({"claims": '{"id_token": {"acr": {"values": [1]}}}'}, "invalid_request"),
    "odd subject": ({"claims": '{"id_token": {"sub": {"value": "\\u0000"}}}'}, "invalid_request"),
    "two people": (
        {"claims": '{"id_token": {"sub": {"value": "a"}}, "userinfo": {"sub": {"value": "b"}}}'},
        "invalid_request",
    ),
    "odd hint": ({"id_token_hint": "x.y.z"}, "invalid_request"),
    "context that there is not": (
        {"claims": '{"id_token": {"acr": {"essential": true, "value": "aal9"}}}'},
        "unmet_authentication_requirements",
    ),
    "fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "jwt": ({"response_mode": "jwt"}, "invalid_request"),
    "unknown prompt": ({"prompt": "maybe"}, "invalid_request"),
    "none and more": ({"prompt": "none login"}, "invalid_request"),
    "odd thumbprint": ({"dpop_jkt": "x"}, "invalid_request"),
    "no number": ({"max_age": "soon"}, "invalid_request"),
    "negative": ({"max_age": "-1"}, "invalid_request"),
    "huge": ({"max_age": "9" * 400}, "invalid_request"),
    "not signed in": ({"prompt": "none"}, "login_required"),
}


@pytest.mark.parametrize("fault", ["none", *FAULTS])
def test_nothing_is_redirected_to_a_uri_that_is_not_registered(server: Server, fault: str) -> None:
    """SR6 no redirect before validation, O 6749 4.1.2.1, B 4.11: in every error path, for GET and POST."""
    application = server.application()
    changes = FAULTS[fault][0] if fault != "none" else {}
    for uri in LOOK_ALIKES:
        parameters = application.request(**{**changes, "redirect_uri": uri})
        for request in ({"query_string": urlencode(parameters)}, {"form": parameters}):
            response = server.send("POST" if "form" in request else "GET", "/authorize", **request)
            assert response.status_code == 400, (uri, response.location)
            assert "Location" not in response.headers
            assert "Refresh" not in response.headers
            assert_leads_nowhere(response.text)


@pytest.mark.parametrize("fault", ["none", *FAULTS])
@pytest.mark.parametrize("client", ["unknown", "missing", "disabled", "odd"])
def test_nothing_is_redirected_for_a_client_that_is_not_ours(server: Server, fault: str, client: str) -> None:
    """SR6 no redirect before validation: also to the redirect URI of a client that was disabled."""
    application = server.application()
    with server.arranging():
        clients.set_enabled(application.row(), False, "admin")
    changes = dict(FAULTS[fault][0]) if fault != "none" else {}
    client_id = {"unknown": "nobody", "missing": None, "disabled": application.id, "odd": 'n"\\o'}[client]
    for uri in (CALLBACK, FOREIGN, None):
        parameters = application.request(**{**changes, "client_id": client_id, "redirect_uri": uri})
        for request in ({"query_string": urlencode(parameters)}, {"form": parameters}):
            response = server.send("POST" if "form" in request else "GET", "/authorize", **request)
            assert response.status_code == 400, response.location
            assert "Location" not in response.headers
            assert_leads_nowhere(response.text)


@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "prompt"]
)
def test_a_parameter_that_comes_twice_is_refused_without_a_redirect(
    application: Application, signed_in: Person, name: str
) -> None:
    """SR6 duplicate parameters, O 6749 3.1: which of two redirect URIs was meant, nobody can tell."""
    for extra in (application.request(prompt="none")[name], FOREIGN):
        query = urlencode([*application.request(prompt="none").items(), (name, extra)])
        for response in (
            signed_in.send("GET", f"/authorize?{query}"),
            signed_in.send("POST", "/authorize", query, content_type="application/x-www-form-urlencoded"),
        ):
            assert response.status_code == 400
            assert "Location" not in response.headers


def test_a_parameter_of_an_extension_that_comes_twice_is_refused(
    application: Application, signed_in: Person
) -> None:
    """O 6749 3.1: request parameters must not be included more than once, whatever they are called."""
    response = signed_in.send("GET", application.url() + "&resource=a&resource=b")
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_unknown_and_empty_parameters_are_ignored(application: Application, signed_in: Person) -> None:
    """O 6749 3.1: unrecognized parameters are ignored, and those without a value are treated as omitted."""
    answer = application.ask(signed_in, unknown="value", display="", prompt="", request="", max_age="")
    assert "code" in answer


def assert_leads_nowhere(page: str) -> None:
    """Assert that a page has no link, form or script that leads to where the request wanted."""
    targets = re.findall(r"""(?:href|src|action|content)\s*=\s*["']?([^"'\s>]+)""", page)
    for target in map(html.unescape, targets):
        assert "evil" not in target
        assert "callback" not in target
        assert not target.lower().startswith(("javascript:", "data:text"))


# Errors that the application is told


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_reaches_the_application_with_state_and_issuer(server: Server, fault: str) -> None:
    """SR6 iss in every authorization response: error, state and iss at the registered redirect URI, by 303."""
    changes, error = FAULTS[fault]
    for application in (server.application(), server.application(public=True)):
        parameters = application.request(**changes)
        location = redirect_of(server, parameters)
        assert location.startswith(f"{CALLBACK}?")
        answer = parameters_of(location)
        assert (answer["error"], answer["state"], answer["iss"]) == (error, "a state", ISSUER)
        assert answer.keys() <= {"error", "error_description", "state", "iss"}
        parameters.pop("state")
        assert "state" not in parameters_of(redirect_of(server, parameters))


def redirect_of(server: Server, parameters: dict[str, str]) -> str:
    """Return where a request is redirected to, which is the same for GET and POST."""
    by_get = server.send("GET", "/authorize", query_string=urlencode(parameters))
    assert by_get.status_code == 303, by_get.text
    by_post = server.send("POST", "/authorize", parameters)
    assert by_post.status_code == 303
    if by_post.location.startswith("/"):
        by_post = server.send("GET", by_post.location)
    assert by_get.location == by_post.location
    return by_get.location


@pytest.mark.parametrize("kind", ["confidential", "public"])
def test_pkce_is_required_of_every_client_already_when_asking(
    server: Server, signed_in: Person, kind: str
) -> None:
    """SR6 PKCE, A 10.4.6, B 2.1.1: S256 or nothing; no code goes out that could not be redeemed."""
    application = server.application(public=kind == "public")
    for fault in ("no challenge", "no challenge at all", "no method", "plain", "other method"):
        assert application.ask(signed_in, **FAULTS[fault][0])["error"] == "invalid_request"
    assert "code" in application.ask(signed_in)


def test_a_client_that_is_not_registered_for_codes_gets_none(server: Server, signed_in: Person) -> None:
    """A 10.4.4: grants are per client."""
    application = server.application(grant_types=("refresh_token",))
    assert application.ask(signed_in)["error"] == "unauthorized_client"


def test_a_client_gets_no_scope_that_it_is_not_registered_for(server: Server, signed_in: Person) -> None:
    """A 10.4.11: refused, not silently dropped."""
    application = server.application(scope="openid profile")
    assert application.ask(signed_in, scope="openid email")["error"] == "invalid_scope"
    assert application.ask(signed_in, scope="openid offline_access")["error"] == "invalid_scope"
    assert application.tokens(signed_in, scope="profile openid openid")["scope"] == "profile openid"


STATES = {
    "punctuation": "!#$%&'()*+,-./:;<=>?@[]^_`{|}~\"\\",
    "markup": "</script><script>alert(1)</script>",
    "spaces": "  two  spaces  around  ",
    "plus": "a+b %2B c%20d",
    "words": "Grüße, \N{GRINNING FACE} \N{ARABIC LETTER ALEF}",
    "parameters": "x&code=stolen&iss=https://evil.example#f",
    "zero": "0",
    "longest": "s" * 4096,
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_state_comes_back_exactly(server: Server, state: str) -> None:
    """SR6 state returned exactly, with a code, with an error, after a page and when the person goes back."""
    application, person = server.application(), server.person()
    assert application.ask(person, state=state, prompt="none")["state"] == state
    person.go(application.url(state=state)).sign_in()
    assert person.answer["state"] == state
    assert "code" in person.answer
    person.go(application.url(state=state, prompt="login")).submit(action="/cancel/")
    assert (person.answer["error"], person.answer["state"]) == ("access_denied", state)
    assert person.answer["iss"] == ISSUER


@pytest.mark.parametrize("name", ["state", "nonce", "login_hint", "scope", "redirect_uri", "client_id"])
@pytest.mark.parametrize(
    "raw", ["%ff", "%c3%28", "%ed%a0%80", "%00", "a%0d%0aSet-Cookie:%20x=y", "%7f", "%f5%80%80%80", "\xff"]
)
def test_what_cannot_be_returned_exactly_is_refused(
    application: Application, signed_in: Person, name: str, raw: str
) -> None:
    """SR6 state and nonce, A 15.3.5: invalid UTF-8, surrogates, NUL and control characters get a 400."""
    parameters = application.request(prompt="none")
    parameters.pop(name, None)
    query = f"{urlencode(parameters)}&{name}=x{raw}"
    for response in (
        signed_in.send("GET", "/authorize", environ_overrides={"QUERY_STRING": query}),
        signed_in.send(
            "POST", "/authorize", query.encode("latin-1"), content_type="application/x-www-form-urlencoded"
        ),
    ):
        assert response.status_code == 400, response.location
        assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("name", "limit"),
    [("state", 4096), ("nonce", 4096), ("scope", 2048), ("login_hint", 1024), ("unknown", 1024)],
)
def test_a_parameter_that_is_too_long_is_refused(application: Application, name: str, limit: int) -> None:
    """Section 14: limits of every field, before anything is stored."""
    response = application.server.send("POST", "/authorize", application.request(**{name: "x" * (limit + 1)}))
    assert response.status_code == 400


def test_a_nonce_comes_back_exactly(application: Application, signed_in: Person) -> None:
    """SR6 nonce: in the ID token as it was sent; absent when it was not."""
    for nonce in ("n", "a b+c%20&=\"'\\<>", "n" * 4096):
        tokens = application.tokens(signed_in, nonce=nonce)
        assert application.claims(tokens["id_token"])["nonce"] == nonce
    assert "nonce" not in application.claims(application.tokens(signed_in, nonce=None)["id_token"])


# How a request arrives


def test_a_post_from_another_site_neither_needs_nor_touches_the_session(
    application: Application, signed_in: Person
) -> None:
    """Stack notes 6.2: a cross-site POST comes without SameSite cookies; it is kept, and looked at again by GET."""
    from_elsewhere = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
    response = application.server.send("POST", "/authorize", application.request(), from_elsewhere)
    assert response.status_code == 303
    assert "Set-Cookie" not in response.headers
    signed_in.go(response.location)
    assert "code" in signed_in.answer
    assert signed_in.go("/account").step == "/account"


def test_a_posted_request_belongs_to_the_first_browser_that_follows_it(
    server: Server, signed_in: Person
) -> None:
    """I4, section 2: a pending authorization is bound to one browser, and used once."""
    application, other = server.application(), server.person().sign_in()
    location = server.send("POST", "/authorize", application.request(prompt="login")).location
    assert signed_in.go(location).step == "sign_in"
    assert other.go(location).page.status_code == 400
    signed_in.sign_in()
    assert "code" in signed_in.answer
    assert signed_in.go(location).page.status_code == 400


def test_a_posted_request_is_read_from_its_body_alone(application: Application, signed_in: Person) -> None:
    """O 6749 3.1: what stands in the URL of a POST is nobody's parameter."""
    response = signed_in.send(
        "POST", "/authorize?" + urlencode({"redirect_uri": FOREIGN}), application.request()
    )
    assert response.status_code == 303
    signed_in.go(response.location)
    assert signed_in.path.startswith(CALLBACK)
    response = signed_in.send("POST", application.url(), {})
    assert response.status_code == 400


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "multipart/form-data; boundary=b", "", "x" * 300]
)
def test_a_posted_request_of_another_type_is_refused(application: Application, content_type: str) -> None:
    """O 6749 3.1, OIDC Core 13.2: application/x-www-form-urlencoded."""
    body = urlencode(application.request())
    response = application.server.send("POST", "/authorize", body, content_type=content_type)
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_the_endpoint_has_no_cors_and_no_other_methods(application: Application) -> None:
    """SR6 no CORS on interactive endpoints, A 13.4.x."""
    origin = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    for method, path in (("GET", application.url()), ("OPTIONS", "/authorize"), ("POST", "/authorize")):
        response = application.server.send(method, path, headers=origin)
        assert not [name for name in response.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118
    for method in ("PUT", "PATCH", "DELETE", "TRACE"):
        assert application.server.send(method, "/authorize").status_code == 405


def test_every_redirect_of_the_flow_is_a_303(server: Server) -> None:
    """SR6 303, B 4.12: no status that lets a browser send the password on to the application."""
    person, application = server.person(), server.application(first_party=False)
    seen: list[int] = []
    send = person.send

    def watched(method: str, path: str, form: Any = None, **options: Any) -> Any:
        response = send(method, path, form, **options)
        if "Location" in response.headers:
            seen.append(response.status_code)
        return response

    person.send = watched  # type: ignore[method-assign]
    person.go(application.url()).sign_in().submit(button="allow")
    assert "code" in person.answer
    assert len(seen) >= 4
    assert set(seen) == {303}


# prompt


def test_prompt_none_with_a_session_gives_a_code(application: Application, signed_in: Person) -> None:
    """C 3.1.2.6."""
    assert "code" in application.ask(signed_in, prompt="none")


def fresh(server: Server) -> Person:
    """Not signed in at all."""
    return server.person()


def too_old(server: Server) -> Person:
    """A session older than max_age."""
    person = server.person().sign_in()
    server.clock.move(seconds=120)
    return person


def idle(server: Server) -> Person:
    """A session that was not used for more than an hour."""
    person = server.person().sign_in()
    server.clock.move(minutes=61)
    return person


def signed_out(server: Server) -> Person:
    """A session that its user ended."""
    person = server.person().sign_in()
    return person.go("/sign-out").submit(action="sign-out")


def disabled(server: Server) -> Person:
    """A user who was disabled."""
    person = server.person().sign_in()
    server.act(users.set_enabled, person.username, False, "admin")
    return person


def asked_for_a_factor(server: Server) -> Person:
    """A policy wants a second factor."""
    return server.person(authenticators=("totp",), groups=("careful",)).sign_in()


def asked_to_register(server: Server) -> Person:
    """A policy wants a factor registered."""
    return server.person(groups=("new",)).sign_in()


def compromised(server: Server) -> Person:
    """The user is at high risk, and the notice is due."""
    person = server.person(authenticators=("totp",)).sign_in()
    server.act(protection.confirm_compromised, person.username, "admin", end_sessions=False)
    return person


def about_to_change_the_password(server: Server) -> Person:
    """Notice and challenge are passed; the new password is due."""
    person = compromised(server).go("/account").prove()
    assert person.step == "password_change"
    return person


def with_a_temporary_password(server: Server) -> Person:
    """An administrator set a temporary password."""
    person = server.person()
    password = server.act(users.set_temporary_password, person.username, "admin")
    return person.sign_in(password=password)


def unwanted(server: Server) -> Person:
    """A policy blocks the user."""
    return server.person(groups=("unwanted",)).sign_in()


def compromised_without_a_factor(server: Server) -> Person:
    """The user is at risk and cannot recover alone."""
    person = server.person().sign_in()
    server.act(protection.confirm_compromised, person.username, "admin", end_sessions=False)
    return person


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (fresh, "login_required"),
        (too_old, "login_required"),
        (idle, "login_required"),
        (signed_out, "login_required"),
        (disabled, "login_required"),
        (asked_for_a_factor, "interaction_required"),
        (asked_to_register, "interaction_required"),
        (compromised, "interaction_required"),
        (about_to_change_the_password, "interaction_required"),
        (with_a_temporary_password, "interaction_required"),
        (unwanted, "access_denied"),
        (compromised_without_a_factor, "access_denied"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_prompt_none_shows_no_page_and_skips_no_step(
    server: Server, state: Callable[[Server], Person], error: str, method: str
) -> None:
    """C 3.1.2.6, F108: in every state of a sign-in the standard error, at once, and nothing issued."""
    application, person = server.application(), state(server)
    form = application.request(prompt="none", max_age="60" if state is too_old else None)
    if method == "GET":
        response = person.send("GET", "/authorize?" + urlencode(form))
    else:
        response = person.send("GET", person.send("POST", "/authorize", form).location)
    assert response.status_code == 303
    answer = parameters_of(response.location)
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "a state", ISSUER)
    assert "code" not in answer
    with server.arranging():
        issued = select(func.count()).select_from(AuthorizationCode)
        assert session().scalar(issued.where(AuthorizationCode.user_id == person.user_id)) == 0


def test_prompt_none_waits_for_consent_with_consent_required(server: Server, signed_in: Person) -> None:
    """C 3.1.2.6: also when consent was given to less than is asked now, and when it is asked for anew."""
    application = server.application(first_party=False)
    assert application.ask(signed_in, prompt="none")["error"] == "consent_required"
    signed_in.go(application.url(scope="openid")).submit(button="allow")
    assert "code" in application.ask(signed_in, prompt="none", scope="openid")
    assert application.ask(signed_in, prompt="none", scope="openid email")["error"] == "consent_required"


@pytest.mark.parametrize(
    "prompt", ["login", "select_account", "login consent", "consent login select_account"]
)
def test_prompt_login_asks_for_the_password_again(server: Server, prompt: str) -> None:
    """C 3.1.2.1, A 7.2.4: a real sign-in with a new auth_time and a new session, once and not for ever."""
    application, person = server.application(), server.person()
    before = application.claims(application.tokens(person)["id_token"])
    server.clock.move(seconds=30)
    person.go(application.url(prompt=prompt))
    assert person.step == "sign_in"
    assert application.ask(person, prompt="none")["code"], "the former session is as good as before"
    person.go(application.url(prompt=prompt)).sign_in()
    if "consent" in prompt:
        assert person.step == "consent"
        person.submit(button="allow")
    after = application.claims(application.redeem(person.answer["code"]).get_json()["id_token"])
    assert after["auth_time"] >= before["auth_time"] + 30
    assert after["sub"] == before["sub"]


def test_prompt_login_is_not_satisfied_by_a_sign_in_of_another_tab_before_it(server: Server) -> None:
    """C 3.1.2.1: what counts is the time of the request."""
    application, person = server.application(), server.person().sign_in()
    server.clock.move(seconds=1)
    waiting = person.go(application.url(prompt="login")).path
    assert person.go(waiting.replace("/sign-in/", "/authorize/")).step == "sign_in"


def test_prompt_login_by_another_user_inherits_nothing(server: Server) -> None:
    """A 7.2.4: the new sign-in is that of its own user, with its own factors."""
    application = server.application()
    first = server.person(authenticators=("totp",), groups=("careful",)).sign_in().prove()
    assert application.claims(application.tokens(first)["id_token"])["acr"] == "aal2"
    second = server.person()
    server.clock.move(seconds=5)
    first.go(application.url(prompt="login")).sign_in(second.username)
    claims = application.claims(application.redeem(first.answer["code"]).get_json()["id_token"])
    assert (claims["sub"], claims["acr"], claims["amr"]) == (second.user_id, "aal1", ["pwd"])


def test_prompt_consent_asks_even_a_first_party_application(server: Server, signed_in: Person) -> None:
    """C 3.1.2.1: the consent page is shown, for this request and not for the next."""
    application = server.application()
    assert signed_in.go(application.url(prompt="consent")).step == "consent"
    signed_in.submit(button="allow")
    assert "code" in signed_in.answer
    assert signed_in.go(application.url(prompt="consent")).step == "consent"
    assert "code" in application.ask(signed_in)


# max_age


def test_max_age_is_measured_once(server: Server) -> None:
    """C008, C 3.1.2.1: a younger sign-in is good enough, an older one is renewed, and pages that take long do not loop."""
    application, person = server.application(), server.person().sign_in()
    server.clock.move(seconds=100)
    assert "code" in application.ask(person, max_age="200")
    person.go(application.url(max_age="50"))
    assert person.step == "sign_in"
    server.clock.move(seconds=300)
    person.go(person.path)
    person.sign_in()
    claims = application.claims(application.redeem(person.answer["code"]).get_json()["id_token"])
    assert abs(claims["auth_time"] - server.clock.now().timestamp()) < 20


def test_max_age_zero_always_asks(application: Application, signed_in: Person) -> None:
    """C 3.1.2.1: like prompt=login."""
    assert signed_in.go(application.url(max_age="0")).step == "sign_in"
    assert application.ask(signed_in, max_age="0", prompt="none")["error"] == "login_required"
    signed_in.go(application.url(max_age="0")).sign_in()
    assert "code" in signed_in.answer


def test_a_second_factor_does_not_make_an_old_password_younger(server: Server) -> None:
    """C 3.1.2.1: max_age is about active authentication; the stricter reading is that of the password."""
    application = server.application()
    person = server.person(authenticators=("totp",), groups=("careful",)).sign_in()
    server.clock.move(seconds=90)
    person.prove()
    assert person.go(application.url(max_age="60")).step == "sign_in"


# Hints


def test_hints_choose_nobody_and_satisfy_nothing(server: Server) -> None:
    """Section 2, A 8.3.1: login_hint, id_token_hint, acr_values and claims neither sign in nor pass a step."""
    application, other = server.application(), server.person()
    hint = application.tokens(other)["id_token"]
    hints = {
        "login_hint": other.username,
        "acr_values": "aal2",
        "claims": '{"id_token":{"acr":{"value":"aal2"}}}',
        "ui_locales": "fr de",
        "display": "popup",
    }
    stranger = server.person()
    assert application.ask(stranger, prompt="none", id_token_hint=hint, **hints)["error"] == "login_required"
    stranger.go(application.url(**hints))
    assert stranger.step == "sign_in"
    assert f'value="{other.username}"' in stranger.page.text
    stranger.sign_in()
    claims = application.claims(application.redeem(stranger.answer["code"]).get_json()["id_token"])
    assert (claims["sub"], claims["acr"]) == (stranger.user_id, "aal1")
    careful = server.person(authenticators=("totp",), groups=("careful",)).sign_in()
    assert application.ask(careful, prompt="none", **hints)["error"] == "interaction_required"


def test_a_login_hint_is_text(application: Application, person: Person) -> None:
    """A 1.2.1: shown escaped, whatever it is."""
    person.go(application.url(login_hint='"><script>alert(1)</script>'))
    assert person.step == "sign_in"
    assert "<script>alert(1)" not in person.page.text


# Consent


def test_consent_names_the_application_and_what_it_will_see(server: Server, signed_in: Person) -> None:
    """A 10.7.x, C017: client identity clear, each scope in words, and only these are granted."""
    application = server.application(first_party=False)
    signed_in.go(application.url(scope="openid email"))
    assert signed_in.step == "consent"
    with server.arranging():
        assert html.escape(application.row().name) in signed_in.page.text
    for scope, (title, _) in consents.SCOPES.items():
        assert (title in signed_in.page.text) == (scope in ("openid", "email")), scope
    signed_in.submit(button="allow")
    tokens = application.redeem(signed_in.answer["code"]).get_json()
    assert tokens["scope"] == "openid email"
    assert "refresh_token" not in tokens
    assert application.userinfo(tokens["access_token"]).get_json().keys() == {
        "sub",
        "email",
        "email_verified",
    }


def test_consent_links_what_the_application_says_of_itself(server: Server, signed_in: Person) -> None:
    """C021, OIDCCRegistrationPolicyUri, OIDCCRegistrationTosUri: policy and terms, which open apart from the page."""
    application = server.application(
        first_party=False, policy_uri="https://desk.example/policy", tos_uri="https://desk.example/terms"
    )
    page = signed_in.go(application.url()).page.text
    for url, name in (("policy", "privacy policy"), ("terms", "terms of service")):
        link = f'<a href="https://desk.example/{url}" target="_blank" rel="noopener noreferrer">{name}<'
        assert link in page


def test_a_consent_to_one_application_is_none_to_another(server: Server, signed_in: Person) -> None:
    """A 10.7.x: consents are per user, client and scope."""
    one, other = server.application(first_party=False), server.application(first_party=False)
    signed_in.go(one.url()).submit(button="allow")
    assert "code" in one.ask(signed_in)
    assert signed_in.go(other.url()).step == "consent"
    somebody_else = server.person().sign_in()
    assert somebody_else.go(one.url()).step == "consent"


def test_a_consent_that_is_denied_is_not_remembered(server: Server, signed_in: Person) -> None:
    """C 3.1.2.6: access_denied, with state and iss; the next time is asked again."""
    application = server.application(first_party=False)
    signed_in.go(application.url()).submit(button="deny")
    assert signed_in.answer == {
        "error": "access_denied",
        "error_description": signed_in.answer["error_description"],
        "state": "a state",
        "iss": ISSUER,
    }
    assert signed_in.go(application.url()).step == "consent"


def test_the_browser_cannot_change_what_is_consented_to(server: Server, signed_in: Person) -> None:
    """Section 2: the stored request is what counts; fields that a page did not have are nobody's."""
    application = server.application(first_party=False)
    signed_in.go(application.url(scope="openid"))
    path = signed_in.path
    parser_fields = {"scope": "openid email offline_access", "redirect_uri": FOREIGN, "state": "other"}
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', signed_in.page.text)
    assert token is not None
    form = {**parser_fields, "csrf_token": token.group(1), "answer": "allow", "do": "allow", "allow": "1"}
    signed_in.go(path + "?" + urlencode(parser_fields), "POST", form)
    if signed_in.step != "application":
        signed_in.go(path).submit(button="allow")
    assert signed_in.path.startswith(CALLBACK)
    assert signed_in.answer["state"] == "a state"
    assert application.redeem(signed_in.answer["code"]).get_json()["scope"] == "openid"


# What waits is validated again


@pytest.mark.parametrize("way", ["sign in", "cancel", "deny"])
@pytest.mark.parametrize("change", ["disabled", "redirect removed", "scope removed", "grant removed"])
def test_a_request_that_waited_is_validated_again(server: Server, way: str, change: str) -> None:
    """A 8.3.2, 15.4.2: against the client as it is now; a redirect URI that was removed gets nothing, not even an error."""
    application, person = server.application(first_party=way != "deny"), server.person()
    person.go(application.url())
    if way == "deny":
        person.sign_in()
        assert person.step == "consent"
    with server.arranging():
        client = application.row()
        registered = clients.registration_of(client)
        if change == "disabled":
            clients.set_enabled(client, False, "admin")
        elif change == "redirect removed":
            clients.change(client, replace(registered, redirect_uris=("https://app.example/new",)), "admin")
        elif change == "scope removed":
            clients.change(client, replace(registered, scope="openid"), "admin")
        else:
            client.grant_types = ["refresh_token"]
    if way == "sign in":
        person.sign_in()
    elif way == "cancel":
        person.submit(action="/cancel/")
    else:
        person.submit(button="deny")
    if change in ("disabled", "redirect removed"):
        assert person.step != "application", person.path
        assert person.page.status_code == 400
        assert_leads_nowhere(person.page.text)
    else:
        assert "code" not in person.answer
        assert person.answer["error"] in ("invalid_scope", "unauthorized_client", "access_denied")
        assert person.answer["iss"] == ISSUER


def test_a_pending_authorization_gives_one_code(server: Server) -> None:
    """I5, section 2: consumed once, also by going back in the browser."""
    application, person = server.application(), server.person()
    waiting = person.go(application.url()).path.replace("/sign-in/", "/authorize/")
    person.sign_in()
    assert "code" in person.answer
    assert person.go(waiting).page.status_code == 400
    assert person.go(waiting.replace("/authorize/", "/sign-in/")).page.status_code == 400


def test_a_pending_authorization_dies_after_a_quarter_of_an_hour(server: Server) -> None:
    """Section 14: pending 15 minutes."""
    application, person = server.application(), server.person()
    person.go(application.url())
    server.clock.move(minutes=14, seconds=50)
    assert person.go(person.path).step == "sign_in"
    server.clock.move(seconds=20)
    assert person.go(person.path).page.status_code == 400


def test_a_pending_authorization_belongs_to_its_browser(server: Server) -> None:
    """Section 2: the handle in another browser is worth nothing, whoever is signed in there."""
    application, person, thief = server.application(), server.person(), server.person().sign_in()
    person.go(application.url())
    for path in (person.path, person.path.replace("/sign-in/", "/authorize/")):
        assert thief.go(path).page.status_code == 400
    with server.arranging():
        row = session().get_one(PendingAuthorization, person.path.split("/")[2])
        assert len(row.id) >= 43
        assert row.consumed_at is None


def test_several_tabs_work(server: Server) -> None:
    """Product 4: each request has its own handle, and one sign-in serves them all."""
    application, person = server.application(), server.person()
    first = person.go(application.url(state="one")).path
    person.go(application.url(state="two")).sign_in()
    assert person.answer["state"] == "two"
    person.go(first.replace("/sign-in/", "/authorize/"))
    assert person.answer["state"] == "one"


# Truthful claims


def test_the_id_token_says_how_the_person_signed_in(server: Server) -> None:
    """F112, C 2: acr, amr and auth_time are true, also in single sign-on and after a step-up."""
    application = server.application()
    person = server.person(authenticators=("totp",))
    start = server.clock.now().timestamp()
    claims = application.claims(application.tokens(person)["id_token"])
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])
    assert start - 1 <= claims["auth_time"] <= start + 5
    server.clock.move(minutes=10)
    again = application.claims(application.tokens(person)["id_token"])
    assert again["auth_time"] == claims["auth_time"]
    assert again["iat"] >= claims["iat"] + 600
    server.act(lambda user: setattr(user, "groups", ["careful"]), person.username)
    person.go(application.url())
    assert person.step == "mfa"
    proved_at = server.clock.now().timestamp()
    person.prove()
    stepped_up = application.claims(application.redeem(person.answer["code"]).get_json()["id_token"])
    assert stepped_up["acr"] == "aal2"
    assert stepped_up["amr"] == ["pwd", "otp", "mfa"]
    assert stepped_up["auth_time"] >= proved_at


def test_a_text_message_is_told_as_such(server: Server) -> None:
    """RFC 8176: sms, and not otp."""
    application = server.application()
    person = server.person(authenticators=("sms",), groups=("careful",))
    person.go(application.url()).sign_in()
    assert person.step == "mfa"
    person.submit(action="do=send")
    person.submit({"code": server.sms_code()})
    claims = application.claims(application.redeem(person.answer["code"]).get_json()["id_token"])
    assert claims["amr"] == ["pwd", "sms", "mfa"]


def test_nothing_is_issued_by_a_wrong_password(server: Server) -> None:
    """I1: no code, no session, no token."""
    application, person = server.application(), server.person()
    person.go(application.url()).sign_in(password="not this one, surely")
    assert person.step == "sign_in"
    assert person.page.status_code == 400
    with server.arranging():
        mine = (SignIn.user_id == person.user_id, SignIn.succeeded)
        assert session().scalar(select(func.count()).select_from(SignIn).where(*mine)) == 0
        assert session().scalar(select(func.count()).where(Token.user_id == person.user_id)) == 0
        assert user_of(person).enabled


def test_the_parameters_do_not_stand_in_our_urls(server: Server) -> None:
    """A 14.2.1: state and hints stay out of logs and referrers; the pages of the flow carry an opaque handle."""
    application, person = server.application(), server.person()
    person.go(application.url(state="secret-state", login_hint="somebody"))
    assert person.step == "sign_in"
    for word in ("secret-state", "somebody", quote(CALLBACK), CHALLENGE, PASSWORD):
        assert word not in person.path
