"""Our own sign-in page. What it shows depends on nothing but the request, until the password is right."""

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from idprotect import browser, pendings, session_cookie, sign_ins
from idprotect.errors import InteractionError, TooManyAttempts
from idprotect.flow import no_longer_valid, to_sign_in
from idprotect.forms import PageForm, SignInForm
from idprotect.pages import allow_form_to, render
from idprotect.pendings import Pending, Wanted
from idprotect.people import ACCOUNT
from idprotect.runtime import settings
from idprotect.web.authorize import go_on


def start() -> Response:
    """Sign in for no application: to one's own account pages."""
    wanted = Wanted(ACCOUNT, settings().brand_name, return_to=url_for("idprotect.account"))
    return redirect(url_for("idprotect.sign_in", pending_id=pendings.store(wanted).id), 303)


def sign_in(pending_id: str) -> Response:
    """Ask for user name and password."""
    pending = pendings.find(pending_id)
    if pending is None:
        return no_longer_valid()
    if settings().login_view:
        return to_sign_in(pending)
    form = SignInForm.for_page(pending.id)
    status = 200
    if request.method == "POST":
        try:
            form.check()
            sign_ins.attempt(form.username.data, form.password.data, browser.visitor())
        except InteractionError as error:
            status = 429 if isinstance(error, TooManyAttempts) else 400
            form.refuse(error)
        else:
            return go_on(pending)
    elif form.username.data is None:
        form.username.data = (pending.payload or {}).get("login_hint") or _who_is_asked_again(pending)
    return _page(pending, form, status)


def _who_is_asked_again(pending: Pending) -> str:
    current = session_cookie.standing() if pending.sign_in_after is not None else None
    return current.user.username if current is not None else ""


def _page(pending: Pending, form: SignInForm, status: int) -> Response:
    again = pending.sign_in_after is not None and session_cookie.standing() is not None
    allow_form_to(pending)
    page = render(
        "sign_in.html",
        form=form,
        action=url_for("idprotect.sign_in", pending_id=pending.id),
        pending=waiting(pending),
        cancel_form=PageForm.for_page("cancel"),
        message="Please sign in again to continue." if again else None,
    )
    page.status_code = status
    browser.ask_for_hints(page)
    return page


def waiting(pending: Pending) -> dict[str, str | None]:
    """Return what pages show of the request that waits."""
    return {
        "client_name": pending.client_name if pending.payload else None,
        "cancel_url": url_for("idprotect.cancel", pending_id=pending.id),
    }
