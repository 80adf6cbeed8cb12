"""Asks, at a sign-in without risk, whether an earlier one that was stopped was the owner's, too."""

from flask import request

from idprotect import clock, protection
from idprotect.conditional_access import Step
from idprotect.errors import InteractionError
from idprotect.forms import PageForm
from idprotect.interactions.base import Page, Visit
from idprotect.models import SignIn, session


class Review:
    """Yes dismisses the stopped sign-in, no reports it, silence leaves it open."""

    step = Step.REVIEW

    def form(self, visit: Visit) -> PageForm:
        """Three buttons, about one sign-in: were it another by now, the token would not fit."""
        stopped = _stopped(visit)
        return PageForm.for_page(f"review-{stopped.id if stopped else ''}")  # type: ignore[no-any-return]

    def show(self, visit: Visit, form: PageForm) -> Page:
        """Name place, device and time of the stopped sign-in."""
        stopped = _stopped(visit)
        details = {
            "place": stopped.place if stopped else None,
            "device": stopped.device_name if stopped else "",
            "at": f"{stopped.signed_in_at:%d %B %Y, %H:%M} UTC" if stopped else "",
        }
        return Page("interactions/review.html", {"stopped": details, "form": form, "action": visit.url()})

    def submit(self, visit: Visit, form: PageForm) -> None:
        """Take the answer; it is asked once in a sign-in."""
        answer, stopped = request.form.get("answer"), _stopped(visit)
        if answer not in ("yes", "no", "later"):
            raise InteractionError("Please choose.")
        visit.sign_in.reviewed_at = clock.now()
        if stopped is not None and answer == "yes":
            protection.confirm_own_sign_in(visit.user, stopped)
        elif stopped is not None and answer == "no":
            what = f"the stopped sign-in of {stopped.signed_in_at:%d %B %Y, %H:%M} UTC"
            protection.report(visit.user, what, reported=stopped, acting=visit.sign_in)
        session().commit()


def _stopped(visit: Visit) -> SignIn | None:
    return protection.stopped_sign_in(visit.user.id, but=visit.sign_in.id)
