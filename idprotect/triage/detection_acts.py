"""Acts about one detection, also when its user is gone."""

from collections.abc import Callable, Collection

from idprotect import protection
from idprotect.errors import InteractionError
from idprotect.models import RiskDetection
from idprotect.risk import TRANSITIONS, RiskDetail, RiskEvent, RiskState
from idprotect.risk.states import why_not_reactivated
from idprotect.triage.act import Act, Target
from idprotect.triage.user_acts import SAME_PASSWORD, SAME_SESSIONS

OTHERS_STAY = "Other detections of this person stay as they are."


def _closing(event: RiskEvent) -> Callable[[Target, str, str, Collection[str]], None]:
    def close(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
        protection.close_detection(_detection(target), event, by, reason)

    return close


def _reactivate(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
    protection.reactivate(_detection(target), by, reason)


def _detection(target: Target) -> RiskDetection:
    if target.detection is None:
        raise InteractionError("The detection does not exist.")
    return target.detection


def _closed_by(event: RiskEvent) -> Callable[[Target], str | None]:
    end = (str(TRANSITIONS[event].to), str(TRANSITIONS[event].detail))

    def is_so(target: Target) -> str | None:
        row = _detection(target)
        return "It is closed already." if (row.state, row.detail) == end else None

    return is_so


def _counts(target: Target) -> str | None:
    return "It counts already: it is open." if _detection(target).is_open else None


def _is_closed(target: Target) -> str | None:
    return None if _detection(target).is_open else "It is closed already."


def _stays_closed(target: Target) -> str | None:
    row = _detection(target)
    problem = why_not_reactivated(RiskState(row.state), RiskDetail(row.detail))
    return f"It cannot count again: {problem}." if problem else None


DETECTION_ACTS = (
    Act(
        "resolve_detection",
        "detection",
        "Resolve",
        "Resolve: {}",
        ("Closes the detection as true and dealt with. Levels follow from what is still open.",),
        (SAME_PASSWORD, SAME_SESSIONS, OTHERS_STAY),
        _closing(RiskEvent.ADMIN_RESOLVED),
        already=_closed_by(RiskEvent.ADMIN_RESOLVED),
        why_not=_is_closed,
    ),
    Act(
        "false_positive",
        "detection",
        "False positive",
        "Say that this was not true: {}",
        ("Closes the detection as not true. Levels follow from what is still open.",),
        (SAME_PASSWORD, SAME_SESSIONS, OTHERS_STAY),
        _closing(RiskEvent.ADMIN_FALSE_POSITIVE),
        already=_closed_by(RiskEvent.ADMIN_FALSE_POSITIVE),
        why_not=_is_closed,
    ),
    Act(
        "ignore",
        "detection",
        "Ignore",
        "Ignore: {}",
        ("Closes the detection: true or not, it does not matter. Levels follow from what is still open.",),
        (SAME_PASSWORD, SAME_SESSIONS, OTHERS_STAY),
        _closing(RiskEvent.ADMIN_IGNORED),
        already=_closed_by(RiskEvent.ADMIN_IGNORED),
        why_not=_is_closed,
    ),
    Act(
        "reactivate",
        "detection",
        "Reactivate",
        "Let this count again: {}",
        ("Opens a detection again that an administrator closed. Levels follow.",),
        (SAME_PASSWORD, SAME_SESSIONS),
        _reactivate,
        gives_access=False,
        already=_counts,
        why_not=_stays_closed,
    ),
)
