"""C068 in headless Chromium: the page, what one accepted, and the console's pages, each in four looks."""

import pytest
from playwright.sync_api import expect

from idprotect.models import Client, session
from tests.admin.test_browser import REASON, come_in, faint
from tests.support.browser import NewPage
from tests.support.world import World
from tests.terms.rules import POLICY, make_terms, publish
from tests.test_browser import expect_heading, expect_signed_in, look, press, sign_in, type_password

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

TEXT = """# What this is about

These rules hold for everybody who uses the applications of the house, from wherever that is. They are short,
because nobody reads long ones.

# What we ask of you

- Use your own account, and nobody else's.
- Tell us at once when a device is lost: extension 4711.
- Take nothing with you that is somebody else's.

## On your own devices

Keep them up to date, and locked while you are away.
https://intranet.example.org/a-very-long-address-without-any-place-to-break-it/and-then-some-more-of-it

# What you may ask of us

We say what we keep of you, and for how long. It stands on your account page.
"""


def test_terms_are_read_and_accepted(world: World, new_page: NewPage) -> None:
    """C068: declined, then accepted; before consent; found again on the account page."""
    world.make_user(name="Ada Lovelace")
    make_terms(world, text=TEXT)
    world.apply(POLICY)
    with world.arranging():
        session().get_one(Client, "notes").first_party = False
    page = new_page()
    sign_in(page, world)
    expect_heading(page, "The rules of the house")
    look(page, "terms-of-use")
    faint(page)
    press(page, "Decline")
    expect_heading(page, "Access was not granted")
    page.get_by_role("link", name="Try again").click()
    expect_heading(page, "The rules of the house")
    publish(world, TEXT + "\nAnd one thing more.")
    press(page, "Accept")
    expect(page.get_by_role("alert")).to_contain_text("changed while the page was open")
    expect(page.get_by_text("And one thing more.")).to_be_visible()
    look(page, "terms-of-use-changed")
    press(page, "Accept")
    expect_heading(page, "Northwind Notes asks for access")
    press(page, "Allow")
    expect_signed_in(page, world)
    page.goto(f"{world.url}/account")
    expect_heading(page, "Ada Lovelace")
    look(page, "account-with-terms")
    page.get_by_role("link", name="Read The rules of the house, version 2").click()
    expect_heading(page, "The rules of the house")
    look(page, "account-terms")
    faint(page)


def test_the_pages_of_the_console(world: World, new_page: NewPage) -> None:
    """C068: terms are made, looked at, published anew, asked for by a policy; and who accepted them."""
    world.make_user("eve", name="Eve Adams", authenticators=("totp",), roles=("administrator",))
    world.make_user("ada", name="Ada Lovelace")
    page = new_page()
    come_in(page, world)

    def see(name: str) -> None:
        look(page, f"console-{name}")
        faint(page)

    page.goto(f"{world.url}/admin/terms/")
    expect(page.get_by_text("There are no terms of use yet.")).to_be_visible()
    page.get_by_role("link", name="New terms").click()
    page.get_by_label("Name", exact=True).fill("rules")
    page.get_by_label("Title").fill("The rules of the house")
    page.get_by_label("Text", exact=True).fill(TEXT)
    press(page, "See how it looks")
    expect(page.get_by_role("heading", name="On your own devices")).to_be_visible()
    see("terms-new")
    page.get_by_label("Reason").fill(REASON)
    press(page, "Make")
    expect_heading(page, "The rules of the house")

    page.goto(f"{world.url}/admin/policy/new")
    page.get_by_label("Name", exact=True).fill("house-rules")
    page.get_by_label("rules", exact=True).check()
    page.get_by_label("On", exact=True).check()
    press(page, "See what would come of it")
    expect(page.get_by_text("have them accept the terms rules.")).to_be_visible()
    see("policy-with-terms")
    page.get_by_label("Reason").fill(REASON)
    press(page, "Put into force")
    expect_heading(page, "The rules of the house")  # asked of administrators, too
    press(page, "Accept")

    person = world.browser().start().sign_in("ada")
    assert person.submit(button="accept").is_signed_in
    page.goto(f"{world.url}/admin/terms/rules/change")
    page.get_by_label("Text", exact=True).fill(TEXT + "\nAnd one thing more.")
    press(page, "See how it looks")
    expect(page.get_by_text("2 people accepted an older version")).to_be_visible()
    see("terms-change")
    page.get_by_label("Reason").fill(REASON)
    press(page, "Publish")
    expect_heading(page, "The rules of the house")
    press(page, "Accept")
    see("terms-one")
    page.goto(f"{world.url}/admin/terms/")
    see("terms")
    page.get_by_role("link", name="Accepted by 2 people").click()
    expect_heading(page, "Accepted terms")
    see("accepted-terms")
    page.goto(f"{world.url}/admin/terms/rules/remove")
    expect(page.get_by_text("The policy house-rules asks for it.")).to_be_visible()
    see("terms-remove")


def test_one_gets_through_by_the_keyboard(world: World, new_page: NewPage) -> None:
    """C068: the token of the page is the first thing that can be reached after the text."""
    world.make_user(name="Ada Lovelace")
    make_terms(world, text=TEXT)
    world.apply(POLICY)
    page = new_page()
    page.goto(f"{world.url}/account")
    type_password(page)
    expect_heading(page, "The rules of the house")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect_heading(page, "Ada Lovelace")
