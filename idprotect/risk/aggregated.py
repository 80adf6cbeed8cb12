"""The aggregated level of a sign-in: what is believed of it now, while the real-time level stays as it was."""

from collections.abc import Sequence

from idprotect.risk.assessment import sign_in_risk
from idprotect.risk.levels import RiskLevel


def aggregated_risk(
    real_time: RiskLevel,
    open_then: Sequence[RiskLevel],
    open_since: Sequence[RiskLevel] = (),
    *,
    some_closed: bool = False,
) -> RiskLevel:
    """Return the level that follows from the open detections about a sign-in.

    What was known when signing in was judged then, with a trusted location for example: it never weighs more now.

    :param open_then: levels of those found while signing in.
    :param open_since: levels of those that were found later.
    :param some_closed: whether others found while signing in are closed by now.
    """
    if not open_then and not open_since:
        return RiskLevel.NONE
    known_then = min(real_time, sign_in_risk(open_then)) if some_closed else real_time
    if not open_then:
        known_then = RiskLevel.NONE
    return max(known_then, sign_in_risk([*open_then, *open_since])) if open_since else known_then
