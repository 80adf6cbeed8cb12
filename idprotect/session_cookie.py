"""Which sign-in a browser is in: the life of a session, from cookie to cookie.

The only module that gives out, reads or replaces the sign-in cookie, an opaque id whose hash stands in a
:class:`SignIn` row; ending the row ends it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import g
from sqlalchemy import Select, bindparam, exists, select, update

from idprotect import browser, clock, policies, session_moves, sessions
from idprotect.keys import sha256
from idprotect.models import Authenticator, SignIn, User, rows_changed, session
from idprotect.runtime import settings

SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Current:
    """A sign-in and its user, with what a decision needs to know beside their rows.

    :param registered: the user has a second factor. A disabled one counts: whoever disabled it by guessing must not
        be asked to register another.
    :param policy_version: of the policies in force.
    """

    sign_in: SignIn
    user: User
    registered: bool
    policy_version: int


# Everything that a decision needs to know is read at once, by statements that are built once: building one
# costs more than running it.
_FACTS = (
    select(
        SignIn,
        User,
        exists().where(
            Authenticator.user_id == User.id,
            Authenticator.confirmed_at.is_not(None),
        ),
        policies.NEWEST,
    )
    .join(User, User.id == SignIn.user_id)
    .execution_options(populate_existing=True)
)
_BY_COOKIE = _FACTS.where(SignIn.cookie_hash == bindparam("value"))
_BY_ID = _FACTS.where(SignIn.id == bindparam("value"))


def current() -> Current | None:
    """Return the sign-in that the browser's cookie belongs to, None when it has ended or idled out."""
    if "idprotect_current" not in g:
        # A sign-in of this very request has its cookie in the answer only.
        g.idprotect_current = _load(g.get("idprotect_session") or browser.read_cookie(browser.SESSION))
    found: Current | None = g.idprotect_current
    return found


def find(sign_in_id: str) -> Current | None:
    """Return a sign-in by its id, whatever became of it."""
    return _read(_BY_ID, sign_in_id)


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
    found = _read(_BY_COOKIE, sha256(token))
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


def _read(statement: "Select[Any]", value: str) -> Current | None:
    row = session().execute(statement, {"value": value}).first()
    return Current(row[0], row[1], bool(row[2]), row[3] or 0) if row is not None else None
