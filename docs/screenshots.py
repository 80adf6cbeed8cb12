"""Photographs the pages for the README: runs the product, goes through the flows, writes ``docs/images/*.png``.

    python -m docs.screenshots

from the checkout, with the extra ``test`` installed (``pip install -e .[test]``) and a Chromium on the machine. It
takes half a minute. Names, codes and keys in the pictures are made up on the spot and good for nothing afterwards.
"""

import base64
import os
import random
import struct
import sys
import tempfile
import tomllib
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pyotp
from playwright.sync_api import Browser, Page, sync_playwright

from idprotect import clock, demo, policies, protection, terms, users
from idprotect.conditional_access import drafts
from idprotect.methods.base import secret_of
from idprotect.models import Authenticator, Client, Receipt, RiskDetection, SignIn, User, new_id, session
from tests.support import PROJECT
from tests.support.browser import ARGUMENTS, find_chromium
from tests.support.world import HOME_ADDRESS, OTHER_ADDRESS, PASSWORD, TOR_ADDRESS, Clock, World, world

IMAGES = PROJECT / "docs" / "images"
LARGEST, LARGEST_OF_ALL = 60_000, 900_000
DESKTOP, WIDE, PHONE, CONSOLE = (
    {"width": 720, "height": 640},
    {"width": 960, "height": 640},
    {"width": 390, "height": 760},
    {"width": 1200, "height": 800},
)
RULES = """# What we ask of you

- Use your own account, and nobody else's.
- Tell us at once when a device is lost: extension 4711.

# What you may ask of us

We say what we keep of you, and for how long. It stands on your account page.
"""
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1"
)
PEOPLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "ada": ("Ada Lovelace", ()),
    "zoe": ("Zoë Haddad", ("sms", "totp")),
    "kim": ("Kim Park", ()),
    "leo": ("Leo Costa", ("totp",)),
    "mia": ("Mia Rossi", ()),
    "eve": ("Eve Adams", ("totp",)),
}
# Chromium takes the desktop's font for system-ui; without a desktop, one that is wider than any of those.
FONTS = "".join(
    f"""<match target="pattern"><test name="family"><string>{name}</string></test>
    <edit name="family" mode="assign" binding="strong"><string>Liberation Sans</string></edit></match>"""
    for name in ("sans", "system-ui", "DejaVu Sans")
)
FONTS_FILE = f"""<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<include ignore_missing="yes">/etc/fonts/fonts.conf</include>{FONTS}</fontconfig>"""

# The commonest colours of a picture, and for each other one the nearest of those: [width, height, palette, numbers].
IN_256_COLOURS = """async picture => {
    const image = new Image();
    image.src = "data:image/png;base64," + picture;
    await image.decode();
    const {width, height} = image;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(image, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
    const counts = new Map();
    for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
    const colours = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
    const parts = colour => [colour & 255, colour >> 8 & 255, colour >> 16 & 255];
    const palette = colours.slice(0, 256).map(parts);
    const distance = (a, b) => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2;
    const number = new Map(colours.map((colour, i) => {
        if (i < 256) return [colour, i];
        const distances = palette.map(one => distance(one, parts(colour)));
        return [colour, distances.indexOf(Math.min(...distances))];
    }));
    const reader = new FileReader();
    reader.readAsDataURL(new Blob([Uint8Array.from(pixels, pixel => number.get(pixel))]));
    await new Promise(done => reader.onload = done);
    return [width, height, palette.flat(), reader.result.split(",")[1]];
}"""


def main() -> None:
    """Take all pictures and say how large they are."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        running = stack.enter_context(_world(Path(folder)))
        browser = stack.enter_context(_chromium(Path(folder)))
        flows = (_registration, _risky, _compromised, _blocked, _terms, _consent_and_account, _console)
        for flow in flows:
            flow(running, browser)
    sizes = {path.name: path.stat().st_size for path in sorted(IMAGES.glob("*.png"))}
    for name, size in sizes.items():
        print(f"{size / 1000:6.1f} kB  {name}")
    if max(sizes.values()) > LARGEST or sum(sizes.values()) > LARGEST_OF_ALL:
        sys.exit("The pictures are too large for a README.")


# The flows


def _registration(running: World, browser: Browser) -> None:
    page = _open(browser, HOME_ADDRESS)
    page.goto(f"{running.relying_party_url}/sign-in")
    _photograph(page, "sign-in")
    _type_password(page, "ada")
    _photograph(page, "registration", phone=True)
    page.get_by_role("button", name="Authenticator app").click()
    _photograph(page, "registration-qr")
    _type_code(page, pyotp.TOTP(page.locator("#manual-key").inner_text().replace(" ", "")).now())
    _photograph(page, "recovery-codes")
    page.get_by_role("link", name="I have saved them").click()


def _risky(running: World, browser: Browser) -> None:
    page = _open(browser, TOR_ADDRESS)
    _sign_in(running, page, "zoe")
    _photograph(page, "notice", phone=True)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("link", name="Text message").click()
    page.get_by_role("button", name="Send code").click()
    _photograph(page, "challenge", phone=True)


def _compromised(running: World, browser: Browser) -> None:
    page = _open(browser, HOME_ADDRESS)
    running.act(protection.confirm_compromised, "leo", "administrator")
    _sign_in(running, page, "leo")
    _photograph(page, "account-at-risk")
    page.get_by_role("button", name="Continue").click()
    _type_code(page, _app_code(running, "leo"))
    _photograph(page, "password-change")


def _blocked(running: World, browser: Browser) -> None:
    page = _open(browser, TOR_ADDRESS)
    _sign_in(running, page, "kim")
    _photograph(page, "blocked-sign-in")
    running.act(protection.confirm_compromised, "mia", "administrator")
    page = _open(browser, HOME_ADDRESS)
    _sign_in(running, page, "mia")
    _photograph(page, "blocked-account")


def _terms(running: World, browser: Browser) -> None:
    with running.arranging():
        terms.create("rules", "Rules of the house", RULES, "administrator")
        force = policies.document()
        asking = {"name": "house-rules", "state": "on", "then": {"terms_of_use": ["rules"]}}
        policies.apply(drafts.with_entry(force, "policy", asking), "administrator")
    page = _open(browser, HOME_ADDRESS)
    _sign_in(running, page, "ada")
    _photograph(page, "terms-of-use")
    with running.arranging():
        policies.apply(force, "administrator")


def _consent_and_account(running: World, browser: Browser) -> None:
    with running.arranging():
        session().get_one(Client, "notes").first_party = False
    phone = _open(browser, OTHER_ADDRESS, SAFARI)
    _sign_in(running, phone, "ada")
    _photograph(phone, "consent")
    phone.get_by_role("button", name="Allow").click()
    page = _open(browser, HOME_ADDRESS)
    page.goto(f"{running.url}/account")
    _type_password(page, "ada")
    page.set_viewport_size(WIDE)
    _save(page, "account")


def _console(running: World, browser: Browser) -> None:
    _history(running)
    page = _open(browser, HOME_ADDRESS)
    page.goto(f"{running.url}/admin/")
    _type_password(page, "eve")
    _type_code(page, _app_code(running, "eve"))
    page.set_viewport_size(CONSOLE)
    _save(page, "console-overview", full=False)
    page.goto(f"{running.url}/admin/risky-users/?state=open")
    _save(page, "console-risky-users")
    page.get_by_label("Choose row 1").check()
    page.get_by_label("Choose row 2").check()
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Reason").fill("It was the penetration test that we ordered.")
    _save(page, "console-dismiss")
    page.goto(f"{running.url}/admin/policies/")
    _save(page, "console-policies", full=False)
    page.goto(f"{running.url}/admin/risky-sign-ins/?state=open")
    page.get_by_role("cell").get_by_role("link").first.click()
    page.locator("summary", has_text="Policies and facts").first.click()
    _save(page, "console-sign-in", full=False)


def _history(running: World) -> None:
    """Write down a month that had its sign-ins, for the charts."""
    chance, now = random.Random(7), clock.now()
    with running.arranging():
        ada = users.get("ada")
        for hours in range(1, 30 * 24, 3):
            at = now - timedelta(hours=hours)
            times = {"signed_in_at": at, "authenticated_at": at, "last_seen_at": at, "expires_at": at}
            row = SignIn(id=new_id(), user_id=ada.id, succeeded=True, completed_at=at, **times)
            session().add(row)
            outcome = chance.choices(
                ["allowed", "mfa_required", "registration_required", "blocked"], [70, 18, 6, 6]
            )[0]
            receipt = {
                "reference": new_id()[:11],
                "endpoint": "authorize",
                "client_id": "notes",
                "policy_version": 0,
            }
            session().add(
                Receipt(**receipt, at=at, sign_in_id=row.id, user_id=ada.id, outcome=outcome, facts={})
            )
            if chance.random() < 0.25:
                level = chance.choices([1, 2, 3], [5, 4, 1])[0]
                found = {
                    "name": "new_country",
                    "about": "sign_in",
                    "timing": "real_time",
                    "state": "remediated",
                }
                session().add(
                    RiskDetection(
                        user_id=ada.id, level=level, reasons=[], detected_at=at, opened_at=at, **found
                    )
                )


# The camera


def _photograph(page: Page, name: str, phone: bool = False) -> None:
    """Take a picture of a desktop by day, and perhaps one of a telephone by night."""
    page.set_viewport_size(DESKTOP)
    _save(page, name)
    if phone:
        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme="dark")
        _save(page, f"{name}-phone-dark")
        page.emulate_media(color_scheme="light")


def _save(page: Page, name: str, full: bool = True) -> None:
    page.get_by_role("heading", level=1).wait_for()
    page.mouse.move(0, 0)
    picture = page.screenshot(full_page=full, animations="disabled", caret="hide")
    assert page.context.browser is not None
    (IMAGES / f"{name}.png").write_bytes(_smaller(page.context.browser, picture))


def _smaller(browser: Browser, png: bytes) -> bytes:
    """Return the same picture in 256 colours."""
    blank = browser.new_page()  # has no content security policy that would forbid pictures
    width, height, palette, packed = blank.evaluate(IN_256_COLOURS, base64.b64encode(png).decode())
    blank.close()
    numbers = base64.b64decode(packed)
    rows = b"".join(b"\0" + numbers[row * width : (row + 1) * width] for row in range(height))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(palette)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return png[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


# What a person does


def _open(browser: Browser, address: str, user_agent: str = FIREFOX) -> Page:
    context = browser.new_context(
        viewport=DESKTOP,
        color_scheme="light",
        locale="en-GB",
        reduced_motion="reduce",
        user_agent=user_agent,
        extra_http_headers={"X-Forwarded-For": address},
    )
    return context.new_page()


def _sign_in(running: World, page: Page, username: str) -> None:
    page.goto(f"{running.relying_party_url}/sign-in")
    _type_password(page, username)


def _type_password(page: Page, username: str) -> None:
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("User name").wait_for(state="detached")


def _type_code(page: Page, code: str) -> None:
    field = page.get_by_label("Code", exact=True)
    field.fill(code)
    field.press("Enter")
    field.wait_for(state="detached")


def _app_code(running: World, username: str) -> str:
    with running.arranging():
        found = session().query(Authenticator).join(User).filter(User.username == username)
        return pyotp.TOTP(secret_of(found.filter(Authenticator.method == "totp").one())).now()


# The stage


@contextmanager
def _world(folder: Path) -> Iterator[World]:
    (folder / "world").mkdir(mode=0o700)
    with world(folder / "world", None, Clock()) as running:
        running.list_address(TOR_ADDRESS)
        for username, (name, authenticators) in PEOPLE.items():
            roles = ("administrator",) if username == "eve" else ()
            running.make_user(username, name=name, authenticators=authenticators, roles=roles)
        with running.arranging():
            document = (Path(demo.__file__).parent / "policies.toml").read_text()
            policies.apply(tomllib.loads(document), "docs")
        yield running


@contextmanager
def _chromium(folder: Path) -> Iterator[Browser]:
    fonts = folder / "fonts.conf"
    fonts.write_text(FONTS_FILE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium() or playwright.chromium.executable_path,
            args=[*ARGUMENTS, "--disable-lcd-text", "--font-render-hinting=none"],
            env={**os.environ, "FONTCONFIG_FILE": str(fonts)},
        )
        yield browser
        browser.close()


if __name__ == "__main__":
    main()
