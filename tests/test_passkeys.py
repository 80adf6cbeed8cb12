"""Passkeys: set up, asked for, and refused to whoever is not their owner at this origin."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from playwright.sync_api import CDPSession, Page, expect

from idprotect import methods, throttle
from tests.support.browser import NewPage, assert_clean, screenshot
from tests.support.passkeys import Passkey, options_of
from tests.support.world import (
    MFA_POLICY,
    PASSWORD,
    REGISTRATION_POLICY,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    Browser,
    World,
    build_app,
)

STRONG_POLICY = """
[[policy]]
name = "bank"
state = "on"
then = { require = ["mfa"], strength = "phishing_resistant" }
"""


def owner(world: World, **traits: Any) -> Passkey:
    """Make ada, who has set up a passkey."""
    world.make_user(**traits)
    world.apply(REGISTRATION_POLICY)
    passkey = Passkey(world.url)
    set_up(world.browser().start().sign_in(), passkey)
    return passkey


def set_up(browser: Browser, passkey: Passkey) -> Browser:
    """Choose a passkey on the page that offers ways to verify, and make one."""
    browser.submit(button="passkey")
    browser.submit({"code": passkey.made(browser.page.text)})
    return browser.get(browser.world.url + "/account") if "recovery codes" in browser.text else browser


def prove(browser: Browser, passkey: Passkey) -> Browser:
    """Answer the page that asks for a passkey."""
    return browser.submit({"code": passkey.signed(browser.page.text)})


@pytest.mark.parametrize(("synced", "amr"), [(False, "hwk"), (True, "swk")])
def test_a_person_sets_up_a_passkey_and_signs_in_with_it(world: World, synced: bool, amr: str) -> None:
    """C026: a second factor; tokens say whether its key stays in one device (RFC 8176)."""
    world.make_user()
    world.apply(REGISTRATION_POLICY)
    browser = world.browser().start().sign_in()
    assert "Passkey" in browser.text
    passkey = Passkey(world.url, synced=synced)
    set_up(browser, passkey)
    assert world.mails("was added")
    world.apply(MFA_POLICY)

    again = world.browser().start().sign_in()
    assert again.step == "mfa"
    prove(again, passkey)

    assert again.claims()["acr"] == "aal2"
    assert amr in again.claims()["amr"]
    with world.arranging():
        stored = methods.registered(world.user().id)[0]
        assert stored.hint == "Firefox on Linux"
        assert passkey.key.public_key().public_numbers().x.to_bytes(32) not in stored.secret, "encrypted"


def test_a_policy_that_wants_no_phishing_takes_the_passkey_and_not_the_code(world: World) -> None:
    """F046, C065: whoever has both is asked for the passkey alone; a code sent all the same does not help."""
    passkey = owner_of_both(world)
    world.apply(STRONG_POLICY)
    browser = world.browser().start().sign_in()
    assert browser.step == "mfa"
    assert "A code is not enough here" in browser.text
    assert "authenticator app" not in browser.text.lower()
    assert "recovery code" not in browser.text.lower()

    stuck = browser.tab()
    stuck.get(browser.page.url + "?method=recovery_code")
    stuck.submit({"code": world.totp()})
    assert stuck.step == "mfa"
    assert not stuck.is_signed_in

    prove(browser.get(browser.page.url), passkey)
    assert browser.is_signed_in


def owner_of_both(world: World) -> Passkey:
    """Make ada, who has an authenticator app, and added a passkey on her account page."""
    world.make_user(authenticators=("totp",))
    world.apply(MFA_POLICY)
    browser = world.browser().start().sign_in().prove()
    passkey = Passkey(world.url)
    set_up(browser.get(world.url + "/account/methods"), passkey)
    return passkey


def test_who_has_no_passkey_is_shown_where_to_add_one(world: World) -> None:
    """F046: stopped with a way out, where the policy leaves the account pages alone."""
    world.make_user(authenticators=("totp",))
    world.apply(STRONG_POLICY + 'clients = { exclude = ["idprotect-account"] }\n')
    browser = world.browser().start().sign_in()
    assert browser.step == "block"
    link = re.search(r'href="([^"]+)">Add a passkey', browser.page.text)
    assert link
    browser.get(world.url + link[1]).prove()
    set_up(browser, Passkey(world.url))
    assert browser.start().is_signed_in, "it was proved when it was made"


def test_who_has_several_ways_is_asked_for_the_passkey_first(world: World) -> None:
    """The best way is on the page; the others are a link away."""
    passkey = owner_of_both(world)
    browser = world.browser().start().sign_in()
    assert options_of(browser.page.text)["allowCredentials"]
    assert "Or use another way" in browser.text
    prove(browser, passkey)
    assert browser.is_signed_in


def test_an_answer_opens_one_sign_in(world: World) -> None:
    """I5: a challenge is for one sign-in, and answered once."""
    passkey = owner(world)
    world.apply(MFA_POLICY)
    browser, other = world.browser().start().sign_in(), world.browser().start().sign_in()
    elsewhere = other.tab().get(other.page.url)
    answer = passkey.signed(browser.page.text)
    again = browser.form(field="code")

    other.submit({"code": answer})
    assert "was not accepted" in other.text, "it was made for another sign-in"
    browser.submit({"code": answer})
    assert browser.is_signed_in
    late = browser.http.post(world.url + again["action"], data={**again["fields"], "code": answer})
    assert late.status_code == 400, "it was answered already, and there is nothing left to ask for"
    prove(elsewhere.get(elsewhere.page.url), passkey)
    assert elsewhere.is_signed_in, "a refused answer uses nothing up"


@pytest.mark.parametrize(
    "thief",
    [
        lambda key: replace(key, origin="https://sign-in.example.net"),
        lambda key: Passkey(key.origin, id=key.id),
        lambda key: Passkey(key.origin, key=key.key, count=key.count),
        lambda key: replace(key, count=key.count - 1),
    ],
    ids=["phished at another origin", "another key", "another credential", "a copy that lags behind"],
)
def test_an_answer_that_is_not_the_owners_is_refused(world: World, thief: Any) -> None:
    """F046: origin, signature, credential and counter are looked at; the try is counted and told in the log."""
    passkey = owner(world)
    world.apply(MFA_POLICY)
    prove(world.browser().start().sign_in(), passkey)
    browser = world.browser().start().sign_in()
    browser.submit({"code": thief(passkey).signed(browser.page.text)})
    assert browser.page.status_code == 400
    assert browser.step == "mfa"
    assert "was not accepted" in browser.text
    prove(browser, passkey)
    assert browser.is_signed_in


def test_a_key_made_at_another_origin_is_not_registered(world: World) -> None:
    """What is registered is proved the same way; and nothing counts before."""
    world.make_user()
    world.apply(REGISTRATION_POLICY)
    browser = world.browser().start().sign_in()
    browser.submit(button="passkey")
    browser.submit({"code": Passkey("https://sign-in.example.net").made(browser.page.text)})
    assert "was not accepted" in browser.text
    with world.arranging():
        assert not methods.registered(world.user().id)
    browser.submit({"code": Passkey(world.url).made(browser.page.text)})
    with world.arranging():
        assert methods.registered(world.user().id)


def test_an_old_page_says_so(world: World) -> None:
    """A challenge lives as long as a code does; the page that refuses it holds a new one."""
    passkey = owner(world)
    world.apply(MFA_POLICY)
    browser = world.browser().start().sign_in()
    answer = passkey.signed(browser.page.text)
    world.clock.move(minutes=11)
    browser.submit({"code": answer})
    assert "was not accepted" in browser.text
    prove(browser, passkey)
    assert browser.is_signed_in


def test_a_compromised_user_recovers_with_a_passkey(world: World) -> None:
    """A passkey cures what a code cures."""
    passkey = owner(world)
    world.apply(SIGN_IN_RISK_POLICY)
    world.list_address()
    browser = world.browser(TOR_ADDRESS).start().sign_in().acknowledge()
    prove(browser, passkey)
    assert browser.is_signed_in


def test_a_passkey_is_offered_where_browsers_allow_it(tmp_path: Path, keys: Path) -> None:
    """Not at an address, and not without TLS except on this machine: browsers refuse both."""
    for issuer, offered in (
        ("https://sign-in.example.org", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
    ):
        app = build_app(issuer, tmp_path, keys)
        with app.app_context():
            assert ("passkey" in [method.name for method in methods.offered()]) is offered, issuer


ANSWERS = st.one_of(
    st.text(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("AAAA"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "rawId", "type", "response", "clientDataJSON", "authenticatorData", "signature"]
                ),
                inner,
                max_size=7,
            )
        ),
        max_leaves=12,
    ).map(json.dumps),
    st.integers(1, 5000).map(lambda depth: "[" * depth),
)


def test_whatever_a_browser_answers_there_is_an_answer(world: World) -> None:
    """No bytes make an error of ours, at registration or afterwards."""
    owner(world)
    world.make_user("bob")
    registering = world.browser().start().sign_in("bob").submit(button="passkey")
    world.apply(MFA_POLICY, REGISTRATION_POLICY)
    proving = world.browser().start().sign_in()

    @hypothesis_settings(
        max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(ANSWERS)
    def answer(text: str) -> None:
        for browser in (registering, proving):
            with world.arranging():
                throttle.forget_all("mfa-")
            browser.submit({"code": text})
            assert browser.page.status_code == 400, browser.text[:300]

    answer()


# In a real browser, with a device that Chromium plays


def device(page: Page, *, confirms: bool = True) -> CDPSession:
    """Give the browser a device that keeps passkeys, and whose owner confirms at once, or never."""
    chromium = page.context.new_cdp_session(page)
    chromium.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": confirms,
        "automaticPresenceSimulation": confirms,
    }
    chromium.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return chromium


def type_password(page: Page, world: World) -> None:
    """Come from the application and give the right password."""
    page.goto(world.relying_party_url)
    page.get_by_role("main").get_by_role("link", name="Sign in", exact=True).click()
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.mark.browser
def test_a_person_uses_a_passkey_in_a_browser(world: World, new_page: NewPage) -> None:
    """C026, F046: set up on the phone's page, asked for at the next sign-in, back at the application."""
    world.make_user(name="Ada Lovelace")
    world.apply(REGISTRATION_POLICY)
    page = new_page(390)
    device(page)
    type_password(page, world)
    page.get_by_role("button", name="Passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set up a passkey")
    for width, scheme in ((390, "light"), (1280, "dark")):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        screenshot(page, f"passkey-set-up-{width}-{scheme}")
    page.get_by_role("button", name="Set up the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Save your recovery codes")
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hello")

    world.apply(STRONG_POLICY)
    page.context.clear_cookies()
    type_password(page, world)
    expect(page.get_by_text("A code is not enough here")).to_be_visible()
    for width, scheme in ((390, "dark"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        screenshot(page, f"passkey-asked-{width}-{scheme}")
    page.get_by_role("button", name="Use the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hello")
    assert_clean(page)


@pytest.mark.browser
def test_who_cannot_use_a_passkey_is_told_and_can_go_another_way(world: World, new_page: NewPage) -> None:
    """A device that refuses, and a browser without scripts: words, and the other ways."""
    owner_of_both(world)
    page = new_page(390)
    device(page, confirms=True)
    type_password(page, world)
    page.get_by_role("button", name="Use the passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("did not confirm")
    screenshot(page, "passkey-refused")
    page.get_by_role("link", name="Authenticator app").click()
    page.get_by_label("Code", exact=True).fill(world.totp())
    page.get_by_role("button", name="Verify", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hello")

    plain = new_page(390, person="other", javascript=False)
    type_password(plain, world)
    expect(plain.get_by_text("Passkeys need JavaScript")).to_be_visible()
    screenshot(plain, "passkey-without-javascript")
    plain.get_by_role("link", name="Authenticator app").click()
    expect(plain.get_by_label("Code", exact=True)).to_be_visible()
