"""Shows and takes the pages of :mod:`idprotect.interactions`, and only the one that is due."""

from flask import redirect, url_for
from werkzeug.wrappers import Response

from idprotect import browser, pendings, session_cookie
from idprotect.conditional_access import Step
from idprotect.errors import InteractionError, TooManyAttempts
from idprotect.flow import ask, no_longer_valid, wanted_of
from idprotect.forms import PageForm
from idprotect.gate import Endpoint
from idprotect.interactions import INTERACTIONS, Page, Visit
from idprotect.models import Client, session
from idprotect.pages import allow_form_to, render
from idprotect.web.authorize import deny
from idprotect.web.sign_in import waiting


def interaction(pending_id: str, step: str) -> Response:
    """Show a page or take what is submitted; any page that is not due leads back to be decided about."""
    pending = pendings.find(pending_id)
    if pending is None:
        return no_longer_valid()
    resume_url = url_for("idprotect.resume", pending_id=pending.id)
    client = session().get(Client, pending.client_id) if pending.payload else None
    wanted = wanted_of(pending)
    stop = ask(
        wanted,
        Endpoint.PAGE,
        first_party=client is None or client.first_party,
        consented_at=pending.consented_at,
    )
    session().commit()
    verdict = stop.verdict
    current = session_cookie.current() if stop.current is not None else None
    if current is None or verdict is None or verdict.decision.first != step or step == Step.SIGN_IN:
        return redirect(resume_url, 303)
    visit = Visit(current, verdict, pending, browser.visitor(), Step(step))
    return _visit(visit, resume_url)


def _visit(visit: Visit, resume_url: str) -> Response:
    page = INTERACTIONS[visit.step]
    form = page.form(visit)
    status = 200
    if visit.submitted:
        try:
            form.check()
            done = page.submit(visit, form)
            if isinstance(done, Page):
                return _render(visit, done)
            if done == "deny":
                return deny(visit.pending)
            return redirect(done or resume_url, 303)
        except InteractionError as error:
            session().rollback()
            status = 429 if isinstance(error, TooManyAttempts) else 400
            form.refuse(error)
    response = _render(visit, page.show(visit, form))
    response.status_code = status
    return response


def _render(visit: Visit, page: Page) -> Response:
    allow_form_to(visit.pending)
    common = {
        "pending": waiting(visit.pending),
        "cancel_form": PageForm.for_page("cancel"),
        "user_name": visit.user.display_name,
        "login_name": visit.user.username,
        "reference": visit.verdict.reference,
        "again_url": url_for("idprotect.resume", pending_id=visit.pending.id),
        "switch_url": url_for("idprotect.sign_in", pending_id=visit.pending.id),
    }
    return render(page.template, **{**common, **page.variables})
