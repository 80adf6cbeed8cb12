"""The flows in headless Chromium, from the relying party's button to its signed-in page, as a person sees them.

Pages are driven by labels, roles and keys. Each is looked at once in four ways: telephone and desktop, light and
dark; the pictures stay in ``test-artifacts/screenshots``.
"""

import base64
import re
from collections.abc import Callable
from urllib.parse import urlencode

import pyotp
import pytest
import segno
from flask import Flask, redirect
from playwright.sync_api import Locator, Page, expect

from idprotect import clients, protection, users
from idprotect.models import Client, session
from idprotect.registration import Registration
from tests.support.browser import HEIGHTS, NewPage, assert_clean, screenshot
from tests.support.documents import documents
from tests.support.live import serve
from tests.support.world import (
    CHROME,
    HOME_ADDRESS,
    MFA_POLICY,
    PASSWORD,
    REGISTRATION_POLICY,
    SIGN_IN_RISK_BLOCK,
    SIGN_IN_RISK_POLICY,
    SIGN_IN_RISK_REGISTER,
    TOR_ADDRESS,
    USER_RISK_BLOCK,
    USER_RISK_POLICY,
    World,
)

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)  # for a machine that is busy

NEW_PASSWORD = "eleven loud gulls under tin"
WIDTHS = {"phone": 390, "desktop": 1280}
NARROWEST = 320  # a page zoomed to 400 % (WCAG 1.4.10)

# What can be wrong with any page, in words.
FAULTS = """() => {
    const faults = [];
    const shown = element => element.checkVisibility() && element.getBoundingClientRect().width > 1;
    const controls = [...document.querySelectorAll("a[href], button, input:not([type=hidden])")].filter(shown);
    const names = control => (control.labels?.length ? control.labels[0].textContent : control.textContent).trim();
    for (const control of controls) {
        const box = control.getBoundingClientRect();
        if (!names(control)) faults.push("no name: " + control.outerHTML);
        const inText = [...control.parentNode.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!inText && Math.min(box.height, box.width) < 24) faults.push("too small to hit: " + control.outerHTML);
    }
    const ids = [...document.querySelectorAll("[id]")].map(element => element.id);
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push("twice: #" + id);
    for (const one of ["h1", "main", "head > title"]) {
        const count = document.querySelectorAll(one).length;
        if (count !== 1) faults.push(`${count} × ${one}`);
    }
    const levels = [...document.querySelectorAll("h1, h2, h3")].map(element => Number(element.tagName[1]));
    if (levels.some((level, i) => level > (levels[i - 1] ?? 0) + 1)) faults.push("headings skip a level: " + levels);
    if (document.documentElement.lang !== "en") faults.push("no language");
    const text = document.body.innerText;
    for (const slip of ["None", "undefined", "{{", "  ,", " ."]) {
        if (text.includes(slip)) faults.push(`the text has ${JSON.stringify(slip)}`);
    }
    return faults;
}"""
FOCUSED = """() => {
    const element = document.activeElement;
    return element.ariaLabel || element.labels?.[0]?.textContent || element.innerText;
}"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

# Whether the picture of a QR code, taken from the screen, shows these modules.
MODULES = """async ([picture, size]) => {
    const image = new Image();
    image.src = "data:image/png;base64," + picture;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const dark = (x, y) => context.getImageData(Math.round(x), Math.round(y), 1, 1).data[0] < 128;
    const step = image.width / size;
    return Array.from({length: size}, (_, row) => Array.from({length: size}, (_, column) =>
        Number(dark((column + .5) * step, (row + .5) * step))));
}"""


# What a person does


def at_application(page: Page, world: World) -> None:
    """Go to the application and press its button."""
    page.goto(world.relying_party_url)
    page.get_by_role("main").get_by_role("link", name="Sign in", exact=True).click()


def type_password(page: Page, password: str = PASSWORD, username: str = "ada") -> None:
    """Fill the sign-in page and send it."""
    expect_heading(page, "Sign in")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    press(page, "Sign in")


def sign_in(page: Page, world: World, password: str = PASSWORD, username: str = "ada") -> None:
    """Come from the application and give the right password."""
    at_application(page, world)
    type_password(page, password, username)


def press(page: Page, name: str) -> None:
    """Press a button."""
    page.get_by_role("button", name=name, exact=True).click()


def type_code(page: Page, code: str, button: str = "Verify") -> None:
    """Type a one-time code and send it."""
    page.get_by_label("Code", exact=True).fill(code)
    press(page, button)


def choose_password(page: Page, new: str, current: str | None = PASSWORD) -> None:
    """Fill the page for a new password."""
    if current is not None:
        page.get_by_label("Current password", exact=True).fill(current)
    page.get_by_label("New password", exact=True).fill(new)
    page.get_by_label("New password again", exact=True).fill(new)
    press(page, "Change password")


# What a person sees


def expect_heading(page: Page, text: str) -> None:
    """Wait for the page with this h1."""
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def expect_signed_in(page: Page, world: World, name: str = "Ada Lovelace") -> None:
    """Wait for the application's page; nothing on the way was refused by a browser."""
    expect_heading(page, f"Hello, {name}")
    assert page.url == f"{world.relying_party_url}/notes"
    assert_clean(page)


def claim(page: Page, name: str) -> str:
    """Return a claim that the application got."""
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))
    return row.get_by_role("cell").first.inner_text()


def look(page: Page, name: str) -> None:
    """Keep pictures of the page in four ways, and let nothing be wrong in any of them."""
    for device, width in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": HEIGHTS[device]})
        assert page.evaluate(OVERFLOW) <= 0, f"{name} is wider than {width} px"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            screenshot(page, f"{name}-{device}-{scheme}")
    page.set_viewport_size({"width": NARROWEST, "height": HEIGHTS["phone"]})
    assert page.evaluate(OVERFLOW) <= 0, f"{name} is wider than {NARROWEST} px"
    page.set_viewport_size({"width": WIDTHS["desktop"], "height": HEIGHTS["desktop"]})
    page.emulate_media(color_scheme="light")
    assert page.evaluate(FAULTS) == []
    assert_clean(page)


def focused(page: Page) -> str:
    """Return what has the keyboard's focus, by its label or words."""
    return str(page.evaluate(FOCUSED)).strip()


def come_from(page: Page, address: str, user_agent: str = CHROME) -> None:
    """Let the browser have an address and a name of its own."""
    page.set_extra_http_headers({"X-Forwarded-For": address, "User-Agent": user_agent})


@pytest.fixture
def page(new_page: NewPage, world: World) -> Page:
    """Return a browser of ada, who exists, at home."""
    world.make_user(name="Ada Lovelace")
    page = new_page()
    come_from(page, HOME_ADDRESS)
    return page


# Without risk


def test_a_person_mistypes_the_password_and_then_signs_in(page: Page, world: World) -> None:
    """The way in and what the browser keeps of it."""
    at_application(page, world)
    expect(page.get_by_text("to continue to Northwind Notes")).to_be_visible()
    look(page, "sign-in")
    type_password(page, "wrong password entirely")
    expect(page.get_by_role("alert")).to_contain_text("The user name or password is not right.")
    expect(page.get_by_label("User name")).to_have_value("ada")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    expect(page.get_by_label("Password", exact=True)).to_have_value("")
    assert page.title().startswith("Error: ")
    look(page, "sign-in-wrong-password")
    type_password(page)
    expect_signed_in(page, world)
    assert (claim(page, "acr"), claim(page, "amr")) == ("aal1", "pwd")

    kept = {cookie["name"]: cookie for cookie in page.context.cookies(world.url)}
    assert kept.keys() == {"idprotect-session", "idprotect-browser", "idprotect-device"}
    for cookie in kept.values():
        assert (cookie["domain"], cookie["path"]) == ("localhost", "/")  # no dot before it: this host only
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        assert len(cookie["value"]) == 43, "256 random bits and nothing else"
    assert [name for name, cookie in kept.items() if cookie["expires"] != -1] == ["idprotect-device"]


def test_the_keyboard_alone_is_enough(page: Page, world: World) -> None:
    """The focus starts in the first field and goes on in the order in which one reads."""
    at_application(page, world)
    expect(page.get_by_label("User name")).to_be_focused()
    order = [focused(page)]
    for _ in range(4):
        page.keyboard.press("Tab")
        order.append(focused(page))
    assert order == [
        "User name",
        "Password",
        "Show password",
        "Sign in",
        "Cancel and return to Northwind Notes",
    ]
    page.get_by_label("User name").focus()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect_signed_in(page, world)


def test_consent_is_asked_and_the_answer_comes_to_the_application(page: Page, world: World) -> None:
    """A form whose answer redirects to another site has to pass Chromium's form-action."""
    with world.arranging():
        session().get_one(Client, "notes").first_party = False
    sign_in(page, world)
    expect_heading(page, "Northwind Notes asks for access")
    look(page, "consent")
    press(page, "Deny")
    expect_heading(page, "Access was not granted")
    assert_clean(page)
    page.get_by_role("link", name="Try again").click()
    press(page, "Allow")
    expect_signed_in(page, world)


@pytest.mark.parametrize("callback", ["http://127.0.0.1:49152/callback", "https://agent.example/callback"])
def test_a_stranger_is_known_by_its_address(
    page: Page, make_world: Callable[..., World], callback: str
) -> None:
    """C016: consent to a client that is known by its document alone shows whose it is, and where it leads."""
    world = make_world(IDPROTECT_CLIENT_ID_METADATA_DOCUMENTS=True)
    world.make_user()
    with documents() as shelf:
        url = shelf.url + "/agents/desktop/client.json"
        document = {"client_id": url, "client_name": "Your trusted helper", "redirect_uris": [callback]}
        shelf.put("/agents/desktop/client.json", document)
        challenge = {"code_challenge": "c" * 43, "code_challenge_method": "S256", "response_type": "code"}
        asked = {"client_id": url, "redirect_uri": callback, "scope": "openid profile offline_access"}
        page.goto(f"{world.url}/authorize?{urlencode({**asked, **challenge})}")
        look(page, "sign-in-stranger")
        page.get_by_label("User name").fill("ada")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        press(page, "Sign in")
        expect_heading(page, "Your trusted helper asks for access")
        expect(page.get_by_role("definition").first).to_have_text(shelf.url.removeprefix("http://"))
        is_here = callback.startswith("http:")
        look(page, f"consent-stranger-{'here' if is_here else 'elsewhere'}")
        expect(page.get_by_text("a program on this device")).to_have_count(int(is_here))


def test_an_application_may_lead_on_to_another_site(page: Page, world: World) -> None:
    """Chromium asks form-action about every redirect after a POST, also about those of the application."""
    home, callback = Flask("home"), Flask("callback")
    home.add_url_rule("/", view_func=lambda: "<link rel=icon href=data:,><h1>At home</h1>")
    with serve(home, name="notes.localhost") as home_url, serve(callback) as callback_url:
        callback.add_url_rule("/callback", view_func=lambda: redirect(home_url, 303))
        with world.arranging():
            elsewhere = Registration(client_name="Elsewhere", redirect_uris=(f"{callback_url}/callback",))
            clients.create(elsewhere, by="test", client_id="elsewhere")
        wanted = {
            "response_type": "code",
            "client_id": "elsewhere",
            "redirect_uri": f"{callback_url}/callback",
            "scope": "openid",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        }
        page.goto(f"{world.url}/authorize?{urlencode(wanted)}")
        type_password(page)
        press(page, "Allow")
        expect_heading(page, "At home")
        assert_clean(page)


def test_the_ways_out_do_what_they_say(page: Page, world: World) -> None:
    """Cancel, and sign in as someone else, from the pages in between."""
    world.make_user("bob", name="Bob Hartley")
    world.apply(REGISTRATION_POLICY)
    at_application(page, world)
    press(page, "Cancel and return to Northwind Notes")
    expect_heading(page, "Access was not granted")
    page.get_by_role("link", name="Try again").click()
    type_password(page)
    expect_heading(page, "Add a second way to verify")
    press(page, "Cancel and return to Northwind Notes")
    expect_heading(page, "Access was not granted")
    page.get_by_role("link", name="Try again").click()
    expect_heading(page, "Add a second way to verify")
    page.get_by_role("link", name="Sign in as someone else").click()
    type_password(page, username="bob")
    expect(page.get_by_text("Signing in as Bob Hartley")).to_be_visible()
    press(page, "Not now")
    expect_signed_in(page, world, "Bob Hartley")


# Risk


def test_a_risky_sign_in_is_recovered(page: Page, world: World) -> None:
    """Notice, challenge by text message or another way, back to the application."""
    world.apply(SIGN_IN_RISK_POLICY)
    world.list_address()
    world.make_user("zoe", name="Zoë Haddad", authenticators=("totp", "sms"))
    come_from(page, TOR_ADDRESS)
    sign_in(page, world, username="zoe")
    expect_heading(page, "Is this you signing in?")
    expect(page.get_by_text("Chrome on Windows")).to_be_visible()
    look(page, "risky-notice")
    press(page, "Continue")
    expect_heading(page, "Verify that it is you")
    look(page, "challenge-app")
    type_code(page, "000000")
    expect(page.get_by_role("alert")).to_contain_text("This code is not right")
    look(page, "challenge-app-wrong-code")
    page.get_by_role("link", name="Text message").click()
    look(page, "challenge-text-message")
    press(page, "Send code")
    expect(page.get_by_text("We sent a code to")).to_be_visible()
    look(page, "challenge-text-message-sent")
    type_code(page, world.sms_code())
    expect_signed_in(page, world, "Zoë Haddad")
    assert (claim(page, "acr"), claim(page, "amr")) == ("aal2", "pwd, sms, mfa")


def test_a_risky_sign_in_is_blocked(page: Page, world: World) -> None:
    """The block names sign-in, number and help, and leads back to the application."""
    world.apply(SIGN_IN_RISK_BLOCK)
    world.list_address()
    come_from(page, TOR_ADDRESS)
    sign_in(page, world)
    expect_heading(page, "Your sign-in was blocked")
    expect(page.get_by_text(re.compile(r"^[2-9A-Z]{5}-[2-9A-Z]{5}$"))).to_be_visible()
    expect(page.get_by_text("the help desk, extension 4711")).to_be_visible()
    look(page, "risky-blocked")
    press(page, "Return to Northwind Notes")
    expect_heading(page, "Access was not granted")
    assert_clean(page)
    come_from(page, HOME_ADDRESS)
    page.get_by_role("link", name="Try again").click()
    expect_heading(page, "Your sign-in was blocked")
    page.get_by_role("link", name="Sign in again").click()
    type_password(page)
    expect_signed_in(page, world)


def test_the_owner_is_asked_about_a_stopped_sign_in(page: Page, world: World) -> None:
    """Later, from the device that is known."""
    sign_in(page, world)
    world.apply(SIGN_IN_RISK_BLOCK)
    world.list_address()
    assert world.browser(TOR_ADDRESS).start().sign_in().step == "block"
    world.clock.move(hours=2)
    sign_in_again(page, world)
    expect_heading(page, "Was this you?")
    expect(page.get_by_text("Firefox on Linux")).to_be_visible()
    look(page, "stopped-sign-in")
    press(page, "No, this was not me")
    expect_signed_in(page, world)
    assert world.read(lambda user: user.risk.label) == "high"


def test_without_a_second_factor_a_risky_sign_in_is_blocked(page: Page, world: World) -> None:
    """It says so, and offers no registration."""
    world.apply(SIGN_IN_RISK_POLICY, REGISTRATION_POLICY)
    world.list_address()
    come_from(page, TOR_ADDRESS)
    sign_in(page, world)
    expect_heading(page, "Your sign-in was blocked")
    expect(page.get_by_text("no second way to verify")).to_be_visible()
    look(page, "risky-blocked-unregistered")


@pytest.mark.parametrize("javascript", [True, False], ids=["with-javascript", "without-javascript"])
def test_a_compromised_person_recovers(world: World, new_page: NewPage, javascript: bool) -> None:
    """Notice, challenge, new password; a refused password says why. Everything works without JavaScript."""
    world.make_user(name="Ada Lovelace", authenticators=("totp",))
    world.apply(USER_RISK_POLICY)
    world.act(protection.confirm_compromised, "ada", "admin", "seen in a leak")
    page = new_page(javascript=javascript)
    come_from(page, HOME_ADDRESS)
    sign_in(page, world)
    expect_heading(page, "Your account is at risk")
    if javascript:
        look(page, "compromised-notice")
    press(page, "Continue")
    type_code(page, world.totp())
    expect_heading(page, "Choose a new password")
    if javascript:
        look(page, "compromised-password")
    choose_password(page, "12345678")
    expect(page.get_by_role("alert")).to_contain_text("15")
    expect(page.get_by_text("The password you tried:")).to_be_visible()
    look(page, f"compromised-password-refused{'' if javascript else '-without-javascript'}")
    choose_password(page, NEW_PASSWORD)
    expect_signed_in(page, world)
    assert world.read(lambda user: user.risk_detail) == "user_changed_password"


def test_a_compromised_person_is_blocked(page: Page, world: World) -> None:
    """The account, not the sign-in; and a disabled account is not said to be in danger."""
    world.apply(USER_RISK_BLOCK)
    world.act(protection.confirm_compromised, "ada", "admin", "seen in a leak")
    sign_in(page, world)
    expect_heading(page, "Your account is blocked")
    expect(page.get_by_text("Somebody else may be able to get into your account.")).to_be_visible()
    look(page, "compromised-blocked")
    world.make_user("dis", name="Dis Abled")
    world.act(users.set_enabled, "dis", False, "admin")
    page.get_by_role("link", name="Sign in as someone else").click()
    type_password(page, username="dis")
    expect_heading(page, "Your account is blocked")
    expect(page.get_by_text("Somebody else")).to_have_count(0)
    look(page, "disabled-blocked")


def test_a_temporary_password_is_replaced(page: Page, world: World) -> None:
    """It works once, and only to choose a new one."""
    temporary = world.act(users.set_temporary_password, "ada", "admin")
    sign_in(page, world, temporary)
    expect_heading(page, "Choose a new password")
    expect(page.get_by_text("You signed in with a temporary password.")).to_be_visible()
    look(page, "temporary-password")
    choose_password(page, NEW_PASSWORD, current=None)
    expect_signed_in(page, world)


# Registration


def test_registration_is_put_off(page: Page, world: World) -> None:
    """Skip shows the days that are left."""
    world.apply(REGISTRATION_POLICY)
    sign_in(page, world)
    expect_heading(page, "Add a second way to verify")
    expect(page.get_by_text("14 more days")).to_be_visible()
    look(page, "registration")
    press(page, "Not now")
    expect_signed_in(page, world)


def test_an_authenticator_app_is_registered(page: Page, world: World) -> None:
    """What the screen shows as QR code and as key is the same, and a code made of it counts."""
    world.apply(SIGN_IN_RISK_REGISTER, REGISTRATION_POLICY)
    world.list_address()
    come_from(page, TOR_ADDRESS)
    sign_in(page, world)
    press(page, "Continue")
    expect(page.get_by_text("This sign-in is unusual")).to_be_visible()
    look(page, "registration-risky")
    page.get_by_role("button", name="Authenticator app").click()
    expect_heading(page, "Set up your authenticator app")
    look(page, "registration-app")
    totp = pyotp.TOTP(page.locator("#manual-key").inner_text().replace(" ", ""))
    uri = totp.provisioning_uri(name="ada", issuer_name="idprotect")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert shown_modules(page, page.get_by_role("img", name="QR code")) == modules_of(uri)
    page.emulate_media(color_scheme="light")
    type_code(page, "12 34", "Verify and finish")
    expect(page.get_by_role("alert")).to_contain_text("This code is not right")
    look(page, "registration-app-wrong-code")
    code = totp.at(world.clock.now())
    type_code(page, f"{code[:3]} {code[3:]}", "Verify and finish")
    expect_heading(page, "Save your recovery codes")
    expect(page.get_by_role("main").get_by_role("listitem")).to_have_count(10)
    look(page, "recovery-codes")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "Copy")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()").split()
    assert len(copied) == 10
    page.emulate_media(media="print")
    screenshot(page, "recovery-codes-on-paper")
    page.emulate_media(media="screen")
    page.get_by_role("link", name="I have saved them").click()
    expect_signed_in(page, world)
    assert (claim(page, "acr"), claim(page, "amr")) == ("aal2", "pwd, otp, mfa")

    world.apply(MFA_POLICY)
    world.clock.move(hours=2)  # the session has idled out
    sign_in_again(page, world)
    page.get_by_role("link", name="Recovery code").click()
    look(page, "challenge-recovery-code")
    type_code(page, copied[3].lower())
    expect_signed_in(page, world)


def test_a_phone_is_registered(page: Page, world: World) -> None:
    """The number is refused or taken, proved by the code of the message, and the message shown in the outbox."""
    world.apply(REGISTRATION_POLICY, MFA_POLICY)
    sign_in(page, world)
    page.get_by_role("button", name="Text message").click()
    expect_heading(page, "Use your phone number")
    look(page, "registration-phone")
    page.get_by_label("Mobile number").fill("+1 900 555 0123")
    press(page, "Send code")
    expect(page.get_by_label("Mobile number")).to_have_attribute("aria-invalid", "true")
    look(page, "registration-phone-refused")
    page.get_by_label("Mobile number").fill("07400 123456")
    press(page, "Send code")
    expect_heading(page, "Enter the code")
    look(page, "registration-phone-code")
    outbox = page.context.new_page()
    outbox.goto(f"{world.url}/outbox")
    expect(outbox.get_by_text(world.sms_code(), exact=True)).to_be_visible()
    type_code(page, world.sms_code(), "Verify and finish")
    page.get_by_role("link", name="I have saved them").click()
    expect_signed_in(page, world)
    outbox.reload()
    expect(outbox.get_by_role("link", name=f"{world.url}/report")).to_be_visible()
    look(outbox, "outbox")


# One's own pages


def test_the_account_pages(page: Page, world: World) -> None:
    """Everything at one glance; each button leads where it says."""
    with world.arranging():
        session().get_one(Client, "notes").first_party = False
    elsewhere = world.browser()
    elsewhere.start().sign_in(password="wrong password entirely").sign_in().submit(button="allow")
    page.goto(f"{world.url}/account")
    type_password(page)
    expect_heading(page, "Ada Lovelace")
    assert page.url == f"{world.url}/account"
    expect(page.get_by_text("This session")).to_have_count(1)
    look(page, "account")

    page.get_by_role("link", name="Add a method").click()
    expect_heading(page, "Add a way to verify")
    look(page, "account-methods")
    page.get_by_role("button", name="Authenticator app").click()
    totp = pyotp.TOTP(page.locator("#manual-key").inner_text().replace(" ", ""))
    look(page, "account-methods-app")
    type_code(page, totp.at(world.clock.now()), "Verify and finish")
    look(page, "account-recovery-codes")
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_role("button", name="Remove Authenticator app")).to_be_visible()

    page.get_by_role("link", name="Change password").click()
    expect_heading(page, "Change your password")
    look(page, "account-password")
    choose_password(page, NEW_PASSWORD)
    expect_heading(page, "Ada Lovelace")
    assert not elsewhere.start().is_signed_in, "the password page said so"

    press(page, "Remove access of Northwind Notes")
    expect(page.get_by_text("No application has been given access.")).to_be_visible()
    look(page, "account-with-method")

    world.clock.move(minutes=30)
    press(page, "Remove Authenticator app")
    expect(page.get_by_text("Please sign in again to continue.")).to_be_visible()
    expect(page.get_by_label("User name")).to_have_value("ada")
    look(page, "sign-in-again")
    type_password(page, NEW_PASSWORD)
    world.clock.move(seconds=31)
    type_code(page, totp.at(world.clock.now()))
    expect_heading(page, "Ada Lovelace")
    press(page, "Remove Authenticator app")
    expect(page.get_by_text("A password is all that protects your account.")).to_be_visible()


def test_a_sign_in_is_reported_and_everything_else_ends(page: Page, world: World) -> None:
    """What the page promises happens."""
    world.make_user("zoe", name="Zoë Haddad", authenticators=("totp",))
    elsewhere = world.browser(TOR_ADDRESS).start().sign_in("zoe")
    assert elsewhere.is_signed_in
    page.goto(f"{world.url}/account")
    type_password(page, username="zoe")
    page.get_by_role("link", name=re.compile("Not me.*Firefox on Linux")).click()
    expect_heading(page, "Was this not you?")
    look(page, "report")
    press(page, "This was not me")
    expect_heading(page, "Thank you for telling us")
    look(page, "reported")
    elsewhere.start()
    assert elsewhere.step == "sign_in"
    page.goto(f"{world.url}/account")
    expect_heading(page, "Zoë Haddad")
    expect(page.get_by_text("Unusual activity was found on your account.")).to_be_visible()
    look(page, "account-at-risk")
    page.get_by_role("link", name="Add a method").click()
    expect_heading(page, "Not possible now")
    look(page, "account-refused")
    page.get_by_role("link", name="Go to your account").click()
    expect_heading(page, "Zoë Haddad")


def test_signing_out_ends_the_session_here(page: Page, world: World) -> None:
    """A question first; staying is possible."""
    sign_in(page, world)
    page.goto(f"{world.url}/account")
    page.get_by_role("link", name="Sign out", exact=True).click()
    expect_heading(page, "Sign out?")
    look(page, "sign-out")
    page.get_by_role("link", name="Stay signed in").click()
    expect_heading(page, "Ada Lovelace")
    page.get_by_role("link", name="Sign out", exact=True).click()
    press(page, "Sign out")
    expect_heading(page, "You are signed out")
    look(page, "signed-out")
    assert "idprotect-session" not in [cookie["name"] for cookie in page.context.cookies(world.url)]
    page.get_by_role("link", name="Sign in again").click()
    expect_heading(page, "Sign in")


def test_a_page_that_is_no_longer_valid_says_so(page: Page, world: World) -> None:
    """The back button after the end, and an address that does not exist."""
    at_application(page, world)
    waiting = page.url
    type_password(page)
    expect_signed_in(page, world)
    page.goto(waiting)
    expect_heading(page, "This page is no longer valid")
    look(page, "error")
    page.goto(f"{world.url}/no-such-page")
    expect_heading(page, "This page does not exist")
    look(page, "error-not-found")


def sign_in_again(page: Page, world: World) -> None:
    """Come from the application, which still knows the person."""
    page.goto(f"{world.relying_party_url}/sign-in")
    type_password(page)


def modules_of(uri: str) -> list[list[int]]:
    """Return the modules of a QR code with the border that we draw."""
    return [list(row) for row in segno.make(uri, error="m").matrix_iter(border=2)]


def shown_modules(page: Page, code: Locator) -> list[list[int]]:
    """Return the modules of a QR code as they are on the screen."""
    size = len(modules_of("x" * 90))
    picture = base64.b64encode(code.locator("svg").screenshot()).decode()
    blank = page.context.new_page()  # has no content security policy that would forbid pictures
    modules: list[list[int]] = blank.evaluate(MODULES, [picture, size])
    blank.close()
    return modules


def test_a_scenario_is_played_on_a_page(new_page: NewPage, world: World) -> None:
    """F115, D26: chosen by its button, explained in words, and the same page on a telephone and in the dark."""
    world.apply(SIGN_IN_RISK_POLICY)
    page = new_page(javascript=False)
    page.goto(f"{world.url}/simulation#brute-force")
    look(page, "simulation")
    page.get_by_role("button", name="Play Brute force").click()
    expect(page.get_by_role("heading", name="Brute force")).to_be_visible()
    expect(page.get_by_text("It raised what it promises: repeated_failures.")).to_be_visible()
    expect(page.get_by_text("stopped: asked for a second factor")).to_be_visible()
    look(page, "simulation-outcome")
    page.get_by_role("button", name="Remove everything simulated").click()
    expect(page.get_by_text("9 simulated users and their sign-ins were removed.")).to_be_visible()
