"""The way of a browser to what it came for: asked at every stop, from stored facts, how to go on."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from flask import redirect, url_for
from werkzeug.wrappers import Response

from idprotect import consents, gate, pendings, session_cookie, session_moves, sign_ins
from idprotect.conditional_access import Reason, Step
from idprotect.gate import Access, Endpoint, Verdict
from idprotect.models import session
from idprotect.pages import error_page
from idprotect.pendings import Pending, Wanted
from idprotect.risk import Result
from idprotect.runtime import settings
from idprotect.session_cookie import Current, Standing


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a browser stands.

    :param current: who is signed in, well enough for what is wanted; None: sign in first.
    :param verdict: what the gate says.
    """

    current: Standing | None
    verdict: Verdict | None = None

    @property
    def allowed(self) -> bool:
        """Whether it may go out."""
        return self.verdict is not None and self.verdict.allowed


def ask(
    wanted: Wanted, endpoint: Endpoint, *, first_party: bool, consented_at: datetime | None = None
) -> Stop:
    """Ask how to go on. Nothing but this opens the door.

    :param consented_at: when consent was given to this very request; it counts for the sign-in that gave it.
    """
    current = session_cookie.standing()
    if current is None:
        return Stop(None)
    if wanted.user_id is not None and wanted.user_id != current.user.id:
        return Stop(None)
    if wanted.sign_in_after is not None and current.sign_in.signed_in_at < wanted.sign_in_after:
        return Stop(None)
    if consented_at is not None and consented_at >= current.sign_in.signed_in_at:
        consented = True
    elif wanted.ask_consent:
        consented = False
    else:
        consented = first_party or consents.covers(current.user.id, wanted.client_id, wanted.scopes)
    scopes = wanted.scopes | {gate.STEP_UP} if wanted.step_up else wanted.scopes
    access = Access(current, wanted.client_id, scopes, consented)
    verdict = gate.ask(access, endpoint)
    if verdict.decision.reason is Reason.SESSION_RISK:
        _end_moved()
        return Stop(None)
    return Stop(current, verdict)


def _end_moved() -> None:
    """End a session whose cookie came from elsewhere: signing in again is judged by itself."""
    current = cast(Current, session_cookie.current())
    session_moves.settle(current.user, current.sign_in, Result.BLOCKED)
    session_cookie.end(current, "the session's cookie came from elsewhere")


def interrupt(stop: Stop, pending: Pending) -> Response:
    """Send the browser to the page that is due; the receipt of the decision is committed."""
    step = stop.verdict.decision.first if stop.verdict is not None else None
    if step is Step.SIGN_IN:
        pendings.ask_again(pending)
    session().commit()
    if step is None or step is Step.SIGN_IN:
        return to_sign_in(pending)
    return redirect(url_for("idprotect.interaction", pending_id=pending.id, step=str(step)), 303)


def to_sign_in(pending: Pending) -> Response:
    """Send the browser to sign in: to our page, or to that of the host application."""
    resume = url_for("idprotect.resume", pending_id=pending.id)
    if view := settings().login_view:
        return redirect(url_for(view, next=resume), 303)
    return redirect(url_for("idprotect.sign_in", pending_id=pending.id), 303)


def guard(wanted: Wanted) -> Response | None:
    """Protect a page of ours or of a host application: None lets it be shown, a response interrupts.

    The page is asked for again, by GET at ``wanted.return_to``, when nothing is missing any more.
    """
    stop = ask(wanted, Endpoint.PAGE, first_party=True)
    if not stop.allowed:
        return interrupt(stop, pendings.store(wanted))
    sign_ins.complete(cast(Standing, stop.current))
    session().commit()
    return None


def wanted_of(pending: Pending) -> Wanted:
    """Return what a pending authorization waits for."""
    return Wanted(
        client_id=pending.client_id,
        client_name=pending.client_name,
        scopes=frozenset(pending.scopes),
        payload=pending.payload or None,
        return_to=pending.return_to,
        user_id=pending.user_id,
        step_up=pending.step_up,
        sign_in_after=pending.sign_in_after,
        ask_consent=pending.ask_consent,
    )


def no_longer_valid() -> Response:
    """Answer to an id that is unknown, used up, too old, or another browser's; which of them is nobody's business."""
    return error_page(
        400,
        "This page is no longer valid",
        "It was used already, was open for too long, or belongs to another browser. "
        "Please go back to your application and start again.",
    )
