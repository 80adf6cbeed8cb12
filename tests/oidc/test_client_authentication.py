"""Client authentication: RFC 6749 section 2.3, exactly as registered, at every endpoint that wants it."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from idprotect import clients
from idprotect.errors import InteractionError
from tests.oidc.server import Application, Person, Server, basic, error_of

METHODS = ["client_secret_basic", "client_secret_post", "none"]
ENDPOINTS = ["/token", "/introspect", "/revoke"]
FORM = "application/x-www-form-urlencoded"


def make(server: Server, method: str) -> Application:
    """Register an application that authenticates in one way."""
    if method == "none":
        return server.application(public=True)
    return server.application(token_endpoint_auth_method=method)


def use(
    application: Application, endpoint: str, form: dict[str, str], header: str | None = None
) -> TestResponse:
    """Send something that every endpoint could answer, were the client authenticated."""
    body = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x", **form}
    return application.server.send("POST", endpoint, body, {"Authorization": header} if header else None)


#: How a client can present itself: what stands in the form, and the header.
PRESENTATIONS: dict[str, Callable[[Application], tuple[dict[str, str], str | None]]] = {
    "client_secret_basic": lambda a: ({}, basic(a.id, a.secret)),
    "client_secret_post": lambda a: ({"client_id": a.id, "client_secret": a.secret or "x"}, None),
    "none": lambda a: ({"client_id": a.id}, None),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("presented", METHODS)
@pytest.mark.parametrize("registered", METHODS)
def test_a_client_authenticates_exactly_as_registered(
    server: Server, registered: str, presented: str, endpoint: str
) -> None:
    """SR6 client authentication, A 10.4.10: the right secret presented in another way is refused."""
    application = make(server, registered)
    response = use(application, endpoint, *PRESENTATIONS[presented](application))
    if registered != presented or (registered == "none" and endpoint == "/introspect"):
        assert_refused(response)
    else:
        assert error_of(response) in ((200, ""), (400, "invalid_grant"))


BROKEN = {
    "empty": "",
    "only the scheme": "Basic",
    "only the scheme and a space": "Basic ",
    "not base64": "Basic !!!",
    "wrong padding": "Basic YWJjO",
    "no colon": "Basic " + b64encode(b"client").decode(),
    "nothing before the colon": "Basic " + b64encode(b":secret").decode(),
    "only a colon": "Basic " + b64encode(b":").decode(),
    "invalid UTF-8": "Basic " + b64encode(b"\xff\xfe:\xff").decode(),
    "NUL": "Basic " + b64encode(b"client\0:secret\0").decode(),
    "encoded NUL": "Basic " + b64encode(b"client%00:secret%00").decode(),
    "encoded invalid UTF-8": "Basic " + b64encode(b"%ff:%ff").decode(),
    "surrogate": "Basic " + b64encode(b"%ed%a0%80:x").decode(),
    "not ASCII": "Basic " + b64encode("\N{SNOWMAN}:\N{SNOWMAN}".encode()).decode(),
    "another scheme": "Bearer x",
    "digest": 'Digest username="x"',
    "long": "Basic " + b64encode(b"x" * 4000 + b":" + b"y" * 4000).decode(),
    "twice": "Basic eDp5, Basic eDp5",
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("header", BROKEN.values(), ids=BROKEN)
def test_malformed_credentials_are_a_401(application: Application, header: str, endpoint: str) -> None:
    """SR6 malformed credentials, stack notes 3.3, O 6749 5.2: with the scheme that would be right."""
    assert_refused(use(application, endpoint, {}, header))


def wrong(application: Application) -> dict[str, tuple[dict[str, str], str | None]]:
    """Return credentials that are nearly right."""
    a, secret = application, application.secret
    return {
        "wrong secret": ({}, basic(a.id, "wrong")),
        "no secret": ({}, basic(a.id, "")),
        "half a secret": ({}, basic(a.id, secret[:-1])),
        "more than the secret": ({}, basic(a.id, secret + "x")),
        "other case": ({}, basic(a.id, secret.swapcase())),
        "secret that is not ASCII": ({}, basic(a.id, "s\N{LATIN SMALL LETTER E WITH ACUTE}cret")),
        "unknown client": ({}, basic("unknown", secret)),
        "client that is not ASCII": ({}, basic("\N{SNOWMAN}", secret)),
        "no client": ({"grant_type": "refresh_token"}, None),
        "posted secret": ({"client_id": a.id, "client_secret": secret}, None),
        "posted secret that is not ASCII": ({"client_id": a.id, "client_secret": "x"}, None),
        "assertion": (
            {
                "client_id": a.id,
                "client_assertion": "e30.e30.",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            },
            None,
        ),
    }


@pytest.mark.parametrize("change", ["disabled", "another secret", "another method"])
def test_what_was_changed_counts_at_the_next_request(application: Application, change: str) -> None:
    """SR6 client authentication: a process that knows a client looks each time whether it is still that."""
    presented = PRESENTATIONS["client_secret_basic"](application)
    assert error_of(use(application, "/token", *presented)) == (400, "invalid_grant")

    with application.server.arranging():
        row = application.row()
        if change == "disabled":
            clients.set_enabled(row, False, "admin")
        elif change == "another secret":
            clients.rotate_secret(row, "admin")
        else:
            post = replace(clients.registration_of(row), token_endpoint_auth_method="client_secret_post")
            clients.change(row, post, "admin")

    assert_refused(use(application, "/token", *presented))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_wrong_credentials_are_all_answered_alike(application: Application, endpoint: str) -> None:
    """A 10.4.10: unknown, disabled and wrong get one answer, which does not list the methods that there are."""
    other = application.server.application()
    with application.server.arranging():
        clients.set_enabled(other.row(), False, "admin")
    cases = {**wrong(application), "disabled client": ({}, basic(other.id, other.secret))}
    answers = set()
    for name, (form, header) in cases.items():
        response = use(application, endpoint, form, header)
        assert response.status_code == 401, name
        answers.add((response.text, response.headers["WWW-Authenticate"]))
    assert len(answers) == 1
    assert "client_secret" not in answers.pop()[0]


def test_a_secret_sent_for_a_public_client_is_refused(server: Server) -> None:
    """Stack notes 3.3: a client without a secret has none that is right."""
    application = server.application(public=True)
    for form, header in (
        ({"client_id": application.id, "client_secret": "x"}, None),
        ({}, basic(application.id, "x")),
        ({}, basic(application.id, "")),
    ):
        assert_refused(use(application, "/token", form, header))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_client_uses_one_method_at_a_time(application: Application, endpoint: str) -> None:
    """O 6749 2.3: more than one is refused; so are two identities."""
    header = basic(application.id, application.secret)
    both = use(
        application, endpoint, {"client_id": application.id, "client_secret": application.secret}, header
    )
    assert error_of(both) == (400, "invalid_request")
    two = use(application, endpoint, {"client_id": application.server.application().id}, header)
    assert error_of(two) == (400, "invalid_request")
    same = use(application, endpoint, {"client_id": application.id}, header)
    assert same.status_code in (200, 400)
    assert error_of(same)[1] in ("", "invalid_grant")


def test_basic_credentials_are_form_encoded(server: Server, signed_in: Person) -> None:
    """O 6749 2.3.1: percent-encoded before they are joined, so a colon can stand in both."""
    secret = "a secret: with + % & colon : and more than enough characters"
    application = server.application(client_id="app:with colon+plus", secret=secret)
    assert application.tokens(signed_in)["access_token"]


def test_the_scheme_is_read_in_any_case(server: Server, signed_in: Person) -> None:
    """O 9110 11.1: scheme names are case-insensitive."""
    application = server.application()
    tokens = application.tokens(signed_in)
    for scheme in ("basic", "BASIC"):
        header = basic(application.id, application.secret).replace("Basic", scheme)
        response = use(application, "/introspect", {"token": tokens["access_token"]}, header)
        assert response.get_json()["active"] is True


def test_credentials_in_the_query_are_nobodys(application: Application) -> None:
    """O 6749 2.3.1: the parameters must not be included in the request URI."""
    query = urlencode({"client_id": application.id, "client_secret": application.secret})
    for endpoint in ENDPOINTS:
        assert_refused(use(application, f"{endpoint}?{query}", {}))


def test_secrets_are_stored_as_hashes_and_long_enough(server: Server) -> None:
    """SR6 secrets hashed; A 11.5.1: generated with 256 bits, at least 32 characters when given."""
    application = server.application()
    assert len(application.secret) >= 43
    with server.arranging():
        assert application.secret not in str(vars(application.row()))
    with pytest.raises(InteractionError, match="32 characters"):
        server.application(secret="x" * 31)


def test_two_secrets_overlap_for_as_long_as_wanted(server: Server, signed_in: Person) -> None:
    """Operators change a secret without an outage: both are good, then the new one alone; tokens stay good."""
    application = server.application()
    old, token = application.secret, application.tokens(signed_in)["access_token"]
    with server.arranging():
        new = clients.rotate_secret(application.row(), "test", timedelta(hours=1))
    for secret in (old, new):
        assert error_of(use(application, "/token", {}, basic(application.id, secret))) == (
            400,
            "invalid_grant",
        )
    application.secret = new
    assert application.introspect(token)["active"]
    server.clock.move(seconds=3601)
    assert_refused(use(application, "/token", {}, basic(application.id, old)))
    assert error_of(use(application, "/token", {}, basic(application.id, new))) == (400, "invalid_grant")


def test_a_secret_that_others_may_know_ends_at_once(server: Server) -> None:
    """Also the one that still overlapped; and no two secrets overlap for ever."""
    application = server.application()
    with server.arranging():
        second = clients.rotate_secret(application.row(), "test", timedelta(hours=1))
        clients.rotate_secret(application.row(), "test")
    for secret in (application.secret, second):
        assert_refused(use(application, "/token", {}, basic(application.id, secret)))
    for overlap in (timedelta(days=31), timedelta(seconds=-1)):
        with server.arranging(), pytest.raises(InteractionError, match="30 days"):
            clients.rotate_secret(application.row(), "test", overlap)


def test_a_client_that_changes_its_method_holds_nothing_of_the_other(
    server: Server, signed_in: Person
) -> None:
    """SR6 exactly as registered: secret and tokens of before are refused; who needs a secret gets one."""
    application = server.application()
    token = application.tokens(signed_in)["access_token"]
    for method in ("none", "client_secret_post"):
        with server.arranging():
            row = application.row()
            wanted = replace(clients.registration_of(row), token_endpoint_auth_method=method)
            issued = clients.change(row, wanted, "test")
        assert (issued is None) == (method == "none")
    assert_refused(use(application, "/token", {}, basic(application.id, application.secret)))
    form = {"client_id": application.id, "client_secret": str(issued)}
    assert error_of(use(application, "/token", form)) == (400, "invalid_grant")
    assert use(application, "/introspect", {**form, "token": token}).get_json() == {"active": False}


def test_an_empty_secret_opens_no_client_without_one(server: Server) -> None:
    """Stack notes 3.3: a secret of NULL is compared with nothing."""
    application = server.application()
    with server.arranging():
        application.row().secret_hash = None
    for secret in ("", "None", "null", "0", application.secret):
        assert_refused(use(application, "/token", {}, basic(application.id, secret)))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""]
)
def test_the_body_is_a_form(application: Application, endpoint: str, content_type: str) -> None:
    """SR6 form body only, A 4.1.1: whatever else comes is refused before it is looked at."""
    body = json.dumps({"grant_type": "refresh_token", "refresh_token": "x", "token": "x"})
    headers = {"Authorization": basic(application.id, application.secret)}
    response = application.server.send("POST", endpoint, body, headers, content_type=content_type)
    assert error_of(response) == (400, "invalid_request")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_only_post_is_answered(application: Application, endpoint: str) -> None:
    """O 6749 3.2: parameters in a URL would stand in every log."""
    headers = {"Authorization": basic(application.id, application.secret)}
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        response = application.server.send(
            method, f"{endpoint}?grant_type=refresh_token&token=x", None, headers
        )
        assert response.status_code == 405
        assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_parameter_that_comes_twice_is_refused(application: Application, endpoint: str) -> None:
    """O 6749 3.2: request and response parameters must not be included more than once."""
    headers = {"Authorization": basic(application.id, application.secret)}
    for name in ("grant_type", "token", "refresh_token", "client_id", "anything"):
        body = "grant_type=refresh_token&refresh_token=x&token=x" + f"&{name}=y&{name}=y"
        response = application.server.send("POST", endpoint, body, headers, content_type=FORM)
        assert error_of(response) == (400, "invalid_request")


def assert_refused(response: TestResponse) -> None:
    """Assert the answer of RFC 6749 section 5.2 to a client that is not authenticated."""
    assert error_of(response) == (401, "invalid_client"), response.text
    assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.mimetype == "application/json"
