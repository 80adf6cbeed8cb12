"""What we believe: risk, as pure functions over plain values."""

from idprotect.risk.aggregated import aggregated_risk
from idprotect.risk.assessment import (
    Assessment,
    Detector,
    Finding,
    NotEvaluated,
    Signals,
    assess,
    sign_in_risk,
)
from idprotect.risk.attempt import Attempt, Browser, Kind, Result
from idprotect.risk.levels import About, RiskDetail, RiskLevel, RiskState, Timing, highest
from idprotect.risk.network import Location, Network
from idprotect.risk.outcome import ended_well, learn
from idprotect.risk.population import Count, Counts, changes
from idprotect.risk.profile import Learning, Profile
from idprotect.risk.states import TRANSITIONS, Closes, Ends, RiskEvent, Transition
from idprotect.risk.user_risk import OpenSignIn, user_risk

__all__ = [
    "TRANSITIONS",
    "About",
    "Assessment",
    "Attempt",
    "Browser",
    "Closes",
    "Count",
    "Counts",
    "Detector",
    "Ends",
    "Finding",
    "Kind",
    "Learning",
    "Location",
    "Network",
    "NotEvaluated",
    "OpenSignIn",
    "Profile",
    "Result",
    "RiskDetail",
    "RiskEvent",
    "RiskLevel",
    "RiskState",
    "Signals",
    "Timing",
    "Transition",
    "aggregated_risk",
    "assess",
    "changes",
    "ended_well",
    "highest",
    "learn",
    "sign_in_risk",
    "user_risk",
]
