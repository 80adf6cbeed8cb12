"""The policies in force: stored in versions, applied from a file, kept parsed in memory by version."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from idprotect import audit, people
from idprotect.audit import Event
from idprotect.conditional_access import (
    BY_DOCUMENT,
    PolicySet,
    PolicyState,
    drafts,
    failed_tests,
    parse_policies,
)
from idprotect.conditional_access.document import place
from idprotect.errors import NotFound, PoliciesChanged, PolicyError, Problem
from idprotect.insights import guards
from idprotect.insights.templates import with_template
from idprotect.models import Client, PolicyVersion, Terms, run, session, table_of
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


def stored(version: int | None = None) -> PolicyVersion:
    """Return a version as it was applied; the one in force when none is named.

    :raises NotFound: when there is no such version.
    """
    found = session().get(PolicyVersion, newest_version() if version is None else version)
    if found is None:
        raise NotFound(
            "no policies were applied yet" if version is None else f"there is no version {version}"
        )
    return found


def versions() -> Sequence[PolicyVersion]:
    """Return all versions, newest first."""
    return session().scalars(select(PolicyVersion).order_by(PolicyVersion.version.desc())).all()


def document() -> dict[str, Any]:
    """Return the document in force, to make another of; it is not to be changed."""
    newest = session().get(PolicyVersion, newest_version())
    return newest.document if newest is not None else {}


def check(draft: dict[str, Any], confirmation: str = "") -> PolicySet:
    """Return the policies of a document that could be put into force, with warnings.

    :param confirmation: what was typed to confirm that everybody may be stopped, see :mod:`idprotect.insights.guards`.
    :raises PolicyError: with every problem: of the document, of its tests, and of what would come of it.
    """
    checked = parse_policies(draft)
    before = current()
    refused = [*_unknown_terms(checked), *(f"test {failure}" for failure in failed_tests(checked))]
    refused += guards.problems(before, checked, people.administrators, confirmation)
    if refused:
        raise PolicyError(refused)
    return replace(checked, warnings=(*checked.warnings, *_unknown_names(checked)))


def apply(
    draft: dict[str, Any], by: str, note: str = "", *, confirmation: str = "", based_on: int | None = None
) -> PolicySet:
    """Put a policy document into force.

    :param based_on: the version that the draft was made from; None lets it take the place of whatever is in force.
    :raises PoliciesChanged: when another version is in force meanwhile.
    :raises PolicyError: see :func:`check`; the policies in force stay.
    """
    check_unchanged(based_on)
    checked = check(draft, confirmation)
    if lost := guards.lost_trust(current(), checked):
        raise PolicyError(
            [f"location {name!r} is trusted; take 'trusted' from it before deleting it" for name in lost]
        )
    before = newest_version() if based_on is None else based_on
    applied = _store(draft, before, current().emergency, by=by, note=note, event=Event.POLICY_APPLIED)
    _keep_terms(applied)
    return replace(applied, warnings=checked.warnings)


def check_unchanged(based_on: int | None) -> None:
    """Refuse a draft that was made from another version than that in force.

    :raises PoliciesChanged: when it was; None never is.
    """
    if based_on is not None and newest_version() != based_on:
        raise PoliciesChanged(based_on)


def set_state(name: str, state: PolicyState, by: str, note: str = "", *, confirmation: str = "") -> PolicySet:
    """Turn one policy on or off, or put it on trial, as a new version.

    :raises NotFound: when no policy is called so.
    """
    draft = drafts.with_state(document(), name, state)
    return apply(draft, by, note or f"{name}: {state}", confirmation=confirmation)


def add_template(kind: str, by: str, author: str = "", *, block: bool = False) -> PolicySet:
    """Put one of the specification's policies on trial.

    :param author: a user name, left out of the policy.
    :raises PolicyError: for a template that does not exist.
    """
    try:
        draft = with_template(document(), kind, author, block=block)
    except ValueError as error:
        raise PolicyError([str(error)]) from None
    return apply(draft, by, f"from the template {kind}")


def roll_back(
    by: str,
    to: int | None = None,
    note: str = "",
    *,
    confirmation: str = "",
    based_on: int | None = None,
) -> PolicySet:
    """Put an old version into force again, as a new version.

    :param to: the version; the last one that said something else when it is None.
    :param based_on: see :func:`apply`.
    """
    check_unchanged(based_on)
    target = stored(to) if to is not None else _last_other()
    check(target.document, confirmation)
    note = f"as version {target.version}" + (f": {note}" if note else "")
    applied = _store(
        target.document,
        newest_version() if based_on is None else based_on,
        current().emergency,
        by=by,
        note=note,
        event=Event.POLICY_ROLLED_BACK,
    )
    _keep_terms(applied)
    return applied


def set_emergency(on: bool, by: str, reason: str) -> PolicySet:
    """Let every policy count as report-only, or end that; audited."""
    if not on:
        check(document(), guards.CONFIRMATION)
    return _store(document(), newest_version(), on, by=by, note=reason, event=Event.POLICY_EMERGENCY)


def _last_other() -> PolicyVersion:
    newest = stored()
    for version in versions():
        if version.document != newest.document:
            return version
    raise NotFound("there is no earlier version to go back to")


def _unknown_terms(checked: PolicySet, *, hold: bool = False) -> list[Problem]:
    """Return what is wrong with policies that ask for terms of use which do not exist: nobody could get past them.

    :param hold: keep those that exist until the end of the transaction.
    """
    if not checked.terms_of_use:
        return []
    statement = select(Terms.name).where(Terms.name.in_(sorted(checked.terms_of_use)))
    known = set(session().scalars(statement.with_for_update(read=True) if hold else statement))
    return [
        Problem(f"no terms of use are called {name!r}", place("policy", policy.name), "terms_of_use")
        for policy in checked.policies
        for name in sorted(policy.terms_of_use - known)
    ]


def _keep_terms(applied: PolicySet) -> None:
    """Refuse policies whose terms of use somebody deleted at this moment: whoever comes second sees the other."""
    if problems := _unknown_terms(applied, hold=True):
        raise PolicyError(problems)


def _unknown_names(checked: PolicySet) -> list[str]:
    """Warn of users and clients that do not exist: mostly a typing mistake, by which a policy never applies."""
    warnings = []
    for policy in checked.policies:
        clients = policy.clients.include | policy.clients.exclude | policy.expression_words("client_id")
        for name in sorted(clients - {people.ACCOUNT, people.CONSOLE, BY_DOCUMENT}):
            if session().get(Client, name) is None:
                warnings.append(f"policy {policy.name!r}: no client is called {name!r}")
        who = policy.who.include | policy.who.exclude
        users = {name.removeprefix("user:") for name in who if name.startswith("user:")}
        for name in sorted(users | policy.expression_words("username")):
            if runtime().directory.find(name) is None:
                warnings.append(f"policy {policy.name!r}: no user is called {name!r}")
    return warnings


def _store(
    draft: dict[str, Any], before: int, emergency: bool, *, by: str, note: str, event: Event
) -> PolicySet:
    """Add the version that follows *before*: of two at one moment the key lets one in."""
    version = before + 1
    session().add(
        PolicyVersion(version=version, document=draft, emergency=emergency, applied_by=by, note=note)
    )
    try:
        session().flush()
    except IntegrityError:
        session().rollback()
        raise PoliciesChanged(before) from None
    audit.record(event, actor=by, version=version, emergency=emergency, note=note)
    return parse_policies(draft, version, emergency=emergency)


def _read(version: int) -> PolicySet:
    if version == 0:
        return PolicySet(0)
    stored = session().get_one(PolicyVersion, version)
    return parse_policies(stored.document, version, emergency=stored.emergency)
