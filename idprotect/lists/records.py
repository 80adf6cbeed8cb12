"""The list of applications, and the audit log."""

from typing import Any

from sqlalchemy import Select, select

from idprotect import workloads
from idprotect.audit import Event
from idprotect.lists import words
from idprotect.lists.listing import Column, Condition, Filter, Listing, choice, equal, times
from idprotect.models import AuditEvent, Client, User

_TO_USER = ("user", "user_id")
_TO_EVENT = ("event", "id")
_TO_APPLICATION = ("application", "id")


def _with_user(statement: Select[Any]) -> Select[Any]:
    return statement.select_from(AuditEvent).outerjoin(User, User.id == AuditEvent.user_id)


def _about_user(text: str) -> Condition:
    return AuditEvent.user_id.in_(select(User.id).where(User.username == text.lower()))


APPLICATIONS = Listing(
    name="applications",
    title="Applications",
    about="The clients that people sign in to, and those that act for themselves.",
    key=Client.id,
    columns=(
        Column("name", "Name", Client.name, sortable=True, link=_TO_APPLICATION),
        Column("by_document", "By document", Client.by_document, "yes"),
        Column("client_id", "Client id", Client.id, "mono"),
        Column("level", "Risk", workloads.LEVEL, "level", sortable=True),
        Column("auth_method", "Authentication", Client.token_endpoint_auth_method, "mono", shown=False),
        Column("scopes", "Scopes", Client.scopes, "items"),
        Column("redirect_uris", "Redirect URIs", Client.redirect_uris, "items", shown=False),
        Column("first_party", "First party", Client.first_party, "yes"),
        Column("enabled", "Enabled", Client.enabled, "yes"),
        Column("created", "Created", Client.created_at, "time", shown=False),
    ),
    order="name",
    filters=(
        words.level("level", "Risk", workloads.LEVEL),
        words.yes_no("enabled", "Enabled", Client.enabled),
        words.yes_no("first_party", "First party", Client.first_party),
        words.yes_no("by_document", "By metadata document", Client.by_document),
    ),
    hidden={"id": Client.id},
    search=lambda text: Client.name.contains(text, autoescape=True) | (Client.id == text),
    search_label="Name or client id",
    presets={"At risk": {"level": "low"}},
)

AUDIT = Listing(
    name="audit",
    title="Audit log",
    about="What happened and who did it. Nothing here can be changed; a chain of seals shows whether somebody did.",
    key=AuditEvent.id,
    columns=(
        Column("number", "Number", AuditEvent.id, "mono", sortable=True, link=_TO_EVENT),
        Column("at", "Time (UTC)", AuditEvent.at, "time"),
        Column("event", "Event", AuditEvent.name, "mono"),
        Column("actor", "By", AuditEvent.actor),
        Column("user", "User", User.username, link=_TO_USER),
        Column("client_id", "Application", AuditEvent.client_id, "mono", shown=False),
        Column("details", "Details", AuditEvent.details, "details"),
    ),
    order="-number",
    filters=(
        choice("event", "Event", equal(AuditEvent.name), {str(event): str(event) for event in Event}),
        Filter("actor", "By", lambda text: AuditEvent.actor == text),
        Filter("user", "User name", _about_user),
        *times(AuditEvent.at),
    ),
    hidden={"id": AuditEvent.id, "user_id": AuditEvent.user_id},
    joined=_with_user,
    search=_about_user,
    search_label="User name",
    presets={
        "Console": {"event": "console:acted"},
        "Refused": {"event": "console:refused"},
        "Policies": {"event": "policy:applied"},
    },
)
