"""The forms of one policy and of one named location: each is filled from its row of the document, and gives one back.

A field is called as its key in the document, so that a rule that the document breaks stands beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import (
    BooleanField,
    HiddenField,
    RadioField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, ValidationError

from idprotect.admin.fields import CountriesField, LinesField, NumberField, TruthField, WordsField
from idprotect.conditional_access import Control, PolicyState, Strength, Unregistered
from idprotect.conditional_access.document import network_problem, place
from idprotect.conditional_access.facts import PLATFORMS
from idprotect.forms import DraftingForm
from idprotect.risk import RiskLevel

_NAME = [InputRequired("A name is needed."), Length(max=128)]
_LONG = [Length(max=8_000)]
_LEVELS = [SelectChoice(level.label, level.label) for level in sorted(RiskLevel)]


class EntryForm(DraftingForm):
    """One entry of the document.

    :cvar kind: ``policy`` or ``location``.
    :cvar tables: the fields of each table of the entry; those of the entry itself stand under an empty name.
    :ivar looked_at: the digest of the draft whose consequences the page showed.
    """

    kind = ""
    tables: Mapping[str, Sequence[str]] = {}

    looked_at = HiddenField(validators=[Length(max=64)])

    def fill(self, row: Mapping[str, Any]) -> None:
        """Show an entry as it stands in the document."""
        for table, names in self.tables.items():
            values = row.get(table, {}) if table else row
            for name in names:
                if name in values:
                    self[name].data = values[name]

    def row(self) -> dict[str, Any]:
        """Return what was typed as an entry of the document, without what was left empty."""
        row: dict[str, Any] = {}
        for table, names in self.tables.items():
            values = {name: self[name].data for name in names if _says_something(self[name])}
            row |= {table: values} if table and values else values if not table else {}
        return row

    def places(self) -> Sequence[str]:
        """Return where problems are that belong to a field: in the document itself, and in this entry."""
        return ("", place(self.kind, self.name.data))


class OnePolicyForm(EntryForm):
    """When who, where, how risky; then what."""

    kind = "policy"
    tables: Mapping[str, Sequence[str]] = {
        "": ("name", "title", "state"),
        "who": ("users", "groups", "roles", "exclude_users", "exclude_groups", "exclude_roles"),
        "clients": ("include", "exclude"),
        "when": (
            *("user_risk", "sign_in_risk", "locations", "exclude_locations", "countries"),
            *("exclude_countries", "platforms", "scopes", "known_device", "registering"),
            "expression",
        ),
        "then": ("require", "terms_of_use", "strength", "unregistered", "skip_days", "sign_in_frequency"),
    }

    name = StringField("Name", _NAME)
    title = StringField("Title", [Length(max=256)])
    state = RadioField(
        "State",
        choices=[
            SelectChoice(
                str(PolicyState.REPORT_ONLY), "Report only: its outcome is recorded, and nobody notices"
            ),
            SelectChoice(str(PolicyState.ON), "On"),
            SelectChoice(str(PolicyState.OFF), "Off: nobody looks at it"),
        ],
        default=str(PolicyState.REPORT_ONLY),
    )
    users = LinesField("Users", _LONG)
    groups = LinesField("Groups", _LONG)
    roles = LinesField("Roles", _LONG)
    exclude_users = LinesField("Users", _LONG)
    exclude_groups = LinesField("Groups", _LONG)
    exclude_roles = LinesField("Roles", _LONG)
    include = LinesField("Applications", _LONG)
    exclude = LinesField("Applications that are left out", _LONG)
    user_risk = SelectMultipleField("Risk of the user", choices=_LEVELS)
    sign_in_risk = SelectMultipleField("Risk of the sign-in", choices=_LEVELS)
    locations = SelectMultipleField("Named locations", choices=None)
    exclude_locations = SelectMultipleField("Named locations that are left out", choices=None)
    countries = CountriesField("Countries", _LONG)
    exclude_countries = CountriesField("Countries that are left out", _LONG)
    platforms = SelectMultipleField(
        "Platforms", choices=[SelectChoice(name, name) for name in sorted(PLATFORMS)]
    )
    scopes = WordsField("Scopes", _LONG)
    known_device = TruthField("Device", neither="any device", yes="a familiar device", no="a new device")
    registering = BooleanField("Only while a second factor is added")
    expression = TextAreaField("Provided that", _LONG, filters=[lambda text: text and _lines(text)])
    require = SelectMultipleField(
        "Demands",
        choices=[
            SelectChoice(str(Control.BLOCK), "Stop the sign-in"),
            SelectChoice(str(Control.MFA), "Ask for a second factor"),
            SelectChoice(str(Control.PASSWORD_CHANGE), "Ask for a new password"),
            SelectChoice(
                str(Control.RISK_REMEDIATION),
                "Let the identity be restored: a new password where that is the cure",
            ),
            SelectChoice(str(Control.REGISTRATION), "Have a second factor registered"),
        ],
    )
    terms_of_use = SelectMultipleField("Have them accept these terms of use", choices=None)
    strength = SelectField(
        "Strength",
        choices=[
            SelectChoice("", "any second factor"),
            SelectChoice(str(Strength.PHISHING_RESISTANT), "one that cannot be phished"),
        ],
    )
    unregistered = SelectField(
        "Whoever has no second factor in a risky sign-in",
        choices=[
            SelectChoice("", "is stopped"),
            SelectChoice(str(Unregistered.REGISTER), "may set one up there and then"),
        ],
    )
    skip_days = NumberField("Days for which registration can be put off")
    sign_in_frequency = StringField(
        "Sign in again after", [Length(max=16)], filters=[lambda text: text and text.strip()]
    )

    def fill(self, row: Mapping[str, Any]) -> None:
        """Show a policy; that it stops whoever has no factor goes without saying."""
        super().fill(row)
        if self.unregistered.data == Unregistered.BLOCK:
            self.unregistered.data = ""

    def offer(self, locations: Sequence[str], terms: Sequence[str]) -> None:
        """Offer named locations and terms of use to choose from."""
        self.terms_of_use.choices = [SelectChoice(name, name) for name in terms]
        for field in (self.locations, self.exclude_locations):
            field.choices = [SelectChoice(name, name) for name in locations]


class LocationForm(EntryForm):
    """A named location: networks, or countries."""

    kind = "location"
    tables: Mapping[str, Sequence[str]] = {"": ("name", "networks", "countries", "trusted")}

    name = StringField("Name", _NAME)
    networks = LinesField("Networks", [Length(max=40_000)])
    countries = CountriesField("Countries", _LONG)
    trusted = BooleanField("Trusted")

    def validate_networks(self, field: LinesField) -> None:
        """Say of each line what is wrong with it."""
        wrong = [
            f"Line {number}: {problem}"
            for number, text in field.numbered()
            if (problem := network_problem(text))
        ]
        if wrong:
            raise ValidationError("; ".join(wrong))


def _lines(text: str) -> str:
    """Return a text with the line ends of a file; browsers send others."""
    return "\n".join(text.splitlines()).strip()


def _says_something(field: Any) -> bool:
    if isinstance(field, BooleanField):
        return bool(field.data)
    return field.data is not None and field.data not in ("", [])
