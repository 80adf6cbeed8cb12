"""Who comes into the console, and how: the gate's answer first, then the role. To strangers nothing is there."""

from datetime import datetime, timedelta
from typing import cast

from flask import abort, request, url_for
from werkzeug.wrappers import Response

from idprotect import audit, clock, flow, gate, people, roles, session_cookie
from idprotect.audit import Event
from idprotect.gate import Access
from idprotect.models import SignIn, session
from idprotect.pages import error_page
from idprotect.pendings import Wanted
from idprotect.runtime import settings
from idprotect.session_cookie import SEEN_EVERY, Current


def enter(page: str) -> Response | None:
    """Ask whether this browser may see a page: None lets it, a response is to be given instead."""
    current = session_cookie.current()
    if current is None or not roles.of(current.user.roles):
        return _keep_out()
    if (interruption := _interruption(current)) is not None:
        return interruption
    if not roles.of(current.user.roles):  # the host application took them away meanwhile
        return _keep_out()
    if not roles.allows(current.user.roles, page):
        return refuse(page)
    _note_use(current.sign_in)
    return None


def person() -> Current:
    """Return who is here; only for pages, which are behind the door."""
    return cast(Current, session_cookie.current())


def may(what: str) -> bool:
    """Whether whoever is here may see or do something."""
    current = session_cookie.current()
    return current is not None and roles.allows(current.user.roles, what)


def ask_for_fresh_factor(return_to: str) -> Response | None:
    """Before something that gives access: None when who this is was proved just now, else the way to prove it."""
    return None if is_fresh() else flow.guard(_wanted(return_to, _fresh_after()))


def is_fresh() -> bool:
    """Whether a second factor was proved just now."""
    proved_at = person().sign_in.mfa_at
    return proved_at is not None and proved_at >= _fresh_after()


def refuse(page: str) -> Response:
    """Answer somebody whose role does not include something, and write it down."""
    current = person()
    audit.record(
        Event.CONSOLE_REFUSED,
        actor=current.user.username,
        sign_in_id=current.sign_in.id,
        what=page,
        roles=sorted(roles.of(current.user.roles)),
    )
    session().commit()
    return error_page(
        403, "Not for your role", "Your role in this console does not include what you asked for."
    )


def _fresh_after() -> datetime:
    return clock.now() - timedelta(seconds=settings().reauthentication)


def _keep_out() -> Response | None:
    """Let strangers sign in, and then find nothing."""
    interruption = flow.guard(Wanted(people.ACCOUNT, settings().brand_name, return_to=_this_page()))
    if interruption is None:
        abort(404)
    return interruption


def _interruption(current: Current) -> Response | None:
    wanted = _wanted(_this_page(), _sign_in_after(current.sign_in))
    is_inside = current.sign_in.console_seen_at is not None
    is_new_enough = current.sign_in.signed_in_at >= cast(datetime, wanted.sign_in_after)
    # A receipt is written at the entrance and whenever something is in the way, not for every page that is looked at.
    if is_inside and is_new_enough and gate.still_allows(Access(current, people.CONSOLE, wanted.scopes)):
        return None
    return flow.guard(wanted)


def _wanted(return_to: str, sign_in_after: datetime) -> Wanted:
    scopes = frozenset({gate.CONSOLE})
    return Wanted(
        people.CONSOLE, settings().brand_name, scopes, return_to=return_to, sign_in_after=sign_in_after
    )


def _sign_in_after(sign_in: SignIn) -> datetime:
    """Return how old the sign-in may be: idle for too long here, it has to be a new one."""
    now, limits = clock.now(), settings()
    used_at = sign_in.console_seen_at or sign_in.authenticated_at
    if now - used_at > timedelta(seconds=limits.admin_idle):
        return now
    return now - timedelta(seconds=limits.admin_absolute)


def _note_use(sign_in: SignIn) -> None:
    now = clock.now()
    if sign_in.console_seen_at is None or now - sign_in.console_seen_at >= SEEN_EVERY:
        sign_in.console_seen_at = now
        session().commit()


def _this_page() -> str:
    """Return where to go on after an interruption; what was sent by POST has to be sent again."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    return url_for("idprotect_admin.index")
