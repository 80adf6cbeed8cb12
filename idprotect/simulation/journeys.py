"""The way of a browser into the application: authorize, sign-in page, whatever is asked, the code, the tokens."""

import base64
import hashlib
import secrets
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode

import pyotp

from idprotect.simulation import application
from idprotect.simulation.browsers import MOST_PAGES, Browser, Page
from idprotect.simulation.stage import Stage

#: What a journey ends at when it leads into the application.
LET_IN = "let_in"
SIGN_IN = "sign_in"


class Account(Protocol):
    """What somebody needs to know to sign in."""

    username: str
    password: str
    seed: str


def sign_in(
    stage: Stage, browser: Browser, account: Account, password: str | None = None, *, has_phone: bool = False
) -> str:
    """Sign in anew, and go on as far as it goes; return :data:`LET_IN`, or the page that it ends at.

    :param password: another one than the right one.
    :param has_phone: whoever does it has the authenticator app, too.
    """
    page, verifier = _ask(stage, browser, prompt="login")
    for _ in range(MOST_PAGES):
        if page.left_for is not None:
            return _redeem(stage, browser, page, verifier)
        following = next_page(browser, page, account, stage.now, password, has_phone=has_phone)
        if following is None:
            return page.step or SIGN_IN
        page = following
    raise RuntimeError(f"going in circles at {page.path}")


def come_by(stage: Stage, browser: Browser) -> str:
    """Want in with nothing but what the browser holds; return :data:`LET_IN`, or the page that it ends at."""
    page, verifier = _ask(stage, browser)
    return _redeem(stage, browser, page, verifier) if page.left_for is not None else page.step or SIGN_IN


def _ask(stage: Stage, browser: Browser, **more: str) -> tuple[Page, str]:
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": application.CLIENT_ID,
        "redirect_uri": application.REDIRECT_URI,
        "scope": "openid profile",
        "state": secrets.token_urlsafe(16),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **more,
    }
    stage.entered_at = stage.now
    return browser.get(f"{stage.path('authorize')}?{urlencode(query)}"), verifier


def next_page(
    browser: Browser,
    page: Page,
    account: Account,
    at: datetime,
    password: str | None = None,
    *,
    has_phone: bool = False,
) -> Page | None:
    """Do what a page asks for, and return the one that follows; None where whoever this is can do nothing more.

    :param at: the time, for the codes of the authenticator app.
    """
    if (form := page.form("password")) is not None and page.is_fine and not page.step:
        fields = {"username": account.username, "password": password or account.password}
        answer = browser.submit(page, form, fields)
        return answer if answer.is_fine else None
    if page.step == "notice" and (form := page.form(action="/notice")) is not None:
        return browser.submit(page, form, {})
    if page.step == "terms_of_use" and (form := page.form("csrf_token")) is not None:
        return browser.submit(page, form, {"answer": "accept"})
    if has_phone and page.step == "mfa" and (form := page.form("code")) is not None:
        return browser.submit(page, form, {"code": pyotp.TOTP(account.seed).at(at)})
    if has_phone and page.step == "password_change" and (form := page.form("new")) is not None:
        former, account.password = account.password, secrets.token_urlsafe(24)
        fields = {"current": former, "new": account.password, "confirm": account.password}
        return browser.submit(page, form, fields)
    return None


def _redeem(stage: Stage, browser: Browser, page: Page, verifier: str) -> str:
    """Exchange the code for tokens, as the application does."""
    if "code" not in page.answer:
        return page.answer.get("error", SIGN_IN)
    fields = {
        "grant_type": "authorization_code",
        "code": page.answer["code"],
        "client_id": application.CLIENT_ID,
        "redirect_uri": application.REDIRECT_URI,
        "code_verifier": verifier,
    }
    return LET_IN if browser.post(stage.path("token"), fields).is_fine else "token"
