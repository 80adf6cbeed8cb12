"""What a replay says of an event: one JSON object."""

from typing import Any

from idprotect.replay.engine import Judged
from idprotect.risk import Detector, Finding


def answer(judged: Judged, detectors: tuple[Detector, ...]) -> dict[str, Any]:
    """Return what was said of an attempt, with the answer of every detector that was asked."""
    assessment = judged.assessment
    return {
        "event_id": judged.event_id,
        "score": round(assessment.score, 4),
        "level": assessment.level.label,
        "reasons": [reason for finding in assessment.findings for reason in finding.reasons],
        "user_level": judged.user_level.label,
        "detections": {detector.name: None for detector in detectors}
        | {name: {"not_evaluated": why} for name, why in assessment.not_evaluated.items()}
        | _by_name(assessment.findings),
    }


def _by_name(findings: tuple[Finding, ...]) -> dict[str, Any]:
    """Return the findings by name. Several address lists share one: the highest level counts, all reasons are told."""
    found: dict[str, Any] = {}
    for finding in sorted(findings, key=lambda finding: finding.level):
        reasons = found.get(finding.name, {}).get("reasons", [])
        found[finding.name] = {"level": finding.level.label, "reasons": [*finding.reasons, *reasons]}
    return found
