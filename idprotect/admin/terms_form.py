"""The form of terms of use: a new document, or a new version of one."""

from typing import Any

from wtforms import BooleanField, IntegerField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, ValidationError
from wtforms.widgets import HiddenInput

from idprotect.admin.fields import NumberField
from idprotect.errors import InteractionError
from idprotect.forms import LateReasonForm
from idprotect.models import Terms, TermsVersion
from idprotect.terms import LONGEST_NAME, LONGEST_TEXT, LONGEST_TITLE


class TermsForm(LateReasonForm):
    """What people read, and for how long it is good.

    :ivar based_on: the version that was the newest when the page was opened.
    """

    based_on = IntegerField(validators=[InputRequired()], widget=HiddenInput())
    title = StringField("Title", [InputRequired("A title is needed."), Length(max=LONGEST_TITLE)])
    wording = TextAreaField("Text", [InputRequired("A text is needed."), Length(max=LONGEST_TEXT)])
    valid_days = NumberField("Accepted anew after so many days")
    asks_again = BooleanField("Whoever accepted an older version has to accept this one, too")

    def validate_valid_days(self, field: Any) -> None:
        """Refuse what is no number."""
        if isinstance(field.data, str):
            raise ValidationError("Days are a whole number.")

    @property
    def days(self) -> int | None:
        """The number of days, None when none was typed."""
        return self.valid_days.data if isinstance(self.valid_days.data, int) else None

    def refuse(self, error: InteractionError) -> None:
        """Show what is wrong with the text beside it."""
        is_about_text = error.field == "text"
        super().refuse(InteractionError(error.message, "wording") if is_about_text else error)

    def fill(self, row: Terms, newest: TermsVersion) -> None:
        """Show what is the newest; a version asks again unless somebody says otherwise."""
        self.based_on.data = newest.version
        self.title.data, self.wording.data = newest.title, newest.text
        self.valid_days.data, self.asks_again.data = row.valid_days, True


class NewTermsForm(TermsForm):
    """The first version, with the name by which policies ask for it."""

    name = StringField("Name", [InputRequired("A name is needed."), Length(max=LONGEST_NAME)])
