"""What became of people's risk, what was decided about their sign-ins, and the policies that were in force."""

from typing import Any

from sqlalchemy import Select, select

from idprotect import gate
from idprotect.lists import words
from idprotect.lists.listing import Column, Condition, Filter, Listing, equal, times
from idprotect.models import PolicyVersion, Receipt, RiskHistory, User


def _of_user(text: str) -> Condition:
    return Receipt.user_id.in_(select(User.id).where(User.username == text.lower()))


def _with_user(statement: Select[Any]) -> Select[Any]:
    return statement.select_from(Receipt).outerjoin(User, User.id == Receipt.user_id)


def _by_reference(text: str) -> Condition:
    return Receipt.reference == gate.written(text)


HISTORY = Listing(
    name="history",
    title="Risk history",
    about="Each change of somebody's risk, with what caused it.",
    key=RiskHistory.id,
    columns=(
        Column("number", "Number", RiskHistory.id, "mono", sortable=True),
        Column("at", "Time (UTC)", RiskHistory.at, "time"),
        Column("from", "From", RiskHistory.from_level, "level"),
        Column("to", "To", RiskHistory.to_level, "level"),
        Column("state", "State", RiskHistory.state, "state"),
        Column("detail", "Detail", RiskHistory.detail, "word"),
        Column("cause", "Cause", RiskHistory.cause),
        Column("by", "By", RiskHistory.actor),
    ),
    order="-number",
    filters=(words.state(RiskHistory.state), *times(RiskHistory.at)),
    hidden={"user_id": RiskHistory.user_id},
)

RECEIPTS = Listing(
    name="receipts",
    title="Decisions",
    about="Each decision about a sign-in, with what it was made from.",
    key=Receipt.id,
    columns=(
        Column("number", "Number", Receipt.id, "mono", sortable=True),
        Column("at", "Time (UTC)", Receipt.at, "time"),
        Column("reference", "Reference", Receipt.reference, "mono"),
        Column("user", "User", User.username),
        Column("client_id", "Application", Receipt.client_id, "mono"),
        Column("endpoint", "Asked at", Receipt.endpoint, "word"),
        Column("outcome", "Outcome", Receipt.outcome, "word"),
        Column("reason", "Reason", Receipt.reason, "word"),
        Column("policy_version", "Policies", Receipt.policy_version, "mono"),
    ),
    order="-number",
    filters=(
        Filter("reference", "Reference", _by_reference),
        Filter("user", "User name", _of_user),
        Filter("client", "Application (id)", equal(Receipt.client_id)),
        Filter("outcome", "Outcome", equal(Receipt.outcome)),
        *times(Receipt.at),
    ),
    hidden={"user_id": Receipt.user_id, "sign_in_id": Receipt.sign_in_id},
    joined=_with_user,
)

POLICY_VERSIONS = Listing(
    name="policy_versions",
    title="Versions of the policies",
    about="What was in force, and who put it there.",
    key=PolicyVersion.version,
    columns=(
        Column("version", "Version", PolicyVersion.version, "mono", sortable=True),
        Column("at", "Time (UTC)", PolicyVersion.applied_at, "time"),
        Column("by", "By", PolicyVersion.applied_by),
        Column("note", "Note", PolicyVersion.note),
        Column("emergency", "Emergency", PolicyVersion.emergency, "yes"),
    ),
    order="-version",
)
