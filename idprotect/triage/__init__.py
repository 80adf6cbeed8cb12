"""What administrators do about people, sign-ins and detections, as a catalogue of acts.

The verbs are those of :mod:`idprotect.protection` and :mod:`idprotect.users`. An act adds what is the same for all of
them: what to say before it is done, who may do it to whom, and an audit event with the state before and after; also
when it was refused.
"""

from idprotect.triage.act import (
    Act,
    Actor,
    Done,
    Option,
    Target,
    find,
    left_open,
    perform,
    why_forbidden,
    why_refused,
)
from idprotect.triage.detection_acts import DETECTION_ACTS
from idprotect.triage.sign_in_acts import SIGN_IN_ACTS
from idprotect.triage.user_acts import USER_ACTS

ACTS: dict[str, Act] = {act.name: act for act in (*USER_ACTS, *SIGN_IN_ACTS, *DETECTION_ACTS)}

__all__ = [
    "ACTS",
    "Act",
    "Actor",
    "Done",
    "Option",
    "Target",
    "find",
    "left_open",
    "perform",
    "why_forbidden",
    "why_refused",
]
