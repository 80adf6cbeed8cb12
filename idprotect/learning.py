"""What is habitual for each user: read to judge a sign-in, changed by what came of it and by what people tell us.

Below :mod:`idprotect.protection`, which says what people told; what teaches and what not stands in
:mod:`idprotect.risk.outcome`.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Executable, bindparam, select, update

from idprotect import clock, counts
from idprotect.models import RiskProfile, SignIn, dialect, insert, run, session, table_of
from idprotect.models.base import UtcDateTime
from idprotect.risk import Attempt, Learning, Profile, Result, RiskLevel, changes, learn, stored_profile
from idprotect.risk.population import Change
from idprotect.runtime import settings

T = TypeVar("T")

log = logging.getLogger("idprotect.learning")

#: So often a change is made when others come first. Who came second holds the row since, so the next try succeeds.
TRIES = 3

_profiles = table_of(RiskProfile).c
_READ = select(_profiles.document, _profiles.version).where(_profiles.user_id == bindparam("user_id"))


def rules() -> Learning:
    """Return how long a user is being learnt."""
    known = settings()
    return Learning(known.learning_days, known.learning_sign_ins, known.learning_inactive_days)


def read(document: Any) -> Profile:
    """Return what is habitual for a user, as it is stored; None: nothing is yet."""
    return stored_profile.load(document) if document is not None else Profile()


def profile(user_id: str) -> Profile:
    """Return what is habitual for a user. One statement."""
    return _read(user_id)[0]


def outcome(
    attempt: Attempt, result: Result, level: RiskLevel, device: str | None, session_id: str | None
) -> None:
    """Let what came of an attempt be counted, and be learnt where the user is known.

    :param device: id of the device cookie that the browser holds from now on.
    :param session_id: id of the session that was begun.
    """

    def learn_it(profile: Profile) -> list[Change]:
        # What is new to the user is so before it is learnt.
        added = changes(attempt, result, level, profile, device)
        learn(profile, attempt, result, level, rules(), device=device, session=session_id)
        return added

    if attempt.user is None:
        counts.add(attempt.at, changes(attempt, result, level, None, device))
    else:
        counts.add(attempt.at, _change(attempt.user, learn_it))


def teach(user_id: str, sign_in: SignIn) -> None:
    """Take a sign-in for its owner's: somebody who can tell confirmed it."""
    sign_in.teaches = True
    if sign_in.signals:
        attempt = Attempt.from_dict(sign_in.signals)
        _change(user_id, lambda profile: profile.confirm(attempt))


def disown(user_id: str, sign_in: SignIn) -> None:
    """Learn nothing from a sign-in, nor what was new since: its user says that it was somebody else."""
    sign_in.teaches = False
    _change(user_id, lambda profile: profile.forget_since(sign_in.signed_in_at.timestamp()))


def take_back(user_id: str, sign_in: SignIn) -> None:
    """Forget that a sign-in was confirmed: its outcome tells again."""
    sign_in.teaches = None


def restart(user_id: str) -> None:
    """Learn anew from now on: what was learnt before is kept, and not relied upon."""
    _change(user_id, lambda profile: profile.restart(clock.now().timestamp()))


def forget_since(user_id: str, when: datetime) -> None:
    """Learn nothing from the sign-ins since *when*: somebody else may be among them, and confirmed their own."""
    theirs = update(SignIn).where(SignIn.user_id == user_id, SignIn.succeeded, SignIn.signed_in_at >= when)
    session().execute(theirs.values(teaches=False))
    _change(user_id, lambda profile: profile.forget_since(when.timestamp()))


def _change(user_id: str, change: Callable[[Profile], T]) -> T:
    """Read a profile, change it, and write it unless it changed meanwhile; then again. The caller commits.

    Returns what *change* returned at the last try.
    """
    for _ in range(TRIES):
        profile, version = _read(user_id)
        changed = change(profile)
        written = run(
            _write_statement(dialect()),
            user_id=user_id,
            document=stored_profile.dump(profile),
            version=version + 1,
            read=version,
            now=clock.now(),
        )
        if written.rowcount:
            break
    else:
        log.warning("the profile of a user changed too often to be changed once more")
    return changed


def _read(user_id: str) -> tuple[Profile, int]:
    row = run(_READ, user_id=user_id).first()
    return (read(row.document), row.version) if row is not None else (read(None), 0)


@cache
def _write_statement(dialect_name: str) -> Executable:
    names = ("user_id", "document", "version")
    first = insert(RiskProfile, dialect_name).values(
        **{name: bindparam(name) for name in names}, changed_at=bindparam("now", type_=UtcDateTime)
    )
    new: Any = first.excluded
    changed = first.on_conflict_do_update(
        index_elements=["user_id"],
        set_={"document": new.document, "version": new.version, "changed_at": new.changed_at},
        where=_profiles.version == bindparam("read"),
    )
    # Without the option the count of an INSERT is lost with psycopg's cursor, and every change seems to be made.
    return changed.execution_options(preserve_rowcount=True)
