from dataclasses import replace

import pytest

from idprotect.risk import About, Attempt, Finding, Kind, NotEvaluated, RiskLevel, Timing, assess
from idprotect.risk.detections import SESSION_DETECTIONS
from idprotect.risk.detections.anomalous_token import AnomalousToken, reused
from tests.risk.examples import AT, CHROME, FIREFOX, LAPTOP, SYDNEY, ada, attempt, signals, stranger


def used(presented: Attempt, session: str = "ada's session") -> object:
    """Return the answer to a session's cookie, which Ada's laptop got at home yesterday."""
    profile = ada()
    profile.begin(attempt(AT - 3600), LAPTOP, "ada's session")
    cookie = replace(presented, kind=Kind.SESSION, session=session, password_ok=None)
    return AnomalousToken().detect(signals(cookie, profile))


def test_a_cookie_from_another_network_and_another_browser_is_high_about_the_user() -> None:
    """F015, F024: before and now are named."""
    finding = used(stranger())
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level) == ("anomalous_token", RiskLevel.HIGH)
    assert (finding.about, finding.timing) == (About.USER, Timing.REAL_TIME)
    assert finding.reasons == (
        "the session's cookie came from Fjord Broadband in GB, before from NO",
        "by Chrome on Windows, before by Firefox on Linux",
    )
    assert (finding.evidence["country"], finding.evidence["former_country"]) == ("GB", "NO")


@pytest.mark.parametrize(
    "presented",
    [
        attempt(),
        attempt(address="192.0.2.99"),
        attempt(browser=CHROME),
        stranger(browser=FIREFOX, device=LAPTOP),
        attempt(browser=replace(FIREFOX, exact="firefox 141 on linux", version=141)),
    ],
    ids=["as it was", "a new address nearby", "another browser at home", "another network", "an update"],
)
def test_one_change_alone_is_no_theft(presented: Attempt) -> None:
    """People move, and browsers update themselves; the evidence may still say that it is unfamiliar."""
    assert used(presented) is None


def test_the_same_browser_may_be_a_theft_when_all_evidence_together_is_high() -> None:
    """A phishing proxy copies the user agent: Sydney within the hour, no cookie of the device."""
    finding = used(stranger(browser=FIREFOX, place=SYDNEY))
    assert isinstance(finding, Finding)
    assert finding.evidence["nats"] > 1.4


def test_a_session_that_is_not_remembered_is_not_evaluated() -> None:
    """D16: of a user's sessions the newest eight are compared."""
    answer = used(stranger(), "another session")
    assert answer == NotEvaluated("it is not known any more what the session began with")


def test_a_password_is_no_token() -> None:
    assert AnomalousToken().detect(signals(stranger())) is None


def test_what_is_found_of_a_session_makes_its_use_risky_too() -> None:
    """The finding is about the user, and stops this very request."""
    profile = ada()
    profile.begin(attempt(AT - 3600), LAPTOP, "ada's session")
    cookie = replace(stranger(), kind=Kind.SESSION, session="ada's session")
    assert assess(signals(cookie, profile), SESSION_DETECTIONS).level is RiskLevel.HIGH


@pytest.mark.parametrize("what", ["a refresh token", "a code"])
def test_a_single_use_token_that_is_presented_again_is_high(what: str) -> None:
    """F015."""
    finding = reused(what)
    assert (finding.name, finding.level, finding.about) == ("anomalous_token", RiskLevel.HIGH, About.USER)
    assert finding.reasons == (f"{what} that was used before was presented again",)
