"""What is looked for at each sign-in, as a whole."""

from dataclasses import FrozenInstanceError, fields, is_dataclass
from datetime import UTC, datetime
from itertools import product

import pytest

from idprotect.risk import Detector, Finding, NotEvaluated, RiskLevel, Signals, assess
from idprotect.risk.detections import DETECTIONS

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)

STABLE_NAMES = {
    "unfamiliar_sign_in",
    "impossible_travel",
    "new_country",
    "anonymous_ip",
    "listed_ip",
    "suspicious_ip",
    "password_spray",
    "repeated_failures",
    "suspicious_browser",
    "anomalous_token",
    "leaked_credentials",
}


def test_the_names_are_those_of_the_product_and_each_is_there_once() -> None:
    """F001, F009, F012: people write alert rules on them."""
    names = [detector.name for detector in DETECTIONS]
    assert len(names) == len(set(names))
    assert {"anonymous_ip", "repeated_failures", "leaked_credentials"} <= set(names) <= STABLE_NAMES


@pytest.mark.parametrize("detector", DETECTIONS, ids=lambda detector: detector.name)
def test_a_detector_is_a_frozen_value_of_thresholds(detector: Detector) -> None:
    """F025: nothing is remembered between two sign-ins, so the same signals get the same answer."""
    assert is_dataclass(detector)
    with pytest.raises((FrozenInstanceError, TypeError)):
        setattr(detector, fields(detector)[0].name, None)
    assert detector == type(detector)()


def test_knowing_nothing_finds_nothing_and_says_who_could_not_look() -> None:
    """D16: neither failed nor safe."""
    assessment = assess(Signals(AT), DETECTIONS)
    assert (assessment.level, assessment.findings, assessment.failed) == (RiskLevel.NONE, (), ())
    assert {"anonymous_ip", "leaked_credentials"} <= set(assessment.not_evaluated)


def test_every_level_is_reachable_with_the_detectors_that_are_there() -> None:
    """D09: none, low (one finding in a trusted location), medium (one), high (two)."""
    reached = {
        assess(
            Signals(
                AT,
                ip_address="192.0.2.7",
                trusted_location=place,
                failures=failures,
                listings={"anonymous": listed},
            ),
            DETECTIONS,
        ).level
        for place, failures, listed in product((None, "office"), (0, 5), (False, True))
    }
    assert reached == set(RiskLevel)


def test_every_finding_gives_reasons_with_its_values() -> None:
    """F024: sentences for the administrator, and each value in the sentences is in the evidence."""
    signals = Signals(AT, ip_address="192.0.2.7", failures=7, listings={"anonymous": True}, breach_count=12)
    assessment = assess(signals, DETECTIONS)
    assert {finding.name for finding in assessment.findings} >= {
        "anonymous_ip",
        "repeated_failures",
        "leaked_credentials",
    }
    for finding in assessment.findings:
        assert finding.reasons
        assert all(reason.strip() for reason in finding.reasons)
        assert finding.evidence


@pytest.mark.parametrize("detector", DETECTIONS, ids=lambda detector: detector.name)
def test_an_answer_is_a_finding_a_reason_or_nothing(detector: Detector) -> None:
    for address, listed, breaches in product((None, "192.0.2.7"), (None, False, True), (None, 0, 3)):
        signals = Signals(AT, ip_address=address, listings={"anonymous": listed}, breach_count=breaches)
        answer = detector.detect(signals)
        assert answer is None or isinstance(answer, Finding | NotEvaluated)
        assert not isinstance(answer, Finding) or answer.name == detector.name
