import pytest

from idprotect.risk import About, Finding, NotEvaluated, RiskLevel, Timing, assess
from idprotect.risk.detections.leaked_credentials import LeakedCredentials, leaked_pair
from tests.risk.examples import signals


def test_a_breached_password_makes_the_user_high() -> None:
    """F009: always high, about the user, in real time; it says how often the password was seen."""
    finding = LeakedCredentials().detect(signals(breach_count=37))
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level) == ("leaked_credentials", RiskLevel.HIGH)
    assert (finding.about, finding.timing) == (About.USER, Timing.REAL_TIME)
    assert "seen 37 times" in finding.reasons[0]
    assert finding.evidence["seen"] == 37


def test_a_breached_password_does_not_make_the_sign_in_risky() -> None:
    assert assess(signals(breach_count=1), [LeakedCredentials()]).level is RiskLevel.NONE


def test_a_password_that_was_never_seen_is_not_suspicious() -> None:
    assert LeakedCredentials().detect(signals(breach_count=0)) is None


def test_without_breached_data_nobody_looked() -> None:
    """D16: no data is not *never seen*."""
    assert LeakedCredentials().detect(signals()) == NotEvaluated("no breached-password data")


@pytest.mark.parametrize(("seen", "found"), [(9, False), (10, True), (11, True)])
def test_the_operator_chooses_how_often_is_too_often(seen: int, found: bool) -> None:
    """F025."""
    answer = LeakedCredentials(threshold=10).detect(signals(breach_count=seen))
    assert isinstance(answer, Finding) is found


def test_an_imported_pair_is_the_same_detection_found_offline() -> None:
    """F008: the same stable name, always high, with its source."""
    finding = leaked_pair("collection 1")
    assert (finding.name, finding.level) == ("leaked_credentials", RiskLevel.HIGH)
    assert (finding.about, finding.timing) == (About.USER, Timing.OFFLINE)
    assert "collection 1" in finding.reasons[0]
    assert finding.evidence == {"source": "collection 1"}
