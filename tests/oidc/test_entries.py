"""However a request comes in, it asks the same gate: each entry with each interruption, and ``prompt=none``."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from idprotect import protection
from tests.oidc.conftest import POLICIES
from tests.oidc.server import Application, Person, Server
from tests.oidc.signing import KEY, public, request_object
from tests.support.world import PASSWORD, USER_RISK_POLICY
from tests.terms.rules import BOUND, make_terms

NEW_PASSWORD = "eleven loud gulls under tin"
Enter = Callable[[Application, Person, dict[str, Any]], Person]


def by_get(application: Application, person: Person, wanted: dict[str, Any]) -> Person:
    """Follow a link."""
    return person.go(application.url(**wanted))


def by_post(application: Application, person: Person, wanted: dict[str, Any]) -> Person:
    """Be posted here by another site."""
    return person.go("/authorize", "POST", application.request(**wanted))


def pushed(application: Application, person: Person, wanted: dict[str, Any]) -> Person:
    """Bring a reference."""
    told = application.post("/par", **application.request(**wanted)).get_json()
    return person.go(
        "/authorize?" + urlencode({"client_id": application.id, "request_uri": told["request_uri"]})
    )


def signed(application: Application, person: Person, wanted: dict[str, Any]) -> Person:
    """Bring a signed request."""
    value = request_object(application, **wanted)
    return person.go("/authorize?" + urlencode({"client_id": application.id, "request": value}))


def signed_and_posted(application: Application, person: Person, wanted: dict[str, Any]) -> Person:
    """Bring a signed request from another site."""
    value = request_object(application, **wanted)
    return person.go("/authorize", "POST", {"client_id": application.id, "request": value})


def signed_and_pushed(application: Application, person: Person, wanted: dict[str, Any]) -> Person:
    """Bring a reference to a signed request."""
    told = application.post("/par", request=request_object(application, **wanted)).get_json()
    return person.go(
        "/authorize?" + urlencode({"client_id": application.id, "request_uri": told["request_uri"]})
    )


ENTRIES: dict[str, tuple[Enter, dict[str, Any]]] = {
    "GET": (by_get, {}),
    "POST": (by_post, {}),
    "PAR": (pushed, {}),
    "JAR": (signed, {}),
    "JAR by POST": (signed_and_posted, {}),
    "JAR by PAR": (signed_and_pushed, {}),
    "form_post": (by_get, {"response_mode": "form_post"}),
    "form_post by PAR": (pushed, {"response_mode": "form_post"}),
}


@pytest.fixture(scope="module")
def third_party(server: Server) -> Application:
    """An application that asks for consent, and can sign."""
    return server.application(first_party=False, jwks=public(KEY))


@pytest.fixture(scope="module", autouse=True)
def rules(server: Server) -> None:
    """Let some people be bound to rules, which they have to accept."""
    make_terms(server)
    server.apply(USER_RISK_POLICY, POLICIES, BOUND)


def at_risk(server: Server) -> Person:
    """Somebody whose account is at risk, at a browser that is signed in."""
    person = server.person(authenticators=("totp",)).sign_in()
    server.act(protection.confirm_compromised, person.username, "admin", "leak", end_sessions=False)
    return person


#: Who comes, the pages that they pass in turn, and what ``prompt=none`` is answered once they are signed in.
PEOPLE: dict[str, tuple[Callable[[Server], Person], tuple[str, ...], str]] = {
    "nobody yet": (lambda s: s.person(), ("sign_in", "consent"), "login_required"),
    "somebody": (lambda s: s.person().sign_in(), ("consent",), "consent_required"),
    "second factor": (
        lambda s: s.person(authenticators=("totp",), groups=("careful",)).sign_in(),
        ("mfa", "consent"),
        "interaction_required",
    ),
    "at risk": (at_risk, ("notice", "mfa", "password_change", "consent"), "interaction_required"),
    "bound to rules": (
        lambda s: s.person(authenticators=("totp",), groups=("bound", "careful")).sign_in(),
        ("mfa", "terms_of_use", "consent"),
        "interaction_required",
    ),
    "unwanted": (lambda s: s.person(groups=("unwanted",)).sign_in(), ("block",), "access_denied"),
}


def pass_page(person: Person, step: str) -> None:
    """Do what a page wants."""
    if step == "sign_in":
        person.sign_in()
    elif step == "notice":
        person.submit(action="/notice")
    elif step == "mfa":
        person.prove()
    elif step == "password_change":
        person.submit({"current": PASSWORD, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD})
    elif step == "terms_of_use":
        person.submit(button="accept")
    else:
        person.submit(button="allow")


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_meets_every_interruption(
    server: Server, third_party: Application, entry: str, who: str
) -> None:
    """Section 2, F073, C068: the same pages in the same order, and at their end the code for what was asked."""
    enter, wanted = ENTRIES[entry]
    make, steps, _ = PEOPLE[who]
    person = make(server)
    enter(third_party, person, {**wanted, "state": entry})
    for step in steps:
        assert person.step == step
        if step == "block":
            return
        pass_page(person, step)
    if "form_post" in entry:
        assert f'name="state" value="{entry}"' in person.page.text
        assert 'name="code"' in person.page.text
    else:
        assert person.answer["state"] == entry
        assert third_party.redeem(person.answer["code"]).status_code == 200


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("entry", ENTRIES)
def test_prompt_none_shows_no_page_at_any_entry(
    server: Server, third_party: Application, entry: str, who: str
) -> None:
    """F108, OIDC Core 3.1.2.6: the standard error, where the answer was wanted, and no code."""
    enter, wanted = ENTRIES[entry]
    make, _, error = PEOPLE[who]
    person = make(server)
    enter(third_party, person, {**wanted, "prompt": "none"})
    if "form_post" in entry:
        assert f'name="error" value="{error}"' in person.page.text
        assert 'name="code"' not in person.page.text
    else:
        assert person.answer["error"] == error
        assert "code" not in person.answer
