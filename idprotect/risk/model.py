"""The model: what each piece of evidence weighs, in nats, and which sum is which level.

A logistic regression on three simulated logs, the sign of every weight fixed beforehand, cross-validated between the
logs (``bench/risk.md`` says how well, ``bench/risk_fit.py`` how). The sum is log-odds up to a constant that depends on
how common attacks are; so levels are set by the share of legitimate sign-ins that may reach them, not by a probability.
"""

from collections.abc import Mapping, Set

from idprotect.risk.evidence import Evidence
from idprotect.risk.levels import RiskLevel
from idprotect.risk.weights import WEIGHTS

#: The sum without any evidence.
BASE = -3.9
#: The sums from which on a sign-in is low, medium, high: some 2 to 3, 1 and 0.25 % of legitimate sign-ins in the logs.
THRESHOLDS: Mapping[RiskLevel, float] = {
    RiskLevel.LOW: -1.24,
    RiskLevel.MEDIUM: -0.38,
    RiskLevel.HIGH: 1.4,
}


def contributions(evidence: Evidence, raised: Set[str]) -> dict[str, float]:
    """Return what each piece of evidence adds (nats), and the base.

    :param raised: detections that account for their evidence by themselves.
    """
    found = {"base": BASE}
    for name, value in evidence.items():
        weight = WEIGHTS.get(name)
        if weight is not None and weight.part_of not in raised:
            found[name] = weight.nats * value
    return found


def absolute(evidence: Evidence) -> float:
    """Return what the evidence weighs that does not rest on habits (nats)."""
    weights = ((WEIGHTS.get(name), value) for name, value in evidence.items())
    return sum(weight.nats * value for weight, value in weights if weight is not None and weight.is_absolute)


def level_of(nats: float) -> RiskLevel:
    """Return the level that a sum reaches."""
    return max((level for level, least in THRESHOLDS.items() if nats >= least), default=RiskLevel.NONE)


def points(evidence: Evidence, raised: Set[str]) -> float:
    """Return the sum on the scale of findings: 1 at low, 3 at medium, 6 at high, straight lines between and beyond."""
    nats = sum(contributions(evidence, raised).values())
    low, medium, high = (THRESHOLDS[level] for level in (RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH))
    if nats < medium:
        return 3 - 2 * (medium - nats) / (medium - low)
    return 3 + 3 * (nats - medium) / (high - medium)
