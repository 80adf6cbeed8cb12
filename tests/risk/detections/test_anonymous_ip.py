import pytest

from idprotect.risk import About, Finding, NotEvaluated, RiskLevel, Timing
from idprotect.risk.detections.anonymous_ip import AnonymousIp
from tests.risk.examples import HOME, ada, attempt, signals, stranger


def test_an_anonymiser_is_medium_and_names_the_address() -> None:
    """F001, F024: about the sign-in, in real time."""
    finding = AnonymousIp().detect(signals(stranger(network={"anonymous": True})))
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level) == ("anonymous_ip", RiskLevel.MEDIUM)
    assert (finding.about, finding.timing) == (About.SIGN_IN, Timing.REAL_TIME)
    assert finding.reasons == ("198.51.100.9 is on the list of anonymisers",)
    assert finding.evidence == {"ip_address": "198.51.100.9"}


@pytest.mark.parametrize(("sign_ins", "level"), [(4, RiskLevel.MEDIUM), (5, RiskLevel.LOW)])
def test_at_home_it_is_low_for_such_lists_grow_stale(sign_ins: int, level: RiskLevel) -> None:
    """Home is an address with five sign-ins, in a browser that is known; the reason says so."""
    finding = AnonymousIp().detect(signals(attempt(network={"anonymous": True}), ada(sign_ins)))
    assert isinstance(finding, Finding)
    assert finding.level is level
    assert any("often" in reason for reason in finding.reasons) is (level is RiskLevel.LOW)


def test_a_stranger_at_the_home_address_is_not_at_home() -> None:
    finding = AnonymousIp().detect(signals(attempt(device=None, network={"anonymous": True})))
    assert isinstance(finding, Finding)
    assert finding.level is RiskLevel.MEDIUM


def test_an_address_that_is_not_listed_is_not_suspicious() -> None:
    assert AnonymousIp().detect(signals(attempt(network={"anonymous": False}))) is None


def test_without_an_address_or_a_list_nobody_looked() -> None:
    """D16: not evaluated, each for its own reason; another list's answer is no substitute."""
    unknown = AnonymousIp().detect(signals(attempt(address=None)))
    assert unknown == NotEvaluated("the address is not known")
    listings = {"anonymous": None, "listings": {"tor": True}}
    missing = AnonymousIp().detect(signals(attempt(network=listings)))
    assert missing == NotEvaluated("no list of anonymisers is loaded")


def test_the_operator_chooses_the_level() -> None:
    """F025."""
    finding = AnonymousIp(RiskLevel.HIGH).detect(signals(stranger(network={"anonymous": True})))
    assert isinstance(finding, Finding)
    assert finding.level is RiskLevel.HIGH
    assert HOME not in finding.reasons[0]
