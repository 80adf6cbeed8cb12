"""What the administrator demands: conditional access, as pure functions over plain values."""

from idprotect.conditional_access.decision import Decision, Outcome, PolicyResult, Reason, Step
from idprotect.conditional_access.document import parse_policies
from idprotect.conditional_access.evaluation import CONDITIONS, evaluate, skip_days_left
from idprotect.conditional_access.facts import AccessRequest
from idprotect.conditional_access.policy import (
    Control,
    Location,
    Policy,
    PolicySet,
    PolicyState,
    Selection,
    Unregistered,
    validity_problems,
)

__all__ = [
    "CONDITIONS",
    "AccessRequest",
    "Control",
    "Decision",
    "Location",
    "Outcome",
    "Policy",
    "PolicyResult",
    "PolicySet",
    "PolicyState",
    "Reason",
    "Selection",
    "Step",
    "Unregistered",
    "evaluate",
    "parse_policies",
    "skip_days_left",
    "validity_problems",
]
