"""The lists of the console, each a value of :class:`idprotect.admin.listing.Listing`."""

from idprotect.admin.lists.detections import DETECTIONS
from idprotect.admin.lists.people import RISKY_USERS, USERS
from idprotect.admin.lists.records import APPLICATIONS, AUDIT
from idprotect.admin.lists.sign_ins import RISKY_SIGN_INS, SESSIONS, SIGN_INS

LISTINGS = {
    listing.name: listing
    for listing in (
        RISKY_USERS,
        RISKY_SIGN_INS,
        DETECTIONS,
        SIGN_INS,
        SESSIONS,
        USERS,
        APPLICATIONS,
        AUDIT,
    )
}

__all__ = [
    "APPLICATIONS",
    "AUDIT",
    "DETECTIONS",
    "LISTINGS",
    "RISKY_SIGN_INS",
    "RISKY_USERS",
    "SESSIONS",
    "SIGN_INS",
    "USERS",
]
