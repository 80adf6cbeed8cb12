"""Asks the user to accept terms of use, one document at a time, each in full."""

from flask import request

from idprotect import acceptances, markup, terms
from idprotect.conditional_access import AcceptedTerms, Step
from idprotect.errors import EvaluationError, InteractionError, NotFound
from idprotect.forms import PageForm
from idprotect.interactions.base import Page, Visit
from idprotect.models import TermsVersion, session

CHANGED = "These terms changed while the page was open. Please read them as they are now."


class TermsOfUse:
    """What is accepted is the version that was shown, and no other."""

    step = Step.TERMS_OF_USE

    def form(self, visit: Visit) -> PageForm:
        """Accept or decline, about one document: were another one due by now, the token would not fit."""
        return PageForm.for_page(f"terms-{_name(visit)}")  # type: ignore[no-any-return]

    def show(self, visit: Visit, form: PageForm) -> Page:
        """Show the newest version, and which one was accepted before."""
        shown = _newest(visit)
        return Page(
            "interactions/terms_of_use.html",
            {
                "terms": shown,
                "blocks": markup.blocks(shown.text),
                "published": f"{shown.published_at:%d %B %Y}",
                "before": _before(visit),
                "form": form,
                "action": visit.url(version=shown.version),
            },
        )

    def submit(self, visit: Visit, form: PageForm) -> str | None:
        """Note the acceptance; declining goes back to the application with ``access_denied``."""
        shown, answer = _newest(visit), request.form.get("answer")
        if visit.argument("version") != str(shown.version):
            raise InteractionError(CHANGED)
        if answer not in ("accept", "decline"):
            raise InteractionError("Please choose.")
        client_id = visit.pending.client_id
        if answer == "decline":
            acceptances.decline(visit.user, shown, visit.sign_in, client_id)
            return "deny"
        acceptances.accept(visit.user, shown, visit.sign_in, client_id, visit.visitor.ip_address)
        session().commit()
        return None


def _name(visit: Visit) -> str:
    """Return which terms are due: the first of those that are missing."""
    return visit.verdict.decision.terms_of_use[0]


def _newest(visit: Visit) -> TermsVersion:
    """Return what is to be read.

    :raises EvaluationError: there are no such terms, which no policy can be about. Nobody gets past that.
    """
    try:
        return terms.version(_name(visit))
    except NotFound as error:
        raise EvaluationError(str(error)) from error


def _before(visit: Visit) -> AcceptedTerms | None:
    """Return what was accepted of these terms and is not good enough any more."""
    known = visit.verdict.facts.accepted_terms
    return next((accepted for accepted in known if accepted.name == _name(visit)), None)
