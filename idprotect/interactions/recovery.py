"""Recovery without a new password: everything ends, and the person signs in again with a second factor."""

from idprotect import protection
from idprotect.conditional_access import Step
from idprotect.forms import PageForm
from idprotect.interactions.base import Page, Visit
from idprotect.models import session


class Recovery:
    """Ends every session and token, this sign-in included; the second factor of the next one closes the risk."""

    step = Step.RECOVERY

    def form(self, visit: Visit) -> PageForm:
        """A button to begin."""
        return PageForm.for_page("recovery")  # type: ignore[no-any-return]

    def show(self, visit: Visit, form: PageForm) -> Page:
        """Say what will end, and what comes next."""
        return Page("interactions/recovery.html", {"form": form, "action": visit.url()})

    def submit(self, visit: Visit, form: PageForm) -> None:
        """End everything. The way back leads to the sign-in page, because nobody is signed in any more."""
        protection.begin_recovery(
            visit.user, visit.user.username, "asked for by a policy, after a second factor"
        )
        session().commit()
