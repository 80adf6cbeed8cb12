"""A new password: after MFA for a compromised user, or instead of a temporary one."""

from typing import Any

from idprotect import password_policy, session_cookie, sign_ins, users
from idprotect.conditional_access import Step
from idprotect.errors import InteractionError
from idprotect.forms import ChangePasswordForm, NewPasswordForm, PageForm
from idprotect.interactions.base import Page, Visit
from idprotect.models import session
from idprotect.runtime import runtime, settings


class PasswordChange:
    """Closes the user's risk, because a second factor came first or an administrator stood behind it."""

    step = Step.PASSWORD_CHANGE

    def form(self, visit: Visit) -> PageForm:
        """The current password is asked for, unless it was a temporary one, which is used up."""
        kind = NewPasswordForm if visit.user.temporary_password_hash else ChangePasswordForm
        return kind.for_page("password")  # type: ignore[no-any-return]

    def show(self, visit: Visit, form: PageForm) -> Page:
        """Show how strong the password was that was just refused."""
        return Page(
            "interactions/password_change.html",
            {
                "form": form,
                "action": visit.url(),
                "temporary": bool(visit.user.temporary_password_hash),
                "min_length": settings().password_min_length,
                "strength": strength_of(form),
            },
        )

    def submit(self, visit: Visit, form: Any) -> None:
        """Store the new password; everything else of the user ends."""
        if not runtime().directory.sets_passwords:
            raise InteractionError("Your password is kept elsewhere. Please contact your administrator.")
        if isinstance(form, ChangePasswordForm):
            sign_ins.check_current_password(visit.user, form.current.data, visit.visitor)
        # An administrator may require a new password of somebody who has lost the second factor since.
        secure = bool(visit.user.temporary_password_hash) or visit.sign_in.mfa_at is not None
        users.change_password(visit.user, form.new.data, visit.sign_in, secure=secure)
        session_cookie.renew(visit.sign_in)
        session().commit()


def strength_of(form: Any) -> dict[str, object] | None:
    """Return how strong a refused password was, with advice; None when none was typed."""
    typed = form.new.data
    if not typed:
        return None
    strength = password_policy.strength(typed)
    return {"score": strength.score, "label": strength.label, "suggestions": list(strength.suggestions)}
