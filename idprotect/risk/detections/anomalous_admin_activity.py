"""Somebody in the console reads or changes far more than people do: a script, or a stolen session."""

from idprotect.risk.assessment import Finding
from idprotect.risk.levels import About, RiskLevel, Timing

NAME = "anomalous_admin_activity"


def anomalous_admin_activity(what: str, count: int) -> Finding:
    """Return the finding for an administrator who did something so many times within an hour.

    :param what: such as ``exports and look-ups``.
    """
    reason = f"at least {count} {what} in the console within an hour"
    return Finding(
        NAME, RiskLevel.MEDIUM, About.USER, (reason,), {"what": what, "count": count}, Timing.OFFLINE
    )
