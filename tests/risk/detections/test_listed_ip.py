from pathlib import Path
from typing import Any

import pytest

from idprotect.risk import About, Finding, NotEvaluated, RiskLevel, Signals, Timing
from idprotect.risk.detections import DETECTIONS
from idprotect.risk.detections.listed_ip import ListedIp
from tests.risk.examples import HOME as ADDRESS
from tests.risk.examples import attempt, signals


def listed(**listings: bool | None) -> Signals:
    """Return the signals of a sign-in at an address, with what the operator's lists say of it."""
    return signals(attempt(network={"listings": listings}))


@pytest.mark.parametrize("level", [RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH])
def test_a_listed_address_is_found_at_the_level_of_the_list(level: RiskLevel) -> None:
    """F013, F024, F025: about the sign-in, in real time, naming address and list."""
    finding = ListedIp("botnet", level).detect(listed(botnet=True))
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level) == ("listed_ip", level)
    assert (finding.about, finding.timing) == (About.SIGN_IN, Timing.REAL_TIME)
    assert finding.reasons == ("192.0.2.7 is on the list 'botnet'",)
    assert finding.evidence == {"ip_address": ADDRESS, "list": "botnet"}


def test_a_list_is_low_unless_the_operator_says_otherwise() -> None:
    assert ListedIp("botnet").level is RiskLevel.LOW


def test_an_address_on_another_list_only_is_not_found() -> None:
    assert ListedIp("botnet").detect(listed(botnet=False, spam=True, anonymous=True)) is None


@pytest.mark.parametrize("listings", [{}, {"botnet": None}, {"spam": False}])
def test_a_list_that_cannot_tell_is_not_evaluated(listings: dict[str, bool | None]) -> None:
    """D16: another list's answer is no substitute."""
    answer = ListedIp("botnet").detect(listed(**listings))
    assert answer == NotEvaluated("address list 'botnet' cannot tell: it is missing or stale")


def test_without_an_address_or_a_list_nobody_looked() -> None:
    """D16."""
    assert ListedIp("botnet").detect(signals(attempt(address=None))) == NotEvaluated(
        "the address is not known"
    )
    answer = ListedIp().detect(listed(**{"": True}))
    assert answer == NotEvaluated("there is no address list")


def test_each_list_of_the_operator_makes_a_finding_of_its_own(tmp_path: Path, make_world: Any) -> None:
    """A list of anonymisers is none of them; the levels are those of the setting."""
    for name in ("tor", "botnet", "spam"):
        (tmp_path / f"{name}.txt").write_text(f"{ADDRESS}\n")
    lists = {
        "tor": f"{tmp_path}/tor.txt@anonymous",
        "botnet": f"{tmp_path}/botnet.txt@medium",
        "spam": f"{tmp_path}/spam.txt",
    }
    runtime = make_world(IDPROTECT_ADDRESS_LISTS=lists).app.extensions["idprotect"]
    detectors = [detector for detector in runtime.detections if detector.name == "listed_ip"]
    assert detectors == [ListedIp("botnet", RiskLevel.MEDIUM), ListedIp("spam", RiskLevel.LOW)]
    assert runtime.intelligence.network(ADDRESS).listings == {"botnet": True, "spam": True}
    assert runtime.intelligence.network(ADDRESS).anonymous is True


def test_a_server_without_lists_says_that_nobody_looked(make_world: Any) -> None:
    """D16."""
    runtime = make_world(IDPROTECT_ADDRESS_LISTS={}).app.extensions["idprotect"]
    assert ListedIp() in DETECTIONS
    assert ListedIp() in runtime.detections
