"""A user's own pages: sign-ins, second factors, password, consents. Each asks the gate first."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any, cast

from flask import Response as FlaskResponse
from flask import redirect, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response

from idprotect import (
    acceptances,
    audit,
    browser,
    clock,
    consents,
    flow,
    gate,
    knowledge,
    markup,
    methods,
    people,
    session_cookie,
    sessions,
    sign_ins,
    terms,
    users,
)
from idprotect.audit import Event
from idprotect.errors import InteractionError, TooManyAttempts
from idprotect.forms import ChangePasswordForm, PageForm
from idprotect.interactions.base import Page
from idprotect.interactions.mfa_registration import (
    choices,
    registration_form,
    registration_page,
    submit_registration,
)
from idprotect.interactions.password_change import strength_of
from idprotect.models import Authenticator, Client, SignIn, TermsAcceptance, User, session
from idprotect.pages import error_page, render
from idprotect.pendings import Wanted
from idprotect.risk import RiskLevel
from idprotect.runtime import runtime, settings
from idprotect.session_cookie import Current

SHOWN_SIGN_INS = 20
VOLUNTARY = (
    "Changing your password here does not clear the warning about your account: somebody who knows your password "
    "could change it, too."
)

View = Callable[..., Response]


def own_page(view: View) -> View:
    """Let a page be seen only by somebody whom the gate lets in at this moment."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Response:
        interruption = flow.guard(Wanted(people.ACCOUNT, settings().brand_name, return_to=_this_page()))
        return interruption or view(*args, current=cast(Current, session_cookie.current()), **kwargs)

    return guarded


@own_page
def home(current: Current) -> Response:
    """Everything at one glance."""
    user, form = current.user, PageForm.for_page("account")
    return render(
        "account/home.html",
        form=form,
        user={"name": user.display_name, "username": user.username, "email": user.email},
        risk_note=_risk_note(user),
        sign_ins=[_sign_in_row(row, current) for row in _recent(user)],
        methods=[_method_row(a) for a in methods.registered(user.id)],
        consents=[_consent_row(c.client_id, c.scopes) for c in consents.of(user.id)],
        accepted_terms=[_terms_row(row, title) for row, title in acceptances.of(user.id)],
        password_url=url_for("idprotect.password") if runtime().directory.sets_passwords else None,
        methods_url=url_for("idprotect.add_method"),
        known_url=url_for("idprotect.known"),
        sign_out_url=url_for("idprotect.sign_out"),
    )


@own_page
def known(current: Current) -> Response:
    """What is known of oneself to judge risk; and, sent by POST, all of it as a file."""
    form = PageForm.for_page("known")
    status = 200
    if request.method == "POST":
        try:
            form.check()
            return _risky_or_stale(current, url_for("idprotect.known")) or _download(current)
        except InteractionError as error:
            status = _status_of(error)
            form.refuse(error)
    page = render(
        "account/known.html",
        form=form,
        action=url_for("idprotect.known"),
        habits=knowledge.habits(current.user),
        kept=knowledge.kept(),
        **_navigation(),
    )
    page.status_code = status
    return page


@own_page
def accepted_terms(name: str, version: str, current: Current) -> Response:
    """Read again what one accepted; what one was never shown is nobody's here."""
    mine = {(row.terms, str(row.version)): row for row, _ in acceptances.of(current.user.id)}
    if (row := mine.get((name, version))) is None:
        return error_page(404, "This page does not exist", "You accepted no such terms.")
    shown = terms.version(row.terms, row.version)
    return render(
        "account/terms.html",
        terms=shown,
        published=f"{shown.published_at:%d %B %Y}",
        blocks=markup.blocks(shown.text),
        **_navigation(),
    )


@own_page
def password(current: Current) -> Response:
    """Change the password because one wants to; that closes no risk, and the page says why."""
    form = ChangePasswordForm.for_page("password")

    def change() -> None:
        sign_ins.check_current_password(current.user, form.current.data, browser.visitor())
        users.change_password(current.user, form.new.data, current.sign_in, secure=False)
        session_cookie.renew(current.sign_in)

    variables = {
        "form": form,
        "action": url_for("idprotect.password"),
        "note": VOLUNTARY if current.user.risk_level else None,
        "login_name": current.user.username,
        "min_length": settings().password_min_length,
        **_navigation(),
    }
    return _form_page(
        "account/password.html", form, change, lambda: {**variables, "strength": strength_of(form)}
    )


@own_page
def add_method(current: Current) -> Response:
    """Add a second factor: only to somebody who proved just now who they are, and not at risk."""
    user, sign_in = current.user, current.sign_in
    if (refused := _factor_change_refused(current) or _registration_stopped()) is not None:
        return refused
    method, new_phone = request.args.get("method", ""), request.args.get("phone") == "new"
    sending = request.args.get("do") == "send"
    form = PageForm.for_page("send") if sending else registration_form(user, sign_in, method, new_phone)

    def url(**arguments: Any) -> str:
        return url_for("idprotect.add_method", **arguments)

    status = 200
    if request.method == "POST":
        try:
            form.check()
            done = submit_registration(
                user, sign_in, form, method, url, url_for("idprotect.account"), at_risk=False, send=sending
            )
            if isinstance(done, Page):
                return render(done.template, **done.variables, **_navigation())
            return redirect(done or url_for("idprotect.account"), 303)
        except InteractionError as error:
            session().rollback()
            status = _status_of(error)
            form.refuse(error)
    page = registration_page(user, sign_in, form, method, url, new_phone)
    if page is None:
        page = Page("account/methods.html", {"choices": choices(), "form": form, "action": url()})
    response = render(page.template, **{"pending": None, **_navigation(), **page.variables})
    response.status_code = status
    return response


@own_page
def remove_method(authenticator_id: str, current: Current) -> Response:
    """Remove a second factor, under the same conditions as adding one."""
    if (refused := _factor_change_refused(current)) is not None:
        return refused
    authenticator = session().get(Authenticator, authenticator_id)
    if authenticator is None or authenticator.user_id != current.user.id:
        return error_page(404, "This page does not exist", "There is no such way to confirm your sign-in.")
    return _act(lambda: methods.remove(current.user, authenticator, current.user.username))


@own_page
def end_sign_in(sign_in_id: str, current: Current) -> Response:
    """End one of one's own sign-ins."""
    sign_in = session().get(SignIn, sign_in_id)
    if sign_in is None or sign_in.user_id != current.user.id or sign_in.ended_at is not None:
        return error_page(404, "This page does not exist", "There is no such sign-in.")
    return _act(lambda: sessions.end(sign_in, "ended_by_user"))


@own_page
def revoke_consent(client_id: str, current: Current) -> Response:
    """Take back what an application may see."""
    return _act(lambda: consents.revoke(current.user, client_id))


def sign_out() -> Response:
    """Sign this browser out, after a question: a GET changes nothing."""
    form = PageForm.for_page("sign-out")
    current = session_cookie.current()
    if request.method == "POST":
        try:
            form.check()
        except InteractionError as error:
            return error_page(400, "That did not work", error.message)
        if current is not None:
            session_cookie.end(current, "signed_out")
            session().commit()
        return render(
            "signed_out.html", return_url=None, client_name=None, sign_in_url=url_for("idprotect.start")
        )
    if current is None:
        return render(
            "signed_out.html", return_url=None, client_name=None, sign_in_url=url_for("idprotect.start")
        )
    return render(
        "sign_out.html",
        form=form,
        action=url_for("idprotect.sign_out"),
        cancel_url=url_for("idprotect.account"),
        user_name=current.user.display_name,
    )


def _act(change: Callable[[], object]) -> Response:
    """Carry out one button of the account page."""
    form = PageForm.for_page("account")
    try:
        form.check()
        change()
        session().commit()
    except InteractionError as error:
        session().rollback()
        return error_page(400, "That did not work", error.message)
    return redirect(url_for("idprotect.account"), 303)


def _form_page(
    template: str, form: Any, change: Callable[[], None], variables: Callable[[], Any]
) -> Response:
    status = 200
    if request.method == "POST":
        try:
            form.check()
            change()
            session().commit()
            return redirect(url_for("idprotect.account"), 303)
        except InteractionError as error:
            session().rollback()
            status = _status_of(error)
            form.refuse(error)
    response = render(template, **variables())
    response.status_code = status
    return response


def _status_of(error: InteractionError) -> int:
    return 429 if isinstance(error, TooManyAttempts) else 400


def _download(current: Current) -> Response:
    user = current.user
    body = json.dumps(knowledge.everything(user), indent=2, ensure_ascii=False)
    audit.record(Event.USER_EXPORTED, actor=user.username, user_id=user.id, sign_in_id=current.sign_in.id)
    session().commit()
    return FlaskResponse(
        body,
        mimetype="application/json",
        headers={"Content-Disposition": 'attachment; filename="what-is-known-about-me.json"'},
    )


def _factor_change_refused(current: Current) -> Response | None:
    """Refuse a change of factors at risk; ask for password and second factor when the last proof is too old."""
    refused = _risky_or_stale(current, _this_page())
    if refused is not None and refused.status_code == HTTPStatus.FORBIDDEN:
        user, sign_in = current.user, current.sign_in
        audit.record(Event.FACTOR_REFUSED, actor=user.username, user_id=user.id, sign_in_id=sign_in.id)
        session().commit()
    return refused


def _risky_or_stale(current: Current, return_to: str) -> Response | None:
    """Refuse at risk what an intruder would want most; ask who it is when that was not proved just now."""
    user, sign_in = current.user, current.sign_in
    levels = (user.risk, RiskLevel(sign_in.aggregated_level), sign_in.session_risk)
    if max(levels) >= RiskLevel.MEDIUM:
        return error_page(
            403,
            "Not possible now",
            "While your account or this sign-in looks unusual, this cannot be done.",
        )
    fresh_after = clock.now() - timedelta(seconds=settings().reauthentication)
    proved_at = sign_in.mfa_at if current.registered else sign_in.signed_in_at
    if proved_at is not None and proved_at >= fresh_after:
        return None
    return flow.guard(
        Wanted(
            people.ACCOUNT,
            settings().brand_name,
            frozenset({gate.STEP_UP}),
            return_to=return_to,
            sign_in_after=fresh_after,
        )
    )


def _registration_stopped() -> Response | None:
    """Ask the policies about adding a factor, here and now."""
    scopes = frozenset({gate.REGISTER})
    return flow.guard(Wanted(people.ACCOUNT, settings().brand_name, scopes, return_to=_this_page()))


def _this_page() -> str:
    """Return where to go on after an interruption; what was sent by POST has to be sent again."""
    return request.full_path if request.method == "GET" else url_for("idprotect.account")


def _risk_note(user: User) -> str | None:
    if not user.risk_level:
        return None
    return (
        "Unusual activity was found on your account. When an application asks you to, confirm that it is you and "
        "choose a new password."
    )


def _recent(user: User) -> list[SignIn]:
    statement = select(SignIn).where(SignIn.user_id == user.id).order_by(SignIn.signed_in_at.desc())
    return list(session().scalars(statement.limit(SHOWN_SIGN_INS)).all())


def _sign_in_row(sign_in: SignIn, current: Current) -> dict[str, Any]:
    if not sign_in.succeeded:
        outcome = "Wrong password"
    elif sign_in.completed_at is not None:
        outcome = "Signed in"
    else:
        outcome = "Not completed"
    is_current = sign_in.id == current.sign_in.id
    active = sign_in.succeeded and sign_in.ended_at is None and sign_in.expires_at > clock.now()
    return {
        "at": time_of(sign_in),
        "place": sign_in.place,
        "device": sign_in.device_name,
        "outcome": outcome,
        "current": is_current,
        "active": active,
        "end_form": None,
        "end_action": None
        if is_current or not active
        else url_for("idprotect.end_sign_in", sign_in_id=sign_in.id),
        "report_url": url_for("idprotect.report_sign_in", sign_in_id=sign_in.id)
        if sign_in.succeeded
        else None,
    }


def _method_row(authenticator: Authenticator) -> dict[str, Any]:
    method = methods.METHODS[authenticator.method]
    return {
        "id": authenticator.id,
        "name": method.name,
        "label": method.label,
        "hint": authenticator.hint,
        "added": f"{authenticator.created_at:%d %B %Y}",
        "remove_action": url_for("idprotect.remove_method", authenticator_id=authenticator.id),
    }


def _consent_row(client_id: str, scopes: list[str]) -> dict[str, Any]:
    client = session().get(Client, client_id)
    return {
        "client_name": client.shown_name if client else client_id,
        "scopes": [
            consents.SCOPES.get(scope, (scope, ""))[0]
            for scope in sorted(scopes, key=[*consents.SCOPES, *scopes].index)
        ],
        "revoke_action": url_for("idprotect.revoke_consent", client_id=client_id),
    }


def _terms_row(row: TermsAcceptance, title: str) -> dict[str, Any]:
    return {
        "title": title,
        "version": row.version,
        "at": f"{row.at:%d %B %Y, %H:%M} UTC",
        "url": url_for("idprotect.accepted_terms", name=row.terms, version=row.version),
    }


def time_of(sign_in: SignIn) -> str:
    """Return when a sign-in was, in words."""
    return f"{sign_in.signed_in_at:%d %B %Y, %H:%M} UTC"


def _navigation() -> dict[str, str]:
    return {"back_url": url_for("idprotect.account"), "sign_out_url": url_for("idprotect.sign_out")}
