"""Pushed authorization requests (RFC 9126): validated at once, referred to once, by the client that pushed."""

from urllib.parse import urlencode

import pytest

from tests.oidc.server import CALLBACK, FOREIGN, Application, Person, Server, error_of


def push(application: Application, **changes: str | None) -> str:
    """Push a good request, changed; return its reference."""
    answer = application.post("/par", **application.request(**changes))
    assert answer.status_code == 201, answer.text
    assert 5 < answer.get_json()["expires_in"] < 600
    assert answer.headers["Cache-Control"] == "no-store"
    return str(answer.get_json()["request_uri"])


def go(person: Person, application: Application, reference: str, **more: str) -> Person:
    """Send a person with a reference."""
    query = {"client_id": application.id, "request_uri": reference, **more}
    return person.go("/authorize?" + urlencode(query))


@pytest.mark.parametrize(
    "options", [{}, {"token_endpoint_auth_method": "client_secret_post"}, {"public": True}]
)
def test_a_pushed_request_gets_a_code(server: Server, person: Person, options: dict[str, object]) -> None:
    """C011, O 9126 2 and 4: through the pages, with everything that was pushed."""
    application = server.application(**options)
    go(person, application, push(application, state="pushed state")).sign_in()
    assert person.answer["state"] == "pushed state"
    assert application.redeem(person.answer["code"]).status_code == 200


def test_a_pushed_request_meets_every_interruption(server: Server) -> None:
    """Section 2: also this entry asks the gate, and the pages lead back to the request that was pushed."""
    application = server.application(first_party=False)
    person = server.person(authenticators=("totp",), groups=("careful",))
    go(person, application, push(application)).sign_in()
    assert person.step == "mfa"
    assert person.prove().step == "consent"
    person.submit(button="allow")
    assert application.redeem(person.answer["code"]).status_code == 200
    blocked = server.person(groups=("unwanted",)).sign_in()
    assert go(blocked, application, push(application)).step == "block"
    nobody = server.person()
    assert go(nobody, application, push(application, prompt="none")).answer["error"] == "login_required"


def test_what_the_browser_says_does_not_count(
    server: Server, application: Application, signed_in: Person
) -> None:
    """O 9101 6.3: parameters beside the reference are ignored."""
    other = {"redirect_uri": FOREIGN, "state": "other", "scope": "openid", "response_mode": "form_post"}
    go(signed_in, application, push(application), **other)
    assert signed_in.path.startswith(CALLBACK)
    assert signed_in.answer["state"] == "a state"


def test_a_reference_works_once(application: Application, signed_in: Person) -> None:
    """O 9126 7.3: presented again it is refused, without a redirect."""
    reference = push(application)
    assert "code" in go(signed_in, application, reference).answer
    go(signed_in, application, reference)
    assert signed_in.page.status_code == 400


def test_references_that_are_not_good(server: Server, application: Application, signed_in: Person) -> None:
    """O 9126 7.1: too old, another client's, made up: no redirect, because there is no request to trust."""
    reference, other = push(application), server.application()
    for client, uri in (
        (other, reference),
        (application, reference + "x"),
        (application, "urn:ietf:params:oauth:request_uri:"),
    ):
        go(signed_in, client, uri)
        assert signed_in.page.status_code == 400
    assert signed_in.go("/authorize?" + urlencode({"request_uri": reference})).page.status_code == 400
    server.clock.move(seconds=100)
    assert go(signed_in, application, reference).page.status_code == 400


def test_another_client_cannot_use_a_reference_up(
    server: Server, application: Application, signed_in: Person
) -> None:
    """It is bound to its client."""
    reference = push(application)
    go(signed_in, server.application(), reference)
    assert "code" in go(signed_in, application, reference).answer


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": FOREIGN}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid everything"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"request": "x.y.z"}, "invalid_request_object"),
        ({"claims": "x"}, "invalid_request"),
        ({"prompt": "maybe"}, "invalid_request"),
    ],
)
def test_what_is_wrong_is_told_at_once(
    application: Application, changes: dict[str, str | None], error: str
) -> None:
    """O 9126 2.3: as JSON to the application; nothing is redirected."""
    answer = application.post("/par", **application.request(**changes))
    assert error_of(answer) == (400, error)
    assert "Location" not in answer.headers


def test_only_the_client_pushes(server: Server, application: Application) -> None:
    """O 9126 2, SR6 client authentication exactly as registered; POST and form only."""
    request = application.request()
    assert error_of(server.send("POST", "/par", request)) == (401, "invalid_client")
    wrong = {**request, "client_secret": "x" * 43}
    assert error_of(server.send("POST", "/par", wrong)) == (401, "invalid_client")
    assert server.send("GET", "/par?" + urlencode(request)).status_code == 405
    other = server.application()
    mixed = other.post("/par", **request)
    assert mixed.status_code in (400, 401)


def test_a_client_may_be_held_to_pushing(server: Server, signed_in: Person) -> None:
    """O 9126 6: a request in the browser is then refused, at its redirect URI."""
    application = server.application(require_pushed_authorization_requests=True)
    assert application.ask(signed_in)["error"] == "invalid_request"
    assert "code" in go(signed_in, application, push(application)).answer
    signed_in.go("/authorize", "POST", application.request())
    assert signed_in.answer["error"] == "invalid_request"


def test_a_reference_can_be_posted_from_another_site(
    server: Server, application: Application, signed_in: Person
) -> None:
    """SameSite: kept, and looked at again by GET."""
    form = {"client_id": application.id, "request_uri": push(application)}
    answer = server.send("POST", "/authorize", form)
    assert answer.status_code == 303
    assert "code" in signed_in.go(answer.location).answer
