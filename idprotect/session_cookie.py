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
from idprotect.models import (
    BARE_SIGN_IN,
    BARE_USER,
    Authenticator,
    SignIn,
    SignInFacts,
    User,
    UserFacts,
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
_sign_ins, _users = table_of(SignIn), table_of(User)
_STANDING = select(*BARE_SIGN_IN.columns, *BARE_USER.columns, _REGISTERED, policies.NEWEST).join_from(
    _sign_ins, _users, _users.c.id == _sign_ins.c.user_id
)
_BY_COOKIE = _STANDING.where(_sign_ins.c.cookie_hash == bindparam("value"))
_BY_ID = _STANDING.where(_sign_ins.c.id == bindparam("value"))
_OBJECTS = (
    select(SignIn, User)
    .join(User, User.id == SignIn.user_id)
    .where(SignIn.id == bindparam("sign_in_id"))
    .execution_options(populate_existing=True)
)
_REPLACE = (
    update(_sign_ins)
    .where(_sign_ins.c.cookie_hash == bindparam("former"))
    .values(cookie_hash=None, replaced_by=bindparam("sign_in_id"))
)


def standing() -> Standing | None:
    """Return the sign-in that the browser's cookie belongs to, None when it has ended or idled out."""
    if "idprotect_standing" not in g:
        # A sign-in of this very request has its cookie in the answer only.
        g.idprotect_standing = _load(g.get("idprotect_session") or browser.read_cookie(browser.SESSION))
    found: Standing | None = g.idprotect_standing
    return found


def current() -> Current | None:
    """Return the same as objects, for whoever changes them."""
    known = standing()
    if known is not None and "idprotect_current" not in g:
        objects = _objects(known.sign_in.id)
        g.idprotect_current = (
            Current(*objects, known.registered, known.policy_version) if objects is not None else None
        )
    found: Current | None = g.get("idprotect_current")
    return found


def find(sign_in_id: str) -> Standing | None:
    """Return a sign-in by its id, whatever became of it."""
    return _read(_BY_ID, sign_in_id)


def begin(sign_in_id: str) -> str:
    """Give the browser a new sign-in, and return the hash of its cookie, for the row.

    The former one keeps its refresh tokens, but no browser.
    """
    if (former := browser.read_cookie(browser.SESSION)) is not None:
        run(_REPLACE, former=sha256(former), sign_in_id=sign_in_id)
    _forget()
    return _new_cookie()


def renew(sign_in: SignIn) -> None:
    """Change the cookie: whoever copied the old one is out."""
    sign_in.cookie_hash = _new_cookie()


def end(current: Current, reason: str) -> None:
    """Sign this browser out."""
    sessions.end(current.sign_in, reason)
    browser.set_cookie(browser.SESSION, "")
    _forget()
    g.idprotect_standing = None


def _new_cookie() -> str:
    token = g.idprotect_session = browser.new_token()
    browser.set_cookie(browser.SESSION, token)
    return sha256(token)


def _forget() -> None:
    """Look anew who is there, when asked next."""
    for known in ("idprotect_standing", "idprotect_current"):
        g.pop(known, None)


def _load(token: str | None) -> Standing | None:
    found = _read(_BY_COOKIE, sha256(token)) if token is not None else None
    if token is None or found is None:
        return None
    sign_in, now = found.sign_in, clock.now()
    idle_end = sign_in.last_seen_at + timedelta(seconds=settings().session_idle)
    if sign_in.ended_at is not None or now >= min(sign_in.expires_at, idle_end):
        return None
    if now - sign_in.last_seen_at >= SEEN_EVERY:
        g.idprotect_seen = sign_in.id, now  # written when the request is over
    if not session_moves.is_move(sign_in, browser.visitor()):
        return found
    if (objects := _objects(sign_in.id)) is not None:
        session_moves.note(objects[1], objects[0], browser.visitor())
    return _read(_BY_COOKIE, sha256(token))


def _read(statement: "Select[Any]", value: str) -> Standing | None:
    row = run(statement, value=value).first()
    if row is None:
        return None
    sign_in, user, registered, policy_version = split(row, BARE_SIGN_IN, BARE_USER)
    return Standing(sign_in, user, bool(registered), policy_version or 0)


def _objects(sign_in_id: str) -> tuple[SignIn, User] | None:
    row = session().execute(_OBJECTS, {"sign_in_id": sign_in_id}).first()
    return (row[0], row[1]) if row is not None else None
