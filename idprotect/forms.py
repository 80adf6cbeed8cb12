"""The forms of the pages. Each is bound to one browser, sign-in and purpose by its token."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flask import request
from wtforms import Form, IntegerField, PasswordField, StringField, TextAreaField
from wtforms.csrf.session import SessionCSRF
from wtforms.validators import InputRequired, Length
from wtforms.widgets import HiddenInput

from idprotect import browser, session_cookie
from idprotect.errors import InteractionError, Problem
from idprotect.insights.guards import CONFIRMATION
from idprotect.policy_drafts import LONGEST_NAME, LONGEST_TEXT
from idprotect.runtime import runtime

EXPIRED = "This page was open for too long, or was opened in another browser. Please try again."


class PageForm(Form):  # type: ignore[misc]
    """A form with nothing but its token, and the base of the others."""

    class Meta:
        """The token is an HMAC over browser, sign-in and the kind of form, and lives two hours."""

        csrf = True
        csrf_class = SessionCSRF
        csrf_time_limit = timedelta(hours=2)

    @classmethod
    def for_page(cls, purpose: str = "") -> Any:
        """Return the form, filled with what was submitted."""
        current = session_cookie.standing()
        bound = ":".join(
            (browser.ensure_binding(), current.sign_in.id if current else "", cls.__name__, purpose)
        )
        meta = {"csrf_context": {"csrf": bound}, "csrf_secret": runtime().keys.app_secret.encode()}
        return cls(request.form if request.method == "POST" else None, meta=meta)

    def check(self) -> None:
        """Validate what was submitted; raise InteractionError with the first thing that is wrong."""
        if self.validate():
            return
        if "csrf_token" in self.errors:
            raise InteractionError(EXPIRED)
        raise InteractionError("Please check what you typed.")

    def refuse(self, error: InteractionError) -> None:
        """Show an error at its field, or on top when it has none."""
        field = self._fields.get(error.field or "")
        if field is not None:
            field.errors = [*field.errors, error.message]
        elif not (self.errors.keys() - {"csrf_token"}):
            self.form_errors: list[str] = [*self.form_errors, error.message]

    def show_problems(self, problems: Sequence[str]) -> None:
        """Show what is wrong on top."""
        self.form_errors = [*self.form_errors, *problems]

    def take_over(self, other: "PageForm") -> "PageForm":
        """Show what was wrong with another form of the same page, which has no place for it."""
        self.form_errors = [*self.form_errors, *other.form_errors]
        return self


class SignInForm(PageForm):
    """User name and password."""

    username = StringField("User name", [InputRequired("Please type your user name."), Length(max=256)])
    password = PasswordField("Password", [InputRequired("Please type your password."), Length(max=1024)])


class CodeForm(PageForm):
    """A one-time code."""

    code = StringField("Code", [InputRequired("Please type the code."), Length(max=64)])


class PasskeyForm(CodeForm):
    """What the browser answers for a passkey, filled in by its script."""

    code = StringField(
        "Passkey",
        [
            InputRequired("Your browser did not answer. Please try again, or use another way."),
            Length(max=16384),
        ],
        widget=HiddenInput(),
    )


class UserCodeForm(PageForm):
    """The code that a device shows."""

    user_code = StringField("Code", [InputRequired("Please type the code."), Length(max=64)])


class PhoneForm(PageForm):
    """A telephone number."""

    phone = StringField("Mobile number", [InputRequired("Please type your number."), Length(max=40)])


class NewPasswordForm(PageForm):
    """A new password, twice."""

    new = PasswordField("New password", [InputRequired("Please type a new password."), Length(max=1024)])
    confirm = PasswordField(
        "New password again", [InputRequired("Please type the new password again."), Length(max=1024)]
    )

    def check(self) -> None:
        """Validate, and compare the two."""
        super().check()
        if self.new.data != self.confirm.data:
            raise InteractionError("The two passwords are not the same.", "confirm")


class ChangePasswordForm(NewPasswordForm):
    """The current password and a new one, twice."""

    current = PasswordField(
        "Current password", [InputRequired("Please type your current password."), Length(max=1024)]
    )


class ReasonForm(PageForm):
    """Why an administrator does something; it lands in the audit log."""

    reason = TextAreaField("Reason", [InputRequired("Please say why."), Length(max=500)])

    @property
    def text(self) -> str:
        """The reason in one line."""
        return browser.printable(" ".join((self.reason.data or "").split()))

    def check(self) -> None:
        """Validate; a reason of spaces is none."""
        super().check()
        if not self.text:
            raise InteractionError("Please say why.", "reason")


class PolicyForm(ReasonForm):
    """Why policies change, and what has to be typed when everybody may be stopped.

    :ivar has_to_confirm: the page shows the field for it.
    """

    confirmation = StringField("Confirmation", [Length(max=64)], description=CONFIRMATION)
    has_to_confirm = False

    def places(self) -> Sequence[str]:
        """Return where problems are that belong to a field of the form."""
        return ("",)

    def show_problems(self, problems: Sequence[str]) -> None:
        """Put each problem beside the field that it is about, and the others on top."""
        for problem in problems:
            if isinstance(problem, Problem) and problem.where in self.places() and problem.key in self:
                self[problem.key].errors = [*self[problem.key].errors, problem.bare]
            else:
                self.form_errors = [*self.form_errors, problem]


class LateReasonForm(ReasonForm):
    """Something that can be looked at before it is done; only then a reason is asked for."""

    reason = TextAreaField("Reason", [Length(max=500)])

    def check(self) -> None:
        """Validate all but the reason."""
        PageForm.check(self)

    def check_reason(self) -> None:
        """Validate the reason, too."""
        if not self.text:
            raise InteractionError("Please say why.", "reason")

    def saw_version(self, version: int) -> None:
        """Be about this version from now on: the page shows what others changed."""
        _replace(self.based_on, version)


class DraftingForm(LateReasonForm, PolicyForm):
    """Policies that somebody works on; a reason is asked for once they come into force.

    :ivar based_on: the version that was in force when the page was opened.
    :ivar draft_name: under which they are put aside.
    """

    based_on = IntegerField(validators=[InputRequired()], widget=HiddenInput())
    draft_name = StringField("Name of the draft", [Length(max=LONGEST_NAME)])


class DraftForm(DraftingForm):
    """The text of a policy file."""

    draft = TextAreaField("Policies", [Length(max=LONGEST_TEXT)])


class SavedDraftForm(DraftForm):
    """The text of a draft that was put aside, and which revision of it was opened."""

    revision = IntegerField(validators=[InputRequired()], widget=HiddenInput())

    def saw_revision(self, revision: int) -> None:
        """Be about this revision from now on: the page shows what somebody else saved."""
        _replace(self.revision, revision)


def _replace(field: IntegerField, value: int) -> None:
    field.data, field.raw_data = value, None  # what was submitted would be shown otherwise
