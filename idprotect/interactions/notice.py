"""Tells a person what is unusual before asking for anything."""

from idprotect import clock, judging
from idprotect.conditional_access import Step
from idprotect.forms import PageForm
from idprotect.interactions.base import Page, Visit
from idprotect.models import session
from idprotect.protection import has_open
from idprotect.runtime import network_of


class Notice:
    """The first page of both recoveries."""

    step = Step.NOTICE

    def form(self, visit: Visit) -> PageForm:
        """A button to go on."""
        return PageForm.for_page("notice")  # type: ignore[no-any-return]

    def show(self, visit: Visit, form: PageForm) -> Page:
        """Name place, device and time; never scores or rules."""
        about_user = visit.verdict.decision.about_user
        steps = [_COMING[step] for step in visit.verdict.decision.steps if step in _COMING]
        return Page(
            "interactions/notice.html",
            {
                "kind": "user_risk" if about_user else "sign_in_risk",
                "leaked": about_user and has_open(visit.user.id, "leaked_credentials"),
                "steps": steps,
                **_seen(visit),
                "form": form,
                "action": visit.url(),
            },
        )

    def submit(self, visit: Visit, form: PageForm) -> None:
        """Note that the person was told."""
        visit.sign_in.noticed_at = clock.now()
        session().commit()


def _seen(visit: Visit) -> dict[str, str | None]:
    """Return what is unusual: this sign-in, or where its session turned up since."""
    place, device, at = visit.sign_in.place, visit.sign_in.device_name, visit.sign_in.signed_in_at
    if since := visit.verdict.facts.session_risk_at:
        address = visit.visitor.ip_address
        place = judging.place_of(network_of(address)) if address is not None else None
        device, at = visit.visitor.device_name, since
    return {"place": place, "device": device, "at": f"{at:%d %B %Y, %H:%M} UTC"}


_COMING = {
    Step.MFA_REGISTRATION: "Add a second way to verify",
    Step.MFA: "Verify that it is you",
    Step.PASSWORD_CHANGE: "Choose a new password",
    Step.RECOVERY: "Sign out everywhere, and sign in again",
}
