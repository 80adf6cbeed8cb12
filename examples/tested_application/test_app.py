"""What happens here when somebody is at risk there."""

import pytest
from flask.testing import FlaskClient

from idprotect.testing import Person, Provider, Stopped


def visit(browser: FlaskClient, person: Person, path: str) -> str:
    """Go to a page as a person does: to the provider where it sends one, and back; return what it shows."""
    answer = browser.get(path)
    while answer.status_code in (302, 303):
        place = answer.location
        answer = browser.get(person.go(place) if place.startswith(person.provider.issuer) else place)
    return answer.text


def test_somebody_signs_in(idprotect_provider: Provider, browser: FlaskClient) -> None:
    assert "40 crowns" in visit(browser, idprotect_provider.person(), "/")


def test_money_moves_with_a_second_factor(idprotect_provider: Provider, browser: FlaskClient) -> None:
    ada = idprotect_provider.person(second_factor=True)
    assert "40 crowns" in visit(browser, ada, "/")
    assert browser.get("/transfer").location.startswith("/login?acr=aal2")
    assert "on its way" in visit(browser, ada, "/transfer")


def test_now_my_user_is_at_high_risk(idprotect_provider: Provider, browser: FlaskClient) -> None:
    """The refresh is refused; the way to the provider leads through the recovery, and back."""
    ada = idprotect_provider.person(second_factor=True)
    visit(browser, ada, "/")
    password = ada.password
    ada.set_risk("high")
    assert browser.get("/").location == "/login"
    assert "40 crowns" in visit(browser, ada, "/")
    assert ada.password != password, "she chose a new one"


def test_who_cannot_recover_is_stopped(idprotect_provider: Provider, browser: FlaskClient) -> None:
    with pytest.raises(Stopped) as stopped:
        visit(browser, idprotect_provider.person(risk="high"), "/")
    assert stopped.value.step == "block"


def test_a_session_that_ends_there_ends_here(idprotect_provider: Provider, browser: FlaskClient) -> None:
    ada = idprotect_provider.person()
    visit(browser, ada, "/")
    ada.end_sessions()
    assert browser.get("/").location == "/login"


def test_tomorrow_she_signs_in_again(idprotect_provider: Provider, browser: FlaskClient) -> None:
    ada = idprotect_provider.person()
    visit(browser, ada, "/")
    with idprotect_provider.later(days=1):
        assert "40 crowns" in visit(browser, ada, "/"), "the refresh token is good for longer"
