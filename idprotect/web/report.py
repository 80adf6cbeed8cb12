"""Saying "this was not me": of a sign-in on one's own page, or by the link in a mail."""

from collections.abc import Mapping
from typing import Any

from flask import request, url_for
from werkzeug.wrappers import Response

from idprotect import notifications, protection
from idprotect.errors import InteractionError
from idprotect.forms import PageForm
from idprotect.models import SignIn, User, session
from idprotect.pages import error_page, render
from idprotect.session_cookie import Current
from idprotect.web.account import own_page, time_of


@own_page
def report_sign_in(sign_in_id: str, current: Current) -> Response:
    """Say of one's own past sign-in: this was not me."""
    sign_in = session().get(SignIn, sign_in_id)
    if sign_in is None or sign_in.user_id != current.user.id:
        return error_page(404, "This page does not exist", "There is no such sign-in.")
    details = {"at": time_of(sign_in), "place": sign_in.place, "device": sign_in.device_name}
    action = url_for("idprotect.report_sign_in", sign_in_id=sign_in.id)
    what = f"sign-in of {time_of(sign_in)} with {sign_in.device_name or 'an unknown browser'}"
    # Everything else ends; what is reported ends in any case, also when it is this one.
    acting = None if sign_in.id == current.sign_in.id else current.sign_in
    return _report(current.user, what, details, action, sign_in, acting)


def report_by_link(token: str) -> Response:
    """The link in a mail: the owner need not be able to sign in to say that it was not them."""
    user = notifications.read_report_token(token)
    if user is None:
        return error_page(400, "This link is no longer valid", "It is older than a week, or not complete.")
    return _report(user, "a link in a mail", None, url_for("idprotect.report_by_link", token=token))


def _report(
    user: User,
    what: str,
    details: Mapping[str, Any] | None,
    action: str,
    reported: SignIn | None = None,
    acting: SignIn | None = None,
) -> Response:
    form = PageForm.for_page("report")
    if request.method == "POST":
        try:
            form.check()
        except InteractionError as error:
            return error_page(400, "That did not work", error.message)
        protection.report(user, what, reported=reported, acting=acting)
        session().commit()
        sign_in_url = url_for("idprotect.start" if acting is None else "idprotect.account")
        return render("account/reported.html", sign_in_url=sign_in_url, keeps_this=acting is not None)
    # Who comes by a link in a mail need not be signed in, and has nowhere to go back to.
    cancel_url = url_for("idprotect.account") if details else None
    return render(
        "account/report.html",
        details=details,
        form=form,
        action=action,
        cancel_url=cancel_url,
        keeps_this=acting is not None,
    )
