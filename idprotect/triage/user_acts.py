"""Acts about a person as a whole."""

from collections.abc import Collection

from sqlalchemy import select

from idprotect import methods, protection, sessions, users
from idprotect.errors import InteractionError
from idprotect.models import RiskDetection, session
from idprotect.protection import IS_OPEN
from idprotect.risk import RiskEvent
from idprotect.risk.states import UNDONE
from idprotect.runtime import runtime
from idprotect.triage.act import Act, Option, Target

END_SESSIONS = "end_sessions"

SAME_PASSWORD = "The password stays as it is."  # noqa: S105 (a sentence)
SAME_SESSIONS = "Sessions and tokens go on."
NO_BLOCK = "The person is not blocked from signing in."


def _confirm_compromised(target: Target, by: str, reason: str, ticked: Collection[str]) -> None:
    protection.confirm_compromised(target.known_user, by, reason, end_sessions=END_SESSIONS in ticked)


def _confirm_safe(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
    protection.confirm_safe(target.known_user, by, reason)


def _dismiss(target: Target, by: str, reason: str, ticked: Collection[str]) -> None:
    protection.dismiss(target.known_user, by, reason, end_sessions=END_SESSIONS in ticked)


def _undo(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
    protection.undo_dismissal(target.known_user, by, reason)


def _resolve(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
    """Close everything that is open as resolved: it was true, and was dealt with outside."""
    for detection in _open(target):
        protection.close_detection(detection, RiskEvent.ADMIN_RESOLVED, by, reason)


def _recover(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
    protection.begin_recovery(target.known_user, by, reason)


def _temporary_password(target: Target, by: str, _reason: str, _ticked: Collection[str]) -> str:
    return users.set_temporary_password(target.known_user, by)


def _require_reset(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
    users.require_new_password(target.known_user, by, reason)


def _reset_factors(target: Target, by: str, _reason: str, _ticked: Collection[str]) -> None:
    methods.remove_all(target.known_user, by)


def _block(target: Target, by: str, _reason: str, _ticked: Collection[str]) -> None:
    users.set_enabled(target.known_user, False, by)


def _unblock(target: Target, by: str, _reason: str, _ticked: Collection[str]) -> None:
    users.set_enabled(target.known_user, True, by)


def _revoke(target: Target, by: str, _reason: str, _ticked: Collection[str]) -> None:
    sessions.end_all(target.known_user.id, "revoked", actor=by)


def _lock_down(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
    users.lock_down(target.known_user, by, reason)


def _open(target: Target) -> list[RiskDetection]:
    statement = select(RiskDetection).where(RiskDetection.user_id == target.user_id, IS_OPEN)
    return list(session().scalars(statement).all())


# What is so already


def _nothing_open(target: Target) -> str | None:
    return None if _open(target) else "No risk is open."


def _is_blocked(target: Target) -> str | None:
    return None if target.known_user.enabled else "This person is blocked already."


def _is_not_blocked(target: Target) -> str | None:
    if not target.known_user.enabled or users.has_failed(target.known_user):
        return None
    return "This person is not blocked, and no wrong password of theirs is counted."


def _is_undone(target: Target) -> str | None:
    if not protection.is_undone(target.known_user.id):
        return None
    return f"{UNDONE[0].upper()}{UNDONE[1:]}."


def _no_factors(target: Target) -> str | None:
    return None if methods.all_of(target.known_user.id) else "No second factor is registered."


# Why not


def _nothing_to_undo(target: Target) -> str | None:
    problem = protection.why_no_undoing(target.known_user.id)
    return f"Nothing can be undone: {problem}." if problem else None


def _no_recovery(target: Target) -> str | None:
    problem = protection.why_no_recovery(target.known_user)
    return f"A strong sign-in alone would not restore the identity: {problem}." if problem else None


def _no_temporary_password(_target: Target) -> str | None:
    return None if runtime().directory.sets_passwords else "The host application keeps the passwords."


def _no_reset(target: Target) -> str | None:
    try:
        users.check_reset_possible(target.known_user)
    except InteractionError as error:
        return error.message
    return None


USER_ACTS = (
    Act(
        "lock_down",
        "user",
        "Lock down",
        "Lock down {}",
        (
            "Confirms that the identity is compromised: user risk becomes high.",
            "Ends every session and token at once.",
            "Forgets every familiar device.",
            "Blocks the person from signing in, unless a host application decides about that.",
        ),
        (SAME_PASSWORD, "Second factors stay registered."),
        _lock_down,
        gives_access=False,
    ),
    Act(
        "confirm_compromised",
        "user",
        "Confirm compromised",
        "Confirm that {} is compromised",
        (
            "Raises user risk to high, until the identity is restored or somebody closes it.",
            "What came since the first suspicious thing is not learnt as this person's habit.",
        ),
        (SAME_PASSWORD, NO_BLOCK + " What policies demand of a high user risk applies at the next request."),
        _confirm_compromised,
        gives_access=False,
        options=(Option(END_SESSIONS, "End all sessions and tokens", True),),
    ),
    Act(
        "revoke_sessions",
        "user",
        "End all sessions",
        "End all sessions of {}",
        ("Ends every session, access and refresh token. The next request has to sign in anew.",),
        (SAME_PASSWORD, "Risk stays as it is.", NO_BLOCK),
        _revoke,
        gives_access=False,
    ),
    Act(
        "block",
        "user",
        "Block",
        "Block {} from signing in",
        ("Nobody can sign in as this person.", "Ends every session and token at once."),
        (SAME_PASSWORD, "Risk stays as it is: unblocking clears nothing."),
        _block,
        gives_access=False,
        already=_is_blocked,
    ),
    Act(
        "unblock",
        "user",
        "Unblock",
        "Let {} sign in again",
        ("This person can sign in again.", "Forgets wrong passwords that were counted."),
        (SAME_PASSWORD, "Risk stays as it is.", "What was ended stays ended."),
        _unblock,
        already=_is_not_blocked,
    ),
    Act(
        "dismiss",
        "user",
        "Dismiss risk",
        "Dismiss the risk of {}",
        (
            "Says that the risk was void: all open detections are closed as dismissed, user risk becomes none.",
        ),
        (SAME_PASSWORD, SAME_SESSIONS + " They end if you choose so.", "It can be undone for a day."),
        _dismiss,
        options=(Option(END_SESSIONS, "End all sessions and tokens as well", False),),
        already=_nothing_open,
    ),
    Act(
        "undo_dismissal",
        "user",
        "Undo dismissal",
        "Undo the newest dismissal of {}",
        ("Opens again what was dismissed together the last time, as if it had not been.",),
        (SAME_PASSWORD, SAME_SESSIONS),
        _undo,
        gives_access=False,
        already=_is_undone,
        why_not=_nothing_to_undo,
    ),
    Act(
        "confirm_safe",
        "user",
        "Confirm safe",
        "Confirm that {} is safe",
        (
            "Says that the identity is in its owner's hands: all open detections are closed, user risk becomes none.",
            "How this person signs in is learnt anew: for some days unfamiliarity alone raises nothing.",
        ),
        (SAME_PASSWORD, SAME_SESSIONS),
        _confirm_safe,
    ),
    Act(
        "resolve",
        "user",
        "Resolved elsewhere",
        "Say that the risk of {} was dealt with elsewhere",
        ("Closes all open detections as resolved: they were true, and what they told of was cured outside.",),
        (SAME_PASSWORD, SAME_SESSIONS),
        _resolve,
        already=_nothing_open,
    ),
    Act(
        "recover",
        "user",
        "Recover by signing in",
        "Let {} recover by a strong sign-in",
        (
            "Ends every session and token at once.",
            "The next sign-in with a second factor closes the risk, without a new password.",
        ),
        (SAME_PASSWORD, NO_BLOCK),
        _recover,
        why_not=_no_recovery,
    ),
    Act(
        "temporary_password",
        "user",
        "Temporary password",
        "Give {} a temporary password",
        (
            "Replaces the password by one that works once and for a day. It is shown on the next page, this once.",
            "Ends every session and token at once, and forgets every familiar device.",
            "Closes the risk, but for addresses on a list, which a password does not cure.",
            "The person has to choose a new password.",
        ),
        ("Nobody is told: hand it over to the person, whose identity you checked.", NO_BLOCK),
        _temporary_password,
        why_not=_no_temporary_password,
    ),
    Act(
        "require_reset",
        "user",
        "Require a new password",
        "Require a new password of {}",
        ("Before anything goes out, the person confirms a second factor and chooses a new password.",),
        ("The password works until then.", SAME_SESSIONS, "Risk stays open until the new password."),
        _require_reset,
        gives_access=False,
        why_not=_no_reset,
    ),
    Act(
        "reset_factors",
        "user",
        "Remove second factors",
        "Remove all second factors of {}",
        (
            "Removes every second factor and recovery code; the person registers anew, in a sign-in without risk.",
            "Ends every session and token at once.",
        ),
        (
            SAME_PASSWORD,
            "Risk stays as it is: a compromised person without a factor needs a temporary password.",
        ),
        _reset_factors,
        already=_no_factors,
    ),
)
