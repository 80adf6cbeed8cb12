"""Signing in: the password, the judgement, and what comes of it.

How a session goes on afterwards is in :mod:`idprotect.session_cookie`.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, select, update

from idprotect import (
    audit,
    browser,
    clock,
    judging,
    learning,
    notifications,
    policies,
    protection,
    session_cookie,
    simulated,
    throttle,
    usernames,
    users,
)
from idprotect.audit import Event
from idprotect.browser import Visitor
from idprotect.errors import InteractionError
from idprotect.judging import Holder
from idprotect.keys import sha256
from idprotect.models import (
    AuditEvent,
    Device,
    SignIn,
    SignInFacts,
    User,
    UserFacts,
    add,
    dialect,
    insert,
    new_id,
    run,
    session,
    table_of,
)
from idprotect.models.base import UtcDateTime
from idprotect.risk import Assessment, Attempt, Result, RiskLevel, RiskState
from idprotect.risk.detections.failed_challenge import failed_challenge
from idprotect.runtime import runtime, settings
from idprotect.session_cookie import Standing

log = logging.getLogger("idprotect.sign_ins")

WRONG = "The user name or password is not right."
FAILURE_WINDOW = timedelta(minutes=15)

_devices, _sign_ins = table_of(Device), table_of(SignIn)
_MOVE_DEVICE = (
    update(_devices)
    .where(_devices.c.device_hash == bindparam("former"))
    .values(device_hash=bindparam("moved_to"))
)
_IN_DEVICE = (
    update(_sign_ins)
    .where(_sign_ins.c.id == bindparam("sign_in_id"))
    .values(device_hash=bindparam("device_hash"), browser_id=bindparam("browser_id"))
)


@dataclass(frozen=True, slots=True)
class Try:
    """One try at a password, counted as failed before anything is compared.

    :param holder: which browser it is made in.
    """

    holder: Holder
    account_key: str

    def take_back(self) -> None:
        """It turned out well."""
        throttle.forget(self.account_key)


def attempt(username: str, password: str, visitor: Visitor) -> str:
    """Try a password, judge the sign-in when it is right, and return its id.

    Everything that can be observed is the same for unknown, disabled, blocked and compromised users until the
    password is right.

    :raises InteractionError: when it is wrong, or too early for another try.
    :raises EvaluationError: when the sign-in could not be judged; then there is none.
    """
    user = runtime().directory.find(username)
    tried = count_try(user, username, visitor)
    if not password_is_right(user, password) or user is None:
        record_failure(user, visitor, tried.holder)
        raise InteractionError(WRONG)
    tried.take_back()
    users.renew_hash(user, password)
    return begin(user, visitor, password=password, holder=tried.holder)


def count_try(user: User | None, username: str, visitor: Visitor) -> Try:
    """Count a try at the password of *user*, or of nobody: then under the name that was typed. Commits.

    :raises TooManyAttempts: when it is too early for another.
    """
    holder = judging.holder(visitor, user)
    name = user.username if user is not None else usernames.loose(username)
    counted = account_key(name, visitor, holder.familiar)
    if not holder.familiar:
        throttle.refuse_beyond(_failure_limits(visitor), FAILURE_WINDOW)
    # Counted and committed before anything is compared, so parallel tries cannot share a count.
    throttle.reserve_failure(counted, settings().free_password_tries)
    return Try(holder, counted)


def begin(user: User, visitor: Visitor, *, password: str | None, holder: Holder) -> str:
    """Judge a sign-in whose password was right, store it, and give the browser its cookie; return its id. Commits.

    :raises EvaluationError: when it could not be judged and ``IDPROTECT_DETECTOR_FAILURE`` says to refuse.
    """
    attempt = judging.attempt_at(user, visitor, holder.browser_id, password_ok=True)
    assessment = judging.judge(attempt, password)
    sign_in_id = new_id()
    judged = _judged(attempt, assessment, holder.familiar)
    cookie_hash = session_cookie.begin(sign_in_id)
    add(SignIn, _seen(user, visitor, attempt) | judged | {"id": sign_in_id, "cookie_hash": cookie_hash})
    if assessment.findings:
        protection.raise_detections(user, assessment.findings, session().get_one(SignIn, sign_in_id))
    audit.record(
        Event.SIGN_IN_SUCCEEDED,
        actor=user.username,
        user_id=user.id,
        sign_in_id=sign_in_id,
        risk=assessment.level.label,
        not_evaluated=dict(assessment.not_evaluated),
    )
    session().commit()
    return sign_in_id


def record_failure(user: User | None, visitor: Visitor, holder: Holder) -> None:
    """Store a sign-in with a wrong password. It feeds counters, never a user's detections. Commits."""
    attempt = judging.attempt_at(user, visitor, holder.browser_id, password_ok=False)
    sign_in_id, user_id = new_id(), user.id if user is not None else None
    add(SignIn, _seen(user, visitor, attempt) | {"id": sign_in_id, "succeeded": False})
    learning.outcome(attempt, Result.FAILURE, RiskLevel.NONE, None, None)
    audit.record(
        Event.SIGN_IN_FAILED,
        actor="anonymous",
        user_id=user_id,
        sign_in_id=sign_in_id,
        ip=visitor.ip_address,
    )
    for key in _failure_limits(visitor):  # last, so that the row that all share is held for the commit alone
        throttle.hit(key, FAILURE_WINDOW)
    session().commit()


def check_current_password(user: User, password: str, visitor: Visitor) -> None:
    """Compare the password of somebody who is signed in, under the same limits as signing in. Commits.

    :raises InteractionError: when it is wrong, or too early for another try.
    """
    key = account_key(user.username, visitor, judging.holder(visitor, user).familiar)
    throttle.reserve_failure(key, settings().free_password_tries)
    is_right = runtime().directory.verify_password(user, password)
    if is_right:
        throttle.forget(key)
        session().commit()  # whatever comes of the new password
    if not is_right or not users.still_has_password(user):
        raise InteractionError("This is not your current password.", "current")


def prove(sign_in: SignIn, amr: str) -> None:
    """Note that a second factor was proved in this sign-in, and change the cookie: it is worth more now."""
    now = clock.now()
    sign_in.amr = [*dict.fromkeys([*sign_in.amr, amr, "mfa"])]
    sign_in.mfa_at = sign_in.authenticated_at = now
    session_cookie.renew(sign_in)


def complete(current: Standing) -> None:
    """The sign-in ended with access. The first time, its browser becomes familiar if nothing is open against it."""
    sign_in, user = current.sign_in, current.user
    if sign_in.completed_at is not None or not protection.completed(sign_in):
        return
    if user.username in policies.load(current.policy_version).break_glass:
        _alarm(user, sign_in)
    browser_id = _remember_device(user, sign_in) if not sign_in.aggregated_level else None
    if sign_in.signals:
        attempt, level = Attempt.from_dict(sign_in.signals), RiskLevel(sign_in.aggregated_level)
        learning.outcome(attempt, Result.SUCCESS, level, browser_id or attempt.device, sign_in.id)


def _learn(sign_in: SignIn, result: Result) -> None:
    """Let the engine know that a sign-in came to nothing; one from before it kept signals teaches nothing."""
    if sign_in.signals:
        learning.outcome(Attempt.from_dict(sign_in.signals), result, sign_in.risk, None, None)


def _alarm(user: UserFacts, sign_in: SignInFacts) -> None:
    """Tell every administrator that the account to which no policy applies was used."""
    audit.record(
        Event.BREAK_GLASS_USED,
        actor=user.username,
        user_id=user.id,
        sign_in_id=sign_in.id,
        ip=sign_in.ip_address,
    )
    notifications.break_glass_used(user, sign_in.ip_address, users.administrators())


def stopped(user: User, sign_in: SignIn) -> None:
    """A policy blocked this sign-in: tell the user, once."""
    already = select(AuditEvent.id).where(
        AuditEvent.sign_in_id == sign_in.id, AuditEvent.name == str(Event.SIGN_IN_BLOCKED)
    )
    if session().scalar(already) is not None:
        return
    audit.record(Event.SIGN_IN_BLOCKED, actor="system", user_id=sign_in.user_id, sign_in_id=sign_in.id)
    _learn(sign_in, Result.BLOCKED)
    notifications.sign_in_stopped(user, sign_in.device_name, sign_in.signed_in_at)


def challenge_failed(user: User, sign_in: SignIn, tries: int) -> None:
    """The second factor that a risky sign-in was asked for failed for good: that speaks against it, once. Commits."""
    finding = failed_challenge(tries)
    if not sign_in.aggregated_level or protection.was_raised(sign_in, finding.name):
        return
    protection.raise_detection(user, finding, sign_in)
    _learn(sign_in, Result.CHALLENGE_FAILED)
    session().commit()


def password_is_right(user: User | None, password: str) -> bool:
    """Compare a password; a temporary one is used up by it."""
    if not runtime().directory.verify_password(user, password) or user is None:
        return False
    if user.simulated and not simulated.is_running():
        return False
    if user.temporary_password_hash:
        return users.use_temporary_password(user)
    return users.still_has_password(user)


def account_key(username: str, visitor: Visitor, familiar: bool) -> str:
    """Count a familiar browser by itself, so that an attacker's failures do not lock the owner out."""
    key = users.password_key(username)
    return f"{key}:{(visitor.device_hash or '')[:32]}" if familiar else key


def _failure_limits(visitor: Visitor) -> dict[str, int]:
    """Return which counters a wrong password of a browser that is not familiar moves, and how far they go.

    A simulation moves none that others share.
    """
    if simulated.is_running():
        return {}
    limits = settings()
    return {
        f"password-address:{throttle.network_of(visitor.ip_address)}": limits.password_failures_per_address,
        "password-all": limits.password_failures_in_all,
    }


def _seen(user: User | None, visitor: Visitor, attempt: Attempt) -> dict[str, Any]:
    """Return the columns of any sign-in; with these alone it is over as soon as it was tried."""
    now = datetime.fromtimestamp(attempt.at, UTC)
    return {
        "user_id": user.id if user is not None else None,
        "signed_in_at": now,
        "authenticated_at": now,
        "last_seen_at": now,
        "expires_at": now,
        "ip_address": visitor.ip_address,
        "user_agent": visitor.user_agent,
        "device_name": visitor.device_name,
        "platform": visitor.platform,
        "place": judging.place_of(attempt.network),
        "country": attempt.country,
        "device_hash": visitor.device_hash,
        "signals": attempt.to_dict(),
        "simulated": simulated.is_running(),
    }


def _judged(attempt: Attempt, assessment: Assessment, familiar: bool) -> dict[str, Any]:
    """Return what a sign-in with the right password has besides."""
    level = assessment.level
    lifetime = timedelta(seconds=settings().session_absolute)
    return {
        "succeeded": True,
        "amr": ["pwd"],
        "known_device": familiar,
        "score": assessment.score,
        "site": attempt.site,
        "browser": attempt.browser.exact,
        "expires_at": datetime.fromtimestamp(attempt.at, UTC) + lifetime,
        "risk_level": int(level),
        "aggregated_level": int(level),
        "risk_state": str(RiskState.AT_RISK if level else RiskState.NONE),
        "not_evaluated": dict(assessment.not_evaluated),
    }


def _remember_device(user: UserFacts, sign_in: SignInFacts) -> str:
    """Let this browser be familiar from now on, and return its id.

    A cookie that is not this user's yet is replaced: somebody else may have left it here, and kept a copy.
    """
    token = browser.read_cookie(browser.DEVICE)
    holder = judging.holder(browser.visitor(), user)
    browser_id = holder.browser_id or new_id()
    if token is None or not holder.familiar:
        former, token = token, browser.new_token()
        if former is not None:
            # Several people may share a browser: the others stay familiar in it.
            run(_MOVE_DEVICE, former=sha256(former), moved_to=sha256(token))
    device = {"device_hash": sha256(token), "browser_id": browser_id}
    known = {"user_id": user.id, "name": sign_in.device_name, "now": clock.now()}
    run(_remember_statement(dialect()), **device, **known)
    run(_IN_DEVICE, sign_in_id=sign_in.id, **device)
    browser.set_cookie(browser.DEVICE, token, browser.DEVICE_LIFETIME)
    return browser_id


@cache
def _remember_statement(dialect_name: str) -> Any:
    now = bindparam("now", type_=UtcDateTime)
    values: dict[str, Any] = {
        name: bindparam(name) for name in ("device_hash", "user_id", "browser_id", "name")
    }
    first = insert(Device, dialect_name).values(**values, first_seen_at=now, last_seen_at=now)
    return first.on_conflict_do_update(index_elements=["device_hash", "user_id"], set_={"last_seen_at": now})
