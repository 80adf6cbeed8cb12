"""The help desk: from the reference number to a short pass, each step written down; and what a pass does not open."""

import re

import pytest
from sqlalchemy import select

from idprotect import protection, users
from idprotect.methods.base import secret_of
from idprotect.models import AuditEvent, Authenticator, RiskDetection, SignIn, User, session
from idprotect.risk import About, Finding, RiskLevel
from tests.admin.conftest import Enter
from tests.security.place import Application, Place, Visitor
from tests.support.filled import FilledForm
from tests.support.world import (
    SIGN_IN_RISK_BLOCK,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    USER_RISK_BLOCK,
    USER_RISK_POLICY,
)

CHECKED = {
    "option": ["called_back", "told_reference", "expected"],
    "reason": "Ada, on her way; called back at home.",
}
EVERYBODY = (
    '[[policy]]\nname = "closed"\nstate = "on"\nwho = { users = ["ada"] }\nthen = { require = ["block"] }\n'
)


def stopped(
    place: Place, *, authenticators: tuple[str, ...] = (), policy: str = SIGN_IN_RISK_POLICY
) -> Visitor:
    """Return somebody whose risky sign-in was stopped."""
    place.make_user("ada", authenticators=authenticators)
    place.apply(policy)
    place.list_address()
    person = place.browser(TOR_ADDRESS).start().sign_in()
    assert person.step == "block", person.text
    return person


def sign_in_of(place: Place) -> SignIn:
    """Return the newest sign-in of the person."""
    return max(
        (row for row in place.rows(SignIn) if row.user_id == place_user(place)),
        key=lambda row: row.signed_in_at,
    )


def place_user(place: Place) -> str:
    """Return whose sign-in it is."""
    return str(place.read(lambda user: user.id))


def reference(person: Visitor) -> str:
    """Return what the person reads out."""
    found = re.search(r"\b[2-9A-Z]{5}-[2-9A-Z]{5}\b", person.text)
    assert found is not None
    return found[0]


def give_pass(place: Place, enter: Enter, person: Visitor, role: str = "help_desk") -> Visitor:
    """Look the reference up, and issue a pass."""
    desk = enter(role).get(f"/admin/find?reference={reference(person)}")
    assert desk.status == 200, desk.text
    desk.get(next(link for link in desk.links() if "/acts/short_pass" in link))
    form = FilledForm(desk.page.text, "reason")
    return desk.go("POST", form.action, form.values | CHECKED)


def names(place: Place) -> list[str]:
    """Return the names of all events."""
    return [row.name for row in place.rows(AuditEvent)]


def test_the_help_desk_sees_the_class_of_the_reason_and_no_more(place: Place, enter: Enter) -> None:
    """D27: no address, device, signal, policy or history."""
    person = stopped(place)
    desk = enter("help_desk").get(f"/admin/find?reference={reference(person).lower()}")
    assert "there is no second factor that would do" in desk.text
    for hidden in (TOR_ADDRESS, "Firefox", "anonymous", "sign-in-risk", "high", "medium"):
        assert hidden not in desk.text, hidden
    desk.get(f"/admin/acts/short_pass?id={sign_in_of(place).id}")
    assert "medium" not in desk.text
    (looked,) = place.rows(AuditEvent, AuditEvent.name == "console:looked_up")
    assert (looked.actor, looked.details["found"]) == ("the-help-desk", True)


def test_a_pass_lets_the_stopped_sign_in_set_up_a_factor_and_go_on(place: Place, enter: Enter) -> None:
    """D27, D08: after a checklist, in that browser, once; whoever has no factor sets one up there and then."""
    person = stopped(place)
    done = give_pass(place, enter, person)
    assert "Short pass: done" in done.text
    person.get(next(link for link in person.links() if link.startswith("/authorize/")))
    assert person.step == "notice"
    person.submit()
    assert person.step == "mfa_registration"
    assert sign_in_of(place).vouched_at is not None
    assert sign_in_of(place).pass_expires_at is None
    told = [name for name in names(place) if name.startswith("pass:")]
    assert told == ["pass:issued", "pass:used"]
    (acted,) = place.rows(AuditEvent, AuditEvent.name == "console:acted")
    assert (acted.details["before"]["pass"], acted.details["after"]["pass"]) == (False, True)
    assert acted.details["options"] == sorted(CHECKED["option"])
    assert person.get("/account").step == "mfa_registration", (
        "the fact stays with the sign-in, the pass does not"
    )


def test_the_application_gets_tokens_that_live_on_after_a_pass(place: Place, enter: Enter) -> None:
    """D08: the checked person with the new factor mitigates this sign-in, or its own risk would stop its tokens."""
    place.make_user("ada")
    place.add_application()
    place.apply(SIGN_IN_RISK_POLICY, USER_RISK_POLICY)
    place.list_address()
    person = place.browser(TOR_ADDRESS).ask_for_a_code().sign_in()
    with place.arranging():
        row = session().get_one(SignIn, sign_in_of(place).id)
        row.risk_level = int(RiskLevel.HIGH)
        finding = Finding("new_country", RiskLevel.HIGH, About.SIGN_IN, ("a test",))
        protection.raise_detection(session().get_one(User, row.user_id), finding, row)
    give_pass(place, enter, person)
    person.get(next(link for link in person.links() if link.startswith("/authorize/"))).submit()
    person.submit(button="totp")
    with place.app.app_context():
        of_ada = (
            select(Authenticator).join(User, User.id == Authenticator.user_id).where(User.username == "ada")
        )
        place._seeds["ada"] = secret_of(session().scalars(of_ada).one())
    person.submit({"code": place.totp()})
    person.get(next(link for link in person.links() if "/authorize/" in link))
    application = Application(place)
    tokens = application.redeem(person.code)
    assert application.refresh(tokens["refresh_token"]).status_code == 200
    found = {(row.state, row.detail) for row in place.rows(RiskDetection)}
    assert found == {("remediated", "user_passed_mfa")}
    assert place.rows(Authenticator, Authenticator.registered_at_risk), "flagged all the same"


def test_a_pass_asks_whoever_has_a_factor_for_it(place: Place, enter: Enter) -> None:
    """D27: a block for the risk of the sign-in becomes a second factor, and nothing less."""
    person = stopped(place, authenticators=("totp",), policy=SIGN_IN_RISK_BLOCK)
    give_pass(place, enter, person)
    person.start()
    assert person.step == "notice"
    person.submit()
    assert person.step == "mfa"
    person.submit({"code": place.totp()})
    assert person.step == "account"
    assert sign_in_of(place).risk_detail == "user_passed_mfa"


def test_a_pass_is_for_one_sign_in_and_a_quarter_of_an_hour(place: Place, enter: Enter) -> None:
    """D27: whoever else has the password is stopped as before, and so is everybody after 15 minutes."""
    person = stopped(place)
    give_pass(place, enter, person)
    assert place.browser(TOR_ADDRESS).start().sign_in().step == "block"
    place.clock.move(minutes=16)
    assert person.start().step == "block"
    assert "pass:used" not in names(place)


@pytest.mark.parametrize("obstacle", ["compromised", "rule", "switched off", "ended", "nothing"])
def test_a_pass_opens_nothing_but_the_risk_of_the_sign_in(place: Place, enter: Enter, obstacle: str) -> None:
    """D08, D27: never a compromised account, another rule, or one that is switched off; the desk is told before."""
    from idprotect import sessions, users

    person = stopped(place, policy=SIGN_IN_RISK_POLICY)
    said = reference(person)
    if obstacle == "compromised":
        place.apply(SIGN_IN_RISK_POLICY, USER_RISK_BLOCK)
        place.act(protection.confirm_compromised, "ada", "test", end_sessions=False)
        said = reference(person.start())
    elif obstacle == "rule":
        place.apply(SIGN_IN_RISK_POLICY, EVERYBODY)
    elif obstacle == "switched off":
        place.act(users.set_enabled, "ada", False, "test")
    elif obstacle == "ended":
        with place.arranging():
            sessions.end_all(place_user(place), "revoked", actor="test")
    else:
        place.apply("")
    desk = enter("help_desk").get(f"/admin/find?reference={said}")
    assert not [link for link in desk.links() if "/acts/short_pass" in link]
    desk.send("POST", f"/admin/acts/short_pass?id={sign_in_of(place).id}", CHECKED)
    assert sign_in_of(place).pass_expires_at is None


def test_a_pass_that_was_given_opens_no_account_that_became_compromised(place: Place, enter: Enter) -> None:
    """D08: the gate decides when the pass is used, not when it was given."""
    person = stopped(place)
    give_pass(place, enter, person)
    place.apply(SIGN_IN_RISK_POLICY, USER_RISK_BLOCK)
    place.act(protection.confirm_compromised, "ada", "test", end_sessions=False)
    assert person.start().step == "block"
    assert sign_in_of(place).vouched_at is None


def test_no_pass_without_the_whole_checklist(place: Place, enter: Enter) -> None:
    """D27: each point is ticked, or nothing is done; what was typed stays."""
    person = stopped(place)
    desk = enter("help_desk").get(f"/admin/acts/short_pass?id={sign_in_of(place).id}")
    form = FilledForm(desk.page.text, "reason")
    desk.go("POST", form.action, form.values | CHECKED | {"option": ["called_back"]})
    assert desk.status == 400
    assert "whole checklist" in desk.text
    assert "called back at home" in desk.text
    assert FilledForm(desk.page.text, "reason").values["option"] == "called_back"
    assert person.start().step == "block"
    for role, expected in (("operator", 403), ("reader", 403), ("administrator", 200)):
        answer = enter(role).send("GET", f"/admin/acts/short_pass?id={sign_in_of(place).id}").response
        assert answer.status_code == expected, role


@pytest.mark.parametrize(
    ("why", "help_"),
    [
        ("account", "Give the person a temporary password"),
        ("factor", "Give this sign-in a short pass, in which a second factor"),
        ("sign-in", "Give this sign-in a short pass, or let the person try"),
        ("disabled", "Unblock the person"),
        ("rule", "Nothing here: a policy is meant to stop this"),
    ],
)
def test_the_page_behind_a_reference_says_what_helps(
    place: Place, enter: Enter, why: str, help_: str
) -> None:
    """D27, F053: not only why somebody was stopped, but what to do about it, also to the help desk."""
    policies = {"account": USER_RISK_POLICY, "sign-in": SIGN_IN_RISK_BLOCK, "rule": EVERYBODY}
    place.make_user()
    place.apply(policies.get(why, SIGN_IN_RISK_POLICY))
    place.list_address()
    if why == "account":
        place.act(protection.confirm_compromised, "ada", "test")
    if why == "disabled":
        place.act(users.set_enabled, "ada", False, "test")
    person = place.browser(TOR_ADDRESS).start().sign_in()
    assert person.step == "block", person.text
    desk = enter("help_desk").get(f"/admin/find?reference={reference(person)}")
    assert f"What helps, once you checked who it is: {help_}" in desk.text
