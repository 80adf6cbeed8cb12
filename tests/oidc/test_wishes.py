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
