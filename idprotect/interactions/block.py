"""The end of the road: nothing is offered here but the way back."""

from flask import url_for

from idprotect import methods
from idprotect.conditional_access import Reason, Step
from idprotect.forms import PageForm
from idprotect.interactions.base import Page, Visit
from idprotect.models import session
from idprotect.runtime import settings
from idprotect.sign_ins import stopped

_REASONS = {
    Reason.MFA_UNAVAILABLE: "mfa_unavailable",
    Reason.REGISTRATION_REFUSED: "mfa_unavailable",
    Reason.STRENGTH_UNAVAILABLE: "strength_unavailable",
    Reason.ACCOUNT_DISABLED: "disabled",
}


class Block:
    """A blocked sign-in, or a blocked account."""

    step = Step.BLOCK

    def form(self, visit: Visit) -> PageForm:
        """A button back to the application."""
        return PageForm.for_page("cancel")  # type: ignore[no-any-return]

    def show(self, visit: Visit, form: PageForm) -> Page:
        """Say what is blocked and who can help, with the number by which an administrator finds it."""
        stopped(visit.user, visit.sign_in)
        session().commit()
        decision = visit.verdict.decision
        return Page(
            "interactions/blocked.html",
            {
                "kind": "user" if decision.about_user else "sign_in",
                "reason": _REASONS.get(decision.reason, "policy") if decision.reason else "policy",
                "at": f"{visit.sign_in.signed_in_at:%d %B %Y, %H:%M} UTC",
                "contact": settings().contact,
                "add_url": url_for("idprotect.add_method")
                if methods.METHODS["passkey"].is_offered()
                else None,
                "form": form,
                "action": visit.url().replace("/interaction/", "/cancel/").rsplit("/", 1)[0],
            },
        )

    def submit(self, visit: Visit, form: PageForm) -> None:
        """Nothing that is submitted here changes anything."""
