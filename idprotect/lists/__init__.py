"""Lists of what is stored, each a value of :class:`idprotect.lists.listing.Listing`: for the console, its files, and
the API.
"""

from idprotect.lists.acceptances import ACCEPTANCES
from idprotect.lists.detections import DETECTIONS
from idprotect.lists.people import RISKY_USERS, USERS
from idprotect.lists.records import APPLICATIONS, AUDIT
from idprotect.lists.sign_ins import RISKY_SIGN_INS, SESSIONS, SIGN_INS

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
        ACCEPTANCES,
        AUDIT,
    )
}

__all__ = [
    "ACCEPTANCES",
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
