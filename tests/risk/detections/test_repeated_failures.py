from datetime import UTC, datetime

import pytest

from idprotect.risk import About, Finding, RiskLevel, Signals, Timing
from idprotect.risk.detections.repeated_failures import RepeatedFailures

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_sixth_attempt_being_right_is_found_with_the_count() -> None:
    """F012, F024: five failures, then a success; medium, about the sign-in."""
    finding = RepeatedFailures().detect(Signals(AT, failures=5))
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level) == ("repeated_failures", RiskLevel.MEDIUM)
    assert (finding.about, finding.timing) == (About.SIGN_IN, Timing.REAL_TIME)
    assert finding.reasons == ("5 failures in a row before this success (threshold 5)",)
    assert finding.evidence == {"failures": 5, "threshold": 5}


@pytest.mark.parametrize("failures", [0, 1, 4])
def test_a_few_typing_errors_are_not_suspicious(failures: int) -> None:
    assert RepeatedFailures().detect(Signals(AT, failures=failures)) is None


@pytest.mark.parametrize(("failures", "found"), [(2, False), (3, True), (100, True)])
def test_the_operator_chooses_how_many_failures_are_too_many(failures: int, found: bool) -> None:
    """F012, F025."""
    answer = RepeatedFailures(threshold=3).detect(Signals(AT, failures=failures))
    assert isinstance(answer, Finding) is found
