"""The forms about a signal source: how it is to be, and what administrators do about it."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from wtforms import (
    DateTimeLocalField,
    PasswordField,
    RadioField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length

from idprotect import clock
from idprotect.admin.fields import NumberField
from idprotect.event_types import short
from idprotect.forms import ReasonForm
from idprotect.risk.detections.shared_signal import ENDS_SESSIONS, RULES, USUAL
from idprotect.signal_sources import subjects, transmitter
from idprotect.signal_sources.sources import LEVELS, LONGEST_NAME, LONGEST_SECRET, LONGEST_URL, Wanted

_URL = [Length(max=LONGEST_URL)]


def _event_label(event_type: str) -> str:
    return short(event_type) + (" (ends sessions here)" if event_type in ENDS_SESSIONS else "")


class SignalSourceForm(ReasonForm):
    """A source as it is to be. A field is called as its member of :class:`Wanted`."""

    name = StringField("Name", [InputRequired("A name is needed."), Length(max=LONGEST_NAME)])
    issuer = StringField("Issuer", [InputRequired("The issuer is needed."), *_URL])
    audience = StringField("Audience", [InputRequired("The audience is needed."), *_URL])
    jwks_uri = StringField("Where its keys are (JWKS)", _URL)
    events = SelectMultipleField(
        "Events", choices=[SelectChoice(name, _event_label(name)) for name in RULES], default=list(USUAL)
    )
    level_cap = SelectField(
        "An event raises at most", choices=[SelectChoice(name, name) for name in LEVELS], default="high"
    )
    subjects = SelectMultipleField(
        "People are named by",
        choices=[SelectChoice(name, words) for name, words in subjects.KINDS.items()],
        default=[subjects.ISS_SUB],
    )
    people_per_hour = NumberField("People within an hour", default=20)
    delivery = RadioField(
        "Events come",
        choices=[
            SelectChoice("push", "by push: the source sends them (RFC 8935)"),
            SelectChoice("poll", "by poll: we fetch them (RFC 8936)"),
        ],
        default="push",
    )
    poll_url = StringField("Where they are fetched", _URL)
    token_url = StringField("Where we get access tokens", _URL)
    client_id = StringField("Our client id there", _URL)
    secret = PasswordField("Our client secret there, or a bearer token", [Length(max=LONGEST_SECRET)])
    application_id = StringField("Its client id here", [Length(max=128)])

    def fill(self, wanted: Wanted) -> None:
        """Show how a source is."""
        for each in fields(Wanted):
            self[each.name].data = getattr(wanted, each.name)
        self.delivery.data = "poll" if wanted.poll_url else "push"

    def wanted(self) -> Wanted:
        """Return what was typed; where the keys are the issuer says, unless it was.

        :raises InteractionError: it does not.
        """
        typed: dict[str, Any] = {each.name: self[each.name].data for each in fields(Wanted)}
        typed = {name: value.strip() if isinstance(value, str) else value for name, value in typed.items()}
        for name in ("application_id", "poll_url", "token_url", "client_id"):
            typed[name] = typed[name] or None
        if self.delivery.data == "push":
            typed["poll_url"] = None
        elif typed["poll_url"] is None:
            typed["poll_url"] = ""  # refused where its rule stands
        typed["jwks_uri"] = typed["jwks_uri"] or transmitter.jwks_uri(typed["issuer"])
        return Wanted(**typed)


class ResumeForm(ReasonForm):
    """What becomes of what was held."""

    held = RadioField(
        "What is held",
        choices=[
            SelectChoice("discard", "is thrown away, and never has an effect"),
            SelectChoice("release", "has its effect now, of however many people it tells"),
        ],
        validators=[InputRequired("Please choose.")],
    )


class UndoForm(ReasonForm):
    """Since when a source is not believed."""

    since = DateTimeLocalField(
        "Since (UTC)",
        [InputRequired("A time is needed.")],
        format="%Y-%m-%dT%H:%M",
        default=lambda: clock.now() - timedelta(hours=24),
    )

    @property
    def moment(self) -> datetime:
        """The time."""
        found: datetime = self.since.data
        return found.replace(tzinfo=UTC)
