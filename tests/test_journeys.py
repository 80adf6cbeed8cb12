"""Every flow of the specification, over real HTTP, from the relying party's button to validated claims.

The pages are found as a person would find them: by what is on them.
"""

from collections.abc import Callable

import pytest

from idprotect import protection, sessions, users
from idprotect.models import RiskDetection, SignIn, session
from tests.support.world import (
    CHROME,
    MFA_POLICY,
    OTHER_ADDRESS,
    PASSWORD,
    REGISTRATION_POLICY,
    SIGN_IN_RISK_BLOCK,
    SIGN_IN_RISK_POLICY,
    SIGN_IN_RISK_REGISTER,
    TOR_ADDRESS,
    USER_RISK_BLOCK,
    USER_RISK_POLICY,
    Browser,
    World,
)

NEW_PASSWORD = "eleven loud gulls under tin"


def compromise(world: World, username: str = "ada") -> None:
    """Let an administrator confirm the compromise."""
    world.act(protection.confirm_compromised, username, "admin", "seen in a leak")


def at_home(world: World) -> Browser:
    """Return a browser in which ada has signed in before."""
    browser = world.browser().start().sign_in()
    assert browser.is_signed_in
    return browser


def signed_out_of_everything(browser: Browser) -> Browser:
    """Forget the sessions of a browser, but not what makes it familiar."""
    for cookie in list(browser.http.cookies):
        if cookie.name != "idprotect-device":
            browser.http.cookies.clear(cookie.domain, cookie.path, cookie.name)
    return browser


def detections(world: World, username: str = "ada") -> dict[str, tuple[str, str]]:
    """Return state and detail of a user's detections by name."""
    with world.arranging():
        rows = session().query(RiskDetection).filter_by(user_id=users.get(username).id).all()
        return {row.name: (row.state, row.detail) for row in rows}


# Without risk


def test_a_person_signs_in_and_the_relying_party_gets_truthful_claims(world: World) -> None:
    """F112, C001: acr, amr and auth_time say what happened."""
    user_id = world.make_user(name="Ada Lovelace")
    browser = world.browser().start()
    assert browser.step == "sign_in"
    browser.sign_in()
    claims = browser.claims()
    assert (claims["sub"], claims["amr"], claims["acr"]) == (user_id, "pwd", "aal1")
    assert browser.userinfo()["name"] == "Ada Lovelace"


def test_a_second_application_does_not_ask_again(world: World) -> None:
    """Single sign-on: the session is judged again, the person is not asked."""
    world.make_user()
    browser = at_home(world)
    browser.start()
    assert browser.is_signed_in


def test_a_wrong_password_says_nothing_about_the_account(world: World) -> None:
    """I9: unknown, disabled, compromised and existing users get the same answer."""
    world.make_user("ada")
    world.make_user("dis")
    world.make_user("com")
    world.act(users.set_enabled, "dis", False, "admin")
    compromise(world, "com")
    texts = set()
    for name in ("ada", "dis", "com", "nobody"):
        browser = world.browser().start("?")
        browser.sign_in(name, "wrong password entirely")
        texts.add((browser.page.status_code, browser.text.replace(name, "NAME")))
    assert len(texts) == 1
    assert "not right" in texts.pop()[1]


def test_consent_is_asked_once_and_can_be_denied(make_world: Callable[..., World]) -> None:
    """C017: remembered; denying gives the application the standard error."""
    world = make_world()
    world.make_user()
    with world.arranging():
        from idprotect.models import Client

        session().get_one(Client, "notes").first_party = False
    browser = world.browser().start().sign_in()
    assert browser.step == "consent"
    assert "Northwind Notes" in browser.heading
    browser.submit(button="deny")
    assert browser.step == "relying_party"
    assert "access_denied" in browser.page.text
    browser.start()
    assert browser.step == "consent"
    browser.submit(button="allow")
    assert browser.is_signed_in
    browser.start()
    assert browser.is_signed_in
    browser.start("/consent")
    assert browser.step == "consent"


def test_a_consent_is_not_inherited_by_whoever_signs_in_next(world: World) -> None:
    """A 7.2.4: somebody else, who takes over the tab of a person who was stopped, is asked, too."""
    world.make_user("ada")
    world.make_user("bob")
    with world.arranging():
        from idprotect.models import Client

        session().get_one(Client, "notes").first_party = False
    browser = world.browser().start().sign_in("ada")
    form = browser.form(button="allow")
    browser.http.post(
        world.url + form["action"], {**form["fields"], "answer": "allow"}, allow_redirects=False
    )
    world.act(users.set_enabled, "ada", False, "admin")
    browser.get(f"/authorize/{browser.pending_id}")
    assert browser.step == "sign_in"
    browser.sign_in("bob")
    assert browser.step == "consent"


# Risky sign-in


def test_a_risky_sign_in_recovers_by_mfa_without_password_change(world: World) -> None:
    """F001, F043, F066, F073: notice, challenge, back to the application; the sign-in is remediated."""
    world.make_user(authenticators=("totp",))
    world.apply(SIGN_IN_RISK_POLICY)
    world.list_address()
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    assert browser.step == "notice"
    assert "Firefox on Linux" in browser.text
    assert browser.reference
    browser.acknowledge()
    assert browser.step == "mfa"
    browser.prove()
    claims = browser.claims()
    assert claims["acr"] == "aal2"
    assert set(claims["amr"].replace(",", " ").split()) == {"pwd", "otp", "mfa"}
    assert detections(world) == {"anonymous_ip": ("remediated", "user_passed_mfa")}
    assert world.read(lambda user: user.risk.label) == "none"


def test_a_risky_sign_in_is_blocked_and_a_familiar_one_gets_past(world: World) -> None:
    """F042, F068: no MFA is offered, nothing is issued, and the block is not sticky."""
    world.make_user(authenticators=("totp",))
    at_home(world)
    world.apply(SIGN_IN_RISK_BLOCK)
    world.list_address()
    stranger = world.browser(TOR_ADDRESS, CHROME).start().sign_in()
    assert stranger.step == "block"
    assert stranger.heading == "Your sign-in was blocked"
    assert "4711" in stranger.text
    assert "code" not in [name for form in stranger.forms() for name in form["names"]]
    assert detections(world) == {"anonymous_ip": ("at_risk", "none")}
    home = world.browser().start().sign_in()
    assert home.is_signed_in
    assert detections(world) == {"anonymous_ip": ("at_risk", "none")}, "that alone does not declare it safe"
    assert world.mails("stopped")


@pytest.mark.parametrize("reply", ["yes", "no", "later"])
def test_a_later_familiar_sign_in_asks_about_the_stopped_one(world: World, reply: str) -> None:
    """F075: yes dismisses it, no reports it and ends everything else, silence leaves it open."""
    world.make_user()
    home = at_home(world)
    world.apply(SIGN_IN_RISK_BLOCK)
    world.list_address()
    assert world.browser(TOR_ADDRESS, CHROME).start().sign_in().step == "block"
    signed_out_of_everything(home).start().sign_in()
    assert home.step == "review"
    assert "Chrome on Windows" in home.text
    home.submit(button=reply)
    assert home.is_signed_in
    state, level = {
        "yes": (("dismissed", "user_confirmed"), "none"),
        "no": (("at_risk", "none"), "high"),
        "later": (("at_risk", "none"), "low"),
    }[reply]
    assert detections(world)["anonymous_ip"] == state
    assert world.read(lambda user: user.risk.label) == level
    home.start()
    assert home.is_signed_in, "asked once in a sign-in"


def test_a_password_alone_does_not_get_to_call_a_stopped_sign_in_its_own(world: World) -> None:
    """F075: the attacker, from a better address, is not asked."""
    world.make_user()
    world.apply(SIGN_IN_RISK_BLOCK)
    world.list_address()
    world.browser(TOR_ADDRESS, CHROME).start().sign_in()
    assert world.browser(OTHER_ADDRESS).start().sign_in().is_signed_in


def test_the_blocked_page_returns_to_the_application_with_access_denied(world: World) -> None:
    """F068: the way back is the standard OAuth error."""
    world.make_user()
    world.apply(SIGN_IN_RISK_BLOCK)
    world.list_address()
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    assert browser.step == "block"
    browser.submit(action="/cancel/")
    assert browser.step == "relying_party"
    assert "access_denied" in browser.page.text


def test_an_administrator_finds_the_blocked_sign_in_by_its_reference(world: World) -> None:
    """F078, D02: the receipt names signals and policies, and gives the same answer again."""
    world.make_user()
    world.apply(SIGN_IN_RISK_BLOCK)
    world.list_address()
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    result = world.cli("sign-in", "find", browser.reference.lower().replace("-", " "))
    assert result.exit_code == 0, result.output
    assert "ada" in result.output
    assert "sign-in-risk" in result.output
    assert TOR_ADDRESS in result.output
    assert "same answer" in result.output


def test_an_unregistered_person_is_blocked_at_a_risky_sign_in(world: World) -> None:
    """F071, D08: it may be the attacker who would register; the reason code is its own."""
    world.make_user()
    world.apply(SIGN_IN_RISK_POLICY, REGISTRATION_POLICY)
    world.list_address()
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    assert browser.step == "block"
    browser.get(browser.path.replace("/block", "/mfa_registration"))
    assert browser.step == "block"
    found = world.cli("sign-in", "find", browser.reference, "--json")
    assert '"reason": "mfa_unavailable"' in found.output


def test_registration_in_a_risky_sign_in_is_flagged_and_lifts_no_user_risk(world: World) -> None:
    """C035, F079: allowed by setting only; the detection stays open and the user is told."""
    world.make_user()
    world.apply(SIGN_IN_RISK_REGISTER)
    world.list_address()
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    assert browser.step == "notice"
    browser.acknowledge()
    assert browser.step == "mfa_registration"
    register_app(world, browser)
    assert browser.is_signed_in
    assert detections(world) == {"anonymous_ip": ("at_risk", "none")}
    assert world.read(lambda user: user.risk.label) == "low"
    assert "unusual sign-in" in world.mails("was added")[0].body


# Compromised user


def test_a_compromised_user_recovers_by_mfa_and_new_password(world: World) -> None:
    """F038, F044, F070, F110, F079: notice, MFA, change; risk closed; other sessions and tokens gone."""
    world.make_user(authenticators=("totp",))
    elsewhere = at_home(world)
    world.apply(USER_RISK_POLICY)
    world.act(protection.confirm_compromised, "ada", "admin", "", end_sessions=False)
    browser = world.browser().start().sign_in()
    assert browser.step == "notice"
    assert "account" in browser.heading.lower()
    browser.acknowledge()
    assert browser.step == "mfa"
    browser.prove()
    assert browser.step == "password_change"
    browser.choose_password(NEW_PASSWORD)
    assert browser.is_signed_in
    assert detections(world) == {"admin_confirmed": ("remediated", "user_changed_password")}
    assert world.read(lambda user: (user.risk.label, user.risk_state)) == ("none", "remediated")
    elsewhere.start()
    assert elsewhere.step == "sign_in"
    assert world.mails("password was changed")
    again = world.browser().start().sign_in(password=PASSWORD)
    assert again.step == "sign_in"
    again.sign_in(password=NEW_PASSWORD)
    assert again.is_signed_in


def test_a_refused_new_password_loses_nothing(world: World) -> None:
    """F009, F044: short, common, breached, recent or mistyped passwords are refused with the reason."""
    world.make_user(authenticators=("totp",))
    world.apply(USER_RISK_POLICY)
    compromise(world)
    browser = world.browser().start().sign_in().acknowledge().prove()
    for new, reason in (
        ("short", "15"),
        ("correct horse battery staple", "attackers"),
        (PASSWORD, "not used here"),
    ):
        browser.choose_password(new)
        assert browser.step == "password_change"
        assert reason in browser.text, browser.text
    browser.submit({"current": PASSWORD, "new": NEW_PASSWORD, "confirm": "something else entirely"})
    assert "not the same" in browser.text
    browser.choose_password(NEW_PASSWORD, current="not my password at all")
    assert "not your current password" in browser.text
    browser.choose_password(NEW_PASSWORD)
    assert browser.is_signed_in


def test_a_compromised_user_is_blocked_until_an_administrator_acts(world: World) -> None:
    """F069, F091: not even a familiar device gets past; dismissing opens the way, the old tokens stay dead."""
    world.make_user(authenticators=("totp",))
    browser = at_home(world)
    world.apply(USER_RISK_BLOCK)
    compromise(world)
    browser.start().sign_in()
    assert browser.step == "block"
    assert browser.heading == "Your account is blocked"
    world.act(protection.dismiss, "ada", "admin", "it was a test")
    browser.start()
    assert browser.is_signed_in
    assert world.read(lambda user: (user.risk_state, user.risk_detail)) == ("dismissed", "admin_dismissed")


def test_an_unregistered_compromised_user_recovers_by_a_temporary_password(world: World) -> None:
    """F072, F096: never enrolled by password alone; a temporary password, single use, forces a new one."""
    world.make_user()
    world.apply(USER_RISK_POLICY, SIGN_IN_RISK_REGISTER, REGISTRATION_POLICY)
    compromise(world)
    browser = world.browser().start().sign_in()
    assert browser.step == "block"
    assert browser.heading == "Your account is blocked"
    temporary = world.act(users.set_temporary_password, "ada", "admin")
    assert world.read(lambda user: user.risk.label) == "none"
    browser = world.browser().start().sign_in(password=PASSWORD)
    assert browser.step == "sign_in"
    browser.sign_in(password=temporary)
    assert browser.step == "mfa_registration"
    browser.submit(action="do=skip")
    assert browser.step == "password_change"
    browser.choose_password(NEW_PASSWORD, current=None)
    assert browser.is_signed_in
    again = world.browser().start().sign_in(password=temporary)
    assert again.step == "sign_in"


def test_a_temporary_password_asks_for_mfa_first_when_it_is_registered(world: World) -> None:
    """C031: temporary password, then MFA, then a new password."""
    world.make_user(authenticators=("totp",))
    temporary = world.act(users.set_temporary_password, "ada", "admin")
    browser = world.browser().start().sign_in(password=temporary)
    assert browser.step == "mfa"
    browser.get(browser.path.replace("/mfa", "/password_change"))
    assert browser.step == "mfa"
    browser.prove()
    browser.choose_password(NEW_PASSWORD, current=None)
    assert browser.is_signed_in


def test_a_temporary_password_expires(world: World) -> None:
    """A 6.4.1: after a day it is worthless."""
    world.make_user()
    temporary = world.act(users.set_temporary_password, "ada", "admin")
    world.clock.move(hours=25)
    browser = world.browser().start().sign_in(password=temporary)
    assert browser.step == "sign_in"


def test_mfa_for_another_reason_dismisses_the_sign_in_as_safe(world: World) -> None:
    """F033: a strong factor right after, asked for by a policy that is not about risk."""
    world.make_user(authenticators=("totp",))
    world.apply(MFA_POLICY)
    world.list_address()
    world.browser(TOR_ADDRESS).start().sign_in().prove()
    assert detections(world) == {"anonymous_ip": ("dismissed", "assessed_safe")}


def test_mfa_leaves_the_other_detections_of_the_user_open(world: World) -> None:
    """Mitigation lets one sign-in through; it is not remediation."""
    world.make_user(authenticators=("totp",), password="password1234567890", allow_breached=True)
    world.apply(SIGN_IN_RISK_POLICY)
    world.list_address()
    world.act(protection.report, "ada", "a test")
    world.browser(TOR_ADDRESS).start().sign_in(password="password1234567890").acknowledge().prove()
    found = detections(world)
    assert found["anonymous_ip"] == ("remediated", "user_passed_mfa")
    assert found["user_reported"] == ("at_risk", "none")


def test_a_voluntary_password_change_leaves_the_risk_and_says_why(world: World) -> None:
    """F076: whoever knows the password could change it."""
    world.make_user()
    browser = at_home(world)
    world.act(protection.confirm_compromised, "ada", "admin", "", end_sessions=False)
    browser.get(world.url + "/account/password")
    assert "does not clear" in browser.text
    browser.choose_password(NEW_PASSWORD)
    assert browser.path == "/account"
    assert world.read(lambda user: user.risk.label) == "high"


# Registration


def register_app(world: World, browser: Browser) -> None:
    """Set an authenticator app up, and go on from the recovery codes."""
    browser.submit(button="totp")
    key = browser.text.split("key")[-1]
    assert "<svg" in browser.page.text
    assert key
    browser.submit({"code": world.totp()})
    assert "recovery codes" in browser.text.lower()
    link = next(link for link in _links(browser) if "/authorize/" in link)
    browser.get(link)


def _links(browser: Browser) -> list[str]:
    from tests.support.world import _Forms

    parser = _Forms()
    parser.feed(browser.page.text)
    return parser.links


def test_registration_can_be_put_off_while_the_grace_period_lasts(world: World) -> None:
    """F080, F081: skip shows the days left, counted from the first prompt; then it is gone."""
    world.make_user()
    world.apply(REGISTRATION_POLICY)
    browser = world.browser().start().sign_in()
    assert browser.step == "mfa_registration"
    assert "14 more days" in browser.text
    browser.submit(action="do=skip")
    assert browser.is_signed_in
    browser.start()
    assert browser.is_signed_in, "once a sign-in is enough"
    world.clock.move(days=13, hours=1)
    browser.start().sign_in()
    assert "1 more day." in browser.text
    world.clock.move(hours=22, minutes=50)
    skip = browser.start().sign_in().form(action="do=skip")
    world.clock.move(minutes=12)
    browser.http.post(world.url + skip["action"], data=skip["fields"])
    browser.start()
    assert browser.step == "mfa_registration"
    assert "Not now" not in browser.text


def test_a_person_registers_an_authenticator_app(world: World) -> None:
    """C025, C030: QR code and manual key, recovery codes once, then on to the application with mfa."""
    world.make_user()
    world.apply(REGISTRATION_POLICY)
    browser = world.browser().start().sign_in()
    register_app(world, browser)
    claims = browser.claims()
    assert claims["acr"] == "aal2"
    assert world.mails("was added")


def test_a_person_registers_a_phone_and_signs_in_with_it(world: World) -> None:
    """C028: the number is proved by a code, and masked from then on."""
    world.make_user()
    world.apply(REGISTRATION_POLICY, MFA_POLICY)
    browser = world.browser().start().sign_in()
    assert browser.step == "mfa_registration"
    assert "Not now" not in browser.text, "F082: MFA is needed now"
    browser.submit(button="sms")
    browser.submit({"phone": "+1 900 555 0123"})
    assert browser.page.status_code == 400
    browser.submit({"phone": "07400 123456"})
    browser.submit({"code": "000000" if world.sms_code() != "000000" else "111111"})
    assert "not right" in browser.text
    browser.submit({"code": world.sms_code()})
    browser.get(next(link for link in _links(browser) if "/authorize/" in link))
    assert browser.is_signed_in
    world.clock.move(minutes=5)
    other = world.browser(OTHER_ADDRESS, CHROME).start().sign_in()
    assert other.step == "mfa"
    assert "07400" not in other.page.text
    assert "123456" not in other.page.text
    other.submit(action="do=send")
    old = world.sms_code()
    world.clock.move(minutes=1)
    other.submit(action="do=send")
    if old != world.sms_code():
        other.submit({"code": old})
        assert other.step == "mfa", "only the newest code counts"
    other.submit({"code": world.sms_code()})
    assert set(other.claims()["amr"].replace(",", " ").split()) == {"pwd", "sms", "mfa"}


def test_a_recovery_code_works_once(world: World) -> None:
    """C030: and its owner is told."""
    world.make_user()
    world.apply(REGISTRATION_POLICY)
    browser = world.browser().start().sign_in()
    browser.submit(button="totp").submit({"code": world.totp()})
    import re

    codes = re.findall(r"\b[A-Z2-9]{5}-[A-Z2-9]{5}-[A-Z2-9]{5}\b", browser.page.text)
    assert len(codes) == 10
    world.apply(MFA_POLICY)
    other = world.browser(OTHER_ADDRESS).start().sign_in()
    other.get(next(link for link in _links(other) if "recovery_code" in link).replace("&amp;", "&"))
    other.submit({"code": codes[0].lower()})
    assert other.is_signed_in
    third = world.browser(OTHER_ADDRESS).start().sign_in()
    third.get(next(link for link in _links(third) if "recovery_code" in link).replace("&amp;", "&"))
    third.submit({"code": codes[0]})
    assert third.step == "mfa"
    assert world.mails("recovery code")


def test_an_administrator_cannot_put_registration_off(world: World) -> None:
    """Section 2: grace is not for administrators."""
    world.make_user(roles=("administrator",))
    world.apply(REGISTRATION_POLICY)
    browser = world.browser().start().sign_in()
    assert browser.step == "mfa_registration"
    assert "Not now" not in browser.text


# The decision is taken afresh


def test_risk_that_rises_half_way_sends_the_person_back(world: World) -> None:
    """F074: between MFA and resume the user is confirmed compromised."""
    world.make_user(authenticators=("totp",))
    world.apply(SIGN_IN_RISK_POLICY, USER_RISK_POLICY)
    world.list_address()
    browser = world.browser(TOR_ADDRESS).start().sign_in().acknowledge()
    assert browser.step == "mfa"
    world.clock.move(seconds=5)
    world.act(protection.confirm_compromised, "ada", "admin", "", end_sessions=False)
    browser.get(browser.path)
    assert browser.step == "notice"
    browser.acknowledge().prove()
    assert browser.step == "password_change"
    browser.choose_password(NEW_PASSWORD)
    assert browser.is_signed_in


def test_an_mfa_older_than_the_risk_clears_nothing(world: World) -> None:
    """2.2: the second factor must be newer than the detection."""
    world.make_user(authenticators=("totp",))
    world.apply(MFA_POLICY, USER_RISK_POLICY)
    browser = world.browser().start().sign_in().prove()
    assert browser.is_signed_in
    world.clock.move(minutes=1)
    world.act(protection.confirm_compromised, "ada", "admin", "", end_sessions=False)
    browser.start()
    assert browser.step == "notice"
    browser.acknowledge()
    assert browser.step == "mfa"


@pytest.mark.parametrize("step", ["notice", "mfa", "password_change", "consent", "mfa_registration"])
def test_no_page_can_be_skipped_by_its_url(world: World, step: str) -> None:
    """I6: every other page leads back to the one that is due."""
    world.make_user(authenticators=("totp",))
    world.apply(USER_RISK_POLICY)
    compromise(world)
    browser = world.browser().start().sign_in()
    assert browser.step == "notice"
    browser.get(f"/interaction/{browser.pending_id}/{step}")
    assert browser.step == "notice"
    browser.get(f"/authorize/{browser.pending_id}")
    assert browser.step == "notice"
    browser.get("/account")
    assert browser.step == "notice", "the account pages ask the same gate"


def test_a_form_of_a_later_page_is_not_taken_early(world: World) -> None:
    """A 2.3.1: posting the password change before MFA changes nothing."""
    world.make_user(authenticators=("totp",))
    world.apply(USER_RISK_POLICY)
    compromise(world)
    browser = world.browser().start().sign_in()
    form = browser.form(action="/notice")
    action = form["action"].replace("/notice", "/password_change")
    data = {**form["fields"], "current": PASSWORD, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    browser.page = browser.http.post(world.url + action, data=data)
    assert browser.step == "notice"
    assert world.browser().start().sign_in(password=NEW_PASSWORD).step == "sign_in"


def test_a_pending_id_is_worth_nothing_in_another_browser(world: World) -> None:
    """I4: bound to the browser that asked."""
    world.make_user()
    victim = world.browser().start()
    thief = world.browser(OTHER_ADDRESS)
    for path in (f"/sign-in/{victim.pending_id}", f"/authorize/{victim.pending_id}"):
        thief.get(path)
        assert thief.page.status_code == 400
        assert "no longer valid" in thief.text
    victim.sign_in()
    assert victim.is_signed_in


def test_two_tabs_each_come_to_their_own_end(world: World) -> None:
    """F073: several pendings of one browser."""
    world.make_user(authenticators=("totp",))
    world.apply(MFA_POLICY)
    first = world.browser().start()
    second = first.tab().start()
    assert first.pending_id != second.pending_id
    first.sign_in()
    assert first.step == "mfa"
    second.get(second.path.replace("/sign-in/", "/authorize/"))
    assert second.step == "mfa"
    second.prove()
    assert second.step == "relying_party"
    first.get(first.path)
    assert first.step == "relying_party"


def test_the_back_button_after_the_end_leads_to_a_plain_page(world: World) -> None:
    """I5: a pending authorization is consumed once."""
    world.make_user()
    browser = world.browser().start()
    pending = browser.pending_id
    browser.sign_in()
    assert browser.is_signed_in
    browser.get(f"/authorize/{pending}")
    assert browser.page.status_code == 400
    assert "start again" in browser.text


def test_a_pending_authorization_expires(world: World) -> None:
    """Section 2: an absolute lifetime."""
    world.make_user()
    browser = world.browser().start()
    world.clock.move(minutes=16)
    browser.sign_in()
    assert "no longer valid" in browser.text


# prompt=none in each state


def silent(browser: Browser) -> str:
    """Ask with prompt=none and return what came of it."""
    browser.start("/none")
    assert browser.step == "relying_party", "prompt=none never shows a page"
    for error in ("login_required", "interaction_required", "consent_required", "access_denied"):
        if error in browser.page.text:
            return error
    return "signed in" if browser.is_signed_in else browser.text


def test_prompt_none_is_answered_in_each_state(world: World) -> None:
    """F108: the standard errors, never a page."""
    world.make_user(authenticators=("totp",))
    browser = world.browser()
    assert silent(browser) == "login_required"
    browser.start().sign_in()
    assert silent(browser) == "signed in"
    world.apply(MFA_POLICY)
    assert silent(browser) == "interaction_required"
    world.apply(USER_RISK_BLOCK)
    world.act(protection.confirm_compromised, "ada", "admin", "", end_sessions=False)
    assert silent(browser) == "access_denied"
    world.act(protection.dismiss, "ada", "admin", "done")
    with world.arranging():
        from idprotect.models import Client

        session().get_one(Client, "notes").first_party = False
    assert silent(browser) == "consent_required"
    world.act(lambda user: sessions.end_all(user.id, "revoked", actor="admin"))
    assert silent(browser) == "login_required"


def test_prompt_login_and_max_age_sign_in_again_and_end(world: World) -> None:
    """C008: asked once, not for ever; auth_time is new."""
    world.make_user()
    browser = at_home(world)
    before = browser.claims()["auth_time"]
    world.clock.move(minutes=3)
    browser.start("/login")
    assert browser.step == "sign_in"
    assert "sign in again" in browser.text
    browser.sign_in()
    assert browser.is_signed_in
    assert browser.claims()["auth_time"] != before
    world.clock.move(minutes=3)
    browser.start("/max-age")
    assert browser.step == "sign_in"
    browser.sign_in()
    assert browser.is_signed_in


# What tells of risk


def test_a_breached_password_typed_at_sign_in_compromises_the_user(make_world: Callable[..., World]) -> None:
    """F009, C024, F079: leaked credentials are always high, and lead to a forced change."""
    import pathlib
    import tempfile

    from idprotect.intelligence.breached_passwords import build

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "breached.txt"
        build(["password1234567890"], path)
        world = make_world(IDPROTECT_BREACHED_PASSWORDS=str(path))
        world.make_user(authenticators=("totp",), password="password1234567890", allow_breached=True)
        world.apply(USER_RISK_POLICY)
        browser = world.browser().start().sign_in(password="password1234567890")
        assert browser.step == "notice"
        assert "stolen" in browser.text
        browser.acknowledge().prove().choose_password(NEW_PASSWORD, current="password1234567890")
        assert browser.is_signed_in
        assert world.mails("at risk")


def test_a_success_after_repeated_failures_is_flagged(world: World) -> None:
    """F012: threshold 5, the sixth attempt right; the count is shown."""
    world.make_user()
    browser = world.browser().start()
    for _ in range(5):
        browser.sign_in(password="wrong password entirely")
    world.clock.move(minutes=1)
    browser.sign_in()
    assert browser.is_signed_in
    risk = world.cli("user", "show", "ada")
    assert "repeated_failures" in risk.output
    assert "5 failures in a row" in risk.output


def test_an_imported_leak_counts_only_while_the_password_is_current(world: World) -> None:
    """F008: a stale pair raises nothing."""
    world.make_user("ada")
    world.make_user("bob")
    leak = world.folder / "leak.txt"
    leak.write_text(f"ada:{PASSWORD}\nbob:an older password of bob\nnobody:x\nbroken line\n")
    result = world.cli("import-leaks", str(leak), "--source", "forum dump")
    assert "ada" in result.output
    assert "line 4" in result.output
    assert world.read(lambda user: user.risk.label, "ada") == "high"
    assert world.read(lambda user: user.risk.label, "bob") == "none"


def test_this_was_not_me_in_a_mail_acts_at_once(world: World) -> None:
    """F017, C086: the user is high and everything ends; opening the link alone changes nothing."""
    import re

    world.make_user()
    browser = at_home(world)
    browser.get(world.url + "/account/password").choose_password(NEW_PASSWORD)
    body = world.mails("password was changed")[0].body
    link = re.search(r"http\S+/report/\S+", body).group()
    mail = world.browser(OTHER_ADDRESS).get(link)
    assert world.read(lambda user: user.risk.label) == "none"
    mail.submit(action="/report/")
    assert mail.page.ok
    assert world.read(lambda user: user.risk.label) == "high"
    browser.start()
    assert browser.step == "sign_in"
    forged = world.browser().get(link[:-3] + "abc")
    assert forged.page.status_code == 400


def test_a_disabled_user_gets_detections_but_no_access(world: World) -> None:
    """F022: right password, no sign-in, but a detection."""
    world.make_user()
    world.act(users.set_enabled, "ada", False, "admin")
    world.list_address()
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    assert browser.step == "block"
    assert browser.heading == "Your account is blocked"
    assert "anonymous_ip" in detections(world)


def test_a_wrong_password_from_a_listed_address_raises_nothing(world: World) -> None:
    """F021: only right credentials make detections."""
    world.make_user()
    world.list_address()
    world.browser(TOR_ADDRESS).start().sign_in(password="wrong password entirely")
    assert detections(world) == {}


def test_report_only_changes_nothing_for_the_person_and_is_recorded(world: World) -> None:
    """F049, F050: the same words with would_ before them."""
    world.make_user()
    world.apply(SIGN_IN_RISK_BLOCK.replace('"on"', '"report_only"'))
    world.list_address()
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    assert browser.is_signed_in
    with world.arranging():
        from idprotect.models import Receipt

        outcomes = [row.results[0]["outcome"] for row in session().query(Receipt).all()]
    assert set(outcomes) == {"would_blocked"}


def test_the_emergency_switch_puts_every_policy_into_report_only(world: World) -> None:
    """One audited switch."""
    world.make_user()
    world.apply(SIGN_IN_RISK_BLOCK)
    world.list_address()
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    assert browser.step == "block"
    assert world.cli("policy", "emergency", "on", "--reason", "a test").exit_code == 0
    browser.get(f"/authorize/{browser.pending_id}")
    assert browser.is_signed_in
    world.cli("policy", "emergency", "off", "--reason", "a test")
    browser.start()
    assert browser.step == "block"


# Tokens


def test_a_refresh_token_stops_while_the_user_is_at_risk_and_works_again_after(world: World) -> None:
    """F109: invalid_grant at once; after dismissal the same token works."""
    world.make_user()
    world.apply(USER_RISK_BLOCK)
    browser = at_home(world)
    world.act(protection.confirm_compromised, "ada", "admin", "", end_sessions=False)
    browser.submit(action="/notes/refresh")
    assert "invalid_grant" in browser.page.text
    world.act(protection.dismiss, "ada", "admin", "void")
    browser.get(world.relying_party_url + "/notes")
    browser.submit(action="/notes/refresh")
    assert "invalid_grant" not in browser.page.text
    assert browser.page.ok


def test_a_device_is_familiar_only_after_a_completed_sign_in(world: World) -> None:
    """I8: the device cookie is given out by the server, after the end, for one user."""
    world.make_user()
    world.make_user("bob")
    browser = world.browser().start()
    assert "idprotect-device" not in browser.http.cookies
    browser.sign_in()
    assert "idprotect-device" in browser.http.cookies
    signed_out_of_everything(browser).start().sign_in()
    signed_out_of_everything(browser).start().sign_in("bob")
    with world.arranging():
        rows = session().query(SignIn).order_by(SignIn.signed_in_at).all()
        assert [row.known_device for row in rows] == [False, True, False]
