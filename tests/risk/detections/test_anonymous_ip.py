from datetime import UTC, datetime

import pytest

from idprotect.risk import About, Finding, NotEvaluated, RiskLevel, Signals, Timing
from idprotect.risk.detections.anonymous_ip import AnonymousIp

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADDRESS = "192.0.2.7"


def test_a_listed_anonymiser_is_found_at_medium() -> None:
    """F001, F024: about the sign-in, in real time, with the address and the list named."""
    finding = AnonymousIp().detect(Signals(AT, ip_address=ADDRESS, listings={"anonymous": True}))
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level) == ("anonymous_ip", RiskLevel.MEDIUM)
    assert (finding.about, finding.timing) == (About.SIGN_IN, Timing.REAL_TIME)
    (reason,) = finding.reasons
    assert ADDRESS in reason
    assert "'anonymous'" in reason
    assert finding.evidence == {"ip_address": ADDRESS, "list": "anonymous"}


def test_an_address_that_is_not_listed_is_not_suspicious() -> None:
    assert AnonymousIp().detect(Signals(AT, ip_address=ADDRESS, listings={"anonymous": False})) is None


def test_an_unknown_address_is_not_evaluated() -> None:
    """D16: nobody looked, even if a list claims to know."""
    for listings in ({}, {"anonymous": False}, {"anonymous": True}):
        answer = AnonymousIp().detect(Signals(AT, listings=listings))
        assert answer == NotEvaluated("the address is not known")


@pytest.mark.parametrize("listings", [{}, {"anonymous": None}, {"botnet": False}, {"botnet": True}])
def test_a_list_that_is_missing_or_stale_is_not_evaluated(listings: dict[str, bool | None]) -> None:
    """D16: another list's answer is no substitute."""
    answer = AnonymousIp().detect(Signals(AT, ip_address=ADDRESS, listings=listings))
    assert answer == NotEvaluated("address list 'anonymous' is not loaded")


def test_the_operator_chooses_list_and_level() -> None:
    """F025."""
    detector = AnonymousIp(address_list="exits", level=RiskLevel.HIGH)
    signals = Signals(AT, ip_address=ADDRESS, listings={"exits": True, "anonymous": False})
    finding = detector.detect(signals)
    assert isinstance(finding, Finding)
    assert finding.level is RiskLevel.HIGH
    assert finding.evidence["list"] == "exits"
