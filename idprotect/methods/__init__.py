"""Second factors: which ones a user has, and the one way through which any of them is proved or added.

To add a method: write a class of the shape :class:`idprotect.methods.base.Method` in a file of its own, and add it
to ``METHODS``. (The password is checked in :mod:`idprotect.sign_ins`.)
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, select, update

from idprotect import audit, clock, notifications, protection, session_moves, sessions, sign_ins, throttle
from idprotect.audit import Event
from idprotect.errors import InteractionError, TooManyAttempts
from idprotect.methods import recovery
from idprotect.methods.base import Method
from idprotect.methods.passkey import Passkey
from idprotect.methods.sms import Sms
from idprotect.methods.totp import Totp
from idprotect.models import Authenticator, RecoveryCode, SignIn, User, rows_changed, session
from idprotect.risk import Result
from idprotect.runtime import settings

_ALL: tuple[Method, ...] = (Passkey(), Totp(), Sms())
METHODS = {method.name: method for method in _ALL}
RECOVERY_CODE = "recovery_code"
LONGEST_CODE = 64  # of a recovery code
WRONG_CODE = "This code is not right, or it was used or replaced by a newer one."
WRONG_ANSWER = (
    "That did not work: this passkey was not accepted, or the page was open for too long. Please try again."
)


def registered(user_id: str) -> Sequence[Authenticator]:
    """Return the authenticators that can be used, best first."""
    statement = select(Authenticator).where(
        Authenticator.user_id == user_id,
        Authenticator.confirmed_at.is_not(None),
        Authenticator.disabled_at.is_(None),
    )
    found = session().scalars(statement.order_by(Authenticator.created_at)).all()
    order = list(METHODS)
    return sorted((a for a in found if a.method in METHODS), key=lambda a: order.index(a.method))


def offered() -> Sequence[Method]:
    """Return the methods that can be set up on this server, best first."""
    return [method for method in METHODS.values() if method.is_offered()]


def unconfirmed(user: User, sign_in: SignIn, method: str) -> Authenticator | None:
    """Return what is being registered in this sign-in."""
    statement = select(Authenticator).where(
        Authenticator.user_id == user.id,
        Authenticator.method == method,
        Authenticator.confirmed_at.is_(None),
        Authenticator.registered_in == sign_in.id,
    )
    return session().scalar(statement.order_by(Authenticator.created_at.desc()))


def prove(user: User, sign_in: SignIn, authenticator: Authenticator, answer: str) -> None:
    """Prove a second factor by one code, or by what the browser answers.

    :raises InteractionError: when it is wrong; it has been counted before it was compared.
    """
    _count_try(user, sign_in)
    method = METHODS[authenticator.method]
    if not method.is_right(authenticator, sign_in, answer):
        _note_failure(user, sign_in, authenticator)
        raise _refused(method)
    authenticator.failures, authenticator.last_used_at = 0, clock.now()
    _passed(user, sign_in, method.amr(authenticator), method.name)


def prove_by_recovery_code(user: User, sign_in: SignIn, code: str) -> None:
    """Prove a second factor by a recovery code.

    :raises InteractionError: when there is no such unused code.
    """
    _count_try(user, sign_in)
    if not recovery.use(user.id, code[:LONGEST_CODE]):
        audit.record(
            Event.MFA_FAILED, actor="anonymous", user_id=user.id, sign_in_id=sign_in.id, method=RECOVERY_CODE
        )
        session().commit()
        raise InteractionError(WRONG_CODE, "code")
    _passed(user, sign_in, "otp", RECOVERY_CODE)
    notifications.recovery_code_used(user, recovery.left(user.id))


def start_registration(user: User, sign_in: SignIn, method_name: str, text: str = "") -> Authenticator:
    """Make an authenticator that an answer still has to prove; it replaces what was begun before."""
    authenticator = METHODS[method_name].register(user, sign_in, text)
    begun = (
        Authenticator.user_id == user.id,
        Authenticator.method == method_name,
        Authenticator.confirmed_at.is_(None),
    )
    session().execute(delete(Authenticator).where(*begun))
    session().add(authenticator)
    session().commit()
    return authenticator


def confirm_registration(
    user: User, sign_in: SignIn, authenticator: Authenticator, answer: str, *, at_risk: bool
) -> list[str]:
    """Let an authenticator count, because an answer proved it; return new recovery codes if the user has none.

    :param at_risk: added during a risky sign-in: flagged, and told to the user.
    :raises InteractionError: when the answer is wrong.
    """
    _count_try(user, sign_in)
    method = METHODS[authenticator.method]
    if not method.is_right(authenticator, sign_in, answer):
        raise _refused(method)
    now = clock.now()
    statement = (
        update(Authenticator)
        .where(Authenticator.id == authenticator.id, Authenticator.confirmed_at.is_(None))
        .values(confirmed_at=now, last_used_at=now, registered_at_risk=at_risk)
    )
    if rows_changed(statement) != 1:
        raise _refused(method)
    disabled = (Authenticator.user_id == user.id, Authenticator.disabled_at.is_not(None))
    session().execute(delete(Authenticator).where(*disabled))  # this one takes their place
    audit.record(
        Event.FACTOR_ADDED,
        actor=user.username,
        user_id=user.id,
        sign_in_id=sign_in.id,
        method=method.name,
        at_risk=at_risk,
    )
    notifications.factor_added(user, method.label, at_risk=at_risk)
    _passed(user, sign_in, method.amr(authenticator), method.name)
    return recovery.replace(user) if not recovery.left(user.id) else []


def all_of(user_id: str) -> Sequence[Authenticator]:
    """Return every authenticator, also those that were disabled or never proved."""
    statement = select(Authenticator).where(Authenticator.user_id == user_id)
    return session().scalars(statement.order_by(Authenticator.created_at)).all()


def remove_all(user: User, by: str) -> None:
    """Take every authenticator and recovery code away, and end what they had let in."""
    for authenticator in all_of(user.id):
        remove(user, authenticator, by)
    session().execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    sessions.end_all(user.id, "factors_removed", actor=by)


def remove(user: User, authenticator: Authenticator, by: str) -> None:
    """Take an authenticator away."""
    label = METHODS[authenticator.method].label if authenticator.method in METHODS else authenticator.method
    session().delete(authenticator)
    audit.record(Event.FACTOR_REMOVED, actor=by, user_id=user.id, method=authenticator.method)
    notifications.factor_removed(user, label)


def _count_try(user: User, sign_in: SignIn) -> None:
    """Count before comparing, over all sessions of the account and within this one; commits."""
    tries, window = settings().one_time_code_tries, timedelta(seconds=settings().one_time_code_lifetime)
    throttle.check(f"mfa-user:{user.id}", settings().mfa_tries_per_hour, timedelta(hours=1))
    try:
        throttle.check(f"mfa-sign-in:{sign_in.id}", tries, window)
    except TooManyAttempts:
        sign_ins.challenge_failed(user, sign_in, tries)
        raise


def _passed(user: User, sign_in: SignIn, amr: str, method: str) -> None:
    protection.hold(user.id)
    throttle.take_back(f"mfa-user:{user.id}")
    throttle.forget(f"mfa-sign-in:{sign_in.id}")
    session_moves.settle(user, sign_in, Result.CHALLENGE_PASSED)
    before = sign_in.acr
    sign_ins.prove(sign_in, amr)
    audit.record(
        Event.MFA_PASSED,
        actor=user.username,
        user_id=user.id,
        sign_in_id=sign_in.id,
        method=method,
        raised=sign_in.acr != before,
    )


def _note_failure(user: User, sign_in: SignIn, authenticator: Authenticator) -> None:
    """Count a consecutive failure of the authenticator itself, over days; disable it at the hundredth. Commits."""
    statement = (
        update(Authenticator)
        .where(Authenticator.id == authenticator.id)
        .values(failures=Authenticator.failures + 1)
        .returning(Authenticator.failures)
    )
    failures = session().execute(statement, execution_options={"synchronize_session": False}).scalar_one()
    audit.record(
        Event.MFA_FAILED,
        actor="anonymous",
        user_id=user.id,
        sign_in_id=sign_in.id,
        method=authenticator.method,
    )
    if failures >= throttle.MOST_FAILURES:
        rows_changed(
            update(Authenticator).where(Authenticator.id == authenticator.id).values(disabled_at=clock.now())
        )
        audit.record(Event.FACTOR_DISABLED, actor="system", user_id=user.id, method=authenticator.method)
    session().commit()


def _refused(method: Method) -> InteractionError:
    return InteractionError(WRONG_ANSWER) if method.asks_browser else InteractionError(WRONG_CODE, "code")
