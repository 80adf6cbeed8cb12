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
from idprotect.risk.levels import About, RiskDetail, RiskLevel, RiskState, Timing, highest
from idprotect.risk.states import TRANSITIONS, Closes, Ends, RiskEvent, Transition
from idprotect.risk.user_risk import OpenSignIn, user_risk

__all__ = [
    "TRANSITIONS",
    "About",
    "Assessment",
    "Closes",
    "Detector",
    "Ends",
    "Finding",
    "NotEvaluated",
    "OpenSignIn",
    "RiskDetail",
    "RiskEvent",
    "RiskLevel",
    "RiskState",
    "Signals",
    "Timing",
    "Transition",
    "aggregated_risk",
    "assess",
    "highest",
    "sign_in_risk",
    "user_risk",
]
