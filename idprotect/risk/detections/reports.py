"""What we are told: the owner's "this was not me", an administrator's confirmation, another system's finding."""

from idprotect.risk.assessment import Finding
from idprotect.risk.levels import About, RiskLevel, Timing

ADMIN_CONFIRMED = "admin_confirmed"


def user_reported(what: str) -> Finding:
    """Return the finding for an owner who says that it was not them.

    :param what: what they were asked about, in words for the administrator.
    """
    return Finding(
        "user_reported",
        RiskLevel.HIGH,
        About.USER,
        (f"the user says: this was not me ({what})",),
        {"about": what},
    )


def admin_confirmed(by: str, note: str) -> Finding:
    """Return the finding for an administrator who confirms that an identity, or one sign-in, is compromised."""
    return Finding(
        ADMIN_CONFIRMED,
        RiskLevel.HIGH,
        About.USER,
        (f"{by} confirmed that the user is compromised" + (f": {note}" if note else ""),),
        {"by": by, "note": note},
        Timing.OFFLINE,
    )


def external_finding(
    level: RiskLevel, about: About, source: str, title: str, reasons: tuple[str, ...]
) -> Finding:
    """Return the finding that an authorised application reports, at the level that it reports."""
    return Finding(
        "external_finding",
        level,
        about,
        (f"{source}: {title}", *reasons),
        {"source": source, "title": title},
        Timing.OFFLINE,
    )
