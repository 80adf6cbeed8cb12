"""Drafts of policies: texts that wait under a name until somebody goes on with them, uses them, or throws them away.

A draft may break every rule: those are asked about when it is checked, and when it comes into force. Everybody who may
change policies may go on with it; who saves says which revision they saw, so nobody's work is overwritten unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from idprotect import audit, clock, policies
from idprotect.audit import Event
from idprotect.conditional_access import PolicySet, parse_policies
from idprotect.conditional_access.toml import from_toml
from idprotect.errors import DraftChanged, InteractionError, NotFound, PolicyError
from idprotect.insights import differences
from idprotect.insights.differences import Difference
from idprotect.models import PolicyDraft, rows_changed, session

MOST = 100
LONGEST_NAME, LONGEST_TEXT = 64, 60_000


@dataclass(frozen=True)
class Comparison:
    """How a draft differs from what is in force.

    :ivar problems: why that cannot be said yet; then nothing else is.
    :ivar diff: line by line.
    """

    problems: Sequence[str] = ()
    changes: Sequence[Difference] = ()
    diff: str = ""


def drafts() -> Sequence[PolicyDraft]:
    """Return all drafts, those that were saved last first."""
    return session().scalars(select(PolicyDraft).order_by(PolicyDraft.saved_at.desc())).all()


def get(draft_id: str) -> PolicyDraft:
    """Return a draft as it is stored now; raise NotFound when there is none."""
    found = session().get(PolicyDraft, draft_id, populate_existing=True)
    if found is None:
        raise NotFound(f"no draft has the id {draft_id!r}")
    return found


def find(name: str) -> PolicyDraft:
    """Return the draft of a name; raise NotFound when there is none."""
    found = session().scalar(select(PolicyDraft).where(PolicyDraft.name == name))
    if found is None:
        raise NotFound(f"no draft is called {name!r}")
    return found


def compare(text: str) -> Comparison:
    """Compare the text of a draft with what is in force."""
    try:
        document = from_toml(text)
        parse_policies(document)
    except PolicyError as error:
        return Comparison(problems=error.problems)
    force = policies.document()
    diff = differences.unified(force, document, "in force", "draft")
    return Comparison(changes=differences.by_name(force, document), diff=diff)


def create(name: str, text: str, based_on: int, by: str) -> PolicyDraft:
    """Put policies aside under a new name.

    :param based_on: the version in force that they were made from.
    :raises InteractionError: for a name that is taken or none, for too long a text, and for too many drafts.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InteractionError(f"A draft needs a name of at most {LONGEST_NAME} characters.", "draft_name")
    if (session().scalar(select(func.count()).select_from(PolicyDraft)) or 0) >= MOST:
        raise InteractionError(f"There are {MOST} drafts already. Discard one first.")
    draft = PolicyDraft(name=name, text=as_kept(text), based_on=based_on, created_by=by, saved_by=by)
    session().add(draft)
    try:
        session().flush()
    except IntegrityError:
        session().rollback()
        raise InteractionError("There is a draft of this name already.", "draft_name") from None
    _record(Event.POLICY_DRAFT_SAVED, draft, by)
    return draft


def save(draft: PolicyDraft, text: str, based_on: int, by: str, revision: int) -> None:
    """Go on with a draft.

    :param revision: the one that was seen.
    :raises DraftChanged: when it is not the newest any more.
    """
    rows = rows_changed(
        update(PolicyDraft)
        .where(PolicyDraft.id == draft.id, PolicyDraft.revision == revision)
        .values(
            text=as_kept(text), based_on=based_on, revision=revision + 1, saved_at=clock.now(), saved_by=by
        )
    )
    if not rows:
        raise DraftChanged
    session().refresh(draft)
    _record(Event.POLICY_DRAFT_SAVED, draft, by)


def apply(
    draft: PolicyDraft, text: str, based_on: int, by: str, note: str, revision: int, confirmation: str = ""
) -> PolicySet:
    """Put a draft into force as it was typed last, and take it off the shelf.

    :raises DraftChanged: when somebody else saved it meanwhile.
    :raises PolicyError: see :func:`idprotect.policies.apply`; the draft stays.
    """
    _take(draft, revision)
    applied = policies.apply(from_toml(text), by, note, confirmation=confirmation, based_on=based_on)
    _record(Event.POLICY_DRAFT_APPLIED, draft, by, version=applied.version)
    return applied


def discard(draft: PolicyDraft, by: str, reason: str, revision: int) -> None:
    """Throw a draft away.

    :raises DraftChanged: when somebody else saved it meanwhile.
    """
    _take(draft, revision)
    _record(Event.POLICY_DRAFT_DISCARDED, draft, by, reason=reason)


def _take(draft: PolicyDraft, revision: int) -> None:
    """Take a draft off the shelf: of two at one moment, one does."""
    session().expunge(draft)
    if not rows_changed(
        delete(PolicyDraft).where(PolicyDraft.id == draft.id, PolicyDraft.revision == revision)
    ):
        raise DraftChanged


def as_kept(text: str) -> str:
    """Return a text with the line ends of a file; browsers send others."""
    if len(text) > LONGEST_TEXT:
        raise InteractionError(f"A draft has at most {LONGEST_TEXT} characters.", "draft")
    return "\n".join(text.splitlines()) + "\n"


def _record(event: Event, draft: PolicyDraft, by: str, **more: Any) -> None:
    facts: dict[str, Any] = {"draft": draft.name, "revision": draft.revision, "based_on": draft.based_on}
    audit.record(event, actor=by, **facts, **more)
