"""The list of who accepted which terms of use."""

from typing import Any

from sqlalchemy import Select, String, cast, select

from idprotect.lists.listing import Column, Condition, Filter, Listing, equal, times
from idprotect.models import TermsAcceptance, User


def _with_user(statement: Select[Any]) -> Select[Any]:
    return statement.select_from(TermsAcceptance).join(User, User.id == TermsAcceptance.user_id)


def _of_user(text: str) -> Condition:
    return TermsAcceptance.user_id.in_(select(User.id).where(User.username == text.lower()))


def _version(text: str) -> Condition:
    return cast(TermsAcceptance.version, String) == text


ACCEPTANCES = Listing(
    name="acceptances",
    title="Accepted terms",
    about="Who accepted which version of which terms of use, and when. A row goes with its user.",
    key=TermsAcceptance.id,
    columns=(
        Column("number", "Number", TermsAcceptance.id, "mono", sortable=True, shown=False),
        Column("at", "Time (UTC)", TermsAcceptance.at, "time"),
        Column("user", "User", User.username, link=("user", "user_id")),
        Column("terms", "Terms", TermsAcceptance.terms, "mono", link=("terms", "terms")),
        Column("version", "Version", TermsAcceptance.version),
        Column("client_id", "On the way to", TermsAcceptance.client_id, "mono"),
        Column("sign_in", "Sign-in", TermsAcceptance.sign_in_id, "mono", link=("sign_in", "sign_in_id")),
        Column("address", "Address", TermsAcceptance.ip_address, "mono", shown=False),
    ),
    order="-number",
    filters=(
        Filter("terms", "Terms (name)", equal(TermsAcceptance.terms)),
        Filter("version", "Version", _version),
        Filter("user", "User name", _of_user),
        *times(TermsAcceptance.at),
    ),
    hidden={"user_id": TermsAcceptance.user_id, "sign_in_id": TermsAcceptance.sign_in_id},
    joined=_with_user,
    always=lambda: ~User.simulated,
    search=_of_user,
    search_label="User name",
)
