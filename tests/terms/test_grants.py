"""C068: every door asks the same: prompt=none, the code, the refresh token, a device, a token that is out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.oidc.server import Application, Person, Server, error_of, running
from tests.oidc.test_device import switch_on, television, type_code
from tests.terms.rules import POLICY, accepted, make_terms, publish


@pytest.fixture
def server(tmp_path: Path, keys: Path) -> Iterator[Server]:
    """Run a server on which everybody has to accept the rules."""
    with running(tmp_path, keys) as server:
        make_terms(server, valid_days=30)
        server.apply(POLICY)
        yield server


@pytest.fixture
def application(server: Server) -> Application:
    """An application that asks for no consent."""
    return server.application()


@pytest.fixture
def bound(server: Server, application: Application) -> Person:
    """Somebody who is signed in, and has accepted."""
    person = server.person().go(application.url()).sign_in().submit(button="accept")
    assert "code" in person.answer
    return person


def test_without_pages_interaction_is_required(server: Server, application: Application) -> None:
    """C068, OIDC Core 3.1.2.6: as for every other page but those of sign-in and consent."""
    person = server.person().go(application.url()).sign_in()
    assert person.step == "terms_of_use"
    assert application.ask(person, prompt="none")["error"] == "interaction_required"
    person.go(application.url()).submit(button="accept")
    assert "code" in application.ask(person, prompt="none")


def test_whoever_declines_is_told_to_the_application_with_its_state(
    server: Server, application: Application
) -> None:
    """C068, RFC 6749 4.1.2.1: ``access_denied``, the state and the issuer; the session stays as it was."""
    person = server.person().go(application.url(state="the state")).sign_in().submit(button="decline")
    assert person.answer["error"] == "access_denied"
    assert (person.answer["state"], person.answer["iss"]) == ("the state", "https://id.example")
    assert "code" not in person.answer
    assert person.go(application.url()).step == "terms_of_use", "still signed in, and asked again"
    form_post = person.go(application.url(response_mode="form_post")).submit(button="decline")
    assert 'name="error" value="access_denied"' in form_post.page.text


def test_a_code_and_a_refresh_token_are_refused_until_the_new_version_is_accepted(
    server: Server, application: Application, bound: Person
) -> None:
    """C068: ``invalid_grant`` with the suberror of ``prompt=none``; the refresh token works again afterwards."""
    code = application.ask(bound)["code"]
    tokens = application.tokens(bound)
    assert application.userinfo(tokens["access_token"]).status_code == 200
    publish(server)
    for refused in (application.redeem(code), application.refresh(tokens["refresh_token"])):
        assert error_of(refused) == (400, "invalid_grant")
        assert refused.get_json()["suberror"] == "interaction_required"
    assert application.userinfo(tokens["access_token"]).status_code == 200, "what is out runs to its end"
    bound.go(application.url()).submit(button="accept")
    assert accepted(server, bound.username) == [("rules", 1), ("rules", 2)]
    assert application.refresh(tokens["refresh_token"]).status_code == 200


def test_time_alone_ends_no_access_token_but_the_next_refresh(
    server: Server, application: Application, bound: Person
) -> None:
    """C068: an acceptance that runs out asks again at the next door; what is out has an end of its own."""
    server.clock.move(days=29, hours=23, minutes=58)
    bound.go(application.url()).sign_in()
    tokens = application.redeem(bound.answer["code"]).get_json()
    server.clock.move(minutes=4)
    assert application.userinfo(tokens["access_token"]).status_code == 200
    refused = application.refresh(tokens["refresh_token"])
    assert (error_of(refused)[1], refused.get_json()["suberror"]) == ("invalid_grant", "interaction_required")
    assert bound.go(application.url()).step == "terms_of_use"


def test_a_device_waits_behind_the_same_page(server: Server) -> None:
    """C068, RFC 8628: when a person allows one, and when it comes for its tokens."""
    device = switch_on(television(server))
    person = server.person()
    type_code(person, device).sign_in()
    assert person.step == "terms_of_use"
    assert device.state == "authorization_pending"
    person.submit(button="accept")
    assert person.step == "/device/confirm"
    person.submit(button="allow")
    publish(server)
    assert device.poll().get_json()["suberror"] == "interaction_required"
    person.go("/account").submit(button="accept")
    assert "access_token" in device.poll().get_json()


def test_who_accepts_is_who_is_signed_in(server: Server, application: Application) -> None:
    """C068: the form of one person is worth nothing in the browser of another, nor after another signed in."""
    ada, bob = (server.person().go(application.url()).sign_in() for _ in range(2))
    form: dict[str, Any] = {"answer": "accept"}
    token = ada.page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    bob.go(f"{bob.path}?version=1", "POST", {**form, "csrf_token": token})
    assert (bob.step, bob.page.status_code) == ("terms_of_use", 400)
    bob.go(f"{ada.path}?version=1", "POST", {**form, "csrf_token": token})
    assert bob.page.status_code == 400
    assert accepted(server, ada.username) == accepted(server, bob.username) == []
