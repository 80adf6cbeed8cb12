"""Debian's mod_auth_openidc, unmodified and certified: Apache lets in whom the server signed in, until that ends.

The module checks discovery, state, nonce, PKCE, ID token, userinfo and logout tokens by its own reading of the standards.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import select

from idprotect import clients, sessions
from idprotect.models import SignIn, Token, session
from idprotect.registration import Registration
from tests.support.apache import Site, apache
from tests.support.world import MFA_POLICY, Browser, World


@dataclass
class Guarded:
    """A site of Apache's, an application of a server that has one user."""

    world: World
    site: Site
    user_id: str

    def visit(self, browser: Browser) -> Browser:
        """Go to the protected page, and sign in where that is wanted."""
        browser.get(f"{self.site.url}/index.html")
        if browser.step == "sign_in":
            browser.sign_in()
        if browser.step == "mfa":
            browser.prove()
        assert self.lets_in(browser), f"{browser.page.url}: {browser.text[:300]}\n{self.site.log()[-3000:]}"
        return browser

    def lets_in(self, browser: Browser) -> bool:
        """Whether the page in front is the protected one."""
        return bool(browser.page.url == f"{self.site.url}/index.html" and browser.heading == "Welcome")

    def known(self, browser: Browser) -> Any:
        """Return what the module knows of the session, from the server."""
        return browser.http.get(f"{self.site.redirect_uri}?info=json", timeout=20).json()


@pytest.fixture
def guarded(make_world: Callable[..., World]) -> Iterator[Guarded]:
    """Run a server, and Apache as its application."""
    world = make_world(relying_party=False)
    user_id = world.make_user(name="Ada Lovelace", authenticators=("totp",))
    with apache() as site:
        world.relying_party_url = site.url
        registration = Registration(
            client_name="Apache",
            redirect_uris=(site.redirect_uri,),
            post_logout_redirect_uris=(f"{site.url}/left",),
            backchannel_logout_uri=f"{site.redirect_uri}?logout=backchannel",
            first_party=True,
        )
        with world.arranging():
            client, secret = clients.create(registration, by="test")
            client_id = client.id
        with site.running(world.url, client_id, secret or ""):
            yield Guarded(world, site, user_id)


def test_apache_lets_in_whom_the_server_signed_in(guarded: Guarded) -> None:
    """C001, C002, C007: code with PKCE, ID token and userinfo; the claims reach the page."""
    guarded.world.apply(MFA_POLICY)
    browser = guarded.visit(guarded.world.browser())
    headers = browser.page.headers
    assert (headers["X-Sub"], headers["X-Name"], headers["X-Acr"]) == (
        guarded.user_id,
        "Ada Lovelace",
        "aal2",
    )
    known = guarded.known(browser)
    assert known["id_token"]["amr"] == ["pwd", "otp", "mfa"]
    assert known["userinfo"]["email"] == "ada@example.org"


def test_apache_refreshes(guarded: Guarded) -> None:
    """C003: the page asks the module for a new access token; the refresh token is rotated, and works again."""
    browser = guarded.visit(guarded.world.browser())
    tokens = [guarded.known(browser)["access_token"]]
    for _ in range(2):
        asked = urlencode({"refresh": f"{guarded.site.url}/index.html", "access_token": tokens[-1]})
        browser.get(f"{guarded.site.redirect_uri}?{asked}")
        assert guarded.lets_in(browser), f"{browser.page.url}\n{guarded.site.log()[-3000:]}"
        tokens.append(guarded.known(browser)["access_token"])
    assert len(set(tokens)) == 3
    with guarded.world.arranging():
        used = session().scalars(select(Token.refresh_used_at).order_by(Token.issued_at)).all()
    assert [at is not None for at in used] == [True, True, False]


def test_apache_signs_out(guarded: Guarded) -> None:
    """C005: by the end_session_endpoint, with its ID token, and back to where it wanted; both sessions are over."""
    browser = guarded.visit(guarded.world.browser())
    left = f"{guarded.site.url}/left"
    browser.get(f"{guarded.site.redirect_uri}?logout={quote(left, safe='')}")
    assert browser.page.url.split("?")[0] == left, f"{browser.page.url}\n{guarded.site.log()[-3000:]}"
    assert browser.get(f"{guarded.site.url}/index.html").step == "sign_in"
    assert browser.get("/account").step == "sign_in"
    guarded.visit(browser.get(f"{guarded.site.url}/index.html"))


def test_apache_hears_that_a_session_was_ended(guarded: Guarded) -> None:
    """C006: the logout token that it is sent ends its session, and nobody else's."""
    browser, other = (guarded.visit(guarded.world.browser()) for _ in range(2))
    sid = guarded.known(browser)["id_token"]["sid"]
    with guarded.world.arranging():
        sessions.end(session().get_one(SignIn, sid), "ended_by_admin")
    result = guarded.world.cli("deliver", "--json")
    assert '"delivered": 1' in result.output, f"{result.output}\n{guarded.site.log()[-3000:]}"
    assert browser.get(f"{guarded.site.url}/index.html").step == "sign_in"
    assert guarded.lets_in(other.get(f"{guarded.site.url}/index.html"))
