"""The policies in force: stored in versions, applied from a file, kept parsed in memory by version."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from idprotect import audit
from idprotect.audit import Event
from idprotect.conditional_access import PolicySet, parse_policies
from idprotect.errors import PolicyError
from idprotect.models import PolicyVersion, run, session, table_of
from idprotect.runtime import runtime

_NEWEST = select(func.max(table_of(PolicyVersion).c.version))
NEWEST = _NEWEST.scalar_subquery()


def newest_version() -> int:
    """Return the version in force; 0 when none was ever applied."""
    return run(_NEWEST).scalar() or 0


def current() -> PolicySet:
    """Return the policies in force."""
    return load(newest_version())


def load(version: int) -> PolicySet:
    """Return the policies of a version; versions never change, so each is parsed once a process."""
    cached = runtime().policies.get(version)
    if cached is None:
        cached = _read(version)
        if len(runtime().policies) > 100:
            runtime().policies.clear()
        runtime().policies[version] = cached
    return cached


def apply(document: dict[str, Any], by: str) -> PolicySet:
    """Put a policy document into force.

    :raises PolicyError: with every problem; the policies in force stay.
    """
    parse_policies(document)
    stored = session().get(PolicyVersion, newest_version())
    return _store(
        document, emergency=stored.emergency if stored else False, by=by, event=Event.POLICY_APPLIED
    )


def set_emergency(on: bool, by: str) -> PolicySet:
    """Let every policy count as report-only, or end that; audited."""
    stored = session().get(PolicyVersion, newest_version())
    document = stored.document if stored else {}
    return _store(document, emergency=on, by=by, event=Event.POLICY_EMERGENCY)


def _store(document: dict[str, Any], *, emergency: bool, by: str, event: Event) -> PolicySet:
    version = newest_version() + 1
    session().add(PolicyVersion(version=version, document=document, emergency=emergency, applied_by=by))
    try:
        session().flush()
    except IntegrityError:
        session().rollback()
        raise PolicyError(
            ["somebody else applied policies at the same moment; look at them and try again"]
        ) from None
    audit.record(event, actor=by, version=version, emergency=emergency)
    return parse_policies(document, version, emergency=emergency)


def _read(version: int) -> PolicySet:
    if version == 0:
        return PolicySet(0)
    stored = session().get_one(PolicyVersion, version)
    return parse_policies(stored.document, version, emergency=stored.emergency)
