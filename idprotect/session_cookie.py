"""Which sign-in a browser is in: the life of a session, from cookie to cookie.

The only module that gives out, reads or replaces the sign-in cookie, an opaque id whose hash stands in a
:class:`SignIn` row; ending the row ends it.
"""

from dataclasses import dataclass
from datetime import timedelta

from flask import g
from sqlalchemy import bindparam, exists, select, update

from idprotect import browser, clock, policies, session_moves, sessions
from idprotect.keys import sha256
from idprotect.models import (
    BARE_SIGN_IN,
    BARE_USER,
    Authenticator,
    SignIn,
    SignInFacts,
    User,
    UserFacts,
    rows_changed,
    run,
    session,
    split,
    table_of,
)
from idprotect.runtime import settings

SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """A sign-in and its user, with what a decision needs to know beside their rows.

    :param registered: the user has a second factor. A disabled one counts: whoever disabled it by guessing must not
        be asked to register another.
    :param policy_version: of the policies in force.
    """

    sign_in: SignInFacts
    user: UserFacts
    registered: bool
    policy_version: int


@dataclass(frozen=True, slots=True)
class Current(Standing):
    """The sign-in of a browser, and its user, as objects: pages change them."""

    sign_in: SignIn
    user: User


# Everything that a decision needs to know is read at once, by statements that are built once: building one
# costs more than running it.
_REGISTERED = exists().where(Authenticator.user_id == User.id, Authenticator.confirmed_at.is_not(None))
_BY_COOKIE = (
    select(SignIn, User, _REGISTERED, policies.NEWEST)
    .join(User, User.id == SignIn.user_id)
    .where(SignIn.cookie_hash == bindparam("value"))
    .execution_options(populate_existing=True)
)
_BY_ID = (
    select(*BARE_SIGN_IN.columns, *BARE_USER.columns, _REGISTERED, policies.NEWEST)
    .join_from(table_of(SignIn), table_of(User), User.id == SignIn.user_id)
    .where(SignIn.id == bindparam("sign_in_id"))
)


def current() -> Current | None:
    """Return the sign-in that the browser's cookie belongs to, None when it has ended or idled out."""
    if "idprotect_current" not in g:
        # A sign-in of this very request has its cookie in the answer only.
        g.idprotect_current = _load(g.get("idprotect_session") or browser.read_cookie(browser.SESSION))
    found: Current | None = g.idprotect_current
    return found


def find(sign_in_id: str) -> Standing | None:
    """Return a sign-in by its id, whatever became of it."""
    row = run(_BY_ID, sign_in_id=sign_in_id).first()
    if row is None:
        return None
    sign_in, user, registered, policy_version = split(row, BARE_SIGN_IN, BARE_USER)
    return Standing(sign_in, user, bool(registered), policy_version or 0)


def begin(sign_in: SignIn) -> None:
    """Give the browser the new sign-in; the former one keeps its refresh tokens, but no browser."""
    if (former := browser.read_cookie(browser.SESSION)) is not None:
        statement = update(SignIn).where(SignIn.cookie_hash == sha256(former))
        rows_changed(statement.values(cookie_hash=None, replaced_by=sign_in.id))
    renew(sign_in)
    g.pop("idprotect_current", None)


def renew(sign_in: SignIn) -> None:
    """Change the cookie: whoever copied the old one is out."""
    token = g.idprotect_session = browser.new_token()
    sign_in.cookie_hash = sha256(token)
    browser.set_cookie(browser.SESSION, token)


def end(current: Current, reason: str) -> None:
    """Sign this browser out."""
    sessions.end(current.sign_in, reason)
    browser.set_cookie(browser.SESSION, "")
    g.idprotect_current = None


def _load(token: str | None) -> Current | None:
    if token is None:
        return None
    found = _by_cookie(sha256(token))
    if found is None:
        return None
    sign_in, now = found.sign_in, clock.now()
    idle_end = sign_in.last_seen_at + timedelta(seconds=settings().session_idle)
    if sign_in.ended_at is not None or now >= min(sign_in.expires_at, idle_end):
        return None
    if now - sign_in.last_seen_at >= SEEN_EVERY:
        sign_in.last_seen_at = g.idprotect_seen_at = now
    session_moves.note(found.user, sign_in, browser.visitor())
    return found


def _by_cookie(cookie_hash: str) -> Current | None:
    row = session().execute(_BY_COOKIE, {"value": cookie_hash}).first()
    return Current(row[0], row[1], bool(row[2]), row[3] or 0) if row is not None else None
