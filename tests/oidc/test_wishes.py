"""How an answer is given, and what an application may wish for: form_post, contexts, claims, a certain person."""

import json
from html.parser import HTMLParser

import pytest

from tests.oidc.server import CALLBACK, ISSUER, Application, Person, Server, error_of

AAL2 = json.dumps({"id_token": {"acr": {"essential": True, "values": ["aal2"]}}})
AAL1 = json.dumps({"id_token": {"acr": {"essential": True, "value": "aal1"}}})


class Form(HTMLParser):
    """The one form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action, self.fields = "", {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            assert given["method"] == "post"
            self.action = given["action"]
        elif tag == "input":
            assert given["type"] == "hidden"
            self.fields[given["name"]] = given["value"]


# Form Post Response Mode


def test_an_answer_can_be_posted(server: Server, application: Application, signed_in: Person) -> None:
    """Form Post 2, C 9207: code, exact state and iss in a form; it works by its button, and submits itself."""
    state = 'a "state" <b>&amp;\'\N{SNOWMAN}'
    signed_in.go(application.url(response_mode="form_post", state=state))
    form = Form(signed_in.page.text)
    assert signed_in.page.status_code == 200
    assert form.action == CALLBACK
    assert form.fields.keys() == {"code", "state", "iss"}
    assert (form.fields["state"], form.fields["iss"]) == (state, ISSUER)
    assert '<button type="submit"' in signed_in.page.text
    policy = signed_in.page.headers["Content-Security-Policy"]
    nonce = policy.partition("script-src 'nonce-")[2].partition("'")[0]
    assert f'<script nonce="{nonce}">' in signed_in.page.text
    assert "form-action 'self' https:" in policy
    assert signed_in.page.headers["Cache-Control"] == "no-store"
    assert application.redeem(form.fields["code"]).status_code == 200


def test_errors_are_posted_too(server: Server, application: Application, person: Person) -> None:
    """Form Post 2: also what Authlib finds wrong, what prompt=none meets, and what a person denies."""
    for changes, error in (
        ({"prompt": "none"}, "login_required"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid nothing"}, "invalid_scope"),
        ({"max_age": "x"}, "invalid_request"),
    ):
        person.go(application.url(response_mode="form_post", **changes))
        form = Form(person.page.text)
        assert (form.action, form.fields["error"]) == (CALLBACK, error)
        assert (form.fields["state"], form.fields["iss"]) == ("a state", ISSUER)
    person.go(application.url(response_mode="form_post")).submit(action="/cancel/")
    assert Form(person.page.text).fields["error"] == "access_denied"


def test_a_form_is_posted_after_every_page(server: Server, person: Person) -> None:
    """The mode survives sign-in and consent."""
    application = server.application(first_party=False)
    person.go(application.url(response_mode="form_post")).sign_in()
    assert person.step == "consent"
    person.submit(button="allow")
    assert application.redeem(Form(person.page.text).fields["code"]).status_code == 200


def test_nothing_is_posted_to_a_uri_that_is_not_registered(
    application: Application, signed_in: Person
) -> None:
    """SR6 no redirect before validation, in this mode as well."""
    signed_in.go(application.url(response_mode="form_post", redirect_uri="https://evil.example/"))
    assert signed_in.page.status_code == 400
    assert "<form" not in signed_in.page.text


def test_query_is_the_mode_by_name_and_by_default(application: Application, signed_in: Person) -> None:
    """Multiple Response Types 2.1."""
    for mode in ("query", None):
        assert "code" in application.ask(signed_in, response_mode=mode)


# Authentication contexts


def claims_of(application: Application, answer: dict[str, str]) -> dict[str, object]:
    """Return what the ID token for a code says."""
    return application.claims(application.redeem(answer["code"]).get_json()["id_token"])


@pytest.mark.parametrize("wish", [{"acr_values": "aal2"}, {"acr_values": "gold aal2 aal1"}, {"claims": AAL2}])
def test_step_up_to_a_second_factor(server: Server, application: Application, wish: dict[str, str]) -> None:
    """F059, C007: who has one is asked for it, and the ID token says so."""
    person = server.person(authenticators=("totp",)).sign_in()
    assert claims_of(application, application.ask(person))["acr"] == "aal1"
    person.go(application.url(**wish))
    assert person.step == "mfa"
    claims = claims_of(application, person.prove().answer)
    assert claims["acr"] == "aal2"
    assert {"pwd", "otp", "mfa"} <= set(claims["amr"])  # type: ignore[call-overload]
    assert "code" in application.ask(person, **wish), "and not again"


def test_step_up_starts_at_the_sign_in(server: Server, application: Application) -> None:
    """C007: the wish is kept while the person signs in."""
    person = server.person(authenticators=("totp",)).go(application.url(acr_values="aal2")).sign_in()
    assert person.step == "mfa"
    assert claims_of(application, person.prove().answer)["acr"] == "aal2"


def test_a_voluntary_wish_that_cannot_be_met(application: Application, signed_in: Person) -> None:
    """C 3.1.2.1: acr_values are voluntary, also unknown ones; what was reached is told."""
    for values in ("aal2", "gold", "1 2"):
        assert claims_of(application, application.ask(signed_in, acr_values=values))["acr"] == "aal1"


def test_an_essential_wish_that_cannot_be_met(application: Application, signed_in: Person) -> None:
    """C009: no code, but unmet_authentication_requirements, with and without pages."""
    for prompt in (None, "none"):
        answer = application.ask(signed_in, claims=AAL2, prompt=prompt)
        assert (answer["error"], answer["state"]) == ("unmet_authentication_requirements", "a state")


def test_prompt_none_cannot_step_up(server: Server, application: Application) -> None:
    """F108: the page that would be needed is not shown."""
    person = server.person(authenticators=("totp",)).sign_in()
    for wish in ({"acr_values": "aal2"}, {"claims": AAL2}):
        assert application.ask(person, prompt="none", **wish)["error"] == "interaction_required"


def test_who_needs_the_lower_context_is_told_that(server: Server, application: Application) -> None:
    """C 5.5.1.1: the acr is one of the values that are essential; the higher one includes the lower."""
    person = server.person(authenticators=("totp",)).sign_in()
    person.go(application.url(acr_values="aal2")).prove()
    assert claims_of(application, application.ask(person, claims=AAL1))["acr"] == "aal1"
    assert claims_of(application, application.ask(person))["acr"] == "aal2"


def test_other_pages_of_a_stepped_up_request_do_not_skip_it(server: Server) -> None:
    """I1: the page of another step leads back to the one that is due."""
    application = server.application(first_party=False)
    person = server.person(authenticators=("totp",)).go(application.url(claims=AAL2)).sign_in()
    assert person.step == "mfa"
    person.go(person.path.replace("/mfa", "/consent"))
    assert person.step == "mfa"
    assert person.prove().step == "consent"


# A certain person


def test_a_hint_of_the_person_who_is_signed_in(application: Application, signed_in: Person) -> None:
    """C 3.1.2.1 id_token_hint: with prompt=none the code comes."""
    id_token = application.tokens(signed_in)["id_token"]
    assert "code" in application.ask(signed_in, id_token_hint=id_token, prompt="none")


def test_a_hint_of_somebody_else(server: Server, application: Application, signed_in: Person) -> None:
    """C 3.1.2.1: login_required without pages; with pages the person may sign in as the one who is meant."""
    other = server.person().sign_in()
    id_token = application.tokens(other)["id_token"]
    wishes = (
        {"id_token_hint": id_token},
        {"claims": json.dumps({"id_token": {"sub": {"value": other.user_id}}})},
    )
    for wish in wishes:
        assert application.ask(signed_in, prompt="none", **wish)["error"] == "login_required"
    signed_in.go(application.url(id_token_hint=id_token))
    assert signed_in.step == "sign_in"
    assert signed_in.sign_in().step == "sign_in", "it is still not the one who is meant"
    signed_in.sign_in(username=other.username)
    assert claims_of(application, signed_in.answer)["sub"] == other.user_id


def test_a_hint_about_nobody_signed_in(application: Application, server: Server, person: Person) -> None:
    """C 3.1.2.1: hint and prompt=none without a session."""
    id_token = application.tokens(server.person().sign_in())["id_token"]
    assert application.ask(person, id_token_hint=id_token, prompt="none")["error"] == "login_required"


def test_what_changes_nothing_is_accepted(application: Application, signed_in: Person) -> None:
    """C 15.1: display, ui_locales, claims_locales and what nobody knows are no reason to refuse."""
    for changes in (
        {"display": "page"},
        {"display": "popup"},
        {"ui_locales": "se fr-CA"},
        {"claims_locales": "se"},
        {"extra": "foobar"},
        {"registration": "{}"},
    ):
        assert "code" in application.ask(signed_in, **changes)


def test_a_session_that_is_young_enough_is_used(server: Server, application: Application) -> None:
    """C 3.1.2.1 max_age: no page, and the auth_time of the one sign-in that there was."""
    person = server.person().sign_in()
    first = claims_of(application, application.ask(person))["auth_time"]
    server.clock.move(minutes=5)
    again = claims_of(application, application.ask(person, max_age="10000", prompt="none"))
    assert again["auth_time"] == first
    assert again["iat"] - again["auth_time"] >= 300  # type: ignore[operator]


# Claims

EVERYTHING = {
    "given_name": "Ada",
    "family_name": "Lovelace",
    "middle_name": "Augusta",
    "nickname": "Enchantress",
    "profile": "https://ada.example/",
    "picture": "https://ada.example/me.jpg",
    "website": "https://ada.example/",
    "gender": "female",
    "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "email_verified": "true",
    "phone_number": "+44 20 7946 0000",
    "phone_number_verified": "false",
    "address.street_address": "12 St James's Square",
    "address.locality": "London",
    "address.country": "GB",
}


@pytest.fixture
def known(server: Server) -> Person:
    """Somebody of whom everything is known."""
    person = server.person(name="Ada Lovelace")
    claims = [f"{name}={value}" for name, value in EVERYTHING.items()]
    result = server.cli("user", "claims", person.username, *claims)
    assert result.exit_code == 0, result.output
    return person.sign_in()


def userinfo(application: Application, person: Person, **changes: str | None) -> dict[str, object]:
    """Return what userinfo says after a request."""
    answer = application.redeem(application.ask(person, **changes)["code"]).get_json()
    return dict(application.userinfo(answer["access_token"]).get_json())


def test_each_scope_has_its_claims(server: Server, application: Application, known: Person) -> None:
    """C 5.4: profile, email, address, phone, each with the standard claims in the types of section 5.1."""
    profile = userinfo(application, known, scope="openid profile")
    assert profile.keys() == {
        *("sub", "name", "preferred_username", "given_name", "family_name", "middle_name", "nickname"),
        *("profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"),
    }
    assert isinstance(profile["updated_at"], int)
    email = userinfo(application, known, scope="openid email")
    assert (email["email"], email["email_verified"]) == (f"{known.username}@example.org", True)
    phone = userinfo(application, known, scope="phone openid")
    assert phone.keys() == {"sub", "phone_number", "phone_number_verified"}
    assert phone["phone_number_verified"] is False
    address = userinfo(application, known, scope="openid address")["address"]
    assert address == {"street_address": "12 St James's Square", "locality": "London", "country": "GB"}
    everything = userinfo(application, known, scope="openid profile email address phone")
    assert everything.keys() == {*profile, *email, *phone, "address"}


def test_claims_can_be_wished_for_one_by_one(application: Application, known: Person) -> None:
    """C 5.5: by name, for userinfo and for the ID token, also at a refresh; null and details alike."""
    wished = {"userinfo": {"name": {"essential": True}, "website": None}, "id_token": {"nickname": None}}
    request = application.ask(known, scope="openid offline_access", claims=json.dumps(wished))
    tokens = application.redeem(request["code"]).get_json()
    refreshed = application.refresh(tokens["refresh_token"]).get_json()
    for answer in (tokens, refreshed):
        claims = application.userinfo(answer["access_token"]).get_json()
        assert claims.keys() == {"sub", "name", "website"}
    id_claims = application.claims(tokens["id_token"])
    assert id_claims["nickname"] == "Enchantress"
    assert not {"name", "website"} & id_claims.keys()


def test_claims_that_nobody_knows_are_left_out(application: Application, signed_in: Person) -> None:
    """C 5.5.1: not even an essential claim that is missing is an error; what is internal is no claim."""
    wished = {
        "userinfo": {"birthdate": {"essential": True}, "password_hash": None, "sub": None, "\x00": None}
    }
    assert userinfo(application, signed_in, scope="openid", claims=json.dumps(wished)).keys() == {"sub"}


def test_a_client_gets_no_claim_of_a_scope_that_it_may_not_have(server: Server, known: Person) -> None:
    """A 10.7.x: what is wished for by name is under the same rule as what is wished for by scope."""
    application = server.application(scope="openid profile")
    wished = json.dumps({"userinfo": {"email": None, "nickname": None}, "id_token": {"phone_number": None}})
    assert userinfo(application, known, scope="openid", claims=wished).keys() == {"sub", "nickname"}


def test_the_person_agrees_to_claims_too(server: Server, known: Person) -> None:
    """C017: the consent page names the scope that a claim belongs to; one without it does not cover it."""
    application = server.application(first_party=False)
    known.go(application.url(scope="openid")).submit(button="allow")
    assert "code" in known.answer
    wished = json.dumps({"userinfo": {"phone_number": None}})
    known.go(application.url(scope="openid", claims=wished))
    assert known.step == "consent"
    assert "telephone number" in known.page.text
    known.submit(button="allow")
    tokens = application.redeem(known.answer["code"]).get_json()
    assert tokens["scope"] == "openid"
    assert "phone_number" in application.userinfo(tokens["access_token"]).get_json()


def test_userinfo_can_be_signed(server: Server, known: Person) -> None:
    """C 5.3.2: a JWT with iss and aud, of a type that passes for no ID token."""
    application = server.application(userinfo_signed_response_alg="RS256")
    token = application.tokens(known)["access_token"]
    for method in ("GET", "POST"):
        answer = application.userinfo(token, method)
        assert answer.mimetype == "application/jwt"
        claims = application.claims(answer.text)
        assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, application.id, known.user_id)
        assert claims["nickname"] == "Enchantress"
    assert application.ask(known, prompt="none", id_token_hint=answer.text)["error"] == "invalid_request"


@pytest.mark.parametrize(
    "change",
    [
        "sub=x",
        "name=x",
        "email=x",
        "iss=x",
        "address=x",
        "address.planet=x",
        "birthdate.x=y",
        "nickname=a\x1b",
    ]
    + ["email_verified=maybe", "nickname=" + "x" * 1001, "updated_at=1"],
)
def test_claims_that_cannot_be_set(server: Server, change: str) -> None:
    """What the account says is set there; nothing that is no standard claim gets into tokens."""
    result = server.cli("user", "claims", server.person().username, change)
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_a_claim_can_be_taken_away(server: Server, application: Application, known: Person) -> None:
    """An empty one goes."""
    assert server.cli("user", "claims", known.username, "nickname=", "address.locality=").exit_code == 0
    claims = userinfo(application, known, scope="openid profile address")
    assert "nickname" not in claims
    assert claims["address"] == {"street_address": "12 St James's Square", "country": "GB"}


# PKCE, or not


def test_pkce_may_be_left_out_where_that_is_registered(server: Server, signed_in: Person) -> None:
    """B 2.1.1: required by default; of a confidential client a nonce may do, or nothing for old libraries."""
    without = {"code_challenge": None, "code_challenge_method": None}
    for pkce, changes, is_good in (
        ("required", without, False),
        ("or_nonce", without, True),
        ("or_nonce", {**without, "nonce": None}, False),
        ("or_nonce", {"code_challenge_method": None}, False),
        ("optional", {**without, "nonce": None}, True),
        ("optional", {"code_challenge_method": "plain"}, False),
    ):
        application = server.application(pkce=pkce)
        answer = application.ask(signed_in, **changes)
        assert ("code" in answer) is is_good, (pkce, changes)
        if is_good:
            assert application.redeem(answer["code"], code_verifier=None).status_code == 200
            code = application.ask(signed_in, **changes)["code"]
            assert error_of(application.redeem(code)) == (400, "invalid_request"), "RFC 9700 4.8: downgrade"
    challenged = server.application(pkce="optional")
    code = challenged.ask(signed_in)["code"]
    assert challenged.redeem(code, code_verifier=None).status_code == 400


def test_a_public_client_cannot_do_without_pkce(server: Server) -> None:
    """SR6 PKCE required for public clients."""
    for pkce in ("or_nonce", "optional", "nothing"):
        with pytest.raises(Exception, match="without PKCE"):
            server.application(public=True, pkce=pkce)
