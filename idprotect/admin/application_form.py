"""The form by which an application is registered; what is wrong stands beside its field, URIs by their line."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wtforms import BooleanField, RadioField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length

from idprotect.admin.fields import LinesField, WordsField
from idprotect.errors import InteractionError
from idprotect.forms import ReasonForm
from idprotect.registration import CLIENT_CREDENTIALS, TOKEN_EXCHANGE, Registration, RegistrationError

_LONG = [Length(max=16_000)]

#: What each kind of application is registered with.
KINDS: Mapping[str, Mapping[str, Any]] = {
    "web": {},
    "single_page": {"token_endpoint_auth_method": "none"},
    "native": {"token_endpoint_auth_method": "none", "application_type": "native"},
    "service": {"grant_types": (CLIENT_CREDENTIALS,)},
}


class DocumentClientForm(ReasonForm):
    """What administrators decide of an application, also where a metadata document says the rest.

    A field is called as its member of :class:`Registration`.
    """

    access_token_audience = StringField("Access tokens are JWTs for", [Length(max=255)])
    resources = LinesField("Resource servers that it may name instead", _LONG)

    def fill(self, registration: Registration) -> None:
        """Show what an application is registered with."""
        for name in self.members:
            value = getattr(registration, name)
            self[name].data = value.split() if name == "scope" and value else value

    @property
    def members(self) -> list[str]:
        """The members of a registration that the form has."""
        return [name for name in Registration.__dataclass_fields__ if name in self]

    def registration(self, before: Registration) -> Registration:
        """Return what was typed, over what was registered before."""
        audience = (self.access_token_audience.data or "").strip() or None
        return replace(before, access_token_audience=audience, resources=tuple(self.resources.data or ()))

    def refuse(self, error: InteractionError) -> None:
        """Show every problem beside its field."""
        if not isinstance(error, RegistrationError):
            super().refuse(error)
            return
        for problem in error.problems:
            name = "jwks_uri" if problem.field == "jwks" else problem.field
            if name in self:
                field = self[name]
                field.errors = [*field.errors, _with_line(field, problem.message)]
            else:
                self.form_errors = [*self.form_errors, str(problem)]


class ApplicationForm(DocumentClientForm):
    """An application as it is to be registered."""

    client_name = StringField("Name", [InputRequired("A name is needed."), Length(max=128)])
    redirect_uris = LinesField("Redirect URIs", _LONG)
    post_logout_redirect_uris = LinesField("Redirect URIs after signing out", _LONG)
    backchannel_logout_uri = StringField("Back-channel logout URI", [Length(max=2048)])
    scope = WordsField("Scopes", _LONG)
    resource_identifier = StringField("As a resource server itself it is named", [Length(max=255)])
    token_exchange = BooleanField("It may exchange tokens that it was sent for others")
    first_party = BooleanField("First party: consent is not asked")
    pkce = SelectField(
        "PKCE",
        choices=[
            SelectChoice("required", "is required"),
            SelectChoice("or_nonce", "or a nonce"),
            SelectChoice("optional", "is optional"),
        ],
    )
    token_endpoint_auth_method = SelectField(
        "Proves who it is by",
        choices=[
            SelectChoice("client_secret_basic", "a secret in the header (client_secret_basic)"),
            SelectChoice("client_secret_post", "a secret in the body (client_secret_post)"),
            SelectChoice("private_key_jwt", "a signature (private_key_jwt)"),
            SelectChoice("none", "nothing: it can keep no secret"),
        ],
    )
    jwks_uri = StringField("Where its public keys are (JWKS)", [Length(max=2048)])

    def fill(self, registration: Registration) -> None:
        """Show what an application is registered with."""
        super().fill(registration)
        self.token_exchange.data = TOKEN_EXCHANGE in registration.grant_types

    def registration(self, before: Registration) -> Registration:
        """Return what was typed, over what was registered before."""
        typed: dict[str, Any] = {name: self[name].data or None for name in self.members}
        for name in ("redirect_uris", "post_logout_redirect_uris", "resources"):
            typed[name] = tuple(typed[name] or ())
        typed["scope"] = " ".join(typed["scope"]) if typed["scope"] else None
        typed["first_party"] = bool(typed["first_party"])
        typed["client_name"] = typed["client_name"].strip()
        for name in ("jwks_uri", "backchannel_logout_uri", "access_token_audience", "resource_identifier"):
            typed[name] = (typed[name] or "").strip() or None
        if self.token_exchange.data != (TOKEN_EXCHANGE in before.grant_types):
            others = tuple(grant for grant in before.grant_types if grant != TOKEN_EXCHANGE)
            typed["grant_types"] = (*others, TOKEN_EXCHANGE) if self.token_exchange.data else others
        return replace(before, **typed)


class NewApplicationForm(ApplicationForm):
    """An application that is not registered yet."""

    client_id = StringField("Client id", [InputRequired("An id is needed."), Length(max=128)])
    kind = RadioField(
        "Kind",
        choices=[
            SelectChoice("web", "Web application: runs on a server, and keeps a secret"),
            SelectChoice("single_page", "Single-page application: runs in the browser, and keeps none"),
            SelectChoice("native", "Native application: on a telephone or a desktop, and keeps none"),
            SelectChoice("service", "Service: acts for itself, without people"),
        ],
        default="web",
    )

    def new_registration(self) -> Registration:
        """Return what was typed; how a public client proves who it is goes by its kind."""
        kind = Registration(client_name="", **KINDS[self.kind.data])
        registration = self.registration(kind)
        return replace(registration, token_endpoint_auth_method="none") if kind.is_public else registration  # noqa: S106 (no secret)


class SecretForm(ReasonForm):
    """How long the secret before stays good."""

    AT_ONCE = "0"

    overlap = SelectField(
        "The old secret",
        choices=[
            SelectChoice(AT_ONCE, "is refused at once, with everything issued so far: others may know it"),
            SelectChoice("1", "is good for another day"),
            SelectChoice("7", "is good for another 7 days"),
            SelectChoice("30", "is good for another 30 days"),
        ],
        default="7",
    )


def _with_line(field: Any, message: str) -> str:
    """Say in which line it is, for a field that has several."""
    if isinstance(field, LinesField):
        for number, text in field.numbered():
            if message.startswith(repr(text)):
                return f"Line {number}: {message}"
    return message
