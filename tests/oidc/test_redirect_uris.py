"""Redirect URIs: RFC 9700 section 2.1, RFC 8252 sections 7 and 8; what may be registered, and what matches it."""

from dataclasses import replace
from urllib.parse import urlencode

import pytest

from idprotect import clients, redirect_uris
from idprotect.errors import InteractionError
from idprotect.models import Client
from tests.oidc.server import Application, Person, Server

GOOD = [
    "https://app.example/callback",
    "https://app.example",
    "https://app.example:8443/callback?tenant=1",
    "https://APP.example/Callback",
    "https://[2001:db8::1]/callback",
    "https://xn--bcher-kva.example/callback",
    "http://127.0.0.1/callback",
    "http://[::1]:8080/callback",
    "http://localhost:3000/callback",
]
NATIVE = ["com.example.app:/callback", "com.example.app://callback", "com.example.app:callback"]
BAD = {
    "http": "http://app.example/callback",
    "http in capitals": "HTTP://app.example/callback",
    "looks like loopback": "http://127.0.0.1.evil.example/callback",
    "loopback as a user": "http://127.0.0.1@evil.example/callback",
    "other loopback": "http://127.0.0.2/callback",
    "loopback in another form": "http://2130706433/callback",
    "fragment": "https://app.example/callback#part",
    "empty fragment": "https://app.example/callback#",
    "user": "https://user@app.example/callback",
    "user and password": "https://user:password@app.example/callback",
    "empty user": "https://@app.example/callback",
    "wildcard host": "https://*.app.example/callback",
    "wildcard path": "https://app.example/*",
    "javascript": "javascript:alert(1)",
    "javascript in capitals": "JavaScript:alert(1)",
    "javascript with a host": "javascript://app.example/%0aalert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "vbscript": "vbscript:x",
    "file": "file:///etc/passwd",
    "blob": "blob:https://app.example/1",
    "about": "about:blank",
    "view-source": "view-source:https://app.example",
    "mail": "mailto:somebody@app.example",
    "telephone": "tel:+447400123456",
    "ftp": "ftp://app.example/callback",
    "web socket": "wss://app.example/callback",
    "no scheme": "//app.example/callback",
    "path": "/callback",
    "nothing": "",
    "no host": "https:///callback",
    "no authority": "https:callback",
    "only a port": "https://:443/callback",
    "port that is none": "https://app.example:port/callback",
    "port that is too high": "https://app.example:65536/callback",
    "open bracket": "https://[::1",
    "label too long": f"https://{'a' * 64}.example/callback",
    "empty label": "https://app..example/callback",
    "backslash": "https://app.example\\@evil.example/callback",
    "space": "https://app.example/call back",
    "space before": " https://app.example/callback",
    "tab": "https://app.example/\tcallback",
    "newline": "https://app.example/callback\nX: y",
    "NUL": "https://app.example/callback\0",
    "quote": 'https://app.example/callback"',
    "markup": "https://app.example/<script>",
    "not ASCII": "https://\N{CYRILLIC SMALL LETTER A}pp.example/callback",
    "template": "https://{tenant}.app.example/callback",
    "policy": "https://app.example;sandbox/callback",
    "another policy": "https://app.example,script-src/callback",
    "native, no dot": "myapp:/callback",
    "native, empty host": "com.example.app:///callback",
    "native, fragment": "com.example.app:/callback#x",
}


@pytest.mark.parametrize("uri", GOOD)
def test_a_good_redirect_uri_can_be_registered_and_used(server: Server, signed_in: Person, uri: str) -> None:
    """SR6 redirect URIs."""
    application = server.application(redirect_uris=(uri,))
    location = signed_in.send("GET", application.url()).location
    assert location.lower().startswith(uri.lower())


@pytest.mark.parametrize("uri", NATIVE)
def test_a_scheme_of_its_own_is_for_native_applications(server: Server, signed_in: Person, uri: str) -> None:
    """O 8252 7.1: a reversed domain name; a web application has no use for it."""
    application = server.application(redirect_uris=(uri,), public=True, native=True)
    assert signed_in.send("GET", application.url()).location.startswith(uri + "?")
    with pytest.raises(InteractionError, match="native"):
        server.application(redirect_uris=(uri,), public=True)


@pytest.mark.parametrize("native", [False, True], ids=["web", "native"])
@pytest.mark.parametrize("uri", BAD.values(), ids=BAD)
def test_a_dangerous_redirect_uri_is_refused_at_registration(server: Server, uri: str, native: bool) -> None:
    """SR6 redirect URIs: no http, fragment, user name, wildcard or dangerous scheme; with the reason."""
    with pytest.raises(InteractionError) as refused:
        server.application(redirect_uris=("https://app.example/fine", uri), native=native)
    assert repr(uri) in refused.value.message
    application = server.application(native=native)
    with server.arranging(), pytest.raises(InteractionError):
        row = application.row()
        clients.change(row, replace(clients.registration_of(row), redirect_uris=(uri,)), "admin")


@pytest.mark.parametrize("native", [False, True], ids=["web", "native"])
@pytest.mark.parametrize("uri", BAD.values(), ids=BAD)
def test_a_dangerous_redirect_uri_is_refused_at_use(
    server: Server, signed_in: Person, uri: str, native: bool
) -> None:
    """SR6 "at registration and at use": however it came into the table, nothing goes there."""
    application = server.application(native=native)
    with server.arranging():
        application.row().redirect_uris = [uri]
    for changes in ({}, {"prompt": "none", "max_age": "0"}, {"scope": "unknown"}):
        parameters = application.request(**{**changes, "redirect_uri": uri})
        response = signed_in.send("GET", "/authorize", query_string=urlencode(parameters))
        assert response.status_code == 400
        assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("registered", "sent"),
    [
        ("https://app.example/callback", "https://app.example/callback/"),
        ("https://app.example/callback", "https://app.example/callback?"),
        ("https://app.example/callback", "https://APP.example/callback"),
        ("https://app.example/callback", "https://app.example/Callback"),
        ("https://app.example/callback", "https://app.example/%63allback"),
        ("https://app.example/callback", "https://app.example:443/callback"),
        ("https://app.example/callback", "https://app.example/x/../callback"),
        ("https://app.example/callback", "HTTPS://app.example/callback"),
        ("https://app.example/callback?a=1&b=2", "https://app.example/callback?b=2&a=1"),
        ("https://app.example:8443/callback", "https://app.example:8444/callback"),
        ("http://localhost:3000/callback", "http://localhost:3001/callback"),
        ("http://127.0.0.1:3000/callback", "http://127.0.0.1:3001/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:3001/callback"),
    ],
)
def test_a_redirect_uri_is_compared_byte_by_byte(
    server: Server, signed_in: Person, registered: str, sent: str
) -> None:
    """SR6 byte-exact match: no normalisation, no prefix, and no other port for a web application."""
    application = server.application(redirect_uris=(registered,))
    assert signed_in.send("GET", application.url()).status_code == 303
    response = signed_in.send("GET", application.url(redirect_uri=sent))
    assert response.status_code == 400
    assert "Location" not in response.headers


LOOPBACK = "http://127.0.0.1/callback?x=1"


@pytest.mark.parametrize("port", ["", ":1", ":80", ":49152", ":65535"])
@pytest.mark.parametrize(
    ("registered", "scheme", "rest"),
    [
        (LOOPBACK, "http://127.0.0.1", "/callback?x=1"),
        ("http://127.0.0.1:8080/callback", "http://127.0.0.1", "/callback"),
        ("http://[::1]/callback", "http://[::1]", "/callback"),
        ("http://127.0.0.1", "http://127.0.0.1", ""),
    ],
)
def test_a_native_application_may_listen_on_any_loopback_port(
    server: Server, signed_in: Person, registered: str, scheme: str, port: str, rest: str
) -> None:
    """O 8252 7.3: the port, and nothing but the port; the token request repeats the URI with it."""
    application = server.application(redirect_uris=(registered,), public=True, native=True)
    uri = f"{scheme}{port}{rest}"
    signed_in.go(application.url(redirect_uri=uri))
    assert signed_in.path.startswith(uri)
    code = signed_in.answer["code"]
    if uri != registered:
        assert application.redeem(code, redirect_uri=registered).status_code == 400
    assert application.redeem(code, redirect_uri=uri).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        "http://127.0.0.1:8080/callback",
        "http://127.0.0.1:8080/callback?x=1&y=2",
        "http://127.0.0.1:8080/callback?x=1#",
        "http://127.0.0.1:8080/callback?x=1#fragment",
        "http://127.0.0.1:8080/Callback?x=1",
        "http://127.0.0.1:/callback?x=1",
        "http://127.0.0.1:99999/callback?x=1",
        "http://127.0.0.1:-1/callback?x=1",
        "http://127.0.0.1:80 80/callback?x=1",
        " http://127.0.0.1:8080/callback?x=1",
        "HTTP://127.0.0.1:8080/callback?x=1",
        "https://127.0.0.1:8080/callback?x=1",
        "http://localhost:8080/callback?x=1",
        "http://[::1]:8080/callback?x=1",
        "http://127.0.0.2:8080/callback?x=1",
        "http://127.0.0.1:8080@evil.example/callback?x=1",
        "http://user@127.0.0.1:8080/callback?x=1",
        "http://127.0.0.1:8080.evil.example/callback?x=1",
        "http://127.0.0.1.evil.example:8080/callback?x=1",
        "http://127.0.0.1:8080\\.evil.example/callback?x=1",
        "http://0x7f.1:8080/callback?x=1",
    ],
)
def test_nothing_but_the_port_varies(server: Server, signed_in: Person, sent: str) -> None:
    """O 8252 7.3: scheme, host, path and query of the loopback URI are compared byte by byte."""
    application = server.application(redirect_uris=(LOOPBACK,), public=True, native=True)
    response = signed_in.send("GET", application.url(redirect_uri=sent))
    assert response.status_code == 400, response.location
    assert "Location" not in response.headers


def test_a_redirect_uri_is_demanded_even_where_only_one_is_registered(
    application: Application, signed_in: Person
) -> None:
    """Stack notes 3.2: an omitted one would go unchecked at the token endpoint."""
    response = signed_in.send("GET", application.url(redirect_uri=None))
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_the_row_that_is_stored_decides(server: Server, signed_in: Person) -> None:
    """A 10.4.1: an additional redirect URI works at once, in every process; a removed one no longer."""
    application = server.application()
    other = "https://app.example/other"
    assert signed_in.send("GET", application.url(redirect_uri=other)).status_code == 400
    result = server.cli("client", "change", application.id, "--redirect-uri", other)
    assert result.exit_code == 0, result.output
    assert signed_in.send("GET", application.url(redirect_uri=other)).status_code == 303
    assert signed_in.send("GET", application.url()).status_code == 400


def test_a_client_has_a_redirect_uri(server: Server) -> None:
    """A client without one could do nothing; its table must not become "any"."""
    with pytest.raises(InteractionError, match="at least one"):
        server.application(redirect_uris=())
    assert not Client(redirect_uris=[], native=True).check_redirect_uri("https://app.example/callback")
    assert redirect_uris.problem("https://app.example/callback", native=False) is None
