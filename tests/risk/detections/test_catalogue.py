"""What is looked for at each sign-in, as a whole."""

from dataclasses import FrozenInstanceError, fields, is_dataclass
from itertools import product

import pytest

from idprotect.risk import Count, Detector, Finding, NotEvaluated, Profile, RiskLevel, Signals, assess
from idprotect.risk.detections import DETECTIONS, SESSION_DETECTIONS
from tests.risk.examples import AT, CURL, SYDNEY, ada, attempt, fail, signals, stranger

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


def worst() -> Signals:
    """Return an attempt about which everything is wrong."""
    there = stranger(place=SYDNEY, device="a stranger's", browser=CURL, network={"anonymous": True})
    many = Count(AT, accounts=40, failed=90, burst=60, burst_accounts=30)
    counts = {("all", ""): Count(AT, ok=500, users=100), ("site", there.site): many}
    counts[("device", "a stranger's")] = Count(AT, users=9)
    failures = (stranger(AT - number) for number in range(9, 0, -1))
    return signals(there, fail(ada(until=AT - 3600), *failures), counts, breach_count=12)


def test_the_names_are_those_of_the_product_and_each_is_there_once() -> None:
    """2.1: people write alert rules on them."""
    names = [detector.name for detector in DETECTIONS]
    assert len(names) == len(set(names))
    assert set(names) == STABLE_NAMES - {"anomalous_token"}
    assert {detector.name for detector in SESSION_DETECTIONS} == {"unfamiliar_sign_in", "anomalous_token"}


@pytest.mark.parametrize("detector", DETECTIONS, ids=lambda detector: detector.name)
def test_a_detector_is_a_frozen_value_of_thresholds(detector: Detector) -> None:
    """F025: nothing is remembered between two sign-ins, so the same signals get the same answer."""
    assert is_dataclass(detector)
    with pytest.raises((FrozenInstanceError, TypeError)):
        setattr(detector, fields(detector)[0].name, None)
    assert detector == type(detector)()


def test_knowing_nothing_finds_nothing_and_says_who_could_not_look() -> None:
    """D16: a user of whom nothing is known, from an address that is not known: neither failed nor safe."""
    assessment = assess(signals(attempt(address=None, device=None), Profile()), DETECTIONS)
    assert (assessment.level, assessment.findings, assessment.failed) == (RiskLevel.NONE, (), ())
    looked = {"repeated_failures", "suspicious_browser"}
    assert set(assessment.not_evaluated) == STABLE_NAMES - {"anomalous_token"} - looked


def test_ada_at_home_is_no_risk_and_far_from_it() -> None:
    """The everyday sign-in: twenty before it from the same address and browser."""
    assessment = assess(signals(), DETECTIONS)
    assert (assessment.level, assessment.findings) == (RiskLevel.NONE, ())
    assert assessment.score < -5


def test_when_everything_is_wrong_everything_is_found() -> None:
    """F024: each finding gives sentences for the administrator, and the values behind them."""
    assessment = assess(worst(), DETECTIONS)
    assert assessment.level is RiskLevel.HIGH
    assert {finding.name for finding in assessment.findings} == STABLE_NAMES - {
        "anomalous_token",
        "listed_ip",
    }
    for finding in assessment.findings:
        assert finding.reasons
        assert all(reason.strip() for reason in finding.reasons)
        assert finding.evidence


def test_what_a_rule_found_is_not_counted_a_second_time() -> None:
    """D09: the travel is impossible_travel's; unfamiliar_sign_in weighs the rest only."""
    (rest,) = [finding for finding in assess(worst(), DETECTIONS).findings if "nats" in finding.evidence]
    assert not {"travel", "site_surge", "anonymous", "failed_elsewhere"} & set(rest.evidence["nats"])
    assert {"stranger_elsewhere", "browser_tool"} <= set(rest.evidence["nats"])


@pytest.mark.parametrize("detector", DETECTIONS, ids=lambda detector: detector.name)
def test_an_answer_is_a_finding_a_reason_or_nothing(detector: Detector) -> None:
    for address, listed, breaches in product((None, "192.0.2.7"), (None, False, True), (None, 0, 3)):
        tried = attempt(address=address, network={"anonymous": listed})
        answer = detector.detect(signals(tried, breach_count=breaches))
        assert answer is None or isinstance(answer, Finding | NotEvaluated)
        assert not isinstance(answer, Finding) or answer.name == detector.name
