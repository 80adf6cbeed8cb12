"""Who accepted which version of terms of use, and when: the fact that policies ask for.

An acceptance is a row that never changes, and goes with its user. It proves nothing about who somebody is.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Row, and_, func, select

from idprotect import audit, clock
from idprotect.audit import Event
from idprotect.conditional_access import AcceptedTerms
from idprotect.models import (
    SignIn,
    Terms,
    TermsAcceptance,
    TermsVersion,
    User,
    dialect,
    insert,
    session,
    table_of,
)

_OF_VERSION = and_(
    TermsVersion.terms == TermsAcceptance.terms, TermsVersion.version == TermsAcceptance.version
)


def accepted(user_id: str, names: Collection[str]) -> tuple[AcceptedTerms, ...]:
    """Return which of these terms a user accepted: the newest version of each, and when that was last."""
    if not names:
        return ()
    theirs = (TermsAcceptance.user_id == user_id, Terms.name.in_(sorted(names)))
    statement = (
        select(Terms.name, TermsAcceptance.version, TermsAcceptance.at, Terms.required, Terms.valid_days)
        .join(TermsAcceptance, TermsAcceptance.terms == Terms.name)
        .where(*theirs)
        .order_by(TermsAcceptance.version, TermsAcceptance.round)
    )
    newest = {row.name: AcceptedTerms(*row) for row in session().execute(statement)}
    return tuple(newest[name] for name in sorted(newest))


def of(user_id: str) -> Sequence[Row[TermsAcceptance, str]]:
    """Return every acceptance of a user with the title of what was accepted, the newest first."""
    statement = select(TermsAcceptance, TermsVersion.title).join(TermsVersion, _OF_VERSION)
    mine = statement.where(TermsAcceptance.user_id == user_id)
    return session().execute(mine.order_by(TermsAcceptance.id.desc())).all()


def accept(user: User, shown: TermsVersion, sign_in: SignIn, client_id: str, ip_address: str | None) -> None:
    """Note that a user accepted the version that was shown.

    Said twice, it is one acceptance, also at the same moment in two browsers; once it has run out, it is another.
    """
    terms = session().get_one(Terms, shown.terms)
    rounds = _rounds(user.id, shown)
    now = clock.now()
    if rounds and AcceptedTerms(terms.name, at=rounds[-1], valid_days=terms.valid_days).holds(now):
        return
    values = {
        "user_id": user.id,
        "terms": shown.terms,
        "version": shown.version,
        "round": len(rounds),
        "at": now,
        "sign_in_id": sign_in.id,
        "client_id": client_id,
        "ip_address": ip_address,
        "is_coarse": False,
    }
    statement = insert(TermsAcceptance, dialect()).values(values)
    once = statement.on_conflict_do_nothing(index_elements=["user_id", "terms", "version", "round"])
    added = session().execute(once.returning(table_of(TermsAcceptance).c.id)).first()
    if added is not None:
        _record(Event.TERMS_ACCEPTED, user, shown, sign_in, client_id)


def decline(user: User, shown: TermsVersion, sign_in: SignIn, client_id: str) -> None:
    """Note that a user did not accept; nothing else comes of it, and the next sign-in asks again."""
    _record(Event.TERMS_DECLINED, user, shown, sign_in, client_id)


def count(terms: str, version: int | None = None) -> int:
    """Return how many people accepted terms, in one version or in any."""
    people = (
        select(func.count(TermsAcceptance.user_id.distinct()))
        .join(User, User.id == TermsAcceptance.user_id)
        .where(TermsAcceptance.terms == terms, ~User.simulated)
    )
    if version is not None:
        people = people.where(TermsAcceptance.version == version)
    return session().scalar(people) or 0


def _rounds(user_id: str, shown: TermsVersion) -> Sequence[datetime]:
    """Return when a user accepted this very version, the last time last."""
    mine = (
        TermsAcceptance.user_id == user_id,
        TermsAcceptance.terms == shown.terms,
        TermsAcceptance.version == shown.version,
    )
    return session().scalars(select(TermsAcceptance.at).where(*mine).order_by(TermsAcceptance.round)).all()


def _record(event: Event, user: User, shown: TermsVersion, sign_in: SignIn, client_id: str) -> None:
    audit.record(
        event,
        actor=user.username,
        user_id=user.id,
        sign_in_id=sign_in.id,
        client_id=client_id,
        terms=shown.terms,
        version=shown.version,
    )
