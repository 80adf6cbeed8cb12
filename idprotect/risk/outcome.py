"""What an outcome teaches: only sign-ins that ended well become habit, so that no attacker trains the profile."""

from idprotect.risk.attempt import Attempt, Kind, Result
from idprotect.risk.levels import RiskLevel
from idprotect.risk.profile import Learning, Profile


def ended_well(result: Result, level: RiskLevel) -> bool:
    """Whether an attempt was let through without risk, or its risk was cleared by a second factor."""
    return result is Result.CHALLENGE_PASSED or (result is Result.SUCCESS and level is RiskLevel.NONE)


def learn(
    profile: Profile,
    attempt: Attempt,
    result: Result,
    level: RiskLevel,
    learning: Learning,
    *,
    device: str | None = None,
    session: str | None = None,
) -> None:
    """Let the profile of a user learn what came of an attempt.

    :param level: what the attempt was judged at.
    :param device: id of the device cookie that the browser holds from now on.
    :param session: id of the session that was begun.
    """
    if result is Result.FAILURE:
        profile.fail(attempt)
    elif result in (Result.CHALLENGE_FAILED, Result.BLOCKED):
        profile.deny(attempt)
    elif attempt.kind is Kind.SESSION:
        if ended_well(result, level):
            profile.learn_session(attempt)
    elif ended_well(result, level):
        profile.learn(attempt, learning, device, session)
    elif session is not None:
        # Let in at risk: the session has to be recognised, but nothing about it becomes habit.
        profile.begin(attempt, device, session, at_risk=True)
